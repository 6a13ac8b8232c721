//! Signs a file: a package within it, anything else in a file beside it.

use std::fs::File;
use std::io::{BufReader, Read as _, Seek as _};
use std::path::{Path, PathBuf};

use argh::FromArgs;
use minos_package::keys::Detached;
use minos_package::{Policy, Reader, SecretKey, add_signatures};
use minos_proto::{ErrorReport, Sheet};
use minos_sandbox::Reach;

use super::answer::{bad_file, on_file, shut_in};
use super::{key, open, passphrase, verify};

/// Signs a file.
#[derive(Debug, FromArgs)]
#[argh(subcommand, name = "sign")]
pub struct Sign {
    /// the file
    #[argh(positional)]
    file: PathBuf,
    /// the secret key file
    #[argh(option)]
    key: PathBuf,
    /// what is signed, as minisign's trusted comment
    #[argh(option, default = "String::new()")]
    comment: String,
    /// sign a file that is no package as signify does: FILE.sig
    #[argh(switch)]
    signify: bool,
    /// the password is the first line of this file
    #[argh(option)]
    passphrase_file: Option<PathBuf>,
}

impl Sign {
    pub fn run(self) -> Result<Sheet, ErrorReport> {
        let mut file = open::file(&self.file)?;
        let key = key::secret(&self.key, &passphrase::From::option(self.passphrase_file.clone()))?;
        let folder = open::folder(&self.file);
        shut_in(&Reach { write: &[folder], ..Reach::default() })?;
        let signed = if verify::is_package(&mut file, &self.file)? {
            package(file, &self.file, &key)?;
            self.file.clone()
        } else {
            self.beside(&mut file, &key)?
        };
        Ok(Sheet::new("signed")
            .fact("file", self.file.display().to_string())
            .fact("key", key.public().id().to_string())
            .fact("signature", signed.display().to_string()))
    }

    fn beside(&self, file: &mut File, key: &SecretKey) -> Result<PathBuf, ErrorReport> {
        let mut data = Vec::new();
        file.read_to_end(&mut data).map_err(|e| on_file("read", &self.file, &e))?;
        let (signature, ending) = if self.signify {
            (Detached::signify(key, &data), verify::SIGNIFY)
        } else {
            (Detached::minisign(key, &data, &self.comment), verify::MINISIGN)
        };
        let path = verify::beside(&self.file, ending);
        open::create(&path, signature.to_file().as_bytes(), 0o644)?;
        Ok(path)
    }
}

/// Nobody signs what is damaged: every content is looked at first.
fn package(file: File, path: &Path, key: &SecretKey) -> Result<(), ErrorReport> {
    let hint = "nothing was signed";
    let bad = |e: minos_package::Error| bad_file(path, &e, hint);
    let mut reader = Reader::open(BufReader::new(&file), &Policy::Unverified).map_err(bad)?;
    reader.verify().map_err(bad)?;
    drop(reader);
    let mut file = &file;
    file.rewind().map_err(|e| on_file("read", path, &e))?;
    open::replace(path, |out| {
        add_signatures(&mut file, out, std::slice::from_ref(key)).map_err(bad)
    })
}
