//! Output that waits for writes to reach the disk (`appendfsync always`).
//!
//! A reply must not tell what a crash could take back, whoever reads it. So all output that is produced while a write is
//! not on the disk is held: replies to writes and to reads, messages, and the stream that replicas follow. The loop
//! goes on meanwhile; it looks at the progress of the fsync thread before it sleeps (`persist/aof/flush`).

use crate::config::values::AppendFsync;
use crate::server::Server;
use crate::state::aof::sync::Mark;

/// Whether output must not be sent before the writes in front of it are on the disk.
pub fn is_strict(srv: &Server) -> bool {
    srv.config.appendfsync == AppendFsync::Always && srv.aof.is_on()
}

/// Decides whether the output of this turn is held; it is if a write is not on the disk yet.
pub fn begin(srv: &mut Server) -> bool {
    let offset = srv.replication.offset;
    let holds = is_strict(srv) && srv.aof.ordered > srv.aof.synced;
    if holds {
        // What no fsync is ordered for (`no-appendfsync-on-rewrite`) is not waited for.
        let position = srv.aof.ordered;
        srv.aof.held.begin(Mark { position, offset });
    } else {
        srv.aof.released_offset = offset;
    }
    holds
}

/// The offset up to which replicas may be sent the stream.
pub fn released_offset(srv: &Server) -> u64 {
    let offset = srv.replication.offset;
    if is_strict(srv) {
        offset.min(srv.aof.released_offset)
    } else {
        offset
    }
}
