//! Where the things under test are.

use std::env;
use std::path::{Path, PathBuf};

/// The top of the source tree.
pub fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_owned).unwrap_or_default()
}

/// A path named by `variable`, else `default` below the top.
///
/// # Panics
/// It does not exist; the message names the command that makes it.
fn needed(variable: &str, default: &str, make: &str) -> PathBuf {
    let path = env::var_os(variable).map_or_else(|| top().join(default), PathBuf::from);
    assert!(path.exists(), "{} is not there; make it with: {make}", path.display());
    path
}

/// A release binary of ours.
pub fn binary(name: &str) -> PathBuf {
    let default = format!("target/x86_64-unknown-linux-gnu/release/{name}");
    let variable = format!("MINOS_BIN_{}", name.to_uppercase().replace('-', "_"));
    needed(&variable, &default, "cargo build --release")
}

/// The seed: a squashfs image or a folder.
pub fn seed() -> PathBuf {
    needed("MINOS_SEED", "out/seed.squashfs", "./tests/run, or: cargo run -p minos-image -- seed")
}

/// The folder of fetched sources.
pub fn sources() -> PathBuf {
    needed("MINOS_SOURCES", "out/sources", "cargo run -p minos-image -- fetch-sources")
}

/// The recipes of the tree.
pub fn recipes() -> PathBuf {
    top().join("pkgd/recipes")
}

/// The kernel of the appliance.
pub fn kernel() -> PathBuf {
    needed("MINOS_KERNEL", "out/bzImage", "cargo run -p minos-image -- kernel")
}

/// Fails unless the test runs as root: sandboxes need it, and a test that skips itself proves nothing.
///
/// # Panics
/// Not root.
pub fn must_be_root() {
    assert!(
        nix::unistd::geteuid().is_root(),
        "this test makes sandboxes and mounts: run it as root"
    );
}
