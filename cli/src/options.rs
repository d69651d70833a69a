//! The evaluated command line, with one enum for options that exclude each other.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use conn::names::NameOptions;
use conn::tls::context::ClientTlsConfig;

use crate::cluster::flags::ClusterOptions;
use crate::format::Format;

/// Where the server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// A name or an address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// A Unix socket, which takes precedence over host and port.
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
    /// RESP2, the default of every connection.
    Two,
    /// RESP3, or fail.
    Three,
    /// RESP3 if the server supports it.
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
    /// An additional last one.
    Last,
    /// The one that equals this tag.
    Tag(Vec<u8>),
}

/// What the program is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Run the command of the command line, or a prompt.
    Commands,
    /// `--eval` with a script.
    Eval(PathBuf),
    /// `--latency`, `--latency-history`
    Latency {
        /// A line per interval.
        history: bool,
    },
    /// `--eval` with `--ldb` or `--ldb-sync-mode`.
    Debug {
        /// The script.
        path: PathBuf,
        /// In the server itself.
        sync: bool,
    },
    /// `--latency-dist`
    LatencyDist {
        /// Grey instead of colours.
        mono: bool,
    },
    /// `--replica`
    Replica,
    /// `--rdb` to this file.
    Rdb(PathBuf),
    /// `--functions-rdb` to this file.
    FunctionsRdb(PathBuf),
    /// `--pipe`, and the time-out for each reply after the last command.
    Pipe(Option<Duration>),
    /// `--bigkeys`
    BigKeys,
    /// `--memkeys`, and the number of elements to sample.
    MemKeys(Option<u64>),
    /// `--hotkeys`
    HotKeys,
    /// `--stat`
    Stat,
    /// `--scan`
    Scan,
    /// `--lru-test` with this many keys.
    LruTest(u64),
    /// `--intrinsic-latency` for this long.
    IntrinsicLatency(Duration),
    /// `--cluster`
    Cluster,
    /// `--test_hint` for this line.
    TestHint(Vec<u8>),
    /// `--test_hint_file` with this file.
    TestHintFile(PathBuf),
    /// `--tls-info`
    TlsInfo,
    /// `--tls-check` of this host and port.
    TlsCheck(String),
}

/// The evaluated options.
#[derive(Clone)]
pub struct Options {
    /// Where to connect.
    pub endpoint: Endpoint,
    /// The TLS options, if TLS is used.
    pub tls: Option<Tls>,
    /// The user to authenticate as.
    pub user: Option<Vec<u8>>,
    /// The password.
    pub password: Option<Vec<u8>>,
    /// Ask for the password.
    pub askpass: bool,
    /// The database to select.
    pub db: i64,
    /// The protocol.
    pub resp: Resp,
    /// Follow redirections.
    pub follow: bool,
    /// How often the command runs; a negative number: forever.
    pub repeat: i64,
    /// The pause between two runs; zero if none was given.
    pub interval: Duration,
    /// Which argument comes from standard input.
    pub stdin: Stdin,
    /// The command's words are quoted strings.
    pub quoted_input: bool,
    /// Exit with an error when a reply is one.
    pub exit_on_error: bool,
    /// How replies are written.
    pub format: Format,
    /// Print push messages.
    pub show_pushes: bool,
    /// Standard output is a terminal, or is treated as one.
    pub to_terminal: bool,
    /// What to do.
    pub mode: Mode,
    /// The pattern for keys.
    pub pattern: Option<Vec<u8>>,
    /// The COUNT of SCAN.
    pub count: i64,
    /// Verbose output.
    pub verbose: bool,
    /// The command of `--cluster` and its options.
    pub cluster: Option<ClusterOptions>,
    /// The command, or the keys and arguments of a script.
    pub command: Vec<Vec<u8>>,
}
