//! What other package managers fell for, as far as it is the store's: `docs/PITFALLS.md` has the numbers.

mod common;

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use common::packages::{CLOCK, Item, Shelf, Spec, install, picture, spec};
use common::place::Place;
use minos_model::Digest;
use minos_store::fs::Attributes;
use minos_store::{
    ContentSource, Depth, Made, MadeNode, NoTriggers, Problem, Request, Sink, Staged, SystemError,
    Triggers,
};

impl Place {
    fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    /// Everything a later start could trip over.
    fn look(&self) -> (String, String) {
        let below = |at: &str| picture(&self.fs, at.as_ref());
        (below("objects"), below("roots"))
    }
}

fn app(version: &str, text: &'static str) -> Spec {
    spec("app", version, &[("usr/bin/app", Item::File(text, 0o755))])
}

/// A mirror: whatever it is asked for, it has something else that is right in itself.
struct Mirror {
    shelf: Shelf,
    asked: Digest,
    given: Digest,
    /// Also the manifest is the other one, not the contents alone.
    manifest: bool,
}

impl ContentSource for Mirror {
    fn manifest(&self, package: &Digest) -> io::Result<Vec<u8>> {
        let swap = self.manifest && *package == self.asked;
        self.shelf.manifest(if swap { &self.given } else { package })
    }

    fn contents(
        &self,
        _: &Digest,
        _: &dyn Fn(&Digest) -> bool,
        sink: &mut Sink<'_>,
    ) -> io::Result<()> {
        // Under every digest that could be wanted.
        for wanted in ["v1", "v2", "evil"].map(|text| Digest::of(text.as_bytes())) {
            sink(&wanted, &mut &b"evil"[..] as &mut dyn Read)?;
        }
        Ok(())
    }
}

/// apko verified the index and never compared the hash of the package that came.
#[test]
fn pitfall_1_another_package_under_the_asked_name_is_refused() {
    let place = Place::new();
    let system = place.system();
    install(&system, &[app("1-1", "v1")], &[]).unwrap();
    let before = place.look();
    let (next, older, other) = (
        app("2-1", "v2"),
        app("1-1", "v1"),
        spec("evil", "9-1", &[("x", Item::File("evil", 0o644))]),
    );
    let request = Request { install: vec![next.incoming()], ..Request::default() };
    let plan = system.plan(&request).unwrap();
    for given in [&older, &other] {
        for manifest in [true, false] {
            let mut shelf = Shelf::of(std::slice::from_ref(&next));
            let (asked, given) = (shelf.add(&next), shelf.add(given));
            let mirror = Mirror { shelf, asked, given, manifest };
            let error = system.apply(&plan, &mirror, &mut NoTriggers, None, &CLOCK).unwrap_err();
            assert!(!error.hint().is_empty());
            assert_eq!(place.look(), before, "{error}");
            assert_eq!(fs::read_to_string(place.path("current/usr/bin/app")).unwrap(), "v1");
        }
    }
    // The right one still comes.
    system.apply(&plan, &Shelf::of(&[next]), &mut NoTriggers, None, &CLOCK).unwrap();
    assert_eq!(system.verify(Depth::Content).unwrap().findings, []);
}

/// One package under two identities: a plan made by hand asked for a manifest that says the same in other bytes.
#[test]
fn pitfall_7_a_manifest_in_another_encoding_is_no_package() {
    struct Bytes(Vec<u8>);
    impl ContentSource for Bytes {
        fn manifest(&self, _: &Digest) -> io::Result<Vec<u8>> {
            Ok(self.0.clone())
        }

        fn contents(
            &self,
            _: &Digest,
            _: &dyn Fn(&Digest) -> bool,
            sink: &mut Sink<'_>,
        ) -> io::Result<()> {
            sink(&Digest::of(b"v1"), &mut &b"v1"[..] as &mut dyn Read)
        }
    }
    let place = Place::new();
    let system = place.system();
    let spec = app("1-2", "v1");
    let request = Request { install: vec![spec.incoming()], ..Request::default() };
    let mut plan = system.plan(&request).unwrap();
    let good = postcard::to_extend(&spec.manifest(), Vec::new()).unwrap();
    let at = good.windows(4).position(|w| w == b"\x031-2").expect("the version");
    let mut other = good.clone();
    other.splice(at..at + 4, *b"\x050:1-2");
    plan.install[0].manifest = Digest::of(&other);
    let error = system.apply(&plan, &Bytes(other), &mut NoTriggers, None, &CLOCK).unwrap_err();
    assert!(error.to_string().contains("canonical"), "{error}");
    assert_eq!(place.look().1, "");
    plan.install[0].manifest = Digest::of(&good);
    system.apply(&plan, &Bytes(good), &mut NoTriggers, None, &CLOCK).unwrap();
}

/// Somebody exchanges a folder of the root that is put together for a link to elsewhere, as fast as they can, while
/// packages are installed into it.
#[test]
fn pitfall_6_a_folder_of_the_root_swapped_for_a_link_leads_nowhere() {
    let place = Place::new();
    let system = place.system();
    let outside = tempfile::tempdir().unwrap();
    let mut many = spec("many", "1-1", &[]);
    for n in 0..120 {
        many.items
            .insert(format!("usr/d{}/f{n}", n % 20), Item::Marked("x", 0o644, &[("user.a", b"1")]));
        many.items.insert(format!("usr/d{}/l{n}", n % 20), Item::Link("f"));
        many.items.insert(format!("etc/d{}/c{n}", n % 20), Item::Config("c"));
    }
    let (stop, swaps) = (AtomicBool::new(false), std::sync::atomic::AtomicU32::new(0));
    let (mut done, mut refused) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                swap(place.dir.path(), outside.path(), &swaps);
            }
        });
        while (swaps.load(Ordering::Relaxed) < 200 || done == 0 || refused == 0)
            && done + refused < 400
        {
            let remove: &[&str] =
                if system.owners(b"usr").unwrap().is_empty() { &[] } else { &["many"] };
            let specs: &[Spec] = if remove.is_empty() { std::slice::from_ref(&many) } else { &[] };
            match install(&system, specs, remove) {
                Ok(_) => done += 1,
                Err(_) => {
                    refused += 1;
                    let _ = system.settle(&CLOCK);
                }
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0, "{done} done, {refused} refused");
    println!("{done} done, {refused} refused, {swaps:?} swaps");
    assert!(refused > 0 && swaps.load(Ordering::Relaxed) > 100, "no race took place");
    // Left alone, the system can be made whole again.
    system.settle(&CLOCK).unwrap();
    assert_eq!(system.check().unwrap().contradictions, Vec::<String>::new());
}

/// Exchanges one folder of each root for a link and back.
fn swap(root: &Path, outside: &Path, swaps: &std::sync::atomic::AtomicU32) {
    for entry in fs::read_dir(root.join("roots")).into_iter().flatten().flatten() {
        for folder in ["usr/d7", "etc/d7", "usr"] {
            let (there, aside) = (entry.path().join(folder), root.join("aside"));
            if fs::rename(&there, &aside).is_ok() {
                let _ = symlink(outside, &there);
                swaps.fetch_add(1, Ordering::Relaxed);
                std::thread::yield_now();
                let _ = fs::remove_file(&there);
                if fs::rename(&aside, &there).is_err() {
                    let _ = fs::remove_dir_all(&aside);
                }
                std::thread::sleep(std::time::Duration::from_millis(3));
            }
        }
    }
}

/// Names that a shell, a terminal or a line of a log would take for something else.
#[test]
fn pitfall_8_names_of_files_are_only_names() {
    let place = Place::new();
    let system = place.system();
    let names = [
        "$(reboot);'",
        "-rf",
        "`id`",
        "a b",
        "%0A",
        "\u{202e}txt",
        "\u{9b}2J",
        "*",
        "~",
        "'",
        "\"",
    ];
    let mut odd = spec("odd", "1-1", &[]);
    let fields = |names: &[&str]| {
        let mut fields = odd.manifest().into_fields();
        for name in names {
            let like = spec("x", "1", &[("x", Item::File("x", 0o644))]).manifest().files[0].clone();
            let path = minos_model::PackagePath::new(name.as_bytes().to_vec()).unwrap();
            fields.files.push(minos_model::package::PackageFile { path, ..like });
        }
        fields.files.sort_by(|a, b| a.path.cmp(&b.path));
        minos_model::PackageManifest::new(fields)
    };
    // U+009B is a control character in UTF-8 and plain bytes in a path: it is a name, and shown as bytes.
    let manifest = fields(&names).unwrap();
    odd.items.insert("x".to_owned(), Item::File("x", 0o644));
    let shelf = Shelf::with(&manifest, &odd);
    let accounts = minos_store::Accounts::default();
    let reason = minos_store::Reason::Asked;
    let coming = |manifest| minos_store::Incoming { manifest, accounts: accounts.clone(), reason };
    let request = Request { install: vec![coming(manifest)], ..Request::default() };
    let plan = system.plan(&request).unwrap();
    system.apply(&plan, &shelf, &mut NoTriggers, None, &CLOCK).unwrap();
    for name in names {
        assert_eq!(fs::read_to_string(place.path("current").join(name)).unwrap(), "x");
        assert_eq!(system.owners(name.as_bytes()).unwrap(), ["odd".parse().unwrap()]);
    }
    assert_eq!(system.verify(Depth::Content).unwrap().findings, []);
    // What is said about them has no control characters in it and does not turn around.
    let thief = spec("thief", "1-1", &[]);
    let mut fields = thief.manifest().into_fields();
    let odd = system.plan(&request);
    assert!(odd.is_ok());
    fields.files = request.install[0].manifest.files.clone();
    let thief = minos_model::PackageManifest::new(fields).unwrap();
    let request = Request { install: vec![coming(thief)], ..Request::default() };
    let error = system.plan(&request).unwrap_err();
    assert!(matches!(&error, SystemError::Refused(p) if p.len() == names.len()), "{error}");
    assert!(!error.to_string().contains(['\u{9b}', '\u{202e}', '\n']), "{:?}", error.to_string());
}

/// moss copied in silence where a link would not do, and filled the disk.
#[test]
fn pitfall_26_another_file_system_below_the_state_is_refused_and_not_copied_to() {
    let place = Place::new();
    install(&place.system(), &[app("1-1", "v1")], &[]).unwrap();
    let before = place.look();
    let over = |options: &[&str], at: &str| {
        let status = Command::new("mount").args(options).arg(place.path(at)).status().unwrap();
        assert!(status.success(), "mounting failed: this test must run as root");
    };
    over(&["-t", "tmpfs", "none"], "roots");
    let outcome = {
        let system = place.system();
        install(&system, &[app("2-1", "v2")], &[])
    };
    let below = fs::read_dir(place.path("roots")).unwrap().count();
    let status = Command::new("umount").arg(place.path("roots")).status().unwrap();
    assert!(status.success());
    let error = outcome.unwrap_err();
    assert!(matches!(&error, SystemError::Io { .. }), "{error}");
    assert!(error.hint().contains("the file system of the state folder"), "{}", error.hint());
    assert_eq!(below, 0, "nothing was written there");
    let system = place.system();
    system.settle(&CLOCK).unwrap();
    assert_eq!(place.look(), before);
    install(&system, &[app("2-1", "v2")], &[]).unwrap();
}

/// libarchive and others once made files before they looked at them: a refused plan leaves no trace at all.
#[test]
fn pitfall_11_what_is_refused_or_fails_leaves_nothing_behind() {
    let place = Place::new();
    let system = place.system();
    install(&system, &[app("1-1", "v1")], &[]).unwrap();
    let before = place.look();
    let thief = spec("thief", "1-1", &[("usr/bin/app", Item::File("mine", 0o4755))]);
    let error = install(&system, &[thief], &[]).unwrap_err();
    assert!(matches!(&error, SystemError::Refused(p) if matches!(p[..], [Problem::Path { .. }])));
    assert_eq!(place.look(), before);
    let secret = spec("secret", "1-1", &[("etc/secret", Item::File("s3cret", 0o600))]);
    let request = Request { install: vec![secret.incoming()], ..Request::default() };
    let plan = system.plan(&request).unwrap();
    let mut shelf = Shelf::of(&[secret]);
    shelf.spoil("s3cret", "other");
    system.apply(&plan, &shelf, &mut NoTriggers, None, &CLOCK).unwrap_err();
    assert_eq!(place.look(), before, "no file with the wrong content, nor with the wrong mode");
}

/// Whoever may write in a root can make folders deeper than any path can tell. They stood in the way of every later
/// transaction, of collecting and of removing a composed root.
#[test]
fn pitfall_10_a_tree_deeper_than_any_path_is_removed() {
    let place = Place::new();
    let system = place.system();
    let versions = [("1-1", "v1"), ("2-1", "v2"), ("3-1", "v3"), ("4-1", "v4")];
    for (version, text) in versions {
        install(&system, &[app(version, text)], &[]).unwrap();
        let root = fs::canonicalize(place.path("current")).unwrap();
        fs::create_dir_all(root.join(".deep-0")).unwrap();
        burrow(&root, 40, &"a long name, of which few make a path ".repeat(6));
    }
    burrow(&place.path("current/usr/bin"), 60, &"n".repeat(100));
    system.switch(1, "back", None, &CLOCK).unwrap();
    let keep = minos_store::Retention::Policy { newest: 0, younger_than_ms: 0 };
    let done = system.collect(keep, false, None, &CLOCK, &|| false).unwrap();
    assert_eq!(done.generations, [2, 3, 4]);
    assert_eq!(fs::read_dir(place.path("roots")).unwrap().count(), 1);
    let request = Request { install: vec![app("1-1", "v1").incoming()], ..Request::default() };
    let digest = system.plan(&request).unwrap().install[0].manifest;
    let name = "build".parse().unwrap();
    let made = system.compose(&[digest], &name, minos_store::SysrootMode::Copy).unwrap();
    burrow(&made.path, 60, &"n".repeat(100));
    system.remove_sysroot(&name).unwrap();
    assert!(!made.path.exists());
}

/// A trigger that a package led astray leaves a file that makes root of whoever runs it.
#[test]
fn pitfall_29_a_trigger_cannot_give_rights() {
    struct Gives(Attributes, bool);
    impl Triggers for Gives {
        fn run(&mut self, _: &Staged<'_>) -> Result<Vec<Made>, String> {
            let attributes = self.0.clone();
            let node = match self.1 {
                true => MadeNode::Directory(attributes),
                false => MadeNode::File { attributes, content: b"evil".to_vec() },
            };
            Ok(vec![Made { path: b"usr/made".to_vec(), node }])
        }
    }
    let place = Place::new();
    let system = place.system();
    install(&system, &[app("1-1", "v1")], &[]).unwrap();
    let before = place.look();
    let (next, with) = (app("2-1", "v2"), |mode, name: &str| {
        let xattrs = Some((name.to_owned(), b"1".to_vec())).filter(|(name, _)| !name.is_empty());
        Attributes { mode, uid: 0, gid: 0, xattrs: xattrs.into_iter().collect() }
    });
    let request = Request { install: vec![next.incoming()], ..Request::default() };
    let (plan, shelf) = (system.plan(&request).unwrap(), Shelf::of(&[next]));
    let wrong = [
        with(0o4755, ""),
        with(0o2755, ""),
        with(0o10644, ""),
        with(0o755, "security.capability"),
        with(0o644, "system.posix_acl_access"),
        with(0o644, "trusted.overlay.opaque"),
    ];
    for attributes in wrong {
        for folder in [false, true] {
            let mut gives = Gives(attributes.clone(), folder);
            let error = system.apply(&plan, &shelf, &mut gives, None, &CLOCK).unwrap_err();
            assert!(matches!(error, SystemError::Trigger { .. }), "{attributes:?}: {error}");
            assert_eq!(place.look(), before);
        }
    }
    let mut gives = Gives(with(0o1755, "user.note"), false);
    system.apply(&plan, &shelf, &mut gives, None, &CLOCK).unwrap();
    assert_eq!(system.verify(Depth::Content).unwrap().findings, []);
}

/// Makes a chain of folders below `at`, one in the other.
fn burrow(at: &Path, depth: usize, name: &str) {
    use rustix::fs::{Mode, OFlags, mkdirat, open, openat};
    let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut here = open(at, flags, Mode::empty()).unwrap();
    for _ in 0..depth {
        match mkdirat(&here, name, Mode::RWXU) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
            Err(e) => panic!("{e}"),
        }
        here = openat(&here, name, flags, Mode::empty()).unwrap();
    }
}
