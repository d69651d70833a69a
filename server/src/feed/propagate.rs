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
//! A replica propagates nothing of its own: its replicas get the bytes of its primary.

use crate::feed::replicas;
use crate::server::{Ctx, Server};
use crate::wire::request::Argv;

/// Whether anybody wants to know.
#[inline]
pub fn is_wanted(srv: &Server) -> bool {
    srv.replication.is_fed()
}

/// A request is to be propagated when the unit ends.
pub fn also<'a>(srv: &mut Server, db: usize, args: impl ExactSizeIterator<Item = &'a [u8]>) {
    if is_wanted(srv) {
        srv.propagation.push(db, args);
    }
}

/// Other words for a command, if anybody wants to know.
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
    if !is_wanted(srv) {
        return;
    }
    srv.propagation
        .push(db, [deletion_name(lazy), key].into_iter());
    if srv.unit.depth == 0 {
        end_of_unit(srv);
    }
}

/// Does something as a unit that no command is.
pub fn as_unit(srv: &mut Server, deed: impl FnOnce(&mut Server)) {
    srv.unit.depth += 1;
    deed(srv);
    srv.unit.depth -= 1;
    if srv.unit.depth == 0 {
        end_of_unit(srv);
    }
}

/// The unit is over: passes on what waits.
pub fn end_of_unit(srv: &mut Server) {
    if srv.propagation.is_empty() {
        return;
    }
    let mut propagation = std::mem::take(&mut srv.propagation);
    if is_wanted(srv) {
        replicas::feed(srv, &propagation);
    }
    propagation.clear();
    srv.propagation = propagation;
}
