//! `--rdb`, `--functions-rdb` and `--replica`: the data set that a server sends to its replicas, and the stream of
//! writes that follows.
//!
//! The data set is announced as `$<bytes>`, or as `$EOF:<mark>` and ends with that mark. Until it is ready, the server
//! sends empty lines as a keepalive.

use std::fs::{File, OpenOptions};
use std::io::{self, Write, stdout};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use conn::blocking::{Client, Failure};
use conn::error::system_reason;
use conn::resp::{Decoder, Value};

use crate::format::{Format, Output};
use crate::out::{Exit, complain, fail, print};
use crate::session::Session;

/// Bytes received at a time.
const CHUNK: usize = 64 * 1024;
/// How long the stream may be silent before another acknowledgement is sent.
const SILENCE: Duration = Duration::from_secs(1);
/// Length of the mark at the end of a data set of unknown size.
const MARK: usize = 40;
/// Length of the longest line in front of a data set.
const LINE: usize = 4096;

/// How a data set ends.
#[derive(Clone, Debug, PartialEq, Eq)]
enum End {
    /// After this many bytes.
    After(u64),
    /// With this mark, which is not part of it.
    At([u8; MARK]),
}

/// What a data set is to contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Everything.
    All,
    /// Functions alone.
    Functions,
}

/// What SYNC or PSYNC is answered with.
enum Reply {
    /// A data set and then the stream.
    DataSet(End),
    /// The stream.
    Continue,
}

/// What is received after SYNC.
struct Sync<'s> {
    session: &'s mut Session,
    /// Received and not looked at yet.
    inbox: Vec<u8>,
}

/// Writes the data set, or the functions in it, to a file, or to standard output if its name is `-`.
///
/// # Errors
/// It was not received or could not be written; a message was printed.
pub fn rdb(session: &mut Session, path: &Path, content: Content) -> Result<(), Exit> {
    session.connect_or_exit()?;
    configure(session, &["capa", "eof"])?;
    configure(session, &["rdb-only", "1"])?;
    if content == Content::Functions && !configure(session, &["rdb-filter-only", "functions"])? {
        return fail("Failed requesting functions only RDB from server, aborting");
    }
    receive(session, path)
}

/// Writes the data set that SYNC is answered with to a file.
///
/// # Errors
/// As [`rdb`].
pub fn receive(session: &mut Session, path: &Path) -> Result<(), Exit> {
    let (mut sync, end) = begin(session)?;
    let name = path.display();
    match &end {
        End::After(bytes) => complain(format!(
            "SYNC sent to master, writing {bytes} bytes to '{name}'"
        )),
        End::At(_) => complain(format!(
            "SYNC sent to master, writing bytes of bulk transfer until EOF marker to '{name}'"
        )),
    }
    let mut file = if path == Path::new("-") {
        None
    } else {
        match create(path) {
            Ok(file) => Some(file),
            Err(error) => {
                return fail(format!("Error opening '{name}': {}", system_reason(&error)));
            }
        }
    };
    let total = sync.transfer(&end, |bytes| match &mut file {
        Some(file) => file.write_all(bytes),
        None => stdout().lock().write_all(bytes),
    })?;
    let synced = match &file {
        Some(file) => file.sync_all(),
        None => stdout().lock().flush(),
    };
    if let Err(error) = synced {
        return fail(format!("Fail to fsync '{name}': {}", system_reason(&error)));
    }
    match end {
        End::After(_) => complain("Transfer finished with success."),
        End::At(_) => complain(format!(
            "Transfer finished with success after {total} bytes"
        )),
    }
    Ok(())
}

/// Shows the stream of writes, each on a line, until the server ends it.
///
/// # Errors
/// The stream did not begin or has ended; a message was printed.
pub fn replica(session: &mut Session) -> Result<(), Exit> {
    session.connect_or_exit()?;
    configure(session, &["capa", "eof"])?;
    // Asks for an empty data set; a server without that filter sends all of it.
    configure(session, &["rdb-filter-only", ""])?;
    let (sync, end) = begin(session)?;
    sync.discard_and_show(&end)
}

/// The commands SYNC and PSYNC as typed by the user: shows the stream, as `--replica` does.
///
/// # Errors
/// The stream did not begin or has ended; a message was printed.
pub fn follow(session: &mut Session, argv: &[Vec<u8>]) -> Result<(), Exit> {
    print("Entering replica output mode...  (press Ctrl-C to quit)\n");
    let (mut sync, reply) = Sync::begin(session, argv)?;
    match reply {
        Reply::DataSet(end) => sync.discard_and_show(&end),
        Reply::Continue => {
            complain("Partial resync with master...");
            complain("Partial resync done. Logging commands from master.");
            sync.show()
        }
    }
}

fn begin(session: &mut Session) -> Result<(Sync<'_>, End), Exit> {
    match Sync::begin(session, &["SYNC"])? {
        (sync, Reply::DataSet(end)) => Ok((sync, end)),
        (_, Reply::Continue) => fail("SYNC with master failed: +CONTINUE"),
    }
}

/// Opens the file to write to, with the mode that Redis's redis-cli gives it. An existing file keeps its mode.
fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o644);
    options.open(path)
}

/// Tells the server what kind of replica this is. An option that the server refuses is reported and does no harm;
/// whether it took it.
fn configure(session: &mut Session, words: &[&str]) -> Result<bool, Exit> {
    complain(format!("sending REPLCONF {}", words.join(" ")));
    let line = [&["REPLCONF"], words].concat();
    match session.call(&line) {
        Ok(Value::Error(text)) => {
            let text = String::from_utf8_lossy(&text);
            complain(format!("REPLCONF {} error: {text}", words[0]));
            Ok(false)
        }
        Ok(_) => Ok(true),
        Err(failure) => fail(session.describe(&failure)),
    }
}

impl<'s> Sync<'s> {
    /// Sends SYNC or PSYNC and waits for the reply.
    fn begin<A: AsRef<[u8]>>(session: &'s mut Session, argv: &[A]) -> Result<(Self, Reply), Exit> {
        if session.send(argv).is_err() {
            return fail("Error writing to master");
        }
        let inbox = session.client().map(Client::take_rest).unwrap_or_default();
        let mut sync = Sync { session, inbox };
        loop {
            if let Some(at) = sync.inbox.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = sync.inbox.drain(..=at).collect();
                let line = line.trim_ascii();
                if line.is_empty() {
                    continue;
                }
                if line.starts_with(b"+FULLRESYNC") || line.starts_with(b"+CONTINUE") {
                    complain([b"PSYNC replied ", line].concat());
                }
                return match head(line) {
                    Some(end) => Ok((sync, Reply::DataSet(end))),
                    // The data set follows.
                    None if line.starts_with(b"+FULLRESYNC") => continue,
                    None if line.starts_with(b"+CONTINUE") => Ok((sync, Reply::Continue)),
                    None => fail([b"SYNC with master failed: ", line].concat()),
                };
            }
            if sync.inbox.len() > LINE || sync.receive()? == 0 {
                return fail("Error reading bulk length while SYNCing");
            }
        }
    }

    /// Waits for more bytes; how many came, 0 at the end.
    fn receive(&mut self) -> Result<usize, Exit> {
        let mut buf = vec![0; CHUNK];
        loop {
            let received = self
                .session
                .client()
                .and_then(|client| client.receive(&mut buf));
            match received {
                Ok(n) => {
                    self.inbox.extend_from_slice(&buf[..n]);
                    return Ok(n);
                }
                Err(Failure::TimedOut) => self.acknowledge()?,
                Err(failure) => return fail(self.session.describe(&failure)),
            }
        }
    }

    /// Acknowledges the stream. After a data set of unknown size the server sends nothing until it has received one, and it
    /// ignores what it receives while the child that wrote the data set is still running: so it is repeated in every silence.
    fn acknowledge(&mut self) -> Result<(), Exit> {
        match self.session.send(&["REPLCONF", "ACK", "0"]) {
            Ok(()) => Ok(()),
            Err(failure) => fail(format!("Error writing to master: {failure}")),
        }
    }

    /// Hands the data set over piece by piece and returns its size. What follows stays in the inbox.
    fn transfer(
        &mut self,
        end: &End,
        mut take: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<u64, Exit> {
        let mut total = 0;
        loop {
            let (ready, over) = available(&self.inbox, end, total);
            if let Err(error) = take(&self.inbox[..ready]) {
                return fail(format!(
                    "Error writing data to file: {}",
                    system_reason(&error)
                ));
            }
            self.inbox.drain(..ready);
            total += ready as u64;
            if over {
                if let End::At(_) = end {
                    self.inbox.drain(..MARK);
                }
                return Ok(total);
            }
            if self.receive()? == 0 {
                return fail("I/O Error reading RDB payload from socket");
            }
        }
    }

    /// Receives the data set without keeping it, and shows the stream that follows.
    fn discard_and_show(mut self, end: &End) -> Result<(), Exit> {
        match end {
            End::After(bytes) => complain(format!(
                "Full resync with master, discarding {bytes} bytes of bulk transfer..."
            )),
            End::At(_) => complain(
                "Full resync with master, discarding bytes of bulk transfer until EOF marker...",
            ),
        }
        let total = self.transfer(end, |_| Ok(()))?;
        match end {
            End::After(_) => complain("Full resync done. Logging commands from master."),
            End::At(_) => complain(format!(
                "Full resync done after {total} bytes. Logging commands from master."
            )),
        }
        self.show()
    }

    /// Prints every command of the stream.
    fn show(&mut self) -> Result<(), Exit> {
        let format = Format {
            output: Output::Csv,
            ..self.session.format.clone()
        };
        if let Ok(client) = self.session.client() {
            client.set_read_timeout(Some(SILENCE));
        }
        let mut decoder = Decoder::default();
        loop {
            decoder.feed(&std::mem::take(&mut self.inbox));
            loop {
                match decoder.next_value() {
                    Ok(Some(value)) => print(format.reply(&value, false)),
                    Ok(None) => break,
                    Err(error) => return fail(format!("Error: {error}")),
                }
            }
            if self.receive()? == 0 {
                return fail("Error: Server closed the connection");
            }
        }
    }
}

/// What the line in front of a data set says.
fn head(line: &[u8]) -> Option<End> {
    let rest = line.strip_prefix(b"$")?;
    if let Some(mark) = rest.strip_prefix(b"EOF:") {
        return mark.try_into().ok().map(End::At);
    }
    std::str::from_utf8(rest).ok()?.parse().ok().map(End::After)
}

/// How many bytes of `inbox` belong to a data set of which `total` bytes have been taken, and whether they are the last.
fn available(inbox: &[u8], end: &End, total: u64) -> (usize, bool) {
    match end {
        End::After(size) => {
            let left = size - total;
            if inbox.len() as u64 >= left {
                (left as usize, true)
            } else {
                (inbox.len(), false)
            }
        }
        End::At(mark) => match inbox.windows(MARK).position(|window| window == mark) {
            Some(at) => (at, true),
            // Its beginning may be there.
            None => (inbox.len().saturating_sub(MARK - 1), false),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::{End, MARK, available, head};

    #[test]
    fn heads_are_told_apart() {
        let marked = [b"$EOF:".as_slice(), &[b'm'; MARK]].concat();
        let table: [(&[u8], Option<End>); 5] = [
            (b"$17", Some(End::After(17))),
            (&marked, Some(End::At([b'm'; MARK]))),
            (b"$EOF:short", None),
            (b"-ERR no", None),
            (b"$x", None),
        ];
        for (line, expected) in table {
            assert_eq!(head(line), expected);
        }
    }

    #[test]
    fn a_data_set_ends_where_it_should() {
        let end = End::At([b'm'; MARK]);
        let whole = [b"abc".as_slice(), &[b'm'; MARK], b"*1"].concat();
        for len in 0..whole.len() {
            let is_whole = len >= 3 + MARK;
            let expected = if is_whole {
                3
            } else {
                len.saturating_sub(MARK - 1)
            };
            assert_eq!(
                available(&whole[..len], &end, 0),
                (expected, is_whole),
                "{len}"
            );
        }
        assert_eq!(available(b"abcdef", &End::After(10), 6), (4, true));
        assert_eq!(available(b"abc", &End::After(10), 6), (3, false));
        assert_eq!(available(b"*1", &End::After(0), 0), (0, true));
    }
}
