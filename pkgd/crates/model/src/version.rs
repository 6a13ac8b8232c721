//! Package versions as written: `epoch:upstream-release`.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::name::serde_as_text;

/// A version `epoch:upstream-release`. The epoch is left out when it is 0, the release when it is 1.
///
/// It has no order yet: nothing of the build side compares two versions, and an order that is only
/// derived from the text would be a wrong one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Version {
    epoch: u32,
    upstream: String,
    release: u32,
}

/// The text is not a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionError(String);

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
    /// The upstream part, as the authors of the package write it.
    pub fn upstream(&self) -> &str {
        &self.upstream
    }

    /// Our own revision of the same upstream version, from 1.
    pub fn release(&self) -> u32 {
        self.release
    }
}

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(s: &str) -> Result<Self, VersionError> {
        let error = || VersionError(s.chars().take(80).collect());
        let (epoch, rest) = match s.split_once(':') {
            None => (0, s),
            Some((epoch, rest)) => (number(epoch).ok_or_else(error)?, rest),
        };
        let (upstream, release) = match rest.rsplit_once('-') {
            None => (rest, 1),
            Some((upstream, release)) => (upstream, number(release).ok_or_else(error)?),
        };
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b".+~_".contains(&b);
        let starts_well = upstream.starts_with(|c: char| c.is_ascii_alphanumeric());
        if !starts_well || upstream.len() > 64 || !upstream.bytes().all(allowed) || release == 0 {
            return Err(error());
        }
        Ok(Self { epoch, upstream: upstream.to_owned(), release })
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
        text.push_str(&self.upstream);
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
