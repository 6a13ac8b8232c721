//! The password of a minisign secret key: scrypt gives a key stream that is laid over the secret part.

use scrypt::Params;

use super::KeyError;

/// Bytes of a key file that are hidden: number, key pair, checksum.
pub(super) const HIDDEN: usize = 104;
/// `opslimit` and `memlimit` of minisign: libsodium's "sensitive", 2^20 blocks of 1 KiB, so 1 GiB of memory.
const OPERATIONS: u64 = 1 << 25;
const MEMORY: u64 = 1 << 30;
/// Block size of scrypt.
const R: u64 = 8;

/// How dear each guess is, and the salt: as in the file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cost {
    pub(super) salt: [u8; 32],
    pub(super) operations: u64,
    pub(super) memory: u64,
}

impl Cost {
    /// What minisign takes.
    pub(super) fn usual(salt: [u8; 32]) -> Self {
        Self { salt, operations: OPERATIONS, memory: MEMORY }
    }

    /// The parameters of scrypt that libsodium chooses for these limits (`pickparams` of
    /// `crypto_pwhash_scryptsalsa208sha256`).
    fn params(&self) -> Result<Params, KeyError> {
        // A file that asks for more than minisign ever does would only keep the machine busy.
        if self.operations > OPERATIONS || self.memory > MEMORY {
            return Err(KeyError::Format("its password costs more than minisign's"));
        }
        let operations = self.operations.max(32_768);
        let log2 = |most: u64| (1..63).find(|log| 1 << log > most / 2).unwrap_or(62u8);
        let (log_n, p) = if operations < self.memory / 32 {
            (log2(operations / (R * 4)), 1)
        } else {
            let log_n = log2(self.memory / (R * 128));
            (log_n, ((operations / 4) >> log_n) / R)
        };
        let p = u32::try_from(p).unwrap_or(0);
        Params::new(log_n, R as u32, p).map_err(|_| KeyError::Format("its password costs nothing"))
    }

    /// Hides the secret part of a key, or shows it: the same act.
    pub(super) fn cover(&self, password: &str, bytes: &mut [u8; HIDDEN]) -> Result<(), KeyError> {
        let mut stream = [0; HIDDEN];
        scrypt::scrypt(password.as_bytes(), &self.salt, &self.params()?, &mut stream)
            .map_err(|_| KeyError::Format("its password cannot be used"))?;
        bytes.iter_mut().zip(stream).for_each(|(byte, cover)| *byte ^= cover);
        Ok(())
    }
}
