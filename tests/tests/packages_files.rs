//! Packages, keys and signatures as files: the real pkgctl, the pkgd beside it, `minisign` and `signify`.
//!
//! Both programs must be installed (`minisign`, `signify-openbsd` in Debian); a test without them fails and says so.
#![cfg(feature = "system")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use minos_tests::room::{Room, text};
use minos_tests::{Recipes, Root};
use serde_json::Value;

fn signify() -> &'static str {
    if Path::new("/usr/bin/signify-openbsd").exists() { "signify-openbsd" } else { "signify" }
}

#[test]
fn keys_are_made_listed_and_exported() {
    let room = Room::new();
    let id = room.key("ann");
    let mode = fs::metadata(room.path("ann.key")).expect("a key").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "a secret key is its owner's alone");
    let listed = room.json("key list --dir .");
    assert_eq!(listed["keys"][0]["id"], id.as_str());
    assert_eq!(listed["keys"][0]["comment"], "ann");
    let exported = room.json("key export ann.key --output again.pub");
    assert_eq!(exported["id"], id.as_str());
    assert_eq!(room.read("again.pub"), room.read("ann.pub"));
    // Nothing is overwritten, and half a pair is none.
    let said = room.refused("key generate ann --no-passphrase", 11);
    assert!(said.contains("File exists"), "{said}");
    room.refused("key export ann.key --output ann.pub", 11);
    room.refused("key generate ../ann --no-passphrase", 2);
    room.refused("key export nothing.key", 3);
    let said = room.refused("key generate bob", 2);
    assert!(said.contains("there is no terminal") && !room.path("bob.key").exists(), "{said}");
}

#[test]
fn minisign_and_signify_take_what_we_sign_and_we_what_they_sign() {
    let room = Room::new();
    room.key("ann");
    room.json("key generate joe --signify --no-passphrase");
    room.write("text", "what is signed\n");
    room.json("sign text --key ann.key --comment by-ann");
    room.other("minisign", "-V -p ann.pub -m text");
    room.json("sign text --key joe.key --signify");
    room.other(signify(), "-V -p joe.pub -m text");
    let verified = room.json("verify-file text --key ann.pub");
    assert_eq!(verified["trusted_comment"], "by-ann");
    room.json("verify-file text --key joe.pub --signature text.sig");
    // And the other way round.
    room.other("minisign", "-G -W -p mini.pub -s mini.key");
    room.other(signify(), "-G -n -p sig.pub -s sig.sec");
    room.write("other", "another text\n");
    room.other("minisign", "-S -s mini.key -m other");
    room.json("verify-file other --key mini.pub");
    fs::remove_file(room.path("other.minisig")).expect("it is there");
    room.other(signify(), "-S -s sig.sec -m other");
    room.json("verify-file other --key sig.pub");
    room.json("sign other --key mini.key");
    room.other("minisign", "-V -p mini.pub -m other");
}

#[test]
fn a_signature_by_another_or_of_another_text_is_refused() {
    let room = Room::new();
    room.key("ann");
    room.key("eve");
    room.write("text", "what is signed\n");
    room.json("sign text --key ann.key");
    let said = room.refused("verify-file text --key eve.pub", 2);
    assert!(said.contains("the signature is by key"), "{said}");
    room.write("text", "what was changed\n");
    let said = room.refused("verify-file text --key ann.pub", 2);
    assert!(said.contains("it was changed"), "{said}");
    assert!(room.refused("verify-file text", 2).contains("no key to check with"));
    room.refused("verify-file text --key ann.pub --signature nothing", 3);
    room.refused("sign text", 2);
}

/// minisign's scrypt takes a gigabyte: one test for all of it.
#[test]
fn a_key_with_a_password_is_minisigns_and_ours() {
    let room = Room::new();
    room.write("password", "open sesame\n");
    room.write("wrong", "open barley\n");
    room.write("text", "what is signed\n");
    room.json("key generate ann --passphrase-file password");
    let said = room.refused("sign text --key ann.key --passphrase-file wrong", 2);
    assert!(said.contains("that is not the password"), "{said}");
    room.json("sign text --key ann.key --passphrase-file password");
    room.other("minisign", "-V -p ann.pub -m text");
    // minisign reads the password from a pipe where there is no terminal.
    let signs = "minisign -S -s ann.key -m text -x by-minisign < password";
    let mut shell = Command::new("setsid");
    let shell = shell.args(["--wait", "sh", "-c", signs]).current_dir(room.path(".")).output();
    assert!(shell.as_ref().is_ok_and(|o| o.status.success()), "{shell:?}");
    room.json("verify-file text --key ann.pub --signature by-minisign");
    let said = room.refused("sign text --key ann.key", 2);
    assert!(said.contains("there is no terminal"), "{said}");
}

#[test]
fn a_folder_becomes_a_package_that_tells_all_about_itself() {
    let room = Room::new();
    let id = room.key("ann");
    room.package("hello");
    let packed = room.json("pack ./hello --key ann.key");
    assert_eq!(
        (&packed["file"], &packed["signed_by"]),
        (&"./hello-1.0-1.noarch.mpk".into(), &id.as_str().into())
    );
    let seen = room.json("inspect hello-1.0-1.noarch.mpk --files --keys .");
    assert_eq!((&seen["name"], &seen["version"]), (&"hello".into(), &"1.0-1".into()));
    assert_eq!(seen["signatures"][0]["state"], "trusted");
    assert_eq!(seen["provides"][0]["capability"], "cmd:hello");
    let paths: Vec<String> =
        seen["files"].as_array().unwrap().iter().map(|f| text(&f["path"])).collect();
    assert_eq!(paths, ["/usr/", "/usr/bin/", "/usr/bin/hello"]);
    assert_eq!(seen["files"][2]["owner"], "0:0", "root's, whoever packed it");
    // The same folder gives the same package.
    fs::create_dir(room.path("again")).expect("a folder");
    room.json("pack ./hello --key ann.key --output again");
    let bytes = |name: &str| fs::read(room.path(name)).expect("a package");
    assert_eq!(bytes("hello-1.0-1.noarch.mpk"), bytes("again/hello-1.0-1.noarch.mpk"));
    // Another signature is added, and does not change what the package is.
    room.key("eve");
    room.json("sign hello-1.0-1.noarch.mpk --key eve.key");
    let both = room.json("inspect hello-1.0-1.noarch.mpk");
    assert_eq!((both["signatures"].as_array().unwrap().len(), &both["id"]), (2, &seen["id"]));
    let verified = room.json("verify-file hello-1.0-1.noarch.mpk --key eve.pub");
    assert_eq!(verified["package"], "hello 1.0-1");
    // Nor does one that is made take the place of another, or of a file that just looks like it.
    let kept = bytes("again/hello-1.0-1.noarch.mpk");
    assert!(room.refused("pack ./hello --output again", 11).contains("nothing is overwritten"));
    assert_eq!(bytes("again/hello-1.0-1.noarch.mpk"), kept);
    room.json("pack ./hello --key ann.key --output again");
    fs::create_dir(room.path("third")).expect("a folder");
    room.write("third/hello.mpk", "mine");
    let unsigned = room.json("pack ./hello --output third");
    assert_eq!(room.read("third/hello.mpk"), "mine");
    assert_eq!(unsigned["signed_by"], Value::Null);
    assert!(text(&unsigned["notes"][0]).contains("not signed"));
    assert!(
        ["again", "third", "."]
            .iter()
            .flat_map(|folder| fs::read_dir(room.path(folder)).unwrap())
            .all(|e| !text(&e.unwrap().file_name().to_string_lossy().into()).ends_with(".next"))
    );
}

#[test]
fn a_broken_package_is_refused_with_the_part_and_its_place() {
    let room = Room::new();
    room.key("ann");
    room.package("hello");
    room.json("pack ./hello --key ann.key");
    let good = fs::read(room.path("hello-1.0-1.noarch.mpk")).expect("a package");
    let damaged = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        room.write("bad.mpk", bytes);
    };
    // The manifest stands behind the header of 104 bytes and one signature of 80.
    damaged(190);
    let said = room.refused("inspect bad.mpk", 2);
    assert!(said.contains("manifest:") && said.contains("(at byte 184)"), "{said}");
    damaged(good.len() - 1);
    room.json("inspect bad.mpk");
    let said = room.refused("verify-file bad.mpk --key ann.pub", 2);
    assert!(said.contains("frame 0:") && said.contains("at byte"), "{said}");
    room.refused("sign bad.mpk --key ann.key", 2);
    damaged(120);
    let said = room.refused("verify-file bad.mpk --key ann.pub", 2);
    assert!(said.contains("the signature of trusted key"), "{said}");
    room.write("bad.mpk", &good[..good.len() - 5]);
    assert!(room.refused("inspect bad.mpk", 2).contains("cut off or extended"));
    room.write("bad.mpk", "#!/bin/sh\n");
    assert!(room.refused("inspect bad.mpk", 2).contains("not a package"));
}

#[test]
fn what_cannot_be_a_package_is_named() {
    let room = Room::new();
    room.json("skeleton raw --package");
    assert!(room.refused("pack ./raw", 2).contains("package.toml': version: it says TODO"));
    room.package("hello");
    let made = Command::new("mkfifo").arg(room.path("hello/root/pipe")).status().expect("mkfifo");
    assert!(made.success());
    let said = room.refused("pack ./hello", 2);
    assert!(said.contains("hello/root/pipe' is no file, folder or link"), "{said}");
    fs::remove_file(room.path("hello/root/pipe")).expect("it is there");
    let toml = room.read("hello/package.toml");
    room.write("hello/package.toml", toml.replace("depends = []", "depends = [\"zlib>>1\"]"));
    let said = room.refused("pack ./hello", 2);
    assert!(said.contains("package.toml': depends: 'zlib>>1'"), "{said}");
    room.refused("pack ./nothing", 3);
    // It blamed the kernel's Landlock.
    let said = room.refused("pack ./hello --output nowhere", 3);
    assert!(said.contains("'nowhere'") && !said.contains("Landlock"), "{said}");
    room.refused("pack ./hello ./hello", 2);
    room.refused("pack hello --key x", 2);
}

/// Every package here is validly signed: what is wrong is which of them are given.
#[test]
fn pitfall_3_a_repository_that_goes_back_or_loses_its_index_is_refused() {
    let room = Room::new();
    room.key("ann");
    room.package("hello");
    fs::create_dir(room.path("site")).expect("a folder");
    let toml = room.read("hello/package.toml").replace("ignore = []", "ignore = [\"cmd:sh\"]");
    let pack = |version: &str| {
        let version = format!("version = \"{version}\"");
        room.write("hello/package.toml", toml.replace("version = \"1.0\"", &version));
        room.json("pack ./hello --key ann.key --output site");
    };
    pack("1.0");
    assert!(room.refused("repo publish site", 2).contains("--key"));
    assert!(
        room.refused("repo publish site --key ann.key --valid-days 0", 2).contains("1 to 3660")
    );
    let published = room.json("repo publish site --key ann.key");
    assert_eq!((&published["repository"], &published["packages"]), (&"site".into(), &1.into()));
    let index = room.path("site/repository.mri");
    let old = fs::read(&index).expect("an index");
    pack("2.0");
    let later = room.json("repo publish site --key ann.key --valid-days 2");
    assert!(later["created"].as_u64() > published["created"].as_u64(), "also within a second");
    let new = fs::read(&index).expect("an index");

    let recipes = Recipes::new();
    let root = Root::new(recipes.path());
    let daemon = root.start();
    let at = format!("--root {}", root.path().display());
    room.json(&format!("{at} key trust ann.pub"));
    let added = room.json(&format!("{at} repo add site {}", room.path("site").display()));
    assert_eq!(
        (&added["repositories"][1]["packages"], &added["repositories"][1]["until"]),
        (&2.into(), &later["until"])
    );
    let refused = |why: &str| {
        let said = room.pkgctl(&format!("{at} repo sync"));
        let text =
            String::from_utf8_lossy(&said.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(said.status.code(), Some(9), "{said:?}");
        assert!(text.contains(why), "{text}");
    };
    let offered = || {
        let list = room.json(&format!("{at} list --available"));
        list["packages"].as_array().map_or(0, Vec::len)
    };
    assert_eq!(offered(), 2);
    fs::write(&index, &old).expect("the old index");
    refused("went back");
    assert_eq!(offered(), 0, "nothing of it is offered");
    fs::remove_file(&index).expect("it is there");
    refused("it is gone, and there was one");
    // What is remembered outlives pkgd.
    assert!(daemon.stop().success());
    let daemon = root.start();
    fs::write(&index, &old).expect("the old index");
    refused("went back");
    fs::write(&index, &new).expect("the new index");
    room.json(&format!("{at} repo sync"));
    assert_eq!(offered(), 2);

    pack("3.0");
    refused("the repository's index does not have it");
    assert_eq!(offered(), 2, "the others are as good as before");
    fs::remove_file(room.path("site/hello-3.0-1.noarch.mpk")).expect("it is there");
    room.write("hello/root/usr/bin/hello", "#!/bin/sh\necho other\n");
    fs::remove_file(room.path("site/hello-2.0-1.noarch.mpk")).expect("it is there");
    pack("2.0");
    refused("it is not the package that the repository's index names");
    assert_eq!(offered(), 1);
    // A person may begin anew.
    room.json(&format!("{at} repo remove site"));
    assert!(daemon.stop().success());
}

/// A package made by hand, from its skeleton to the installed file, and a database from its backup.
#[test]
fn a_package_made_by_hand_is_installed_and_the_database_comes_back() {
    let room = Room::new();
    room.key("ann");
    room.package("hello");
    // No package of this test brings a shell.
    let toml = room.read("hello/package.toml").replace("ignore = []", "ignore = [\"cmd:sh\"]");
    let toml = format!(
        "{toml}\n[[link]]\npath = \"/usr/bin/hi\"\ntarget = \"hello\"\n[sysctl]\n\"kernel.x\" = \"1\"\n"
    );
    room.write("hello/package.toml", toml);
    fs::create_dir(room.path("site")).expect("a folder");
    room.json("pack ./hello --key ann.key --output site");
    let recipes = Recipes::new();
    let root = Root::new(recipes.path());
    let daemon = root.start();
    let at = format!("--root {}", root.path().display());
    let site = room.path("site").display().to_string();
    // Nobody is trusted yet: the package is named, and not offered.
    let added = room.pkgctl(&format!("{at} repo add site {site}"));
    assert_eq!(added.status.code(), Some(9), "{added:?}");
    assert!(String::from_utf8_lossy(&added.stdout).contains("hello-1.0-1.noarch.mpk"));
    let said = room.refused(&format!("{at} install hello -y"), 13);
    assert!(said.contains("hello"), "{said}");
    room.json(&format!("{at} key trust ann.pub"));
    room.json(&format!("{at} repo sync"));
    let done = room.pkgctl(&format!("{at} install hello --yes"));
    assert!(done.status.success(), "{done:?}");
    assert!(root.path().join("current/usr/bin/hello").exists());
    let link = fs::read_link(root.path().join("current/usr/bin/hi")).expect("a link");
    assert_eq!(link, Path::new("hello"), "what the package asks for beside its files");
    assert!(root.path().join("current/etc/sysctl.d/50-hello.conf").exists());
    assert_eq!(
        room.json(&format!("{at} owner usr/bin/hello"))["paths"][0]["path"],
        "/usr/bin/hello"
    );
    let backup = room.path("backup").display().to_string();
    room.json(&format!("{at} db backup {backup}"));
    let said = room.refused(&format!("{at} db backup {backup}"), 11);
    assert!(said.contains("nothing is overwritten"), "{said}");
    room.refused(&format!("{at} db backup /nowhere/backup"), 3);
    let said = room.refused(&format!("{at} db restore {backup}"), 11);
    assert!(said.contains("there is a database already") && said.contains("aside"), "{said}");
    let new = room.path("new").display().to_string();
    let said = room.refused(&format!("--root {new} db restore /etc/passwd"), 2);
    assert!(said.contains("'/etc/passwd'") && said.contains("db backup"), "{said}");
    assert!(!said.contains(&new) && !room.path("new").exists(), "{said}");
    assert!(daemon.stop().success());
    for file in ["state.redb", "state.log"] {
        fs::rename(root.path().join(file), room.path(file)).expect("moved aside");
    }
    room.json(&format!("{at} db restore {backup}"));
    let daemon = root.start();
    let list = room.json(&format!("{at} list"));
    assert_eq!(list["packages"][0]["package"], "hello");
    room.json(&format!("{at} db verify"));
    assert!(daemon.stop().success());
    assert!(room.refused(&format!("db restore {backup}"), 2).contains("--root DIR names"));
}
