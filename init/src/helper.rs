//! What a forked helper does. PID 1 itself waits for the helper's end with a deadline, among all the other things it
//! waits for. Of disks it reads nothing itself but the record, the wish, the names of the roots and the boot plan, from
//! the state disk that a helper has just mounted: no other disk can block it.

use crate::kernel::{Errno, Job, Result, Sys};
use crate::mounts::unmount_all;

/// Does the job; the exit status: 0, or the errno. (Linux's errno numbers fit in a byte.)
pub fn run(sys: &mut dyn Sys, job: &Job) -> u8 {
    if let Job::Root(generation) = job {
        return crate::roots::assemble(sys, *generation)
            .map_or_else(|fault| fault.status(), |()| 0);
    }
    if let Job::Look { device, label } = job {
        return crate::disks::look(sys, device, label);
    }
    match work(sys, job) {
        Ok(()) => 0,
        Err(e) => u8::try_from(e as i32).unwrap_or(u8::MAX),
    }
}

fn work(sys: &mut dyn Sys, job: &Job) -> Result<()> {
    match job {
        Job::Mount(mount) => {
            sys.mkdir(mount.target)?;
            sys.mount(mount)
        }
        Job::WriteRecord { path, offset, bytes, then_remove } => {
            if let Some((directory, _)) = path.rsplit_once('/') {
                sys.mkdir(directory)?;
            }
            sys.write_durable(path, *offset, bytes)?;
            // What stays is known by its mark and not obeyed again.
            let _ = then_remove.map(|path| sys.remove(path));
            Ok(())
        }
        // They have an exit status of their own.
        Job::Root(_) | Job::Look { .. } => Ok(()),
        // kill(-1) can block for as long as a process sits in an uninterruptible sleep.
        Job::KillAll => match sys.kill_all(libc::SIGKILL) {
            Err(Errno::ESRCH) => Ok(()),
            done => done,
        },
        Job::Flush { path } => sys.sync_fs(path),
        Job::Unmount => unmount_all(sys),
        Job::Sync => {
            sys.sync();
            Ok(())
        }
    }
}
