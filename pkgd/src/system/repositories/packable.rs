//! What a package must not promise: it would be signed all the same, and refused where somebody installs it.

use std::path::Path;

use minos_model::Manifest;
use minos_model::manifest::Kind;
use minos_package::Metadata;

use crate::system::boot::{self, Root};

/// Looks at an output that is to become a package, whose root lies at `root`.
///
/// # Errors
/// What is wrong, and what to do about it.
pub(in crate::system) fn check(
    manifest: &Manifest,
    root: &Path,
    metadata: &Metadata,
) -> Result<(), (String, &'static str)> {
    owners(manifest, metadata)?;
    services(root, metadata)
}

/// Numbers of accounts are those of the machine that installs. Only that of root is the same on all.
fn owners(manifest: &Manifest, metadata: &Metadata) -> Result<(), (String, &'static str)> {
    let named = |id: u32| {
        id == 0 || u16::try_from(id).is_ok_and(|number| metadata.owners.contains_key(&number))
    };
    let files = manifest.entries().iter();
    // What is a link to another entry has that one's owner.
    let mut files = files.filter(|entry| !matches!(entry.kind, Kind::Hardlink { .. }));
    let Some(entry) = files.find(|entry| !named(entry.uid) || !named(entry.gid)) else {
        return Ok(());
    };
    let (what, number) = match named(entry.uid) {
        false => ("belongs to user", entry.uid),
        true => ("belongs to group", entry.gid),
    };
    let path = String::from_utf8_lossy(&entry.path);
    Err((
        format!("/{path} {what} {number}, which has no name in the recipe"),
        "give the number a name in [package.owners] and declare it as [[package.user]] or [[package.group]], or \
         change the owner in 'install'",
    ))
}

/// Each service has its file, by the reader that makes a generation's boot plan.
fn services(root: &Path, metadata: &Metadata) -> Result<(), (String, &'static str)> {
    let services = &metadata.actions.services;
    if services.is_empty() {
        return Ok(());
    }
    let hint = "install the file that describes the service (docs/PACKAGES.md), or remove its [[package.service]]";
    let opened = Root::open(root).map_err(|e| (format!("{}: {e}", root.display()), hint))?;
    for service in services {
        let name = service.name.as_str();
        let read = boot::service(&opened, name);
        read.map_err(|why| (format!("service {name}: {why}"), hint))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use minos_model::manifest::{Entry, Kind};
    use minos_model::package::{Account, Origin, ServiceAction};
    use minos_model::{Digest, Manifest};
    use minos_package::Metadata;

    use super::check;

    fn metadata() -> Metadata {
        let none = Digest::of(b"");
        let origin = Origin { recipe: "a".parse().unwrap(), task_key: none, output: none };
        Metadata::new("a".parse().unwrap(), "1".parse().unwrap(), "A", "MIT", origin)
    }

    fn owned(uid: u32, gid: u32) -> Manifest {
        let kind = Kind::Symlink { target: b"x".to_vec() };
        let path = b"usr/a".to_vec();
        Manifest::new(vec![Entry { path, mode: 0o777, uid, gid, kind, xattrs: Vec::new() }])
    }

    /// It was packed and signed, and belonged to whoever had that number where it was installed.
    #[test]
    fn a_number_without_a_name_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let mut metadata = metadata();
        let told = |manifest: &Manifest, metadata: &Metadata| {
            check(manifest, dir.path(), metadata).map_err(|(what, _)| what)
        };
        assert_eq!(told(&owned(0, 0), &metadata), Ok(()));
        let user = told(&owned(1000, 7), &metadata).unwrap_err();
        assert_eq!(user, "/usr/a belongs to user 1000, which has no name in the recipe");
        assert!(told(&owned(0, 7), &metadata).unwrap_err().contains("group 7"));
        metadata.owners.insert(7, Account::Name("runner".parse().unwrap()));
        assert_eq!(told(&owned(7, 7), &metadata), Ok(()));
    }

    /// The package was signed, and every generation with it was refused.
    #[test]
    fn a_service_without_a_good_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let mut metadata = metadata();
        metadata.actions.services =
            vec![ServiceAction { name: "cache".parse().unwrap(), enable: false }];
        let told = || check(&owned(0, 0), dir.path(), &metadata).map_err(|(what, _)| what);
        let missing = told().unwrap_err();
        assert!(
            missing.starts_with("service cache: /usr/lib/minos/services/cache.toml is not"),
            "{missing}"
        );
        let folder = dir.path().join("usr/lib/minos/services");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("cache.toml"), "exce = 1\n").unwrap();
        assert!(told().unwrap_err().contains("unknown field"));
        fs::write(folder.join("cache.toml"), "exec = [\"/usr/bin/cache\"]\n").unwrap();
        assert_eq!(told(), Ok(()));
    }
}
