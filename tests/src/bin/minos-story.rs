//! `minos-story`: boots the disk of an installed system and tells what it can. `qemu/up` calls it at its end.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use argh::FromArgs;
use minos_qemu::Choice;
use minos_tests::story::{Setting, tell};

/// Boots the disk of an installed system in QEMU, works on its console as a person would, installs a broken update,
/// and watches it fall back. The disk is not changed.
#[derive(FromArgs)]
struct Args {
    /// the disk, as 'pkgctl image build' makes it
    #[argh(option)]
    disk: PathBuf,

    /// directory for sockets and logs (default out/vm)
    #[argh(option, default = "minos_qemu::dir::DEFAULT.into()")]
    dir: PathBuf,

    /// auto (default), kvm or tcg
    #[argh(option, default = "Choice::Auto")]
    accel: Choice,

    /// memory in MiB (default 2048)
    #[argh(option, default = "2048")]
    memory: u32,

    /// seconds that one step may take (default 900)
    #[argh(option, default = "900")]
    patience: u64,
}

fn main() -> ExitCode {
    let args: Args = argh::from_env();
    let setting = Setting {
        disk: args.disk,
        dir: args.dir,
        accel: args.accel,
        memory_mib: args.memory,
        patience: Duration::from_secs(args.patience),
    };
    match tell(&setting, &mut |sentence| println!("{sentence}")) {
        Ok(()) => ExitCode::SUCCESS,
        Err(what) => {
            eprintln!("minos-story: {what}");
            ExitCode::FAILURE
        }
    }
}
