//! Outputs made up for the purpose, each with one thing that keeps it from being self-contained.

mod support;

use minos_contain::{Kind, Places, Report, audit};
use support::{Elf, Output, archive, script};

/// A small system: loader, C library, shell, and a program that uses them.
fn system() -> Output {
    let loader = "/lib64/ld-linux.so.2";
    Output::new()
        .folder("usr/bin")
        .folder("usr/lib")
        .folder("lib64")
        .link("bin", "usr/bin")
        .link("lib", "usr/lib")
        .link("lib64/ld-linux.so.2", "../lib/ld-linux.so.2")
        .file("usr/lib/ld-linux.so.2", &Elf::library().bytes())
        .file("usr/lib/libc.so.6", &Elf::library().bytes())
        .program("usr/bin/bash", &Elf::program(loader).needs("libc.so.6").bytes())
        .program("usr/bin/env", &Elf::program(loader).needs("libc.so.6").bytes())
        .program("usr/bin/configure", script("/bin/bash -e"))
        .program("usr/bin/found", script("/usr/bin/env bash"))
}

fn findings(report: &Report) -> Vec<(Kind, &str, &str)> {
    report.findings.iter().map(|f| (f.kind, f.path.as_str(), f.what.as_str())).collect()
}

fn of(outputs: &[Output]) -> Report {
    let subjects: Vec<_> = outputs.iter().map(Output::subject).collect();
    let places = Places { folders: vec!["/srv/minos/outputs".to_owned()] };
    let mut told = Vec::new();
    let report = audit(&subjects, &places, &mut |at| told.push(at)).unwrap();
    assert_eq!(told, (0..outputs.len()).collect::<Vec<_>>());
    report
}

#[test]
fn a_system_that_has_all_it_needs_is_contained() {
    let report = of(&[system()]);
    assert_eq!(findings(&report), []);
    assert!(report.is_contained());
    let counts = report.counts;
    assert_eq!((counts.files, counts.elf, counts.scripts, counts.compressed), (6, 4, 2, 0));
    assert_eq!(counts.paths, 13);
}

#[test]
fn a_path_of_the_seed_is_found_in_text_in_constants_in_links_and_in_names() {
    let constant = Elf::library().constant("/usr/lib/x86_64-linux-gnu/gconv").bytes();
    let compiler = Elf::library().constant("GCC: (Debian 14.2.0-19) 14.2.0").bytes();
    let output = Output::new()
        .folder("etc")
        .folder("usr/lib/x86_64-linux-gnu")
        .file("etc/tool.conf", b"path = /usr/include/x86_64-linux-gnu\n")
        .file("etc/store", b"tree=/srv/minos/outputs/12/tree\n")
        .file("usr/lib/libconstant.so", &constant)
        .file("usr/lib/libmade.so", &compiler)
        .link("usr/lib/libz.so", "/lib/x86_64-linux-gnu/libz.so.1");
    let report = of(&[system(), output]);
    let found: Vec<_> = report.findings.iter().map(|f| (f.kind, f.path.as_str())).collect();
    let seed = |path| (Kind::SeedPath, path);
    assert_eq!(
        found,
        [
            seed("/etc/store"),
            seed("/etc/tool.conf"),
            seed("/usr/lib/libconstant.so"),
            seed("/usr/lib/libmade.so"),
            seed("/usr/lib/libz.so"),
            seed("/usr/lib/x86_64-linux-gnu"),
        ]
    );
    assert!(report.findings.iter().all(|f| f.subject == 1));
    assert_eq!(report.findings[2].what, "/usr/lib/x86_64-linux-gnu/gconv");
}

#[test]
fn paths_of_the_box_are_leaks_of_what_was_built_without_the_seed() {
    let text = b"SYSROOT=/lfs\nsrc=/build/src/x\n";
    let leak = Output::new().folder("etc").file("etc/leak", text);
    let report = of(&[system(), leak]);
    assert_eq!(
        findings(&report),
        [
            (Kind::WorkPath, "/etc/leak", "SYSROOT=/lfs"),
            (Kind::WorkPath, "/etc/leak", "src=/build/src/x"),
        ]
    );
    let tool = Output::new().folder("lfs/etc").file("lfs/etc/leak", text).below("lfs");
    assert!(of(&[system(), tool]).is_contained());
}

#[test]
fn manuals_and_debug_information_are_excused_with_a_reason() {
    let output = Output::new()
        .folder("usr/share/doc")
        .file("usr/share/doc/notes", b"see /usr/lib/x86_64-linux-gnu\n")
        .file("usr/lib/libdebug.so", &Elf::library().debug("/build/src/main.c").bytes())
        .file("usr/lib/libboth.so", &Elf::library().debug("/lfs/a").constant("/lfs/b").bytes())
        .file(
            "usr/lib/libstatic.a",
            &archive(&[Elf::library().bytes(), Elf::library().debug("/build/src/x.c").bytes()]),
        );
    let report = of(&[system(), output]);
    assert_eq!(findings(&report), [(Kind::WorkPath, "/usr/lib/libboth.so", "/lfs/b")]);
    let excused: Vec<_> = report.excused.iter().map(|(f, _)| f.path.as_str()).collect();
    assert_eq!(excused, ["/usr/lib/libdebug.so", "/usr/lib/libstatic.a", "/usr/share/doc/notes"]);
    assert_eq!(report.reasons.values().sum::<u64>(), 3);
}

#[test]
fn what_a_program_is_started_with_must_be_there() {
    let loader = "/lib64/ld-linux.so.2";
    let elf = || Elf::program(loader);
    let output = Output::new()
        .folder("opt/lib")
        .folder("usr/libexec")
        .file("opt/lib/libown.so", &Elf::library().needs("libc.so.6").bytes())
        .program("usr/libexec/loader", &Elf::program("/lib64/ld-linux-x86-64.so.2").bytes())
        .program("usr/libexec/library", &elf().needs("libgone.so.1").bytes())
        .program("usr/libexec/hidden", &elf().needs("libown.so").bytes())
        .program("usr/libexec/tools", &elf().run_path("/lfs/tools/lib").bytes())
        .program("usr/libexec/good", &elf().needs("libown.so").run_path("/opt/lib").bytes())
        .program(
            "usr/libexec/near",
            &elf().needs("libown.so").run_path("$ORIGIN/../../opt/lib").bytes(),
        )
        .program("usr/libexec/path", &elf().needs("/opt/lib/libown.so").bytes())
        .program("usr/libexec/csh", script("/bin/csh -f"))
        .program("usr/libexec/ruby", script("/usr/bin/env ruby"))
        .program("usr/libexec/odd", script("../perl"))
        .file("usr/libexec/template", script("/usr/bin/nowhere"));
    let report = of(&[system(), output]);
    assert_eq!(
        findings(&report),
        [
            (Kind::NoInterpreter, "/usr/libexec/csh", "interpreter /bin/csh"),
            (Kind::NoLibrary, "/usr/libexec/hidden", "library libown.so"),
            (Kind::NoLibrary, "/usr/libexec/library", "library libgone.so.1"),
            (Kind::NoLoader, "/usr/libexec/loader", "loader /lib64/ld-linux-x86-64.so.2"),
            (Kind::NoInterpreter, "/usr/libexec/odd", "interpreter ../perl"),
            (Kind::NoInterpreter, "/usr/libexec/ruby", "interpreter ruby, by /usr/bin/env"),
            (Kind::WorkPath, "/usr/libexec/tools", "/lfs/tools/lib"),
            (Kind::NoFolder, "/usr/libexec/tools", "run path /lfs/tools/lib"),
        ]
    );
}

#[test]
fn libraries_are_found_where_ld_so_conf_says_and_only_those_of_the_machine() {
    let program =
        Elf::program("/lib64/ld-linux.so.2").needs("libown.so").needs("libarm.so").bytes();
    let output = Output::new()
        .folder("etc/ld.so.conf.d")
        .folder("opt/own/lib")
        .file("etc/ld.so.conf", b"include /etc/ld.so.conf.d/*.conf\n")
        .file("etc/ld.so.conf.d/own.conf", b"/opt/own/lib\n")
        .file("opt/own/lib/libown.so", &Elf::library().bytes())
        .file("usr/lib/libarm.so", &Elf::library().machine(183).bytes())
        .program("usr/bin/own", &program);
    let report = of(&[system(), output]);
    assert_eq!(findings(&report), [(Kind::NoLibrary, "/usr/bin/own", "library libarm.so")]);
}

/// What only a temporary tool has is not there in the end.
#[test]
fn a_system_needs_no_tool_that_built_it() {
    let loader = "/lib64/ld-linux.so.2";
    let tools = Output::new()
        .folder("lfs/usr/lib")
        .folder("lfs/usr/bin")
        .file("lfs/usr/lib/libtool.so", &Elf::library().bytes())
        .program("lfs/usr/bin/perl", &Elf::program(loader).needs("libtool.so").bytes())
        .file("aside/x", b"/usr/lib/x86_64-linux-gnu")
        .below("lfs");
    let output = Output::new()
        .program("usr/bin/wants", &Elf::program(loader).needs("libtool.so").bytes())
        .program("usr/bin/script", script("/usr/bin/perl"));
    let report = of(&[tools, system(), output]);
    assert_eq!(
        findings(&report),
        [
            (Kind::OnlyTool, "/usr/bin/script", "interpreter /usr/bin/perl"),
            (Kind::OnlyTool, "/usr/bin/wants", "library libtool.so"),
        ]
    );
}

/// The loader reads segments. A file without sections was taken for one that needs nothing.
#[test]
fn sections_are_not_needed_and_not_believed() {
    let bare = Elf::program("/lib64/ld-linux.so.2").needs("libgone.so").without_sections().bytes();
    let output = Output::new().program("usr/bin/bare", &bare);
    let report = of(&[system(), output]);
    assert_eq!(findings(&report), [(Kind::NoLibrary, "/usr/bin/bare", "library libgone.so")]);
}

#[test]
fn files_that_lie_are_told_and_hard_links_are_files() {
    let library = Elf::library().bytes();
    let output = Output::new()
        .file("usr/lib/bad.so", b"\x7fELF and no more")
        .file("usr/lib/one.so", &library)
        .hard_link("usr/lib/two.so", "usr/lib/one.so")
        .file("usr/lib/packed.gz", b"\x1f\x8b\x08")
        .program("usr/bin/uses", &Elf::library().needs("two.so").bytes());
    let report = of(&[system(), output]);
    assert_eq!(report.findings.len(), 1, "{:?}", findings(&report));
    assert_eq!(report.findings[0].kind, Kind::Unreadable);
    assert_eq!(report.counts.compressed, 1);
}

#[test]
fn an_output_that_is_not_whole_is_an_error_and_no_answer() {
    let output = system();
    std::fs::remove_file(output.tree().join("usr/bin/bash")).unwrap();
    let error = audit(&[output.subject()], &Places::default(), &mut |_| {}).unwrap_err();
    assert!(error.to_string().ends_with("usr/bin/bash: No such file or directory (os error 2)"));
    let mut subject = system().subject();
    subject.manifest = "/no/manifest".into();
    assert!(audit(&[subject], &Places::default(), &mut |_| {}).is_err());
}
