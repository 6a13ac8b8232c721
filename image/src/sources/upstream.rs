//! Download from an upstream address, resumed where an earlier try stopped.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::Duration;

use minos_recipe::LockedSource;
use ureq::Agent;
use ureq::http::{Response, StatusCode};

use crate::{Error, Progress, Result, cache};

/// No answer for this long means the place is down.
const CONNECT: Duration = Duration::from_secs(20);
/// A connection that delivers nothing for this long is dead.
const STALL: Duration = Duration::from_secs(60);
/// A server may send more than the lock says, not without end.
const SLACK: u64 = 1 << 20;

/// Downloads `url` into `part`, continuing a shorter file that is there already.
///
/// `part` stays on an error, for the next try. Its content is verified by the caller.
pub fn download(
    url: &str,
    source: &LockedSource,
    part: &Path,
    progress: &dyn Progress,
) -> Result<()> {
    download_within(STALL, url, source, part, progress)
}

fn download_within(
    stall: Duration,
    url: &str,
    source: &LockedSource,
    part: &Path,
    progress: &dyn Progress,
) -> Result<()> {
    let have = fs::metadata(part).map_or(0, |meta| meta.len());
    if have == source.bytes {
        return Ok(());
    }
    if have > source.bytes {
        cache::remove_if_there(part)?;
        return download_within(stall, url, source, part, progress);
    }
    let response = get(url, have, stall)?;
    // A server that does not know ranges sends all of it, with 200.
    let resumed = response.status() == StatusCode::PARTIAL_CONTENT && have > 0;
    let mut file = File::options()
        .create(true)
        .write(true)
        .append(resumed)
        .truncate(!resumed)
        .open(part)
        .map_err(Error::io("open", part))?;
    let start = if resumed { have } else { 0 };
    let mut body = response.into_body();
    let limit = source.bytes.saturating_sub(start) + SLACK;
    let mut reader = body.as_reader().take(limit);
    copy(&mut reader, &mut file, start, source, progress).map_err(Error::io("download to", part))
}

fn get(url: &str, have: u64, stall: Duration) -> Result<Response<ureq::Body>> {
    let agent: Agent = Agent::config_builder()
        .timeout_connect(Some(CONNECT))
        .timeout_recv_response(Some(stall))
        .timeout_per_read(Some(stall))
        .build()
        .into();
    let mut request = agent.get(url);
    // A tarball must arrive as the bytes that were locked, not unpacked on the way.
    request = request.header("Accept-Encoding", "identity");
    if have > 0 {
        request = request.header("Range", format!("bytes={have}-"));
    }
    request.call().map_err(|error| Error::request(format!("{url}: {error}")))
}

fn copy(
    from: &mut impl Read,
    to: &mut File,
    start: u64,
    source: &LockedSource,
    progress: &dyn Progress,
) -> io::Result<()> {
    let mut buffer = vec![0; 1 << 16];
    let mut done = start;
    loop {
        let count = from.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        to.write_all(&buffer[..count])?;
        done += count as u64;
        progress.tick(&format!("{}: {} of {} KiB", source.name, done >> 10, source.bytes >> 10));
    }
    if done < source.bytes {
        let why = format!("the connection ended after {done} of {} bytes", source.bytes);
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, why));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;
    use std::io::{BufRead, BufReader};
    use std::net::TcpListener;
    use std::thread::{self, JoinHandle};

    /// A server of one answer: gives the requested range, or cuts the connection after `cut` bytes.
    /// Returns its address and, when joined, the `Range` it was asked for.
    fn serve(body: &'static [u8], ranges: bool, cut: usize) -> (String, JoinHandle<Option<usize>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/f", listener.local_addr().unwrap());
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut from = None;
            for line in BufReader::new(&stream).lines() {
                let line = line.unwrap().to_ascii_lowercase();
                if let Some(range) = line.strip_prefix("range: bytes=") {
                    from = range.trim_end_matches('-').parse().ok();
                }
                if line.is_empty() {
                    break;
                }
            }
            let start = from.filter(|_| ranges).unwrap_or(0);
            let status = if start > 0 { "206 Partial Content" } else { "200 OK" };
            let rest = &body[start..];
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", rest.len());
            stream.write_all(head.as_bytes()).unwrap();
            stream.write_all(&rest[..rest.len().min(cut)]).unwrap();
            from
        });
        (url, server)
    }

    fn source(bytes: u64) -> LockedSource {
        LockedSource {
            name: "f".into(),
            file: "f".into(),
            sha256: minos_model::Digest::of(b""),
            bytes,
            debian: None,
            pypi: None,
            url: None,
            alternatives: Vec::new(),
        }
    }

    #[test]
    fn a_cut_download_is_resumed_where_it_stopped() {
        let dir = tempfile::tempdir().unwrap();
        let part = dir.path().join("f.part");
        let (url, server) = serve(b"0123456789", true, 4);
        assert!(download(&url, &source(10), &part, &Silent).is_err());
        assert_eq!(server.join().unwrap(), None);
        assert_eq!(fs::read(&part).unwrap(), b"0123");

        let (url, server) = serve(b"0123456789", true, 10);
        download(&url, &source(10), &part, &Silent).unwrap();
        assert_eq!(server.join().unwrap(), Some(4));
        assert_eq!(fs::read(&part).unwrap(), b"0123456789");
    }

    /// Only the wait for the answer had an end, not that for the rest of the file.
    #[test]
    fn a_server_that_falls_silent_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/f", listener.local_addr().unwrap());
        let (done, wait) = std::sync::mpsc::channel::<()>();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123").unwrap();
            let _ = wait.recv();
        });
        let dir = tempfile::tempdir().unwrap();
        let part = dir.path().join("f.part");
        let stall = Duration::from_millis(200);
        let error = download_within(stall, &url, &source(10), &part, &Silent).unwrap_err();
        assert!(error.to_string().contains("f.part"), "{error}");
        assert_eq!(fs::read(&part).unwrap(), b"0123", "kept for the next try");
        drop(done);
        server.join().unwrap();
    }

    #[test]
    fn a_server_without_ranges_gives_the_whole_file_again() {
        let dir = tempfile::tempdir().unwrap();
        let part = dir.path().join("f.part");
        fs::write(&part, "xxxx").unwrap();
        let (url, server) = serve(b"0123456789", false, 10);
        download(&url, &source(10), &part, &Silent).unwrap();
        assert_eq!(server.join().unwrap(), Some(4));
        assert_eq!(fs::read(&part).unwrap(), b"0123456789");
    }

    #[test]
    fn a_part_longer_than_the_lock_is_begun_anew() {
        let dir = tempfile::tempdir().unwrap();
        let part = dir.path().join("f.part");
        fs::write(&part, "far too long a file").unwrap();
        let (url, server) = serve(b"0123456789", true, 10);
        download(&url, &source(10), &part, &Silent).unwrap();
        assert_eq!(server.join().unwrap(), None);
        assert_eq!(fs::read(&part).unwrap(), b"0123456789");
    }
}
