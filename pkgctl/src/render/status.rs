//! `status`, and the banner of the shell.

use minos_model::units::{count, duration, size};
use minos_proto::{Changing, Status};

use super::text::{clean, labelled, width};
use super::{Tone, View};

/// How the daemon stands, one fact a line.
pub fn status(status: &Status, view: View) -> String {
    let place = if status.host_mode { "host mode" } else { "appliance" };
    let mut facts = vec![
        ("daemon", format!("{}, up {}, {place}", status.server, duration(status.uptime_ms))),
        ("kernel", status.kernel.clone()),
        ("sandbox", sandbox(status)),
        ("store", store(status)),
        ("jobs", format!("{} active", status.active_jobs)),
    ];
    if let Some(changing) = &status.changing {
        facts.push(("changing", change(changing)));
    }
    if let Some(why) = &status.last_boot {
        facts.push(("last boot", why.clone()));
    }
    let mut out = String::new();
    for (label, text) in facts {
        out.push_str(&labelled(&format!("{label:<11}"), &text, view.width));
    }
    if let Some(why) = &status.refuses {
        out.push_str(&view.paint(Tone::Bad, "pkgd refuses to build here"));
        out.push('\n');
        out.push_str(&labelled("  why:  ", why, view.width));
        out.push_str(&labelled("  next: ", "'pkgctl doctor' says what is missing", view.width));
    }
    out
}

/// What the shell shows when it starts: at most four lines.
pub fn banner(status: &Status, active: Option<(u64, &str)>, view: View) -> String {
    let name = concat!("MinOS ", env!("CARGO_PKG_VERSION"));
    let facts = format!("{}, {}, {}", status.kernel, sandbox(status), store(status));
    let rest = format!(", kernel {}", clean(&facts));
    let mut out = if name.len() + width(&rest) <= view.width {
        format!("{}{rest}\n", view.paint(Tone::Strong, name))
    } else {
        labelled("", &format!("{name}{rest}"), view.width)
    };
    if let Some(why) = &status.last_boot {
        out.push_str(&labelled("last boot: ", why, view.width));
    }
    if let Some(why) = &status.refuses {
        out.push_str(&labelled("refuses to build: ", why, view.width));
    }
    if let Some((id, target)) = active {
        let text = format!("{id} builds {target}; 'watch' follows it");
        out.push_str(&labelled("job ", &text, view.width));
    }
    out
}

/// The change that runs: what, by whom, since when, how far.
fn change(changing: &Changing) -> String {
    let Changing { what, uid, pid, elapsed_ms, .. } = changing;
    let stage = changing.stage.as_deref().unwrap_or("working");
    let subject = changing.subject.as_deref().unwrap_or_default();
    let who = format!("by user {uid}, process {pid}, for {}", duration(*elapsed_ms));
    format!("{what}; {who}; now {stage} {subject}")
}

fn sandbox(status: &Status) -> String {
    match status.landlock_abi {
        0 => "no Landlock".into(),
        abi => format!("Landlock ABI {abi}"),
    }
}

fn store(status: &Status) -> String {
    format!("{}, {} free", count(status.outputs, "output"), size(status.free_bytes))
}

#[cfg(test)]
mod tests {
    use minos_proto::{Changing, Status};

    use super::{banner, status};
    use crate::render::View;

    const VIEW: View = View { width: 80, color: false };

    fn sample() -> Status {
        Status {
            server: "pkgd 0.1.0".into(),
            kernel: "6.12.9".into(),
            host_mode: false,
            landlock_abi: 6,
            refuses: None,
            uptime_ms: 192_000,
            active_jobs: 1,
            outputs: 12,
            free_bytes: 3_650_722_201,
            last_boot: Some("powered off on request".into()),
            changing: None,
        }
    }

    #[test]
    fn one_fact_a_line() {
        let want = "daemon     pkgd 0.1.0, up 3:12, appliance\n\
                    kernel     6.12.9\n\
                    sandbox    Landlock ABI 6\n\
                    store      12 outputs, 3.3 GiB free\n\
                    jobs       1 active\n\
                    last boot  powered off on request\n";
        assert_eq!(status(&sample(), VIEW), want);
    }

    #[test]
    fn a_refusal_is_told_with_the_next_step() {
        let refusing = Status {
            landlock_abi: 0,
            host_mode: true,
            last_boot: None,
            refuses: Some("this kernel has no Landlock".into()),
            ..sample()
        };
        let want = "daemon     pkgd 0.1.0, up 3:12, host mode\n\
                    kernel     6.12.9\n\
                    sandbox    no Landlock\n\
                    store      12 outputs, 3.3 GiB free\n\
                    jobs       1 active\n\
                    pkgd refuses to build here\n  \
                      why:  this kernel has no Landlock\n  \
                      next: 'pkgctl doctor' says what is missing\n";
        assert_eq!(status(&refusing, VIEW), want);
    }

    /// It told of builds only: whoever wanted to know why the system was not to be changed was told of no job.
    #[test]
    fn a_change_that_runs_is_told() {
        let changing = Changing {
            what: "apply plan 1a2b3c4d: install vim".into(),
            uid: 0,
            pid: 77,
            elapsed_ms: 72_000,
            stage: Some("triggers".into()),
            subject: Some("mandb".into()),
        };
        let told = status(&Status { changing: Some(changing), ..sample() }, VIEW);
        let want = "changing   apply plan 1a2b3c4d: install vim; by user 0, process 77, for 1:12;\n\
                    \x20          now triggers mandb\n";
        assert!(told.contains(want), "{told}");
    }

    #[test]
    fn the_banner_is_short() {
        let want = "MinOS 0.1.0, kernel 6.12.9, Landlock ABI 6, 12 outputs, 3.3 GiB free\n\
                    last boot: powered off on request\n\
                    job 4 builds lfs/toolchain; 'watch' follows it\n";
        assert_eq!(banner(&sample(), Some((4, "lfs/toolchain")), VIEW), want);
    }
}
