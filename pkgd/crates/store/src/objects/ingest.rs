//! Content into the store: hashed while it streams, under its final name at once.
//!
//! A file under its final name proves nothing by itself, with or without a temporary name before: after
//! a power cut a rename can be there without the bytes. What makes an object exist is the row of a
//! package that names it, committed after the one sync. Until then the intent row says that objects may
//! be half written, and the next start takes away what no row names. So no second name is needed.

use std::collections::HashMap;
use std::io::{self, Read};
use std::path::Path;
use std::sync::{Mutex, MutexGuard};

use minos_model::{Digest, Hasher};

use super::{CHUNK, ObjectId};
use crate::fs::{Attributes, Fs, NewFile};
use crate::transaction::SystemError;

/// Objects of one content that are written, and so open, at once.
const AT_ONCE: usize = 8;

/// Contents that are wanted, each with the attributes of the objects to make of it.
pub(crate) struct Ingest<'a> {
    fs: &'a dyn Fs,
    wanted: Mutex<HashMap<Digest, Vec<Attributes>>>,
    failure: Mutex<Option<SystemError>>,
}

impl<'a> Ingest<'a> {
    /// Wants every object of `ids` that is not there yet.
    pub(crate) fn new(
        fs: &'a dyn Fs,
        ids: impl IntoIterator<Item = ObjectId>,
    ) -> Result<Self, SystemError> {
        let mut wanted: HashMap<Digest, Vec<Attributes>> = HashMap::new();
        for id in ids {
            let path = id.path();
            if fs.stat(&path).map_err(|e| SystemError::io("look for", &path, e))?.is_some() {
                continue;
            }
            let list = wanted.entry(id.digest).or_default();
            if !list.contains(&id.attributes) {
                list.push(id.attributes);
            }
        }
        Ok(Self { fs, wanted: Mutex::new(wanted), failure: Mutex::new(None) })
    }

    fn lock(&self) -> io::Result<MutexGuard<'_, HashMap<Digest, Vec<Attributes>>>> {
        self.wanted.lock().map_err(|_| io::Error::other("a thread of the ingestion died"))
    }

    /// Whether a content is still wanted.
    pub(crate) fn wants(&self, digest: &Digest) -> bool {
        self.lock().is_ok_and(|wanted| wanted.contains_key(digest))
    }

    /// What no source has delivered, if anything.
    pub(crate) fn missing(&self) -> Option<Digest> {
        self.lock().ok()?.keys().min().copied()
    }

    /// Takes note of why it cannot go on, and returns what a source hears of it. Several threads fail together: what the
    /// disk said counts before what is said of a package, which may be wrong for no other reason.
    pub(crate) fn fail(&self, error: SystemError) -> io::Error {
        if let Ok(mut first) = self.failure.lock() {
            let is_io = |error: &SystemError| matches!(error, SystemError::Io { .. });
            if first.as_ref().is_none_or(|first| !is_io(first) && is_io(&error)) {
                *first = Some(error);
            }
        }
        io::Error::other("the store could not take the content")
    }

    /// Whether some thread has failed: no other need go on.
    pub(crate) fn has_failed(&self) -> bool {
        self.failure.lock().is_ok_and(|failure| failure.is_some())
    }

    /// Why it could not go on, once no thread is at work any more.
    pub(crate) fn into_failure(self) -> Option<SystemError> {
        self.failure.into_inner().ok()?
    }

    /// Takes a content, if it is wanted. `buffer` is scratch of the calling thread.
    pub(crate) fn take(
        &self,
        digest: &Digest,
        content: &mut dyn Read,
        buffer: &mut Vec<u8>,
    ) -> Result<(), SystemError> {
        let died = |e: io::Error| SystemError::Damaged { what: e.to_string() };
        let Some(attributes) = self.lock().map_err(died)?.remove(digest) else { return Ok(()) };
        self.write(digest, &attributes, content, buffer)
    }

    fn write(
        &self,
        digest: &Digest,
        attributes: &[Attributes],
        content: &mut dyn Read,
        buffer: &mut Vec<u8>,
    ) -> Result<(), SystemError> {
        let ids = attributes.iter().map(|a| ObjectId { digest: *digest, attributes: a.clone() });
        let ids: Vec<ObjectId> = ids.collect();
        let Some((first, rest)) = ids.split_first_chunk::<1>() else { return Ok(()) };
        let (few, many) = rest.split_at(rest.len().min(AT_ONCE - 1));
        self.write_some(digest, &[first, few].concat(), content, buffer)?;
        // One content may stand in a package with thousands of owners: the others are copies of the first.
        for some in many.chunks(AT_ONCE) {
            let path = first[0].path();
            let again = self.fs.open(&path).map_err(|e| SystemError::io("open", &path, e));
            self.write_some(digest, some, &mut *again?, buffer)?;
        }
        Ok(())
    }

    /// Objects of one content, all open at once.
    fn write_some(
        &self,
        digest: &Digest,
        ids: &[ObjectId],
        content: &mut dyn Read,
        buffer: &mut Vec<u8>,
    ) -> Result<(), SystemError> {
        let paths: Vec<_> = ids.iter().map(ObjectId::path).collect();
        let create = |path| match self.fs.create(path) {
            Ok(file) => Ok(file),
            Err(e) => Err(SystemError::io("create", path, e)),
        };
        let mut files = paths.iter().map(|p| create(p)).collect::<Result<Vec<_>, _>>()?;
        let found = copy(digest, content, &mut files, &paths, buffer)?;
        for ((file, id), path) in files.into_iter().zip(ids).zip(&paths) {
            if found != *digest {
                let why = format!("its SHA-256 is {found}");
                return Err(SystemError::Content { digest: *digest, why });
            }
            file.finish(&id.attributes).map_err(|e| SystemError::io("finish", path, e))?;
        }
        Ok(())
    }
}

fn copy(
    digest: &Digest,
    content: &mut dyn Read,
    files: &mut [Box<dyn NewFile + '_>],
    paths: &[std::path::PathBuf],
    buffer: &mut Vec<u8>,
) -> Result<Digest, SystemError> {
    buffer.resize(CHUNK, 0);
    let mut hasher = Hasher::new();
    loop {
        let length = match content.read(buffer) {
            Ok(0) => return Ok(hasher.finish()),
            Ok(length) => length,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            // Of the package, not of our disk: the source knows its own words for it.
            Err(e) => {
                return Err(SystemError::Content { digest: *digest, why: e.to_string() });
            }
        };
        let bytes = buffer.get(..length).unwrap_or_default();
        hasher.update(bytes);
        for (file, path) in files.iter_mut().zip(paths) {
            file.write_all(bytes).map_err(|e| SystemError::io("write", path, e))?;
        }
    }
}

/// Writes a file that must not exist, with its attributes.
pub(crate) fn put_bytes(
    fs: &dyn Fs,
    path: &Path,
    bytes: &[u8],
    attributes: &Attributes,
) -> Result<(), SystemError> {
    let error = |e| SystemError::io("write", path, e);
    let mut file = fs.create(path).map_err(error)?;
    file.write_all(bytes).map_err(error)?;
    file.finish(attributes).map_err(error)
}
