//! `--stat`: statistics of the server, one line per interval.

use std::thread;
use std::time::Duration;

use conn::resp::Value;

use crate::modes::retry;
use crate::options::Options;
use crate::out::{Exit, fail, print};
use crate::session::Session;

const PAUSE: Duration = Duration::from_secs(1);
/// Lines between two headings.
const LINES_PER_HEADING: u64 = 20;
const HEADING: &str = "\
------- data ------ --------------------- load -------------------- - child -
keys       mem      clients blocked requests            connections          
";

/// Prints lines forever.
///
/// # Errors
/// The server cannot be used; a message was printed.
pub fn run(session: &mut Session, options: &Options) -> Result<(), Exit> {
    session.connect_or_exit()?;
    let pause = if options.interval.is_zero() {
        PAUSE
    } else {
        options.interval
    };
    let mut requests = None;
    for number in 0u64.. {
        let info = match retry::call(session, &["INFO"])? {
            Value::Error(text) => return fail([b"ERROR: ", text.as_slice()].concat()),
            reply => String::from_utf8_lossy(reply.text().unwrap_or_default()).into_owned(),
        };
        if number % LINES_PER_HEADING == 0 {
            print(HEADING);
        }
        let now = field(&info, "total_commands_processed");
        print(line(&info, now - requests.unwrap_or(now)));
        requests = Some(now);
        thread::sleep(pause);
    }
    Ok(())
}

/// The line for one reply to INFO.
fn line(info: &str, new_requests: i64) -> String {
    let requests = format!(
        "{} (+{new_requests})",
        field(info, "total_commands_processed")
    );
    format!(
        "{:<11}{:<8} {:<8}{:<8}{requests:<19} {:<12}{}\n",
        keys(info),
        human(field(info, "used_memory")),
        field(info, "connected_clients"),
        field(info, "blocked_clients"),
        field(info, "total_connections_received"),
        child(info)
    )
}

fn lines(info: &str) -> impl Iterator<Item = (&str, &str)> {
    info.lines().filter_map(|line| line.split_once(':'))
}

/// A numeric field of INFO; 0 if it is missing.
fn field(info: &str, name: &str) -> i64 {
    lines(info)
        .find(|&(field, _)| field == name)
        .and_then(|(_, value)| value.parse().ok())
        .unwrap_or(0)
}

/// The keys of all databases: `db0:keys=1,expires=0,…`.
fn keys(info: &str) -> i64 {
    lines(info)
        .filter(|(field, _)| {
            field
                .strip_prefix("db")
                .is_some_and(|db| db.parse::<u32>().is_ok())
        })
        .filter_map(|(_, value)| {
            value
                .strip_prefix("keys=")?
                .split(',')
                .next()?
                .parse::<i64>()
                .ok()
        })
        .sum()
}

/// The activity of child processes.
fn child(info: &str) -> &'static str {
    let on = |name| field(info, name) != 0;
    let saves = on("rdb_bgsave_in_progress") || on("bgsave_in_progress");
    match (saves, on("aof_rewrite_in_progress"), on("loading")) {
        (true, false, false) => "SAVE",
        (false, true, false) => "AOF",
        (true, true, false) => "SAVE+AOF",
        (false, false, true) => "LOAD",
        _ => "",
    }
}

/// A number of bytes with a unit.
fn human(bytes: i64) -> String {
    const UNITS: [char; 5] = ['K', 'M', 'G', 'T', 'P'];
    if bytes.abs() < 1024 {
        return format!("{bytes}B");
    }
    let mut amount = bytes as f64 / 1024.0;
    let mut unit = 0;
    while amount.abs() >= 1024.0 && unit + 1 < UNITS.len() {
        amount /= 1024.0;
        unit += 1;
    }
    format!("{amount:.2}{}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::{HEADING, child, human, keys, line};

    const INFO: &str = "# Server\r\nused_memory_human:1M\r\nused_memory:1048576\r\nconnected_clients:3\r\n\
        blocked_clients:1\r\ntotal_commands_processed:120\r\ntotal_connections_received:7\r\nloading:0\r\n\
        rdb_bgsave_in_progress:1\r\naof_rewrite_in_progress:1\r\ndbx:keys=9\r\n\
        db0:keys=2,expires=0\r\ndb13:keys=40,expires=1,avg_ttl=0\r\n";

    #[test]
    fn a_line_has_the_columns_of_the_heading() {
        assert_eq!(
            line(INFO, 5),
            "42         1.00M    3       1       120 (+5)            7           SAVE+AOF\n"
        );
        assert!(HEADING.lines().all(|line| line.len() == 77));
    }

    #[test]
    fn a_server_may_leave_everything_out() {
        assert_eq!((keys(""), child("")), (0, ""));
        assert!(line("nonsense", 0).starts_with("0          0B"));
    }

    #[test]
    fn bytes_have_a_unit() {
        let table = [
            (0, "0B"),
            (1023, "1023B"),
            (1024, "1.00K"),
            (1_572_864, "1.50M"),
            (3 << 30, "3.00G"),
            (1 << 41, "2.00T"),
            (-2048, "-2.00K"),
        ];
        for (bytes, expected) in table {
            assert_eq!(human(bytes), expected);
        }
    }
}
