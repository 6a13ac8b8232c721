//! How the verbs go about it: ask and show, or ask, show, ask the person, and have it done.

use minos_proto::{PackageRequest, Proposal, Reply, Request, Sheet, Wish};

use super::ask::{self, Consent};
use super::progress;
use crate::context::{Context, unexpected};
use crate::error::Error;
use crate::exit::Exit;
use crate::render::sheet;
use crate::render::text::labelled;

/// Asks pkgd, shows its sheet.
///
/// # Errors
/// As [`crate::client::Client::call`].
pub fn show(context: &mut Context<'_>, request: PackageRequest) -> Result<Exit, Error> {
    // Damage that a verb was to find out is told by its exit status.
    find(context, request, Exit::State)
}

/// As [`show`], with the exit status for what the verb was to find out.
///
/// # Errors
/// As [`show`].
pub fn find(
    context: &mut Context<'_>,
    request: PackageRequest,
    found: Exit,
) -> Result<Exit, Error> {
    Ok(if look(context, request)?.alarm { found } else { Exit::Ok })
}

/// As [`show`], with what was shown.
///
/// # Errors
/// As [`show`].
pub fn look(context: &mut Context<'_>, request: PackageRequest) -> Result<Sheet, Error> {
    let changes = request.changes();
    let reply = progress::ask(context, &Request::Package(request)).map_err(|e| match e {
        Error::Interrupted if changes => went_on(context),
        e => e,
    })?;
    let Reply::Sheet(sheet) = &reply else { return Err(unexpected()) };
    show_sheet(context, &reply, sheet)?;
    match reply {
        Reply::Sheet(sheet) => Ok(sheet),
        _ => Err(unexpected()),
    }
}

fn show_sheet(context: &mut Context<'_>, reply: &Reply, sheet: &Sheet) -> Result<(), Error> {
    context.show(reply, &|_, view| Some(sheet::text(sheet, view)))
}

/// Shows what comes of `request` by asking `first`; then asks the person, and has it done.
///
/// # Errors
/// As [`show`] and [`ask::consent`].
pub fn confirm(
    context: &mut Context<'_>,
    first: Option<PackageRequest>,
    question: &str,
    consent: Consent,
    request: PackageRequest,
) -> Result<Exit, Error> {
    if let Some(first) = first {
        show(context, first)?;
    }
    if ask::consent(context, question, consent, "")? {
        show(context, request)
    } else {
        declined(context)
    }
}

/// Has pkgd say what it would do; then asks the person, and has exactly that done.
///
/// # Errors
/// As [`show`] and [`ask::consent`].
pub fn propose(
    context: &mut Context<'_>,
    wish: Wish,
    dry_run: bool,
    consent: Consent,
) -> Result<Exit, Error> {
    let reply = progress::ask(context, &Request::Package(PackageRequest::Propose(wish)))?;
    let Reply::Proposal(Proposal { plan, sheet }) = &reply else { return Err(unexpected()) };
    show_sheet(context, &reply, sheet)?;
    // What is to be done and has no plan is for others to do: pkgd says so, to who asks for more than a look.
    let Some(plan) = plan else {
        if dry_run || !sheet.alarm {
            return Ok(Exit::Ok);
        }
        return show(context, PackageRequest::Apply { plan: String::new() });
    };
    let apply = format!("{} apply {}", context.command(), plan.short());
    if dry_run {
        tell(context, &format!("nothing was changed; '{apply}' does it"))?;
        return Ok(Exit::Ok);
    }
    if !ask::consent(context, "Go on?", consent, &format!(", or '{apply} --yes'"))? {
        return declined(context);
    }
    show(context, PackageRequest::Apply { plan: plan.to_string() })
}

/// A person's no: nothing failed, but nothing was done either.
fn declined(context: &mut Context<'_>) -> Result<Exit, Error> {
    tell(context, "nothing was changed")?;
    Ok(Exit::JobFailed)
}

/// A sentence for a person; programs have the exit status.
fn tell(context: &mut Context<'_>, text: &str) -> Result<(), Error> {
    if context.json {
        return Ok(());
    }
    let text = labelled("", text, context.view().width);
    context.print(&text)
}

/// Ctrl-C while pkgd changes something: it does not hear of it, and half a change there is not.
fn went_on(context: &mut Context<'_>) -> Error {
    let text = format!("pkgd goes on with it; '{} history' tells how it ended", context.command());
    // When even this cannot be written there is nobody to tell.
    let _ = tell(context, &text);
    Error::Interrupted
}
