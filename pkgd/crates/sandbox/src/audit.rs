//! The kernel's own words about what Landlock refused: audit records, which Linux writes for Landlock
//! since 6.15 (ABI 7) when audit is enabled.
//!
//! Any process with CAP_AUDIT_READ may listen to them on a multicast group, beside an audit daemon. A box
//! is known by the id of its root, which is its alone. Formats: `security/landlock/audit.c` and
//! `include/uapi/linux/audit.h` of Linux 6.18.

use crate::child::Denial;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send,
    socket,
};
use std::collections::HashMap;
use std::ffi::OsString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// `AUDIT_GET`: ask for the state, and its answer.
const GET: u16 = 1000;
/// `AUDIT_LANDLOCK_ACCESS`: one denial.
const ACCESS: u16 = 1423;
/// `AUDIT_LANDLOCK_DOMAIN`: whose domain that was; sent with its first denial.
const DOMAIN: u16 = 1424;
/// The multicast group `AUDIT_NLGRP_READLOG`, as a bit.
const READLOG: u32 = 1;
/// Length of `struct nlmsghdr`.
const HEADER: usize = 16;
/// A build that probes thousands of paths must not fill our memory.
const MAX_DENIALS: usize = 256;

/// Whether denials are reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DenialLog {
    /// Yes.
    Reported,
    /// The kernel could, but audit is off: boot with `audit=1`.
    AuditOff,
    /// The kernel has no such records (before Linux 6.15, or built without audit).
    NotInKernel,
}

fn netlink(groups: u32) -> nix::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC;
    let family = AddressFamily::Netlink;
    let fd = socket(family, SockType::Raw, flags, SockProtocol::NetlinkAudit)?;
    bind(fd.as_raw_fd(), &NetlinkAddr::new(0, groups))?;
    Ok(fd)
}

/// Finds out whether denials are reported on this machine, whose Landlock has version `abi`.
pub fn denial_log(abi: u32) -> DenialLog {
    match enabled() {
        Ok(_) if abi < 7 => DenialLog::NotInKernel,
        Ok(true) => DenialLog::Reported,
        Ok(false) => DenialLog::AuditOff,
        Err(_) => DenialLog::NotInKernel,
    }
}

/// Asks the kernel for the state of audit.
fn enabled() -> nix::Result<bool> {
    let fd = netlink(0)?;
    let mut request = [0_u8; HEADER];
    let fields = [(0, HEADER as u32), (4, u32::from(GET) | (libc::NLM_F_REQUEST as u32) << 16)];
    for (at, value) in fields {
        request[at..at + 4].copy_from_slice(&value.to_ne_bytes());
    }
    send(fd.as_raw_fd(), &request, MsgFlags::empty())?;
    let mut answer = [0_u8; 512];
    let length = recv(fd.as_raw_fd(), &mut answer, MsgFlags::empty())?;
    // struct audit_status begins with two words: a mask, and whether audit is enabled.
    match message(&answer[..length]) {
        Some((GET, [_, _, _, _, enabled, ..])) => Ok(*enabled != 0),
        _ => Err(nix::errno::Errno::EPROTO),
    }
}

/// Type and payload of one netlink message.
fn message(bytes: &[u8]) -> Option<(u16, &[u8])> {
    let kind = u16::from_ne_bytes([*bytes.get(4)?, *bytes.get(5)?]);
    Some((kind, bytes.get(HEADER..)?))
}

/// Listens for the denials of one box.
pub struct Listener {
    fd: OwnedFd,
    log: Log,
}

impl Listener {
    /// Starts to listen for denials of the box whose root is `uid` outside. `None` if that cannot be.
    pub fn new(uid: u32) -> Option<Self> {
        let fd = netlink(READLOG).ok()?;
        Some(Self { fd, log: Log::new(uid) })
    }

    /// Takes what has come in, without waiting.
    pub fn drain(&mut self) {
        let mut buffer = [0_u8; 9000];
        while let Ok(length) = recv(self.fd.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT) {
            if let Some((kind, payload)) = message(&buffer[..length]) {
                self.log.add(kind, &String::from_utf8_lossy(payload));
            }
        }
    }

    /// All denials so far, in order, each once.
    pub fn finish(mut self) -> Vec<Denial> {
        self.drain();
        self.log.denials()
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// The records of all domains, until it is known which are ours: a domain is introduced after its first
/// denial.
struct Log {
    uid: u32,
    ours: HashMap<String, bool>,
    seen: Vec<(String, Denial)>,
}

impl Log {
    fn new(uid: u32) -> Self {
        Self { uid, ours: HashMap::new(), seen: Vec::new() }
    }

    fn add(&mut self, kind: u16, text: &str) {
        let Some(domain) = field(text, "domain") else { return };
        if kind == DOMAIN && field(text, "status") == Some("allocated") {
            let uid = field(text, "uid").and_then(|uid| uid.parse().ok());
            self.ours.insert(domain.to_owned(), uid == Some(self.uid));
            let ours = &self.ours;
            self.seen.retain(|(domain, _)| *ours.get(domain).unwrap_or(&true));
        }
        if kind == ACCESS && *self.ours.get(domain).unwrap_or(&true) {
            let path = field(text, "path").or_else(|| field(text, "opid"));
            let denial = Denial {
                path: path.map(unquote).unwrap_or_default(),
                right: field(text, "blockers").unwrap_or("unknown").to_owned(),
            };
            let entry = (domain.to_owned(), denial);
            if self.seen.len() < MAX_DENIALS && !self.seen.contains(&entry) {
                self.seen.push(entry);
            }
        }
    }

    fn denials(self) -> Vec<Denial> {
        let ours = self.ours;
        let known = |domain: &str| *ours.get(domain).unwrap_or(&false);
        self.seen.into_iter().filter(|(domain, _)| known(domain)).map(|(_, d)| d).collect()
    }
}

/// The value of `name=` in a record.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
}

/// A path in a record is quoted, or in hexadecimal if it has odd bytes.
fn unquote(value: &str) -> PathBuf {
    if let Some(plain) = value.strip_prefix('"') {
        return PathBuf::from(plain.trim_end_matches(['"', '\0']));
    }
    let pairs = value.as_bytes().chunks(2);
    let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Option<Vec<u8>> = pairs.map(byte).collect();
    bytes.map_or_else(|| PathBuf::from(value), |bytes| OsString::from_vec(bytes).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DENIED: &str = "audit(1729738800.268:30): domain=195ba459b blockers=fs.make_reg \
                          path=\"/etc\" dev=\"overlay\" ino=5";

    fn owner(uid: u32) -> String {
        format!(
            "audit(1729738800.268:30): domain=195ba459b status=allocated mode=enforcing pid=300 \
             uid={uid} exe=\"/bin/bash\" comm=\"bash\""
        )
    }

    #[test]
    fn a_denial_counts_when_its_domain_is_of_our_box() {
        let mut log = Log::new(200_000);
        log.add(ACCESS, DENIED);
        log.add(DOMAIN, &owner(200_000));
        log.add(ACCESS, DENIED);
        let want = Denial { path: "/etc".into(), right: "fs.make_reg".into() };
        assert_eq!(log.denials(), [want]);
    }

    #[test]
    fn denials_of_others_and_of_nobody_known_are_left_out() {
        let mut log = Log::new(200_000);
        log.add(ACCESS, DENIED);
        log.add(DOMAIN, &owner(0));
        log.add(ACCESS, DENIED);
        log.add(ACCESS, &DENIED.replace("195ba459b", "195ba459c"));
        assert_eq!(log.denials(), []);
    }

    #[test]
    fn odd_paths_come_in_hexadecimal() {
        assert_eq!(unquote("2F6120620A"), PathBuf::from("/a b\n"));
        assert_eq!(unquote("\"/plain\""), PathBuf::from("/plain"));
    }

    #[test]
    fn a_flood_is_bounded_and_garbage_is_harmless() {
        let mut log = Log::new(1);
        log.add(ACCESS, "");
        log.add(DOMAIN, "domain= status=");
        for n in 0..10_000 {
            log.add(ACCESS, &format!("domain=1 blockers=x path=\"/{n}\""));
        }
        assert_eq!(log.seen.len(), MAX_DENIALS);
        assert_eq!(message(&[0; 7]), None);
    }
}
