//! The recipes that MinOS ships: free of findings, and what they promise.

use std::path::Path;

use minos_model::{Phase, Stage, StepId};
use minos_recipe::{RecipeSet, Role};

fn shipped() -> RecipeSet {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recipes");
    let (set, lints) = RecipeSet::load(&dir).unwrap();
    let lints: Vec<String> = lints.iter().map(ToString::to_string).collect();
    assert!(lints.is_empty(), "{}", lints.join("\n"));
    set
}

fn id(text: &str) -> StepId {
    text.parse().unwrap()
}

#[test]
fn toolchain_is_the_five_steps_of_chapter_5() {
    let mut steps = shipped().resolve("lfs/toolchain").unwrap();
    steps.sort();
    let want = ["binutils:pass1", "gcc:pass1", "glibc", "libstdcxx", "linux-headers"].map(id);
    assert_eq!(steps, want);
}

/// The members of a group whose place in the book is in `chapter`, in the order of the book.
fn chapter(set: &RecipeSet, group: &str, chapter: u32) -> Vec<String> {
    let mut steps: Vec<_> =
        set.resolve(group).unwrap().iter().filter_map(|id| set.get(id)).collect();
    steps.retain(|recipe| recipe.order / 100 == chapter);
    steps.sort_by_key(|recipe| recipe.order);
    for recipe in &steps {
        let section = format!("(LFS {chapter}.{}", recipe.order % 100);
        let said = recipe.description.rsplit_once(&section);
        let said = said.is_some_and(|(_, rest)| rest == ")" || rest.starts_with(" and "));
        assert!(said || recipe.id == id("filesystem"), "{}: {}", recipe.id, recipe.description);
    }
    steps.iter().map(|recipe| recipe.id.to_string()).collect()
}

/// Their order in the graph may differ; `order` is that of the book. With three steps of the cross
/// toolchain they are all that the root of chapter 7 has.
#[test]
fn temporary_tools_are_the_steps_of_chapter_6() {
    let set = shipped();
    let tools =
        "m4 ncurses bash coreutils diffutils file findutils gawk grep gzip make patch sed tar xz";
    let mut want: Vec<_> = tools.split(' ').map(|tool| format!("{tool}:temporary")).collect();
    want.extend(["binutils:pass2", "gcc:pass2"].map(str::to_owned));
    assert_eq!(chapter(&set, "lfs/temporary", 6), want);
    assert_eq!(chapter_of_cross(&set), ["skeleton", "linux-headers", "glibc"]);
    assert_eq!(set.resolve("lfs/temporary").unwrap().len(), want.len() + 3);
}

fn chapter_of_cross(set: &RecipeSet) -> Vec<String> {
    let mut steps: Vec<_> =
        set.resolve("lfs/temporary").unwrap().iter().filter_map(|id| set.get(id)).collect();
    steps.retain(|recipe| recipe.stage == Stage::Cross);
    steps.sort_by_key(|recipe| recipe.order);
    steps.iter().map(|recipe| recipe.id.to_string()).collect()
}

#[test]
fn chroot_tools_are_the_steps_of_chapter_7() {
    let set = shipped();
    let tools = "gettext bison perl python texinfo util-linux";
    let mut want: Vec<_> = tools.split(' ').map(|tool| format!("{tool}:temporary")).collect();
    want.insert(0, "filesystem".to_owned());
    assert_eq!(chapter(&set, "lfs/chroot", 7), want);
}

/// In the book's order. netbase stands for iana-etc, the syslogd of inetutils for sysklogd's, time zones are a step of
/// their own, GRUB is left out.
#[test]
fn the_system_is_the_steps_of_chapter_8() {
    let set = shipped();
    let book = "man-pages netbase glibc tzdata zlib bzip2 xz lz4 zstd file readline m4 bc flex tcl expect dejagnu pkgconf \
                binutils gmp mpfr mpc attr acl libcap libxcrypt shadow gcc ncurses sed psmisc gettext bison grep bash \
                libtool gdbm gperf expat inetutils less perl xml-parser intltool autoconf automake openssl elfutils \
                libffi python flit-core wheel setuptools ninja meson kmod coreutils check diffutils gawk findutils \
                groff gzip iproute2 kbd libpipeline make patch tar texinfo vim markupsafe jinja2 systemd-udev man-db \
                procps-ng util-linux e2fsprogs sysvinit";
    let steps = chapter(&set, "lfs/system", 8);
    let names: Vec<&str> = steps.iter().map(|step| step.split(':').next().unwrap()).collect();
    assert_eq!(names, book.split_whitespace().collect::<Vec<_>>());
}

/// Nobody has to remember to put a step there.
#[test]
fn all_is_every_step_of_the_book() {
    let set = shipped();
    let all = set.resolve("lfs/all").unwrap();
    let want: Vec<_> =
        set.iter().filter(|r| r.stage != Stage::Demo).map(|r| r.id.clone()).collect();
    assert_eq!(all, want);
}

/// Who installs it has the whole system: every step of the group, and what is packed without being built.
#[test]
fn the_package_of_the_system_needs_each_package_of_the_system() {
    let set = shipped();
    let whole = set.get(&id("lfs-system")).unwrap();
    let steps = set.resolve("lfs/system").unwrap();
    let others = steps.iter().filter(|step| **step != whole.id).filter_map(|step| set.get(step));
    let mut want: Vec<_> = others.map(|r| r.package_name().unwrap().to_string()).collect();
    want.push("minos".to_owned());
    want.sort();
    let needs = whole.package.dependencies.iter().map(|d| d.requirement.to_string());
    assert_eq!(needs.collect::<Vec<_>>(), want);
}

/// What a step of the final system sees of the cross toolchain would be in the final system.
#[test]
fn no_step_of_the_system_sees_the_cross_compiler() {
    let set = shipped();
    let hidden = ["binutils:pass1", "gcc:pass1", "libstdcxx"].map(id);
    for recipe in set.iter().filter(|recipe| !recipe.stage.seeded()) {
        let seen = recipe.build.iter().find(|dep| hidden.contains(dep));
        assert_eq!(seen, None, "{}", recipe.id);
    }
}

#[test]
fn every_recipe_has_what_a_reader_expects() {
    for recipe in shipped().iter() {
        let phases: Vec<Phase> = recipe.phases().into_iter().map(|(phase, _)| phase).collect();
        assert!(phases.contains(&Phase::Install), "{}", recipe.id);
        assert!(phases.contains(&Phase::Assert), "{}: nothing checks its output", recipe.id);
        assert!(phases.is_sorted(), "{}", recipe.id);
        assert_eq!(phases.contains(&Phase::Unpack), !recipe.sources.is_empty(), "{}", recipe.id);
        let below = recipe.stage.prefix();
        assert!(recipe.install.prefix.starts_with(below), "{}", recipe.id);
    }
}

#[test]
fn gcc_finds_its_three_libraries_in_its_tree() {
    let set = shipped();
    let gcc = set.get(&id("gcc:pass1")).unwrap();
    let extra = gcc.sources.iter().filter(|s| s.role == Role::Extra);
    let into: Vec<_> = extra.filter_map(|s| s.into.as_deref()).collect();
    assert_eq!(into, ["gmp", "mpfr", "mpc"]);
    let (_, unpack) = &gcc.phases()[0];
    for source in &gcc.sources {
        assert!(unpack.contains(&source.file), "{}", source.file);
    }
}

#[test]
fn index_round_trips_and_is_the_same_each_time() {
    let set = shipped();
    let bytes = set.compile();
    assert_eq!(bytes, shipped().compile());
    assert_eq!(RecipeSet::from_compiled(&bytes), Ok(set));
}
