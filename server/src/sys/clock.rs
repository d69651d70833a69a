//! Clocks: wall time for expiry and logs, monotonic time for measuring.
//!
//! Both are one vDSO call each. Code that runs inside a command uses `Unit::now_ms` instead, so that a script or a
//! transaction sees one instant.

#![allow(unsafe_code)]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

fn since_epoch() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

/// Unix time in milliseconds.
pub fn unix_ms() -> i64 {
    since_epoch().as_millis() as i64
}

/// Unix time in microseconds.
pub fn unix_us() -> i64 {
    since_epoch().as_micros() as i64
}

/// Monotonic time in nanoseconds from an arbitrary start.
#[inline]
pub fn monotonic_ns() -> u64 {
    let mut ts = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `ts` is a valid timespec for the call to fill in.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut ts) };
    ts.tv_sec as u64 * 1_000_000_000 + ts.tv_nsec as u64
}

/// Monotonic time in microseconds from an arbitrary start.
pub fn monotonic_us() -> u64 {
    monotonic_ns() / 1000
}

/// Monotonic time in milliseconds from an arbitrary start.
pub fn monotonic_ms() -> u64 {
    monotonic_ns() / 1_000_000
}

/// `14 Nov 2026 13:05:59.042` in local time, as every log line begins.
pub fn log_stamp(out: &mut Vec<u8>) {
    let now = since_epoch();
    let secs = now.as_secs() as libc::time_t;
    let mut tm = std::mem::MaybeUninit::<libc::tm>::zeroed();
    let mut text = [0u8; 64];
    // SAFETY: `tm` is filled by localtime_r before strftime reads it; `text` bounds the output.
    let len = unsafe {
        libc::localtime_r(&raw const secs, tm.as_mut_ptr());
        libc::strftime(
            text.as_mut_ptr().cast(),
            text.len(),
            c"%d %b %Y %H:%M:%S.".as_ptr(),
            tm.as_ptr(),
        )
    };
    out.extend_from_slice(&text[..len]);
    out.extend_from_slice(format!("{:03}", now.subsec_millis()).as_bytes());
}

/// `2026-11-14` of a Unix time in seconds, in UTC (certificates name their end in UTC).
pub fn utc_date(unix_secs: i64) -> String {
    // Days to civil date: Howard Hinnant's algorithm, eras of 400 years from 1 March of year 0.
    let days = unix_secs.div_euclid(86_400) + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::utc_date;

    #[test]
    fn dates_of_known_instants() {
        for (secs, date) in [
            (0, "1970-01-01"),
            (951_782_400, "2000-02-29"),
            (1_767_398_400, "2026-01-03"),
            (-1, "1969-12-31"),
        ] {
            assert_eq!(utc_date(secs), date);
        }
    }
}
