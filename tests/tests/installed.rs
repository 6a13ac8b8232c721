//! A disk made of a generation, booted by firmware: the whole way from packages to a proven system.
#![cfg(feature = "vm")]

use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use minos_model::JobState;
use minos_proto::{BootEvent, ImageWish, PackageRequest, Reply, Request, Standing, Status};
use minos_qemu::control::{Client, Timeouts};
use minos_tests::appliance::Appliance;
use minos_tests::packages::{ask, change, column, install, installed, verify};
use minos_tests::{Recipes, Root};

const CMDLINE: &str = "console=ttyS0,115200 panic=-1 quiet";
/// How much larger the disk is than the image that is written to it.
const LARGER: u64 = 2 << 30;
/// Where the state starts: behind the table and the EFI system partition, in bytes.
fn state_offset(efi: &Path) -> u64 {
    let efi = efi.metadata().expect("the kernel").len();
    (1 << 20) + (2 * efi + (8 << 20)).next_multiple_of(1 << 20).max(64 << 20)
}

/// A service that stays, in a package; the system has no other program.
fn recipes() -> Recipes {
    let script = "mkdir -p /usr/sbin /usr/lib/minos/services\n\
                  echo 'int pause(void); int main(void) { for (;;) pause(); }' > one.c\n\
                  gcc -static one.c -o /usr/sbin/stay\n\
                  echo 'exec = [\"/usr/sbin/stay\"]' > /usr/lib/minos/services/stay.toml\n\
                  echo 'required = true' >> /usr/lib/minos/services/stay.toml\n";
    let table = "[[package.service]]\nname = \"stay\"\nenable = true\n";
    let mut recipes = Recipes::new();
    recipes.step_with("stay", &[], &[("install", script)], table);
    recipes
}

/// Makes the disk in host mode.
fn make(disk: &Path, efi: &Path) {
    let recipes = recipes();
    let root = Root::new(recipes.path());
    let mut daemon = root.start();
    assert_eq!(daemon.build("stay").state, JobState::Done);
    ask(&mut daemon, PackageRequest::Pack { targets: vec!["stay".into()] }).expect("packed");
    change(&mut daemon, install(&["stay"]));
    let wish = ImageWish {
        generation: 1,
        disk: disk.display().to_string(),
        efi: Some(efi.display().to_string()),
        ..ImageWish::default()
    };
    ask(&mut daemon, PackageRequest::Image(wish)).expect("made");
}

fn status(client: &mut Client) -> Status {
    match client.call(&Request::Status) {
        Ok(Reply::Status(status)) => status,
        other => panic!("{other:?}"),
    }
}

/// Asks until the generation is proven: how it stands then, and what is free on the state.
fn until_proven(socket: &Path) -> (Vec<String>, u64) {
    let mut client = Client::connect(socket, "test", Timeouts::default()).expect("connected");
    let deadline = Instant::now() + Duration::from_secs(300);
    loop {
        let list = ask(&mut client, PackageRequest::Generations).expect("a list");
        let states = column(&list, "generations", "state");
        let proven = states.iter().any(|state| state.contains("proven"));
        let free = status(&mut client).free_bytes;
        if (proven && free > LARGER) || Instant::now() > deadline {
            assert_eq!(installed(&mut client), ["stay 1.0-1"]);
            assert!(!verify(&mut client, false).alarm);
            client.call(&Request::Shutdown { reboot: false }).expect("powered off");
            return (states, free);
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// Written to a larger disk, it boots, is tried and proven, and its state grows to the end of the disk.
#[test]
fn a_disk_of_a_generation_boots_is_proven_and_grows() {
    let appliance = Appliance::new().on_bare_hardware(CMDLINE);
    let (disk, efi) = (appliance.dir().join("installed.img"), appliance.dir().join("minos.efi"));
    make(&disk, &efi);
    let file = File::options().write(true).open(&disk).expect("the disk");
    file.set_len(file.metadata().expect("its length").len() + LARGER).expect("a larger disk");
    let appliance = appliance.on_disk(&disk);
    let (run, (states, free)) = appliance.attend(until_proven);
    assert_eq!(states, ["current,booted,proven"], "{}", run.console);
    assert!(free > LARGER, "the state has not grown: {free} bytes are free\n{}", run.console);
    let of = |event: &BootEvent| match event {
        BootEvent::Generation { generation, standing, .. } => Some((*generation, *standing)),
        _ => None,
    };
    let standings: Vec<_> = run.events.iter().filter_map(of).collect();
    assert_eq!(standings, [(1, Standing::Trial), (1, Standing::Passed)], "{}", run.console);

    let said = Command::new("sgdisk").arg("-v").arg(&disk).output().expect("sgdisk");
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.contains("No problems found"), "{said}");
    let place = format!("{}?offset={}", disk.display(), state_offset(&efi));
    let check = Command::new("e2fsck").args(["-f", "-n", &place]).output().expect("e2fsck");
    let said = String::from_utf8_lossy(&check.stdout).into_owned();
    assert!(check.status.success(), "{said}");
}
