//! Where everything stands below the state root. The only place that knows these names.

use std::fs;
use std::path::{Path, PathBuf};

use minos_model::{Digest, StepId};

use crate::error::StoreError;

/// The paths of one state root.
#[derive(Debug, Clone)]
pub struct Layout {
    root: PathBuf,
}

impl Layout {
    /// The entry of a task's scratch folder that is no layer and stays with them.
    pub const BASIS: &str = "basis";
    /// The entry of a task's scratch folder that says which test suite is under way in it. As long as it is there, the
    /// layer of the suite stays, finished or not.
    pub const UNDER_WAY: &str = "under-way";

    /// The layout below `root`. Makes nothing.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Makes the folders that are missing.
    pub(crate) fn create(&self) -> Result<(), StoreError> {
        for dir in [
            &self.root,
            &self.outputs(),
            &self.logs(),
            &self.scratch(),
            &self.sources(),
            &self.trash(),
        ] {
            fs::create_dir_all(dir).map_err(|e| StoreError::io("create", dir, e))?;
        }
        Ok(())
    }

    /// The state root itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The database.
    pub fn database(&self) -> PathBuf {
        self.root.join("state.redb")
    }

    /// The journal of the database's latest commits. Belongs to the database: copy or move both.
    pub fn journal(&self) -> PathBuf {
        self.root.join("state.log")
    }

    /// The lock file of the daemon.
    pub fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    /// The folder of all outputs.
    pub fn outputs(&self) -> PathBuf {
        self.root.join("outputs")
    }

    /// The folder of one output: `tree/` and `manifest`.
    pub fn output(&self, digest: &Digest) -> PathBuf {
        self.outputs().join(digest.to_string())
    }

    /// The file tree of an output.
    pub fn output_tree(&self, digest: &Digest) -> PathBuf {
        self.output(digest).join("tree")
    }

    /// The manifest of an output: the canonical text whose SHA-256 is the output's name.
    pub fn output_manifest(&self, digest: &Digest) -> PathBuf {
        self.output(digest).join("manifest")
    }

    /// Where the capture of `attempt` is put together before [`crate::Store::place_output`] moves it:
    /// a folder on the same file system as the outputs. The caller makes it and puts `tree/` into it.
    pub fn stage(&self, attempt: u64) -> PathBuf {
        self.outputs().join(format!(".stage-{attempt}"))
    }

    /// The folder of all logs.
    pub fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// The log of an attempt: `logs/000/00000042-gcc-pass1.zst`, a thousand to a folder.
    pub fn log(&self, attempt: u64, step: &StepId) -> PathBuf {
        let bucket = format!("{:03}", attempt / 1000);
        self.logs().join(bucket).join(format!("{attempt:08}-{}.zst", step.file_stem()))
    }

    /// The folder of all scratch trees.
    pub fn scratch(&self) -> PathBuf {
        self.root.join("scratch")
    }

    /// The scratch folder of one task: the step's stem for people, the key's first 12 digits to tell
    /// two versions of it apart. Its entries are the layers of the phases, named by the caller.
    pub fn scratch_of(&self, step: &StepId, key: &Digest) -> PathBuf {
        self.scratch().join(scratch_name(step, key))
    }

    /// What the layers of a task were made of, beside them: for the caller to write and to read.
    pub fn basis(&self, step: &StepId, key: &Digest) -> PathBuf {
        self.scratch_of(step, key).join(Self::BASIS)
    }

    /// The mark of a test suite that was begun and has not ended: for the caller to write and to read.
    pub fn under_way(&self, step: &StepId, key: &Digest) -> PathBuf {
        self.scratch_of(step, key).join(Self::UNDER_WAY)
    }

    /// The folder of sources.
    pub fn sources(&self) -> PathBuf {
        self.root.join("sources")
    }

    /// The source with this SHA-256.
    pub fn source(&self, digest: &Digest) -> PathBuf {
        self.sources().join(digest.to_string())
    }

    /// What was observed of steps: see `observed.rs` of pkgd.
    pub fn observed(&self, step: &StepId) -> PathBuf {
        self.root.join("observed").join(step.file_stem())
    }

    /// Trees that wait to be deleted.
    pub fn trash(&self) -> PathBuf {
        self.root.join("trash")
    }

    /// Moves `path` (a file or tree on the same file system) to the trash: one rename, so that what
    /// is half deleted never stands where something whole is expected. A missing path is fine.
    ///
    /// # Errors
    /// The rename failed.
    pub fn discard(&self, path: &Path) -> Result<(), StoreError> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let free = |n: &u32| !self.trash().join(format!("{name}.{n}")).exists();
        let number = (0..u32::MAX).find(free).unwrap_or(u32::MAX);
        match fs::rename(path, self.trash().join(format!("{name}.{number}"))) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
            result => result.map_err(|e| StoreError::io("move to trash", path, e)),
        }
    }
}

/// The name of a task's scratch folder.
pub(crate) fn scratch_name(step: &StepId, key: &Digest) -> String {
    format!("{}-{}", step.file_stem(), key.short())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_as_documented() {
        let layout = Layout::new("/s");
        let step: StepId = "gcc:pass1".parse().unwrap();
        let key = Digest::of(b"abc");
        assert_eq!(layout.log(42, &step), Path::new("/s/logs/000/00000042-gcc-pass1.zst"));
        assert_eq!(layout.log(12_345, &step), Path::new("/s/logs/012/00012345-gcc-pass1.zst"));
        assert_eq!(layout.scratch_of(&step, &key), Path::new("/s/scratch/gcc-pass1-ba7816bf8f01"));
        assert!(layout.output_manifest(&key).ends_with(format!("outputs/{key}/manifest")));
    }

    #[test]
    fn discarding_twice_the_same_name_keeps_both() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path());
        layout.create().unwrap();
        for _ in 0..2 {
            let victim = layout.scratch().join("x");
            fs::create_dir(&victim).unwrap();
            layout.discard(&victim).unwrap();
        }
        layout.discard(&layout.scratch().join("not there")).unwrap();
        assert_eq!(fs::read_dir(layout.trash()).unwrap().count(), 2);
    }
}
