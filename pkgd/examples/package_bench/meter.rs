//! Time and CPU time of one piece of work, as a line of JSON.

use std::time::Instant;

use nix::time::{ClockId, clock_gettime};

use crate::Done;

/// CPU time of this process with all its threads, in milliseconds.
fn cpu_ms() -> Done<f64> {
    let time = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)?;
    Ok(time.tv_sec() as f64 * 1e3 + time.tv_nsec() as f64 / 1e6)
}

/// Does `work` so often, prints the median times in milliseconds, and returns the last result.
pub fn measure<T>(name: &str, runs: usize, work: impl FnMut() -> Done<T>) -> Done<T> {
    measure_of(name, runs, 1.0, work)
}

/// As [`measure`], for work that does what is measured `times` times, each time in another way.
pub fn measure_of<T>(
    name: &str,
    runs: usize,
    times: f64,
    mut work: impl FnMut() -> Done<T>,
) -> Done<T> {
    let (mut walls, mut cpus, mut last) = (Vec::new(), Vec::new(), None);
    for _ in 0..runs.max(1) {
        let (wall, cpu) = (Instant::now(), cpu_ms()?);
        last = Some(work()?);
        walls.push(wall.elapsed().as_secs_f64() * 1e3 / times);
        cpus.push((cpu_ms()? - cpu) / times);
    }
    let (wall, cpu) = (median(walls), median(cpus));
    println!("{{\"work\":\"{name}\",\"wall_ms\":{wall:.4},\"cpu_ms\":{cpu:.4}}}");
    last.ok_or_else(|| "no run".into())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}
