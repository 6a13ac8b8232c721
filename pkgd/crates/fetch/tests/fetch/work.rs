//! Fetching from servers good and bad.

use std::io::{self, Write as _};
use std::thread;
use std::time::Duration;

use minos_fetch::{ARGV0, Error, Fetcher, Patience};
use minos_sandbox::Program;

use crate::Test;
use crate::server::{Server, head, part};

pub const TESTS: &[Test] = &[
    ("parts_come_over_one_connection", parts_come_over_one_connection),
    ("a_server_that_knows_no_parts_gives_them_too", a_server_that_knows_no_parts_gives_them_too),
    ("names_are_looked_up", names_are_looked_up),
    ("what_a_server_answers_otherwise_is_told", what_a_server_answers_otherwise_is_told),
    ("a_cut_connection_goes_on_where_it_was", a_cut_connection_goes_on_where_it_was),
    ("pitfall_4_data_without_end_ends", pitfall_4_data_without_end_ends),
    ("pitfall_4_silence_is_given_up", pitfall_4_silence_is_given_up),
    ("pitfall_4_a_byte_now_and_then_is_given_up", pitfall_4_a_byte_now_and_then_is_given_up),
    ("what_cannot_be_kept_is_told", what_cannot_be_kept_is_told),
    ("only_http_is_fetched_from", only_http_is_fetched_from),
];

const FILE: &[u8] = b"0123456789";

/// What is fetched, and how that ended.
fn fetch(fetcher: &mut Fetcher, url: &str, from: u64, most: u64) -> (Vec<u8>, Result<u64, Error>) {
    let mut bytes = Vec::new();
    let done = fetcher.fetch(url, from, most, &mut |more| {
        bytes.extend_from_slice(more);
        Ok(())
    });
    (bytes, done)
}

/// What is fetched without an error.
fn good(fetcher: &mut Fetcher, url: &str, from: u64, most: u64) -> Vec<u8> {
    let (bytes, done) = fetch(fetcher, url, from, most);
    assert_eq!(done.expect("fetched"), bytes.len() as u64);
    bytes
}

fn told(done: Result<u64, Error>) -> String {
    match done {
        Err(Error::Told(words)) => words,
        other => panic!("{other:?}"),
    }
}

fn impatient(silence_ms: u64, window_ms: u64) -> Fetcher {
    let (silence, window) = (Duration::from_millis(silence_ms), Duration::from_millis(window_ms));
    Fetcher::new(Program::itself(ARGV0), Patience { silence, window, bytes: 1000 })
}

fn parts_come_over_one_connection() {
    let server = Server::of(FILE);
    let mut fetcher = Fetcher::default();
    assert_eq!(good(&mut fetcher, &server.url("f"), 0, 4), b"0123");
    assert_eq!(good(&mut fetcher, &server.url("f"), 4, 3), b"456");
    assert_eq!(good(&mut fetcher, &server.url("f"), 7, 1000), b"789", "fewer where it ends");
    assert_eq!(server.connections(), 1);
}

fn a_server_that_knows_no_parts_gives_them_too() {
    let server = Server::new(|_, stream| {
        head(stream, "200 OK", FILE.len(), "") && stream.write_all(FILE).is_ok()
    });
    let mut fetcher = Fetcher::default();
    assert_eq!(good(&mut fetcher, &server.url("f"), 3, 4), b"3456");
    assert_eq!(good(&mut fetcher, &server.url("f"), 8, 1000), b"89");
}

/// A worker may open no file but those that say how.
fn names_are_looked_up() {
    let server = Server::of(FILE);
    let url = format!("http://localhost:{}/f", server.port);
    assert_eq!(good(&mut Fetcher::default(), &url, 0, 2), b"01");
}

fn what_a_server_answers_otherwise_is_told() {
    let server = Server::new(|asked, stream| match asked.path.as_str() {
        "moved" => head(stream, "302 Found", 0, "Location: /f\r\n"),
        "tls" => head(stream, "302 Found", 0, "Location: https://127.0.0.1/f\r\n"),
        "loop" => head(stream, "302 Found", 0, "Location: /loop\r\n"),
        "teapot" => head(stream, "418 I'm a teapot", 0, ""),
        "other" => {
            head(stream, "206 Partial Content", 1, "Content-Range: bytes 5-5/10\r\n")
                && stream.write_all(b"5").is_ok()
        }
        "f" => part(FILE, asked, stream),
        "noise" => {
            let _ = stream.write_all(b"\x00\xff\x1b[2Jnoise\r\n\r\n");
            false
        }
        _ => head(stream, "404 Not Found", 0, ""),
    });
    let mut fetcher = Fetcher::default();
    assert_eq!(good(&mut fetcher, &server.url("moved"), 2, 2), b"23");
    assert!(matches!(fetch(&mut fetcher, &server.url("none"), 0, 1).1, Err(Error::Absent)));
    for (path, words) in [
        ("tls", "https"),
        ("loop", "redirect"),
        ("teapot", "418"),
        ("other", "another part"),
        ("noise", ""),
    ] {
        let why = told(fetch(&mut fetcher, &server.url(path), 0, 1).1);
        assert!(why.contains(words), "{path}: {why}");
        assert!(why.bytes().all(|b| b.is_ascii_graphic() || b == b' '), "{path}: {why:?}");
    }
    let why = told(fetch(&mut fetcher, &server.url("f"), 10, 1).1);
    assert!(why.contains("shorter"), "{why}");
    assert_eq!(good(&mut fetcher, &server.url("f"), 0, 1), b"0", "the worker is still of use");
    let gone = told(fetch(&mut fetcher, "http://127.0.0.1:1/f", 0, 1).1);
    assert!(gone.to_lowercase().contains("refused"), "{gone}");
}

fn a_cut_connection_goes_on_where_it_was() {
    let server = Server::new(|asked, stream| match asked.from {
        0 => {
            let _ = head(stream, "200 OK", FILE.len(), "") && stream.write_all(b"0123").is_ok();
            false
        }
        _ => part(FILE, asked, stream),
    });
    let mut fetcher = Fetcher::default();
    let (bytes, done) = fetch(&mut fetcher, &server.url("f"), 0, 10);
    assert_eq!(bytes, b"0123", "what came is given out");
    told(done);
    assert_eq!(good(&mut fetcher, &server.url("f"), 4, 6), b"456789");
}

fn pitfall_4_data_without_end_ends() {
    let server = Server::new(|_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").is_ok()
            && (0..).all(|_| stream.write_all(&[b'x'; 4096]).is_ok())
    });
    let mut fetcher = Fetcher::default();
    assert_eq!(good(&mut fetcher, &server.url("f"), 100, 10_000), [b'x'; 10_000]);
    assert_eq!(good(&mut fetcher, &server.url("f"), 0, 1), b"x");
}

fn pitfall_4_silence_is_given_up() {
    let server = Server::new(|_, _| {
        thread::sleep(Duration::from_secs(3600));
        false
    });
    let done = fetch(&mut impatient(200, 60_000), &server.url("f"), 0, 1).1;
    assert!(matches!(done, Err(Error::Silent(_))), "{done:?}");
}

fn pitfall_4_a_byte_now_and_then_is_given_up() {
    let server = Server::new(|_, stream| {
        head(stream, "200 OK", 1 << 20, "")
            && (0..).all(|_| {
                thread::sleep(Duration::from_millis(20));
                stream.write_all(b"x").is_ok()
            })
    });
    let done = fetch(&mut impatient(60_000, 300), &server.url("f"), 0, 1 << 20).1;
    assert!(matches!(done, Err(Error::Slow(..))), "{done:?}");
}

fn what_cannot_be_kept_is_told() {
    let server = Server::of(FILE);
    let full = || io::Error::from(io::ErrorKind::StorageFull);
    let done = Fetcher::default().fetch(&server.url("f"), 0, 4, &mut |_| Err(full()));
    assert!(matches!(done, Err(Error::Sink(_))), "{done:?}");
}

fn only_http_is_fetched_from() {
    for url in
        ["https://127.0.0.1/f", "file:///etc/passwd", "", "http://", "http:// /", "http://[::1"]
    {
        told(fetch(&mut Fetcher::default(), url, 0, 1).1);
    }
}
