//! Whether a program can be started in a root: it is there and executable, and so are its interpreter, its loader
//! and every library that these are linked with. What a program opens while it runs cannot be known.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;

use minos_package::{Files, Loading, Shebang, library_folders, loading, shebang};

use super::root::{Root, is_absent};

/// A script may have an interpreter that is one again; Linux goes so deep (`BINPRM_MAX_RECURSION`).
const MAX_DEPTH: u8 = 4;
/// Longer files are not looked into: they are there, and that has to do.
const MAX_PROGRAM: u64 = 256 << 20;
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
    /// For this root. A list of library folders that cannot be read names none.
    pub fn new(root: &'a Root) -> Self {
        let configured = library_folders(root).into_iter().map(|folder| format!("/{folder}"));
        let folders = configured.chain(FOLDERS.map(str::to_owned)).collect();
        Self { root, folders, good: BTreeSet::new() }
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
        if bytes.starts_with(b"#!") {
            return self.script(path, &bytes, depth);
        }
        match loading(&bytes).map_err(|e| format!("{path}: {e}"))? {
            Some(found) => self.elf(path, &real, &found, depth),
            None => Err(format!("{path} is neither an ELF program nor a script")),
        }
    }

    fn script(&mut self, path: &str, bytes: &[u8], depth: u8) -> Result<(), String> {
        let Some(Shebang { program, .. }) = shebang(bytes) else {
            return Err(format!("{path} names no interpreter"));
        };
        let depth = depth.checked_sub(1);
        let depth = depth.ok_or_else(|| format!("{path}: scripts interpret each other"))?;
        self.program(&program, depth).map_err(|why| format!("{path} is run by {program}: {why}"))
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

/// Its links are followed, as a loader would.
impl Files for Root {
    fn text(&self, path: &str) -> String {
        let bytes = self.read(path, MAX_CONF).ok().flatten().unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn names(&self, folder: &str) -> Vec<String> {
        Self::names(self, folder).unwrap_or_default()
    }
}

fn on(path: &str, error: &io::Error) -> String {
    format!("{path}: {error}")
}
