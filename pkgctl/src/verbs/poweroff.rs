//! `pkgctl poweroff` and `pkgctl reboot`.

use minos_proto::{Reply, Request};

use crate::context::Context;
use crate::error::Error;
use crate::exit::Exit;
use crate::spec::Spec;

/// The verb.
pub static POWEROFF: Spec = Spec {
    run: Some(|_, context| shut_down(context, false, "the machine powers off\n")),
    ..Spec::new("poweroff", "Powers the machine off. Running jobs go on at the next start.")
};

/// The verb.
pub static REBOOT: Spec = Spec {
    run: Some(|_, context| shut_down(context, true, "the machine reboots\n")),
    ..Spec::new("reboot", "Reboots the machine. Running jobs go on at the next start.")
};

fn shut_down(context: &mut Context<'_>, reboot: bool, said: &str) -> Result<Exit, Error> {
    context.ask(&Request::Shutdown { reboot }, &|reply, _| match reply {
        Reply::Done => Some(said.to_owned()),
        _ => None,
    })?;
    Ok(Exit::Ok)
}
