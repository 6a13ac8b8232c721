//! Verbs that work on files, without a daemon.

use argh::FlagInfo;

use crate::client::Endpoint;
use crate::context::Context;
use crate::error::Error;
use crate::exit::Exit;
use crate::spec::{Given, Spec, one, option, switch};

mod tool;

pub use tool::pass_on;

/// Where a password comes from that nobody types.
pub const PASSPHRASE_FILE: FlagInfo<'static> = option(
    "--passphrase-file",
    "file",
    "the key's password is its first line (default: asked for)",
);

/// The verb.
pub static SIGN: Spec = Spec {
    more: "A package carries its signatures; beside any other file FILE.minisig is written, which minisign \
           verifies.",
    words: &[one("file", "a package, or any other file")],
    flags: &[
        option("--key", "file", "the secret key file; needed"),
        option("--comment", "text", "what is signed, as minisign's trusted comment"),
        switch("--signify", "write FILE.sig for signify instead"),
        PASSPHRASE_FILE,
    ],
    run: Some(|given, context| keyed(given, context, "sign")),
    ..Spec::new("sign", "Signs a file.")
};

/// The verb.
pub static VERIFY_FILE: Spec = Spec {
    more: "Of a package also every content is checked. Signatures of minisign and signify are understood.",
    words: &[one("file", "a package, or any other file with a signature file beside it")],
    flags: &[
        option("--key", "file", "the public key that must have signed"),
        option("--keys", "dir", "a folder of public keys: one of them must have signed"),
        option("--signature", "file", "the signature file (default: FILE.minisig, else FILE.sig)"),
    ],
    run: Some(|given, context| pass_on(given, context, "verify")),
    ..Spec::new("verify-file", "Looks whether a file is whole and signed by a trusted key.")
};

/// The verb.
pub static INSPECT: Spec = Spec {
    words: &[one("file", "a package file")],
    flags: &[
        option("--keys", "dir", "a folder of public keys: says which signatures are by them"),
        switch("--files", "also list its files"),
    ],
    run: Some(|given, context| pass_on(given, context, "inspect")),
    ..Spec::new("inspect", "Shows all that a package file says of itself, and who signed it.")
};

/// The verb.
pub static SKELETON: Spec = Spec {
    words: &[one("name", "its name")],
    flags: &[
        option("--dir", "dir", "in this folder (default: here)"),
        option("--stage", "stage", "the stage of the recipe (default: demo)"),
        switch("--package", "a folder for 'pack ./NAME' instead of a recipe"),
    ],
    run: Some(|given, context| pass_on(given, context, "skeleton")),
    ..Spec::new("skeleton", "Makes the folder of a new package, to be filled in.")
};

/// Below `key`.
pub static KEY_GENERATE: Spec = Spec {
    words: &[one("name", "NAME.key stays secret, NAME.pub is for everybody")],
    flags: &[
        option("--dir", "dir", "in this folder (default: here)"),
        option("--comment", "text", "whose key it is (default: its name)"),
        switch("--signify", "write the secret key as signify does, without password"),
        switch("--no-passphrase", "the key has no password"),
        PASSPHRASE_FILE,
    ],
    run: Some(|given, context| pass_on(given, context, "key-generate")),
    ..Spec::new("generate", "Makes a key of your own.")
};

/// Below `key`.
pub static KEY_EXPORT: Spec = Spec {
    words: &[one("key", "the secret key file")],
    flags: &[option("--output", "file", "write it to this file"), PASSPHRASE_FILE],
    run: Some(|given, context| pass_on(given, context, "key-export")),
    ..Spec::new("export", "Shows the public half of a key.")
};

/// Below `repo`.
pub static REPO_PUBLISH: Spec = Spec {
    more: "Writes repository.mri into it: which packages it has, and until when.",
    words: &[one("folder", "a folder of packages")],
    flags: &[
        option("--key", "file", "the secret key file; needed"),
        option("--valid-days", "n", "days until the index expires (default 30)"),
        option("--name", "name", "the repository's (default: as before, or the folder's)"),
        PASSPHRASE_FILE,
    ],
    run: Some(|given, context| keyed(given, context, "publish")),
    ..Spec::new("publish", "Signs the index of a folder of packages.")
};

/// Below `db`.
pub static RESTORE: Spec = Spec {
    more: "--root names the state root, which must have no database yet; no pkgd may run on it.",
    words: &[one("file", "what 'db backup' wrote")],
    run: Some(restore),
    ..Spec::new("restore", "Makes a database from its backup.")
};

/// Options of `pack` for a folder.
pub const PACK_FLAGS: [FlagInfo<'static>; 3] = [
    option("--key", "file", "of a folder: the secret key file to sign with"),
    option("--output", "dir", "of a folder: where to put the package (default: here)"),
    PASSPHRASE_FILE,
];

/// Lists the keys of a folder.
///
/// # Errors
/// As [`tool::run`].
pub fn list_keys(context: &mut Context<'_>, folder: &str) -> Result<Exit, Error> {
    tool::run(context, "key-list", &["--".to_owned(), folder.to_owned()])
}

/// Whether a word of `pack` is a folder of this machine and no target: those never start so.
pub fn is_folder(word: &str) -> bool {
    word.starts_with(['.', '/'])
}

/// Packs a folder.
///
/// # Errors
/// As [`tool::run`].
pub fn pack(given: &Given, context: &mut Context<'_>) -> Result<Exit, Error> {
    if given.words.len() > 1 {
        return Err(given.wrong("one folder at a time".into()));
    }
    pass_on(given, context, "pack")
}

/// Passes on what needs a secret key.
fn keyed(given: &Given, context: &mut Context<'_>, verb: &str) -> Result<Exit, Error> {
    if !given.has("--key") {
        return Err(given.wrong("--key names the secret key file to sign with".into()));
    }
    pass_on(given, context, verb)
}

fn restore(given: &Given, context: &mut Context<'_>) -> Result<Exit, Error> {
    let Endpoint::Root(root) = &context.endpoint else {
        return Err(given.wrong("--root DIR names the state root to restore into".into()));
    };
    let root = root.display().to_string();
    let words = ["--root".to_owned(), root, "--".to_owned(), given.word(0)];
    tool::run(context, "restore", &words)
}
