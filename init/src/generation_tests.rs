//! Boots of generations, on a kernel made of memory.

use minos_proto::bootplan::{self, BootPlan, CheckSpec, Command, Kind, ServiceSpec, What};
use minos_proto::{BootEvent, BootNext, Standing};

use super::WISH;
use crate::bootrec::{Reason, Record};
use crate::fake::{Behaviour, Fake, Fault};
use crate::kernel::{Errno, Job};
use crate::machine::End;
use crate::phase::{boot_bound_ms, stop_bound_ms};
use crate::runtime::Runtime;
use crate::runtime::tests::{boot, events, go_down, record, run_for, start, survives_within};
use crate::sup::Exit;

const EXITED: fn(u64, u8) -> Behaviour = |after, status| Behaviour {
    ready_after: None,
    ends_after: Some((after, Exit::Exited(status))),
    obeys_term: true,
};

fn service(name: &str, kind: Kind, after: u32, notify: bool) -> ServiceSpec {
    ServiceSpec {
        name: name.try_into().unwrap(),
        kind,
        command: Command::new([format!("/usr/sbin/{name}").as_str(), "-x"]).unwrap(),
        after,
        deadline_ms: 1_000,
        restart_limit: 2,
        notify,
    }
}

fn check(name: &str, what: What) -> CheckSpec {
    CheckSpec { name: name.try_into().unwrap(), what, deadline_ms: 5_000 }
}

/// setup, then a daemon that notifies, then a login; asked: pkgd, the daemon, the console, a command.
fn plan() -> BootPlan {
    let test = What::Command(Command::new(["/usr/bin/test"]).unwrap());
    BootPlan {
        hostname: "lfs".try_into().unwrap(),
        services: [
            service("setup", Kind::Oneshot, 0, false),
            service("daemon", Kind::Daemon, 0b1, true),
            service("login", Kind::Login, 0b11, false),
        ]
        .into_iter()
        .collect(),
        checks: [
            check("pkgd", What::PkgdReady),
            check("daemon", What::ServiceUp(1)),
            check("console", What::ConsoleAnswered),
            check("test", test),
        ]
        .into_iter()
        .collect(),
        gate_ms: 20_000,
    }
}

fn ship(fake: &Fake, plan: &BootPlan) {
    let mut bytes = vec![0; bootplan::MAX];
    let n = plan.encode(&mut bytes).unwrap();
    bytes.truncate(n);
    fake.world().files.insert(format!("/newroot/{}", bootplan::PATH), bytes);
}

fn wish(fake: &Fake, generation: u64, tries: u8) {
    let wish = BootNext { generation, proven: false, tries, id: *b"randomly" };
    fake.world().files.insert(WISH.into(), wish.encode().to_vec());
}

fn lack(fake: &Fake, path: &str) {
    fake.world().missing.insert(path.into());
}

fn behave(fake: &Fake, program: &'static str, behaviour: Behaviour) {
    fake.world().programs.insert(program, behaviour);
}

/// A machine that is to try generation 7, which is good.
fn machine() -> Fake {
    let fake = Fake::machine();
    ship(&fake, &plan());
    wish(&fake, 7, 2);
    let mut w = fake.world();
    w.programs.insert("/usr/sbin/setup", EXITED(50, 0));
    w.programs.insert("/usr/bin/test", EXITED(50, 0));
    drop(w);
    fake
}

fn standings(fake: &Fake) -> Vec<(u64, Standing)> {
    let of = |event| match event {
        BootEvent::Generation { generation, standing, .. } => Some((generation, standing)),
        _ => None,
    };
    events(fake).into_iter().filter_map(of).collect()
}

fn spawned(fake: &Fake) -> Vec<String> {
    fake.world().spawned.iter().map(|s| s.1[0].clone()).collect()
}

fn boot_through(fake: &Fake) -> Runtime<Fake> {
    let mut runtime = start(fake);
    run_for(&mut runtime, fake, 10_000);
    runtime
}

#[test]
fn a_good_generation_is_entered_started_in_order_and_proven() {
    let fake = machine();
    let runtime = boot_through(&fake);
    assert_eq!(runtime.machine().name(), "running");
    let order = [
        "/run/initramfs/bin/pkgd",
        "/usr/sbin/setup",
        "/usr/sbin/daemon",
        "/usr/sbin/login",
        "/usr/bin/test",
    ];
    assert_eq!(spawned(&fake), order);
    assert_eq!(standings(&fake), [(7, Standing::Trial), (7, Standing::Passed)]);
    let r = record(&fake).unwrap();
    assert_eq!((r.generation, r.proven, r.fallback), (7, true, 7));
    let w = fake.world();
    assert!(!w.files.contains_key(WISH), "obeyed");
    assert!(w.log.iter().any(|l| l == "hostname lfs"));
    let at = |what: &str| w.log.iter().position(|l| l.starts_with(what)).unwrap();
    assert!(at("write_durable /state/boot/record") < at("remove /state/boot/next"));
    assert!(at("remove /state/boot/next") < at("bind /newroot"));
    let pkgd = &w.spawned[0].1;
    assert!(pkgd.windows(2).any(|a| a == ["--seed", "/run/initramfs/seed"]), "{pkgd:?}");
}

#[test]
fn a_pkgd_of_the_plan_is_told_what_only_init_knows() {
    let fake = machine();
    let mut own = plan();
    own.services[1] = service("pkgd", Kind::Daemon, 0b1, true);
    ship(&fake, &own);
    boot_through(&fake);
    let w = fake.world();
    let pkgd: Vec<_> = w.spawned.iter().filter(|s| s.1[0].ends_with("pkgd")).collect();
    assert_eq!(pkgd.len(), 1, "{:?}", w.spawned);
    assert_eq!(pkgd[0].1, ["/usr/sbin/pkgd", "-x", "--control", "/dev/vport1p2"]);
    drop(w);
    assert!(record(&fake).unwrap().proven);
}

/// What the record says of each.
#[test]
fn each_way_to_be_bad_is_named_and_leads_to_a_reboot() {
    type Make = fn(&Fake);
    let cases: [(Make, Reason, &str); 11] = [
        (damage_plan, Reason::LacksFile, "boot.plan (damaged)"),
        (lose_plan, Reason::LacksFile, "boot.plan"),
        (|f| lack(f, "/usr/sbin/daemon"), Reason::CheckFailed, "daemon"),
        (|f| lack(f, "/newroot/var"), Reason::LacksFile, "/var"),
        (|f| lack(f, "/state/roots/7"), Reason::LacksFile, "/"),
        (|f| behave(f, "/usr/bin/test", EXITED(9, 1)), Reason::CheckFailed, "test"),
        (|f| behave(f, "/usr/bin/test", Behaviour::default()), Reason::CheckOverran, "test"),
        (|f| f.world().pkgd.ends_after = Some((20, Exit::Exited(1))), Reason::CheckOverran, "pkgd"),
        (
            |f| {
                let never = Behaviour { ready_after: None, ..Behaviour::default() };
                f.world().programs.insert("/usr/sbin/daemon", never);
            },
            Reason::CheckFailed,
            "daemon",
        ),
        (|f| behave(f, "/usr/sbin/login", EXITED(100, 0)), Reason::ServiceLost, "login"),
        (
            |f| {
                let mut short = plan();
                short.gate_ms = 100;
                f.world().pkgd.ready_after = Some(3_000);
                ship(f, &short);
            },
            Reason::GateOverran,
            "pkgd",
        ),
    ];
    for (make, reason, culprit) in cases {
        let fake = machine();
        make(&fake);
        let mut runtime = start(&fake);
        let off = run_for(&mut runtime, &fake, 60_000);
        let off = off.unwrap_or_else(|| panic!("{culprit}: {}", fake.world().console_text()));
        assert_eq!((off.ending.end, off.ending.reason), (End::Reboot, reason), "{culprit}");
        let r = record(&fake).unwrap();
        let failure = r.failure.unwrap();
        assert_eq!((failure.generation, failure.reason), (7, reason));
        assert_eq!(failure.culprit.as_str(), culprit);
        assert_eq!((r.reason, r.tries_left, r.proven), (reason, 1, false));
        assert_eq!(standings(&fake).last(), Some(&(7, Standing::Failed)));
        fake.world().cut_power();
        fake.world().console.clear();
        run_for(&mut start(&fake), &fake, 300);
        let said = fake.world().console_text();
        assert!(said.contains("boot 1 of generation 7 failed"), "{said}");
        assert!(said.contains(&format!(": {culprit}, 2023-11-14 ")), "{said}");
    }
}

#[test]
fn after_its_tries_the_fallback_is_booted_and_the_story_told() {
    let fake = machine();
    fake.world().programs.insert("/usr/bin/test", EXITED(9, 1));
    for _ in 0..2 {
        let mut runtime = start(&fake);
        run_for(&mut runtime, &fake, 60_000).expect("it reboots");
        fake.world().cut_power();
    }
    let runtime = boot_through(&fake);
    assert_eq!(runtime.machine().name(), "running");
    assert_eq!(spawned(&fake).last().unwrap(), "/bin/pkgctl", "the initramfs itself");
    let said = fake.world().console_text();
    let story = "boot 2 of generation 7 failed its check: test, 2023-11-14 ";
    assert!(said.contains(story) && said.contains("; now generation 0"), "{said}");
    assert!(fake.world().spawned.iter().any(|s| s.1.iter().any(|a| a.starts_with(story))));
}

/// It asks for its own reboot in each boot, before it can be judged. A first version left it without a word of why.
#[test]
fn a_generation_that_reboots_by_itself_is_left_and_said_to_have_failed() {
    let fake = machine();
    let mut boots = 0;
    loop {
        let mut runtime = start(&fake);
        while standings(&fake).len() == boots && runtime.machine().name() != "running" {
            run_for(&mut runtime, &fake, 10);
        }
        if standings(&fake).len() == boots {
            run_for(&mut runtime, &fake, 10_000);
            break;
        }
        boots += 1;
        go_down(&mut runtime, &fake, libc::SIGTERM);
        fake.world().cut_power();
        fake.world().console.clear();
    }
    assert_eq!(boots, 2 + usize::from(crate::bootrec::GIVEN_BACK));
    assert_eq!(spawned(&fake).last().unwrap(), "/bin/pkgctl", "the initramfs itself");
    let said = fake.world().console_text();
    assert!(
        said.contains("boot 9 of generation 7 ended by reboot, as asked, 2023-11-14 "),
        "{said}"
    );
    assert!(said.contains("; its tries are used up; now generation 0"), "{said}");
    let r = record(&fake).unwrap();
    let failure = r.failure.unwrap();
    assert_eq!((failure.generation, failure.reason), (7, Reason::UsedUp));
    assert_eq!((r.generation, r.proven, r.aside), (0, true, false));
}

/// A proven generation is not left for what happens to it later: it runs on, or the rescue prompt opens.
#[test]
fn a_proven_generation_is_not_judged() {
    let fake = machine();
    boot_through(&fake);
    fake.world().cut_power();
    fake.world().programs.insert("/usr/bin/test", EXITED(9, 1));
    fake.world().programs.insert("/usr/sbin/daemon", EXITED(20, 1));
    let mut runtime = boot_through(&fake);
    assert_eq!(runtime.machine().name(), "running");
    assert!(fake.world().console_text().contains("daemon failed too often: done without"));
    assert!(!spawned(&fake)[5..].contains(&"/usr/bin/test".to_owned()), "nobody asks");
    fake.world().pkgd.ends_after = Some((20, Exit::Exited(1)));
    go_down(&mut runtime, &fake, libc::SIGTERM);
    fake.world().cut_power();
    let mut runtime = start(&fake);
    run_for(&mut runtime, &fake, 60_000);
    assert_eq!(runtime.machine().name(), "rescue");
    assert!(record(&fake).unwrap().proven);
}

/// A reboot would find the same: the initramfs comes up instead and can be asked.
#[test]
fn without_the_root_of_a_proven_generation_the_initramfs_comes_up() {
    let fake = machine();
    boot_through(&fake);
    fake.world().cut_power();
    fake.world().missing.insert("/newroot/etc".into());
    let runtime = boot_through(&fake);
    assert_eq!(runtime.machine().name(), "running");
    assert_eq!(spawned(&fake).last().unwrap(), "/bin/pkgctl");
    assert!(fake.world().console_text().contains("the root of generation 7: it lacks /etc"));
    assert!(!fake.world().mounted.iter().any(|m| m.starts_with("/newroot")));
    let r = record(&fake).unwrap();
    assert_eq!((r.generation, r.proven), (7, true), "the next boot looks again");
}

/// The disk takes nothing while the try is to be written down, and everything soon after. A first version went on with
/// the fallback, wrote down that the wish was obeyed, and never tried what was wished; nor a second time what had
/// failed once.
#[test]
fn a_try_that_cannot_be_written_down_is_not_used_and_the_next_boot_tries() {
    let refuses = |fake: &Fake| fake.world().no_writes = true;
    let hangs = |fake: &Fake| fake.world().hangs = |job| matches!(job, Job::WriteRecord { .. });
    for (spoil, failed_once) in
        [(refuses as fn(&Fake), false), (hangs, false), (refuses, true), (hangs, true)]
    {
        let fake = machine();
        if failed_once {
            fake.world().programs.insert("/usr/bin/test", EXITED(9, 1));
            run_for(&mut start(&fake), &fake, 60_000).expect("it reboots");
            fake.world().programs.insert("/usr/bin/test", EXITED(50, 0));
            fake.world().cut_power();
        }
        let tried = spawned(&fake).len();
        spoil(&fake);
        let mut runtime = start(&fake);
        while runtime.machine().name() != "running" {
            run_for(&mut runtime, &fake, 10);
        }
        fake.world().no_writes = false;
        fake.world().hangs = |_| false;
        run_for(&mut runtime, &fake, 90_000);
        assert_eq!(spawned(&fake)[tried..], ["/bin/pkgd", "/bin/pkgctl"], "the fallback");
        let said = fake.world().console_text();
        let story =
            "generation 7 is not tried: its try cannot be written down; the next boot tries it";
        assert!(said.contains(story), "{said}");
        let r = record(&fake).unwrap();
        assert_eq!((r.generation, r.aside, r.fallback), (7, true, 0), "it was written later");
        assert_eq!(r.tries_left, if failed_once { 1 } else { 2 });
        assert_eq!(fake.world().files.contains_key(WISH), !failed_once);
        assert_eq!(r.obeyed != 0, failed_once);

        drop(runtime);
        fake.world().cut_power();
        boot_through(&fake);
        assert_eq!(standings(&fake).last(), Some(&(7, Standing::Passed)));
        let said = fake.world().console_text();
        assert!(said.contains("beside the trial of generation 7 was cut off"), "{said}");
        assert!(!fake.world().files.contains_key(WISH));
    }
}

/// The seed is not there: an unattended boot ends at the rescue prompt. A first version read the record only later, so
/// that nothing was written of such a boot, whatever the page of the record says.
#[test]
fn a_boot_that_ends_at_the_rescue_prompt_for_want_of_a_seed_is_recorded_and_uses_no_try() {
    let fake = machine();
    let seed = fake.world().files.remove("/sys/class/block/vdb/serial").unwrap();
    let cmdline = "minos.build=x minos.then=poweroff";
    fake.world().files.insert("/proc/cmdline".into(), cmdline.into());
    let mut runtime = start(&fake);
    run_for(&mut runtime, &fake, 40_000);
    assert_eq!(runtime.machine().name(), "rescue");
    let r = record(&fake).unwrap();
    assert_eq!((r.reason, r.generation, r.aside, r.tries_left), (Reason::BootFailed, 7, true, 2));
    let off = run_for(&mut runtime, &fake, 30_000).expect("it ends by itself");
    assert_eq!(off.ending.reason, Reason::RescueTimeout);
    assert!(fake.world().files.contains_key(WISH), "nothing was obeyed");
    fake.world().cut_power();

    // Somebody mends it at the prompt: it is one boot, and a trial.
    let mut runtime = start(&fake);
    run_for(&mut runtime, &fake, 40_000);
    let said = fake.world().console_text();
    let story =
        "boot 1 beside the trial of generation 7 ended because nobody answered the rescue prompt";
    assert!(said.contains(story), "{said}");
    fake.world().files.insert("/sys/class/block/vdb/serial".into(), seed);
    fake.world().typed.extend(b"retry\n");
    run_for(&mut runtime, &fake, 10_000);
    assert_eq!(standings(&fake), [(7, Standing::Trial), (7, Standing::Passed)]);
    let r = record(&fake).unwrap();
    assert_eq!((r.boot_count, r.generation, r.proven, r.failure), (2, 7, true, None));
    assert!(!fake.world().files.contains_key(WISH));
}

/// The helper that hangs has written the try down and removed the wish: what is wished is in the record then.
#[test]
fn a_wish_whose_file_went_with_a_try_that_was_given_up_is_still_tried() {
    let fake = machine();
    fake.world().hangs = |job| matches!(job, Job::WriteRecord { .. });
    let mut runtime = start(&fake);
    while runtime.machine().name() != "running" {
        run_for(&mut runtime, &fake, 10);
    }
    fake.world().files.remove(WISH);
    fake.world().hangs = |_| false;
    go_down(&mut runtime, &fake, libc::SIGTERM);
    fake.world().cut_power();
    boot_through(&fake);
    assert_eq!(standings(&fake), [(7, Standing::Trial), (7, Standing::Passed)]);
}

fn damage_plan(fake: &Fake) {
    let path = format!("/newroot/{}", bootplan::PATH);
    fake.world().files.get_mut(&path).unwrap()[40] ^= 1;
}

fn lose_plan(fake: &Fake) {
    fake.world().files.remove(&format!("/newroot/{}", bootplan::PATH));
}

/// It is there to be mended. One on trial is bad: a first version called it proven as soon as the pkgd of the
/// initramfs was ready, and forgot the generation that worked.
#[test]
fn the_damaged_or_missing_plan_of_a_proven_generation_is_replaced_by_the_built_in_one() {
    for spoil in [damage_plan, lose_plan] {
        let fake = machine();
        boot_through(&fake);
        fake.world().cut_power();
        fake.world().spawned.clear();
        spoil(&fake);
        boot_through(&fake);
        assert_eq!(spawned(&fake), ["/run/initramfs/bin/pkgd", "/run/initramfs/bin/pkgctl"]);
        assert!(fake.world().console_text().contains("the built-in boot plan is used"));
        assert_eq!(standings(&fake).last(), Some(&(7, Standing::Proven)));
    }
}

/// The checks are passed, and then the disk does not take the word of it for a while. A first version tried once.
#[test]
fn a_proof_that_cannot_be_written_is_written_and_told_later() {
    let fake = machine();
    let mut runtime = start(&fake);
    while standings(&fake).is_empty() {
        run_for(&mut runtime, &fake, 10);
    }
    fake.world().no_writes = true;
    run_for(&mut runtime, &fake, 10_000);
    assert_eq!(standings(&fake), [(7, Standing::Trial)]);
    assert!(!record(&fake).unwrap().proven);
    let tried = |fake: &Fake| {
        fake.world()
            .log
            .iter()
            .filter(|l| l.starts_with("write_durable /state/boot/record"))
            .count()
    };
    let before = tried(&fake);
    assert!((4..8).contains(&before), "with pauses that grow: {before}");
    assert!(
        fake.world().console_text().contains("boot record not written: the helper exited with 5")
    );
    fake.world().no_writes = false;
    run_for(&mut runtime, &fake, 10_000);
    assert_eq!(standings(&fake), [(7, Standing::Trial), (7, Standing::Passed)]);
    assert!(record(&fake).unwrap().proven);
    assert_eq!(tried(&fake), before + 1);
}

/// A record that the disk would not give at this moment was taken for none, and a fresh one written over it: which
/// generation is proven was forgotten.
#[test]
fn a_record_that_cannot_be_read_is_not_written_over() {
    let fake = machine();
    boot_through(&fake);
    let proven = record(&fake).unwrap();
    assert!(proven.proven);
    fake.world().cut_power();
    fake.world().unreadable.insert(crate::record::PATH.into());
    boot_through(&fake);
    assert!(fake.world().console_text().contains("nothing is written over the boot record"));
    fake.world().unreadable.clear();
    assert_eq!(record(&fake), Some(proven));
}

#[test]
fn a_damaged_wish_is_said_removed_and_not_obeyed() {
    let fake = machine();
    fake.world().files.get_mut(WISH).unwrap()[9] ^= 1;
    boot_through(&fake);
    assert!(fake.world().console_text().contains("/state/boot/next is damaged"));
    assert!(!fake.world().files.contains_key(WISH));
    assert_eq!(standings(&fake), []);
}

#[test]
fn a_generation_on_the_command_line_counts_for_one_boot() {
    let fake = machine();
    fake.world().files.insert("/proc/cmdline".into(), "minos.generation=5".into());
    fake.world().programs.insert("/usr/bin/test", EXITED(9, 1));
    boot_through(&fake);
    assert_eq!(standings(&fake), [(5, Standing::Proven)]);
    assert!(fake.world().log.iter().any(|l| l == "directory /state/roots/5"));
    assert!(fake.world().files.contains_key(WISH), "for the next boot");
    let r = record(&fake).unwrap();
    assert_eq!((r.generation, r.aside, r.fallback), (0, true, 0));
    fake.world().cut_power();
    fake.world().files.insert("/proc/cmdline".into(), "quiet".into());
    boot_through(&fake);
    assert_eq!(standings(&fake)[1], (7, Standing::Trial));
}

#[test]
fn somebody_at_the_console_may_choose() {
    let fake = machine();
    fake.world().lists.insert("/state/roots", vec!["7", ".staging-8", "5"]);
    fake.world().typed.extend(b"g\n9\n5\n");
    boot_through(&fake);
    let said = fake.world().console_text();
    assert!(
        said.contains("generation 7; type g") && said.contains("(the initramfs) 5 7\n"),
        "{said}"
    );
    assert!(fake.world().log.iter().any(|l| l == "directory /state/roots/5"), "{said}");
    assert!(record(&fake).unwrap().aside);
}

#[test]
fn nobody_at_the_console_costs_two_seconds_and_a_list_nobody_answers_ends() {
    for (typed, least, most) in
        [(&b""[..], 2_000, 2_500), (b"g\n", 30_000, 31_000), (b"g\n\n", 0, 500)]
    {
        let fake = machine();
        fake.world().lists.insert("/state/roots", vec!["7"]);
        fake.world().typed.extend(typed);
        let mut runtime = start(&fake);
        let began = fake.world().now;
        run_for(&mut runtime, &fake, 40_000);
        let took = fake.world().spawned[0].0 - began;
        assert!((least..most).contains(&took), "{took}");
        assert_eq!(standings(&fake)[0], (7, Standing::Trial));
    }
}

#[test]
fn an_unattended_machine_is_not_asked() {
    let fake = machine();
    fake.world().lists.insert("/state/roots", vec!["7"]);
    fake.world().files.insert("/proc/cmdline".into(), "minos.build=x".into());
    boot_through(&fake);
    assert!(!fake.world().console_text().contains("type g"));
}

#[test]
fn the_way_down_leaves_the_root_read_only() {
    let fake = machine();
    let mut runtime = boot_through(&fake);
    let off = go_down(&mut runtime, &fake, libc::SIGUSR2);
    assert!(off.is_clean());
    assert_eq!(fake.world().mounted.iter().filter(|m| *m == "/").count(), 1);
    assert!(fake.world().read_only.contains(&"/".to_owned()));
}

/// The power goes after every single turn of a boot on trial. Whatever was lost with it: a generation that has
/// said that it is proven stays so, and the tries are used up one by one.
#[test]
fn the_power_may_go_at_any_turn_of_the_trial() {
    let mut proven = 0;
    for turns in 0..1_000 {
        let fake = machine();
        let mut runtime = start(&fake);
        for _ in 0..turns {
            runtime.turn();
        }
        drop(runtime);
        let told = standings(&fake).contains(&(7, Standing::Passed));
        fake.world().cut_power();
        let left = record(&fake);
        if told {
            let left = left.unwrap();
            assert_eq!((left.generation, left.proven), (7, true), "after {turns} turns");
            proven += 1;
        }
        if proven > 3 {
            return;
        }
        let next = Record::next_boot(
            left,
            BootNext::decode(fake.world().files.get(WISH).map_or(&[][..], |b| b)).as_ref(),
        );
        assert_eq!(next.generation, 7, "after {turns} turns");
        assert!(next.proven || (0..2).contains(&next.tries_left), "after {turns} turns");
    }
    panic!("it is never proven");
}

/// Seen in the machine: a helper was still writing that pkgd is ready when the last check passed. Its end was
/// taken for that of the helper that writes the proof, the host was told, the power went, and nothing was proven.
#[test]
fn nobody_is_told_of_a_proof_before_it_is_on_disk() {
    let fake = machine();
    fake.world().helper_ms = 5_000;
    let mut runtime = start(&fake);
    for _ in 0..10_000 {
        runtime.turn();
        if standings(&fake).contains(&(7, Standing::Passed)) {
            assert!(record(&fake).unwrap().proven);
            return;
        }
    }
    panic!("it is never proven: {}", fake.world().console_text());
}

fn survives(fault: Fault) {
    survives_within(&machine(), fault, boot_bound_ms() + 20_000 + stop_bound_ms());
}

#[test]
fn any_one_call_of_a_trial_may_fail_and_so_may_all_of_them() {
    let fake = machine();
    let _runtime = boot(&fake);
    let calls = fake.world().calls;
    assert!(calls > 150, "{calls}");
    for n in (1..=calls).step_by(2) {
        survives(Fault::Once(n, Errno::EIO));
    }
    for n in (1..=calls).step_by(9) {
        survives(Fault::From(n, Errno::ENOMEM));
    }
}
