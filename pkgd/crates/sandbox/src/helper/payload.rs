//! The last steps before the program: everything is given up that it must not have.

use crate::confine;
use crate::error::{Context, Failure, Stage};
use crate::filter;
use crate::spec::Spec;
use crate::sys::cstr;
use crate::sys::process::{close_on_exec_from, reset_signals};
use nix::fcntl::{OFlag, open};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::prctl::set_no_new_privs;
use nix::sys::stat::Mode;
use nix::unistd::{Pid, chdir, dup2_stderr, dup2_stdin, execve, setsid};
use std::ffi::{CString, OsString};
use std::io;

/// Gives up what is left and becomes the program. Returns only if that fails.
pub fn execute(spec: &Spec) -> Failure {
    match prepare(spec) {
        Err(failure) => failure,
        Ok((argv, env)) => {
            let program = spec.argv.first().cloned().unwrap_or_default();
            let error = argv.first().map_or(nix::errno::Errno::EINVAL, |path| {
                execve(path, &argv, &env).err().unwrap_or(nix::errno::Errno::EINVAL)
            });
            Failure {
                stage: Stage::Exec,
                path: Some(program.into()),
                errno: error as i32,
                detail: String::new(),
            }
        }
    }
}

type Strings = Vec<CString>;

fn prepare(spec: &Spec) -> Result<(Strings, Strings), Failure> {
    let (argv, env) = strings(spec).at(Stage::Exec)?;
    standard_streams().on(Stage::Exec, "/dev/null")?;
    setsid().at(Stage::Privileges)?;
    reset_signals().at(Stage::Privileges)?;
    chdir(&spec.cwd).on(Stage::Exec, &spec.cwd)?;
    confine::limit(&spec.limits)?;
    run_on(spec.sight.cpus).at(Stage::Limits)?;
    set_no_new_privs().at(Stage::Privileges)?;
    confine::landlock(spec)?;
    confine::keep_capabilities(confine::PROGRAM)?;
    filter::install().at(Stage::Filter)?;
    close_on_exec_from(3).at(Stage::Privileges)?;
    Ok((argv, env))
}

/// Keeps to the first `most` of the CPUs it has; to one at least.
fn run_on(most: Option<u32>) -> nix::Result<()> {
    let Some(most) = most else { return Ok(()) };
    let this = Pid::from_raw(0);
    let (all, mut kept) = (sched_getaffinity(this)?, CpuSet::new());
    let mine = (0..CpuSet::count()).filter(|cpu| all.is_set(*cpu) == Ok(true));
    for cpu in mine.take(most.max(1) as usize) {
        kept.set(cpu)?;
    }
    sched_setaffinity(this, &kept)
}

/// Standard input is the box's own `/dev/null`; standard output already is the output, standard error
/// becomes it.
fn standard_streams() -> nix::Result<()> {
    let null = open("/dev/null", OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())?;
    dup2_stdin(&null)?;
    dup2_stderr(io::stdout())
}

fn strings(spec: &Spec) -> io::Result<(Strings, Strings)> {
    let pair = |(name, value): &(OsString, OsString)| {
        let mut text = name.clone();
        text.push("=");
        text.push(value);
        cstr(text)
    };
    let argv = spec.argv.iter().map(cstr).collect::<io::Result<_>>()?;
    Ok((argv, spec.env.iter().map(pair).collect::<io::Result<_>>()?))
}
