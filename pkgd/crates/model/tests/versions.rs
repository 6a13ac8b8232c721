//! The order of versions: total, and where it stands to dpkg, rpm, apk and semver (`docs/formats/versions.md`).

use std::cmp::Ordering;

use minos_model::Version;
use proptest::prelude::{Strategy, prop, prop_assert, prop_assert_eq, proptest};

const TOOLS: &str = include_str!("vectors/dpkg-rpm.txt");
const APK: &str = include_str!("vectors/apk.txt");

fn version(text: &str) -> Version {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

fn sign(text: &str) -> Option<Ordering> {
    match text {
        "<" => Some(Ordering::Less),
        "=" => Some(Ordering::Equal),
        ">" => Some(Ordering::Greater),
        _ => None,
    }
}

/// Rows `A B dpkg rpm`.
fn rows() -> impl Iterator<Item = (&'static str, &'static str, Option<Ordering>, Option<Ordering>)>
{
    TOOLS.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        (words[0], words[1], sign(words[2]), sign(words[3]))
    })
}

#[test]
fn where_dpkg_sees_a_difference_ours_is_the_same() {
    let mut compared = 0;
    for (a, b, dpkg, _) in rows() {
        let ours = version(a).cmp(&version(b));
        match dpkg {
            Some(Ordering::Equal) => assert_eq!(ours, a.cmp(b), "{a} {b}: alike, so by text"),
            Some(dpkg) => assert_eq!(ours, dpkg, "{a} {b}"),
            None => continue,
        }
        compared += 1;
    }
    assert!(compared > 500, "only {compared} rows");
}

/// The two differences from rpm, as the page tells them.
fn rpm_may_differ(a: &str, b: &str, rpm: Ordering) -> bool {
    // 1. rpm finds alike what is not the same text (leading zeros, number of separators).
    // 2. To rpm a number is newer than letters, and separators only separate: 2.4.b < 2.4.1, 1.0a = 1.0.a.
    let letters = |s: &str| s.bytes().any(|b| b.is_ascii_alphabetic());
    rpm == Ordering::Equal || letters(a) || letters(b)
}

#[test]
fn rpm_differs_only_where_the_page_says_so() {
    let mut agree = 0;
    for (a, b, _, rpm) in rows() {
        let ours = version(a).cmp(&version(b));
        let rpm = rpm.expect("rpm takes every version");
        agree += u32::from(ours == rpm);
        assert!(ours == rpm || rpm_may_differ(a, b, rpm), "{a} {b}: ours {ours:?}, rpm {rpm:?}");
    }
    assert!(agree > 500, "only {agree} rows agree");
}

/// apk's spelling in ours: pre-release suffixes behind `~`, releases from 1.
fn from_apk(text: &str) -> Version {
    let (upstream, release) = text.split_once("-r").unwrap_or((text, "0"));
    let words = ["_alpha", "_beta", "_pre", "_rc"];
    let spelled = words.iter().fold(upstream.to_owned(), |s, w| s.replace(w, &w.replace('_', "~")));
    version(&format!("{spelled}-{}", release.parse::<u32>().expect("a number") + 1))
}

#[test]
fn apk_orders_alike_what_it_can_write() {
    for line in APK.lines().filter(|line| !line.starts_with('#')) {
        let words: Vec<&str> = line.split(' ').collect();
        let ours = from_apk(words[0]).cmp(&from_apk(words[2]));
        assert_eq!(Some(ours), sign(words[1]), "{line}");
    }
}

/// The chain of semver.org, item 11.
#[test]
fn precedence_of_semver_holds() {
    let chain = [
        "1.0.0-alpha",
        "1.0.0-alpha.1",
        "1.0.0-alpha.beta",
        "1.0.0-beta",
        "1.0.0-beta.2",
        "1.0.0-beta.11",
        "1.0.0-rc.1",
        "1.0.0",
        "2.0.0",
        "2.1.0",
        "2.1.1",
    ];
    for pair in chain.windows(2) {
        let [a, b] = [pair[0], pair[1]].map(|text| Version::from_semver(text).expect(text));
        assert!(a < b, "{a} {b}");
    }
    assert_eq!(
        Version::from_semver("1.0.0-rc.1").map(|v| v.to_string()).as_deref(),
        Ok("1.0.0~rc.1")
    );
    assert_eq!(
        Version::from_semver("1.0.0-x-y+b-1").map(|v| v.to_string()).as_deref(),
        Ok("1.0.0~x_y+b_1")
    );
    assert_eq!(Version::from_semver("1.0+a-b").map(|v| v.to_string()).as_deref(), Ok("1.0+a_b"));
}

#[test]
fn epoch_comes_first_and_release_last() {
    let ascending = ["9", "9-2", "9-10", "1:1", "1:1-2", "2:0.1", "10:0"];
    for pair in ascending.windows(2) {
        assert!(version(pair[0]) < version(pair[1]), "{pair:?}");
    }
}

/// Texts over a small alphabet, so that near misses are frequent.
fn text() -> impl Strategy<Value = String> {
    "[0-2a][0-2aZ.+~_]{0,6}(-[1-3])?"
}

/// Semver's core and pre-release of identifiers that are a number or one of a few words.
fn semver_text() -> impl Strategy<Value = String> {
    let identifier = "(0|[1-9][0-9]{0,2}|alpha|beta|dev|pre|rc)";
    let pre = prop::option::of(prop::collection::vec(identifier, 1..4));
    ("(0|[1-9][0-9]?)\\.(0|[1-9][0-9]?)\\.(0|[1-9][0-9]?)", pre)
        .prop_map(|(core, pre)| pre.map_or(core.clone(), |pre| format!("{core}-{}", pre.join("."))))
}

proptest! {
    #[test]
    fn the_order_is_total(a in text(), b in text(), c in text()) {
        let (a, b, c) = (version(&a), version(&b), version(&c));
        prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
        prop_assert_eq!(a.cmp(&b).is_eq(), a.to_string() == b.to_string());
        prop_assert_eq!(a == b, a.to_string() == b.to_string());
        if a <= b && b <= c {
            prop_assert!(a <= c, "{} {} {}", a, b, c);
        }
    }

    #[test]
    fn any_text_is_refused_or_round_trips(text in "[ -~]{0,12}") {
        if let Ok(version) = text.parse::<Version>() {
            prop_assert_eq!(version.to_string().parse(), Ok(version));
        }
    }

    #[test]
    fn with_release_is_the_same_version(text in text()) {
        let version = version(&text);
        prop_assert_eq!(version.with_release().parse(), Ok(version));
    }

    #[test]
    fn numbers_have_any_length(a in "[1-9][0-9]{0,50}", b in "[1-9][0-9]{0,50}") {
        let by_value = a.len().cmp(&b.len()).then_with(|| a.cmp(&b));
        prop_assert_eq!(version(&format!("1.{a}.x")).cmp(&version(&format!("1.{b}.x"))), by_value);
    }

    #[test]
    fn versions_of_semver_are_ordered_as_semver_does(a in semver_text(), b in semver_text()) {
        let by_semver = semver::Version::parse(&a).unwrap().cmp_precedence(&semver::Version::parse(&b).unwrap());
        let ours = Version::from_semver(&a).unwrap().cmp(&Version::from_semver(&b).unwrap());
        prop_assert_eq!(ours, by_semver);
    }
}
