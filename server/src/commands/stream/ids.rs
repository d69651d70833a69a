//! Stream ids as arguments.
//!
//! `ms-seq`, or `ms` alone, for which the command supplies the sequence number. In ranges `-` and `+` are the first
//! and the last id.

use data::util::num::parse_u64_lenient;
use data::value::stream_id::StreamId;
use words::until_nul;

use crate::wire::fault::Fault;

/// Maximum length of an id's text.
const MAX_LEN: usize = 127;

/// An id argument of XADD.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewId {
    /// `*`: by the clock.
    Auto,
    /// `ms-*`: the next sequence number of this millisecond.
    Within(u64),
    /// An explicit id.
    Given(StreamId),
}

fn invalid() -> Fault {
    Fault::new("ERR Invalid stream ID specified as stream command argument")
}

/// Both parts of an id, the second one unparsed.
fn parts(arg: &[u8]) -> Result<(u64, Option<&[u8]>), Fault> {
    if arg.len() > MAX_LEN {
        return Err(invalid());
    }
    let text = until_nul(arg);
    let (ms, seq) = match text.iter().position(|&byte| byte == b'-') {
        Some(dash) => (&text[..dash], Some(&text[dash + 1..])),
        None => (text, None),
    };
    Ok((parse_u64_lenient(ms).ok_or_else(invalid)?, seq))
}

/// An id; `missing_seq` is used if it has no sequence number.
///
/// # Errors
/// It is not an id.
pub fn id(arg: &[u8], missing_seq: u64) -> Result<StreamId, Fault> {
    let (ms, seq) = parts(arg)?;
    let seq = seq.map_or(Some(missing_seq), parse_u64_lenient);
    Ok(StreamId::new(ms, seq.ok_or_else(invalid)?))
}

/// An id; a missing sequence number is 0.
///
/// # Errors
/// It is not an id.
pub fn exact_id(arg: &[u8]) -> Result<StreamId, Fault> {
    id(arg, 0)
}

/// As [`id`]; also accepts `-` and `+`.
///
/// # Errors
/// None of these.
pub fn id_or_edge(arg: &[u8], missing_seq: u64) -> Result<StreamId, Fault> {
    match until_nul(arg) {
        b"-" => Ok(StreamId::MIN),
        b"+" => Ok(StreamId::MAX),
        _ => id(arg, missing_seq),
    }
}

/// An id for a new entry.
///
/// # Errors
/// It is not one.
pub fn new_id(arg: &[u8]) -> Result<NewId, Fault> {
    if arg == b"*" {
        return Ok(NewId::Auto);
    }
    match parts(arg)? {
        (ms, Some(b"*")) => Ok(NewId::Within(ms)),
        _ => exact_id(arg).map(NewId::Given),
    }
}

/// All ids from an argument on.
///
/// # Errors
/// One of them is not an id.
pub fn all_ids<'a>(args: impl Iterator<Item = &'a [u8]>) -> Result<Vec<StreamId>, Fault> {
    args.map(exact_id).collect()
}

/// Start of a range: the id, or with `(` the next one.
///
/// # Errors
/// It is not an id, or there is no next one.
pub fn range_start(arg: &[u8]) -> Result<StreamId, Fault> {
    match arg {
        [b'(', arg @ ..] if !arg.is_empty() => id(arg, 0)?
            .next()
            .ok_or_else(|| Fault::new("ERR invalid start ID for the interval")),
        arg => id_or_edge(arg, 0),
    }
}

/// End of a range: the id, or with `(` the previous one.
///
/// # Errors
/// It is not an id, or there is no previous one.
pub fn range_end(arg: &[u8]) -> Result<StreamId, Fault> {
    match arg {
        [b'(', arg @ ..] if !arg.is_empty() => id(arg, u64::MAX)?
            .prev()
            .ok_or_else(|| Fault::new("ERR invalid end ID for the interval")),
        arg => id_or_edge(arg, u64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::{NewId, exact_id, id_or_edge, new_id, range_end, range_start};
    use data::value::stream_id::StreamId;

    const TOP: u64 = u64::MAX;

    #[test]
    fn ids_and_what_is_none() {
        let table = [
            (b"5-3".as_slice(), Some((5, 3))),
            (b"5", Some((5, 0))),
            (b"18446744073709551615-1", Some((TOP, 1))),
            (b"5-3\0x", Some((5, 3))),
            (b"", None),
            (b"-", None),
            (b"-3", None),
            (b"5-", None),
            (b"5-3-1", None),
            (b"18446744073709551616", None),
        ];
        for (text, expected) in table {
            let parts = exact_id(text).ok().map(|id| (id.ms, id.seq));
            assert_eq!(parts, expected, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn ranges_and_new_ids() {
        let id = |ms, seq| Some(StreamId::new(ms, seq));
        assert_eq!(range_start(b"(5-3").ok(), id(5, 4));
        assert_eq!(range_end(b"(5-0").ok(), id(4, TOP));
        assert_eq!(range_end(b"5").ok(), id(5, TOP));
        assert_eq!(
            range_end(b"(0-0"),
            Err(super::Fault::new("ERR invalid end ID for the interval"))
        );
        assert!(range_start(b"(-").is_err() && range_start(b"(").is_err());
        assert_eq!(id_or_edge(b"+", 0).ok(), Some(StreamId::MAX));
        assert_eq!(new_id(b"*").ok(), Some(NewId::Auto));
        assert_eq!(new_id(b"7-*").ok(), Some(NewId::Within(7)));
        assert!(new_id(b"+").is_err() && new_id(b"*-1").is_err());
    }
}
