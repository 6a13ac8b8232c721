//! `pkgctl completion`

use std::path::PathBuf;

use crate::client::Endpoint;
use crate::context::Context;
use crate::error::Error;
use crate::exit::Exit;
use crate::shell;
use crate::spec::{Given, Spec, maybe, option};

/// The verb. What can be completed is what the interactive shell completes; a script of the user's shell only carries it.
pub static COMPLETION: Spec = Spec {
    more: "For this shell alone: source <(pkgctl completion bash). For all to come: put that into ~/.bashrc, or the text \
           into /etc/bash_completion.d/pkgctl.",
    words: &[maybe("shell", "bash, zsh or fish: prints the script that makes it complete pkgctl")],
    flags: &[option("--line", "text", "prints what the last word of this line can become")],
    run: Some(run),
    ..Spec::new("completion", "Lets your own shell complete verbs, options and names.")
};

/// bash takes `:` and `=` for ends of words; what it holds for done must not be given again.
const BASH: &str = r#"_pkgctl() {
    local IFS=$'\n' line=${COMP_LINE:0:COMP_POINT} word
    word=${line##* }
    COMPREPLY=($(pkgctl completion --line "$line" 2>/dev/null))
    COMPREPLY=("${COMPREPLY[@]#"${word%"${word##*[:=]}"}"}")
}
complete -o default -F _pkgctl pkgctl
"#;
const ZSH: &str = "autoload -U +X bashcompinit && bashcompinit\n";
const FISH: &str =
    "complete -c pkgctl -a '(pkgctl completion --line (commandline -cp) 2>/dev/null)'\n";

fn run(given: &Given, context: &mut Context<'_>) -> Result<Exit, Error> {
    let text = match (given.value("--line"), given.words.first().map(String::as_str)) {
        (Some(line), None) => {
            follow(line, context);
            shell::candidates(line, context).into_iter().map(|word| word + "\n").collect()
        }
        (None, Some("bash")) => BASH.to_owned(),
        (None, Some("zsh")) => [ZSH, BASH].concat(),
        (None, Some("fish")) => FISH.to_owned(),
        _ => return Err(given.wrong("name one shell: bash, zsh or fish".into())),
    };
    context.print(&text)?;
    Ok(Exit::Ok)
}

/// Names are those of the pkgd that the line is for.
fn follow(line: &str, context: &mut Context<'_>) {
    let mut words = line.split_whitespace();
    while let Some(word) = words.next() {
        let endpoint: fn(PathBuf) -> Endpoint = match word {
            "--root" => Endpoint::Root,
            "--socket" => Endpoint::Socket,
            "--vm" => Endpoint::Vm,
            _ => continue,
        };
        if let Some(path) = words.next() {
            context.endpoint = endpoint(path.into());
        }
    }
}
