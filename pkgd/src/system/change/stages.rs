//! How far a change is: unpacking, staging, triggers, switching.
//!
//! The store works on threads of its own and knows nothing of clients. It calls what it is given for contents and for
//! triggers; these tell where it stands.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Sender;

use minos_model::Digest;
use minos_proto::Progress;
use minos_store::{ContentSource, Made, Sink, Staged, Triggers};

/// Where progress goes, from whichever thread.
#[derive(Debug)]
pub struct Stages {
    sender: Sender<Progress>,
    packages: u64,
    /// Packages that are not unpacked yet.
    left: AtomicU64,
}

impl Stages {
    /// Of a change in which so many packages come.
    pub fn new(sender: Sender<Progress>, packages: u64) -> Self {
        let stages = Self { sender, packages, left: AtomicU64::new(packages) };
        if packages == 0 {
            stages.tell("staging", None, 0, 0);
        }
        stages
    }

    /// Tells. Nobody has to listen.
    pub fn tell(&self, stage: &str, subject: Option<&str>, done: u64, total: u64) {
        let (stage, subject) = (stage.to_owned(), subject.map(str::to_owned));
        let _ = self.sender.send(Progress { stage, subject, done, total });
    }

    /// The package comes that so many have come before.
    pub fn unpacking(&self, done: u64, package: &str) {
        self.tell("unpacking", Some(package), done, self.packages);
    }

    fn unpacked(&self) {
        if self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.tell("staging", None, 0, 0);
        }
    }
}

/// Contents behind whose last package the root is put together.
pub struct Unpacking<'a, T>(pub &'a Stages, pub &'a T);

impl<T: ContentSource> ContentSource for Unpacking<'_, T> {
    fn manifest(&self, package: &Digest) -> io::Result<Vec<u8>> {
        self.1.manifest(package)
    }

    fn contents(
        &self,
        package: &Digest,
        wanted: &dyn Fn(&Digest) -> bool,
        sink: &mut Sink<'_>,
    ) -> io::Result<()> {
        let done = self.1.contents(package, wanted, sink);
        self.0.unpacked();
        done
    }
}

/// Triggers behind which the generation is written down and switched to.
pub struct Switching<'a, T>(pub &'a Stages, pub T);

impl<T: Triggers> Triggers for Switching<'_, T> {
    fn run(&mut self, staged: &Staged<'_>) -> Result<Vec<Made>, String> {
        self.1.run(staged)
    }

    fn complete(&mut self, staged: &Staged<'_>) -> Result<Vec<Made>, String> {
        let done = self.1.complete(staged);
        self.0.tell("switching", None, 0, 0);
        done
    }
}
