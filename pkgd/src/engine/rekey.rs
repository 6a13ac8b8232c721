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

#[cfg(test)]
mod tests {
    use std::fs;

    use minos_model::{Digest, Manifest, Phase};
    use minos_plan::KeyParts;
    use minos_store::{CommitOutput, Options, Store};

    use super::{stored, without_check};

    fn parts(phases: &[Phase]) -> KeyParts {
        KeyParts {
            schema: 1,
            fields: Digest::of(b"fields"),
            scripts: phases.iter().map(|phase| (*phase, Digest::of(b"script"))).collect(),
            sources: Vec::new(),
            inputs: Vec::new(),
            seed: Digest::of(b"seed"),
            sandbox_version: 1,
            cpu: "x86-64".to_owned(),
            epoch: 1,
        }
    }

    /// Builds a step under the key of `parts`, kept with the bytes `kept`.
    fn build(store: &Store, step: &str, parts: &KeyParts, kept: Vec<u8>) {
        let id = step.parse().unwrap();
        let job =
            store.write(|w| w.create_job(step, Vec::new(), std::slice::from_ref(&id), 1)).unwrap();
        let attempt = store.write(|w| w.begin_attempt(job, &id, &parts.key(), 2)).unwrap();
        let stage = store.layout().stage(attempt);
        fs::create_dir_all(stage.join("tree")).unwrap();
        let (output, _) = store.place_output(&stage, &Manifest::new(Vec::new())).unwrap();
        let commit = CommitOutput {
            attempt,
            parts: kept,
            output,
            version: "1.0".parse().unwrap(),
            size: 0,
            files: 0,
            weak: false,
            phases: Vec::new(),
            log_bytes: 0,
        };
        store.write(|w| w.commit_output(commit, 3)).unwrap();
    }

    /// The keys of all that chapter 8 had built changed by the line that took the suites out of them.
    #[test]
    fn what_was_built_with_a_suite_in_its_key_stays_built() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), 1, Options::default()).unwrap();
        let old = parts(&[Phase::Build, Phase::Check, Phase::Install]);
        let plain = parts(&[Phase::Build, Phase::Assert]);
        let odd = parts(&[Phase::Check]);
        build(&store, "old", &old, stored(&old));
        build(&store, "plain", &plain, stored(&plain));
        build(&store, "odd", &odd, b"of another version".to_vec());
        for _ in 0..2 {
            without_check(&store).unwrap();
            let read = store.read().unwrap();
            let cached = |parts: &KeyParts| read.cached(&parts.key()).unwrap().is_some();
            assert!(
                cached(&parts(&[Phase::Build, Phase::Install])) && cached(&plain) && cached(&odd)
            );
            assert!(!cached(&old));
            assert_eq!(read.check().unwrap().contradictions, Vec::<String>::new());
        }
    }
}
