//! The debugger of scripts: which client debugs a script, where its script stops, and what the client has yet to be told.
//!
//! SCRIPT DEBUG only flags a client (`ClientFlags::DEBUG`). A session begins with the client's next EVAL and ends with it,
//! so there is at most one per process: a forked child has its own.

use conn::connection::ConnId;

/// The most breakpoints.
const MOST_BREAKPOINTS: usize = 64;
/// Default length of shown values and replies, in bytes.
const DEFAULT_LENGTH: usize = 256;
/// The least length of shown values and replies, in bytes.
const LEAST_LENGTH: usize = 60;

/// The debugger.
#[derive(Default)]
pub struct Debugger {
    /// The session in progress.
    pub session: Option<Box<DebugSession>>,
    /// Child processes that run a session.
    pub children: Vec<i32>,
}

/// Why a script has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The client steps from line to line.
    Step,
    /// The line has a breakpoint.
    Breakpoint,
    /// The script has called `redis.breakpoint`.
    Call,
    /// The script has run for too long.
    Timeout,
}

impl Reason {
    /// The reason as it is shown.
    pub fn text(self) -> &'static str {
        match self {
            Reason::Step => "step over",
            Reason::Breakpoint => "break point",
            Reason::Call => "redis.breakpoint() called",
            Reason::Timeout => "timeout reached, infinite loop?",
        }
    }
}

/// What came of a request for a breakpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// It is set.
    Yes,
    /// There is no such line, or it has one already.
    No,
    /// There are as many as there can be.
    Full,
}

/// A session.
#[derive(Debug)]
pub struct DebugSession {
    /// The client's connection.
    pub conn: ConnId,
    /// It runs in a child process.
    pub is_forked: bool,
    /// The client receives nothing any more.
    pub is_closed: bool,
    /// Stop at the next line; commands of the script are shown until then.
    pub steps: bool,
    /// Stop at the next line: the script has called `redis.breakpoint`.
    pub called: bool,
    /// The current line; -1 in what is not Lua.
    pub line: i32,
    /// When the script was started or last continued, microseconds of the monotonic clock.
    pub continued_us: u64,
    /// Bytes that the client has sent.
    pub input: Vec<u8>,
    source: Vec<Vec<u8>>,
    breakpoints: Vec<i32>,
    log: Vec<Vec<u8>>,
    /// Length of shown values and replies, in bytes; `None` is unlimited.
    length: Option<usize>,
    knows_length: bool,
}

impl DebugSession {
    /// A session for a script, which stops at its first line.
    pub fn new(conn: ConnId, is_forked: bool, source: &[u8], now_us: u64) -> Self {
        let is_line_end = |byte: &u8| matches!(byte, b'\n' | b'\r');
        let end = source.iter().rev().take_while(|byte| is_line_end(byte));
        let source = &source[..source.len() - end.count()];
        let lines = source.split(|byte| *byte == b'\n').map(<[u8]>::to_vec);
        DebugSession {
            conn,
            is_forked,
            is_closed: false,
            steps: true,
            called: false,
            line: 0,
            continued_us: now_us,
            input: Vec::new(),
            // Redis counts no line in an empty script.
            source: if source.is_empty() {
                Vec::new()
            } else {
                lines.collect()
            },
            breakpoints: Vec::new(),
            log: Vec::new(),
            length: Some(DEFAULT_LENGTH),
            knows_length: false,
        }
    }

    /// Why the script stops at the current line, if it does. `is_late`: it has run for too long.
    pub fn reason_to_stop(&self, is_late: bool) -> Option<Reason> {
        if self.called {
            Some(Reason::Call)
        } else if self.has_breakpoint(self.line) {
            Some(Reason::Breakpoint)
        } else if self.steps {
            Some(Reason::Step)
        } else {
            is_late.then_some(Reason::Timeout)
        }
    }

    /// Nobody is asked any more: the script runs to its end.
    pub fn run_on(&mut self) {
        self.steps = false;
        self.breakpoints.clear();
    }

    /// The client receives nothing any more.
    pub fn close(&mut self) {
        self.is_closed = true;
        self.run_on();
    }

    /// Adds a line to what the client is told next.
    pub fn log(&mut self, line: impl Into<Vec<u8>>) {
        self.log.push(line.into());
    }

    /// Adds a line of any length, which is cut.
    pub fn log_cut(&mut self, mut line: Vec<u8>) {
        if let Some(length) = self.length
            && line.len() > length
        {
            line.truncate(length);
            line.extend_from_slice(b" ...");
            self.log(line);
            if !self.knows_length {
                self.knows_length = true;
                self.log("<hint> The above reply was trimmed. Use 'maxlen 0' to disable trimming.");
            }
            return;
        }
        self.log(line);
    }

    /// How long a line may be to be shown whole.
    pub fn most_shown(&self) -> usize {
        self.length.unwrap_or(usize::MAX)
    }

    /// Sets the length of shown values and replies; 0 is unlimited.
    pub fn set_length(&mut self, length: usize) {
        self.knows_length = true;
        self.length = (length > 0).then(|| length.max(LEAST_LENGTH));
    }

    /// Adds the length of shown values and replies.
    pub fn log_length(&mut self) {
        let line = match self.length {
            Some(length) => format!("<value> replies are truncated at {length} bytes."),
            None => "<value> replies are unlimited.".to_owned(),
        };
        self.log(line);
    }

    /// Adds the current line and why the script has stopped there.
    pub fn log_stop(&mut self, reason: Reason) {
        let line = self.line;
        self.log(format!(
            "* Stopped at {line}, stop reason = {}",
            reason.text()
        ));
        self.log_source(line);
    }

    /// Adds a line of the source.
    pub fn log_source(&mut self, line: i32) {
        let mark = match (self.line == line, self.has_breakpoint(line)) {
            (true, true) => "->#",
            (true, false) => "-> ",
            (false, true) => "  #",
            (false, false) => "   ",
        };
        let mut text = format!("{mark}{line:<3} ").into_bytes();
        let at = usize::try_from(line - 1).ok();
        match at.and_then(|at| self.source.get(at)) {
            Some(source) => text.extend_from_slice(source),
            None => text.extend_from_slice(b"<out of range source code line>"),
        }
        self.log(text);
    }

    /// Adds the lines around a line: `context` lines before and after it.
    pub fn log_lines(&mut self, around: i32, context: i32) {
        for line in 1..=self.lines() {
            if i64::from(around.abs_diff(line)) <= i64::from(context) {
                self.log_source(line);
            }
        }
    }

    fn lines(&self) -> i32 {
        i32::try_from(self.source.len()).unwrap_or(i32::MAX)
    }

    fn has_breakpoint(&self, line: i32) -> bool {
        self.breakpoints.contains(&line)
    }

    /// The lines with a breakpoint, in the order in which they were set.
    pub fn breakpoints(&self) -> &[i32] {
        &self.breakpoints
    }

    /// Sets a breakpoint.
    pub fn add_breakpoint(&mut self, line: i64) -> Added {
        if self.breakpoints.len() == MOST_BREAKPOINTS {
            return Added::Full;
        }
        match i32::try_from(line) {
            Ok(line) if (1..=self.lines()).contains(&line) && !self.has_breakpoint(line) => {
                self.breakpoints.push(line);
                Added::Yes
            }
            _ => Added::No,
        }
    }

    /// Removes a breakpoint; whether there was one.
    pub fn remove_breakpoint(&mut self, line: i64) -> bool {
        let at = self.breakpoints.iter();
        let at = at.copied().position(|other| i64::from(other) == line);
        at.map(|at| self.breakpoints.remove(at)).is_some()
    }

    /// Removes all breakpoints.
    pub fn clear_breakpoints(&mut self) {
        self.breakpoints.clear();
    }

    /// Takes what the client is told next, as an array of simple strings.
    pub fn take_log(&mut self) -> Vec<u8> {
        let mut out = format!("*{}\r\n", self.log.len()).into_bytes();
        for line in self.log.drain(..) {
            out.push(b'+');
            let line = line.into_iter().map(|byte| match byte {
                b'\r' | b'\n' => b' ',
                other => other,
            });
            out.extend(line);
            out.extend_from_slice(b"\r\n");
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(source: &str) -> DebugSession {
        DebugSession::new(ConnId::from_word(1 << 32), true, source.as_bytes(), 0)
    }

    fn taken(session: &mut DebugSession) -> String {
        String::from_utf8(session.take_log()).expect("text")
    }

    #[test]
    fn lines_are_shown_with_their_marks() {
        let mut session = session("a\nb\nc\n\n\r\n");
        session.line = 2;
        assert_eq!(session.add_breakpoint(2), Added::Yes);
        assert_eq!(session.add_breakpoint(3), Added::Yes);
        session.log_lines(1, 1_000_000);
        session.log_source(4);
        assert_eq!(
            taken(&mut session),
            "*4\r\n+   1   a\r\n+->#2   b\r\n+  #3   c\r\n+   4   <out of range source code line>\r\n"
        );
        for (around, context, count) in [(2, 0, 1), (2, 1, 3), (9, 5, 0), (1, -1, 0), (-1, 3, 2)] {
            session.log_lines(around, context);
            let head = format!("*{count}\r\n");
            assert!(taken(&mut session).starts_with(&head), "{around} {context}");
        }
    }

    #[test]
    fn breakpoints_are_bounded() {
        let mut session = session(&"x\n".repeat(70));
        for (line, added) in [(0, Added::No), (-1, Added::No), (71, Added::No)] {
            assert_eq!(session.add_breakpoint(line), added);
        }
        assert_eq!(session.add_breakpoint(1 << 40), Added::No);
        for line in 1..=64 {
            assert_eq!(session.add_breakpoint(line), Added::Yes);
        }
        assert_eq!(session.add_breakpoint(65), Added::Full);
        assert!(session.remove_breakpoint(1) && !session.remove_breakpoint(1));
        assert_eq!(session.add_breakpoint(2), Added::No);
        session.line = 2;
        assert_eq!(session.reason_to_stop(false), Some(Reason::Breakpoint));
        session.clear_breakpoints();
        assert_eq!(session.reason_to_stop(true), Some(Reason::Step));
        session.close();
        assert_eq!(session.reason_to_stop(true), Some(Reason::Timeout));
        assert_eq!(session.reason_to_stop(false), None);
    }

    #[test]
    fn long_lines_are_cut_with_one_hint() {
        let mut session = session("a");
        session.log_cut(vec![b'x'; 256]);
        session.log_cut(vec![b'x'; 257]);
        session.log_cut(vec![b'x'; 257]);
        let told = taken(&mut session);
        assert!(told.starts_with("*4\r\n") && told.contains("x ...\r\n+<hint> "));
        session.set_length(0);
        session.log_cut(vec![b'y'; 1000]);
        session.log_length();
        session.set_length(5);
        session.log_length();
        session.log("a\r\nb");
        assert!(taken(&mut session).ends_with(
            "y\r\n+<value> replies are unlimited.\r\n+<value> replies are truncated at 60 bytes.\r\n+a  b\r\n"
        ));
    }
}
