//! Iteration over the keys of a database, one page of SCAN at a time.

use std::thread;

use conn::resp::Value;

use crate::interrupt::Interrupts;
use crate::options::Options;
use crate::out::{Exit, fail};
use crate::session::Session;

/// Pages between two pauses, in the modes that send further commands for each key.
const PAGES_PER_PAUSE: u64 = 100;

/// An iteration over all keys.
pub struct Walk {
    cursor: Vec<u8>,
    pages: u64,
    ended: bool,
    interrupts: Option<Interrupts>,
}

impl Walk {
    /// Starts an iteration that Ctrl-C ends.
    pub fn new() -> Self {
        Self {
            cursor: b"0".to_vec(),
            pages: 0,
            ended: false,
            interrupts: Interrupts::for_loop(),
        }
    }

    /// The next page, which may be empty; `None` after the last one.
    ///
    /// # Errors
    /// The server does not answer, or not with a reply to SCAN; a message was printed.
    pub fn page(
        &mut self,
        session: &mut Session,
        options: &Options,
    ) -> Result<Option<Vec<Vec<u8>>>, Exit> {
        if self.ended {
            return Ok(None);
        }
        let mut argv = vec![b"SCAN".to_vec(), self.cursor.clone()];
        if let Some(pattern) = &options.pattern {
            argv.extend([b"MATCH".to_vec(), pattern.clone()]);
        }
        argv.extend([b"COUNT".to_vec(), options.count.to_string().into_bytes()]);
        let reply = match session.call(&argv) {
            Ok(reply) => reply,
            Err(failure) => return fail(session.describe(&failure)),
        };
        let (cursor, keys) = match take_page(reply) {
            Ok(page) => page,
            Err(sentence) => return fail(sentence),
        };
        self.pages += 1;
        self.ended = cursor == b"0";
        self.cursor = cursor;
        Ok(Some(keys))
    }

    /// Pauses for the interval of `-i`, after each page with `each`, else after every 100 pages; and ends the iteration if
    /// Ctrl-C was pressed.
    pub fn pause(&mut self, options: &Options, each: bool) {
        if !options.interval.is_zero() && (each || self.pages.is_multiple_of(PAGES_PER_PAUSE)) {
            thread::sleep(options.interval);
        }
        if self.interrupts.as_ref().is_some_and(Interrupts::take) {
            self.ended = true;
        }
    }

    /// Whether the iteration ended before all keys were seen.
    pub fn was_cut_short(&self) -> bool {
        self.ended && self.cursor != b"0"
    }
}

/// The next cursor and the keys of a reply to SCAN, or what is wrong with it.
type Page = Result<(Vec<u8>, Vec<Vec<u8>>), Vec<u8>>;

fn take_page(reply: Value) -> Page {
    let parts = match reply {
        Value::Error(text) => return Err([b"SCAN error: ", text.as_slice()].concat()),
        Value::Array(parts) => parts,
        _ => return Err(b"Non ARRAY response from SCAN!".to_vec()),
    };
    let [cursor, keys] =
        <[Value; 2]>::try_from(parts).map_err(|_| b"Invalid element count from SCAN!".to_vec())?;
    match (cursor, keys) {
        (Value::Bulk(cursor), Value::Array(keys)) => {
            let keys = keys.into_iter().map(|key| match key {
                Value::Bulk(key) => Ok(key),
                _ => Err(b"SCAN answered a key that is not a string!".to_vec()),
            });
            Ok((cursor, keys.collect::<Result<_, _>>()?))
        }
        _ => Err(b"Invalid element types from SCAN!".to_vec()),
    }
}

/// The number of keys in the database.
///
/// # Errors
/// The server does not tell; a message was printed.
pub fn db_size(session: &mut Session) -> Result<i64, Exit> {
    match session.call(&["DBSIZE"]) {
        Ok(Value::Int(size)) => Ok(size),
        Ok(Value::Error(text)) => fail([b"Couldn't determine DBSIZE: ", text.as_slice()].concat()),
        Ok(_) => fail("Non INTEGER response from DBSIZE!"),
        Err(failure) => fail(session.describe(&failure)),
    }
}

/// `part` as a percentage of `whole`.
pub fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        100.0 * part as f64 / whole as f64
    }
}

#[cfg(test)]
mod tests {
    use super::{share, take_page};
    use conn::resp::Value;

    #[test]
    fn a_page_is_a_cursor_and_keys() {
        let bulk = |text: &str| Value::Bulk(text.as_bytes().to_vec());
        let good = Value::Array(vec![bulk("7"), Value::Array(vec![bulk("a"), bulk("")])]);
        assert_eq!(
            take_page(good),
            Ok((b"7".to_vec(), vec![b"a".to_vec(), Vec::new()]))
        );
        for bad in [
            Value::Null,
            Value::Int(1),
            Value::Error(b"ERR".to_vec()),
            Value::Array(Vec::new()),
            Value::Array(vec![bulk("0")]),
            Value::Array(vec![Value::Int(0), Value::Array(Vec::new())]),
            Value::Array(vec![bulk("0"), Value::Array(vec![Value::Null])]),
            Value::Array(vec![bulk("0"), bulk("k")]),
        ] {
            assert!(take_page(bad.clone()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn nothing_of_nothing_is_no_share() {
        assert_eq!((share(1, 4), share(0, 0)), (25.0, 0.0));
    }
}
