//! Texts of requests, and packages as entries.

mod support;

use minos_model::package::{Actions, Arch, Origin};
use minos_model::{Dependency, DependencyKind, Digest, PackageFields, PackageManifest};
use minos_solve::index::Entry;
use minos_solve::{Ask, Limits, Pin, Request, SolveError, System, Want, entry, solve, synth};
use support::Scene;

#[test]
fn wants_have_one_text() {
    for text in
        ["a", "a>=1.2,<2", "a[gui]", "a[docs,gui]=1.0-3", "soname:libz.so.1(x86_64)", "mail"]
    {
        assert_eq!(text.parse::<Want>().unwrap().to_string(), text);
    }
    assert_eq!("a[ gui , docs,gui] >= 2".parse::<Want>().unwrap().to_string(), "a[docs,gui]>=2");
    assert_eq!("cap:mail".parse::<Want>().unwrap(), "mail".parse().unwrap());
}

#[test]
fn what_is_no_want_says_so() {
    for text in ["", "A", "a[", "a[]", "a[b c]", "a>>1", "a b", "../a", "a\u{1b}[0m"] {
        let error = text.parse::<Want>().unwrap_err().to_string();
        assert!(error.contains("cannot be asked for"), "{text}: {error}");
        assert!(!error.contains('\u{1b}'), "control characters come through: {error:?}");
    }
}

#[test]
fn pins() {
    let pin: Pin = "zlib<2@testing".parse().unwrap();
    assert_eq!((pin.name.as_str(), pin.repository.as_deref()), ("zlib", Some("testing")));
    assert_eq!(pin.constraint.to_string(), "<2");
    assert_eq!("zlib<2".parse::<Pin>().unwrap().repository, None);
    assert!("zlib[gui]<2".parse::<Pin>().is_err());
}

fn manifest() -> PackageManifest {
    let dependency = |kind, requirement: &str, condition: Option<&str>| Dependency {
        kind,
        requirement: requirement.parse().unwrap(),
        condition: condition.map(|text| text.parse().unwrap()),
    };
    let gui: minos_model::Name = "gui".parse().unwrap();
    let mut dependencies = vec![
        dependency(DependencyKind::Runtime, "zlib>=1.2", None),
        dependency(DependencyKind::Runtime, "glue", Some("host>=2")),
        dependency(DependencyKind::Build, "gcc", None),
        dependency(DependencyKind::Group(gui.clone()), "gtk", None),
    ];
    dependencies.sort();
    let mut provides = vec!["cap:mail=2".parse().unwrap(), "role:mta".parse().unwrap()];
    provides.sort();
    let zero = Digest::of(b"");
    PackageManifest::new(PackageFields {
        name: "exim".parse().unwrap(),
        version: "4.98-2".parse().unwrap(),
        arch: "x86_64".parse::<Arch>().unwrap(),
        description: "a mail server".to_owned(),
        licence: "GPL-2.0-or-later".to_owned(),
        origin: Origin { recipe: "exim".parse().unwrap(), task_key: zero, output: zero },
        dependencies,
        groups: vec![minos_model::package::OptionalGroup {
            name: gui,
            reason: "a window".to_owned(),
        }],
        provides,
        conflicts: vec!["sendmail<9".parse().unwrap()],
        replaces: vec!["exim4".parse().unwrap()],
        config: Vec::new(),
        actions: Actions::default(),
        files: Vec::new(),
    })
    .unwrap()
}

#[test]
fn a_manifest_becomes_an_entry() {
    let entry = entry(&manifest(), 3, Digest::of(b"file"), 77);
    assert_eq!((entry.name.as_str(), entry.version.to_string().as_str()), ("exim", "4.98-2"));
    assert_eq!(
        (entry.repository, entry.size, entry.digest),
        (3, 77, *Digest::of(b"file").as_bytes())
    );
    let needs: Vec<_> = entry.needs.iter().map(|n| n.any[0].target.as_str()).collect();
    assert_eq!(needs, ["glue", "zlib"], "what is needed to build is not needed to run");
    assert_eq!(entry.needs[0].when, Some(support::term("host>=2")));
    assert_eq!(entry.groups[0].needs[0].any[0], support::term("gtk"));
    let provides: Vec<_> =
        entry.provides.iter().map(|p| (p.target.as_str(), p.exclusive)).collect();
    assert_eq!(provides, [("mail", false), ("role:mta", true)]);
    assert_eq!(entry.conflicts, [support::term("sendmail<9")]);
    assert_eq!(entry.replaces, [support::term("exim4")]);
}

/// `cap:` was taken off whatever stood behind it: `cap:role:init` became the role, without its being exclusive, and
/// `cap:Mail` a text that could be written down and not be read again.
#[test]
fn a_capability_of_one_kind_is_never_one_of_another() {
    for text in ["cap:role:init", "cap:soname:libz.so.1(x86_64)", "cap:Mail", "cap:a/b"] {
        let want: Want = text.parse().unwrap();
        assert_eq!(want.to_string(), text);
        assert_eq!(want.to_string().parse::<Want>().unwrap(), want);
        let mut fields = manifest().into_fields();
        fields.provides = vec![text.parse().unwrap()];
        let entry = entry(&PackageManifest::new(fields).unwrap(), 0, Digest::of(b""), 0);
        let provide = &entry.provides[0];
        assert_eq!((provide.target.as_str(), provide.exclusive), (text, false));
    }
}

/// Pairs of packages drawn by lot from a universe of three thousand: each is answered, or refused with a whole proof.
#[test]
fn any_pair_is_answered_or_refused_with_a_proof() {
    let mut scene = Scene { packages: synth::universe(0.05, 11), ..Scene::default() };
    scene.packages.truncate(3000);
    let names: Vec<String> = scene.packages.iter().map(|e| e.name.clone()).collect();
    let universe = scene.universe();
    let mut answered = 0;
    for number in 0..120_usize {
        let pick = |at: usize| Ask::Install(Want::any(&names[at * 7919 % names.len()]));
        let request = Request::of([pick(number * 2 + 1), pick(number * 2 + 2)]);
        match solve(&universe, &System::default(), &request, &Limits::default()) {
            Ok(_) => answered += 1,
            Err(SolveError::Refused(refusal)) => assert!(refusal.proof.complete, "{refusal}"),
            Err(error) => panic!("{error}"),
        }
    }
    assert!(answered > 60, "only {answered} answered");
}

/// What was built anew in the same version could never be had: the installed one met every wish.
#[test]
fn what_was_built_anew_is_exchanged_when_asked_for() {
    let mut scene = Scene::default();
    for line in ["pkg a 1", "pkg a 2", "pkg b 1: needs a", "want b 1"] {
        assert!(scene.line(line), "{line}");
    }
    scene.gone.push(Entry { digest: [9; 32], ..support::package("a 1") });
    scene.installed.push(("a".to_owned(), "1".to_owned()));
    let universe = scene.universe();
    let answer = |asks: &[Ask]| {
        let request = Request::of(asks.iter().cloned());
        solve(&universe, &scene.system, &request, &Limits::default())
    };
    assert!(answer(&[]).unwrap().steps.is_empty());
    let exchange = |name: &str| Ask::Exchange(name.to_owned());
    let done = answer(&[exchange("a")]).unwrap();
    let chosen: Vec<_> = done.packages.iter().map(|p| universe.label(*p)).collect();
    assert_eq!((done.steps.len(), chosen), (1, vec!["a 1".to_owned(), "b 1".to_owned()]));
    assert!(done.packages.iter().all(|p| universe.repository(*p).is_some()));
    // The one that is installed is offered: there is nothing to exchange.
    assert!(answer(&[exchange("b")]).unwrap().steps.is_empty());
    assert!(matches!(answer(&[exchange("c")]), Err(SolveError::NotInstalled { .. })));
}
