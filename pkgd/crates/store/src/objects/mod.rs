//! The object store: each content once, under its name `objects/ab/cdef…`.
//!
//! A generation's root has its files as hard links of objects, and a link shares the whole inode: mode,
//! owner and extended attributes are therefore part of an object's identity, beside the SHA-256 of the
//! content (`docs/formats/objects.md`). The manifests of packages stand among the objects.

mod ingest;

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use minos_model::{Digest, Hasher};
use serde::{Deserialize, Serialize};

use crate::fs::{Attributes, Fs};

pub(crate) use ingest::{Ingest, put_bytes};

/// The folder of all objects.
pub(crate) const OBJECTS: &str = "objects";
/// Bytes read or written at once.
pub(crate) const CHUNK: usize = 128 << 10;

/// Everything that two files must share to be one inode.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectId {
    /// SHA-256 of the content.
    pub digest: Digest,
    /// Mode, owner and extended attributes.
    pub attributes: Attributes,
}

impl ObjectId {
    /// Where the object stands, relative to the state root: `objects/ab/<62 digits>`, followed by
    /// `-MODE` (octal) unless that is 644, `-UID-GID` unless that is 0-0 (then the mode always stands
    /// before it) and `+` with the digest of the extended attributes where there are any.
    pub fn path(&self) -> PathBuf {
        let Attributes { mode, uid, gid, xattrs } = &self.attributes;
        let mut path = digest_path(&self.digest);
        if (*uid, *gid) != (0, 0) {
            path.push_str(&format!("-{mode:o}-{uid}-{gid}"));
        } else if *mode != 0o644 {
            path.push_str(&format!("-{mode:o}"));
        }
        if !xattrs.is_empty() {
            path.push_str(&format!("+{}", xattrs_digest(xattrs)));
        }
        path.into()
    }

    /// A number that stands for the object while collecting: equal ids have equal keys. Should two
    /// objects share one, the dead one is kept as long as the live one.
    pub(crate) fn key(&self) -> u64 {
        key_of(&self.path())
    }
}

/// [`ObjectId::key`] of the object at this path: 64-bit FNV-1a of the path.
pub(crate) fn key_of(path: &Path) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    path.as_os_str().as_encoded_bytes().iter().fold(0xcbf2_9ce4_8422_2325, step)
}

fn digest_path(digest: &Digest) -> String {
    let hex = digest.to_string();
    let (fan, rest) = hex.split_at(2);
    let mut path = String::with_capacity(80);
    [OBJECTS, "/", fan, "/", rest].iter().for_each(|part| path.push_str(part));
    path
}

/// Where the manifest of a package stands.
pub(crate) fn manifest_path(digest: &Digest) -> PathBuf {
    (digest_path(digest) + ".manifest").into()
}

fn xattrs_digest(xattrs: &[(String, Vec<u8>)]) -> Digest {
    let mut hasher = Hasher::new();
    for (name, value) in xattrs {
        hasher.field(name.as_bytes());
        hasher.field(value);
    }
    hasher.finish()
}

/// Makes the folders that are missing.
pub(crate) fn prepare(fs: &dyn Fs) -> io::Result<()> {
    let private = Attributes::root(0o700);
    if fs.stat(Path::new(OBJECTS))?.is_none() {
        fs.mkdir(Path::new(OBJECTS), &private)?;
    }
    let there = fs.list(Path::new(OBJECTS))?.len();
    if there == 256 {
        return Ok(());
    }
    for fan in 0..=u8::MAX {
        let path = PathBuf::from(format!("{OBJECTS}/{fan:02x}"));
        if fs.stat(&path)?.is_none() {
            fs.mkdir(&path, &private)?;
        }
    }
    Ok(())
}

/// The whole of a file.
pub(crate) fn read(fs: &dyn Fs, path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs.open(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// SHA-256 of a file, read through `buffer`.
pub(crate) fn hash(fs: &dyn Fs, path: &Path, buffer: &mut [u8]) -> io::Result<Digest> {
    let (mut file, mut hasher) = (fs.open(path)?, Hasher::new());
    loop {
        match file.read(buffer) {
            Ok(0) => return Ok(hasher.finish()),
            Ok(n) => hasher.update(buffer.get(..n).unwrap_or_default()),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(attributes: Attributes) -> ObjectId {
        ObjectId { digest: Digest::of(b"abc"), attributes }
    }

    #[test]
    fn names_are_as_documented() {
        let base = "objects/ba/7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let name = |attributes| id(attributes).path().into_os_string().into_string().unwrap();
        assert_eq!(name(Attributes::root(0o644)), base);
        assert_eq!(name(Attributes::root(0o4755)), format!("{base}-4755"));
        let owned = Attributes { uid: 0, gid: 5, ..Attributes::root(0o644) };
        assert_eq!(name(owned), format!("{base}-644-0-5"));
        let capable = Attributes {
            xattrs: vec![("user.a".to_owned(), b"1".to_vec())],
            ..Attributes::root(0o755)
        };
        let digest = xattrs_digest(&capable.xattrs);
        assert_eq!(name(capable), format!("{base}-755+{digest}"));
        assert_eq!(manifest_path(&Digest::of(b"abc")), PathBuf::from(format!("{base}.manifest")));
    }

    #[test]
    fn whatever_an_inode_carries_makes_another_object() {
        let all = [
            Attributes::root(0o644),
            Attributes::root(0o755),
            Attributes { uid: 7, ..Attributes::root(0o644) },
            Attributes { gid: 7, ..Attributes::root(0o644) },
            Attributes { xattrs: vec![("user.a".into(), vec![])], ..Attributes::root(0o644) },
            Attributes { xattrs: vec![("user.a".into(), vec![0])], ..Attributes::root(0o644) },
        ];
        let mut keys: Vec<u64> = all.into_iter().map(|a| id(a).key()).collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), 6);
    }
}
