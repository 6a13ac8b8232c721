//! Shows a package file: all that it says of itself, and by whom it is signed.

use std::fs::File;
use std::io::BufReader;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use argh::FromArgs;
use minos_model::package::{DependencyKind, FileKind, PackageFile, PackageManifest};
use minos_package::header::HEADER_LEN;
use minos_package::{Error, Header, Part, Policy, Reader};
use minos_proto::{ErrorReport, Field, Sheet};
use minos_sandbox::Reach;

use super::answer::{bad_file, shut_in};
use super::{open, trust};

/// Shows a package file.
#[derive(Debug, FromArgs)]
#[argh(subcommand, name = "inspect")]
pub struct Inspect {
    /// the file
    #[argh(positional)]
    file: PathBuf,
    /// folder of public keys: says which signatures are by them
    #[argh(option)]
    keys: Option<PathBuf>,
    /// also list its files
    #[argh(switch)]
    files: bool,
}

impl Inspect {
    pub fn run(self) -> Result<Sheet, ErrorReport> {
        let trust = self.keys.as_deref().map(trust::load).transpose()?;
        let file = open::file(&self.file)?;
        shut_in(&Reach::default())?;
        let offsets = Offsets::of(&file);
        let reader = Reader::open(BufReader::new(&file), &Policy::Unverified);
        let hint = "fetch it again, or ask who packed it";
        let reader = reader.map_err(|e| offsets.explain(&self.file, &e, hint))?;
        let mut sheet = facts(&reader, &self.file);
        let signed = reader
            .claimed_signers()
            .map(|id| vec![id.to_string().into(), trust::state(trust.as_ref(), id).into()])
            .collect();
        sheet = lists(sheet.grid("signatures", &["key", "state"], signed), reader.manifest());
        if self.files {
            let rows = reader.manifest().files.iter().map(file_row).collect();
            sheet = sheet.grid("files", &["mode", "owner", ">size", "path"], rows);
        }
        if reader.claimed_signers().next().is_none() {
            sheet = sheet.note("Nobody signed it: pkgd does not install it.");
        }
        Ok(sheet)
    }
}

fn facts<R: std::io::Read + std::io::Seek>(reader: &Reader<R>, path: &Path) -> Sheet {
    let package = reader.manifest();
    Sheet::new("package_file")
        .fact("file", path.display().to_string())
        .fact("name", package.name.to_string())
        .fact("version", package.version.with_release())
        .fact("arch", package.arch.to_string())
        .fact("description", package.description.clone())
        .fact("licence", package.licence.clone())
        .fact("id", reader.id().to_string())
        .fact("recipe", package.origin.recipe.to_string())
        .fact("task_key", package.origin.task_key.to_string())
        .fact("output", package.origin.output.to_string())
        .fact("size", Field::Bytes(reader.header().total()))
        .fact("installed_size", Field::Bytes(package.installed_size()))
        .fact("paths", package.files.len())
        .fact("frames", reader.frames().len())
}

/// What it needs, gives, and does. A list without anything is left out.
fn lists(sheet: Sheet, package: &PackageManifest) -> Sheet {
    let needs = package.dependencies.iter().map(|dependency| {
        let kind = match &dependency.kind {
            DependencyKind::Runtime => "run".to_owned(),
            DependencyKind::Build => "build".to_owned(),
            DependencyKind::Group(name) => format!("group {name}"),
        };
        let condition = dependency.condition.as_ref().map(ToString::to_string);
        vec![dependency.requirement.to_string().into(), kind.into(), condition.into()]
    });
    let provides = package.provides.iter().map(|c| vec![c.to_string().into()]);
    let conflicts = package.conflicts.iter().map(|c| vec![c.to_string().into(), "conflict".into()]);
    let replaces = package.replaces.iter().map(|r| vec![r.to_string().into(), "replaces".into()]);
    let groups =
        package.groups.iter().map(|g| vec![g.name.to_string().into(), g.reason.clone().into()]);
    let config = package.config.iter().map(|path| vec![format!("/{path}").into()]);
    sheet
        .grid("dependencies", &["requirement", "kind", "if"], needs.collect())
        .grid("provides", &["capability"], provides.collect())
        .grid("excludes", &["requirement", "how"], conflicts.chain(replaces).collect())
        .grid("groups", &["group", "reason"], groups.collect())
        .grid("config", &["path"], config.collect())
        .grid("actions", &["action", "what"], actions(package))
}

fn actions(package: &PackageManifest) -> Vec<Vec<Field>> {
    let actions = &package.actions;
    let row = |what: &str, text: String| vec![what.into(), text.into()];
    let groups = actions.groups.iter().map(|group| row("group", group.name.to_string()));
    let users = actions.users.iter().map(|user| row("user", user.name.to_string()));
    let directories = actions.directories.iter().map(|directory| {
        let (path, mode) = (&directory.path, directory.mode);
        row("directory", format!("/{path} {mode:04o} {}:{}", directory.user, directory.group))
    });
    let links = actions.links.iter().map(|link| {
        row("link", format!("/{} -> {}", link.path, String::from_utf8_lossy(&link.target)))
    });
    let sysctls = actions.sysctl.iter().map(|s| row("sysctl", format!("{} = {}", s.key, s.value)));
    let services = actions.services.iter().map(|service| {
        let how = if service.enable { "" } else { ", not enabled" };
        row("service", format!("{}{how}", service.name))
    });
    groups.chain(users).chain(directories).chain(links).chain(sysctls).chain(services).collect()
}

fn file_row(file: &PackageFile) -> Vec<Field> {
    let (letter, size, behind) = match &file.kind {
        FileKind::Directory => ('d', Field::None, "/".to_owned()),
        FileKind::Regular { size, .. } => ('-', Field::Bytes(*size), String::new()),
        FileKind::Symlink { target } => {
            ('l', Field::None, format!(" -> {}", String::from_utf8_lossy(target)))
        }
        FileKind::Hardlink { to } => ('h', Field::None, format!(" = /{to}")),
    };
    let mode = format!("{letter}{:04o}", file.mode);
    let owner = format!("{}:{}", file.user, file.group);
    vec![mode.into(), owner.into(), size, format!("/{}{behind}", file.path).into()]
}

/// Where the parts of a package file stand: for a broken one, so that one can look.
pub struct Offsets {
    header: Option<Header>,
    frames: Vec<u64>,
}

impl Offsets {
    /// As the header tells, if it can be read.
    pub fn of(file: &File) -> Self {
        let mut bytes = [0; HEADER_LEN];
        let header =
            file.read_exact_at(&mut bytes, 0).ok().and_then(|()| Header::parse(&bytes).ok());
        Self { header, frames: Vec::new() }
    }

    /// With the compressed lengths of the frames.
    pub fn with_frames(self, frames: Vec<u64>) -> Self {
        Self { frames, ..self }
    }

    fn at(&self, part: Part) -> Option<u64> {
        let header = self.header?;
        match part {
            Part::Signatures => Some(HEADER_LEN as u64),
            Part::Manifest => Some(header.manifest_offset()),
            Part::Index => Some(header.manifest_offset() + header.manifest),
            Part::Content => Some(header.content_offset()),
            Part::Frame(number) => {
                let before = self.frames.get(..number)?;
                Some(header.content_offset() + before.iter().sum::<u64>())
            }
        }
    }

    /// The error with the place of the part it is about.
    pub fn explain(&self, path: &Path, error: &Error, hint: &str) -> ErrorReport {
        let part = match error {
            Error::Damaged(part) | Error::Malformed(part, _) | Error::TooLong(part, _) => {
                Some(*part)
            }
            _ => None,
        };
        match part.and_then(|part| self.at(part)) {
            Some(at) => bad_file(path, &format!("{error} (at byte {at})"), hint),
            None => bad_file(path, error, hint),
        }
    }
}
