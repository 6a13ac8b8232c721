//! Frames: length-prefixed, checksummed, self-synchronising.
//!
//! ```text
//! offset  size  field
//!      0     2  magic  4D F1
//!      2     1  tag    what the payload is
//!      3     1  check of the header: CRC-8 (x^8+x^2+x+1) over tag and length
//!      4     4  length of the payload in bytes, little-endian, at most 16 MiB
//!      8     4  CRC-32 (IEEE 802.3) over bytes 2..8 and the payload, little-endian
//!     12     n  payload: one postcard value
//! ```
//! The checksum covers tag and length, so that a flipped bit anywhere is seen. The header has a check
//! of its own, since a reader that believed a damaged length would wait for bytes that nobody sends. On
//! a line where other bytes may be mixed in (a UART), a reader goes on at the next magic: [`Reader`] does.

use core::fmt;
use std::io::{self, Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The two bytes every frame starts with. `F1` never occurs in ASCII or as the first byte after an
/// ASCII byte in UTF-8 text of the Basic Latin block, so console text does not imitate a frame.
pub const MAGIC: [u8; 2] = [0x4d, 0xf1];
/// Bytes in front of the payload.
pub const HEADER: usize = 12;
/// The largest payload in bytes. A peer that announces more is refused before anything is read.
pub const MAX_PAYLOAD: usize = 16 << 20;
/// The largest payload in bytes that pkgd takes from a client: no request needs more.
pub const MAX_REQUEST: usize = 1 << 16;

/// What a frame's payload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Tag {
    /// [`crate::Hello`], client to daemon.
    Hello = 1,
    /// [`crate::Welcome`], daemon to client.
    Welcome = 2,
    /// `(u32, Request)`: number chosen by the client, and the request.
    Request = 3,
    /// `(u32, Result<Reply, ErrorReport>)`: the request's number and its one answer.
    Reply = 4,
    /// [`crate::Event`], daemon to a client that watches.
    Event = 5,
    /// [`crate::Verdict`]: how an unattended run ended.
    Verdict = 6,
    /// [`crate::BootEvent`], init to the host.
    Boot = 7,
    /// [`crate::ErrorReport`] about the connection itself; the sender closes after it.
    Refusal = 8,
    /// `(u32, crate::Progress)`: how far the request with this number is, before its reply.
    Progress = 9,
}

impl Tag {
    /// The tag with this number.
    pub const fn from_u8(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Hello,
            2 => Self::Welcome,
            3 => Self::Request,
            4 => Self::Reply,
            5 => Self::Event,
            6 => Self::Verdict,
            7 => Self::Boot,
            8 => Self::Refusal,
            9 => Self::Progress,
            _ => return None,
        })
    }
}

/// Why a frame could not be read or written.
#[derive(Debug)]
pub enum FrameError {
    /// The connection failed or ended inside a frame.
    Io(io::Error),
    /// The peer closed the connection between two frames.
    Closed,
    /// The first two bytes are not the magic: the peer does not speak this protocol.
    Magic,
    /// The tag is not one of ours.
    Tag(u8),
    /// The announced or needed length is over the limit.
    TooLong {
        /// Length in bytes.
        length: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The checksum does not match: the frame was damaged on its way.
    Checksum,
    /// The payload is not a value of the type its tag promises.
    Payload,
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(e) => write!(f, "the connection failed: {e}"),
            Self::Closed => f.write_str("the peer closed the connection"),
            Self::Magic => f.write_str("the peer does not speak the MinOS frame protocol"),
            Self::Tag(t) => write!(f, "unknown frame tag {t}: the peer is newer or broken"),
            Self::TooLong { length, limit } => {
                write!(f, "a frame of {length} bytes is over the limit of {limit}")
            }
            Self::Checksum => f.write_str("a frame was damaged on its way (checksum)"),
            Self::Payload => f.write_str("a frame's content does not match its tag"),
        }
    }
}

impl std::error::Error for FrameError {}

impl From<io::Error> for FrameError {
    fn from(e: io::Error) -> Self {
        Self::Io(e)
    }
}

/// A frame as received: tag and payload, checksum verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// What the payload is.
    pub tag: Tag,
    /// The postcard bytes.
    pub payload: Vec<u8>,
}

impl Frame {
    /// Decodes the payload, which must be exactly one value.
    ///
    /// # Errors
    /// [`FrameError::Payload`] when it is not.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, FrameError> {
        match postcard::take_from_bytes(&self.payload) {
            Ok((value, [])) => Ok(value),
            _ => Err(FrameError::Payload),
        }
    }
}

fn header(tag: Tag, payload: &[u8]) -> [u8; HEADER] {
    // Callers have checked the length against MAX_PAYLOAD, which fits.
    let length = (payload.len() as u32).to_le_bytes();
    let mut head = [0; HEADER];
    head[..2].copy_from_slice(&MAGIC);
    head[2] = tag as u8;
    head[4..8].copy_from_slice(&length);
    head[3] = header_check(&head);
    let sum = checksum(&head, payload);
    head[8..].copy_from_slice(&sum.to_le_bytes());
    head
}

/// CRC-8 over tag and length, polynomial 0x07 as in SMBus: over these 40 bits it sees every damage of up
/// to three bits, and any burst of up to eight.
fn header_check(head: &[u8; HEADER]) -> u8 {
    let step = |crc: u8, _| if crc & 0x80 == 0 { crc << 1 } else { crc << 1 ^ 0x07 };
    let byte = |crc: u8, byte: &u8| (0..8).fold(crc ^ byte, step);
    head[4..8].iter().fold(byte(0, &head[2]), byte)
}

fn checksum(head: &[u8; HEADER], payload: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&head[2..8]);
    crc.update(payload);
    crc.finalize()
}

/// Encodes one frame into `buffer` without touching the heap and returns its length.
///
/// # Errors
/// [`FrameError::TooLong`] when the buffer is too small.
pub fn encode_into<T: Serialize>(
    tag: Tag,
    value: &T,
    buffer: &mut [u8],
) -> Result<usize, FrameError> {
    let limit = buffer.len();
    let too_long = FrameError::TooLong { length: limit + 1, limit };
    let Some((head, body)) = buffer.split_at_mut_checked(HEADER) else { return Err(too_long) };
    let Ok(payload) = postcard::to_slice(value, body) else { return Err(too_long) };
    if payload.len() > MAX_PAYLOAD {
        return Err(too_long);
    }
    head.copy_from_slice(&header(tag, payload));
    Ok(HEADER + payload.len())
}

/// Encodes one frame.
///
/// # Errors
/// [`FrameError::TooLong`] when the value needs more than [`MAX_PAYLOAD`].
pub fn encode<T: Serialize>(tag: Tag, value: &T) -> Result<Vec<u8>, FrameError> {
    let payload = postcard::to_allocvec(value).map_err(|_| FrameError::Payload)?;
    if payload.len() > MAX_PAYLOAD {
        return Err(FrameError::TooLong { length: payload.len(), limit: MAX_PAYLOAD });
    }
    let mut out = Vec::with_capacity(HEADER + payload.len());
    out.extend_from_slice(&header(tag, &payload));
    out.extend_from_slice(&payload);
    Ok(out)
}

/// Encodes and writes one frame with a single `write_all`.
///
/// # Errors
/// As [`encode`], and whatever the writer reports.
pub fn write<T: Serialize>(to: &mut impl Write, tag: Tag, value: &T) -> Result<(), FrameError> {
    to.write_all(&encode(tag, value)?)?;
    Ok(to.flush()?)
}

/// Least room made for a read.
const CHUNK: usize = 64 << 10;

/// Reads frames from a byte stream. Never reads beyond the frame it returns, as long as none is damaged.
#[derive(Debug)]
pub struct Reader<R> {
    from: R,
    limit: usize,
    resync: bool,
    skipped: u64,
    /// Bytes read; those before `start` are done with.
    buffer: Vec<u8>,
    start: usize,
    ended: bool,
}

impl<R: Read> Reader<R> {
    /// A reader for a connection that carries nothing but frames: anything else is an error.
    /// `limit` is the largest payload taken, in bytes.
    pub fn strict(from: R, limit: usize) -> Self {
        let limit = limit.min(MAX_PAYLOAD);
        Self { from, limit, resync: false, skipped: 0, buffer: Vec::new(), start: 0, ended: false }
    }

    /// A reader for a line on which other bytes may stand between frames: damaged frames and foreign
    /// bytes are skipped and counted. A frame that is whole is never skipped, whatever came before it.
    pub fn resyncing(from: R, limit: usize) -> Self {
        Self { resync: true, ..Self::strict(from, limit) }
    }

    /// How many bytes belonged to no whole frame since the start; 0 on a clean line.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// The stream itself, for setting time-outs.
    pub fn get_ref(&self) -> &R {
        &self.from
    }

    /// Reads the next frame.
    ///
    /// # Errors
    /// [`FrameError::Closed`] at a clean end; everything else as the variants say. A resyncing reader
    /// returns only `Io` and `Closed`.
    pub fn next_frame(&mut self) -> Result<Frame, FrameError> {
        loop {
            let found = self.frame_here();
            if found.is_ok() {
                self.ended = false;
                return found;
            }
            let damaged = match &found {
                Err(FrameError::Closed) => false,
                // The stream ended inside what began like a frame; whole ones may stand in there.
                Err(FrameError::Io(_)) => self.ended,
                _ => true,
            };
            if !(self.resync && damaged) {
                return found;
            }
            self.skip();
        }
    }

    /// The frame that begins with the next byte.
    fn frame_here(&mut self) -> Result<Frame, FrameError> {
        self.fill(MAGIC.len(), HEADER)?;
        if !self.rest().starts_with(&MAGIC) {
            return Err(FrameError::Magic);
        }
        self.fill(HEADER, HEADER)?;
        let mut head = [0; HEADER];
        head.copy_from_slice(&self.rest()[..HEADER]);
        let word =
            |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let length = word(4) as usize;
        if length > self.limit {
            return Err(FrameError::TooLong { length, limit: self.limit });
        }
        if header_check(&head) != head[3] {
            return Err(FrameError::Checksum);
        }
        let tag = Tag::from_u8(head[2]).ok_or(FrameError::Tag(head[2]))?;
        let end = HEADER + length;
        self.fill(end, end)?;
        let payload = &self.rest()[HEADER..end];
        if checksum(&head, payload) != word(8) {
            return Err(FrameError::Checksum);
        }
        let payload = payload.to_vec();
        self.start += end;
        Ok(Frame { tag, payload })
    }

    fn rest(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    /// Reads until at least `least` bytes wait, and never more than `most`.
    fn fill(&mut self, least: usize, most: usize) -> Result<(), FrameError> {
        while self.rest().len() < least {
            self.buffer.drain(..self.start);
            self.start = 0;
            let have = self.buffer.len();
            // In proportion to what came: a length alone takes no memory.
            self.buffer.resize(most.min(have + CHUNK.max(have)), 0);
            let read = self.from.read(&mut self.buffer[have..]);
            self.buffer.truncate(have + read.as_ref().map_or(0, |n| *n));
            match read {
                Ok(0) => {
                    self.ended = true;
                    let cut = || FrameError::Io(io::ErrorKind::UnexpectedEof.into());
                    return Err(if have == 0 { FrameError::Closed } else { cut() });
                }
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }

    /// Drops the next byte and all behind it up to the next one that could start a magic.
    fn skip(&mut self) {
        let behind = self.rest().iter().skip(1).position(|byte| *byte == MAGIC[0]);
        let dropped = behind.map_or(self.rest().len(), |at| at + 1);
        self.start += dropped;
        self.skipped += dropped as u64;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, prop_assert_eq, proptest};

    use super::{FrameError, HEADER, MAX_PAYLOAD, MAX_REQUEST, Reader, Tag, encode, encode_into};

    fn read(bytes: &[u8]) -> Result<super::Frame, FrameError> {
        Reader::strict(bytes, MAX_REQUEST).next_frame()
    }

    /// The bytes on the wire are a promise to programs built at another time.
    #[test]
    fn golden_bytes() {
        let bytes = encode(Tag::Hello, &(1u16, "x")).unwrap();
        assert_eq!(bytes, [0x4d, 0xf1, 1, 0x58, 3, 0, 0, 0, 0x7b, 0x50, 0x5e, 0x00, 1, 1, b'x']);
        assert_eq!(read(&bytes).unwrap().decode::<(u16, String)>().unwrap(), (1, "x".into()));
    }

    #[test]
    fn every_flipped_bit_is_seen() {
        let bytes = encode(Tag::Event, &"some payload").unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(read(&bad).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn cut_frames_and_long_frames_are_refused() {
        let bytes = encode(Tag::Event, &"some payload").unwrap();
        for cut in 1..bytes.len() {
            assert!(matches!(read(&bytes[..cut]), Err(FrameError::Io(_))), "{cut}");
        }
        assert!(matches!(read(&[]), Err(FrameError::Closed)));
        let long = vec![0u8; MAX_PAYLOAD + 1];
        assert!(matches!(encode(Tag::Event, &long), Err(FrameError::TooLong { .. })));
        let announced = [0x4d, 0xf1, 3, 0, 255, 255, 255, 255, 0, 0, 0, 0];
        assert!(matches!(read(&announced), Err(FrameError::TooLong { .. })));
    }

    #[test]
    fn trailing_bytes_in_a_payload_are_refused() {
        let bytes = encode(Tag::Event, &(1u8, 2u8)).unwrap();
        assert!(read(&bytes).unwrap().decode::<u8>().is_err());
    }

    #[test]
    fn a_buffer_that_is_too_small_is_an_error() {
        let mut buffer = [0; HEADER + 2];
        assert!(matches!(
            encode_into(Tag::Boot, &"longer", &mut buffer),
            Err(FrameError::TooLong { .. })
        ));
        assert!(matches!(
            encode_into(Tag::Boot, &1u8, &mut [0; 3]),
            Err(FrameError::TooLong { .. })
        ));
        let mut buffer = [0; 64];
        let n = encode_into(Tag::Boot, &"short", &mut buffer).unwrap();
        assert_eq!(buffer[..n], encode(Tag::Boot, &"short").unwrap());
    }

    proptest! {
        #[test]
        fn frames_survive_noise_between_them(noise in prop::collection::vec(
            prop::collection::vec(0u8..0x80, 0..40), 1..6))
        {
            let mut line = Vec::new();
            for (i, n) in noise.iter().enumerate() {
                line.extend_from_slice(n);
                line.extend(encode(Tag::Event, &(i as u32, "body")).unwrap());
            }
            let mut reader = Reader::resyncing(&line[..], MAX_REQUEST);
            for i in 0..noise.len() {
                let (n, _): (u32, String) = reader.next_frame().unwrap().decode().unwrap();
                prop_assert_eq!(n, i as u32);
            }
            prop_assert_eq!(reader.skipped(), noise.iter().map(|n| n.len() as u64).sum::<u64>());
        }

        /// The reader believed a damaged length and swallowed the good frames behind it.
        #[test]
        fn damage_to_one_frame_loses_at_most_that_frame(
            sizes in prop::collection::vec(0usize..300, 1..6),
            victim in any::<prop::sample::Index>(),
            cut in (any::<prop::sample::Index>(), any::<prop::sample::Index>()),
            noise in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let victim = victim.index(sizes.len());
            let mut line = Vec::new();
            for (i, size) in sizes.iter().enumerate() {
                // Ends in another byte: a lost M could else be made good by that of the next magic.
                let mut frame = encode(Tag::Event, &(i, vec![0x4du8; *size], 0u8)).unwrap();
                if i == victim {
                    let (a, b) = (cut.0.index(frame.len() + 1), cut.1.index(frame.len() + 1));
                    frame.splice(a.min(b)..a.max(b), noise.iter().copied());
                }
                line.extend(frame);
            }
            let mut reader = Reader::resyncing(&line[..], MAX_REQUEST);
            let (mut seen, mut bytes) = (Vec::new(), 0);
            while let Ok(frame) = reader.next_frame() {
                bytes += HEADER + frame.payload.len();
                seen.push(frame.decode::<(usize, Vec<u8>, u8)>().unwrap().0);
            }
            seen.retain(|i| *i != victim);
            prop_assert_eq!(seen, (0..sizes.len()).filter(|i| *i != victim).collect::<Vec<_>>());
            prop_assert_eq!(reader.skipped(), (line.len() - bytes) as u64);
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes);
            let mut reader = Reader::resyncing(&bytes[..], MAX_REQUEST);
            let mut whole = 0;
            while let Ok(frame) = reader.next_frame() {
                whole += HEADER + frame.payload.len();
            }
            prop_assert_eq!(reader.skipped(), (bytes.len() - whole) as u64);
        }
    }

    /// A line on which nothing more comes for now.
    struct Quiet<'a>(&'a [u8]);

    impl std::io::Read for Quiet<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            match self.0.read(buffer) {
                Ok(0) => Err(std::io::ErrorKind::WouldBlock.into()),
                other => other,
            }
        }
    }

    #[test]
    fn a_damaged_header_keeps_nobody_waiting() {
        let first = encode(Tag::Event, &"damaged").unwrap();
        let second = encode(Tag::Event, &"whole").unwrap();
        for bit in 0..8 * 8 {
            let mut line = [&first[..], &second[..]].concat();
            line[bit / 8] ^= 1 << (bit % 8);
            let mut reader = Reader::resyncing(Quiet(&line), MAX_REQUEST);
            let frame = reader.next_frame().unwrap_or_else(|e| panic!("bit {bit}: {e}"));
            assert_eq!(frame.decode::<String>().unwrap(), "whole", "bit {bit}");
            assert_eq!(reader.skipped(), first.len() as u64);
        }
    }
}
