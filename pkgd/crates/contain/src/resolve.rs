//! Finding what a program is started with, as the kernel and the loader of glibc would (execve(2), ld.so(8)).
//!
//! Each file is judged by itself. A library that finds another one only because the program that loads it has found
//! that before is a finding: nothing says which programs load it.

use std::collections::BTreeMap;

use minos_package::{Files, Loading, Shebang, library_folders};

use crate::report::Kind;
use crate::world::World;

/// Where the C library looks at last: `slibdir` and `libdir` of the book's glibc. Not `/lib64`, where only the loader
/// stands.
const DEFAULT: [&str; 2] = ["lib", "usr/lib"];
/// Where `env` looks: the `PATH` of init and of builds.
const PATH: [&str; 4] = ["usr/bin", "usr/sbin", "bin", "sbin"];

/// ELF files by subject and path: what they run on.
pub(crate) type Machines = BTreeMap<(usize, Vec<u8>), (u16, bool)>;

/// A root in which things are looked for.
pub(crate) struct Root<'a> {
    world: &'a World,
    /// Folders of libraries, relative to the root.
    folders: Vec<String>,
    machines: &'a Machines,
}

/// What is missing: its kind and words.
pub(crate) type Missing = (Kind, String);

impl<'a> Root<'a> {
    /// `text` reads a file of a subject.
    pub(crate) fn new(
        world: &'a World,
        machines: &'a Machines,
        text: &dyn Fn(usize, &[u8]) -> String,
    ) -> Self {
        let mut folders = library_folders(&Configuration { world, text });
        folders.extend(DEFAULT.map(str::to_owned));
        Self { world, folders, machines }
    }

    /// What an ELF file at `path`, relative to the root, does not find.
    pub(crate) fn elf(&self, path: &[u8], elf: &Loading) -> Vec<Missing> {
        let mut missing = Vec::new();
        if let Some(loader) = &elf.interpreter
            && !(loader.starts_with('/') && self.is_elf(loader.as_bytes(), elf))
        {
            missing.push((Kind::NoLoader, format!("loader {loader}")));
        }
        let search: Vec<Vec<u8>> = elf.search.iter().map(|f| expanded(f, path)).collect();
        for (folder, named) in search.iter().zip(&elf.search) {
            if !(folder.starts_with(b"/") && self.world.has_folder(folder)) {
                missing.push((Kind::NoFolder, format!("run path {named}")));
            }
        }
        for name in elf.needed.iter().filter(|name| !self.library(name, elf, &search)) {
            missing.push((Kind::NoLibrary, format!("library {name}")));
        }
        missing
    }

    fn library(&self, name: &str, of: &Loading, search: &[Vec<u8>]) -> bool {
        if name.contains('/') {
            return name.starts_with('/') && self.is_elf(name.as_bytes(), of);
        }
        let own = search.iter().map(Vec::as_slice);
        let all = self.folders.iter().map(String::as_bytes);
        own.chain(all).any(|folder| self.is_elf(&[folder, b"/", name.as_bytes()].concat(), of))
    }

    /// Whether there is an ELF file of the same machine.
    fn is_elf(&self, path: &[u8], of: &Loading) -> bool {
        let machine = self.world.file(path).and_then(|file| self.machines.get(&file));
        machine.is_some_and(|machine| *machine == of.machine)
    }

    /// What a script does not find.
    pub(crate) fn script(&self, script: Option<&Shebang>) -> Vec<Missing> {
        let missing = |what: String| vec![(Kind::NoInterpreter, what)];
        let Some(Shebang { program, command }) = script else {
            return missing("its first line names no interpreter".to_owned());
        };
        if !(program.starts_with('/') && self.world.file(program.as_bytes()).is_some()) {
            return missing(format!("interpreter {program}"));
        }
        let there = |name: &String| {
            let place = |folder| format!("{folder}/{name}");
            PATH.iter().any(|folder| self.world.file(place(folder).as_bytes()).is_some())
        };
        match command {
            Some(name) if !there(name) => missing(format!("interpreter {name}, by {program}")),
            _ => Vec::new(),
        }
    }
}

/// A run path with what its words stand for.
fn expanded(folder: &str, path: &[u8]) -> Vec<u8> {
    let parent = path.iter().rposition(|byte| *byte == b'/').map_or(&b""[..], |at| &path[..at]);
    let origin = format!("/{}", String::from_utf8_lossy(parent));
    let mut text = folder.to_owned();
    for (word, value) in [("ORIGIN", origin.as_str()), ("LIB", "lib")] {
        text = text.replace(&format!("${{{word}}}"), value).replace(&format!("${word}"), value);
    }
    text.into_bytes()
}

/// Where `ld.so.conf` is read.
struct Configuration<'a> {
    world: &'a World,
    text: &'a dyn Fn(usize, &[u8]) -> String,
}

impl Files for Configuration<'_> {
    fn text(&self, path: &str) -> String {
        let file = self.world.file(path.as_bytes());
        file.map(|(subject, path)| (self.text)(subject, &path)).unwrap_or_default()
    }

    fn names(&self, folder: &str) -> Vec<String> {
        self.world.names(folder)
    }
}
