//! The booted appliance: it builds unattended, survives power cuts, and says what is wrong with its disks.
#![cfg(feature = "vm")]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::FileExt as _;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use minos_model::{FailureClass, Phase};
use minos_proto::{BootEvent, BootPhase, EventBody};
use minos_qemu::ending::Ending;
use minos_qemu::observe::Observation;
use minos_qemu::volatile::Survivors;
use minos_qemu::watch::Order;
use minos_tests::appliance::Appliance;
use minos_tests::disk::head;
use minos_tests::trials::{last_boot, standings};
use minos_tests::{Recipes, Root};

/// Power cuts in one test, as often as the promise says.
const CUTS: u64 = 20;

#[test]
fn smoke_boots_builds_a_real_package_and_powers_off() {
    let mut appliance = Appliance::new();
    appliance.append("minos.build=demo/zlib minos.then=poweroff");
    let run = appliance.run_through();
    run.must_succeed();
    let Ending::Verdict(verdict) = &run.report.ending else { unreachable!() };
    assert_eq!((verdict.built, verdict.failed.len()), (1, 0), "{verdict:?}");
    println!("smoke: {:.0} s wall", run.report.wall.as_secs_f64());
    let bye = run.events.iter().any(|e| matches!(e, BootEvent::Bye { clean: true, .. }));
    assert!(bye, "file systems were left clean: {:?}", run.events.last());
    // The next boot knows how this one ended, and has nothing left to do.
    let again = appliance.run_through();
    again.must_succeed();
    let Ending::Verdict(verdict) = &again.report.ending else { unreachable!() };
    assert_eq!((verdict.built, verdict.cached), (0, 1));
    assert_eq!(last_boot(&again), "boot 1 ended by power-off, as asked");
}

/// Steps that take about a second each under emulation and notice a phase run over its own leavings.
fn chain() -> Recipes {
    let mut recipes = Recipes::new();
    let once = |what: &str| {
        format!(
            "test ! -e {what}\nfor i in 1 2 3 4; do echo {what} $i >> {what}; sleep 0.1; done\n"
        )
    };
    let mut previous: Option<String> = None;
    for n in 1..=4 {
        let name = format!("link{n}");
        let install = format!(
            "mkdir -p /usr/share/{name}\nsleep 0.2\ncat configured built > /usr/share/{name}/file\n\
             ln /usr/share/{name}/file /usr/share/{name}/second\nln -s file /usr/share/{name}/link\n"
        );
        let needs: Vec<&str> = previous.as_deref().into_iter().collect();
        let phases =
            [("configure", once("configured")), ("build", once("built")), ("install", install)];
        let phases: Vec<(&str, &str)> = phases.iter().map(|(p, s)| (*p, s.as_str())).collect();
        recipes.step(&name, &needs, &phases);
        previous = Some(name);
    }
    recipes
}

#[test]
fn twenty_power_cuts_change_nothing_but_the_time_it_takes() {
    let recipes = chain();
    let expected: BTreeSet<String> =
        Root::new(recipes.path()).outputs("demo/link4").into_values().collect();
    let mut appliance = Appliance::with_recipes(recipes.path()).state(|disk| Some(disk.volatile()));
    appliance.append("minos.build=demo/link4 minos.then=poweroff");
    let mut lost = Vec::new();
    for cut in 1..=CUTS {
        // From the moment pkgd serves, up to about as long as the whole build takes.
        let after = Duration::from_millis(cut * 977 % 9000);
        let mut ready: Option<Instant> = None;
        let run = appliance.run(&mut |seen| {
            if let Observation::Boot(BootEvent::Phase { phase: BootPhase::Ready, .. }) = seen {
                ready = Some(Instant::now());
            }
            match ready {
                Some(at) if at.elapsed() >= after => Order::CutPower(Survivors::Random(cut)),
                _ => Order::Continue,
            }
        });
        match &run.report.ending {
            Ending::PowerCut => lost.push(cut),
            // The build was done before the moment came: that boot proves nothing, but harms nothing.
            Ending::Verdict(v) if v.success => {}
            other => panic!("cut {cut}: {other}\n{}", run.console),
        }
    }
    assert!(!lost.is_empty(), "no cut hit the build");
    let last = appliance.run_through();
    last.must_succeed();
    appliance.look("ro", |state| {
        let names = |folder: &str| -> BTreeSet<String> {
            let list = fs::read_dir(state.join(folder)).expect("a folder").flatten();
            list.map(|e| e.file_name().to_string_lossy().into_owned()).collect()
        };
        assert_eq!(names("outputs"), expected, "after cuts {lost:?}");
        assert_eq!(names("scratch"), BTreeSet::new());
    });
}

/// Kernel, initramfs and command line in one EFI program, state and seed in partitions found by name.
#[test]
fn a_disk_for_bare_hardware_boots_by_uefi_firmware_and_builds() {
    let mut recipes = Recipes::new();
    recipes.step("one", &[], &[]);
    let appliance = Appliance::with_recipes(recipes.path())
        .on_bare_hardware("console=ttyS0 panic=-1 quiet minos.build=demo/one minos.then=poweroff");
    appliance.run_through().must_succeed();
}

#[test]
fn a_missing_state_disk_fails_the_unattended_build_and_says_so() {
    let mut appliance = Appliance::new().state(|_| None);
    appliance.append("minos.build=demo/zlib minos.then=poweroff");
    let run = appliance.run_through();
    assert!(
        !matches!(&run.report.ending, Ending::Verdict(v) if v.success),
        "{}",
        run.report.ending
    );
    assert!(run.says("minos-state"), "the label that was looked for is named: {}", run.console);
}

#[test]
fn a_state_disk_without_the_label_is_not_touched() {
    let mut appliance = Appliance::new();
    let relabelled = std::process::Command::new("tune2fs")
        .args(["-L", "photos"])
        .arg(appliance.state_image())
        .output()
        .expect("tune2fs runs");
    assert!(relabelled.status.success());
    let before = head(appliance.state_image());
    appliance = appliance.state(|mut disk| {
        disk.serial = "some-disk".to_owned();
        Some(disk)
    });
    appliance.append("minos.build=demo/zlib minos.then=poweroff");
    let run = appliance.run_through();
    assert!(
        !matches!(&run.report.ending, Ending::Verdict(v) if v.success),
        "{}",
        run.report.ending
    );
    assert!(run.says("minos-state"), "{}", run.console);
    assert_eq!(before, head(appliance.state_image()), "a disk that is not ours is not written");
}

#[test]
fn a_read_only_state_disk_is_named() {
    let mut appliance = Appliance::new().state(|disk| Some(disk.read_only()));
    appliance.append("minos.build=demo/zlib minos.then=poweroff");
    let run = appliance.run_through();
    assert!(
        !matches!(&run.report.ending, Ending::Verdict(v) if v.success),
        "{}",
        run.report.ending
    );
    assert!(run.says("read-only"), "{}", run.console);
}

#[test]
fn a_full_state_disk_is_named() {
    let mut appliance = Appliance::new();
    appliance.look("rw", |state| {
        let _ = std::process::Command::new("dd")
            .args(["if=/dev/zero", "bs=1M", "status=none"])
            .arg(format!("of={}", state.join("ballast").display()))
            .stderr(std::process::Stdio::null())
            .status();
    });
    appliance.append("minos.build=demo/zlib minos.then=poweroff");
    let run = appliance.run_through();
    assert!(
        !matches!(&run.report.ending, Ending::Verdict(v) if v.success),
        "{}",
        run.report.ending
    );
    assert!(run.says("space") || run.says("full"), "{}", run.console);
}

#[test]
fn a_boot_record_with_a_flipped_bit_in_either_slot_is_noticed_and_not_obeyed() {
    let mut recipes = Recipes::new();
    recipes.step("one", &[], &[]);
    let mut appliance = Appliance::with_recipes(recipes.path());
    appliance.append("minos.build=demo/one minos.then=poweroff");
    appliance.run_through().must_succeed();
    for slot in 0..2 {
        appliance.look("rw", |state| {
            let record = fs::File::options().read(true).write(true).open(state.join("boot/record"));
            let record = record.expect("the boot record");
            let mut byte = [0];
            let at = slot * 4096 + 20;
            record.read_exact_at(&mut byte, at).expect("a byte");
            byte[0] ^= 0x10;
            record.write_all_at(&byte, at).expect("a byte");
        });
        let run = appliance.run_through();
        run.must_succeed();
        let damaged = "one slot of the boot record is damaged: the other is used";
        assert!(run.says(damaged), "slot {slot}: the damage is told: {}", run.console);
        // The bit is one of the number of a generation.
        assert_eq!(standings(&run), [], "slot {slot}: {}", run.console);
        let boots: u64 =
            last_boot(&run)["boot ".len()..].split(' ').next().unwrap().parse().unwrap();
        assert!((1..=3).contains(&boots), "{}", last_boot(&run));
    }
}

#[test]
fn a_kernel_without_landlock_builds_nothing_and_says_why() {
    let mut appliance = Appliance::new();
    appliance.append("lsm=capability minos.build=demo/zlib minos.then=poweroff");
    let run = appliance.run_through();
    let Ending::Verdict(verdict) = &run.report.ending else {
        panic!("{}\n{}", run.report.ending, run.console)
    };
    assert!(!verdict.success);
    assert!(verdict.summary.to_lowercase().contains("landlock"), "{verdict:?}");
}

/// The power goes while a step writes and syncs: the next boot says so and finishes the build.
#[test]
fn a_power_cut_in_a_phase_is_told_and_the_build_goes_on() {
    let mut recipes = Recipes::new();
    recipes.step(
        "slow",
        &[],
        &[("build", "for i in $(seq 100); do echo $i >> log; sync; sleep 0.1; done\n")],
    );
    let mut appliance = Appliance::with_recipes(recipes.path()).state(|disk| Some(disk.volatile()));
    appliance.append("minos.build=demo/slow minos.then=poweroff minos.restart_limit=2");
    let mut building = false;
    let run = appliance.run(&mut |seen| {
        if let Observation::Event(event) = seen {
            building |= matches!(event.body, EventBody::PhaseStarted { .. });
        }
        if building { Order::CutPower(Survivors::None) } else { Order::Continue }
    });
    assert!(matches!(run.report.ending, Ending::PowerCut), "{}", run.report.ending);
    let again = appliance.run_through();
    again.must_succeed();
    let told = last_boot(&again);
    assert!(
        told.starts_with("boot 1 was cut off (power cut, watchdog or kernel crash) after phase"),
        "{told}"
    );
}

/// What a suite had synced before it noted a part as done outlives a power cut, and the suite goes on behind it.
#[test]
fn a_suite_goes_on_behind_a_power_cut() {
    let mut recipes = Recipes::new();
    let parts = "ran() { echo RAN $1; echo PASS: $1 >> \"$TEST_RESULTS\"; sync; touch $1.done; sync; }\n\
        test -e one.done || ran one\n\
        test \"$(cat waits)\" = no || { echo no > waits; sync; sleep 600; }\n\
        ran two\n";
    let build = ("build", "echo yes > waits\n");
    recipes.step_with("long", &[], &[build, ("check", parts)], "[check]\nresume = true\n");
    let mut appliance = Appliance::with_recipes(recipes.path()).state(|disk| Some(disk.volatile()));
    appliance.append("minos.build=demo/long minos.tests=all minos.then=poweroff");
    let mut seconds = 0;
    let run = appliance.run(&mut |seen| {
        if let Observation::Event(event) = seen
            && let EventBody::Progress { running, .. } = &event.body
        {
            seconds += usize::from(running.iter().any(|step| step.phase == Some(Phase::Check)));
        }
        // Long enough for the first part, and for less than what the second one waits.
        if seconds > 15 { Order::CutPower(Survivors::None) } else { Order::Continue }
    });
    assert!(matches!(run.report.ending, Ending::PowerCut), "{}", run.report.ending);
    appliance.run_through().must_succeed();
    let log = appliance.look("ro", |state| {
        let logs = fs::read_dir(state.join("logs/000")).expect("logs").flatten();
        let newest = logs.map(|log| log.path()).max().expect("a log");
        let read = std::process::Command::new("zstd").arg("-dc").arg(newest).output();
        String::from_utf8_lossy(&read.expect("zstd runs").stdout).into_owned()
    });
    assert!(log.contains("pkgd: goes on where it was interrupted\n"), "{log}");
    assert!(!log.contains("RAN one\n") && log.contains("RAN two\n"), "{log}");
    assert!(log.contains("pkgd: tests: 2 passed\n"), "{log}");
}

/// A CPU with hardly more than the baseline, then one with all that the emulator has, in turns. What is built must not
/// depend on which of them it was, and a build that was cut off at any boundary on the one goes on on the other.
#[test]
fn a_build_that_was_cut_off_goes_on_on_another_cpu() {
    let mut recipes = Recipes::new();
    let source = "int sum(const int *a, int n) { int s = 0; for (int i = 0; i < n; i++) s += a[i]; return s; }";
    let build = format!("echo '{source}' > sum.c\ngcc -O3 -c sum.c\n");
    let install =
        |name: &str| format!("mkdir -p /usr/lib/{name}\ncp sum.o /usr/lib/{name}\nsleep 1\n");
    recipes.step("first", &[], &[("build", &build), ("install", &install("first"))]);
    recipes.step("second", &["first"], &[("build", &build), ("install", &install("second"))]);
    let expected: BTreeSet<String> =
        Root::new(recipes.path()).outputs("demo/second").into_values().collect();
    let mut appliance = Appliance::with_recipes(recipes.path()).state(|disk| Some(disk.volatile()));
    appliance.append("minos.build=demo/second minos.then=poweroff");
    let (mut passed, mut builds) = (BTreeSet::new(), Vec::new());
    let cuts = loop {
        let mut hit = false;
        let run = appliance.run(&mut |seen| {
            let Observation::Event(event) = seen else { return Order::Continue };
            // Not what was begun: the machine goes on for a moment after what is told here.
            if let EventBody::PhaseDone { step, phase: Phase::Build, .. } = &event.body {
                builds.push(step.to_string());
            }
            let boundary = match &event.body {
                EventBody::PhaseDone { step, phase, .. } => format!("{step} {phase:?}"),
                EventBody::StepBuilt { step, .. } if step.to_string() == "first" => {
                    step.to_string()
                }
                _ => return Order::Continue,
            };
            hit |= passed.insert(boundary);
            if hit { Order::CutPower(Survivors::Random(1)) } else { Order::Continue }
        });
        if !hit {
            run.must_succeed();
            break passed.len();
        }
        assert!(matches!(run.report.ending, Ending::PowerCut), "{}", run.report.ending);
        appliance.cpu(if passed.len() % 2 == 1 { "max" } else { "qemu64" });
    };
    assert!(cuts >= 4, "{passed:?}");
    assert_eq!(builds, ["first", "second"], "no build is run twice");
    appliance.look("ro", |state| {
        let list = fs::read_dir(state.join("outputs")).expect("outputs").flatten();
        let found: BTreeSet<String> =
            list.map(|e| e.file_name().to_string_lossy().into_owned()).collect();
        assert_eq!(found, expected);
    });
}

/// Nobody else ends a machine whose attendant has panicked: the test hung for twenty minutes, and said nothing.
#[test]
fn a_talk_that_panics_ends_the_machine() {
    let appliance = Appliance::new();
    let attended = std::panic::catch_unwind(AssertUnwindSafe(|| {
        appliance.attend(|_| -> () { panic!("as it should") });
    }));
    let said = attended.expect_err("the panic comes out").downcast::<&str>().expect("its text");
    assert_eq!(*said, "as it should");
}

/// The real pkgctl from the host, over the control port of a real machine.
#[test]
fn pkgctl_drives_a_machine_from_outside() {
    let mut recipes = Recipes::new();
    recipes.step("tiny", &[], &[]);
    recipes.step("broken", &[], &[("build", "false\n")]);
    let appliance = Appliance::with_recipes(recipes.path());
    let (run, said) = appliance.attend(|socket| {
        let pkgctl = |words: &[&str]| {
            let mut command = std::process::Command::new(minos_tests::artefacts::binary("pkgctl"));
            let ran = command.arg(format!("--vm={}", socket.display())).args(words).output();
            let ran = ran.expect("pkgctl runs");
            let text = String::from_utf8_lossy(&ran.stdout).into_owned();
            (ran.status.code(), text + &String::from_utf8_lossy(&ran.stderr))
        };
        let status = pkgctl(&["status", "--json"]);
        let builds = ["demo/tiny", "demo/tiny", "demo/broken"].map(|t| pkgctl(&["build", t]));
        let log = pkgctl(&["log", "tiny"]);
        let events = pkgctl(&["events", "--json"]);
        (status, builds, log, events, pkgctl(&["poweroff"]))
    });
    let (status, [built, cached, failed], log, events, poweroff) = said;
    assert!(status.0 == Some(0) && status.1.contains(r#""host_mode":false"#), "{status:?}");
    assert!(built.0 == Some(0) && built.1.contains("1 built"), "{built:?}");
    assert!(cached.0 == Some(0) && cached.1.contains("1 cached"), "{cached:?}");
    assert!(failed.0 == Some(1) && failed.1.contains("FAILED script in build"), "{failed:?}");
    assert!(log.0 == Some(0), "{log:?}");
    assert!(events.1.contains(r#""event":"step-built""#), "{events:?}");
    assert_eq!(poweroff.0, Some(0), "{poweroff:?}");
    assert!(run.events.iter().any(|e| matches!(e, BootEvent::Bye { clean: true, .. })));
}

/// The state disk is gone in the middle of a phase. Nothing can be recorded any more, so nothing may be told
/// to be built; the machine says which disk it was, and still powers off by itself.
#[test]
fn a_state_disk_that_dies_in_a_build_ends_in_words() {
    let mut recipes = Recipes::new();
    recipes.step(
        "slow",
        &[],
        &[("build", "for i in $(seq 20); do echo $i >> log; sync; sleep 0.2; done\n")],
    );
    let mut appliance = Appliance::with_recipes(recipes.path());
    appliance.append("minos.build=demo/slow minos.then=poweroff");
    let mut detached = false;
    let run = appliance.run(&mut |seen| {
        let started = matches!(seen, Observation::Event(event)
            if matches!(event.body, EventBody::PhaseStarted { .. }));
        if started && !std::mem::replace(&mut detached, true) {
            return Order::Detach("minos-state");
        }
        Order::Continue
    });
    assert!(detached, "the build began: {}", run.console);
    let Ending::Verdict(verdict) = &run.report.ending else {
        panic!("{}\n{}\n{:#?}", run.report.ending, run.console, run.events)
    };
    assert!(!verdict.success, "{verdict:?}");
    let told = verdict.summary.contains("the state disk failed: cannot write '/state/");
    assert!(told, "the disk that died is named: {verdict:?}\n{}", run.console);
    assert_eq!(verdict.built, 0, "{verdict:?}");
    // The step was told as "running" and nothing as failed: the rows had stopped with the disk.
    let failed: Vec<_> = verdict.failed.iter().map(|(s, f)| (s.to_string(), f.class)).collect();
    assert_eq!(failed, [("slow".to_owned(), FailureClass::State)], "{verdict:?}");
    // Unmounting a dead disk succeeds, and so does sync(2): init called the file systems clean.
    let bye = run.events.iter().any(|e| matches!(e, BootEvent::Bye { clean: false, .. }));
    assert!(bye, "{:?}\n{}", run.events.last(), run.console);
    assert!(run.says("NOT clean: state disk failed"), "{}", run.console);
    let panicked = run.events.iter().any(|e| matches!(e, BootEvent::Panic { .. }));
    assert!(!panicked, "{:?}", run.events);
}
