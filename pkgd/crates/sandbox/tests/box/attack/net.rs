//! Talking to somebody outside. The variables PORT and ABSTRACT name a listener of the test.

use super::{ABSENT, Act, DENIED, REFUSED};
use crate::sys::{adopt, call};
use nix::errno::Errno;
use std::env;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixDatagram, UnixStream};

/// In a box without network.
pub const ACTS: &[Act] = &[
    Act("connect by TCP", DENIED, || TcpStream::connect(host()).map(drop)),
    Act("listen on a TCP port", DENIED, || TcpListener::bind("127.0.0.1:0").map(drop)),
    Act("connect by multipath TCP", NOBODY, || {
        connect(libc::SOCK_STREAM, libc::IPPROTO_MPTCP, host())
    }),
    Act("send by UDP to the host", &[], udp_to_host),
    Act("send by UDP to the world", &[Errno::ENETUNREACH], || {
        UdpSocket::bind("0.0.0.0:0")?.send_to(b"x", "192.0.2.1:9").map(drop)
    }),
    Act("open a raw socket", REFUSED, || socket(libc::AF_INET, libc::SOCK_RAW, 1)),
    Act("open a packet socket", NO_FAMILY, || socket(libc::AF_PACKET, libc::SOCK_RAW, 0)),
    Act("open a vsock", NO_FAMILY, || socket(libc::AF_VSOCK, libc::SOCK_STREAM, 0)),
    Act("open a kernel crypto socket", NO_FAMILY, || socket(libc::AF_ALG, libc::SOCK_SEQPACKET, 0)),
    Act("open an xdp socket", NO_FAMILY, || socket(libc::AF_XDP, libc::SOCK_RAW, 0)),
    Act("connect by io_uring", ABSENT, || call(libc::SYS_io_uring_setup, &[8, 0]).map(drop)),
    Act("see only the loopback", &[], only_loopback),
    Act("change an interface", REFUSED, interface_down),
    Act("reach an abstract socket", &[Errno::ECONNREFUSED, Errno::EPERM], abstract_stream),
];

/// In a box that shares the host's network: Landlock alone keeps abstract sockets apart.
pub const HOST_ACTS: &[Act] = &[
    Act("reach an abstract socket", REFUSED, abstract_stream),
    Act("send to an abstract socket", REFUSED, || {
        UnixDatagram::unbound()?.send_to_addr(b"x", &abstract_name("-d")?).map(drop)
    }),
    Act("reach a listener by TCP", &[], || TcpStream::connect(host()).map(drop)),
];

/// In a box with a loopback of its own.
pub const LOOPBACK_ACTS: &[Act] = &[
    Act("talk to itself by TCP", &[], || {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let mut client = TcpStream::connect(listener.local_addr()?)?;
        let mut server = listener.accept()?.0;
        client.write_all(b"x")?;
        server.read_exact(&mut [0])
    }),
    Act("connect to the host by TCP", &[Errno::ECONNREFUSED], || {
        TcpStream::connect(host()).map(drop)
    }),
    Act("send to the host by UDP", &[], udp_to_host),
    Act("connect to the world", &[Errno::ENETUNREACH], || {
        TcpStream::connect("192.0.2.1:9").map(drop)
    }),
    Act("see only the loopback", &[], only_loopback),
    Act("reach an abstract socket", &[Errno::ECONNREFUSED, Errno::EPERM], abstract_stream),
];

const NO_FAMILY: &[Errno] = &[Errno::EAFNOSUPPORT];
/// There is no such protocol, or Landlock refuses, or nobody listens in our own empty network.
const NOBODY: &[Errno] =
    &[Errno::EPROTONOSUPPORT, Errno::EACCES, Errno::ECONNREFUSED, Errno::ENETUNREACH];

fn host() -> SocketAddr {
    let port = env::var("PORT").unwrap_or_default().parse().unwrap_or(9);
    (Ipv4Addr::LOCALHOST, port).into()
}

fn abstract_name(suffix: &str) -> io::Result<UnixAddr> {
    let name = env::var("ABSTRACT").unwrap_or_default() + suffix;
    UnixAddr::from_abstract_name(name)
}

fn abstract_stream() -> io::Result<()> {
    UnixStream::connect_addr(&abstract_name("")?).map(drop)
}

fn raw_socket(family: i32, kind: i32, protocol: i32) -> io::Result<OwnedFd> {
    let fd = call(libc::SYS_socket, &[family as usize, kind as usize, protocol as usize])?;
    Ok(adopt(fd))
}

fn socket(family: i32, kind: i32, protocol: i32) -> io::Result<()> {
    raw_socket(family, kind, protocol).map(drop)
}

/// `connect(2)` by hand: std makes plain TCP sockets only.
fn connect(kind: i32, protocol: i32, to: SocketAddr) -> io::Result<()> {
    use std::os::fd::AsRawFd;
    let socket = raw_socket(libc::AF_INET, kind, protocol)?;
    // struct sockaddr_in: family, port, address, padding.
    let mut address = [0_u8; 16];
    address[..2].copy_from_slice(&(libc::AF_INET as u16).to_ne_bytes());
    address[2..4].copy_from_slice(&to.port().to_be_bytes());
    address[4..8].copy_from_slice(&Ipv4Addr::LOCALHOST.octets());
    let arguments = [socket.as_raw_fd() as usize, address.as_ptr() as usize, address.len()];
    call(libc::SYS_connect, &arguments).map(drop)
}

/// Nothing listens on that port of our own loopback; the test looks that nothing has come to its own.
fn udp_to_host() -> io::Result<()> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.send_to(b"escaped", host()).map(drop)
}

fn only_loopback() -> io::Result<()> {
    let text = fs::read_to_string("/proc/net/dev")?;
    let names: Vec<&str> =
        text.lines().skip(2).filter_map(|l| l.split_once(':')).map(|p| p.0.trim()).collect();
    if names == ["lo"] { Ok(()) } else { Err(io::Error::other(format!("{names:?}"))) }
}

fn interface_down() -> io::Result<()> {
    use std::os::fd::AsRawFd;
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let mut request = [0_u8; 40];
    request[..2].copy_from_slice(b"lo");
    let command = libc::SIOCSIFFLAGS as usize;
    call(libc::SYS_ioctl, &[socket.as_raw_fd() as usize, command, request.as_ptr() as usize])
        .map(drop)
}
