//! What an empty phase costs: `bench LAYER COUNT [LAYERS]` runs `/bin/true` from the root in LAYER, COUNT
//! times, each in a new box, and prints wall and CPU time per box. LAYERS empty layers lie on top.

use minos_sandbox::{
    Build, IdRange, Limits, Network, Sight, Spec, Strength, Upper, run_if_helper, spawn,
};
use std::error::Error;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

fn main() -> Result<(), Box<dyn Error>> {
    run_if_helper();
    let mut args = std::env::args().skip(1);
    let base = PathBuf::from(args.next().ok_or("usage: bench LAYER COUNT [LAYERS]")?);
    let count: u32 = args.next().ok_or("no count")?.parse()?;
    let extra: usize = args.next().map_or(Ok(0), |n| n.parse())?;
    let scratch = tempfile::tempdir()?;
    let mut layers: Vec<PathBuf> =
        (0..extra).map(|n| scratch.path().join(format!("o/{n}/tree"))).collect();
    layers.iter().try_for_each(fs::create_dir_all)?;
    layers.push(base);
    let mut sums = [Duration::ZERO; 3];
    for n in 0..count {
        let phase = scratch.path().join(format!("phase{n}"));
        let one = one(&phase, &layers)?;
        sums.iter_mut().zip(one).for_each(|(sum, part)| *sum += part);
    }
    let [ready, whole, cpu] = sums.map(|sum| sum.as_secs_f64() * 1000.0 / f64::from(count));
    println!(
        "{extra} layers: started after {ready:.2} ms, gone after {whole:.2} ms, CPU {cpu:.2} ms"
    );
    Ok(())
}

/// Time until the program runs, until the box is gone, and CPU time of this process and its children.
fn one(phase: &Path, layers: &[PathBuf]) -> Result<[Duration; 3], Box<dyn Error>> {
    fs::create_dir(phase)?;
    let spec = Spec {
        layers: layers.to_vec(),
        plain: 0,
        upper: None,
        build: Build { layers: Vec::new(), upper: Upper { dir: phase.to_owned() } },
        binds: Vec::new(),
        argv: vec!["/bin/true".into()],
        env: Vec::new(),
        cwd: "/build".into(),
        writable: Vec::new(),
        ids: IdRange { first: 200_000, count: 65_536 },
        limits: Limits { memory_bytes: Some(1 << 30), ..Limits::default() },
        hostname: "minos".into(),
        sight: Sight::default(),
        network: Network::None,
        strength: Strength::Full,
        observe: false,
    };
    let null = File::options().write(true).open("/dev/null")?;
    let (start, before) = (Instant::now(), cpu()?);
    let child = spawn(&spec, null.into())?;
    let ready = start.elapsed();
    let exit = child.wait()?;
    if !exit.status.success() {
        return Err(format!("{exit:?}").into());
    }
    Ok([ready, start.elapsed(), cpu()? - before])
}

fn cpu() -> Result<Duration, Box<dyn Error>> {
    use nix::sys::resource::{UsageWho, getrusage};
    let mut sum = Duration::ZERO;
    for who in [UsageWho::RUSAGE_SELF, UsageWho::RUSAGE_CHILDREN] {
        let usage = getrusage(who)?;
        for time in [usage.user_time(), usage.system_time()] {
            sum += Duration::new(time.tv_sec() as u64, time.tv_usec() as u32 * 1000);
        }
    }
    Ok(sum)
}
