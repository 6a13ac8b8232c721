//! From what is wanted to a plan: the solver's answer, checked against the installed files.

use std::collections::{BTreeMap, BTreeSet};

use minos_model::{Digest, Name, PackageManifest};
use minos_proto::{ErrorReport, Field, Proposal, Role, Sheet, Wish};
use minos_solve::{
    Action, Answer, Ask, Limits, PackageId, Reason as Why, Request as Goal, SolveError, Want,
};
use minos_store::{ContentSource as _, Incoming, Installed, Plan, Reason, Request};

use super::accounts::Numbers;
use super::contents::Contents;
use super::plans;
use super::universe::View;
use crate::service::state_error;
use crate::system::Asked;
use crate::system::errors::{invalid, solve_error, system_error, unusable};
use crate::system::repositories::found::is_native;

impl Asked<'_> {
    pub(in crate::system) fn propose(&self, wish: &Wish) -> Result<Proposal, ErrorReport> {
        let goal = goal(wish)?;
        let mut view = self.view()?;
        view.mark(&wish.asked, true)?;
        view.mark(&wish.needed, false)?;
        if wish.ignore_holds {
            view.asks.holds.clear();
        }
        let answer = minos_solve::solve(&view.universe, &view.asks, &goal, &Limits::default());
        let answer = answer.map_err(|e| {
            let report = solve_error(&e);
            ErrorReport { hint: misspelt(&view, &goal).unwrap_or(report.hint), ..report }
        })?;
        let plan = self.plan(&view, &answer, wish)?;
        let mut sheet = plans::sheet(&plan, "proposal");
        let kept = view.kept_back(&answer, wish).into_iter().chain(view.let_go(&answer, wish));
        if plan.is_empty() {
            sheet = sheet.note("nothing to do: the system is as asked already");
            sheet = kept.fold(sheet, Sheet::note);
            return Ok(Proposal { plan: None, sheet });
        }
        let down = plan.install.iter().filter_map(|i| view.known.files.get(&i.manifest));
        let fetch = down.clone().map(|path| view.known.fetched.missing(path)).sum();
        let size = down.filter_map(|path| path.metadata().ok()).map(|meta| meta.len()).sum();
        sheet = sheet.fact("packages_size", Field::Bytes(size));
        if fetch > 0 {
            sheet = sheet.fact("fetch", Field::Bytes(fetch));
        }
        sheet = kept.fold(sheet, Sheet::note);
        for package in &answer.unneeded {
            let label = view.universe.label(*package);
            sheet =
                sheet.note(format!("{label} is needed by nothing; 'pkgctl autoremove' removes it"));
        }
        // A look that tells something holds nothing up.
        let foreign = self.system()?.foreign(plan.base).unwrap_or_default();
        sheet = plans::left_behind(&foreign, plan.base).into_iter().fold(sheet, Sheet::note);
        // Who may not carry it out shall not push other plans out of the folder either.
        if self.peer.role != Role::Admin {
            sheet = sheet.note("only root may carry this out: the plan is not kept");
            sheet.alarm = true;
            return Ok(Proposal { plan: None, sheet });
        }
        let digest = self.packages.plans.keep(&plan)?;
        Ok(Proposal { plan: Some(digest), sheet: sheet.fact("plan", digest.to_string()) })
    }

    /// The answer as a plan of the store.
    fn plan(&self, view: &View, answer: &Answer, wish: &Wish) -> Result<Plan, ErrorReport> {
        let (coming, going) = split(answer);
        let read = self.packages.store.read().map_err(|e| state_error(&e))?;
        let installed = read.packages_of(view.generation).map_err(|e| state_error(&e))?;
        let mut numbers =
            Numbers::new(&installed, &self.etc(view, "passwd"), &self.etc(view, "group"));
        let asked = names_asked(view, answer);
        let reason = |name: &str| match asked.contains(name) {
            true => Reason::Asked,
            false => Reason::Dependency,
        };
        let mut install = Vec::new();
        for manifest in self.manifests(view, &coming)? {
            let accounts = numbers.of(&manifest);
            let reason = reason(&manifest.name.to_string());
            install.push(Incoming { manifest, accounts, reason });
        }
        let comes: BTreeSet<&Name> = install.iter().map(|i| &i.manifest.name).collect();
        let remove = going.iter().filter_map(|p| view.universe.name(*p).parse::<Name>().ok());
        let remove: Vec<Name> = remove.filter(|name| !comes.contains(name)).collect();
        let stays =
            |i: &&Installed| !comes.contains(&i.package.name) && !remove.contains(&i.package.name);
        let other = |i: &Installed| {
            let new = reason(&i.package.name.to_string());
            (new != i.reason).then(|| (i.package.name.clone(), new))
        };
        let request = Request {
            reasons: installed.iter().filter(stays).filter_map(other).collect(),
            remove: remove.clone(),
            install,
            asked: words_asked(answer, &wish.unbound),
            note: note(wish),
            override_holds: wish.ignore_holds,
        };
        self.system()?.plan(&request).map_err(|e| system_error(&e))
    }

    /// The manifests of packages of the repositories, verified.
    fn manifests(
        &self,
        view: &View,
        packages: &[PackageId],
    ) -> Result<Vec<PackageManifest>, ErrorReport> {
        let trust = self.packages.keys.load()?;
        let tell = |_: u64, _: &str| {};
        let contents = Contents::new(&view.known, trust, &tell);
        let mut found = Vec::new();
        for (done, package) in (0u64..).zip(packages) {
            let label = view.universe.label(*package);
            self.progress("checking", Some(label.clone()), done, packages.len() as u64);
            let digest = Digest::from_bytes(view.universe.digest(*package));
            let file = view.known.files.get(&digest).map(std::path::PathBuf::as_path);
            let gone = |e: &dyn std::fmt::Display| unusable(&label, file, e);
            let bytes = contents.manifest(&digest).map_err(|e| gone(&e))?;
            let manifest = minos_package::reader::decode_manifest(&bytes, digest);
            let manifest = manifest.map_err(|e| gone(&e))?;
            // An index that an older pkgd made may still have it.
            if !is_native(manifest.arch.as_str()) {
                return Err(gone(&format!("it is for another machine ({})", manifest.arch)));
            }
            found.push(manifest);
        }
        Ok(found)
    }

    /// A file below `/etc` of the current root; empty where there is none.
    fn etc(&self, view: &View, name: &str) -> String {
        let path = self.packages.path(&format!("roots/{}/etc/{name}", view.generation));
        std::fs::read_to_string(path).unwrap_or_default()
    }
}

impl View {
    /// Has installed packages count as asked for, or no longer.
    fn mark(&mut self, names: &[String], asked: bool) -> Result<(), ErrorReport> {
        for name in names {
            let installed = self.universe.installed();
            if !installed.iter().any(|package| self.universe.name(*package) == name) {
                return Err(solve_error(&SolveError::NotInstalled { name: name.clone() }));
            }
            let meant = |want: &Want| want.term.target == *name;
            match asked {
                true if self.asks.asked.iter().any(meant) => {}
                true => self.asks.asked.push(Want::any(name)),
                false => self.asks.asked.retain(|want| !meant(want)),
            }
        }
        Ok(())
    }
}

/// What is wanted, in the solver's words.
fn goal(wish: &Wish) -> Result<Goal, ErrorReport> {
    let mut asks = Vec::new();
    for text in &wish.install {
        let want: Want =
            text.parse().map_err(|e: minos_solve::RequestError| invalid(e.to_string(), ""))?;
        asks.push(if wish.downgrade { Ask::Downgrade(want) } else { Ask::Install(want) });
    }
    asks.extend(wish.remove.iter().cloned().map(Ask::Remove));
    asks.extend(wish.update.iter().cloned().map(Ask::Update));
    asks.extend(wish.exchange.iter().cloned().map(Ask::Exchange));
    asks.extend(wish.upgrade.then_some(Ask::Upgrade));
    asks.extend(wish.autoremove.then_some(Ask::Autoremove));
    let marks = !(wish.asked.is_empty() && wish.needed.is_empty());
    if asks.is_empty() && !marks {
        return Err(invalid("nothing is asked for".to_owned(), "name a package"));
    }
    Ok(Goal::of(asks))
}

/// Names like one that is asked for and that no package has.
fn misspelt(view: &View, goal: &Goal) -> Option<String> {
    let names = goal.asks.iter().filter_map(|ask| match ask {
        Ask::Install(want) | Ask::Downgrade(want) => Some(want.term.target.as_str()),
        _ => None,
    });
    let mut unknown = names.filter(|name| view.universe.named(name).is_empty());
    let similar = view.universe.similar(unknown.next()?, 3);
    (!similar.is_empty()).then(|| format!("is it one of: {}?", similar.join(", ")))
}

/// Packages that come, and packages that go.
fn split(answer: &Answer) -> (Vec<PackageId>, Vec<PackageId>) {
    let (mut coming, mut going) = (Vec::new(), Vec::new());
    for step in &answer.steps {
        match &step.action {
            Action::Install(new) => coming.push(*new),
            Action::Upgrade { to, .. } | Action::Downgrade { to, .. } => coming.push(*to),
            Action::Replace { old, new } => {
                going.extend(old.iter().copied());
                coming.push(*new);
            }
            Action::Remove(old) => going.push(*old),
        }
    }
    (coming, going)
}

/// The packages of the answer that a user asked for, by name or by what they provide.
fn names_asked(view: &View, answer: &Answer) -> BTreeSet<String> {
    let universe = &view.universe;
    let by_step: BTreeMap<PackageId, Why> =
        answer.steps.iter().map(|step| (step.action.subject(), step.reason)).collect();
    let targets: BTreeSet<&str> =
        answer.asked.iter().map(|want| want.term.target.as_str()).collect();
    let asked = |package: &&PackageId| match by_step.get(package) {
        Some(reason) => *reason == Why::Asked,
        None => {
            targets.contains(universe.name(**package))
                || universe.provides(**package).any(|p| targets.contains(p.target))
        }
    };
    answer.packages.iter().filter(asked).map(|p| universe.name(*p).to_owned()).collect()
}

fn words_asked(answer: &Answer, unbound: &[String]) -> Vec<String> {
    let word = |want: &Want| match unbound.contains(&want.term.target) {
        true => Want { groups: want.groups.clone(), ..Want::any(&want.term.target) }.to_string(),
        false => want.to_string(),
    };
    let words: BTreeSet<String> = answer.asked.iter().map(word).collect();
    words.into_iter().collect()
}

/// The wish in words, for the history.
fn note(wish: &Wish) -> String {
    let mut words = Vec::new();
    let lists = [
        ("install", &wish.install),
        ("remove", &wish.remove),
        ("update", &wish.update),
        ("reinstall", &wish.exchange),
        ("mark as asked for:", &wish.asked),
        ("mark as needed:", &wish.needed),
    ];
    for (verb, names) in lists {
        if !names.is_empty() {
            words.push(format!("{verb} {}", names.join(" ")));
        }
    }
    words.extend(wish.upgrade.then(|| "upgrade".to_owned()));
    words.extend(wish.autoremove.then(|| "autoremove".to_owned()));
    words.join(", ").chars().take(200).collect()
}
