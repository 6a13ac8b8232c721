//! Makes a folder of packages a repository: the signed index of what it has now.

use std::ffi::OsStr;
use std::fs;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use argh::FromArgs;
use minos_model::Name;
use minos_package::repository::{self, FILE, Listed, Repository};
use minos_package::{Checked, Policy, SecretKey};
use minos_proto::{ErrorKind, ErrorReport, Field, Sheet};
use minos_sandbox::Reach;

use super::answer::{bad_file, on_file, shut_in};
use super::{key, open, passphrase};

/// Seconds of a day.
const DAY: u64 = 86_400;
/// The longest time an index may be good for, in days: who publishes less often has given it up.
const MAX_DAYS: u64 = 3660;

/// Signs the index of a folder of packages.
#[derive(Debug, FromArgs)]
#[argh(subcommand, name = "publish")]
pub struct Publish {
    /// the folder
    #[argh(positional)]
    folder: PathBuf,
    /// the secret key file
    #[argh(option)]
    key: PathBuf,
    /// days until the index expires (default: 30)
    #[argh(option, default = "30")]
    valid_days: u64,
    /// the repository's name (default: the one it has, else that of the folder)
    #[argh(option)]
    name: Option<String>,
    /// the password is the first line of this file
    #[argh(option)]
    passphrase_file: Option<PathBuf>,
}

impl Publish {
    pub fn run(self) -> Result<Sheet, ErrorReport> {
        if !(1..=MAX_DAYS).contains(&self.valid_days) {
            let what = format!("{} days are no time for an index", self.valid_days);
            return Err(invalid(what, "1 to 3660; publish again before they are over"));
        }
        // Before this process shuts itself in: of '.' nobody knows the name then.
        let folder =
            fs::canonicalize(&self.folder).map_err(|e| on_file("read", &self.folder, &e))?;
        let key = key::secret(&self.key, &passphrase::From::option(self.passphrase_file.clone()))?;
        shut_in(&Reach { write: &[&folder], ..Reach::default() })?;
        let path = folder.join(FILE);
        let last = last(&path)?;
        let name = self.name(&folder, last.as_ref())?;
        // Later than the last one, whatever the clock says: machines do not go back.
        let created = now().max(last.map_or(0, |last| last.created.saturating_add(1)));
        let expires = created.saturating_add(self.valid_days.saturating_mul(DAY));
        let packages = packages(&folder)?;
        let repository = Repository { name, created, expires, packages };
        write(&path, &repository, &key)?;
        Ok(Sheet::new("published")
            .fact("repository", repository.name.to_string())
            .fact("file", path.display().to_string())
            .fact("packages", repository.packages.len())
            .fact("created", Field::Time(created.saturating_mul(1000)))
            .fact("until", Field::Time(expires.saturating_mul(1000)))
            .fact("signed_by", key.public().id().to_string())
            .note("Publish again when packages change, and before it expires."))
    }

    fn name(&self, folder: &Path, last: Option<&Repository>) -> Result<Name, ErrorReport> {
        let bad = |text: &str| {
            invalid(format!("'{text}' cannot be the name of a repository"), "--name gives it one")
        };
        if let Some(text) = &self.name {
            return text.parse().map_err(|_| bad(text));
        }
        if let Some(last) = last {
            return Ok(last.name.clone());
        }
        let text = folder.file_name().and_then(OsStr::to_str).unwrap_or_default();
        text.parse().map_err(|_| bad(text))
    }
}

fn invalid(what: String, hint: &str) -> ErrorReport {
    ErrorReport::new(ErrorKind::Invalid, what, hint)
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The index that is there, whoever signed it.
fn last(path: &Path) -> Result<Option<Repository>, ErrorReport> {
    match fs::metadata(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(on_file("read", path, &e)),
        Ok(meta) if meta.len() > repository::MAX_LEN => {
            return Err(bad_file(path, &"it is too long", "take it away, then publish again"));
        }
        Ok(_) => {}
    }
    let bytes = fs::read(path).map_err(|e| on_file("read", path, &e))?;
    let read = repository::read(&bytes, &Policy::Unverified);
    let read = read.map_err(|e| bad_file(path, &e, "take it away, then publish again"))?;
    Ok(Some(read.0))
}

/// The packages of the folder. Whose they are is for their signatures to say.
fn packages(folder: &Path) -> Result<Vec<Listed>, ErrorReport> {
    let entries = fs::read_dir(folder).map_err(|e| on_file("read", folder, &e))?;
    let mut packages = Vec::new();
    for entry in entries {
        let path = entry.map_err(|e| on_file("read", folder, &e))?.path();
        if path.extension() != Some(OsStr::new("mpk")) {
            continue;
        }
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        if !repository::is_file_name(name) {
            return Err(bad_file(
                &path,
                &"no package has such a name",
                "rename it, or take it away",
            ));
        }
        let mut file = BufReader::new(open::file(&path)?);
        let package = Checked::open(&mut file, &Policy::Unverified);
        let package = package.map_err(|e| bad_file(&path, &e, "take it away, then try again"))?;
        let size = file.get_ref().metadata().map_err(|e| on_file("read", &path, &e))?.len();
        packages.push(Listed { file: name.to_owned(), id: package.id(), size });
    }
    packages.sort();
    Ok(packages)
}

fn write(path: &Path, repository: &Repository, key: &SecretKey) -> Result<(), ErrorReport> {
    let bytes = repository::write(repository, std::slice::from_ref(key));
    let bytes = bytes.map_err(|e| bad_file(path, &e, "nothing was published"))?;
    open::replace(path, |out| {
        std::io::Write::write_all(out, &bytes).map_err(|e| on_file("write", path, &e))
    })
}
