//! Cases written as text, by theme: `tests/cases/*.txt`.
//!
//! A case starts with `== NAME`. The lines of [`support::Scene::line`] say what there is and what is asked; then
//! `->` lines say what must come out: steps in their order, `nothing`, `refused`, `not installed`; after that
//! `says TEXT` for words of the refusal, `out TEXT` for words of the way out (`out none` where there is none),
//! `unneeded NAMES`, `asks NAMES` for what is asked from then on, `why REASON` for the reasons of the steps.

mod support;

use std::fs;
use std::path::Path;

use minos_solve::{Answer, Limits, Reason, Request, SolveError, Universe, solve};
use support::Scene;

#[derive(Debug, Default)]
struct Case {
    name: String,
    scene: Scene,
    steps: Vec<String>,
    says: Vec<String>,
    out: Option<String>,
    unneeded: Option<String>,
    asks: Option<String>,
    why: Vec<String>,
}

fn cases(text: &str) -> Vec<Case> {
    let mut found: Vec<Case> = Vec::new();
    for line in
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        if let Some(name) = line.strip_prefix("== ") {
            found.push(Case { name: name.to_owned(), ..Case::default() });
            continue;
        }
        let case = found.last_mut().expect("a case starts with ==");
        let rest = |word: &str| line.strip_prefix(word).map(str::to_owned);
        if let Some(step) = rest("-> ") {
            case.steps.push(step);
        } else if let Some(text) = rest("says ") {
            case.says.push(text);
        } else if let Some(text) = rest("out ") {
            case.out = Some(text);
        } else if let Some(text) = rest("unneeded ") {
            case.unneeded = Some(text);
        } else if let Some(text) = rest("asks ") {
            case.asks = Some(text);
        } else if let Some(text) = rest("why ") {
            case.why.push(text);
        } else {
            assert!(case.scene.line(line), "'{line}' in '{}' says nothing", case.name);
        }
    }
    found
}

fn reason(universe: &Universe, reason: Reason) -> String {
    match reason {
        Reason::Asked => "asked".to_owned(),
        Reason::NeededBy(by) => format!("for {}", universe.name(by)),
        Reason::Unneeded => "unneeded".to_owned(),
    }
}

fn names(universe: &Universe, packages: &[minos_solve::PackageId]) -> String {
    packages.iter().map(|p| universe.name(*p)).collect::<Vec<_>>().join(" ")
}

/// What is wrong with an answer, beside what the case expects.
fn compare(case: &Case, universe: &Universe, answer: &Answer) -> Result<(), String> {
    let mut steps: Vec<String> = answer.describe(universe).lines().map(str::to_owned).collect();
    if steps.is_empty() {
        steps.push("nothing".to_owned());
    }
    let mut pairs = vec![("steps", case.steps.join("\n"), steps.join("\n"))];
    if let Some(wanted) = &case.unneeded {
        pairs.push(("unneeded", wanted.clone(), names(universe, &answer.unneeded)));
    }
    if let Some(wanted) = &case.asks {
        let asked: Vec<String> = answer.asked.iter().map(ToString::to_string).collect();
        pairs.push(("asks", wanted.clone(), asked.join(" ")));
    }
    if !case.why.is_empty() {
        let found: Vec<_> = answer.steps.iter().map(|s| reason(universe, s.reason)).collect();
        pairs.push(("why", case.why.join("\n"), found.join("\n")));
    }
    if !answer.minimal {
        pairs.push(("minimal", "yes".to_owned(), "no".to_owned()));
    }
    match pairs.into_iter().find(|(_, wanted, found)| wanted != found) {
        Some((what, wanted, found)) => Err(format!("{what}: wanted\n{wanted}\nfound\n{found}")),
        None => Ok(()),
    }
}

fn compare_error(case: &Case, error: &SolveError) -> Result<(), String> {
    let text = error.to_string();
    let kind = match error {
        SolveError::Refused(_) => "refused",
        SolveError::NotInstalled { .. } => "not installed",
        SolveError::GaveUp { .. } => "gave up",
        SolveError::Wrong(_) => "wrong",
    };
    if case.steps != [kind] {
        return Err(format!("{kind}: {text}"));
    }
    let missing = case.says.iter().find(|words| !text.contains(*words));
    if let Some(words) = missing {
        return Err(format!("does not say '{words}': {text}"));
    }
    let SolveError::Refused(refusal) = error else { return Ok(()) };
    if !refusal.proof.complete {
        return Err(format!("no proof: {text}"));
    }
    let out = refusal.way_out.as_ref().map_or("none".to_owned(), ToString::to_string);
    match &case.out {
        Some(wanted) if !out.contains(wanted) => Err(format!("way out '{out}'")),
        _ => Ok(()),
    }
}

fn run(case: &Case) -> Result<(), String> {
    let universe = case.scene.universe();
    let Scene { system, request, .. } = &case.scene;
    let result = solve(&universe, system, request, &Limits::default());
    match &result {
        Ok(answer) => compare(case, &universe, answer)?,
        Err(error) => compare_error(case, error)?,
    }
    order_changes_nothing(case, &universe, &result)
}

/// The same with packages, asks and asked in the opposite order, three times over.
fn order_changes_nothing(
    case: &Case,
    universe: &Universe,
    first: &Result<Answer, SolveError>,
) -> Result<(), String> {
    let mut scene = case.scene.clone();
    scene.packages.reverse();
    scene.installed.reverse();
    scene.system.asked.reverse();
    let mut asks = scene.request.asks.clone();
    asks.reverse();
    for _ in 0..3 {
        let other = scene.universe();
        let again = solve(&other, &scene.system, &Request::of(asks.clone()), &Limits::default());
        let text = |universe: &Universe, result: &Result<Answer, SolveError>| match result {
            Ok(answer) => answer.describe(universe),
            Err(error) => error.to_string(),
        };
        let (a, b) = (text(universe, first), text(&other, &again));
        if a != b {
            return Err(format!("another order, another answer:\n{a}\n{b}"));
        }
    }
    Ok(())
}

fn all() -> Vec<(String, Case)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut found = Vec::new();
    let mut files: Vec<_> =
        fs::read_dir(folder).expect("the cases").flatten().map(|e| e.path()).collect();
    files.sort();
    for file in files {
        let text = fs::read_to_string(&file).expect("a text");
        let theme = file.file_stem().expect("a name").to_string_lossy().into_owned();
        found.extend(cases(&text).into_iter().map(|case| (theme.clone(), case)));
    }
    found
}

#[test]
fn all_cases_come_out_as_they_say() {
    let cases = all();
    assert!(cases.len() >= 60, "only {} cases", cases.len());
    let mut wrong = Vec::new();
    for (theme, case) in &cases {
        assert!(!case.steps.is_empty(), "'{}' expects nothing", case.name);
        if let Err(why) = run(case) {
            wrong.push(format!("{theme}: {}: {why}\n", case.name));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}
