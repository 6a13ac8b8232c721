//! Verbs that look after what is installed.

use minos_proto::{DatabaseTask, PackageRequest, Reply, Request};

use super::change::{DRY_RUN, YES, consent};
use super::flow::{confirm, find, show};
use super::progress;
use super::systems::absolute;
use crate::context::Context;
use crate::error::Error;
use crate::exit::Exit;
use crate::render::checks;
use crate::spec::{Given, Spec, maybe, one, option, several, switch};
use crate::verbs::files::RESTORE;

pub static VERIFY: Spec = Spec {
    more: "Without names: the outputs of builds (whether every file is as it was captured), then all \
           installed packages.",
    words: &[several("installed", "only this package; may be repeated")],
    flags: &[
        switch("--outputs", "only the outputs of builds"),
        switch("--system", "only the installed packages"),
        switch("--booted", "only those of the generation that runs"),
        option("--self-contained", "target", "only this: what was built of it needs nothing else"),
        switch("--quick", "kind, size, owner and mode only: contents are not read"),
        switch("--repair", "put back what the store has; what is lost is built again"),
    ],
    run: Some(verify),
    ..Spec::new("verify", "Looks whether files are as they were built and installed.")
};

pub static HOLD: Spec = Spec {
    words: &[several("installed", "its name; none lists what is held")],
    flags: &[option("--note", "text", "why, for those who wonder later")],
    run: Some(|given, context| hold(given, context, false)),
    ..Spec::new("hold", "Keeps packages in their versions.")
};

pub static UNHOLD: Spec = Spec {
    words: &[one("installed", "its name"), several("installed", "more of them")],
    run: Some(|given, context| hold(given, context, true)),
    ..Spec::new("unhold", "Lets go of packages that were held.")
};

pub static CLEANUP: Spec = Spec {
    flags: &[
        YES,
        DRY_RUN,
        option("--keep", "n", "keep so many of the newest generations (default: the policy's)"),
        option("--generation", "n", "take away this one alone, however new it is"),
    ],
    run: Some(cleanup),
    ..Spec::new(
        "cleanup",
        "Takes away old generations and contents that nothing names. Asks first.",
    )
};

pub static HISTORY: Spec = Spec {
    words: &[maybe("installed", "only what touched this package; a number: this change in full")],
    flags: &[option("--limit", "n", "at most so many (default 100)")],
    run: Some(history),
    ..Spec::new("history", "Tells what was done to the system, newest first.")
};

pub static DB: Spec = Spec {
    verbs: &[&BACKUP, &RESTORE, &CHECK, &REBUILD],
    ..Spec::new("db", "Looks after pkgd's database.")
};

static BACKUP: Spec = Spec {
    words: &[one("file", "the copy, on pkgd's machine, not there yet")],
    run: Some(|given, context| {
        show(
            context,
            PackageRequest::Database(DatabaseTask::Backup { path: absolute(&given.word(0)) }),
        )
    }),
    ..Spec::new("backup", "Writes a copy of the database.")
};

static CHECK: Spec = Spec {
    run: Some(|_, context| show(context, PackageRequest::Database(DatabaseTask::Verify))),
    ..Spec::new("verify", "Looks whether its rows agree with each other and with the store.")
};

static REBUILD: Spec = Spec {
    flags: &[YES],
    run: Some(rebuild),
    ..Spec::new("rebuild", "Makes its tables of packages anew from the store. Asks first.")
};

fn verify(given: &Given, context: &mut Context<'_>) -> Result<Exit, Error> {
    if let Some(target) = given.value("--self-contained") {
        let contained = PackageRequest::Contained { target: target.to_owned() };
        return find(context, contained, Exit::NotContained);
    }
    let (names, repair) = (given.words.clone(), given.has("--repair"));
    let only_outputs = given.has("--outputs");
    if only_outputs && !names.is_empty() {
        return Err(given.wrong("--outputs knows no packages".into()));
    }
    let mut exit = Exit::Ok;
    let booted = given.has("--booted");
    let system = given.has("--system") || booted;
    if names.is_empty() && (only_outputs || !system) {
        exit = outputs(context, given.has("--quick"), repair)?;
    }
    if only_outputs && !system {
        return Ok(exit);
    }
    let system = PackageRequest::Verify { names, quick: given.has("--quick"), repair, booted };
    match show(context, system)? {
        Exit::Ok => Ok(exit),
        found => Ok(found),
    }
}

/// Looks at the outputs of builds.
fn outputs(context: &mut Context<'_>, quick: bool, repair: bool) -> Result<Exit, Error> {
    let command = context.command();
    let reply = progress::ask(context, &Request::Verify { quick, repair })?;
    context.show(&reply, &|reply, view| match reply {
        Reply::Verified(report) => Some(checks::verified(report, &command, view)),
        _ => None,
    })?;
    let sound = matches!(&reply, Reply::Verified(report)
        if report.contradictions.is_empty() && (report.lost.is_empty() || report.repaired));
    Ok(if sound { Exit::Ok } else { Exit::State })
}

fn hold(given: &Given, context: &mut Context<'_>, release: bool) -> Result<Exit, Error> {
    let note = given.value("--note").unwrap_or_default().to_owned();
    show(context, PackageRequest::Hold { names: given.words.clone(), release, note })
}

fn cleanup(given: &Given, context: &mut Context<'_>) -> Result<Exit, Error> {
    let (keep, only) = (given.parsed("--keep")?, given.parsed("--generation")?);
    if keep.is_some() && only.is_some() {
        return Err(given.wrong("--keep and --generation exclude each other".into()));
    }
    let first = PackageRequest::Collect { dry_run: true, keep, only };
    if given.has("--dry-run") {
        return show(context, first);
    }
    let collect = PackageRequest::Collect { dry_run: false, keep, only };
    confirm(context, Some(first), "Take it away?", consent(given), collect)
}

fn history(given: &Given, context: &mut Context<'_>) -> Result<Exit, Error> {
    let limit = given.parsed("--limit")?.unwrap_or(0);
    show(context, PackageRequest::History { limit, package: given.words.first().cloned() })
}

fn rebuild(given: &Given, context: &mut Context<'_>) -> Result<Exit, Error> {
    let question = "Make the tables of packages anew?";
    let rebuild = PackageRequest::Database(DatabaseTask::Rebuild);
    confirm(context, None, question, consent(given), rebuild)
}
