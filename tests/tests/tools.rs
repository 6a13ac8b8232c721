//! Programs of Debian that tests start come with a package that `tests/run` installs.
//!
//! `sgdisk` was on every machine that the tests had been run on, and in no list: on a bare one five tests failed.
#![cfg(feature = "system")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use minos_tests::artefacts::top;

/// What begins the name of a program in the tests' code.
const STARTS: [&str; 6] =
    ["Command::new(\"", "run(\"", "run(&[\"", "output(\"", "tool(\"", "ok(&[\""];
/// With these a stranger comes by what is tested here, whatever package they are from.
const PRESENT: [&str; 1] = ["git"];

#[test]
fn every_program_that_tests_start_is_installed_by_the_test_command() {
    let known = installed();
    let mut given: BTreeSet<String> = listed();
    given.extend(known.iter().filter(|(_, package)| package.always).map(|(name, _)| name.clone()));
    close(&mut given, &known);

    let programs = programs();
    assert!(programs.contains("sgdisk") && programs.contains("e2fsck"), "{programs:?}");
    let strays: Vec<String> = programs
        .iter()
        .filter(|program| !PRESENT.contains(&program.as_str()))
        .filter_map(|program| Some((program, owner(program)?)))
        .filter(|(_, package)| !given.contains(package))
        .map(|(program, package)| format!("'{program}' is of the package {package}"))
        .collect();
    assert!(strays.is_empty(), "name these in tests/lib/packages.sh: {strays:#?}");
}

/// The names that stand where tests start a program. Some are words for our own programs: no package has those.
fn programs() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for file in sources(&top()) {
        let text = fs::read_to_string(&file).expect("a source file");
        for start in STARTS {
            found.extend(
                text.split(start)
                    .skip(1)
                    .filter_map(|rest| rest.split('"').next())
                    .map(str::to_owned),
            );
        }
    }
    found.retain(|name| !name.is_empty() && !name.contains('/') && name.is_ascii());
    found
}

/// Every Rust file below a folder `tests`.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let output =
        Command::new("git").args(["ls-files", "*.rs"]).current_dir(folder).output().expect("git");
    assert!(output.status.success(), "git ls-files: {}", String::from_utf8_lossy(&output.stderr));
    let names = String::from_utf8(output.stdout).expect("text");
    names.lines().filter(|name| name.contains("tests/")).map(|name| folder.join(name)).collect()
}

/// What `tests/run` asks to be installed.
fn listed() -> BTreeSet<String> {
    let script = ". tests/lib/packages.sh; printf '%s\\n' \"${test_packages[@]}\"";
    let output =
        Command::new("bash").args(["-c", script]).current_dir(top()).output().expect("bash");
    String::from_utf8(output.stdout).expect("text").lines().map(str::to_owned).collect()
}

/// One installed package.
struct Package {
    /// No Debian is without it.
    always: bool,
    depends: Vec<String>,
}

fn installed() -> BTreeMap<String, Package> {
    let format = "-f=${Package}\t${Priority}\t${Essential}\t${Pre-Depends}, ${Depends}\n";
    let output = Command::new("dpkg-query").args(["-W", format]).output().expect("dpkg-query");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut packages = BTreeMap::new();
    for line in text.lines() {
        let [name, priority, essential, depends] = line.split('\t').collect::<Vec<_>>()[..] else {
            continue;
        };
        let first =
            |one: &str| one.trim().split([' ', ':', '(']).next().unwrap_or_default().to_owned();
        let depends =
            depends.split([',', '|']).map(first).filter(|name| !name.is_empty()).collect();
        let always = essential == "yes" || priority == "required";
        packages.insert(name.to_owned(), Package { always, depends });
    }
    packages
}

/// Adds what the packages depend on. Of alternatives each one that is installed counts.
fn close(given: &mut BTreeSet<String>, known: &BTreeMap<String, Package>) {
    let mut open: Vec<String> = given.iter().cloned().collect();
    while let Some(name) = open.pop() {
        for other in known.get(&name).into_iter().flat_map(|package| &package.depends) {
            if given.insert(other.clone()) {
                open.push(other.clone());
            }
        }
    }
}

/// The package that a program of this machine is of. Asked under every name: `/bin` may be a link, and a package names
/// its files as it was made.
fn owner(program: &str) -> Option<String> {
    let paths =
        ["/usr/sbin", "/usr/bin", "/sbin", "/bin"].map(|folder| Path::new(folder).join(program));
    let output = Command::new("dpkg-query").arg("-S").args(paths).output().expect("dpkg-query");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find(|line| !line.starts_with("diversion by"))?;
    line.split([':', ',']).next().filter(|name| !name.is_empty()).map(str::to_owned)
}
