//! Honest work.

use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process;
use std::thread;
use std::time::Duration;

use minos_model::Digest;
use minos_sandbox::Program;
use minos_sandbox::SEALED_ID;
use minos_store::ContentSource as _;

use crate::Test;
use crate::made::{Made, contents, pattern, take};

pub const TESTS: &[Test] = &[
    ("every_content_comes_as_it_was_packed", every_content_comes_as_it_was_packed),
    ("only_what_is_wanted_comes", only_what_is_wanted_comes),
    ("a_sink_may_leave_the_rest", a_sink_may_leave_the_rest),
    ("a_slow_sink_is_no_silence", a_slow_sink_is_no_silence),
    ("an_error_of_the_sink_ends_it", an_error_of_the_sink_ends_it),
    ("threads_ask_for_different_packages", threads_ask_for_different_packages),
    ("a_worker_has_no_rights", a_worker_has_no_rights),
    ("a_worker_ends_with_its_parent", a_worker_ends_with_its_parent),
    ("a_file_changed_after_its_check_is_refused", a_file_changed_after_its_check_is_refused),
    ("a_file_cut_after_its_check_is_refused", a_file_cut_after_its_check_is_refused),
    ("a_bomb_takes_no_more_memory_than_two_frames", a_bomb_takes_no_more_memory_than_two_frames),
    ("a_link_in_place_of_a_package_is_refused", a_link_in_place_of_a_package_is_refused),
];

/// Frames shorter and longer than a record, and the standard ones.
fn every_content_comes_as_it_was_packed() {
    let mut made = Made::new();
    for (name, frame) in [("small", 1000), ("usual", 256 << 10), ("large", 16 << 20)] {
        let package = made.package(name, &contents(), frame);
        let mut taken = take(&made.unpacker(), &package, &|_| true).unwrap();
        let mut packed: Vec<Digest> = contents().iter().map(|c| Digest::of(c)).collect();
        taken.sort_unstable();
        packed.sort_unstable();
        assert_eq!(taken, packed, "{name}");
    }
}

fn only_what_is_wanted_comes() {
    let mut made = Made::new();
    let package = made.package("some", &contents(), 4096);
    let unpacker = made.unpacker();
    for modulus in 1..5 {
        let list: Vec<Digest> =
            contents().iter().step_by(modulus).map(|content| Digest::of(content)).collect();
        assert_eq!(take(&unpacker, &package, &|digest| list.contains(digest)).unwrap(), list);
    }
    assert_eq!(take(&unpacker, &package, &|_| false).unwrap(), []);
}

fn a_sink_may_leave_the_rest() {
    let mut made = Made::new();
    let package = made.package("rest", &contents(), 4096);
    let unpacker = made.unpacker();
    let mut first = Vec::new();
    let mut sink = |_: &Digest, content: &mut dyn Read| {
        let mut byte = Vec::new();
        content.take(1).read_to_end(&mut byte)?;
        first.extend(byte);
        Ok(())
    };
    unpacker.contents(&package, &|_| true, &mut sink).unwrap();
    let expected: Vec<u8> = contents().iter().filter_map(|c| c.first().copied()).collect();
    assert_eq!(first, expected);
    assert_eq!(take(&unpacker, &package, &|_| true).unwrap().len(), contents().len());
}

/// The time limit once counted what the store did with the bytes: a slow disk looked like a dead worker.
fn a_slow_sink_is_no_silence() {
    let mut made = Made::new();
    let package = made.package("slow", &[pattern(3, 8 << 20)], 16 << 20);
    let patience = Duration::from_secs(2);
    let unpacker = made.unpacker().with_worker(Program::itself(minos_unpack::ARGV0), patience);
    let mut sink = |_: &Digest, content: &mut dyn Read| {
        content.read_exact(&mut [0])?;
        thread::sleep(patience + patience / 2);
        Ok(())
    };
    unpacker.contents(&package, &|_| true, &mut sink).unwrap();
}

/// What the worker still has to send must not be taken for the answer to the next request.
fn an_error_of_the_sink_ends_it() {
    let mut made = Made::new();
    let package = made.package("full", &contents(), 4096);
    let unpacker = made.unpacker();
    let mut sink = |_: &Digest, _: &mut dyn Read| Err(io::Error::other("the disk is full"));
    let error = unpacker.contents(&package, &|_| true, &mut sink).unwrap_err().to_string();
    assert!(error.contains("package full: the disk is full"), "{error}");
    assert_eq!(take(&unpacker, &package, &|_| true).unwrap().len(), contents().len());
}

fn threads_ask_for_different_packages() {
    let mut made = Made::new();
    let packages: Vec<Digest> = (1u8..9)
        .map(|salt| {
            let contents: Vec<_> = (1..40)
                .map(|n| pattern(salt.wrapping_mul(31).wrapping_add(n), 5000 * n as usize))
                .collect();
            made.package(&format!("p{salt}"), &contents, 64 << 10)
        })
        .collect();
    let unpacker = &made.unpacker();
    thread::scope(|scope| {
        for half in packages.chunks(2) {
            scope.spawn(move || {
                for package in half.iter().cycle().take(6) {
                    assert!(!take(unpacker, package, &|_| true).unwrap().is_empty());
                }
            });
        }
    });
}

/// `/proc/PID/status` of the worker, which lives as long as its unpacker.
fn status_of_worker() -> String {
    let parent = format!("PPid:\t{}\n", process::id());
    let status = |entry: io::Result<fs::DirEntry>| {
        let path = entry.ok()?.path();
        let cmdline = fs::read(path.join("cmdline")).ok()?;
        let status = fs::read_to_string(path.join("status")).ok()?;
        (cmdline.starts_with(minos_unpack::ARGV0.as_bytes()) && status.contains(&parent))
            .then_some(status)
    };
    fs::read_dir("/proc").unwrap().find_map(status).expect("a worker")
}

fn field<'a>(status: &'a str, name: &str) -> &'a str {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {name} in {status}")).trim()
}

/// What the kernel says of a worker, seen from outside.
fn a_worker_has_no_rights() {
    let mut made = Made::new();
    let package = made.package("status", &contents(), 4096);
    let unpacker = made.unpacker();
    take(&unpacker, &package, &|_| true).unwrap();
    let status = status_of_worker();
    let id = SEALED_ID.to_string();
    for name in ["Uid", "Gid"] {
        assert_eq!(field(&status, name).split('\t').collect::<Vec<_>>(), vec![id.as_str(); 4]);
    }
    assert_eq!(field(&status, "Groups"), "");
    for name in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(field(&status, name), "0000000000000000", "{name}");
    }
    assert_eq!(field(&status, "NoNewPrivs"), "1");
    assert_eq!(field(&status, "Seccomp"), "2");
}

/// The name of the program that has a worker, tells its number, and dies without a word to it.
pub const PARENT: &str = "dying-parent";

pub fn dying_parent() -> ! {
    let mut made = Made::new();
    let package = made.package("parent", &contents(), 4096);
    let unpacker = made.unpacker();
    take(&unpacker, &package, &|_| true).unwrap();
    println!("{}", field(&status_of_worker(), "Pid"));
    process::abort()
}

fn a_worker_ends_with_its_parent() {
    let mut parent = process::Command::new("/proc/self/exe");
    let told = parent.arg0(PARENT).output().unwrap();
    assert_eq!(told.status.signal(), Some(6), "{told:?}");
    let worker = String::from_utf8(told.stdout).unwrap();
    let cmdline = format!("/proc/{}/cmdline", worker.trim());
    let alive = || fs::read(&cmdline).is_ok_and(|c| c.starts_with(minos_unpack::ARGV0.as_bytes()));
    for _ in 0..1000 {
        if !alive() {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("worker {worker} lives on");
}

/// The answer when `act` is done to the file between its check and the worker's look at it.
fn after(act: fn(&fs::File)) -> String {
    let mut made = Made::new();
    let package = made.package("changed", &contents(), 4096);
    let file = OpenOptions::new().write(true).open(made.path(&package)).unwrap();
    let wanted = |_: &Digest| {
        act(&file);
        true
    };
    take(&made.unpacker(), &package, &wanted).unwrap_err().to_string()
}

fn a_file_changed_after_its_check_is_refused() {
    let error = after(|file| {
        let length = file.metadata().unwrap().len();
        file.write_all_at(b"changed", length - 7).unwrap();
    });
    assert!(error.contains("package changed: "), "{error}");
    assert!(error.contains("frame"), "{error}");
}

fn a_file_cut_after_its_check_is_refused() {
    let error = after(|file| file.set_len(file.metadata().unwrap().len() - 1).unwrap());
    assert!(error.contains("package changed: "), "{error}");
}

/// 128 MiB in some kilobytes.
fn a_bomb_takes_no_more_memory_than_two_frames() {
    let mut made = Made::new();
    let package = made.package("bomb", &[vec![0; 128 << 20]], 16 << 20);
    assert!(fs::metadata(made.path(&package)).unwrap().len() < 100_000);
    let unpacker = made.unpacker();
    assert_eq!(take(&unpacker, &package, &|_| true).unwrap().len(), 1);
    let peak = status_of_worker();
    let peak: u64 = field(&peak, "VmHWM").trim_end_matches(" kB").parse().unwrap();
    assert!(peak < 48 << 10, "{peak} KiB");
}

fn a_link_in_place_of_a_package_is_refused() {
    let mut made = Made::new();
    let package = made.package("link", &contents(), 4096);
    let path = made.path(&package);
    let moved = path.with_extension("moved");
    fs::rename(path, &moved).unwrap();
    std::os::unix::fs::symlink(&moved, path).unwrap();
    let error = take(&made.unpacker(), &package, &|_| true).unwrap_err().to_string();
    assert!(error.contains("link.mpk"), "{error}");
}
