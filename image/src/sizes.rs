//! The size report: what the appliance is made of, and how large each piece is.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::{Error, Layout, Result, digest};

/// The artefacts of the output folder, in boot order; the flag says whether a digest means
/// something (a state disk is written to).
const ARTEFACTS: [(&str, bool); 9] = [
    ("bzImage", true),
    ("kernel.config", true),
    ("initramfs.zst", true),
    ("recipes.idx", true),
    ("seed.squashfs", true),
    ("sources.squashfs", true),
    ("minos.efi", true),
    ("disk.img", false),
    ("state.img", false),
];
/// The programs in the initramfs.
const PROGRAMS: [&str; 3] = ["init", "pkgd", "pkgctl"];

/// One line of the report.
#[derive(Debug, Clone, Serialize)]
pub struct Size {
    /// File name.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// Its length in bytes.
    pub bytes: u64,
    /// What it takes on the disk, in bytes; less than its length for a sparse file.
    pub allocated: u64,
    /// Its SHA-256, unless the file is one that is written to.
    pub sha256: Option<String>,
}

/// The sizes of everything that has been made so far; `programs` is the folder of the binaries.
pub fn report(layout: &Layout, programs: &Path) -> Result<Vec<Size>> {
    let artefacts = ARTEFACTS.iter().map(|(name, hashed)| (*name, layout.out(name), *hashed));
    let programs = PROGRAMS.iter().map(|name| (*name, programs.join(name), true));
    let mut sizes = Vec::new();
    for (name, path, hashed) in artefacts.chain(programs) {
        if path.is_file() {
            sizes.push(size(name, path, hashed)?);
        }
    }
    Ok(sizes)
}

fn size(name: &str, path: PathBuf, hashed: bool) -> Result<Size> {
    let meta = fs::metadata(&path).map_err(Error::io("look at", &path))?;
    let sha256 = if hashed { Some(digest::of_file(&path)?) } else { None };
    // st_blocks counts 512 bytes whatever the file system's block size; see stat(3type).
    let allocated = meta.blocks() * 512;
    Ok(Size { name: name.to_owned(), path, bytes: meta.len(), allocated, sha256 })
}

/// The report as a table of at most 80 columns.
pub fn table(sizes: &[Size]) -> String {
    let mut text = format!("{:<18} {:>14} {:>14}  {:<30}\n", "file", "bytes", "on disk", "SHA-256");
    for size in sizes {
        let digest = size.sha256.as_deref().map_or("(is written to)", |hex| &hex[..30]);
        text += &format!(
            "{:<18} {:>14} {:>14}  {digest}\n",
            size.name,
            grouped(size.bytes),
            grouped(size.allocated)
        );
    }
    text
}

/// `1234567` as `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::Cache;

    #[test]
    fn numbers_are_grouped() {
        let grouped: Vec<String> = [0, 999, 1000, 123_456, 1_234_567].map(grouped).into();
        assert_eq!(grouped, ["0", "999", "1,000", "123,456", "1,234,567"]);
    }

    #[test]
    fn what_is_there_is_listed_within_80_columns() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        fs::create_dir(&out).unwrap();
        fs::write(out.join("bzImage"), "kernel").unwrap();
        let sparse = fs::File::create(out.join("state.img")).unwrap();
        sparse.set_len(1 << 40).unwrap();
        fs::write(dir.path().join("init"), "i").unwrap();
        let layout = Layout::new(dir.path().into(), out, Cache::new(dir.path().into()));
        let sizes = report(&layout, dir.path()).unwrap();
        let names: Vec<&str> = sizes.iter().map(|s| s.name.as_str()).collect();
        assert_eq!(names, ["bzImage", "state.img", "init"]);
        assert!(sizes[1].allocated < 1 << 20 && sizes[1].sha256.is_none());
        assert!(table(&sizes).lines().all(|line| line.trim_end().len() <= 80), "{}", table(&sizes));
    }
}
