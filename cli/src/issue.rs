//! Executes one command of the user: sends it, prints the replies, and updates the state of the session.
//!
//! Most commands have one reply. MONITOR, SYNC and PSYNC start a stream; the SUBSCRIBE family is confirmed once per
//! channel, by messages of the same form as those of the channels; in a cluster a reply may be a redirection.

use std::mem;
use std::thread;
use std::time::Duration;

use conn::blocking::Failure;
use conn::resp::Value;

use crate::cluster::nodes;
use crate::debugger::{self, Debugging};
use crate::help::help;
use crate::modes::sync;
use crate::out::{Exit, complain, fail, print};
use crate::session::{Pushes, Session, Trouble};
use crate::wait;

/// Redirections of one command that are followed at once; the ones after them are followed with a pause.
const QUICK_REDIRECTIONS: u32 = 16;
const REDIRECTION_PAUSE: Duration = Duration::from_millis(20);
/// Redirections of one command at most.
const MAX_REDIRECTIONS: u32 = 250;

/// How a command went.
enum Sent {
    /// It was answered.
    Answered,
    /// It has to be sent again, to the node that the endpoint of the session was changed to.
    Redirected,
}

/// Runs a command `repeat` times (a negative number: forever), with a `pause` after each.
///
/// # Errors
/// It could not be sent or answered; a message was printed. In a session that is not interactive, also what `-e` makes
/// of an error reply.
pub fn issue(
    session: &mut Session,
    argv: &[Vec<u8>],
    repeat: i64,
    pause: Duration,
) -> Result<(), Exit> {
    let Some(name) = argv.first() else {
        return Ok(());
    };
    let is_debugged = session.debugging == Debugging::Active;
    if !is_debugged && (is(name, "help") || is(name, "?")) {
        print(help(&argv[1..]));
        return Ok(());
    }
    let mut run = Run {
        left: repeat,
        redirections: 0,
        pause,
    };
    loop {
        if run.redirections > 0 || !session.is_connected() {
            match session.connect() {
                // Without authentication the command may be AUTH. In the wrong database it must not run.
                Ok(()) | Err(Trouble::NotLoggedIn | Trouble::WrongProtocol) => {}
                Err(Trouble::WrongDb) if session.interactive => {}
                Err(Trouble::WrongDb | Trouble::Unreachable) => return Err(Exit(1)),
            }
        }
        match send_repeatedly(session, argv, &mut run) {
            Ok(Sent::Answered) => return Ok(()),
            Ok(Sent::Redirected) => run.count_redirection()?,
            Err(Ending::Exit(exit)) => return Err(exit),
            Err(Ending::Failed(failure)) => {
                complain(session.describe(&failure));
                session.lose();
                return Err(Exit(1));
            }
        }
    }
}

/// The repetitions of a command.
struct Run {
    /// How often it is still to be sent; a negative number: forever.
    left: i64,
    /// Redirections since the last answer.
    redirections: u32,
    /// The pause after each answer.
    pause: Duration,
}

impl Run {
    /// Counts a redirection. While a slot moves, two nodes may redirect to each other for a moment; if that goes on, the
    /// cluster is misconfigured.
    fn count_redirection(&mut self) -> Result<(), Exit> {
        self.redirections += 1;
        if self.redirections > QUICK_REDIRECTIONS {
            // There is nothing to wait for but time: no node tells when the others have heard of the move.
            thread::sleep(REDIRECTION_PAUSE);
        }
        if self.redirections > MAX_REDIRECTIONS {
            return fail(
                "Error: Too many redirections; the nodes of the cluster do not agree about this slot",
            );
        }
        Ok(())
    }
}

/// Why a command did not complete.
enum Ending {
    Failed(Failure),
    Exit(Exit),
}

impl From<Failure> for Ending {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

fn send_repeatedly(session: &mut Session, argv: &[Vec<u8>], run: &mut Run) -> Result<Sent, Ending> {
    if mem::take(&mut session.asking)
        && let Value::Error(text) = session.call(&["ASKING"])?
    {
        complain([b"ASKING failed: ", text.as_slice()].concat());
        return Err(Ending::Exit(Exit(1)));
    }
    if is(&argv[0], "sync") || is(&argv[0], "psync") {
        let followed = sync::follow(session, argv);
        session.lose();
        return followed.map(|()| Sent::Answered).map_err(Ending::Exit);
    }
    debugger::note(session, argv);
    while run.left != 0 {
        session.send(argv)?;
        if is(&argv[0], "monitor") {
            monitor(session)?;
            return Ok(Sent::Answered);
        }
        let reply = match answer(session, argv) {
            // A successful SHUTDOWN has no reply.
            Err(Ending::Failed(_)) if is(&argv[0], "shutdown") => {
                session.lose();
                return Ok(Sent::Answered);
            }
            other => other?,
        };
        let Some(reply) = reply else {
            return Ok(Sent::Redirected);
        };
        run.left -= i64::from(run.left > 0);
        run.redirections = 0;
        note(session, argv, &reply);
        if !run.pause.is_zero() {
            // The interval of `-i`. At a prompt, Ctrl-C ends the program meanwhile.
            thread::sleep(run.pause);
        }
    }
    Ok(Sent::Answered)
}

/// Prints the output of MONITOR until the connection ends or Ctrl-C is pressed.
fn monitor(session: &mut Session) -> Result<(), Ending> {
    if let Some(interrupts) = &session.interrupts {
        interrupts.catch(true);
    }
    let ending = monitor_until_end(session);
    if let Some(interrupts) = &session.interrupts {
        interrupts.catch(false);
    }
    ending
}

fn monitor_until_end(session: &mut Session) -> Result<(), Ending> {
    while wait::for_reply(session)? {
        let reply = session.receive()?;
        print(session.format.reply(&reply, false));
        if matches!(reply, Value::Error(_)) {
            return Ok(());
        }
    }
    session.connect().map_err(|_| Ending::Exit(Exit(1)))
}

/// Prints everything up to the last reply to the command, and returns that; `None` for a redirection.
fn answer(session: &mut Session, argv: &[Vec<u8>]) -> Result<Option<Value>, Ending> {
    let verbatim = is_verbatim(argv);
    let name = argv[0].to_ascii_lowercase();
    let subscribes = matches!(&name[..], b"subscribe" | b"psubscribe" | b"ssubscribe");
    let unsubscribes = matches!(
        &name[..],
        b"unsubscribe" | b"punsubscribe" | b"sunsubscribe"
    );
    let mut confirmations = 0;
    if subscribes || unsubscribes {
        confirmations = (argv.len() - 1).max(1);
        session.pushes = Pushes::Deliver;
    }
    loop {
        let Some(reply) = next(session, verbatim)? else {
            return Ok(None);
        };
        let Some(kind) = message_kind(&reply, session.speaks_resp3) else {
            // While subscribed, any other push message is not the reply.
            let is_message =
                matches!(reply, Value::Push(_)) && (session.subscribed || confirmations > 0);
            if is_message {
                continue;
            }
            return Ok(Some(reply));
        };
        if confirmations == 0 && !session.subscribed {
            return Ok(Some(reply));
        }
        if confirmations == 0 || !kind.eq_ignore_ascii_case(&name) {
            continue;
        }
        session.subscribed |= subscribes;
        confirmations -= 1;
        if confirmations == 0 {
            return Ok(Some(reply));
        }
    }
}

/// Prints the next reply; `None` for a redirection, which changes the endpoint of the session.
fn next(session: &mut Session, verbatim: bool) -> Result<Option<Value>, Ending> {
    let reply = session.receive()?;
    if let Value::Error(text) = &reply {
        if session.follow
            && let Some(redirection) = redirection(text)
        {
            follow(session, &redirection);
            return Ok(None);
        }
        if session.exit_on_error && !session.interactive {
            complain(text);
            return Err(Ending::Exit(Exit(1)));
        }
    }
    if session.debugging == Debugging::Active {
        print(debugger::text(session, &reply));
    } else {
        print(session.format.reply(&reply, verbatim));
    }
    Ok(Some(reply))
}

/// Updates the state of the session after a command and its last reply.
fn note(session: &mut Session, argv: &[Vec<u8>], reply: &Value) {
    let failed = matches!(reply, Value::Error(_));
    let name = argv[0].to_ascii_lowercase();
    match (&name[..], argv.len()) {
        (b"select", 2) if !failed => {
            let db = std::str::from_utf8(&argv[1]).ok();
            if let Some(db) = db.and_then(|text| text.parse().ok()) {
                session.db = db;
                session.wanted_db = db;
            }
        }
        (b"auth", 2 | 3) if !failed => {
            let user = (argv.len() == 3).then(|| argv[1].clone());
            session.keep_login(user, argv[argv.len() - 1].clone());
            // A failure prints a message, and the prompt shows the database.
            let _ = session.select();
        }
        (b"multi", 1) if !failed => session.transaction = Some(session.db),
        (b"exec", 1) => end_transaction(session, failed || *reply == Value::Null),
        (b"discard", 1) if !failed => end_transaction(session, true),
        (b"reset", 1) if !failed => {
            session.transaction = None;
            session.db = 0;
            session.wanted_db = 0;
            session.speaks_resp3 = false;
            session.subscribed = false;
            session.restore_pushes();
        }
        (b"hello", _) if !failed => {
            session.speaks_resp3 = matches!(reply, Value::Map(_));
            session.keep_protocol();
            let auth = argv.iter().position(|word| is(word, "auth"));
            if let Some([user, password, ..]) = auth.map(|at| &argv[at + 1..]) {
                session.keep_login(Some(user.clone()), password.clone());
            }
        }
        _ if session.pushes == Pushes::Deliver && !session.subscribed => session.restore_pushes(),
        _ => {}
    }
}

/// A SELECT that was queued in a transaction that did not run has had no effect.
fn end_transaction(session: &mut Session, undone: bool) {
    if let Some(db) = session.transaction.take()
        && undone
    {
        session.db = db;
        session.wanted_db = db;
    }
}

/// The kind of a Pub/Sub message, such as `subscribe`.
fn message_kind(reply: &Value, resp3: bool) -> Option<&[u8]> {
    let parts = match reply {
        Value::Push(parts) if resp3 => parts,
        Value::Array(parts) if !resp3 => parts,
        _ => return None,
    };
    match parts.as_slice() {
        [Value::Bulk(kind), _, _, ..]
            if kind.ends_with(b"message") || kind.ends_with(b"subscribe") =>
        {
            Some(kind)
        }
        _ => None,
    }
}

/// A redirection of a cluster.
#[derive(Debug, PartialEq, Eq)]
struct Redirection {
    slot: u16,
    to: Target,
    port: u16,
    asking: bool,
}

/// Where a redirection leads to, apart from the port.
#[derive(Debug, PartialEq, Eq)]
enum Target {
    /// To a name or an address.
    Host(String),
    /// To the host that the reply came from.
    SameHost,
    /// `?`: to a node without the kind of name that the cluster prefers.
    Unnamed,
}

/// Parses `MOVED 3999 127.0.0.1:6381` and `ASK …`. Anything malformed is an ordinary error.
fn redirection(text: &[u8]) -> Option<Redirection> {
    let text = std::str::from_utf8(text).ok()?;
    let mut words = text.split(' ');
    let asking = match words.next()? {
        "MOVED" => false,
        "ASK" => true,
        _ => return None,
    };
    let slot = words.next()?.parse().ok()?;
    let (host, port) = words.next()?.rsplit_once(':')?;
    Some(Redirection {
        slot,
        to: match host {
            "" => Target::SameHost,
            "?" => Target::Unnamed,
            host => Target::Host(host.to_owned()),
        },
        port: port.parse().ok()?,
        asking,
    })
}

fn follow(session: &mut Session, to: &Redirection) {
    let host = match &to.to {
        Target::Host(host) => Some(host.clone()),
        Target::SameHost => None,
        Target::Unnamed => address(session, to),
    };
    session.redirect(host, to.port);
    session.asking = to.asking;
    if session.interactive {
        print(format!(
            "-> Redirected to slot [{}] located at {}:{}\n",
            to.slot, session.endpoint.host, session.endpoint.port
        ));
    }
}

/// The address of a node without a name, from the node that redirects to it; `None` if it does not tell.
fn address(session: &mut Session, to: &Redirection) -> Option<String> {
    let reply = session.call(&["CLUSTER", "NODES"]).ok()?;
    let text = std::str::from_utf8(reply.text()?).ok()?;
    let lines = nodes::parse(text).ok()?;
    let new_owner = lines
        .iter()
        .flat_map(|line| &line.migrating)
        .find(|(slot, _)| to.asking && *slot == to.slot)
        .map(|(_, id)| id);
    let owner = lines.iter().find(|line| match new_owner {
        Some(id) => line.id == *id,
        None => line.slots.contains(to.slot) && !line.is_myself,
    })?;
    (owner.port == to.port && !owner.host.is_empty()).then(|| owner.host.clone())
}

fn is(word: &[u8], name: &str) -> bool {
    word.eq_ignore_ascii_case(name.as_bytes())
}

/// Whether the reply of a command is a readable text, which is printed as it is.
fn is_verbatim(argv: &[Vec<u8>]) -> bool {
    let words: Vec<Vec<u8>> = argv
        .iter()
        .take(2)
        .map(|word| word.to_ascii_lowercase())
        .collect();
    let second = words.get(1).map_or(&b""[..], Vec::as_slice);
    matches!(
        (&words[0][..], second, argv.len()),
        (b"info" | b"lolwut", _, _)
            | (
                b"debug",
                b"htstats" | b"htstats-key" | b"client-eviction",
                _
            )
            | (b"memory", b"malloc-stats" | b"doctor", _)
            | (b"cluster", b"nodes" | b"info", 2)
            | (b"client", b"list" | b"info", _)
            | (b"latency", b"graph", 3)
            | (b"latency", b"doctor", 2)
            | (b"proxy", b"info", _)
    )
}

#[cfg(test)]
mod tests {
    use super::{Redirection, Target, is_verbatim, message_kind, redirection};
    use conn::resp::Value;

    #[test]
    fn redirections_are_read_and_nonsense_is_not() {
        let to = |slot, host: &str, port, asking| {
            Some(Redirection {
                slot,
                to: match host {
                    "" => Target::SameHost,
                    "?" => Target::Unnamed,
                    host => Target::Host(host.to_owned()),
                },
                port,
                asking,
            })
        };
        let table = [
            (
                "MOVED 3999 127.0.0.1:6381",
                to(3999, "127.0.0.1", 6381, false),
            ),
            ("ASK 1 h:7", to(1, "h", 7, true)),
            ("MOVED 3999 :6381", to(3999, "", 6381, false)),
            ("MOVED 1 ::1:6379", to(1, "::1", 6379, false)),
            ("MOVED 1 ?:6379", to(1, "?", 6379, false)),
            ("ASK 2 :6379", to(2, "", 6379, true)),
            ("MOVED", None),
            ("MOVED ", None),
            ("MOVED 3999", None),
            ("MOVED x h:1", None),
            ("ASK 1 h", None),
            ("ASK 1 h:99999", None),
            ("ERR no", None),
        ];
        for (text, expected) in table {
            assert_eq!(redirection(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn texts_for_people_are_known() {
        let table = [
            ("INFO", true),
            ("info server", true),
            ("CLIENT LIST", true),
            ("client kill", false),
            ("cluster nodes", true),
            ("cluster nodes x", false),
            ("latency graph e", true),
            ("latency graph", false),
            ("get info", false),
        ];
        for (line, expected) in table {
            let argv: Vec<Vec<u8>> = line
                .split(' ')
                .map(|word| word.as_bytes().to_vec())
                .collect();
            assert_eq!(is_verbatim(&argv), expected, "{line}");
        }
    }

    #[test]
    fn messages_are_told_from_replies() {
        let of = |kind: &str| {
            vec![
                Value::Bulk(kind.as_bytes().to_vec()),
                Value::Null,
                Value::Int(1),
            ]
        };
        assert!(message_kind(&Value::Array(of("pmessage")), false).is_some());
        assert!(message_kind(&Value::Push(of("subscribe")), true).is_some());
        assert!(message_kind(&Value::Array(of("subscribe")), true).is_none());
        assert!(message_kind(&Value::Array(of("pong")), false).is_none());
        assert!(message_kind(&Value::Array(vec![Value::Null; 3]), false).is_none());
        assert!(message_kind(&Value::Array(Vec::new()), false).is_none());
    }
}
