//! What a unit of execution has changed, as the requests that make the same change elsewhere.
//!
//! Redis's rules:
//!
//! 1. A command is propagated when it has changed something, as it was sent or as it has rewritten itself (`cx.rewrite`):
//!    what is propagated must not depend on the clock, on chance, or on what else is in the database.
//! 2. A command may have others propagated before itself ([`also`]), or nothing at all, or itself in any case
//!    (`cx.propagate`).
//! 3. A key that expired or was evicted goes as DEL, or as UNLINK if it is freed in the background here.
//! 4. Everything waits until the unit ends. More than one write goes between MULTI and EXEC, so that nobody sees a part.
//! 5. A write for another database than the one before it has a SELECT in front of it, within the MULTI.
//!
//! A replica propagates nothing of its own: its replicas get the bytes of its primary. Where a write goes is its caller's to
//! say (`Unit::targets`).

use table::CmdId;
use table::words::Flags;

use crate::feed::replicas;
use crate::server::{Ctx, Server};
use crate::state::caller::Targets;
use crate::wire::argv::Argv;

/// How the writes of a unit belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grouping {
    /// Several go between MULTI and EXEC.
    Transaction,
    /// Each is on its own: what SCAN and its like delete on their way.
    Separate,
}

impl Grouping {
    /// That of a command which was a unit.
    pub fn of(cmd: CmdId) -> Self {
        let flags = table::spec(cmd).flags;
        if flags.contains(Flags::TOUCHES_ARBITRARY_KEYS) {
            Grouping::Separate
        } else {
            Grouping::Transaction
        }
    }
}

/// Where the writes of the unit go: the targets of its caller that exist.
#[inline]
fn targets(srv: &Server) -> Targets {
    let existing = if srv.replication.is_fed() {
        Targets::REPLICAS
    } else {
        Targets::empty()
    };
    srv.unit.targets & existing
}

/// Whether the writes of the unit go anywhere.
#[inline]
pub fn is_wanted(srv: &Server) -> bool {
    !targets(srv).is_empty()
}

/// Propagates a request when the unit ends.
pub fn also<'a>(srv: &mut Server, db: usize, args: impl ExactSizeIterator<Item = &'a [u8]>) {
    let targets = targets(srv);
    if !targets.is_empty() {
        srv.propagation.push(targets, db, args);
    }
}

/// Other words for a command, if it is propagated anywhere.
pub fn instead<'a>(cx: &mut Ctx<'_>, args: impl IntoIterator<Item = &'a [u8]>) {
    if is_wanted(cx.srv) {
        cx.rewrite = Some(Argv::of(args));
    }
}

/// A command has deleted a key, whatever its name says.
pub fn as_deletion(cx: &mut Ctx<'_>, key: &[u8], lazy: bool) {
    instead(cx, [deletion_name(lazy), key]);
}

fn deletion_name(lazy: bool) -> &'static [u8] {
    if lazy { b"UNLINK" } else { b"DEL" }
}

/// A key vanished without a command that says so.
pub fn deletion(srv: &mut Server, db: usize, key: &[u8], lazy: bool) {
    also(srv, db, [deletion_name(lazy), key].into_iter());
    if srv.unit.depth == 0 {
        end_of_unit(srv, Grouping::Transaction);
    }
}

/// Does something as a unit that no command is.
pub fn as_unit(srv: &mut Server, deed: impl FnOnce(&mut Server)) {
    srv.unit.depth += 1;
    deed(srv);
    srv.unit.depth -= 1;
    if srv.unit.depth == 0 {
        end_of_unit(srv, Grouping::Transaction);
    }
}

/// The unit is over: passes on what it has collected.
pub fn end_of_unit(srv: &mut Server, grouping: Grouping) {
    if srv.propagation.is_empty() {
        return;
    }
    let mut propagation = std::mem::take(&mut srv.propagation);
    if is_wanted(srv) {
        let whole = grouping == Grouping::Transaction;
        replicas::feed(srv, &propagation, whole);
    }
    propagation.clear();
    srv.propagation = propagation;
}
