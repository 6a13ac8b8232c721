//! The package daemon of MinOS.
//!
//! Wires the crates together and nothing more: one engine thread owns all writes to the state, one
//! thread per connection answers requests from snapshots, one thread per running step drives a
//! sandbox. There is no orderly shutdown to get wrong: stopping is the same as being killed.

mod comparison;
mod config;
mod costs;
mod doctor;
mod engine;
mod host;
mod hub;
mod observed;
mod recipes;
mod seed;
mod server;
mod service;
mod sources;
mod suites;
mod summary;
mod syntax;
mod system;
mod tool;
mod verify;
mod views;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use minos_proto::bootrec;
use minos_sandbox::Strength;
use minos_store::{Options, Store, StoreError};
use nix::sys::signal::{SigSet, Signal};

use config::{Args, Sandbox, SeedPlace};
use engine::unwritten::Unwritten;
use engine::{Command, Engine};
use recipes::Library;
use seed::Seed;
use service::{Live, Service};

fn main() -> ExitCode {
    minos_sandbox::run_if_helper();
    minos_unpack::run_if_worker();
    minos_fetch::run_if_worker();
    system::run_if_trigger();
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    if let Some((_, words)) = words.split_first().filter(|(first, _)| *first == "tool") {
        return tool::run(words);
    }
    let args: Args = argh::from_env();
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(what) => {
            eprintln!("pkgd: {what}");
            ExitCode::FAILURE
        }
    }
}

/// Starts everything and serves until a signal asks pkgd to stop.
fn run(mut args: Args) -> Result<(), String> {
    args.check()?;
    // Before there is anything to take back: a signal that comes while the seed is mounted waits.
    let signals = block_signals()?;
    // The sandbox takes absolute paths, and nothing may depend on where pkgd was started.
    absolute(&mut args)?;
    warn_of_sources(&args);
    let store = open_store(&args).map_err(|e| format!("{e}\nhint: {}", e.hint()))?;
    minos_sandbox::sweep();
    let recipes = Library::open(&args.recipes)?;
    let (to_engine, inbox) = channel();
    let strength = match args.sandbox {
        Sandbox::Full => Strength::Full,
        Sandbox::Weak => Strength::Weak,
    };
    let mount_point = args.seed_mount();
    let store = Arc::new(store);
    let packages = system::Packages::open(Arc::clone(&store), &args, now_ms)?;
    let seed = match &args.seed {
        SeedPlace::Path(path) => Seed::open(path, &mount_point).map_err(|e| e.to_string()),
        SeedPlace::Generation(number) => packages.seed(*number).map_err(|e| e.to_string()),
    };
    let service = Arc::new(Service {
        store,
        packages,
        recipes,
        seed,
        sandbox: minos_sandbox::probe(strength).map_err(|refusal| refusal.to_string()),
        hub: hub::Hub::default(),
        live: Live::default(),
        unwritten: Unwritten::default(),
        engine: to_engine.clone(),
        started: Instant::now(),
        args,
    });
    stop_on(signals, to_engine);
    let served = serve(&service, inbox);
    service.packages.close();
    seed::unmount(&mount_point);
    served
}

/// How long the lock of a state is waited for. A pkgd that is killed while it starts a sandbox leaves the lock to
/// the child until that has become another program: milliseconds, more on a busy machine.
const LOCK_PATIENCE: Duration = Duration::from_secs(3);

fn open_store(args: &Args) -> Result<Store, StoreError> {
    let start = Instant::now();
    let mut is_back = false;
    loop {
        match Store::open(&args.root, now_ms(), Options::default()) {
            Err(error @ StoreError::NewerSchema { .. }) if follows_a_failure(args) && !is_back => {
                is_back = minos_store::set_back(&args.root)?;
                if !is_back {
                    return Err(error);
                }
                eprintln!("pkgd: {error}: set back to before the generation that failed");
            }
            Err(StoreError::Locked { .. }) if start.elapsed() < LOCK_PATIENCE => {
                thread::sleep(Duration::from_millis(20));
            }
            done => return done,
        }
    }
}

/// Whether the machine has left a generation behind that failed. Its pkgd may have migrated the state; what is kept of
/// before goes as soon as a generation is proven with it.
fn follows_a_failure(args: &Args) -> bool {
    let bytes = std::fs::read(args.root.join(bootrec::PATH)).unwrap_or_default();
    args.appliance && bootrec::read(&bytes).record.is_some_and(|record| record.failure.is_some())
}

fn serve(service: &Arc<Service>, inbox: std::sync::mpsc::Receiver<Command>) -> Result<(), String> {
    let mut engine = Engine::new(Arc::clone(service), inbox);
    engine.recover().map_err(|e| format!("{e}\nhint: {}", e.hint()))?;
    let socket = service.args.socket();
    let listener = server::bind(&socket).map_err(on_path)?;
    let control = match &service.args.control {
        Some(path) => Some(server::open_port(service, path).map_err(on_path)?),
        None => None,
    };
    let connections = Arc::clone(service);
    thread::spawn(move || server::listen(&connections, &listener));
    if let Some(refusal) = service.refusal() {
        eprintln!("pkgd: will not build: {refusal}");
    }
    host::tell_ready();
    if service.args.appliance {
        let root = service.args.root.clone();
        thread::spawn(move || host::grow_state(&root));
    }
    engine.unattended(control);
    engine.run();
    let _ = std::fs::remove_file(socket);
    Ok(())
}

fn on_path((path, error): (std::path::PathBuf, std::io::Error)) -> String {
    format!("{}: {error}", path.display())
}

fn absolute(args: &mut Args) -> Result<(), String> {
    let seed = match &mut args.seed {
        SeedPlace::Path(path) => Some(path),
        SeedPlace::Generation(_) => None,
    };
    let paths = [&mut args.root, &mut args.recipes];
    for path in paths.into_iter().chain(seed).chain(&mut args.sources) {
        *path = std::path::absolute(&*path).map_err(|e| format!("{}: {e}", path.display()))?;
    }
    Ok(())
}

/// A folder of sources that is not there holds none, and was surely meant to be another; it may come later, on a disk.
fn warn_of_sources(args: &Args) {
    for folder in args.sources.iter().filter(|folder| !folder.is_dir()) {
        let path = folder.display();
        eprintln!("pkgd: --sources {path}: no folder is there; sources are not looked for in it");
    }
}

fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

/// Blocks TERM and INT, before any thread starts others, so that no thread takes them by default action.
/// Programs that pkgd starts begin with nothing blocked.
fn block_signals() -> Result<SigSet, String> {
    let mut set = SigSet::empty();
    set.add(Signal::SIGTERM);
    set.add(Signal::SIGINT);
    set.thread_block().map_err(|e| format!("signals cannot be blocked: {e}"))?;
    Ok(set)
}

/// A thread that waits for one of `signals` and then stops the engine.
fn stop_on(signals: SigSet, engine: std::sync::mpsc::Sender<Command>) {
    thread::spawn(move || {
        if signals.wait().is_ok() {
            let _ = engine.send(Command::Stop);
        }
    });
}
