//! The command line: `redis-cli [OPTIONS] [cmd [arg [arg ...]]]`.
//!
//! clap reads it into [`Args`], word by word as Redis does: `-h` is the host, an option may take a value that begins
//! with a dash, and with the first word that is no option the command begins, whatever follows. [`parse`] makes
//! [`Options`] of it, in which what excludes each other is one enum.
//!
//! An unknown option would be the first word of the command for clap, so that is refused here.

use std::env;
use std::ffi::OsString;
use std::io::IsTerminal;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::time::Duration;

use clap::error::{ContextKind, ErrorKind};
use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser};
use conn::tls::context::ClientTlsConfig;

use crate::format::{Format, Output};
use crate::out::{Exit, complain, fail, print};
use crate::url::{self, Url};
use crate::words::unquote;

/// What `--version` says.
pub const VERSION: &str = concat!("redis-cli ", env!("CARGO_PKG_VERSION"));

const AUTH_VARIABLE: &str = "REDISCLI_AUTH";
const PASSWORD_WARNING: &str = "Warning: Using a password with '-a' or '-u' option on the command line interface may not be safe.";

/// Options that need a part of Redis that is not there yet, and how many words belong to each.
const REFUSED: [(&str, &str); 9] = [
    (
        "cluster",
        "--cluster: the cluster manager is not available yet.",
    ),
    (
        "rdb",
        "--rdb: transferring an RDB file is not available yet.",
    ),
    (
        "functions_rdb",
        "--functions-rdb: transferring an RDB file is not available yet.",
    ),
    (
        "replica",
        "--replica: showing the replication stream is not available yet.",
    ),
    (
        "slave",
        "--slave: showing the replication stream is not available yet.",
    ),
    ("ldb", "--ldb: the Lua debugger is not available."),
    (
        "ldb_sync_mode",
        "--ldb-sync-mode: the Lua debugger is not available.",
    ),
    (
        "cluster_replicas",
        "--cluster-replicas: the cluster manager is not available yet.",
    ),
    (
        "cluster_yes",
        "--cluster-yes: the cluster manager is not available yet.",
    ),
];

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
struct Args {
    /// Name or address of the server [default: 127.0.0.1]
    #[arg(short = 'h', value_name = "hostname")]
    host: Option<String>,
    /// Port of the server [default: 6379]
    #[arg(short = 'p', value_name = "port")]
    port: Option<u16>,
    /// Connect to a Unix socket instead of host and port
    #[arg(short = 's', value_name = "socket")]
    socket: Option<PathBuf>,
    /// Password; the variable REDISCLI_AUTH is a safer place for it
    #[arg(short = 'a', long = "pass", value_name = "password")]
    password: Option<OsString>,
    /// User that the password belongs to
    #[arg(long, value_name = "username")]
    user: Option<OsString>,
    /// Ask for the password, without showing it
    #[arg(long)]
    askpass: bool,
    /// Server, login and database in one: redis[s]://user:password@host:port/db
    #[arg(short = 'u', value_name = "uri")]
    uri: Option<String>,
    /// Run the command this many times; a negative number is for ever
    #[arg(short = 'r', value_name = "repeat", default_value_t = 1)]
    repeat: i64,
    /// Seconds to wait between repetitions, samples or pages, fractions allowed
    #[arg(short = 'i', value_name = "interval", default_value_t = 0.0)]
    interval: f64,
    /// Number of the database
    #[arg(short = 'n', value_name = "db")]
    db: Option<i64>,
    /// Speak RESP2
    #[arg(short = '2')]
    resp2: bool,
    /// Speak RESP3
    #[arg(short = '3')]
    resp3: bool,
    /// Read the last argument of the command from standard input
    #[arg(short = 'x')]
    last_from_stdin: bool,
    /// Read the argument of the command that is <tag> from standard input
    #[arg(short = 'X', value_name = "tag")]
    tag_from_stdin: Option<OsString>,
    /// What stands between the elements of a raw reply [default: a line end]
    #[arg(short = 'd', value_name = "delimiter")]
    element_delimiter: Option<OsString>,
    /// What stands after a raw reply [default: a line end]
    #[arg(short = 'D', value_name = "delimiter")]
    reply_delimiter: Option<OsString>,
    /// Follow the redirections of a cluster
    #[arg(short = 'c')]
    follow: bool,
    /// Exit with code 1 when a command is answered by an error
    #[arg(short = 'e')]
    exit_on_error: bool,
    /// Use TLS
    #[arg(long)]
    tls: bool,
    /// Server name to ask for, and to verify the server's certificate against instead of the host
    #[arg(long, value_name = "host")]
    sni: Option<String>,
    /// File of CA certificates to verify the server with; without it, those of the system
    #[arg(long, value_name = "file")]
    cacert: Option<String>,
    /// Directory of the same
    #[arg(long, value_name = "dir")]
    cacertdir: Option<String>,
    /// Do not verify the server's certificate
    #[arg(long)]
    insecure: bool,
    /// Client certificate to show
    #[arg(long, value_name = "file")]
    cert: Option<String>,
    /// Private key of the client certificate
    #[arg(long, value_name = "file")]
    key: Option<String>,
    /// Ciphers up to TLS 1.2, separated by colons, as ciphers(1ssl) describes them
    #[arg(long, value_name = "list")]
    tls_ciphers: Option<String>,
    /// Ciphersuites of TLS 1.3, separated by colons
    #[arg(long, value_name = "list")]
    tls_ciphersuites: Option<String>,
    /// Print replies raw, as is done when standard output is no terminal
    #[arg(long)]
    raw: bool,
    /// Print replies for people even when standard output is no terminal
    #[arg(long)]
    no_raw: bool,
    /// Read the words of the command as quoted strings
    #[arg(long)]
    quoted_input: bool,
    /// Print replies as CSV
    #[arg(long)]
    csv: bool,
    /// Print replies as JSON, over RESP3 unless -2 is given
    #[arg(long)]
    json: bool,
    /// The same in ASCII, other bytes escaped
    #[arg(long)]
    quoted_json: bool,
    /// Whether to print RESP3 push messages [default: yes on a terminal]
    #[arg(long, value_name = "yn")]
    show_pushes: Option<String>,
    /// Show figures of the server, a line per interval
    #[arg(long)]
    stat: bool,
    /// Measure the time of a PING, again and again
    #[arg(long)]
    latency: bool,
    /// The same, a line for every 15 seconds (-i)
    #[arg(long)]
    latency_history: bool,
    /// The same as a spectrum of colours, a line per second (-i)
    #[arg(long)]
    latency_dist: bool,
    /// Draw --latency-dist in shades of grey
    #[arg(long)]
    mono: bool,
    /// Read and write <keys> keys of which a fifth gets four fifths of the traffic, and count hits
    #[arg(long, value_name = "keys")]
    lru_test: Option<u64>,
    /// Send standard input to the server as it is: commands in RESP
    #[arg(long)]
    pipe: bool,
    /// Seconds that --pipe waits for replies after the last command; 0 is for ever
    #[arg(long, value_name = "n", default_value_t = 30)]
    pipe_timeout: u64,
    /// Look for the keys with the most elements
    #[arg(long)]
    bigkeys: bool,
    /// Look for the keys that take the most memory
    #[arg(long)]
    memkeys: bool,
    /// The same, looking at <n> elements of each key
    #[arg(long, value_name = "n")]
    memkeys_samples: Option<u64>,
    /// Look for the keys used most; the server must evict by LFU
    #[arg(long)]
    hotkeys: bool,
    /// List all keys
    #[arg(long)]
    scan: bool,
    /// Only keys like this, with --scan, --bigkeys, --memkeys or --hotkeys
    #[arg(long, value_name = "pat")]
    pattern: Option<OsString>,
    /// The same as a quoted string
    #[arg(long, value_name = "pat")]
    quoted_pattern: Option<OsString>,
    /// Keys to ask for at a time
    #[arg(long, value_name = "count", default_value_t = 10)]
    count: i64,
    /// Measure for <sec> seconds how long this machine keeps a program from running
    #[arg(long, value_name = "sec")]
    intrinsic_latency: Option<u64>,
    /// Run a Lua script; the command's words are keys, and behind a lone comma arguments
    #[arg(long, value_name = "file")]
    eval: Option<PathBuf>,
    #[arg(long, hide = true)]
    ldb: bool,
    #[arg(long, hide = true)]
    ldb_sync_mode: bool,
    #[arg(long, hide = true)]
    replica: bool,
    #[arg(long, hide = true)]
    slave: bool,
    #[arg(long, hide = true)]
    rdb: Option<OsString>,
    #[arg(long, hide = true)]
    functions_rdb: Option<OsString>,
    #[arg(long, hide = true, num_args = 0..=1)]
    cluster: Option<OsString>,
    #[arg(long, hide = true)]
    cluster_replicas: Option<OsString>,
    #[arg(long, hide = true)]
    cluster_yes: bool,
    #[arg(long = "test_hint", hide = true)]
    test_hint: Option<OsString>,
    #[arg(long = "test_hint_file", hide = true)]
    test_hint_file: Option<PathBuf>,
    /// Say more
    #[arg(long)]
    verbose: bool,
    /// Do not warn about a password on the command line
    #[arg(long)]
    no_auth_warning: bool,
    /// Print this help
    #[arg(long)]
    help: bool,
    /// Print the version
    #[arg(short = 'v', long)]
    version: bool,
    #[arg(hide = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<OsString>,
}

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

/// TLS, as the command line has it.
#[derive(Clone)]
pub struct Tls {
    /// Certificates and settings.
    pub config: ClientTlsConfig,
    /// `--sni`
    pub sni: Option<String>,
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

/// Reads the command line, the program's name first. An [`Exit`] of 0: what was asked for was printed.
///
/// # Errors
/// The command line makes no sense, which was said; or it asked for nothing but a text.
pub fn parse(line: Vec<OsString>) -> Result<Options, Exit> {
    let to_terminal = std::io::stdout().is_terminal() || env::var_os("FAKETTY").is_some();
    let matches = match command().try_get_matches_from(line) {
        Ok(matches) => matches,
        Err(error) => return refuse(&error),
    };
    let args = match Args::from_arg_matches(&matches) {
        Ok(args) => args,
        Err(error) => return refuse(&error),
    };
    if args.help {
        return usage();
    }
    if args.version {
        print(format!("{VERSION}\n"));
        return Err(Exit(0));
    }
    if let Some((_, sentence)) = REFUSED
        .iter()
        .find(|(id, _)| matches.value_source(id) == Some(clap::parser::ValueSource::CommandLine))
    {
        return fail(sentence);
    }
    if let Some(word) = args
        .command
        .first()
        .filter(|word| word.as_bytes().starts_with(b"-"))
    {
        return unrecognized(&word.to_string_lossy());
    }
    let options = options(args, &matches, to_terminal).or_else(fail)?;
    Ok(options)
}

fn command() -> clap::Command {
    // A password may begin with a dash, a pattern too.
    Args::command().mut_args(|arg| {
        let takes = arg.get_action().takes_values();
        arg.allow_hyphen_values(takes)
    })
}

fn usage() -> Result<Options, Exit> {
    let help = command().render_help();
    print(format!(
        "{VERSION}\n\n{help}\nWithout a command there is a prompt, where \"help\" tells more.\n"
    ));
    Err(Exit(0))
}

fn unrecognized<T>(option: &str) -> Result<T, Exit> {
    fail(format!(
        "Unrecognized option or bad number of args for: '{option}'"
    ))
}

/// Says in one sentence what clap did not like.
fn refuse(error: &clap::Error) -> Result<Options, Exit> {
    let context = |kind| error.get(kind).map(ToString::to_string).unwrap_or_default();
    let arg = context(ContextKind::InvalidArg);
    let option = arg.split(' ').next().unwrap_or_default();
    let value = context(ContextKind::InvalidValue);
    match error.kind() {
        // Last on the line, `-h` cannot be a host.
        ErrorKind::InvalidValue if value.is_empty() && option == "-h" => usage(),
        ErrorKind::ValueValidation if option == "-p" => fail("Invalid server port."),
        ErrorKind::ValueValidation => fail(format!("Invalid value '{value}' for {option}.")),
        ErrorKind::InvalidUtf8 => fail("An option's value is not valid UTF-8."),
        _ => unrecognized(option),
    }
}

fn options(args: Args, matches: &ArgMatches, to_terminal: bool) -> Result<Options, String> {
    let (output, prefers_three) = output(matches, to_terminal);
    let show_pushes = show_pushes(&args, to_terminal);
    let mode = mode(&args);
    let resp = resp(&args, prefers_three)?;
    let stdin = stdin(args.last_from_stdin, args.tag_from_stdin)?;
    if args.socket.is_some() && args.follow {
        return Err("Options -c and -s are mutually exclusive.".to_owned());
    }
    let interval = Duration::try_from_secs_f64(args.interval)
        .map_err(|_| format!("Invalid value '{}' for -i.", args.interval))?;
    let pattern = pattern(args.quoted_pattern, args.pattern)?;
    let url = args.uri.as_deref().map_or(Ok(Url::default()), url::parse)?;
    // Of an option and the part of a URL that says the same, the later one counts.
    let overrides = |id: &str| last_index(matches, id) > last_index(matches, "uri");
    let uses_tls = args.tls || url.tls;
    let tls = uses_tls.then_some(Tls {
        config: ClientTlsConfig {
            cacert: args.cacert,
            cacertdir: args.cacertdir,
            cert: args.cert,
            key: args.key,
            key_pass: None,
            insecure: args.insecure,
            ciphers: args.tls_ciphers,
            ciphersuites: args.tls_ciphersuites,
        },
        sni: args.sni,
    });
    let user = args.user.map(OsString::into_vec);
    let password = args.password.map(OsString::into_vec);
    let password = pick(overrides("password"), password, url.password);
    if password.is_some() && !args.no_auth_warning {
        complain(PASSWORD_WARNING);
    }
    let endpoint = Endpoint {
        host: pick(overrides("host"), args.host, url.host)
            .unwrap_or_else(|| "127.0.0.1".to_owned()),
        port: pick(overrides("port"), args.port, url.port).unwrap_or(6379),
        socket: args.socket,
    };
    let bytes = |text: Option<OsString>| text.map_or_else(|| b"\n".to_vec(), OsString::into_vec);
    Ok(Options {
        endpoint,
        tls,
        user: pick(overrides("user"), user, url.user),
        password: password.or_else(|| env::var_os(AUTH_VARIABLE).map(OsString::into_vec)),
        askpass: args.askpass,
        db: pick(overrides("db"), args.db, url.db).unwrap_or(0),
        resp,
        follow: args.follow,
        repeat: args.repeat,
        interval,
        stdin,
        quoted_input: args.quoted_input,
        exit_on_error: args.exit_on_error,
        format: Format {
            output,
            element_delimiter: bytes(args.element_delimiter),
            reply_delimiter: bytes(args.reply_delimiter),
        },
        show_pushes,
        to_terminal,
        mode,
        pattern,
        count: args.count,
        verbose: args.verbose,
        command: args.command.into_iter().map(OsString::into_vec).collect(),
    })
}

fn resp(args: &Args, prefers_three: bool) -> Result<Resp, String> {
    match (args.resp2, args.resp3) {
        (true, true) => Err("Options -2 and -3 are mutually exclusive.".to_owned()),
        (_, true) => Ok(Resp::Three),
        (false, _) if prefers_three => Ok(Resp::PreferThree),
        _ => Ok(Resp::Two),
    }
}

fn stdin(last: bool, tag: Option<OsString>) -> Result<Stdin, String> {
    match (last, tag) {
        (true, Some(_)) => Err("Options -x and -X are mutually exclusive.".to_owned()),
        (true, None) => Ok(Stdin::Last),
        (false, Some(tag)) => Ok(Stdin::Tag(tag.into_vec())),
        (false, None) => Ok(Stdin::Unread),
    }
}

fn pattern(quoted: Option<OsString>, plain: Option<OsString>) -> Result<Option<Vec<u8>>, String> {
    let Some(text) = quoted else {
        return Ok(plain.map(OsString::into_vec));
    };
    match unquote(text.as_bytes()) {
        Some(pattern) => Ok(Some(pattern)),
        None => Err("Invalid quoted string specified for --quoted-pattern.".to_owned()),
    }
}

fn pick<T>(option_counts: bool, option: Option<T>, from_url: Option<T>) -> Option<T> {
    if option_counts {
        option.or(from_url)
    } else {
        from_url.or(option)
    }
}

fn last_index(matches: &ArgMatches, id: &str) -> Option<usize> {
    match matches.value_source(id) {
        Some(clap::parser::ValueSource::CommandLine) => matches.indices_of(id)?.max(),
        _ => None,
    }
}

/// The form that was asked for last, and whether it is better over RESP3.
fn output(matches: &ArgMatches, to_terminal: bool) -> (Output, bool) {
    let forms = [
        ("raw", Output::Raw),
        ("no_raw", Output::Standard),
        ("csv", Output::Csv),
        ("json", Output::Json),
        ("quoted_json", Output::QuotedJson),
    ];
    let given = |id| last_index(matches, id);
    let last = forms
        .into_iter()
        .filter_map(|(id, form)| given(id).map(|at| (at, form)))
        .max_by_key(|&(at, _)| at);
    let form = match last {
        Some((_, form)) => form,
        None if to_terminal => Output::Standard,
        None => Output::Raw,
    };
    let prefers_three = given("json").is_some() || given("quoted_json").is_some();
    (form, prefers_three)
}

fn show_pushes(args: &Args, to_terminal: bool) -> bool {
    let Some(text) = args.show_pushes.as_deref() else {
        return to_terminal;
    };
    match text.as_bytes() {
        [b'n' | b'N', ..] => false,
        [b'y' | b'Y', ..] => true,
        _ => {
            complain(format!(
                "Unknown --show-pushes value '{text}' (valid: '[y]es', '[n]o')"
            ));
            to_terminal
        }
    }
}

/// Of several modes the first in this order, which is Redis's.
fn mode(args: &Args) -> Mode {
    if args.latency || args.latency_history {
        Mode::Latency {
            history: args.latency_history,
        }
    } else if args.latency_dist {
        Mode::LatencyDist { mono: args.mono }
    } else if args.pipe {
        let timeout = Duration::from_secs(args.pipe_timeout);
        Mode::Pipe((!timeout.is_zero()).then_some(timeout))
    } else if args.bigkeys {
        Mode::BigKeys
    } else if args.memkeys || args.memkeys_samples.is_some() {
        Mode::MemKeys(args.memkeys_samples)
    } else if args.hotkeys {
        Mode::HotKeys
    } else if args.stat {
        Mode::Stat
    } else if args.scan {
        Mode::Scan
    } else if let Some(keys) = args.lru_test {
        Mode::LruTest(keys)
    } else if let Some(seconds) = args.intrinsic_latency {
        Mode::IntrinsicLatency(Duration::from_secs(seconds))
    } else if let Some(line) = &args.test_hint {
        Mode::TestHint(line.as_bytes().to_vec())
    } else if let Some(path) = &args.test_hint_file {
        Mode::TestHintFile(path.clone())
    } else if let Some(path) = &args.eval {
        Mode::Eval(path.clone())
    } else {
        Mode::Commands
    }
}

#[cfg(test)]
mod tests {
    use super::{Mode, Options, Resp, Stdin, parse};
    use crate::format::Output;
    use crate::out::Exit;
    use std::time::Duration;

    fn options(line: &str) -> Result<Options, Exit> {
        let words = line.split(' ').filter(|word| !word.is_empty());
        let words = words.map(|word| if word == "''" { "" } else { word });
        parse(
            std::iter::once("redis-cli")
                .chain(words)
                .map(Into::into)
                .collect(),
        )
    }

    fn good(line: &str) -> Options {
        options(line).unwrap_or_else(|exit| panic!("{line}: {exit:?}"))
    }

    #[test]
    fn the_command_begins_with_the_first_word_that_is_no_option() {
        let table = [
            ("SET k -5", "SET k -5"),
            ("GET --tls", "GET --tls"),
            ("-3 GET -h", "GET -h"),
            ("-n -1 GET k", "GET k"),
            ("-X tag RESTORE k 0 tag", "RESTORE k 0 tag"),
            ("-a -secret --no-auth-warning PING", "PING"),
            ("-h a -h b PING", "PING"),
            ("-D '' --raw DUMP k", "DUMP k"),
            ("--scan", ""),
        ];
        for (line, expected) in table {
            let words: Vec<_> = good(line)
                .command
                .iter()
                .map(|word| String::from_utf8_lossy(word).into_owned())
                .collect();
            assert_eq!(words.join(" "), expected, "{line}");
            assert!(good(line).tls.is_none());
        }
    }

    #[test]
    fn the_last_of_equals_counts() {
        let table = [
            ("-h a -h b", "b", 6379),
            ("-u redis://h:7 -p 8", "h", 8),
            ("-p 8 -u redis://h:7", "h", 7),
            ("-h x -u redis://", "x", 6379),
            ("", "127.0.0.1", 6379),
        ];
        for (line, host, port) in table {
            let endpoint = good(line).endpoint;
            assert_eq!(
                (endpoint.host.as_str(), endpoint.port),
                (host, port),
                "{line}"
            );
        }
        assert_eq!(good("--csv --raw").format.output, Output::Raw);
        assert_eq!(good("--raw --csv").format.output, Output::Csv);
        assert_eq!(good("--json --csv").resp, Resp::PreferThree);
    }

    #[test]
    fn options_become_decisions() {
        assert_eq!(good("-3").resp, Resp::Three);
        assert_eq!(good("--json").resp, Resp::PreferThree);
        assert_eq!(good("--json -3").resp, Resp::Three);
        assert_eq!(good("-2 --quoted-json").resp, Resp::Two);
        assert_eq!(good("-x SET k").stdin, Stdin::Last);
        assert_eq!(good("-X t SET k t").stdin, Stdin::Tag(b"t".to_vec()));
        assert_eq!(good("-i 0.1").interval, Duration::from_millis(100));
        assert_eq!(good("-D ''").format.reply_delimiter, b"");
        assert_eq!(
            good("--pipe").mode,
            Mode::Pipe(Some(Duration::from_secs(30)))
        );
        assert_eq!(good("--pipe --pipe-timeout 0").mode, Mode::Pipe(None));
        assert_eq!(
            good("--latency-history").mode,
            Mode::Latency { history: true }
        );
        assert_eq!(good("--memkeys-samples 5").mode, Mode::MemKeys(Some(5)));
        assert_eq!(
            good("--quoted-pattern \"*:\\x32\"").pattern,
            Some(b"*:2".to_vec())
        );
        let tls = good("--tls --sni db --insecure").tls.expect("TLS");
        assert_eq!(tls.sni.as_deref(), Some("db"));
        assert!(tls.config.insecure);
        assert!(good("-u rediss://u:p@h/3 --no-auth-warning").tls.is_some());
        assert_eq!(good("-u redis://u:p@h/3 --no-auth-warning").db, 3);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for line in [
            "--nope",
            "-X",
            "-p",
            "-p abc",
            "-p 70000",
            "-i x",
            "-i -1",
            "-2 -3",
            "-x -X tag",
            "-c -s /tmp/s",
            "-u http://h",
            "--quoted-pattern \"open",
            "--ldb --eval f",
            "--rdb f",
            "--replica",
            "--cluster create a:1 b:2 --cluster-replicas 1",
            "--cluster",
            "--cluster-replicas 1",
        ] {
            assert_eq!(options(line).err(), Some(Exit(1)), "{line}");
        }
        for line in ["--help", "-h", "--version", "-v", "-p 1 -h"] {
            assert_eq!(options(line).err(), Some(Exit(0)), "{line}");
        }
    }
}
