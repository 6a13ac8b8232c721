//! How far a change of the system is, in one line.

use minos_proto::Progress;

use super::text::{clean, clip};

/// Cells of the bar.
const CELLS: u64 = 10;

/// The status line, at most `columns - 1` wide: writing into the last column would make some terminals wrap.
pub fn line(progress: &Progress, columns: usize) -> String {
    let mut out = String::new();
    if progress.total > 0 {
        let done = progress.done.min(progress.total);
        let full = (u128::from(done) * u128::from(CELLS) / u128::from(progress.total)) as usize;
        let bar = "#".repeat(full) + &"-".repeat(CELLS as usize - full);
        let unit = if progress.stage == "fetching" { "KiB " } else { "" };
        out.push_str(&format!("[{bar}] {done}/{} {unit}", progress.total));
    }
    out.push_str(&clean(&progress.stage));
    if let Some(subject) = &progress.subject {
        out.push(' ');
        out.push_str(&clean(subject));
    }
    clip(&out, columns.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use minos_proto::Progress;
    use proptest::prelude::{any, prop_assert, proptest};

    use super::line;
    use crate::render::text::width;

    #[test]
    fn a_bar_where_the_whole_is_known() {
        let progress = |subject: Option<&str>, done, total| Progress {
            stage: "unpacking".into(),
            subject: subject.map(str::to_owned),
            done,
            total,
        };
        assert_eq!(
            line(&progress(Some("zlib"), 34, 120), 80),
            "[##--------] 34/120 unpacking zlib"
        );
        assert_eq!(line(&progress(None, 3, 0), 80), "unpacking");
        assert_eq!(line(&progress(None, 9, 4), 80), "[##########] 4/4 unpacking");
        assert_eq!(line(&progress(Some("zlib"), 34, 120), 24), "[##--------] 34/120 u..");
        assert_eq!(line(&progress(Some("\x1b[2J"), 0, 0), 80), "unpacking ?[2J");
    }

    proptest! {
        #[test]
        fn never_wider_than_the_terminal(
            stage in any::<String>(), subject in any::<Option<String>>(),
            done in any::<u64>(), total in any::<u64>(), columns in 1usize..100,
        ) {
            let shown = line(&Progress { stage, subject, done, total }, columns);
            prop_assert!(width(&shown) < columns.max(1), "{shown}");
        }
    }
}
