//! `pkgctl build`

use argh::{FlagInfo, PositionalInfo};
use minos_model::Triplet;
use minos_proto::{BuildOptions, Reply, Request};

use super::watch;
use crate::context::{Context, unexpected};
use crate::error::Error;
use crate::exit::Exit;
use crate::spec::{Given, Spec, one, option, switch};

/// What is to be built.
pub(super) const TARGET: PositionalInfo<'static> =
    one("target", "a group (lfs/toolchain), STAGE/NAME, or a step (gcc:pass1)");
/// Options of every build.
pub(super) const TESTS: FlagInfo<'static> = switch("--tests", "run the packages' own test suites");
/// As [`TESTS`].
pub(super) const REBUILD: FlagInfo<'static> =
    option("--rebuild", "step", "build this step although it is cached; may be repeated");
/// As [`CHECK`].
pub(super) const OBSERVE: FlagInfo<'static> = switch(
    "--observe",
    "note which dependencies the steps built now use; 'recipe lint' tells those they do not",
);
/// The machine that is built for; without it, the one pkgd runs on.
pub(super) const MACHINE: FlagInfo<'static> = option(
    "--target",
    "triplet",
    "for another machine: aarch64-lfs-linux-gnu, riscv64-lfs-linux-gnu",
);
/// Of every verb that starts a job.
pub(super) const DETACH: FlagInfo<'static> = switch("--detach", "start only, do not watch");

/// The verb.
pub static BUILD: Spec = Spec {
    more: "Ctrl-C ends the watching, not the job.",
    words: &[TARGET],
    flags: &[
        switch("--keep-going", "go on with what does not depend on a failed step"),
        option("--jobs", "n", "processes of make within a step (default: number of CPUs)"),
        TESTS,
        switch("--check", "build it a second time under other conditions, and compare"),
        REBUILD,
        OBSERVE,
        MACHINE,
        DETACH,
    ],
    run: Some(run),
    ..Spec::new("build", "Builds a target: starts a job and watches it.")
};

fn run(given: &Given, context: &mut Context<'_>) -> Result<Exit, Error> {
    let request = Request::Build { target: target(given), options: options(given)? };
    start(context, &request, given.has("--detach"))
}

/// What is to be built, and for which machine: pkgd knows both by one word, `lfs/toolchain@TRIPLET`.
pub(super) fn target(given: &Given) -> String {
    crossed(given, &given.word(0))
}

fn crossed(given: &Given, name: &str) -> String {
    match given.value(MACHINE.long) {
        Some(machine) if machine != Triplet::NATIVE => [name, "@", machine].concat(),
        _ => name.to_owned(),
    }
}

/// How a build is to be done.
pub(super) fn options(given: &Given) -> Result<BuildOptions, Error> {
    let steps = given.values("--rebuild").map(|text| crossed(given, text));
    let steps = steps.map(|text| given.parse("option '--rebuild'", &text));
    Ok(BuildOptions {
        keep_going: given.has("--keep-going"),
        jobs: given.parsed("--jobs")?.unwrap_or(0),
        check: given.has("--tests"),
        compare: given.has("--check"),
        rebuild: steps.collect::<Result<_, _>>()?,
        observe: given.has("--observe"),
    })
}

/// Starts a job by `request` and watches it unless told not to.
pub(super) fn start(
    context: &mut Context<'_>,
    request: &Request,
    detach: bool,
) -> Result<Exit, Error> {
    let mut client = context.connect()?;
    let reply = client.call(request)?;
    let Reply::Started { job } = reply else { return Err(unexpected()) };
    let command = context.command();
    context.show(&reply, &|_, _| {
        let text = format!("job {job} started");
        let next = format!("; '{command} watch {job}' follows it");
        Some(if detach { text + &next + "\n" } else { text + "\n" })
    })?;
    if detach { Ok(Exit::Ok) } else { watch::follow(context, client, Some(job)) }
}
