//! Rules about the source tree that nobody should have to remember.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use minos_tests::artefacts::top;

/// Who may depend on whom: everything not listed is forbidden. `docs/ARCHITECTURE.md` says why.
const ALLOWED: &[(&str, &str)] = &[
    ("minos-model", "serde sha2"),
    ("minos-proto", "minos-model crc32fast heapless postcard serde"),
    ("minos-suite", "minos-model serde"),
    ("minos-recipe", "minos-model minos-suite postcard serde spdx toml"),
    (
        "minos-package",
        "minos-model base64 blake2 ed25519-dalek elf postcard scrypt serde sha2 zstd",
    ),
    ("minos-plan", "minos-model minos-recipe petgraph serde"),
    ("minos-solve", "minos-model crc32fast petgraph resolvo"),
    ("minos-store", "minos-model diffy postcard redb rustix serde zstd"),
    ("minos-sandbox", "caps landlock libc nix postcard serde"),
    ("minos-unpack", "minos-model minos-package minos-sandbox minos-store nix serde"),
    ("minos-fetch", "minos-sandbox serde ureq"),
    ("minos-compare", "minos-model minos-sandbox elf serde"),
    ("minos-contain", "minos-model minos-package minos-sandbox memchr"),
    ("minos-exec", "minos-model minos-sandbox minos-suite nix"),
    ("minos-disk", "gpt libc nix sha2 uuid"),
    (
        "minos-pkgd",
        "minos-compare minos-contain minos-disk minos-exec minos-fetch minos-model minos-package minos-plan minos-proto minos-recipe \
         minos-sandbox minos-solve minos-store minos-suite minos-unpack argh nix postcard serde toml",
    ),
    ("minos-pkgctl", "minos-model minos-proto argh nix serde serde_json"),
    ("minos-init", "minos-proto heapless libc nix"),
    ("minos-image", "minos-disk minos-recipe argh serde serde_json sha2 toml ureq zstd"),
    ("minos-qemu", "minos-proto argh libc serde_json"),
    (
        "minos-tests",
        "minos-model minos-proto minos-qemu minos-recipe argh nix serde_json tempfile toml",
    ),
    (
        "minos-fuzz",
        "minos-compare minos-model minos-package minos-proto minos-recipe minos-solve minos-store minos-suite \
         crc32fast postcard serde serde_json",
    ),
];

/// What the tests of any crate may use besides.
const TEST_TOOLS: &[&str] = &["libtest-mimic", "proptest", "tempfile"];

/// What the tests of one crate may use besides: image's take digests from the model, qemu's send any
/// value that can be serialised as a fake pkgd.
const ALSO_IN_TESTS: &[(&str, &str)] = &[
    ("minos-image", "minos-model"),
    ("minos-qemu", "serde"),
    // Versions are compared with semver's own; nix is the clock of CPU time in the benchmarks.
    ("minos-model", "nix semver serde_json"),
    ("minos-fetch", "nix"),
    ("minos-package", "curve25519-dalek nix"),
    ("minos-solve", "nix serde_json"),
];

/// Crates that must give the same answer everywhere: no file, clock or environment of the host. With
/// each the one file that may look at the host all the same.
const PURE: &[(&str, &str)] = &[
    ("pkgd/crates/model", ""),
    ("pkgd/crates/plan", ""),
    ("pkgd/crates/proto", ""),
    ("pkgd/crates/recipe", "src/load.rs"),
    ("pkgd/crates/solve", ""),
    ("pkgd/crates/suite", ""),
];

fn manifests() -> Vec<(PathBuf, toml::Table)> {
    let mut found = Vec::new();
    let crates = fs::read_dir(top().join("pkgd/crates")).expect("the crates").flatten();
    let folders = crates.map(|e| e.path()).chain(
        ["init", "pkgd", "pkgctl", "image", "qemu", "tests", "tests/fuzz"]
            .map(|name| top().join(name)),
    );
    for folder in folders {
        let text = fs::read_to_string(folder.join("Cargo.toml")).expect("a manifest");
        found.push((folder, text.parse().expect("a manifest is TOML")));
    }
    found
}

/// All files below `folder` with this ending.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() && !path.ends_with("target") {
            found.extend(files(&path, ending));
        } else if path.extension().is_some_and(|e| e == ending) {
            found.push(path);
        }
    }
    found
}

#[test]
fn crates_depend_only_on_what_they_may() {
    for (folder, manifest) in manifests() {
        let name = manifest["package"]["name"].as_str().expect("a name");
        let allowed =
            ALLOWED.iter().find(|(n, _)| *n == name).map(|(_, list)| list.split_whitespace());
        let allowed: Vec<&str> =
            allowed.unwrap_or_else(|| panic!("{name} is not in the list of crates")).collect();
        let sections = ["dependencies", "build-dependencies"];
        for table in sections.iter().filter_map(|s| manifest.get(*s)?.as_table()) {
            for dependency in table.keys() {
                assert!(
                    allowed.contains(&dependency.as_str()),
                    "{}: {name} may not depend on {dependency}",
                    folder.display()
                );
            }
        }
    }
}

#[test]
fn tests_of_a_crate_use_only_what_they_may() {
    for (folder, manifest) in manifests() {
        let name = manifest["package"]["name"].as_str().expect("a name");
        let of = |list: &[(&str, &'static str)]| {
            list.iter().find(|(n, _)| *n == name).map_or("", |(_, words)| *words)
        };
        let words = of(ALLOWED).split_whitespace().chain(of(ALSO_IN_TESTS).split_whitespace());
        let allowed: Vec<&str> = words.chain(TEST_TOOLS.iter().copied()).collect();
        let Some(table) = manifest.get("dev-dependencies").and_then(|t| t.as_table()) else {
            continue;
        };
        for dependency in table.keys() {
            assert!(
                allowed.contains(&dependency.as_str()),
                "{}: tests of {name} may not depend on {dependency}",
                folder.display()
            );
        }
    }
}

#[test]
fn every_crate_takes_the_workspace_lints_and_shared_versions() {
    for (folder, manifest) in manifests() {
        let lints =
            manifest.get("lints").and_then(|l| l.get("workspace")).and_then(|w| w.as_bool());
        assert_eq!(lints, Some(true), "{}", folder.display());
        let sections = ["dependencies", "dev-dependencies"];
        for table in sections.iter().filter_map(|s| manifest.get(*s)?.as_table()) {
            for (name, value) in table {
                let shared = value.get("workspace").is_some_and(|w| w.as_bool() == Some(true));
                assert!(
                    shared,
                    "{}: {name} does not take its version from the workspace",
                    folder.display()
                );
            }
        }
    }
}

#[test]
fn the_top_level_holds_what_it_should_and_nothing_else() {
    let expected: BTreeSet<&str> = [
        "Cargo.toml",
        "Cargo.lock",
        "LICENSE",
        "README.md",
        "clippy.toml",
        "docs",
        "image",
        "init",
        "kernel-config",
        "pkgctl",
        "pkgd",
        "qemu",
        "rustfmt.toml",
        "tests",
    ]
    .into();
    let made: BTreeSet<&str> = ["target", "out"].into();
    for entry in fs::read_dir(top()).expect("the top").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let known = expected.contains(&*name) || made.contains(&*name) || name.starts_with('.');
        assert!(known, "{name} does not belong at the top level");
    }
}

#[test]
fn unsafe_code_is_in_one_module_of_a_crate() {
    for (folder, _) in manifests() {
        for file in files(&folder.join("src"), "rs") {
            let text = fs::read_to_string(&file).expect("source");
            let relative =
                file.strip_prefix(&folder).expect("below its crate").display().to_string();
            let is_sys = relative == "src/sys.rs" || relative.starts_with("src/sys/");
            for word in ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern", "(unsafe_code"] {
                assert!(is_sys || !text.contains(word), "{word} in {}", file.display());
            }
        }
    }
}

/// The source without the items that only tests have, as rustfmt lays them out: one ends with `;` on its own line, or
/// with a bracket as far in as it began.
fn code(text: &str) -> String {
    let mut out = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let item = line.trim_start();
        if item != "#[cfg(test)]" {
            out += line;
            out.push('\n');
            continue;
        }
        let indent = &line[..line.len() - item.len()];
        let ends = |l: &str| {
            let rest = l.strip_prefix(indent).unwrap_or_default();
            rest.starts_with('}')
                || (!rest.starts_with([' ', '#']) && rest.ends_with([';', ',', '}']))
        };
        lines.by_ref().find(|l| ends(l));
    }
    out
}

/// All behind the first `#[cfg(test)]` was passed over, wherever that stood.
#[test]
fn code_behind_an_item_of_tests_is_looked_at() {
    let text = "a\n#[cfg(test)]\nmod tests;\nb\n    #[cfg(test)]\n    fn f(\n        x: u8,\n    ) {\n        c;\n    }\n\
                d\n#[cfg(test)]\nuse e::{\n    f,\n};\ng\n#[cfg(test)]\n#[path = \"t.rs\"]\nmod t;\nh\n";
    assert_eq!(code(text), "a\nb\nd\ng\nh\n");
}

/// Files that may start a shell with a text, each with the reason why no text from outside is in it.
const SHELLS: &[(&str, &str)] = &[
    (
        "pkgd/crates/exec/src/driver.rs",
        "inside the box: the script of a recipe, which is what it is there for",
    ),
    ("pkgd/src/doctor/mod.rs", "inside the box: a constant that asks for the versions of tools"),
    ("image/src/tool.rs", "tests of the runner, on the machine of who makes images"),
    ("qemu/src/process.rs", "tests of the launcher, on the machine of who starts it"),
    ("pkgd/crates/sandbox/src/meter.rs", "tests of the meter"),
];

/// pacman gave names of a repository to a shell. Here programs are started with lists of arguments,
/// but for the system tests, which no user has.
#[test]
fn pitfall_8_no_text_reaches_a_shell() {
    let mut seen = BTreeSet::new();
    for (folder, _) in manifests().into_iter().filter(|(folder, _)| *folder != top().join("tests"))
    {
        for file in files(&folder.join("src"), "rs") {
            let text = fs::read_to_string(&file).expect("source");
            let found =
                text.contains("\"-c\"") || text.contains("libc::system") || text.contains("popen(");
            let name = file.strip_prefix(top()).expect("below the top").display().to_string();
            let known = SHELLS.iter().any(|(path, _)| *path == name);
            assert!(!found || known, "{name} starts a shell: why is no text from outside in it?");
            seen.extend(found.then_some(name));
        }
    }
    assert_eq!(
        seen.len(),
        SHELLS.len(),
        "one of the list does not start a shell any more: {seen:?}"
    );
}

/// Whether the file is a module that only tests have: its parent says `#[cfg(test)] mod NAME;`.
fn is_test_module(file: &Path) -> bool {
    let name = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let declares = |parent: PathBuf| {
        let text = fs::read_to_string(parent).unwrap_or_default();
        let by_path = format!("#[path = \"{name}.rs\"]");
        let declaration = if text.contains(&by_path) { by_path } else { format!("mod {name};") };
        // Attributes may stand in any order above the declaration.
        let before = text.split(&declaration).next().unwrap_or_default();
        before.len() < text.len() && before.lines().rev().take(4).any(|l| l == "#[cfg(test)]")
    };
    let folder = file.parent().expect("a folder");
    files(folder, "rs").into_iter().any(declares)
}

#[test]
fn init_cannot_panic_by_unwrap() {
    for file in files(&top().join("init/src"), "rs") {
        if is_test_module(&file) {
            continue;
        }
        let text = fs::read_to_string(&file).expect("source");
        for line in code(&text).lines() {
            let found = line.contains(".unwrap()") || line.contains(".expect(");
            assert!(!found, "{}: {line}", file.display());
        }
    }
}

#[test]
fn pure_crates_do_not_look_at_the_host() {
    for (folder, exception) in PURE {
        let folder = top().join(folder);
        for file in files(&folder.join("src"), "rs") {
            if file == folder.join(exception) || is_test_module(&file) {
                continue;
            }
            let text = fs::read_to_string(&file).expect("source");
            let code = code(&text);
            for word in ["std::env", "std::fs", "fs::", "SystemTime", "Instant::now"] {
                assert!(!code.contains(word), "{} uses {word}", file.display());
            }
        }
    }
}

#[test]
fn files_stay_readable_in_one_sitting() {
    for (folder, _) in manifests() {
        for file in files(&folder, "rs") {
            let lines = fs::read_to_string(&file).expect("source").lines().count();
            assert!(lines <= 800, "{} has {lines} lines", file.display());
        }
    }
}

/// An ignored test that nobody runs is a promise that nobody holds.
#[test]
fn ignored_tests_are_run_by_name() {
    let run = fs::read_to_string(top().join("tests/run")).expect("the runner");
    let mut found = 0;
    for (folder, _) in manifests() {
        for file in files(&folder, "rs") {
            let text = fs::read_to_string(&file).expect("source");
            if text.lines().any(|line| line.trim_start().starts_with("#[ignore")) {
                let name = file.file_stem().expect("a name").to_string_lossy();
                let words = format!("--test {name} -- --ignored");
                assert!(run.contains(&words), "{} is not run by tests/run", file.display());
                found += 1;
            }
        }
    }
    assert!(found > 0, "the seed made twice is one");
}
