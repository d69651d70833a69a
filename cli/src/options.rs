//! What the command line asks for, with one enum for what excludes each other.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use conn::names::NameOptions;
use conn::tls::context::ClientTlsConfig;

use crate::format::Format;

/// Where the server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// A name or an address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// A Unix socket, which goes before the others.
    pub socket: Option<PathBuf>,
}

/// As in error messages: `host:port`, or the path of the socket.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.socket {
            Some(path) => path.display().fmt(f),
            None => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// Which protocol to ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resp {
    /// RESP2, in which every connection begins.
    Two,
    /// RESP3, or fail.
    Three,
    /// RESP3 if the server has it.
    PreferThree,
}

/// The TLS options.
#[derive(Clone)]
pub struct Tls {
    /// Certificates and settings.
    pub config: ClientTlsConfig,
    /// Which name the server's certificate has to carry.
    pub names: NameOptions,
}

/// Which argument of the command comes from standard input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stdin {
    /// None.
    Unread,
    /// One more at the end.
    Last,
    /// The one that is this word.
    Tag(Vec<u8>),
}

/// What the program is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Commands: that of the command line, or those of a prompt.
    Commands,
    /// A script, and its keys and arguments.
    Eval(PathBuf),
    /// `--latency`, `--latency-history`
    Latency {
        /// A line per interval.
        history: bool,
    },
    /// `--latency-dist`
    LatencyDist {
        /// Grey instead of colours.
        mono: bool,
    },
    /// `--replica`
    Replica,
    /// `--rdb`, and where to.
    Rdb(PathBuf),
    /// `--pipe`, and how long it waits for the last reply.
    Pipe(Option<Duration>),
    /// `--bigkeys`
    BigKeys,
    /// `--memkeys`, and how many elements to look at.
    MemKeys(Option<u64>),
    /// `--hotkeys`
    HotKeys,
    /// `--stat`
    Stat,
    /// `--scan`
    Scan,
    /// `--lru-test`, and how many keys.
    LruTest(u64),
    /// `--intrinsic-latency`, and for how long.
    IntrinsicLatency(Duration),
    /// `--test_hint`: the hint for this line.
    TestHint(Vec<u8>),
    /// `--test_hint_file`: a file of lines and expected hints.
    TestHintFile(PathBuf),
}

/// Everything the command line says.
#[derive(Clone)]
pub struct Options {
    /// Where to connect.
    pub endpoint: Endpoint,
    /// How, if by TLS.
    pub tls: Option<Tls>,
    /// Who logs in.
    pub user: Option<Vec<u8>>,
    /// With what.
    pub password: Option<Vec<u8>>,
    /// Ask for it.
    pub askpass: bool,
    /// The database to begin with.
    pub db: i64,
    /// The protocol.
    pub resp: Resp,
    /// Follow redirections.
    pub follow: bool,
    /// How often the command runs; negative: for ever.
    pub repeat: i64,
    /// The pause between two runs; zero if it was not given.
    pub interval: Duration,
    /// Which argument comes from standard input.
    pub stdin: Stdin,
    /// The command's words are quoted strings.
    pub quoted_input: bool,
    /// Fail when the server answers an error.
    pub exit_on_error: bool,
    /// How replies are written.
    pub format: Format,
    /// Whether push messages are.
    pub show_pushes: bool,
    /// Whether standard output is a terminal, or to be treated as one.
    pub to_terminal: bool,
    /// What to do.
    pub mode: Mode,
    /// Keys like this.
    pub pattern: Option<Vec<u8>>,
    /// Keys at a time.
    pub count: i64,
    /// Say more.
    pub verbose: bool,
    /// The command, or what belongs to a script.
    pub command: Vec<Vec<u8>>,
}
