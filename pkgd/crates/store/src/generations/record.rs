//! The record of a generation: a small file beside the database from which its rows can be made anew
//! (`docs/formats/generations.md`).

use std::path::{Path, PathBuf};

use minos_model::Digest;
use serde::{Deserialize, Serialize};

use super::{GENERATIONS_DIR, GenerationRow, OwnRow, Reason, remove_tree};
use crate::fs::{Attributes, Fs};
use crate::objects::put_bytes;
use crate::packages::Accounts;
use crate::transaction::SystemError;

const MAGIC: [u8; 8] = *b"MINOSGN1";
/// Bytes of the SHA-256 at the end.
const SUM: usize = 32;

/// A package as a record names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RecordMember {
    pub(crate) manifest: Digest,
    pub(crate) reason: Reason,
    pub(crate) accounts: Accounts,
    pub(crate) added_ms: u64,
    /// The number of its row.
    pub(crate) package: u32,
}

/// What a generation's file holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) number: u64,
    pub(crate) parent: Option<u64>,
    pub(crate) created_ms: u64,
    pub(crate) note: String,
    pub(crate) members: Vec<RecordMember>,
    pub(crate) asked: Vec<String>,
    pub(crate) own: OwnRow,
}

/// Where the record of a generation stands.
pub(crate) fn record_path(generation: u64) -> PathBuf {
    format!("{GENERATIONS_DIR}/{generation}").into()
}

/// Writes a record in the place of the one that is there. Its name is free while it is written.
pub(crate) fn put_record(fs: &dyn Fs, path: &Path, bytes: &[u8]) -> Result<(), SystemError> {
    let next = path.with_file_name(".next");
    remove_tree(fs, &next)?;
    put_bytes(fs, &next, bytes, &Attributes::root(0o600))?;
    fs.rename(&next, path).map_err(|e| SystemError::io("move into place", path, e))
}

impl Record {
    pub(crate) fn new(row: &GenerationRow, members: Vec<RecordMember>, own: OwnRow) -> Self {
        let GenerationRow { number, parent, created_ms, note, asked, .. } = row;
        let (number, parent, created_ms) = (*number, *parent, *created_ms);
        let (note, asked) = (note.clone(), asked.clone());
        Self { number, parent, created_ms, note, members, asked, own }
    }

    pub(crate) fn encode(&self) -> Result<Vec<u8>, String> {
        let mut bytes =
            postcard::to_extend(self, MAGIC.to_vec()).map_err(|e| format!("cannot encode: {e}"))?;
        let sum = Digest::of(&bytes);
        bytes.extend_from_slice(sum.as_bytes());
        Ok(bytes)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, String> {
        let body = bytes.len().checked_sub(SUM).and_then(|n| bytes.split_at_checked(n));
        let (body, sum) = body.ok_or("it is too short")?;
        if Digest::of(body).as_bytes() != sum {
            return Err("its check sum does not match".to_owned());
        }
        let body = body.strip_prefix(&MAGIC).ok_or("it is no record of a generation")?;
        match postcard::take_from_bytes(body) {
            Ok((record, [])) => Ok(record),
            Ok(_) => Err("bytes are left over".to_owned()),
            Err(e) => Err(format!("cannot decode: {e}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_flipped_bit_and_any_cut_is_seen() {
        let record = Record {
            number: 7,
            parent: Some(6),
            created_ms: 5,
            note: "test".to_owned(),
            members: Vec::new(),
            asked: vec!["zlib>=1.3".to_owned()],
            own: OwnRow::default(),
        };
        let bytes = record.encode().unwrap();
        assert_eq!(Record::decode(&bytes), Ok(record));
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(Record::decode(&bad).is_err(), "bit {bit}");
        }
        for length in 0..bytes.len() {
            assert!(Record::decode(&bytes[..length]).is_err(), "{length} bytes");
        }
    }
}
