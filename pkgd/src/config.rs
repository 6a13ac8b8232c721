//! The command line of pkgd and what follows from it.

use std::path::PathBuf;

use argh::FromArgs;
use minos_model::TestLevel;

/// The MinOS package daemon: builds packages in sandboxes and keeps what they make.
#[derive(Debug, Clone, FromArgs)]
pub struct Args {
    /// folder of the state: database, outputs, logs, scratch
    #[argh(option)]
    pub root: PathBuf,

    /// read-only root with the host tools: a folder, a squashfs image, or generation:N of this state
    #[argh(option)]
    pub seed: SeedPlace,

    /// folder with source files; may be given several times
    #[argh(option)]
    pub sources: Vec<PathBuf>,

    /// recipes: a folder, or a compiled index
    #[argh(option, default = "PathBuf::from(\"/usr/share/minos/recipes.idx\")")]
    pub recipes: PathBuf,

    /// socket to listen on; by default run/pkgd.sock below the root
    #[argh(option)]
    pub socket: Option<PathBuf>,

    /// character device to the host, for the same frames
    #[argh(option)]
    pub control: Option<PathBuf>,

    /// run as the daemon of the appliance, under its init
    #[argh(switch)]
    pub appliance: bool,

    /// build this target at once, unattended
    #[argh(option)]
    pub build: Option<String>,

    /// what to do after that: stay (default), exit, poweroff or reboot
    #[argh(option, default = "Then::Stay")]
    pub then: Then,

    /// jobs at once (make -j), of all steps together; by default the number of CPUs
    #[argh(option, default = "0")]
    pub jobs: u16,

    /// steps at once; by default 1. More share the jobs through GNU make's job server: the make of the
    /// seed must be 4.4 or later
    #[argh(option, default = "1")]
    pub lanes: u16,

    /// go on with what does not depend on a failed step (for --build)
    #[argh(switch)]
    pub keep_going: bool,

    /// the packages' own test suites that are run (for --build): none (default), critical or all
    #[argh(option, default = "TestLevel::None")]
    pub tests: TestLevel,

    /// memory a step may use, in MiB; by default no limit
    #[argh(option, default = "0")]
    pub memory: u64,

    /// processes a step may have at once
    #[argh(option, default = "4096")]
    pub processes: u64,

    /// largest log of one attempt, in MiB; by default 256
    #[argh(option, default = "256")]
    pub log_limit: u64,

    /// seconds after which a connection that says nothing and watches nothing is closed; by default 300
    #[argh(option, default = "300")]
    pub idle: u64,

    /// seconds a trigger may take before it is killed and the change taken back; by default 1800
    #[argh(option, default = "1800")]
    pub trigger_seconds: u64,

    /// how strong the sandbox must be: full (default), or weak to build on a kernel without the
    /// required Landlock; outputs built so say it
    #[argh(option, default = "Sandbox::Full")]
    pub sandbox: Sandbox,

    /// why the last boot ended, as init tells it
    #[argh(option)]
    pub last_boot: Option<String>,

    /// build on and never look at the terminal: no summary on standard output
    #[argh(switch)]
    pub quiet: bool,
}

/// Where the host tools come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SeedPlace {
    /// A folder or a squashfs image.
    Path(PathBuf),
    /// The packages of a generation of the same state.
    Generation(u64),
}

impl std::str::FromStr for SeedPlace {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        let Some(number) = s.strip_prefix("generation:") else {
            return Ok(Self::Path(PathBuf::from(s)));
        };
        let number = number.parse().ok().filter(|number| *number > 0);
        let wrong = || format!("'{s}': give the number of a generation, as in generation:3");
        number.map(Self::Generation).ok_or_else(wrong)
    }
}

/// What follows an unattended build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// Go on serving.
    Stay,
    /// End with status 0 when everything was built, else 1.
    Exit,
    /// Power the machine off.
    PowerOff,
    /// Reboot the machine.
    Reboot,
}

impl std::str::FromStr for Then {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        match s {
            "stay" => Ok(Self::Stay),
            "exit" => Ok(Self::Exit),
            "poweroff" => Ok(Self::PowerOff),
            "reboot" => Ok(Self::Reboot),
            other => Err(format!("'{other}' is none of stay, exit, poweroff, reboot")),
        }
    }
}

/// How strong the sandbox must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sandbox {
    /// Refuse to build without the required Landlock.
    Full,
    /// Build with what the kernel has.
    Weak,
}

impl std::str::FromStr for Sandbox {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        match s {
            "full" => Ok(Self::Full),
            "weak" => Ok(Self::Weak),
            other => Err(format!("'{other}' is none of full, weak")),
        }
    }
}

impl Args {
    /// Steps that may run at once; nobody can ask for none.
    pub fn lane_count(&self) -> usize {
        usize::from(self.lanes.max(1))
    }

    /// Refuses what contradicts itself.
    ///
    /// # Errors
    /// What does, in words.
    pub fn check(&self) -> Result<(), String> {
        if !self.appliance && matches!(self.then, Then::PowerOff | Then::Reboot) {
            // Signals to PID 1: on a host that would be the host's own.
            return Err("--then poweroff and --then reboot need --appliance: pkgd does not own \
                        this machine"
                .to_owned());
        }
        if self.trigger_seconds == 0 {
            return Err("--trigger-seconds 0 would kill every trigger: give it a second".to_owned());
        }
        Ok(())
    }

    /// The socket's path.
    pub fn socket(&self) -> PathBuf {
        self.socket.clone().unwrap_or_else(|| self.root.join("run/pkgd.sock"))
    }

    /// Where a seed that is an image is mounted.
    pub fn seed_mount(&self) -> PathBuf {
        self.root.join("run/seed")
    }

    /// `make -j`, where a request does not say otherwise.
    pub fn default_jobs(&self) -> u16 {
        let cpus = || std::thread::available_parallelism().map_or(1, usize::from);
        if self.jobs > 0 { self.jobs } else { u16::try_from(cpus()).unwrap_or(u16::MAX) }
    }
}
