//! Packs a folder: `package.toml`, and the files in `root/`.

use std::fmt::Display;
use std::fs::File;
use std::path::PathBuf;
use std::str::FromStr;

use argh::FromArgs;
use minos_model::package::{Arch, Dependency, DependencyKind, Origin, PackagePath};
use minos_model::{Capability, Digest, Name, Requirement, StepId, Upstream, Version};
use minos_package::{DirSource, Metadata, Options};
use minos_proto::{ErrorReport, Field, Sheet};
use minos_recipe::Package;
use minos_sandbox::Reach;
use serde::Deserialize;

use super::answer::{bad_file, shut_in};
use super::{key, open, passphrase, tree};

/// The file that says what the package is.
const DESCRIPTION: &str = "package.toml";
/// The folder of its files.
const ROOT: &str = "root";

/// Makes a package of a folder.
#[derive(Debug, FromArgs)]
#[argh(subcommand, name = "pack")]
pub struct Pack {
    /// the folder
    #[argh(positional)]
    folder: PathBuf,
    /// the secret key file to sign with
    #[argh(option)]
    key: Option<PathBuf>,
    /// where to put the package (default: here)
    #[argh(option, default = "PathBuf::from(\".\")")]
    output: PathBuf,
    /// the password is the first line of this file
    #[argh(option)]
    passphrase_file: Option<PathBuf>,
}

/// `package.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Draft {
    schema: u32,
    name: String,
    version: String,
    #[serde(default = "one")]
    release: u32,
    #[serde(default)]
    epoch: u32,
    description: String,
    license: String,
    arch: Option<String>,
    #[serde(default)]
    depends: Vec<String>,
    #[serde(default)]
    provides: Vec<String>,
    #[serde(default)]
    ignore: Vec<String>,
    #[serde(default)]
    conflicts: Vec<String>,
    #[serde(default)]
    replaces: Vec<String>,
    #[serde(default)]
    config: Vec<String>,
}

/// What `pkgctl skeleton` writes where somebody is to know better.
const TO_BE_FILLED_IN: &str = "TODO";

/// The keys of `package.toml` that mean what they mean in the `[package]` table of a recipe.
const AS_IN_RECIPES: [&str; 7] =
    ["optional", "group", "user", "directory", "link", "service", "sysctl"];

fn one() -> u32 {
    1
}

impl Pack {
    pub fn run(self) -> Result<Sheet, ErrorReport> {
        let description = self.folder.join(DESCRIPTION);
        let root = self.folder.join(ROOT);
        let text = open::text(&description)?;
        let from = passphrase::From::option(self.passphrase_file.clone());
        let key = self.key.as_deref().map(|path| key::secret(path, &from)).transpose()?;
        shut_in(&Reach {
            read: &[&root],
            write: &[&self.output],
            any_owner: true,
            network: false,
        })?;
        let manifest = tree::manifest(&root)?;
        let metadata = metadata(&text, manifest.digest())
            .map_err(|what| bad_file(&description, &what, "see docs/PKGCTL.md"))?;
        let source = DirSource::new(&root);
        let keys: Vec<_> = key.into_iter().collect();
        let write = |out: &mut File| {
            let packed = minos_package::pack(
                &manifest,
                &mut |file| source.open(file),
                metadata,
                &keys,
                &Options::default(),
                out,
            );
            packed.map_err(|e| bad_file(&self.folder, &e, "change the folder, then pack again"))
        };
        // The machine it is for, and so its name, is known when it is written.
        let made = open::make(&self.output, write, |(package, ..)| package.file_name());
        let (path, (package, findings, written)) = made?;
        let notes = findings.notes.iter();
        let notes = notes.map(|(path, why)| vec![format!("/{path}").into(), why.clone().into()]);
        let sheet = Sheet::new("packed")
            .fact("file", path.display().to_string())
            .fact("id", written.id.to_string())
            .fact("size", Field::Bytes(written.length))
            .fact("content", Field::Bytes(written.raw))
            .fact("paths", package.files.len())
            .fact("signed_by", keys.first().map(|key| key.public().id().to_string()))
            .grid("notes_on_files", &["path", "note"], notes.collect());
        Ok(if keys.is_empty() {
            sheet.note("It is not signed: pkgd will not install it. 'pkgctl sign' signs it.")
        } else {
            sheet
        })
    }
}

/// What `package.toml` says; `output` is the digest of the files' manifest.
fn metadata(text: &str, output: Digest) -> Result<Metadata, String> {
    let mut table: toml::Table = toml::from_str(text).map_err(|e| e.to_string())?;
    let keys = AS_IN_RECIPES.iter().filter_map(|key| table.remove_entry(*key));
    let asked = Package::from_table(keys.collect())?;
    let draft: Draft = table.try_into().map_err(|e: toml::de::Error| e.to_string())?;
    if draft.schema != 1 {
        return Err(format!("schema {} is not known: this program knows 1", draft.schema));
    }
    let fields = [
        ("version", &draft.version),
        ("description", &draft.description),
        ("license", &draft.license),
    ];
    if let Some((key, _)) = fields.iter().find(|(_, text)| *text == TO_BE_FILLED_IN) {
        return Err(format!("{key}: it says {TO_BE_FILLED_IN} still: fill it in"));
    }
    let name: Name = value("name", &draft.name)?;
    let upstream = upstream(&draft.version)?;
    let version =
        Version::new(draft.epoch, upstream, draft.release).map_err(|e| format!("version: {e}"))?;
    let recipe = StepId::new(name.clone(), None);
    let origin = Origin { recipe, task_key: Digest::of(text.as_bytes()), output };
    let run =
        |requirement| Dependency { kind: DependencyKind::Runtime, requirement, condition: None };
    let depends: Vec<Requirement> = values("depends", &draft.depends)?;
    let arch = draft.arch.as_deref().map(|arch| value::<Arch>("arch", arch)).transpose()?;
    Ok(Metadata {
        arch,
        dependencies: depends.into_iter().map(run).chain(asked.dependencies).collect(),
        groups: asked.groups,
        actions: asked.actions,
        provides: values::<Capability>("provides", &draft.provides)?,
        ignore: values("ignore", &draft.ignore)?,
        conflicts: values("conflicts", &draft.conflicts)?,
        replaces: values("replaces", &draft.replaces)?,
        config: config(&draft.config)?,
        ..Metadata::new(name, version, &draft.description, &draft.license, origin)
    })
}

/// The key `version`, which has upstream's part alone: what stands before and behind it has keys of its own.
fn upstream(text: &str) -> Result<Upstream, String> {
    if let Ok(upstream) = text.parse() {
        return Ok(upstream);
    }
    Err(match text.parse::<Version>() {
        Ok(whole) => format!(
            "version: '{text}' has more in it than upstream's own: write epoch = {}, version = \"{}\", release = {}",
            whole.epoch(),
            whole.upstream(),
            whole.release()
        ),
        Err(_) => format!(
            "version: '{}' is none: 1 to 64 of a-z A-Z 0-9 . + ~ _, and a letter or a digit first",
            text.escape_debug()
        ),
    })
}

/// The key `config`: paths as recipes have them (`/etc/x`) or as they stand in the folder (`etc/x`).
fn config(texts: &[String]) -> Result<Vec<PackagePath>, String> {
    let path = |text: &String| value("config", text.strip_prefix('/').unwrap_or(text));
    texts.iter().map(path).collect()
}

fn value<T: FromStr<Err: Display>>(key: &str, text: &str) -> Result<T, String> {
    text.parse().map_err(|e: T::Err| format!("{key}: '{text}': {e}"))
}

fn values<T: FromStr<Err: Display>>(key: &str, texts: &[String]) -> Result<Vec<T>, String> {
    texts.iter().map(|text| value(key, text)).collect()
}

#[cfg(test)]
mod tests {
    use minos_model::Digest;

    use super::metadata;

    const DRAFT: &str = "schema = 1\nname = \"hello\"\nversion = \"1.0\"\ndescription = \"x\"\n\
                         license = \"MIT\"\n";

    fn wrong(more: &str) -> String {
        metadata(&format!("{DRAFT}{more}"), Digest::of(b"")).map(|_| ()).unwrap_err()
    }

    /// `version = "1:1.0"` was refused with a hint to write exactly that.
    #[test]
    fn a_version_with_more_in_it_than_upstreams_is_told_the_keys_for_that() {
        let said = |version: &str| {
            let text = DRAFT.replace("\"1.0\"", &format!("\"{version}\""));
            metadata(&text, Digest::of(b"")).map(|_| ()).unwrap_err()
        };
        assert!(said("1:1.0").contains("write epoch = 1, version = \"1.0\", release = 1"));
        assert!(said("1.0-2").contains("write epoch = 0, version = \"1.0\", release = 2"));
        assert!(said("1 0").contains("'1 0' is none: 1 to 64 of"), "{}", said("1 0"));
    }

    /// A recipe has `/etc/x`, and a package.toml took only `etc/x`.
    #[test]
    fn config_files_are_named_as_in_recipes_or_as_in_the_folder() {
        let config = |path: &str| {
            let text = format!("{DRAFT}config = [\"{path}\"]\n");
            metadata(&text, Digest::of(b"")).unwrap().config
        };
        assert_eq!(config("/etc/x"), config("etc/x"));
    }

    #[test]
    fn the_key_that_is_wrong_is_named() {
        assert!(wrong("depends = [\"zlib>=\"]\n").starts_with("depends: 'zlib>=': "));
        assert!(wrong("config = [\"//etc/x\"]\n").starts_with("config: '/etc/x': "));
        assert!(wrong("depens = []\n").contains("depens"));
        assert!(wrong("arch = \"x 86\"\n").starts_with("arch: "));
        assert!(metadata(DRAFT, Digest::of(b"")).is_ok());
        assert!(wrong("[[user]]\nname = \"x\"\ngrup = \"x\"\n").contains("grup"));
        assert!(wrong("[optional.docs]\nreason = \"x\"\n").contains("depends"));
        let newer = DRAFT.replace("schema = 1", "schema = 2");
        assert!(metadata(&newer, Digest::of(b"")).unwrap_err().contains("schema 2"));
    }

    /// A skeleton that nobody filled in became a package of version TODO.
    #[test]
    fn what_nobody_filled_in_is_named() {
        for (key, value) in [("version", "1.0"), ("description", "x"), ("license", "MIT")] {
            let draft =
                DRAFT.replace(&format!("{key} = \"{value}\""), &format!("{key} = \"TODO\""));
            let said = metadata(&draft, Digest::of(b"")).map(drop).unwrap_err();
            assert!(said.starts_with(&format!("{key}: it says TODO")), "{said}");
        }
    }

    #[test]
    fn groups_and_actions_are_written_as_in_recipes() {
        let more = "[optional.docs]\nreason = \"manuals\"\ndepends = [\"texinfo\"]\n[[group]]\nname = \"h\"\n\
                    [[user]]\nname = \"h\"\ngroup = \"h\"\n[[directory]]\npath = \"/var/h\"\nuser = \"h\"\n\
                    [[link]]\npath = \"/usr/bin/x\"\ntarget = \"h\"\n[[service]]\nname = \"h\"\n[sysctl]\n\
                    \"kernel.x\" = \"1\"\n";
        let read = metadata(&format!("{DRAFT}depends = [\"zlib\"]\n{more}"), Digest::of(b""));
        let read = read.unwrap();
        let targets: Vec<_> = read.dependencies.iter().map(|d| d.requirement.to_string()).collect();
        assert_eq!(targets, ["zlib", "texinfo"]);
        assert_eq!(read.groups.len(), 1);
        let actions = read.actions;
        assert_eq!(
            (actions.groups.len(), actions.users.len(), actions.directories.len()),
            (1, 1, 1)
        );
        assert_eq!((actions.links.len(), actions.services.len(), actions.sysctl.len()), (1, 1, 1));
    }
}
