//! Verbs that change which packages are installed.

use argh::FlagInfo;
use minos_proto::{Field, PackageRequest, Reply, Request, Wish};

use super::ask::Consent;
use super::systems::absolute;
use super::{flow, progress};
use crate::context::{Context, unexpected};
use crate::error::Error;
use crate::exit::Exit;
use crate::spec::{Given, Spec, one, several, short_switch, switch};

/// The switch that answers the question beforehand.
pub(super) const YES: FlagInfo<'static> = short_switch("--yes", 'y', "do not ask, do it");
/// The switch that stops before the question.
pub(super) const DRY_RUN: FlagInfo<'static> =
    short_switch("--dry-run", 'n', "only say what would be done");
const HOLDS: FlagInfo<'static> = switch("--ignore-holds", "change held packages too");

pub static INSTALL: Spec = Spec {
    more: "A word with a slash in it, or with the ending .mpk, is a package file on pkgd's machine: signed by a trusted \
           key, it is copied into the repository 'local' first.",
    words: &[
        one("package", "NAME, NAME>=1.2, NAME[group], or a file"),
        several("package", "more of them"),
    ],
    flags: &[
        YES,
        DRY_RUN,
        switch("--downgrade", "an older version may come for what is named"),
        switch("--reinstall", "put back the files of what is installed already"),
        HOLDS,
    ],
    run: Some(install),
    ..Spec::new("install", "Installs packages and what they need. Shows all of it and asks first.")
};

pub static REMOVE: Spec = Spec {
    words: &[one("installed", "its name"), several("installed", "more of them")],
    flags: &[
        YES,
        DRY_RUN,
        switch("--autoremove", "also what nobody asked for and nothing needs then"),
        HOLDS,
    ],
    run: Some(remove),
    ..Spec::new("remove", "Removes packages. Shows what goes with them and asks first.")
};

pub static UPDATE: Spec = Spec {
    words: &[several("installed", "its name; none takes all of them, as 'upgrade'")],
    flags: &[YES, DRY_RUN, HOLDS],
    run: Some(update),
    ..Spec::new("update", "Takes the newest versions of packages. Asks first.")
};

pub static UPGRADE: Spec = Spec {
    flags: &[YES, DRY_RUN, HOLDS],
    run: Some(|given, context| propose(given, context, Wish { upgrade: true, ..Wish::default() })),
    ..Spec::new("upgrade", "Takes the newest versions of all packages. Asks first.")
};

pub static AUTOREMOVE: Spec = Spec {
    flags: &[YES, DRY_RUN],
    run: Some(|given, context| {
        propose(given, context, Wish { autoremove: true, ..Wish::default() })
    }),
    ..Spec::new("autoremove", "Removes what nobody asked for and nothing needs. Asks first.")
};

pub static MARK: Spec = Spec {
    words: &[one("installed", "its name"), several("installed", "more of them")],
    flags: &[
        YES,
        DRY_RUN,
        switch("--asked", "it counts as asked for: 'autoremove' keeps it"),
        switch(
            "--needed",
            "it counts as needed by others only: 'autoremove' takes it when nothing needs it",
        ),
    ],
    run: Some(mark),
    ..Spec::new("mark", "Says whether packages are there because they were asked for. Asks first.")
};

pub static APPLY: Spec = Spec {
    words: &[one("plan", "its number, or the first 8 digits of it or more")],
    flags: &[YES],
    run: Some(apply),
    ..Spec::new("apply", "Carries out a plan that --dry-run made, exactly or not at all.")
};

/// The answer given on the command line.
pub(super) fn consent(given: &Given) -> Consent {
    if given.has("--yes") { Consent::Given } else { Consent::Open }
}

fn propose(given: &Given, context: &mut Context<'_>, wish: Wish) -> Result<Exit, Error> {
    let wish = Wish { ignore_holds: given.has("--ignore-holds"), ..wish };
    flow::propose(context, wish, given.has("--dry-run"), consent(given))
}

fn install(given: &Given, context: &mut Context<'_>) -> Result<Exit, Error> {
    let (install, unbound) = names(given, context)?;
    let downgrade = given.has("--downgrade");
    if given.has("--reinstall") {
        return reinstall(given, context, install);
    }
    propose(given, context, Wish { install, unbound, downgrade, ..Wish::default() })
}

/// What is to be installed, by name, and which of these names are those of files: they are taken into the machine's own
/// repository, and asked for then in the version that they are. The next update may still replace them.
fn names(given: &Given, context: &mut Context<'_>) -> Result<(Vec<String>, Vec<String>), Error> {
    let is_file = |word: &&String| word.contains('/') || word.ends_with(".mpk");
    let (files, names): (Vec<&String>, Vec<&String>) = given.words.iter().partition(is_file);
    if files.is_empty() {
        return Ok((given.words.clone(), Vec::new()));
    }
    let paths = files.into_iter().map(|file| absolute(file)).collect();
    let reply = progress::ask(context, &Request::Package(PackageRequest::Take { paths }))?;
    let Reply::Sheet(sheet) = reply else { return Err(unexpected()) };
    let rows = sheet.grids.first().map_or(&[][..], |grid| &grid.rows);
    let (mut install, mut unbound): (Vec<String>, _) =
        (names.into_iter().cloned().collect(), vec![]);
    for row in rows {
        let [Field::Text(name), Field::Text(version), ..] = row.as_slice() else { continue };
        install.push(match given.has("--reinstall") {
            true => name.clone(),
            false => format!("{name}={version}"),
        });
        unbound.push(name.clone());
    }
    Ok((install, unbound))
}

/// The very same package again changes no generation: what is asked for is that its files are whole. One that was built
/// anew is another package, and comes in the place of the installed one.
fn reinstall(given: &Given, context: &mut Context<'_>, names: Vec<String>) -> Result<Exit, Error> {
    let verify = |repair| PackageRequest::Verify {
        names: names.clone(),
        quick: false,
        repair,
        booted: false,
    };
    let mut sheet = flow::look(context, verify(false))?;
    if matches!(sheet.find("rebuilt"), Some(Field::List(rebuilt)) if !rebuilt.is_empty()) {
        let exchange = Wish { exchange: names.clone(), ..Wish::default() };
        let exit = propose(given, context, exchange)?;
        if exit != Exit::Ok || given.has("--dry-run") {
            return Ok(exit);
        }
        // What was not built anew may be damaged all the same.
        sheet = flow::look(context, verify(false))?;
    }
    if !sheet.alarm || given.has("--dry-run") {
        return Ok(Exit::Ok);
    }
    flow::confirm(context, None, "Put them back?", consent(given), verify(true))
}

fn remove(given: &Given, context: &mut Context<'_>) -> Result<Exit, Error> {
    let (remove, autoremove) = (given.words.clone(), given.has("--autoremove"));
    propose(given, context, Wish { remove, autoremove, ..Wish::default() })
}

fn update(given: &Given, context: &mut Context<'_>) -> Result<Exit, Error> {
    let update = given.words.clone();
    propose(given, context, Wish { upgrade: update.is_empty(), update, ..Wish::default() })
}

fn mark(given: &Given, context: &mut Context<'_>) -> Result<Exit, Error> {
    let names = given.words.clone();
    let wish = match (given.has("--asked"), given.has("--needed")) {
        (true, false) => Wish { asked: names, ..Wish::default() },
        (false, true) => Wish { needed: names, ..Wish::default() },
        _ => return Err(given.wrong("'mark' takes one of --asked and --needed".into())),
    };
    propose(given, context, wish)
}

fn apply(given: &Given, context: &mut Context<'_>) -> Result<Exit, Error> {
    let plan = given.word(0);
    let first = PackageRequest::Plans { plan: Some(plan.clone()) };
    let apply = PackageRequest::Apply { plan };
    flow::confirm(context, Some(first), "Go on?", consent(given), apply)
}
