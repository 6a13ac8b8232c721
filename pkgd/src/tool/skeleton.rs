//! The folder of a new package, to be filled in.

use std::fs;
use std::path::{Path, PathBuf};

use argh::FromArgs;
use minos_model::{Name, Stage};
use minos_proto::{ErrorKind, ErrorReport, Sheet};

use super::answer::on_file;
use super::open;

/// Makes the folder of a new package. What is to be filled in says TODO, and the linter finds it.
#[derive(Debug, FromArgs)]
#[argh(subcommand, name = "skeleton")]
pub struct Skeleton {
    /// its name
    #[argh(positional)]
    name: String,
    /// in this folder (default: here)
    #[argh(option, default = "PathBuf::from(\".\")")]
    dir: PathBuf,
    /// the stage of the recipe (default: demo)
    #[argh(option, default = "Stage::Demo", from_str_fn(stage))]
    stage: Stage,
    /// a folder for 'pkgctl pack' instead of a recipe
    #[argh(switch)]
    package: bool,
}

/// The recipe. `pkgctl recipe lint` says what is still to be done.
const RECIPE: &str = r#"schema = 1
name = "@NAME@"
version = "TODO"                # as upstream writes it
release = 1
stage = "@STAGE@"
order = 9999                    # chapter and section of the book; breaks ties, nothing else
description = "TODO"            # one line
license = "TODO"                # SPDX expression

[[source]]
file = "@NAME@-TODO.tar.xz"     # its name in sources.lock, with its SHA-256

[deps]
build = []                      # exactly these outputs are visible

[phases]
configure = "configure.sh"
build = "build.sh"
check = "check.sh"
install = "install.sh"

[check]
assert = "assert.sh"

[needs]
sbu = 1.0                       # 1.0 = binutils pass 1
disk_mb = 100
ram_mb = 200
"#;

/// The scripts of a package that is built with configure and make.
const SCRIPTS: [(&str, &str); 5] = [
    ("configure.sh", "./configure --prefix=/usr\n"),
    ("build.sh", "make\n"),
    ("check.sh", "make check\n"),
    ("install.sh", "make install\n"),
    (
        "assert.sh",
        "# TODO: compile or run something that fails when the package is not what it should be\ntest -d /usr\n",
    ),
];

/// The folder of a package that is put together by hand.
const PACKAGE: &str = r#"# The package is what stands in root/. 'pkgctl pack ./@NAME@ --key FILE' makes @NAME@-VERSION-RELEASE.ARCH.mpk
# of it. What it needs and provides is found in its files: sonames, interpreters, commands, pkg-config, Python.
schema = 1
name = "@NAME@"
version = "TODO"                # as upstream writes it
release = 1
description = "TODO"            # one line
license = "TODO"                # SPDX expression
# arch = "noarch"               # else that of the programs in it

depends = []                    # besides what is found: "zlib>=1.3", "cmd:sh"
provides = []                   # besides what is found: "role:editor"
ignore = []                     # what is found and not meant
conflicts = []
replaces = []
config = []                     # files that users edit: "etc/@NAME@.conf"

# As in the [package] table of a recipe (docs/RECIPES.md), paths from /:
# [optional.docs]               # 'pkgctl install @NAME@[docs]'
# reason = "manuals as web pages"
# depends = ["texinfo"]
# [[group]]
# name = "@NAME@"
# [[user]]
# name = "@NAME@"
# group = "@NAME@"
# [[directory]]
# path = "/var/lib/@NAME@"
# mode = 0o750
# user = "@NAME@"
# group = "@NAME@"
# [[link]]                      # made where nothing stands yet
# path = "/usr/bin/vi"
# target = "@NAME@"
# [[service]]
# name = "@NAME@"
# enable = false
# [sysctl]
# "kernel.core_pattern" = "core"
"#;

/// The stages by their names.
fn stage(text: &str) -> Result<Stage, String> {
    let all =
        [Stage::Cross, Stage::Temporary, Stage::Chroot, Stage::System, Stage::Boot, Stage::Demo];
    let names = all.map(Stage::as_str).join(", ");
    all.into_iter()
        .find(|stage| stage.as_str() == text)
        .ok_or_else(|| format!("'{text}' is none of {names}"))
}

impl Skeleton {
    pub fn run(self) -> Result<Sheet, ErrorReport> {
        self.name.parse::<Name>().map_err(|e| {
            ErrorReport::new(ErrorKind::Invalid, e.to_string(), "give the package another name")
        })?;
        let folder = self.dir.join(&self.name);
        fs::create_dir(&folder).map_err(|e| on_file("create", &folder, &e))?;
        let next = if self.package { self.by_hand(&folder)? } else { self.recipe(&folder)? };
        Ok(Sheet::new("skeleton").fact("folder", folder.display().to_string()).note(next))
    }

    fn filled(&self, text: &str) -> String {
        text.replace("@NAME@", &self.name).replace("@STAGE@", self.stage.as_str())
    }

    fn recipe(&self, folder: &Path) -> Result<String, ErrorReport> {
        let files = [("recipe.toml", self.filled(RECIPE))];
        let scripts = SCRIPTS.map(|(name, text)| (name, text.to_owned()));
        for (name, text) in files.into_iter().chain(scripts) {
            open::create(&folder.join(name), text.as_bytes(), 0o644)?;
        }
        let stage = self.stage;
        Ok(format!(
            "Fill in what says TODO, pin the source in sources.lock, and put the folder into the recipes, below \
             {stage}/; 'pkgctl recipe lint' says what is missing then."
        ))
    }

    fn by_hand(&self, folder: &Path) -> Result<String, ErrorReport> {
        let root = folder.join("root");
        fs::create_dir(&root).map_err(|e| on_file("create", &root, &e))?;
        open::create(&folder.join("package.toml"), self.filled(PACKAGE).as_bytes(), 0o644)?;
        let name = &self.name;
        Ok(format!(
            "Put the files into root/, fill in what says TODO; then 'pkgctl pack ./{name} --key FILE'."
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use minos_model::Stage;
    use minos_recipe::RecipeSet;

    use super::Skeleton;

    /// A skeleton that the linter had more to say about would teach mistakes.
    #[test]
    fn the_linter_finds_the_marked_places_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("demo");
        fs::create_dir(&dir).unwrap();
        let skeleton =
            Skeleton { name: "hello".into(), dir: dir.clone(), stage: Stage::Demo, package: false };
        skeleton.run().unwrap();
        fs::write(folder.path().join("sources.lock"), "schema = 1\n").unwrap();
        let (_, lints) = RecipeSet::load(folder.path()).unwrap();
        assert!(!lints.is_empty());
        for lint in &lints {
            let text = fs::read_to_string(folder.path().join(&lint.file)).unwrap();
            let line = lint.line.and_then(|n| text.lines().nth(n as usize - 1));
            assert!(line.is_some_and(|l| l.contains("TODO")), "{lint:?}");
        }
        // Filled in, it is a recipe.
        let recipe = dir.join("hello/recipe.toml");
        let text = fs::read_to_string(&recipe).unwrap();
        let text = text.replace("\"hello-TODO.tar.xz\"", "\"hello.tar.xz\"");
        let text = text.replacen("TODO", "1.0", 1).replace("TODO", "MIT");
        fs::write(&recipe, text).unwrap();
        let assertion = dir.join("hello/assert.sh");
        let text = fs::read_to_string(&assertion).unwrap();
        fs::write(&assertion, text.replace("TODO: ", "")).unwrap();
        let lock = format!(
            "schema = 1\n\n[[source]]\nname = \"hello\"\nfile = \"hello.tar.xz\"\nsha256 = \"{}\"\n\
             bytes = 1\nurl = \"https://example.org/hello.tar.xz\"\n",
            "0".repeat(64)
        );
        fs::write(folder.path().join("sources.lock"), lock).unwrap();
        let (set, lints) = RecipeSet::load(folder.path()).unwrap();
        assert!(lints.is_empty(), "{lints:?}");
        assert_eq!(set.len(), 1);
    }

    #[test]
    fn nothing_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let skeleton = || Skeleton {
            name: "hello".into(),
            dir: folder.path().into(),
            stage: Stage::Demo,
            package: true,
        };
        skeleton().run().unwrap();
        let error = skeleton().run().unwrap_err();
        assert!(error.what.contains("File exists"), "{error}");
    }
}
