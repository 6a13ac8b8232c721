//! The seed, made for real: two minutes and the network, so only when asked.

use std::fs;
use std::path::Path;

use minos_image::cache::Cache;
use minos_image::progress::Silent;
use minos_image::seed::{self, Request};
use minos_image::{How, Layout, digest};

fn make(tree: &Path, scratch: &Path) -> String {
    let layout = Layout::new(tree.into(), scratch.join("out"), Cache::new(scratch.join("cache")));
    let made = seed::make(&layout, &Request::default(), &Silent).unwrap();
    assert_eq!(made[0].how, How::Made);
    let again = seed::make(&layout, &Request::default(), &Silent).unwrap();
    assert_eq!(again[0].how, How::Cached);
    let identity = fs::read_to_string(layout.out("seed.digest")).unwrap();
    assert_eq!(identity.trim(), digest::of_file(&layout.out("seed.manifest")).unwrap());
    digest::of_file(&layout.out("seed.squashfs")).unwrap()
}

fn host_lists() -> Vec<String> {
    let Ok(entries) = fs::read_dir("/var/lib/apt/lists") else { return Vec::new() };
    let mut names: Vec<String> =
        entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Two empty caches, two full runs, one image; and the host's own package lists, which an earlier
/// version of the hook caused to be deleted, are untouched.
#[test]
#[ignore = "slow: cargo test -p minos-image --test seed -- --ignored"]
fn twice_the_same_bytes_and_the_host_is_left_alone() {
    let tree = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let before = host_lists();
    assert_eq!(make(tree, one.path()), make(tree, two.path()));
    assert_eq!(before, host_lists());
}
