//! The command-line options as clap parses them. The comment on a field is its line of `--help`.
//!
//! Hidden options are old names, belong to a command of `--cluster`, which has a help of its own, or are for tests.

use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Parser;
use clap::builder::{OsStringValueParser, TypedValueParser};

use crate::cluster::flags::ClusterArgs;

/// A number, which blanks may precede. An empty text is 0, as in Redis: scripts pass variables that are not set.
fn number<N: FromStr + Default>(text: &str) -> Result<N, N::Err> {
    match text.trim_start() {
        "" => Ok(N::default()),
        digits => digits.parse(),
    }
}

/// Talk to a Redis server: one command, or a prompt when none is given.
#[derive(Debug, Parser)]
#[command(
    name = "redis-cli",
    override_usage = "redis-cli [OPTIONS] [cmd [arg [arg ...]]]",
    disable_help_flag = true,
    disable_version_flag = true,
    args_override_self = true,
    term_width = 100
)]
pub struct Args {
    /// Name or address of the server [default: 127.0.0.1]
    #[arg(short = 'h', value_name = "hostname")]
    pub host: Option<String>,
    /// Port of the server [default: 6379]
    #[arg(short = 'p', value_name = "port")]
    pub port: Option<u16>,
    /// Connect to a Unix socket instead of host and port
    #[arg(short = 's', value_name = "socket", value_parser = OsStringValueParser::new().map(PathBuf::from))]
    pub socket: Option<PathBuf>,
    /// Password; the variable REDISCLI_AUTH is a safer place for it
    #[arg(short = 'a', long = "pass", value_name = "password")]
    pub password: Option<OsString>,
    /// User that the password belongs to
    #[arg(long, value_name = "username")]
    pub user: Option<OsString>,
    /// Ask for the password, without showing it
    #[arg(long)]
    pub askpass: bool,
    /// Server, login and database in one: redis[s]://user:password@host:port/db
    #[arg(short = 'u', value_name = "uri")]
    pub uri: Option<String>,
    /// Run the command this many times; a negative number repeats it forever
    #[arg(short = 'r', value_name = "repeat", default_value_t = 1, value_parser = number::<i64>)]
    pub repeat: i64,
    /// Seconds to wait between repetitions, samples or pages, fractions allowed
    #[arg(short = 'i', value_name = "interval", default_value_t = 0.0, value_parser = number::<f64>)]
    pub interval: f64,
    /// Database number
    #[arg(short = 'n', value_name = "db", value_parser = number::<i64>)]
    pub db: Option<i64>,
    /// Speak RESP2
    #[arg(short = '2')]
    pub resp2: bool,
    /// Speak RESP3
    #[arg(short = '3')]
    pub resp3: bool,
    /// Read the last argument of the command from standard input
    #[arg(short = 'x')]
    pub last_from_stdin: bool,
    /// Read the argument of the command that is <tag> from standard input
    #[arg(short = 'X', value_name = "tag")]
    pub tag_from_stdin: Option<OsString>,
    /// Delimiter between the elements of a raw reply [default: a newline]
    #[arg(short = 'd', value_name = "delimiter")]
    pub element_delimiter: Option<OsString>,
    /// Delimiter after a raw reply [default: a newline]
    #[arg(short = 'D', value_name = "delimiter")]
    pub reply_delimiter: Option<OsString>,
    /// Follow the redirections of a cluster
    #[arg(short = 'c')]
    pub follow: bool,
    /// Exit with code 1 when a command is answered by an error
    #[arg(short = 'e')]
    pub exit_on_error: bool,
    /// Use TLS
    #[arg(long)]
    pub tls: bool,
    /// Server name to ask for, and to verify the server's certificate against instead of the host
    #[arg(long, value_name = "host")]
    pub sni: Option<String>,
    /// Fail when the server's certificate does not carry the address given with -h; without this
    /// option that is a warning. A host name or --sni is always verified
    #[arg(long)]
    pub verify_name: bool,
    /// File of CA certificates to verify the server with; without it, those of the system
    #[arg(long, value_name = "file")]
    pub cacert: Option<String>,
    /// Directory of CA certificates to verify the server with
    #[arg(long, value_name = "dir")]
    pub cacertdir: Option<String>,
    /// Do not verify the server's certificate
    #[arg(long)]
    pub insecure: bool,
    /// Client certificate to authenticate with
    #[arg(long, value_name = "file")]
    pub cert: Option<String>,
    /// Private key of the client certificate
    #[arg(long, value_name = "file")]
    pub key: Option<String>,
    /// Ciphers up to TLS 1.2, separated by colons, as ciphers(1ssl) describes them
    #[arg(long, value_name = "list")]
    pub tls_ciphers: Option<String>,
    /// Ciphersuites of TLS 1.3, separated by colons
    #[arg(long, value_name = "list")]
    pub tls_ciphersuites: Option<String>,
    /// Print what TLS has negotiated with the server, and the certificates that it shows
    #[arg(long)]
    pub tls_info: bool,
    /// Tell what is wrong with the TLS of a server. The exit code is 1 for warnings, 2 for errors, and 3 if it cannot
    /// be examined
    #[arg(long, value_name = "host:port")]
    pub tls_check: Option<String>,
    /// Print raw replies (the default when standard output is not a terminal)
    #[arg(long)]
    pub raw: bool,
    /// Print formatted replies even when standard output is not a terminal
    #[arg(long)]
    pub no_raw: bool,
    /// Read the words of the command as quoted strings
    #[arg(long)]
    pub quoted_input: bool,
    /// Print replies as CSV
    #[arg(long)]
    pub csv: bool,
    /// Print replies as JSON, over RESP3 unless -2 is given
    #[arg(long)]
    pub json: bool,
    /// Like --json, with strings in ASCII: other bytes are escaped
    #[arg(long)]
    pub quoted_json: bool,
    /// Whether to print RESP3 push messages [default: yes on a terminal]
    #[arg(long, value_name = "yn")]
    pub show_pushes: Option<String>,
    /// Print statistics of the server, one line per interval
    #[arg(long)]
    pub stat: bool,
    /// Measure the latency of PING continuously
    #[arg(long)]
    pub latency: bool,
    /// Like --latency, starting a new line every 15 seconds (-i)
    #[arg(long)]
    pub latency_history: bool,
    /// Show the latencies as a spectrum of colours, one line per second (-i)
    #[arg(long)]
    pub latency_dist: bool,
    /// Draw --latency-dist in shades of grey
    #[arg(long)]
    pub mono: bool,
    /// Simulate a cache of <keys> keys with an 80-20 access pattern and report the hit rate
    #[arg(long, value_name = "keys")]
    pub lru_test: Option<u64>,
    /// Send raw RESP from standard input to the server
    #[arg(long)]
    pub pipe: bool,
    /// Seconds that --pipe waits for replies after the last command; 0 waits forever
    #[arg(long, value_name = "n", default_value_t = 30)]
    pub pipe_timeout: u64,
    /// Look for the keys with the most elements
    #[arg(long)]
    pub bigkeys: bool,
    /// Look for the keys that take the most memory
    #[arg(long)]
    pub memkeys: bool,
    /// Like --memkeys, sampling <n> elements of each key
    #[arg(long, value_name = "n")]
    pub memkeys_samples: Option<u64>,
    /// Look for the most used keys; the eviction policy of the server must be LFU
    #[arg(long)]
    pub hotkeys: bool,
    /// List all keys
    #[arg(long)]
    pub scan: bool,
    /// Pattern of keys for --scan, --bigkeys, --memkeys and --hotkeys
    #[arg(long, value_name = "pat")]
    pub pattern: Option<OsString>,
    /// Like --pattern, as a quoted string
    #[arg(long, value_name = "pat")]
    pub quoted_pattern: Option<OsString>,
    /// COUNT of each SCAN
    #[arg(long, value_name = "count", default_value_t = 10)]
    pub count: i64,
    /// Measure the latency of this machine itself for <sec> seconds, without a server
    #[arg(long, value_name = "sec")]
    pub intrinsic_latency: Option<u64>,
    /// Run a Lua script; the words that follow are keys and, after a lone comma, arguments
    #[arg(long, value_name = "file")]
    pub eval: Option<PathBuf>,
    /// With --eval: run the script in the Lua debugger
    #[arg(long)]
    pub ldb: bool,
    /// Like --ldb, but in the server itself, which stands still: changes of the data set are kept
    #[arg(long)]
    pub ldb_sync_mode: bool,
    /// Print the commands that the server sends to its replicas
    #[arg(long)]
    pub replica: bool,
    #[arg(long, hide = true)]
    pub slave: bool,
    /// Write the data set to a file; - is standard output
    #[arg(long, value_name = "file")]
    pub rdb: Option<PathBuf>,
    /// Like --rdb, but without keys: functions alone
    #[arg(long, value_name = "file")]
    pub functions_rdb: Option<PathBuf>,
    #[command(flatten)]
    pub cluster: ClusterArgs,
    #[arg(long = "test_hint", hide = true)]
    pub test_hint: Option<OsString>,
    #[arg(long = "test_hint_file", hide = true)]
    pub test_hint_file: Option<PathBuf>,
    /// Verbose output
    #[arg(long)]
    pub verbose: bool,
    /// Do not warn about a password on the command line
    #[arg(long)]
    pub no_auth_warning: bool,
    /// Print this help
    #[arg(long)]
    pub help: bool,
    /// Print the version
    #[arg(short = 'v', long)]
    pub version: bool,
    #[arg(hide = true, trailing_var_arg = true, allow_hyphen_values = true)]
    pub command: Vec<OsString>,
}
