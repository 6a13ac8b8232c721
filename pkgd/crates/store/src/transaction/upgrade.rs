//! Rows that an older pkgd wrote, brought up to the present rules without another schema: whoever goes back to that pkgd
//! reads them as well.

use super::SystemError;
use super::system::System;
use crate::generations::{CONFIG_OF, LAST_PACKAGE};
use crate::packages::PackageRow;
use crate::snapshot::Source as _;
use crate::table::{META, PACKAGES, number, trailing_number};

impl System<'_> {
    /// Writes down for packages that came before their place made files in `/etc` config files that they are. Nothing is
    /// read where every package was looked at already.
    ///
    /// # Errors
    /// The database cannot be read or written.
    pub(crate) fn mark_config(&self) -> Result<(), SystemError> {
        let read = self.store.read()?;
        let (done, last) = (read.counter(CONFIG_OF)?, read.counter(LAST_PACKAGE)?);
        if done == last {
            return Ok(());
        }
        let keys = read.keys(PACKAGES)?;
        drop(read);
        let mut rows = Vec::new();
        for package in keys.iter().filter_map(|key| trailing_number(key)).filter(|n| *n > done) {
            let package = u32::try_from(package).unwrap_or(u32::MAX);
            let mut trees = self.trees();
            // Whoever needs a manifest that is damaged is told so; this is not the moment.
            let Ok(tree) = trees.tree(package) else { continue };
            let row = trees.row(package)?;
            let config: Vec<_> = tree.config().collect();
            if config != row.config {
                rows.push(PackageRow { config, ..PackageRow::clone(&row) });
            }
        }
        Ok(self.store.write(|w| {
            for row in &rows {
                w.put(PACKAGES, &number(u64::from(row.number)), row)?;
            }
            w.put(META, CONFIG_OF, &last)
        })?)
    }
}

#[cfg(test)]
mod tests {
    use minos_model::package::{Account, FileKind, Origin, PackageFile};
    use minos_model::{Digest, PackageFields, PackageManifest};

    use super::*;
    use crate::fs::{Attributes, RealFs};
    use crate::objects::{manifest_path, put_bytes};
    use crate::packages::{Accounts, Tree, encode};
    use crate::transaction::SystemOptions;
    use crate::{Options, Store};

    fn manifest() -> PackageManifest {
        let file = |path: &str, kind, mode| PackageFile {
            path: path.parse().unwrap(),
            kind,
            mode,
            user: Account::ROOT,
            group: Account::ROOT,
            xattrs: vec![],
        };
        let text = FileKind::Regular { size: 1, digest: Digest::of(b"x") };
        let files =
            vec![file("etc", FileKind::Directory, 0o755), file("etc/login.defs", text, 0o644)];
        let digest = Digest::of(b"");
        let origin = Origin { recipe: "shadow".parse().unwrap(), task_key: digest, output: digest };
        PackageManifest::new(PackageFields {
            description: "a package to test with".to_owned(),
            licence: "MIT".to_owned(),
            files,
            ..PackageFields::bare(
                "shadow".parse().unwrap(),
                "1-1".parse().unwrap(),
                "x86_64".parse().unwrap(),
                origin,
            )
        })
        .unwrap()
    }

    /// What an older pkgd installed had edits overwritten until it was installed anew.
    #[test]
    fn packages_that_are_there_already_have_their_config_files_by_place() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), 5, Options::default()).unwrap();
        let fs = RealFs::new(dir.path()).unwrap();
        let system = System::new(&store, &fs, SystemOptions::default()).unwrap();
        let (digest, bytes) = encode(&manifest()).unwrap();
        put_bytes(&fs, &manifest_path(&digest), &bytes, &Attributes::root(0o600)).unwrap();
        let tree = Tree::new(manifest(), Accounts::default()).unwrap();
        let row = PackageRow { config: vec![], ..PackageRow::new(1, digest, &tree, 5) };
        let as_before = |w: &mut crate::write::Write<'_>| {
            w.put(PACKAGES, &number(1), &row)?;
            w.put(META, LAST_PACKAGE, &1_u64)
        };
        store.write(as_before).unwrap();
        for _ in 0..2 {
            system.settle(&|| 6).unwrap();
            let row = store.read().unwrap().package(1).unwrap().unwrap();
            let paths: Vec<&[u8]> = row.config.iter().map(|file| file.path.as_bytes()).collect();
            assert_eq!(paths, [b"etc/login.defs"]);
        }
    }
}
