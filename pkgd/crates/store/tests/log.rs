//! Logs: never overwritten, readable while written, whole up to the last flush after a kill.

use std::fs;
use std::io::Read as _;

use minos_store::{LogReader, LogWriter, StoreError};
use proptest::prelude::*;

fn read_all(path: &std::path::Path) -> Vec<u8> {
    LogReader::open(path).unwrap().read_at(0, usize::MAX).unwrap()
}

/// A log in a new folder, and its path.
fn log(limit: u64) -> (tempfile::TempDir, std::path::PathBuf, LogWriter) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("000/00000001-m4.zst");
    let writer = LogWriter::create(&path, limit).unwrap();
    (dir, path, writer)
}

#[test]
fn existing_log_is_never_overwritten() {
    let (_dir, path, mut writer) = log(100);
    writer.append(b"first", 0).unwrap();
    writer.finish().unwrap();
    let error = LogWriter::create(&path, 100).unwrap_err();
    assert!(matches!(error, StoreError::Io { .. }), "{error}");
    assert_eq!(read_all(&path), b"first");
}

#[test]
fn killed_writer_leaves_all_it_flushed() {
    let (_dir, path, mut writer) = log(1 << 20);
    writer.append(b"flushed ", 0).unwrap();
    writer.flush_due(400).unwrap();
    assert_eq!(read_all(&path), b"", "not due yet");
    writer.flush_due(500).unwrap();
    writer.append(b"lost", 501).unwrap();
    drop(writer); // as a kill: nothing is written on drop
    assert_eq!(read_all(&path), b"flushed ");
    assert_eq!(LogReader::open(&path).unwrap().len().unwrap(), 8);
}

#[test]
fn reader_follows_a_log_that_grows() {
    let (_dir, path, mut writer) = log(1 << 20);
    let mut reader = LogReader::open(&path).unwrap();
    let mut seen = Vec::new();
    for n in 0..50u64 {
        writer.append(format!("line {n}\n").as_bytes(), n * 600).unwrap();
        writer.flush().unwrap();
        seen.extend(reader.read_at(seen.len() as u64, 1000).unwrap());
        assert!(seen.ends_with(format!("line {n}\n").as_bytes()));
    }
    assert_eq!(writer.finish().unwrap(), seen.len() as u64);
    assert_eq!(reader.read_at(0, 6).unwrap(), b"line 0", "backwards again");
}

#[test]
fn log_over_its_limit_is_cut_with_a_mark() {
    let (_dir, path, mut writer) = log(100_000);
    for _ in 0..30 {
        writer.append(&[b'x'; 9999], 0).unwrap();
    }
    assert!(writer.truncated());
    let length = writer.finish().unwrap();
    let text = read_all(&path);
    assert_eq!(text.len() as u64, length);
    assert!(text[..100_000].iter().all(|byte| *byte == b'x'));
    assert_eq!(&text[100_000..], b"\n[minos: the log reached its limit of 100000 bytes]\n");
}

#[test]
fn zstd_itself_reads_our_logs() {
    let (_dir, path, mut writer) = log(1 << 20);
    for n in 0..20_000u32 {
        writer.append(&n.to_le_bytes(), u64::from(n)).unwrap();
    }
    writer.finish().unwrap();
    let mut text = Vec::new();
    zstd::Decoder::new(fs::File::open(&path).unwrap()).unwrap().read_to_end(&mut text).unwrap();
    assert_eq!(text, read_all(&path));
    assert_eq!(text.len(), 80_000);
}

#[test]
fn missing_log_is_not_found() {
    let error = LogReader::open("/nowhere/at/all.zst").unwrap_err();
    assert!(matches!(error, StoreError::NotFound { .. }), "{error}");
}

#[test]
fn damaged_or_cut_log_reads_up_to_the_damage() {
    let (_dir, path, mut writer) = log(1 << 20);
    for piece in [b"aaaaaaaa", b"bbbbbbbb", b"cccccccc"] {
        writer.append(piece, 0).unwrap();
        writer.flush().unwrap();
    }
    writer.finish().unwrap();
    let good = fs::read(&path).unwrap();
    let whole = read_all(&path);
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x20;
        fs::write(&path, &bad).unwrap();
        assert!(whole.starts_with(&read_all(&path)), "flipped byte {at}");
        fs::write(&path, &good[..at]).unwrap();
        assert!(whole.starts_with(&read_all(&path)), "cut at {at}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_goes_in_comes_out_from_any_offset(
        pieces in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..9000), 0u64..400), 0..40),
        offset in 0usize..200_000,
        max in 1usize..100_000,
    ) {
        let (_dir, path, mut writer) = log(1 << 30);
        let (mut all, mut now) = (Vec::new(), 0);
        for (piece, wait) in &pieces {
            now += wait;
            writer.append(piece, now).unwrap();
            all.extend_from_slice(piece);
        }
        prop_assert_eq!(writer.finish().unwrap(), all.len() as u64);
        let from = offset.min(all.len());
        let expected = &all[from..all.len().min(from + max)];
        let mut reader = LogReader::open(&path).unwrap();
        prop_assert_eq!(reader.read_at(offset as u64, max).unwrap(), expected);
        prop_assert_eq!(reader.len().unwrap(), all.len() as u64);
    }
}
