//! Keys: whose packages are taken, and the machine's own.
//!
//! `keys/ID.pub` is trusted, `keys/ID.revoked` is not and never will be again; both are files of minisign.
//! `keys/machine.key` signs what this machine packs. It is made when it is first needed.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use minos_model::Digest;
use minos_package::keys::{PublicKey, TrustStore};
use minos_package::{KeyId, SecretKey};
use minos_proto::{ErrorReport, Field, KeyChange, Sheet};

use crate::system::Asked;
use crate::system::errors::{invalid, not_found, on_file};
use crate::system::files;

/// The machine's secret key.
const MACHINE: &str = "machine.key";

/// So many digits of an id at least say which key is to be revoked: it is never trusted again, and one digit is soon
/// mistyped.
const SHORTEST: usize = 8;

/// The folder of keys.
pub struct Keys {
    folder: PathBuf,
    turn: Mutex<()>,
}

impl Keys {
    /// Keys in `folder`, which need not exist.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, turn: Mutex::new(()) }
    }

    /// Held from the reading of the keys to the writing of what is made of them.
    fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The keys that are trusted, and those that are not any more.
    ///
    /// # Errors
    /// A file of the folder is no key, or is not named after it: nothing is left out silently.
    pub fn load(&self) -> Result<TrustStore, ErrorReport> {
        let mut texts = Vec::new();
        for name in files::names(&self.folder)? {
            if name.ends_with(".pub") || name.ends_with(".revoked") {
                let path = self.folder.join(&name);
                let bytes = files::read(&path)?.unwrap_or_default();
                texts.push((name, String::from_utf8_lossy(&bytes).into_owned()));
            }
        }
        let list = texts.iter().map(|(name, text)| (name.as_str(), text.as_str()));
        TrustStore::from_files(list).map_err(|e| {
            let folder = self.folder.display();
            invalid(format!("keys in '{folder}': {e}"), "take the file away, then try again")
        })
    }

    fn save(&self, store: &TrustStore) -> Result<(), ErrorReport> {
        files::folder(&self.folder)?;
        for (name, text) in store.to_files() {
            files::replace(&self.folder.join(&name), text.as_bytes(), 0o644)?;
            // A revoked key has both files for a moment, and counts as revoked.
            if let Some(id) = name.strip_suffix(".revoked") {
                let _ = std::fs::remove_file(self.folder.join(format!("{id}.pub")));
            }
        }
        Ok(())
    }

    /// The machine's own key, made now where it is missing. Its public half is trusted.
    ///
    /// # Errors
    /// It cannot be read or written, or there is no randomness.
    pub fn machine(&self) -> Result<SecretKey, ErrorReport> {
        let _turn = self.turn();
        let path = self.folder.join(MACHINE);
        if let Some(bytes) = files::read(&path)? {
            let text = String::from_utf8_lossy(&bytes);
            return SecretKey::from_file(&text).map_err(|e| on_file("use", &path, &e));
        }
        files::folder(&self.folder)?;
        let seed: [u8; 32] = files::random()?;
        let key = SecretKey::from_seed(&seed, "MinOS machine key");
        let key = key.map_err(|e| on_file("make", &path, &e))?;
        // First: a key that is there is taken as it is, so one that was cut off before this would never be trusted.
        let mut trust = self.load()?;
        trust.trust(key.public().clone()).map_err(|e| on_file("trust", &path, &e))?;
        self.save(&trust)?;
        files::replace(&path, key.to_minisign().as_bytes(), 0o600)?;
        Ok(key)
    }

    /// Changes which keys are trusted, after `before` was told which key it is about and agreed.
    fn change(
        &self,
        change: &KeyChange,
        before: impl FnOnce(&KeyId) -> Result<(), ErrorReport>,
    ) -> Result<KeyId, ErrorReport> {
        let _turn = self.turn();
        let mut trust = self.load()?;
        let refused = |e: &dyn std::fmt::Display| invalid(e.to_string(), "see 'pkgctl key list'");
        let id = match change {
            KeyChange::Trust { text } => {
                let key = PublicKey::from_file(text).map_err(|e| refused(&e))?;
                trust.trust(key).map_err(|e| refused(&e))?
            }
            KeyChange::Revoke { id, .. } => {
                let id = the_one(&trust, id)?;
                trust.revoke(&id).map_err(|e| refused(&e))?;
                id
            }
        };
        before(&id)?;
        self.save(&trust)?;
        Ok(id)
    }
}

/// The key whose id begins so.
fn the_one(trust: &TrustStore, start: &str) -> Result<KeyId, ErrorReport> {
    if start.len() < SHORTEST {
        let what = format!("'{start}' is too little of a key's id: at least {SHORTEST} digits");
        return Err(invalid(what, "a revoked key is never trusted again; see 'pkgctl key list'"));
    }
    let all = trust.trusted().chain(trust.revoked()).map(PublicKey::id);
    let mut found = all.filter(|id| id.to_string().starts_with(start));
    match (found.next(), found.next()) {
        (Some(id), None) => Ok(id),
        (None, _) => {
            Err(not_found(format!("no key begins with '{start}'"), "see 'pkgctl key list'"))
        }
        (Some(_), Some(_)) => {
            Err(invalid(format!("several keys begin with '{start}'"), "give more of it"))
        }
    }
}

impl Asked<'_> {
    pub(in crate::system) fn keys(&self, change: Option<KeyChange>) -> Result<Sheet, ErrorReport> {
        let keys = &self.packages.keys;
        if let Some(KeyChange::Revoke { id, dry_run: true }) = &change {
            return self.key(id);
        }
        let mut note = None;
        if let Some(change) = change {
            let word = match &change {
                KeyChange::Trust { .. } => "trusted",
                KeyChange::Revoke { .. } => "revoked",
            };
            let id = keys.change(&change, |id| self.audit(format!("key {id} {word}")))?;
            note =
                Some(format!("key {id} is {word}; 'pkgctl repo sync' looks at all packages anew"));
        }
        let trust = keys.load()?;
        let row = |key: &PublicKey, state: &str| -> Vec<Field> {
            vec![key.id().to_string().into(), state.into(), key.comment().to_owned().into()]
        };
        let rows = trust.trusted().map(|key| row(key, "trusted"));
        let rows: Vec<_> = rows.chain(trust.revoked().map(|key| row(key, "revoked"))).collect();
        let none =
            rows.is_empty().then(|| "no key is trusted: no package can be installed".to_owned());
        let sheet = Sheet::new("keys").grid("keys", &["id", "state", "comment"], rows);
        Ok(note.into_iter().chain(none).fold(sheet, Sheet::note))
    }

    /// A key, and what would be missed without it.
    fn key(&self, start: &str) -> Result<Sheet, ErrorReport> {
        let trust = self.packages.keys.load()?;
        let id = the_one(&trust, start)?;
        let is_it = |key: &&PublicKey| key.id() == id;
        let revoked = trust.revoked().any(|key| is_it(&key));
        let comment = trust.trusted().chain(trust.revoked()).find(is_it).map(PublicKey::comment);
        let known = self.packages.repositories.known(|| self.look(false))?;
        let here: BTreeSet<Digest> = self.installed()?.iter().map(|i| i.package.digest).collect();
        let total = known.files.len() as u64;
        let (mut offered, mut installed) = (0_u64, 0_u64);
        for (done, (digest, file)) in (0_u64..).zip(known.files.iter()) {
            self.progress("checking", None, done, total);
            // One that is gone or damaged is missed already.
            let alone = |checked: minos_package::Checked| checked.signers() == [id];
            if super::found::open(file, &trust).is_ok_and(alone) {
                offered += 1;
                installed += u64::from(here.contains(digest));
            }
        }
        let sheet = Sheet::new("key")
            .fact("key", id.to_string())
            .fact("comment", comment.map(str::to_owned))
            .fact("state", if revoked { "revoked" } else { "trusted" })
            .fact("packages", offered)
            .fact("installed", installed);
        Ok(sheet.note(format!(
            "{offered} packages of the repositories, {installed} of them installed, are signed by no other trusted key: \
             none of them will be offered any more; what is installed stays"
        )))
    }
}

#[cfg(test)]
mod tests {
    use minos_package::SecretKey;
    use minos_package::keys::TrustStore;
    use minos_proto::ErrorKind;

    use super::the_one;

    /// `key revoke e` revoked the one key whose id began so, for good and without a question.
    #[test]
    fn one_digit_is_no_key() {
        let mut trust = TrustStore::default();
        let key = SecretKey::from_seed(&[7; 32], "test").unwrap().public().clone();
        let id = trust.trust(key).unwrap();
        let text = id.to_string();
        for short in [0, 1, 7] {
            assert_eq!(the_one(&trust, &text[..short]).unwrap_err().kind, ErrorKind::Invalid);
        }
        assert_eq!(the_one(&trust, &text[..8]).unwrap(), id);
        assert_eq!(the_one(&trust, &text).unwrap(), id);
        assert_eq!(the_one(&trust, "zzzzzzzz").unwrap_err().kind, ErrorKind::NotFound);
    }
}
