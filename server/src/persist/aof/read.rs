//! Reading one file of the append-only file into the databases: a snapshot, commands, or commands behind a snapshot.
//!
//! Between commands clients are served, after a certain number of bytes, commands or milliseconds.
//!
//! # The end of a file
//! A file that ends inside a command or a transaction was being written when the server or the machine crashed. The
//! incomplete end was never acknowledged, so with `aof-load-truncated` it is cut off, down to the last complete command
//! outside a transaction: whatever is appended later would otherwise become a part of it. Only the last file can end so. In
//! any other file something is missing that was followed by acknowledged writes, and the file is left as it is.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use data::rdb::SIGNATURE;

use crate::exec::process::Unresolved;
use crate::exec::replay::{Replay, execute};
use crate::ingress::input::prefetch;
use crate::persist::load::{self, LoadError, look_around};
use crate::server::Server;
use crate::state::loading::Existing;
use crate::state::slowdown::Slowdown;
use crate::sys::clock;
use crate::sys::host::reason;
use crate::wire::argv::Argv;
use crate::wire::request::{Origin, Parsed, Request, RequestLimits};
use crate::{notice, warning};

/// Commands after which clients are served.
const COMMANDS_PER_LOOK: u32 = 1024;
/// Commands between two readings of the clock.
const COMMANDS_PER_CLOCK: u32 = 32;
/// Time after which clients are served, in milliseconds.
const LOOK_EVERY_MS: u64 = 8;
/// Lengths are limited by the size of the file only.
const LIMITS: RequestLimits = RequestLimits {
    max_bulk: i64::MAX / 2,
    unauthenticated: false,
    origin: Origin::File,
};

/// Why loading failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// For this reason, which is to be logged.
    Told(String),
    /// The server was asked to shut down.
    Stopped,
}

impl From<String> for Failure {
    fn from(sentence: String) -> Self {
        Failure::Told(sentence)
    }
}

/// What was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The file is empty.
    Empty,
    /// All of it.
    Whole,
    /// All but an incomplete end, which was cut off.
    Truncated,
}

/// A file to be read.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// Where it is.
    pub path: &'a Path,
    /// Its name in the log.
    pub name: &'a str,
    /// Bytes of the files before it.
    pub before: u64,
    /// It is the last one.
    pub is_last: bool,
    /// It was written by a server that had a single file.
    pub is_single_file: bool,
}

/// Reads a file.
///
/// # Errors
/// The data set is not complete.
pub fn read(srv: &mut Server, source: &Source<'_>) -> Result<Outcome, Failure> {
    let name = source.name;
    let (mut file, size) = open(source)?;
    if size == 0 {
        return Ok(Outcome::Empty);
    }
    let start = if begins_with_snapshot(&mut file).map_err(|error| unreadable(name, &error))? {
        read_snapshot(srv, source, &mut file, size)?
    } else {
        0
    };
    file.seek(SeekFrom::Start(start))
        .map_err(|error| unreadable(name, &error))?;
    match Commands::new(srv, start).read(srv, source, &mut file)? {
        End::Whole => Ok(Outcome::Whole),
        End::Short { valid } => {
            truncate(srv, source, valid)?;
            Ok(Outcome::Truncated)
        }
    }
}

fn open(source: &Source<'_>) -> Result<(File, u64), Failure> {
    let name = source.name;
    let opened = File::open(source.path).and_then(|file| {
        let size = file.metadata()?.len();
        Ok((file, size))
    });
    opened.map_err(|error| {
        let why = reason(&error);
        Failure::Told(if error.kind() == io::ErrorKind::NotFound {
            format!("The append log file {name} doesn't exist: {why}")
        } else {
            format!("Fatal error: can't open the append log file {name} for reading: {why}")
        })
    })
}

fn unreadable(name: &str, error: &io::Error) -> Failure {
    Failure::Told(format!(
        "Unrecoverable error reading the append only file {name}: {}",
        reason(error)
    ))
}

/// Whether a file begins with the signature of a snapshot. It is read from the beginning afterwards.
///
/// # Errors
/// It cannot be read.
pub(super) fn begins_with_snapshot(file: &mut File) -> io::Result<bool> {
    let mut first = Vec::new();
    let head = file.take(SIGNATURE.len() as u64);
    { head }.read_to_end(&mut first)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(first == SIGNATURE)
}

/// Reads the snapshot at the beginning of a file; returns where it ends.
fn read_snapshot(
    srv: &mut Server,
    source: &Source<'_>,
    file: &mut File,
    size: u64,
) -> Result<u64, Failure> {
    let name = source.name;
    if source.is_single_file {
        notice!("Reading RDB preamble from AOF file...");
    } else {
        notice!("Reading RDB base file on AOF loading...");
    }
    let mut session = load::session(srv, Existing::Refuse, size);
    session.keeps_expired = true;
    session.before = source.before;
    load::read(srv, file, &mut session).map_err(|error| match error {
        LoadError::Stopped => Failure::Stopped,
        _ if source.is_single_file => Failure::Told(format!(
            "Error reading the RDB preamble of the AOF file {name}, AOF loading aborted"
        )),
        _ => Failure::Told(format!(
            "Error reading the RDB base file {name}, AOF loading aborted"
        )),
    })?;
    if source.is_single_file {
        notice!("Reading the remaining AOF tail...");
    }
    Ok(session.decoder.position())
}

/// How the commands of a file end.
enum End {
    /// With a complete command.
    Whole,
    /// Inside a command or a transaction; all is complete up to `valid`.
    Short { valid: u64 },
}

/// The commands of a file being read.
struct Commands {
    request: Request,
    replay: Replay,
    slowdown: Slowdown,
    /// Commands before which the clock is not read.
    clock_after: u32,
    /// Commands since clients were served last.
    commands: u32,
    /// When that was.
    looked_ms: u64,
    /// Where the file was read to then.
    looked_at: u64,
    /// Where the commands begin in the file.
    start: u64,
    /// What precedes is complete.
    valid: u64,
}

impl Commands {
    fn new(srv: &Server, start: u64) -> Self {
        let delay = srv.config.key_load_delay;
        Commands {
            request: Request::default(),
            replay: Replay::default(),
            slowdown: Slowdown::new(delay),
            clock_after: if delay == 0 { COMMANDS_PER_CLOCK } else { 1 },
            commands: 0,
            looked_ms: clock::monotonic_ms(),
            looked_at: start,
            start,
            valid: start,
        }
    }

    fn read(
        &mut self,
        srv: &mut Server,
        source: &Source<'_>,
        file: &mut File,
    ) -> Result<End, Failure> {
        let name = source.name;
        loop {
            if self.request.hand_out() {
                self.execute(srv, source)?;
                continue;
            }
            match self.request.parse(LIMITS) {
                Ok(Parsed::Command) => {
                    prefetch(srv, self.replay.db(), &mut self.request);
                    self.execute(srv, source)?;
                }
                Ok(Parsed::Nothing) => {}
                Ok(Parsed::Incomplete) => {
                    self.request.compact();
                    let n = load::fill(file, self.request.space())
                        .map_err(|error| unreadable(name, &error))?;
                    if n == 0 {
                        return Ok(self.end(name));
                    }
                    self.request.filled(n);
                }
                Err(_) => {
                    return Err(Failure::Told(format!(
                        "Bad file format reading the append only file {name}: make a backup of your AOF file, then use \
                         ./redis-check-aof --fix <filename.manifest>"
                    )));
                }
            }
        }
    }

    #[inline]
    fn execute(&mut self, srv: &mut Server, source: &Source<'_>) -> Result<(), Failure> {
        let argv = &self.request.argv;
        execute(srv, &mut self.replay, argv).map_err(|unfit| unusable(unfit, argv, source.name))?;
        let position = self.start + self.request.position();
        if !self.replay.in_transaction() {
            self.valid = position;
        }
        self.slowdown.take();
        self.commands += 1;
        if self.commands.is_multiple_of(self.clock_after) {
            self.look_if_due(srv, position, source.before)?;
        }
        Ok(())
    }

    /// Serves clients if they were not served for long.
    fn look_if_due(&mut self, srv: &mut Server, position: u64, before: u64) -> Result<(), Failure> {
        let piece = srv.config.loading_process_events_interval_bytes.max(1024) as u64;
        let now_ms = clock::monotonic_ms();
        if self.commands < COMMANDS_PER_LOOK
            && position - self.looked_at < piece
            && now_ms < self.looked_ms + LOOK_EVERY_MS
        {
            return Ok(());
        }
        self.commands = 0;
        self.looked_at = position;
        if let Some(loading) = &mut srv.snapshot.loading {
            loading.loaded = before + position;
        }
        look_around(srv).map_err(|_| Failure::Stopped)?;
        srv.unit.now_ms = srv.turn.refresh();
        self.looked_ms = clock::monotonic_ms();
        Ok(())
    }

    fn end(&self, name: &str) -> End {
        let in_transaction = self.replay.in_transaction();
        if in_transaction {
            warning!("Revert incomplete MULTI/EXEC transaction in AOF file {name}");
        }
        if in_transaction || self.request.is_incomplete() {
            End::Short { valid: self.valid }
        } else {
            End::Whole
        }
    }
}

fn unusable(unresolved: Unresolved, argv: &Argv, name: &str) -> Failure {
    let command = String::from_utf8_lossy(&argv[0]);
    Failure::Told(match unresolved {
        Unresolved::Command | Unresolved::Subcommand => {
            format!("Unknown command '{command}' reading the append only file {name}")
        }
        Unresolved::Arity(_) => format!(
            "Wrong number of arguments for command '{command}' reading the append only file {name}"
        ),
    })
}

/// Cuts off the incomplete end of a file, if that is allowed.
fn truncate(srv: &Server, source: &Source<'_>, valid: u64) -> Result<(), Failure> {
    let name = source.name;
    if srv.config.aof_load_truncated {
        warning!("!!! Warning: short read while loading the AOF file {name}!!!");
        if !source.is_last {
            let why = "Fatal error: the truncated file is not the last file";
            return Err(Failure::Told(why.into()));
        }
        warning!("!!! Truncating the AOF {name} at offset {valid} !!!");
        let cut = OpenOptions::new()
            .write(true)
            .open(source.path)
            .and_then(|file| {
                file.set_len(valid)?;
                file.sync_all()
            });
        match cut {
            Ok(()) => {
                warning!("AOF {name} loaded anyway because aof-load-truncated is enabled");
                return Ok(());
            }
            Err(error) => warning!("Error truncating the AOF file {name}: {}", reason(&error)),
        }
    }
    Err(Failure::Told(format!(
        "Unexpected end of file reading the append only file {name}. You can: 1) Make a backup of your AOF file, then use \
         ./redis-check-aof --fix <filename.manifest>. 2) Alternatively you can set the 'aof-load-truncated' configuration \
         option to yes and restart the server."
    )))
}
