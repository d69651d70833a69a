//! What a unit of execution has changed, as commands that make the same change elsewhere.
//!
//! Redis's rules:
//!
//! 1. A command is propagated if it has changed something, as it was sent or as it rewrote itself (`cx.rewrite`): what
//!    is propagated must not depend on the clock, on randomness, or on other keys.
//! 2. A command may propagate others before itself ([`also`]), nothing at all, or itself in any case (`cx.propagate`).
//! 3. A key that expired or was evicted is propagated as DEL, or as UNLINK if it is freed in the background here.
//! 4. Writes are passed on when the unit ends. Several go between MULTI and EXEC, so that no reader sees a part of
//!    them.
//! 5. A write for another database than the previous one is preceded by SELECT, inside the MULTI.
//!
//! A replica propagates no writes of its own to its replicas: they get the bytes of its primary. The caller decides
//! where a write goes (`Unit::targets`).

use table::CmdId;
use table::words::Flags;

use crate::feed::{aof, replicas};
use crate::server::{Ctx, Server};
use crate::state::caller::Targets;
use crate::wire::argv::Argv;

/// How the writes of a unit are grouped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grouping {
    /// Several go between MULTI and EXEC.
    Transaction,
    /// Each on its own: keys that SCAN and similar commands delete on their way.
    Separate,
}

impl Grouping {
    /// The grouping for a command that was a unit of its own.
    pub fn of(cmd: CmdId) -> Self {
        let flags = table::spec(cmd).flags;
        if flags.contains(Flags::TOUCHES_ARBITRARY_KEYS) {
            Grouping::Separate
        } else {
            Grouping::Transaction
        }
    }
}

/// Where the writes of the unit go: those targets of its caller that exist.
#[inline]
fn targets(srv: &Server) -> Targets {
    let mut existing = Targets::empty();
    existing.set(Targets::REPLICAS, srv.replication.is_fed());
    existing.set(Targets::AOF, srv.aof.is_on());
    srv.unit.running.targets & existing
}

/// Whether the writes of the unit go anywhere.
#[inline]
pub fn is_wanted(srv: &Server) -> bool {
    !targets(srv).is_empty()
}

/// Propagates a request when the unit ends.
pub fn also<'a>(srv: &mut Server, db: usize, args: impl ExactSizeIterator<Item = &'a [u8]>) {
    also_to(srv, Targets::all(), db, args);
}

/// As [`also`], but to no other targets than these.
pub fn also_to<'a>(
    srv: &mut Server,
    wanted: Targets,
    db: usize,
    args: impl ExactSizeIterator<Item = &'a [u8]>,
) {
    let targets = targets(srv) & wanted;
    if !targets.is_empty() {
        srv.propagation.push(targets, db, args);
    }
}

/// As [`also_to`], for a command as it was received.
#[inline]
pub fn command_to(srv: &mut Server, wanted: Targets, db: usize, argv: &Argv) {
    let targets = targets(srv) & wanted;
    if targets.is_empty() {
        return;
    }
    match argv.encoded() {
        Some(request) => srv.propagation.push_encoded(targets, db, request),
        None => srv.propagation.push(targets, db, argv.iter()),
    }
}

/// Replaces the command that is propagated.
pub fn instead<'a>(cx: &mut Ctx<'_>, args: impl IntoIterator<Item = &'a [u8]>) {
    if is_wanted(cx.srv) {
        cx.rewrite = Some(Box::new(Argv::of(args)));
    }
}

/// Propagates the command as a deletion.
pub fn as_deletion(cx: &mut Ctx<'_>, key: &[u8], lazy: bool) {
    instead(cx, [deletion_name(lazy), key]);
}

fn deletion_name(lazy: bool) -> &'static [u8] {
    if lazy { b"UNLINK" } else { b"DEL" }
}

/// Propagates the deletion of a key that no command has deleted.
pub fn deletion(srv: &mut Server, db: usize, key: &[u8], lazy: bool) {
    also(srv, db, [deletion_name(lazy), key].into_iter());
    if srv.unit.depth == 0 {
        end_of_unit(srv, Grouping::Transaction);
    }
}

/// Runs `deed` as a unit outside of any command.
pub fn as_unit(srv: &mut Server, deed: impl FnOnce(&mut Server)) {
    srv.unit.depth += 1;
    deed(srv);
    srv.unit.depth -= 1;
    if srv.unit.depth == 0 {
        end_of_unit(srv, Grouping::Transaction);
    }
}

/// Ends the unit: passes on the writes that it collected.
pub fn end_of_unit(srv: &mut Server, grouping: Grouping) {
    if srv.propagation.is_empty() {
        return;
    }
    let mut propagation = std::mem::take(&mut srv.propagation);
    if is_wanted(srv) {
        let whole = grouping == Grouping::Transaction;
        aof::feed(srv, &propagation, whole);
        replicas::feed(srv, &propagation, whole);
    }
    propagation.clear();
    srv.propagation = propagation;
}
