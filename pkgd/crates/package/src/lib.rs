//! The `.mpk` package file (`docs/formats/mpk.md`): encode, decode, sign, verify.
//!
//! ```text
//! header | signatures | manifest (postcard) | index of frames | content (zstd frames)
//! ```
//! Nothing is parsed before it is verified: the header has fixed places, its hashes cover manifest and index, the
//! index covers every frame, and the signature covers the header. What is not in canonical form is refused.
//!
//! [`Reader`] opens a package, [`Checked`] only what is signed of it, [`Extract`] only its content, [`write`] makes one, [`pack`] makes one of a build's output, [`scan`] finds what a
//! tree depends on and provides, [`keys`] holds keys, signatures and trust. The crate knows no clock, no
//! environment and no place of the host; only [`DirSource`] touches files, below the directory it is given.

pub mod checked;
pub mod content;
pub mod error;
pub mod extract;
pub mod header;
pub mod index;
pub mod keys;
pub mod loading;
pub mod pack;
pub mod reader;
pub mod repository;
pub mod scan;
pub mod search;
pub mod shebang;
pub mod sign;
pub mod writer;

pub use checked::Checked;
pub use content::Stats;
pub use error::{Error, Part};
pub use extract::{Extract, Layout, check_rest};
pub use header::Header;
pub use keys::{KeyId, PublicKey, SecretKey, TrustStore};
pub use loading::{Loading, debug_sections, loading};
pub use pack::{DirSource, Metadata, pack};
pub use reader::{Policy, Reader};
pub use search::{Files, library_folders};
pub use shebang::{Shebang, shebang};
pub use sign::add_signatures;
pub use writer::{Options, Written, write};
