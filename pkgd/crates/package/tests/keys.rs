//! Keys and signatures, against the real `minisign` and `signify`. Both programs must be installed (`minisign`,
//! `signify-openbsd` in Debian); a test without them fails and says so.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::{ids, key, trust};
use minos_package::keys::trust::TrustError;
use minos_package::keys::{Detached, KeyError};
use minos_package::{KeyId, PublicKey, SecretKey, TrustStore};
use proptest::prelude::{any, prop_assert, proptest};
use tempfile::TempDir;

const TEXT: &[u8] = b"what is signed\n";

/// A folder with a file `text`, and the programs run in it.
struct Room(TempDir);

impl Room {
    fn new() -> Self {
        let room = Self(tempfile::tempdir().expect("a folder"));
        room.write("text", TEXT);
        room
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).expect("writes");
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect("reads")
    }

    fn try_run(&self, program: &str, arguments: &str) -> Output {
        let mut command = Command::new(program);
        command.args(arguments.split(' ')).current_dir(self.0.path());
        command
            .output()
            .unwrap_or_else(|error| panic!("install {program} to run this test: {error}"))
    }

    fn run(&self, program: &str, arguments: &str) {
        let output = self.try_run(program, arguments);
        assert!(
            output.status.success(),
            "{program} {arguments}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

fn signify() -> &'static str {
    // Debian's name first; elsewhere it is what OpenBSD calls it.
    if Path::new("/usr/bin/signify-openbsd").exists() { "signify-openbsd" } else { "signify" }
}

#[test]
fn signatures_of_minisign_are_verified() {
    let room = Room::new();
    room.run("minisign", "-G -W -p key.pub -s key.sec");
    let public = PublicKey::from_file(&room.read("key.pub")).expect("a key");
    assert!(
        public.comment().contains(&public.number_text()),
        "minisign prints the number as we do"
    );
    for mode in ["-S", "-S -l"] {
        room.run("minisign", &format!("{mode} -s key.sec -m text -x sig -t trusted"));
        let signature = Detached::from_file(&room.read("sig")).expect("a signature");
        assert_eq!(signature.trusted_comment(), Some("trusted"));
        signature.verify(&public, TEXT).expect("good");
        assert_eq!(signature.verify(&public, b"other"), Err(KeyError::BadSignature));
        let forged =
            room.read("sig").replace("trusted comment: trusted", "trusted comment: forged");
        let forged = Detached::from_file(&forged).expect("a signature");
        assert_eq!(
            forged.verify(&public, TEXT),
            Err(KeyError::BadSignature),
            "the comment is signed too"
        );
        let other = signature.verify(key(1).public(), TEXT).expect_err("another key").to_string();
        assert!(other.contains(&public.number_text()), "{other}");
    }
}

/// One key in sixteen has a number that starts with a zero, which minisign leaves out: so often the comparison of the
/// two failed.
#[test]
fn numbers_of_keys_have_no_zeros_in_front() {
    let file = include_str!("../../../../tests/fuzz/corpus/key/minisign-public.key");
    let key = PublicKey::from_file(file).expect("a key");
    let mut number = key.number();
    number[6..].fill(0);
    let bytes = [&b"Ed"[..], &number, &[0x58; 1], &[0x66; 31]].concat();
    let line = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes);
    let short = PublicKey::from_file(&format!("untrusted comment: x\n{line}\n")).expect("a key");
    assert_eq!(short.number(), number);
    let digits = short.number_text();
    assert!(digits.len() <= 12 && !digits.starts_with('0'), "{digits}");
    assert!(key.number_text().ends_with(&digits));
}

#[test]
fn minisign_takes_our_keys_and_signatures() {
    let (room, key) = (Room::new(), key(1));
    room.write("key.pub", key.public().to_file());
    room.write("key.sec", key.to_minisign());
    room.write("text.minisig", Detached::minisign(&key, TEXT, "made by a test\n").to_file());
    room.run("minisign", "-V -p key.pub -m text");
    room.write("other", "other");
    assert!(!room.try_run("minisign", "-V -p key.pub -m other -x text.minisig").status.success());
    room.run("minisign", "-S -s key.sec -m text -x by-minisign");
    let signature = Detached::from_file(&room.read("by-minisign")).expect("a signature");
    signature.verify(key.public(), TEXT).expect("minisign signed with our key");
}

#[test]
fn secret_keys_of_minisign_are_read_and_written_alike() {
    let room = Room::new();
    room.run("minisign", "-G -W -p key.pub -s key.sec");
    let secret = SecretKey::from_file(&room.read("key.sec")).expect("a key");
    assert_eq!(
        secret.public().as_bytes(),
        PublicKey::from_file(&room.read("key.pub")).expect("a key").as_bytes()
    );
    assert_eq!(secret.to_minisign(), room.read("key.sec"), "byte for byte");
}

#[test]
fn signatures_of_signify_are_verified() {
    let room = Room::new();
    room.run(signify(), "-G -n -p key.pub -s key.sec");
    let public = PublicKey::from_file(&room.read("key.pub")).expect("a key");
    room.run(signify(), "-S -s key.sec -m text -x sig");
    let signature = Detached::from_file(&room.read("sig")).expect("a signature");
    signature.verify(&public, TEXT).expect("good");
    assert_eq!(signature.verify(&public, b"other"), Err(KeyError::BadSignature));
    let secret = SecretKey::from_file(&room.read("key.sec")).expect("a key");
    assert_eq!(secret.public().as_bytes(), public.as_bytes());
    assert_eq!(public.to_file(), room.read("key.pub"), "byte for byte");
}

#[test]
fn signify_takes_our_keys_and_signatures() {
    let (room, key) = (Room::new(), key(1));
    room.write("key.pub", key.public().to_file());
    room.write("key.sec", key.to_signify());
    room.write("text.sig", Detached::signify(&key, TEXT).to_file());
    room.run(signify(), "-V -p key.pub -m text");
    room.write("text", "other");
    assert!(!room.try_run(signify(), "-V -p key.pub -m text").status.success());
    room.run(signify(), "-S -s key.sec -m text -x by-signify");
    let signature = Detached::from_file(&room.read("by-signify")).expect("a signature");
    signature.verify(key.public(), b"other").expect("signify signed with our key");
}

#[test]
fn a_secret_key_with_password_says_what_to_do() {
    // Our own files with the fields that tell of a password: 42 rounds of bcrypt, and scrypt.
    let key = key(1);
    let plain = key.to_signify();
    let rounds = plain.replace("RWRCSwAAAAA", "RWRCSwAAACo");
    assert_ne!(plain, rounds);
    assert_eq!(SecretKey::from_file(&rounds).err(), Some(KeyError::EncryptedSignify));
    assert!(KeyError::EncryptedSignify.to_string().contains("signify -G -n"));
    let scrypt = key.to_minisign().replace("RWQAAEIy", "RWRTY0Iy");
    assert_eq!(SecretKey::from_file(&scrypt).err(), Some(KeyError::Encrypted));
    // A file may not make us work harder than minisign does: 2^26 operations instead of 2^25.
    let dear = key.to_protected_minisign("open sesame", [7; 32]).expect("a file");
    let (head, body) = dear.split_once('\n').expect("two lines");
    let mut bytes = STANDARD.decode(body.trim()).expect("base64");
    bytes[41] = 4;
    let dear = format!("{head}\n{}\n", STANDARD.encode(bytes));
    let error = SecretKey::from_protected_file(&dear, Some("open sesame")).err();
    assert_eq!(error, Some(KeyError::Format("its password costs more than minisign's")));
}

/// One test for all of it, since each password takes a gigabyte.
#[test]
fn passwords_of_minisign_are_ours_and_the_other_way_round() {
    let (room, key) = (Room::new(), key(1));
    room.write("password", "open sesame\nopen sesame\n");
    room.write("password.sh", "exec minisign -G -p key.pub -s key.sec < password\n");
    // minisign reads from a pipe where there is no terminal.
    room.run("setsid", "--wait sh password.sh");
    let theirs = room.read("key.sec");
    assert_eq!(SecretKey::from_file(&theirs).err(), Some(KeyError::Encrypted));
    let wrong = SecretKey::from_protected_file(&theirs, Some("open barley")).err();
    assert_eq!(wrong, Some(KeyError::WrongPassword));
    let read = SecretKey::from_protected_file(&theirs, Some("open sesame")).expect("the key");
    assert_eq!(read.public().to_file().lines().nth(1), room.read("key.pub").lines().nth(1));
    let ours = key.to_protected_minisign("open sesame", [7; 32]).expect("a file");
    let read = SecretKey::from_protected_file(&ours, Some("open sesame")).expect("the key");
    assert_eq!(read.public(), key.public());
}

/// Replaces the character at `index` of the second line by another one of base64.
fn damage(file: &str, index: usize) -> String {
    let start = file.find('\n').expect("two lines") + 1 + index;
    let other = if file[start..].starts_with('A') { "B" } else { "A" };
    format!("{}{other}{}", &file[..start], &file[start + 1..])
}

#[test]
fn damaged_secret_keys_are_refused() {
    let key = key(1);
    // Inside the key pair of each format.
    for (file, at) in [
        (key.to_minisign(), 100),
        (key.to_minisign(), 150),
        (key.to_signify(), 60),
        (key.to_signify(), 130),
    ] {
        assert!(SecretKey::from_file(&file).is_ok());
        let error = SecretKey::from_file(&damage(&file, at)).err();
        assert_eq!(error, Some(KeyError::Corrupt), "{file} at {at}");
    }
}

#[test]
fn what_is_no_key_or_signature_says_why() {
    let (public, signature) =
        (key(1).public().to_file(), Detached::signify(&key(1), TEXT).to_file());
    let long = format!("untrusted comment: {}\n", "x".repeat(9000));
    for bad in [
        "",
        "x",
        "untrusted comment: x",
        "untrusted comment: x\n!!\n",
        "untrusted comment: x\nAAAA\n",
        &long,
    ] {
        assert!(
            PublicKey::from_file(bad)
                .expect_err(bad)
                .to_string()
                .contains("not a key or signature file")
        );
        assert!(Detached::from_file(bad).is_err() && SecretKey::from_file(bad).is_err());
    }
    assert!(PublicKey::from_file(&format!("{public}more\n")).is_err());
    assert!(PublicKey::from_file(&signature).is_err() && Detached::from_file(&public).is_err());
    assert!(Detached::from_file(&format!("{signature}trusted comment: x\n")).is_err());
    assert!(Detached::from_file(&damage(&signature, 1)).is_err(), "another algorithm");
    assert!(
        PublicKey::from_file(&public.replace('\n', "\r\n")).is_ok(),
        "an editor's line ends do no harm"
    );
}

#[test]
fn a_comment_cannot_bring_lines_or_escapes() {
    let secret = SecretKey::from_seed(&[7; 32], "a\nb\x1b[2Jc").expect("a key");
    assert_eq!(secret.public().comment(), "ab[2Jc");
    assert_eq!(PublicKey::from_file(&secret.public().to_file()).as_ref(), Ok(secret.public()));
    assert!(!format!("{secret:?}").contains("SigningKey"), "secrets are not shown");
}

/// Small-order points, for which one signature is good for many messages (Chalkias and others, "Taming the many
/// EdDSAs", table of the eight points).
const SMALL_ORDER: [&str; 5] = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
];

fn unhex(text: &str) -> Vec<u8> {
    let byte =
        |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).expect("text"), 16).expect("hex");
    text.as_bytes().chunks(2).map(byte).collect()
}

#[test]
fn pitfall_30_weak_keys_are_no_keys() {
    for point in SMALL_ORDER {
        let bytes: [u8; 32] = unhex(point).try_into().expect("32 bytes");
        assert_eq!(PublicKey::new(&bytes, [0; 8], ""), Err(KeyError::Weak), "{point}");
    }
    // y = p + 1, a second encoding of the neutral point.
    let twice = unhex("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f");
    assert!(PublicKey::new(&twice.try_into().expect("32 bytes"), [0; 8], "").is_err());
}

/// The order of the group, little-endian.
const ORDER: &str = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";

#[test]
fn pitfall_30_a_signature_has_one_encoding() {
    let key = key(1);
    let good = key.sign(TEXT);
    key.public().verify(TEXT, &good).expect("good");
    // S + L is the same number modulo L: lax verifiers take it.
    let mut other = good;
    let mut carry = 0;
    for (byte, add) in other[32..].iter_mut().zip(unhex(ORDER)) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        (*byte, carry) = (sum.to_le_bytes()[0], sum >> 8);
    }
    assert_ne!(good, other);
    assert_eq!(key.public().verify(TEXT, &other), Err(KeyError::BadSignature));
    // R of small order with S = 0, and everything zero.
    for point in SMALL_ORDER {
        let mut forged = [0; 64];
        forged[..32].copy_from_slice(&unhex(point));
        assert_eq!(key.public().verify(TEXT, &forged), Err(KeyError::BadSignature));
    }
}

/// The owner of a key can make a signature whose R is the neutral point: lax verifiers take it, and so can disagree
/// with strict ones about what was signed.
#[test]
fn pitfall_30_a_signature_without_nonce_is_none() {
    use curve25519_dalek::Scalar;
    use sha2::{Digest as _, Sha512};
    let (key, seed) = (key(1), [1; 32]);
    let secret = curve25519_dalek::scalar::clamp_integer(
        *Sha512::digest(seed).first_chunk().expect("long enough"),
    );
    let neutral: [u8; 32] = unhex(SMALL_ORDER[0]).try_into().expect("32 bytes");
    let hash = Sha512::new()
        .chain_update(neutral)
        .chain_update(key.public().as_bytes())
        .chain_update(TEXT);
    let hash = Scalar::from_bytes_mod_order_wide(&hash.finalize().into());
    let s = hash * Scalar::from_bytes_mod_order(secret);
    let signature: [u8; 64] = [neutral, s.to_bytes()].concat().try_into().expect("64 bytes");
    let lax = ed25519_dalek::VerifyingKey::from_bytes(key.public().as_bytes()).expect("a key");
    assert!(
        ed25519_dalek::Verifier::verify(&lax, TEXT, &signature.into()).is_ok(),
        "the equation holds"
    );
    assert_eq!(key.public().verify(TEXT, &signature), Err(KeyError::BadSignature));
}

/// RFC 8032, section 7.1, test 2.
#[test]
fn vector_of_the_standard() {
    let seed = unhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
    let secret = SecretKey::from_seed(&seed.try_into().expect("32 bytes"), "").expect("a key");
    let public = unhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
    assert_eq!(secret.public().as_bytes()[..], public);
    let signature = unhex(
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
         085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    );
    assert_eq!(secret.sign(&[0x72])[..], signature);
}

#[test]
fn pitfall_31_keys_are_found_by_what_they_are_and_counted_once() {
    let (a, b) = (key(1), key(2));
    let store = trust(&[&a, &b]);
    let (id, signature) = (a.public().id(), a.sign(TEXT));
    // The same key twice is one key.
    let error = store.check(TEXT, [(id, &signature), (id, &signature)], 2).expect_err("one key");
    assert_eq!(
        error,
        TrustError::TooFew { needed: 2, good: vec![id], unknown: vec![], revoked: vec![] }
    );
    // A signature under another key's id is that key's bad signature, not an unknown one.
    let other = b.public().id();
    assert_eq!(store.check(TEXT, [(other, &signature)], 1), Err(TrustError::BadSignature(other)));
    // An id that nobody trusts is not looked at, and does not spoil the others.
    let unknown = KeyId::from_bytes([9; 16]);
    assert_eq!(store.check(TEXT, [(unknown, &[0; 64]), (id, &signature)], 1), Ok(ids(&[&a])));
    // The same key under another number and comment is still the same key.
    let renamed = PublicKey::new(a.public().as_bytes(), [5; 8], "somebody else").expect("a key");
    assert_eq!(renamed.id(), id);
}

#[test]
fn a_revoked_key_never_counts_again() {
    let (a, b) = (key(1), key(2));
    let mut store = trust(&[&a, &b]);
    let id = a.public().id();
    store.revoke(&id).expect("trusted before");
    store.revoke(&id).expect("revoking twice does no harm");
    assert_eq!(store.trust(a.public().clone()), Err(TrustError::Revoked(id)));
    let error = store.check(TEXT, [(id, &a.sign(TEXT))], 1).expect_err("revoked").to_string();
    assert!(error.contains(&format!("revoked: {id}")), "{error}");
    assert_eq!(
        store.revoke(&KeyId::from_bytes([1; 16])),
        Err(TrustError::Unknown(KeyId::from_bytes([1; 16])))
    );
    assert_eq!(store.export(&b.public().id()), Ok(b.public().to_file()));
    assert!(store.export(&id).is_err());
    // Through the files and back; also where a backup brought the trusted file back.
    let mut files = store.to_files();
    files.insert(format!("{id}.pub"), a.public().to_file());
    let again =
        TrustStore::from_files(files.iter().map(|(name, text)| (name.as_str(), text.as_str())));
    assert_eq!(again, Ok(store));
}

#[test]
fn key_files_are_named_after_their_keys() {
    let file = key(1).public().to_file();
    let error = TrustStore::from_files([("mine.pub", file.as_str())])
        .expect_err("another name")
        .to_string();
    assert!(error.starts_with("mine.pub: holds key "), "{error}");
    let error = TrustStore::from_files([("x.pub", "junk")]).expect_err("no key").to_string();
    assert!(error.starts_with("x.pub: not a key"), "{error}");
    let id = key(1).public().id();
    assert_eq!(id.to_string().parse(), Ok(id));
    for bad in ["", "0", &"g".repeat(32), &"A".repeat(32), &format!("+{}", "0".repeat(31))] {
        assert!(bad.parse::<KeyId>().is_err(), "{bad}");
    }
}

proptest! {
    #[test]
    fn no_text_panics(text in any::<String>(), tail in "[A-Za-z0-9+/=]{0,220}") {
        for text in [text, format!("untrusted comment: x\n{tail}\n")] {
            let _ = (PublicKey::from_file(&text), SecretKey::from_file(&text).is_ok(), Detached::from_file(&text));
        }
    }

    #[test]
    fn what_was_signed_verifies_and_nothing_else_does(seed in any::<[u8; 32]>(), text in any::<Vec<u8>>(), other in any::<Vec<u8>>()) {
        let key = SecretKey::from_seed(&seed, "").expect("a key");
        for signature in [Detached::minisign(&key, &text, "c"), Detached::signify(&key, &text)] {
            let read = Detached::from_file(&signature.to_file()).expect("reads");
            prop_assert!(read == signature && read.verify(key.public(), &text).is_ok());
            prop_assert!(text == other || read.verify(key.public(), &other).is_err());
        }
    }
}
