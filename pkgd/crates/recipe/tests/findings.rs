//! Every rule of the linter, each by a recipe that breaks it and nothing else.

use std::collections::BTreeMap;

use minos_recipe::{Lint, RecipeSet, Rule};
use proptest::prelude::{any, prop, proptest};

type Files = BTreeMap<String, Vec<u8>>;

const LOCK: &str = "schema = 1\n\n[[source]]\nname = \"a\"\nfile = \"a-1.tar.xz\"\n\
    sha256 = \"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"\n\
    bytes = 3\nurl = \"https://example.org/a-1.tar.xz\"\n";

const RECIPE: &str = r#"schema = 1
name = "a"
version = "1"
stage = "demo"
order = 1
description = "A package"
license = "MIT"

[[source]]
file = "a-1.tar.xz"

[deps]
build = ["b"]

[phases]
install = "install.sh"

[check]
assert = "assert.sh"

[install]
prefix = "/usr"
"#;

/// Two recipes without a finding: a, which depends on b.
fn good() -> Files {
    let b = RECIPE.replace("\"a\"", "\"b\"").replace("build = [\"b\"]\n", "");
    let b = b.replace("[[source]]\nfile = \"a-1.tar.xz\"\n", "");
    [
        ("sources.lock", LOCK),
        ("demo/a/recipe.toml", RECIPE),
        ("demo/a/install.sh", "make install\n"),
        ("demo/a/assert.sh", "test -x /usr/bin/a\n"),
        ("demo/b/recipe.toml", &b),
        ("demo/b/install.sh", "make install\n"),
        ("demo/b/assert.sh", "test -x /usr/bin/b\n"),
    ]
    .map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()))
    .into()
}

fn lints(files: &Files) -> Vec<Lint> {
    RecipeSet::from_files(files).1
}

/// The findings after `old` was replaced by `new` in `file`.
fn after(file: &str, old: &str, new: &str) -> Vec<String> {
    let mut files = good();
    let text = String::from_utf8(files[file].clone()).unwrap();
    assert!(text.contains(old), "{old}");
    files.insert(file.to_owned(), text.replacen(old, new, 1).into_bytes());
    lints(&files).iter().map(ToString::to_string).collect()
}

const TOML: &str = "demo/a/recipe.toml";

#[test]
fn good_recipes_have_no_findings() {
    assert_eq!(lints(&good()), []);
    assert_eq!(RecipeSet::from_files(&good()).0.len(), 2);
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table of cases")]
fn each_defect_has_its_finding_with_line_and_hint() {
    for (file, old, new, want) in [
        (
            TOML,
            "license",
            "licence",
            "demo/a/recipe.toml:7: error: unknown key 'licence' [parse]; did you mean 'license'?",
        ),
        (
            TOML,
            "prefix",
            "prefiks",
            "demo/a/recipe.toml:22: error: unknown key 'prefiks' [parse]; did you mean 'prefix'?",
        ),
        (
            TOML,
            "prefix = \"/usr\"",
            "devices = [\"/dev/null\"]",
            "demo/a/recipe.toml:22: error: unknown key 'devices' [parse]; remove it: no step can make a \
             device node, and the kernel fills /dev when the system runs",
        ),
        (
            TOML,
            "install = ",
            "instal = ",
            "demo/a/recipe.toml:16: error: unknown value 'instal' [parse]; did you mean 'install'?",
        ),
        (
            TOML,
            "\"demo\"",
            "\"dmeo\"",
            "demo/a/recipe.toml:4: error: unknown value 'dmeo' [parse]; did you mean 'demo'?",
        ),
        (TOML, "\"1\"", "\"1 beta\"", "demo/a/recipe.toml:3: error: '1 beta' is not a version"),
        (
            TOML,
            "\"MIT\"",
            "\" \"",
            "demo/a/recipe.toml: error: no licence is given [missing-license]",
        ),
        (TOML, "A package", "TODO", "demo/a/recipe.toml:6: error: placeholder 'TODO' is left in"),
        (
            TOML,
            "\"a-1.tar.xz\"",
            "\"a-2.tar.xz\"",
            "demo/a/recipe.toml:10: error: source 'a-2.tar.xz' is not in sources.lock \
             [source-not-locked]; did you mean 'a-1.tar.xz'?",
        ),
        (
            TOML,
            "[\"b\"]",
            "[\"bb\"]",
            "demo/a/recipe.toml:13: error: a depends on 'bb', and no recipe provides it \
             [unknown-dependency]; did you mean 'b'?",
        ),
        (
            TOML,
            "[\"b\"]",
            "[\"a\"]",
            "demo/a/recipe.toml:13: error: a depends on itself [self-dependency]",
        ),
        (
            TOML,
            "[\"b\"]",
            "[\"b\", \"b\"]",
            "demo/a/recipe.toml:13: warning: dependency 'b' is listed twice [duplicate-dependency]",
        ),
        (
            TOML,
            "install.sh",
            "instal.sh",
            "demo/a/recipe.toml:16: error: script 'instal.sh' of phase install is missing \
             [missing-script]; did you mean 'install.sh'?",
        ),
        (
            TOML,
            "install = \"install.sh\"",
            "",
            "demo/a/recipe.toml: error: no install phase: the step would have no output",
        ),
        (
            TOML,
            "\"/usr\"",
            "\"usr\"",
            "demo/a/recipe.toml:22: error: 'usr' is not an absolute path",
        ),
        (
            TOML,
            "\"/usr\"",
            "\"/usr/../etc\"",
            "demo/a/recipe.toml:22: error: '/usr/../etc' is not an absolute path",
        ),
        (
            TOML,
            "\"demo\"",
            "\"cross\"",
            "demo/a/recipe.toml:22: error: prefix '/usr' is outside /lfs [prefix-outside-stage]; \
             steps of stage cross install below /lfs",
        ),
        (
            TOML,
            "[check]",
            "[env]\nPATH = \"/bin\"\n[check]",
            "demo/a/recipe.toml:19: error: PATH is fixed by the daemon [fixed-env]",
        ),
        (
            TOML,
            "[check]",
            "[env]\n\"A B\" = \"\"\n[check]",
            "demo/a/recipe.toml:19: error: 'A B' cannot be set in an environment [bad-value]",
        ),
        (
            TOML,
            "[check]",
            "[needs]\nsbu = -1.0\n[check]",
            "demo/a/recipe.toml:19: error: sbu = -1 is not between 0 and 10000 [bad-value]",
        ),
        (
            TOML,
            "[check]",
            "[needs]\nsbu = nan\n[check]",
            "demo/a/recipe.toml:19: error: sbu = NaN is not between 0 and 10000 [bad-value]",
        ),
        (
            TOML,
            "[deps]",
            "into = \"x\"\n[deps]",
            "demo/a/recipe.toml:12: error: 'into' on the main source [bad-value]",
        ),
        (
            TOML,
            "[deps]",
            "role = \"extra\"\ninto = \"../x\"\n[deps]",
            "demo/a/recipe.toml:13: error: into = '../x' is not a folder of the main source",
        ),
        (
            TOML,
            "[deps]",
            "role = \"extra\"\ninto = \"x; id\"\n[deps]",
            "demo/a/recipe.toml:13: error: into = 'x; id' is not a folder of the main source",
        ),
        (
            TOML,
            "[deps]",
            "[[source]]\nfile = \"a-1.tar.xz\"\n[deps]",
            "demo/a/recipe.toml:13: error: 'a-1.tar.xz' is a second main source [bad-value]",
        ),
        (
            "demo/a/install.sh",
            "make",
            "sudo make",
            "demo/a/install.sh:1: error: 'sudo' is refused in the sandbox [privileged]",
        ),
        (
            "demo/a/assert.sh",
            "\n",
            "",
            "demo/a/assert.sh:1: error: the last line has no newline [text-form]",
        ),
        ("sources.lock", "ba78", "BA78", "sources.lock:6: error: not a SHA-256 digest"),
        (
            "sources.lock",
            "bytes",
            "byte",
            "sources.lock:7: error: unknown key 'byte' [parse]; did you mean 'bytes'?",
        ),
        (
            "sources.lock",
            "schema = 1",
            "schema = 2",
            "sources.lock:1: error: schema is 2, this program reads 1 [parse]",
        ),
    ] {
        let found = after(file, old, new);
        assert!(found.iter().any(|text| text.starts_with(want)), "{want}\n{}", found.join("\n"));
    }
}

/// The recipes that have an error of their own are left out, the others stay.
#[test]
fn a_broken_recipe_takes_no_other_with_it() {
    let mut files = good();
    files.insert("demo/b/recipe.toml".to_owned(), b"schema = 1\nname = ".to_vec());
    let (set, lints) = RecipeSet::from_files(&files);
    assert_eq!(set.iter().map(|r| r.id.to_string()).collect::<Vec<_>>(), ["a"]);
    assert!(lints.iter().any(|l| l.rule == Rule::Parse && l.line == Some(2)), "{lints:?}");
}

#[test]
fn a_broken_lock_is_said_once() {
    let mut files = good();
    files.insert("sources.lock".to_owned(), b"schema = 1\n[[source]\n".to_vec());
    let rules: Vec<Rule> = lints(&files).iter().map(|l| l.rule).collect();
    assert_eq!(rules.iter().filter(|r| **r == Rule::Parse).count(), 1);
    assert!(!rules.contains(&Rule::SourceNotLocked), "{rules:?}");
    files.remove("sources.lock");
    assert!(lints(&files)[0].to_string().contains("sources.lock is missing"));
}

#[test]
fn circles_duplicates_and_leftovers() {
    let mut files = good();
    let b = String::from_utf8(files["demo/b/recipe.toml"].clone()).unwrap();
    files.insert(
        "demo/b/recipe.toml".to_owned(),
        b.replace("[deps]", "[deps]\nbuild=[\"a\"]").into(),
    );
    let text = lints(&files)[0].to_string();
    assert!(
        text.contains("a/recipe.toml:13: error: steps depend on each other: a -> b -> a"),
        "{text}"
    );

    let mut files = good();
    for file in ["recipe.toml", "install.sh", "assert.sh"] {
        let bytes = files[&format!("demo/b/{file}")].clone();
        files.insert(format!("demo/c/{file}"), bytes);
    }
    files.insert("demo/a/fix.patch".to_owned(), b"x\n".to_vec());
    files.insert("demo/empty/notes".to_owned(), b"x\n".to_vec());
    let lock = format!("{LOCK}{}", LOCK.replace("schema = 1\n", "").replace("a-1", "b-1"));
    files.insert("sources.lock".to_owned(), lock.into());
    let rules: Vec<(Rule, String)> = lints(&files).into_iter().map(|l| (l.rule, l.file)).collect();
    let want = [
        (Rule::UnusedFile, "demo/a/fix.patch"),
        (Rule::DuplicateStep, "demo/c/recipe.toml"),
        (Rule::Folder, "demo/c/recipe.toml"),
        (Rule::Folder, "demo/empty"),
        (Rule::UnusedSource, "sources.lock"),
    ];
    let mut want = want.map(|(rule, file)| (rule, file.to_owned()));
    want.sort_by(|a, b| (&a.1, a.0).cmp(&(&b.1, b.0)));
    assert_eq!(rules, want);
}

/// `b` in the group `tools`, and `a` of the system that depends on it.
fn grouped() -> Files {
    let mut files = good();
    let text = |file: &str| String::from_utf8(files[file].clone()).unwrap();
    let b = format!("{}\n[group]\nnames = [\"tools\"]\n", text("demo/b/recipe.toml"));
    let a = text(TOML).replace("[\"b\"]", "[\"@tools\"]");
    files.insert("demo/b/recipe.toml".to_owned(), b.into());
    files.insert(TOML.to_owned(), a.into());
    files
}

#[test]
fn a_group_stands_for_its_members() {
    let (set, lints) = RecipeSet::from_files(&grouped());
    assert_eq!(lints, []);
    let [a, b] = ["a", "b"].map(|name| name.parse().unwrap());
    assert_eq!(set.get(&a).unwrap().build, [b]);
}

#[test]
fn groups_that_cannot_be_depended_on() {
    for (old, new, want) in [
        (
            "@tools",
            "@tool",
            "a depends on '@tool', and no step is in demo/tool [unknown-dependency]",
        ),
        ("@tools", "@", "is not a valid name"),
        (
            "\"@tools\"",
            "\"b\", \"@tools\"",
            "dependency 'b' is in '@tools' too [duplicate-dependency]",
        ),
        (
            "[deps]",
            "[group]\nnames = [\"tools\"]\n\n[deps]",
            "a is in the group '@tools' that it depends on [self-dependency]",
        ),
        // Groups have the space of the stage: demo/tools is not lfs/tools.
        ("\"demo\"", "\"system\"", "no step is in lfs/tools"),
    ] {
        let mut files = grouped();
        let text = String::from_utf8(files[TOML].clone()).unwrap();
        files.insert(TOML.to_owned(), text.replacen(old, new, 1).into());
        let found: Vec<String> = lints(&files).iter().map(ToString::to_string).collect();
        assert!(found.iter().any(|lint| lint.contains(want)), "{want}: {found:?}");
    }
}

#[test]
fn a_root_without_a_seed_needs_something_in_it() {
    let mut files = good();
    let text = String::from_utf8(files[TOML].clone()).unwrap();
    let text = text.replace("build = [\"b\"]\n", "").replace("\"demo\"", "\"chroot\"");
    files.insert(TOML.to_owned(), text.into());
    let found: Vec<String> = lints(&files).iter().map(ToString::to_string).collect();
    let want = "recipe.toml:4: error: a step of stage chroot has no seed below it";
    assert!(found.iter().any(|lint| lint.contains(want)), "{found:?}");
}

#[test]
fn text_that_is_no_text_is_a_finding() {
    for file in ["sources.lock", TOML, "demo/a/install.sh"] {
        let mut files = good();
        files.insert(file.to_owned(), vec![0xff, 0xfe]);
        let found = lints(&files);
        assert!(found.iter().any(|l| l.rule == Rule::TextForm && l.file == file), "{found:?}");
    }
}

#[test]
fn targets_are_resolved_by_group_step_and_place() {
    let mut files = good();
    let a = String::from_utf8(files[TOML].clone()).unwrap();
    let a = a.replace("name = \"a\"", "name = \"a\"\npass = \"pass1\"");
    files.insert(TOML.to_owned(), format!("{a}\n[group]\nnames = [\"small\"]\n").into());
    let set = RecipeSet::from_files(&files).0;
    let resolve = |target: &str| set.resolve(target).map(|ids| ids[0].to_string());
    for target in ["a:pass1", "demo/a:pass1", "demo/small"] {
        assert_eq!(resolve(target).as_deref(), Ok("a:pass1"), "{target}");
    }
    for (target, near) in [("a", "a:pass1"), ("demo/smal", "demo/small"), ("lfs/b", "demo/b")] {
        let error = resolve(target).unwrap_err();
        assert!(error.to_string().contains(&format!("did you mean '{near}'?")), "{error}");
    }
    for target in ["", "/", "demo/", "../b", "nothing/like/it"] {
        assert!(resolve(target).is_err(), "{target}");
    }
}

#[test]
fn unpack_is_made_from_the_sources() {
    let mut files = good();
    let a = String::from_utf8(files[TOML].clone()).unwrap();
    let extra = "\n[[source]]\nfile = \"a-1.tar.xz\"\nrole = \"extra\"\ninto = \"lib/x\"\nstrip = 2\n\n[deps]";
    files.insert(TOML.to_owned(), a.replace("\n[deps]", extra).into());
    let (set, lints) = RecipeSet::from_files(&files);
    assert_eq!(lints, []);
    let (_, text) = &set.get(&"a".parse().unwrap()).unwrap().phases()[0];
    let want = "mkdir -p .\n\
        tar -xf \"$SRC_DIR/a-1.tar.xz\" -C . --strip-components=1 --no-same-owner\n\
        mkdir -p lib/x\n\
        tar -xf \"$SRC_DIR/a-1.tar.xz\" -C lib/x --strip-components=2 --no-same-owner\n";
    assert_eq!(text, want);
}

#[test]
fn layout_and_comments_do_not_reach_the_canonical_bytes() {
    let canonical = |text: &str| {
        let mut files = good();
        files.insert(TOML.to_owned(), text.as_bytes().to_vec());
        RecipeSet::from_files(&files).0.get(&"a".parse().unwrap()).unwrap().canonical()
    };
    let same = format!("# a comment\n\n{}", RECIPE.replace(" = ", "  =  "));
    assert_eq!(canonical(&same), canonical(RECIPE));
    assert_ne!(canonical(&RECIPE.replace("version = \"1\"", "version = \"2\"")), canonical(RECIPE));
}

proptest! {
    #[test]
    fn no_bytes_break_the_loader(
        recipe in prop::collection::vec(any::<u8>(), 0..200),
        lock in any::<String>(),
        script in any::<String>(),
    ) {
        let mut files = good();
        files.insert(TOML.to_owned(), recipe);
        files.insert("sources.lock".to_owned(), lock.into());
        files.insert("demo/b/install.sh".to_owned(), script.into());
        let found = lints(&files);
        assert!(found.is_sorted());
        assert_eq!(found, lints(&files));
    }

    #[test]
    fn no_cut_of_a_good_recipe_breaks_the_loader(at in 0..RECIPE.len()) {
        let mut files = good();
        files.insert(TOML.to_owned(), RECIPE.as_bytes()[..at].to_vec());
        lints(&files);
    }
}

/// The recipe with a test suite of which `[check]` says `more`, and a list of expected failures.
fn suite(more: &str, list: &str) -> Vec<String> {
    let mut files = good();
    let text = RECIPE.replace("[phases]\n", "[phases]\ncheck = \"check.sh\"\n");
    let text = text.replace("[check]\n", &format!("[check]\n{more}\n"));
    files.insert(TOML.to_owned(), text.into_bytes());
    files.insert("demo/a/check.sh".to_owned(), b"make check\n".to_vec());
    files.insert("demo/a/list.txt".to_owned(), list.as_bytes().to_vec());
    lints(&files).iter().map(ToString::to_string).collect()
}

#[test]
fn what_is_said_of_a_test_suite() {
    let expected = "level = \"critical\"\nexpected = \"list.txt\"";
    assert_eq!(suite(expected, "a # why\n"), [""; 0]);
    // Behind it may stand that nothing uses the sources of a recipe that is none.
    let one = |found: Vec<String>, place: &str, what: &str| {
        assert!(found[0].starts_with(place) && found[0].contains(what), "{}", found[0]);
    };
    one(suite(expected, "a # why\nb\n"), "demo/a/list.txt:2: error: ", "NAME # why it fails");
    one(suite("", "a # why\n"), "demo/a/list.txt: warning: ", "nothing in recipe.toml names");
    let missing = suite("expected = \"other.txt\"", "");
    assert!(missing.iter().any(|l| l.contains("'other.txt' is missing")), "{missing:?}");
    let level = suite(&expected.replace("critical", "some"), "");
    assert!(level[0].contains("[parse]"), "{level:?}");
    one(after(TOML, "[check]", "[check]\nfatal = false"), TOML, "there is no phase 'check'");
    one(after(TOML, "[deps]", "[deps]\ncheck = [\"a\"]"), TOML, "depends on a");
}

/// Recipe a with `line` among its top-level keys, and files beside it.
fn with_files(line: &str, more: &[(&str, &[u8])]) -> (RecipeSet, Vec<String>) {
    let mut files = good();
    let text = RECIPE.replace("license", &format!("{line}\nlicense"));
    files.insert(TOML.to_owned(), text.into_bytes());
    for (name, bytes) in more {
        files.insert(format!("demo/a/{name}"), bytes.to_vec());
    }
    let (set, lints) = RecipeSet::from_files(&files);
    (set, lints.iter().map(ToString::to_string).collect())
}

/// A patch or a configuration file could stand beside the scripts, and none of them saw it.
#[test]
fn a_recipe_brings_its_own_files() {
    let files: [(&str, &[u8]); 2] = [("fix.patch", b"-a\n+b\n"), ("conf/app.conf", b"\xff\0")];
    let (set, lints) = with_files("files = [\"fix.patch\", \"conf/app.conf\"]", &files);
    assert_eq!(lints, [""; 0]);
    let recipe = set.get(&"a".parse().unwrap()).unwrap();
    let held: Vec<(&str, &[u8])> =
        recipe.files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    assert_eq!(held, [files[1], files[0]]);
    assert_eq!(RecipeSet::from_compiled(&set.compile()).unwrap(), set);
    // What is not named is told, wherever it stands and whatever it holds.
    let (_, lints) = with_files("", &files);
    assert_eq!(lints.len(), 2, "{lints:?}");
    for (lint, name) in lints.iter().zip(["conf/app.conf", "fix.patch"]) {
        let start = format!("demo/a/{name}: warning: nothing in recipe.toml names this file");
        assert!(lint.starts_with(&start) && lint.contains("name it in 'files'"), "{lint}");
    }
}

#[test]
fn files_that_no_recipe_can_have() {
    let large = vec![b'x'; (1 << 20) + 1];
    let full = vec![b'x'; 1 << 20];
    let five: Vec<String> = (0..5).map(|n| format!("f{n}")).collect();
    let many: Vec<String> = (0..65).map(|n| format!("m{n}")).collect();
    let list = |names: &[String]| format!("files = {names:?}");
    let mut there: Vec<(&str, &[u8])> = vec![("fix.patch", b"x"), ("large", &large)];
    there.extend(five.iter().map(|name| (name.as_str(), &full[..])));
    there.extend(many.iter().map(|name| (name.as_str(), &b"x"[..])));
    for (line, want) in [
        (
            "files = [\"fix.path\"]".to_owned(),
            "'fix.path' is missing [missing-file]; did you mean 'fix.patch'?",
        ),
        (
            "files = [\"../b/install.sh\"]".to_owned(),
            "names no file of the recipe's folder [bad-value]",
        ),
        (
            "files = [\"/etc/passwd\"]".to_owned(),
            "names no file of the recipe's folder [bad-value]",
        ),
        ("files = [\".hidden\"]".to_owned(), "names no file of the recipe's folder [bad-value]"),
        ("files = [\"a b\"]".to_owned(), "names no file of the recipe's folder [bad-value]"),
        (
            "files = [\"install.sh\"]".to_owned(),
            "cannot be one of 'files' [bad-value]; that name is taken",
        ),
        ("files = [\"recipe.toml\"]".to_owned(), "cannot be one of 'files'"),
        ("files = [\"fix.patch\", \"fix.patch\"]".to_owned(), "'fix.patch' is listed twice"),
        (
            "files = [\"large\"]".to_owned(),
            "'large' has 1048577 bytes, more than 1048576 [bad-value]",
        ),
        (list(&five), "'files' has 5242880 bytes together, more than 4194304"),
        (list(&many), "'files' names 65 files, more than 64"),
    ] {
        let lints = with_files(&line, &there).1;
        let found = lints.iter().find(|lint| lint.contains(want));
        let found = found.unwrap_or_else(|| panic!("{want}: {}", lints[0]));
        assert!(found.starts_with("demo/a/recipe.toml:7: error: "), "{found}");
    }
}

/// Each of these went through the linter, and failed hours later or not at all.
#[test]
#[expect(clippy::too_many_lines, reason = "one table of cases")]
fn what_would_fail_later_is_found_now() {
    let env = |line: &str| format!("[env]\n{line}\n[check]");
    let long = env(&format!("LONG = \"{}\"", "x".repeat((32 << 10) + 1)));
    let prefix = |path: &str| format!("\"{path}\"");
    for (file, old, new, want) in [
        (TOML, "\"1\"", "\"1.0-2\"".to_owned(), "recipe.toml:3: error: '1.0-2' is not a version"),
        (
            TOML,
            "stage",
            "release = 0\nstage".to_owned(),
            "recipe.toml:4: error: release = 0: releases count from 1",
        ),
        (
            TOML,
            "\"MIT\"",
            "\"(MIT OR 0BSD\"".to_owned(),
            "7: error: license is no SPDX expression: '(': unclosed parens",
        ),
        (
            TOML,
            "\"MIT\"",
            "\"GPL v3\"".to_owned(),
            "error: license is no SPDX expression: 'v3': expected one of `AND`",
        ),
        (
            TOML,
            "\"MIT\"",
            "\"mit\"".to_owned(),
            "warning: 'mit' is no SPDX identifier, or one out of use [unknown-license]; did you mean 'MIT'?",
        ),
        (
            TOML,
            "[check]",
            env("LD_PRELOAD = \"/x.so\""),
            "recipe.toml:19: error: LD_PRELOAD would change how every",
        ),
        (TOML, "[check]", env("BASH_ENV = \"/x\""), "error: BASH_ENV would change how every"),
        (TOML, "[check]", long, "recipe.toml:19: error: LONG has 32769 bytes, more than 32768"),
        (
            TOML,
            "[check]",
            "[limits]\nwall_s = 0\n[check]".to_owned(),
            "recipe.toml:19: error: wall_s = 0 would end",
        ),
        (
            TOML,
            "[check]",
            "[limits]\nsilence_s = 0\n[check]".to_owned(),
            "error: silence_s = 0 would end",
        ),
        (
            TOML,
            "\"/usr\"",
            prefix("/build/x"),
            "recipe.toml:22: error: prefix '/build/x': /build is a mount of the sandbox",
        ),
        (TOML, "\"/usr\"", prefix("/proc/x"), "/proc is a mount of the sandbox"),
        (TOML, "\"/usr\"", prefix("/recipe"), "/recipe is a mount of the sandbox"),
        (TOML, "\n", "\r\n".to_owned(), "recipe.toml:1: error: the line ends in CR LF [text-form]"),
        (
            TOML,
            "schema",
            "\u{feff}schema".to_owned(),
            "recipe.toml:1: error: the file starts with a byte order mark",
        ),
        ("demo/a/install.sh", "make", "true\nma\0ke".to_owned(), "install.sh:2: error: a NUL byte"),
        (
            "demo/a/install.sh",
            "make",
            "#!/usr/bin/env python3\nmake".to_owned(),
            "install.sh:1: error: the first line names 'python3'",
        ),
        (
            "sources.lock",
            "https://example.org",
            "file://".to_owned(),
            "has a 'url' that is no address",
        ),
        ("sources.lock", "https://", String::new(), "has a 'url' that is no address"),
        ("sources.lock", "bytes = 3", "bytes = 0".to_owned(), "has bytes = 0"),
    ] {
        let found = after(file, old, &new);
        assert!(found.iter().any(|text| text.contains(want)), "{want}\n{}", found.join("\n"));
    }
    let shells = ["#!/bin/bash", "#!/bin/sh -e", "#! /usr/bin/env bash"];
    for shell in shells {
        assert_eq!(after("demo/a/install.sh", "make", &format!("{shell}\nmake")), [""; 0]);
    }
}
