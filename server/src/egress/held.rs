//! Output that waits for writes to reach the disk (`appendfsync always`).
//!
//! A reply must not tell what a crash could take back, whoever reads it. So all output that is produced while a write is
//! not on the disk is held: replies to writes and to reads, messages, and the stream that replicas follow. The loop
//! goes on meanwhile; it looks at the progress of the fsync thread before it sleeps (`persist/aof/flush`).

use crate::config::values::AppendFsync;
use crate::server::Server;
use crate::state::aof::sync::Mark;

/// Whether the policy is that output waits for the disk.
fn is_strict(srv: &Server) -> bool {
    srv.config.appendfsync == AppendFsync::Always && srv.aof.is_on()
}

/// Decides whether the output of this turn is held. It is if a write is not on the disk yet, and, when the policy was just
/// changed, behind output that is held.
pub fn begin(srv: &mut Server) -> bool {
    let offset = srv.replication.offset;
    // While no fsync is requested (`no-appendfsync-on-rewrite`), new output does not wait.
    let aof = &srv.aof;
    if is_strict(srv) && (aof.requested > aof.synced || !aof.buffer.is_empty()) {
        let position = if aof.buffer.is_empty() {
            aof.requested
        } else {
            aof.appended()
        };
        srv.aof.held.begin(Mark { position, offset });
        return true;
    }
    if srv.aof.held.is_empty() {
        srv.aof.released_offset = offset;
        return false;
    }
    true
}

/// The position up to which output is released: what is on the disk, or everything after a failed write or fsync that did
/// not end the server, because the policy has changed.
pub fn released_position(srv: &Server) -> u64 {
    if !srv.aof.is_on() || (!is_strict(srv) && srv.aof.failure().is_some()) {
        u64::MAX
    } else {
        srv.aof.synced
    }
}

/// The offset up to which replicas may be sent the stream.
pub fn released_offset(srv: &Server) -> u64 {
    let offset = srv.replication.offset;
    if is_strict(srv) || !srv.aof.held.is_empty() {
        offset.min(srv.aof.released_offset)
    } else {
        offset
    }
}
