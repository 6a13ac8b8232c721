//! The shell text around a phase's script, and the fixed environment.

use minos_model::Phase;

use crate::task::Task;

/// The shell's exit status when a script ended with status 0 before its last line.
pub const EARLY_EXIT: i32 = 213;

/// Where the recipe's files stand inside the sandbox.
pub const RECIPE_DIR: &str = "/recipe";
/// Where the sources stand inside the sandbox.
pub const SOURCE_DIR: &str = "/sources";
/// The name, in the build tree, of the file into which a test suite may put its results.
pub const TEST_RESULTS: &str = "test-results";
/// The build tree.
pub const BUILD_DIR: &str = "/build";

/// What lines of ours in the log start with, among them the one that tells where a script failed.
pub const MARK: &str = "pkgd: ";

/// The text that is run, with words to be put in between `@`.
const DRIVER: &str = include_str!("driver.sh");

/// The command line of a phase.
///
/// The driver text is passed with `-c` so that no file of ours stands among the recipe's. An EXIT trap
/// turns "status 0, but the last line was not reached" into [`EARLY_EXIT`]: a stray `exit 0`
/// would otherwise pass for success. Subshells do not inherit the trap.
///
/// An ERR trap tells which command a script ended at, with file and line ([`MARK`]): `test` and its like say nothing
/// themselves. It looks whether `errexit` is on, since functions and subshells inherit the trap, and a command
/// substitution, in which it is off, goes on. In the script's own shell the EXIT trap tells it, when the redirections
/// of the command are undone; a subshell has to tell at once, and then its caller follows with a line of its own.
/// No task key has a part in this text: nothing of it can reach an output.
pub fn command(phase: Phase) -> Vec<String> {
    let text = DRIVER
        .replace("@PHASE@", phase.as_str())
        .replace("@MARK@", MARK)
        .replace("@EARLY@", &EARLY_EXIT.to_string())
        .replace("@BUILD@", BUILD_DIR)
        .replace("@RECIPE@", RECIPE_DIR);
    ["/bin/bash", "--noprofile", "--norc", "-c", &text, &format!("minos-{phase}")]
        .map(str::to_owned)
        .to_vec()
}

/// Where a step that shares its jobs with others finds its tokens.
pub const JOBSERVER: &str = "/run/jobserver";

/// What is the same for every step on a seed.
const SEEDED: [(&str, &str); 4] = [
    ("LFS", "/lfs"),
    ("LFS_TGT", "x86_64-lfs-linux-gnu"),
    ("PATH", "/lfs/tools/bin:/usr/bin:/usr/sbin:/bin:/sbin"),
    ("CONFIG_SITE", "/lfs/usr/share/config.site"),
];

/// What is the same for every step in a root of its own.
const ALONE: [(&str, &str); 1] = [("PATH", "/usr/bin:/usr/sbin")];

/// What is the same for every step.
const FIXED: [(&str, &str); 9] = [
    ("LC_ALL", "POSIX"),
    ("SRC_DIR", SOURCE_DIR),
    ("RECIPE_DIR", RECIPE_DIR),
    ("HOME", "/build/home"),
    ("TMPDIR", "/tmp"),
    ("TZ", "UTC0"),
    ("TERM", "dumb"),
    ("USER", "root"),
    ("SHELL", "/bin/bash"),
];

/// The whole environment of a phase: nothing is inherited from pkgd.
pub fn environment(task: &Task, phase: Phase) -> Vec<(String, String)> {
    let kind: &[_] = if task.seed.is_some() { &SEEDED } else { &ALONE };
    let fixed = FIXED.iter().chain(kind);
    let mut env: Vec<_> = fixed.map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let tokens = match &task.pool {
        Some(_) if task.jobs > 1 => format!(" --jobserver-auth=fifo:{JOBSERVER}"),
        _ => String::new(),
    };
    env.push(("MAKEFLAGS".into(), format!("-j{}{tokens}", task.jobs.max(1))));
    env.push(("SOURCE_DATE_EPOCH".into(), task.epoch.to_string()));
    // In no other phase: nothing that can change an output may come with the tests.
    if phase == Phase::Check {
        env.push(("TEST_RESULTS".into(), format!("{BUILD_DIR}/{TEST_RESULTS}")));
    }
    for (key, value) in &task.env {
        env.retain(|(k, _)| k != key);
        env.push((key.clone(), value.clone()));
    }
    env
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use minos_model::Phase;

    use super::{ALONE, FIXED, SEEDED, command};

    #[test]
    fn every_variable_stands_on_the_page_for_users() {
        let page = include_str!("../../../../docs/RECIPES.md");
        let all = FIXED.iter().chain(&SEEDED).chain(&ALONE);
        for (name, _) in
            all.chain(&[("MAKEFLAGS", ""), ("SOURCE_DATE_EPOCH", ""), ("TEST_RESULTS", "")])
        {
            let stands = page.contains(&format!("`{name}`")) || page.contains(&format!("`{name}="));
            assert!(stands, "{name}");
        }
    }

    /// The driver's contract, tried with the real shell: (script, exit status of the shell).
    #[test]
    fn a_script_counts_as_done_only_at_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let cases = [
            ("true\n", 0),
            ("exit 0\necho never\n", super::EARLY_EXIT),
            ("(exit 0)\ntrue\n", 0),
            ("exit 7\n", 7),
            ("false\ntrue\n", 1),
            ("false | true\ntrue\n", 1),
            ("(false)\ntrue\n", 1),
            ("x=$(false)\ntrue\n", 1),
            ("if false; then :; fi\ntrue\n", 0),
            ("set -u; echo $nothing\n", 1),
        ];
        for (script, expected) in cases {
            assert_eq!(run(dir.path(), script).0, Some(expected), "{script:?}");
        }
    }

    /// Runs a build script by the real shell; its status, and what stands in the log.
    fn run(dir: &Path, script: &str) -> (Option<i32>, String) {
        std::fs::write(dir.join("build.sh"), script).unwrap();
        let words = command(Phase::Build);
        let text = words[4]
            .replace("/recipe/", &format!("{}/", dir.display()))
            .replace("mkdir -p /build/src /build/home; cd /build/src\n", "");
        let mut shell = std::process::Command::new("/bin/bash");
        let output = shell.args(["--noprofile", "--norc", "-c", &text, "t"]).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    }

    /// A `test` that failed ended the phase, and the log was empty.
    #[test]
    fn a_silent_failure_is_told_with_its_line() {
        let dir = tempfile::tempdir().unwrap();
        for (script, want) in [
            (
                "true\ntest \"$(echo x)\" = y\n",
                "pkgd: build.sh:2: test \"$(echo x)\" = y: status 1\n",
            ),
            ("f() {\n  return 3\n}\nf\n", "pkgd: build.sh:4: return 3: status 3\n"),
            ("f() { false; }\nf 2>/dev/null\n", "pkgd: build.sh:1: false: status 1\n"),
            ("x=$(false)\n", "pkgd: build.sh:1: x=$(false): status 1\n"),
            (
                "(\n  false\n)\n",
                "pkgd: build.sh:2: false: status 1\npkgd: build.sh:3: ( false ): status 1\n",
            ),
            ("true\ntest 1 = 2 && true\n", "pkgd: build.sh: its last command: status 1\n"),
            ("cat <<E | grep nothing\nE\n", "pkgd: build.sh:1: grep nothing: status 1\n"),
            ("set -u\n[[ a = b ]]\n", "pkgd: build.sh:2: [[ a = b ]]: status 1\n"),
        ] {
            let (status, log) = run(dir.path(), script);
            assert_ne!(status, Some(0), "{script:?}");
            assert_eq!(log, want, "{script:?}");
        }
    }

    /// Whatever a script may do with a failure that it expects.
    #[test]
    fn nothing_is_told_of_scripts_that_go_on() {
        let dir = tempfile::tempdir().unwrap();
        for script in [
            "x=$(false; echo hi)\ntest \"$x\" = hi\n",
            "x=$({ false; echo hi; } 2>&1)\ntest \"$x\" = hi\n",
            "f() { false; echo go; }\nif f; then :; fi\nf || true\n! false\n",
            "if ! ( set -e; false; true ); then exit 1; fi\n",
            "x=$(set -e; false) || true\n",
            "(false) | cat || true\nfalse | true || :\n",
            "while false; do :; done\nuntil true; do :; done\nfalse &\nwait\n",
            "local_() { local x=$(false); }\nlocal_\nexport Y=$(false)\n",
            "set +e; false; set -e\n",
        ] {
            assert_eq!(run(dir.path(), script), (Some(0), String::new()), "{script:?}");
        }
    }
}
