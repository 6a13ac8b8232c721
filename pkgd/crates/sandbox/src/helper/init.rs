//! The first process of the box: it builds the root, starts the program, reaps everything and, when the
//! program has ended, kills the rest. If the helper dies, so does it, and with it the pid namespace.

use super::layers::{Plan, Views};
use super::{FromInit, leashed, leave, payload, root};
use crate::child::Status;
use crate::confine;
use crate::error::{Context, Failure, Stage};
use crate::spec::{Network, Spec};
use crate::sys::net::{loopback_up, set_domain_name};
use crate::sys::process::{fork, leave_session_keyring};
use crate::wire;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::{set_dumpable, set_no_new_privs, set_pdeathsig};
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{
    Gid, Pid, Uid, dup2_stderr, dup2_stdin, dup2_stdout, setgroups, sethostname, setresgid,
    setresuid,
};
use std::os::unix::net::UnixStream;

/// Runs as process 1 of the box; the return value is its exit code, which nobody reads.
pub fn run(spec: &Spec, plan: &Plan, helper: &UnixStream) -> i32 {
    match start(spec, plan, helper) {
        Ok(program) => {
            let (status, leftover) = reap(program);
            // If the helper is gone, we are about to be killed.
            let _ = wire::send(helper, &FromInit::Ended(status, leftover), &[]);
            0
        }
        Err(failure) => {
            let _ = wire::send(helper, &FromInit::Failed(failure), &[]);
            1
        }
    }
}

fn start(spec: &Spec, plan: &Plan, helper: &UnixStream) -> Result<Pid, Failure> {
    let null = open("/dev/null", OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::empty())
        .on(Stage::Prepare, "/dev/null")?;
    // Standard input is still the helper's own socket to pkgd.
    dup2_stdin(&null).at(Stage::Prepare)?;
    let ((), views) = wire::receive(helper).at(Stage::Layers)?;
    become_root(helper)?;
    unshare(CloneFlags::CLONE_NEWCGROUP).at(Stage::Namespaces)?;
    leave_session_keyring().at(Stage::Namespaces)?;
    root::assemble(spec, plan, &Views::sort(plan, views)?)?;
    sethostname(&spec.hostname).at(Stage::Identity)?;
    set_domain_name("(none)").at(Stage::Identity)?;
    if spec.network != Network::Host {
        loopback_up().at(Stage::Identity)?;
    }
    if spec.observe {
        wire::send(helper, &FromInit::Assembled, &[]).at(Stage::Witness)?;
        let ((), _) = wire::receive(helper).at(Stage::Witness)?;
    }
    let program = launch(spec)?;
    dup2_stdout(&null).at(Stage::Exec)?;
    dup2_stderr(&null).at(Stage::Exec)?;
    set_no_new_privs().at(Stage::Privileges)?;
    confine::keep_capabilities(confine::FIRST_PROCESS)?;
    wire::send(helper, &FromInit::Ready, &[]).at(Stage::Exec)?;
    Ok(program)
}

/// Takes the ids of the map, and ties its life to the helper's.
fn become_root(helper: &UnixStream) -> Result<(), Failure> {
    let (uid, gid) = (Uid::from_raw(0), Gid::from_raw(0));
    setgroups(&[]).at(Stage::IdMap)?;
    setresgid(gid, gid, gid).at(Stage::IdMap)?;
    setresuid(uid, uid, uid).at(Stage::IdMap)?;
    // After the change of ids, which clears it.
    set_pdeathsig(Signal::SIGKILL).at(Stage::Namespaces)?;
    set_dumpable(false).at(Stage::Namespaces)?;
    match leashed(helper) {
        true => Ok(()),
        // The helper died before it could take us along.
        false => Err(Failure::new(Stage::Namespaces, "the helper is gone")),
    }
}

/// Forks the program; returns when it has been executed.
fn launch(spec: &Spec) -> Result<Pid, Failure> {
    use_up_pids(spec.sight.used_pids)?;
    let (ours, theirs) = UnixStream::pair().at(Stage::Exec)?;
    let Some(program) = fork().at(Stage::Exec)? else {
        drop(ours);
        let failure = payload::execute(spec);
        let _ = wire::send(&theirs, &failure, &[]);
        leave(127)
    };
    drop(theirs);
    match wire::receive::<Failure>(&ours) {
        Ok((failure, _)) => Err(failure),
        // Closed by the execve: it runs. Or it was killed, which its status will say.
        Err(_) => Ok(program),
    }
}

/// Makes the kernel count on, so that the program gets another number.
fn use_up_pids(count: u32) -> Result<(), Failure> {
    for _ in 0..count {
        match fork().at(Stage::Exec)? {
            None => leave(0),
            Some(child) => drop(waitpid(child, None).at(Stage::Exec)?),
        }
    }
    Ok(())
}

/// Waits for the program, reaping all others; then kills and counts what is left.
fn reap(program: Pid) -> (Status, u64) {
    let status = loop {
        match waitpid(None, None) {
            Ok(ended) if ended.pid() == Some(program) => break Status::from(ended),
            Ok(_) | Err(Errno::EINTR) => {}
            // Cannot be: the program is our child and nobody else waits for it.
            Err(_) => break Status::Signaled(0),
        }
    };
    // Already dead, only not waited for by anybody: not left over.
    while let Ok(ended) = waitpid(None, Some(WaitPidFlag::WNOHANG)) {
        if ended == WaitStatus::StillAlive {
            break;
        }
    }
    let mut leftover = 0;
    // Everyone but us. The kernel lets no fork slip through between.
    while kill(Pid::from_raw(-1), Signal::SIGKILL).is_ok() {
        match waitpid(None, None) {
            Ok(_) => leftover += 1,
            Err(Errno::ECHILD) => break,
            Err(_) => {}
        }
    }
    (status, leftover)
}
