//! Runs a step's phases, one sandbox each, from the first one that has no checkpoint.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use minos_model::{Failure, FailureClass, Metrics, Phase};
use minos_sandbox::{
    Bind, Build, Child, Error as SandboxError, Exit, IdRange, Killer, Network, Spec, Strength,
    tree::{self, Dir},
};
use minos_suite::{Collector, Report};

use crate::capture::{Captured, cancelled, capture};
use crate::classify::{Facts, Stop, classify};
use crate::driver::{BUILD_DIR, JOBSERVER, MARK, RECIPE_DIR, SOURCE_DIR, command, environment};
use crate::flatten::{Flat, flatten};
use crate::jobserver::Lease;
use crate::layers::Layers;
use crate::pump::{Host, Pumped, pump};
use crate::split::split;
use crate::suite;
use crate::task::Task;
use crate::under_way::UnderWay;

/// The first user id given to build slots; each slot has [`IDS_PER_SLOT`] of its own. Above what
/// distributions hand out for users and containers by default (65,536 and up to 100,000 + 65,536).
const FIRST_ID: u32 = 0x4d00_0000;
/// As many ids as a distribution expects.
const IDS_PER_SLOT: u32 = 1 << 16;

/// What a phase uses up right now.
#[derive(Debug, Clone, Copy, Default)]
pub struct Progress {
    /// Time since the phase began.
    pub elapsed: Duration,
    /// CPU time of the tree in milliseconds, 0 where not measured.
    pub cpu_ms: u64,
    /// Memory of the tree in KiB, 0 where not measured.
    pub memory_kib: u64,
}

/// Whoever listens to a step. An error of any method stops the step with that failure.
pub trait Observer {
    /// A phase begins; `resumed` is set for the first one after a checkpoint.
    ///
    /// # Errors
    /// A failure stops the step.
    fn phase_started(&mut self, phase: Phase, resumed: bool) -> Result<(), Failure>;
    /// A phase went well and its layer is complete. The observer makes the layer durable and commits
    /// the checkpoint before it returns.
    ///
    /// # Errors
    /// A failure stops the step.
    fn phase_done(&mut self, phase: Phase, metrics: &Metrics) -> Result<(), Failure>;
    /// The test suite is over; `fails` says that the step is to fail for it. Comes before the end of the phase.
    ///
    /// # Errors
    /// A failure stops the step.
    fn tested(&mut self, _report: &Report, _fails: bool) -> Result<(), Failure> {
        Ok(())
    }
    /// Output of the phase.
    ///
    /// # Errors
    /// An error stops the step with [`FailureClass::State`].
    fn output(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// A phase that went well has opened these files of the layers, by their paths in the root. Only if
    /// [`Task::observe`] asked for it.
    fn opened(&mut self, _files: &[String]) {}
    /// About five times a second while a phase runs.
    fn progress(&mut self, progress: Progress);
    /// Takes a directory tree that is to be deleted, so that deleting need not be waited for.
    ///
    /// # Errors
    /// The system's error; the phase that needs the place empty cannot start.
    fn discard(&mut self, tree: &Path) -> io::Result<()>;
    /// The disk is nearly full: whatever was discarded and is still there is to be gone when this returns.
    fn reclaim(&mut self) {}
}

/// Runs `task` and captures what it made.
///
/// # Errors
/// The one failure that stopped it. After [`Stop::Cancelled`] the failure is not to be shown: the
/// caller knows that it cancelled.
pub fn run(task: &Task, observer: &mut dyn Observer) -> Result<Captured, Failure> {
    let layers = Layers::new(&task.scratch);
    let lease = lease(task, &layers)?;
    let pipe = lease.as_ref().map(Lease::pipe);
    write_files(task, &layers).map_err(|(path, e)| state_failure(None, &path, &e))?;
    let recipe = layers.recipe();
    let root =
        root_layers(task, &layers, observer).map_err(|(path, e)| state_failure(None, &path, &e))?;
    let mut log_bytes = 0;
    let done = usable(&task.done, &layers);
    let mut resumed = !done.is_empty();
    for (phase, text) in &task.scripts {
        add_script(&recipe, *phase, text, task.epoch)
            .map_err(|(path, e)| state_failure(Some(*phase), &path, &e))?;
        if *phase == Phase::Assert || done.contains(phase) {
            continue;
        }
        observer.phase_started(*phase, std::mem::take(&mut resumed))?;
        let phase = *phase;
        let mut step =
            PhaseRun { task, layers: &layers, root: &root, pipe, phase, observer, log_bytes };
        let metrics = step.run(None).map_err(|failure| step.make_room(failure))?;
        log_bytes = step.log_bytes;
        // No phase sees the build tree of install.
        if task.variation.splits() && phase != Phase::Install {
            let (tree, below) = (layers.build(phase).tree(), layers.below(phase));
            halve(&tree, &below).map_err(|e| state_failure(Some(phase), &tree, &e))?;
        }
        observer.phase_done(phase, &metrics)?;
    }
    let captured = capture(&layers.root().tree(), task)?;
    if task.scripts.iter().any(|(phase, _)| *phase == Phase::Assert) {
        observer.phase_started(Phase::Assert, false)?;
        let phase = Phase::Assert;
        let mut step =
            PhaseRun { task, layers: &layers, root: &root, pipe, phase, observer, log_bytes };
        // No checkpoint: an assertion leaves nothing, and the output's commit follows at once.
        step.run(Some(&captured.tree))?;
    }
    Ok(captured)
}

/// The step's part of the pool, for as long as it runs. Waits while all jobs are those of other steps.
fn lease(task: &Task, layers: &Layers) -> Result<Option<Lease>, Failure> {
    let Some(pool) = &task.pool else { return Ok(None) };
    let pipe = layers.jobserver();
    let private = DirBuilder::new().mode(0o700).recursive(true).create(&task.scratch);
    let lease = private.and_then(|()| pool.lease(&pipe, task.jobs, &|| task.cancel.requested()));
    match lease.map_err(|e| state_failure(None, &pipe, &e))? {
        Some(lease) => Ok(Some(lease)),
        None => Err(cancelled()),
    }
}

/// The checkpoints that can be gone on from. Install's is worth nothing without the package itself:
/// that is moved into the store just before the output's commit, and a kill between the two
/// leaves the checkpoint alone behind.
fn usable(done: &[Phase], layers: &Layers) -> Vec<Phase> {
    let package = layers.root().tree().is_dir();
    done.iter().copied().filter(|phase| *phase != Phase::Install || package).collect()
}

/// The lower layers of a step's root, the topmost first.
struct RootLayers {
    layers: Vec<PathBuf>,
    /// How many of them, from the lowest, hold no marks of overlayfs.
    plain: usize,
}

/// Merges what the step depends on, if it can be merged. What an earlier attempt left of that is made
/// anew: nothing says whether it is whole.
fn root_layers(
    task: &Task,
    layers: &Layers,
    observer: &mut dyn Observer,
) -> Result<RootLayers, (PathBuf, io::Error)> {
    // The seed is known to hold no marks, an output is not.
    let own = usize::from(task.seed.is_some());
    let unmerged = RootLayers { layers: task.layers().map(Path::to_owned).collect(), plain: own };
    if task.inputs.is_empty() {
        return Ok(unmerged);
    }
    let target = layers.inputs();
    if target.symlink_metadata().is_ok() {
        observer.discard(&target).map_err(|e| (target.clone(), e))?;
    }
    let seed = task.seed.as_deref();
    let Flat::Tree { marked } = flatten(&task.inputs, seed, &target, task.epoch)? else {
        return Ok(unmerged);
    };
    let mut stack = vec![target];
    if task.variation.splits() {
        let below = layers.inputs_below();
        halve(&stack[0], &below).map_err(|e| (below.clone(), e))?;
        stack.push(below);
    }
    stack.extend(task.seed.clone());
    let plain = if marked { own } else { stack.len() };
    Ok(RootLayers { layers: stack, plain })
}

/// Moves half of a finished tree into the new directory `below`.
fn halve(tree: &Path, below: &Path) -> io::Result<()> {
    let made = fs::metadata(tree)?;
    DirBuilder::new().mode(made.permissions().mode()).create(below)?;
    split(&Dir::open(tree)?, &Dir::open(below)?)
}

/// Fresh for each attempt: an earlier one may have had a phase more, and no step may see what its key does
/// not know. Nor the time of the attempt.
fn write_files(task: &Task, layers: &Layers) -> Result<(), (PathBuf, io::Error)> {
    let dir = layers.recipe();
    let on = |path: &Path| {
        let path = path.to_owned();
        move |e| (path, e)
    };
    match fs::remove_dir_all(&dir) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err((dir, e)),
        _ => {}
    }
    fs::create_dir_all(&dir).map_err(on(&dir))?;
    let time = time_of(task.epoch);
    let mut folders = BTreeSet::from([dir.clone()]);
    for (name, bytes) in &task.files {
        let path = dir.join(name);
        let parents = path.ancestors().skip(1).take_while(|parent| parent.starts_with(&dir));
        folders.extend(parents.map(Path::to_owned));
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(on(parent))?;
        }
        write_input(&path, bytes, time).map_err(on(&path))?;
    }
    // Only now: a file that is added changes the time of its folder.
    folders.iter().try_for_each(|folder| settle(folder, 0o755, time).map_err(on(folder)))
}

/// Adds the script of the phase that comes next. A phase sees those before it and its own: what it made holds, whatever
/// becomes of later ones.
fn add_script(
    dir: &Path,
    phase: Phase,
    text: &str,
    epoch: i64,
) -> Result<(), (PathBuf, io::Error)> {
    let time = time_of(epoch);
    let path = dir.join(format!("{phase}.sh"));
    write_input(&path, text.as_bytes(), time).map_err(|e| (path, e))?;
    settle(dir, 0o755, time).map_err(|e| (dir.to_owned(), e))
}

fn time_of(epoch: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::try_from(epoch).unwrap_or(0))
}

/// Writes a file of the recipe. Its mode and time are those of no machine: a script may well copy it as it is.
fn write_input(path: &Path, bytes: &[u8], time: SystemTime) -> io::Result<()> {
    fs::write(path, bytes)?;
    settle(path, 0o644, time)
}

fn settle(path: &Path, mode: u32, time: SystemTime) -> io::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    File::open(path)?.set_modified(time)
}

fn state_failure(phase: Option<Phase>, path: &Path, error: &io::Error) -> Failure {
    let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    Failure {
        class: if full { FailureClass::DiskFull } else { FailureClass::State },
        phase,
        what: format!("{}: {error}", path.display()),
        hint: match full {
            true => "free space on the state's file system or give it a larger disk, then retry",
            false => "check the state's file system",
        }
        .to_owned(),
    }
}

/// One phase of a step.
struct PhaseRun<'a> {
    task: &'a Task,
    layers: &'a Layers,
    /// Where its job tokens come from.
    pipe: Option<&'a Path>,
    root: &'a RootLayers,
    phase: Phase,
    observer: &'a mut dyn Observer,
    /// Bytes of log of the attempt so far.
    log_bytes: u64,
}

impl<'a> PhaseRun<'a> {
    /// Runs the phase; `output` is a finished output to put on top of the root (for assertions).
    fn run(&mut self, output: Option<&Path>) -> Result<Metrics, Failure> {
        let phase = self.phase;
        let again = self.make_ready().map_err(|(path, e)| state_failure(Some(phase), &path, &e))?;
        let start = Instant::now();
        self.mark(&phase.heading())?;
        if again {
            self.mark(&format!("{MARK}goes on where it was interrupted"))?;
        }
        let mut collector = (phase == Phase::Check).then(|| suite::collector(&self.task.suite));
        let (pumped, exit) = self.box_it(&self.spec(output), collector.as_mut())?;
        let stop = pumped.stop;
        if let Some(suite) = self.under_way().filter(|_| !matches!(stop, Some(Stop::Cancelled))) {
            suite.end().map_err(|(path, e)| state_failure(Some(phase), &path, &e))?;
        }
        self.log_bytes += pumped.bytes;
        if let Some(error) = &pumped.log_error {
            return Err(state_failure(Some(phase), Path::new("the attempt's log"), error));
        }
        self.observer.opened(&exit.opened);
        let mut metrics = metrics(&exit, start.elapsed());
        let left = Dir::open(&self.layers.build(phase).dir).and_then(|dir| dir.disk_use());
        metrics.disk_kib = left.unwrap_or(0) / 1024;
        let failure = classify(&self.facts(pumped, &exit));
        let failure = match collector {
            // Nothing that was asked for or that befell the machine is the suite's own doing.
            Some(collector) if !matches!(stop, Some(Stop::Cancelled | Stop::DiskFull)) => {
                self.judge(collector, failure)?
            }
            _ => failure,
        };
        failure.map_or(Ok(metrics), Err)
    }

    /// The mark of the phase, if it is one that can go on where it was interrupted.
    fn under_way(&self) -> Option<&'a UnderWay> {
        // What an interrupted attempt opened was not observed.
        let whole = self.phase == Phase::Check && !self.task.observe;
        self.task.suite.under_way.as_ref().filter(|_| whole)
    }

    /// The place of what the phase writes: empty, or as it was when the phase was interrupted, if it can go on in it.
    /// Returns whether it does.
    fn make_ready(&mut self) -> Result<bool, (PathBuf, io::Error)> {
        let suite = self.under_way();
        let observer = &mut *self.observer;
        let discard = &mut |tree: &Path| observer.discard(tree);
        if suite.is_some_and(UnderWay::was_interrupted) && self.layers.again(self.phase, discard)? {
            return Ok(true);
        }
        // In this order: the mark is never beside the tree of another suite.
        suite.map_or(Ok(()), UnderWay::end)?;
        self.layers.fresh(self.phase, discard)?;
        suite.map_or(Ok(()), UnderWay::begin)?;
        Ok(false)
    }

    /// A line of ours in the log, which holds the phases of the whole attempt.
    fn mark(&mut self, text: &str) -> Result<(), Failure> {
        let (phase, mark) = (self.phase, format!("{text}\n"));
        self.log_bytes += mark.len() as u64;
        let written = self.observer.output(mark.as_bytes());
        written.map_err(|e| state_failure(Some(phase), Path::new("the attempt's log"), &e))
    }

    /// What filled the disk goes at once: nobody can go on from it, and until it is gone nothing else can be built.
    /// The phases before it stay.
    fn make_room(&mut self, failure: Failure) -> Failure {
        if failure.class == FailureClass::DiskFull {
            // Where it cannot go, the failure is the same.
            let _ = self.observer.discard(&self.layers.build(self.phase).dir);
            self.observer.reclaim();
        }
        failure
    }

    /// What is left of `failure` when the results of the suite are known.
    fn judge(
        &mut self,
        mut collector: Collector,
        mut failure: Option<Failure>,
    ) -> Result<Option<Failure>, Failure> {
        let tree = self.layers.build(Phase::Check).tree();
        let source = suite::results(&tree, &self.task.suite, &mut collector);
        let mut report = collector.finish();
        match source {
            Ok(()) => failure = suite::judge(&mut report, failure),
            Err(e) => failure = Some(suite::unreadable(&mut report, &e)),
        }
        let fails = failure.is_some() && self.task.suite.fatal;
        self.observer.tested(&report, fails)?;
        Ok(failure.filter(|_| fails))
    }

    fn box_it(
        &mut self,
        spec: &Spec,
        suite: Option<&mut Collector>,
    ) -> Result<(Pumped, Exit), Failure> {
        let pipe = io::pipe().map_err(|e| self.broken("a pipe for its output", &e.to_string()))?;
        let (reader, writer) = (File::from(OwnedFd::from(pipe.0)), OwnedFd::from(pipe.1));
        let child = minos_sandbox::spawn(spec, writer).map_err(|e| self.sandbox(&e))?;
        let mut host = Boxed {
            killer: child.killer(),
            child: &child,
            observer: &mut *self.observer,
            task: self.task,
            suite,
            sampled: None,
        };
        let pumped = pump(reader, &self.task.limits, self.log_bytes, &mut host);
        let exit = child.wait().map_err(|e| self.sandbox(&e))?;
        Ok((pumped, exit))
    }

    fn sandbox(&self, error: &SandboxError) -> Failure {
        self.broken("its sandbox", &error.to_string())
    }

    fn broken(&self, what: &str, why: &str) -> Failure {
        Failure {
            class: FailureClass::Sandbox,
            phase: Some(self.phase),
            what: format!("{what}: {why}"),
            hint: "run 'pkgctl doctor'".to_owned(),
        }
    }

    fn facts(&self, pumped: Pumped, exit: &Exit) -> Facts {
        let denials = exit.denials.iter();
        Facts {
            phase: self.phase,
            status: exit.status,
            stop: pumped.stop,
            oom_kills: exit.oom_kills,
            memory_limit: self.task.limits.memory_bytes,
            fork_failures: exit.fork_failures,
            leftover: exit.leftover,
            disk_full: low_on_space(self.task),
            denials: denials.map(|d| (d.path.display().to_string(), d.right.clone())).collect(),
            tail: pumped.tail,
        }
    }

    /// What a finished phase left in the build tree, the lowest layer first.
    fn phase_layers(&self, phase: Phase) -> Vec<PathBuf> {
        let below = self.task.variation.splits().then(|| self.layers.below(phase));
        below.into_iter().chain([self.layers.build(phase).tree()]).collect()
    }

    fn spec(&self, output: Option<&Path>) -> Spec {
        let (task, phase) = (self.task, self.phase);
        let install = phase == Phase::Install;
        let suite = if phase == Phase::Check { &task.suite.inputs[..] } else { &[] };
        // What a test suite leaves is seen by nobody: whether it was run is not in the task key.
        let earlier = task.scripts.iter().map(|(p, _)| *p).take_while(|p| *p != phase);
        let earlier = earlier.filter(|p| *p != Phase::Check);
        // An assertion judges the output alone: it gets an empty build tree.
        let build_layers = match phase {
            Phase::Assert => Vec::new(),
            _ => earlier.flat_map(|p| self.phase_layers(p)).collect::<Vec<_>>(),
        };
        let bind = |source: &Path, target: String| Bind {
            source: source.to_owned(),
            target: target.into(),
        };
        let mut binds = vec![bind(&self.layers.recipe(), RECIPE_DIR.to_owned())];
        binds.extend(self.pipe.map(|pipe| bind(pipe, JOBSERVER.to_owned())));
        let sources = task.sources.iter();
        binds.extend(sources.map(|(name, path)| bind(path, format!("{SOURCE_DIR}/{name}"))));
        Spec {
            layers: output
                .into_iter()
                .chain(suite.iter().map(PathBuf::as_path))
                .chain(self.root.layers.iter().map(|p| p.as_path()))
                .map(Into::into)
                .collect(),
            plain: self.root.plain,
            upper: install.then(|| self.layers.root()),
            build: Build {
                layers: build_layers.into_iter().rev().collect(),
                upper: self.layers.build(phase),
            },
            binds,
            argv: command(phase).into_iter().map(Into::into).collect(),
            env: environment(task, phase).into_iter().map(|(k, v)| (k.into(), v.into())).collect(),
            cwd: BUILD_DIR.into(),
            writable: if install { vec![task.prefix.clone().into()] } else { Vec::new() },
            ids: IdRange {
                first: FIRST_ID + u32::from(task.slot) * IDS_PER_SLOT,
                count: IDS_PER_SLOT,
            },
            limits: minos_sandbox::Limits {
                processes: u32::try_from(task.limits.processes).ok(),
                memory_bytes: (task.limits.memory_bytes > 0).then_some(task.limits.memory_bytes),
                ..minos_sandbox::Limits::default()
            },
            hostname: task.variation.hostname().to_owned(),
            sight: task.variation.sight(),
            network: if phase == Phase::Check { Network::Loopback } else { Network::None },
            strength: if task.weak { Strength::Weak } else { Strength::Full },
            observe: task.observe,
        }
    }
}

fn low_on_space(task: &Task) -> bool {
    tree::free_space(&task.scratch)
        .is_ok_and(|space| space.free < task.limits.reserve_bytes || space.free_files == Some(0))
}

fn metrics(exit: &Exit, wall: Duration) -> Metrics {
    let micros = |d: Duration| u64::try_from(d.as_micros()).unwrap_or(u64::MAX);
    Metrics {
        wall_ms: micros(wall) / 1000,
        user_us: micros(exit.user),
        system_us: micros(exit.system),
        max_rss_kib: exit.max_rss / 1024,
        memory_peak_kib: exit.memory_peak.unwrap_or(0) / 1024,
        disk_kib: 0,
    }
}

/// The pump's view of a running box.
struct Boxed<'a> {
    killer: Killer,
    child: &'a Child,
    observer: &'a mut dyn Observer,
    task: &'a Task,
    /// Reads along with a test suite.
    suite: Option<&'a mut Collector>,
    /// When its usage was read last.
    sampled: Option<Duration>,
}

/// How often the usage of a box is read. Where the cgroups do not tell all of it, this walks over its
/// processes: five times a second it cost 1 % of what a busy core does.
const SAMPLE: Duration = Duration::from_secs(1);

impl Host for Boxed<'_> {
    fn output(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Some(suite) = &mut self.suite {
            suite.push(bytes);
        }
        self.observer.output(bytes)
    }

    fn tick(&mut self, elapsed: Duration) -> Option<Stop> {
        if self.sampled.is_none_or(|last| elapsed.saturating_sub(last) >= SAMPLE) {
            self.sampled = Some(elapsed);
            let usage = self.child.usage();
            self.observer.progress(Progress {
                elapsed,
                cpu_ms: u64::try_from(usage.cpu.as_millis()).unwrap_or(u64::MAX),
                memory_kib: usage.memory / 1024,
            });
        }
        if self.task.cancel.requested() {
            return Some(Stop::Cancelled);
        }
        if !low_on_space(self.task) {
            return None;
        }
        // The trees of steps before may be about to be deleted.
        self.observer.reclaim();
        low_on_space(self.task).then_some(Stop::DiskFull)
    }

    fn kill(&mut self) {
        self.killer.kill();
    }
}

#[cfg(test)]
mod tests {
    use minos_model::Phase;

    use super::usable;
    use crate::layers::Layers;

    /// A power cut between moving the package into the store and committing it left a step that
    /// found its install done and its package gone, and failed at every start.
    #[test]
    fn install_is_done_only_while_its_package_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let layers = Layers::new(dir.path());
        let done = [Phase::Build, Phase::Install];
        assert_eq!(usable(&done, &layers), [Phase::Build]);
        std::fs::create_dir_all(layers.root().tree()).unwrap();
        assert_eq!(usable(&done, &layers), done);
    }
}
