//! Times and sizes as people read them.

/// A duration: `0.4s`, `12s`, `3:05`, `1:02:03`.
pub fn duration(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0..10 => format!("{seconds}.{}s", ms % 1000 / 100),
        10..60 => format!("{seconds}s"),
        60..3600 => format!("{}:{:02}", seconds / 60, seconds % 60),
        _ => clock(ms),
    }
}

/// A duration as a clock that does not change its shape every moment: `0:07`, `59:59`, `1:00:00`.
pub fn clock(ms: u64) -> String {
    let seconds = ms / 1000;
    let (h, m, s) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if h == 0 { format!("{m}:{s:02}") } else { format!("{h}:{m:02}:{s:02}") }
}

/// A size: `812 B`, `3.4 MiB`, `212 GiB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut unit = 0;
    let mut scaled = bytes;
    // 1024 is divided off first where ten times the number would not fit.
    while scaled >= 1 << 20 && unit + 1 < UNITS.len() {
        scaled /= 1024;
        unit += 1;
    }
    let tenths = scaled * 10 / 1024;
    if tenths < 1000 {
        format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
    } else {
        format!("{} {}", tenths / 10, UNITS[unit])
    }
}

/// A size given in KiB; empty for 0, which means "not measured".
pub fn size_kib(kib: u64) -> String {
    if kib == 0 { String::new() } else { size(kib.saturating_mul(1024)) }
}

/// A point in time, UTC: `2025-11-21 03:47`.
pub fn date(ms: u64) -> String {
    let ((y, m, d), minutes) = (civil(ms / 86_400_000), ms / 60_000 % 1440);
    format!("{y:04}-{m:02}-{d:02} {:02}:{:02}", minutes / 60, minutes % 60)
}

/// Year, month and day in the Gregorian calendar of a number of days since 1970-01-01, at most 2⁶³: counted in eras of
/// 400 years, and in years from March, so that the leap day is the last one.
pub const fn civil(days: u64) -> (u64, u64, u64) {
    let since = days + 719_468; // from 0000-03-01
    let (era, of_era) = (since / 146_097, since % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153; // 0 = March
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + next, month, day)
}

/// `1 step`, `2 steps`.
pub fn count(n: u64, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::{clock, count, date, duration, size, size_kib};

    #[test]
    fn durations() {
        let shown: Vec<_> =
            [0, 450, 9_999, 12_345, 59_999, 60_000, 3_599_999, 3_723_000].map(duration).into();
        assert_eq!(shown, ["0.0s", "0.4s", "9.9s", "12s", "59s", "1:00", "59:59", "1:02:03"]);
        assert_eq!([7_000, 3_600_000, 360_000_000].map(clock), ["0:07", "1:00:00", "100:00:00"]);
    }

    #[test]
    fn sizes() {
        let shown: Vec<_> = [0, 1023, 1024, 3_565_158, 226_559_524_864, u64::MAX].map(size).into();
        assert_eq!(shown, ["0 B", "1023 B", "1.0 KiB", "3.3 MiB", "211 GiB", "15.9 EiB"]);
        assert_eq!(size_kib(0), "");
        assert_eq!(size_kib(2048), "2.0 MiB");
    }

    /// The values are those of `date -u -d @SECONDS`.
    #[test]
    fn dates() {
        assert_eq!(date(0), "1970-01-01 00:00");
        assert_eq!(date(951_782_400_000), "2000-02-29 00:00");
        assert_eq!(date(1_763_696_820_000), "2025-11-21 03:47");
        assert_eq!(date(4_107_542_399_000), "2100-02-28 23:59");
        assert_eq!(date(4_107_542_400_000), "2100-03-01 00:00");
        let _ = date(u64::MAX);
    }

    #[test]
    fn counts() {
        assert_eq!((count(1, "step"), count(0, "step")), ("1 step".into(), "0 steps".into()));
    }
}
