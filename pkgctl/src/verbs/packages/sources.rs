//! Verbs about where packages come from: repositories, keys, the machine's own builds.

use minos_proto::{Field, KeyChange, PackageRequest, RepositoryChange};

use super::change::{DRY_RUN, YES, consent};
use super::flow::{confirm, look, show};
use super::systems::absolute;
use crate::context::{Context, unexpected};
use crate::error::Error;
use crate::exit::Exit;
use crate::spec::{Given, Spec, one, option, several, switch};
use crate::verbs::files::{self, KEY_EXPORT, KEY_GENERATE, REPO_PUBLISH};

/// No public key file is longer.
const LONGEST_KEY: u64 = 4096;

pub static REPO: Spec = Spec {
    verbs: &[&REPO_LIST, &REPO_ADD, &REPO_REMOVE, &REPO_SYNC, &REPO_PUBLISH],
    run: Some(|_, context| show(context, PackageRequest::Repositories(None))),
    ..Spec::new("repo", "Lists the repositories, or changes them.")
};

static REPO_LIST: Spec = Spec {
    run: Some(|_, context| show(context, PackageRequest::Repositories(None))),
    ..Spec::new("list", "Lists the repositories.")
};

static REPO_ADD: Spec = Spec {
    words: &[
        one("name", "a name for it: small letters, digits, '-'"),
        one("place", "the folder, on pkgd's machine, or http://HOST/FOLDER"),
        several("address", "others that have the same, in case that one is down"),
    ],
    flags: &[option(
        "--priority",
        "n",
        "the highest wins where several have a package (default 0)",
    )],
    run: Some(repo_add),
    ..Spec::new("add", "Takes packages from a folder, or from where one is published.")
};

static REPO_REMOVE: Spec = Spec {
    words: &[one("repository", "its name")],
    run: Some(|given, context| {
        repository(context, RepositoryChange::Remove { name: given.word(0) })
    }),
    ..Spec::new("remove", "Takes none from it any more. What is installed stays.")
};

static REPO_SYNC: Spec = Spec {
    flags: &[switch("--allow-expired", "take packages also from lists that have expired")],
    run: Some(|given, context| {
        let allow_expired = given.has("--allow-expired");
        repository(context, RepositoryChange::Sync { allow_expired })
    }),
    ..Spec::new("sync", "Looks at all repositories again.")
};

pub static KEY: Spec = Spec {
    verbs: &[&KEY_LIST, &KEY_TRUST, &KEY_REVOKE, &KEY_GENERATE, &KEY_EXPORT],
    run: Some(|_, context| show(context, PackageRequest::Keys(None))),
    ..Spec::new("key", "Lists the keys that packages may be signed with, or changes them.")
};

static KEY_LIST: Spec = Spec {
    flags: &[option("--dir", "dir", "those of this folder instead of pkgd's")],
    run: Some(key_list),
    ..Spec::new("list", "Lists the keys that are trusted, and those that are revoked.")
};

static KEY_TRUST: Spec = Spec {
    words: &[one("file", "its public key file, of minisign or signify")],
    run: Some(key_trust),
    ..Spec::new("trust", "Takes packages signed with this key.")
};

static KEY_REVOKE: Spec = Spec {
    words: &[one("key", "its key id, or at least 8 digits of it that only one key begins with")],
    flags: &[YES, DRY_RUN],
    run: Some(key_revoke),
    ..Spec::new("revoke", "Never trusts this key again. Shows what it has signed and asks first.")
};

pub static PACK: Spec = Spec {
    more: "Of a folder (./NAME, /path) with package.toml and root/ it makes NAME-VERSION-RELEASE.ARCH.mpk here, \
           without pkgd: see 'skeleton --package'.",
    words: &[
        one("target", "steps, groups, STAGE/NAME, or a folder"),
        several("target", "more of them"),
    ],
    flags: &files::PACK_FLAGS,
    run: Some(pack),
    ..Spec::new("pack", "Makes signed packages of what was built, into the machine's repository.")
};

fn repository(context: &mut Context<'_>, change: RepositoryChange) -> Result<Exit, Error> {
    show(context, PackageRequest::Repositories(Some(change)))
}

fn repo_add(given: &Given, context: &mut Context<'_>) -> Result<Exit, Error> {
    let priority = given.parsed("--priority")?.unwrap_or(0);
    let (place, others) = (given.word(1), given.words.get(2..).unwrap_or_default());
    let path = match place.contains("://") {
        true => [&[place], others].concat().join(" "),
        false if others.is_empty() => absolute(&place),
        false => {
            let what =
                format!("'{place}' is a folder: only addresses that have the same can be several");
            return Err(given.wrong(what));
        }
    };
    repository(context, RepositoryChange::Add { name: given.word(0), path, priority })
}

fn key_list(given: &Given, context: &mut Context<'_>) -> Result<Exit, Error> {
    match given.value("--dir") {
        None => show(context, PackageRequest::Keys(None)),
        Some(folder) => files::list_keys(context, folder),
    }
}

/// What was shown is what is revoked, whatever else begins so by then.
fn key_revoke(given: &Given, context: &mut Context<'_>) -> Result<Exit, Error> {
    let revoke = |id, dry_run| PackageRequest::Keys(Some(KeyChange::Revoke { id, dry_run }));
    let sheet = look(context, revoke(given.word(0), true))?;
    if given.has("--dry-run") {
        return Ok(Exit::Ok);
    }
    let Some(Field::Text(id)) = sheet.find("key") else { return Err(unexpected()) };
    let question = "Never trust this key again?";
    confirm(context, None, question, consent(given), revoke(id.clone(), false))
}

/// Targets never start as paths do: a word that does is a folder of this machine.
fn pack(given: &Given, context: &mut Context<'_>) -> Result<Exit, Error> {
    if given.words.iter().any(|word| files::is_folder(word)) {
        return files::pack(given, context);
    }
    if let Some((option, _)) = given.options.first() {
        return Err(given.wrong(format!("{option} is for folders, which start with '.' or '/'")));
    }
    show(context, PackageRequest::Pack { targets: given.words.clone() })
}

/// The text of the file goes to pkgd, which may run on another machine.
fn key_trust(given: &Given, context: &mut Context<'_>) -> Result<Exit, Error> {
    let path = given.word(0);
    let text =
        read_key(&path).map_err(|e| given.wrong(format!("cannot read key file {path}: {e}")))?;
    show(context, PackageRequest::Keys(Some(KeyChange::Trust { text })))
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
