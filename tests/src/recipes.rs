//! Small recipes written by tests.

use std::fs;
use std::path::{Path, PathBuf};

/// A shell and three tools of the seed, installed as the temporary tools are.
pub const TOOLS: &str = r#"mkdir -p "$LFS"/usr/bin "$LFS"/usr/lib/x86_64-linux-gnu "$LFS/lib64" "$LFS/usr/share"
ln -s usr/bin "$LFS/bin"
ln -s usr/lib "$LFS/lib"
tools="/usr/bin/bash /usr/bin/ls /usr/bin/mkdir /usr/bin/env"
cp $tools "$LFS/usr/bin/"
cp -L $(ldd $tools | grep -o '/lib/[^ ]*' | sort -u) "$LFS/usr/lib/x86_64-linux-gnu/"
cp -L /lib64/ld-linux-x86-64.so.2 "$LFS/lib64/"
echo temporary > "$LFS/usr/share/twin"
"#;

/// A folder of recipes that a test fills.
#[derive(Debug)]
pub struct Recipes {
    dir: tempfile::TempDir,
    order: u32,
    lock: String,
}

impl Default for Recipes {
    fn default() -> Self {
        Self::new()
    }
}

impl Recipes {
    /// An empty set.
    ///
    /// # Panics
    /// The temporary folder cannot be made.
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let recipes = Self { dir, order: 0, lock: String::from("schema = 1\n") };
        recipes.write("sources.lock", &recipes.lock);
        recipes
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Writes any file below the folder.
    ///
    /// # Panics
    /// It cannot be written.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.dir.path().join(name);
        let parent = path.parent().expect("a parent");
        fs::create_dir_all(parent).expect("folders");
        fs::write(&path, text).expect("a file");
    }

    /// Adds the demo step `name` with the given phases (name and script) and dependencies. An install
    /// phase that leaves one file is added when none is given.
    pub fn step(&mut self, name: &str, needs: &[&str], phases: &[(&str, &str)]) -> &mut Self {
        self.step_with(name, needs, phases, "")
    }

    /// As [`Self::step`], with more text for `recipe.toml`.
    pub fn step_with(
        &mut self,
        name: &str,
        needs: &[&str],
        phases: &[(&str, &str)],
        more: &str,
    ) -> &mut Self {
        self.order += 1;
        let folder = format!("demo/{name}");
        let default = format!("mkdir -p /usr/share/{name}\necho {name} > /usr/share/{name}/file\n");
        let mut phases = phases.to_vec();
        if phases.iter().all(|(phase, _)| *phase != "install") {
            phases.push(("install", &default));
        }
        let (asserts, scripts): (Vec<_>, Vec<_>) =
            phases.iter().partition(|(phase, _)| *phase == "assert");
        let names: String =
            scripts.iter().map(|(phase, _)| format!("{phase} = \"{phase}.sh\"\n")).collect();
        let check = if asserts.is_empty() { "" } else { "[check]\nassert = \"assert.sh\"\n" };
        let needs: Vec<String> = needs.iter().map(|n| format!("\"{n}\"")).collect();
        let toml = format!(
            "schema = 1\nname = \"{name}\"\nversion = \"1.0\"\nstage = \"demo\"\norder = {}\n\
             description = \"A step of a test\"\nlicense = \"MIT\"\n\n{more}\n[deps]\nbuild = [{}]\n\n\
             [phases]\n{names}\n{check}",
            self.order,
            needs.join(", ")
        );
        self.write(&format!("{folder}/recipe.toml"), &toml);
        for (phase, script) in &phases {
            self.write(&format!("{folder}/{phase}.sh"), script);
        }
        self
    }

    /// Writes a step of the stage `stage`, a member of the group of that name, with a line for `[deps]`.
    pub fn staged(&self, stage: &str, name: &str, deps: &str, install: &str) {
        let toml = format!(
            "schema = 1\nname = \"{name}\"\nversion = \"1.0\"\nstage = \"{stage}\"\norder = 1\n\
             description = \"A step of a test\"\nlicense = \"MIT\"\n\n[deps]\nbuild = [{deps}]\n\n\
             [phases]\ninstall = \"install.sh\"\n\n[group]\nnames = [\"{stage}\"]\n"
        );
        self.write(&format!("{stage}/{name}/recipe.toml"), &toml);
        self.write(&format!("{stage}/{name}/install.sh"), install);
    }

    /// Locks a source file.
    pub fn lock_source(&mut self, file: &str, sha256: &str, bytes: usize) -> &mut Self {
        self.lock.push_str(&format!(
            "\n[[source]]\nname = \"{file}\"\nfile = \"{file}\"\nsha256 = \"{sha256}\"\nbytes = {bytes}\n\
             url = \"https://example.org/{file}\"\n"
        ));
        self.write("sources.lock", &self.lock);
        self
    }

    /// The path of a step's file.
    pub fn file(&self, step: &str, name: &str) -> PathBuf {
        self.dir.path().join("demo").join(step).join(name)
    }
}
