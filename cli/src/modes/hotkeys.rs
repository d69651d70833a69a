//! `--hotkeys`: the most used keys, by the counters of LFU eviction.

use conn::encode::request;
use conn::resp::Value;

use crate::format::quoted;
use crate::modes::keys::{Walk, db_size, share};
use crate::options::Options;
use crate::out::{Exit, complain, fail, print};
use crate::session::Session;

/// Number of keys in the report.
const KEPT: usize = 16;

/// The hottest keys, in ascending order.
#[derive(Default)]
struct Hottest(Vec<(u64, String)>);

impl Hottest {
    /// Adds a key if it belongs among them; whether it does.
    fn admit(&mut self, counter: u64, key: &str) -> bool {
        let at = self.0.partition_point(|&(kept, _)| kept < counter);
        if counter == 0 || (at == 0 && self.0.len() == KEPT) {
            return false;
        }
        self.0.insert(at, (counter, key.to_owned()));
        if self.0.len() > KEPT {
            self.0.remove(0);
        }
        true
    }
}

/// Scans all keys and prints a report.
///
/// # Errors
/// The server does not answer or has no counters; a message was printed.
pub fn run(session: &mut Session, options: &Options) -> Result<(), Exit> {
    session.connect_or_exit()?;
    let mut walk = Walk::new();
    let keys_in_all = u64::try_from(db_size(session)?).unwrap_or(0);
    print(
        "\n# Scanning the entire keyspace to find hot keys as well as\n\
         # average sizes per key type.  You can use -i 0.1 to sleep 0.1 sec\n\
         # per 100 SCAN commands (not usually needed).\n\n",
    );
    let mut hottest = Hottest::default();
    let mut sampled = 0u64;
    let mut progress = 0.0;
    while let Some(keys) = walk.page(session, options)? {
        progress = share(sampled, keys_in_all);
        let counters = counters(session, &keys)?;
        for (key, counter) in keys.iter().zip(counters) {
            sampled += 1;
            if sampled.is_multiple_of(1_000_000) {
                print(format!(
                    "[{progress:05.2}%] Sampled {sampled} keys so far\n"
                ));
            }
            let key = quoted(key);
            if hottest.admit(counter, &key) {
                print(format!(
                    "[{progress:05.2}%] Hot key '{key}' found so far with counter {counter}\n"
                ));
            }
        }
        walk.pause(options, false);
    }
    print("\n-------- summary -------\n\n");
    if walk.was_cut_short() {
        print(format!("[{progress:05.2}%] "));
    }
    print(format!("Sampled {sampled} keys in the keyspace!\n"));
    for (counter, key) in hottest.0.iter().rev() {
        print(format!(
            "hot key found with counter: {counter}\tkeyname: {key}\n"
        ));
    }
    Ok(())
}

fn counters(session: &mut Session, keys: &[Vec<u8>]) -> Result<Vec<u64>, Exit> {
    let mut batch = Vec::new();
    for key in keys {
        request([&b"OBJECT"[..], b"FREQ", key].iter(), &mut batch);
    }
    let mut counters = Vec::with_capacity(keys.len());
    if let Err(failure) = session.client().and_then(|client| client.send(&batch)) {
        return fail(session.describe(&failure));
    }
    for key in keys {
        match session.receive() {
            Ok(Value::Int(counter)) => counters.push(u64::try_from(counter).unwrap_or(0)),
            Ok(Value::Error(text)) => return fail([b"Error: ", text.as_slice()].concat()),
            Ok(_) => {
                complain(format!(
                    "Warning: OBJECT freq on '{}' failed (may have been deleted)",
                    quoted(key)
                ));
                counters.push(0);
            }
            Err(failure) => {
                let key = quoted(key);
                return fail(format!("Error getting freq for key '{key}' ({failure})"));
            }
        }
    }
    Ok(counters)
}

#[cfg(test)]
mod tests {
    use super::{Hottest, KEPT};

    #[test]
    fn the_hottest_are_kept() {
        let mut hottest = Hottest::default();
        assert!(!hottest.admit(0, "cold"));
        for counter in 1..=20 {
            assert!(hottest.admit(counter, "k"));
        }
        assert!(!hottest.admit(5, "cool"));
        assert!(hottest.admit(6, "warm"));
        assert_eq!(hottest.0.len(), KEPT);
        assert_eq!(hottest.0[0], (6, "warm".to_owned()));
        assert!(hottest.0.is_sorted_by_key(|&(counter, _)| counter));
    }
}
