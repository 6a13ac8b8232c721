//! The seeds are of today's formats: those that no editor writes are made here, and compared with the tree.
//!
//! A format that changes shows as a failure of this test. `MINOS_BLESS=1` writes the seeds anew; those that a fuzzer
//! found are no part of it and stay.

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use minos_fuzz::parts;
use minos_model::package::PackageManifest;
use minos_model::{Digest, Metrics, Phase, TestLevel};
use minos_package::header::HEADER_LEN;
use minos_package::repository::{self as mri, Listed};
use minos_package::{Policy, Reader, SecretKey};
use minos_proto::frame::encode;
use minos_proto::{
    BootEvent, BootPhase, BuildOptions, ErrorKind, ErrorReport, Event, EventBody, Hello, Listing,
    PackageRequest, Reply, Request, Role, Sheet, Tag, Verdict, Welcome, Wish, sheet,
};
use minos_recipe::RecipeSet;
use minos_solve::index::{Entry, Group, Need, Provide, Repository, Term, build};
use minos_store::{Accounts, Plan, PlanInstall, PlannedChange, Reason};

fn corpus(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(path)
}

fn read(path: &str) -> Vec<u8> {
    fs::read(corpus(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn holds(path: &str, bytes: &[u8]) {
    if std::env::var_os("MINOS_BLESS").is_some() {
        fs::write(corpus(path), bytes).expect("writes");
    }
    assert!(
        read(path) == bytes,
        "{path} is not what is written today; MINOS_BLESS=1 writes it anew"
    );
}

/// Packages are made with zstd, which may compress otherwise in another version; the rest of them is ours.
#[test]
fn packages_and_their_parts() {
    for name in ["empty", "small", "full"] {
        let package = read(&format!("package/{name}.mpk"));
        let mut reader = Reader::open(Cursor::new(&package), &Policy::Unverified).expect("opens");
        reader.verify().expect("verifies");
        holds(&format!("header/{name}.header"), &package[..HEADER_LEN]);
        holds(&format!("manifest/{name}.manifest"), reader.manifest_bytes());
        holds(&format!("frames/{name}.frames"), &minos_package::index::to_bytes(reader.frames()));
        let block = parts::signatures_of(&package).expect("a package");
        holds(&format!("signatures/{name}.signatures"), &block);
        let fields = reader.manifest().clone().into_fields();
        assert_eq!(PackageManifest::new(fields).as_ref(), Ok(reader.manifest()));
        assert_eq!(
            (parts::PACKAGE.close)(&(parts::PACKAGE.open)(&package).expect("parts")),
            package
        );
    }
}

#[test]
fn indexes_of_repositories() {
    let key = SecretKey::from_seed(&[7; 32], "seed").expect("a key");
    let listed = |file: &str| Listed {
        file: file.to_owned(),
        id: Digest::of(file.as_bytes()),
        size: 1 << 20,
    };
    let repository = |packages| mri::Repository {
        name: "site".parse().expect("a name"),
        created: 1_763_000_000,
        expires: 1_765_592_000,
        packages,
    };
    let two = vec![listed("m4-1.4.19-1.x86_64.mpk"), listed("perl-1:5.40.0-2.x86_64.mpk")];
    let seeds = [("empty", repository(Vec::new()), vec![]), ("two", repository(two), vec![key])];
    for (name, repository, keys) in seeds {
        let bytes = mri::write(&repository, &keys).expect("writes");
        let parts = (parts::REPOSITORY.open)(&bytes).expect("parts");
        assert_eq!((parts::REPOSITORY.close)(&parts), bytes);
        holds(&format!("repository/{name}.mri"), &bytes);
    }
}

#[test]
fn frames_of_every_tag() {
    let step: minos_model::StepId = "gcc:pass1".parse().expect("a step");
    let options = BuildOptions {
        keep_going: true,
        jobs: 2,
        tests: TestLevel::Critical,
        rebuild: vec![step.clone()],
        observe: false,
        compare: true,
    };
    let wish = Wish { install: vec!["zlib>=1.3".to_owned()], ..Wish::default() };
    let sheet = Sheet {
        kind: "package".to_owned(),
        facts: vec![("size".to_owned(), sheet::Field::List(vec![sheet::Field::Bytes(7)]))],
        ..Sheet::default()
    };
    let error =
        ErrorReport { kind: ErrorKind::NotFound, what: "nothing".to_owned(), hint: String::new() };
    let verdict = Verdict {
        success: false,
        target: "lfs/toolchain".to_owned(),
        summary: "none".to_owned(),
        built: 1,
        cached: 2,
        failed: Vec::new(),
        wall_ms: 300,
    };
    let done = EventBody::PhaseDone { step, phase: Phase::Build, metrics: Metrics::default() };
    let hello = Hello { version: minos_proto::VERSION, client: "pkgctl".to_owned() };
    let welcome =
        Welcome { version: minos_proto::VERSION, server: "pkgd".to_owned(), role: Role::Admin };
    let build = Request::Build { target: "lfs/toolchain".to_owned(), options };
    let boot = BootEvent::Phase { at_ms: 9, phase: BootPhase::Ready };
    let package = |request| encode(Tag::Request, &(7_u32, Request::Package(request)));
    let seeds = [
        ("hello", encode(Tag::Hello, &hello)),
        ("welcome", encode(Tag::Welcome, &welcome)),
        ("build", encode(Tag::Request, &(1_u32, build))),
        ("propose", package(PackageRequest::Propose(wish))),
        ("list", package(PackageRequest::List(Listing::Outdated))),
        ("sheet", encode(Tag::Reply, &(7_u32, Ok::<_, ErrorReport>(Reply::Sheet(sheet))))),
        ("refused", encode(Tag::Reply, &(7_u32, Err::<Reply, _>(error.clone())))),
        ("event", encode(Tag::Event, &Event { job: 1, at_ms: 2, body: done })),
        ("verdict", encode(Tag::Verdict, &verdict)),
        ("boot", encode(Tag::Boot, &boot)),
        ("refusal", encode(Tag::Refusal, &error)),
    ];
    let mut line = b"login: ".to_vec();
    for (name, frame) in seeds {
        let frame = frame.expect("encodes");
        assert_eq!((parts::FRAMES.close)(&(parts::FRAMES.open)(&frame).expect("a frame")), frame);
        holds(&format!("frame/{name}.frame"), &frame);
        line.extend(frame);
    }
    holds("frame/line.frame", &line);
}

#[test]
fn plans() {
    let name = |text: &str| text.parse().expect("a name");
    let version = |text: &str| Some(text.parse().expect("a version"));
    let accounts =
        Accounts { users: vec![("mail".to_owned(), 8)], groups: vec![("mail".to_owned(), 12)] };
    let install = |n: u8, reason| PlanInstall {
        manifest: Digest::of(&[n]),
        accounts: accounts.clone(),
        reason,
    };
    let mut list = vec![install(1, Reason::Asked), install(2, Reason::Dependency)];
    list.sort_by_key(|install| install.manifest);
    let least = Plan {
        base: 0,
        base_digest: Digest::of(b"no generation"),
        note: String::new(),
        install: Vec::new(),
        remove: Vec::new(),
        reasons: Vec::new(),
        asked: Vec::new(),
        asks_change: false,
        override_holds: false,
        changes: Vec::new(),
        write_bytes: 0,
        write_files: 0,
        grows: 0,
    };
    let most = Plan {
        base: 7,
        note: "as asked".to_owned(),
        install: list,
        remove: vec![name("old")],
        reasons: vec![(name("zlib"), Reason::Dependency)],
        asked: vec!["git[docs]>=2".to_owned()],
        asks_change: true,
        override_holds: true,
        changes: vec![PlannedChange {
            name: name("git"),
            from: version("1.0-1"),
            to: version("1:2.0~rc1-3"),
        }],
        write_bytes: 1 << 40,
        write_files: 300,
        grows: -12,
        ..least.clone()
    };
    for (file, plan) in [("plan/least.plan", least), ("plan/most.plan", most)] {
        let bytes = plan.encode().expect("encodes");
        assert_eq!((parts::SUMMED.close)(&(parts::SUMMED.open)(&bytes).expect("parts")), bytes);
        holds(file, &bytes);
    }
}

fn entries() -> Vec<Entry> {
    let term = |target: &str, constraint: &str| Term {
        target: target.to_owned(),
        constraint: constraint.parse().expect("a constraint"),
    };
    let entry = |name: &str, version: &str| Entry::new(name, version.parse().expect("a version"));
    let either =
        Need { any: vec![term("b", ">=2"), Term::any("role:x")], when: Some(Term::any("c")) };
    let gui = Group {
        name: "gui".to_owned(),
        reason: "Windows".to_owned(),
        needs: vec![Need::one(Term::any("c"))],
    };
    let role = Provide { target: "role:x".to_owned(), version: None, exclusive: true };
    let lib = Provide {
        target: "soname:libc.so".to_owned(),
        version: Some("2".parse().expect("one")),
        exclusive: false,
    };
    vec![
        Entry {
            needs: vec![either, Need::one(Term::any("c"))],
            groups: vec![gui],
            description: "about a".to_owned(),
            ..entry("a", "1.0-1")
        },
        Entry { needs: vec![Need::one(term("b", "<2"))], repository: 1, ..entry("a", "2.0-1") },
        Entry { provides: vec![role], conflicts: vec![term("c", "=1")], ..entry("b", "2.1-1") },
        Entry {
            provides: vec![lib],
            replaces: vec![Term::any("old")],
            size: u64::MAX,
            ..entry("c", "1:1-1")
        },
    ]
}

#[test]
fn indexes_of_packages() {
    let repository = |name: &str, priority| Repository { name: name.to_owned(), priority };
    let two = [repository("main", 10), repository("other", -5)];
    for (file, repositories, list) in
        [("index/empty.index", &two[..0], vec![]), ("index/four.index", &two[..], entries())]
    {
        let bytes = build(repositories, list).expect("an index");
        assert_eq!((parts::INDEX.close)(&(parts::INDEX.open)(&bytes).expect("parts")), bytes);
        holds(file, &bytes);
    }
}

#[test]
fn indexes_of_recipes() {
    for name in ["least", "all"] {
        let file = |name: &str, bytes: &[u8]| (name.to_owned(), bytes.to_vec());
        let files = [
            file("sources.lock", &read("lock/places.toml")),
            file("demo/x/recipe.toml", &read(&format!("recipe/{name}.toml"))),
            file("demo/x/build.sh", b"make\n"),
            file("demo/x/install.sh", b"make install\n"),
            file("demo/x/check.sh", b"make check\n"),
            file("demo/x/conf/fix.patch", b"-a\n+b\n"),
            file("demo/x/expected.txt", b"tests/a # why\n"),
        ];
        let (set, lints) = RecipeSet::from_files(&files.into());
        assert_eq!(set.len(), 1, "{lints:?}");
        let bytes = set.compile();
        assert_eq!(
            (parts::RECIPE_INDEX.close)(&(parts::RECIPE_INDEX.open)(&bytes).expect("parts")),
            bytes
        );
        holds(&format!("recipe_index/{name}.recipes"), &bytes);
    }
}
