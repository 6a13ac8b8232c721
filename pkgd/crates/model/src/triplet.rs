//! The machines that a cross toolchain can be built for.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::name::{NameError, serde_as_text};

/// A machine other than the one every step is for unless told otherwise, as the GNU tools name it: processor, vendor,
/// system (`$LFS_TGT` of the book). That one has a name too, [`Triplet::NATIVE`], and no value here: where a
/// triplet may be given, `None` stands for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Triplet {
    /// 64-bit Arm, little-endian.
    Aarch64,
    /// 64-bit RISC-V with the general-purpose extensions and hardware floating point (RV64GC, LP64D).
    Riscv64,
}

impl Triplet {
    /// The machine that steps are for when no triplet is given.
    pub const NATIVE: &str = "x86_64-lfs-linux-gnu";

    /// All others, in the order of their names.
    pub const ALL: [Self; 2] = [Self::Aarch64, Self::Riscv64];

    /// The name, as it stands in `LFS_TGT`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Aarch64 => "aarch64-lfs-linux-gnu",
            Self::Riscv64 => "riscv64-lfs-linux-gnu",
        }
    }

    /// The machine of this name; `None` for the native one.
    ///
    /// # Errors
    /// Any name but those of [`Triplet::ALL`] and [`Triplet::NATIVE`]; the error lists them.
    pub fn parse(text: &str) -> Result<Option<Self>, NameError> {
        if text == Self::NATIVE { Ok(None) } else { text.parse().map(Some) }
    }
}

/// Only those that have a value: the native one is not a text form of any.
impl FromStr for Triplet {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let found = Self::ALL.into_iter().find(|triplet| triplet.as_str() == text);
        found.ok_or_else(|| {
            NameError::new(
                text,
                "the targets are x86_64-lfs-linux-gnu (when none is given), aarch64-lfs-linux-gnu and \
                 riscv64-lfs-linux-gnu",
            )
        })
    }
}

impl fmt::Display for Triplet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

serde_as_text!(Triplet);

#[cfg(test)]
mod tests {
    use super::Triplet;

    #[test]
    fn names_round_trip() {
        for triplet in Triplet::ALL {
            assert_eq!(Triplet::parse(triplet.as_str()), Ok(Some(triplet)));
        }
        assert_eq!(Triplet::parse(Triplet::NATIVE), Ok(None));
        assert!(Triplet::ALL.map(Triplet::as_str).is_sorted());
    }

    /// Also machines that exist, and ours with another vendor or in other letters.
    #[test]
    fn unknown_machines_are_refused_and_the_known_ones_told() {
        for bad in
            ["", "aarch64", "aarch64-unknown-linux-gnu", "AARCH64-lfs-linux-gnu", "armv7l", "@"]
        {
            let error = Triplet::parse(bad).unwrap_err().to_string();
            for known in Triplet::ALL.map(Triplet::as_str).into_iter().chain([Triplet::NATIVE]) {
                assert!(error.contains(known), "{bad}: {error}");
            }
        }
    }
}
