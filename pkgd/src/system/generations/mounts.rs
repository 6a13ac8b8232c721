//! Read-only views of folders: bind mounts.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use nix::mount::{MntFlags, MsFlags, mount, umount2};

/// The mounts of this process, one a line: proc_pid_mountinfo(5).
const MOUNTS: &str = "/proc/self/mountinfo";

/// Shows `tree` as `at`, a folder that is made where it is missing: nothing below can be written, by nobody.
///
/// # Errors
/// Those of `mount(2)`: this process may not, above all. Nothing is mounted then.
pub fn show(tree: &Path, at: &Path) -> io::Result<()> {
    if let Err(e) = fs::create_dir(at)
        && e.kind() != io::ErrorKind::AlreadyExists
    {
        return Err(e);
    }
    let none: Option<&str> = None;
    mount(Some(tree), at, none, MsFlags::MS_BIND, none)?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_RDONLY;
    // A bind mount takes flags only the second time.
    mount(none, at, none, MsFlags::MS_BIND | MsFlags::MS_REMOUNT | flags, none).map_err(|e| {
        // What failed first is what matters.
        let _ = umount2(at, MntFlags::MNT_DETACH);
        e.into()
    })
}

/// Takes every mount on `at` away; none is fine.
///
/// # Errors
/// Those of `umount(2)`: somebody works in there.
pub fn hide(at: &Path) -> io::Result<()> {
    while options(at).is_some() {
        umount2(at, MntFlags::UMOUNT_NOFOLLOW)?;
    }
    Ok(())
}

/// Whether something is mounted on `at`, and cannot be written.
pub fn is_shown(at: &Path) -> bool {
    options(at).is_some_and(|options| options.split(',').any(|option| option == "ro"))
}

/// The options of the topmost mount on `at`.
fn options(at: &Path) -> Option<String> {
    let at = fs::canonicalize(at).ok()?;
    let (mounts, at) = (fs::read(MOUNTS).ok()?, escaped(at.as_os_str().as_bytes()));
    let mounts = mounts.split(|byte| *byte == b'\n').rev();
    let fields = |line: &[u8]| -> Option<String> {
        let mut fields = line.split(|byte| *byte == b' ').skip(4);
        let (point, options) = (fields.next()?, fields.next()?);
        (point == at).then(|| String::from_utf8_lossy(options).into_owned())
    };
    mounts.into_iter().find_map(fields)
}

/// A path as the list of mounts has it: blanks and backslashes as octal numbers.
fn escaped(path: &[u8]) -> Vec<u8> {
    let one = |byte: &u8| match byte {
        b' ' | b'\t' | b'\n' | b'\\' => format!("\\{byte:03o}").into_bytes(),
        byte => vec![*byte],
    };
    path.iter().flat_map(one).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::ErrorKind;

    use super::{escaped, hide, is_shown, show};

    /// Its path has a blank, which the list of mounts writes in another way.
    #[test]
    fn a_tree_is_shown_read_only_and_hidden_again() {
        let place = tempfile::Builder::new().prefix("a place ").tempdir().unwrap();
        let (tree, at) = (place.path().join("tree"), place.path().join("at"));
        fs::create_dir(&tree).unwrap();
        fs::write(tree.join("file"), "text").unwrap();
        assert!(!is_shown(&at));
        hide(&at).expect("nothing is there to be hidden");
        show(&tree, &at).expect("run this as root");
        assert!(is_shown(&at) && !is_shown(&tree));
        assert_eq!(fs::read_to_string(at.join("file")).unwrap(), "text");
        let written = fs::write(at.join("file"), "other").unwrap_err();
        assert_eq!(written.kind(), ErrorKind::ReadOnlyFilesystem);
        show(&tree, &at).expect("once more");
        let open = fs::File::open(at.join("file")).unwrap();
        assert_eq!(hide(&at).unwrap_err().kind(), ErrorKind::ResourceBusy);
        drop(open);
        hide(&at).expect("all of it goes");
        assert!(!is_shown(&at) && !at.join("file").exists() && tree.join("file").exists());
    }

    #[test]
    fn what_cannot_be_shown_is_not_half_shown() {
        let place = tempfile::tempdir().unwrap();
        let at = place.path().join("at");
        show(&place.path().join("nothing"), &at).unwrap_err();
        assert!(!is_shown(&at));
        assert_eq!(escaped(b"/a b\\c"), b"/a\\040b\\134c");
    }
}
