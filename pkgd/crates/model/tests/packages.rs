//! The rules of a package beside those of its files, which `minos-package` tests with hostile packages.

use minos_model::package::{
    Account, Actions, DirectoryAction, FileKind, GroupAction, LinkAction, OptionalGroup, Origin,
    PackageFile, ServiceAction, SysctlAction, UserAction,
};
use minos_model::{
    Dependency, DependencyKind, Digest, PackageFields, PackageManifest, PackagePath, Requirement,
};
use proptest::prelude::{any, prop, prop_assert_eq, proptest};

fn path(text: &str) -> PackagePath {
    PackagePath::new(text.into()).expect("a path")
}

fn fields() -> PackageFields {
    PackageFields {
        description: "Compresses".to_owned(),
        licence: "Zlib".to_owned(),
        ..PackageFields::bare(
            "zlib".parse().expect("a name"),
            "1.3.1".parse().expect("a version"),
            "x86_64".parse().expect("a machine"),
            Origin {
                recipe: "zlib".parse().expect("a step"),
                task_key: Digest::of(b"k"),
                output: Digest::of(b"o"),
            },
        )
    }
}

fn requirement(text: &str) -> Requirement {
    text.parse().expect("a requirement")
}

fn refusal(change: impl FnOnce(&mut PackageFields)) -> String {
    let mut fields = fields();
    change(&mut fields);
    PackageManifest::new(fields).expect_err("it must be refused").to_string()
}

#[test]
fn names_of_files_have_epoch_release_and_machine() {
    let name = |version: &str| {
        let fields = PackageFields { version: version.parse().expect("a version"), ..fields() };
        PackageManifest::new(fields).expect("a package").file_name()
    };
    assert_eq!(name("1.3.1"), "zlib-1.3.1-1.x86_64.mpk");
    assert_eq!(name("2:1.3~rc1-4"), "zlib-2:1.3~rc1-4.x86_64.mpk");
}

#[test]
fn texts_are_one_short_line() {
    for bad in
        ["", "two\nlines", "bell\x07", "\u{9b}31m", "a\u{2028}b", "a\u{202e}b", &"x".repeat(256)]
    {
        assert!(
            refusal(|f| bad.clone_into(&mut f.description)).contains("description: "),
            "{bad:?}"
        );
        let group = OptionalGroup { name: "tls".parse().expect("a name"), reason: bad.to_owned() };
        assert!(refusal(|f| f.groups = vec![group]).contains("groups: "), "{bad:?}");
    }
    for bad in ["", "MIT\n", "MIT;GPL", "MIT\u{e9}", &"x".repeat(256)] {
        assert!(refusal(|f| bad.clone_into(&mut f.licence)).contains("licence: "), "{bad:?}");
    }
}

#[test]
fn lists_are_sorted_without_repetition() {
    let dependency = |text: &str| Dependency {
        kind: DependencyKind::Runtime,
        requirement: requirement(text),
        condition: None,
    };
    for list in [["b", "a"], ["a", "a"]] {
        assert!(
            refusal(|f| f.dependencies = list.map(dependency).to_vec()).contains("dependencies: ")
        );
        assert!(refusal(|f| f.conflicts = list.map(requirement).to_vec()).contains("conflicts: "));
        assert!(refusal(|f| f.replaces = list.map(requirement).to_vec()).contains("replaces: "));
        assert!(refusal(|f| f.config = list.map(path).to_vec()).contains("config: "));
        let provides = list.map(|n| format!("cap:{n}").parse().expect("one")).to_vec();
        assert!(refusal(|f| f.provides = provides).contains("provides: "));
    }
    // One capability in two versions would be two answers to one question.
    let twice = ["cap:a=1", "cap:a=2"].map(|c| c.parse().expect("one")).to_vec();
    assert!(refusal(|f| f.provides = twice).contains("provides: "));
    let many = (0..=65_536).map(|i| requirement(&format!("p{i:06}"))).collect();
    assert!(refusal(|f| f.conflicts = many).contains("more than 65536"));
}

#[test]
fn optional_groups_are_declared() {
    let dependency = Dependency {
        kind: DependencyKind::Group("tls".parse().expect("a name")),
        requirement: requirement("openssl"),
        condition: None,
    };
    let error = refusal(|f| f.dependencies = vec![dependency.clone()]);
    assert!(error.contains("openssl: its optional group is not declared"), "{error}");
    let group = OptionalGroup { name: "tls".parse().expect("a name"), reason: "TLS".to_owned() };
    let good = PackageFields { dependencies: vec![dependency], groups: vec![group], ..fields() };
    assert!(PackageManifest::new(good).is_ok());
}

fn actions() -> Actions {
    let name = "mail".parse::<minos_model::package::AccountName>().expect("a name");
    Actions {
        groups: vec![GroupAction { name: name.clone(), id: Some(8) }],
        users: vec![UserAction {
            name: name.clone(),
            id: None,
            group: name.clone(),
            home: Some(path("var/mail")),
            description: "Mail".to_owned(),
        }],
        directories: vec![DirectoryAction {
            path: path("var/mail"),
            mode: 0o750,
            user: Account::Name(name),
            group: Account::ROOT,
        }],
        links: vec![LinkAction { path: path("usr/bin/sendmail"), target: b"msmtp".to_vec() }],
        sysctl: vec![SysctlAction { key: "vm.swappiness".to_owned(), value: "10 20".to_owned() }],
        services: vec![ServiceAction { name: "mail".parse().expect("a name"), enable: true }],
    }
}

#[test]
fn actions_keep_their_rules() {
    type Change = fn(&mut Actions);
    assert!(PackageManifest::new(PackageFields { actions: actions(), ..fields() }).is_ok());
    let bad: [(&str, Change); 15] = [
        ("its group", |a| a.groups.clear()),
        ("its owner", |a| {
            a.users.clear();
        }),
        ("actions.users", |a| a.users[0].description = "a:b".to_owned()),
        ("actions.users", |a| a.users[0].description = "a\u{2066}b".to_owned()),
        ("actions.users", |a| a.users[0].home = Some(path("var/x:/bin/sh"))),
        ("actions.users", |a| a.users.extend_from_within(..)),
        ("actions.groups", |a| a.groups.extend_from_within(..)),
        ("above 7777", |a| a.directories[0].mode = 0o10000),
        ("target", |a| a.links[0].target.clear()),
        ("target", |a| a.links[0].target.push(0)),
        ("actions.sysctl", |a| a.sysctl[0].key = "kernel..core_pattern".to_owned()),
        ("actions.sysctl", |a| a.sysctl[0].key = "kernel core".to_owned()),
        ("actions.sysctl", |a| a.sysctl[0].key = "/etc/passwd".to_owned()),
        ("actions.sysctl", |a| a.sysctl[0].value = "1\nkernel.core_pattern=|x".to_owned()),
        ("actions.services", |a| a.services.extend_from_within(..)),
    ];
    for (what, change) in bad {
        let error = refusal(|f| {
            f.actions = actions();
            change(&mut f.actions);
        });
        assert!(error.contains(what), "{what}: {error}");
    }
    for bad in ["", "Root", "a b", "$(reboot)", "-x", "0day", &"x".repeat(32)] {
        assert!(bad.parse::<minos_model::package::AccountName>().is_err(), "{bad}");
    }
}

#[test]
fn what_is_found_is_what_stands_there() {
    let entry = |at: &str, kind| PackageFile {
        path: path(at),
        kind,
        mode: 0o755,
        user: Account::ROOT,
        group: Account::ROOT,
        xattrs: vec![],
    };
    // `a-b` stands between `a` and what is in it: a parent need not be the entry before.
    let content = FileKind::Regular { size: 3, digest: Digest::of(b"abc") };
    let files = vec![
        entry("a", FileKind::Directory),
        entry("a-b", FileKind::Directory),
        entry("a-b/x", content.clone()),
        entry("a/x", content),
    ];
    let package = PackageManifest::new(PackageFields { files, ..fields() }).expect("a package");
    assert_eq!(package.installed_size(), 6);
    assert_eq!(package.file(b"a/x").and_then(PackageFile::content), Some((3, Digest::of(b"abc"))));
    assert!(package.file(b"a/y").is_none());
    assert_eq!(package.files[3].path.parent(), Some(&b"a"[..]));
    assert_eq!(package.files[3].path.file_name(), b"x");
}

#[test]
fn people_see_bytes_as_text() {
    let target = b"../a b\xff%".to_vec();
    let link = PackageFile {
        path: path("usr/x y"),
        kind: FileKind::Symlink { target },
        mode: 0,
        user: Account::ROOT,
        group: Account::Name("mail".parse().expect("a name")),
        xattrs: vec![],
    };
    let text = serde_json::to_string(&link).expect("encodes");
    let expected = r#"{"path":"usr/x%20y","kind":{"Symlink":{"target":"../a%20b%FF%25"}},"mode":0,"user":{"Id":0},"group":{"Name":"mail"},"xattrs":[]}"#;
    assert_eq!(text, expected);
    assert_eq!(serde_json::from_str::<PackageFile>(&text).expect("decodes"), link);
    assert!(serde_json::from_str::<PackageFile>(&text.replace("%25", "%2")).is_err());
    assert!(serde_json::from_str::<PackageFile>(&text.replace("usr/x", "../x")).is_err());
    // The whole package likewise, with all rules.
    let package = PackageManifest::new(fields()).expect("a package");
    let text = serde_json::to_string(&package).expect("encodes");
    assert_eq!(serde_json::from_str::<PackageManifest>(&text).expect("decodes"), package);
    assert!(serde_json::from_str::<PackageManifest>(&text.replace("Compresses", "")).is_err());
}

proptest! {
    #[test]
    fn paths_have_one_text(bytes in prop::collection::vec(any::<u8>(), 0..20)) {
        if let Ok(path) = PackagePath::new(bytes) {
            prop_assert_eq!(path.to_string().parse(), Ok(path));
        }
    }

    #[test]
    fn any_text_of_a_path_is_refused_or_the_same_again(text in "[a-c%2F./]{0,10}") {
        if let Ok(path) = text.parse::<PackagePath>() {
            prop_assert_eq!(path.to_string(), text);
        }
    }
}

#[test]
fn some_folders_are_not_for_packages() {
    let misplaced = |text: &str| path(text).misplaced().is_some();
    for text in ["dev/null", "proc/1", "run/a/b", "state/x", "sys/x", "etc/minos/checks/a"] {
        assert!(misplaced(text), "{text}");
    }
    let fine = ["dev", "proc", "run", "state", "sys", "etc/minos/checks", "etc/minos/services"];
    for text in fine.into_iter().chain(["devices/a", "usr/run/a", "etc/minos/services.d/a"]) {
        assert!(!misplaced(text), "{text}");
    }
}
