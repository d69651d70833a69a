//! Scripts: those of EVAL in their cache, the libraries of functions, the run in progress, and the debugger.
//!
//! EVAL and functions have an interpreter each, as in Redis, so neither sees what the other defines. An interpreter is
//! taken out while it runs a script, and put back when the script has ended; what it runs then finds it missing.

pub mod cache;
pub mod debug;
pub mod flags;
pub mod heap;
pub mod libraries;
pub mod run;

use table::CmdId;

use crate::state::scripts::cache::Cache;
use crate::state::scripts::debug::Debugger;
use crate::state::scripts::libraries::{Libraries, Load};
use crate::state::scripts::run::Run;
use crate::wire::argv::Argv;
use crate::wire::reply::Reply;

/// Scripts.
#[derive(Default)]
pub struct Scripts {
    /// Scripts of EVAL and SCRIPT LOAD.
    pub cache: Cache,
    /// Libraries of functions.
    pub libraries: Libraries,
    /// The library that is being loaded.
    pub load: Option<Load>,
    /// The script that is being run.
    pub run: Option<Run>,
    /// The debugger.
    pub debug: Debugger,
    /// The command that runs a function, for FUNCTION STATS; empty while none runs.
    pub command: Argv,
    /// Arguments and reply of a script's command; kept for their memory.
    pub scratch: Option<Box<Scratch>>,
}

/// What a command of a script needs.
#[derive(Default)]
pub struct Scratch {
    /// Its arguments.
    pub argv: Argv,
    /// Its reply.
    pub reply: Reply,
    /// The name of the latest command, and which it is: most scripts call few.
    pub latest: Option<(ShortName, CmdId)>,
}

/// A name of a command, of up to 15 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShortName(u128);

impl ShortName {
    /// A name as it is written; `None` if it is too long.
    #[inline]
    pub fn of(name: &[u8]) -> Option<ShortName> {
        let len = u8::try_from(name.len()).ok().filter(|len| *len < 16)?;
        let mut bytes = [0; 16];
        bytes[15] = len;
        bytes
            .iter_mut()
            .zip(name)
            .for_each(|(to, from)| *to = *from);
        Some(ShortName(u128::from_le_bytes(bytes)))
    }
}

impl Scripts {
    /// Bytes of interpreters that are probably garbage.
    pub fn garbage(&self) -> usize {
        self.cache.heap.garbage() + self.libraries.heap.garbage()
    }

    /// The script that has run for longer than `busy-reply-threshold`, so that other clients hear of it.
    #[inline]
    pub fn busy(&self) -> Option<&Run> {
        self.run.as_ref().filter(|run| run.is_busy())
    }
}
