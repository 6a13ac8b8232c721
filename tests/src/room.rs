//! A folder for a person's work with packages, and the real pkgctl in it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::artefacts::binary;

/// A folder to work in.
#[derive(Debug)]
pub struct Room(TempDir);

impl Default for Room {
    fn default() -> Self {
        Self::new()
    }
}

impl Room {
    /// A new one.
    ///
    /// # Panics
    /// It cannot be made.
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file.
    ///
    /// # Panics
    /// It cannot be written.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).expect("a file");
    }

    /// The text of a file.
    ///
    /// # Panics
    /// It cannot be read.
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect("a file")
    }

    fn run(&self, program: &Path, words: &str) -> Output {
        let mut command = Command::new(program);
        command.args(words.split_whitespace()).current_dir(self.0.path()).stdin(Stdio::null());
        command
            .output()
            .unwrap_or_else(|e| panic!("install {} for this test: {e}", program.display()))
    }

    /// pkgctl with these words, without a terminal. Blanks separate.
    pub fn pkgctl(&self, words: &str) -> Output {
        // No terminal at all, so that nobody is asked for a password.
        self.run(Path::new("setsid"), &format!("--wait {} {words}", binary("pkgctl").display()))
    }

    /// pkgctl as a user who may change nothing, without a terminal.
    pub fn reader(&self, words: &str) -> Output {
        let user = "--reuid=65534 --regid=65534 --clear-groups";
        self.run(Path::new("setpriv"), &format!("{user} {} {words}", binary("pkgctl").display()))
    }

    /// What it answers in JSON, the last object of it.
    ///
    /// # Panics
    /// It fails, or says something else.
    #[track_caller]
    pub fn json(&self, words: &str) -> Value {
        let output = self.pkgctl(&format!("--json {words}"));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{words}: {text} {output:?}");
        // Progress comes before.
        let last = text.lines().last().unwrap_or_default();
        serde_json::from_str::<Value>(last).expect("an object")["data"].clone()
    }

    /// That it refuses, with this exit status; what it says.
    ///
    /// # Panics
    /// It does not.
    #[track_caller]
    pub fn refused(&self, words: &str, code: i32) -> String {
        let output = self.pkgctl(words);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{words}: {said}");
        said.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Another program with these words.
    ///
    /// # Panics
    /// It fails.
    #[track_caller]
    pub fn other(&self, program: &str, words: &str) {
        let output = self.run(Path::new(program), words);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {words}: {said}");
    }

    /// A key without password: `NAME.key` and `NAME.pub`. Its id.
    pub fn key(&self, name: &str) -> String {
        text(&self.json(&format!("key generate {name} --no-passphrase"))["id"])
    }

    /// Packs `NAME` in this version, with one file `usr/share/NAME`, signed by `ann`, into the folder `folder`; `more` is
    /// more of its `package.toml`.
    ///
    /// # Panics
    /// It cannot be packed.
    #[track_caller]
    pub fn pack(&self, folder: &str, name: &str, version: &str, more: &str) {
        let share = self.path(&format!("{name}/root/usr/share"));
        fs::create_dir_all(&share).expect("folders");
        fs::create_dir_all(self.path(folder)).expect("a folder");
        fs::write(share.join(name), version).expect("a file");
        let toml = format!(
            "schema = 1\nname = \"{name}\"\nversion = \"{version}\"\ndescription = \"A test\"\n\
             license = \"MIT\"\n{more}\n"
        );
        self.write(&format!("{name}/package.toml"), toml);
        self.json(&format!("pack ./{name} --key ann.key --output {folder}"));
    }

    /// A folder to be packed, with one script.
    ///
    /// # Panics
    /// It cannot be made.
    pub fn package(&self, name: &str) {
        self.json(&format!("skeleton {name} --package"));
        let toml = self.read(&format!("{name}/package.toml"));
        let toml = toml.replacen("\"TODO\"", "\"1.0\"", 1).replace("\"TODO\"", "\"MIT\"");
        self.write(&format!("{name}/package.toml"), toml);
        fs::create_dir_all(self.path(&format!("{name}/root/usr/bin"))).expect("folders");
        let script = format!("{name}/root/usr/bin/{name}");
        self.write(&script, "#!/bin/sh\necho hello\n");
        fs::set_permissions(self.path(&script), fs::Permissions::from_mode(0o755)).expect("mode");
    }
}

/// A text of JSON; empty where it is something else.
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
