//! Results on standard output: lines for people, one JSON object for machines.

use std::io::{Write, stderr, stdout};

use minos_image::sizes::{self, Size};
use minos_image::{Artefact, How, Result};
use serde_json::{Value, json};

/// What a command has to say.
pub enum Output {
    /// Files it made or found.
    Artefacts(Vec<Artefact>),
    /// So many symbols are as wanted.
    Checked(usize),
    /// The size report.
    Sizes(Vec<Size>),
}

/// Prints the result of a command. A closed standard output is not an error of the command.
pub fn print(result: &Result<Output>, json: bool) {
    if json {
        let _ = writeln!(stdout(), "{}", to_json(result));
        return;
    }
    match result {
        Ok(output) => {
            let _ = stdout().write_all(to_text(output).as_bytes());
        }
        Err(error) => {
            let _ = writeln!(stderr(), "minos-image: {error}");
        }
    }
}

fn to_json(result: &Result<Output>) -> Value {
    match result {
        Ok(Output::Artefacts(list)) => json!({ "ok": true, "artefacts": list }),
        Ok(Output::Checked(symbols)) => json!({ "ok": true, "symbols": symbols }),
        Ok(Output::Sizes(list)) => json!({ "ok": true, "sizes": list }),
        Err(error) => json!({ "ok": false, "error": error.to_string() }),
    }
}

fn to_text(output: &Output) -> String {
    match output {
        Output::Artefacts(list) => list.iter().map(line).collect(),
        Output::Checked(symbols) => format!("{symbols} kernel symbols are as wanted\n"),
        Output::Sizes(list) => sizes::table(list),
    }
}

fn line(artefact: &Artefact) -> String {
    let Artefact { name, path, bytes, sha256, how } = artefact;
    let how = if *how == How::Cached { "cached" } else { "made" };
    let digest = sha256.as_deref().map_or(String::new(), |hex| format!("  {}", &hex[..16]));
    format!("{name}: {} ({} KiB, {how}){digest}\n", path.display(), bytes.div_ceil(1024))
}
