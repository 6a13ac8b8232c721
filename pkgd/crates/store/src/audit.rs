//! The audit trail: append-only lines, each naming the digest of the one before it.
//!
//! The chain shows any change, loss or exchange of lines in the middle. It cannot show that the last
//! lines were cut off together with their rows; who needs that keeps [`crate::Snapshot::audit`]'s
//! newest digest elsewhere.

use minos_model::{Digest, Hasher};

use crate::error::StoreError;
use crate::rows::AuditRow;
use crate::snapshot::{Snapshot, Source as _};
use crate::table::{AUDIT, number};
use crate::write::Write;

/// Who asked, from the credentials of the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// User number.
    pub uid: u32,
    /// Process number.
    pub pid: u32,
}

/// A line to be added.
#[derive(Debug, Clone)]
pub struct AuditEntry {
    /// Who asked; `None` for pkgd itself.
    pub peer: Option<Peer>,
    /// What was done.
    pub what: String,
}

impl AuditRow {
    /// The digest of this line, which the next line carries.
    pub fn digest(&self) -> Digest {
        let mut hasher = Hasher::new();
        hasher.field(&self.seq.to_le_bytes());
        hasher.field(self.previous.as_bytes());
        hasher.field(&self.at_ms.to_le_bytes());
        for id in [self.uid, self.pid] {
            hasher.field(id.map(u32::to_le_bytes).as_ref().map_or(&[], |bytes| &bytes[..]));
        }
        hasher.field(self.what.as_bytes());
        hasher.finish()
    }
}

const NONE_BEFORE: Digest = Digest::from_bytes([0; 32]);

impl Write<'_> {
    /// Adds a line to the audit trail and returns it.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn audit(&mut self, entry: AuditEntry, now_ms: u64) -> Result<AuditRow, StoreError> {
        let last = self.last_number(AUDIT)?;
        let previous = self.get(AUDIT, &number(last))?.map_or(NONE_BEFORE, |row| row.digest());
        let row = AuditRow {
            seq: last + 1,
            previous,
            at_ms: now_ms,
            uid: entry.peer.map(|peer| peer.uid),
            pid: entry.peer.map(|peer| peer.pid),
            what: entry.what,
        };
        self.put(AUDIT, &number(row.seq), &row)?;
        Ok(row)
    }
}

impl Snapshot<'_> {
    /// Follows the whole chain and returns the number of lines.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] names the first line that does not fit.
    pub fn verify_audit(&self) -> Result<u64, StoreError> {
        let (mut count, mut previous) = (0, NONE_BEFORE);
        for row in self.audit_trail()? {
            count += 1;
            if row.seq != count || row.previous != previous {
                let what = format!("the audit trail does not follow from line {count}");
                return Err(StoreError::Damaged { path: self.path(), what });
            }
            previous = row.digest();
        }
        Ok(count)
    }
}
