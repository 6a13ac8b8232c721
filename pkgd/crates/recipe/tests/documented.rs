//! `docs/RECIPES.md` against the program: its examples are read, its rules are the ones there are.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use minos_recipe::{RecipeSet, Rule, SourcesLock};

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../docs/RECIPES.md");
    fs::read_to_string(path).unwrap()
}

/// The TOML blocks of the page.
fn blocks(page: &str) -> Vec<&str> {
    let starts = page.split("```toml\n").skip(1);
    starts.filter_map(|rest| rest.split_once("```").map(|(block, _)| block)).collect()
}

#[test]
fn the_whole_recipe_of_the_page_is_one() {
    let page = page();
    let recipe = blocks(&page)[0];
    let source = |file: &str| {
        let digest = minos_model::Digest::of(file.as_bytes());
        format!(
            "[[source]]\nname = \"x\"\nfile = \"{file}\"\nsha256 = \"{digest}\"\nbytes = 1\n\
             url = \"https://example.org/\"\n"
        )
    };
    let lock = ["gcc-14_14.2.0.orig.tar.gz", "gmp_6.3.0+dfsg.orig.tar.xz"].map(source).concat();
    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    files.insert("sources.lock".into(), format!("schema = 1\n{lock}").into());
    files.insert("cross/gcc-pass1/recipe.toml".into(), recipe.into());
    for phase in ["unpack", "prepare", "configure", "build", "check", "install", "assert"] {
        files.insert(format!("cross/gcc-pass1/{phase}.sh"), b"true\n".to_vec());
    }
    files.insert("cross/gcc-pass1/expected-failures.txt".into(), b"a # b\n".to_vec());
    for name in ["fix.patch", "conf/app.conf"] {
        files.insert(format!("cross/gcc-pass1/{name}"), b"x\n".to_vec());
    }
    let (set, lints) = RecipeSet::from_files(&files);
    assert_eq!(set.len(), 1, "{lints:?}");
    assert!(lints.iter().all(|lint| lint.rule == Rule::UnknownDependency), "{lints:?}");
}

#[test]
fn the_lock_of_the_page_is_one() {
    let page = page();
    let lock = SourcesLock::parse("RECIPES.md", blocks(&page)[1]).unwrap();
    assert_eq!(lock.iter().count(), 1);
}

#[test]
fn every_rule_stands_on_the_page() {
    let page = page();
    for rule in Rule::ALL {
        assert!(page.contains(&format!("`{}`", rule.as_str())), "{}", rule.as_str());
    }
}
