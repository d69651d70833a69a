//! Eviction: deleting keys while more than `maxmemory` is in use.
//!
//! [`evict`] is called before each command. One run deletes keys until enough memory is free or its time is used up; in
//! the latter case a timer continues between the turns of the loop. Once a run has reached its limit, further runs of
//! the same turn are short, so that a long pipeline of writes cannot stretch the turn by the limit per command.
//!
//! Each evicted key is a unit of its own: it is propagated as DEL, or as UNLINK if it is freed in the background.
//!
//! Not counted as in use are:
//!
//! * the part of the stream of writes beyond the backlog. Evicted keys are appended to it, so that counting it could
//!   evict everything while a replica is slow;
//! * values that were evicted and that the background thread has not freed yet. Counting them would evict further keys
//!   for memory that is about to be freed.

use ae::time::{Next, TimerId};
use data::util::rand::Rng;
use data::value::db::{Db, Place};
use data::value::entry::EntryRef;

use crate::config::params::Params;
use crate::config::values::MaxmemoryPolicy;
use crate::egress::flush::flush_replicas;
use crate::feed::propagate::deletion;
use crate::feed::replicas::queue_all;
use crate::keyspace::change::{Event, key_changed};
use crate::keyspace::free::free_evicted;
use crate::keyspace::recency::{idle_seconds, lfu_counter};
use crate::server::Server;
use crate::state::eviction::{Candidate, Pool, time_limit_us};
use crate::state::latency;
use crate::sys::{clock, memory};
use crate::warning;

/// Keys evicted between two looks at the clock, and the minimum per run.
const KEYS_PER_CLOCK: usize = 16;
/// Samples that find no key before one is searched: the table is nearly empty.
const EMPTY_SAMPLES: usize = 16;

/// Outcome of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// Enough memory is free, or keys may not be evicted now.
    Enough,
    /// Not yet, but keys are being evicted.
    Making,
    /// No key may be evicted: commands that need memory are refused.
    None,
}

/// Makes room if more than `maxmemory` is in use.
#[inline]
pub fn evict(srv: &mut Server) -> Room {
    let limit = srv.config.maxmemory as usize;
    if memory::used() <= limit && srv.eviction.exceeded_since_us.is_none() {
        return Room::Enough;
    }
    evict_above_limit(srv)
}

/// Bytes in use beyond `maxmemory`.
fn excess(srv: &Server) -> Option<usize> {
    let limit = srv.config.maxmemory as usize;
    let used = memory::used();
    if limit == 0 || used <= limit {
        return None;
    }
    let counted = used.saturating_sub(not_counted(srv) + srv.background.evicted_bytes());
    counted.checked_sub(limit).filter(|&bytes| bytes > 0)
}

/// Bytes of the stream of writes, of the append-only file's buffer and of garbage of scripts, which do not count.
fn not_counted(srv: &Server) -> usize {
    let backlog = srv.config.repl_backlog_size as usize;
    srv.replication.blocks.beyond(backlog) + srv.aof.buffer.capacity() + srv.scripts.garbage()
}

/// Whether keys may be evicted now. A replica follows its primary's data set, and during a pause it must not change.
fn may_evict(srv: &Server) -> bool {
    let follows = srv.replication.is_replica() && srv.config.replica_ignore_maxmemory;
    let is_held = srv.snapshot.loading.is_some() || srv.pauses.scope().is_some();
    srv.unit.depth == 0 && !follows && !is_held
}

#[inline(never)]
fn evict_above_limit(srv: &mut Server) -> Room {
    if !may_evict(srv) {
        return Room::Enough;
    }
    let policy = srv.config.maxmemory_policy;
    let room = match excess(srv) {
        None => Room::Enough,
        Some(_) if policy == MaxmemoryPolicy::Noeviction => Room::None,
        Some(bytes) => {
            let started = srv.latency_clock();
            let room = make_room(srv, bytes);
            srv.note_latency_since(latency::Event::EvictionCycle, started);
            // It is not the time of the command that follows.
            srv.turn.clock_ns = clock::monotonic_ns();
            room
        }
    };
    let since_us = srv.eviction.exceeded_since_us;
    match (room, since_us) {
        (Room::Enough, Some(since_us)) => {
            srv.stats.eviction_exceeded_us += clock::monotonic_us().saturating_sub(since_us);
            srv.eviction.exceeded_since_us = None;
        }
        (Room::Making | Room::None, None) => {
            srv.eviction.exceeded_since_us = Some(clock::monotonic_us());
        }
        _ => {}
    }
    room
}

/// Evicts keys until `goal` bytes are free or the time is used up.
fn make_room(srv: &mut Server, goal: usize) -> Room {
    // The clock was read when the previous command ended, or by the timer.
    let began_us = srv.turn.clock_ns / 1000;
    let is_spent = srv.eviction.spent_turn == Some(srv.turn.began_us);
    let limit_us = if is_spent {
        0
    } else {
        time_limit_us(srv.config.maxmemory_eviction_tenacity)
    };
    if srv.eviction.pool_policy != srv.config.maxmemory_policy {
        srv.eviction.pool_policy = srv.config.maxmemory_policy;
        srv.eviction.pool.clear();
    }
    let (mut freed, mut keys) = (0isize, 0usize);
    while freed < goal as isize {
        let mut victim = std::mem::take(&mut srv.eviction.victim);
        let found = choose(srv, &mut victim);
        if let Some(found) = found {
            freed += delete(srv, &victim, found);
        }
        srv.eviction.victim = victim;
        if found.is_none() {
            let started = srv.latency_clock();
            let room = wait_for_background(srv, began_us, limit_us);
            srv.note_latency_since(latency::Event::EvictionLazyfree, started);
            return room;
        }
        keys += 1;
        if keys.is_multiple_of(KEYS_PER_CLOCK) {
            if !srv.replication.replicas.is_empty() && !is_spent {
                // Otherwise a long run would hold back the stream, which grows meanwhile.
                queue_all(srv);
                flush_replicas(srv);
            }
            if excess(srv).is_none() {
                break;
            }
            if clock::monotonic_us() - began_us >= limit_us {
                srv.eviction.spent_turn = Some(srv.turn.began_us);
                start_timer(srv);
                return Room::Making;
            }
        }
    }
    Room::Enough
}

/// No key is left to be evicted, but the background thread may be about to free memory: waits for it for a short time.
#[cold]
fn wait_for_background(srv: &Server, began_us: u64, limit_us: u64) -> Room {
    /// The longest wait, whatever the time limit of the run is.
    const MAX_WAIT_US: u64 = 5000;
    let end_us = began_us.saturating_add(limit_us.min(MAX_WAIT_US));
    loop {
        if excess(srv).is_none() {
            return Room::Enough;
        }
        if srv.background.pending() == 0 || clock::monotonic_us() >= end_us {
            return Room::None;
        }
        std::thread::yield_now();
    }
}

/// Continues eviction by a timer.
pub fn start_timer(srv: &mut Server) {
    if !srv.eviction.timer_runs {
        srv.eviction.timer_runs = true;
        srv.el.add_timer(0, on_timer, 0);
    }
}

fn on_timer(srv: &mut Server, _timer: TimerId, _data: u64) -> Next {
    srv.unit.now_ms = srv.turn.tick();
    if srv.config.maxmemory > 0 && evict(srv) == Room::Making {
        return Next::In(0);
    }
    srv.eviction.timer_runs = false;
    Next::Never
}

/// `maxmemory` was changed: eviction begins without waiting for a command.
pub fn limit_changed(srv: &mut Server) {
    let limit = srv.config.maxmemory as usize;
    if limit == 0 {
        return;
    }
    let used = memory::used().saturating_sub(not_counted(srv));
    if limit < used {
        warning!(
            "WARNING: the new maxmemory value set via CONFIG SET ({limit}) is smaller than the current memory usage \
             ({used}). This will result in key eviction and/or the inability to accept new write commands depending on \
             the maxmemory-policy."
        );
    }
    start_timer(srv);
}

/// Where a key is that was chosen.
#[derive(Clone, Copy)]
struct Found {
    hash: u64,
    place: Place,
}

/// Deletes a key and returns how many bytes that frees, now or in the background.
fn delete(srv: &mut Server, victim: &Candidate, found: Found) -> isize {
    let before = memory::used() as isize;
    let lazy = srv.config.lazyfree_lazy_eviction;
    let (db, key) = (victim.db, victim.key.as_slice());
    let entry = srv.keys.dbs[db].db.remove_at(found.hash, found.place);
    let started = srv.latency_clock();
    let deferred = free_evicted(srv, entry, lazy);
    srv.note_latency_since(latency::Event::EvictionDel, started);
    let freed = before - memory::used() as isize + deferred as isize;
    srv.stats.evicted_keys += 1;
    key_changed(srv, db, key, 0, Event::Evicted);
    deletion(srv, db, key, lazy);
    freed
}

/// Finds the key to be evicted.
fn choose(srv: &mut Server, victim: &mut Candidate) -> Option<Found> {
    match srv.config.maxmemory_policy {
        MaxmemoryPolicy::AllkeysRandom | MaxmemoryPolicy::VolatileRandom => choose_any(srv, victim),
        _ => choose_best(srv, victim),
    }
}

/// A random key, from each database in turn.
fn choose_any(srv: &mut Server, victim: &mut Candidate) -> Option<Found> {
    let only_volatile = srv.config.maxmemory_policy.is_volatile();
    let keys = &mut srv.keys;
    let count = keys.dbs.len();
    for _ in 0..count {
        let number = (srv.eviction.random_db + 1) % count;
        srv.eviction.random_db = number;
        let db = &keys.dbs[number].db;
        if let Some(entry) = random(db, only_volatile, &mut keys.rng) {
            victim.db = number;
            victim.key.clear();
            victim.key.extend_from_slice(entry.key());
            return find(db, &victim.key);
        }
    }
    None
}

fn find(db: &Db, key: &[u8]) -> Option<Found> {
    let hash = db.hash(key);
    let place = db.locate(hash, key)?;
    Some(Found { hash, place })
}

fn random<'a>(db: &'a Db, only_volatile: bool, rng: &mut Rng) -> Option<EntryRef<'a>> {
    if only_volatile {
        db.random_expiring(rng)
    } else {
        db.random(rng)
    }
}

/// The best candidate of the pool, after each database has offered some of its keys.
fn choose_best(srv: &mut Server, victim: &mut Candidate) -> Option<Found> {
    for round in 0.. {
        if !fill_pool(srv, round >= EMPTY_SAMPLES) {
            break;
        }
        while let Some(score) = srv.eviction.pool.take_best(victim) {
            let db = &srv.keys.dbs[victim.db].db;
            let Some(found) = find(db, &victim.key) else {
                continue;
            };
            let now = score_of(&srv.config, srv.unit.now_ms, db.at(found.place));
            // A key that was used since it was sampled has a lower score, and is no longer a candidate.
            if now.is_some_and(|now| now >= score) {
                return Some(found);
            }
        }
    }
    None
}

/// Offers some keys of each database to the pool; false if no database has any. `thorough` finds one even in a table
/// that is nearly empty.
fn fill_pool(srv: &mut Server, thorough: bool) -> bool {
    let only_volatile = srv.config.maxmemory_policy.is_volatile();
    let samples = srv.config.maxmemory_samples as usize;
    let (config, now_ms, pool) = (&srv.config, srv.unit.now_ms, &mut srv.eviction.pool);
    let rng = &mut srv.keys.rng;
    let mut is_any = false;
    for (number, database) in srv.keys.dbs.iter().enumerate() {
        let db = &database.db;
        let count = if only_volatile {
            db.expires_len()
        } else {
            db.len()
        };
        if count == 0 {
            continue;
        }
        is_any = true;
        let mut offer = |entry: EntryRef<'_>| offer(pool, config, now_ms, number, entry);
        if only_volatile {
            db.sample_expires(rng, samples, &mut offer);
        } else {
            db.sample(rng, samples, &mut offer);
        }
        if thorough && let Some(entry) = random(db, only_volatile, rng) {
            offer(entry);
        }
    }
    is_any
}

#[inline]
fn offer(pool: &mut Pool, config: &Params, now_ms: i64, db: usize, entry: EntryRef<'_>) {
    if let Some(score) = score_of(config, now_ms, entry) {
        pool.offer(score, db, entry.key());
    }
}

/// How much a key deserves eviction; `None` if the policy protects it.
#[inline]
fn score_of(config: &Params, now_ms: i64, entry: EntryRef<'_>) -> Option<u64> {
    let policy = config.maxmemory_policy;
    if policy == MaxmemoryPolicy::VolatileTtl {
        // The sooner it expires the better; times before 1970 come first.
        return entry.expire().map(|at_ms| i64::MAX.abs_diff(at_ms));
    }
    if policy.is_volatile() && entry.expire().is_none() {
        return None;
    }
    Some(if policy.is_lfu() {
        u64::from(255 - lfu_counter(config, entry.lru(), now_ms))
    } else {
        u64::from(idle_seconds(entry.lru(), now_ms))
    })
}
