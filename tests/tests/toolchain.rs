//! The whole LFS chapter 5 cross toolchain, for this machine and for others, and what chapter 6 builds with it, in host
//! mode. Takes four hours or more of CPU time.
#![cfg(feature = "full")]

use std::fs;
use std::path::Path;
use std::process::Command;

use minos_model::{JobState, StepState, Triplet};
use minos_proto::{
    BuildOptions, DatabaseTask, KeyChange, PackageRequest, Reply, RepositoryChange, Request,
    StepReport, Wish,
};
use minos_tests::packages::{ask, change, column, install, installed, verify};
use minos_tests::{Daemon, Recipes, Root, artefacts};

/// The steps of chapter 5, in the book's order, after the folders they install into.
const STEPS: [&str; 6] =
    ["skeleton", "binutils:pass1", "gcc:pass1", "linux-headers", "glibc", "libstdcxx"];

/// Builds `target` on `root`, however long it takes.
fn built(root: &Root, target: &str) -> Vec<StepReport> {
    let mut daemon = root.start();
    let job = daemon.begin(target, BuildOptions::default());
    let (job, steps) = loop {
        match daemon.call(&Request::Job { job: Some(job) }) {
            Ok(Reply::Job { job, steps }) if job.state.is_final() => break (job, steps),
            Ok(_) => std::thread::sleep(std::time::Duration::from_secs(5)),
            Err(e) => panic!("{e}"),
        }
    };
    assert_eq!(job.state, JobState::Done, "{steps:?}");
    let good = |s: &StepState| matches!(s, StepState::Built | StepState::Cached);
    assert!(steps.iter().all(|s| good(&s.state)), "{steps:?}");
    steps
}

/// The book's checks are assertions of the recipes of glibc and libstdc++; a step whose assertions fail
/// is not built. They compile a C and a C++ program and run both by the new loader.
///
/// The first real step is then built once more, in another place and with another number of jobs: the
/// same files come out.
#[test]
fn the_cross_toolchain_builds_and_its_checks_hold() {
    let sources = artefacts::sources();
    let sources = ["--sources", sources.to_str().expect("text")];
    let root = Root::at(&artefacts::top().join("out/host"), &artefacts::recipes()).with(&sources);
    let steps = built(&root, "lfs/toolchain");
    let names: Vec<String> = steps.iter().map(|s| s.step.to_string()).collect();
    assert_eq!(names, STEPS);

    let elsewhere = Root::new(&artefacts::recipes()).with(&sources).with(&["--jobs", "3"]);
    let outputs =
        |steps: &[StepReport]| -> Vec<_> { steps[..2].iter().map(|s| s.output).collect() };
    assert_eq!(outputs(&built(&elsewhere, STEPS[1])), outputs(&steps));
}

/// A program of each language, compiled and linked without any shared library by the step of this recipe.
const HELLO: &str = r#"mkdir -p "$LFS/hello"
cd "$LFS/hello"
printf '#include <stdio.h>\nint main(void) { return printf("hello from C on %%s\\n", ARCH) < 0; }\n' > hello.c
printf '%s\n' '#include <iostream>' '#include <string>' '#include <vector>' '#include <stdexcept>' \
    'int main() { std::vector<std::string> words{"hello", "from", "C++", "on", ARCH};' \
    'try { words.at(5); } catch (const std::out_of_range &) {' \
    'for (auto &word : words) std::cout << word << (&word == &words.back() ? "\n" : " "); } }' > hello.cc
"$LFS_TGT-gcc" -DARCH="\"${LFS_TGT%%-*}\"" -static hello.c -o c
"$LFS_TGT-g++" -DARCH="\"${LFS_TGT%%-*}\"" -static hello.cc -o c++
"#;

/// The recipes of the tree and one that compiles two programs with the toolchain.
fn with_hello(to: &Path) {
    copy_recipes(to);
    let folder = to.join("cross/hello");
    fs::create_dir(&folder).unwrap();
    let inputs: Vec<String> = STEPS.iter().map(|step| format!("\"{step}\"")).collect();
    let toml = format!(
        "schema = 1\nname = \"hello\"\nversion = \"1\"\nstage = \"cross\"\norder = 507\n\
         description = \"Two programs\"\nlicense = \"MIT\"\n\n[deps]\nbuild = [{}]\n\n\
         [phases]\ninstall = \"install.sh\"\n",
        inputs.join(", ")
    );
    fs::write(folder.join("recipe.toml"), toml).unwrap();
    fs::write(folder.join("install.sh"), HELLO).unwrap();
}

/// The same recipes give a toolchain for another machine; what it compiles runs under an emulator of that machine's
/// programs. An exception is thrown and caught on the way: that needs the unwinder of the other machine.
fn programs_for(machine: Triplet) {
    let sources = artefacts::sources();
    let sources = ["--sources", sources.to_str().expect("text")];
    let recipes = tempfile::tempdir().unwrap();
    with_hello(recipes.path());
    let place = artefacts::top().join("out").join(machine.as_str());
    let root = Root::at(&place, recipes.path()).with(&sources);
    let steps = built(&root, &format!("hello@{machine}"));
    let output = steps.last().and_then(|step| step.output).expect("an output");
    let tree = root.path().join(format!("outputs/{output}/tree/lfs/hello"));
    let arch = machine.as_str().split('-').next().expect("a processor");
    for (program, language) in [("c", "C"), ("c++", "C++")] {
        let emulator = format!("qemu-{arch}-static");
        let run = Command::new(&emulator).arg(tree.join(program)).output();
        let run = run.unwrap_or_else(|e| panic!("{emulator} (Debian's qemu-user-static): {e}"));
        let said = String::from_utf8_lossy(&run.stdout).into_owned();
        assert_eq!(said, format!("hello from {language} on {arch}\n"), "{run:?}");
    }
}

#[test]
fn the_toolchain_for_aarch64_makes_programs_that_run() {
    programs_for(Triplet::Aarch64);
}

#[test]
fn the_toolchain_for_riscv64_makes_programs_that_run() {
    programs_for(Triplet::Riscv64);
}

/// The packages of the toolchain.
const PACKAGES: [&str; 6] =
    ["binutils-pass1", "gcc-pass1", "glibc", "libstdcxx", "linux-headers", "skeleton"];

fn copy_recipes(to: &Path) {
    let copied = Command::new("cp").arg("-r").arg(artefacts::recipes().join(".")).arg(to).status();
    assert!(copied.expect("cp runs").success());
}

/// The recipes of the tree, with the next release of the Linux headers.
fn next_headers(to: &Path) {
    copy_recipes(to);
    let path = to.join("cross/linux-headers/recipe.toml");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains("\nrelease = 1\n"), "{text}");
    fs::write(&path, text.replace("\nrelease = 1\n", "\nrelease = 2\n")).unwrap();
}

fn pack(daemon: &mut Daemon, targets: &[&str]) -> Vec<String> {
    let targets = targets.iter().map(ToString::to_string).collect();
    let packed = ask(daemon, PackageRequest::Pack { targets });
    column(&packed.expect("packed"), "packages", "file")
}

/// Adds the repository of another root, and its key.
fn trust_packages_of(daemon: &mut Daemon, other: &Root) {
    let key = other.list("keys").into_iter().find(|name| name.ends_with(".pub")).expect("a key");
    let text = fs::read_to_string(other.path().join("keys").join(key)).unwrap();
    ask(daemon, PackageRequest::Keys(Some(KeyChange::Trust { text }))).expect("trusted");
    let path = other.path().join("packages").display().to_string();
    let add = RepositoryChange::Add { name: "built".into(), path, priority: 0 };
    assert!(!ask(daemon, PackageRequest::Repositories(Some(add))).expect("added").alarm);
}

/// What was built is packed, installed from scratch into another root, updated, broken, mended and taken back.
#[test]
fn the_toolchain_becomes_a_system_that_can_go_back() {
    let sources = artefacts::sources();
    let sources = ["--sources", sources.to_str().expect("text")];
    let built_in =
        Root::at(&artefacts::top().join("out/host"), &artefacts::recipes()).with(&sources);
    built(&built_in, "lfs/toolchain");
    let mut builder = built_in.start();
    assert_eq!(pack(&mut builder, &["skeleton", "lfs/toolchain"]).len(), PACKAGES.len());
    drop(builder);

    let recipes = tempfile::tempdir().unwrap();
    next_headers(recipes.path());
    let root = Root::new(recipes.path()).with(&sources);
    let mut daemon = root.start();
    trust_packages_of(&mut daemon, &built_in);
    change(&mut daemon, install(&PACKAGES));
    let first = installed(&mut daemon);
    assert_eq!(first.len(), PACKAGES.len(), "{first:?}");
    assert!(!verify(&mut daemon, false).alarm);

    // The next release of one of them, built here.
    let job = daemon.begin("linux-headers", BuildOptions::default());
    assert_eq!(daemon.wait(job).state, JobState::Done);
    pack(&mut daemon, &["linux-headers"]);
    change(&mut daemon, Wish { upgrade: true, ..Wish::default() });
    let second = installed(&mut daemon);
    assert_eq!(first.iter().zip(&second).filter(|(a, b)| a != b).count(), 1, "{second:?}");

    let header = root.path().join("roots/2/usr/include/linux/version.h");
    fs::remove_file(&header).expect("a header of the current system");
    let broken = verify(&mut daemon, false);
    assert_eq!(column(&broken, "findings", "package"), ["linux-headers"]);
    verify(&mut daemon, true);
    assert!(!verify(&mut daemon, false).alarm);
    ask(&mut daemon, PackageRequest::Rollback { steps: 1, dry_run: false }).expect("back");
    assert_eq!(installed(&mut daemon), first);
    ask(&mut daemon, PackageRequest::Collect { dry_run: false, keep: Some(0), only: None })
        .expect("collected");
    let left = ask(&mut daemon, PackageRequest::Generations).expect("a list");
    assert_eq!(column(&left, "generations", "generation"), ["1"]);
    let history = ask(&mut daemon, PackageRequest::History { limit: 0, package: None }).unwrap();
    assert_eq!(column(&history, "transactions", "number").len(), 4, "{history:?}");
    let clean = ask(&mut daemon, PackageRequest::Database(DatabaseTask::Verify)).unwrap();
    assert!(!clean.alarm, "{clean:?}");
}

/// The steps of chapter 6 whose packages make a system that works without a compiler.
const TOOLS: [&str; 16] = [
    "m4:temporary",
    "ncurses:temporary",
    "bash:temporary",
    "coreutils:temporary",
    "diffutils:temporary",
    "file:temporary",
    "findutils:temporary",
    "gawk:temporary",
    "grep:temporary",
    "gzip:temporary",
    "make:temporary",
    "patch:temporary",
    "sed:temporary",
    "tar:temporary",
    "xz:temporary",
    "binutils:pass2",
];

/// One use of many of them, with nothing around: no file of the machine that built them is in reach.
const WORK: &str = "set -eo pipefail; cd /work; printf '.globl _start\\n_start: mov $60,%%eax; mov $7,%%edi; syscall\\n' | as -o a.o; \
    ld a.o -o a; code=0; ./a || code=$?; printf 'all: ; @echo $(words a b)\\n' > Makefile; words=$(make); \
    tar -cf - a.o | xz | xz -d | tar -tf - | sed s/a/b/ > name; gawk '{ print $1 }' name > name2; cmp name name2; \
    find . -name 'a.o' | grep -c o > found; file -b a | grep -o ELF > kind; \
    echo $code $words $(cat name) $(cat found) $(cat kind) $(echo 'len(lfs)' | m4 -Dx=y)";

/// The packages of chapter 6 and what they need are installed into an empty root; chroot into it, and they work.
#[test]
fn the_temporary_tools_are_a_system_of_their_own() {
    let sources = artefacts::sources();
    let sources = ["--sources", sources.to_str().expect("text")];
    let built_in =
        Root::at(&artefacts::top().join("out/host"), &artefacts::recipes()).with(&sources);
    for tool in TOOLS {
        built(&built_in, tool);
    }
    let mut builder = built_in.start();
    pack(&mut builder, &TOOLS);
    pack(&mut builder, &STEPS);
    drop(builder);

    let recipes = Recipes::new();
    let root = Root::new(recipes.path());
    let mut daemon = root.start();
    trust_packages_of(&mut daemon, &built_in);
    let names = TOOLS.map(|tool| tool.replace(':', "-"));
    change(&mut daemon, install(&names.each_ref().map(String::as_str)));
    let system = root.path().join("current");
    fs::create_dir(system.join("work")).unwrap();
    let mut shell = Command::new("chroot");
    let shell = shell.arg(&system).args(["/usr/bin/bash", "-c", WORK]);
    let output = shell.env_clear().env("PATH", "/usr/bin:/usr/sbin").output().expect("chroot runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(said.trim(), "7 2 b.o 1 ELF 3", "{output:?}");
}
