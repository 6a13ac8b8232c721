//! Outputs with manifests, and ELF files with no more than a loader looks at.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use minos_contain::Subject;
use minos_model::{Digest, Entry, Kind, Manifest};
use tempfile::TempDir;

/// An output on disk.
pub struct Output {
    dir: TempDir,
    entries: Vec<Entry>,
    root: String,
}

impl Output {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("tree")).unwrap();
        Self { dir, entries: Vec::new(), root: String::new() }
    }

    pub fn tree(&self) -> PathBuf {
        self.dir.path().join("tree")
    }

    /// It is a tool, installed below this folder on the seed.
    pub fn below(mut self, root: &str) -> Self {
        self.root = root.to_owned();
        self
    }

    fn entry(&mut self, path: &str, mode: u32, kind: Kind) {
        if self.entries.iter().any(|entry| entry.path == path.as_bytes()) {
            return;
        }
        let path = path.as_bytes().to_vec();
        self.entries.push(Entry { path, mode, uid: 0, gid: 0, kind, xattrs: Vec::new() });
    }

    pub fn folder(mut self, path: &str) -> Self {
        fs::create_dir_all(self.tree().join(path)).unwrap();
        let mut at = path;
        self.entry(at, 0o755, Kind::Directory);
        while let Some((parent, _)) = at.rsplit_once('/') {
            at = parent;
            self.entry(at, 0o755, Kind::Directory);
        }
        self
    }

    fn regular(mut self, path: &str, bytes: &[u8], mode: u32) -> Self {
        if let Some((parent, _)) = path.rsplit_once('/') {
            self = self.folder(parent);
        }
        fs::write(self.tree().join(path), bytes).unwrap();
        let kind = Kind::File { size: bytes.len() as u64, digest: Digest::of(bytes) };
        self.entry(path, mode, kind);
        self
    }

    pub fn file(self, path: &str, bytes: &[u8]) -> Self {
        self.regular(path, bytes, 0o644)
    }

    pub fn program(self, path: &str, bytes: &[u8]) -> Self {
        self.regular(path, bytes, 0o755)
    }

    pub fn link(mut self, path: &str, target: &str) -> Self {
        symlink(target, self.tree().join(path)).unwrap();
        self.entry(path, 0, Kind::Symlink { target: target.as_bytes().to_vec() });
        self
    }

    pub fn hard_link(mut self, path: &str, to: &str) -> Self {
        fs::hard_link(self.tree().join(to), self.tree().join(path)).unwrap();
        self.entry(path, 0o644, Kind::Hardlink { to: to.as_bytes().to_vec() });
        self
    }

    /// As the audit takes it; the manifest is written now.
    pub fn subject(&self) -> Subject {
        let manifest = self.dir.path().join("manifest");
        fs::write(&manifest, Manifest::new(self.entries.clone()).to_string()).unwrap();
        let tool = !self.root.is_empty();
        let root = self.root.clone();
        Subject { tree: self.tree(), manifest, root, tool, seeded: tool, links: Vec::new() }
    }
}

/// The first line of a script.
pub fn script(interpreter: &str) -> &'static [u8] {
    Box::leak(format!("#!{interpreter}\nexit 0\n").into_bytes().into_boxed_slice())
}

/// A static library.
pub fn archive(members: &[Vec<u8>]) -> Vec<u8> {
    let mut archive = b"!<arch>\n".to_vec();
    for member in members {
        let size = member.len();
        archive.extend(
            format!("{:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`\n", "x.o/", 0, 0, 0, 644).bytes(),
        );
        archive.extend(member);
        archive.extend(vec![b'\n'; size % 2]);
    }
    archive
}

/// A 64-bit file whose addresses are its places.
#[derive(Default)]
pub struct Elf {
    machine: u16,
    interpreter: Option<String>,
    dynamic: Vec<(u64, String)>,
    constant: String,
    debug: String,
    no_sections: bool,
}

impl Elf {
    pub fn library() -> Self {
        Self { machine: 62, ..Self::default() }
    }

    pub fn program(loader: &str) -> Self {
        Self { interpreter: Some(loader.to_owned()), ..Self::library() }
    }

    pub fn machine(mut self, machine: u16) -> Self {
        self.machine = machine;
        self
    }

    pub fn needs(mut self, library: &str) -> Self {
        self.dynamic.push((1, library.to_owned()));
        self
    }

    pub fn run_path(mut self, folders: &str) -> Self {
        self.dynamic.push((29, folders.to_owned()));
        self
    }

    pub fn constant(mut self, text: &str) -> Self {
        self.constant = text.to_owned();
        self
    }

    pub fn debug(mut self, text: &str) -> Self {
        self.debug = text.to_owned();
        self
    }

    pub fn without_sections(mut self) -> Self {
        self.no_sections = true;
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        let loader = self.interpreter.as_ref().map(|loader| format!("{loader}\0"));
        let loader = loader.unwrap_or_default();
        let segments = if loader.is_empty() { 2 } else { 3 };
        // Head, segments, loader, strings, table, constant, debug, names of sections, sections.
        let loader_at = 64 + 56 * segments;
        let strings_at = loader_at + loader.len() as u64;
        let mut strings = vec![0u8];
        let mut table = Vec::new();
        for (tag, text) in &self.dynamic {
            table.push((*tag, strings.len() as u64));
            strings.extend(text.bytes().chain([0]));
        }
        table.extend([(5, strings_at), (10, strings.len() as u64), (0, 0)]);
        let table_at = strings_at + strings.len() as u64;
        let constant_at = table_at + 16 * table.len() as u64;
        let debug_at = constant_at + self.constant.len() as u64 + 2;
        let names = b"\0.debug_str\0.shstrtab\0";
        let names_at = debug_at + self.debug.len() as u64 + 1;
        let sections_at = names_at + names.len() as u64;
        let mut file = Writer(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec());
        let sections = if self.no_sections { 0 } else { 3 };
        file.halves(&[3, self.machine]).words(&[1]);
        file.longs(&[0, 64, if sections > 0 { sections_at } else { 0 }]).words(&[0]);
        file.halves(&[64, 56, segments as u16, 64, sections, if sections > 0 { 2 } else { 0 }]);
        file.segment(1, 0, sections_at);
        file.segment(2, table_at, 16 * table.len() as u64);
        if !loader.is_empty() {
            file.segment(3, loader_at, loader.len() as u64);
        }
        file.0.extend(loader.bytes());
        file.0.extend(&strings);
        table.iter().for_each(|(tag, value)| {
            file.longs(&[*tag, *value]);
        });
        file.0.extend([b"\0", self.constant.as_bytes(), b"\0"].concat());
        file.0.extend([self.debug.as_bytes(), b"\0"].concat());
        file.0.extend(names);
        if sections > 0 {
            file.section(0, 0, 0, 0);
            file.section(1, 1, debug_at, self.debug.len() as u64 + 1);
            file.section(12, 3, names_at, names.len() as u64);
        }
        file.0
    }
}

/// Little-endian numbers.
struct Writer(Vec<u8>);

impl Writer {
    fn halves(&mut self, list: &[u16]) -> &mut Self {
        list.iter().for_each(|n| self.0.extend(n.to_le_bytes()));
        self
    }

    fn words(&mut self, list: &[u32]) -> &mut Self {
        list.iter().for_each(|n| self.0.extend(n.to_le_bytes()));
        self
    }

    fn longs(&mut self, list: &[u64]) -> &mut Self {
        list.iter().for_each(|n| self.0.extend(n.to_le_bytes()));
        self
    }

    fn segment(&mut self, kind: u32, at: u64, size: u64) {
        self.words(&[kind, 4]).longs(&[at, at, at, size, size, 1]);
    }

    fn section(&mut self, name: u32, kind: u32, at: u64, size: u64) {
        self.words(&[name, kind]).longs(&[0, 0, at, size]).words(&[0, 0]).longs(&[1, 0]);
    }
}
