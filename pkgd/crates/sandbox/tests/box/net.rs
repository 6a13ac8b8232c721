//! Nothing reaches anybody outside by sockets.

use crate::Test;
use crate::rig::{Rig, line};
use minos_sandbox::Network;
use std::io::ErrorKind;
use std::net::{TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};
use std::path::Path;

pub const TESTS: &[Test] = &[
    ("a_build_reaches_nobody", no_network),
    ("a_test_suite_talks_only_to_itself", loopback),
    ("only_a_test_suite_knows_localhost", localhost),
    ("on_the_host_network_abstract_sockets_are_out_of_reach", host_network),
    ("a_descriptor_cannot_be_passed_to_a_process_outside", pass_out),
    ("a_socket_of_the_box_cannot_be_reached_from_outside", reach_in),
];

/// Listeners on the host, which must stay alone.
struct Listeners {
    tcp: TcpListener,
    udp: UdpSocket,
    stream: UnixListener,
    datagram: UnixDatagram,
}

impl Listeners {
    fn new(rig: &mut Rig) -> Self {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = tcp.local_addr().unwrap().port();
        let name = format!("minos-test-{}-{port}", std::process::id());
        rig.set_env("PORT", port);
        rig.set_env("ABSTRACT", &name);
        let address = |suffix| SocketAddr::from_abstract_name(format!("{name}{suffix}")).unwrap();
        let all = Self {
            tcp,
            udp: UdpSocket::bind(("127.0.0.1", port)).unwrap(),
            stream: UnixListener::bind_addr(&address("")).unwrap(),
            datagram: UnixDatagram::bind_addr(&address("-d")).unwrap(),
        };
        all.tcp.set_nonblocking(true).unwrap();
        all.udp.set_nonblocking(true).unwrap();
        all.stream.set_nonblocking(true).unwrap();
        all.datagram.set_nonblocking(true).unwrap();
        all
    }

    #[track_caller]
    fn heard_nothing(&self) {
        let mut buffer = [0; 16];
        let errors = [
            self.udp.recv(&mut buffer).err(),
            self.stream.accept().err(),
            self.datagram.recv(&mut buffer).err(),
        ];
        for error in errors {
            assert_eq!(error.map(|e| e.kind()), Some(ErrorKind::WouldBlock));
        }
    }
}

fn no_network() {
    let mut rig = Rig::new();
    let listeners = Listeners::new(&mut rig);
    rig.attack("no-network");
    listeners.heard_nothing();
    assert!(listeners.tcp.accept().is_err());
}

fn loopback() {
    let mut rig = Rig::new();
    rig.spec.network = Network::Loopback;
    let listeners = Listeners::new(&mut rig);
    rig.attack("loopback");
    listeners.heard_nothing();
    assert!(listeners.tcp.accept().is_err());
}

/// Tcl's and gawk's suites connect to `localhost`; without the name, the former waited for ever.
fn localhost() {
    let mut rig = Rig::new();
    std::fs::create_dir(rig.layer().join("etc")).unwrap();
    std::fs::write(rig.layer().join("etc/other"), "").unwrap();
    assert!(rig.shell("cat /etc/hosts").text.contains("No such file"));
    rig.spec.network = Network::Loopback;
    let text = rig.shell("ls /etc; cat /etc/hosts").expect_success();
    assert_eq!(text, "hosts\nother\n127.0.0.1 localhost\n::1 localhost\n");
    std::fs::write(rig.layer().join("etc/hosts"), "10.0.0.1 own\n").unwrap();
    assert_eq!(rig.shell("cat /etc/hosts").expect_success(), "10.0.0.1 own\n");
}

/// Here no network namespace helps, only Landlock's scope (CVE-2024-27297, CVE-2025-46416).
fn host_network() {
    let mut rig = Rig::new();
    rig.spec.network = Network::Host;
    let listeners = Listeners::new(&mut rig);
    rig.attack("host-network");
    listeners.heard_nothing();
    assert!(listeners.tcp.accept().is_ok(), "not on the host's network");
}

/// A listener of the host on a path that the box can see, in a layer of `/` and in one of `/build`.
fn pass_out() {
    let mut rig = Rig::new();
    let build = rig.private("earlier");
    let listen = |dir: &Path| {
        let listener = UnixListener::bind(dir.join("s")).unwrap();
        listener.set_nonblocking(true).unwrap();
        listener
    };
    let listeners = [listen(&rig.layer()), listen(&build)];
    rig.spec.build.layers = vec![build];
    for path in ["/s", "/build/s"] {
        let outcome = rig.shell(&format!("ls {path}; attack send-descriptor {path}"));
        let want = format!("{path}\nsend-descriptor: Connection refused");
        assert!(outcome.text.starts_with(&want), "{}", outcome.text);
    }
    for listener in listeners {
        assert_eq!(listener.accept().err().map(|e| e.kind()), Some(ErrorKind::WouldBlock));
    }
}

/// The other way round: the socket's file is in the upper, but its owner listens on another inode.
fn reach_in() {
    use std::os::unix::net::UnixStream;
    let mut rig = Rig::new();
    let (child, mut reader) = rig.start(&["/bin/attack", "listen", "/build/s"]);
    assert_eq!(line(&mut reader), "listening");
    let reached = UnixStream::connect(rig.spec.build.upper.tree().join("s"));
    assert!(reached.is_err());
    child.kill();
    child.wait().unwrap();
}
