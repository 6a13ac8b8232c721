use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

use super::{
    BootPhase, CULPRIT, Culprit, Failure, GIVEN_BACK, HALF, Reason, Record, SENTENCE, SLOT,
    SLOT_STRIDE, choose, read,
};
use crate::BootNext;

/// A time in 2026.
const NOW: u64 = 1_795_267_205;
const WISH: BootNext = BootNext { generation: 7, proven: false, tries: 3, id: *b"randomly" };

fn proven(generation: u64) -> Record {
    Record { generation, fallback: generation, ..Record::fresh() }
}

/// A boot of generation 7 on trial, with 6 proven.
fn on_trial() -> Record {
    Record::next_boot(Some(proven(6)), Some(&WISH)).stamped(NOW)
}

fn two() -> ([[u8; SLOT]; 2], Record, Record) {
    let old = on_trial();
    let new = old.failing(Reason::CheckFailed, Culprit::new("net"), NOW).stamped(NOW);
    let mut slots = [[0; SLOT]; 2];
    for r in [old, new] {
        slots[(r.offset() / SLOT_STRIDE) as usize] = r.encode();
    }
    (slots, old, new)
}

/// The bytes on disk are a promise to programs built at another time.
#[test]
fn golden_bytes() {
    let r = Record {
        sequence: 0x0102,
        generation: 7,
        fallback: 6,
        boot_count: 3,
        written_at: 0x6543_2100,
        pkgd_restarts: 9,
        proven: false,
        aside: true,
        tries_left: 2,
        given_back: 3,
        phase: BootPhase::Ready,
        reason: Reason::PowerButton,
        obeyed: 0x0403_0201,
        failure: None,
    };
    let b = r.encode();
    assert_eq!(&b[..16], b"MINOSBR1\x02\x01\0\0\0\0\0\0");
    assert_eq!(b[16..48].iter().filter(|b| **b != 0).count(), 6);
    assert_eq!(b[48..60], [9, 0, 0, 0, 2 | 3 << 2, 2, 5, 5, 1, 2, 3, 4]);
    assert_eq!(b[HALF..], [0; HALF]);
    assert_eq!(Record::decode(&b), Some(r));

    let culprit = Culprit::new("net");
    let failure = Failure { generation: 5, at: 0x0908, reason: Reason::CheckFailed, culprit };
    let r = Record { failure: Some(failure), ..r };
    let b = r.encode();
    assert_eq!(
        b[HALF..HALF + 28],
        *b"\x02\x01\0\0\0\0\0\0\x05\0\0\0\0\0\0\0\x08\x09\0\0\0\0\0\0\x0dnet"
    );
    assert_eq!(b[HALF + 28..HALF + 60].iter().filter(|b| **b != 0).count(), 1);
    assert_eq!(b[HALF + 57], 1);
    assert_eq!(Record::decode(&b), Some(r));
}

/// State disks that were made before generations could be booted have slots of 64 bytes.
#[test]
fn a_record_without_a_second_half_is_read() {
    let r = proven(0).stamped(NOW);
    let b = r.encode();
    let mut file = vec![0; SLOT_STRIDE as usize];
    file.extend(&b[..HALF]);
    assert_eq!(r.offset(), SLOT_STRIDE);
    assert_eq!(read(&file).record, Some(r));
    assert_eq!(read(&[]).record, None);
}

/// The slot is one write of two halves: a disk may take the first and lose the second.
#[test]
fn a_torn_write_between_the_halves_is_detected() {
    let (slots, old, new) = two();
    let newer = new.stamped(NOW + 9);
    assert_eq!(newer.offset(), old.offset());
    let mut torn = newer.encode();
    let at = (old.offset() / SLOT_STRIDE) as usize;
    let stale = Record { failure: new.failure, ..old }.encode();
    torn[HALF..].copy_from_slice(&stale[HALF..]);
    let mut slots = slots;
    slots[at] = torn;
    assert_eq!((choose(&slots).record, choose(&slots).damaged), (Some(new), 1));
}

#[test]
fn the_newer_slot_counts_and_writes_alternate() {
    let (slots, old, new) = two();
    assert_ne!(old.offset(), new.offset());
    assert_eq!(choose(&slots).record, Some(new));
}

#[test]
fn every_flipped_bit_in_either_slot_is_detected_and_the_other_slot_is_used() {
    let (slots, old, new) = two();
    for slot in 0..2 {
        for bit in 0..SLOT * 8 {
            let mut bad = slots;
            bad[slot][bit / 8] ^= 1 << (bit % 8);
            let found = choose(&bad);
            let newest = (new.offset() / SLOT_STRIDE) as usize;
            let expected = if slot == newest { old } else { new };
            assert_eq!((found.record, found.damaged), (Some(expected), 1), "{slot} {bit}");
        }
    }
}

#[test]
fn both_damaged_gives_a_fresh_record_and_says_so() {
    let (mut slots, ..) = two();
    slots[0][9] ^= 1;
    slots[1][63] ^= 0x80;
    let found = choose(&slots);
    assert_eq!((found.record, found.damaged), (None, 2));
    assert!(found.to_string().contains("both slots"), "{found}");
    assert_eq!(choose(&[[0; SLOT]; 2]).damaged, 0, "an empty file is not damage");
    assert_eq!(Record::next_boot(None, None).boot_count, 1);
}

/// gokrazy: the intent to try is consumed before it is acted on, so a hang boots the old one.
#[test]
fn the_try_is_consumed_before_it_is_used_and_then_the_proven_one_is_taken() {
    let new =
        Record { generation: 5, fallback: 4, proven: false, tries_left: 2, ..Record::fresh() };
    let first = Record::next_boot(Some(new), None);
    assert_eq!((first.generation, first.tries_left), (5, 1));
    let second = Record::next_boot(Some(first), None);
    assert_eq!((second.generation, second.tries_left), (5, 0));
    let third = Record::next_boot(Some(second), None);
    assert_eq!((third.generation, third.proven), (4, true));
}

/// rauc/rauc#490: three quick power cuts of a healthy system switched to an old slot.
#[test]
fn power_cuts_of_a_proven_generation_change_nothing() {
    let mut r =
        Record { generation: 5, fallback: 5, proven: true, tries_left: 0, ..Record::fresh() };
    for _ in 0..50 {
        r = Record::next_boot(Some(r), None);
    }
    assert_eq!((r.generation, r.proven, r.boot_count), (5, true, 50));
}

/// meta-balena#1316: deliberate reboots were counted as failures.
#[test]
fn a_deliberate_end_gives_the_try_back_once() {
    let new = Record { generation: 5, proven: false, tries_left: 1, ..Record::fresh() };
    let boot = Record::next_boot(Some(new), None);
    let end = boot.ending(Reason::Reboot).ending(Reason::Reboot);
    assert_eq!(end.tries_left, 1);
    assert_eq!(boot.ending(Reason::RescueTimeout).tries_left, 0);
}

#[test]
fn a_wish_is_obeyed_once() {
    let first = on_trial();
    assert_eq!((first.generation, first.fallback, first.tries_left), (7, 6, 2));
    assert!(first.is_trial());
    // The power was cut before the file was removed: the wish is still there.
    let second = Record::next_boot(Some(first), Some(&WISH));
    assert_eq!((second.generation, second.tries_left), (7, 1));
    let fourth = (0..2).fold(second, |r, _| Record::next_boot(Some(r), Some(&WISH)));
    assert_eq!((fourth.generation, fourth.is_trial()), (6, false), "tries ran out");
    let again = BootNext { id: *b"another!", ..WISH };
    assert!(Record::next_boot(Some(fourth), Some(&again)).is_trial(), "asked for anew");
}

#[test]
fn a_wish_for_a_proven_generation_is_no_trial() {
    for wish in [BootNext { proven: true, ..WISH }, BootNext { generation: 0, ..WISH }] {
        let r = Record::next_boot(Some(proven(6)), Some(&wish));
        assert_eq!((r.generation, r.fallback), (wish.generation, wish.generation));
        assert!(r.proven && !r.is_trial());
    }
    // pkgd forgot that it is: this record knows.
    let r = Record::next_boot(Some(proven(6)), Some(&BootNext { generation: 6, ..WISH }));
    assert!(r.proven);
}

#[test]
fn a_wish_during_a_trial_keeps_the_fallback() {
    let eight = BootNext { generation: 8, id: *b"another!", ..WISH };
    let r = Record::next_boot(Some(on_trial()), Some(&eight));
    assert_eq!((r.generation, r.fallback, r.tries_left), (8, 6, 2));
    assert_eq!(r.failure.map(|f| f.generation), Some(7), "it was cut off");
}

#[test]
fn what_has_passed_is_proven_and_stays_so() {
    let r = on_trial().passed();
    assert_eq!((r.proven, r.fallback, r.tries_left), (true, 7, 0));
    let later = (0..20).fold(r, |r, _| Record::next_boot(Some(r), Some(&WISH)));
    assert_eq!((later.generation, later.proven, later.failure), (7, true, None));
}

/// A boot of another generation says nothing about the one on trial, and gives back no try it did not take.
#[test]
fn a_boot_chosen_by_hand_changes_nothing() {
    let waiting = on_trial().ending(Reason::Reboot);
    for end in [Reason::InProgress, Reason::Reboot, Reason::RescueTimeout] {
        let aside = Record::set_aside(Some(waiting));
        assert!(!aside.is_trial() && !aside.passed().proven);
        let after = Record::next_boot(Some(aside.ending(end)), None);
        assert_eq!((after.generation, after.tries_left, after.failure), (7, 2, None), "{end:?}");
        assert!(after.is_trial());
    }
}

/// A try that could not be written down is there again, whichever of the wish and the record the disk keeps.
#[test]
fn a_boot_whose_try_is_not_written_down_uses_none_and_forgets_none() {
    for last in [None, Some(proven(6)), Some(on_trial())] {
        let planned = Record::next_boot(last, Some(&WISH));
        let beside = planned.untried(last.as_ref());
        assert!(!beside.is_trial() && !beside.passed().proven);
        assert_eq!(beside.obeyed, last.map_or(0, |r| r.obeyed));
        let left = [last, Some(beside), Some(beside.ending(Reason::Reboot))];
        for (left, wish) in left.iter().flat_map(|r| [(r, Some(&WISH)), (r, None)]) {
            if left.is_none_or(|r| !r.aside && r.proven) && wish.is_none() {
                continue;
            }
            let next = Record::next_boot(*left, wish);
            assert!(next.is_trial(), "{left:?} {wish:?}");
            let (generation, tries) = (next.generation, next.tries_left);
            assert_eq!((generation, tries), (7, planned.tries_left), "{left:?}");
        }
    }
}

#[test]
fn the_failure_is_kept_until_there_is_another() {
    let bad = on_trial().failing(Reason::CheckFailed, Culprit::new("net"), NOW);
    let failure = bad.failure.unwrap();
    assert_eq!(failure.to_string(), "generation 7 failed its check: net, 2026-11-21 13:20:05 UTC");
    let later = (0..9).fold(bad, |r, _| Record::next_boot(Some(r.ending(Reason::Reboot)), None));
    assert_eq!(later.failure, Some(failure));
    assert_eq!(proven(6).failing(Reason::CheckFailed, Culprit::new("net"), NOW).failure, None);
}

#[test]
fn the_sentence_tells_generation_reason_time_and_what_follows() {
    let first = on_trial().failing(Reason::CheckFailed, Culprit::new("net"), NOW).stamped(NOW);
    let second = Record::next_boot(Some(first), None);
    assert_eq!(
        first.sentence(&second),
        "boot 1 of generation 7 failed its check: net, 2026-11-21 13:20:05 UTC"
    );
    let last = Record { tries_left: 0, ..first };
    assert_eq!(
        last.sentence(&Record::next_boot(Some(last), None)),
        "boot 1 of generation 7 failed its check: net, 2026-11-21 13:20:05 UTC; now generation 6"
    );
    let beside = on_trial().untried(None).ending(Reason::Reboot).stamped(NOW);
    assert_eq!(
        beside.sentence(&Record::next_boot(Some(beside), None)),
        "boot 1 beside the trial of generation 7 ended by reboot, as asked, 2026-11-21 13:20:05 UTC"
    );
    let old = proven(0).ending(Reason::PowerOff).stamped(NOW);
    assert_eq!(
        old.sentence(&Record::next_boot(Some(old), None)),
        "boot 0 ended by power-off, as asked"
    );
}

#[test]
fn every_reason_has_its_number_and_its_sentence_fits() {
    for byte in 0..=255u8 {
        let Some(reason) = Reason::from_u8(byte) else { continue };
        assert_eq!(reason as u8, byte);
        let culprit = Culprit::new(&"x".repeat(CULPRIT));
        let failure = Failure { generation: 7, at: NOW, reason, culprit };
        let r = Record {
            reason,
            generation: 99_999,
            boot_count: 9_999_999,
            written_at: NOW,
            phase: BootPhase::Recorded,
            failure: Some(failure),
            ..Record::fresh()
        };
        let text = r.sentence(&Record { generation: 99_998, ..r });
        assert!(text.ends_with("UTC; now generation 99998"), "{text}");
        let r = Record { generation: 0, boot_count: u64::MAX, pkgd_restarts: u32::MAX, ..r };
        assert!(r.sentence(&r).ends_with("times"), "{}", r.sentence(&r));
        assert!(text.len() <= SENTENCE);
    }
    assert!(Reason::from_u8(17).is_some() && Reason::from_u8(18).is_none());
}

#[test]
fn a_culprit_is_cut_between_characters() {
    assert_eq!(Culprit::new("net").as_str(), "net");
    assert_eq!(Culprit::new(&"ö".repeat(20)).as_str(), "ö".repeat(16));
    assert_eq!(Culprit::new(&format!("{}ö", "x".repeat(31))).as_str(), "x".repeat(31));
    assert_eq!(Culprit::new("a\nb").as_str(), "a");
    assert_eq!(Culprit::default().as_str(), "");
}

/// It may be the bad generation itself that asks for a reboot, in each boot before its checks are made. A first version
/// left it without a word of why.
#[test]
fn a_generation_that_reboots_by_itself_is_left_too() {
    let mut r = Record::next_boot(Some(proven(6)), Some(&WISH));
    let (mut boots, mut told) = (0, heapless::String::<SENTENCE>::new());
    while r.is_trial() {
        assert_eq!(r.failure, None, "it has tries left");
        boots += 1;
        let last = r.ending(Reason::Reboot).stamped(NOW);
        r = Record::next_boot(Some(last), None);
        told = last.sentence(&r);
    }
    assert_eq!((boots, r.generation), (3 + usize::from(GIVEN_BACK), 6));
    let failure = r.failure.unwrap();
    assert_eq!((failure.generation, failure.reason, failure.at), (7, Reason::UsedUp, NOW));
    assert_eq!(
        failure.to_string(),
        "generation 7 used up its tries before it was judged, 2026-11-21 13:20:05 UTC"
    );
    assert_eq!(
        told,
        "boot 10 of generation 7 ended by reboot, as asked, 2026-11-21 13:20:05 UTC; its tries are used up; now \
         generation 6"
    );
    let later = Record::next_boot(Some(r.ending(Reason::Reboot)), None);
    assert_eq!(later.failure, r.failure, "it is kept");
    let again = BootNext { id: *b"randomer", ..WISH };
    let r = Record::next_boot(Some(r), Some(&again)).ending(Reason::Reboot);
    assert_eq!((r.tries_left, r.given_back), (3, 1), "another wish begins anew");
}

proptest! {
    #[test]
    fn what_is_written_is_read(seq: u64, generation: u64, n: u64, mark: u32, tries: u8, flags: (bool, bool),
        phase in 0u8..8, reason in 0u8..18, name in "\\PC{0,40}", failed: bool)
    {
        let reason = Reason::from_u8(reason).unwrap();
        let failure = Failure { generation: n, at: seq, reason, culprit: Culprit::new(&name) };
        let r = Record {
            sequence: seq, generation, fallback: n, boot_count: n, written_at: seq,
            pkgd_restarts: mark, proven: flags.0, aside: flags.1, tries_left: tries, given_back: tries % 8,
            phase: BootPhase::from_u8(phase).unwrap(), reason, obeyed: mark,
            failure: failed.then_some(failure),
        };
        prop_assert_eq!(Record::decode(&r.encode()), Some(r));
        prop_assert!(r.sentence(&r).len() <= SENTENCE);
    }

    #[test]
    fn no_bytes_panic(a in any::<[u8; 32]>(), b in any::<[u8; 32]>()) {
        let mut slot = [0; SLOT];
        slot[..32].copy_from_slice(&a);
        slot[32..64].copy_from_slice(&b);
        prop_assert!(choose(&[slot, slot]).record.is_none());
    }

    /// Whatever happens, in whatever order: the fallback is a generation that was proven, a proven one is left
    /// only for one that was asked for, and a trial ends after its tries.
    #[test]
    fn rules_hold_over_any_history(events in proptest::collection::vec((0u8..6, 0u64..4, any::<bool>()), 0..60)) {
        let mut r = Record::fresh();
        let (mut good, mut boots, mut serial) = (vec![0u64], 0, 0u8);
        for (event, n, is_proven) in events {
            serial += 1;
            let known = is_proven && good.contains(&n);
            let wish = BootNext { generation: n, proven: known, tries: 2, id: [serial; 8] };
            let before = r;
            match event {
                0 => r = Record::next_boot(Some(r), Some(&wish)),
                1 => r = Record::next_boot(Some(r), None),
                2 => r = Record::next_boot(Some(r.ending(Reason::Reboot)), None),
                3 => r = r.failing(Reason::CheckFailed, Culprit::new("x"), NOW),
                4 => r = Record::set_aside(Some(r)),
                _ => r = r.passed(),
            }
            if before.is_trial() && r.proven && r.generation == before.generation {
                good.push(r.generation);
            }
            if before.proven && event != 0 {
                prop_assert_eq!((r.generation, r.proven), (before.generation, true));
            }
            boots = match event {
                0 => 0,
                1 | 2 if r.is_trial() => boots + 1,
                _ => boots,
            };
            prop_assert!(boots <= 2 + usize::from(GIVEN_BACK), "tried for ever");
            prop_assert!(good.contains(&r.fallback));
            prop_assert!(!r.proven || r.fallback == r.generation);
        }
    }
}
