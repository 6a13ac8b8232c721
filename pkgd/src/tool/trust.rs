//! Folders of public keys: which are trusted, which revoked.

use std::fs;
use std::path::{Path, PathBuf};

use argh::FromArgs;
use minos_package::keys::PublicKey;
use minos_package::{KeyId, TrustStore};
use minos_proto::{ErrorReport, Field, Sheet};

use super::answer::{bad_key, on_file};
use super::open;

/// Lists the keys of a folder.
#[derive(Debug, FromArgs)]
#[argh(subcommand, name = "key-list")]
pub struct List {
    /// the folder
    #[argh(positional)]
    folder: PathBuf,
}

impl List {
    pub fn run(self) -> Result<Sheet, ErrorReport> {
        let store = load(&self.folder)?;
        let row = |key: &PublicKey, state: &str| -> Vec<Field> {
            vec![key.id().to_string().into(), state.into(), key.comment().to_owned().into()]
        };
        let rows = store.trusted().map(|key| row(key, "trusted"));
        let rows = rows.chain(store.revoked().map(|key| row(key, "revoked"))).collect();
        Ok(Sheet::new("keys").grid("keys", &["id", "state", "comment"], rows))
    }
}

/// The keys of a folder: `*.pub` are trusted, `*.revoked` are not. The names need not be ids, as they must in pkgd's
/// own folder: here the caller chose the folder.
///
/// # Errors
/// The folder cannot be read, or one of its key files is none: nothing is left out silently.
pub fn load(folder: &Path) -> Result<TrustStore, ErrorReport> {
    let failed = |e| on_file("read", folder, &e);
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let ending = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
        if matches!(ending, "pub" | "revoked") {
            let key = PublicKey::from_file(&open::text(&path)?).map_err(|e| bad_key(&path, &e))?;
            files.push((format!("{}.{ending}", key.id()), key.to_file()));
        }
    }
    let files = files.iter().map(|(name, text)| (name.as_str(), text.as_str()));
    TrustStore::from_files(files).map_err(|e| super::answer::bad_file(folder, &e, ""))
}

/// What a folder of keys says of a key.
pub fn state(store: Option<&TrustStore>, id: KeyId) -> &'static str {
    let among = |mut keys: Box<dyn Iterator<Item = &PublicKey> + '_>| keys.any(|k| k.id() == id);
    match store {
        None => "not looked up",
        Some(store) if among(Box::new(store.trusted())) => "trusted",
        Some(store) if among(Box::new(store.revoked())) => "revoked",
        Some(_) => "unknown",
    }
}
