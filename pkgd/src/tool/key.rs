//! Keys of one's own.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use argh::FromArgs;
use minos_package::SecretKey;
use minos_package::keys::KeyError;
use minos_proto::{ErrorKind, ErrorReport, Sheet};

use super::answer::{bad_key, on_file};
use super::{open, passphrase};

/// Makes a key: NAME.key, which stays secret, and NAME.pub.
#[derive(Debug, FromArgs)]
#[argh(subcommand, name = "key-generate")]
pub struct Generate {
    /// its name
    #[argh(positional)]
    name: String,
    /// the folder (default: here)
    #[argh(option, default = "PathBuf::from(\".\")")]
    dir: PathBuf,
    /// what the key is, for people (default: its name)
    #[argh(option)]
    comment: Option<String>,
    /// write the secret key as signify does; such a key has no password here
    #[argh(switch)]
    signify: bool,
    /// the password is the first line of this file
    #[argh(option)]
    passphrase_file: Option<PathBuf>,
    /// the key has no password
    #[argh(switch)]
    no_passphrase: bool,
}

/// Shows the public half of a key.
#[derive(Debug, FromArgs)]
#[argh(subcommand, name = "key-export")]
pub struct Export {
    /// the secret key file
    #[argh(positional)]
    key: PathBuf,
    /// write it to this file
    #[argh(option)]
    output: Option<PathBuf>,
    /// the password is the first line of this file
    #[argh(option)]
    passphrase_file: Option<PathBuf>,
}

impl Generate {
    pub fn run(self) -> Result<Sheet, ErrorReport> {
        if self.name.is_empty() || self.name.contains('/') || self.name.starts_with('.') {
            let what = format!("'{}' cannot be a name of files", self.name);
            return Err(ErrorReport::new(
                ErrorKind::Invalid,
                what,
                "give a word; --dir names the folder",
            ));
        }
        let secret = self.dir.join(format!("{}.key", self.name));
        let public = self.dir.join(format!("{}.pub", self.name));
        let comment = self.comment.as_deref().unwrap_or(&self.name);
        let key = SecretKey::from_seed(&random()?, comment).map_err(|e| bad_key(&secret, &e))?;
        let text = self.text(&key, &secret)?;
        open::create(&secret, text.as_bytes(), 0o600)?;
        open::create(&public, key.public().to_file().as_bytes(), 0o644).inspect_err(|_| {
            // Half a pair is none.
            let _ = std::fs::remove_file(&secret);
        })?;
        Ok(Sheet::new("key")
            .fact("id", key.public().id().to_string())
            .fact("number", key.public().number_text())
            .fact("comment", key.public().comment())
            .fact("secret", secret.display().to_string())
            .fact("public", public.display().to_string())
            .note("Whoever has the secret file and its password can sign as you: keep a copy in a safe place."))
    }

    /// The secret key file.
    fn text(&self, key: &SecretKey, path: &Path) -> Result<String, ErrorReport> {
        if self.signify {
            return Ok(key.to_signify());
        }
        let password = if self.no_passphrase {
            String::new()
        } else {
            passphrase::From::option(self.passphrase_file.clone()).choose()?
        };
        if password.is_empty() {
            return Ok(key.to_minisign());
        }
        key.to_protected_minisign(&password, random()?).map_err(|e| bad_key(path, &e))
    }
}

impl Export {
    pub fn run(self) -> Result<Sheet, ErrorReport> {
        let key = secret(&self.key, &passphrase::From::option(self.passphrase_file))?;
        let text = key.public().to_file();
        if let Some(output) = &self.output {
            open::create(output, text.as_bytes(), 0o644)?;
        }
        let line = text.lines().nth(1).unwrap_or_default().to_owned();
        Ok(Sheet::new("key")
            .fact("id", key.public().id().to_string())
            .fact("number", key.public().number_text())
            .fact("comment", key.public().comment())
            .fact("public", line)
            .fact("file", self.output.map(|path| path.display().to_string())))
    }
}

/// Reads a secret key file, and its password where it has one.
///
/// # Errors
/// It is none, or the password is not its.
pub fn secret(path: &Path, from: &passphrase::From) -> Result<SecretKey, ErrorReport> {
    let text = open::text(path)?;
    let key = match SecretKey::from_file(&text) {
        Err(KeyError::Encrypted) => {
            let password = from.ask(path)?;
            SecretKey::from_protected_file(&text, Some(&password))
        }
        done => done,
    };
    key.map_err(|e| bad_key(path, &e))
}

fn random() -> Result<[u8; 32], ErrorReport> {
    let path = Path::new("/dev/urandom");
    let mut bytes = [0; 32];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut bytes));
    read.map(|()| bytes).map_err(|e| on_file("read", path, &e))
}
