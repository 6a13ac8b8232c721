//! Which triggers there are, and which of them a change calls for.

/// Something to be made anew from the files of several packages. Paths are relative to the root.
#[derive(Debug)]
pub struct Trigger {
    /// For people.
    pub name: &'static str,
    /// Where its program may stand; the first that is there is run. No program, no trigger: a root that has none
    /// (a toolchain's, say) needs nothing made.
    pub programs: &'static [&'static str],
    /// Its arguments.
    pub arguments: &'static [&'static str],
    /// What it looks at.
    pub watches: Watch,
    /// The directories that are open for writing in its box.
    pub writable: &'static [&'static str],
    /// What it may leave there: these paths and what is below them.
    pub makes: &'static [&'static str],
}

/// Changed paths that call for a trigger. A change of its program always does.
#[derive(Debug)]
pub enum Watch {
    /// Shared libraries anywhere (`/etc/ld.so.conf` may name any directory), and that file.
    Libraries,
    /// What is below these directories.
    Below(&'static [&'static str]),
}

/// All triggers, in the order in which they run. The first one lets the programs of the others find their
/// libraries.
pub const TRIGGERS: &[Trigger] = &[
    Trigger {
        name: "ldconfig",
        programs: &["usr/sbin/ldconfig", "usr/bin/ldconfig", "sbin/ldconfig"],
        // -X: links between libraries are the packages' own affair.
        arguments: &["-X"],
        watches: Watch::Libraries,
        writable: &["etc"],
        makes: &["etc/ld.so.cache"],
    },
    Trigger {
        name: "gdk-pixbuf loaders",
        programs: &["usr/bin/gdk-pixbuf-query-loaders"],
        arguments: &["--update-cache"],
        watches: Watch::Below(&["usr/lib/gdk-pixbuf-2.0"]),
        writable: &["usr/lib/gdk-pixbuf-2.0"],
        makes: &["usr/lib/gdk-pixbuf-2.0/2.10.0/loaders.cache"],
    },
    Trigger {
        name: "glib schemas",
        programs: &["usr/bin/glib-compile-schemas"],
        arguments: &["/usr/share/glib-2.0/schemas"],
        watches: Watch::Below(&["usr/share/glib-2.0/schemas"]),
        writable: &["usr/share/glib-2.0/schemas"],
        makes: &["usr/share/glib-2.0/schemas/gschemas.compiled"],
    },
    Trigger {
        name: "MIME types",
        programs: &["usr/bin/update-mime-database"],
        arguments: &["/usr/share/mime"],
        watches: Watch::Below(&["usr/share/mime/packages"]),
        writable: &["usr/share/mime"],
        makes: &["usr/share/mime"],
    },
    Trigger {
        name: "desktop files",
        programs: &["usr/bin/update-desktop-database"],
        arguments: &["/usr/share/applications"],
        watches: Watch::Below(&["usr/share/applications"]),
        writable: &["usr/share/applications"],
        makes: &["usr/share/applications/mimeinfo.cache"],
    },
    Trigger {
        name: "icon cache",
        programs: &["usr/bin/gtk-update-icon-cache"],
        arguments: &["-f", "-t", "/usr/share/icons/hicolor"],
        watches: Watch::Below(&["usr/share/icons/hicolor"]),
        writable: &["usr/share/icons/hicolor"],
        makes: &["usr/share/icons/hicolor/icon-theme.cache"],
    },
    Trigger {
        name: "font cache",
        programs: &["usr/bin/fc-cache"],
        arguments: &["-s"],
        watches: Watch::Below(&["usr/share/fonts", "etc/fonts"]),
        writable: &["var/cache/fontconfig"],
        makes: &["var/cache/fontconfig"],
    },
    Trigger {
        name: "manual pages",
        programs: &["usr/bin/mandb"],
        arguments: &["--quiet"],
        watches: Watch::Below(&["usr/share/man"]),
        writable: &["var/cache/man"],
        makes: &["var/cache/man"],
    },
];

impl Trigger {
    /// Whether a change of `path` calls for it.
    pub fn wants(&self, path: &[u8]) -> bool {
        let program = self.programs.iter().any(|program| program.as_bytes() == path);
        program
            || match self.watches {
                Watch::Libraries => is_library(path),
                Watch::Below(directories) => directories.iter().any(|d| is_below(path, d)),
            }
    }

    /// Whether it may leave something at `path`.
    pub fn may_make(&self, path: &[u8]) -> bool {
        self.makes.iter().any(|made| made.as_bytes() == path || is_below(path, made))
    }
}

fn is_library(path: &[u8]) -> bool {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
    name.ends_with(b".so")
        || name.windows(4).any(|part| part == b".so.")
        || path == b"etc/ld.so.conf"
        || is_below(path, "etc/ld.so.conf.d")
}

/// Whether `path` is strictly below `directory`.
pub fn is_below(path: &[u8], directory: &str) -> bool {
    path.strip_prefix(directory.as_bytes()).is_some_and(|rest| rest.first() == Some(&b'/'))
}

#[cfg(test)]
mod tests {
    use super::{TRIGGERS, Watch, is_below};

    fn called(path: &str) -> Vec<&'static str> {
        let called = TRIGGERS.iter().filter(|trigger| trigger.wants(path.as_bytes()));
        called.map(|trigger| trigger.name).collect()
    }

    #[test]
    fn a_path_calls_for_the_triggers_that_watch_it() {
        for path in
            ["usr/lib/libz.so", "opt/x/lib/libx.so.1.2", "etc/ld.so.conf", "usr/sbin/ldconfig"]
        {
            assert_eq!(called(path), ["ldconfig"], "{path}");
        }
        assert_eq!(called("etc/ld.so.conf.d/x.conf"), ["ldconfig"]);
        assert_eq!(called("usr/share/man/man1/x.1"), ["manual pages"]);
        for path in ["usr/lib/libz.a", "usr/lib/x.sonnet", "usr/share/manual", "etc/ld.so.cache"] {
            assert!(called(path).is_empty(), "{path}");
        }
    }

    /// Else a trigger would fail on a machine that has its program, and nobody would know before.
    #[test]
    fn what_a_trigger_makes_is_where_it_can_write_and_calls_for_no_trigger() {
        for trigger in TRIGGERS {
            assert!(!trigger.programs.is_empty(), "{}", trigger.name);
            for made in trigger.makes {
                let open = |d: &&str| d == made || is_below(made.as_bytes(), d);
                assert!(trigger.writable.iter().any(open), "{made}");
                assert!(trigger.may_make(made.as_bytes()), "{made}");
            }
            if let Watch::Below(directories) = trigger.watches {
                assert!(!directories.is_empty(), "{}", trigger.name);
            }
        }
    }
}
