//! Verbs about where packages come from: repositories, keys, the machine's own builds.

use minos_proto::{KeyChange, PackageRequest, RepositoryChange};

use super::act::Act;
use super::look::ask;
use super::spec::{Given, Spec, one, option, several};
use crate::error::Error;

/// No public key file is longer.
const LONGEST_KEY: u64 = 4096;

pub static REPO: Spec = Spec {
    verbs: &[&REPO_LIST, &REPO_ADD, &REPO_REMOVE, &REPO_SYNC],
    act: Some(|_| ask(PackageRequest::Repositories(None))),
    ..Spec::new("repo", "Lists the repositories, or changes them.")
};

static REPO_LIST: Spec = Spec {
    act: Some(|_| ask(PackageRequest::Repositories(None))),
    ..Spec::new("list", "Lists the repositories.")
};

static REPO_ADD: Spec = Spec {
    words: &[
        one("name", "a name for it: small letters, digits, '-'"),
        one("path", "the folder, an absolute path on pkgd's machine"),
    ],
    flags: &[option(
        "--priority",
        "n",
        "the highest wins where several have a package (default 0)",
    )],
    act: Some(repo_add),
    ..Spec::new("add", "Takes packages from a folder.")
};

static REPO_REMOVE: Spec = Spec {
    words: &[one("repository", "its name")],
    act: Some(|given| repository(RepositoryChange::Remove { name: given.word(0) })),
    ..Spec::new("remove", "Takes none from it any more. What is installed stays.")
};

static REPO_SYNC: Spec = Spec {
    act: Some(|_| repository(RepositoryChange::Sync)),
    ..Spec::new("sync", "Looks at all folders again.")
};

pub static KEY: Spec = Spec {
    verbs: &[&KEY_LIST, &KEY_TRUST, &KEY_REVOKE],
    act: Some(|_| ask(PackageRequest::Keys(None))),
    ..Spec::new("key", "Lists the keys that packages may be signed with, or changes them.")
};

static KEY_LIST: Spec = Spec {
    act: Some(|_| ask(PackageRequest::Keys(None))),
    ..Spec::new("list", "Lists the keys that are trusted, and those that are revoked.")
};

static KEY_TRUST: Spec = Spec {
    words: &[one("file", "its public key file, of minisign or signify")],
    act: Some(key_trust),
    ..Spec::new("trust", "Takes packages signed with this key.")
};

static KEY_REVOKE: Spec = Spec {
    words: &[one("key", "its key id, or a beginning of it that only one key has")],
    act: Some(|given| ask(PackageRequest::Keys(Some(KeyChange::Revoke { id: given.word(0) })))),
    ..Spec::new("revoke", "Never trusts this key again.")
};

pub static PACK: Spec = Spec {
    words: &[one("target", "steps, groups or STAGE/NAME"), several("target", "more of them")],
    act: Some(|given| ask(PackageRequest::Pack { targets: given.words.clone() })),
    ..Spec::new("pack", "Makes signed packages of what was built, into the machine's repository.")
};

fn repository(change: RepositoryChange) -> Result<Act, Error> {
    ask(PackageRequest::Repositories(Some(change)))
}

fn repo_add(given: &Given) -> Result<Act, Error> {
    let priority = given.value("--priority").unwrap_or("0");
    let priority = priority.parse().map_err(|_| {
        let what = format!("--priority: '{priority}' is not a whole number");
        Error::usage(what, "give a number such as 10 or -5")
    })?;
    repository(RepositoryChange::Add { name: given.word(0), path: given.word(1), priority })
}

/// The text of the file goes to pkgd, which may run on another machine.
fn key_trust(given: &Given) -> Result<Act, Error> {
    let path = given.word(0);
    let text = read_key(&path).map_err(|e| {
        Error::usage(format!("cannot read the key file {path}: {e}"), "name a public key file")
    })?;
    ask(PackageRequest::Keys(Some(KeyChange::Trust { text })))
}

fn read_key(path: &str) -> std::io::Result<String> {
    use std::io::Read as _;
    let mut text = String::new();
    let read = std::fs::File::open(path)?.take(LONGEST_KEY + 1).read_to_string(&mut text)?;
    if read as u64 > LONGEST_KEY {
        return Err(std::io::Error::other("it is too long for one"));
    }
    Ok(text)
}
