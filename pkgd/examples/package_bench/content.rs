//! Contents made up from a seed: the same bytes on every machine.
//!
//! Sizes are log-normal (mu 8.3, sigma 1.6, at most 400 kB), 40 % of the files are incompressible, and in every
//! tenth package 20 files are those of all tenth packages. In a later version a tenth of the files of three packages
//! in ten differ: 3 % of all files.

/// How many files a package has, where nothing else is said.
pub const FILES: usize = 200;

/// xorshift64*, good enough to make up files.
pub struct Random(u64);

impl Random {
    pub fn new() -> Self {
        Self(0x6d69_6e6f_7321)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn unit(&mut self) -> f64 {
        ((self.next() >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    fn size(&mut self) -> usize {
        let normal = (-2.0 * self.unit().ln()).sqrt() * (std::f64::consts::TAU * self.unit()).cos();
        ((8.3 + 1.6 * normal).exp() as usize).clamp(1, 400_000)
    }

    /// Bytes of a file.
    pub fn content(&mut self, size: usize) -> Vec<u8> {
        let noise = self.unit() < 0.4;
        let mut bytes = Vec::with_capacity(size + 8);
        while bytes.len() < size {
            let value = self.next();
            let text =
                if noise { value } else { value & 0x0707_0707_0707_0707 | 0x6060_6060_6060_6060 };
            bytes.extend_from_slice(&text.to_le_bytes());
        }
        bytes.truncate(size);
        bytes
    }
}

/// The files of packages as in the world, one package after the other.
pub struct Contents {
    random: Random,
    shared: Vec<Vec<u8>>,
    package: usize,
}

impl Contents {
    pub fn new() -> Self {
        let mut random = Random::new();
        let shared = (0..20).map(|_| random.content(4000)).collect();
        Self { random, shared, package: 0 }
    }

    /// The files of the next package in its first version.
    pub fn next(&mut self) -> Vec<Vec<u8>> {
        let mut files = Vec::with_capacity(FILES);
        for f in 0..FILES {
            let size = self.random.size();
            let same = self.shared.get(f).filter(|_| self.package.is_multiple_of(10));
            files.push(same.cloned().unwrap_or_else(|| self.random.content(size)));
        }
        self.package += 1;
        files
    }
}

/// Makes of the files of package `number` those of its version `version`.
pub fn update(number: usize, version: u64, files: &mut [Vec<u8>]) {
    if number % 10 < 3 {
        for bytes in files.iter_mut().step_by(10) {
            bytes.truncate(bytes.len().saturating_sub(8));
            bytes.extend_from_slice(&version.to_le_bytes());
        }
    }
}
