//! Inputs that are known to have hurt somebody, by hand: what a random change finds late or never.

use minos_recipe::{RecipeSet, SourcesLock};

fn recipe(text: &str) -> Result<usize, String> {
    let lock = include_str!("../corpus/lock/places.toml").as_bytes().to_vec();
    let files = [
        ("sources.lock".to_owned(), lock),
        ("demo/x/recipe.toml".to_owned(), text.as_bytes().to_vec()),
        ("demo/x/build.sh".to_owned(), b"make\n".to_vec()),
        ("demo/x/install.sh".to_owned(), b"make install\n".to_vec()),
        ("demo/x/check.sh".to_owned(), b"make check\n".to_vec()),
        ("demo/x/expected.txt".to_owned(), b"a # b\n".to_vec()),
        ("demo/x/conf/fix.patch".to_owned(), b"x\n".to_vec()),
    ];
    let (set, lints) = RecipeSet::from_files(&files.into());
    let told = lints.iter().find(|lint| lint.file.contains("recipe.toml"));
    if set.is_empty() { Err(told.expect("a reason").to_string()) } else { Ok(set.len()) }
}

const RECIPE: &str = include_str!("../corpus/recipe/all.toml");
const LOCK: &str = include_str!("../corpus/lock/one.toml");

/// Two readers that take different ones of two values see two different recipes: neither value may count.
#[test]
fn pitfall_7_a_key_that_stands_twice_is_refused() {
    assert_eq!(recipe(RECIPE), Ok(1));
    let again = |line: &str, more: &str| RECIPE.replacen(line, &format!("{line}\n{more}"), 1);
    for (what, text) in [
        ("a key", again("name = \"x\"", "name = \"y\"")),
        ("the same value", again("name = \"x\"", "name = \"x\"")),
        ("a quoted key", again("name = \"x\"", "\"name\" = \"y\"")),
        ("an escaped key", again("name = \"x\"", "\"n\\u0061me\" = \"y\"")),
        ("the schema", again("schema = 1", "schema = 1")),
        ("a table", format!("{RECIPE}\n[install]\nprefix = \"/\"\n")),
        ("a table by dots", format!("install.prefix = \"/\"\n{RECIPE}")),
        ("a key in a table", again("prefix = \"/usr\"", "prefix = \"/\"")),
        ("a script", again("build = \"build.sh\"", "build = \"install.sh\"")),
        ("a variable", again("CFLAGS = \"-O2\"", "CFLAGS = \"-O3\"")),
        ("a list and a table", format!("{RECIPE}\n[source]\nfile = \"z\"\n")),
    ] {
        let refused = recipe(&text).expect_err(what);
        assert!(refused.contains("recipe.toml:"), "{what}: which line? {refused}");
    }
    let lock =
        |text: &str| SourcesLock::parse("sources.lock", text).map(|lock| lock.iter().count());
    assert_eq!(lock(LOCK), Ok(1));
    let key = LOCK.replacen("sha256", "bytes = 1\nsha256", 1);
    assert_eq!(lock(&key).expect_err("a key").line, Some(8));
    let entry = LOCK.split_once("[[source]]").expect("an entry").1;
    assert!(lock(&format!("{LOCK}\n[[source]]{entry}")).is_err(), "an entry");
}

/// Nesting that a reader follows by calling itself ends in its stack.
#[test]
fn pitfall_7_deep_nesting_is_refused_and_not_followed() {
    for depth in [1_000, 100_000] {
        for (open, close) in [("[", "]"), ("{a=", "}")] {
            let text = format!("{RECIPE}\nx = {}1{}\n", open.repeat(depth), close.repeat(depth));
            assert!(recipe(&text).is_err());
        }
        let dotted = format!("{RECIPE}\n[{}z]\n", "a.".repeat(depth));
        assert!(recipe(&dotted).is_err());
    }
}

/// Numbers at and beyond the ends of their ranges are values or errors, never others than written.
#[test]
fn pitfall_7_numbers_do_not_wrap_around() {
    for number in ["-1", "4294967296", "18446744073709551616", "1e400", "nan", "inf", "0x100000000"]
    {
        for key in ["release", "order"] {
            let line = RECIPE.lines().find(|line| line.starts_with(key)).expect("a line");
            let text = RECIPE.replacen(line, &format!("{key} = {number}"), 1);
            assert!(recipe(&text).is_err(), "{key} = {number}");
        }
    }
    for sbu in ["nan", "inf", "-inf", "-1.0"] {
        let text = RECIPE.replacen("sbu = 1.5", &format!("sbu = {sbu}"), 1);
        assert!(recipe(&text).is_err(), "sbu = {sbu}");
    }
}
