//! From a draft to a recipe: scripts put in, sources looked up, values checked.

use std::collections::BTreeMap;

use minos_model::{Name, Phase, StepId, Triplet, Version};
use minos_suite::Expected;
use toml::Spanned;

use crate::cross::{ForTarget, crosses};
use crate::draft::{
    Dep, Draft, DraftInstall, DraftNeeds, DraftSource, DraftTarget, PhaseKey, SuiteLevel,
};
use crate::error::line_of;
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

/// What a recipe's folder holds beside `recipe.toml`: script texts by file name.
pub(crate) type Scripts = BTreeMap<String, String>;

/// Gathers findings about one `recipe.toml` while its parts are converted.
pub(crate) struct Resolver<'a> {
    /// Path of `recipe.toml` below the recipes' folder.
    pub file: &'a str,
    /// Its text.
    pub text: &'a str,
    /// The texts beside it.
    pub scripts: &'a Scripts,
    /// The lock; `None` when it could not be read, and then nothing is said about what it lacks.
    pub lock: Option<&'a SourcesLock>,
    /// The findings.
    pub lints: Vec<Lint>,
    /// The groups it depends on, with their lines: who is in them is known when all recipes are read.
    pub groups: Vec<(Name, u32)>,
}

impl Resolver<'_> {
    /// The recipe, or `None` when something is wrong that leaves no recipe; the findings say what.
    pub fn recipe(&mut self, draft: Draft, folder: &str) -> Option<Recipe> {
        let before = self.errors();
        let id = draft.id();
        let version = self.version(&draft.version, draft.release);
        let sources: Vec<Source> =
            draft.sources.iter().filter_map(|source| self.source(source)).collect();
        self.one_main(&draft.sources);
        let build = self.deps(&id, &draft.deps.build);
        let scripts = self.phase_scripts(&draft);
        let check = self.check(&draft, folder);
        let targets = self.targets(&draft);
        let env = self.env(&draft.env);
        let needs = self.needs(&draft);
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
            license: draft.license,
            sources,
            build,
            scripts,
            env,
            needs,
            limits: Limits {
                silence_s: draft.limits.silence_s.unwrap_or(Limits::default().silence_s),
                wall_s: draft.limits.wall_s,
            },
            install,
            check,
            targets,
            package,
            groups: draft.group.names,
            folder: folder.to_owned(),
            text: self.text.to_owned(),
        })
    }

    fn errors(&self) -> usize {
        self.lints.iter().filter(|lint| lint.is_error()).count()
    }

    fn say<T>(&mut self, rule: Rule, at: Option<&Spanned<T>>, message: String, hint: &str) {
        let line = at.map(|spanned| line_of(self.text, spanned.span().start));
        self.lints.push(Lint::new(rule, self.file, line, message, hint));
    }

    fn version(&mut self, upstream: &Spanned<String>, release: u32) -> Option<Version> {
        let version = format!("{}-{release}", upstream.get_ref()).parse();
        if let Err(error) = &version {
            let hint = "the revision of the recipe goes to 'release', from 1";
            self.say(Rule::BadValue, Some(upstream), format!("{error}"), hint);
        }
        version.ok()
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

    fn check(&mut self, draft: &Draft, folder: &str) -> Check {
        let check = Check {
            fatal: draft.check.fatal,
            build: self.check_deps(&draft.id(), &draft.deps.check),
            critical: draft.check.level == SuiteLevel::Critical,
            expected: draft.check.expected.as_ref().and_then(|file| self.expected(file, folder)),
        };
        let runs = draft.phases.keys().any(|key| Phase::from(*key) == Phase::Check);
        if !runs && check != Check::default() {
            let message =
                "[check] speaks of a test suite, and there is no phase 'check'".to_owned();
            let hint = "add 'check' to [phases], or remove fatal, level, expected and [deps] check";
            self.say::<()>(Rule::BadValue, None, message, hint);
        }
        check
    }

    /// The list of expected failures, which is read here so that nobody finds out after a suite of hours.
    fn expected(&mut self, file: &Spanned<String>, folder: &str) -> Option<Script> {
        let name = file.get_ref();
        let Some(text) = self.scripts.get(name) else {
            let message =
                format!("the list of expected failures '{}' is missing", name.escape_debug());
            self.say(
                Rule::MissingScript,
                Some(file),
                message,
                "create the file beside recipe.toml",
            );
            return None;
        };
        if let Err(error) = Expected::parse(text) {
            let hint = "a line is 'NAME # why it fails'; NAME may end in *";
            let path = format!("{folder}/{name}");
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
        let near = nearest(name, self.scripts.keys().map(String::as_str));
        let hint = match near {
            Some(near) => format!("did you mean '{near}'?"),
            None => "create the file beside recipe.toml".to_owned(),
        };
        let message = format!("script '{}' of phase {phase} is missing", name.escape_debug());
        self.say(Rule::MissingScript, Some(file), message, &hint);
        None
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
        if draft.license.trim().is_empty() {
            let hint = "add 'license' with an SPDX expression such as \"GPL-3.0-or-later\"";
            self.say::<()>(Rule::MissingLicense, None, "no licence is given".to_owned(), hint);
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
