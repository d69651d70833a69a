//! XCLAIM and XAUTOCLAIM.
//!
//! Pending entries that were deleted from the stream cannot be claimed; they are removed from the pending list
//! instead.

use data::util::num::parse_i64;
use data::value::stream::Stream;
use data::value::stream_group::{ConsumerId, Group, Nack};
use data::value::stream_id::StreamId;
use data::value::stream_log::{Finder, Log};
use table::stream as rows;

use crate::commands::Family;
use crate::commands::args::Args;
use crate::commands::stream::ids::{exact_id, range_start};
use crate::commands::stream::propagate::{self, Told};
use crate::commands::stream::reply::{no_group, reply_entry, reply_id};
use crate::keyspace::change::{Event, key_changed_unwatched};
use crate::keyspace::lookup::{find_read, read_mut, write};
use crate::server::{Ctx, Done, Propagate};
use crate::wire::argv::Argv;
use crate::wire::fault::{Fault, SYNTAX};
use crate::wire::reply::Reply;

/// Rows and procs.
pub static PROCS: Family = &[(&rows::XCLAIM, xclaim), (&rows::XAUTOCLAIM, xautoclaim)];

/// Default of COUNT in XAUTOCLAIM.
const DEFAULT_COUNT: usize = 100;
/// Entries that XAUTOCLAIM examines per entry that it may claim.
const ATTEMPTS: usize = 10;
/// Pending entries that XAUTOCLAIM reads from the group at once.
const BATCH: usize = 64;
/// Maximum of COUNT.
const MAX_COUNT: i64 = i64::MAX / 16;

/// Options.
#[derive(Clone, Copy, Default)]
struct Claim {
    /// Minimum idle time of an entry.
    min_idle_ms: i64,
    /// Delivery time to set, if not now.
    delivered_ms: Option<i64>,
    /// Number of deliveries to set, if not incremented.
    deliveries: Option<u64>,
    /// FORCE: also entries that are not pending.
    force: bool,
    /// JUSTID: reply with ids only, which does not count as a delivery.
    just_ids: bool,
}

/// Outcome for one entry.
enum Outcome {
    /// It is pending for the consumer now.
    Claimed(Nack),
    /// It was deleted from the stream, and now from the pending list, where this was its state.
    Gone(Nack),
    /// It is not pending, or not idle for long enough.
    Untouched,
}

impl Claim {
    /// Claims an entry for a consumer; `nack` is its state in the group.
    fn claim(
        &self,
        entries: &mut Finder<'_>,
        group: &mut Group,
        consumer: ConsumerId,
        (id, nack): (StreamId, Option<Nack>),
        now_ms: i64,
    ) -> Outcome {
        if entries.get(id).is_none() {
            group.acknowledge(id);
            return nack.map_or(Outcome::Untouched, Outcome::Gone);
        }
        let before = match nack {
            Some(nack) => {
                let idle_ms = now_ms.wrapping_sub(nack.delivered_ms);
                if self.min_idle_ms > 0 && idle_ms < self.min_idle_ms {
                    return Outcome::Untouched;
                }
                nack.deliveries
            }
            None if self.force => 1,
            None => return Outcome::Untouched,
        };
        let counted = before.wrapping_add(u64::from(!self.just_ids));
        let claimed = Nack {
            delivered_ms: self.delivered_ms.unwrap_or(now_ms),
            deliveries: self.deliveries.unwrap_or(counted),
            consumer,
        };
        group.assign(id, claimed);
        group.consumer_mut(consumer).active_ms = Some(now_ms);
        Outcome::Claimed(claimed)
    }

    fn reply(&self, reply: &mut Reply, log: &Log, claimed: &[StreamId]) {
        reply.array(claimed.len());
        let mut entries = log.finder();
        for &id in claimed {
            let shown = if self.just_ids { None } else { entries.get(id) };
            match shown {
                Some(entry) => reply_entry(reply, &entry),
                None => reply_id(reply, id),
            }
        }
    }
}

/// A minimum idle time.
fn min_idle(arg: &[u8], command: &str) -> Result<i64, Fault> {
    let ms = parse_i64(arg)
        .ok_or_else(|| Fault::new(format!("ERR Invalid min-idle-time argument for {command}")))?;
    Ok(ms.max(0))
}

/// Registers the consumer's activity; creates it if necessary.
fn ask(group: &mut Group, name: &[u8], now_ms: i64) -> (ConsumerId, bool) {
    let (consumer, joined) = group.join(name, now_ms);
    group.consumer_mut(consumer).seen_ms = now_ms;
    (consumer, joined)
}

/// Counts the changes.
fn tell(cx: &mut Ctx<'_>, joined: bool, changes: usize) {
    if joined {
        let event = Event::Stream("xgroup-createconsumer");
        key_changed_unwatched(cx.srv, cx.db, &cx.argv[1], 1, event);
    }
    if changes > 0 {
        key_changed_unwatched(cx.srv, cx.db, &cx.argv[1], changes as u64, Event::Silent);
    }
}

/// Parses the arguments of XCLAIM from the idle time on.
fn parse_claim(argv: &Argv, now_ms: i64) -> Result<(Claim, Vec<StreamId>, StreamId), Fault> {
    let mut claim = Claim {
        min_idle_ms: min_idle(&argv[4], "XCLAIM")?,
        ..Claim::default()
    };
    // Options begin behind the last id.
    let ids: Vec<_> = argv
        .iter()
        .skip(5)
        .map_while(|arg| exact_id(arg).ok())
        .collect();
    let mut last_id = StreamId::MIN;
    let mut args = Args::from(argv, 5 + ids.len());
    while !args.is_done() {
        if args.word("force") {
            claim.force = true;
        } else if args.word("justid") {
            claim.just_ids = true;
        } else if args.word_with_value("idle") {
            let idle_ms = option_int(&mut args, "IDLE")?;
            claim.delivered_ms = Some(now_ms.wrapping_sub(idle_ms));
        } else if args.word_with_value("time") {
            claim.delivered_ms = Some(option_int(&mut args, "TIME")?);
        } else if args.word_with_value("retrycount") {
            claim.deliveries = u64::try_from(option_int(&mut args, "RETRYCOUNT")?).ok();
        } else if args.word_with_value("lastid") {
            last_id = exact_id(args.need()?)?;
        } else {
            let parts = [
                b"ERR Unrecognized XCLAIM option '".as_slice(),
                args.need()?,
                b"'",
            ];
            return Err(Fault::quoting(&parts));
        }
    }
    // Clients compute times with their own clocks: an impossible time is replaced by now.
    claim.delivered_ms = claim
        .delivered_ms
        .filter(|at_ms| (0..=now_ms).contains(at_ms));
    Ok((claim, ids, last_id))
}

fn option_int(args: &mut Args<'_>, option: &str) -> Result<i64, Fault> {
    parse_i64(args.need()?)
        .ok_or_else(|| Fault::new(format!("ERR Invalid {option} option argument for XCLAIM")))
}

fn xclaim(cx: &mut Ctx<'_>) -> Done {
    let (argv, now_ms) = (cx.argv, cx.now_ms);
    let mut told = Told::new(cx.srv);
    let stream = read_mut::<Stream>(cx.srv, cx.db, &argv[1])?;
    let (log, group) = stream
        .and_then(|stream| stream.group_mut(&argv[2]))
        .ok_or_else(|| no_group(&argv[1], &argv[2]))?;
    let (claim, ids, last_id) = parse_claim(argv, now_ms)?;
    let advanced = last_id > group.last_id;
    if advanced {
        group.last_id = last_id;
    }
    let (consumer, joined) = ask(group, &argv[3], now_ms);
    let (mut claimed, mut gone) = (Vec::new(), 0);
    let mut entries = log.finder();
    for (written, id) in argv.iter().skip(5).zip(ids) {
        let pending = (id, group.nack(id));
        match claim.claim(&mut entries, group, consumer, pending, now_ms) {
            Outcome::Claimed(nack) => {
                claimed.push(id);
                told.push_as(group, written, nack);
            }
            Outcome::Gone(nack) => {
                gone += 1;
                told.push_as(group, written, nack);
            }
            Outcome::Untouched => {}
        }
    }
    let position = (group.last_id, group.entries_read);
    claim.reply(cx.reply, log, &claimed);
    cx.propagate = Propagate::Never;
    propagate::pending(cx, &argv[1], &argv[2], &told);
    let mut changes = claimed.len() + gone;
    if advanced && changes == 0 {
        // No claimed entry propagates LASTID.
        propagate::read_on(cx, &argv[1], &argv[2], position);
        changes = 1;
    }
    tell(cx, joined, changes);
    Ok(())
}

/// The options of XAUTOCLAIM.
fn parse_auto(argv: &Argv) -> Result<(Claim, StreamId, usize), Fault> {
    let mut claim = Claim {
        min_idle_ms: min_idle(&argv[4], "XAUTOCLAIM")?,
        ..Claim::default()
    };
    let start = range_start(&argv[5])?;
    let mut count = DEFAULT_COUNT;
    let mut args = Args::from(argv, 6);
    while !args.is_done() {
        if args.word_with_value("count") {
            count = parse_i64(args.need()?)
                .filter(|count| (1..=MAX_COUNT).contains(count))
                .ok_or_else(|| Fault::new("ERR COUNT must be > 0"))? as usize;
        } else if args.word("justid") {
            claim.just_ids = true;
        } else {
            return Err(SYNTAX);
        }
    }
    Ok((claim, start, count))
}

/// Iterates over pending entries from an id on, which may be claimed or removed meanwhile.
struct Following {
    from: Option<StreamId>,
    batch: std::vec::IntoIter<(StreamId, Nack)>,
}

impl Following {
    fn new(start: StreamId) -> Self {
        Following {
            from: Some(start),
            batch: Vec::new().into_iter(),
        }
    }

    fn next(&mut self, group: &Group) -> Option<(StreamId, Nack)> {
        if let Some(next) = self.batch.next() {
            return Some(next);
        }
        let entries = group.pending().range(self.from?..).take(BATCH);
        let batch: Vec<_> = entries.map(|(&id, &nack)| (id, nack)).collect();
        self.from = batch.last().and_then(|(id, _)| id.next());
        self.batch = batch.into_iter();
        self.batch.next()
    }
}

fn xautoclaim(cx: &mut Ctx<'_>) -> Done {
    let (argv, now_ms) = (cx.argv, cx.now_ms);
    let mut told = Told::new(cx.srv);
    // As in Redis, an invalid option does not hide whether the key was found: it counts as a hit or a miss.
    find_read(cx.srv, cx.db, &argv[1]);
    let (claim, start, count) = parse_auto(argv)?;
    let stream = write::<Stream>(cx.srv, cx.db, &argv[1])?;
    let (log, group) = stream
        .and_then(|stream| stream.group_mut(&argv[2]))
        .ok_or_else(|| no_group(&argv[1], &argv[2]))?;
    let (consumer, joined) = ask(group, &argv[3], now_ms);
    let (mut claimed, mut gone) = (Vec::new(), Vec::new());
    let mut attempts = count.saturating_mul(ATTEMPTS);
    let mut following = Following::new(start);
    let mut entries = log.finder();
    let mut next = following.next(group);
    while let Some((id, nack)) = next {
        if attempts == 0 || claimed.len() + gone.len() == count {
            break;
        }
        attempts -= 1;
        match claim.claim(&mut entries, group, consumer, (id, Some(nack)), now_ms) {
            Outcome::Claimed(nack) => {
                claimed.push(id);
                told.push(group, id, nack);
            }
            Outcome::Gone(nack) => {
                gone.push(id);
                told.push(group, id, nack);
            }
            Outcome::Untouched => {}
        }
        next = following.next(group);
    }
    cx.reply.array(3);
    reply_id(cx.reply, next.map_or(StreamId::MIN, |(id, _)| id));
    claim.reply(cx.reply, log, &claimed);
    cx.reply.array(gone.len());
    for &id in &gone {
        reply_id(cx.reply, id);
    }
    cx.propagate = Propagate::Never;
    propagate::pending(cx, &argv[1], &argv[2], &told);
    tell(cx, joined, claimed.len() + gone.len());
    Ok(())
}
