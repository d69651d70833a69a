//! `--lru-test`: the hit rate of the server as a cache.
//!
//! Keys are written and read with an 80-20 distribution; a read of an evicted key is a miss.

use std::time::{Duration, Instant};

use conn::blocking::Failure;
use conn::encode::request;
use conn::resp::Value;

use crate::dice::Dice;
use crate::modes::keys::share;
use crate::out::{Exit, complain, fail, print};
use crate::session::Session;

const CYCLE: Duration = Duration::from_secs(1);
const PIPELINE: usize = 250;
/// The exponent of a power law with which 20% of the keys get 80% of the accesses.
const ALPHA: f64 = 6.2;

/// The hits and misses of a cycle.
#[derive(Default)]
struct Tally {
    hits: u64,
    misses: u64,
}

/// Writes and reads forever, with a report per second.
///
/// # Errors
/// The connection failed; a message was printed.
pub fn run(session: &mut Session, keys: u64) -> Result<(), Exit> {
    session.connect_or_exit()?;
    let mut dice = Dice::new();
    loop {
        let begun = Instant::now();
        let mut tally = Tally::default();
        while begun.elapsed() < CYCLE {
            if write(session, &mut dice, keys)
                .and_then(|()| read(session, &mut dice, keys, &mut tally))
                .is_err()
            {
                return fail("I/O error during LRU test");
            }
        }
        let Tally { hits, misses } = tally;
        let gets = hits + misses;
        print(format!(
            "{gets} Gets/sec | Hits: {hits} ({:.2}%) | Misses: {misses} ({:.2}%)\n",
            share(hits, gets),
            share(misses, gets)
        ));
    }
}

fn write(session: &mut Session, dice: &mut Dice, keys: u64) -> Result<(), Failure> {
    let mut batch = Vec::new();
    for _ in 0..PIPELINE {
        let value: String = (0..5)
            .map(|_| char::from(b'A' + (dice.roll() % 57) as u8))
            .collect();
        request(["SET", &key(dice, keys), &value].iter(), &mut batch);
    }
    session.client()?.send(&batch)?;
    for _ in 0..PIPELINE {
        // A server that is full and does not evict returns errors, which show as misses.
        session.receive()?;
    }
    Ok(())
}

fn read(
    session: &mut Session,
    dice: &mut Dice,
    keys: u64,
    tally: &mut Tally,
) -> Result<(), Failure> {
    let mut batch = Vec::new();
    for _ in 0..PIPELINE {
        request(["GET", &key(dice, keys)].iter(), &mut batch);
    }
    session.client()?.send(&batch)?;
    for _ in 0..PIPELINE {
        match session.receive()? {
            Value::Error(text) => complain(text),
            Value::Null => tally.misses += 1,
            _ => tally.hits += 1,
        }
    }
    Ok(())
}

fn key(dice: &mut Dice, keys: u64) -> String {
    format!("lru:{}", pick(dice.fraction(), keys))
}

/// Maps a uniformly distributed fraction to a number from 1 to `keys`; small numbers are more frequent.
fn pick(fraction: f64, keys: u64) -> u64 {
    let power = ALPHA + 1.0;
    let end = (keys as f64 + 1.0).powf(power);
    let drawn = ((end - 1.0) * fraction + 1.0).powf(1.0 / power);
    (keys + 1)
        .saturating_sub(drawn as u64)
        .clamp(1, keys.max(1))
}

#[cfg(test)]
mod tests {
    use super::pick;

    #[test]
    fn a_fifth_of_the_keys_gets_four_fifths_of_the_traffic() {
        let draws = 10_000;
        let hot = (0..draws)
            .map(|at| pick(f64::from(at) / f64::from(draws), 1000))
            .filter(|&key| key <= 200)
            .count();
        assert!((7_800..8_200).contains(&hot), "{hot}");
        assert_eq!((pick(0.0, 1000), pick(0.999_999_999, 1000)), (1000, 1));
        assert_eq!((pick(0.5, 0), pick(0.5, 1)), (1, 1));
    }
}
