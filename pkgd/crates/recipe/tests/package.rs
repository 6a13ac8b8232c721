//! The `[package]` table: read, put in order, refused where it is wrong, and no part of the task key.

use std::collections::BTreeMap;

use minos_model::DependencyKind;
use minos_model::package::Account;
use minos_recipe::{Lint, Recipe, RecipeSet, Rule};

fn read(table: &str) -> (Option<Recipe>, Vec<Lint>) {
    let toml = format!(
        "schema = 1\nname = \"x\"\nversion = \"1\"\nstage = \"demo\"\norder = 1\ndescription = \"x\"\n\
         license = \"MIT\"\n[phases]\ninstall = \"install.sh\"\n{table}"
    );
    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    files.insert("sources.lock".into(), b"schema = 1\n".to_vec());
    files.insert("demo/x/recipe.toml".into(), toml.into_bytes());
    files.insert("demo/x/install.sh".into(), b"true\n".to_vec());
    let (set, lints) = RecipeSet::from_files(&files);
    (set.iter().next().cloned(), lints)
}

#[test]
fn the_table_is_read_and_put_in_order() {
    let (recipe, lints) = read(
        "[package]\ndepends = [\"b\", \"a>=2 if c\"]\nconfig = [\"/etc/b\", \"/etc/a\"]\n\
         [package.owners]\n7 = \"mail\"\n[[package.group]]\nname = \"mail\"\n\
         [[package.user]]\nname = \"mail\"\ngroup = \"mail\"\n\
         [[package.directory]]\npath = \"/var/mail\"\nmode = 0o700\nuser = \"mail\"\ngroup = 0\n\
         [package.optional.docs]\nreason = \"to read\"\ndepends = [\"man\"]\n",
    );
    let package = recipe.unwrap_or_else(|| panic!("{lints:?}")).package;
    let needs: Vec<String> = package
        .dependencies
        .iter()
        .map(|d| {
            format!(
                "{:?} {} {:?}",
                d.kind,
                d.requirement,
                d.condition.as_ref().map(ToString::to_string)
            )
        })
        .collect();
    assert_eq!(needs.len(), 3, "{needs:?}");
    assert_eq!(needs[0], "Runtime a>=2 Some(\"c\")");
    assert_eq!(package.dependencies[2].kind, DependencyKind::Group("docs".parse().unwrap()));
    let config: Vec<String> = package.config.iter().map(ToString::to_string).collect();
    assert_eq!(config, ["etc/a", "etc/b"]);
    assert_eq!(package.owners[&7].to_string(), "mail");
    let directory = &package.actions.directories[0];
    assert_eq!((directory.mode, &directory.group), (0o700, &Account::Id(0)));
    assert_eq!(package.actions.users[0].group.to_string(), "mail");
}

#[test]
fn what_is_wrong_in_it_is_told_with_its_line() {
    for (table, word) in [
        ("[package]\ncolour = 1\n", "colour"),
        ("[package]\ndepends = [\"a >> 2\"]\n", ">> 2"),
        ("[package]\nconfig = [\"etc/x\"]\n", "absolute"),
        ("[package]\nconfig = [\"/etc/../x\"]\n", ".."),
        ("[package.owners]\nmany = \"mail\"\n", "many"),
        ("[[package.user]]\nname = \"Mail Man\"\ngroup = \"mail\"\n", "Mail Man"),
        ("[[package.link]]\npath = \"/usr/bin/cc\"\n", "target"),
    ] {
        let (recipe, lints) = read(table);
        assert!(recipe.is_none(), "{table}");
        let told = lints.iter().any(|lint| {
            matches!(lint.rule, Rule::Parse | Rule::BadValue) && lint.to_string().contains(word)
        });
        assert!(told, "{table}: {lints:?}");
    }
}

#[test]
fn it_is_no_part_of_the_task_key() {
    let (bare, with) = (read(""), read("[package]\nprovides = [\"role:c-compiler\"]\n"));
    let (bare, with) = (bare.0.unwrap(), with.0.unwrap());
    assert_ne!(bare, with);
    assert_eq!(bare.canonical(), with.canonical());
}

/// What could not be packed is told when the recipe is read, at the line that says it.
#[test]
fn what_no_package_can_be_is_found_by_the_linter() {
    for (table, line, words) in [
        (
            "[package]\nconfig = [\"/usr/share/x\"]\n[install]\nprefix = \"/etc\"\n",
            11,
            "config file '/usr/share/x' is outside",
        ),
        (
            "[package.owners]\n7 = \"mail\"\n[[package.user]]\nname = \"web\"\ngroup = \"web\"\n\
             [[package.group]]\nname = \"web\"\n",
            11,
            "owner 7 = 'mail' is no user or group",
        ),
        ("[[package.user]]\nname = \"web\"\ngroup = \"www\"\n", 10, "its group is not among"),
        (
            "[[package.directory]]\npath = \"/var/x\"\nuser = \"web\"\n",
            10,
            "its owner is not among",
        ),
        ("[[package.directory]]\npath = \"/var/x\"\nmode = 0o17777\n", 10, "above 7777"),
        ("[package.sysctl]\n\"net/ipv4\" = \"1\"\n", 10, "a key or value"),
        ("[[package.link]]\npath = \"/usr/bin/cc\"\ntarget = \"\"\n", 10, "1 to 4095 bytes"),
        (
            "[[package.service]]\nname = \"x\"\n[[package.service]]\nname = \"x\"\nenable = true\n",
            10,
            "an entry stands twice",
        ),
        ("[package.optional.docs]\nreason = \"\"\ndepends = []\n", 10, "one line"),
        ("[package]\nprovides = [\"cap:a\", \"cap:a=1\"]\n", 10, "an entry stands twice"),
    ] {
        let (recipe, lints) = read(table);
        assert!(recipe.is_none(), "{table}");
        let told = lints.iter().any(|lint| {
            lint.rule == Rule::BadValue && lint.line == Some(line) && lint.message.contains(words)
        });
        assert!(told, "{table}: {lints:?}");
    }
}

/// Paths are those of the installed system, which lies below `/lfs` while it is built.
#[test]
fn config_files_of_the_new_system_are_named_without_lfs() {
    let cross = |config: &str| {
        let toml = format!(
            "schema = 1\nname = \"x\"\nversion = \"1\"\nstage = \"cross\"\norder = 1\ndescription = \"x\"\n\
             license = \"MIT\"\n[phases]\ninstall = \"install.sh\"\n[package]\nconfig = [\"{config}\"]\n\
             [install]\nprefix = \"/lfs/etc\"\n"
        );
        let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        files.insert("sources.lock".into(), b"schema = 1\n".to_vec());
        files.insert("cross/x/recipe.toml".into(), toml.into_bytes());
        files.insert("cross/x/install.sh".into(), b"true\n".to_vec());
        RecipeSet::from_files(&files).1
    };
    assert_eq!(cross("/etc/x.conf"), []);
    for wrong in ["/lfs/etc/x.conf", "/etcetera", "/etc", "/usr/x"] {
        assert!(cross(wrong)[0].message.contains("outside"), "{wrong}");
    }
}

#[test]
fn the_name_is_the_steps_unless_the_table_gives_one() {
    let name = |recipe: Option<Recipe>| recipe.unwrap().package_name().unwrap().to_string();
    assert_eq!(name(read("").0), "x");
    assert_eq!(name(read("[package]\nname = \"libx\"\n").0), "libx");
}
