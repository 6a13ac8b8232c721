//! Which programs bring what is made of many packages' files up to date.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use minos_sandbox::tree::{Dir, Kind};

use super::batch::Order;
use super::{info, libraries};

/// One kind of trigger. All paths are relative to the root; `{}` stands for the folder that [`Trigger::each`] found.
pub struct Trigger {
    /// The program's name, which is also the trigger's.
    pub program: &'static str,
    /// Arguments.
    pub args: &'static [&'static str],
    /// It is called for if a changed path is below one of these...
    pub below: &'static [&'static str],
    /// ... or of these, which the root itself names...
    pub also: fn(&Dir) -> Vec<String>,
    /// ... and its file name has this in it.
    pub part: &'static str,
    /// Run once for every folder directly below the ones watched that has changed; otherwise once.
    pub each: bool,
    /// Run once for every file that this finds in the root, by its path, for which `{}` stands; otherwise once.
    pub files: Option<fn(&Dir) -> Vec<String>>,
    /// Run only where the system asks for it: `etc/minos/triggers/PROGRAM` with the word `enabled`.
    pub asked: bool,
    /// What it may write is taken away first, so that what it makes is the same whatever was there before.
    pub anew: bool,
    /// Folder that is writable in its box.
    pub folder: &'static str,
    /// What it may make, change and delete in there: names, or starts of names that end in `*`.
    pub writes: &'static [&'static str],
}

/// What most triggers do not need.
const PLAIN: Trigger = Trigger {
    program: "",
    args: &[],
    below: &[],
    also: |_| Vec::new(),
    part: "",
    each: false,
    files: None,
    asked: false,
    anew: false,
    folder: "",
    writes: &[],
};

/// In the order in which they run: programs of later ones may need libraries that the first one makes findable.
pub const TABLE: &[Trigger] = &[
    Trigger {
        program: "ldconfig",
        // Links of libraries come with their packages.
        args: &["-X"],
        below: &["lib", "lib64", "usr/lib", "usr/lib64", "usr/local/lib"],
        also: libraries::folders,
        part: ".so",
        folder: "etc",
        writes: &["ld.so.cache"],
        ..PLAIN
    },
    Trigger {
        program: "ldconfig",
        args: &["-X"],
        below: &["etc"],
        part: "ld.so.conf",
        folder: "etc",
        writes: &["ld.so.cache"],
        ..PLAIN
    },
    Trigger {
        program: "ldconfig",
        args: &["-X"],
        below: &["etc/ld.so.conf.d"],
        part: ".conf",
        folder: "etc",
        writes: &["ld.so.cache"],
        ..PLAIN
    },
    Trigger {
        program: "depmod",
        args: &["-a", "{}"],
        below: &["usr/lib/modules"],
        part: ".ko",
        each: true,
        folder: "usr/lib/modules/{}",
        writes: &["modules.*"],
        ..PLAIN
    },
    Trigger {
        program: "depmod",
        args: &["-a", "{}"],
        below: &["lib/modules"],
        part: ".ko",
        each: true,
        folder: "lib/modules/{}",
        writes: &["modules.*"],
        ..PLAIN
    },
    Trigger {
        program: "glib-compile-schemas",
        args: &["/usr/share/glib-2.0/schemas"],
        below: &["usr/share/glib-2.0/schemas"],
        folder: "usr/share/glib-2.0/schemas",
        writes: &["gschemas.compiled"],
        ..PLAIN
    },
    Trigger {
        program: "update-desktop-database",
        args: &["-q", "/usr/share/applications"],
        below: &["usr/share/applications"],
        part: ".desktop",
        folder: "usr/share/applications",
        writes: &["mimeinfo.cache"],
        ..PLAIN
    },
    Trigger {
        program: "gtk-update-icon-cache",
        args: &["-q", "-t", "-f", "/usr/share/icons/{}"],
        below: &["usr/share/icons"],
        each: true,
        folder: "usr/share/icons/{}",
        writes: &["icon-theme.cache"],
        ..PLAIN
    },
    Trigger {
        program: "fc-cache",
        args: &["-s"],
        below: &["usr/share/fonts"],
        folder: "var/cache/fontconfig",
        writes: &["*"],
        ..PLAIN
    },
    Trigger {
        program: "install-info",
        args: &["{}", "/usr/share/info/dir"],
        below: &["usr/share/info"],
        files: Some(info::manuals),
        anew: true,
        folder: "usr/share/info",
        writes: &["dir"],
        ..PLAIN
    },
    Trigger {
        program: "mandb",
        // It reads every page there is: 40 CPU seconds for the 7,000 of LFS, at each change of one. man(1) finds pages
        // without it, apropos(1) does not.
        asked: true,
        args: &["--create", "--quiet"],
        below: &["usr/share/man", "usr/local/share/man"],
        anew: true,
        folder: "var/cache/man",
        writes: &["*"],
        ..PLAIN
    },
];

/// The files that triggers make at a path known beforehand. They are made of many packages' files, so no package has them.
pub fn caches() -> impl Iterator<Item = String> {
    let fixed = TABLE.iter().filter(|trigger| !trigger.each);
    let names = fixed.flat_map(|trigger| trigger.writes.iter().map(|name| (trigger.folder, *name)));
    names.filter(|(_, name)| !name.contains('*')).map(|(folder, name)| format!("{folder}/{name}"))
}

/// The trigger that makes what stands at a path of the root, if one does.
pub fn maker(path: &[u8]) -> Option<&'static str> {
    let parts: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
    TABLE.iter().find(|trigger| trigger.makes(&parts)).map(|trigger| trigger.program)
}

/// Where a system asks for triggers.
const ASKED: &str = "etc/minos/triggers";
/// Where programs of triggers are looked for.
const PLACES: [&str; 4] = ["usr/sbin", "usr/bin", "sbin", "bin"];

/// A trigger that is called for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    /// The program's name.
    pub name: &'static str,
    /// What is done in the box, one after the other.
    pub orders: Vec<Order>,
    /// The folder it may write in.
    pub folder: String,
    /// What it may write there.
    pub writes: &'static [&'static str],
}

/// What `changed` calls for in `root`, in the order of `table`, nothing twice.
pub fn calls(table: &[Trigger], root: &Dir, changed: &[Vec<u8>]) -> Vec<Call> {
    let mut list: Vec<Call> = Vec::new();
    for trigger in table {
        let Some(program) = find(root, trigger.program) else { continue };
        if trigger.asked && !is_asked_for(root, trigger.program) {
            continue;
        }
        let renewed = changed.iter().any(|path| *path == program.as_bytes());
        for folder in trigger.folders(root, changed, renewed) {
            let call = trigger.call(root, &program, &folder);
            if !list.contains(&call) {
                list.push(call);
            }
        }
    }
    list
}

/// Where in `root` a program stands. Links are not followed: a package may lead them anywhere.
/// Whether the system asks for a trigger that not every system wants.
fn is_asked_for(root: &Dir, program: &str) -> bool {
    let text = libraries::text(root, &format!("{ASKED}/{program}"));
    text.trim() == "enabled"
}

fn find(root: &Dir, program: &str) -> Option<String> {
    let is_program = |dir: &Dir| {
        let stat = dir.stat(OsStr::new(program)).ok();
        stat.is_some_and(|stat| stat.kind == Kind::File && stat.mode & 0o111 != 0)
    };
    let place = PLACES.iter().find(|place| root.open_dir(place).is_ok_and(|dir| is_program(&dir)));
    place.map(|place| format!("{place}/{program}"))
}

impl Trigger {
    /// Whether it may make what stands at a path of these parts.
    fn makes(&self, parts: &[&[u8]]) -> bool {
        let folder: Vec<&str> = self.folder.split('/').collect();
        let Some((above, [name, ..])) = parts.split_at_checked(folder.len()) else { return false };
        let within = |(part, of): (&&[u8], &&str)| *of == "{}" || *part == of.as_bytes();
        above.iter().zip(&folder).all(within) && is_allowed(name, self.writes.iter().copied())
    }

    /// What `{}` is to stand for in each run; one empty text where it is run once, nothing if it is not called for.
    fn folders(&self, root: &Dir, changed: &[Vec<u8>], renewed: bool) -> BTreeSet<String> {
        let also = (self.also)(root);
        let watched = changed.iter().filter_map(|path| self.watched(&also, path));
        if self.each {
            let there = |(below, name): &(&str, &str)| {
                root.has_dir(format!("{below}/{name}")).unwrap_or(false)
            };
            return watched.filter(there).map(|(_, name)| name.to_owned()).collect();
        }
        let called = renewed || watched.count() > 0;
        called.then(String::new).into_iter().collect()
    }

    /// If a path is watched: the folder watched, and the first component below it.
    fn watched<'a>(&self, also: &'a [String], path: &'a [u8]) -> Option<(&'a str, &'a str)> {
        let name = path.rsplit(|byte| *byte == b'/').next()?;
        let part = self.part.as_bytes();
        if !part.is_empty() && !name.windows(part.len()).any(|window| window == part) {
            return None;
        }
        let below = self.below.iter().copied().chain(also.iter().map(String::as_str));
        below.into_iter().find_map(|below| {
            let rest = path.strip_prefix(below.as_bytes())?.strip_prefix(b"/")?;
            let first = rest.split(|byte| *byte == b'/').next()?;
            // Arguments are text; a name that begins with a dash would be an option.
            let first = str::from_utf8(first).ok().filter(|name| !name.starts_with('-'))?;
            Some((below, first))
        })
    }

    fn call(&self, root: &Dir, program: &str, folder: &str) -> Call {
        let clear = || Order::Clear {
            folder: format!("/{}", self.folder.replace("{}", folder)),
            names: self.writes.iter().map(ToString::to_string).collect(),
        };
        let orders = self.anew.then(clear).into_iter();
        let runs = match self.files {
            Some(files) => files(root).iter().map(|file| self.run(program, file)).collect(),
            None => vec![self.run(program, folder)],
        };
        Call {
            name: self.program,
            orders: orders.chain(runs).collect(),
            folder: self.folder.replace("{}", folder),
            writes: self.writes,
        }
    }

    fn run(&self, program: &str, place: &str) -> Order {
        let args = self.args.iter().map(|text| text.replace("{}", place));
        Order::Run { argv: std::iter::once(format!("/{program}")).chain(args).collect() }
    }
}

/// Whether a name is one of `allowed`, or begins as one that ends in `*`.
pub fn is_allowed<'a>(name: &[u8], mut allowed: impl Iterator<Item = &'a str>) -> bool {
    allowed.any(|allowed| match allowed.strip_suffix('*') {
        Some(start) => name.starts_with(start.as_bytes()),
        None => name == allowed.as_bytes(),
    })
}

impl Call {
    /// Whether the program may make, change or delete this path.
    pub fn may_write(&self, path: &[u8]) -> bool {
        let rest = path.strip_prefix(self.folder.as_bytes());
        let Some(rest) = rest.and_then(|rest| rest.strip_prefix(b"/")) else { return false };
        is_allowed(rest, self.writes.iter().copied())
    }

    /// Whether something that the program may write lies below this folder.
    pub fn leads_to(&self, folder: &[u8]) -> bool {
        let own = OsStr::new(&self.folder).as_bytes();
        own.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use minos_sandbox::tree::Dir;

    use super::{Call, Order, TABLE, calls};

    /// A root with these programs.
    fn root(programs: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for program in programs {
            let path = root.path().join(program);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        root
    }

    fn called(root: &tempfile::TempDir, changed: &[&str]) -> Vec<Call> {
        let changed: Vec<Vec<u8>> = changed.iter().map(|path| path.as_bytes().to_vec()).collect();
        calls(TABLE, &Dir::open(root.path()).unwrap(), &changed)
    }

    /// What is run, of all calls.
    fn argvs(calls: &[Call]) -> Vec<Vec<String>> {
        let argv = |order: &Order| match order {
            Order::Run { argv } => Some(argv.clone()),
            Order::Clear { .. } => None,
        };
        calls.iter().flat_map(|call| call.orders.iter().filter_map(argv)).collect()
    }

    fn write(root: &tempfile::TempDir, path: &str, text: &str) {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn many_libraries_call_for_one_run() {
        let root = root(&["usr/sbin/ldconfig"]);
        let libraries = ["usr/lib/liba.so.1", "usr/lib/libb.so", "etc/ld.so.conf"];
        let list = called(&root, &libraries);
        assert_eq!(list.len(), 1);
        assert_eq!(argvs(&list), [["/usr/sbin/ldconfig", "-X"]]);
        assert_eq!(called(&root, &["usr/share/doc/a.so.txt", "usr/lib/readme", "usr/lib"]), []);
        assert_eq!(called(&root, &["usr/sbin/ldconfig"]).len(), 1, "a new program runs once");
    }

    #[test]
    fn a_root_without_the_program_needs_no_trigger() {
        assert_eq!(called(&root(&["lfs/usr/sbin/ldconfig"]), &["usr/lib/liba.so"]), []);
        let linked = root(&["elsewhere/ldconfig"]);
        fs::create_dir(linked.path().join("usr")).unwrap();
        symlink("../elsewhere", linked.path().join("usr/sbin")).unwrap();
        assert_eq!(called(&linked, &["usr/lib/liba.so"]), [], "links are not followed");
    }

    #[test]
    fn each_folder_that_is_there_has_its_own_run() {
        let root = root(&["usr/sbin/depmod"]);
        for version in ["6.12.1", "6.13.0"] {
            fs::create_dir_all(root.path().join("usr/lib/modules").join(version)).unwrap();
        }
        let changed = [
            "usr/lib/modules/6.12.1/a.ko",
            "usr/lib/modules/6.12.1/b.ko.zst",
            "usr/lib/modules/6.13.0/a.ko",
            "usr/lib/modules/5.0.0/gone.ko",
            "usr/lib/modules/--option/a.ko",
        ];
        let expected = ["6.12.1", "6.13.0"].map(|v| ["/usr/sbin/depmod", "-a", v]);
        assert_eq!(argvs(&called(&root, &changed)), expected);
    }

    #[test]
    fn a_call_may_write_what_the_table_says_and_no_more() {
        let root = root(&["usr/sbin/depmod"]);
        fs::create_dir_all(root.path().join("usr/lib/modules/6.1")).unwrap();
        let list = called(&root, &["usr/lib/modules/6.1/a.ko"]);
        let may = |path: &str| list[0].may_write(path.as_bytes());
        assert!(may("usr/lib/modules/6.1/modules.dep"));
        for path in
            ["usr/lib/modules/6.1/a.ko", "usr/lib/modules/6.1", "usr/lib/modules/6.10/modules.dep"]
        {
            assert!(!may(path), "{path}");
        }
        assert!(list[0].leads_to(b"usr/lib") && !list[0].leads_to(b"usr/li"));
    }

    #[test]
    fn libraries_count_where_the_root_says_that_they_are() {
        let root = root(&["usr/sbin/ldconfig"]);
        assert_eq!(called(&root, &["opt/x/lib/liba.so"]), []);
        write(&root, "etc/ld.so.conf", "include /etc/ld.so.conf.d/*.conf\n");
        write(&root, "etc/ld.so.conf.d/x.conf", "/opt/x/lib\n");
        assert_eq!(called(&root, &["opt/x/lib/liba.so", "opt/x/lib/libb.so"]).len(), 1);
        assert_eq!(called(&root, &["opt/x/lib/readme", "opt/y/lib/liba.so"]), []);
    }

    /// Only names with `.so` in them were looked at below `ld.so.conf.d`: its files did not count.
    #[test]
    fn a_folder_of_libraries_that_is_named_anew_counts() {
        let root = root(&["usr/sbin/ldconfig"]);
        assert_eq!(called(&root, &["etc/ld.so.conf.d/x.conf"]).len(), 1);
    }

    #[test]
    fn the_index_of_manuals_is_made_anew_of_all_that_are_there() {
        let root = root(&["usr/bin/install-info"]);
        write(&root, "usr/share/info/b.info.gz", "");
        write(&root, "usr/share/info/a.info", "");
        let list = called(&root, &["usr/share/info/b.info.gz", "usr/share/info/gone.info"]);
        assert_eq!(list.len(), 1);
        assert!(
            matches!(&list[0].orders[0], Order::Clear { folder, .. } if folder == "/usr/share/info")
        );
        let files = ["/usr/share/info/a.info", "/usr/share/info/b.info.gz"];
        let expected = files.map(|f| ["/usr/bin/install-info", f, "/usr/share/info/dir"]);
        assert_eq!(argvs(&list), expected);
        assert_eq!(called(&root, &["usr/share/doc/a.info"]), []);
    }
}
