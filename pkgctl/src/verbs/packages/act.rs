//! What a verb of the table comes to, and how that is done.

use minos_proto::{PackageRequest, Proposal, Reply, Request, Sheet, Wish};

use super::ask::{self, Consent};
use crate::context::{Context, unexpected};
use crate::error::Error;
use crate::exit::Exit;
use crate::render::{checks, sheet};

/// What is to be done.
#[derive(Debug)]
pub enum Act {
    /// Ask pkgd, and show the sheet it answers with.
    Ask(PackageRequest),
    /// Have pkgd say what it would do; then ask the person, and have it done.
    Propose {
        /// What is wanted.
        wish: Wish,
        /// Stop before the question.
        dry_run: bool,
        /// The person's answer, where it was given beforehand.
        consent: Consent,
    },
    /// Show what comes of it, then ask the person, then do it.
    Confirm {
        /// Shows what comes of it.
        first: Option<PackageRequest>,
        /// Does it.
        then: PackageRequest,
        /// What the person is asked.
        question: String,
        /// The answer, where it was given beforehand.
        consent: Consent,
    },
    /// Look at outputs and at the installed system.
    Verify {
        /// Look at the outputs.
        outputs: bool,
        /// Look at the installed system.
        system: Option<PackageRequest>,
        /// Mend what can be mended.
        repair: bool,
    },
}

impl Act {
    /// Does it.
    ///
    /// # Errors
    /// Whatever keeps it from being done.
    pub fn run(self, context: &mut Context<'_>) -> Result<Exit, Error> {
        match self {
            Self::Ask(request) => ask_sheet(context, request),
            Self::Propose { wish, dry_run, consent } => propose(context, wish, dry_run, consent),
            Self::Confirm { first, then, question, consent } => {
                if let Some(first) = first {
                    ask_sheet(context, first)?;
                }
                match ask::consent(context, &question, consent, "")? {
                    true => ask_sheet(context, then),
                    false => declined(context),
                }
            }
            Self::Verify { outputs, system, repair } => verify(context, outputs, system, repair),
        }
    }
}

/// Asks pkgd, shows its sheet.
fn ask_sheet(context: &mut Context<'_>, request: PackageRequest) -> Result<Exit, Error> {
    let changes = request.changes();
    let reply = super::progress::ask(context, &Request::Package(request)).map_err(|e| match e {
        Error::Interrupted if changes => went_on(context),
        e => e,
    })?;
    let Reply::Sheet(sheet) = &reply else { return Err(unexpected()) };
    let exit = sheet_exit(sheet);
    show_sheet(context, &reply, sheet)?;
    Ok(exit)
}

fn show_sheet(context: &mut Context<'_>, reply: &Reply, sheet: &Sheet) -> Result<(), Error> {
    context.show(reply, &|_, view| Some(sheet::text(sheet, view)))
}

/// Damage that a verb was to find is told by its exit status.
fn sheet_exit(sheet: &Sheet) -> Exit {
    if sheet.alarm { Exit::State } else { Exit::Ok }
}

fn propose(
    context: &mut Context<'_>,
    wish: Wish,
    dry_run: bool,
    consent: Consent,
) -> Result<Exit, Error> {
    let request = Request::Package(PackageRequest::Propose(wish));
    let reply = super::progress::ask(context, &request)?;
    let Reply::Proposal(Proposal { plan, sheet }) = &reply else { return Err(unexpected()) };
    show_sheet(context, &reply, sheet)?;
    let Some(plan) = plan else {
        return Ok(if sheet.alarm { Exit::Unsolvable } else { Exit::Ok });
    };
    let apply = format!("{} apply {}", context.command(), plan.short());
    if dry_run {
        let text = format!("nothing was changed; '{apply}' does it");
        return tell(context, &text).map(|()| Exit::Ok);
    }
    let way_out = format!(", or '{apply} --yes'");
    if !ask::consent(context, "Go on?", consent, &way_out)? {
        return declined(context);
    }
    ask_sheet(context, PackageRequest::Apply { plan: plan.to_string() })
}

/// A person's no: nothing failed, but nothing was done either.
fn declined(context: &mut Context<'_>) -> Result<Exit, Error> {
    tell(context, "nothing was changed").map(|()| Exit::JobFailed)
}

/// A sentence for a person; programs have the exit status.
fn tell(context: &mut Context<'_>, text: &str) -> Result<(), Error> {
    if context.json {
        return Ok(());
    }
    let text = crate::render::text::labelled("", text, context.view().width);
    context.print(&text)
}

/// Ctrl-C while pkgd changes something: it does not hear of it, and half a change there is not.
fn went_on(context: &mut Context<'_>) -> Error {
    let command = context.command();
    let text = format!("pkgd goes on with it; '{command} history' tells how it ended");
    // When even this cannot be written there is nobody to tell.
    let _ = context.clear_status().and_then(|()| tell(context, &text));
    Error::Interrupted
}

fn verify(
    context: &mut Context<'_>,
    outputs: bool,
    system: Option<PackageRequest>,
    repair: bool,
) -> Result<Exit, Error> {
    let mut exit = Exit::Ok;
    if outputs {
        let command = context.command();
        let reply = context.ask(&Request::Verify { repair }, &|reply, view| {
            let Reply::Verified(report) = reply else { return None };
            Some(checks::verified(report, &command, view))
        })?;
        let sound = matches!(&reply, Reply::Verified(report)
            if report.contradictions.is_empty() && (report.lost.is_empty() || report.repaired));
        exit = if sound { exit } else { Exit::State };
    }
    match system.map(|request| ask_sheet(context, request)).transpose()? {
        None | Some(Exit::Ok) => Ok(exit),
        Some(found) => Ok(found),
    }
}
