//! Package files, part by part and as a whole.

use std::io::{Cursor, Read};

use minos_model::package::{Account, FileKind, PackageFile, PackagePath};
use minos_model::{Digest, PackageManifest};
use minos_package::header::{HEADER_LEN, Header};
use minos_package::keys::Detached;
use minos_package::reader::decode_manifest;
use minos_package::scan::Findings;
use minos_package::{Policy, PublicKey, Reader, SecretKey, index, repository as mri, sign};

/// The header of a package.
pub fn header(bytes: &[u8]) -> bool {
    let Some(Ok(header)) = bytes.first_chunk::<HEADER_LEN>().map(Header::parse) else {
        return false;
    };
    assert_eq!(Some(&header.to_bytes()), bytes.first_chunk(), "a header in another encoding");
    assert!(header.total() >= HEADER_LEN as u64);
    true
}

/// The signatures of a package.
pub fn signatures(bytes: &[u8]) -> bool {
    let Ok(entries) = sign::parse(bytes) else { return false };
    assert_eq!(sign::to_bytes(&entries), bytes);
    assert!(entries.is_sorted_by(|a, b| a.key < b.key), "a key stands twice");
    true
}

/// The manifest of a package, under a hash that is right.
pub fn manifest(bytes: &[u8]) -> bool {
    let Ok(manifest) = decode_manifest(bytes, Digest::of(bytes)) else { return false };
    assert_eq!(postcard::to_allocvec(&manifest).expect("encodes"), bytes);
    stays_inside(&manifest);
    let text = serde_json::to_string(&manifest).expect("has a text");
    assert_eq!(serde_json::from_str::<PackageManifest>(&text).expect("reads"), manifest);
    true
}

/// What an installer relies on: every path stands in a directory of the package, and none leads out.
fn stays_inside(manifest: &PackageManifest) {
    for file in &manifest.files {
        let parent = file.path.parent().map(|parent| manifest.file(parent));
        let folder = parent.is_none_or(|file| file.is_some_and(|f| f.kind == FileKind::Directory));
        assert!(folder, "{} stands in no directory", file.path);
        let out = file
            .path
            .as_bytes()
            .split(|b| *b == b'/')
            .any(|part| matches!(part, b"" | b"." | b".."));
        assert!(!out && file.mode <= 0o7777, "{}", file.path);
        if let FileKind::Hardlink { to } = &file.kind {
            let first = manifest.file(to.as_bytes()).expect("the link's file");
            assert!(first.content().is_some() && first.path < file.path, "{}", file.path);
        }
    }
}

/// The signed index of a repository, whoever signed it.
pub fn repository(bytes: &[u8]) -> bool {
    let Ok((found, _)) = mri::read(bytes, &Policy::Unverified) else { return false };
    let again = mri::write(&found, &[]).expect("what was read can be written");
    assert!(bytes.ends_with(&again[20..]), "a list in another encoding");
    assert!(found.packages.iter().all(|package| !package.file.contains(['/', '\0'])));
    true
}

/// The index of frames: the sums told are those of the records.
pub fn frames(bytes: &[u8]) -> bool {
    let records = bytes.as_chunks::<{ index::RECORD_LEN }>().0;
    let sum = |at: usize| -> u64 {
        let word = |r: &[u8; index::RECORD_LEN]| {
            u32::from_le_bytes([r[at], r[at + 1], r[at + 2], r[at + 3]])
        };
        records.iter().map(|r| u64::from(word(r))).sum()
    };
    let Ok(frames) = index::parse(bytes, sum(0), sum(4)) else { return false };
    assert_eq!(index::to_bytes(&frames), bytes);
    assert!(frames.iter().all(|frame| (1..=index::MAX_FRAME).contains(&frame.raw)));
    true
}

/// A whole package, with every content.
pub fn package(bytes: &[u8]) -> bool {
    let Ok(mut package) = Reader::open(Cursor::new(bytes), &Policy::Unverified) else {
        return false;
    };
    assert_eq!(bytes.len() as u64, package.header().total(), "something stands behind it");
    assert_eq!(package.id(), Digest::of(package.manifest_bytes()));
    stays_inside(package.manifest());
    let (mut skip, mut whole) = (|_: &Digest| false, 0_u64);
    let told: u64 = package.contents().map(|(_, size)| size).sum();
    let outcome = package.for_each_unique(&mut skip, &mut |digest, content| {
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes)?;
        assert_eq!(Digest::of(&bytes), digest, "a content that is not what was told");
        whole += bytes.len() as u64;
        Ok(())
    });
    assert!(outcome.is_err() || whole == told);
    outcome.is_ok()
}

/// Files of keys and detached signatures, of minisign and signify.
pub fn key(bytes: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(bytes) else { return false };
    let public = PublicKey::from_file(text).map(|public| {
        assert_eq!(PublicKey::from_file(&public.to_file()), Ok(public));
    });
    let secret = SecretKey::from_file(text).map(|secret| {
        assert!(SecretKey::from_file(&secret.to_minisign()).is_ok());
    });
    let signature = Detached::from_file(text).map(|signature| {
        assert_eq!(Detached::from_file(&signature.to_file()), Ok(signature));
    });
    public.is_ok() || secret.is_ok() || signature.is_ok()
}

/// A file of a tree as the scanner for dependencies sees it: ELF, script, `.pc` file, Python metadata.
pub fn scan(bytes: &[u8]) -> bool {
    let places = [
        "usr/bin/x",
        "usr/lib/pkgconfig/x.pc",
        "usr/lib/python3.12/site-packages/x.dist-info/METADATA",
        "usr/lib/libx.so",
    ];
    // What the place alone tells is found in an empty file too.
    let told = |at: &str| {
        let (found, nothing) = (scanned(at, bytes), scanned(at, b" "));
        (found.requires, found.provides, found.machines)
            != (nothing.requires, nothing.provides, nothing.machines)
    };
    places.map(told).contains(&true)
}

/// What is found in a file at this place.
fn scanned(at: &str, bytes: &[u8]) -> Findings {
    let file = PackageFile {
        path: at.parse::<PackagePath>().expect("a path"),
        kind: FileKind::Regular { size: bytes.len() as u64, digest: Digest::of(bytes) },
        mode: 0o755,
        user: Account::ROOT,
        group: Account::ROOT,
        xattrs: Vec::new(),
    };
    let mut open = |_: &PackageFile| -> std::io::Result<Box<dyn Read>> {
        Ok(Box::new(Cursor::new(bytes.to_vec())))
    };
    minos_package::scan::scan(&[file], &mut open).expect("memory can be read")
}
