//! Packages made of outputs in the store, into the machine's own repository.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use minos_model::package::{Account, Origin, PackagePath};
use minos_model::{Digest, Manifest};
use minos_package::{DirSource, Metadata, Options, SecretKey};
use minos_plan::Outlook;
use minos_proto::{BuildOptions, ErrorKind, ErrorReport, Field, Sheet};
use minos_recipe::Recipe;

use super::packable;
use crate::engine::plan;
use crate::recipes::Recipes;
use crate::service::state_error;
use crate::system::errors::{invalid, not_found, on_file};
use crate::system::triggers::caches;
use crate::system::{Asked, files};
use crate::verify;

/// A step whose output is packed.
struct Job<'a> {
    recipe: &'a Recipe,
    key: Digest,
    output: Digest,
}

impl Asked<'_> {
    pub(in crate::system) fn pack(&self, targets: &[String]) -> Result<Sheet, ErrorReport> {
        let recipes = self.service.recipes.current()?;
        let mut jobs = Vec::new();
        for target in targets {
            self.jobs(&recipes, target, &mut jobs)?;
        }
        let _changing = self.packages.changing()?;
        self.audit(format!("pack {}", targets.join(" ")))?;
        let key = self.packages.keys.machine()?;
        let folder = self.packages.repositories.local();
        files::folder(folder)?;
        let mut rows = Vec::new();
        for (done, job) in (0u64..).zip(&jobs) {
            let step = job.recipe.id.to_string();
            self.progress("packing", Some(step.clone()), done, jobs.len() as u64);
            let (file, size, notes) = self.pack_one(job, &key, folder)?;
            rows.push(vec![step.into(), Field::Bytes(size), notes.into(), file.into()]);
        }
        self.packages.repositories.sync(&self.look(false)?)?;
        let sheet = Sheet::new("packed").fact("repository", folder.display().to_string());
        Ok(sheet.grid("packages", &["step", ">size", ">notes", "file"], rows))
    }

    /// The steps a target names (not what they need), with their outputs.
    fn jobs<'a>(
        &self,
        recipes: &'a Recipes,
        target: &str,
        jobs: &mut Vec<Job<'a>>,
    ) -> Result<(), ErrorReport> {
        let resolved = plan::resolve(self.service, recipes, target, &BuildOptions::default())?;
        let named = recipes.set.resolve(target).map_err(|e| invalid(e.to_string(), ""))?;
        for step in named {
            if let Some(machine) = step.target() {
                return Err(invalid(
                    format!(
                        "{step} is for {machine}, and packages are for the machine pkgd runs on"
                    ),
                    "its output is a cross toolchain to build with, not a part of this system",
                ));
            }
            let place = resolved.plan.position(&step).and_then(|at| resolved.outlook.get(at));
            let (Some(Outlook::Cached { key, output }), Some(recipe)) =
                (place, recipes.set.get(&step))
            else {
                let hint = format!("'pkgctl build {step}' builds it first");
                return Err(not_found(
                    format!("{step} is not built, or its inputs changed since"),
                    &hint,
                ));
            };
            jobs.push(Job { recipe, key: *key, output: *output });
        }
        Ok(())
    }

    /// Why a step could not be packed, if its output is not what it was; then no recipe is to blame.
    fn damaged(&self, job: &Job<'_>) -> Option<ErrorReport> {
        let step = &job.recipe.id;
        let why = verify::output(&self.packages.store, step, &job.output, self.tell).err()?;
        let output = job.output.short();
        let what = format!("{step} cannot be packed: its output {output} is damaged: {why}");
        let hint = format!(
            "'pkgctl verify --outputs --repair', then 'pkgctl build {step}', which builds it again"
        );
        Some(ErrorReport::new(ErrorKind::State, what, hint))
    }

    fn pack_one(
        &self,
        job: &Job<'_>,
        key: &SecretKey,
        folder: &Path,
    ) -> Result<(String, u64, usize), ErrorReport> {
        let store = &self.packages.store;
        let step = &job.recipe.id;
        let bad = |e: &dyn std::fmt::Display| {
            invalid(
                format!("{step} cannot be packed: {e}"),
                "change its recipe so that a package can have its files",
            )
        };
        let manifest = store
            .verify_output(&job.output)
            .map_err(|e| self.damaged(job).unwrap_or_else(|| state_error(&e)))?;
        let metadata = metadata(job).map_err(|e| bad(&e))?;
        let manifest = without_caches(&manifest, metadata.prefix.as_ref());
        let mut tree: PathBuf = store.layout().output_tree(&job.output);
        tree.extend(metadata.prefix.as_ref().map(ToString::to_string));
        packable::check(&manifest, &tree, &metadata)
            .map_err(|(why, hint)| invalid(format!("{step} cannot be packed: {why}"), hint))?;
        let source = DirSource::new(tree);
        let next = folder.join(".next");
        let mut out = File::create(&next).map_err(|e| on_file("create", &next, &e))?;
        let packed = minos_package::pack(
            &manifest,
            &mut |file| source.open(file),
            metadata,
            std::slice::from_ref(key),
            &Options::default(),
            &mut out,
        );
        // Only now, since the writer looks at every content: who packs a whole output reads it once.
        let (package, findings, written) =
            packed.map_err(|e| self.damaged(job).unwrap_or_else(|| bad(&e)))?;
        let name = package.file_name();
        let path = folder.join(&name);
        files::place(&next, &path)?;
        // The same version packed earlier for another machine is not another offer of it.
        let same = format!("{}-{}.", package.name, package.version.with_release());
        let earlier = files::names(folder)?.into_iter();
        for other in earlier.filter(|other| other.starts_with(&same) && *other != name) {
            let other = folder.join(other);
            fs::remove_file(&other).map_err(|e| on_file("delete", &other, &e))?;
        }
        Ok((name, written.length, findings.notes.len()))
    }
}

/// What `ldconfig` notes of the libraries it has seen, to be faster the next time; as much the system's as its cache.
const AUX_CACHE: &str = "var/cache/ldconfig/aux-cache";

/// The output without what belongs to the system and not to a package: many an install runs `ldconfig` on the root it
/// is in. Two such packages could not be installed side by side, and one alone would forbid the trigger its work.
fn without_caches(manifest: &Manifest, prefix: Option<&PackagePath>) -> Manifest {
    let prefix = prefix.map(|prefix| format!("{prefix}/")).unwrap_or_default();
    let made = caches().chain([AUX_CACHE.to_owned()]);
    let caches: Vec<_> = made.map(|path| format!("{prefix}{path}").into_bytes()).collect();
    let entries = manifest.entries().iter().filter(|entry| !caches.contains(&entry.path));
    Manifest::new(entries.cloned().collect())
}

fn metadata(job: &Job<'_>) -> Result<Metadata, String> {
    let recipe = job.recipe;
    let origin = Origin { recipe: recipe.id.clone(), task_key: job.key, output: job.output };
    let own = recipe.package.clone();
    let name = recipe.package_name().map_err(|e| e.to_string())?;
    let version = recipe.version.clone();
    let mut metadata = Metadata::new(name, version, &recipe.description, &recipe.license, origin);
    metadata.dependencies = own.dependencies;
    metadata.groups = own.groups;
    metadata.provides = own.provides;
    metadata.conflicts = own.conflicts;
    metadata.replaces = own.replaces;
    metadata.config = own.config;
    metadata.ignore = own.ignore;
    metadata.actions = own.actions;
    let owner = |(number, name)| (number, Account::Name(name));
    metadata.owners = own.owners.into_iter().map(owner).collect();
    // What is built into `/lfs` has the new system's root there.
    let root = recipe.stage.prefix().trim_matches('/');
    if !root.is_empty() {
        let path =
            |text: &str| PackagePath::new(text.as_bytes().to_vec()).map_err(|e| e.to_string());
        metadata.prefix = Some(path(root)?);
        // The cross tools run on the seed and need its libraries.
        metadata.foreign = vec![path("tools")?];
    }
    Ok(metadata)
}

#[cfg(test)]
mod tests {
    use minos_model::Manifest;
    use minos_model::manifest::{Entry, Kind};
    use minos_model::package::PackagePath;

    use super::without_caches;

    /// zlib's install ran ldconfig, and so did that of the C library: no system could have both.
    #[test]
    fn what_triggers_make_is_in_no_package() {
        let entry = |path: &str| Entry {
            path: path.into(),
            mode: 0o644,
            uid: 0,
            gid: 0,
            kind: Kind::Symlink { target: b"x".to_vec() },
            xattrs: Vec::new(),
        };
        let paths = |manifest: &Manifest| -> Vec<String> {
            let text = |entry: &Entry| String::from_utf8(entry.path.clone()).unwrap();
            manifest.entries().iter().map(text).collect()
        };
        let kept = ["etc/ld.so.conf", "usr/share/info/zlib.info", "lfs/etc/ld.so.cache"];
        let made = ["etc/ld.so.cache", "usr/share/info/dir", "var/cache/ldconfig/aux-cache"];
        let all = Manifest::new(kept.iter().chain(&made).map(|path| entry(path)).collect());
        let left = without_caches(&all, None);
        assert_eq!(
            paths(&left),
            ["etc/ld.so.conf", "lfs/etc/ld.so.cache", "usr/share/info/zlib.info"]
        );
        let below = PackagePath::new(b"lfs".to_vec()).unwrap();
        assert_eq!(without_caches(&all, Some(&below)).entries().len(), 5);
    }
}
