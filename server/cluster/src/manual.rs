//! Manual failover: a replica takes over from a primary that works, without losing a write.
//!
//! 1. CLUSTER FAILOVER on the replica: it sends MFSTART (`admin::failover`).
//! 2. The primary pauses clients that write and answers with a PING that is flagged as paused (`start_as_primary`).
//! 3. The replica notes the offset in that PING (`note_offset`), and waits until it has executed as much (`proceed`).
//! 4. It starts an election without delay; its request asks voters to accept that the primary has not failed.
//!
//! With FORCE it begins at 4, with TAKEOVER there is no election either. Both sides give up after [`TIMEOUT_MS`].

use crate::action::{Level, Pause};
use crate::ids::NodeIx;
use crate::state::{Cluster, Manual, Todo};

/// How long a manual failover may take.
pub(crate) const TIMEOUT_MS: i64 = 5000;

/// How long the primary pauses clients, in case it is not told of the end.
const PAUSE_MS: i64 = TIMEOUT_MS * 2;

/// Ends the manual failover, if there is one.
pub(crate) fn reset(c: &mut Cluster) {
    if c.manual.replica.is_some() {
        c.pause = Some(Pause::End);
    }
    c.manual = Manual::default();
}

/// A replica of this primary asks for the failover.
pub(crate) fn start_as_primary(c: &mut Cluster, replica: NodeIx) {
    reset(c);
    let now_ms = c.now_ms();
    c.manual.end_ms = now_ms + TIMEOUT_MS;
    c.manual.replica = Some(replica);
    let until_ms = now_ms + PAUSE_MS;
    // It replaces the end of another pause that was not taken yet.
    c.pause = Some(Pause::Until(until_ms));
    c.log(Level::Notice, |c| {
        format!("Manual failover requested by replica {}.", c.shown(replica))
    });
}

/// The primary announced the offset at which it paused its clients.
pub(crate) fn note_offset(c: &mut Cluster, offset: i64) {
    c.manual.primary_offset = Some(offset);
    c.later(Todo::MANUAL);
    c.log(Level::Notice, |_| {
        format!("Received replication offset for paused master manual failover: {offset}")
    });
}

/// On a replica: starts the election when the offset of the primary is reached.
pub(crate) fn proceed(c: &mut Cluster) {
    if c.manual.end_ms == 0 || c.manual.can_start {
        return;
    }
    let Some(offset) = c.manual.primary_offset else {
        return;
    };
    if offset != c.facts.offset {
        c.later(Todo::MANUAL);
        return;
    }
    c.manual.can_start = true;
    c.log(Level::Notice, |_| {
        "All master replication stream processed, manual failover can start.".to_owned()
    });
    c.later(Todo::FAILOVER);
}

/// Gives up a failover that takes too long.
pub(crate) fn check_timeout(c: &mut Cluster) {
    if c.manual.end_ms != 0 && c.manual.end_ms < c.now_ms() {
        c.log(Level::Warning, |_| "Manual failover timed out.".to_owned());
        reset(c);
    }
}
