//! The views of the host's directories that a box gets: idmapped clones, so that files of the real root
//! belong to root of the box; read-only ones for everything but the uppers.

use super::uppers::Opened;
use crate::error::{Context, Failure, Stage};
use crate::spec::Spec;
use crate::sys::mount::{NODEV, NOSUID, RDONLY, clone_of, clone_tree, mount_id, set_attributes};
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// Longest path below a view: `fsconfig(2)` takes 255 bytes in all, the staging directory some of them.
const MAX_BELOW: usize = 200;
/// Descriptors that fit into one message to the first process.
const MAX_VIEWS: usize = 250;

/// Which directories to clone, and where each layer is found below its clone.
///
/// A clone and its mount cost more than the layer itself; layers of one file system therefore share
/// one view of their common ancestor. Only the set-up sees it: the overlay keeps private copies.
pub struct Plan {
    shared: Vec<PathBuf>,
    uppers: Vec<Opened>,
    binds: Vec<PathBuf>,
    /// Lower layers of `/`, the topmost first.
    pub root: Vec<Layer>,
    /// Lower layers of `/build`, the topmost first.
    pub build: Vec<Layer>,
}

/// A directory below one of the shared views.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Index of the view.
    pub view: usize,
    /// The rest of the path; empty for the view itself.
    pub below: PathBuf,
}

/// The views, as the first process of the box receives them.
pub struct Views {
    /// What layers are below of.
    pub shared: Vec<OwnedFd>,
    /// Writable: of `/build`, then of `/` if it has one.
    pub uppers: Vec<OwnedFd>,
    /// One for each bind.
    pub binds: Vec<OwnedFd>,
}

impl Plan {
    /// Looks at every layer once.
    pub fn new(spec: &Spec, uppers: Vec<Opened>) -> Result<Self, Failure> {
        let all = spec.layers.iter().chain(&spec.build.layers);
        let found = all.map(|path| locate(path)).collect::<Result<Vec<_>, _>>()?;
        let (shared, mut root) = group(&found);
        let build = root.split_off(spec.layers.len());
        let plan = Self {
            shared,
            uppers,
            binds: spec.binds.iter().map(|bind| bind.source.clone()).collect(),
            root,
            build,
        };
        if plan.shared.len() + plan.uppers.len() + plan.binds.len() > MAX_VIEWS {
            return Err(Failure::new(Stage::Layers, "too many separate directories and binds"));
        }
        Ok(plan)
    }

    /// Makes the views, in the order that [`Views::sort`] expects.
    pub fn open(&self, userns: BorrowedFd) -> Result<Vec<OwnedFd>, Failure> {
        let view = |tree: io::Result<OwnedFd>, path: &Path, attributes| {
            let tree = tree.on(Stage::Layers, path)?;
            set_attributes(tree.as_fd(), attributes, Some(userns)).on(Stage::Layers, path)?;
            Ok(tree)
        };
        let input = |path: &PathBuf| view(clone_tree(path), path, NOSUID | NODEV | RDONLY);
        let upper = |upper: &Opened| view(clone_of(upper.dir.as_fd()), &upper.path, NOSUID | NODEV);
        let shared = self.shared.iter().map(input);
        let uppers = self.uppers.iter().map(upper);
        let binds = self.binds.iter().map(input);
        shared.chain(uppers).chain(binds).collect()
    }
}

impl Views {
    /// Tells the received descriptors apart.
    pub fn sort(plan: &Plan, mut fds: Vec<OwnedFd>) -> Result<Self, Failure> {
        let (shared, uppers) = (plan.shared.len(), plan.uppers.len());
        if fds.len() != shared + uppers + plan.binds.len() {
            return Err(Failure::new(Stage::Layers, "descriptors were lost on the way"));
        }
        let binds = fds.split_off(shared + uppers);
        let uppers = fds.split_off(shared);
        Ok(Self { shared: fds, uppers, binds })
    }
}

/// The mount a directory lies on, and its path without symbolic links.
fn locate(path: &Path) -> Result<(u64, PathBuf), Failure> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let dir = open(path, flags, Mode::empty()).on(Stage::Layers, path)?;
    let mount = mount_id(dir.as_fd()).on(Stage::Layers, path)?;
    let link = format!("/proc/self/fd/{}", dir.as_raw_fd());
    Ok((mount, fs::read_link(link).on(Stage::Layers, path)?))
}

/// Finds the common ancestors: one for each mount, and one for each path that would be too long.
fn group(layers: &[(u64, PathBuf)]) -> (Vec<PathBuf>, Vec<Layer>) {
    let mut shared: Vec<(u64, PathBuf)> = Vec::new();
    for (mount, path) in layers {
        match shared.iter_mut().find(|(other, _)| other == mount) {
            Some((_, ancestor)) => *ancestor = common(ancestor, path),
            None => shared.push((*mount, path.clone())),
        }
    }
    let mut views: Vec<PathBuf> = shared.iter().map(|(_, path)| path.clone()).collect();
    let place = |(mount, path): &(u64, PathBuf)| {
        let view = shared.iter().position(|(other, _)| other == mount);
        let below = view.and_then(|v| path.strip_prefix(&shared[v].1).ok().map(|b| (v, b)));
        match below {
            Some((view, below)) if below.as_os_str().len() <= MAX_BELOW => {
                Layer { view, below: below.to_owned() }
            }
            _ => {
                views.push(path.clone());
                Layer { view: views.len() - 1, below: PathBuf::new() }
            }
        }
    };
    let layers = layers.iter().map(place).collect();
    (views, layers)
}

fn common(a: &Path, b: &Path) -> PathBuf {
    let both = a.components().zip(b.components()).take_while(|(x, y)| x == y);
    both.map(|(x, _)| x).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_of_one_mount_share_the_view_of_their_common_ancestor() {
        let layers = [
            (1, "/state/outputs/aa/tree".into()),
            (2, "/seed".into()),
            (1, "/state/outputs/ab/tree".into()),
        ];
        let (views, layers) = group(&layers);
        assert_eq!(views, [Path::new("/state/outputs"), Path::new("/seed")]);
        let want = |view, below: &str| Layer { view, below: below.into() };
        assert_eq!(layers, [want(0, "aa/tree"), want(1, ""), want(0, "ab/tree")]);
    }

    #[test]
    fn a_path_too_long_for_fsconfig_gets_a_view_of_its_own() {
        let long = PathBuf::from(format!("/s/{}/{}", "x".repeat(150), "y".repeat(150)));
        let (views, layers) = group(&[(1, "/s/a".into()), (1, long.clone())]);
        assert_eq!(views, [PathBuf::from("/s"), long]);
        assert_eq!(layers[1], Layer { view: 1, below: PathBuf::new() });
    }
}
