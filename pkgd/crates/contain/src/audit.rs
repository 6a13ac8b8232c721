//! All outputs, one after the other.

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use minos_model::{Entry, Kind as Thing, Manifest};
use minos_package::{Loading, Shebang};
use minos_sandbox::tree::Dir;

use crate::exceptions::excuse;
use crate::file::{self, look};
use crate::needles::{Hit, Needles, Places};
use crate::report::{Finding, Kind, Report};
use crate::resolve::{Machines, Missing, Root};
use crate::world::World;

/// How much of a list of library folders is read, in bytes.
const MAX_CONF: u64 = 64 << 10;

/// After so many paths it is told again which output is looked at: a large one takes a while.
const TOLD: usize = 500;

/// One output.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Its captured tree.
    pub tree: PathBuf,
    /// Its manifest, which the caller has verified.
    pub manifest: PathBuf,
    /// The folder of the tree that is `/`, without slashes around it; empty for the tree itself. What lies elsewhere is
    /// seen by nobody.
    pub root: String,
    /// It is used to build the system and is no part of it: it may need any of the outputs, the others only those that
    /// are no tools.
    pub tool: bool,
    /// It was built on the seed, below a prefix: the paths of the sandbox are its own.
    pub seeded: bool,
    /// Links that are made when it is installed, where nothing stands yet: path relative to the root, and target.
    pub links: Vec<(Vec<u8>, Vec<u8>)>,
}

/// An output that could not be read: it is not the one of its manifest, or the disk fails. What is *in* a file is never
/// an error.
#[derive(Debug)]
pub struct AuditError {
    /// The file or directory.
    pub path: PathBuf,
    /// The system's error.
    pub error: io::Error,
}

impl fmt::Display for AuditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot look at {}: {}", self.path.display(), self.error)
    }
}

impl std::error::Error for AuditError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

/// Looks at all of `subjects`, the lowest layer first, as if they were one system. `tell` is told
/// which one is looked at, now and again.
///
/// # Errors
/// An output cannot be read.
pub fn audit(
    subjects: &[Subject],
    places: &Places,
    tell: &mut dyn FnMut(usize),
) -> Result<Report, AuditError> {
    let mut audit = Audit::default();
    let needles = [Needles::new(places, false), Needles::new(places, true)];
    for (at, subject) in subjects.iter().enumerate() {
        audit.subject(at, subject, &needles[usize::from(!subject.seeded)], tell)?;
    }
    subjects.iter().for_each(|subject| audit.links(subject));
    Ok(audit.finish(subjects))
}

/// What starts a file.
enum Start {
    Elf(Loading),
    Script(Option<Shebang>),
}

#[derive(Default)]
struct Audit {
    report: Report,
    /// All outputs, and those of the system alone.
    all: World,
    system: World,
    machines: Machines,
    starts: Vec<(usize, Vec<u8>, Start)>,
}

impl Audit {
    fn subject(
        &mut self,
        at: usize,
        subject: &Subject,
        needles: &Needles,
        tell: &mut dyn FnMut(usize),
    ) -> Result<(), AuditError> {
        let on = |path: &Path, error: io::Error| AuditError { path: path.to_owned(), error };
        let text = fs::read_to_string(&subject.manifest).map_err(|e| on(&subject.manifest, e))?;
        let manifest = Manifest::parse(&text);
        let manifest = manifest.map_err(|e| on(&subject.manifest, io::Error::other(e)))?;
        let mut reader = Reader::open(&subject.tree).map_err(|e| on(&subject.tree, e))?;
        for (count, entry) in manifest.entries().iter().enumerate() {
            if count % TOLD == 0 {
                tell(at);
            }
            let Some(path) = below(&entry.path, &subject.root) else { continue };
            self.report.counts.paths += 1;
            self.all.add(path, &entry.kind, at);
            if !subject.tool {
                self.system.add(path, &entry.kind, at);
            }
            self.names(at, path, &entry.kind, needles);
            let full = || subject.tree.join(OsStr::from_bytes(&entry.path));
            self.entry((at, &subject.root), path, entry, &mut reader, needles)
                .map_err(|e| on(&full(), e))?;
        }
        Ok(())
    }

    /// The path itself, and where a link leads.
    fn names(&mut self, at: usize, path: &[u8], kind: &Thing, needles: &Needles) {
        let target = match kind {
            Thing::Symlink { target } => target.as_slice(),
            _ => &[],
        };
        let names = [&[b"/", path].concat()[..], target];
        let here = shown(path);
        let hits = names.iter().flat_map(|name| needles.search(&here, name, &[]));
        for hit in hits.collect::<Vec<_>>() {
            self.hit(at, path, hit);
        }
    }

    fn entry(
        &mut self,
        (at, root): (usize, &str),
        path: &[u8],
        entry: &Entry,
        reader: &mut Reader,
        needles: &Needles,
    ) -> io::Result<()> {
        match &entry.kind {
            Thing::File { .. } => {}
            // The contents are looked at under the first name, unless nobody sees that one.
            Thing::Hardlink { to } => {
                if let Some(to) = below(to, root) {
                    let machine = self.machines.get(&(at, to.to_vec())).copied();
                    self.machines.extend(machine.map(|m| ((at, path.to_vec()), m)));
                    return Ok(());
                }
            }
            _ => return Ok(()),
        }
        let (file, executable) = (reader.file(&entry.path)?, entry.mode & 0o111 != 0);
        let looked = look(&shown(path), file, executable, needles)?;
        let counts = &mut self.report.counts;
        counts.files += 1;
        counts.bytes += looked.bytes;
        match looked.thing {
            file::Thing::Elf(elf) => {
                counts.elf += 1;
                self.machines.insert((at, path.to_vec()), elf.machine);
                self.starts.push((at, path.to_vec(), Start::Elf(elf)));
            }
            file::Thing::Script(script) => {
                counts.scripts += 1;
                self.starts.push((at, path.to_vec(), Start::Script(script)));
            }
            file::Thing::BadElf(why) => self.add(at, path, Kind::Unreadable, why),
            file::Thing::Compressed => counts.compressed += 1,
            file::Thing::Other => {}
        }
        looked.hits.into_iter().for_each(|hit| self.hit(at, path, hit));
        Ok(())
    }

    fn links(&mut self, subject: &Subject) {
        for (path, target) in &subject.links {
            self.all.link(path, target);
            if !subject.tool {
                self.system.link(path, target);
            }
        }
    }

    fn hit(&mut self, at: usize, path: &[u8], hit: Hit) {
        let finding = Finding { subject: at, path: shown(path), kind: hit.kind, what: hit.what };
        self.report.add(finding, hit.reason);
    }

    fn add(&mut self, at: usize, path: &[u8], kind: Kind, what: String) {
        let path = shown(path);
        let reason = excuse(&path, kind, &what);
        self.report.add(Finding { subject: at, path, kind, what }, reason);
    }

    /// What is started with what.
    fn finish(mut self, subjects: &[Subject]) -> Report {
        let starts = std::mem::take(&mut self.starts);
        let text = |at: usize, path: &[u8]| text(&subjects[at], path);
        let mut found = Vec::new();
        {
            let all = Root::new(&self.all, &self.machines, &text);
            let system = Root::new(&self.system, &self.machines, &text);
            for (at, path, start) in &starts {
                let missing = |root: &Root<'_>| match start {
                    Start::Elf(elf) => root.elf(path, elf),
                    Start::Script(script) => root.script(script.as_ref()),
                };
                let nowhere = missing(&all);
                let here = if subjects[*at].tool { nowhere.clone() } else { missing(&system) };
                found.extend(here.into_iter().map(|m| (*at, path, only_tool(m, &nowhere))));
            }
        }
        for (at, path, (kind, what)) in found {
            self.add(at, path, kind, what);
        }
        self.report.sort();
        self.report
    }
}

/// What is missing in the system and not missing everywhere is in a tool.
fn only_tool((kind, what): Missing, nowhere: &[Missing]) -> Missing {
    if nowhere.iter().any(|(_, other)| *other == what) {
        return (kind, what);
    }
    (Kind::OnlyTool, what)
}

/// `path` from `root` on; `None` for what lies elsewhere, and for the root itself.
fn below<'a>(path: &'a [u8], root: &str) -> Option<&'a [u8]> {
    if root.is_empty() {
        return Some(path);
    }
    path.strip_prefix(root.as_bytes())?.strip_prefix(b"/")
}

/// A configuration file of a subject; nothing where it cannot be read.
fn text(subject: &Subject, path: &[u8]) -> String {
    let mut bytes = Vec::new();
    let inside = [subject.root.as_bytes(), b"/", path].concat();
    let inside = inside.strip_prefix(b"/").unwrap_or(&inside);
    let file = Reader::open(&subject.tree).and_then(|mut reader| reader.file(inside));
    if file.and_then(|file| file.take(MAX_CONF).read_to_end(&mut bytes)).is_err() {
        bytes.clear();
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn shown(path: &[u8]) -> String {
    format!("/{}", String::from_utf8_lossy(path))
}

/// Opens files of a tree that a script made: no link is followed on the way. Manifests are sorted, so the folder of the
/// last file is mostly that of the next.
struct Reader {
    tree: Dir,
    last: Option<(PathBuf, Dir)>,
}

impl Reader {
    fn open(tree: &Path) -> io::Result<Self> {
        Ok(Self { tree: Dir::open(tree)?, last: None })
    }

    fn file(&mut self, path: &[u8]) -> io::Result<fs::File> {
        let path = Path::new(OsStr::from_bytes(path));
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let parent = path.parent().unwrap_or(Path::new(""));
        if parent.as_os_str().is_empty() {
            return self.tree.open_file(name);
        }
        if self.last.as_ref().is_none_or(|(last, _)| last != parent) {
            self.last = Some((parent.to_owned(), self.tree.open_dir(parent)?));
        }
        match &self.last {
            Some((_, folder)) => folder.open_file(name),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }
}
