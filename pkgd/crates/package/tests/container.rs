//! A package as a whole: what goes in comes out, in any order, in parts, and always with the same bytes.

mod common;

use std::collections::BTreeMap;
use std::io::{self, Cursor, Read};

use common::{Tree, check, ids, key, open, open_signed, pack, sample, trust};
use minos_model::Digest;
use minos_model::package::PackageManifest;
use minos_package::keys::trust::TrustError;
use minos_package::{Checked, Error, Options, Policy, add_signatures, check_rest, index, write};
use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};

const SMALL: Options = Options { level: 3, frame: 4096 };

/// All contents by digest.
fn contents(bytes: &[u8]) -> BTreeMap<Digest, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut take = |digest: Digest, reader: &mut dyn Read| {
        let mut content = Vec::new();
        reader.read_to_end(&mut content)?;
        assert!(found.insert(digest, content).is_none(), "each content once");
        Ok(())
    };
    open(bytes).expect("opens").for_each_unique(&mut |_| false, &mut take).expect("reads");
    found
}

fn expected(tree: &Tree) -> BTreeMap<Digest, Vec<u8>> {
    tree.0.values().map(|content| (Digest::of(content), content.clone())).collect()
}

#[test]
fn contents_come_out_as_they_went_in() {
    let tree = sample();
    for options in
        [SMALL, Options::default(), Options { level: 1, frame: 1 }, Options { level: 19, frame: 7 }]
    {
        let bytes = tree.pack(&[], &options);
        let package = open(&bytes).expect("opens");
        assert_eq!(*package.manifest(), tree.manifest());
        assert_eq!(package.id(), Digest::of(package.manifest_bytes()));
        assert_eq!(contents(&bytes), expected(&tree));
        check(&bytes).expect("verifies");
    }
}

/// What was fetched apart from its head is checked as it is, byte by byte.
#[test]
fn index_and_frames_by_themselves_are_checked_to_their_last_byte() {
    let bytes = sample().pack(&[], &SMALL);
    let checked = Checked::open(&mut Cursor::new(&bytes), &Policy::Unverified).expect("opens");
    let raw = checked.uniques().expect("a list").iter().map(|unique| unique.size).sum();
    let layout = checked.layout(raw);
    let rest = bytes.get(usize::try_from(layout.index_offset).expect("short")..).expect("a rest");
    check_rest(&mut &rest[..], &layout).expect("as it was packed");
    for at in 0..rest.len() {
        let mut other = rest.to_vec();
        other[at] ^= 1;
        let error = check_rest(&mut &other[..], &layout).expect_err("a byte is another");
        assert!(matches!(error, Error::Damaged(_)), "byte {at}: {error:?}");
        check_rest(&mut &rest[..at], &layout).expect_err("cut off");
    }
}

#[test]
fn same_input_same_bytes() {
    let keys = [key(1), key(2)];
    let bytes = sample().pack(&keys, &SMALL);
    assert_eq!(sample().pack(&keys, &SMALL), bytes);
    let swapped = [keys[1].clone(), keys[0].clone()];
    assert_eq!(sample().pack(&swapped, &SMALL), bytes, "the order of keys does not matter");
}

#[test]
fn compression_and_signatures_do_not_change_the_identity() {
    let plain = open(&sample().pack(&[], &SMALL)).expect("opens").id();
    let signed = open(&sample().pack(&[key(1)], &Options::default())).expect("opens").id();
    assert_eq!(plain, signed);
}

#[test]
fn one_content_is_read_without_the_frames_of_others() {
    let tree = sample();
    let mut package = open(&tree.pack(&[], &SMALL)).expect("opens");
    assert!(package.frames().len() > 3);
    for content in tree.0.values() {
        let mut out = Vec::new();
        package.read_content(&Digest::of(content), &mut out).expect("reads");
        assert_eq!(out, *content);
    }
    let unknown = package.read_content(&Digest::of(b"other"), &mut Vec::new());
    assert!(matches!(unknown, Err(Error::NoSuchContent(_))));
}

#[test]
fn frames_of_which_nothing_is_wanted_are_not_decompressed() {
    let tree = (0..100).fold(Tree::default(), |tree, i| {
        tree.with(&format!("usr/share/{i:03}"), format!("{i} ").repeat(300))
    });
    let bytes = tree.pack(&[], &SMALL);
    let mut package = open(&bytes).expect("opens");
    let wanted = Digest::of("42 ".repeat(300).as_bytes());
    let mut got = Vec::new();
    let stats = package
        .for_each_unique(&mut |digest| *digest != wanted, &mut |_, reader| {
            reader.read_to_end(&mut got).map(drop)
        })
        .expect("reads");
    assert_eq!((stats.contents, stats.skipped, stats.frames), (1, 99, 1));
    assert_eq!(got, "42 ".repeat(300).into_bytes());
    let all = package.verify().expect("verifies");
    assert_eq!(all.frames, package.frames().len() as u64);
    assert_eq!(all.raw, package.manifest().installed_size());
}

#[test]
fn a_content_that_is_not_read_to_its_end_does_not_disturb_the_next() {
    let bytes = sample().pack(&[], &SMALL);
    let mut seen = 0;
    let mut peek = |_: Digest, reader: &mut dyn Read| {
        seen += reader.read(&mut [0; 3])?;
        Ok(())
    };
    let stats =
        open(&bytes).expect("opens").for_each_unique(&mut |_| false, &mut peek).expect("reads");
    assert_eq!(stats.contents, 5);
    assert_eq!(seen, 4 * 3);
}

#[test]
fn an_error_of_the_receiver_ends_the_extraction() {
    let bytes = sample().pack(&[], &SMALL);
    let mut full = |_: Digest, _: &mut dyn Read| Err(io::Error::from(io::ErrorKind::StorageFull));
    let error =
        open(&bytes).expect("opens").for_each_unique(&mut |_| false, &mut full).expect_err("fails");
    assert!(
        matches!(&error, Error::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull),
        "{error}"
    );
}

#[test]
fn signatures_are_found_by_key_and_counted() {
    let (a, b, c) = (key(1), key(2), key(3));
    let bytes = sample().pack(&[a.clone(), b.clone()], &SMALL);
    let package = open_signed(&bytes, &trust(&[&a, &c]), 1).expect("one suffices");
    assert_eq!(package.signers(), ids(&[&a]));
    assert_eq!(package.claimed_signers().collect::<Vec<_>>(), ids(&[&a, &b]));
    assert_eq!(open_signed(&bytes, &trust(&[&a, &b]), 2).expect("two").signers(), ids(&[&a, &b]));
    let error =
        open_signed(&bytes, &trust(&[&a, &c]), 2).err().expect("one is not two").to_string();
    assert!(error.contains("signed by 1 of 2 trusted keys; not trusted: "), "{error}");
    assert!(open_signed(&bytes, &trust(&[&c]), 1).is_err());
}

#[test]
fn an_unsigned_package_is_not_trusted_even_if_none_need_sign() {
    let bytes = sample().pack(&[], &SMALL);
    assert!(matches!(
        open_signed(&bytes, &trust(&[&key(1)]), 0),
        Err(Error::Trust(TrustError::TooFew { .. }))
    ));
}

#[test]
fn signatures_can_be_added_later() {
    let (a, b) = (key(1), key(2));
    let one = sample().pack(std::slice::from_ref(&a), &SMALL);
    let mut two = Vec::new();
    add_signatures(&mut Cursor::new(&one), &mut two, std::slice::from_ref(&b)).expect("signs");
    assert_eq!(two, sample().pack(&[a.clone(), b.clone()], &SMALL), "as if signed by both at once");
    let mut again = Vec::new();
    add_signatures(&mut Cursor::new(&two), &mut again, &[b]).expect("signs");
    assert_eq!(again, two, "signing again changes nothing");
    let many: Vec<_> = (10..26).map(key).collect();
    let error = add_signatures(&mut Cursor::new(&one), &mut Vec::new(), &many)
        .expect_err("17 are too many");
    assert!(error.to_string().starts_with("signatures: "), "{error}");
    assert!(add_signatures(&mut Cursor::new(b"short"), &mut Vec::new(), &[a]).is_err());
}

#[test]
fn a_tree_that_changes_while_it_is_packed_is_refused() {
    let manifest = sample().manifest();
    for changed in ["other\n", "hello\nmore", "hi\n", ""] {
        let tree = sample().with("usr/share/doc/greeting/again", changed);
        let mut out = Cursor::new(Vec::new());
        let result = write(&manifest, &mut |file| tree.open(file), &[], &SMALL, &mut out);
        assert!(matches!(result, Err(Error::Content(_))), "{changed:?}: {result:?}");
    }
}

#[test]
fn a_package_without_files_is_one() {
    let manifest = PackageManifest::new(common::empty()).expect("a package");
    let bytes = pack(&manifest, &Tree::default(), &[key(1)], &SMALL);
    assert_eq!(open(&bytes).expect("opens").verify().expect("verifies").frames, 0);
}

#[test]
fn a_file_ends_in_the_middle_of_a_frame_and_goes_on_in_the_next() {
    assert_eq!(index::layout([10, 10, 10].into_iter(), 25), [20, 10]);
    assert_eq!(index::layout([10, 60, 5].into_iter(), 25), [10, 25, 25, 15]);
    assert_eq!(index::layout([25, 25].into_iter(), 25), [25, 25]);
    assert_eq!(index::layout([0, 0, 1, 0].into_iter(), 25), [1]);
    assert_eq!(index::layout([50, 1].into_iter(), 25), [25, 25, 1]);
    assert!(index::layout([0].into_iter(), 25).is_empty());
}

proptest! {
    #[test]
    fn any_tree_round_trips(
        files in prop::collection::btree_map("[a-c]{1,2}/[a-z]{1,3}", prop::collection::vec(any::<u8>(), 0..300), 0..12),
        frame in 1u32..400,
    ) {
        let tree = Tree(files);
        let bytes = tree.pack(&[], &Options { level: 1, frame });
        prop_assert_eq!(contents(&bytes), expected(&tree));
        prop_assert!(check(&bytes).is_ok());
    }

    #[test]
    fn layout_holds_everything_within_the_target(sizes in prop::collection::vec(0u64..200, 0..40), target in 1u32..100) {
        let frames = index::layout(sizes.iter().copied(), target);
        prop_assert!(frames.iter().all(|frame| (1..=target).contains(frame)));
        prop_assert_eq!(frames.iter().map(|f| u64::from(*f)).sum::<u64>(), sizes.iter().sum::<u64>());
    }
}
