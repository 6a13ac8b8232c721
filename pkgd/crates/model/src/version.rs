//! Package versions `epoch:upstream-release` and their order.

use core::cmp::Ordering;
use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::name::serde_as_text;
use crate::order;

/// The longest upstream part, in bytes.
pub const MAX_UPSTREAM: usize = 64;

/// The upstream part of a version: 1 to 64 of `a-z A-Z 0-9 . + ~ _`, starting with a letter or a digit.
///
/// Totally ordered; only the same text is equal (`docs/formats/versions.md`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Upstream(String);

impl Upstream {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Ord for Upstream {
    fn cmp(&self, other: &Self) -> Ordering {
        order::compare(self.0.as_bytes(), other.0.as_bytes())
    }
}

impl PartialOrd for Upstream {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl FromStr for Upstream {
    type Err = VersionError;

    fn from_str(s: &str) -> Result<Self, VersionError> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b".+~_".contains(&b);
        let starts_well = s.starts_with(|c: char| c.is_ascii_alphanumeric());
        if starts_well && s.len() <= MAX_UPSTREAM && s.bytes().all(allowed) {
            Ok(Self(s.to_owned()))
        } else {
            Err(VersionError::new(s))
        }
    }
}

/// A version `epoch:upstream-release`. In the text the epoch is left out when it is 0, the release when it is 1:
/// `1.0` and `0:1.0-1` are the same version, written `1.0`.
///
/// Ordered by epoch, then [`Upstream`], then release. The order is total and agrees with `==` and the text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    epoch: u32,
    upstream: Upstream,
    release: u32,
}

/// The text is not a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionError(String);

impl VersionError {
    pub(crate) fn new(text: &str) -> Self {
        Self(text.chars().take(80).collect())
    }
}

impl fmt::Display for VersionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "'{}' is not a version: write [EPOCH:]UPSTREAM[-RELEASE], UPSTREAM of a-z A-Z 0-9 . + ~ _",
            self.0.escape_debug()
        )
    }
}

impl std::error::Error for VersionError {}

impl Version {
    /// The version of these parts.
    ///
    /// # Errors
    /// The release is 0: releases count from 1.
    pub fn new(epoch: u32, upstream: Upstream, release: u32) -> Result<Self, VersionError> {
        if release == 0 {
            return Err(VersionError(format!("{epoch}:{}-0", upstream.0)));
        }
        Ok(Self { epoch, upstream, release })
    }

    /// Raised when upstream's numbering starts again from below; 0 in most packages.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// The upstream part, as the authors of the package write it.
    pub fn upstream(&self) -> &str {
        &self.upstream.0
    }

    /// Our own revision of the same upstream version, from 1.
    pub fn release(&self) -> u32 {
        self.release
    }

    /// The text with the release also where it is 1, as file names have it: `1.3.1-1`.
    pub fn with_release(&self) -> String {
        let Self { epoch, upstream: Upstream(upstream), release } = self;
        if *epoch == 0 {
            format!("{upstream}-{release}")
        } else {
            format!("{epoch}:{upstream}-{release}")
        }
    }

    /// The version of a text as [semver](https://semver.org) writes it: the `-` before a pre-release becomes `~`,
    /// any other `-` becomes `_`. `1.0.0-rc.1` is `1.0.0~rc.1`, which is before `1.0.0`.
    ///
    /// # Errors
    /// The text has other letters than a version may have, or is too long.
    pub fn from_semver(text: &str) -> Result<Self, VersionError> {
        let (core, build) = text.split_once('+').map_or((text, None), |(c, b)| (c, Some(b)));
        let mut upstream = core.replacen('-', "~", 1);
        if let Some(build) = build {
            upstream = format!("{upstream}+{build}");
        }
        Self::new(0, upstream.replace('-', "_").parse()?, 1)
    }

    pub(crate) fn parts(&self) -> (u32, &Upstream, u32) {
        (self.epoch, &self.upstream, self.release)
    }
}

/// Splits `[EPOCH:]UPSTREAM[-RELEASE]`; a release that is not written is `None`.
pub(crate) fn parse_parts(s: &str) -> Result<(u32, Upstream, Option<u32>), VersionError> {
    let error = || VersionError::new(s);
    let (epoch, rest) = match s.split_once(':') {
        None => (0, s),
        Some((epoch, rest)) => (number(epoch).ok_or_else(error)?, rest),
    };
    let (upstream, release) = match rest.rsplit_once('-') {
        None => (rest, None),
        Some((upstream, release)) => (upstream, Some(number(release).ok_or_else(error)?)),
    };
    if release == Some(0) {
        return Err(error());
    }
    Ok((epoch, upstream.parse().map_err(|_| error())?, release))
}

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(s: &str) -> Result<Self, VersionError> {
        let (epoch, upstream, release) = parse_parts(s)?;
        Ok(Self { epoch, upstream, release: release.unwrap_or(1) })
    }
}

/// Digits only, no sign, no leading zero: one text for each number.
fn number(text: &str) -> Option<u32> {
    let canonical = text == "0" || !text.starts_with('0');
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if canonical && digits { text.parse().ok() } else { None }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        if self.epoch != 0 {
            text = format!("{}:", self.epoch);
        }
        text.push_str(&self.upstream.0);
        if self.release != 1 {
            text = format!("{text}-{}", self.release);
        }
        f.pad(&text)
    }
}

serde_as_text!(Version);

#[cfg(test)]
mod tests {
    use super::Version;

    #[test]
    fn text_round_trips() {
        for good in ["1.3.1", "14.2.0", "1:2.0", "6.12.117-3", "2:1.0~rc1-2", "1.0+b1"] {
            assert_eq!(good.parse::<Version>().map(|v| v.to_string()).as_deref(), Ok(good));
        }
    }

    #[test]
    fn one_text_for_each_version() {
        assert_eq!("0:1.0-1".parse::<Version>().unwrap().to_string(), "1.0");
        for bad in ["", "-1", "1.0-", "1.0-0", "01:1", "+1:1", "a b", "1.0-x", ":1", "1/2"] {
            assert!(bad.parse::<Version>().is_err(), "{bad}");
        }
    }
}
