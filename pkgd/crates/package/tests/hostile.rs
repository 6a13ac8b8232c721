//! Packages that somebody made to do harm. Where a test has a number, another package manager fell for it.

mod common;

use std::io::{Cursor, Read};

use common::raw::{Raw, frame};
use common::{
    check, directory, empty, entry, hardlink, key, open, open_signed, path, regular, sample,
    symlink, trust,
};
use minos_model::package::{
    Account, FileKind, PackageFields, PackageFile, PackageManifest, PackagePath, Xattr,
};
use minos_model::{Constraint, Dependency, DependencyKind, Digest, Requirement};
use minos_package::header::{HEADER_LEN, Header};
use minos_package::index::{self, Frame};
use minos_package::{Error, Options, Part, Policy, Reader, sign};

/// Opens a package of these files, which must be refused for what its manifest says.
fn refused(files: Vec<PackageFile>) {
    let error = open(&Raw::of(files.clone()).bytes()).err();
    assert!(
        matches!(error, Some(Error::Package(_) | Error::Malformed(Part::Manifest, _))),
        "{files:?}: {error:?}"
    );
}

/// The bytes of a package in which the path `xx` was replaced by other bytes of the same length.
fn with_path(other: &[u8; 2]) -> Vec<u8> {
    let mut raw = Raw::of(vec![entry("xx", FileKind::Symlink { target: b"y".to_vec() }, 0)]);
    let at = raw.manifest.windows(3).position(|w| w == b"\x02xx").expect("the path") + 1;
    raw.manifest[at..at + 2].copy_from_slice(other);
    raw.bytes()
}

#[test]
fn pitfall_6_paths_cannot_leave_the_root() {
    assert!(check(&with_path(b"ab")).is_ok());
    for bad in [b"..", b"/a", b"a/", b"//", b"a\0", b"\0\0", b"./", b"a\n", b"\x7fa"] {
        let error = open(&with_path(bad)).err().expect("refused").to_string();
        assert!(error.starts_with("manifest: "), "{bad:?}: {error}");
    }
    for bad in ["", "/etc", "a//b", "a/", "a/..", "../a", "a/../b", ".", "a/./b", "a\0b", "a\tb"] {
        assert!(PackagePath::new(bad.into()).is_err(), "{bad:?}");
    }
    assert!(
        PackagePath::new(vec![b'a'; 256]).is_err() && PackagePath::new(vec![b'a'; 255]).is_ok()
    );
    assert!(PackagePath::new(b"ab/".repeat(1366)[..4096].to_vec()).is_err());
    assert!(PackagePath::new(vec![0xff, 0xfe]).is_ok(), "any other bytes are a name");
}

#[test]
fn pitfall_6_nothing_is_written_through_a_link() {
    let through = vec![symlink("a", "/etc"), regular("a/passwd", b"root::0:0::/:/bin/sh")];
    refused(through);
    let deep = vec![
        directory("usr"),
        symlink("usr/lib", "/"),
        directory("usr/lib/x"),
        symlink("usr/lib/x/y", "z"),
    ];
    refused(deep);
    refused(vec![regular("a", b""), regular("a/b", b"")]);
    refused(vec![regular("no/parent", b"")]);
}

#[test]
fn pitfall_6_hard_links_stay_inside() {
    let inside = vec![regular("a", b""), hardlink("b", "a")];
    assert!(check(&Raw::of(inside.clone()).bytes()).is_ok());
    for bad in [
        vec![hardlink("b", "a")],
        vec![hardlink("a", "b"), regular("b", b"")],
        vec![hardlink("a", "a")],
        vec![directory("a"), hardlink("b", "a")],
        vec![symlink("a", "/etc/shadow"), hardlink("b", "a")],
        [inside.clone(), vec![hardlink("c", "b")]].concat(),
        vec![regular("a", b""), PackageFile { mode: 0o4755, ..hardlink("b", "a") }],
        vec![regular("a", b""), PackageFile { user: Account::Id(5), ..hardlink("b", "a") }],
    ] {
        refused(bad);
    }
}

#[test]
fn pitfall_6_there_is_no_kind_for_a_device() {
    // Kinds are numbered 0 to 3: whatever else stands there is no kind.
    let raw = Raw::of(vec![directory("xx")]);
    let at = raw.manifest.windows(3).position(|w| w == b"\x02xx").expect("the path") + 3;
    for kind in 4..=255 {
        let mut other = raw.clone();
        other.manifest[at] = kind;
        assert!(matches!(open(&other.bytes()), Err(Error::Malformed(Part::Manifest, _))), "{kind}");
    }
}

#[test]
fn pitfall_6_a_path_stands_once_and_in_order() {
    for bad in [
        vec![regular("a", b""), regular("a", b"")],
        vec![regular("a", b""), symlink("a", "b")],
        vec![regular("b", b""), regular("a", b"")],
        vec![directory("a"), directory("b"), regular("a/x", b"")],
    ] {
        refused(bad);
    }
    // There is no rule about case or Unicode: these are different files on every file system we use.
    let twins = vec![
        regular("A", b""),
        regular("a", b""),
        regular("e\u{301}", b""),
        regular("\u{e9}", b""),
    ];
    assert!(check(&Raw::of(twins).bytes()).is_ok());
}

#[test]
fn pitfall_6_owners_modes_and_attributes_are_limited() {
    let name: minos_model::package::AccountName = "wheel".parse().expect("a name");
    let base = regular("a", b"");
    let capability = [&[1, 0, 0, 2][..], &[0; 16]].concat();
    let value =
        |name: &str| if name.starts_with("security.") { capability.clone() } else { vec![] };
    let xattr = |name: &str| Xattr { name: name.to_owned(), value: value(name) };
    let with = |list: &[&str]| PackageFile {
        xattrs: list.iter().map(|x| xattr(x)).collect(),
        ..base.clone()
    };
    for bad in [
        PackageFile { mode: 0o10644, ..base.clone() },
        PackageFile { user: Account::Name(name.clone()), ..base.clone() },
        PackageFile { group: Account::Name(name), ..base.clone() },
        PackageFile { mode: 0o777, ..symlink("a", "b") },
        symlink("a", ""),
        symlink("a", "b\0c"),
        symlink("a", &"x".repeat(4096)),
        with(&["trusted.overlay.opaque"]),
        with(&["security.selinux"]),
        with(&["user."]),
        with(&["user.a", "user.a"]),
        with(&["user.b", "user.a"]),
        with(&["user.\u{e9}"]),
        with(&(0..17).map(|_| "user.a").collect::<Vec<_>>()),
    ] {
        refused(vec![bad]);
    }
    assert!(check(&Raw::of(vec![with(&["security.capability", "user.a"])]).bytes()).is_ok());
    // What the kernel would refuse while the file is written, or take for another user namespace only.
    let revision_3 = [&[1, 0, 0, 3][..], &[0; 20]].concat();
    for value in
        [&[][..], b"nonsense", &capability[..19], &[&capability[..], &[0]].concat(), &revision_3]
    {
        let xattrs = vec![Xattr { name: "security.capability".to_owned(), value: value.to_vec() }];
        refused(vec![PackageFile { xattrs, ..base.clone() }]);
    }
    let long = vec![Xattr { name: "user.a".to_owned(), value: vec![0; 4097] }];
    refused(vec![PackageFile { xattrs: long, ..base }]);
}

#[test]
fn pitfall_6_nothing_stands_behind_or_twice() {
    let good = sample().pack(&[], &Options::default());
    let mut longer = good.clone();
    longer.push(0);
    assert!(matches!(open(&longer), Err(Error::Length { .. })));
    assert!(matches!(open(&[good.clone(), good.clone()].concat()), Err(Error::Length { .. })));
    for length in 0..good.len() {
        assert!(open(&good[..length]).is_err(), "cut to {length} bytes");
    }
    let mut raw = Raw::of(vec![]);
    raw.manifest.push(0);
    assert!(open(&raw.bytes()).err().expect("trailing byte").to_string().starts_with("manifest: "));
}

#[test]
fn pitfall_7_one_value_has_one_encoding() {
    // Varints with superfluous bytes, texts that mean the same: postcard reads them, we do not.
    let raw = Raw::of(vec![regular("a", b"")]);
    assert!(check(&raw.bytes()).is_ok());
    let replace = |from: &[u8], to: &[u8]| {
        let mut other = raw.clone();
        let at = raw.manifest.windows(from.len()).position(|w| w == from).expect("stands there");
        other.manifest.splice(at..at + from.len(), to.iter().copied());
        open(&other.bytes()).err().map(|error| error.to_string())
    };
    let canonical =
        Some("manifest: it is not in canonical form: do not use it, tell who packed it".to_owned());
    assert_eq!(replace(b"\x051.0-2", b"\x85\x001.0-2"), canonical, "a long varint");
    assert_eq!(
        replace(b"\x051.0-2", b"\x070:1.0-2"),
        canonical,
        "an epoch that need not be written"
    );
    assert_eq!(replace(b"\x051.0-2", b"\x0501.-2"), None, "another version is another package");
    let mut dependency = empty();
    dependency.dependencies.push(Dependency {
        kind: DependencyKind::Runtime,
        requirement: Requirement {
            constraint: ">=1,<2".parse::<Constraint>().expect("one"),
            ..Requirement::any("zlib".parse().expect("a name"))
        },
        condition: None,
    });
    let mut raw = Raw::new(&dependency, &[]);
    let at = raw.manifest.windows(6).position(|w| w == b">=1,<2").expect("stands there");
    raw.manifest[at..at + 6].copy_from_slice(b"<2,>=1");
    assert_eq!(
        open(&raw.bytes()).err().map(|error| error.to_string()),
        canonical,
        "comparisons in another order"
    );
}

#[test]
fn pitfall_7_lengths_are_limited_before_memory_is_taken() {
    let header = Raw::of(vec![]).header();
    let huge = [
        Header { signatures: 17 * 80, ..header },
        Header { signatures: u32::MAX, ..header },
        Header { manifest: u64::MAX, ..header },
        Header { index: u64::MAX, ..header },
        Header { content: u64::MAX, ..header },
        Header { manifest: 1 << 40, index: 1 << 40, content: 1 << 50, ..header },
    ];
    for header in huge {
        assert!(matches!(open(&header.to_bytes()), Err(Error::TooLong(..))), "{header:?}");
    }
    // Within the limits, but not there: no memory is taken for what is only told.
    let told = Header { manifest: 100 << 20, ..header };
    assert!(matches!(open(&told.to_bytes()), Err(Error::Length { .. })));
    // A list that tells 2^60 entries.
    let mut raw = Raw::of(vec![]);
    let end = raw.manifest.len() - 1;
    raw.manifest.splice(end.., [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f]);
    assert!(open(&raw.bytes()).is_err());
}

#[test]
fn pitfall_7_a_manifest_is_verified_before_it_is_parsed() {
    // The manifest is no manifest; what is told is the wrong signature, and then the wrong hash.
    let mut raw = Raw::of(vec![]);
    raw.manifest = vec![0xff; 100];
    let store = trust(&[&key(1)]);
    assert!(matches!(open_signed(&raw.bytes(), &store, 1), Err(Error::Trust(_))));
    let mut bytes = raw.bytes();
    *bytes.last_mut().expect("not empty") = 0;
    assert!(matches!(open(&bytes), Err(Error::Damaged(_))));
    assert!(matches!(open(&raw.bytes()), Err(Error::Malformed(..))));
    // A frame is no zstd at all, and damaged: the decoder never sees it.
    let mut raw =
        Raw::new(&PackageFields { files: vec![regular("a", b"hello")], ..empty() }, b"hello");
    raw.frames(&[(b"junk".to_vec(), 5)]);
    raw.content[0] ^= 1;
    assert!(matches!(check(&raw.bytes()), Err(Error::Damaged(_))));
}

#[test]
fn pitfall_7_an_index_is_verified_before_it_is_used() {
    // Another cut of the same content: right in itself, and not what was signed.
    let content = b"hello hello";
    let fields = PackageFields { files: vec![regular("a", content)], ..empty() };
    let mut raw = Raw::new(&fields, content);
    raw.frames(&[(frame(b"hello "), 6), (frame(b"hello"), 5)]);
    let header = raw.header();
    raw.frames(&[(frame(b"hello"), 5), (frame(b" hello"), 6)]);
    let bytes = [&header.to_bytes()[..], &raw.manifest, &raw.index, &raw.content].concat();
    assert!(matches!(open(&bytes), Err(Error::Damaged(Part::Index))));
    assert!(check(&raw.bytes()).is_ok(), "under its own header it is good");
}

/// A package with one file of `content`, whose frames are these.
fn with_frames(content: &[u8], frames: &[(Vec<u8>, usize)]) -> Result<(), Error> {
    let mut raw =
        Raw::new(&PackageFields { files: vec![regular("a", content)], ..empty() }, content);
    raw.frames(frames);
    check(&raw.bytes())
}

#[test]
fn pitfall_25_a_frame_is_one_zstd_frame_and_nothing_else() {
    let content = b"hello hello hello hello".repeat(20);
    let (half, rest) = content.split_at(200);
    let skippable = [&b"\x50\x2a\x4d\x18\x04\x00\x00\x00"[..], b"skip"].concat();
    let good = frame(&content);
    assert!(with_frames(&content, &[(good.clone(), 460)]).is_ok());
    assert!(with_frames(&content, &[(frame(half), 200), (frame(rest), 260)]).is_ok());
    let bad = [
        ("two frames in one", [frame(half), frame(rest)].concat()),
        ("a skippable frame in front", [skippable.clone(), good.clone()].concat()),
        ("a skippable frame behind", [good.clone(), skippable.clone()].concat()),
        ("only a skippable frame", skippable),
        ("something behind it", [&good[..], b"x"].concat()),
        ("an empty frame behind", [good.clone(), frame(b"")].concat()),
        ("cut off", good[..good.len() - 1].to_vec()),
        ("not zstd", content.clone()),
        ("no length in its header", stream_frame(&content)),
    ];
    for (what, bytes) in bad {
        let error = with_frames(&content, &[(bytes, 460)]).expect_err(what).to_string();
        assert!(error.starts_with("frame 0: it"), "{what}: {error}");
    }
}

/// A frame as the streaming encoder writes it, without the length of its content.
fn stream_frame(raw: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = zstd::stream::Encoder::new(Vec::new(), 3).expect("starts");
    encoder.write_all(raw).expect("writes");
    encoder.finish().expect("ends")
}

#[test]
fn a_bomb_is_cut_off_where_the_index_says() {
    // A megabyte of zeros in some fifty bytes, told as five.
    let zeros = vec![0; 1 << 20];
    assert!(with_frames(b"hello", &[(frame(&zeros), 5)]).is_err());
    // The index itself may not tell more than a frame may hold, nor more than the files have.
    assert!(with_frames(b"hello", &[(frame(&zeros), 1 << 20)]).is_err());
    let over = Frame { raw: index::MAX_FRAME + 1, ..Frame::of(&frame(&zeros), 1) };
    let error =
        index::parse(&index::to_bytes(&[over]), u64::from(over.compressed), u64::from(over.raw));
    assert!(error.is_err());
}

#[test]
fn frames_and_files_must_fit_together() {
    let content = b"hello".to_vec();
    let packed = frame(&content);
    for frames in
        [vec![], vec![(packed.clone(), 4)], vec![(packed.clone(), 5), (packed.clone(), 5)]]
    {
        let error = with_frames(&content, &frames).expect_err("does not fit").to_string();
        assert!(error.starts_with("index: ") || error.starts_with("frame 0: "), "{error}");
    }
    let mut raw =
        Raw::new(&PackageFields { files: vec![regular("a", &content)], ..empty() }, &content);
    raw.index.push(0);
    assert!(open(&raw.bytes()).is_err(), "not whole records");
    raw.index.pop();
    raw.content.push(0);
    assert!(open(&raw.bytes()).is_err(), "content behind the last frame");
}

#[test]
fn a_content_other_than_the_manifest_tells_is_refused() {
    let fields = PackageFields { files: vec![regular("a", b"hello")], ..empty() };
    let bytes = Raw::new(&fields, b"hullo").bytes();
    assert!(matches!(check(&bytes), Err(Error::Content(digest)) if digest == Digest::of(b"hello")));
    let mut package = open(&bytes).expect("opens");
    assert!(package.read_content(&Digest::of(b"hello"), &mut Vec::new()).is_err());
    // Who hashes himself gets the bytes, and has to see that they are wrong.
    let mut got = Vec::new();
    let mut take = |_: Digest, reader: &mut dyn Read| reader.read_to_end(&mut got).map(drop);
    package.for_each_unique_unhashed(&mut |_| false, &mut take).expect("not hashed here");
    assert_eq!(got, b"hullo");
}

#[test]
fn one_content_with_two_sizes_is_refused() {
    let digest = Digest::of(b"hello");
    let other = entry("b", FileKind::Regular { size: 6, digest }, 0o644);
    let fields = PackageFields { files: vec![regular("a", b"hello"), other], ..empty() };
    let error =
        open(&Raw::new(&fields, b"hellohello!").bytes()).err().expect("refused").to_string();
    assert!(error.contains("two sizes"), "{error}");
    let huge = |at: &str| {
        entry(at, FileKind::Regular { size: 1 << 62, digest: Digest::of(at.as_bytes()) }, 0o644)
    };
    refused(vec![huge("a"), huge("b"), huge("c"), huge("d"), huge("e")]);
}

#[test]
fn pitfall_30_a_signature_is_good_for_packages_only() {
    let (key, raw) = (key(1), Raw::of(vec![]));
    let store = trust(&[&key]);
    let unsigned = raw.header().to_bytes();
    let block = |message: &[u8]| {
        sign::to_bytes(&[sign::Entry { key: key.public().id(), signature: key.sign(message) }])
    };
    let signed = |message: &[u8]| Raw { block: Some(block(message)), ..raw.clone() }.bytes();
    assert!(open_signed(&signed(&[sign::DOMAIN, &unsigned].concat()), &store, 1).is_ok());
    for domain in [&b""[..], b"minos index v1\n", b"minos package v2\n", b"minos package v1"] {
        let result = open_signed(&signed(&[domain, &unsigned].concat()), &store, 1);
        assert!(matches!(result, Err(Error::Trust(_))), "{domain:?}");
    }
}

#[test]
fn pitfall_30_a_signature_is_good_for_one_package_only() {
    let keys = [key(1)];
    let store = trust(&[&keys[0]]);
    let hello = sample().pack(&keys, &Options::default());
    let mut other = sample()
        .with("usr/bin/greet", "#!/bin/sh\nrm -rf /\n")
        .pack(&[key(2)], &Options::default());
    // Our signature on their package.
    other[HEADER_LEN..HEADER_LEN + 80].copy_from_slice(&hello[HEADER_LEN..HEADER_LEN + 80]);
    assert!(matches!(open_signed(&other, &store, 1), Err(Error::Trust(_))));
    assert!(open_signed(&hello, &store, 1).is_ok());
}

#[test]
fn pitfall_31_a_block_names_each_key_once_and_in_order() {
    let raw = Raw::of(vec![]);
    let entries = sign::sign(&raw.header(), Vec::new(), &[key(1), key(2)]);
    let [a, b] = &entries[..] else { panic!("two") };
    let with = |entries: &[sign::Entry]| {
        Raw { block: Some(sign::to_bytes(entries)), ..raw.clone() }.bytes()
    };
    assert!(open(&with(&[a.clone(), b.clone()])).is_ok());
    for bad in [
        vec![b.clone(), a.clone()],
        vec![a.clone(), a.clone()],
        vec![a.clone(), a.clone(), b.clone()],
    ] {
        assert!(matches!(open(&with(&bad)), Err(Error::Malformed(..))));
    }
    for length in [1, 79, 81] {
        let cut = Raw { block: Some(vec![0; length]), ..raw.clone() };
        assert!(matches!(open(&cut.bytes()), Err(Error::Malformed(..))), "{length}");
    }
}

#[test]
fn every_flipped_bit_is_seen() {
    let keys = [key(1), key(2)];
    let store = trust(&[&keys[0], &keys[1]]);
    let mut tree = sample();
    tree.0.remove("usr/share/greeting/numbers");
    let good = tree.pack(&keys, &Options { level: 19, frame: 20 });
    let read = |bytes: &[u8]| -> Result<(), Error> {
        let policy = Policy::Signed { trust: &store, threshold: 2 };
        Reader::open(Cursor::new(bytes), &policy)?.verify().map(drop)
    };
    read(&good).expect("the package is good");
    let mut bytes = good.clone();
    for at in 0..good.len() {
        for bit in 0..8 {
            bytes[at] ^= 1 << bit;
            assert!(read(&bytes).is_err(), "byte {at}, bit {bit}");
            bytes[at] ^= 1 << bit;
        }
    }
}

#[test]
fn other_files_are_told_from_packages() {
    for other in [
        &b""[..],
        b"MZ",
        b"\x7fELF",
        &[0; 200],
        b"PK\x03\x04 a zip archive that is longer than a header has to be, \
                  so that it is not the length which is wrong with it but what it starts with",
    ] {
        assert!(matches!(open(other), Err(Error::NotAPackage)));
    }
    let mut newer = sample().pack(&[], &Options::default());
    newer[8] = 2;
    let error = open(&newer).err().expect("a newer format").to_string();
    assert!(error.contains("format 2") && error.contains("newer"), "{error}");
}

#[test]
fn a_package_that_keeps_all_rules_is_taken() {
    let name = |text: &str| path(text);
    let fields = PackageFields {
        files: vec![directory("etc"), regular("etc/a", b"")],
        config: vec![name("etc/a")],
        ..empty()
    };
    assert!(PackageManifest::new(fields.clone()).is_ok());
    for config in [vec![name("etc")], vec![name("etc/b")], vec![name("etc/a"), name("etc/a")]] {
        assert!(PackageManifest::new(PackageFields { config, ..fields.clone() }).is_err());
    }
}
