//! Runs one step on a thread of its own and reports to the engine.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Sender, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use minos_compare::{Report as Differences, Side};
use minos_exec::{Cancel, Captured, Clobber, Observer, Progress, Task};
use minos_model::{Digest, Failure, FailureClass, Manifest, Metrics, Phase, StepId};
use minos_proto::Clobbers;
use minos_recipe::RecipeSet;
use minos_sandbox::tree;
use minos_store::{Layout, LogWriter, StoreError};

use super::{Command, recover};
use crate::observed;
use crate::recipes::Recipes;
use crate::service::Service;
use crate::sources::Shelf;
use crate::verify;

/// What a worker tells the engine.
pub struct Report {
    /// The step.
    pub step: StepId,
    /// What happened.
    pub news: News,
}

/// The kinds of reports.
pub enum News {
    /// A phase began.
    PhaseStarted {
        /// The phase.
        phase: Phase,
        /// It is the first one after a checkpoint.
        resumed: bool,
    },
    /// A phase ended well and its layer is on the disk; the worker waits for the commit.
    PhaseDone {
        /// The phase.
        phase: Phase,
        /// Its cost.
        metrics: Metrics,
        /// Told when the checkpoint is committed.
        committed: SyncSender<Result<(), Failure>>,
    },
    /// The test suite of the step is over; the worker waits for the commit.
    Tested {
        /// What came of it.
        report: Box<minos_suite::Report>,
        /// The step fails for it.
        fails: bool,
        /// Told when it is committed.
        committed: SyncSender<Result<(), Failure>>,
    },
    /// The step is over. A success has its output in place and on the disk, or was compared.
    Finished {
        /// What came of it, or why nothing did.
        result: Result<Made, Failure>,
        /// Length of the log.
        log_bytes: u64,
    },
}

/// What came of a step that went well.
pub enum Made {
    /// Its output.
    Placed(Placed),
    /// It was a second build.
    Compared(Compared),
}

/// What a second build gave, beside the first. Its tree is of no further use, but where the store's is damaged.
pub struct Compared {
    /// The digest of its manifest.
    pub second: Digest,
    /// Where it differs.
    pub report: Differences,
    /// What was wrong with the files of the first, which took those of this one.
    pub mended: Option<String>,
}

/// An output whose bytes are where they belong.
pub struct Placed {
    /// Its name.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// Its entries.
    pub files: u64,
    /// What it has in the place of something of its inputs.
    pub clobbers: Vec<Clobbers>,
    /// What was wrong with the files that the store had of it, which these took the place of.
    pub mended: Option<String>,
}

/// A step that is about to run.
pub struct Start {
    /// What to run.
    pub task: Task,
    /// The recipes of its job.
    pub recipes: Arc<Recipes>,
    /// What says of its layers what they are made of; `None` for a second build, whose layers nobody takes over.
    pub basis: Option<Vec<u8>>,
    /// The attempt's number.
    pub attempt: u64,
    /// Its log.
    pub log: LogWriter,
    /// For a second build the output it is compared with.
    pub first: Option<Digest>,
    /// Time to let pass first.
    pub wait: Duration,
    /// What it depends on, the lowest layer first.
    pub inputs: Vec<(StepId, Digest)>,
    /// It is built though its output is there: somebody may doubt that one.
    pub forced: bool,
}

/// Starts the thread. It always sends [`News::Finished`] as its last word.
pub fn spawn(service: &Arc<Service>, start: Start, engine: &Sender<Command>) {
    let service = Arc::clone(service);
    let engine = engine.clone();
    thread::spawn(move || {
        let Start { mut task, recipes, basis, attempt, log, first, wait, inputs, forced } = start;
        let recipes = &recipes.set;
        let step = task.step.clone();
        let mut listener = Listener {
            service: &service,
            engine: &engine,
            step: &step,
            log,
            // Nothing goes on from the phases of a second build, so they need not be durable.
            durable: first.is_none().then(|| task.scratch.clone()),
            started: Instant::now(),
            opened: BTreeSet::new(),
        };
        pause(wait, &task.cancel);
        let result = note_basis(&task.scratch, basis)
            .and_then(|()| find_sources(&service, recipes, &task))
            .and_then(|found| {
                task.sources = found;
                minos_exec::run(&task, &mut listener)
            })
            .and_then(|captured| match first {
                None => {
                    let clobbers = clobbers(recipes, &task.step, &captured, &inputs);
                    listener.warn(&clobbers);
                    let placing = Placing { service: &service, attempt, forced };
                    placing.place(captured, clobbers).map(Made::Placed)
                }
                Some(first) => {
                    let placing = Placing { service: &service, attempt, forced: true };
                    placing.compare(&first, captured).map(Made::Compared)
                }
            });
        if task.observe && result.is_ok() {
            observed::note(service.store.layout(), recipes, &step, &inputs, &listener.opened);
        }
        if let Ok(made) = &result {
            listener.note_mended(made);
        }
        let closed = listener.log.finish();
        let (result, log_bytes) = match closed {
            Ok(bytes) => (result, bytes),
            Err(e) => (result.and(Err(state_failure(&e))), 0),
        };
        service.live.remove(&step);
        // An engine that is gone needs no report: pkgd is ending, and recovery will see to the rest.
        let news = News::Finished { result, log_bytes };
        let _ = engine.send(Command::Worker(Report { step, news }));
    });
}

/// Before the first phase: a layer must never lie beside what another one was made of.
fn note_basis(scratch: &Path, basis: Option<Vec<u8>>) -> Result<(), Failure> {
    let Some(bytes) = basis else { return Ok(()) };
    let path = scratch.join(Layout::BASIS);
    let made = DirBuilder::new().mode(0o700).recursive(true).create(scratch);
    made.and_then(|()| fs::write(&path, bytes)).map_err(|e| io_failure(&path, &e))
}

/// Hashing gigabytes is worker's work: the engine must stay free to answer.
fn find_sources(
    service: &Service,
    recipes: &RecipeSet,
    task: &Task,
) -> Result<Vec<(String, PathBuf)>, Failure> {
    let Some(recipe) = recipes.get(&task.step) else { return Ok(Vec::new()) };
    let folders = service.source_folders();
    // Beside the layers: it goes when the step's scratch goes, and a sweep takes what a kill left.
    let private = task.scratch.join("sources");
    let place = &service.args.recipes;
    Shelf { folders: &folders, recipes: place, private: &private, epoch: task.epoch }
        .provide(recipe)
}

/// What the output took the place of, by the steps whose it is. A system is there to replace the tools it was
/// built with, so that what steps without a seed replace of stages before theirs is no news.
fn clobbers(
    recipes: &RecipeSet,
    step: &StepId,
    captured: &Captured,
    inputs: &[(StepId, Digest)],
) -> Vec<Clobbers> {
    let stage = |step: &StepId| recipes.get(step).map(|recipe| recipe.stage);
    let own = stage(step);
    let meant = |of: &StepId| own.is_some_and(|own| !own.seeded()) && stage(of) != own;
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let named = |found: &Clobber| {
        // Inputs are listed lowest layer first, layers are counted from the top.
        let of = inputs.iter().rev().nth(found.layer)?.0.clone();
        if meant(&of) {
            return None;
        }
        let first = found.first.display().to_string().escape_debug().to_string();
        Some(Clobbers { of, paths: count(found.paths), same: count(found.same), first })
    };
    captured.clobbers.iter().filter_map(named).collect()
}

/// What becomes of a capture.
struct Placing<'a> {
    service: &'a Service,
    attempt: u64,
    /// The files that the store has of the same output are read before they are believed in. Otherwise they are not:
    /// a build that is no repair does not pay for one.
    forced: bool,
}

impl Placing<'_> {
    /// Moves the tree into the store and makes it durable: after this its row may be committed.
    fn place(&self, captured: Captured, clobbers: Vec<Clobbers>) -> Result<Placed, Failure> {
        let manifest = &captured.manifest;
        let (size, files) = (manifest.size(), manifest.entries().len() as u64);
        let digest = manifest.digest();
        let mended = if self.forced { self.fault(&digest)? } else { None };
        if mended.is_some() {
            self.mend(&captured)?;
        } else {
            let stage = self.stage(&captured)?;
            let placed = self.service.store.place_output(&stage, manifest);
            placed.map_err(|e| state_failure(&e))?;
        }
        self.sync(&digest).inspect_err(|_| self.service.store.forget_placed(&digest))?;
        Ok(Placed { digest, size, files, clobbers, mended })
    }

    /// Compares the capture of a second build with the output of the first.
    fn compare(&self, first: &Digest, captured: Captured) -> Result<Compared, Failure> {
        let second = captured.manifest.digest();
        let fault = self.fault(first)?;
        if second == *first {
            if fault.is_some() {
                self.mend(&captured)?;
                self.sync(first)?;
            }
            return Ok(Compared { second, report: Differences::default(), mended: fault });
        }
        if let Some(why) = fault {
            return Err(damaged(first, &why));
        }
        let layout = self.service.store.layout();
        let (tree, place) = (layout.output_tree(first), layout.output_manifest(first));
        let text = fs::read_to_string(&place).map_err(|e| io_failure(&place, &e))?;
        let manifest = Manifest::parse(&text)
            .map_err(|e| io_failure(&place, &io::Error::new(io::ErrorKind::InvalidData, e)))?;
        let one = Side { tree: &tree, manifest: &manifest };
        let other = Side { tree: &captured.tree, manifest: &captured.manifest };
        let report =
            minos_compare::compare(one, other).map_err(|e| io_failure(&e.path, &e.error))?;
        Ok(Compared { second, report, mended: None })
    }

    /// What is wrong with the files of an output that the store knows, if anything.
    fn fault(&self, digest: &Digest) -> Result<Option<String>, Failure> {
        let store = &self.service.store;
        let row = store.read().and_then(|read| read.output(digest));
        if row.map_err(|e| state_failure(&e))?.is_none() {
            return Ok(None);
        }
        Ok(verify::intact(store, digest, &mut || ()).err())
    }

    /// Puts the capture in the place of damaged files of the same output. Whoever builds on those at this moment
    /// has read damaged bytes already; steps that need this one wait for it.
    fn mend(&self, captured: &Captured) -> Result<(), Failure> {
        let stage = self.stage(captured)?;
        let sync = |path: &Path| tree::syncfs(path);
        let mended = self.service.store.replace_output(&stage, &captured.manifest, sync);
        mended.map(|_| ()).map_err(|e| state_failure(&e))
    }

    /// Moves the tree to where the store takes it from.
    fn stage(&self, captured: &Captured) -> Result<PathBuf, Failure> {
        let stage = self.service.store.layout().stage(self.attempt);
        let staged =
            fs::create_dir(&stage).and_then(|()| fs::rename(&captured.tree, stage.join("tree")));
        staged.map_err(|e| io_failure(&stage, &e))?;
        Ok(stage)
    }

    fn sync(&self, digest: &Digest) -> Result<(), Failure> {
        let dir = self.service.store.layout().output(digest);
        tree::syncfs(&dir).map_err(|e| io_failure(&dir, &e))
    }
}

/// The output that a second build is compared with is not what it was, and this build came out otherwise.
fn damaged(output: &Digest, why: &str) -> Failure {
    Failure {
        class: FailureClass::State,
        phase: None,
        what: format!(
            "there is nothing to compare with: output {} is damaged: {why}",
            output.short()
        ),
        hint: "'pkgctl verify --outputs --repair' has it built again".to_owned(),
    }
}

/// Lets time pass, unless the step is cancelled.
fn pause(time: Duration, cancel: &Cancel) {
    let end = Instant::now() + time;
    while !cancel.requested() && Instant::now() < end {
        thread::sleep(Duration::from_millis(50));
    }
}

/// A failure of the state, not of the step.
pub fn state_failure(error: &StoreError) -> Failure {
    let class = if error.is_disk_full() { FailureClass::DiskFull } else { FailureClass::State };
    Failure { class, phase: None, what: error.to_string(), hint: error.hint() }
}

fn io_failure(path: &Path, error: &io::Error) -> Failure {
    let full = error.kind() == io::ErrorKind::StorageFull;
    Failure {
        class: if full { FailureClass::DiskFull } else { FailureClass::State },
        phase: None,
        what: format!("{}: {error}", path.display()),
        hint: "check the state's file system, then retry the job".to_owned(),
    }
}

struct Listener<'a> {
    service: &'a Service,
    engine: &'a Sender<Command>,
    step: &'a StepId,
    log: LogWriter,
    /// The scratch folder, whose finished phases are made durable.
    durable: Option<PathBuf>,
    started: Instant,
    /// Files of the root that were opened, if that is observed.
    opened: BTreeSet<String>,
}

impl Listener<'_> {
    fn millis(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Puts warnings at the end of the step's log.
    fn warn(&mut self, clobbers: &[Clobbers]) {
        let now = self.millis();
        for clobbers in clobbers {
            // A log that cannot be written shows at its end.
            let _ = self.log.append(format!("pkgd: warning: {clobbers}\n").as_bytes(), now);
        }
    }

    /// Says at the end of the step's log that the store's files of the output were damaged.
    fn note_mended(&mut self, made: &Made) {
        let (Made::Placed(Placed { mended, .. }) | Made::Compared(Compared { mended, .. })) = made;
        if let Some(why) = mended {
            let line = format!("pkgd: warning: the stored output was damaged, now mended: {why}\n");
            let now = self.millis();
            // A log that cannot be written shows at its end.
            let _ = self.log.append(line.as_bytes(), now);
        }
    }

    fn send(&self, news: News) -> Result<(), Failure> {
        let report = Report { step: self.step.clone(), news };
        self.engine.send(Command::Worker(report)).map_err(|_| ending())
    }
}

/// pkgd is ending: the step stops, and its checkpoints stay.
fn ending() -> Failure {
    Failure {
        class: FailureClass::State,
        phase: None,
        what: "pkgd is stopping".to_owned(),
        hint: "start pkgd again: it goes on from the last checkpoint".to_owned(),
    }
}

impl Observer for Listener<'_> {
    fn phase_started(&mut self, phase: Phase, resumed: bool) -> Result<(), Failure> {
        self.service.live.update(self.step, |running| running.phase = Some(phase));
        self.send(News::PhaseStarted { phase, resumed })
    }

    fn phase_done(&mut self, phase: Phase, metrics: &Metrics) -> Result<(), Failure> {
        if let Some(scratch) = &self.durable {
            tree::syncfs(scratch).map_err(|e| io_failure(scratch, &e))?;
        }
        let (committed, answer) = sync_channel(1);
        self.send(News::PhaseDone { phase, metrics: *metrics, committed })?;
        answer.recv().unwrap_or_else(|_| Err(ending()))
    }

    fn tested(&mut self, report: &minos_suite::Report, fails: bool) -> Result<(), Failure> {
        let line = format!("pkgd: tests: {}\n", report.tested);
        self.output(line.as_bytes()).map_err(|e| io_failure(Path::new("the attempt's log"), &e))?;
        let (committed, answer) = sync_channel(1);
        self.send(News::Tested { report: Box::new(report.clone()), fails, committed })?;
        answer.recv().unwrap_or_else(|_| Err(ending()))
    }

    fn output(&mut self, bytes: &[u8]) -> io::Result<()> {
        let now = self.millis();
        self.log.append(bytes, now).map_err(io::Error::other)
    }

    fn opened(&mut self, files: &[String]) {
        self.opened.extend(files.iter().cloned());
    }

    fn progress(&mut self, progress: Progress) {
        let now = self.millis();
        // What waits to be written is written at the latest with the next output; an error shows there.
        let _ = self.log.flush_due(now);
        self.service.live.update(self.step, |running| {
            running.cpu_ms = progress.cpu_ms;
            running.memory_kib = progress.memory_kib;
        });
    }

    fn discard(&mut self, tree: &Path) -> io::Result<()> {
        self.service.store.layout().discard(tree).map_err(io::Error::other)
    }

    fn reclaim(&mut self) {
        recover::make_room(self.service);
    }
}
