//! Eviction: the pool of candidates, and whether the server is above `maxmemory`.
//!
//! Finding the key that was idle longest would need an order of all keys. Instead a few keys are sampled for each
//! eviction, and the best ones of the latest samples are kept in a pool: the victim is the best of many samples at the
//! price of a few. The pool copies the keys; a candidate may be gone, or in use again, by the time it is chosen.

use crate::config::values::MaxmemoryPolicy;

/// Candidates that the pool holds.
pub const POOL_SIZE: usize = 16;
/// A longer key takes its memory with it when it leaves the pool, in bytes.
const KEPT_KEY: usize = 256;

/// A key that may be evicted.
#[derive(Debug, Default)]
pub struct Candidate {
    /// The number of its database.
    pub db: usize,
    /// Its name.
    pub key: Vec<u8>,
}

/// The best candidates of the latest samples.
#[derive(Debug, Default)]
pub struct Pool {
    /// How much each candidate deserves eviction; the highest is evicted first.
    scores: [u64; POOL_SIZE],
    candidates: [Candidate; POOL_SIZE],
    len: usize,
    /// The place of the lowest score, while the pool is full: most of what is offered then is worse.
    worst: usize,
}

impl Pool {
    /// Adds a candidate. If the pool is full, it replaces the worst one, unless all are better.
    #[inline]
    pub fn offer(&mut self, score: u64, db: usize, key: &[u8]) {
        let at = if self.len < POOL_SIZE {
            self.len += 1;
            self.len - 1
        } else {
            if self.scores[self.worst] >= score {
                return;
            }
            self.worst
        };
        self.scores[at] = score;
        let candidate = &mut self.candidates[at];
        candidate.db = db;
        candidate.key.clear();
        if candidate.key.capacity() > KEPT_KEY && key.len() <= KEPT_KEY {
            candidate.key = Vec::with_capacity(KEPT_KEY);
        }
        candidate.key.extend_from_slice(key);
        if self.len == POOL_SIZE {
            self.worst = self.position(|score, worst| score < worst);
        }
    }

    /// Moves the best candidate into `best` and returns its score.
    pub fn take_best(&mut self, best: &mut Candidate) -> Option<u64> {
        if self.len == 0 {
            return None;
        }
        let at = self.position(|score, best| score > best);
        let score = self.scores[at];
        self.len -= 1;
        self.scores.swap(at, self.len);
        self.candidates.swap(at, self.len);
        std::mem::swap(best, &mut self.candidates[self.len]);
        Some(score)
    }

    /// Forgets all candidates.
    pub fn clear(&mut self) {
        *self = Pool::default();
    }

    /// Index of the first candidate that no other one `beats`.
    #[inline]
    fn position(&self, beats: impl Fn(u64, u64) -> bool) -> usize {
        let mut found = 0;
        for (at, &score) in self.scores[..self.len].iter().enumerate().skip(1) {
            if beats(score, self.scores[found]) {
                found = at;
            }
        }
        found
    }
}

/// What eviction remembers between its runs.
#[derive(Debug, Default)]
pub struct Eviction {
    /// Candidates.
    pub pool: Pool,
    /// The policy that their scores belong to.
    pub pool_policy: MaxmemoryPolicy,
    /// The candidate that is being evicted; kept for its memory.
    pub victim: Candidate,
    /// The database that the latest key was evicted from at random.
    pub random_db: usize,
    /// A timer continues what one run could not complete.
    pub timer_runs: bool,
    /// The turn of the event loop in which a run reached its time limit, by the time at which the turn began.
    pub spent_turn: Option<u64>,
    /// Clients use more than `maxmemory-clients`, and none of them may be closed; this was logged.
    pub clients_exceed: bool,
    /// Since when the memory in use has been above the limit, in monotonic microseconds.
    pub exceeded_since_us: Option<u64>,
    /// The latest command that was admitted found no room. A script is judged by this, as long as it has not written.
    pub found_no_room: bool,
}

impl Eviction {
    /// For how long the memory in use has been above the limit, in microseconds.
    pub fn exceeded_us(&self, now_us: u64) -> u64 {
        self.exceeded_since_us
            .map_or(0, |since_us| now_us.saturating_sub(since_us))
    }
}

/// How long one run may take, in microseconds, by `maxmemory-eviction-tenacity`: up to 10 it rises by 50 per step, then
/// by 15 % per step to about two minutes; 100 means no limit.
pub fn time_limit_us(tenacity: i64) -> u64 {
    match tenacity {
        ..=0 => 0,
        1..=10 => 50 * tenacity as u64,
        11..=99 => (500.0 * 1.15f64.powi(tenacity as i32 - 10)) as u64,
        _ => u64::MAX,
    }
}

#[cfg(test)]
mod tests {
    use data::util::rand::Rng;

    use super::{Candidate, POOL_SIZE, Pool, time_limit_us};

    #[test]
    fn the_pool_keeps_the_best_of_all_that_were_offered() {
        let mut rng = Rng::new(7);
        for count in [0, 1, 5, POOL_SIZE, POOL_SIZE + 1, 1000] {
            let mut pool = Pool::default();
            let mut offered: Vec<u64> = (0..count).map(|_| rng.below(500)).collect();
            for &score in &offered {
                pool.offer(score, score as usize, &vec![b'k'; score as usize]);
            }
            offered.sort_unstable_by(|a, b| b.cmp(a));
            offered.truncate(POOL_SIZE);
            let mut best = Candidate::default();
            let mut taken = Vec::new();
            while let Some(score) = pool.take_best(&mut best) {
                assert_eq!((best.db, best.key.len()), (score as usize, score as usize));
                taken.push(score);
            }
            assert_eq!(taken, offered);
        }
    }

    #[test]
    fn taking_and_offering_may_alternate() {
        let mut rng = Rng::new(8);
        let mut pool = Pool::default();
        let mut model: Vec<u64> = Vec::new();
        let mut best = Candidate::default();
        for round in 0..20_000 {
            if rng.below(3) == 0 {
                let at = (0..model.len()).max_by_key(|&at| model[at]);
                let expected = at.map(|at| model.swap_remove(at));
                assert_eq!(pool.take_best(&mut best), expected);
                continue;
            }
            // Distinct scores, so that the model need not know which of two equal ones is replaced.
            let score = rng.below(1 << 20) << 20 | round;
            pool.offer(score, 0, b"key");
            model.push(score);
            if model.len() > POOL_SIZE {
                let at = (0..model.len()).min_by_key(|&at| model[at]);
                at.map(|at| model.swap_remove(at));
            }
        }
    }

    #[test]
    fn a_long_key_leaves_no_memory_behind() {
        let mut pool = Pool::default();
        let mut best = Candidate::default();
        for round in 0..100u64 {
            let len = if round < 50 { 100_000 } else { 10 };
            pool.offer(round, 0, &vec![b'k'; len]);
        }
        while pool.take_best(&mut best).is_some() {
            assert!(best.key.capacity() < 1000);
        }
    }

    #[test]
    fn the_time_limit_follows_the_tenacity() {
        let rows = [
            (0, 0),
            (1, 50),
            (10, 500),
            (11, 575),
            (20, 2022),
            (100, u64::MAX),
        ];
        for (tenacity, us) in rows {
            assert_eq!(time_limit_us(tenacity), us, "{tenacity}");
        }
        assert!((110_000_000..160_000_000).contains(&time_limit_us(99)));
    }
}
