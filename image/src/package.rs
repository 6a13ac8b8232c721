//! The package `minos`: MinOS's own programs for a system that boots, as a folder for `pkgctl pack`.
//!
//! They come from cargo and not from a recipe (decision 21). `pkgctl pack` finds what they need and provides, and
//! makes the same package of the same folder; `docs/PKGCTL.md` describes `package.toml`.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::initramfs::Request;
use crate::{Artefact, Error, How, Layout, Result};

/// pkgd as init starts it in a generation: as the built-in one (`init/src/services.rs`), but it is the generation's.
/// Seed and sources are disks of the machine, which init leaves below the initramfs.
const SERVICE: &str = r#"exec = [
    "/usr/sbin/pkgd", "--appliance", "--root", "/state", "--socket", "/run/pkgd.sock",
    "--seed", "/run/initramfs/seed", "--sources", "/run/initramfs/sources",
    "--recipes", "/usr/share/minos/recipes.idx",
]
notify = true
deadline_s = 300
restart = 8
"#;

/// Makes the folder `out/packages/minos`, in the place of an earlier one.
///
/// # Errors
/// A program is missing; the folder cannot be written.
pub fn make(layout: &Layout, request: &Request) -> Result<Artefact> {
    let folder = layout.out("packages/minos");
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(Error::io("remove", &folder))?;
    }
    let root = folder.join("root");
    let mut total = 0;
    let files = [
        (&request.pkgd, "usr/sbin/pkgd", 0o755),
        (&request.pkgctl, "usr/bin/pkgctl", 0o755),
        // Nothing starts it there: an initramfs is made of it.
        (&request.init, "usr/lib/minos/init", 0o755),
        (&request.recipes, "usr/share/minos/recipes.idx", 0o644),
    ];
    for (from, to, mode) in files {
        let bytes = crate::initramfs::read(from, to)?;
        total += bytes.len() as u64;
        write(&root.join(to), &bytes, mode)?;
    }
    write(&root.join("usr/lib/minos/services/pkgd.toml"), SERVICE.as_bytes(), 0o644)?;
    write(&folder.join("package.toml"), description(&request.version).as_bytes(), 0o644)?;
    Ok(Artefact { bytes: total, ..Artefact::unhashed("package minos", &folder, How::Made)? })
}

fn description(version: &str) -> String {
    format!(
        "schema = 1\nname = \"minos\"\nversion = \"{version}\"\n\
         description = \"The package manager of MinOS, and its process 1\"\nlicense = \"{}\"\n\
         \n[[service]]\nname = \"pkgd\"\nenable = true\n",
        env!("CARGO_PKG_LICENSE"),
    )
}

fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(Error::io("create directory", parent))?;
    }
    fs::write(path, bytes).map_err(Error::io("write", path))?;
    fs::set_permissions(path, Permissions::from_mode(mode))
        .map_err(Error::io("set the mode of", path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::Cache;

    fn request(dir: &Path) -> Request {
        for name in ["init", "pkgd", "pkgctl", "recipes.idx"] {
            fs::write(dir.join(name), name).unwrap();
        }
        Request::of(dir, &dir.join("recipes.idx"))
    }

    #[test]
    fn the_folder_has_the_programs_and_nothing_of_an_earlier_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path();
        let layout = Layout::new(path.into(), path.join("out"), Cache::new(path.into()));
        let folder = make(&layout, &request(path)).unwrap().path;
        fs::write(folder.join("root/old"), "").unwrap();
        assert_eq!(make(&layout, &request(path)).unwrap().path, folder);
        assert!(!folder.join("root/old").exists());
        let read = |name: &str| fs::read_to_string(folder.join("root").join(name)).unwrap();
        assert_eq!(read("usr/sbin/pkgd"), "pkgd");
        assert_eq!(read("usr/share/minos/recipes.idx"), "recipes.idx");
        let meta = fs::metadata(folder.join("root/usr/bin/pkgctl")).unwrap();
        assert_eq!(meta.permissions().mode() & 0o7777, 0o755);
        let said: toml::Table =
            toml::from_str(&fs::read_to_string(folder.join("package.toml")).unwrap()).unwrap();
        assert_eq!(said["version"].as_str(), Some(env!("CARGO_PKG_VERSION")));
        let service: toml::Table =
            toml::from_str(&read("usr/lib/minos/services/pkgd.toml")).unwrap();
        let words: Vec<_> =
            service["exec"].as_array().unwrap().iter().flat_map(toml::Value::as_str).collect();
        // Limits of the boot plan; init adds some of its own.
        assert!(words.len() <= 16 && words.iter().map(|w| w.len() + 1).sum::<usize>() <= 256);
    }

    #[test]
    fn a_program_that_is_missing_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path();
        let layout = Layout::new(path.into(), path.join("out"), Cache::new(path.into()));
        let request = Request { pkgd: path.join("none"), ..request(path) };
        let text = make(&layout, &request).unwrap_err().to_string();
        assert!(text.contains("pkgd is missing") && text.contains("cargo build"), "{text}");
    }
}
