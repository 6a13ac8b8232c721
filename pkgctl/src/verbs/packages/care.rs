//! Verbs that look after what is installed.

use minos_proto::{DatabaseTask, PackageRequest};

use super::act::Act;
use super::change::{DRY_RUN, YES, consent};
use super::look::ask;
use super::spec::{Given, Spec, maybe, one, option, several, switch};
use crate::error::Error;

pub static VERIFY: Spec = Spec {
    more: "Without names: the outputs of builds (whether the files are there, in kind and size), then \
           all installed packages.",
    words: &[several("installed", "only this package; may be repeated")],
    flags: &[
        switch("--outputs", "only the outputs of builds"),
        switch("--quick", "kind, size, owner and mode only: contents are not read"),
        switch("--repair", "put back what the store has; what is lost is built again"),
    ],
    act: Some(verify),
    ..Spec::new("verify", "Looks whether files are as they were built and installed.")
};

pub static HOLD: Spec = Spec {
    words: &[several("installed", "its name; none lists what is held")],
    flags: &[option("--note", "text", "why, for those who wonder later")],
    act: Some(|given| hold(given, false)),
    ..Spec::new("hold", "Keeps packages in their versions.")
};

pub static UNHOLD: Spec = Spec {
    words: &[one("installed", "its name"), several("installed", "more of them")],
    act: Some(|given| hold(given, true)),
    ..Spec::new("unhold", "Lets go of packages that were held.")
};

pub static CLEANUP: Spec = Spec {
    flags: &[
        YES,
        DRY_RUN,
        option("--keep", "n", "keep so many of the newest generations (default: the policy's)"),
    ],
    act: Some(cleanup),
    ..Spec::new(
        "cleanup",
        "Takes away old generations and contents that nothing names. Asks first.",
    )
};

pub static HISTORY: Spec = Spec {
    words: &[maybe("installed", "only what touched this package")],
    flags: &[option("--limit", "n", "at most so many (default 100)")],
    act: Some(history),
    ..Spec::new("history", "Tells what was done to the system, newest first.")
};

pub static DB: Spec =
    Spec { verbs: &[&BACKUP, &CHECK, &REBUILD], ..Spec::new("db", "Looks after pkgd's database.") };

static BACKUP: Spec = Spec {
    words: &[one("file", "the copy; an absolute path on pkgd's machine, which must not exist")],
    act: Some(|given| ask(PackageRequest::Database(DatabaseTask::Backup { path: given.word(0) }))),
    ..Spec::new("backup", "Writes a copy of the database.")
};

static CHECK: Spec = Spec {
    act: Some(|_| ask(PackageRequest::Database(DatabaseTask::Verify))),
    ..Spec::new("verify", "Looks whether its rows agree with each other and with the store.")
};

static REBUILD: Spec = Spec {
    flags: &[YES],
    act: Some(rebuild),
    ..Spec::new("rebuild", "Makes its tables of packages anew from the store. Asks first.")
};

fn verify(given: &Given) -> Result<Act, Error> {
    let (outputs, repair) = (given.has("--outputs"), given.has("--repair"));
    let (names, quick) = (given.words.clone(), given.has("--quick"));
    if outputs && !names.is_empty() {
        return Err(Error::usage("--outputs knows no packages", "leave out the names"));
    }
    let everything = names.is_empty();
    let system = PackageRequest::Verify { names, quick, repair };
    Ok(Act::Verify { outputs: everything, system: (!outputs).then_some(system), repair })
}

fn hold(given: &Given, release: bool) -> Result<Act, Error> {
    let note = given.value("--note").unwrap_or_default().to_owned();
    ask(PackageRequest::Hold { names: given.words.clone(), release, note })
}

fn cleanup(given: &Given) -> Result<Act, Error> {
    let keep = given.number("--keep", u32::MAX.into())?.map(|n| n as u32);
    let first = PackageRequest::Collect { dry_run: true, keep };
    if given.has("--dry-run") {
        return ask(first);
    }
    Ok(Act::Confirm {
        first: Some(first),
        then: PackageRequest::Collect { dry_run: false, keep },
        question: "Take it away?".into(),
        consent: consent(given),
    })
}

fn history(given: &Given) -> Result<Act, Error> {
    let limit = given.number("--limit", u32::MAX.into())?.unwrap_or(0) as u32;
    ask(PackageRequest::History { limit, package: given.words.first().cloned() })
}

fn rebuild(given: &Given) -> Result<Act, Error> {
    Ok(Act::Confirm {
        first: None,
        then: PackageRequest::Database(DatabaseTask::Rebuild),
        question: "Make the tables of packages anew?".into(),
        consent: consent(given),
    })
}
