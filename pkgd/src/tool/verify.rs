//! Whether a file is whole, and signed by somebody who is trusted.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufReader, Read as _, Seek as _};
use std::path::{Path, PathBuf};

use argh::FromArgs;
use minos_package::header::MAGIC;
use minos_package::keys::{Detached, KeyError, PublicKey};
use minos_package::{Policy, Reader, TrustStore};
use minos_proto::{ErrorKind, ErrorReport, Field, Sheet};
use minos_sandbox::Reach;

use super::answer::{bad_file, bad_key, on_file, shut_in};
use super::{inspect, open, trust};

/// Ending of minisign's signature files.
pub const MINISIGN: &str = ".minisig";
/// Ending of signify's signature files.
pub const SIGNIFY: &str = ".sig";

/// Checks a file's signature, and each content of a package.
#[derive(Debug, FromArgs)]
#[argh(subcommand, name = "verify")]
pub struct Verify {
    /// the file
    #[argh(positional)]
    file: PathBuf,
    /// the public key that must have signed
    #[argh(option)]
    key: Option<PathBuf>,
    /// folder of public keys; one of them must have signed
    #[argh(option)]
    keys: Option<PathBuf>,
    /// the signature file of a file that is no package (default: FILE.minisig, else FILE.sig)
    #[argh(option)]
    signature: Option<PathBuf>,
}

impl Verify {
    pub fn run(self) -> Result<Sheet, ErrorReport> {
        let trust = self.trust()?;
        let mut file = open::file(&self.file)?;
        if is_package(&mut file, &self.file)? {
            shut_in(&Reach::default())?;
            return package(file, &self.file, &trust);
        }
        let (path, text) = self.signature()?;
        shut_in(&Reach::default())?;
        let signature = Detached::from_file(&text).map_err(|e| bad_key(&path, &e))?;
        let mut data = Vec::new();
        file.read_to_end(&mut data).map_err(|e| on_file("read", &self.file, &e))?;
        let key = signer(&trust, &signature, &data).map_err(|e| bad_key(&self.file, &e))?;
        Ok(Sheet::new("verified")
            .fact("file", self.file.display().to_string())
            .fact("bytes", Field::Bytes(data.len() as u64))
            .fact("key", key.id().to_string())
            .fact("signer", key.comment())
            .fact("trusted_comment", signature.trusted_comment().map(str::to_owned)))
    }

    fn trust(&self) -> Result<TrustStore, ErrorReport> {
        let mut store = match &self.keys {
            Some(folder) => trust::load(folder)?,
            None => TrustStore::default(),
        };
        if let Some(path) = &self.key {
            let key = PublicKey::from_file(&open::text(path)?).map_err(|e| bad_key(path, &e))?;
            store.trust(key).map_err(|e| bad_file(path, &e, "take another key"))?;
        }
        if store.trusted().next().is_none() {
            let what = "no key to check with";
            let hint = "--key names a public key file, --keys a folder of them";
            return Err(ErrorReport::new(ErrorKind::Invalid, what, hint));
        }
        Ok(store)
    }

    fn signature(&self) -> Result<(PathBuf, String), ErrorReport> {
        let usual = || {
            let [first, second] = [MINISIGN, SIGNIFY].map(|ending| beside(&self.file, ending));
            if !first.exists() && second.exists() { second } else { first }
        };
        let path = self.signature.clone().unwrap_or_else(usual);
        let text = open::text(&path)?;
        Ok((path, text))
    }
}

/// `path` with something behind its name.
pub fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    name.into()
}

/// Whether a file starts as a package does.
pub fn is_package(file: &mut File, path: &Path) -> Result<bool, ErrorReport> {
    let mut mark = Vec::new();
    let mut look = || -> io::Result<()> {
        file.by_ref().take(MAGIC.len() as u64).read_to_end(&mut mark)?;
        file.rewind()
    };
    look().map_err(|e| on_file("read", path, &e))?;
    Ok(mark == MAGIC)
}

/// The trusted key that signed `data`.
fn signer<'a>(
    trust: &'a TrustStore,
    signature: &Detached,
    data: &[u8],
) -> Result<&'a PublicKey, KeyError> {
    let mut why = KeyError::BadSignature;
    for key in trust.trusted() {
        match signature.verify(key, data) {
            Ok(()) => return Ok(key),
            // That a key with the right number did not sign says more than that others did not.
            Err(KeyError::BadSignature) => return Err(KeyError::BadSignature),
            Err(e) => why = e,
        }
    }
    Err(why)
}

fn package(file: File, path: &Path, trust: &TrustStore) -> Result<Sheet, ErrorReport> {
    let offsets = inspect::Offsets::of(&file);
    let policy = Policy::Signed { trust, threshold: 1 };
    let bad = |e: minos_package::Error| offsets.explain(path, &e, "do not use the file");
    let mut reader = Reader::open(BufReader::new(&file), &policy).map_err(bad)?;
    let stats = reader.verify();
    let frames = reader.frames().iter().map(|frame| u64::from(frame.compressed)).collect();
    let offsets = offsets.with_frames(frames);
    let stats = stats.map_err(|e| offsets.explain(path, &e, "do not use the file"))?;
    let package = reader.manifest();
    Ok(Sheet::new("verified")
        .fact("file", path.display().to_string())
        .fact("package", format!("{} {}", package.name, package.version.with_release()))
        .fact("id", reader.id().to_string())
        .fact("signers", reader.signers().iter().map(ToString::to_string).collect::<Field>())
        .fact("contents", stats.contents))
}
