//! `pkgd --seed generation:N`: what was built here builds on.
#![cfg(feature = "system")]

use std::path::Path;

use minos_model::JobState;
use minos_proto::{BuildOptions, PackageRequest, Reply, Request};
use minos_qemu::control::ControlError;
use minos_tests::packages::{ask, change, install};
use minos_tests::{Daemon, Recipes, Root};

fn on_generation(dir: &Path, recipes: &Recipes, number: u64) -> Root {
    let seed = format!("generation:{number}");
    Root::at(dir, recipes.path()).on_seed(seed.as_ref())
}

/// Why pkgd does not build.
fn refusal(daemon: &mut Daemon) -> String {
    let Ok(Reply::Status(status)) = daemon.call(&Request::Status) else { panic!("no status") };
    let why = status.refuses.expect("it refuses");
    let build = Request::Build { target: "demo/one".into(), options: BuildOptions::default() };
    match daemon.call(&build) {
        Err(ControlError::Refused(report)) => assert_eq!(report.what, why),
        other => panic!("{other:?}"),
    }
    why
}

fn packed_and_installed(daemon: &mut Daemon, name: &str) {
    let outcome = daemon.build(&format!("demo/{name}"));
    assert_eq!(outcome.state, JobState::Done, "{outcome:?}\n{}", daemon.log(name));
    let pack = PackageRequest::Pack { targets: vec![format!("demo/{name}")] };
    ask(daemon, pack).expect("packed");
    change(daemon, install(&[name]));
}

/// pkgd runs all the same: somebody has to install what is missing.
#[test]
fn a_generation_that_is_no_seed_is_refused_with_what_it_lacks() {
    let mut recipes = Recipes::new();
    recipes.step("one", &[], &[]);
    let dir = tempfile::tempdir().expect("a folder");
    let state = dir.path().join("state");
    let why = refusal(&mut on_generation(&state, &recipes, 1).start());
    assert!(why.contains("generation 1, which is not there"), "{why}");

    packed_and_installed(&mut Root::at(&state, recipes.path()).start(), "one");
    let mut daemon = on_generation(&state, &recipes, 1).start();
    let why = refusal(&mut daemon);
    assert!(why.contains("generation 1 cannot be a seed: /usr/bin/bash is not"), "{why}");
    assert!(why.contains("(coreutils)") && why.contains("and 14 more"), "{why}");
    let name = "minos-seed".to_owned();
    let remove = PackageRequest::Sysroot { name, packages: Vec::new(), writable: false };
    let kept = ask(&mut daemon, remove.clone()).unwrap_err();
    assert!(kept.what.contains("generation 1"), "{kept}");
    drop(daemon);
    ask(&mut Root::at(&state, recipes.path()).start(), remove).expect("nobody needs it");
}

/// The part of the seed that zlib is built with, as one package of a system that has nothing else.
#[cfg(feature = "full")]
const TOOLS: &str = r#"dest="$PWD/dest"
lib=/usr/lib/x86_64-linux-gnu
mkdir -p "$dest"/usr/bin "$dest/usr/lib64" "$dest$lib"
for tool in bash sh ar as ld nm ranlib strip basename cat chmod cmp comm cp cut date diff dirname echo env expr \
    false find gcc g++ grep egrep gzip head id install ln ls make mkdir mktemp mv od printf pwd readlink rm rmdir sed \
    sha256sum sleep sort stat tail tar tee test touch tr true uname uniq wc xargs xz '['; do
    cp -L "/usr/bin/$tool" "$dest/usr/bin/$tool"
done
cp -L /usr/bin/awk "$dest/usr/bin/awk"
mkdir -p "$dest/usr/lib" "$dest/usr/libexec"
cp -a /usr/include "$dest/usr/include"
cp -a /usr/lib/gcc "$dest/usr/lib/gcc"
cp -a /usr/libexec/gcc "$dest/usr/libexec/gcc"
# Where the headers of the kernel stand, by a link.
cp -a /usr/lib/linux "$dest/usr/lib/linux"
find "$dest" -name lto1 -o -name cc1plus -o -name 'lib*san.*' | xargs rm -f
cp -a $lib/*crt*.o $lib/libc.a $lib/libc.so $lib/libc_nonshared.a $lib/libm.so $lib/libm.a $lib/libm-*.a $lib/libmvec* "$dest$lib/"
programs=$(find "$dest/usr/bin" "$dest/usr/libexec" -type f -perm -u+x)
for path in $(ldd $programs 2>/dev/null | grep -o '/lib/[^ ]*' | sort -u); do cp -L "$path" "$dest$lib/"; done
cp -a /usr/lib64/. "$dest/usr/lib64/"
cp -L $lib/libgcc_s.so.1 $lib/libstdc++.so.6 $lib/ld-linux-x86-64.so.2 "$dest$lib/"
for dir in bin lib lib64 sbin; do ln -sfnT "usr/$dir" "/$dir"; done
cp -a --remove-destination "$dest"/. /
"#;

#[cfg(feature = "full")]
#[test]
fn a_generation_builds_what_the_seed_builds() {
    use minos_tests::artefacts;

    let mut recipes = Recipes::new();
    let table = "[install]\nprefix = \"/\"\n";
    recipes.step_with("tools", &[], &[("install", TOOLS)], table);
    let from = artefacts::recipes();
    std::fs::create_dir_all(recipes.path().join("demo/zlib")).expect("a folder");
    for entry in std::fs::read_dir(from.join("demo/zlib")).expect("zlib").flatten() {
        let to = recipes.path().join("demo/zlib").join(entry.file_name());
        std::fs::copy(entry.path(), to).expect("copied");
    }
    std::fs::copy(from.join("sources.lock"), recipes.path().join("sources.lock")).expect("copied");
    let dir = tempfile::tempdir().expect("a folder");
    let state = dir.path().join("state");
    let sources = artefacts::sources();
    let sources = ["--sources", sources.to_str().expect("text")];
    let first = Root::at(&state, recipes.path()).with(&sources);
    let by_seed = first.manifests("demo/zlib");
    packed_and_installed(&mut first.start(), "tools");

    let second = on_generation(&state, &recipes, 1).with(&sources);
    let mut daemon = second.start();
    let outcome = daemon.build("demo/zlib");
    assert_eq!(outcome.state, JobState::Done, "{outcome:?}\n{}", daemon.log("zlib"));
    assert_eq!(outcome.steps[0].state, minos_model::StepState::Built, "it is another seed");
    drop(daemon);
    let by_generation = second.manifests("demo/zlib");
    let lines = |manifests: &std::collections::BTreeMap<_, String>| -> Vec<String> {
        manifests.values().flat_map(|text| text.lines().map(str::to_owned)).collect()
    };
    assert_eq!(lines(&by_generation), lines(&by_seed), "the same output");

    // Nobody can write into it.
    let daemon = second.start();
    let root = state.join("sysroots/minos-seed");
    std::fs::write(root.join("usr/bin/bash"), "no").unwrap_err();
    assert!(root.join("usr/bin/gcc").is_file());
    drop(daemon);
    let again = second.start().build("demo/zlib");
    assert_eq!(again.steps[0].state, minos_model::StepState::Cached, "the same seed");
}
