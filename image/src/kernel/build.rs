//! Unpack, configure, check, build: one kernel in a folder of its own.

use std::fs;
use std::path::{Path, PathBuf};

use crate::kernel::config::Wanted;
use crate::tool::{self, Run};
use crate::{Error, Progress, Result};

/// Everything the image would otherwise take from the clock, the user and the host name.
/// See Documentation/kbuild/reproducible-builds.rst in the kernel.
pub const ENVIRONMENT: [(&str, &str); 4] = [
    ("ARCH", "x86_64"),
    ("KBUILD_BUILD_TIMESTAMP", "1970-01-01"),
    ("KBUILD_BUILD_USER", "minos"),
    ("KBUILD_BUILD_HOST", "minos"),
];
/// Programs kbuild calls that fail late and obscurely when absent.
const NEEDED: [&str; 9] = ["make", "gcc", "ld", "flex", "bison", "bc", "perl", "xz", "zstd"];
/// Headers that `objtool` is compiled against, by the package that carries them.
const HEADERS: [(&str, &str); 1] = [("/usr/include/gelf.h", "libelf-dev")];

/// One kernel to build.
#[derive(Debug)]
pub struct Job<'a> {
    /// The verified source package.
    pub deb: &'a Path,
    /// The symbols it has to have.
    pub wanted: &'a Wanted,
    /// Parallel jobs; all CPUs when not given.
    pub jobs: Option<usize>,
    /// Where the output of all commands goes.
    pub log: &'a Path,
}

/// Builds in `dir` and leaves `bzImage`, `config` and `System.map` there, nothing else.
///
/// Needs 2 GB of space below `dir` while it runs.
pub fn build(job: &Job<'_>, dir: &Path, progress: &dyn Progress) -> Result<()> {
    check_host()?;
    let work = dir.join("work");
    fs::create_dir_all(&work).map_err(Error::io("create directory", &work))?;
    let tree = unpack(job, &work, progress)?;
    configure(job, &tree, progress)?;
    let jobs = job.jobs.unwrap_or_else(cpus);
    progress.step(&format!("kernel: building with {jobs} jobs (about 20 CPU minutes)"));
    make(&tree, &[&format!("-j{jobs}"), "bzImage"])?.logged(job.log, "kernel", progress)?;
    for (from, to) in
        [("arch/x86/boot/bzImage", "bzImage"), (".config", "config"), ("System.map", "System.map")]
    {
        let to = dir.join(to);
        fs::rename(tree.join(from), &to).map_err(Error::io("rename to", &to))?;
    }
    fs::remove_dir_all(&work).map_err(Error::io("remove", &work))
}

/// All CPUs this process may use.
fn cpus() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn check_host() -> Result<()> {
    for tool in NEEDED {
        tool::find(tool)?;
    }
    for (header, package) in HEADERS {
        if !Path::new(header).is_file() {
            return Err(Error::ToolMissing { tool: header.to_owned(), package });
        }
    }
    Ok(())
}

/// The package carries one tarball; its top folder is the tree.
fn unpack(job: &Job<'_>, work: &Path, progress: &dyn Progress) -> Result<PathBuf> {
    progress.step("kernel: unpacking the source");
    let unpacked = work.join("deb");
    Run::new("dpkg-deb")?
        .arg("-x")
        .arg(job.deb)
        .arg(&unpacked)
        .logged(job.log, "dpkg-deb", progress)?;
    let folder = unpacked.join("usr/src");
    let tarball = first(&folder, |name| name.ends_with(".tar.xz"))?;
    let tree = work.join("tree");
    fs::create_dir_all(&tree).map_err(Error::io("create directory", &tree))?;
    let tar = Run::new("tar")?.arg("-xf").arg(tarball).arg("-C").arg(&tree);
    tar.arg("--strip-components=1").logged(job.log, "tar", progress)?;
    fs::remove_dir_all(&unpacked).map_err(Error::io("remove", &unpacked))?;
    Ok(tree)
}

fn first(dir: &Path, wanted: impl Fn(&str) -> bool) -> Result<PathBuf> {
    for entry in fs::read_dir(dir).map_err(Error::io("list", dir))? {
        let entry = entry.map_err(Error::io("list", dir))?;
        if wanted(&entry.file_name().to_string_lossy()) {
            return Ok(entry.path());
        }
    }
    Err(Error::Missing {
        what: "the kernel's tarball".to_owned(),
        path: dir.to_path_buf(),
        next: "the package is not a linux-source package; take its entry out of the lock"
            .to_owned(),
    })
}

/// `tinyconfig`, ours over it, `olddefconfig`, and the check that nothing got lost.
fn configure(job: &Job<'_>, tree: &Path, progress: &dyn Progress) -> Result<()> {
    progress.step("kernel: configuring");
    make(tree, &["tinyconfig"])?.logged(job.log, "tinyconfig", progress)?;
    let config = tree.join(".config");
    let base = fs::read_to_string(&config).map_err(Error::io("read", &config))?;
    fs::write(&config, job.wanted.over(&base)).map_err(Error::io("write", &config))?;
    make(tree, &["olddefconfig"])?.logged(job.log, "olddefconfig", progress)?;
    let finished = fs::read_to_string(&config).map_err(Error::io("read", &config))?;
    let lost = job.wanted.lost(&finished);
    if lost.is_empty() { Ok(()) } else { Err(Error::ConfigLost { lost, config }) }
}

fn make(tree: &Path, args: &[&str]) -> Result<Run> {
    let mut run = Run::new("make")?.args(args).dir(tree);
    for (name, value) in ENVIRONMENT {
        run = run.env(name, value);
    }
    Ok(run)
}
