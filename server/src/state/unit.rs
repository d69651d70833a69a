//! The unit of execution: the command on top of the stack, and the instant it sees.
//!
//! A unit is saved before a nested command and restored after it as a whole (`exec/call`), so nothing of the inner
//! command remains visible to the outer one. The clocks of the loop are [`crate::state::turn::Turn`]'s.

use table::CmdId;

use crate::state::caller::{Caller, Targets};
use crate::state::client_id::ClientId;

/// What is being executed.
#[derive(Clone, Copy)]
pub struct Unit {
    /// Commands on the stack; queues are drained at 0 only.
    pub depth: u32,
    /// The client whose input is being processed.
    pub client: Option<ClientId>,
    /// The command being executed.
    pub command: Option<CmdId>,
    /// The command leaves the recency of keys alone (CLIENT NO-TOUCH).
    pub no_touch: bool,
    /// The command comes from the primary or the append-only file: expired keys exist until these delete them.
    pub obeyed: bool,
    /// Where changes are propagated to.
    pub targets: Targets,
    /// Unix time in milliseconds that the unit sees.
    pub now_ms: i64,
}

impl Default for Unit {
    fn default() -> Self {
        Unit {
            depth: 0,
            client: None,
            command: None,
            no_touch: false,
            obeyed: false,
            targets: Targets::all(),
            now_ms: 0,
        }
    }
}

impl Unit {
    /// The unit of a command that is called within this one.
    #[inline]
    pub fn nested(&self, cmd: CmdId, caller: &Caller, no_touch: bool) -> Self {
        Unit {
            depth: self.depth + 1,
            client: self.client,
            command: Some(cmd),
            no_touch,
            obeyed: caller.obeyed,
            targets: caller.targets,
            now_ms: self.now_ms,
        }
    }
}
