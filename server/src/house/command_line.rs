//! The command line of the server.
//!
//! ```text
//! redis-server [FILE] [--directive value …]… [-]
//! ```
//!
//! Options are lines of a configuration: `--port 7000` is the line `port 7000`, read after the file and after standard
//! input (`-`). The words up to the next option are its value; the first word behind an option belongs to it even if
//! it begins with `--`.

use std::io::{self, Read};
use std::path::Path;

use words::{quote, split};

use crate::config::file::{self, Source};
use crate::config::params::Params;
use crate::config::values::Supervised;
use crate::house::users;
use crate::persist::aof;
use crate::state::process::ProcessInfo;
use crate::sys::{clock, host, memory, process};

/// What the command line asks for.
pub enum Start {
    /// To print a text and exit.
    Say(String),
    /// Something invalid; the text says why.
    Refuse(String),
    /// Something invalid; the text says why, on standard output.
    RefuseOnStdout(String),
    /// To check this snapshot file.
    CheckRdb(String),
    /// To check an append-only file.
    CheckAof(aof::check::Order),
    /// To run a server.
    Serve(Box<Params>, ProcessInfo),
}

/// The refusal to run as Sentinel.
const NO_SENTINEL: &str = "Sentinel is not a part of this server yet.";

const HELP: &str = "\
redis-server [FILE] [--DIRECTIVE VALUE ...]... [-]

  FILE                    read this configuration first
  -                       then read more of it from standard input
  --DIRECTIVE VALUE ...   then take these, each as a line of a configuration

  -v, --version           the version
  -h, --help              this text
  --check-system          look for settings of the system that would hurt

For instance:
  redis-server
  redis-server /etc/redis/redis.conf --loglevel verbose
  redis-server --port 0 --tls-port 6379 --tls-cert-file redis.crt --tls-key-file redis.key --tls-ca-cert-file ca.crt
  echo 'requirepass secret' | redis-server --port 7000 -
";

/// Parses the arguments, the program's name first.
pub fn parse(args: &[String]) -> Start {
    let program = args
        .first()
        .map_or("", |path| path.rsplit('/').next().unwrap_or(path));
    if program.contains("redis-sentinel") {
        return Start::Refuse(NO_SENTINEL.into());
    }
    if program.contains("redis-check-aof") {
        return match aof::check::Order::parse(args) {
            Ok(order) => Start::CheckAof(order),
            Err(why) => Start::RefuseOnStdout(why),
        };
    }
    if program.contains("redis-check-rdb") {
        return check_rdb(args);
    }
    match args.get(1).map(String::as_str) {
        Some("-v" | "--version") => return Start::Say(version()),
        Some("-h" | "--help") => return Start::Say(HELP.into()),
        Some("--test-memory") => {
            return Start::Refuse(
                "This server does not test memory: memtest86+ or memtester do it better.".into(),
            );
        }
        Some("--check-system") => return check_system(),
        _ => {}
    }
    if args.iter().any(|arg| arg == "--sentinel") {
        return Start::Refuse(NO_SENTINEL.into());
    }
    let line = CommandLine::read(args);
    let config_file = line
        .config_file
        .as_deref()
        .map_or_else(String::new, process::absolute);
    let loaded = line
        .sources(&config_file)
        .and_then(|sources| file::load(&sources, users::check_line));
    match loaded {
        Ok(params) => Start::Serve(Box::new(params), describe(args, config_file)),
        Err(why) => Start::Refuse(why),
    }
}

/// `redis-check-rdb FILE`.
fn check_rdb(args: &[String]) -> Start {
    match args {
        [_, flag] if flag == "-v" || flag == "--version" => {
            Start::Say(format!("redis-check-rdb {}\n", env!("CARGO_PKG_VERSION")))
        }
        [_, file] => Start::CheckRdb(file.clone()),
        _ => Start::Refuse(format!(
            "Usage: {} <rdb-file-name>",
            args.first().map_or("redis-check-rdb", String::as_str)
        )),
    }
}

/// The arguments of a server.
#[derive(Debug, Default, PartialEq, Eq)]
struct CommandLine {
    config_file: Option<String>,
    stdin: bool,
    /// The options as lines of a configuration.
    options: Vec<u8>,
}

impl CommandLine {
    fn read(args: &[String]) -> Self {
        let config_file = args.get(1).filter(|arg| !arg.starts_with('-')).cloned();
        let first = if config_file.is_some() { 2 } else { 1 };
        let mut line = CommandLine {
            config_file,
            ..CommandLine::default()
        };
        // The latest option has a value, so the next `--word` is an option.
        let mut complete = true;
        for (at, arg) in args.iter().enumerate().skip(first) {
            let next = args.get(at + 1);
            if arg == "-" && (at == 1 || next.is_none()) {
                line.stdin = true;
            } else if complete && let Some(option) = arg.strip_prefix("--") {
                line.begin(option);
                // `"--port 7000"` contains its value.
                complete = split(arg.as_bytes()).map_or(0, |words| words.len()) != 1;
                let alone = next.is_none_or(|next| next.starts_with("--"));
                if !complete && alone && arg.eq_ignore_ascii_case("--save") {
                    // Scripts that build an empty list produce an empty argument.
                    line.options.extend_from_slice(b"\"\"");
                    complete = true;
                }
            } else {
                quote(&mut line.options, arg.as_bytes());
                line.options.push(b' ');
                complete = true;
            }
        }
        line
    }

    fn begin(&mut self, option: &str) {
        if !self.options.is_empty() {
            self.options.push(b'\n');
        }
        self.options.extend_from_slice(option.as_bytes());
        self.options.push(b' ');
    }

    /// All configuration sources in their order.
    fn sources(&self, config_file: &str) -> Result<Vec<Source>, String> {
        let mut sources = if config_file.is_empty() {
            Vec::new()
        } else {
            file::open(Path::new(config_file))?
        };
        if self.stdin {
            let mut text = Vec::new();
            io::stdin()
                .read_to_end(&mut text)
                .map_err(|error| format!("Cannot read standard input: {error}"))?;
            sources.push(Source {
                name: "standard input".into(),
                text,
            });
        }
        sources.push(Source {
            name: "the command line".into(),
            text: self.options.clone(),
        });
        Ok(sources)
    }
}

fn describe(args: &[String], config_file: String) -> ProcessInfo {
    let mut args = args.to_vec();
    if !config_file.is_empty() {
        args[1].clone_from(&config_file);
    }
    let run_id: [u8; 20] = process::random_bytes();
    ProcessInfo {
        executable: process::absolute(args.first().map_or("", String::as_str)),
        config_file,
        args,
        run_id: run_id.iter().map(|byte| format!("{byte:02x}")).collect(),
        started_ms: clock::unix_ms(),
        arch_bits: usize::BITS,
        supervised: Supervised::No,
        wrote_pidfile: false,
        oom_score_base: None,
    }
}

fn version() -> String {
    format!(
        "Redis server v={} sha=00000000:0 malloc={} bits={} build=0\n",
        env!("CARGO_PKG_VERSION"),
        memory::version(),
        usize::BITS,
    )
}

/// A system setting and the problem with it, if any; `None` if unknown.
type Check = (&'static str, fn() -> Option<Result<(), &'static str>>);

static CHECKS: &[Check] = &[
    ("slow-clocksource", || {
        let source = host::clocksource()?;
        Some(
            if matches!(source.as_str(), "acpi_pm" | "hpet" | "jiffies") {
                Err(
                    "reading the clock is a system call here: choose another source in \
                 /sys/devices/system/clocksource/clocksource0/current_clocksource",
                )
            } else {
                Ok(())
            },
        )
    }),
    ("xen-clocksource", || {
        Some(if host::clocksource()? == "xen" {
            Err("the clock source is xen, which is slow: put tsc into \
                 /sys/devices/system/clocksource/clocksource0/current_clocksource")
        } else {
            Ok(())
        })
    }),
    ("overcommit", || {
        Some(match host::overcommit()? {
            1 => Ok(()),
            _ => Err(
                "vm.overcommit_memory is not 1, so a background save can fail while there is memory: \
                      sysctl vm.overcommit_memory=1, and the same in /etc/sysctl.conf",
            ),
        })
    }),
    ("THP", || {
        Some(if host::huge_pages_always() {
            Err(
                "transparent huge pages are always on, so a background save copies 2 MiB for each write: \
                 put madvise into /sys/kernel/mm/transparent_hugepage/enabled",
            )
        } else {
            Ok(())
        })
    }),
];

fn check_system() -> Start {
    let mut text = String::new();
    let mut good = true;
    for (name, check) in CHECKS {
        let found = check();
        good &= !matches!(found, Some(Err(_)));
        text += &match found {
            None => format!("[{name}]...skipped\n"),
            Some(Ok(())) => format!("[{name}]...OK\n"),
            Some(Err(why)) => format!("[{name}]...WARNING:\n{why}\n"),
        };
    }
    if good {
        Start::Say(text)
    } else {
        Start::Refuse(text.trim_end().into())
    }
}

#[cfg(test)]
mod tests {
    use super::{CommandLine, Start, parse};

    fn args(line: &[&str]) -> Vec<String> {
        ["./redis-server"]
            .iter()
            .chain(line)
            .map(|&arg| arg.into())
            .collect()
    }

    fn options(line: &[&str]) -> String {
        String::from_utf8(CommandLine::read(&args(line)).options).expect("text")
    }

    #[test]
    fn options_become_lines() {
        let rows: &[(&[&str], &str)] = &[
            (&[], ""),
            (&["--port", "1", "--port", "2"], "port \"1\" \nport \"2\" "),
            (&["--port 1", "--hz '5'"], "port 1 \nhz '5' "),
            (
                &["--bind", "a", "b", "--hz", "1"],
                "bind \"a\" \"b\" \nhz \"1\" ",
            ),
            (
                &["--port", "--loglevel", "verbose"],
                "port \"--loglevel\" \"verbose\" ",
            ),
            (
                &["--port", "--bla", "--loglevel", "verbose"],
                "port \"--bla\" \nloglevel \"verbose\" ",
            ),
            (&["--save", "--hz", "1"], "save \"\"\nhz \"1\" "),
            (&["--hz", "1", "--SAVE"], "hz \"1\" \nSAVE \"\""),
            (&["--save", "", "--hz", "1"], "save \"\" \nhz \"1\" "),
            (
                &["--proc-title-template", "--save", "--save", ""],
                "proc-title-template \"--save\" \nsave \"\" ",
            ),
            (&["a.conf", "hz", "1", "--port 2"], "\"hz\" \"1\" \nport 2 "),
            (&["--hz", "a\"b"], "hz \"a\\\"b\" "),
            (&["-x"], "\"-x\" "),
        ];
        for (line, expected) in rows {
            assert_eq!(options(line), *expected, "{line:?}");
        }
    }

    #[test]
    fn a_file_comes_first_and_standard_input_first_or_last() {
        let rows: &[(&[&str], Option<&str>, bool)] = &[
            (&["-"], None, true),
            (&["a.conf", "-"], Some("a.conf"), true),
            (&["--port", "1", "-"], None, true),
            (&["--port", "-", "1"], None, false),
            (&["--port", "1", "a.conf"], None, false),
        ];
        for (line, file, stdin) in rows {
            let read = CommandLine::read(&args(line));
            assert_eq!(
                (read.config_file.as_deref(), read.stdin),
                (*file, *stdin),
                "{line:?}"
            );
        }
    }

    #[test]
    fn what_is_wrong_is_told() {
        let rows: &[(&[&str], &str)] = &[
            (
                &["--invalid"],
                ">>> 'invalid'\nBad directive or wrong number of arguments",
            ),
            (&["--port"], ">>> 'port'\nwrong number of arguments"),
            (
                &["--port", "6380", "--loglevel"],
                ">>> 'loglevel'\nwrong number of arguments",
            ),
            (
                &["--port", "6379", "6380"],
                ">>> 'port \"6379\" \"6380\"'\nwrong number of arguments",
            ),
            (
                &["--shutdown-on-sigint"],
                "'shutdown-on-sigint'\nargument(s) must be one of the following",
            ),
            (
                &["--replicaof", "--127.0.0.1", "abc"],
                "'replicaof \"--127.0.0.1\" \"abc\"'\nInvalid master port",
            ),
            (
                &["--replicaof", "--127.0.0.1", "--abc"],
                "'replicaof \"--127.0.0.1\"'\nwrong number of arguments",
            ),
            (
                &["--hz", "1", "--port", "x"],
                "at line 2 of the command line",
            ),
            (
                &["/no/such/file"],
                "can't open config file '/no/such/file': No such file or directory",
            ),
            (&["--test-memory", "1"], "memory"),
            (&["a.conf", "--sentinel"], "Sentinel"),
        ];
        for (line, expected) in rows {
            match parse(&args(line)) {
                Start::Refuse(why) => assert!(why.contains(expected), "{line:?}: {why}"),
                _ => panic!("{line:?} was not refused"),
            }
        }
        assert!(matches!(
            parse(&["/usr/bin/redis-sentinel".into()]),
            Start::Refuse(_)
        ));
    }

    #[test]
    fn texts_and_servers() {
        let Start::Say(version) = parse(&args(&["-v"])) else {
            panic!("no version")
        };
        assert!(
            version.starts_with("Redis server v=7.2.6 sha=00000000:0 malloc=jemalloc-5."),
            "{version}"
        );
        assert!(matches!(parse(&args(&["--help"])), Start::Say(_)));
        let Start::Serve(params, info) = parse(&args(&["--port", "7000"])) else {
            panic!("no server")
        };
        assert_eq!(
            (params.port, info.args.len(), info.run_id.len()),
            (7000, 3, 40)
        );
        assert!(info.executable.starts_with('/') && info.config_file.is_empty());
    }
}
