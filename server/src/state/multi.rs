//! MULTI: the commands that a client has queued, until EXEC or DISCARD.

use table::CmdId;
use table::words::Flags;

use crate::wire::argv::Argv;

/// A queued command.
#[derive(Debug)]
pub struct Queued {
    /// The command.
    pub cmd: CmdId,
    /// Its arguments, on memory of their own.
    pub argv: Argv,
}

/// The flags of all queued commands, so that EXEC is judged without a walk over the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Flags that at least one command has.
    pub any: Flags,
    /// Flags that at least one command lacks.
    pub lacking: Flags,
}

/// A transaction that is being put together.
#[derive(Debug)]
pub struct Multi {
    /// Commands in the order they came.
    pub queue: Vec<Queued>,
    /// What is known of all of them.
    pub summary: Summary,
    /// A command was refused: EXEC will be, too.
    pub aborted: bool,
}

impl Default for Multi {
    fn default() -> Self {
        Multi {
            queue: Vec::new(),
            summary: Summary {
                any: Flags::empty(),
                lacking: Flags::empty(),
            },
            aborted: false,
        }
    }
}

impl Multi {
    /// Queues a command.
    pub fn push(&mut self, cmd: CmdId, argv: Argv) {
        let flags = table::spec(cmd).flags;
        self.summary.any |= flags;
        self.summary.lacking |= !flags;
        self.queue.push(Queued { cmd, argv });
    }
}
