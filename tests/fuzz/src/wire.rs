//! Frames of the protocol and what is in them.

use core::fmt::Debug;

use minos_proto::frame::{HEADER, MAX_PAYLOAD, MAX_REQUEST, Reader, encode};
use minos_proto::{
    BootEvent, ErrorReport, Event, Frame, Hello, Reply, Request, Tag, Verdict, Welcome,
};
use serde::{Serialize, de::DeserializeOwned};

/// A line with frames, read strictly and with resynchronisation, and each payload as what its tag says.
pub fn frame(bytes: &[u8]) -> bool {
    let mut strict = Reader::strict(bytes, MAX_REQUEST);
    while strict.next_frame().is_ok() {}
    let mut reader = Reader::resyncing(bytes, MAX_PAYLOAD);
    let (mut whole, mut taken) = (0, false);
    while let Ok(frame) = reader.next_frame() {
        whole += HEADER + frame.payload.len();
        taken |= payload(&frame);
    }
    assert_eq!(reader.skipped(), (bytes.len() - whole) as u64, "bytes got lost");
    taken
}

fn payload(frame: &Frame) -> bool {
    match frame.tag {
        Tag::Hello => same::<Hello>(frame),
        Tag::Welcome => same::<Welcome>(frame),
        Tag::Request => same::<(u32, Request)>(frame),
        Tag::Reply => same::<(u32, Result<Reply, ErrorReport>)>(frame),
        Tag::Event => same::<Event>(frame),
        Tag::Verdict => same::<Verdict>(frame),
        Tag::Boot => same::<BootEvent>(frame),
        Tag::Refusal => same::<ErrorReport>(frame),
        _ => false,
    }
}

/// What was read is read again from what is written of it.
fn same<T: Serialize + DeserializeOwned + Debug>(frame: &Frame) -> bool {
    let Ok(value) = frame.decode::<T>() else { return false };
    let again = encode(frame.tag, &value).expect("it came in a frame");
    let again = Reader::strict(&again[..], MAX_PAYLOAD).next_frame().expect("a frame");
    let again: T = again.decode().expect("the same value");
    assert_eq!(format!("{again:?}"), format!("{value:?}"));
    true
}
