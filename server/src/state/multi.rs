//! MULTI: the commands that a client has queued, until EXEC or DISCARD.

use table::CmdId;

use crate::wire::request::Argv;

/// A queued command.
#[derive(Debug)]
pub struct Queued {
    /// The command.
    pub cmd: CmdId,
    /// Its arguments, on memory of their own.
    pub argv: Argv,
}

/// A transaction that is being put together.
#[derive(Debug, Default)]
pub struct Multi {
    /// Commands in the order they came.
    pub queue: Vec<Queued>,
    /// A command was refused: EXEC will be, too.
    pub aborted: bool,
}
