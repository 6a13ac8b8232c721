//! The worker: sealed before it sees its first request.

use std::io::{self, Read, Write};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use minos_sandbox::wire;
use ureq::config::Config;
use ureq::http::{Response, StatusCode};
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{ConnectionDetails, Connector, TcpConnector, Transport};
use ureq::{Agent, Body};

use crate::SCHEME;
use crate::protocol::{ABSENT, DATA, DONE, FAILED, MAX_WORDS, MOST, Request};

/// The name a worker is started under.
pub const ARGV0: &str = "minos-fetch";

/// The most address space of a worker in bytes: it holds a record and the head of an answer.
const MEMORY: u64 = 128 << 20;
/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(15);
/// How long a server may say nothing. Less than the caller waits, so that it is the worker who tells of it.
const STALL: Duration = Duration::from_secs(20);
/// How often a server may send elsewhere.
const REDIRECTS: u32 = 5;

/// Becomes a worker and does not return, if this process was started as one; otherwise does nothing.
/// To be called before anything else in `main`.
pub fn run_if_worker() {
    minos_sandbox::serve_if_named(ARGV0, run);
}

/// Serves until the daemon lets go. An error is one of the socket: nobody listens.
fn run() -> io::Result<()> {
    let sealed = minos_sandbox::seal_but_for_network(MEMORY);
    let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let agent = agent();
    loop {
        let (request, _) = wire::receive::<Request>(&socket)?;
        let done = match &sealed {
            Err(why) => Err(Failed::Told(format!("cannot be shut in: {why}"))),
            Ok(()) => answer(&agent, &request, &socket),
        };
        match done {
            Ok(()) => record(&socket, DONE, &[])?,
            Err(Failed::Absent) => record(&socket, ABSENT, &[])?,
            Err(Failed::Told(words)) => {
                let words = words.as_bytes();
                record(&socket, FAILED, words.get(..MAX_WORDS).unwrap_or(words))?;
            }
            Err(Failed::Socket(error)) => return Err(error),
        }
    }
}

/// One that speaks plain HTTP and nothing else, whatever else this program was built with. There is no limit of time
/// for the look-up of a name: that would be a thread, which a worker cannot have.
fn agent() -> Agent {
    let config = Config::builder()
        .timeout_connect(Some(CONNECT))
        .timeout_recv_response(Some(STALL))
        .timeout_per_read(Some(STALL))
        .max_redirects(REDIRECTS)
        .http_status_as_error(false)
        .proxy(None)
        .user_agent(concat!("minos/", env!("CARGO_PKG_VERSION")))
        .build();
    Agent::with_parts(config, Plain(TcpConnector::default()), DefaultResolver::default())
}

/// Connects where plain HTTP is spoken: a server may send elsewhere.
#[derive(Debug)]
struct Plain(TcpConnector);

impl<In: Transport> Connector<In> for Plain {
    type Out = <TcpConnector as Connector<In>>::Out;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        match details.uri.scheme_str() {
            Some("http") => self.0.connect(details, chained),
            _ => Err(ureq::Error::BadUri(format!("{}: only http is spoken here", details.uri))),
        }
    }
}

/// Why a request was not answered.
enum Failed {
    /// The server has no such file.
    Absent,
    /// Something about the server or the way to it.
    Told(String),
    /// The daemon does not listen any more.
    Socket(io::Error),
}

fn answer(agent: &Agent, request: &Request, socket: &UnixStream) -> Result<(), Failed> {
    let Request { url, from, most } = request;
    if !url.starts_with(SCHEME) {
        return Err(Failed::Told(format!("only {SCHEME} can be fetched from")));
    }
    let last = from.saturating_add(most.saturating_sub(1));
    let asked = agent.get(url).header("Accept-Encoding", "identity");
    let response = asked.header("Range", format!("bytes={from}-{last}")).call();
    let response = response.map_err(|e| Failed::Told(e.to_string()))?;
    let before = ahead(&response, *from)?;
    let mut body = response.into_body();
    let mut reader = body.as_reader();
    pass(&mut (&mut reader).take(before), |_| Ok(()))?;
    pass(&mut (&mut reader).take(*most), |bytes| {
        record(socket, DATA, bytes).map_err(Failed::Socket)
    })?;
    // The connection serves the next request only where this answer was read to its end. Whether it was is no matter.
    let _ = reader.read(&mut [0]);
    Ok(())
}

/// How many bytes of the answer are those before the part: none where the server knows parts.
fn ahead(response: &Response<Body>, from: u64) -> Result<u64, Failed> {
    let told = |words: &str| Err(Failed::Told(words.to_owned()));
    match response.status() {
        StatusCode::OK => Ok(from),
        StatusCode::PARTIAL_CONTENT => {
            let range =
                response.headers().get("Content-Range").and_then(|value| value.to_str().ok());
            let first = range
                .and_then(|range| range.strip_prefix("bytes ")?.split('-').next()?.parse().ok());
            if first == Some(from) {
                Ok(0)
            } else {
                told("the server sent another part than asked for")
            }
        }
        StatusCode::NOT_FOUND | StatusCode::GONE => Err(Failed::Absent),
        StatusCode::RANGE_NOT_SATISFIABLE => told("the server's file is shorter than it should be"),
        other => told(&format!("the server answered '{other}'")),
    }
}

/// Passes on all that `reader` has, in pieces of a record.
fn pass(
    reader: &mut dyn Read,
    mut give: impl FnMut(&[u8]) -> Result<(), Failed>,
) -> Result<(), Failed> {
    let mut buffer = vec![0; MOST];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => give(buffer.get(..count).unwrap_or_default())?,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(Failed::Told(format!("the connection was lost: {e}"))),
        }
    }
}

fn record(mut socket: &UnixStream, kind: u8, bytes: &[u8]) -> io::Result<()> {
    let [a, b, c, d] = u32::try_from(bytes.len()).map_err(io::Error::other)?.to_le_bytes();
    socket.write_all(&[kind, a, b, c, d])?;
    socket.write_all(bytes)
}
