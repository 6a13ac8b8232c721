//! The signed index of a repository: what is signed is what is read, and nothing else is taken.

use minos_model::Digest;
use minos_package::keys::TrustStore;
use minos_package::repository::{Listed, Repository, RepositoryError, read, write};
use minos_package::{Policy, SecretKey};
use proptest::prelude::{any, prop, prop_assert, proptest};

fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed(&[seed; 32], "test").unwrap()
}

fn trust(keys: &[&SecretKey]) -> TrustStore {
    let mut store = TrustStore::default();
    for key in keys {
        store.trust(key.public().clone()).unwrap();
    }
    store
}

fn listed(file: &str) -> Listed {
    Listed { file: file.to_owned(), id: Digest::of(file.as_bytes()), size: 7 }
}

fn sample() -> Repository {
    let packages = vec![listed("a-1.0-1.noarch.mpk"), listed("b-2~rc1-1.x86_64.mpk")];
    Repository { name: "site".parse().unwrap(), created: 1000, expires: 2000, packages }
}

fn signed(trust: &TrustStore) -> Policy<'_> {
    Policy::Signed { trust, threshold: 1 }
}

#[test]
fn what_is_written_is_read_and_who_signed_is_told() {
    let (ann, eve) = (key(1), key(2));
    let bytes = write(&sample(), &[ann, eve]).unwrap();
    let trusted = trust(&[&key(2)]);
    let (found, signers) = read(&bytes, &signed(&trusted)).unwrap();
    assert_eq!((found, signers), (sample(), vec![key(2).public().id()]));
    assert_eq!(read(&bytes, &Policy::Unverified).unwrap().1, []);
    // The bytes are those of docs/formats/repository.md.
    assert_eq!(&bytes[..12], b"\x89MRI\r\n\x1a\n\x01\0\0\0");
    assert_eq!(bytes[12..16], 160_u32.to_le_bytes(), "two signatures");
    assert_eq!(&bytes[180..185], b"\x04site", "the body begins with the name");
}

#[test]
fn only_a_trusted_key_speaks_for_a_repository() {
    let bytes = write(&sample(), &[key(1)]).unwrap();
    let others = trust(&[&key(2)]);
    let error = read(&bytes, &signed(&others)).unwrap_err();
    assert!(matches!(error, RepositoryError::Trust(_)), "{error}");
    let unsigned = write(&sample(), &[]).unwrap();
    let mine = trust(&[&key(1)]);
    let error = read(&unsigned, &signed(&mine)).unwrap_err();
    assert!(error.to_string().contains("0 of 1"), "{error}");
}

/// The signature of an index is none of a package, and the other way round: both texts begin in their own way.
#[test]
fn pitfall_30_a_signature_of_an_index_is_good_for_an_index_only() {
    let ann = key(1);
    let store = trust(&[&ann]);
    let mut bytes = write(&sample(), std::slice::from_ref(&ann)).unwrap();
    let body = bytes[100..].to_vec();
    let digest = Digest::of(&body);
    let message = [b"minos package v1\n", &1_u32.to_le_bytes()[..], digest.as_bytes()].concat();
    bytes[36..100].copy_from_slice(&ann.sign(&message));
    let error = read(&bytes, &signed(&store)).unwrap_err();
    assert!(error.to_string().contains("was changed"), "{error}");
}

#[test]
fn an_index_that_is_not_in_order_is_neither_written_nor_read() {
    let wrong = |change: fn(&mut Repository)| {
        let mut repository = sample();
        change(&mut repository);
        write(&repository, &[]).unwrap_err().to_string()
    };
    assert!(wrong(|r| r.packages.reverse()).contains("sorted"));
    assert!(wrong(|r| r.packages[1] = r.packages[0].clone()).contains("twice"));
    assert!(wrong(|r| r.expires = r.created).contains("ends before"));
    assert!(wrong(|r| r.expires = u64::MAX).contains("four digits"));
    for name in ["../a.mpk", "a/b.mpk", ".a.mpk", "a.txt", "a b.mpk", "a\n.mpk", "-a.mpk", ".mpk"] {
        let mut repository = sample();
        repository.packages = vec![listed(name)];
        let error = write(&repository, &[]).unwrap_err().to_string();
        assert!(error.contains("name that no package has"), "{name}: {error}");
    }
}

/// Decodes, and is not what would be written: a number in two bytes, something behind the end.
#[test]
fn pitfall_7_an_index_of_a_repository_has_one_encoding() {
    let good = write(&sample(), &[]).unwrap();
    let body = &good[20..];
    assert_eq!(body[0], 4, "the length of the name");
    for body in [[&[0x84, 0], &body[1..]].concat(), [body, &[0]].concat()] {
        let mut bytes = good[..16].to_vec();
        bytes.extend_from_slice(&u32::try_from(body.len()).unwrap().to_le_bytes());
        bytes.extend_from_slice(&body);
        let error = read(&bytes, &Policy::Unverified).unwrap_err();
        assert!(matches!(error, RepositoryError::Malformed(_)), "{error}");
    }
}

#[test]
fn every_kind_of_damage_has_its_name() {
    let good = write(&sample(), &[key(1)]).unwrap();
    let read = |bytes: &[u8]| read(bytes, &Policy::Unverified).unwrap_err();
    assert_eq!(read(b""), RepositoryError::NotAnIndex);
    assert_eq!(read(&good[..15]), RepositoryError::NotAnIndex);
    let mut newer = good.clone();
    newer[8] = 2;
    assert_eq!(read(&newer), RepositoryError::Format(2));
    let (told, found) = (good.len() as u64, good.len() as u64 - 1);
    assert_eq!(read(&good[..good.len() - 1]), RepositoryError::Length { told, found });
    let mut huge = good.clone();
    huge[12..20].fill(0xff);
    assert!(matches!(read(&huge), RepositoryError::Length { .. }));
    let mut odd = good.clone();
    (odd[12], odd[16]) = (odd[12] - 1, odd[16] + 1);
    assert!(read(&odd).to_string().contains("whole number of signatures"));
}

proptest! {
    #[test]
    fn any_flipped_bit_is_seen(at in any::<prop::sample::Index>(), bit in 0..8_u32) {
        let ann = key(1);
        let store = trust(&[&ann]);
        let mut bytes = write(&sample(), &[ann]).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1_u8 << bit;
        prop_assert!(read(&bytes, &signed(&store)).is_err());
    }
}
