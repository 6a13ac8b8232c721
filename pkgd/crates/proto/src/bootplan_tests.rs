use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};

use super::{
    BootPlan, CHECKS, COMMAND, CheckSpec, Command, HEADER, HOSTNAME, Kind, MAX, NAME, PlanError,
    SERVICES, ServiceSpec, What,
};

fn service(name: &str, kind: Kind, after: u32) -> ServiceSpec {
    ServiceSpec {
        name: name.try_into().unwrap(),
        kind,
        command: Command::new(["/usr/sbin/thing", "-f", "two words"]).unwrap(),
        after,
        deadline_ms: 30_000,
        restart_limit: 5,
        notify: kind == Kind::Daemon,
    }
}

fn check(name: &str, what: What) -> CheckSpec {
    CheckSpec { name: name.try_into().unwrap(), what, deadline_ms: 60_000 }
}

fn plan() -> BootPlan {
    BootPlan {
        hostname: "minos".try_into().unwrap(),
        services: [
            service("syslog", Kind::Daemon, 0),
            service("net", Kind::Oneshot, 0b1),
            service("login", Kind::Login, 0b11),
        ]
        .into_iter()
        .collect(),
        checks: [
            check("pkgd", What::PkgdReady),
            check("console", What::ConsoleAnswered),
            check("net", What::ServiceUp(1)),
            check("mine", What::Command(Command::new(["/bin/true"]).unwrap())),
        ]
        .into_iter()
        .collect(),
        gate_ms: 300_000,
    }
}

fn bytes(plan: &BootPlan) -> Vec<u8> {
    let mut buffer = [0; MAX];
    let n = plan.encode(&mut buffer).unwrap();
    buffer[..n].to_vec()
}

/// The bytes are a promise to an init built at another time.
#[test]
fn golden_bytes() {
    let small = BootPlan {
        hostname: "a".try_into().unwrap(),
        services: [service("s", Kind::Daemon, 0)].into_iter().collect(),
        checks: [check("c", What::ServiceUp(0))].into_iter().collect(),
        gate_ms: 300,
    };
    let b = bytes(&small);
    assert_eq!(b[..12], *b"MINOSBP1\x33\0\0\0");
    let mut body = b"\x01a\x01\x01s\x01\x1c/usr/sbin/thing\n-f\ntwo words\0".to_vec();
    body.extend([0xb0, 0xea, 0x01, 5, 1]); // 30,000 ms, 5, notifies
    body.extend([1, 1, b'c', 2, 0, 0xe0, 0xd4, 0x03, 0xac, 0x02]); // 60,000 ms; 300 ms
    assert_eq!(b[HEADER..], body);
    assert_eq!(BootPlan::decode(&b), Ok(small));
}

#[test]
fn every_flipped_bit_is_detected() {
    let good = bytes(&plan());
    assert_eq!(BootPlan::decode(&good), Ok(plan()));
    for bit in 0..good.len() * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(BootPlan::decode(&bad).is_err(), "bit {bit}");
    }
}

#[test]
fn every_cut_and_every_longer_file_is_detected() {
    let good = bytes(&plan());
    for n in 0..good.len() {
        assert!(BootPlan::decode(&good[..n]).is_err(), "{n}");
    }
    assert_eq!(BootPlan::decode(&[&good[..], &[0]].concat()), Err(PlanError::Length));
    assert_eq!(BootPlan::decode(&vec![0; MAX + 1]), Err(PlanError::Magic));
}

/// postcard takes a number in a longer form than it writes: with a right checksum that would be a second
/// file for the same plan.
#[test]
fn another_encoding_of_the_same_plan_is_refused() {
    let good = bytes(&plan());
    let mut body = good[HEADER..].to_vec();
    assert_eq!(body.remove(0), 5, "the length of the host name");
    body.splice(0..0, [0x85, 0x00]);
    let mut bad = good[..8].to_vec();
    bad.extend((body.len() as u32).to_le_bytes());
    bad.extend(super::checksum(&bad, &body).to_le_bytes());
    bad.extend(&body);
    assert_eq!(BootPlan::decode(&bad), Err(PlanError::Encoding));
}

#[test]
fn the_largest_plan_fits() {
    let name = |i: usize| format!("{i:0>NAME$}");
    let long = |tail: &str| format!("/{}{tail}", "x".repeat(COMMAND - 1 - tail.len()));
    let command = |i: usize| Command::new([long(&i.to_string()).as_str()]).unwrap();
    let mut largest = plan();
    largest.hostname = "h".repeat(HOSTNAME).as_str().try_into().unwrap();
    largest.services = (0..SERVICES)
        .map(|i| {
            let kind = if i == 0 { Kind::Login } else { Kind::Daemon };
            let mut s = service(&name(i), kind, (1u32 << i) - 1);
            (s.command, s.deadline_ms) = (command(i), super::MAX_DEADLINE_MS);
            s
        })
        .collect();
    largest.checks = (0..CHECKS).map(|i| check(&name(i), What::Command(command(i)))).collect();
    let b = bytes(&largest);
    assert!(b.len() < MAX, "{}", b.len());
    assert_eq!(BootPlan::decode(&b), Ok(largest));
}

#[test]
fn each_rule_is_held() {
    type Change = fn(&mut BootPlan);
    let broken: [(Change, PlanError); 13] = [
        (|p| p.hostname.clear(), PlanError::Hostname),
        (|p| p.hostname = "-x".try_into().unwrap(), PlanError::Hostname),
        (|p| p.hostname = "a..b".try_into().unwrap(), PlanError::Hostname),
        (|p| p.services[0].name.clear(), PlanError::Name),
        (|p| p.services[0].name = "../x".try_into().unwrap(), PlanError::Name),
        (|p| p.services[1].name = p.services[0].name.clone(), PlanError::Name),
        (|p| p.services[0].command = Command::default(), PlanError::Command),
        (|p| p.services[1].after = 0b10, PlanError::Reference),
        (|p| p.services[0].deadline_ms = 0, PlanError::Deadline),
        (|p| p.checks[2].what = What::ServiceUp(3), PlanError::Reference),
        (|p| p.checks.clear(), PlanError::Count),
        (|p| p.services[0].kind = Kind::Login, PlanError::Count),
        (|p| p.gate_ms = super::MAX_DEADLINE_MS + 1, PlanError::Deadline),
    ];
    for (change, error) in broken {
        let mut bad = plan();
        change(&mut bad);
        assert_eq!(bad.check(), Err(error));
        assert_eq!(bad.encode(&mut [0; MAX]), Err(error));
    }
}

#[test]
fn a_command_has_an_absolute_program_and_whole_words() {
    let command = Command::new(["/bin/login", "-p", "a b"]).unwrap();
    assert_eq!(command.program(), "/bin/login");
    assert_eq!(command.words().collect::<Vec<_>>(), ["/bin/login", "-p", "a b"]);
    let long = "x".repeat(COMMAND);
    let many = ["/x"; 17];
    for bad in [&[][..], &["sh"], &["/"], &["/bin/login", ""], &["/a\nb"], &["/a", &long], &many] {
        assert_eq!(Command::new(bad.iter().copied()), Err(PlanError::Command), "{bad:?}");
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(BootPlan::decode(&bytes).is_err());
    }

    /// Damage that has a right checksum: what is decoded is a plan that could have been written.
    #[test]
    fn a_plan_that_is_decoded_can_be_carried_out(at in any::<prop::sample::Index>(), byte: u8) {
        let mut b = bytes(&plan());
        let at = HEADER + at.index(b.len() - HEADER);
        b[at] = byte;
        let sum = super::checksum(&b[..12], &b[HEADER..]);
        b[12..16].copy_from_slice(&sum.to_le_bytes());
        if let Ok(plan) = BootPlan::decode(&b) {
            prop_assert_eq!(plan.check(), Ok(()));
            prop_assert_eq!(bytes(&plan), b);
        }
    }
}
