//! The recipe index against bytes that are not one, and the loader against folders that are none.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::LazyLock;

use minos_recipe::{CompiledError, RecipeSet};
use proptest::prelude::{any, prop, prop_assert, proptest};

/// The index of the recipes of the tree. Reading them anew for each of hundreds of cases took a minute.
fn index() -> Vec<u8> {
    static INDEX: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recipes");
        RecipeSet::load(&dir).unwrap().0.compile()
    });
    INDEX.clone()
}

#[test]
fn every_kind_of_damage_has_its_name() {
    let good = index();
    let read = |bytes: &[u8]| RecipeSet::from_compiled(bytes).unwrap_err();
    assert_eq!(read(b""), CompiledError::NotAnIndex);
    assert_eq!(read(b"schema = 1\n"), CompiledError::NotAnIndex);
    let mut other = good.clone();
    other[8] = 9;
    assert_eq!(read(&other), CompiledError::Format(9));
    let (expected, found) = (good.len() as u64, good.len() as u64 - 1);
    assert_eq!(read(&good[..good.len() - 1]), CompiledError::Length { expected, found });
    let mut longer = good.clone();
    longer.push(0);
    assert_eq!(read(&longer), CompiledError::Length { expected, found: expected + 1 });
    let mut huge = good.clone();
    huge[12..20].fill(0xff);
    assert!(matches!(read(&huge), CompiledError::Length { expected: u64::MAX, .. }));
    let mut flipped = good.clone();
    flipped[100] ^= 1;
    assert_eq!(read(&flipped), CompiledError::Checksum);
    assert!(read(&flipped).to_string().contains("make it again"));
}

/// A body that is whole but not ours: its checksum is made to fit.
#[test]
fn a_foreign_body_is_refused() {
    let mut bytes = b"MINOSRX\0".to_vec();
    bytes.extend_from_slice(&7_u32.to_le_bytes());
    bytes.extend_from_slice(&3_u64.to_le_bytes());
    bytes.extend_from_slice(&[0xff, 0xff, 0xff]);
    let checksum = minos_model::Digest::of(&bytes);
    bytes.extend_from_slice(checksum.as_bytes());
    assert_eq!(RecipeSet::from_compiled(&bytes), Err(CompiledError::Body));
}

/// A body that decodes, with a checksum that fits, and is not what the program writes: task keys would be made of
/// something that no folder of recipes says.
#[test]
fn a_body_in_another_form_is_refused() {
    let good = index();
    let body = &good[20..good.len() - 32];
    // The number of recipes comes first: the same number in two bytes instead of one.
    let long = [&[body[0] | 0x80, 0], &body[1..]].concat();
    let mut bytes = good[..12].to_vec();
    bytes.extend_from_slice(&(long.len() as u64).to_le_bytes());
    bytes.extend_from_slice(&long);
    let checksum = minos_model::Digest::of(&bytes);
    bytes.extend_from_slice(checksum.as_bytes());
    assert!(body[0] < 0x80, "fewer than 128 recipes, whose number is one byte");
    assert_eq!(RecipeSet::from_compiled(&bytes), Err(CompiledError::NotCanonical));
}

proptest! {
    #[test]
    fn any_flipped_bit_is_seen(at in any::<prop::sample::Index>(), bit in 0..8_u32) {
        let mut bytes = index();
        let at = at.index(bytes.len());
        bytes[at] ^= 1_u8 << bit;
        prop_assert!(RecipeSet::from_compiled(&bytes).is_err());
    }
}

#[test]
fn a_folder_that_cannot_be_read_is_an_error_with_its_path() {
    let dir = tempfile::tempdir().unwrap();
    let nowhere = dir.path().join("nowhere");
    let text = RecipeSet::load(&nowhere).unwrap_err().to_string();
    assert!(text.contains("nowhere"), "{text}");
    fs::File::create(dir.path().join("sources.lock")).unwrap().set_len(1 << 21).unwrap();
    let text = RecipeSet::load(dir.path()).unwrap_err().to_string();
    assert!(text.contains("sources.lock: larger than"), "{text}");
}

/// A video beside a recipe kept all the others from being read.
#[test]
fn a_file_that_cannot_be_taken_is_a_finding_of_its_recipe() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("sources.lock"), "schema = 1\n").unwrap();
    let (step, odd) = (dir.path().join("demo/a"), OsStr::from_bytes(b"demo/\xff"));
    fs::create_dir_all(&step).unwrap();
    fs::create_dir_all(dir.path().join(odd)).unwrap();
    fs::File::create(step.join("video")).unwrap().set_len(1 << 21).unwrap();
    let (_, lints) = RecipeSet::load(dir.path()).unwrap();
    let mut told: Vec<_> = lints.iter().map(|l| (l.file.as_str(), l.message.as_str())).collect();
    told.sort_unstable();
    let expected = [
        ("demo/a/video", "has 2097152 bytes, more than 1048576: it was not read"),
        ("demo/\u{fffd}", "the name is not UTF-8: it was not read"),
    ];
    assert_eq!(told, expected);
}

#[test]
fn hidden_files_and_links_that_nothing_names_are_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let step = dir.path().join("demo/a");
    fs::create_dir_all(&step).unwrap();
    fs::write(dir.path().join("sources.lock"), "schema = 1\n").unwrap();
    fs::write(step.join(".recipe.toml.swp"), "x").unwrap();
    symlink("/etc/passwd", step.join("notes")).unwrap();
    let (set, lints) = RecipeSet::load(dir.path()).unwrap();
    assert!(set.is_empty());
    assert!(lints.is_empty(), "a folder without visible files is as good as none: {lints:?}");
}

/// A recipe.toml of more than a megabyte was a warning, and the recipe was missed; one that was a link was not even
/// that; and a script that was a link was told as missing, by whoever looked at it.
#[test]
fn what_stands_in_the_place_of_a_file_is_told() {
    const RECIPE: &str = "schema = 1\nname = \"a\"\nversion = \"1\"\nstage = \"demo\"\norder = 1\n\
        description = \"A\"\nlicense = \"MIT\"\nfiles = [\"conf/a\", \"link\", \"conf\", \"fat\"]\n\
        [phases]\ninstall = \"install.sh\"\nbuild = \"pipe\"\nprepare = \"conf\"\n";
    let dir = tempfile::tempdir().unwrap();
    let step = |name: &str| {
        let step = dir.path().join("demo").join(name);
        fs::create_dir_all(&step).unwrap();
        step
    };
    fs::write(dir.path().join("sources.lock"), "schema = 1\n").unwrap();
    fs::File::create(step("large").join("recipe.toml")).unwrap().set_len(1 << 21).unwrap();
    symlink("/etc/passwd", step("link").join("recipe.toml")).unwrap();
    let a = step("a");
    fs::write(a.join("recipe.toml"), RECIPE).unwrap();
    fs::create_dir(a.join("conf")).unwrap();
    fs::write(a.join("conf/a"), "x").unwrap();
    fs::File::create(a.join("fat")).unwrap().set_len(1 << 21).unwrap();
    symlink("conf/a", a.join("link")).unwrap();
    symlink("conf/a", a.join("install.sh")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(a.join("pipe")).unwrap();
    let (_, lints) = RecipeSet::load(dir.path()).unwrap();
    let told: Vec<String> = lints.iter().map(ToString::to_string).collect();
    for want in [
        "demo/large/recipe.toml: error: it has 2097152 bytes, more than 1048576 [parse]",
        "demo/link/recipe.toml: error: it is a symbolic link, and links are not followed [parse]",
        "demo/a/recipe.toml:8: error: file 'link' is a symbolic link",
        "demo/a/recipe.toml:8: error: file 'conf' is a folder",
        "demo/a/recipe.toml:8: error: file 'fat' has 2097152 bytes, more than 1048576",
        "demo/a/recipe.toml:10: error: script 'install.sh' of phase install is a symbolic link",
        "demo/a/recipe.toml:11: error: script 'pipe' of phase build is no regular file",
        "demo/a/recipe.toml:12: error: script 'conf' of phase prepare is a folder",
    ] {
        assert!(told.iter().any(|lint| lint.starts_with(want)), "{want}\n{}", told.join("\n"));
    }
}

/// Somebody's checked-out tree in a recipe's folder: it is told, and not read to its end.
#[test]
fn a_folder_that_holds_too_much_is_not_read_to_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let step = dir.path().join("demo/a/tree");
    fs::create_dir_all(&step).unwrap();
    fs::write(dir.path().join("sources.lock"), "schema = 1\n").unwrap();
    (0..1001).for_each(|n| fs::write(step.join(n.to_string()), "").unwrap());
    let (_, lints) = RecipeSet::load(dir.path()).unwrap();
    assert!(lints.iter().any(|lint| lint.message.contains("more than 1000 files")), "{lints:?}");
}
