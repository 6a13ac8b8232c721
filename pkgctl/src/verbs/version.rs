//! `pkgctl version`

use crate::context::Context;
use crate::error::Error;
use crate::exit::Exit;
use crate::render::json;
use crate::spec::{Given, Spec};

/// The verb.
pub static VERSION: Spec = Spec {
    run: Some(run),
    ..Spec::new("version", "Tells the version of pkgctl and of its protocol. Asks nobody.")
};

fn run(_: &Given, context: &mut Context<'_>) -> Result<Exit, Error> {
    let (version, protocol) = (env!("CARGO_PKG_VERSION"), minos_proto::VERSION);
    let text = if context.json {
        json::object([
            ("type", "version".into()),
            ("pkgctl", version.into()),
            ("protocol", protocol.into()),
        ])
    } else {
        format!("pkgctl {version}, protocol {protocol}, JSON schema {}", json::SCHEMA)
    };
    context.print(&(text + "\n"))?;
    Ok(Exit::Ok)
}
