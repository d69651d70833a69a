//! Active defragmentation: moving the allocations of the data set together, so that the allocator can return the pages
//! that become empty.
//!
//! Once a second the fragmentation is compared with the thresholds. If it is high, a pass through all databases and the
//! cached scripts begins: each cycle, a step of cron, continues it for a share of the processor's time. A key's
//! allocations are moved with the key; an aggregate that is too big for that is continued in slices before the next key,
//! so a cycle can end anywhere. Passes follow each other as long as the fragmentation is high. After one that was of no
//! use the next one waits: what is left may be memory that cannot be moved, and Redis would go through all keys for it
//! again and again.
//!
//! Moved are keys, values and the arrays of tables up to 128 KiB (bigger ones do not come from the allocator). Buffers of
//! clients, subscriptions and tracked keys stay, as in Redis, and so do lists of more than 2048 pending entries of a
//! stream's group.

use data::ds::relocation::Relocator;

use crate::server::Server;
use crate::state::defrag::{Pass, Unfinished, effort};
use crate::state::keys::Database;
use crate::state::latency::Event;
use crate::sys::clock;
use crate::sys::fragmentation::{self, Fragmentation, PAUSE_US, Slabs};
use crate::{verbose, warning};

/// Keys visited between two readings of the clock.
const KEYS_PER_CLOCK: usize = 8;
/// Elements of an aggregate visited at once, unless `active-defrag-max-scan-fields` is lower.
const SLICE: i64 = 128;
/// Time between two measurements of the fragmentation, microseconds.
const MEASURE_EVERY_US: u64 = 1_000_000;

/// A cycle, if one is due, while loading keeps cron from running.
pub fn defrag_if_due(srv: &mut Server) {
    let hz = srv.config.hz as u64;
    let since_us = clock::monotonic_us().saturating_sub(srv.defrag.cycle_us);
    if srv.config.activedefrag && since_us >= 1_000_000 / hz {
        defrag_cycle(srv, hz);
    }
}

/// A cycle; cron runs `hz` of them per second.
pub fn defrag_cycle(srv: &mut Server, hz: u64) {
    if !srv.config.activedefrag {
        return stop(srv);
    }
    // Moving what a child shares with this process would copy its pages.
    if srv.child.is_some() {
        return;
    }
    let started = clock::monotonic_us();
    srv.defrag.cycle_us = started;
    if started.saturating_sub(srv.defrag.measured_us) >= MEASURE_EVERY_US {
        srv.defrag.measured_us = started;
        decide(srv);
        if srv.defrag.pass.is_none() {
            end_period(srv);
        }
    }
    if srv.defrag.pass.is_none() {
        return;
    }
    srv.defrag.running_since_us.get_or_insert(started);
    let limit_us = (1_000_000 * srv.defrag.percent as u64 / hz / 100).max(1);
    let slabs = srv.defrag.slabs.take();
    let mut slabs = slabs.unwrap_or_default();
    if slabs.are_known() {
        fragmentation::without_cache(|| run(srv, &mut slabs, started + limit_us));
    } else {
        warning!(
            "The allocator does not tell how its slabs are used, so active defragmentation does nothing."
        );
        srv.config.activedefrag = false;
    }
    srv.defrag.slabs = Some(slabs);
    let spent_us = clock::monotonic_us() - started;
    srv.note_latency(Event::ActiveDefragCycle, spent_us / 1000);
}

/// The directive was switched off: the pass in progress ends.
fn stop(srv: &mut Server) {
    srv.defrag.paused_until_us = 0;
    if srv.defrag.percent > 0 {
        srv.defrag.pass = None;
        end_period(srv);
    }
}

/// No pass follows.
fn end_period(srv: &mut Server) {
    let defrag = &mut srv.defrag;
    srv.stats.defrag_us += defrag.elapsed_us(clock::monotonic_us());
    defrag.running_since_us = None;
    defrag.percent = 0;
}

/// Starts a pass if the fragmentation is high, or raises the effort of the one in progress.
fn decide(srv: &mut Server) {
    let now_us = clock::monotonic_us();
    let defrag = &mut srv.defrag;
    let is_running = defrag.pass.is_some();
    if !is_running && now_us < defrag.paused_until_us {
        return;
    }
    let fragmentation = fragmentation::measure();
    let Some(percent) = effort(&srv.config, fragmentation, is_running) else {
        return;
    };
    if is_running && percent <= defrag.percent {
        return;
    }
    defrag.percent = percent;
    let Fragmentation {
        percent: frag,
        bytes,
    } = fragmentation;
    defrag.pass.get_or_insert_with(|| Pass {
        began_us: now_us,
        bytes,
        ..Pass::default()
    });
    verbose!("Starting active defrag, frag={frag:.0}%, frag_bytes={bytes}, cpu={percent}%");
}

/// Continues the pass, and starts the next one if necessary, until a point in time.
fn run(srv: &mut Server, slabs: &mut Slabs, until_us: u64) {
    slabs.sample();
    while clock::monotonic_us() < until_us
        && let Some(pass) = &mut srv.defrag.pass
    {
        if pass.db > srv.keys.dbs.len() {
            finish(srv);
            continue;
        }
        if !pass.is_begun {
            slabs.begin_pass();
            pass.is_begun = true;
        }
        let fields = SLICE.min(srv.config.active_defrag_max_scan_fields) as usize;
        let (hits, misses) = match srv.keys.dbs.get_mut(pass.db) {
            None => {
                pass.cursor = srv
                    .scripts
                    .cache
                    .relocate(pass.cursor, KEYS_PER_CLOCK, slabs);
                pass.db += usize::from(pass.cursor == 0);
                (0, 0)
            }
            Some(database) if pass.unfinished.is_empty() => {
                visit_keys(database, pass, slabs, fields)
            }
            Some(database) => continue_value(database, pass, slabs, fields),
        };
        srv.stats.defrag_key_hits += hits;
        srv.stats.defrag_key_misses += misses;
        let (hits, misses) = slabs.take_counts();
        srv.stats.defrag_hits += hits;
        srv.stats.defrag_misses += misses;
        pass.moved += hits;
    }
}

/// Visits a few keys; at the end of the database, moves on to the next one. Returns the number of keys with and without
/// moved allocations that are finished.
fn visit_keys(
    database: &mut Database,
    pass: &mut Pass,
    slabs: &mut Slabs,
    fields: usize,
) -> (u64, u64) {
    let (mut hits, mut misses) = (0, 0);
    let unfinished = &mut pass.unfinished;
    let sizes = (KEYS_PER_CLOCK, fields);
    let next = database
        .db
        .relocate(pass.cursor, sizes, slabs, &mut |seen| {
            if seen.rest != 0 {
                unfinished.push_back(Unfinished {
                    key: seen.key.into(),
                    cursor: seen.rest,
                    is_moved: seen.is_moved,
                });
            } else {
                hits += u64::from(seen.is_moved);
                misses += u64::from(!seen.is_moved);
            }
        });
    pass.cursor = next;
    if next == 0 && pass.unfinished.is_empty() {
        pass.db += 1;
    }
    (hits, misses)
}

/// Visits a slice of the first unfinished value. The result is that of [`visit_keys`].
fn continue_value(
    database: &mut Database,
    pass: &mut Pass,
    slabs: &mut Slabs,
    fields: usize,
) -> (u64, u64) {
    let Some(value) = pass.unfinished.front_mut() else {
        return (0, 0);
    };
    let before = slabs.moves();
    value.cursor = database
        .db
        .relocate_rest(&value.key, value.cursor, fields, slabs);
    value.is_moved |= slabs.moves() > before;
    if value.cursor != 0 {
        return (0, 0);
    }
    let is_moved = value.is_moved;
    pass.unfinished.pop_front();
    if pass.unfinished.is_empty() && pass.cursor == 0 {
        pass.db += 1;
    }
    (u64::from(is_moved), u64::from(!is_moved))
}

/// The pass is complete: logs it, and starts another one if that is necessary.
fn finish(srv: &mut Server) {
    let Some(pass) = srv.defrag.pass.take() else {
        return;
    };
    let now_us = clock::monotonic_us();
    let Fragmentation { percent, bytes } = fragmentation::measure();
    verbose!(
        "Active defrag done in {}ms, reallocated={}, frag={percent:.0}%, frag_bytes={bytes}",
        (now_us - pass.began_us) / 1000,
        pass.moved
    );
    if !pass.has_helped(bytes) {
        srv.defrag.paused_until_us = now_us + PAUSE_US;
    }
    decide(srv);
}
