//! Whom one trusts: a set of key files, without any idea where they are kept.

use core::fmt;
use std::collections::{BTreeMap, BTreeSet};

use super::{KeyError, KeyId, PublicKey};

/// Ending of the file of a trusted key, named by its id.
pub const TRUSTED_ENDING: &str = ".pub";
/// Ending of the file of a revoked key.
pub const REVOKED_ENDING: &str = ".revoked";

/// Why signatures do not suffice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrustError {
    /// A trusted key is said to have signed, but did not.
    BadSignature(KeyId),
    /// Too few distinct trusted keys have signed.
    TooFew {
        /// How many had to.
        needed: usize,
        /// Who did.
        good: Vec<KeyId>,
        /// Signatures by keys that are not trusted: not looked at.
        unknown: Vec<KeyId>,
        /// Signatures by revoked keys: they never count.
        revoked: Vec<KeyId>,
    },
    /// A key file cannot be used.
    File {
        /// Its name.
        name: String,
        /// Why not.
        why: KeyError,
    },
    /// The file of a key has not the name that follows from the key.
    Name {
        /// The name it has.
        name: String,
        /// The id of the key in it.
        id: KeyId,
    },
    /// The key was revoked before. That is for good.
    Revoked(KeyId),
    /// No such key.
    Unknown(KeyId),
}

impl fmt::Display for TrustError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadSignature(id) => {
                write!(
                    f,
                    "the signature of trusted key {id} is wrong: the package was changed, do not use it"
                )
            }
            Self::TooFew { needed, good, unknown, revoked } => {
                write!(f, "signed by {} of {needed} trusted keys", good.len())?;
                list(f, "; not trusted", unknown)?;
                list(f, "; revoked", revoked)?;
                match unknown.first() {
                    Some(id) => write!(f, "; if you know the owner of {id}: pkgctl key trust FILE"),
                    None => f.write_str("; ask for a package that its publisher has signed"),
                }
            }
            Self::File { name, why } => write!(f, "{name}: {why}"),
            Self::Name { name, id } => {
                write!(f, "{name}: holds key {id}, not the one it is named after")
            }
            Self::Revoked(id) => {
                write!(f, "key {id} was revoked and is never trusted again: use a new key")
            }
            Self::Unknown(id) => write!(f, "no key {id}: see pkgctl key list"),
        }
    }
}

fn list(f: &mut fmt::Formatter<'_>, what: &str, ids: &[KeyId]) -> fmt::Result {
    for (index, id) in ids.iter().enumerate() {
        let before = if index == 0 { format!("{what}: ") } else { ", ".to_owned() };
        write!(f, "{before}{id}")?;
    }
    Ok(())
}

impl std::error::Error for TrustError {}

/// A set of trusted and revoked keys. A revoked key stays in the set, so that it is never trusted again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustStore {
    trusted: BTreeMap<KeyId, PublicKey>,
    revoked: BTreeMap<KeyId, PublicKey>,
}

impl TrustStore {
    /// Reads key files, given as name and text: `ID.pub` is trusted, `ID.revoked` is revoked, also where both are.
    ///
    /// # Errors
    /// A file that is no key, or is not named after its key. Nothing is left out silently.
    pub fn from_files<'a>(
        files: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, TrustError> {
        let mut store = Self::default();
        for (name, text) in files {
            let file = |why| TrustError::File { name: name.to_owned(), why };
            let key = PublicKey::from_file(text).map_err(file)?;
            let id = key.id();
            if name == format!("{id}{TRUSTED_ENDING}") {
                store.trusted.insert(id, key);
            } else if name == format!("{id}{REVOKED_ENDING}") {
                store.revoked.insert(id, key);
            } else {
                return Err(TrustError::Name { name: name.to_owned(), id });
            }
        }
        let Self { trusted, revoked } = &mut store;
        trusted.retain(|id, _| !revoked.contains_key(id));
        Ok(store)
    }

    /// The files of the set, sorted by name: what [`TrustStore::from_files`] reads.
    pub fn to_files(&self) -> BTreeMap<String, String> {
        let file = |ending: &'static str| {
            move |(id, key): (&KeyId, &PublicKey)| (format!("{id}{ending}"), key.to_file())
        };
        let revoked = self.revoked.iter().map(file(REVOKED_ENDING));
        self.trusted.iter().map(file(TRUSTED_ENDING)).chain(revoked).collect()
    }

    /// The trusted keys, sorted by id.
    pub fn trusted(&self) -> impl Iterator<Item = &PublicKey> {
        self.trusted.values()
    }

    /// The revoked keys, sorted by id.
    pub fn revoked(&self) -> impl Iterator<Item = &PublicKey> {
        self.revoked.values()
    }

    /// Trusts a key from now on.
    ///
    /// # Errors
    /// It was revoked before.
    pub fn trust(&mut self, key: PublicKey) -> Result<KeyId, TrustError> {
        let id = key.id();
        if self.revoked.contains_key(&id) {
            return Err(TrustError::Revoked(id));
        }
        self.trusted.insert(id, key);
        Ok(id)
    }

    /// Revokes a key for good.
    ///
    /// # Errors
    /// There is no such key.
    pub fn revoke(&mut self, id: &KeyId) -> Result<(), TrustError> {
        if self.revoked.contains_key(id) {
            return Ok(());
        }
        let key = self.trusted.remove(id).ok_or(TrustError::Unknown(*id))?;
        self.revoked.insert(*id, key);
        Ok(())
    }

    /// The file of a trusted key, to give to others.
    ///
    /// # Errors
    /// There is no such trusted key.
    pub fn export(&self, id: &KeyId) -> Result<String, TrustError> {
        self.trusted.get(id).map(PublicKey::to_file).ok_or(TrustError::Unknown(*id))
    }

    /// The trusted keys that signed `message`, sorted; at least `threshold` distinct ones, and at least one.
    ///
    /// # Errors
    /// Too few, or a signature in a trusted key's name is wrong. Signatures by others are not looked at.
    pub fn check<'a>(
        &self,
        message: &[u8],
        signatures: impl IntoIterator<Item = (KeyId, &'a [u8; 64])>,
        threshold: usize,
    ) -> Result<Vec<KeyId>, TrustError> {
        let mut good = BTreeSet::new();
        let (mut unknown, mut revoked) = (Vec::new(), Vec::new());
        for (id, signature) in signatures {
            if let Some(key) = self.trusted.get(&id) {
                key.verify(message, signature).map_err(|_| TrustError::BadSignature(id))?;
                good.insert(id);
            } else if self.revoked.contains_key(&id) {
                revoked.push(id);
            } else {
                unknown.push(id);
            }
        }
        let good: Vec<KeyId> = good.into_iter().collect();
        let needed = threshold.max(1);
        if good.len() >= needed {
            Ok(good)
        } else {
            Err(TrustError::TooFew { needed, good, unknown, revoked })
        }
    }
}
