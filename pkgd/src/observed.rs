//! Which of its dependencies a step used, as its sandbox saw it: what `build --observe` notes and the linter tells.
//!
//! The notes are files below `observed/` of the state root, one a step, each replaced by the next. They are hints for
//! whoever writes recipes and can be deleted at any time, so they are no rows of the database.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;

use minos_model::{Digest, Hasher, Kind, Manifest, StepId};
use minos_proto::LintReport;
use minos_recipe::{Recipe, RecipeSet};
use minos_store::Layout;
use serde::{Deserialize, Serialize};

/// The first byte of a note; a file with another one is of another version and says nothing.
const VERSION: u8 = 1;

/// What was seen of one step.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    version: u8,
    /// Of the recipe then: about a changed recipe the note says nothing.
    recipe: Digest,
    inputs: Vec<Input>,
}

/// What was seen of one dependency.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Input {
    step: StepId,
    /// Files of it that were opened or executed.
    opened: u64,
    /// Files it has; one that has none (links and directories) cannot be judged.
    files: u64,
    /// Files it has that no other dependency hides.
    visible: u64,
}

/// Keeps what `step` opened of its `inputs`, the lowest layer first. What cannot be written is told and lost.
pub fn note(
    layout: &Layout,
    recipes: &RecipeSet,
    step: &StepId,
    inputs: &[(StepId, Digest)],
    opened: &BTreeSet<String>,
) {
    let Some(recipe) = recipes.get(step) else { return };
    let root = |input: &StepId| {
        let input = recipes.get(input);
        input.map_or("/", |input| recipe.stage.root_of(input.stage)).trim_matches('/')
    };
    let written = read_inputs(layout, inputs, root).and_then(|manifests| {
        let note =
            Note { version: VERSION, recipe: print(recipe), inputs: count(&manifests, opened) };
        write(layout, step, &note)
    });
    if let Err(e) = written {
        eprintln!("pkgd: {step}: what it used is not noted: {e}");
    }
}

/// Name and files of each dependency.
type Files = Vec<(StepId, BTreeSet<Vec<u8>>)>;

/// The files as the step sees them; `root` is the folder of a dependency's output that is `/` to it.
fn read_inputs(
    layout: &Layout,
    inputs: &[(StepId, Digest)],
    root: impl Fn(&StepId) -> &'static str,
) -> io::Result<Files> {
    let files = |digest: &Digest, root: &str| -> io::Result<BTreeSet<Vec<u8>>> {
        let text = fs::read_to_string(layout.output_manifest(digest))?;
        let manifest = Manifest::parse(&text).map_err(io::Error::other)?;
        let file = |kind: &Kind| matches!(kind, Kind::File { .. } | Kind::Hardlink { .. });
        let entries = manifest.entries().iter().filter(|entry| file(&entry.kind));
        Ok(entries.filter_map(|entry| below(&entry.path, root).map(<[u8]>::to_vec)).collect())
    };
    inputs.iter().map(|(step, digest)| Ok((step.clone(), files(digest, root(step))?))).collect()
}

/// `path` from `root` on; `None` for what lies elsewhere.
fn below<'a>(path: &'a [u8], root: &str) -> Option<&'a [u8]> {
    if root.is_empty() {
        return Some(path);
    }
    path.strip_prefix(root.as_bytes())?.strip_prefix(b"/")
}

/// Which layer each opened file came from: the topmost that has it.
fn count(inputs: &Files, opened: &BTreeSet<String>) -> Vec<Input> {
    let mut owners: BTreeMap<&[u8], usize> = BTreeMap::new();
    for (index, (_, files)) in inputs.iter().enumerate() {
        owners.extend(files.iter().map(|path| (path.as_slice(), index)));
    }
    let mut seen: Vec<Input> = inputs
        .iter()
        .map(|(step, files)| Input {
            step: step.clone(),
            opened: 0,
            files: files.len() as u64,
            visible: 0,
        })
        .collect();
    for (path, index) in owners {
        seen[index].visible += 1;
        let name = str::from_utf8(path).map(|path| format!("/{path}"));
        seen[index].opened += u64::from(name.is_ok_and(|name| opened.contains(&name)));
    }
    seen
}

fn write(layout: &Layout, step: &StepId, note: &Note) -> io::Result<()> {
    let path = layout.observed(step);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let bytes = postcard::to_allocvec(note).map_err(io::Error::other)?;
    let new = path.with_extension("new");
    fs::write(&new, bytes)?;
    fs::rename(new, path)
}

/// Of what the step does. Its list of dependencies is no part of it: taking one out makes no other unused.
fn print(recipe: &Recipe) -> Digest {
    let mut hash = Hasher::new();
    hash.field(&recipe.canonical());
    for (phase, text) in recipe.phases() {
        hash.field(phase.as_str().as_bytes());
        hash.field(text.as_bytes());
    }
    hash.finish()
}

/// What the notes say against recipes as they are now.
pub fn findings(layout: &Layout, recipes: &RecipeSet) -> Vec<LintReport> {
    let mut found = Vec::new();
    for recipe in recipes.iter() {
        let note = fs::read(layout.observed(&recipe.id)).ok();
        let note = note.and_then(|bytes| postcard::from_bytes::<Note>(&bytes).ok());
        if let Some(note) = note.filter(|n| n.version == VERSION && n.recipe == print(recipe)) {
            // Who names a group does not choose its members.
            let named = |input: &&Input| {
                recipe.build.contains(&input.step)
                    && recipe.text.contains(&format!("\"{}\"", input.step))
            };
            let inputs = note.inputs.iter().filter(named);
            found.extend(inputs.filter_map(|input| finding(recipe, input)));
        }
    }
    found
}

fn finding(recipe: &Recipe, input: &Input) -> Option<LintReport> {
    let what = match input {
        Input { files: 0, .. } | Input { opened: 1.., .. } => return None,
        Input { step, visible: 0, .. } => {
            format!(
                "[deps] build: other dependencies hide every file of '{step}' (hidden-dependency)"
            )
        }
        Input { step, files, .. } => format!(
            "[deps] build: when it was last observed, the step opened none of the {files} files of \
             '{step}' (unused-dependency)"
        ),
    };
    Some(LintReport {
        error: false,
        file: format!("{}/recipe.toml", recipe.folder),
        line: 0,
        what,
        hint: format!(
            "take '{}' out, unless the step only asks whether its files are there; then build with \
             --observe again",
            input.step
        ),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Input, below, count};

    fn set<T: for<'a> From<&'a str> + Ord>(items: &[&str]) -> BTreeSet<T> {
        items.iter().map(|item| T::from(item)).collect()
    }

    fn files(items: &[&str]) -> BTreeSet<Vec<u8>> {
        items.iter().map(|item| item.as_bytes().to_vec()).collect()
    }

    /// A step of the chroot opens `/usr/bin/m4`; the output that brings it has `lfs/usr/bin/m4`.
    #[test]
    fn what_was_installed_below_a_prefix_is_known_where_it_shows() {
        assert_eq!(below(b"lfs/usr/bin/m4", "lfs"), Some(&b"usr/bin/m4"[..]));
        assert_eq!(below(b"lfsx/usr/bin/m4", "lfs"), None);
        assert_eq!(below(b"usr/bin/m4", ""), Some(&b"usr/bin/m4"[..]));
    }

    #[test]
    fn a_file_counts_for_the_layer_that_shows_it() {
        let step = |name: &str| name.parse().unwrap();
        let inputs = vec![
            (step("low"), files(&["usr/bin/tool", "usr/lib/liba.so"])),
            (step("links"), files(&[])),
            (step("high"), files(&["usr/bin/tool"])),
            (step("hidden"), files(&["usr/lib/libb.so"])),
            (step("above"), files(&["usr/lib/libb.so", "usr/lib/unread"])),
        ];
        let opened = set(&["/usr/bin/tool", "/usr/lib/liba.so", "/usr/bin/of-the-seed"]);
        let input =
            |name: &str, opened, files, visible| Input { step: step(name), opened, files, visible };
        let expected = [
            input("low", 1, 2, 1),
            input("links", 0, 0, 0),
            input("high", 1, 1, 1),
            input("hidden", 0, 1, 0),
            input("above", 0, 2, 2),
        ];
        assert_eq!(count(&inputs, &opened), expected);
    }
}
