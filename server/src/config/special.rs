//! Directives that no general kind fits: how each is parsed, shown and written to a file.
//!
//! Each is a [`Special`] with its functions behind it. A parser sets all of its fields or none.

use std::path::{Path, PathBuf};

use data::util::num::{parse_f64, parse_memory};
use words::quote;

use crate::config::choice::none_of;
use crate::config::params::Params;
use crate::config::row::{ChoiceField, Line, Row, Special, WRONG_ARGS};
use crate::config::values::{ClientClass, EventClasses, OutputLimit, SavePoint, ShutdownFlags};
use crate::sys::host::reason;
use crate::sys::log::FACILITIES;

/// Maximum number of addresses in `bind`.
const MAX_ADDRESSES: usize = 16;
/// Range of the `oom-score-adj-values`.
const OOM_RANGE: std::ops::RangeInclusive<i64> = -2000..=2000;

/// `bind`.
pub const BIND: Special = Special {
    set: set_bind,
    get: |params| params.bind.join(" "),
    lines: Some(bind_lines),
};
/// `save`.
pub const SAVE: Special = Special {
    set: set_save,
    get: save_text,
    lines: Some(save_lines),
};
/// `dir`.
pub const DIR: Special = Special {
    set: set_dir,
    get: dir_text,
    lines: Some(dir_lines),
};
/// `client-output-buffer-limit`.
pub const OUTPUT_LIMIT: Special = Special {
    set: set_output_limits,
    get: output_limits_text,
    lines: Some(output_limit_lines),
};
/// `oom-score-adj-values`.
pub const OOM_VALUES: Special = Special {
    set: set_oom_values,
    get: |params| joined(&params.oom_score_adj_values),
    lines: None,
};
/// `notify-keyspace-events`.
pub const EVENTS: Special = Special {
    set: set_events,
    get: |params| params.notify_keyspace_events.shown(),
    lines: Some(event_lines),
};
/// `replicaof`.
pub const REPLICAOF: Special = Special {
    set: set_replicaof,
    get: replicaof_text,
    lines: Some(replicaof_lines),
};
/// `latency-tracking-info-percentiles`.
pub const PERCENTILES: Special = Special {
    set: set_percentiles,
    get: percentiles_text,
    lines: Some(percentile_lines),
};
/// `shutdown-on-sigint`.
pub const ON_SIGINT: Special = Special {
    set: |params, words| set_shutdown(&mut params.shutdown_on_sigint, words),
    get: |params| shutdown_text(params.shutdown_on_sigint),
    lines: None,
};
/// `shutdown-on-sigterm`.
pub const ON_SIGTERM: Special = Special {
    set: |params, words| set_shutdown(&mut params.shutdown_on_sigterm, words),
    get: |params| shutdown_text(params.shutdown_on_sigterm),
    lines: None,
};
/// `syslog-facility`: the system's numbers by name.
pub const FACILITY: ChoiceField = ChoiceField {
    word: facility_word,
    set: set_facility,
    complaint: || none_of(FACILITIES.iter().map(|(word, _)| *word)),
};

/// Client classes by the name that CONFIG GET shows and the one that is written to a file.
const CLASSES: [(&str, &str, ClientClass); 3] = [
    ("normal", "normal", ClientClass::Normal),
    ("slave", "replica", ClientClass::Replica),
    ("pubsub", "pubsub", ClientClass::PubSub),
];

fn set_bind(params: &mut Params, words: &[&[u8]]) -> Result<(), String> {
    if words.len() > MAX_ADDRESSES {
        return Err("Too many bind addresses specified.".into());
    }
    let words = if words == [b""] { &[] } else { words };
    params.bind = words.iter().map(|word| text(word)).collect();
    Ok(())
}

fn bind_lines(row: &Row, params: &Params, defaults: &Params) -> Vec<Line> {
    if params.bind == defaults.bind {
        return Vec::new();
    }
    let addresses = if params.bind.is_empty() {
        "\"\"".into()
    } else {
        params.bind.join(" ")
    };
    vec![forced(format!("{} {addresses}", row.name))]
}

fn set_save(params: &mut Params, words: &[&[u8]]) -> Result<(), String> {
    const COMPLAINT: &str = "Invalid save parameters";
    let words = if words == [b""] { &[] } else { words };
    let (pairs, rest) = words.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(COMPLAINT.into());
    }
    let points = pairs.iter().map(|[seconds, changes]| {
        let seconds = c_integer(seconds).filter(|seconds| *seconds >= 1)?;
        let changes = c_integer(changes).filter(|changes| *changes >= 0)?;
        Some(SavePoint { seconds, changes })
    });
    params.save = points.collect::<Option<Vec<_>>>().ok_or(COMPLAINT)?;
    Ok(())
}

fn save_text(params: &Params) -> String {
    let points = params
        .save
        .iter()
        .map(|point| format!("{} {}", point.seconds, point.changes));
    points.collect::<Vec<_>>().join(" ")
}

fn save_lines(_: &Row, params: &Params, _: &Params) -> Vec<Line> {
    if params.save.is_empty() {
        return vec![forced("save \"\"".into())];
    }
    let points = params.save.iter();
    points
        .map(|point| forced(format!("save {} {}", point.seconds, point.changes)))
        .collect()
}

/// The directory is kept as an absolute path; applying the configuration changes to it.
fn set_dir(params: &mut Params, words: &[&[u8]]) -> Result<(), String> {
    let [word] = words else {
        return Err(WRONG_ARGS.into());
    };
    let wanted = str::from_utf8(word).map_err(|_| "argument must be valid UTF-8")?;
    // With the dot a path that is not a directory fails as it would with `chdir`.
    let path = match wanted {
        "" => PathBuf::new(),
        _ => Path::new(&params.dir).join(wanted).join("."),
    };
    let path = path.canonicalize().map_err(|error| reason(&error))?;
    params.dir = path
        .to_str()
        .ok_or("the path of the directory must be valid UTF-8")?
        .to_owned();
    Ok(())
}

/// The working directory: the configured one, or that of the process.
pub fn dir_text(params: &Params) -> String {
    if !params.dir.is_empty() {
        return params.dir.clone();
    }
    std::env::current_dir().map_or_else(|_| String::new(), |dir| dir.to_string_lossy().into_owned())
}

fn dir_lines(row: &Row, params: &Params, _: &Params) -> Vec<Line> {
    let dir = dir_text(params);
    if dir.is_empty() {
        Vec::new()
    } else {
        vec![quoted(row, dir.as_bytes(), true)]
    }
}

fn set_output_limits(params: &mut Params, words: &[&[u8]]) -> Result<(), String> {
    let (groups, rest) = words.as_chunks::<4>();
    if !rest.is_empty() {
        return Err("Wrong number of arguments in buffer limit configuration.".into());
    }
    let mut limits = params.client_output_buffer_limit;
    for [class, hard, soft, seconds] in groups {
        let class = class_of(class)
            .ok_or("Invalid client class specified in buffer limit configuration.")?;
        let limit = output_limit(hard, soft, seconds)
            .ok_or("Error in hard, soft or soft_seconds setting in buffer limit configuration.")?;
        limits[class as usize] = limit;
    }
    params.client_output_buffer_limit = limits;
    Ok(())
}

fn class_of(word: &[u8]) -> Option<ClientClass> {
    let is = |name: &str| name.as_bytes().eq_ignore_ascii_case(word);
    CLASSES
        .iter()
        .find(|(shown, written, _)| is(shown) || is(written))
        .map(|(_, _, class)| *class)
}

fn output_limit(hard: &[u8], soft: &[u8], seconds: &[u8]) -> Option<OutputLimit> {
    let soft_seconds = c_integer(seconds).filter(|seconds| *seconds >= 0)?;
    Some(OutputLimit {
        hard: parse_memory(hard)?,
        soft: parse_memory(soft)?,
        soft_seconds,
    })
}

fn output_limits_text(params: &Params) -> String {
    let classes = CLASSES.iter().map(|(shown, _, class)| {
        let limit = params.client_output_buffer_limit[*class as usize];
        format!(
            "{shown} {} {} {}",
            limit.hard, limit.soft, limit.soft_seconds
        )
    });
    classes.collect::<Vec<_>>().join(" ")
}

fn output_limit_lines(row: &Row, params: &Params, defaults: &Params) -> Vec<Line> {
    let classes = CLASSES.iter().map(|(_, written, class)| {
        let limit = params.client_output_buffer_limit[*class as usize];
        let (hard, soft) = (memory_text(limit.hard), memory_text(limit.soft));
        let text = format!(
            "{} {written} {hard} {soft} {}",
            row.name, limit.soft_seconds
        );
        let force = limit != defaults.client_output_buffer_limit[*class as usize];
        Line {
            text: text.into_bytes(),
            force,
        }
    });
    classes.collect()
}

fn set_oom_values(params: &mut Params, words: &[&[u8]]) -> Result<(), String> {
    let words: &[&[u8]; 3] = words.try_into().map_err(|_| WRONG_ARGS)?;
    for (value, word) in params.oom_score_adj_values.iter_mut().zip(words) {
        *value = c_integer(word)
            .filter(|value| OOM_RANGE.contains(value))
            .ok_or("Invalid oom-score-adj-values, elements must be between -2000 and 2000.")?;
    }
    Ok(())
}

fn set_events(params: &mut Params, words: &[&[u8]]) -> Result<(), String> {
    let [word] = words else {
        return Err(WRONG_ARGS.into());
    };
    params.notify_keyspace_events = EventClasses::of_letters(word)
        .ok_or("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")?;
    Ok(())
}

fn event_lines(row: &Row, params: &Params, _: &Params) -> Vec<Line> {
    let events = params.notify_keyspace_events;
    vec![quoted(row, events.letters().as_bytes(), !events.is_empty())]
}

fn set_replicaof(params: &mut Params, words: &[&[u8]]) -> Result<(), String> {
    let [host, port] = words else {
        return Err(WRONG_ARGS.into());
    };
    params.replicaof = None;
    if !(host.eq_ignore_ascii_case(b"no") && port.eq_ignore_ascii_case(b"one")) {
        let port = c_integer(port)
            .and_then(|port| u16::try_from(port).ok())
            .ok_or("Invalid master port")?;
        params.replicaof = Some((text(host), port));
    }
    Ok(())
}

fn replicaof_text(params: &Params) -> String {
    params
        .replicaof
        .as_ref()
        .map_or_else(String::new, |(host, port)| format!("{host} {port}"))
}

fn replicaof_lines(row: &Row, params: &Params, _: &Params) -> Vec<Line> {
    let primary = params.replicaof.as_ref();
    primary
        .map(|_| forced(format!("{} {}", row.name, replicaof_text(params))))
        .into_iter()
        .collect()
}

fn set_percentiles(params: &mut Params, words: &[&[u8]]) -> Result<(), String> {
    let words = if words == [b""] { &[] } else { words };
    let mut percentiles = Vec::with_capacity(words.len());
    for word in words {
        let percentile =
            parse_f64(word).ok_or("Invalid latency-tracking-info-percentiles parameters")?;
        if !(0.0..=100.0).contains(&percentile) {
            return Err(
                "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]"
                    .into(),
            );
        }
        percentiles.push(percentile);
    }
    params.latency_tracking_info_percentiles = percentiles;
    Ok(())
}

fn percentiles_text(params: &Params) -> String {
    let percentiles = params
        .latency_tracking_info_percentiles
        .iter()
        .map(|percentile| {
            let text = format!("{percentile:.6}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        });
    percentiles.collect::<Vec<_>>().join(" ")
}

fn percentile_lines(row: &Row, params: &Params, _: &Params) -> Vec<Line> {
    let text = percentiles_text(params);
    let text = if text.is_empty() { "\"\"" } else { &text };
    vec![forced(format!("{} {text}", row.name))]
}

fn set_shutdown(flags: &mut ShutdownFlags, words: &[&[u8]]) -> Result<(), String> {
    let mut new = ShutdownFlags::default();
    if words.is_empty() {
        return Err(none_of(SHUTDOWN_WORDS.into_iter()));
    }
    for word in words {
        match word.to_ascii_lowercase().as_slice() {
            b"default" => {}
            b"save" => new.save = true,
            b"nosave" => new.nosave = true,
            b"now" => new.now = true,
            b"force" => new.force = true,
            _ => return Err(none_of(SHUTDOWN_WORDS.into_iter())),
        }
    }
    if new.save && new.nosave {
        return Err("shutdown options SAVE and NOSAVE can't be used simultaneously".into());
    }
    *flags = new;
    Ok(())
}

const SHUTDOWN_WORDS: [&str; 5] = ["default", "save", "nosave", "now", "force"];

fn shutdown_text(flags: ShutdownFlags) -> String {
    let set = [flags.save, flags.nosave, flags.now, flags.force];
    let words = SHUTDOWN_WORDS[1..].iter().zip(set).filter(|(_, set)| *set);
    let words: Vec<&str> = words.map(|(word, _)| *word).collect();
    if words.is_empty() {
        "default".into()
    } else {
        words.join(" ")
    }
}

fn facility_word(params: &Params) -> &'static str {
    let found = FACILITIES
        .iter()
        .find(|(_, number)| *number == params.syslog_facility);
    found.map_or("unknown", |(word, _)| word)
}

fn set_facility(params: &mut Params, wanted: &[u8]) -> bool {
    let found = FACILITIES
        .iter()
        .find(|(word, _)| word.as_bytes().eq_ignore_ascii_case(wanted));
    params.syslog_facility = found.map_or(params.syslog_facility, |(_, number)| *number);
    found.is_some()
}

/// A line that must be written.
fn forced(text: String) -> Line {
    Line {
        text: text.into_bytes(),
        force: true,
    }
}

/// A line with a quoted value.
pub fn quoted(row: &Row, value: &[u8], force: bool) -> Line {
    let mut text = format!("{} ", row.name).into_bytes();
    quote(&mut text, value);
    Line { text, force }
}

/// An amount of memory in the largest unit that divides it.
pub fn memory_text(bytes: u64) -> String {
    let units = [(30, "gb"), (20, "mb"), (10, "kb")];
    let unit = units
        .iter()
        .find(|(shift, _)| bytes != 0 && bytes.trailing_zeros() >= *shift);
    unit.map_or_else(
        || bytes.to_string(),
        |(shift, unit)| format!("{}{unit}", bytes >> shift),
    )
}

/// What C's `strtoll` returns if it must consume the whole text; 0 for an empty text.
fn c_integer(word: &[u8]) -> Option<i64> {
    if word.is_empty() {
        return Some(0);
    }
    str::from_utf8(word.trim_ascii_start()).ok()?.parse().ok()
}

fn joined(numbers: &[i64]) -> String {
    numbers
        .iter()
        .map(i64::to_string)
        .collect::<Vec<_>>()
        .join(" ")
}

fn text(word: &[u8]) -> String {
    String::from_utf8_lossy(word).into_owned()
}
