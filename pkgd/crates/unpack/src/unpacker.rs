//! The source of contents for a transaction.

use std::collections::HashMap;
use std::fmt::Display;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use minos_model::Digest;
use minos_package::index::Unique;
use minos_package::keys::TrustStore;
use minos_package::{Checked, Policy};
use minos_sandbox::Program;
use minos_store::{ContentSource, Sink};
use nix::errno::Errno;
use nix::fcntl::OFlag;

use crate::error::Error;
use crate::process::{Answer, PATIENCE, Worker};
use crate::protocol::Request;
use crate::worker::ARGV0;

/// Package files, each checked when it is asked for and unpacked by a worker.
///
/// There are as many workers as threads that ask at the same time; they end with the unpacker. One that did anything
/// wrong serves nobody else.
pub struct Unpacker {
    files: Arc<HashMap<Digest, PathBuf>>,
    trust: TrustStore,
    threshold: usize,
    program: Program,
    patience: Duration,
    idle: Mutex<Vec<Worker>>,
}

/// Opens a package file and checks it up to its manifest. A link in its place, or anything but a regular file, is
/// refused.
///
/// # Errors
/// Why it cannot be used, in words; the caller adds the path.
pub fn open(path: &Path, policy: &Policy<'_>) -> Result<(File, Checked), String> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let file = File::options().read(true).custom_flags(flags.bits()).open(path);
    let mut file = file.map_err(|e| match e.raw_os_error() {
        // The kernel says that there are too many links, where one is too many.
        Some(errno) if errno == Errno::ELOOP as i32 => {
            "it is a link; a repository's packages are regular files".to_owned()
        }
        _ => e.to_string(),
    })?;
    if !file.metadata().is_ok_and(|meta| meta.is_file()) {
        return Err("it is no regular file".to_owned());
    }
    let checked = Checked::open(&mut file, policy).map_err(|e| e.to_string())?;
    Ok((file, checked))
}

impl Unpacker {
    /// An unpacker of `files`, by the digest of their manifests. A package needs signatures of `threshold` keys of
    /// `trust`.
    pub fn new(
        files: impl Into<Arc<HashMap<Digest, PathBuf>>>,
        trust: TrustStore,
        threshold: usize,
    ) -> Self {
        Self {
            files: files.into(),
            trust,
            threshold,
            program: Program::itself(ARGV0),
            patience: PATIENCE,
            idle: Mutex::default(),
        }
    }

    /// The same with another worker and another time to wait for it: to try what a worker might do.
    #[must_use]
    pub fn with_worker(self, program: Program, patience: Duration) -> Self {
        Self { program, patience, ..self }
    }

    /// The file of a package, and the package as far as it is checked.
    fn open(&self, package: &Digest) -> io::Result<(File, Checked)> {
        let path = self.files.get(package).ok_or_else(|| {
            let what = format!("no repository has package {} any more", package.short());
            io::Error::new(io::ErrorKind::NotFound, what)
        })?;
        if path.symlink_metadata().is_err_and(|e| e.kind() == io::ErrorKind::NotFound) {
            let what = format!("there is no file '{}' any more", path.display());
            return Err(io::Error::new(io::ErrorKind::NotFound, what));
        }
        let on = |why: String| io::Error::other(format!("{}: {why}", path.display()));
        let policy = Policy::Signed { trust: &self.trust, threshold: self.threshold };
        let (file, checked) = open(path, &policy).map_err(on)?;
        if checked.id() != *package {
            return Err(on("it is another package than at the last 'pkgctl repo sync'".to_owned()));
        }
        Ok((file, checked))
    }

    fn worker(&self) -> Result<Worker, Error> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.map_or_else(|| Worker::start(&self.program, self.patience), Ok)
    }

    /// Hands out the contents of `list`, which are pieces of `file` in their order.
    fn hand_out(
        &self,
        file: &File,
        request: &Request,
        list: &[Unique],
        sink: &mut Sink<'_>,
    ) -> io::Result<()> {
        let mut worker = self.worker()?;
        let mut answer = worker.ask(request, file.as_fd())?;
        for unique in list {
            let mut content = Content { answer: &mut answer, left: unique.size, failed: None };
            let taken = sink(&unique.digest, &mut content);
            // A sink may leave what it has already; the rest must not be taken for the next content.
            let rest = taken.and_then(|()| io::copy(&mut content, &mut io::sink()).map(drop));
            if let Some(error) = content.failed {
                return Err(error.into());
            }
            rest?;
        }
        answer.finish()?;
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(worker);
        Ok(())
    }

    /// As [`ContentSource::contents`]; `tell` hears the package's name when it is known and before anything is unpacked.
    ///
    /// # Errors
    /// The package cannot be used any more, is faulty, or `sink` refused; or what became of the worker. With its name.
    pub fn unpack(
        &self,
        package: &Digest,
        tell: &dyn Fn(&str),
        wanted: &dyn Fn(&Digest) -> bool,
        sink: &mut Sink<'_>,
    ) -> io::Result<()> {
        let (file, checked) = self.open(package)?;
        let name = checked.manifest().name.to_string();
        tell(&name);
        let on = |why: &dyn Display| io::Error::other(format!("package {name}: {why}"));
        let mut list = checked.uniques().map_err(|e| on(&e))?;
        let layout = checked.layout(list.iter().map(|unique| unique.size).sum());
        list.retain(|unique| wanted(&unique.digest));
        if list.is_empty() {
            return Ok(());
        }
        let request = Request { layout, pieces: pieces(&list) };
        self.hand_out(&file, &request, &list, sink).map_err(|e| on(&e))
    }
}

impl ContentSource for Unpacker {
    fn manifest(&self, package: &Digest) -> io::Result<Vec<u8>> {
        Ok(self.open(package)?.1.manifest_bytes().to_vec())
    }

    fn contents(
        &self,
        package: &Digest,
        wanted: &dyn Fn(&Digest) -> bool,
        sink: &mut Sink<'_>,
    ) -> io::Result<()> {
        self.unpack(package, &|_| {}, wanted, sink)
    }
}

/// The pieces of the raw stream that hold `list`, those that touch joined.
fn pieces(list: &[Unique]) -> Vec<(u64, u64)> {
    let mut pieces: Vec<(u64, u64)> = Vec::new();
    for unique in list.iter().filter(|unique| unique.size > 0) {
        match pieces.last_mut() {
            Some((offset, length)) if *offset + *length == unique.offset => *length += unique.size,
            _ => pieces.push((unique.offset, unique.size)),
        }
    }
    pieces
}

/// One content as it comes from a worker.
struct Content<'a, 'b> {
    answer: &'a mut Answer<'b>,
    left: u64,
    /// The error behind an `io::Error` that was given out.
    failed: Option<Error>,
}

impl Read for Content<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.answer.read(buffer, self.left) {
            Ok(count) => {
                self.left -= count as u64;
                Ok(count)
            }
            Err(error) => {
                let told = io::Error::other(error.to_string());
                self.failed = Some(error);
                Err(told)
            }
        }
    }
}
