//! Verbs about generations and sysroots.

use argh::FlagInfo;
use minos_proto::PackageRequest;

use super::act::Act;
use super::change::{YES, consent};
use super::look::ask;
use super::spec::{Given, Spec, maybe, number, one, option, several, switch};
use crate::error::Error;

const NOTE: FlagInfo<'static> = option("--note", "text", "why, for those who wonder later");

pub static GENERATIONS: Spec = Spec {
    act: Some(|_| ask(PackageRequest::Generations)),
    ..Spec::new("generations", "Lists the generations, newest first.")
};

pub static SWITCH: Spec = Spec {
    words: &[one("generation", "its number")],
    flags: &[YES],
    act: Some(switch_to),
    ..Spec::new("switch", "Makes a generation the current one. Asks first.")
};

pub static ROLLBACK: Spec = Spec {
    words: &[maybe("steps", "how many generations back (default 1)")],
    flags: &[YES],
    act: Some(rollback),
    ..Spec::new("rollback", "Goes back to the generation before the current one. Asks first.")
};

pub static DIFF: Spec = Spec {
    words: &[
        maybe("generation", "the older one (default: the one before the current)"),
        maybe("generation", "the newer one (default: the current)"),
    ],
    flags: &[switch("--files", "also every path")],
    act: Some(diff),
    ..Spec::new("diff", "Tells what differs between two generations.")
};

pub static PIN: Spec = Spec {
    words: &[one("generation", "its number")],
    flags: &[NOTE],
    act: Some(|given| pin(given, false)),
    ..Spec::new("pin", "Keeps a generation from being collected.")
};

pub static UNPIN: Spec = Spec {
    words: &[one("generation", "its number")],
    act: Some(|given| pin(given, true)),
    ..Spec::new("unpin", "Lets a generation be collected again.")
};

pub static SYSROOT: Spec = Spec {
    more: "It is the folder sysroots/NAME below pkgd's state root. Without a name: lists them.",
    words: &[maybe("name", "its name"), several("package", "packages it is to have")],
    flags: &[
        switch("--writable", "files of its own instead of links into the store"),
        switch("--remove", "take the sysroot away"),
    ],
    act: Some(sysroot),
    ..Spec::new("sysroot", "Makes a root of exactly these packages and what they need.")
};

fn generation(given: &Given, at: usize) -> Result<u64, Error> {
    number("generation", &given.word(at), u64::MAX)
}

fn switch_to(given: &Given) -> Result<Act, Error> {
    let generation = generation(given, 0)?;
    Ok(Act::Confirm {
        first: None,
        then: PackageRequest::Switch { generation },
        question: format!("Make generation {generation} the current one?"),
        consent: consent(given),
    })
}

fn rollback(given: &Given) -> Result<Act, Error> {
    let steps = given.words.first().map_or(Ok(1), |text| number("steps", text, u32::MAX.into()))?;
    let question = match steps {
        0 => {
            return Err(Error::usage("0 steps back is where the system is", "1 is the one before"));
        }
        1 => "Go back to the generation before the current one?".into(),
        n => format!("Go back {n} generations?"),
    };
    let then = PackageRequest::Rollback { steps: steps as u32 };
    Ok(Act::Confirm { first: None, then, question, consent: consent(given) })
}

fn diff(given: &Given) -> Result<Act, Error> {
    let at = |n: usize| (n < given.words.len()).then(|| generation(given, n)).transpose();
    ask(PackageRequest::Diff { from: at(0)?, to: at(1)?, files: given.has("--files") })
}

fn pin(given: &Given, release: bool) -> Result<Act, Error> {
    let note = given.value("--note").unwrap_or_default().to_owned();
    ask(PackageRequest::Pin { generation: generation(given, 0)?, release, note })
}

fn sysroot(given: &Given) -> Result<Act, Error> {
    let Some((name, packages)) = given.words.split_first() else {
        return ask(PackageRequest::Sysroots);
    };
    // Without packages pkgd takes the sysroot away: that has to be asked for in words.
    if packages.is_empty() != given.has("--remove") {
        let what = "a sysroot takes packages, or --remove and none";
        return Err(Error::usage(what, "'pkgctl sysroot' alone lists them"));
    }
    let (name, packages, writable) = (name.clone(), packages.to_vec(), given.has("--writable"));
    ask(PackageRequest::Sysroot { name, packages, writable })
}
