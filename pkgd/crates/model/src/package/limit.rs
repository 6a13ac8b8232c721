//! Lists that stop growing at their limit while they are decoded: an entry of two bytes can take a hundred in memory.

use core::fmt;
use core::marker::PhantomData;

use serde::{Deserialize, Deserializer, de};

/// The most paths a package may have.
pub const MAX_FILES: usize = 1 << 20;
/// The most entries any other list of it may have.
pub const MAX_LIST: usize = 1 << 16;
/// The most extended attributes of one file.
pub const MAX_XATTRS: usize = 16;

/// Decodes a list of at most [`MAX_LIST`] entries.
pub(super) fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    d: D,
) -> Result<Vec<T>, D::Error> {
    d.deserialize_seq(Limited::<T, MAX_LIST>(PhantomData))
}

/// Decodes a list of at most [`MAX_FILES`] entries.
pub(super) fn files<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    d: D,
) -> Result<Vec<T>, D::Error> {
    d.deserialize_seq(Limited::<T, MAX_FILES>(PhantomData))
}

/// Decodes a list of at most [`MAX_XATTRS`] entries.
pub(super) fn xattrs<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    d: D,
) -> Result<Vec<T>, D::Error> {
    d.deserialize_seq(Limited::<T, MAX_XATTRS>(PhantomData))
}

struct Limited<T, const MAX: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const MAX: usize> de::Visitor<'de> for Limited<T, MAX> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of at most {MAX} entries")
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
        let told = list.size_hint().unwrap_or(0);
        if told > MAX {
            return Err(de::Error::invalid_length(told, &self));
        }
        // What is told may not be there: little is taken in advance.
        let mut out = Vec::with_capacity(told.min(1024));
        while let Some(entry) = list.next_element()? {
            if out.len() == MAX {
                return Err(de::Error::invalid_length(MAX + 1, &self));
            }
            out.push(entry);
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use serde::de::value::{Error, SeqDeserializer};

    use super::{MAX_XATTRS, xattrs};

    #[test]
    fn an_endless_list_is_left_at_the_limit() {
        let taken = Cell::new(0);
        let endless = std::iter::from_fn(|| {
            taken.set(taken.get() + 1);
            Some(7_u8)
        });
        let decoded: Result<Vec<u8>, Error> = xattrs(SeqDeserializer::new(endless));
        assert!(decoded.is_err());
        assert_eq!(taken.get(), MAX_XATTRS + 1);
        // An exact length is believed where it is too much, and nothing is taken.
        let decoded: Result<Vec<u8>, Error> =
            xattrs(SeqDeserializer::new(vec![7_u8; MAX_XATTRS + 1].into_iter()));
        assert!(decoded.is_err());
        let decoded: Result<Vec<u8>, Error> =
            xattrs(SeqDeserializer::new(vec![7_u8; MAX_XATTRS].into_iter()));
        assert_eq!(decoded, Ok(vec![7; MAX_XATTRS]));
    }
}
