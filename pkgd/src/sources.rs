//! Finds the sources of a step and verifies them, every time, before anything sees them.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use minos_model::{Digest, Failure, FailureClass, Hasher, Phase};
use minos_recipe::Recipe;

/// Finds each source of `recipe` in one of `folders` and checks its digest.
///
/// A file may lie directly in a folder or in one named by its digest, as the fetcher lays it down.
///
/// # Errors
/// The first source that is missing, truncated or altered, with what to do.
pub fn find(recipe: &Recipe, folders: &[PathBuf]) -> Result<Vec<(String, PathBuf)>, Failure> {
    let locate = |source: &minos_recipe::Source| {
        let path = candidates(folders, &source.file, &source.sha256)
            .find(|path| path.is_file())
            .ok_or_else(|| missing(&source.file, folders))?;
        verify(&path, source.bytes, &source.sha256)?;
        let absolute = std::path::absolute(&path).unwrap_or(path);
        Ok((source.file.clone(), absolute))
    };
    recipe.sources.iter().map(locate).collect()
}

fn candidates(folders: &[PathBuf], file: &str, digest: &Digest) -> impl Iterator<Item = PathBuf> {
    folders.iter().flat_map(move |dir| [dir.join(file), dir.join(digest.to_string()).join(file)])
}

fn verify(path: &Path, bytes: u64, expected: &Digest) -> Result<(), Failure> {
    let (size, digest) = hash(path).map_err(|e| {
        failure(format!("{}: {e}", path.display()), "check the disk the sources are on")
    })?;
    if digest == *expected {
        return Ok(());
    }
    let what = if size < bytes {
        format!("{} is truncated: {size} of {bytes} bytes", path.display())
    } else {
        format!(
            "{} has the wrong content: SHA-256 {}, locked is {}",
            path.display(),
            digest.short(),
            expected.short()
        )
    };
    Err(failure(what, "fetch it again with 'minos-image fetch-sources', then retry the job"))
}

fn missing(file: &str, folders: &[PathBuf]) -> Failure {
    let places: Vec<_> = folders.iter().map(|f| f.display().to_string()).collect();
    failure(
        format!("{file} is in none of: {}", places.join(", ")),
        "fetch it with 'minos-image fetch-sources', then retry the job",
    )
}

fn failure(what: String, hint: &str) -> Failure {
    let hint = hint.to_owned();
    Failure { class: FailureClass::Source, phase: Some(Phase::Unpack), what, hint }
}

fn hash(path: &Path) -> io::Result<(u64, Digest)> {
    let mut hasher = Hasher::new();
    let size = io::copy(&mut File::open(path)?, &mut hasher)?;
    Ok((size, hasher.finish()))
}

#[cfg(test)]
mod tests {
    use minos_model::{Digest, FailureClass};

    use super::{candidates, verify};

    #[test]
    fn wrong_and_truncated_files_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.tar");
        std::fs::write(&path, "hello").unwrap();
        let digest = Digest::of(b"hello");
        assert_eq!(verify(&path, 5, &digest), Ok(()));
        std::fs::write(&path, "hel").unwrap();
        let cut = verify(&path, 5, &digest).unwrap_err();
        assert!(cut.what.contains("truncated: 3 of 5"), "{}", cut.what);
        std::fs::write(&path, "hellO").unwrap();
        let wrong = verify(&path, 5, &digest).unwrap_err();
        assert_eq!(wrong.class, FailureClass::Source);
        assert!(wrong.what.contains("wrong content"), "{}", wrong.what);
    }

    #[test]
    fn both_layouts_are_looked_at() {
        let digest = Digest::of(b"x");
        let places: Vec<_> = candidates(&["/a".into()], "f", &digest).collect();
        assert_eq!(places, [std::path::PathBuf::from("/a/f"), format!("/a/{digest}/f").into()]);
    }
}
