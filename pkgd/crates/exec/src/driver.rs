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

/// The command line of a phase.
///
/// The driver text is passed with `-c` so that no file of ours stands among the recipe's. An EXIT trap
/// turns "status 0, but the last line was not reached" into [`EARLY_EXIT`]: a stray `exit 0`
/// would otherwise pass for success. Subshells do not inherit the trap.
pub fn command(phase: Phase) -> Vec<String> {
    let text = format!(
        "set +h; umask 022\n\
         trap '_minos_status=$?; [ $_minos_status -ne 0 ] || [ -n \"$_minos_end\" ] || exit {EARLY_EXIT}' EXIT\n\
         mkdir -p {BUILD_DIR}/src {BUILD_DIR}/home; cd {BUILD_DIR}/src\n\
         set -eo pipefail\n\
         . {RECIPE_DIR}/{phase}.sh\n\
         _minos_end=1\n"
    );
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
            std::fs::write(dir.path().join("build.sh"), script).unwrap();
            let words = command(Phase::Build);
            let text = words[4]
                .replace("/recipe/", &format!("{}/", dir.path().display()))
                .replace("mkdir -p /build/src /build/home; cd /build/src\n", "");
            let status = std::process::Command::new("/bin/bash")
                .args(["--noprofile", "--norc", "-c", &text, "t"])
                .stdout(std::process::Stdio::null())
                .stderr(std::process::Stdio::null())
                .status()
                .unwrap();
            assert_eq!(status.code(), Some(expected), "{script:?}");
        }
    }
}
