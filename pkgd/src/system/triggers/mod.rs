//! Triggers: caches and indices that are made from the files of several packages (`ldconfig` and its like).
//!
//! They are a table of ours, never a package's script. Each runs once in a transaction, in a box whose root is an
//! overlay over the staged root; what lands in the overlay becomes part of the generation. One that fails,
//! hangs or leaves what is not its to make takes the transaction back.

mod boxed;
mod made;
mod table;

use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use minos_sandbox::Upper;
use minos_sandbox::tree::{Dir, Kind};
use minos_store::{Layout, Made, MadeNode, Staged, Triggers};

pub use boxed::Limits;
use boxed::Places;
use table::{TRIGGERS, Trigger};

/// Runs triggers below a state root.
pub struct Runner<'a> {
    layout: &'a Layout,
    limits: Limits,
}

impl<'a> Runner<'a> {
    /// A runner with its scratch in the state of `layout`.
    pub fn new(layout: &'a Layout, limits: Limits) -> Self {
        Self { layout, limits }
    }

    fn run_all(
        &self,
        called: &[(&Trigger, &str)],
        root: PathBuf,
        scratch: &Path,
    ) -> Result<Vec<Made>, String> {
        let mut layers = vec![root];
        // Later ones override; a parent sorts before what is in it.
        let mut all: BTreeMap<Vec<u8>, MadeNode> = BTreeMap::new();
        for (index, (trigger, program)) in called.iter().enumerate() {
            let upper = private(scratch, &format!("{index}-root"))?;
            let build = private(scratch, &format!("{index}-build"))?;
            let tree = upper.tree();
            boxed::run(
                trigger,
                program,
                Places { layers: layers.clone(), upper, build },
                &self.limits,
            )?;
            let made = made::collect(trigger, &tree, &layers)?;
            all.extend(made.into_iter().map(|made| (made.path, made.node)));
            layers.insert(0, tree);
        }
        Ok(all.into_iter().map(|(path, node)| Made { path, node }).collect())
    }
}

impl Triggers for Runner<'_> {
    fn run(&mut self, staged: &Staged<'_>) -> Result<Vec<Made>, String> {
        let root = self.layout.root().join(staged.root);
        let called = called_for(&root, staged.changed)?;
        if called.is_empty() {
            return Ok(Vec::new());
        }
        // A kill leaves it behind; the next start sweeps it, as it does with the scratch of steps.
        let scratch = self.layout.scratch().join("triggers");
        self.layout.discard(&scratch).map_err(|e| e.to_string())?;
        let made = make_private(&scratch).and_then(|()| self.run_all(&called, root, &scratch));
        let cleared = self.layout.discard(&scratch).map_err(|e| e.to_string());
        let made = made?;
        cleared.map(|()| made)
    }
}

/// The triggers that the changed paths call for and whose program is in the root, each once, in order.
fn called_for(
    root: &Path,
    changed: &[Vec<u8>],
) -> Result<Vec<(&'static Trigger, &'static str)>, String> {
    let dir = Dir::open(root).map_err(|e| format!("{}: {e}", root.display()))?;
    let wanted = TRIGGERS.iter().filter(|t| changed.iter().any(|path| t.wants(path)));
    let program = |trigger: &'static Trigger| {
        let there = trigger.programs.iter().find(|path| is_program(&dir, path));
        there.map(|program| (trigger, *program))
    };
    Ok(wanted.filter_map(program).collect())
}

fn is_program(root: &Dir, path: &str) -> bool {
    let path = Path::new(path);
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return false };
    let stat = root.open_dir(parent).and_then(|dir| dir.stat(name));
    stat.is_ok_and(|stat| match stat.kind {
        Kind::File => stat.mode & 0o111 != 0,
        // It is followed in the box, where it cannot lead out of the root.
        Kind::Link => true,
        _ => false,
    })
}

fn private(scratch: &Path, name: &str) -> Result<Upper, String> {
    let dir = scratch.join(name);
    make_private(&dir)?;
    Ok(Upper { dir })
}

/// Files in it belong to their real owners: nobody else may look.
fn make_private(path: &Path) -> Result<(), String> {
    let made = DirBuilder::new().mode(0o700).create(path);
    made.map_err(|e| format!("cannot create {}: {e}", path.display()))
}
