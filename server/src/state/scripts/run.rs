//! The run of a script.

use std::sync::Arc;

use bitflags::bitflags;

use crate::state::caller::{Caller, Targets};
use crate::state::scripts::cache::Sha;
use crate::sys::clock;
use crate::wire::reply::Resp;

/// What is run.
#[derive(Clone, Debug)]
pub enum Name {
    /// A script of EVAL, by its digest.
    Script(Sha),
    /// A function, by its name.
    Function(Arc<[u8]>),
}

impl Name {
    /// The name as text.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Name::Script(sha) => sha,
            Name::Function(name) => name,
        }
    }
}

bitflags! {
    /// What holds for a run.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct RunFlags: u8 {
        /// It may not write.
        const READ_ONLY = 1;
        /// Its commands may use memory beyond `maxmemory`.
        const ALLOW_OOM = 1 << 1;
        /// Its keys may belong to different slots.
        const ALLOW_CROSS_SLOT = 1 << 2;
        /// It has called a command that writes: it can be neither killed nor refused any more.
        const HAS_WRITTEN = 1 << 3;
        /// It has exceeded `busy-reply-threshold`.
        const BUSY = 1 << 4;
        /// It is to end.
        const KILLED = 1 << 5;
    }
}

/// A run.
#[derive(Debug)]
pub struct Run {
    /// What is run.
    pub name: Name,
    /// For whom its commands are executed.
    pub caller: Caller,
    /// Where its writes go unless `redis.set_repl` says otherwise.
    pub targets: Targets,
    /// What holds for it.
    pub flags: RunFlags,
    /// In a cluster the slot of its keys: of those that were declared, else of the first that it uses.
    pub slot: Option<u16>,
    /// Monotonic time of its start, in microseconds.
    pub started_us: u64,
}

impl Run {
    /// A run for a caller, with RESP2 as the protocol of its commands' replies.
    pub fn new(name: Name, caller: &Caller, flags: RunFlags) -> Self {
        let mut inner = caller.in_script();
        inner.session.resp = Resp::V2;
        Run {
            name,
            caller: inner,
            targets: caller.targets,
            flags,
            slot: None,
            started_us: clock::monotonic_us(),
        }
    }

    /// Whether other clients hear of it.
    pub fn is_busy(&self) -> bool {
        self.flags.contains(RunFlags::BUSY)
    }

    /// Whether it is a script of EVAL, and not a function.
    pub fn is_eval(&self) -> bool {
        matches!(self.name, Name::Script(_))
    }
}
