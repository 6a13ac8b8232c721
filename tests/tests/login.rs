//! A system that boots to a login: the services of the shipped recipes and the package of our own programs, with
//! busybox in the place of the programs of LFS.
#![cfg(feature = "vm")]

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use minos_proto::{BootEvent, BootPhase, ImageWish, KeyChange, PackageRequest, RepositoryChange};
use minos_qemu::dir::Paths;
use minos_qemu::machine::Card;
use minos_qemu::observe::Observation;
use minos_qemu::talk::Talk;
use minos_qemu::watch::Order;
use minos_tests::appliance::{Appliance, image};
use minos_tests::packages::{ask, change, install};
use minos_tests::room::Room;
use minos_tests::web::Server;
use minos_tests::{Recipes, Root, artefacts};

const CMDLINE: &str = "console=ttyS0,115200 panic=-1 quiet";
const PATIENCE: Duration = Duration::from_secs(240);
/// The applets of busybox that the services use under their own names.
const APPLETS: [&str; 12] = [
    "sh", "mkdir", "mount", "chgrp", "chmod", "sleep", "grep", "ls", "cat", "kill", "login",
    "udhcpc",
];
/// What stands in for the programs that busybox has not, or calls otherwise.
const STAND_INS: [(&str, &str); 7] = [
    // With another order of arguments.
    ("usr/sbin/agetty", "exec /bin/busybox getty -L -l /usr/lib/minos/login 115200 - vt220"),
    ("usr/sbin/udevd", "while :; do sleep 1000; done"),
    ("usr/sbin/syslogd", "exec /bin/busybox syslogd \"$@\""),
    ("usr/bin/udevadm", ":"),
    ("usr/sbin/sysctl", ":"),
    ("usr/sbin/dhcpcd", DHCP),
    ("usr/lib/bound", BOUND),
];
const DHCP: &str = "for card in $(ls /sys/class/net | grep -v '^lo$'); do\n\
                    /bin/busybox ip link set \"$card\" up\n\
                    udhcpc -f -i \"$card\" -s /usr/lib/bound &\n\
                    done\nwait";
const BOUND: &str = "[ \"$1\" = bound ] || exit 0\n\
                     /bin/busybox ip addr add \"$ip/$mask\" dev \"$interface\"\n\
                     echo \"nameserver $dns\" >> /etc/resolv.conf";

/// A folder to be packed.
struct Folder(PathBuf);

impl Folder {
    fn new(dir: &Path, name: &str, more: &str) -> Self {
        let folder = Self(dir.join(name));
        fs::create_dir_all(folder.0.join("root")).expect("a folder");
        let text = format!(
            "schema = 1\nname = \"{name}\"\nversion = \"1\"\ndescription = \"{name}\"\nlicense = \"MIT\"\n{more}"
        );
        fs::write(folder.0.join("package.toml"), text).expect("a file");
        folder
    }

    fn put(&self, path: &str, text: &[u8], mode: u32) {
        let path = self.0.join("root").join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(&path, text).expect("a file");
        fs::set_permissions(&path, Permissions::from_mode(mode)).expect("its mode");
    }
}

/// busybox, the stand-ins, and the accounts.
fn base(dir: &Path) -> Folder {
    let base = Folder::new(dir, "base", "");
    base.put("bin/busybox", &fs::read("/bin/busybox").expect("busybox-static is installed"), 0o755);
    for applet in APPLETS {
        symlink("busybox", base.0.join("root/bin").join(applet)).expect("a link");
    }
    for (path, text) in STAND_INS {
        base.put(path, format!("#!/bin/sh\n{text}\n").as_bytes(), 0o755);
    }
    base.put("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n", 0o644);
    base.put("etc/group", b"root:x:0:\nutmp:x:13:\n", 0o644);
    base
}

/// What the install script of a shipped recipe makes, but for its last line, which copies that to `/`.
fn shipped(dir: &Path, recipe: &str, services: &[&str]) -> Folder {
    let enabled =
        services.iter().map(|name| format!("[[service]]\nname = \"{name}\"\nenable = true\n"));
    let folder = Folder::new(dir, recipe, &enabled.collect::<String>());
    let script = artefacts::recipes().join("boot").join(recipe).join("install.sh");
    let text = fs::read_to_string(script).expect("the script");
    let made = text.trim_end().strip_suffix("cp -a --remove-destination dest/. /");
    let made = made.expect("it is copied last").replace("make DESTDIR=\"$PWD/dest\" install", "");
    let run = Command::new("bash").args(["-euc", &made]).current_dir(&folder.0).status();
    assert!(run.expect("bash").success(), "{recipe}");
    fs::remove_dir(folder.0.join("root")).expect("an empty folder");
    fs::rename(folder.0.join("dest"), folder.0.join("root")).expect("what it made");
    folder
}

fn pkgctl(arguments: &[&str], dir: &Path) {
    let ran = Command::new(artefacts::binary("pkgctl")).args(arguments).current_dir(dir).output();
    let ran = ran.expect("pkgctl runs");
    assert!(ran.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
}

/// Packs the folders, installs them in host mode, and makes the disk.
fn make(dir: &Path, disk: &Path, efi: &Path) {
    let bin = artefacts::binary("pkgd");
    let bin = bin.parent().and_then(Path::to_str).expect("a folder");
    let out = dir.to_str().expect("text");
    image(&["--out", out, "package", "--bin-dir", bin]);
    let services = ["setup", "udev", "udev-settle", "syslog", "login"];
    let folders = [
        base(dir).0,
        shipped(dir, "minos-services", &services).0,
        shipped(dir, "dhcpcd", &["network"]).0,
        dir.join("packages/minos"),
    ];
    pkgctl(&["key", "generate", "test", "--no-passphrase"], dir);
    fs::create_dir(dir.join("repo")).expect("a folder");
    for folder in &folders {
        let folder = folder.to_str().expect("text");
        pkgctl(&["pack", folder, "--key", "test.key", "--output", "repo"], dir);
    }
    let recipes = Recipes::new();
    let root = Root::new(recipes.path());
    let mut daemon = root.start();
    let text = fs::read_to_string(dir.join("test.pub")).expect("the key");
    ask(&mut daemon, PackageRequest::Keys(Some(KeyChange::Trust { text }))).expect("trusted");
    let path = dir.join("repo").display().to_string();
    let add = RepositoryChange::Add { name: "test".to_owned(), path, priority: 0 };
    ask(&mut daemon, PackageRequest::Repositories(Some(add))).expect("added");
    change(&mut daemon, install(&["base", "minos-services", "dhcpcd", "minos"]));
    let (disk, efi) = (disk.display().to_string(), Some(efi.display().to_string()));
    let wish = ImageWish { generation: 1, disk, efi, ..ImageWish::default() };
    ask(&mut daemon, PackageRequest::Image(wish)).expect("made");
}

/// A folder with a package, published, on a web server.
fn publisher() -> (Room, Server) {
    let room = Room::new();
    room.key("ann");
    room.pack("pub", "small", "1", "");
    room.json("repo publish pub --key ann.key");
    let server = Server::of_folder(room.path("pub"));
    (room, server)
}

/// From packages to a prompt: somebody logs in at the serial console, without a password the first time, finds the
/// network up, asks the pkgd that the generation itself brings, and has it install a package from a web server.
#[test]
fn a_system_boots_to_a_login_with_a_network() {
    let work = tempfile::tempdir().expect("a folder");
    let appliance =
        Appliance::new().on_bare_hardware(CMDLINE).networked(&[Card::Virtio, Card::E1000e]);
    let (disk, efi) = (appliance.dir().join("system.img"), appliance.dir().join("minos.efi"));
    make(work.path(), &disk, &efi);
    let appliance = appliance.on_disk(&disk);
    let console = Paths::new(appliance.dir().join("vm")).console();
    let (room, server) = publisher();
    let key = room.read("ann.pub").replace('\n', "\\n");
    // The machine that runs the emulator, as its guests see it.
    let url = format!("http://10.0.2.2:{}/minos", server.port);
    let (run, said) = appliance.attend(|_| {
        let mut talk = Talk::connect(&console).expect("a console");
        talk.until("login: ", PATIENCE).expect("a login");
        talk.say("root").expect("typed");
        let greeting = talk.until("# ", PATIENCE).expect("a prompt");
        let mut said = vec![greeting];
        for command in [
            format!("printf '{key}' > /run/ann.pub && pkgctl key trust /run/ann.pub").as_str(),
            "until grep -s '\\.2\\.3' /etc/resolv.conf && grep -s '\\.3\\.3' /etc/resolv.conf; do sleep 1; done",
            "/bin/busybox ip -4 -o addr",
            "pkgctl status",
            "cat /proc/[0-9]*/cmdline",
            "ls -l /run/utmp /dev/log",
            format!("pkgctl repo add net {url}").as_str(),
            "pkgctl install small --yes",
            "pkgctl list",
        ] {
            let ran = talk.run(command, PATIENCE).expect(command);
            assert_eq!(ran.status, 0, "{command}: {}", ran.output);
            said.push(ran.output);
        }
        // As /usr/sbin/poweroff of the recipe system-config.
        talk.say("kill -s USR2 1").expect("typed");
        said
    });
    let [greeting, _, dns, addresses, status, programs, made, repositories, _, packages] =
        said.as_slice()
    else {
        panic!("{said:?}");
    };
    assert!(greeting.contains("root has no password yet"), "{greeting}\n{}", run.console);
    assert!(dns.contains("nameserver 10.0.2.3") && dns.contains("nameserver 10.0.3.3"), "{dns}");
    for address in ["10.0.2.15/24", "10.0.3.15/24"] {
        assert!(addresses.contains(address), "{addresses}");
    }
    assert!(status.contains("appliance"), "{status}");
    assert!(programs.contains("/usr/sbin/pkgd"), "the generation's own pkgd runs: {programs}");
    assert!(made.contains("utmp") && made.contains("/dev/log"), "{made}");
    assert!(repositories.contains(&url), "{repositories}");
    assert!(packages.contains("small"), "a package came over the network: {packages}");
    another_is_chosen(&appliance);
}

/// No boot loader has a menu: whoever sits at the serial console types a letter, and a number.
fn another_is_chosen(appliance: &Appliance) {
    let console = Paths::new(appliance.dir().join("vm")).console();
    let (mut talk, mut shown, mut typed) = (None, Vec::new(), 0);
    let steps = [("type g and Enter to choose another", "g"), ("number, or Enter for none", "0")];
    let run = appliance.run(&mut |seen| match seen {
        Observation::Serial(bytes) => {
            shown.extend_from_slice(bytes);
            if let Some((wanted, answer)) = steps.get(typed)
                && String::from_utf8_lossy(&shown).contains(wanted)
            {
                let talk = talk.get_or_insert_with(|| Talk::connect(&console).expect("a console"));
                talk.say(answer).expect("typed");
                typed += 1;
            }
            Order::Continue
        }
        Observation::Boot(BootEvent::Phase { phase: BootPhase::Ready, .. }) => Order::Kill,
        _ => Order::Continue,
    });
    assert!(run.says("generations: 0 (the initramfs) 1"), "{}", run.console);
    assert!(run.says("generation 0, for this boot"), "{}", run.console);
    let generations = run.events.iter().filter(|e| matches!(e, BootEvent::Generation { .. }));
    assert_eq!(generations.count(), 0, "{}", run.console);
}
