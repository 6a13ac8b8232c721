//! `pkgctl version`

use argh::{ArgsInfo, FromArgs};

use crate::context::Context;
use crate::error::Error;
use crate::exit::Exit;
use crate::render::json;

/// Tells the version of pkgctl and of the protocol it speaks. Asks nobody.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "version")]
pub struct Version {}

impl Version {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<Exit, Error> {
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
}
