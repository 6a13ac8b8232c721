//! The ACPI power button, which Linux shows as an input device.

use heapless::{String, Vec};

use crate::kernel::{Fd, Open, PATH, Sys};
use crate::sys::INPUT_EVENT;

/// The name the kernel's ACPI button driver gives both kinds of power button.
const NAME: &str = "Power Button";
/// `EV_KEY` and `KEY_POWER` of linux/input-event-codes.h.
const EV_KEY: u16 = 1;
const KEY_POWER: u16 = 116;

/// Opens every power button, two at most (the fixed one and the one described in the tables).
pub fn open(sys: &mut dyn Sys) -> Vec<Fd, 2> {
    let mut names: Vec<String<32>, 32> = Vec::new();
    // No such directory: a kernel without input devices has no button.
    let _ = sys.list("/sys/class/input", &mut |name| {
        if name.starts_with("event") {
            let _ = String::try_from(name).map(|n| names.push(n));
        }
    });
    let mut buttons = Vec::new();
    for name in &names {
        if is_button(sys, name)
            && !buttons.is_full()
            && let Ok(fd) = sys.open(&path(&["/dev/input/", name]), Open::Read)
        {
            let _ = buttons.push(fd);
        }
    }
    buttons
}

fn is_button(sys: &mut dyn Sys, name: &str) -> bool {
    let mut text = [0; 32];
    let n = sys.read_file(&path(&["/sys/class/input/", name, "/device/name"]), 0, &mut text);
    text.get(..n.unwrap_or(0)).is_some_and(|t| t.trim_ascii_end() == NAME.as_bytes())
}

fn path(parts: &[&str]) -> String<PATH> {
    let mut path = String::new();
    for part in parts {
        // Short by construction: a name has at most 32 bytes.
        let _ = path.push_str(part);
    }
    path
}

/// Whether a block of `struct input_event` holds a press of the power key. The last eight bytes of
/// each are type (2), code (2), value (4; 1 = pressed).
pub fn is_power_key(block: &[u8]) -> bool {
    block.chunks_exact(INPUT_EVENT).any(|event| {
        let tail = &event[INPUT_EVENT - 8..];
        u16::from_ne_bytes([tail[0], tail[1]]) == EV_KEY
            && u16::from_ne_bytes([tail[2], tail[3]]) == KEY_POWER
            && tail[4..] == 1i32.to_ne_bytes()
    })
}

#[cfg(test)]
mod tests {
    use super::{INPUT_EVENT, is_power_key};

    fn event(kind: u16, code: u16, value: i32) -> Vec<u8> {
        let mut bytes = vec![0xaa; INPUT_EVENT - 8];
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(code.to_ne_bytes());
        bytes.extend(value.to_ne_bytes());
        bytes
    }

    #[test]
    fn only_a_press_of_the_power_key_counts() {
        assert!(is_power_key(&[event(0, 0, 0), event(1, 116, 1)].concat()));
        assert!(!is_power_key(&event(1, 116, 0)), "released");
        assert!(!is_power_key(&event(1, 30, 1)), "another key");
        assert!(!is_power_key(&event(4, 116, 1)), "not a key");
        assert!(!is_power_key(&event(1, 116, 1)[1..]), "cut");
    }
}
