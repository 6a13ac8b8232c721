//! The worked example of `docs/formats/mpk.md`, byte by byte, and the keys of `docs/formats/keys.md`.

mod common;

use std::path::Path;

use common::{Tree, directory, key, open_signed, pack, regular, trust};
use minos_model::Digest;
use minos_model::package::{PackageFields, PackageFile, PackageManifest};
use minos_package::header::HEADER_LEN;
use minos_package::keys::Detached;
use minos_package::{Options, sign};

const SCRIPT: &str = "#!/bin/sh\necho hello\n";

fn manifest() -> PackageManifest {
    let files = vec![
        directory("bin"),
        PackageFile { mode: 0o755, ..regular("bin/hello", SCRIPT.as_bytes()) },
    ];
    let fields = PackageFields {
        provides: vec!["cmd:hello".parse().expect("a command")],
        dependencies: vec![minos_model::Dependency {
            kind: minos_model::DependencyKind::Runtime,
            requirement: "cmd:sh".parse().expect("a requirement"),
            condition: None,
        }],
        files,
        ..common::empty()
    };
    PackageManifest::new(fields).expect("a package")
}

fn package() -> Vec<u8> {
    pack(&manifest(), &Tree::default().with("bin/hello", SCRIPT), &[key(1)], &Options::default())
}

/// `OFFSET  HEX HEX …  TEXT`, sixteen bytes a line, as `xxd -g1` writes it.
fn dump(bytes: &[u8]) -> String {
    let line = |(number, chunk): (usize, &[u8])| {
        let hex: Vec<String> = chunk.iter().map(|byte| format!("{byte:02x}")).collect();
        let text: String = chunk
            .iter()
            .map(|b| if b.is_ascii_graphic() || *b == b' ' { char::from(*b) } else { '.' })
            .collect();
        format!("{:08x}: {:47}  {text}\n", number * 16, hex.join(" "))
    };
    bytes.chunks(16).enumerate().map(line).collect()
}

fn page(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../docs/formats").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_example_of_the_page_is_what_we_write() {
    let bytes = package();
    let dump = dump(&bytes);
    assert!(page("mpk.md").contains(&dump), "the page should have:\n{dump}");
    open_signed(&bytes, &trust(&[&key(1)]), 1).expect("opens").verify().expect("verifies");
}

#[test]
fn the_parts_are_where_the_page_says() {
    let bytes = package();
    let manifest = postcard::to_allocvec(&manifest()).expect("encodes");
    let at = |offset: usize, length: usize| &bytes[offset..offset + length];
    let number = |offset, length| {
        let mut all = [0; 8];
        all[..length].copy_from_slice(at(offset, length));
        usize::try_from(u64::from_le_bytes(all)).expect("small")
    };
    assert_eq!(at(0, 8), b"\x89MPK\r\n\x1a\n");
    assert_eq!((number(8, 4), number(12, 4)), (1, 80), "format, signatures");
    let (manifest_len, index_len, content_len) = (number(16, 8), number(24, 8), number(32, 8));
    assert_eq!((manifest_len, index_len), (manifest.len(), 40));
    assert_eq!(at(40, 32), Digest::of(&manifest).as_bytes());
    assert_eq!(at(HEADER_LEN + 80, manifest_len), manifest);
    let index = HEADER_LEN + 80 + manifest_len;
    assert_eq!(at(72, 32), Digest::of(at(index, 40)).as_bytes());
    assert_eq!((number(index, 4), number(index + 4, 4)), (content_len, SCRIPT.len()));
    assert_eq!(at(index + 8, 32), Digest::of(at(index + 40, content_len)).as_bytes());
    assert_eq!(bytes.len(), index + 40 + content_len);
    // The signature: domain, then the header with zeros for the length of the signatures.
    let mut signed = bytes[..HEADER_LEN].to_vec();
    signed[12..16].fill(0);
    assert_eq!(at(HEADER_LEN, 16), key(1).public().id().as_bytes());
    assert_eq!(at(HEADER_LEN + 16, 64), key(1).sign(&[sign::DOMAIN, &signed].concat()));
}

#[test]
fn the_keys_of_the_page_are_what_we_write() {
    let (page, key) = (page("keys.md"), key(1));
    let files = [
        key.public().to_file(),
        key.to_minisign(),
        key.to_signify(),
        Detached::minisign(&key, b"hello\n", "example").to_file(),
        Detached::signify(&key, b"hello\n").to_file(),
        format!("{}\n", key.public().id()),
    ];
    for file in files {
        assert!(page.contains(&file), "the page should have:\n{file}");
    }
}
