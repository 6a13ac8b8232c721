//! A server that answers as it is told.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// A request.
#[derive(Debug)]
pub struct Asked {
    /// The path, without its first '/'.
    pub path: String,
    /// The first byte asked for.
    pub from: usize,
    /// The last one.
    pub last: usize,
}

/// A server of this machine. Its threads end with the program.
#[derive(Debug)]
pub struct Server {
    /// Its port.
    pub port: u16,
    connections: Arc<AtomicUsize>,
}

impl Server {
    /// One that has `answer` write what it sends for each request; `false` closes the connection.
    ///
    /// # Panics
    /// There is no port to be had.
    pub fn new(answer: impl Fn(&Asked, &mut TcpStream) -> bool + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let connections = Arc::new(AtomicUsize::new(0));
        let (count, answer) = (Arc::clone(&connections), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                count.fetch_add(1, Ordering::Relaxed);
                let answer = Arc::clone(&answer);
                thread::spawn(move || talk(stream, &*answer));
            }
        });
        Self { port, connections }
    }

    /// One that has a file, and knows parts.
    pub fn of(file: &'static [u8]) -> Self {
        Self::new(move |asked, stream| part(file, asked, stream))
    }

    /// One that has the files of a folder, below any path.
    pub fn of_folder(folder: PathBuf) -> Self {
        Self::new(move |asked, stream| {
            let name = asked.path.rsplit('/').next().unwrap_or_default();
            match fs::read(folder.join(name)) {
                Ok(file) => part(&file, asked, stream),
                Err(_) => head(stream, "404 Not Found", 0, ""),
            }
        })
    }

    /// The address of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port)
    }

    /// How many connections there were.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

/// Sends the part of `file` that was asked for; whether that went well.
pub fn part(file: &[u8], asked: &Asked, stream: &mut TcpStream) -> bool {
    let end = file.len().min(asked.last.saturating_add(1));
    let Some(bytes) = file.get(asked.from..end).filter(|bytes| !bytes.is_empty()) else {
        return head(stream, "416 Range Not Satisfiable", 0, "");
    };
    let range = format!("Content-Range: bytes {}-{}/{}\r\n", asked.from, end - 1, file.len());
    head(stream, "206 Partial Content", bytes.len(), &range) && stream.write_all(bytes).is_ok()
}

/// Sends the head of an answer, with `more` lines in it; whether that went well.
pub fn head(stream: &mut TcpStream, status: &str, length: usize, more: &str) -> bool {
    let text = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{more}\r\n");
    stream.write_all(text.as_bytes()).is_ok()
}

fn talk(mut stream: TcpStream, answer: &dyn Fn(&Asked, &mut TcpStream) -> bool) {
    let mut lines = BufReader::new(stream.try_clone().expect("a stream")).lines();
    while let Some(Ok(first)) = lines.next() {
        let path = first.split(' ').nth(1).unwrap_or_default().trim_start_matches('/').to_owned();
        let (mut from, mut last) = (0, usize::MAX);
        for line in lines.by_ref().map_while(Result::ok).take_while(|line| !line.is_empty()) {
            let line = line.to_ascii_lowercase();
            if let Some((a, b)) = line.strip_prefix("range: bytes=").and_then(|r| r.split_once('-'))
            {
                (from, last) = (a.parse().expect("a number"), b.parse().expect("a number"));
            }
        }
        if !answer(&Asked { path, from, last }, &mut stream) {
            return;
        }
    }
}
