//! Active expiry: finding expired keys, a few at a time.
//!
//! The slow cycle is a step of cron: it walks the databases and scans their volatile keys until few of those it meets have
//! expired, or its share of the processor (25 % at effort 1) is used up. The fast cycle runs before the loop sleeps when the
//! slow one ended by its time limit, a millisecond at most.

use std::ops::Bound;

use crate::keyspace::expired::delete_expired;
use crate::keyspace::lookup::{db, is_expired};
use crate::server::Server;
use crate::state::latency::Event;
use crate::sys::clock;

/// Volatile keys examined per round at effort 1.
const KEYS_PER_ROUND: u64 = 20;
/// Length of the fast cycle at effort 1, microseconds.
const FAST_US: u64 = 1000;
/// Share of the processor of the slow cycle at effort 1, per cent.
const SLOW_PERCENT: u64 = 25;
/// Share of expired keys that is tolerated at effort 1, per cent.
const STALE_PERCENT: u64 = 10;
/// Databases visited per cycle.
const DBS_PER_CYCLE: usize = 16;
/// Time that one cycle spends on keys of a replica's own clients, microseconds.
const OWN_LIMIT_US: u64 = 1000;
/// Keys examined between two readings of the clock.
const OWN_KEYS_PER_CLOCK: usize = 64;

/// Parameters of a cycle, from `active-expire-effort`.
struct Effort {
    keys_per_round: u64,
    limit_us: u64,
    stale_percent: u64,
}

fn effort(srv: &Server, fast: bool) -> Effort {
    let extra = srv.config.active_expire_effort as u64 - 1;
    let limit_us = if fast {
        FAST_US + FAST_US / 4 * extra
    } else {
        (SLOW_PERCENT + 2 * extra) * 1_000_000 / srv.config.hz as u64 / 100
    };
    Effort {
        keys_per_round: KEYS_PER_ROUND + KEYS_PER_ROUND / 4 * extra,
        limit_us,
        stale_percent: STALE_PERCENT.saturating_sub(extra),
    }
}

/// The cycle that cron runs.
pub fn slow_cycle(srv: &mut Server) {
    if srv.replication.is_replica() {
        own_cycle(srv);
    }
    cycle(srv, false);
}

/// Deletes expired keys that clients of a writable replica have written: as many as fit into the time limit, starting
/// where the previous cycle stopped.
fn own_cycle(srv: &mut Server) {
    let started = clock::monotonic_us();
    for looked_at in 1..=srv.keys.own_expires.len() {
        let from = (Bound::Excluded(&srv.keys.own_cursor), Bound::Unbounded);
        let own = &srv.keys.own_expires;
        let Some(next) = own.range(from).next().or_else(|| own.first()).cloned() else {
            break;
        };
        visit_own(srv, &next);
        srv.keys.own_cursor = next;
        if looked_at.is_multiple_of(OWN_KEYS_PER_CLOCK)
            && clock::monotonic_us() - started > OWN_LIMIT_US
        {
            break;
        }
    }
}

/// Deletes such a key if it has expired, and forgets it if it no longer exists or no longer expires.
fn visit_own(srv: &mut Server, own: &(usize, Box<[u8]>)) {
    let (number, key) = own;
    let has_expired = is_expired(srv, *number, key);
    if has_expired {
        delete_expired(srv, *number, key);
    }
    if has_expired || db(srv, *number).expire_of(key).is_none() {
        srv.keys.own_expires.remove(own);
    }
}

/// The cycle before sleep: only if the slow cycle left expired keys behind, and not twice within a short time.
pub fn fast_cycle(srv: &mut Server) {
    let now_us = srv.turn.clock_ns / 1000;
    let effort = effort(srv, true);
    let wanted =
        srv.keys.expire_timed_out || srv.stats.expired_stale_perc >= effort.stale_percent as f64;
    if wanted && now_us >= srv.keys.expire_fast_at_us + 2 * effort.limit_us {
        srv.keys.expire_fast_at_us = now_us;
        cycle(srv, true);
    }
}

fn cycle(srv: &mut Server, fast: bool) {
    // A replica waits for its primary to delete keys, and nothing is deleted during a pause.
    let is_held = srv.replication.is_replica() || srv.pauses.scope().is_some();
    if !srv.keys.active_expire || is_held {
        return;
    }
    let effort = effort(srv, fast);
    let started = clock::monotonic_us();
    let (mut sampled, mut expired) = (0, 0);
    srv.keys.expire_timed_out = false;
    'databases: for _ in 0..DBS_PER_CYCLE.min(srv.keys.dbs.len()) {
        let db = srv.keys.expire_next_db % srv.keys.dbs.len();
        srv.keys.expire_next_db = db + 1;
        loop {
            let (seen, over) = round(srv, db, effort.keys_per_round);
            sampled += seen;
            expired += over;
            if clock::monotonic_us() - started > effort.limit_us {
                srv.keys.expire_timed_out = true;
                srv.stats.expired_time_cap_reached += 1;
                break 'databases;
            }
            if seen == 0 || over * 100 / seen <= effort.stale_percent {
                break;
            }
        }
    }
    let spent_us = clock::monotonic_us() - started;
    srv.stats.expire_cycle_us += spent_us;
    srv.note_latency(Event::ExpireCycle, spent_us / 1000);
    let stale = if sampled == 0 {
        0.0
    } else {
        expired as f64 * 100.0 / sampled as f64
    };
    srv.stats.expired_stale_perc = stale * 0.05 + srv.stats.expired_stale_perc * 0.95;
}

/// Scans a few volatile keys of one database and deletes the expired ones: (seen, deleted).
fn round(srv: &mut Server, number: usize, keys: u64) -> (u64, u64) {
    let now_ms = srv.unit.now_ms;
    let database = &mut srv.keys.dbs[number];
    if database.db.expires_len() == 0 {
        database.avg_ttl_ms = 0;
        return (0, 0);
    }
    let mut over: Vec<Vec<u8>> = Vec::new();
    let (mut seen, mut ttl_sum, mut ttl_count) = (0, 0i128, 0);
    database.expire_cursor =
        database
            .db
            .scan_expires(database.expire_cursor, keys as usize, &mut |entry| {
                seen += 1;
                match entry.expire() {
                    Some(at_ms) if now_ms > at_ms => over.push(entry.key().to_vec()),
                    Some(at_ms) => {
                        ttl_sum += i128::from(at_ms) - i128::from(now_ms);
                        ttl_count += 1;
                    }
                    None => {}
                }
            });
    if ttl_count > 0 {
        let average = (ttl_sum / ttl_count) as i64;
        let before = database.avg_ttl_ms;
        database.avg_ttl_ms = if before == 0 {
            average
        } else {
            before + (average - before) / 50
        };
    }
    for key in &over {
        delete_expired(srv, number, key);
    }
    (seen, over.len() as u64)
}
