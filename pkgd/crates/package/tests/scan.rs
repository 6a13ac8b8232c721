//! What is found in a tree, and packing of a build's output.

mod common;

use std::fs;
use std::io::{self, Cursor, Read};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use common::{Tree, open, path, regular, symlink};
use minos_model::package::{Account, FileKind, Origin, PackageFile, UserAction};
use minos_model::{DependencyKind, Digest, Entry, Kind, Manifest};
use minos_package::scan::{Findings, scan};
use minos_package::{DirSource, Error, Metadata, Options, pack};
use proptest::prelude::{any, prop, proptest};

/// Scans a tree; what lies in a folder of commands is executable.
fn look(tree: &Tree) -> Findings {
    let mut files = tree.files();
    for file in &mut files {
        let at = String::from_utf8_lossy(file.path.as_bytes()).into_owned();
        if file.content().is_some() && (at.contains("bin/") || at.ends_with(".sh")) {
            file.mode = 0o755;
        }
    }
    scan(&files, &mut |file| tree.open(file)).expect("reads")
}

fn provides(found: &Findings) -> Vec<String> {
    found.provides.iter().map(ToString::to_string).collect()
}

fn requires(found: &Findings) -> Vec<String> {
    found.requires.iter().map(ToString::to_string).collect()
}

#[test]
fn scripts_need_their_interpreters() {
    let found = look(
        &Tree::default()
            .with("usr/bin/a", "#!/bin/sh\n")
            .with("usr/bin/b", "#! /usr/bin/env -S LANG=C python3 -x\n")
            .with("usr/bin/c", "#!/opt/x/bin/perl -w\n")
            .with("usr/bin/d", "#!perl\n")
            .with("usr/bin/e", b"#!/bin/\xff\n")
            .with("usr/bin/f", "#!/usr/bin/a\n")
            .with("usr/share/example", "#!/usr/bin/ruby\n")
            .with("usr/share/run.sh", "#!/bin/bash"),
    );
    assert_eq!(provides(&found), ["cmd:a", "cmd:b", "cmd:c", "cmd:d", "cmd:e", "cmd:f"]);
    // Not ruby, whose script is not executable; not a, which is its own.
    assert_eq!(
        requires(&found),
        ["cmd:bash", "cmd:env", "cmd:python3", "cmd:sh", "file:/opt/x/bin/perl"]
    );
    let notes: Vec<String> =
        found.notes.iter().map(|(path, why)| format!("{path}: {why}")).collect();
    assert_eq!(
        notes,
        [
            "usr/bin/d: its interpreter is not an absolute path",
            "usr/bin/e: its first line is not text"
        ]
    );
}

#[test]
fn commands_are_what_can_be_run_from_the_search_path() {
    let files = [
        regular("usr/bin/data", b""),
        PackageFile { mode: 0o755, ..regular("usr/bin/run", b"") },
        symlink("usr/bin/link", "run"),
        symlink("usr/lib/link", "run"),
        symlink("usr/sbin/a b", "run"),
    ];
    let mut empty = |_: &PackageFile| -> io::Result<Box<dyn Read>> { Ok(Box::new(io::empty())) };
    let found = scan(&files, &mut empty).expect("reads");
    assert_eq!(provides(&found), ["cmd:link", "cmd:run"]);
    assert_eq!(found.notes.len(), 1, "a name that no capability may have: {:?}", found.notes);
}

#[test]
fn modules_of_pkg_config_are_read() {
    let found = look(
        &Tree::default()
            .with(
                "usr/lib/pkgconfig/gizmo.pc",
                "prefix=/usr\nmajor = 2\nver=${major}.4-rc1 # next\nName: gizmo\nVersion: ${ver}\n\
                 Requires: glib-2.0 >= 2.50, zlib gizmo-core = 2.4-rc1\tz != x/y\nRequires.private: secret\n",
            )
            .with("usr/share/pkgconfig/gizmo-core.pc", "Version: 2.4-rc1\n")
            .with("usr/share/pkgconfig/odd.pc", "Version: what is this\n")
            .with("usr/share/doc/other.pc", "Version: 1\nRequires: nothing\n"),
    );
    assert_eq!(
        provides(&found),
        ["pkgconfig:gizmo=2.4~rc1", "pkgconfig:gizmo-core=2.4~rc1", "pkgconfig:odd"]
    );
    assert_eq!(requires(&found), ["pkgconfig:glib-2.0>=2.50", "pkgconfig:z", "pkgconfig:zlib"]);
    assert_eq!(found.notes.len(), 2, "{:?}", found.notes);
    // Variables that double themselves.
    let bomb: String = (0..64).map(|i| format!("v{}=${{v{i}}}${{v{i}}}\n", i + 1)).collect();
    let found = look(
        &Tree::default()
            .with("usr/lib/pkgconfig/bomb.pc", format!("v0=xxxxxxxx\n{bomb}Version: ${{v64}}\n")),
    );
    assert_eq!(provides(&found), ["pkgconfig:bomb"]);
}

#[test]
fn modules_and_distributions_of_python_are_read() {
    let site = |name: &str| format!("usr/lib/python3.12/site-packages/{name}");
    let metadata = "Metadata-Version: 2.1\nName: Zope.Interface_x\nVersion: 5.4-1\nRequires-Dist: setuptools (>=40)\n\
                    Requires-Dist: wheel ; extra == 'test'\n\nName: not a field\nRequires-Dist: not-this\n";
    let found = look(
        &Tree::default()
            .with(&site("six.py"), "")
            .with(&site("yaml/__init__.py"), "")
            .with(&site("yaml/deep/__init__.py"), "")
            .with(&site("_cffi.cpython-312-x86_64-linux-gnu.so"), "")
            .with(&site("x-1.dist-info/METADATA"), metadata)
            .with("usr/lib/pythonic/x.py", ""),
    );
    assert_eq!(
        provides(&found),
        [
            "cap:python(_cffi)",
            "cap:python(six)",
            "cap:python(yaml)",
            "cap:python-dist(zope-interface-x)=5.4~1"
        ]
    );
    assert_eq!(requires(&found), ["cap:python-abi=3.12", "cap:python-dist(setuptools)"]);
    let interpreter =
        look(&Tree::default().with("usr/bin/python3.12", "").with("usr/lib/python3.12/os.py", ""));
    assert_eq!(provides(&interpreter), ["cap:python-abi=3.12", "cmd:python3.12"]);
    assert!(interpreter.requires.is_empty());
}

/// Builds with the host's compiler; a test without one fails and says so.
fn cc(folder: &std::path::Path, arguments: &str) {
    let output = Command::new("cc").args(arguments.split(' ')).current_dir(folder).output();
    let output =
        output.unwrap_or_else(|error| panic!("install a C compiler to run this test: {error}"));
    assert!(output.status.success(), "cc {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn libraries_with_symbol_versions_are_found() {
    let room = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| fs::write(room.path().join(name), text).expect("writes");
    write("lib.c", "int gizmo(void) { return 1; } int gadget(void) { return 2; }\n");
    write(
        "lib.map",
        "GIZMO_1.0 { global: gizmo; local: *; }; GIZMO_1.1 { global: gadget; } GIZMO_1.0;\n",
    );
    write(
        "main.c",
        "#include <stdio.h>\nint gadget(void); int main(void) { return printf(\"%d\", gadget()); }\n",
    );
    cc(
        room.path(),
        "-shared -fPIC -Wl,--version-script=lib.map -Wl,-soname,libgizmo.so.1 -o libgizmo.so lib.c",
    );
    cc(room.path(), "-o main main.c ./libgizmo.so");
    cc(room.path(), "-c -o main.o main.c");
    let read = |name: &str| fs::read(room.path().join(name)).expect("built");
    let library = Tree::default().with("usr/lib/libgizmo.so.1.1", read("libgizmo.so"));
    let arch = std::env::consts::ARCH;

    let found = look(&library);
    let own = [
        format!("soname:libgizmo.so.1({arch})"),
        format!("soname:libgizmo.so.1({arch})(GIZMO_1.0)"),
        format!("soname:libgizmo.so.1({arch})(GIZMO_1.1)"),
    ];
    assert_eq!(provides(&found), own);
    assert_eq!(found.machines.iter().map(String::as_str).collect::<Vec<_>>(), [arch]);

    let program =
        Tree::default().with("usr/bin/main", read("main")).with("usr/lib/main.o", read("main.o"));
    let found = look(&program);
    assert_eq!(provides(&found), ["cmd:main"]);
    let needs = requires(&found);
    assert!(
        needs.contains(&own[0]) && needs.contains(&own[2]) && !needs.contains(&own[1]),
        "{needs:?}"
    );
    assert!(needs.contains(&format!("soname:libc.so.6({arch})")), "{needs:?}");
    assert!(
        needs.iter().any(|n| n.starts_with(&format!("soname:libc.so.6({arch})(GLIBC_2."))),
        "{needs:?}"
    );

    // In one package, also where the loader would not look: nobody else need provide it, nobody else can use it.
    for folder in ["usr/lib", "lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu", "usr/lib/gizmo"] {
        let both = program.clone().with(&format!("{folder}/libgizmo.so.1"), read("libgizmo.so"));
        let found = look(&both);
        assert!(!requires(&found).iter().any(|n| n.contains("libgizmo")), "{folder}");
        assert_eq!(provides(&found).contains(&own[0]), folder != "usr/lib/gizmo");
    }
    assert!(found.notes.is_empty(), "{:?}", found.notes);
}

proptest! {
    /// A real library with some bytes changed, cut somewhere.
    #[test]
    fn no_elf_file_panics(flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8), cut in any::<prop::sample::Index>()) {
        let mut bytes = include_bytes!("../../../../tests/fuzz/corpus/scan/library.elf").to_vec();
        for (index, byte) in flips {
            *index.get_mut(&mut bytes) = byte;
        }
        let whole = Tree::default().with("usr/lib/libx.so", &bytes);
        let cut = Tree::default().with("usr/lib/libx.so", &bytes[..cut.index(bytes.len())]);
        look(&whole);
        look(&cut);
    }

    #[test]
    fn no_text_panics(text in "[ -~\n]{0,200}", name in "[a-z.]{1,8}") {
        for at in ["usr/lib/pkgconfig/x.pc", "usr/lib/python3.12/site-packages/x.dist-info/METADATA", "usr/bin/x"] {
            look(&Tree::default().with(at, &text).with(&format!("usr/bin/{name}x"), format!("#!{text}")));
        }
    }
}

fn metadata() -> Metadata {
    let origin = Origin {
        recipe: "hello".parse().expect("a step"),
        task_key: Digest::of(b"key"),
        output: Digest::of(b"output"),
    };
    Metadata::new(
        "hello".parse().expect("a name"),
        "2.12-1".parse().expect("a version"),
        "Greets",
        "GPL-3.0-or-later",
        origin,
    )
}

fn line(at: &str, kind: Kind, mode: u32) -> Entry {
    Entry { path: at.into(), mode, uid: 0, gid: 0, kind, xattrs: Vec::new() }
}

/// A tree on disk and its manifest, below `lfs/`.
fn output() -> (tempfile::TempDir, Manifest) {
    let room = tempfile::tempdir().expect("a folder");
    let bin = room.path().join("lfs/usr/bin");
    fs::create_dir_all(&bin).expect("a folder");
    fs::write(bin.join("hello"), "#!/bin/sh\necho hello\n").expect("writes");
    fs::set_permissions(bin.join("hello"), fs::Permissions::from_mode(0o755)).expect("a mode");
    let script = Kind::File { size: 21, digest: Digest::of(b"#!/bin/sh\necho hello\n") };
    let manifest = Manifest::new(vec![
        line("lfs", Kind::Directory, 0o755),
        line("lfs/usr", Kind::Opaque, 0o755),
        line("lfs/usr/bin", Kind::Directory, 0o755),
        line("lfs/usr/bin/hello", script, 0o755),
        line("lfs/usr/bin/hi", Kind::Hardlink { to: b"lfs/usr/bin/hello".to_vec() }, 0),
        Entry { uid: 7, ..line("lfs/usr/hey", Kind::Symlink { target: b"bin/hi".to_vec() }, 0) },
    ]);
    (room, manifest)
}

/// Cross tools run on the machine that builds: what they need there, the system they go into does not have to
/// provide. A package of them was called `noarch`.
#[test]
fn foreign_folders_need_nothing_but_have_a_machine() {
    let room = tempfile::tempdir().expect("a folder");
    let bytes = fs::read("/bin/cat").expect("a program that needs libc");
    let at = room.path().join("tools/bin");
    fs::create_dir_all(&at).expect("folders");
    fs::write(at.join("ld"), &bytes).expect("a program");
    let kind = Kind::File { size: bytes.len() as u64, digest: Digest::of(&bytes) };
    let manifest = Manifest::new(vec![
        line("tools", Kind::Directory, 0o755),
        line("tools/bin", Kind::Directory, 0o755),
        line("tools/bin/ld", kind, 0o755),
    ]);
    let source = DirSource::new(room.path());
    let packed = |foreign| {
        let meta = Metadata { foreign, ..metadata() };
        let mut out = Cursor::new(Vec::new());
        let mut open = |file: &PackageFile| source.open(file);
        pack(&manifest, &mut open, meta, &[], &Options::default(), &mut out).expect("packs").0
    };
    let (own, foreign) = (packed(Vec::new()), packed(vec![path("tools")]));
    assert!(!own.dependencies.is_empty());
    assert!(foreign.dependencies.is_empty() && foreign.provides.is_empty());
    assert_eq!((own.arch.as_str(), foreign.arch.as_str()), ("x86_64", "x86_64"));
}

#[test]
fn an_output_becomes_a_package() {
    let (room, manifest) = output();
    let user: UserAction = UserAction {
        name: "greeter".parse().expect("a name"),
        id: None,
        group: "greeter".parse().expect("a name"),
        home: None,
        description: String::new(),
    };
    let mut meta = Metadata {
        prefix: Some(path("lfs")),
        config: vec![path("usr/bin/hello")],
        provides: vec![
            "role:greeter".parse().expect("a role"),
            "cmd:hi=2".parse().expect("a command"),
        ],
        owners: [(7, Account::Name(user.name.clone()))].into(),
        ..metadata()
    };
    meta.actions
        .groups
        .push(minos_model::package::GroupAction { name: user.group.clone(), id: None });
    meta.actions.users.push(user);
    let source = DirSource::new(room.path().join("lfs"));
    let mut out = Cursor::new(Vec::new());
    let (made, _, written) = pack(
        &manifest,
        &mut |file| source.open(file),
        meta.clone(),
        &[],
        &Options::default(),
        &mut out,
    )
    .expect("packs");
    let bytes = out.into_inner();
    let mut package = open(&bytes).expect("opens");
    package.verify().expect("verifies");
    assert_eq!((package.manifest(), package.id()), (&made, written.id));
    assert_eq!(made.file_name(), "hello-2.12-1.noarch.mpk");
    let provided: Vec<String> = made.provides.iter().map(ToString::to_string).collect();
    assert_eq!(provided, ["cmd:hello", "cmd:hi=2", "role:greeter"]);
    let needed: Vec<String> = made.dependencies.iter().map(|d| d.requirement.to_string()).collect();
    assert_eq!(needed, ["cmd:sh"]);
    assert!(made.dependencies.iter().all(|d| d.kind == DependencyKind::Runtime));
    assert_eq!(
        made.files,
        [
            common::directory("usr"),
            common::directory("usr/bin"),
            PackageFile { mode: 0o755, ..regular("usr/bin/hello", b"#!/bin/sh\necho hello\n") },
            common::hardlink("usr/bin/hi", "usr/bin/hello"),
            PackageFile {
                user: Account::Name("greeter".parse().expect("a name")),
                ..symlink("usr/hey", "bin/hi")
            },
        ]
    );
    assert_eq!(made.installed_size(), 21);
    // What is found but not meant.
    meta.ignore.push("cmd:sh".parse().expect("a requirement"));
    let mut out = Cursor::new(Vec::new());
    let (made, ..) =
        pack(&manifest, &mut |file| source.open(file), meta, &[], &Options::default(), &mut out)
            .expect("packs");
    assert!(made.dependencies.is_empty());
}

fn xattr(name: &[u8], value: &[u8]) -> minos_model::Xattr {
    minos_model::Xattr { name: name.to_vec(), value: value.to_vec() }
}

/// Packing had been written before outputs could declare attributes, and left them out without a word.
#[test]
fn extended_attributes_are_carried() {
    let capability = [&[1, 0, 0, 2][..], &[0; 16]].concat();
    let (room, manifest) = output();
    let mut entries = manifest.entries().to_vec();
    let at = |entries: &[Entry], path: &str| {
        entries.iter().position(|e| e.path == path.as_bytes()).expect("stands there")
    };
    let (tool, folder) = (at(&entries, "lfs/usr/bin/hello"), at(&entries, "lfs/usr/bin"));
    entries[tool].xattrs =
        vec![xattr(b"user.note", b""), xattr(b"security.capability", &capability)];
    entries[folder].xattrs = vec![xattr(b"user.\x21", b"\x00\xff")];
    let source = DirSource::new(room.path().join("lfs"));
    let meta = Metadata { prefix: Some(path("lfs")), ..metadata() };
    let mut out = Cursor::new(Vec::new());
    let options = Options::default();
    pack(&Manifest::new(entries), &mut |f| source.open(f), meta, &[], &options, &mut out)
        .expect("packs");
    let package = open(&out.into_inner()).expect("opens");
    let of = |path: &str| {
        let file = package.manifest().file(path.as_bytes()).expect("stands there");
        let list = file.xattrs.iter().map(|x| (x.name.clone(), x.value.clone()));
        list.collect::<Vec<_>>()
    };
    let tool = [("security.capability".to_owned(), capability), ("user.note".to_owned(), vec![])];
    assert_eq!(of("usr/bin/hello"), tool);
    assert_eq!(of("usr/bin"), [("user.!".to_owned(), b"\x00\xff".to_vec())]);
    assert_eq!((of("usr").len(), of("usr/bin/hi").len()), (0, 0));
}

#[test]
fn an_attribute_that_no_package_can_have_is_refused_and_not_left_out() {
    let attempt = |at: &str, kind: Kind, list: Vec<minos_model::Xattr>| {
        let meta = Metadata { prefix: Some(path("lfs")), ..metadata() };
        let entry = Entry { xattrs: list, ..line(at, kind, 0) };
        let entries = vec![line("lfs", Kind::Directory, 0o755), entry];
        let entries = entries.into_iter().skip(usize::from(at == "lfs")).collect();
        let mut none = |_: &PackageFile| -> io::Result<Box<dyn Read>> { Ok(Box::new(io::empty())) };
        let mut out = Cursor::new(vec![]);
        pack(&Manifest::new(entries), &mut none, meta, &[], &Options::default(), &mut out)
            .expect_err("refused")
            .to_string()
    };
    let folder = |list| attempt("lfs/a", Kind::Directory, list);
    let acl = folder(vec![xattr(b"system.posix_acl_access", b"x")]);
    assert!(acl.contains("a: system.posix_acl_access: only security.capability"), "{acl}");
    assert!(folder(vec![xattr(b"user.\xff", b"")]).starts_with("lfs/a: the name of an extended"));
    let long = vec![xattr(b"user.a", &[0; 4097])];
    assert!(folder(long).contains("too long extended attributes"));
    let many = (0..17).map(|n| xattr(format!("user.{n:02}").as_bytes(), b"")).collect();
    assert!(folder(many).contains("too many"));
    let link = Kind::Symlink { target: b"b".to_vec() };
    assert!(attempt("lfs/a", link, vec![xattr(b"user.a", b"")]).contains("a symbolic link has"));
    let root = attempt("lfs", Kind::Directory, vec![xattr(b"user.a", b"")]);
    assert!(root.starts_with("lfs: it becomes the root"), "{root}");
}

#[test]
fn a_tree_that_no_package_can_hold_says_which_path() {
    let attempt = |entry: Entry, meta: Metadata| {
        let mut none = |_: &PackageFile| -> io::Result<Box<dyn Read>> { Ok(Box::new(io::empty())) };
        let result = pack(
            &Manifest::new(vec![entry]),
            &mut none,
            meta,
            &[],
            &Options::default(),
            &mut Cursor::new(vec![]),
        );
        result.expect_err("refused").to_string()
    };
    let lfs = || Metadata { prefix: Some(path("lfs")), ..metadata() };
    let gone = attempt(line("usr/gone", Kind::Whiteout, 0), metadata());
    assert!(gone.starts_with("usr/gone: the build deleted"), "{gone}");
    // It was packed and installed, and nobody could ever see it; or it took the administrator's word away.
    let hidden = attempt(line("run/lock", Kind::Directory, 0o755), metadata());
    assert!(hidden.starts_with("run/lock: it would be hidden behind"), "{hidden}");
    let word = attempt(line("etc/minos/services/sshd", Kind::Directory, 0o755), metadata());
    assert!(word.starts_with("etc/minos/services/sshd: it is for the admin"), "{word}");
    let outside = attempt(line("etc", Kind::Directory, 0o755), lfs());
    assert!(outside.starts_with("etc: it is outside"), "{outside}");
    assert!(attempt(line("lfsx", Kind::Directory, 0o755), lfs()).contains("outside"));
    let owner = attempt(Entry { uid: 70_000, ..line("a", Kind::Directory, 0o755) }, metadata());
    assert!(owner.contains("65535"), "{owner}");
    assert!(
        attempt(line("a", Kind::Hardlink { to: b"lfs".to_vec() }, 0), metadata())
            .contains("not a valid package")
    );
    assert!(
        attempt(line("a\nb", Kind::Directory, 0o755), metadata())
            .contains("no package can have such a path")
    );
    let bad = Metadata { licence: "none of your business!".to_owned(), ..metadata() };
    assert!(attempt(line("a", Kind::Directory, 0o755), bad).contains("licence: "));
}

#[test]
fn a_link_in_the_place_of_a_file_is_not_followed() {
    let (room, manifest) = output();
    let file = room.path().join("lfs/usr/bin/hello");
    fs::rename(&file, room.path().join("elsewhere")).expect("moves");
    std::os::unix::fs::symlink(room.path().join("elsewhere"), &file).expect("links");
    let source = DirSource::new(room.path().join("lfs"));
    let meta = Metadata { prefix: Some(path("lfs")), ..metadata() };
    let result = pack(
        &manifest,
        &mut |f| source.open(f),
        meta,
        &[],
        &Options::default(),
        &mut Cursor::new(vec![]),
    );
    assert!(matches!(result, Err(Error::Io { .. })), "{result:?}");
}

#[test]
fn objects_for_several_machines_need_a_word() {
    let elf = include_bytes!("../../../../tests/fuzz/corpus/scan/library.elf");
    let mut other = elf.to_vec();
    other[18..20].copy_from_slice(&183_u16.to_le_bytes());
    let tree = Tree::default().with("usr/lib/a.so", elf).with("usr/lib/b.so", other);
    let entries = tree.files().into_iter().map(|f| match f.kind {
        FileKind::Regular { size, digest } => {
            line(&f.path.to_string(), Kind::File { size, digest }, 0o644)
        }
        _ => line(&f.path.to_string(), Kind::Directory, 0o755),
    });
    let manifest = Manifest::new(entries.collect());
    let run = |meta| {
        pack(
            &manifest,
            &mut |f| tree.open(f),
            meta,
            &[],
            &Options::default(),
            &mut Cursor::new(vec![]),
        )
    };
    let error = run(metadata()).expect_err("two machines").to_string();
    assert!(error.starts_with("aarch64, x86_64: "), "{error}");
    let said = Metadata { arch: Some("x86_64".parse().expect("a machine")), ..metadata() };
    assert_eq!(run(said).expect("packs").0.arch.as_str(), "x86_64");
}
