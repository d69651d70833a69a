//! The command line.
//!
//! It is parsed by hand, from left to right, with rules that existing scripts rely on: numbers are
//! read as by `atoi`, the last of two contradicting options counts (`-u` over an earlier `-h`, a
//! later `-p` over both), and the first word without a dash begins the command to run, which may
//! hold words with dashes.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use conn::names::NameOptions;
use conn::tls::context::ClientTlsConfig;
use conn::url;

/// Maximum number of threads.
const MAX_THREADS: usize = 500;
/// Maximum size of a value in bytes.
const MAX_DATA: i64 = 1024 * 1024 * 1024;
/// Maximum number of significant digits of latencies.
const MAX_PRECISION: i64 = 4;
/// Number of different keys with twelve digits.
const MAX_KEYSPACE: i64 = 1_000_000_000_000;

/// The options. They hold passwords, so there is no `Debug`.
#[derive(Clone)]
pub struct Options {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Unix socket, which takes precedence over host and port.
    pub socket: Option<PathBuf>,
    /// User to authenticate as.
    pub user: Option<Vec<u8>>,
    /// Password.
    pub password: Option<Vec<u8>>,
    /// Database to select.
    pub dbnum: i64,
    /// Use RESP3.
    pub resp3: bool,
    /// Enable client-side caching.
    pub tracks: bool,
    /// Use TLS.
    pub tls: bool,
    /// Which name the server's certificate has to carry.
    pub names: NameOptions,
    /// Certificates and ciphers.
    pub tls_config: ClientTlsConfig,
    /// Distribute the load over the primaries of a cluster.
    pub cluster: bool,
    /// Number of connections.
    pub clients: usize,
    /// Requests of each test.
    pub requests: u64,
    /// Requests per pipeline.
    pub pipeline: usize,
    /// Number of threads; 0 runs everything in the main thread.
    pub threads: usize,
    /// As given: 0 makes a new connection for each batch.
    pub keep_alive: i64,
    /// Bytes of a value.
    pub data_size: usize,
    /// `__rand_int__` becomes a number below this; with `None` it is kept.
    pub keyspace: Option<u64>,
    /// Seed of the random numbers.
    pub seed: Option<u64>,
    /// Significant digits of latencies.
    pub precision: u8,
    /// One line per test.
    pub quiet: bool,
    /// One line of CSV per test.
    pub csv: bool,
    /// Repeat the tests forever.
    pub repeats: bool,
    /// Keep idle connections open and send nothing.
    pub idle: bool,
    /// Names of the tests to run, in lower case; `None` runs all.
    pub tests: Option<Vec<String>>,
    /// The last argument of the command is read from standard input.
    pub reads_stdin: bool,
    /// The command to run instead of the tests.
    pub command: Vec<Vec<u8>>,
    /// Warnings about the options.
    pub warnings: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".to_string(),
            port: 6379,
            socket: None,
            user: None,
            password: None,
            dbnum: 0,
            resp3: false,
            tracks: false,
            tls: false,
            names: NameOptions::default(),
            tls_config: ClientTlsConfig::default(),
            cluster: false,
            clients: 50,
            requests: 100_000,
            pipeline: 1,
            threads: 0,
            keep_alive: 1,
            data_size: 3,
            keyspace: None,
            seed: None,
            precision: 3,
            quiet: false,
            csv: false,
            repeats: false,
            idle: false,
            tests: None,
            reads_stdin: false,
            command: Vec::new(),
            warnings: Vec::new(),
        }
    }
}

impl Options {
    /// Where the server is, for messages: `host:port`, or the path of its socket.
    pub fn place(&self) -> String {
        match &self.socket {
            Some(path) => path.display().to_string(),
            None => format!("{}:{}", self.host, self.port),
        }
    }

    /// Whether the test of this name is to run.
    pub fn selects(&self, test: &str) -> bool {
        self.tests
            .as_ref()
            .is_none_or(|tests| tests.iter().any(|name| name == test))
    }
}

/// Why no test is run.
#[derive(Debug, PartialEq, Eq)]
pub enum Stop {
    /// Help was asked for.
    Help,
    /// The version was asked for.
    Version,
    /// An option that does not exist, or lacks its argument.
    Invalid(String),
    /// Invalid options, as a message.
    Refused(String),
}

fn refused<T>(sentence: &str) -> Result<T, Stop> {
    Err(Stop::Refused(sentence.to_string()))
}

/// Parses the words after the program's name.
///
/// # Errors
/// There is nothing to run: see [`Stop`].
pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Options, Stop> {
    let mut options = Options::default();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        if !word.as_bytes().starts_with(b"-") {
            options.command.push(word.into_vec());
            options.command.extend(words.map(OsString::into_vec));
            break;
        }
        let name = word.to_string_lossy().into_owned();
        if !set_switch(&mut options, &name)? {
            set_value(&mut options, name, words.next())?;
        }
    }
    if options.tls {
        let host = options.socket.is_none().then_some(options.host.as_str());
        options.names.validate(host).or_else(refused)?;
    }
    Ok(options)
}

/// Applies an option without argument; false if it is not one.
fn set_switch(options: &mut Options, name: &str) -> Result<bool, Stop> {
    match name {
        "-3" => options.resp3 = true,
        "-q" => options.quiet = true,
        "-l" => options.repeats = true,
        "-I" => options.idle = true,
        "-x" => options.reads_stdin = true,
        "-e" => options.warnings.push(
            "WARNING: -e option has no effect. We now immediately exit on error to avoid false results."
                .to_string(),
        ),
        "--csv" => options.csv = true,
        "--enable-tracking" => options.tracks = true,
        "--tls" => options.tls = true,
        "--insecure" => {
            options.tls_config.insecure = true;
            options.names.insecure = true;
        }
        "--verify-name" => options.names.verify_name = true,
        "--cluster" => options.cluster = true,
        "--help" => return Err(Stop::Help),
        "-v" | "--version" => return Err(Stop::Version),
        _ => return Ok(false),
    }
    Ok(true)
}

/// Applies an option with its argument.
fn set_value(options: &mut Options, name: String, value: Option<OsString>) -> Result<(), Stop> {
    let Some(value) = value else {
        return Err(Stop::Invalid(name));
    };
    let text = || value.to_string_lossy().into_owned();
    let bytes = || value.as_bytes().to_vec();
    let number = || leading_number(value.as_bytes());
    match name.as_str() {
        "-h" => options.host = text(),
        "-p" => options.port = port(number())?,
        "-s" => options.socket = Some(PathBuf::from(&value)),
        "-a" => options.password = Some(bytes()),
        "--user" => options.user = Some(bytes()),
        "-u" => set_uri(options, value.as_bytes())?,
        "--dbnum" => options.dbnum = number(),
        "-c" => options.clients = number().max(1) as usize,
        "-n" => options.requests = number().max(0) as u64,
        "-P" => options.pipeline = number().max(1) as usize,
        "-k" => options.keep_alive = number(),
        "-d" => options.data_size = number().clamp(1, MAX_DATA) as usize,
        "-r" => match value.as_bytes() {
            [b'-', rest @ ..] if !rest.first().is_some_and(u8::is_ascii_digit) => {
                return Err(Stop::Invalid(text()));
            }
            _ => options.keyspace = Some(number().clamp(0, MAX_KEYSPACE) as u64),
        },
        "--seed" => options.seed = Some(number() as u64),
        "-t" => {
            let names = text().to_ascii_lowercase();
            options.tests = Some(names.split(',').map(String::from).collect());
        }
        "--precision" => {
            let digits = number();
            let digits = if digits < 0 {
                3
            } else {
                digits.min(MAX_PRECISION)
            };
            options.precision = digits as u8;
        }
        "--threads" => set_threads(options, number()),
        "--sni" => options.names.sni = Some(text()),
        "--cacert" => options.tls_config.cacert = Some(text()),
        "--cacertdir" => options.tls_config.cacertdir = Some(text()),
        "--cert" => options.tls_config.cert = Some(text()),
        "--key" => options.tls_config.key = Some(text()),
        "--tls-ciphers" => options.tls_config.ciphers = Some(text()),
        "--tls-ciphersuites" => options.tls_config.ciphersuites = Some(text()),
        _ => return Err(Stop::Invalid(name)),
    }
    Ok(())
}

fn set_threads(options: &mut Options, number: i64) {
    options.threads = number.max(0) as usize;
    if options.threads > MAX_THREADS {
        options.threads = MAX_THREADS;
        options.warnings.push(format!(
            "WARNING: Too many threads, limiting threads to {MAX_THREADS}."
        ));
    }
}

fn set_uri(options: &mut Options, text: &[u8]) -> Result<(), Stop> {
    let text = String::from_utf8_lossy(text);
    let url = url::parse(&text).map_err(Stop::Refused)?;
    options.tls |= url.tls;
    options.user = url.user.or(options.user.take());
    options.password = url.password.or(options.password.take());
    if let Some(host) = url.host {
        options.host = host;
    }
    options.port = url.port.unwrap_or(options.port);
    options.dbnum = url.db.unwrap_or(options.dbnum);
    Ok(())
}

fn port(number: i64) -> Result<u16, Stop> {
    u16::try_from(number).or(refused("Invalid server port."))
}

/// The number at the beginning of a text; 0 if there is none.
fn leading_number(text: &[u8]) -> i64 {
    let text = text.trim_ascii_start();
    let (sign, digits) = match text {
        [b'-', rest @ ..] => (-1, rest),
        [b'+', rest @ ..] => (1, rest),
        _ => (1, text),
    };
    let value = digits
        .iter()
        .take_while(|digit| digit.is_ascii_digit())
        .fold(0i64, |value, &digit| {
            value
                .saturating_mul(10)
                .saturating_add(i64::from(digit - b'0'))
        });
    sign * value
}

#[cfg(test)]
mod tests {
    use super::{Options, Stop, leading_number, parse};

    fn from(line: &str) -> Result<Options, Stop> {
        parse(line.split_whitespace().map(Into::into))
    }

    fn options(line: &str) -> Options {
        match from(line) {
            Ok(options) => options,
            Err(stop) => panic!("{line}: {stop:?}"),
        }
    }

    #[test]
    fn numbers_are_read_as_atoi_reads_them() {
        let rows = [
            ("12", 12),
            ("  -7x", -7),
            ("+3", 3),
            ("x", 0),
            ("", 0),
            ("99999999999999999999", i64::MAX),
        ];
        for (text, number) in rows {
            assert_eq!(leading_number(text.as_bytes()), number, "{text:?}");
        }
    }

    #[test]
    fn defaults_and_bounds() {
        let plain = options("");
        assert!(!plain.cluster && options("--cluster").cluster);
        assert_eq!(plain.place(), "127.0.0.1:6379");
        assert_eq!(
            (plain.clients, plain.requests, plain.pipeline),
            (50, 100_000, 1)
        );
        assert_eq!(
            (plain.data_size, plain.keep_alive, plain.precision),
            (3, 1, 3)
        );
        assert_eq!((plain.keyspace, plain.threads), (None, 0));
        let low = options("-c 0 -n -5 -P 0 -d 0 -r -4 --precision -1 --threads -1");
        assert_eq!((low.clients, low.requests, low.pipeline), (1, 0, 1));
        assert_eq!((low.data_size, low.keyspace), (1, Some(0)));
        assert_eq!((low.precision, low.threads), (3, 0));
        let high = options("-d 9999999999 --precision 9 --threads 501 -r 99999999999999");
        assert_eq!((high.data_size, high.precision), (1 << 30, 4));
        assert_eq!(
            (high.threads, high.keyspace),
            (500, Some(1_000_000_000_000))
        );
        assert_eq!(high.warnings.len(), 1);
    }

    #[test]
    fn the_command_begins_at_the_first_word_without_a_dash() {
        let options = options("-q -n 5 lpush mylist -x __rand_int__");
        let words: [&[u8]; 4] = [b"lpush", b"mylist", b"-x", b"__rand_int__"];
        assert_eq!(options.command, words);
        assert!(options.quiet && !options.reads_stdin);
    }

    #[test]
    fn tests_are_selected_by_whole_names_in_any_case() {
        let some = options("-t SET,lrange_100");
        assert!(some.selects("set") && some.selects("lrange_100"));
        assert!(!some.selects("lrange") && !some.selects("mset"));
        assert!(options("").selects("get"));
    }

    #[test]
    fn the_last_of_two_options_wins() {
        let place = |line| options(line).place();
        assert_eq!(place("-h a -p 1 -u redis://b:2"), "b:2");
        assert_eq!(place("-u redis://b:2 -h a"), "a:2");
        assert_eq!(place("-u redis://b -p 7"), "b:7");
        assert_eq!(place("-h a -s /tmp/s"), "/tmp/s");
        let with = options("--user u -a p --dbnum 3 -u rediss://:secret@h/9");
        assert_eq!(with.user.as_deref(), Some(&b"u"[..]));
        assert_eq!(with.password.as_deref(), Some(&b"secret"[..]));
        assert!(with.tls);
        assert_eq!(with.dbnum, 9);
    }

    #[test]
    fn what_cannot_be_run_is_told() {
        let stop = |line| from(line).err();
        let invalid = |name: &str| Some(Stop::Invalid(name.to_string()));
        assert_eq!(stop("--help"), Some(Stop::Help));
        assert_eq!(stop("-q --version"), Some(Stop::Version));
        assert_eq!(stop("--nosuch 5"), invalid("--nosuch"));
        assert_eq!(stop("-c"), invalid("-c"));
        assert_eq!(stop("-u"), invalid("-u"));
        assert_eq!(stop("-r -x"), invalid("-x"));
        let sentence = |line| match stop(line) {
            Some(Stop::Refused(sentence)) => sentence,
            other => panic!("{line}: {other:?}"),
        };
        assert_eq!(sentence("-p 65536"), "Invalid server port.");
        assert_eq!(sentence("-u redis://h:70000"), "Invalid server port.");
        assert_eq!(sentence("-u http://h"), "Invalid URI scheme");
        assert!(sentence("--tls --verify-name --insecure").contains("mutually exclusive"));
        assert!(sentence("--tls --verify-name -s /s").contains("--sni"));
    }
}
