//! `fetch-sources` against local folders: what is taken, and what is refused.

use std::fs;
use std::path::{Path, PathBuf};

use minos_image::cache::Cache;
use minos_image::progress::Silent;
use minos_image::sources::{self, Request};
use minos_image::{Error, How, Layout, digest};
use tempfile::TempDir;

const CONTENT: &str = "the tarball as it was locked";

/// A tree with a lock of one source, whose only place on the network answers nothing.
struct Fixture {
    dir: TempDir,
}

impl Fixture {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let lock = format!(
            "schema = 1\n[[source]]\nname = \"demo\"\nfile = \"demo-1.tar\"\nsha256 = \"{}\"\n\
             bytes = {}\nurl = \"http://127.0.0.1:9/demo-1.tar\"\n",
            digest::of_bytes(CONTENT.as_bytes()),
            CONTENT.len()
        );
        fs::write(dir.path().join("sources.lock"), lock).unwrap();
        Fixture { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A folder with the file in it, with this content.
    fn folder(&self, name: &str, content: &str) -> PathBuf {
        let folder = self.path(name);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("demo-1.tar"), content).unwrap();
        folder
    }

    fn fetch(&self, from: &[&Path]) -> minos_image::Result<Vec<minos_image::Artefact>> {
        let layout = Layout::new(
            self.dir.path().to_path_buf(),
            self.path("out"),
            Cache::new(self.path("cache")),
        );
        let request = Request {
            lock: Some(self.path("sources.lock")),
            from: from.iter().map(|p| p.to_path_buf()).collect(),
            offline: true,
            ..Request::default()
        };
        sources::fetch(&layout, &request, &Silent)
    }
}

#[test]
fn a_local_folder_serves_and_the_cache_remembers() {
    let fixture = Fixture::new();
    let folder = fixture.folder("here", CONTENT);
    let got = fixture.fetch(&[&fixture.path("nowhere"), &folder]).unwrap();
    assert_eq!(got[0].how, How::Made);
    assert_eq!(fs::read_to_string(fixture.path("out/sources/demo-1.tar")).unwrap(), CONTENT);
    // The folder's own file is neither moved nor linked: it may be on a stick.
    fs::write(folder.join("demo-1.tar"), "changed later").unwrap();
    assert_eq!(fixture.fetch(&[]).unwrap()[0].how, How::Cached);
    assert_eq!(fs::read_to_string(fixture.path("out/sources/demo-1.tar")).unwrap(), CONTENT);
}

#[test]
fn a_corrupted_file_is_refused_and_kept_for_inspection() {
    let fixture = Fixture::new();
    let bad = "the tarball as it was LOCKED";
    let folder = fixture.folder("here", bad);
    let good = fixture.folder("there", CONTENT);
    // It ends there: a good copy in the next folder must not paper over a bad one.
    let error = fixture.fetch(&[&folder, &good]).unwrap_err();
    let Error::Mismatch { kept, got, expected, .. } = &error else { panic!("{error}") };
    assert_eq!(got, &digest::of_bytes(bad.as_bytes()));
    assert_eq!(expected, &digest::of_bytes(CONTENT.as_bytes()));
    let name = format!("cache/sources/rejected/demo-1.tar.{}", &got[..8]);
    assert_eq!(kept, &fixture.path(&name));
    assert_eq!(fs::read_to_string(kept).unwrap(), bad);
    assert!(!fixture.path("out/sources/demo-1.tar").exists());
    // The user's own copy is still where it was.
    assert_eq!(fs::read_to_string(folder.join("demo-1.tar")).unwrap(), bad);
}

#[test]
fn a_damaged_cache_entry_is_not_used() {
    let fixture = Fixture::new();
    let folder = fixture.folder("here", CONTENT);
    fixture.fetch(&[&folder]).unwrap();
    let sha = digest::of_bytes(CONTENT.as_bytes());
    let stored = fixture.path("cache/sources").join(sha).join("demo-1.tar");
    fs::write(&stored, "bit rot").unwrap();
    assert!(matches!(fixture.fetch(&[]), Err(Error::SourcesNotFound { .. })));
    assert_eq!(fixture.fetch(&[&folder]).unwrap()[0].how, How::Made);
    assert_eq!(fs::read_to_string(stored).unwrap(), CONTENT);
}

#[test]
fn found_nowhere_lists_every_place() {
    let fixture = Fixture::new();
    let text = fixture.fetch(&[&fixture.path("empty")]).unwrap_err().to_string();
    for part in ["source demo", "/empty: has no demo-1.tar", "--offline", "--from DIR"] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}
