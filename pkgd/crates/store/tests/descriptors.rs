//! With 64 descriptors for the whole process. A program of its own, since the limit is that of the process.

mod common;

use std::fs;

use common::packages::{Item, install, spec};
use minos_model::package::Account;
use minos_model::{PackageManifest, PackagePath};
use minos_store::fs::RealFs;
use minos_store::{
    Accounts, Depth, Incoming, NoTriggers, Options, Reason, Request, Retention, Store, System,
    SystemOptions,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// moss kept a descriptor for each file; we kept one for each owner and mode that one content had in a package,
/// so a package of empty files of many owners could not be installed.
#[test]
fn pitfall_26_a_few_descriptors_are_enough_for_any_package() {
    let old = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(64), ..old }).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), 5, Options::default()).unwrap();
    let seam = RealFs::new(dir.path()).unwrap();
    let options = SystemOptions { reserve_bytes: 0, ..SystemOptions::default() };
    let system = System::new(&store, &seam, options).unwrap();
    let mut files = spec("many", "1-1", &[]);
    for n in 0..500 {
        files.items.insert(format!("d{}/f{n}", n % 50), Item::File("one content", 0o644));
    }
    let mut fields = files.manifest().into_fields();
    for (owner, file) in (0..).zip(&mut fields.files) {
        file.user = Account::Id(owner);
    }
    let manifest = PackageManifest::new(fields).unwrap();
    let shelf = common::packages::Shelf::with(&manifest, &files);
    let coming = Incoming { manifest, accounts: Accounts::default(), reason: Reason::Asked };
    let request = Request { install: vec![coming], ..Request::default() };
    let plan = system.plan(&request).unwrap();
    assert_eq!(plan.write_files, 500);
    system.apply(&plan, &shelf, &mut NoTriggers, None, &|| 5).unwrap();
    assert_eq!(system.verify(Depth::Content).unwrap().findings, []);
    install(&system, &[], &["many"]).unwrap();
    system.switch(1, "back", None, &|| 5).unwrap();
    let keep = Retention::Policy { newest: 1, younger_than_ms: 0 };
    system.collect(keep, false, None, &|| 5, &|| false).unwrap();
    assert_eq!(system.verify(Depth::Content).unwrap().findings, []);
    let path: PackagePath = "d7/f57".parse().unwrap();
    assert_eq!(system.owners(path.as_bytes()).unwrap(), ["many".parse().unwrap()]);
    assert_eq!(fs::read_to_string(dir.path().join("current/d7/f57")).unwrap(), "one content");
}
