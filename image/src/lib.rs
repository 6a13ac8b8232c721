//! Makes kernel, initramfs, seed, sources and disks, deterministically.
//!
//! One module per artefact, each with a request type and one function that makes it:
//!
//! | module | artefact |
//! | --- | --- |
//! | [`kernel`] | `bzImage`, from Debian's kernel source and `kernel-config/` |
//! | [`seed`] | `seed.squashfs`, the read-only root of host tools |
//! | [`sources`] | `sources/`, every locked tarball, verified |
//! | [`sources_image`] | `sources.squashfs` |
//! | [`recipes`] | `recipes.idx` |
//! | [`initramfs`] | `initramfs.zst` |
//! | [`state_disk`] | an empty ext4 state disk |
//! | [`disk`] | a GPT disk for machines without QEMU |
//! | [`sizes`] | the size report |
//!
//! Same inputs, same bytes, everywhere. What is slow is cached by content hash ([`cache`]) and
//! verified before it is used. The library never talks to a terminal: it reports to a
//! [`progress::Progress`] and returns [`Error`]s that say what to do next.

pub mod all;
pub mod apt;
pub mod artefact;
pub mod cache;
pub mod cpio;
pub mod digest;
pub mod disk;
pub mod error;
pub mod initramfs;
pub mod kernel;
pub mod layout;
pub mod mirror;
pub mod package;
pub mod programs;
pub mod progress;
pub mod recipes;
pub mod seed;
pub mod sizes;
pub mod sources;
pub mod sources_image;
pub mod squashfs;
pub mod state_disk;
pub mod tool;

pub use artefact::{Artefact, How};
pub use error::{Error, Result};
pub use layout::Layout;
pub use progress::Progress;
