//! What a generation needs to boot: places to mount on, and the plan by which init starts and checks it.
//!
//! Both are made for each generation, also where nobody means to boot it: then there is nothing to do when
//! somebody does.

pub mod boots;
mod compile;
pub(super) mod efi;
mod machine;
mod order;
mod program;
pub mod root;
mod unit;

use std::io;
use std::path::Path;

use minos_proto::bootplan::{self, BootPlan};
use minos_store::fs::Attributes;
use minos_store::{Made, MadeNode};

pub use compile::service;
pub use machine::Machine;
pub use program::Programs;
pub use root::Root;

/// Directories that init mounts on, and the user's own of checks; with the mode of those that no package brings.
const DIRECTORIES: [(&str, u16); 17] = [
    ("dev", 0o755),
    ("etc", 0o755),
    ("etc/minos", 0o755),
    (compile::USER_CHECKS, 0o755),
    (compile::USER_SERVICES, 0o755),
    ("home", 0o755),
    ("proc", 0o555),
    ("root", 0o700),
    ("run", 0o755),
    ("srv", 0o755),
    ("state", 0o755),
    ("sys", 0o555),
    ("tmp", 0o1777),
    ("usr", 0o755),
    ("usr/lib", 0o755),
    ("usr/lib/minos", 0o755),
    ("var", 0o755),
];

/// What the root at `path` lacks to be booted: mount points, and its boot plan.
///
/// # Errors
/// Why it could not boot as its packages mean it to; in words.
pub fn complete(path: &Path) -> Result<Vec<Made>, String> {
    let root = Root::open(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let mut made = Vec::new();
    for (folder, mode) in DIRECTORIES {
        made.extend(directory(&root, folder, mode)?);
    }
    let content = bytes(&compile::compile(&root)?)?;
    let there = root.read(bootplan::PATH, bootplan::MAX as u64);
    let there = there.map_err(|e: io::Error| format!("/{}: {e}", bootplan::PATH))?;
    if there.as_ref() != Some(&content) {
        let node = MadeNode::File { attributes: Attributes::root(0o644), content };
        made.push(Made { path: bootplan::PATH.into(), node });
    }
    Ok(made)
}

fn directory(root: &Root, path: &str, mode: u16) -> Result<Option<Made>, String> {
    match root.standing(path).map_err(|e| format!("/{path}: {e}"))? {
        Some(found) if found.is_dir() => Ok(None),
        Some(_) => {
            Err(format!("/{path} is no directory, and has to be one in a system that boots"))
        }
        None => {
            let node = MadeNode::Directory(Attributes::root(mode));
            Ok(Some(Made { path: path.into(), node }))
        }
    }
}

fn bytes(plan: &BootPlan) -> Result<Vec<u8>, String> {
    let mut buffer = vec![0; bootplan::MAX];
    let used = plan.encode(&mut buffer).map_err(|e| format!("the boot plan: {e}"))?;
    buffer.truncate(used);
    Ok(buffer)
}
