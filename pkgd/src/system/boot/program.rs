//! Whether a program can be started in a root: it is there and executable, and so are its interpreter, its loader
//! and every library that these are linked with. What a program opens while it runs cannot be known.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;

use minos_package::{Loading, loading};

use super::root::{Root, is_absent};

/// A script may have an interpreter that is one again; Linux goes so deep (`BINPRM_MAX_RECURSION`).
const MAX_DEPTH: u8 = 4;
/// Longer files are not looked into: they are there, and that has to do.
const MAX_PROGRAM: u64 = 256 << 20;
/// The longest first line of a script that the kernel reads.
const MAX_LINE: usize = 256;
/// Where loaders look when they are told nothing.
const FOLDERS: [&str; 7] = [
    "/lib",
    "/usr/lib",
    "/lib64",
    "/usr/lib64",
    "/usr/local/lib",
    "/lib/x86_64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu",
];
/// The longest list of folders that is read.
const MAX_CONF: u64 = 64 << 10;

/// Looks at programs of one root. Each file is looked at once.
pub struct Programs<'a> {
    root: &'a Root,
    /// Folders of `ld.so.conf`, then the usual ones.
    folders: Vec<String>,
    good: BTreeSet<String>,
}

impl<'a> Programs<'a> {
    /// For this root.
    ///
    /// # Errors
    /// Its list of library folders cannot be read; in words.
    pub fn new(root: &'a Root) -> Result<Self, String> {
        let mut folders = configured(root).map_err(|e| format!("/etc/ld.so.conf: {e}"))?;
        folders.extend(FOLDERS.map(str::to_owned));
        Ok(Self { root, folders, good: BTreeSet::new() })
    }

    /// Whether the program at `path` can be started.
    ///
    /// # Errors
    /// What is missing, in words that go on after the name of who needs it.
    pub fn check(&mut self, path: &str) -> Result<(), String> {
        self.program(path, MAX_DEPTH)
    }

    fn program(&mut self, path: &str, depth: u8) -> Result<(), String> {
        let (file, real) = self.open(path)?;
        let mode = file.metadata().map_err(|e| on(path, &e))?.mode();
        if mode & 0o111 == 0 {
            return Err(format!("{path} is not executable"));
        }
        let bytes = read(file).map_err(|e| on(path, &e))?;
        if let Some(line) = bytes.strip_prefix(b"#!") {
            return self.script(path, line, depth);
        }
        match loading(&bytes).map_err(|e| format!("{path}: {e}"))? {
            Some(found) => self.elf(path, &real, &found, depth),
            None => Err(format!("{path} is neither an ELF program nor a script")),
        }
    }

    fn script(&mut self, path: &str, line: &[u8], depth: u8) -> Result<(), String> {
        let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let text = String::from_utf8_lossy(line.get(..MAX_LINE).unwrap_or(line)).into_owned();
        let Some(program) = text.split_ascii_whitespace().next() else {
            return Err(format!("{path} names no interpreter"));
        };
        let depth = depth.checked_sub(1);
        let depth = depth.ok_or_else(|| format!("{path}: scripts interpret each other"))?;
        self.program(program, depth).map_err(|why| format!("{path} is run by {program}: {why}"))
    }

    fn elf(&mut self, path: &str, real: &str, found: &Loading, depth: u8) -> Result<(), String> {
        if !self.good.insert(real.to_owned()) {
            return Ok(());
        }
        if let Some(loader) = &found.interpreter {
            self.open(loader).map_err(|why| format!("{path} is loaded by {loader}: {why}"))?;
        }
        found.needed.iter().try_for_each(|name| self.library(path, real, name, found, depth))
    }

    /// Finds a library of the file at `path`, and the libraries that this one needs.
    fn library(
        &mut self,
        path: &str,
        real: &str,
        name: &str,
        of: &Loading,
        depth: u8,
    ) -> Result<(), String> {
        let missing = || format!("{path} needs {name}, which is not in the root");
        let places: Vec<String> = if name.contains('/') {
            vec![name.to_owned()]
        } else {
            let own = of.search.iter().flat_map(|folder| origins(folder, path, real));
            own.chain(self.folders.iter().cloned()).map(|dir| format!("{dir}/{name}")).collect()
        };
        for place in places {
            let (file, real) = match self.root.regular(&place) {
                Ok(found) => found,
                Err(e) if is_absent(&e) => continue,
                Err(e) => return Err(on(&place, &e)),
            };
            let bytes = read(file).map_err(|e| on(&place, &e))?;
            // A linker script, or a library of another machine with a text for it, is no library.
            let Some(found) = loading(&bytes).map_err(|e| format!("{place}: {e}"))? else {
                continue;
            };
            return self.elf(&place, &real, &found, depth);
        }
        Err(missing())
    }

    fn open(&self, path: &str) -> Result<(File, String), String> {
        self.root.regular(path).map_err(|e| match is_absent(&e) {
            true => format!("{path} is not in the root"),
            false => on(path, &e),
        })
    }
}

/// A folder with `$ORIGIN` as what it stands for: the folder of the file as it was asked for, and without links.
fn origins(folder: &str, path: &str, real: &str) -> Vec<String> {
    let parent = |path: &str| path.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
    let put = |origin: &str| folder.replace("${ORIGIN}", origin).replace("$ORIGIN", origin);
    vec![put(&parent(real)), put(&parent(path))]
}

fn read(file: File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(MAX_PROGRAM).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The folders of `/etc/ld.so.conf` and of what it includes (one `*` in the last part of a path).
fn configured(root: &Root) -> io::Result<Vec<String>> {
    let mut folders = Vec::new();
    for line in lines(root, "/etc/ld.so.conf")? {
        match line.strip_prefix("include") {
            Some(pattern) if pattern.starts_with([' ', '\t']) => {
                for path in included(root, pattern.trim())? {
                    folders.extend(lines(root, &path)?);
                }
            }
            _ => folders.push(line),
        }
    }
    folders.retain(|folder| folder.starts_with('/'));
    Ok(folders)
}

fn included(root: &Root, pattern: &str) -> io::Result<Vec<String>> {
    let (folder, name) = pattern.rsplit_once('/').unwrap_or(("", pattern));
    let folder = if folder.starts_with('/') { folder.to_owned() } else { format!("/etc/{folder}") };
    let Some((start, end)) = name.split_once('*') else {
        return Ok(vec![format!("{folder}/{name}")]);
    };
    let fits = |n: &String| n.len() >= name.len() - 1 && n.starts_with(start) && n.ends_with(end);
    let names = root.names(&folder)?.into_iter().filter(fits);
    Ok(names.map(|name| format!("{folder}/{name}")).collect())
}

fn lines(root: &Root, path: &str) -> io::Result<Vec<String>> {
    let bytes = root.read(path, MAX_CONF)?.unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let bare = |line: &str| line.split('#').next().unwrap_or_default().trim().to_owned();
    Ok(text.lines().map(bare).filter(|line| !line.is_empty()).collect())
}

fn on(path: &str, error: &io::Error) -> String {
    format!("{path}: {error}")
}
