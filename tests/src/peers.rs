//! The package manager beside its peers: the same trees, turn by turn, every program in a process of its own.
//!
//! Peers are scripts below `tests/lib/peers`, one verb for each piece of work; ours is the example
//! `package_bench` of pkgd, which links the same libraries as pkgd. What they install stands in a file system that
//! is made anew before every turn.

use std::path::{Path, PathBuf};

use crate::artefacts::top;
use crate::comparison::{Measure, Row, Samples};
use crate::disk::Disk;
use crate::meter::{self, Run};

/// Packages of the comparison; each has 200 files.
const PACKAGES: usize = 100;
/// What [`Bench::growth`] takes on the disk for each time the packages: files of three versions, the objects and roots of
/// them, and room to spare. In bytes.
const SPACE: u64 = 2 << 30;
/// The disk is made for as many times the packages at least: peers keep more than we do.
const LEAST_SCALE: usize = 12;

/// A peer: its script, how it is called in the table, and its verbs for each piece of work, in this order. A verb
/// without work prepares the next.
struct Peer {
    script: &'static str,
    name: &'static str,
    steps: &'static [(&'static str, &'static str)],
}

const PEERS: [Peer; 5] = [
    Peer {
        script: "pacman",
        name: "pacman",
        steps: &[
            ("W1.install", "install"),
            ("W4.verify", "verify"),
            ("W4.verify-metadata", "verify-metadata"),
            ("query.owner", "owner"),
            ("query.files", "files"),
            ("query.installed", "installed"),
            ("W2.update", "update"),
        ],
    },
    Peer {
        script: "dpkg",
        name: "dpkg",
        steps: &[
            ("W1.install", "install"),
            ("W4.verify", "verify"),
            ("query.owner", "owner"),
            ("query.files", "files"),
            ("query.installed", "installed"),
            ("W2.update", "update"),
        ],
    },
    Peer {
        script: "dpkg",
        name: "dpkg-unsafe-io",
        steps: &[("W1.install", "install-unsafe"), ("W2.update", "update-unsafe")],
    },
    Peer {
        script: "ostree",
        name: "ostree",
        steps: &[
            ("W1.install", "install"),
            ("W4.verify", "verify"),
            ("", "ready"),
            ("W9.sysroot", "sysroot"),
            ("W2.update", "update"),
        ],
    },
    Peer {
        script: "nix",
        name: "nix",
        steps: &[
            ("W1.install", "install"),
            ("W4.verify", "verify"),
            ("query.installed", "installed"),
            ("", "ready"),
            ("W7.switch", "switch"),
            ("W2.update", "update"),
        ],
    },
];

/// Everything that is measured, in a folder on the disk that is to be measured.
pub struct Bench {
    dir: PathBuf,
    rounds: usize,
    samples: Samples,
    disk: Disk,
}

impl Bench {
    /// A comparison of so many rounds below `dir`, which is empty, stays the caller's to delete, and has place for 8 GB, or
    /// for what [`Bench::growth`] takes, if that is to go up to `scale` times the packages.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn new(dir: &Path, rounds: usize, scale: usize) -> Result<Self, String> {
        let length = SPACE.saturating_mul(scale.max(LEAST_SCALE) as u64);
        let disk = Disk::new(&dir.join("image"), &dir.join("roots"), length)?;
        Ok(Self { dir: dir.to_owned(), rounds: rounds.max(1), samples: Samples::default(), disk })
    }

    /// What was measured.
    pub fn samples(&self) -> &Samples {
        &self.samples
    }

    fn at(&self, name: &str) -> String {
        self.dir.join(name).display().to_string()
    }

    fn ours(&self, example: &str, words: &[&str]) -> Result<Run, String> {
        let folder = top().join("target/x86_64-unknown-linux-gnu/release/examples");
        meter::run(&folder.join(example), words)
    }

    fn prepare(&self, words: &[&str]) -> Result<(), String> {
        eprintln!("# {}", words.first().unwrap_or(&""));
        self.ours("package_bench", words).map(drop)
    }

    fn work(&mut self, name: &str, words: &[&str]) -> Result<(), String> {
        let run = self.ours("package_bench", words)?;
        self.samples.add_within(name, &run);
        Ok(())
    }

    fn peer(&self, script: &str, verb: &str) -> Result<Run, String> {
        let script = top().join("tests/lib/peers").join(script);
        meter::run(&script, &[verb, &self.at("")])
    }

    /// Version and settings of each peer.
    ///
    /// # Errors
    /// A peer is not installed.
    pub fn about(&self) -> Result<Vec<String>, String> {
        let told = |script| Ok(self.peer(script, "about")?.output.trim().replace('\n', ": "));
        let ours = "minos: one syncfs and a commit before it is switched to; signatures and all hashes \
                    checked; zstd -9";
        let peers = ["pacman", "dpkg", "ostree", "nix"].into_iter().map(told);
        [Ok(ours.to_owned())].into_iter().chain(peers).collect()
    }

    /// W1, W2, W4, W9 and questions, on 100 packages of 20,000 files.
    ///
    /// # Errors
    /// A program fails.
    pub fn packages(&mut self) -> Result<(), String> {
        let (dir, state) = (self.at(""), self.at("roots/state"));
        self.prepare(&["make", &dir, &PACKAGES.to_string(), "trees"])?;
        for script in ["pacman", "dpkg", "ostree", "nix"] {
            eprintln!("# packages for {script}");
            self.peer(script, "make")?;
        }
        for round in 1..=self.rounds {
            eprintln!("# round {round} of {}", self.rounds);
            self.our_turn(&dir, &state)?;
            for peer in &PEERS {
                self.turn_of(peer)?;
            }
        }
        Ok(())
    }

    fn our_turn(&mut self, dir: &str, state: &str) -> Result<(), String> {
        self.disk.renew()?;
        self.work("W1.install", &["install", state, dir, "1"])?;
        self.work("W4.verify", &["verify", state])?;
        self.work("W4.verify-metadata", &["verify-metadata", state])?;
        self.work("W9.sysroot", &["sysroot", state])?;
        self.work("query", &["query", state])?;
        self.work("W2.update", &["install", state, dir, "2"])?;
        // With three roots realised the oldest becomes the next one: the usual case.
        self.ours("package_bench", &["install", state, dir, "1"])?;
        self.work("W2.update-spare-root", &["install", state, dir, "3"])
    }

    fn turn_of(&mut self, peer: &Peer) -> Result<(), String> {
        eprintln!("#   {}", peer.name);
        self.disk.renew()?;
        self.peer(peer.script, "reset")?;
        for (work, verb) in peer.steps {
            let run = self.peer(peer.script, verb)?;
            if !work.is_empty() {
                self.samples.add(work, peer.name, &run);
            }
        }
        Ok(())
    }

    /// W3 and W10: the packages of Debian main, as apt has them on this machine.
    ///
    /// # Errors
    /// apt has no list of packages; a program fails.
    pub fn universe(&mut self) -> Result<(), String> {
        self.disk.renew()?;
        self.peer("dpkg", "universe")?;
        let (packages, index) =
            (self.at("roots/universe/Packages"), self.at("roots/universe/index"));
        self.prepare(&["universe", &packages, &index, &self.at("roots/universe/pacman")])?;
        for script in ["pacman", "dpkg"] {
            self.peer(script, "make-universe")?;
        }
        for round in 0..self.rounds {
            self.work("W3.cold", &["cold", &index, "kde-full"])?;
            self.work("W3.warm", &["warm", &index, "kde-full"])?;
            let refused = ["explain", &index, "kde-full", "exim4-daemon-light", "postfix"];
            self.work("W3.explain", &refused)?;
            self.work("W10.search", &["search", &index, "zstd"])?;
            for (script, name) in [("pacman", "pacman"), ("dpkg", "apt")] {
                // apt plans the order of unpacking as well, which takes half a minute: once is enough.
                if name != "apt" || round == 0 {
                    let run = self.peer(script, "solve")?;
                    self.samples.add("W3.cold", name, &run);
                }
                let run = self.peer(script, "search")?;
                self.samples.add("W10.search", name, &run);
            }
        }
        Ok(())
    }

    /// W7, W8, W11, versions and build order, W7, W8 and W11 in three sizes.
    ///
    /// # Errors
    /// A program fails.
    pub fn daemon(&mut self) -> Result<(), String> {
        for packages in [10, 100, 1000] {
            let size = format!("{} files", packages * 229);
            self.sized("W7.switch", packages, 1000, &size, "make-large", "switch", "")?;
            let size = format!("100 x {packages} packages");
            self.sized("W8.mark", packages, 1000, &size, "make-generations", "mark", "")?;
        }
        self.disk.renew()?;
        self.peer("ostree", "make-generations")?;
        for _ in 0..self.rounds {
            let run = self.peer("ostree", "mark")?;
            self.samples.add("W8.mark", "ostree", &run);
        }
        for mebibytes in [2, 20, 200] {
            let size = format!("{mebibytes} MiB");
            self.sized("W11.open", mebibytes, 200, &size, "make-killed", "open", "/killed")?;
        }
        self.versions_and_order()
    }

    /// Prepares once and measures every round; `full` is the size of the row with the target.
    #[allow(clippy::too_many_arguments, reason = "a table row")]
    fn sized(
        &mut self,
        work: &str,
        size: usize,
        full: usize,
        label: &str,
        make: &str,
        measure: &str,
        below: &str,
    ) -> Result<(), String> {
        let state = self.at("roots/sized");
        self.disk.renew()?;
        self.prepare(&[make, &state, &size.to_string()])?;
        let name = if size == full { work.to_owned() } else { format!("{work}, {label}") };
        for _ in 0..self.rounds {
            self.work(&name, &[measure, &format!("{state}{below}")])?;
        }
        Ok(())
    }

    fn versions_and_order(&mut self) -> Result<(), String> {
        let edges = self.at("edges");
        for _ in 0..self.rounds {
            let run = self.ours("version_bench", &["--json"])?;
            self.samples.add_within("versions", &run);
            let run = self.ours("order_bench", &["--json", "--edges", &edges])?;
            self.samples.add_within("order", &run);
            let run = meter::run(Path::new("/usr/bin/tsort"), &[&edges])?;
            self.samples.add("order", "tsort", &run);
        }
        Ok(())
    }

    /// W1, W2 and W4 with a hundredth, a tenth, ten times and a hundred times the packages, the last two as far as
    /// `scale` goes and `free` bytes are enough.
    ///
    /// # Errors
    /// A program fails.
    pub fn growth(&mut self, free: u64, scale: usize) -> Result<(), String> {
        for packages in [PACKAGES / 100, PACKAGES / 10] {
            self.grown(packages, self.rounds)?;
        }
        for times in [10, 100].into_iter().filter(|times| *times <= scale) {
            let needed = SPACE * times as u64;
            if free < needed {
                eprintln!(
                    "# {times} times the packages are left out: they take {} GiB",
                    needed >> 30
                );
                continue;
            }
            // Once is enough for the many: it takes minutes.
            self.grown(PACKAGES * times, 1)?;
        }
        Ok(())
    }

    fn grown(&mut self, packages: usize, rounds: usize) -> Result<(), String> {
        let (dir, state) = (self.at(&format!("growth-{packages}")), self.at("roots/state"));
        self.prepare(&["make", &dir, &packages.to_string()])?;
        let name = |work| format!("{work}, {} files", packages * 200);
        for _ in 0..rounds {
            self.disk.renew()?;
            self.work(&name("W1.install"), &["install", &state, &dir, "1"])?;
            self.work(&name("W4.verify"), &["verify", &state])?;
            self.work(&name("W2.update"), &["install", &state, &dir, "2"])?;
            self.ours("package_bench", &["install", &state, &dir, "1"])?;
            self.work(&name("W2.update-spare-root"), &["install", &state, &dir, "3"])?;
        }
        std::fs::remove_dir_all(&dir).map_err(|e| format!("{dir}: {e}"))
    }
}

/// The rows of the table, with targets in milliseconds.
pub fn rows() -> Vec<Row> {
    use Measure::{Process, Within};
    let row = |name: &str, measure, target| Row { name: name.to_owned(), measure, target };
    vec![
        row("W1.install", Process, Some(2000.0)),
        row("W2.update", Process, Some(300.0)),
        row("W2.update-spare-root", Process, Some(300.0)),
        row("W3.cold", Process, Some(20.0)),
        row("W3.warm", Within, Some(5.0)),
        row("W3.explain", Within, Some(200.0)),
        row("W4.verify", Process, Some(600.0)),
        row("W4.verify-metadata", Process, Some(60.0)),
        row("W7.switch", Within, Some(50.0)),
        row("W8.mark", Within, Some(50.0)),
        row("W9.sysroot", Process, Some(40.0)),
        row("W10.search", Within, Some(15.0)),
        row("W11.open", Within, Some(5.0)),
        row("query.owner", Within, Some(1.0)),
        row("query.files", Within, Some(1.0)),
        row("query.installed", Within, Some(1.0)),
        row("query.nothing-to-do", Within, Some(1.0)),
        row("versions", Within, Some(1.0)),
        row("order", Within, Some(20.0)),
    ]
}
