//! A writer of the *newc* cpio format, as the kernel's initramfs unpacker reads it.
//!
//! Format: `Documentation/driver-api/early-userspace/buffer-format.rst` in the kernel, and
//! `docs/formats/initramfs.md` here. Everything that could differ from run to run is fixed: inode
//! numbers count from 1, owner 0:0, time given by the caller, entries in the order of the calls.

use std::io::{self, Write};

const MAGIC: &str = "070701";
const TRAILER: &str = "TRAILER!!!";
/// Header and name, and then the data, are padded to this many bytes.
const ALIGN: usize = 4;
const FILE: u32 = 0o100_000;
const DIRECTORY: u32 = 0o040_000;
const SYMLINK: u32 = 0o120_000;
const CHARACTER: u32 = 0o020_000;

/// Writes entries one after the other; [`Writer::finish`] adds the trailer.
pub struct Writer<W: Write> {
    out: W,
    inode: u32,
    mtime: u32,
    /// Bytes written so far: padding is relative to the start of the archive.
    at: usize,
}

/// What differs from one entry to the next.
struct Header<'a> {
    name: &'a str,
    mode: u32,
    data: &'a [u8],
    device: (u32, u32),
}

impl<W: Write> Writer<W> {
    /// A writer whose entries all carry `mtime`, in seconds since 1970.
    pub fn new(out: W, mtime: u32) -> Self {
        Writer { out, inode: 0, mtime, at: 0 }
    }

    /// A directory. `name` has no leading slash; its parents must have been written before.
    pub fn directory(&mut self, name: &str, permissions: u32) -> io::Result<()> {
        self.entry(&Header { name, mode: DIRECTORY | permissions, data: &[], device: (0, 0) })
    }

    /// A regular file; at most 4 GiB - 1, the size field's limit.
    pub fn file(&mut self, name: &str, permissions: u32, data: &[u8]) -> io::Result<()> {
        self.entry(&Header { name, mode: FILE | permissions, data, device: (0, 0) })
    }

    /// A symbolic link.
    pub fn symlink(&mut self, name: &str, target: &str) -> io::Result<()> {
        let data = target.as_bytes();
        self.entry(&Header { name, mode: SYMLINK | 0o777, data, device: (0, 0) })
    }

    /// A character device node.
    pub fn device(&mut self, name: &str, permissions: u32, device: (u32, u32)) -> io::Result<()> {
        self.entry(&Header { name, mode: CHARACTER | permissions, data: &[], device })
    }

    /// Writes the trailer and returns the output.
    pub fn finish(mut self) -> io::Result<W> {
        self.inode = 0;
        self.mtime = 0;
        self.write_header(&Header { name: TRAILER, mode: 0, data: &[], device: (0, 0) }, 0)?;
        self.pad()?;
        Ok(self.out)
    }

    fn entry(&mut self, header: &Header<'_>) -> io::Result<()> {
        if header.name.is_empty() || header.name.starts_with('/') || header.name.contains('\0') {
            let why = format!("{:?} is no name for a cpio entry", header.name);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        self.inode += 1;
        self.write_header(header, self.inode)?;
        self.pad()?;
        self.write(header.data)?;
        self.pad()
    }

    fn write_header(&mut self, header: &Header<'_>, inode: u32) -> io::Result<()> {
        let size = u32::try_from(header.data.len())
            .map_err(|_| io::Error::new(io::ErrorKind::FileTooLarge, "newc stops at 4 GiB"))?;
        let links = if header.mode & DIRECTORY == DIRECTORY { 2 } else { 1 };
        let name_size = header.name.len() as u32 + 1;
        let (major, minor) = header.device;
        let fields =
            [inode, header.mode, 0, 0, links, self.mtime, size, 0, 0, major, minor, name_size, 0];
        let mut text = String::from(MAGIC);
        fields.iter().for_each(|field| text += &format!("{field:08X}"));
        self.write(text.as_bytes())?;
        self.write(header.name.as_bytes())?;
        self.write(&[0])
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.at += bytes.len();
        self.out.write_all(bytes)
    }

    fn pad(&mut self) -> io::Result<()> {
        let rest = self.at.next_multiple_of(ALIGN) - self.at;
        self.write(&[0; ALIGN][..rest])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    fn sample() -> Vec<u8> {
        let mut cpio = Writer::new(Vec::new(), 86_400);
        cpio.directory("dev", 0o755).unwrap();
        cpio.device("dev/console", 0o600, (5, 1)).unwrap();
        cpio.file("init", 0o755, b"#!/bin/sh\n").unwrap();
        cpio.file("odd", 0o644, b"12345").unwrap();
        cpio.symlink("link", "init").unwrap();
        cpio.finish().unwrap()
    }

    /// GNU cpio is an independent reader: it must list what was written.
    #[test]
    fn gnu_cpio_lists_what_was_written() {
        let mut child = Command::new("cpio")
            .args(["-itv", "--quiet", "--numeric-uid-gid"])
            .env("TZ", "UTC")
            .env("LC_ALL", "C")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this test needs cpio: apt-get install cpio");
        child.stdin.take().unwrap().write_all(&sample()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        let listing = String::from_utf8(output.stdout).unwrap();
        let squeezed: Vec<String> =
            listing.lines().map(|l| l.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(
            squeezed,
            [
                "drwxr-xr-x 2 0 0 0 Jan 2 1970 dev",
                "crw------- 1 0 0 5, 1 Jan 2 1970 dev/console",
                "-rwxr-xr-x 1 0 0 10 Jan 2 1970 init",
                "-rw-r--r-- 1 0 0 5 Jan 2 1970 odd",
                "lrwxrwxrwx 1 0 0 4 Jan 2 1970 link -> init",
            ]
        );
    }

    #[test]
    fn every_header_starts_on_four_bytes_and_the_archive_ends_on_four() {
        let bytes = sample();
        let starts: Vec<usize> =
            bytes.windows(6).enumerate().filter(|(_, w)| *w == b"070701").map(|(i, _)| i).collect();
        assert_eq!(starts.len(), 6);
        assert!(starts.iter().all(|at| at % ALIGN == 0), "{starts:?}");
        assert_eq!(bytes.len() % ALIGN, 0);
    }

    #[test]
    fn names_that_would_escape_or_break_the_archive_are_refused() {
        let mut cpio = Writer::new(Vec::new(), 0);
        for name in ["", "/init", "a\0b"] {
            assert!(cpio.file(name, 0o644, b"").is_err(), "{name:?}");
        }
    }
}
