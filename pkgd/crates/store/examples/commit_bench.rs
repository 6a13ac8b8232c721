//! What a commit costs beside one raw synced write on the same disk, in the same run.
//!
//! `cargo run --release --example commit_bench -p minos-store -- DIR [ROUNDS [MIB]]`
//! prints one JSON object a line: `name`, `value` (median), `p99`, `unit`, `target`, `peer`, `ratio`.

use std::error::Error;
use std::fs::{self, File};
use std::hint::black_box;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::Instant;

use minos_model::{Digest, Manifest, Metrics, Phase, StepId, StepState};
use minos_store::{CommitOutput, Options, Store};
use redb::{Database, Durability, TableDefinition};

type Outcome<T> = Result<T, Box<dyn Error>>;

const STEPS: usize = 100;
const ROWS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("rows");

/// Median and 99th percentile of microseconds.
struct Times {
    median: f64,
    p99: f64,
}

fn times(mut samples: Vec<f64>) -> Times {
    samples.sort_by(f64::total_cmp);
    let at = |part: usize| samples[(samples.len() * part / 100).min(samples.len() - 1)];
    Times { median: at(50), p99: at(99) }
}

fn timed(work: impl FnOnce() -> Outcome<()>) -> Outcome<f64> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed().as_secs_f64() * 1e6)
}

fn report(name: &str, times: &Times, raw: &Times, target: Option<f64>) {
    let ratio = times.median / raw.median;
    println!(
        r#"{{"name":"{name}","value":{:.1},"p99":{:.1},"unit":"us","target":{},"peer":{:.1},"ratio":{ratio:.2}}}"#,
        times.median,
        times.p99,
        target.map_or("null".to_owned(), |t| format!("{:.1}", t * raw.median)),
        raw.median,
    );
}

/// One 4 KiB block after another of a file that is already written: no metadata to sync.
fn raw_overwrite(file: &File, round: usize) -> Outcome<()> {
    file.write_all_at(&[round as u8; 4096], (round % 64 * 4096) as u64)?;
    Ok(file.sync_data()?)
}

/// The same at the end of a growing file: what a plain log does.
fn raw_append(file: &File, round: usize) -> Outcome<()> {
    file.write_all_at(&[round as u8; 4096], (round * 4096) as u64)?;
    Ok(file.sync_data()?)
}

/// One row put by redb itself: the durable commit the journal stands in for.
fn redb_commit(db: &Database, round: usize, quick_repair: bool) -> Outcome<()> {
    let mut txn = db.begin_write()?;
    txn.set_durability(Durability::Immediate)?;
    txn.set_quick_repair(quick_repair);
    let key = (round % STEPS).to_be_bytes();
    txn.open_table(ROWS)?.insert(&key[..], &[round as u8; 120][..])?;
    Ok(txn.commit()?)
}

struct Bench {
    store: Store,
    steps: Vec<StepId>,
    job: u64,
}

impl Bench {
    fn new(root: &Path) -> Outcome<Self> {
        let store = Store::open(root, 1, Options::default())?;
        let steps =
            (0..STEPS).map(|n| format!("step{n}").parse()).collect::<Result<Vec<_>, _>>()?;
        let job = store.write(|w| w.create_job("bench", vec![0; 16], &steps, 1))?;
        let begin = |step| store.write(|w| w.begin_attempt(job, step, &Digest::of(b""), 1));
        begin(&steps[0])?;
        Ok(Self { store, steps, job })
    }

    fn set_step(&self, round: usize) -> Outcome<()> {
        let phase = Phase::ALL[round % Phase::ALL.len()];
        let step = &self.steps[0];
        Ok(self.store.write(|w| w.set_step(self.job, step, StepState::Running(Some(phase))))?)
    }

    /// What comes before the commit of an output, untimed; the tree is empty and the same each time.
    fn captured(&self, round: usize, output: Digest) -> Outcome<CommitOutput> {
        let step = &self.steps[1 + round % (STEPS - 1)];
        let key = Digest::of(&round.to_le_bytes());
        let attempt = self.store.write(|w| w.begin_attempt(self.job, step, &key, round as u64))?;
        let cost = Metrics { wall_ms: 1234, user_us: 900_000, ..Metrics::default() };
        Ok(CommitOutput {
            attempt,
            // About what twelve inputs take.
            parts: vec![7; 600],
            output,
            version: "1.2.3".parse()?,
            size: 1 << 20,
            files: 100,
            weak: false,
            phases: Phase::ALL.map(|phase| (phase, cost)).to_vec(),
            log_bytes: 9000,
        })
    }

    fn place_empty_output(&self) -> Outcome<Digest> {
        let stage = self.store.layout().stage(0);
        fs::create_dir_all(stage.join("tree"))?;
        Ok(self.store.place_output(&stage, &Manifest::default())?.0)
    }
}

fn main() -> Outcome<()> {
    let mut args = std::env::args().skip(1);
    let dir = args.next().ok_or("usage: commit_bench DIR [ROUNDS]")?;
    let rounds: usize = args.next().map_or(Ok(1000), |n| n.parse())?;
    let dir = Path::new(&dir).join(format!("commit-bench-{}", std::process::id()));
    fs::create_dir_all(&dir)?;
    let raw = File::create(dir.join("overwrite"))?;
    raw.write_all_at(&[0; 64 * 4096], 0)?;
    raw.sync_all()?;
    let growing = File::create(dir.join("append"))?;
    let (plain, quick) =
        (Database::create(dir.join("plain"))?, Database::create(dir.join("quick"))?);
    let bench = Bench::new(&dir.join("state"))?;
    let output = bench.place_empty_output()?;

    // Taken in turn, so that what else the disk does falls on all of them alike.
    let mut samples: [Vec<f64>; 6] = Default::default();
    for round in 0..rounds {
        samples[0].push(timed(|| raw_overwrite(&raw, round))?);
        samples[1].push(timed(|| bench.set_step(round))?);
        samples[2].push(timed(|| raw_append(&growing, round))?);
        let commit = bench.captured(round, output)?;
        samples[3].push(timed(|| {
            let done = bench.store.write(|w| {
                w.event(bench.job, vec![1; 80], 5)?;
                w.commit_output(commit, 5)
            })?;
            black_box(done);
            Ok(())
        })?);
        samples[4].push(timed(|| redb_commit(&plain, round, false))?);
        samples[5].push(timed(|| redb_commit(&quick, round, true))?);
    }
    let [overwrite, set_step, append, commit, plain, quick] = samples.map(times);
    report("raw-fdatasync-overwrite", &overwrite, &overwrite, None);
    report("raw-fdatasync-append", &append, &overwrite, None);
    report("state-commit", &set_step, &overwrite, Some(1.5));
    report("state-commit-output", &commit, &overwrite, None);
    report("redb-commit-plain", &plain, &overwrite, None);
    report("redb-commit-quick-repair", &quick, &overwrite, None);
    // Makes the database large where asked to, and leaves as a kill does: without closing.
    let megabytes: u64 = args.next().map_or(Ok(0), |n| n.parse())?;
    for n in 0..megabytes {
        bench.store.write(|w| w.event(bench.job, vec![n as u8; 1 << 20], n))?;
    }
    let copy = dir.join("killed");
    fs::create_dir_all(&copy)?;
    for file in ["state.redb", "state.log"] {
        fs::copy(dir.join("state").join(file), copy.join(file))?;
    }
    drop(bench);
    let start = Instant::now();
    let store = Store::open(&copy, 2, Options::default())?;
    let took = start.elapsed().as_secs_f64() * 1e3;
    let size = fs::metadata(store.layout().database())?.len() >> 20;
    println!(
        r#"{{"name":"open-after-kill-{size}mib","value":{took:.2},"unit":"ms","target":null}}"#
    );
    drop(store);
    Ok(fs::remove_dir_all(&dir)?)
}
