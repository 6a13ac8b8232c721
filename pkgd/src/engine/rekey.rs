//! Task keys of a time in which the script of the test suite was a part of them.
//!
//! What is claimed of such a key is as true of the key without: the suite never had a part in an output. So the claims
//! go over, and nothing is built again for a change of the key.

use minos_plan::KeyParts;
use minos_store::{Store, StoreError};

use super::plan::stored;

/// Moves the claims of such keys, if there are any.
///
/// # Errors
/// The state cannot be read or written.
pub fn without_check(store: &Store) -> Result<(), StoreError> {
    let mut moves = Vec::new();
    for (key, row) in store.read()?.cache_rows()? {
        // Parts of another version of pkgd cannot be read, or give another key: they are let be.
        let parts = postcard::from_bytes::<KeyParts>(&row.parts).ok();
        let Some(parts) = parts.filter(|parts| parts.key() == key) else { continue };
        if let Some(new) = parts.without_check() {
            moves.push((key, new.key(), stored(&new)));
        }
    }
    if moves.is_empty() {
        return Ok(());
    }
    store.write(|w| moves.into_iter().try_for_each(|(old, new, parts)| w.rekey(&old, &new, parts)))
}
