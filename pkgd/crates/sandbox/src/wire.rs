//! Frames between pkgd, its helpers and workers, and the first process of a box: a length (u32, little endian), then
//! postcard. Descriptors travel with the first byte. All three ends are the same binary, so there is no
//! version.

use nix::cmsg_space;
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};
use serde::{Serialize, de::DeserializeOwned};
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

/// Larger frames are refused; a description with 500 layers and a large environment has some 100 KB.
const MAX_FRAME: usize = 16 << 20;
/// `SCM_MAX_FD` of the kernel.
const MAX_FDS: usize = 253;

fn invalid(error: postcard::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// Sends one message, with descriptors.
pub fn send<T: Serialize>(
    mut socket: &UnixStream,
    message: &T,
    fds: &[BorrowedFd],
) -> io::Result<()> {
    let body = postcard::to_stdvec(message).map_err(invalid)?;
    let length = u32::try_from(body.len()).map_err(io::Error::other)?.to_le_bytes();
    let raw: Vec<RawFd> = fds.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&raw)];
    let control = if raw.is_empty() { &rights[..0] } else { &rights[..] };
    let flags = MsgFlags::MSG_NOSIGNAL;
    let header = [IoSlice::new(&length)];
    let sent = sendmsg::<()>(socket.as_raw_fd(), &header, control, flags, None)?;
    // Four bytes into an empty stream buffer are never split.
    if sent != length.len() {
        return Err(io::Error::new(io::ErrorKind::WriteZero, "short header"));
    }
    socket.write_all(&body)
}

/// Receives one message and its descriptors. `UnexpectedEof` when the other end is gone.
pub fn receive<T: DeserializeOwned>(mut socket: &UnixStream) -> io::Result<(T, Vec<OwnedFd>)> {
    let (length, fds) = receive_header(socket)?;
    let mut body = vec![0; length];
    socket.read_exact(&mut body)?;
    Ok((postcard::from_bytes(&body).map_err(invalid)?, fds))
}

fn receive_header(mut socket: &UnixStream) -> io::Result<(usize, Vec<OwnedFd>)> {
    let mut length = [0; 4];
    let mut space = cmsg_space!([RawFd; MAX_FDS]);
    let mut fds = Vec::new();
    let got = {
        let mut iov = [IoSliceMut::new(&mut length)];
        let flags = MsgFlags::MSG_CMSG_CLOEXEC;
        let message = recvmsg::<()>(socket.as_raw_fd(), &mut iov, Some(&mut space), flags)?;
        for control in message.cmsgs()? {
            if let ControlMessageOwned::ScmRights(raw) = control {
                fds.extend(raw.into_iter().map(crate::sys::adopt));
            }
        }
        message.bytes
    };
    if got == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    if let Some(rest) = length.get_mut(got..) {
        socket.read_exact(rest)?;
    }
    let length = u32::from_le_bytes(length) as usize;
    if length > MAX_FRAME {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "frame too large"));
    }
    Ok((length, fds))
}
