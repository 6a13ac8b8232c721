//! What a person is told: cause and next step, word for word.

mod common;

use std::io::{self, Cursor};

use common::raw::{Raw, frame};
use common::{check, empty, key, open_signed, regular, sample, trust};
use minos_model::package::PackageFields;
use minos_package::keys::Detached;
use minos_package::{Error, Options, PublicKey, SecretKey, write};

fn said(error: impl ToString) -> String {
    error.to_string()
}

#[test]
fn of_files_that_are_damaged_or_none() {
    let good = sample().pack(&[], &Options::default());
    let flip = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        said(check(&bytes).expect_err("damaged"))
    };
    assert_eq!(
        said(check(b"junk").expect_err("junk")),
        "not a package: it does not start with the mark of .mpk files"
    );
    assert_eq!(flip(9), "a package of format 257; this program reads format 1: use a newer one");
    assert_eq!(
        said(check(&good[..good.len() - 1]).expect_err("cut")),
        format!(
            "the header tells {} bytes, there are {}: cut off or extended, fetch it again",
            good.len(),
            good.len() - 1
        )
    );
    assert_eq!(flip(104), "manifest: not the bytes that were packed: fetch the package again");
    assert_eq!(
        flip(good.len() - 1),
        "frame 0: not the bytes that were packed: fetch the package again"
    );
}

#[test]
fn of_packages_that_were_made_wrong() {
    let fields = PackageFields { files: vec![regular("a", b"hello")], ..empty() };
    let mut raw = Raw::new(&fields, b"hullo");
    assert_eq!(
        said(check(&raw.bytes()).expect_err("other content")),
        "content 2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824 is not what the manifest says: \
         do not use it, tell who packed it"
    );
    raw.frames(&[(frame(b"hello!"), 5)]);
    assert_eq!(
        said(check(&raw.bytes()).expect_err("too long")),
        "frame 0: its header does not tell the length that the index tells: do not use it, tell who packed it"
    );
    let broken = Raw::of(vec![regular("a/b", b"")]);
    assert_eq!(
        said(check(&broken.bytes()).expect_err("no parent")),
        "not a valid package: a/b: the directory it stands in is not listed"
    );
    let junk = Raw { manifest: b"junk".to_vec(), ..broken };
    assert_eq!(
        said(check(&junk.bytes()).expect_err("junk")),
        "manifest: it is not the manifest of a package: do not use it, tell who packed it"
    );
}

#[test]
fn of_signatures_that_do_not_suffice() {
    let (a, b) = (key(1), key(2));
    let [id_a, id_b] = [&a, &b].map(|key| key.public().id());
    let bytes = sample().pack(std::slice::from_ref(&a), &Options::default());
    let refused = |bytes: &[u8], keys: &[&SecretKey]| {
        said(open_signed(bytes, &trust(keys), 1).err().expect("refused"))
    };
    assert_eq!(
        refused(&bytes, &[&b]),
        format!(
            "signed by 0 of 1 trusted keys; not trusted: {id_a}; if you know the owner of {id_a}: pkgctl key trust FILE"
        )
    );
    assert_eq!(
        refused(&sample().pack(&[], &Options::default()), &[&b]),
        "signed by 0 of 1 trusted keys; ask for a package that its publisher has signed"
    );
    let mut forged = bytes.clone();
    forged[150] ^= 1;
    assert_eq!(
        refused(&forged, &[&a]),
        format!(
            "the signature of trusted key {id_a} is wrong: the package was changed, do not use it"
        )
    );
    let mut store = trust(&[&a, &b]);
    store.revoke(&id_b).expect("trusted");
    assert_eq!(
        said(store.trust(b.public().clone()).expect_err("revoked")),
        format!("key {id_b} was revoked and is never trusted again: use a new key")
    );
    assert_eq!(
        said(store.export(&id_b).expect_err("revoked")),
        format!("no key {id_b}: see pkgctl key list")
    );
}

#[test]
fn of_keys_that_cannot_be_used() {
    let key = key(1);
    assert_eq!(
        said(PublicKey::from_file("hello").expect_err("none")),
        "not a key or signature file: it does not start with 'untrusted comment: '"
    );
    let signature = Detached::signify(&key, b"text");
    assert_eq!(
        said(signature.verify(key.public(), b"other").expect_err("other text")),
        "the signature is not by this key for this text: it was changed"
    );
    let other = common::key(2);
    assert_eq!(
        said(signature.verify(other.public(), b"text").expect_err("another key")),
        format!(
            "the signature is by key {}, not by {}",
            key.public().number_text(),
            other.public().number_text()
        )
    );
    assert_eq!(
        said(
            SecretKey::from_file(&key.to_minisign().replace("RWQAAEIy", "RWRTY0Iy"))
                .expect_err("password")
        ),
        "the secret key has a password: give it, or make a key without one (minisign -G -W, signify -G -n)"
    );
}

#[test]
fn of_disks_that_fail() {
    let manifest = sample().manifest();
    let mut gone = |_: &_| Err(io::Error::other("the disk is gone"));
    let error = write(&manifest, &mut gone, &[], &Options::default(), &mut Cursor::new(Vec::new()))
        .expect_err("fails");
    assert_eq!(said(&error), "cannot open a file of the tree: the disk is gone");
    let mut full = io::Cursor::new([0_u8; 700]);
    let tree = sample();
    let error = write(&manifest, &mut |f| tree.open(f), &[], &Options::default(), &mut full)
        .expect_err("full");
    assert_eq!(said(&error), "cannot write the package: failed to write whole buffer");
    assert!(matches!(error, Error::Io { .. }) && std::error::Error::source(&error).is_some());
}
