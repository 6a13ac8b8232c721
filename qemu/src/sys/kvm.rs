//! The functional probe of KVM: can it run a million instructions of a guest's kernel in time?
//!
//! Structures and request numbers are those of the kernel's `Documentation/virt/kvm/api.rst` for
//! x86-64. A bare `hlt` would not do as a guest: a KVM that *interprets* guest kernel code (see
//! [`crate::accel`]) gets that far in no time. The loop is what tells the two apart.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::thread::JoinHandleExt;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use libc::{c_int, c_ulong, c_void};

use super::check;

const CREATE_VM: c_ulong = 0xae01;
const GET_VCPU_MMAP_SIZE: c_ulong = 0xae04;
const CREATE_VCPU: c_ulong = 0xae41;
const SET_USER_MEMORY_REGION: c_ulong = 0x4020_ae46;
const SET_TSS_ADDR: c_ulong = 0xae47;
const RUN: c_ulong = 0xae80;
const SET_REGS: c_ulong = 0x4090_ae82;
const GET_SREGS: c_ulong = 0x8138_ae83;
const SET_SREGS: c_ulong = 0x4138_ae84;

const EXIT_IO: u32 = 2;
const EXIT_HLT: u32 = 5;

const MEMORY: usize = 2 << 20;
const PML4: usize = 0x1000;
const PDPT: usize = 0x2000;
const PD: usize = 0x3000;
const CODE: usize = 0x8000;

/// `mov $1000000,%rcx; 1: dec %rcx; jnz 1b; out %al,$0x10; hlt`
const PROGRAM: [u8; 15] =
    [0x48, 0xc7, 0xc1, 0x40, 0x42, 0x0f, 0x00, 0x48, 0xff, 0xc9, 0x75, 0xfb, 0xe6, 0x10, 0xf4];

#[repr(C)]
struct MemoryRegion {
    slot: u32,
    flags: u32,
    guest_address: u64,
    size: u64,
    host_address: u64,
}

#[repr(C)]
#[derive(Default)]
struct Regs {
    general: [u64; 16],
    rip: u64,
    rflags: u64,
}

#[repr(C)]
#[derive(Default, Clone, Copy)]
struct Segment {
    base: u64,
    limit: u32,
    selector: u16,
    kind: u8,
    present: u8,
    dpl: u8,
    db: u8,
    s: u8,
    l: u8,
    g: u8,
    avl: u8,
    unusable: u8,
    padding: u8,
}

#[repr(C)]
#[derive(Default)]
struct Table {
    base: u64,
    limit: u16,
    padding: [u16; 3],
}

/// `struct kvm_sregs`: cs ds es fs gs ss tr ldt, gdt idt, cr0 cr2 cr3 cr4 cr8, efer, apic, bitmap.
#[repr(C)]
#[derive(Default)]
struct Sregs {
    segments: [Segment; 8],
    tables: [Table; 2],
    cr0: u64,
    cr2: u64,
    cr3: u64,
    cr4: u64,
    cr8: u64,
    efer: u64,
    apic_base: u64,
    interrupts: [u64; 4],
}

/// A private mapping, unmapped when dropped.
struct Mapping {
    at: *mut c_void,
    len: usize,
}

impl Mapping {
    /// Maps `len` bytes of `fd` shared, or anonymous memory without one.
    fn new(len: usize, fd: Option<&OwnedFd>) -> io::Result<Self> {
        let flags =
            if fd.is_some() { libc::MAP_SHARED } else { libc::MAP_PRIVATE | libc::MAP_ANONYMOUS };
        let (protection, fd) =
            (libc::PROT_READ | libc::PROT_WRITE, fd.map_or(-1, OwnedFd::as_raw_fd));
        // SAFETY: the kernel chooses the address, so no existing mapping is touched.
        let at = unsafe { libc::mmap(std::ptr::null_mut(), len, protection, flags, fd, 0) };
        if at == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(Self { at, len }) }
    }

    fn put(&mut self, offset: usize, bytes: &[u8]) {
        assert!(offset + bytes.len() <= self.len, "constants of this module fit its guest");
        // SAFETY: the range was just checked against the mapping's length.
        let to = unsafe { self.at.cast::<u8>().add(offset) };
        // SAFETY: `to` has room for `bytes`; no guest runs yet, so nobody else writes there.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len()) };
    }

    /// The `exit_reason` of a mapped `struct kvm_run`: a 32-bit number at offset 8.
    fn exit_reason(&self) -> u32 {
        // SAFETY: the mapping of a vCPU is at least one page long and page-aligned.
        let at = unsafe { self.at.cast::<u32>().add(2) };
        // SAFETY: aligned and inside the mapping; volatile because the kernel writes it.
        unsafe { at.read_volatile() }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: exactly what mmap returned, and no reference into it is left.
        unsafe { libc::munmap(self.at, self.len) };
    }
}

fn call(fd: &impl AsRawFd, request: c_ulong, value: c_ulong) -> io::Result<c_int> {
    // SAFETY: used only with requests of this module that take an integer.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), request, value) })
}

fn call_with<T>(fd: &impl AsRawFd, request: c_ulong, value: &mut T) -> io::Result<c_int> {
    // SAFETY: each caller pairs a request with the structure whose size the request encodes.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), request, std::ptr::from_mut(value)) })
}

fn own(fd: c_int) -> OwnedFd {
    // SAFETY: called with descriptors that an ioctl has just made; nobody else owns them.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// What the probe found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Probe {
    /// The loop ended in this time.
    Works(Duration),
    /// The loop did not end within the limit.
    TooSlow,
    /// A request failed, or the guest ended in another way; the reason as text.
    Broken(String),
}

/// Runs a loop of 1,000,000 iterations as a guest's kernel code, for at most `limit`.
pub(crate) fn probe(kvm: File, limit: Duration) -> Probe {
    let (done, result) = mpsc::channel();
    let spawned = thread::Builder::new().name("kvm-probe".into()).spawn(move || {
        // The receiver gives up when KVM does not react even to signals.
        let _ = done.send(run_guest(&kvm, limit));
    });
    let Ok(vcpu) = spawned else { return Probe::Broken("no thread could be started".into()) };
    if let Ok(found) = result.recv_timeout(limit) {
        return found;
    }
    // Sent again and again: the first may come before the thread is inside KVM_RUN.
    let _handler = NoopHandler::install();
    for _ in 0..50 {
        // SAFETY: the thread has not been joined, so its handle is valid even if it has ended.
        unsafe { libc::pthread_kill(vcpu.as_pthread_t(), NoopHandler::signal()) };
        if result.recv_timeout(Duration::from_millis(20)).is_ok() {
            break;
        }
    }
    Probe::TooSlow
}

/// Takes the last real-time signal with a handler that does nothing, so that it interrupts a system
/// call instead of ending the process. The old disposition comes back when dropped.
struct NoopHandler(libc::sigaction);

extern "C" fn nothing(_: c_int) {}

impl NoopHandler {
    fn signal() -> c_int {
        libc::SIGRTMAX()
    }

    fn install() -> Self {
        // SAFETY: sigaction is plain data; zero is valid (no flags, empty mask).
        let mut new: libc::sigaction = unsafe { std::mem::zeroed() };
        let mut old = new;
        new.sa_sigaction = nothing as extern "C" fn(c_int) as usize;
        // SAFETY: both point at structures we own, and the handler is async-signal-safe.
        unsafe { libc::sigaction(Self::signal(), &raw const new, &raw mut old) };
        Self(old)
    }
}

impl Drop for NoopHandler {
    fn drop(&mut self) {
        // SAFETY: puts back what `install` found.
        unsafe { libc::sigaction(Self::signal(), &raw const self.0, std::ptr::null_mut()) };
    }
}

fn run_guest(kvm: &File, limit: Duration) -> Probe {
    match start_guest(kvm).and_then(|guest| guest.run(limit)) {
        Ok(found) => found,
        Err(e) => Probe::Broken(format!("KVM refused a request: {e}")),
    }
}

/// A virtual machine ready to run [`PROGRAM`]. The fields keep what KVM refers to alive.
struct Guest {
    run: Mapping,
    vcpu: OwnedFd,
    _vm: OwnedFd,
    _memory: Mapping,
}

fn start_guest(kvm: &File) -> io::Result<Guest> {
    let vm = own(call(kvm, CREATE_VM, 0)?);
    // Needed by Intel CPUs without "unrestricted guest"; harmless elsewhere.
    call(&vm, SET_TSS_ADDR, 0xfffb_d000)?;
    let memory = guest_memory()?;
    call_with(
        &vm,
        SET_USER_MEMORY_REGION,
        &mut MemoryRegion {
            slot: 0,
            flags: 0,
            guest_address: 0,
            size: MEMORY as u64,
            host_address: memory.at as u64,
        },
    )?;
    let vcpu = own(call(&vm, CREATE_VCPU, 0)?);
    let size = call(kvm, GET_VCPU_MMAP_SIZE, 0)?;
    let run = Mapping::new(size.max(4096) as usize, Some(&vcpu))?;
    long_mode(&vcpu)?;
    let mut regs = Regs { rip: CODE as u64, rflags: 2, ..Regs::default() };
    call_with(&vcpu, SET_REGS, &mut regs)?;
    Ok(Guest { run, vcpu, _vm: vm, _memory: memory })
}

/// Two MiB with page tables that map them one to one by a single large page, and the program.
fn guest_memory() -> io::Result<Mapping> {
    let mut memory = Mapping::new(MEMORY, None)?;
    memory.put(PML4, &(PDPT as u64 | 3).to_le_bytes());
    memory.put(PDPT, &(PD as u64 | 3).to_le_bytes());
    memory.put(PD, &0x83_u64.to_le_bytes()); // present, writable, 2 MiB
    memory.put(CODE, &PROGRAM);
    Ok(memory)
}

fn long_mode(vcpu: &OwnedFd) -> io::Result<()> {
    let mut s = Sregs::default();
    call_with(vcpu, GET_SREGS, &mut s)?;
    let flat = Segment { limit: u32::MAX, present: 1, s: 1, g: 1, ..Segment::default() };
    s.segments[0] = Segment { selector: 8, kind: 11, l: 1, ..flat };
    for data in &mut s.segments[1..6] {
        *data = Segment { selector: 16, kind: 3, db: 1, ..flat };
    }
    s.cr0 = 0x8005_0033; // PG AM WP NE ET MP PE
    s.cr3 = PML4 as u64;
    s.cr4 = 0x20; // PAE
    s.efer = 0x500; // LME, LMA
    call_with(vcpu, SET_SREGS, &mut s).map(drop)
}

impl Guest {
    fn run(&self, limit: Duration) -> io::Result<Probe> {
        let start = Instant::now();
        loop {
            match call(&self.vcpu, RUN, 0) {
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
            if start.elapsed() >= limit {
                return Ok(Probe::TooSlow);
            }
            match self.run.exit_reason() {
                EXIT_HLT => return Ok(Probe::Works(start.elapsed())),
                EXIT_IO | 10 => {} // 10: interrupted by a signal
                other => {
                    return Ok(Probe::Broken(format!("the guest ended with exit reason {other}")));
                }
            }
        }
    }
}
