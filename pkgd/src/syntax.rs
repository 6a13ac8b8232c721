//! What bash itself says of the scripts of recipes, without running them.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use minos_model::StepId;
use minos_proto::LintReport;
use minos_recipe::{Recipe, RecipeSet};

/// The shell of the machine; where there is none, nothing is said.
const BASH: &str = "/bin/bash";

/// The errors of syntax in all scripts of a set, or of this step alone: `bash -n` reads a script and runs nothing of it.
pub fn check(set: &RecipeSet, step: Option<&StepId>) -> Vec<LintReport> {
    if !Path::new(BASH).is_file() {
        return Vec::new();
    }
    let meant = |recipe: &&Recipe| step.is_none_or(|step| recipe.id == *step);
    set.iter().filter(meant).flat_map(of_recipe).collect()
}

fn of_recipe(recipe: &Recipe) -> impl Iterator<Item = LintReport> {
    let others = recipe.targets.values();
    let others = others.flat_map(|other| other.instead.values().chain(other.append.values()));
    recipe.scripts.values().chain(others).filter_map(|script| {
        let (line, what) = complaint(&script.text)?;
        Some(LintReport {
            error: true,
            file: format!("{}/{}", recipe.folder, script.file),
            line,
            what: format!("{what} [syntax]"),
            hint: "correct the script: bash cannot read it".to_owned(),
        })
    })
}

/// The line and the words of bash's first complaint; `None` also where it cannot be asked.
fn complaint(text: &str) -> Option<(u32, String)> {
    let mut bash = Command::new(BASH);
    bash.args(["--noprofile", "--norc", "-n"]).env_clear().env("LC_ALL", "C");
    let mut child =
        bash.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().ok()?;
    // A shell that stops reading early has found something; what it says is read below.
    let _ = child.stdin.take()?.write_all(text.as_bytes());
    let output = child.wait_with_output().ok().filter(|output| !output.status.success())?;
    let said = String::from_utf8_lossy(&output.stderr);
    let (_, rest) = said.lines().next()?.split_once(": line ")?;
    let (line, what) = rest.split_once(": ")?;
    Some((line.parse().ok()?, what.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::complaint;

    /// An `if` without `fi` was found when the phase ran, behind those that took hours.
    #[test]
    fn errors_of_syntax_have_their_line() {
        assert_eq!(complaint("make\nmake install\n"), None);
        assert_eq!(complaint("touch /nobody-runs-this; exit 3\n"), None);
        let (line, what) = complaint("make\nif true; then\n  make\n").unwrap();
        assert!(line >= 2 && what.contains("syntax error"), "{line}: {what}");
        let (line, what) = complaint("make\n)\n").unwrap();
        assert_eq!((line, what.as_str()), (2, "syntax error near unexpected token `)'"));
    }
}
