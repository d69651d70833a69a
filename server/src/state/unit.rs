//! The unit of execution: the command on top of the stack, and the instant it sees.
//!
//! What belongs to a command is replaced when a command begins within the unit, and put back when it ends (`exec/call`), so
//! nothing of the inner command remains visible to the outer one. The clocks of the loop are [`crate::state::turn::Turn`]'s.

use table::CmdId;

use crate::state::caller::{Caller, Targets};
use crate::state::client_id::ClientId;

/// What is being executed.
#[derive(Clone, Copy, Default)]
pub struct Unit {
    /// Commands on the stack; queues are drained at 0 only.
    pub depth: u32,
    /// The client whose input is being processed.
    pub client: Option<ClientId>,
    /// The command on top of the stack.
    pub running: Running,
    /// Unix time in milliseconds that the unit sees.
    pub now_ms: i64,
    /// Monotonic time at which its first command began, in nanoseconds.
    pub began_ns: u64,
}

/// The command being executed, and what it inherits from its caller.
#[derive(Clone, Copy)]
pub struct Running {
    /// The command; `None` outside of commands.
    pub command: Option<CmdId>,
    /// It leaves the recency of keys alone (CLIENT NO-TOUCH).
    pub no_touch: bool,
    /// It comes from the primary or the append-only file: expired keys are there until these delete them.
    pub obeyed: bool,
    /// Where changes are propagated to.
    pub targets: Targets,
}

impl Default for Running {
    fn default() -> Self {
        Running {
            command: None,
            no_touch: false,
            obeyed: false,
            targets: Targets::all(),
        }
    }
}

/// What a unit returns to when a command has ended.
#[derive(Clone, Copy)]
pub struct Outer {
    running: Running,
    now_ms: i64,
}

impl Unit {
    /// Unix time in seconds that the unit sees.
    #[inline]
    pub fn now_s(&self) -> i64 {
        self.now_ms / 1000
    }

    /// A command begins within this unit.
    #[inline]
    pub fn enter(&mut self, cmd: CmdId, caller: &Caller, no_touch: bool) -> Outer {
        let outer = Outer {
            running: self.running,
            now_ms: self.now_ms,
        };
        self.depth += 1;
        self.running = Running {
            command: Some(cmd),
            no_touch,
            obeyed: caller.obeyed,
            targets: caller.targets,
        };
        outer
    }

    /// The command that began with [`Unit::enter`] has ended. Whatever it has nested in itself has ended, too.
    #[inline]
    pub fn leave(&mut self, outer: Outer) {
        self.depth -= 1;
        self.running = outer.running;
        self.now_ms = outer.now_ms;
    }
}
