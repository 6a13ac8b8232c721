//! The virtio ports of the host, found by name.

use heapless::{String, Vec};

use crate::kernel::{PATH, Sys};

/// What was found.
#[derive(Debug, Default)]
pub struct Channels {
    /// The device of `minos.init`: init's own, written only.
    pub init: Option<String<PATH>>,
    /// The device of `minos.control`: pkgd's.
    pub control: Option<String<PATH>>,
    /// There is a virtio console: its ports are named a moment after the kernel is up.
    pub announced: bool,
}

/// Looks once. No virtio at all is not an error: bare hardware has none.
pub fn find(sys: &mut dyn Sys) -> Channels {
    let mut found = Channels::default();
    let _ = sys.list("/sys/bus/virtio/drivers/virtio_console", &mut |name| {
        found.announced |= name.starts_with("virtio");
    });
    let mut ports: Vec<String<32>, 16> = Vec::new();
    let _ = sys.list("/sys/class/virtio-ports", &mut |name| {
        // Ports over the limit are not ours.
        let _ = String::try_from(name).map(|n| ports.push(n));
    });
    for port in &ports {
        let mut text = [0; 32];
        let file = path(&["/sys/class/virtio-ports/", port, "/name"]);
        let n = sys.read_file(&file, 0, &mut text).unwrap_or(0);
        match text.get(..n).unwrap_or_default().trim_ascii_end() {
            b"minos.init" => found.init = Some(path(&["/dev/", port])),
            b"minos.control" => found.control = Some(path(&["/dev/", port])),
            _ => {}
        }
    }
    found
}

fn path(parts: &[&str]) -> String<PATH> {
    let mut path = String::new();
    for part in parts {
        // Short by construction: a port's name has at most 32 bytes.
        let _ = path.push_str(part);
    }
    path
}
