//! From a draft to a recipe: scripts put in, sources looked up, values checked.

use std::collections::BTreeMap;

use minos_model::{Name, Phase, StepId, Triplet, Version};
use minos_suite::Expected;
use toml::Spanned;

use crate::cross::{ForTarget, crosses};
use crate::draft::{
    Dep, Draft, DraftInstall, DraftLimits, DraftNeeds, DraftSource, DraftTarget, PhaseKey,
    SuiteLevel,
};
use crate::error::line_of;
use crate::found::{Odd, Odds};
use crate::licence;
use crate::lint::{Lint, Rule};
use crate::lock::SourcesLock;
use crate::package::Package;
use crate::recipe::{Check, Install, Limits, Needs, Recipe, Role, Script, Source};
use minos_model::suggest::nearest;

/// Environment the daemon fixes; a recipe may not change it.
pub(crate) const FIXED_ENV: [&str; 17] = [
    "CONFIG_SITE",
    "HOME",
    "LC_ALL",
    "LFS",
    "LFS_TGT",
    "MAKEFLAGS",
    "PATH",
    "PWD",
    "RECIPE_DIR",
    "SHELL",
    "SOURCE_DATE_EPOCH",
    "SRC_DIR",
    "TERM",
    "TEST_RESULTS",
    "TMPDIR",
    "TZ",
    "USER",
];

/// Environment that changes what bash and the loader do to every script and program of a phase.
const SHELL_ENV: [&str; 7] =
    ["BASHOPTS", "BASH_ENV", "ENV", "IFS", "LD_LIBRARY_PATH", "LD_PRELOAD", "SHELLOPTS"];

/// The longest value of a variable, in bytes. The kernel takes four times as much; all of them stand in the task key.
const MAX_VALUE: usize = 32 << 10;

/// What the sandbox mounts over the root: no package can have anything there.
const MOUNTS: [&str; 8] =
    ["/build", "/dev", "/proc", "/recipe", "/run", "/sources", "/sys", "/tmp"];

/// What a recipe's folder holds beside `recipe.toml`: script texts by file name.
pub(crate) type Scripts = BTreeMap<String, String>;

/// All files of a recipe's folder but `recipe.toml`, by path below it.
pub(crate) type Beside<'a> = BTreeMap<&'a str, &'a [u8]>;

/// Gathers findings about one `recipe.toml` while its parts are converted.
pub(crate) struct Resolver<'a> {
    /// Path of `recipe.toml` below the recipes' folder.
    pub file: &'a str,
    /// Its text.
    pub text: &'a str,
    /// Its folder below the recipes' folder.
    pub folder: &'a str,
    /// The texts beside it.
    pub scripts: &'a Scripts,
    /// All files beside it and in folders there.
    pub beside: &'a Beside<'a>,
    /// What is there and is no file that can be read.
    pub odd: &'a Odds,
    /// The lock; `None` when it could not be read, and then nothing is said about what it lacks.
    pub lock: Option<&'a SourcesLock>,
    /// The findings.
    pub lints: Vec<Lint>,
    /// The groups it depends on, with their lines: who is in them is known when all recipes are read.
    pub groups: Vec<(Name, u32)>,
}

impl Resolver<'_> {
    /// The recipe, or `None` when something is wrong that leaves no recipe; the findings say what.
    pub fn recipe(&mut self, draft: Draft) -> Option<Recipe> {
        let before = self.errors();
        let id = draft.id();
        let version = self.version(&draft);
        let sources: Vec<Source> =
            draft.sources.iter().filter_map(|source| self.source(source)).collect();
        self.one_main(&draft.sources);
        let build = self.deps(&id, &draft.deps.build);
        let scripts = self.phase_scripts(&draft);
        let check = self.check(&draft);
        let targets = self.targets(&draft);
        let files = self.files(&draft.files);
        let env = self.env(&draft.env);
        let needs = self.needs(&draft);
        let limits = self.limits(&draft.limits);
        let install = self.install(&draft);
        self.licence(&draft);
        self.root(&draft);
        let package = draft.package.package().unwrap_or_else(|message| {
            let hint = "the numbers are those that files have in the step's output";
            self.say::<()>(Rule::BadValue, None, message, hint);
            Package::default()
        });
        if self.errors() > before {
            return None;
        }
        Some(Recipe {
            id,
            version: version?,
            stage: *draft.stage.get_ref(),
            order: draft.order,
            description: draft.description,
            license: draft.license.map(Spanned::into_inner).unwrap_or_default(),
            sources,
            build,
            scripts,
            files,
            env,
            needs,
            limits,
            install,
            check,
            targets,
            package,
            groups: draft.group.names,
            folder: self.folder.to_owned(),
            text: self.text.to_owned(),
        })
    }

    fn errors(&self) -> usize {
        self.lints.iter().filter(|lint| lint.is_error()).count()
    }

    /// What stands under a name of the recipe's folder that is no file that can be read.
    pub(crate) fn odd_of(&self, name: &str) -> Option<Odd> {
        self.odd.get(&format!("{}/{name}", self.folder)).copied()
    }

    pub(crate) fn say<T>(
        &mut self,
        rule: Rule,
        at: Option<&Spanned<T>>,
        message: String,
        hint: &str,
    ) {
        let line = at.map(|spanned| line_of(self.text, spanned.span().start));
        self.lints.push(Lint::new(rule, self.file, line, message, hint));
    }

    fn version(&mut self, draft: &Draft) -> Option<Version> {
        let upstream = &draft.version;
        let release = draft.release.as_ref().map_or(1, |release| *release.get_ref());
        if release == 0 {
            let message = "release = 0: releases count from 1".to_owned();
            self.say(Rule::BadValue, draft.release.as_ref(), message, "write 1, or leave it out");
        }
        // What the author wrote is named, and not what is made of it and of the release.
        let version: Option<Version> = format!("{}-1", upstream.get_ref()).parse().ok();
        if version.is_none() {
            let written: String = upstream.get_ref().chars().take(80).collect();
            let message = format!(
                "'{}' is not a version: write [EPOCH:]UPSTREAM of a-z A-Z 0-9 . + ~ _",
                written.escape_debug()
            );
            let hint = "our own revision goes to 'release'; write '-' as ~ before a pre-release, else as _";
            self.say(Rule::BadValue, Some(upstream), message, hint);
        }
        version.and_then(|_| format!("{}-{release}", upstream.get_ref()).parse().ok())
    }

    fn source(&mut self, draft: &DraftSource) -> Option<Source> {
        let file = draft.file.get_ref();
        if let Some(into) = &draft.into {
            self.check_into(draft.role, into);
        }
        let lock = self.lock?;
        let Some(locked) = lock.get(file) else {
            let near = nearest(file, lock.iter().map(|source| source.file.as_str()));
            let hint = match near {
                Some(near) => format!("did you mean '{near}'? Else add it to sources.lock"),
                None => "add it to sources.lock with its sha256".to_owned(),
            };
            let message = format!("source '{file}' is not in sources.lock");
            self.say(Rule::SourceNotLocked, Some(&draft.file), message, &hint);
            return None;
        };
        Some(Source {
            file: file.clone(),
            sha256: locked.sha256,
            bytes: locked.bytes,
            role: draft.role,
            strip: draft.strip,
            into: draft.into.as_ref().map(|into| into.get_ref().clone()),
        })
    }

    /// `into` goes into a shell script without quotes and must stay below the main tree.
    fn check_into(&mut self, role: Role, into: &Spanned<String>) {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"+-._/".contains(&b);
        let text = into.get_ref();
        let inside = text.split('/').all(|part| !matches!(part, "" | "." | ".."));
        if !inside || !text.bytes().all(allowed) || text.starts_with('-') {
            let message =
                format!("into = '{}' is not a folder of the main source", text.escape_debug());
            self.say(
                Rule::BadValue,
                Some(into),
                message,
                "write a plain relative path such as 'gmp'",
            );
        }
        if role == Role::Main {
            let message = "'into' on the main source".to_owned();
            self.say(Rule::BadValue, Some(into), message, "add role = \"extra\", or remove 'into'");
        }
    }

    fn one_main(&mut self, sources: &[DraftSource]) {
        let mut main = sources.iter().filter(|source| source.role == Role::Main);
        if let (Some(_), Some(second)) = (main.next(), main.next()) {
            let message = format!("'{}' is a second main source", second.file.get_ref());
            self.say(Rule::BadValue, Some(&second.file), message, "add role = \"extra\" to it");
        }
    }

    fn deps(&mut self, id: &StepId, deps: &[Spanned<Dep>]) -> Vec<StepId> {
        let mut build = Vec::with_capacity(deps.len());
        for dep in deps {
            let step = match dep.get_ref() {
                Dep::Step(step) => step,
                Dep::Group(group) => {
                    let line = line_of(self.text, dep.span().start);
                    self.groups.push((group.clone(), line));
                    continue;
                }
            };
            if step == id {
                let message = format!("{id} depends on itself");
                let hint = "remove it, or name another pass";
                self.say(Rule::SelfDependency, Some(dep), message, hint);
            } else {
                self.take(dep, step, &mut build);
            }
        }
        build.sort();
        build
    }

    /// Adds a dependency that is no second one.
    fn take<T>(&mut self, dep: &Spanned<T>, step: &StepId, list: &mut Vec<StepId>) {
        if list.contains(step) {
            let message = format!("dependency '{step}' is listed twice");
            self.say(Rule::DuplicateDependency, Some(dep), message, "remove one of the two");
        } else {
            list.push(step.clone());
        }
    }

    fn check_deps(&mut self, id: &StepId, deps: &[Spanned<StepId>]) -> Vec<StepId> {
        let mut build: Vec<StepId> = Vec::with_capacity(deps.len());
        for dep in deps {
            let step = dep.get_ref();
            if step == id {
                let message = format!("the test suite of {id} depends on {id}");
                let hint = "remove it: what is tested stands in the build tree";
                self.say(Rule::SelfDependency, Some(dep), message, hint);
            } else {
                self.take(dep, step, &mut build);
            }
        }
        build.sort();
        build
    }

    fn phase_scripts(&mut self, draft: &Draft) -> BTreeMap<Phase, Script> {
        let mut scripts = self.named_scripts(&draft.phases);
        let assert = draft.check.assert.as_ref().and_then(|file| self.script(Phase::Assert, file));
        scripts.extend(assert.map(|script| (Phase::Assert, script)));
        if !draft.phases.keys().any(|key| Phase::from(*key) == Phase::Install) {
            let message = "no install phase: the step would have no output".to_owned();
            self.say::<()>(Rule::BadValue, None, message, "add 'install' to [phases]");
        }
        scripts
    }

    fn check(&mut self, draft: &Draft) -> Check {
        let check = Check {
            fatal: draft.check.fatal,
            build: self.check_deps(&draft.id(), &draft.deps.check),
            critical: draft.check.level == SuiteLevel::Critical,
            resume: draft.check.resume,
            expected: draft.check.expected.as_ref().and_then(|file| self.expected(file)),
        };
        let runs = draft.phases.keys().any(|key| Phase::from(*key) == Phase::Check);
        if !runs && check != Check::default() {
            let message =
                "[check] speaks of a test suite, and there is no phase 'check'".to_owned();
            let hint = "add 'check' to [phases], or remove fatal, level, resume, expected and [deps] check";
            self.say::<()>(Rule::BadValue, None, message, hint);
        }
        check
    }

    /// The list of expected failures, which is read here so that nobody finds out after a suite of hours.
    fn expected(&mut self, file: &Spanned<String>) -> Option<Script> {
        let name = file.get_ref();
        let Some(text) = self.scripts.get(name) else {
            let what = format!("the list of expected failures '{}'", name.escape_debug());
            self.no_text(file, &what);
            return None;
        };
        if let Err(error) = Expected::parse(text) {
            let hint = "a line is 'NAME # why it fails'; NAME may end in *";
            let path = format!("{}/{name}", self.folder);
            let message = error.what.to_owned();
            self.lints.push(Lint::new(Rule::BadValue, &path, Some(error.line), message, hint));
        }
        Some(Script { file: name.clone(), text: text.clone() })
    }

    fn named_scripts(
        &mut self,
        phases: &BTreeMap<PhaseKey, Spanned<String>>,
    ) -> BTreeMap<Phase, Script> {
        let named = phases.iter().map(|(key, file)| (Phase::from(*key), file));
        named.filter_map(|(phase, file)| Some((phase, self.script(phase, file)?))).collect()
    }

    /// The script of a phase, if the file that is named is there.
    fn script(&mut self, phase: Phase, file: &Spanned<String>) -> Option<Script> {
        let name = file.get_ref();
        if let Some(text) = self.scripts.get(name) {
            return Some(Script { file: name.clone(), text: text.clone() });
        }
        self.no_text(file, &format!("script '{}' of phase {phase}", name.escape_debug()));
        None
    }

    /// Why there is no text of that name: nothing, or something else.
    fn no_text(&mut self, file: &Spanned<String>, what: &str) {
        let name = file.get_ref();
        if let Some(odd) = self.odd_of(name) {
            let message = format!("{what} {odd}");
            let hint = "put a regular file beside recipe.toml";
            self.say(Rule::MissingScript, Some(file), message, hint);
        } else if name.contains('/') {
            let hint = "scripts stand beside recipe.toml; only 'files' may be in folders";
            let message = format!("{what} is a path");
            self.say(Rule::MissingScript, Some(file), message, hint);
        } else if self.beside.contains_key(name.as_str()) {
            let path = format!("{}/{name}", self.folder);
            let message = "the file is not UTF-8 text".to_owned();
            self.lints.push(Lint::new(Rule::TextForm, &path, None, message, "convert it to UTF-8"));
        } else {
            let near = nearest(name, self.scripts.keys().map(String::as_str));
            let hint = match near {
                Some(near) => format!("did you mean '{near}'?"),
                None => "create the file beside recipe.toml".to_owned(),
            };
            self.say(Rule::MissingScript, Some(file), format!("{what} is missing"), &hint);
        }
    }

    fn targets(&mut self, draft: &Draft) -> BTreeMap<Triplet, ForTarget> {
        let stage = draft.stage.get_ref();
        if let Some((target, _)) = draft.targets.first_key_value().filter(|_| !crosses(*stage)) {
            let message = format!("steps of stage {stage} are not built for {}", target.get_ref());
            let hint = "remove the table; the steps of stage cross have it alone";
            self.say(Rule::BadValue, Some(target), message, hint);
        }
        let tables = draft.targets.iter();
        tables.map(|(target, table)| (*target.get_ref(), self.for_target(table))).collect()
    }

    fn for_target(&mut self, table: &DraftTarget) -> ForTarget {
        if let Some((_, file)) = table.append.iter().find(|(key, _)| table.phases.contains_key(key))
        {
            let message = "a phase with a script of its own and one behind it".to_owned();
            let hint = "'phases' stands for the recipe's script, 'append' goes behind it: keep one";
            self.say(Rule::BadValue, Some(file), message, hint);
        }
        let mut instead = self.named_scripts(&table.phases);
        let assert = table.assert.as_ref().and_then(|file| self.script(Phase::Assert, file));
        instead.extend(assert.map(|script| (Phase::Assert, script)));
        let append = self.named_scripts(&table.append);
        ForTarget { instead, append, env: self.env(&table.env) }
    }

    fn env(&mut self, env: &BTreeMap<String, Spanned<String>>) -> BTreeMap<String, String> {
        for (key, value) in env {
            let identifier = key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
                && !key.is_empty()
                && !key.starts_with(|c: char| c.is_ascii_digit());
            if FIXED_ENV.contains(&key.as_str()) {
                let message = format!("{key} is fixed by the daemon");
                self.say(Rule::FixedEnv, Some(value), message, "remove it, or set it in a script");
            } else if SHELL_ENV.contains(&key.as_str()) {
                let message = format!("{key} would change how every script and program runs");
                let hint = "remove it, or set it in a script for the command that needs it";
                self.say(Rule::FixedEnv, Some(value), message, hint);
            } else if value.get_ref().len() > MAX_VALUE {
                let length = value.get_ref().len();
                let message = format!("{key} has {length} bytes, more than {MAX_VALUE}");
                self.say(Rule::BadValue, Some(value), message, "put it into one of 'files'");
            } else if !identifier || value.get_ref().contains('\0') {
                let message = format!("'{}' cannot be set in an environment", key.escape_debug());
                self.say(Rule::BadValue, Some(value), message, "use letters, digits and _ only");
            }
        }
        env.iter().map(|(key, value)| (key.clone(), value.get_ref().clone())).collect()
    }

    fn needs(&mut self, draft: &Draft) -> Needs {
        let DraftNeeds { sbu, disk_mb, ram_mb, jobs_max } = &draft.needs;
        let value = sbu.as_ref().map_or(0.0, |sbu| *sbu.get_ref());
        if !(0.0..=10_000.0).contains(&value) {
            let message = format!("sbu = {value} is not between 0 and 10000");
            self.say(Rule::BadValue, sbu.as_ref(), message, "binutils pass 1 is 1.0");
        }
        let sbu_centi = (value * 100.0).round() as u32; // saturates; out of range was said above
        Needs { sbu_centi, disk_mb: *disk_mb, ram_mb: *ram_mb, jobs_max: *jobs_max }
    }

    fn limits(&mut self, draft: &DraftLimits) -> Limits {
        let DraftLimits { silence_s, wall_s } = draft;
        for (name, limit) in [("silence_s", silence_s), ("wall_s", wall_s)] {
            if limit.as_ref().is_some_and(|limit| *limit.get_ref() == 0) {
                let message = format!("{name} = 0 would end every phase at once");
                let hint = "write seconds, or leave it out";
                self.say(Rule::BadValue, limit.as_ref(), message, hint);
            }
        }
        let seconds = |limit: &Option<Spanned<u32>>| limit.as_ref().map(|limit| *limit.get_ref());
        Limits {
            silence_s: seconds(silence_s).unwrap_or(Limits::default().silence_s),
            wall_s: seconds(wall_s),
        }
    }

    fn install(&mut self, draft: &Draft) -> Install {
        let DraftInstall { prefix, setuid, xattrs } = &draft.install;
        let allowed = draft.stage.get_ref().prefix();
        for path in prefix.iter().chain(setuid).chain(xattrs) {
            if !absolute(path.get_ref()) {
                let message =
                    format!("'{}' is not an absolute path", path.get_ref().escape_debug());
                self.say(Rule::BadValue, Some(path), message, "write it from /, without . and ..");
            }
        }
        if let Some(prefix) = prefix
            && !below(prefix.get_ref(), allowed)
        {
            let stage = draft.stage.get_ref();
            let message = format!("prefix '{}' is outside {allowed}", prefix.get_ref());
            let hint = format!("steps of stage {stage} install below {allowed}");
            self.say(Rule::PrefixOutsideStage, Some(prefix), message, &hint);
        }
        if let Some(prefix) = prefix
            && let Some(mount) = MOUNTS.iter().find(|mount| below(prefix.get_ref(), mount))
        {
            let message = format!(
                "prefix '{}': {mount} is a mount of the sandbox, and nothing below it is kept",
                prefix.get_ref()
            );
            self.say(Rule::BadValue, Some(prefix), message, "name a folder of the package");
        }
        let texts = |list: &[Spanned<String>]| list.iter().map(|s| s.get_ref().clone()).collect();
        Install {
            prefix: prefix.as_ref().map_or_else(|| allowed.to_owned(), |p| p.get_ref().clone()),
            setuid: texts(setuid),
            xattrs: texts(xattrs),
        }
    }

    /// Without a seed, somebody has to bring the shell.
    fn root(&mut self, draft: &Draft) {
        let stage = draft.stage.get_ref();
        if !stage.seeded() && draft.deps.build.is_empty() {
            let message =
                format!("a step of stage {stage} has no seed below it, and no dependencies");
            let hint = "name what its root is made of in [deps] build";
            self.say(Rule::BadValue, Some(&draft.stage), message, hint);
        }
    }

    fn licence(&mut self, draft: &Draft) {
        let Some(license) =
            draft.license.as_ref().filter(|license| !license.get_ref().trim().is_empty())
        else {
            let hint = "add 'license' with an SPDX expression such as \"GPL-3.0-or-later\"";
            self.say::<()>(Rule::MissingLicense, None, "no licence is given".to_owned(), hint);
            return;
        };
        if let Err(why) = licence::check(license.get_ref()) {
            let message = format!("license is no SPDX expression: {why}");
            let hint = "write identifiers joined by AND, OR and WITH: \"GPL-2.0-only OR MIT\"";
            return self.say(Rule::BadValue, Some(license), message, hint);
        }
        for name in licence::unknown(license.get_ref()) {
            let message = format!("'{name}' is no SPDX identifier, or one out of use");
            let hint = match licence::near(name) {
                Some(near) => format!("did you mean '{near}'?"),
                None => {
                    "look it up on spdx.org/licenses; one without is 'LicenseRef-NAME'".to_owned()
                }
            };
            self.say(Rule::UnknownLicense, Some(license), message, &hint);
        }
    }
}

fn absolute(path: &str) -> bool {
    path == "/"
        || path.strip_prefix('/').is_some_and(|rest| {
            rest.split('/').all(|part| !matches!(part, "" | "." | "..")) && !rest.contains('\0')
        })
}

fn below(path: &str, top: &str) -> bool {
    top == "/" || path == top || path.strip_prefix(top).is_some_and(|rest| rest.starts_with('/'))
}
