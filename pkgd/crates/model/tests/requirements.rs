//! Requirements and capabilities: one text each, and which versions they let through.

use minos_model::{
    Capability, CapabilityKind, CapabilityName, Comparison, Constraint, Requirement, Target,
    Version,
};
use proptest::prelude::{Strategy, any, prop, prop_assert, prop_assert_eq, proptest};

fn version(text: &str) -> Version {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

fn constraint(text: &str) -> Constraint {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn each_operator_lets_through_what_it_should() {
    // Constraint, then what matches, then what does not.
    let table = [
        ("=1.0", "1.0 1.0-7", "1.00 1.0.0 1.0~rc1 1:1.0"),
        ("=1.0-2", "1.0-2", "1.0 1.0-3"),
        ("=1.0-1", "1.0", "1.0-2"),
        ("!=1.0", "1.1 1:1.0", "1.0 1.0-9"),
        (">1.0", "1.0.1 1.1 1:0.1", "1.0 1.0-9 1.0~rc1"),
        (">=1.0", "1.0 1.0-9 2", "1.0~rc1 0.9"),
        ("<1.0", "1.0~rc1 0.9", "1.0 1.0-9"),
        ("<=1.0", "1.0~rc1 1.0 1.0-9", "1.0a 1.1"),
        ("<1.0-3", "1.0 1.0-2", "1.0-3 1.0.1"),
        ("=1.2.*", "1.2 1.2.0 1.2.9-4 1.2a 1.2+b", "1.20 1.3 1.2~rc1 1.1 1:1.2"),
        ("^1.2.3", "1.2.3 1.9 1.3~rc1", "1.2.2 2.0 2.0~rc1 10.0 1:1.3"),
        ("^0.3.1", "0.3.1 0.3.9", "0.3 0.4 1.0"),
        ("^0.0.4", "0.0.4 0.0.4-2", "0.0.5 0.1"),
        ("^0", "0 0.9", "1.0"),
        ("^2024a", "2024a 2024b 2024.1", "2023d 2025a"),
        ("~1.2.3", "1.2.3 1.2.10", "1.2.2 1.3 1.3~rc1"),
        ("~1.2", "1.2 1.2.9", "1.3"),
        ("~1", "1 1.9", "2 0.9"),
        (">=1.2,<2", "1.2 1.9", "1.1 2 2.0"),
        (">=1:1", "1:1 2:0", "5"),
        ("", "0 1:2-3", ""),
    ];
    for (text, good, bad) in table {
        let constraint = constraint(text);
        for v in good.split_whitespace() {
            assert!(constraint.matches(&version(v)), "{text} should match {v}");
        }
        for v in bad.split_whitespace() {
            assert!(!constraint.matches(&version(v)), "{text} should not match {v}");
        }
    }
}

#[test]
fn text_becomes_canonical() {
    let table = [
        ("zlib", "zlib"),
        ("zlib *", "zlib"),
        ("zlib=*", "zlib"),
        ("zlib = 1.2.*", "zlib=1.2.*"),
        ("zlib < 2 , >= 1.2", "zlib>=1.2,<2"),
        ("zlib >=1.2,>=1.2", "zlib>=1.2"),
        ("zlib>=0:1", "zlib>=1"),
        ("g++ ~ 14.2", "g++~14.2"),
        ("libstdc++^14~rc1", "libstdc++^14~rc1"),
        ("pkgconfig:zlib >= 1.2.11", "pkgconfig:zlib>=1.2.11"),
        ("soname:libc.so.6(x86_64)(GLIBC_2.34)", "soname:libc.so.6(x86_64)(GLIBC_2.34)"),
        ("role:init", "role:init"),
    ];
    for (text, canonical) in table {
        let requirement: Requirement = text.parse().unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(requirement.to_string(), canonical);
        assert_eq!(canonical.parse(), Ok(requirement));
    }
}

#[test]
fn what_is_not_a_requirement_says_why() {
    let many = format!("a{}", (0..17).map(|i| format!("!={i}")).collect::<Vec<_>>().join(","));
    let bad = [
        "",
        " ",
        "A",
        "a b",
        "a=",
        "a>=1,",
        "a==1",
        "a=>1",
        "a=1.*-2",
        "a=1-2.*",
        "a^x",
        "a~x1",
        "a>=1.2 <2",
        "a,b",
        "nonsense:x",
        "soname:",
        "cap:a b",
        "file:usr/bin/sh",
        "a>=1:",
        &many,
    ];
    for text in bad {
        let error = text.parse::<Requirement>().expect_err(text).to_string();
        assert!(error.contains("is not a requirement: "), "{error}");
    }
    let long = format!("a>={}", "1".repeat(2000));
    assert!(long.parse::<Requirement>().is_err());
}

#[test]
fn only_what_provides_a_version_meets_one() {
    let requirement: Requirement = "cap:x>=2".parse().expect("a requirement");
    assert!(requirement.accepts(Some(&version("2.1"))));
    assert!(!requirement.accepts(Some(&version("1"))) && !requirement.accepts(None));
    assert!("cap:x".parse::<Requirement>().expect("one").accepts(None));
}

#[test]
fn capabilities_have_one_text() {
    for good in [
        "cap:mta",
        "role:init",
        "soname:libz.so.1(x86_64)",
        "pkgconfig:zlib=1.3.1",
        "cmd:[",
        "file:/bin/sh",
    ] {
        assert_eq!(good.parse::<Capability>().map(|c| c.to_string()).as_deref(), Ok(good));
    }
    let long = format!("cap:{}", "a".repeat(256));
    for bad in [
        "",
        "zlib",
        "cap:",
        "Cap:a",
        "cap:a=",
        "cap:a=b c",
        "cap:a b",
        "cap:é",
        "file:bin",
        "cap:a>1",
        &long,
    ] {
        let error = bad.parse::<Capability>().expect_err(bad).to_string();
        assert!(error.contains("is not a capability"), "{error}");
    }
    let exclusive = CapabilityKind::ALL.iter().filter(|kind| kind.is_exclusive());
    assert_eq!(exclusive.collect::<Vec<_>>(), [&CapabilityKind::Role]);
    let id = CapabilityName::new(CapabilityKind::Cmd, "awk").expect("a name");
    assert_eq!("cmd:awk".parse(), Ok(Target::Capability(id)));
}

fn upstream() -> impl Strategy<Value = String> {
    "[0-3](\\.[0-3]|~rc[1-3]|[a-c]){0,3}"
}

proptest! {
    #[test]
    fn any_text_is_refused_or_round_trips(text in "[a-c:.=!<>^~*, 0-3-]{0,14}") {
        if let Ok(requirement) = text.parse::<Requirement>() {
            let canonical = requirement.to_string();
            prop_assert_eq!(canonical.parse::<Requirement>(), Ok(requirement));
        }
    }

    #[test]
    fn comparisons_are_intervals(bound in upstream(), v in upstream(), release in 1u32..3, with in any::<bool>()) {
        let v = version(&format!("{v}-{release}"));
        let bound = if with { format!("{bound}-1") } else { bound };
        let matches = |op: &str| format!("{op}{bound}").parse::<Comparison>().unwrap().matches(&v);
        // Exactly one of three, and the others follow from them.
        let [less, equal, greater] = [matches("<"), matches("="), matches(">")];
        prop_assert_eq!(u8::from(less) + u8::from(equal) + u8::from(greater), 1);
        prop_assert_eq!(matches("<="), less || equal);
        prop_assert_eq!(matches(">="), greater || equal);
        prop_assert_eq!(matches("!="), !equal);
        // `~` lets through nothing that `^` does not, unless the first component is 0.
        if matches("~") && !bound.starts_with('0') {
            prop_assert!(matches("^"));
        }
    }

    #[test]
    fn exactly_matches_only_itself(a in upstream(), b in upstream(), ra in 1u32..3, rb in 1u32..3) {
        let (a, b) = (version(&format!("{a}-{ra}")), version(&format!("{b}-{rb}")));
        prop_assert_eq!(Constraint::exactly(&a).matches(&b), a == b);
    }

    #[test]
    fn order_of_comparisons_does_not_matter(list in prop::collection::vec((0usize..6, upstream()), 1..5), v in upstream()) {
        let part = |(op, u): &(usize, String)| format!("{}{u}", ["=", "!=", "<", "<=", ">", ">="][*op]);
        let parts: Vec<String> = list.iter().map(part).collect();
        let forward = constraint(&parts.join(","));
        let backward = constraint(&parts.iter().rev().cloned().collect::<Vec<_>>().join(", "));
        prop_assert_eq!(&forward, &backward);
        let v = version(&v);
        let each = parts.iter().all(|p| p.parse::<Comparison>().unwrap().matches(&v));
        prop_assert_eq!(forward.matches(&v), each);
    }
}
