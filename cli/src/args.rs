//! The command line: `redis-cli [OPTIONS] [cmd [arg [arg ...]]]`.
//!
//! clap parses it into [`Args`] (`flags`) as Redis does: `-h` is the host, the value of an option may begin with a dash,
//! and the command begins with the first word that is not an option, whatever follows. [`parse`] turns that into
//! [`Options`], where options that exclude each other are one enum.
//!
//! clap takes an unknown option for the first word of the command, so unknown options are rejected here.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::IsTerminal;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::time::Duration;

use clap::error::{ContextKind, ErrorKind};
use clap::{ArgMatches, CommandFactory, FromArgMatches};
use conn::names::NameOptions;
use conn::tls::context::ClientTlsConfig;
use conn::url::{self, Url};

use crate::flags::Args;
use crate::format::{Format, Output};
use crate::options::{Endpoint, Mode, Options, Resp, Stdin, Tls};
use crate::out::{Exit, complain, fail, print};
use crate::words::unquote;

/// The output of `--version`.
pub const VERSION: &str = concat!("redis-cli ", env!("CARGO_PKG_VERSION"));

const AUTH_VARIABLE: &str = "REDISCLI_AUTH";
const WEIGHTS_TWICE: &str = "WARNING: you cannot use --cluster-weight more than once.\n\
    You can set more weights by adding them as a space-separated list, ie:\n--cluster-weight n1=w n2=w";
const PASSWORD_WARNING: &str = "Warning: Using a password with '-a' or '-u' option on the command line interface may not be safe.";

/// Parses the command line, the program's name first.
///
/// # Errors
/// The command line is invalid and a message was printed; or, with an [`Exit`] of 0, it asked for a text only.
pub fn parse(line: Vec<OsString>) -> Result<Options, Exit> {
    let to_terminal = std::io::stdout().is_terminal() || env::var_os("FAKETTY").is_some();
    let last = line.last().cloned().unwrap_or_default();
    let program = line.first().cloned().unwrap_or_default();
    let matches = match command().try_get_matches_from(line) {
        Ok(matches) => matches,
        Err(error) => return refuse(&error, &last),
    };
    let args = match Args::from_arg_matches(&matches) {
        Ok(args) => args,
        Err(error) => return refuse(&error, &last),
    };
    if args.help {
        return usage();
    }
    if args.version {
        print(format!("{VERSION}\n"));
        return Err(Exit(0));
    }
    if matches
        .get_occurrences::<String>("cluster_weight")
        .is_some_and(|given| given.len() > 1)
    {
        return fail(WEIGHTS_TWICE);
    }
    if let Some(word) = args
        .command
        .first()
        .filter(|word| word.as_bytes().starts_with(b"-"))
    {
        return unrecognized(&word.to_string_lossy());
    }
    if (args.ldb || args.ldb_sync_mode) && args.eval.is_none() {
        return fail(format!(
            "Options --ldb and --ldb-sync-mode require --eval.\nTry {} --help for more information.",
            program.to_string_lossy()
        ));
    }
    let options = options(args, &matches, to_terminal).or_else(fail)?;
    Ok(options)
}

fn command() -> clap::Command {
    // Passwords and patterns may begin with a dash. A list of words ends there.
    Args::command().mut_args(|arg| {
        let is_list = ["cluster", "cluster_weight"].contains(&arg.get_id().as_str());
        let takes = arg.get_action().takes_values();
        arg.allow_hyphen_values(takes && !is_list)
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

/// Translates an error of clap into one sentence; `last` is the last word of the command line.
fn refuse(error: &clap::Error, last: &OsStr) -> Result<Options, Exit> {
    let context = |kind| error.get(kind).map(ToString::to_string).unwrap_or_default();
    let arg = context(ContextKind::InvalidArg);
    let option = arg.split(' ').next().unwrap_or_default();
    let value = context(ContextKind::InvalidValue);
    match error.kind() {
        // At the end of the line, `-h` asks for help.
        ErrorKind::InvalidValue if value.is_empty() && option == "-h" => usage(),
        // The value is missing, so the option is the last word, under the name that was typed.
        ErrorKind::InvalidValue if value.is_empty() => unrecognized(&last.to_string_lossy()),
        ErrorKind::ValueValidation if option == "-p" => fail("Invalid server port."),
        ErrorKind::ValueValidation => fail(format!("Invalid value '{value}' for {option}.")),
        ErrorKind::InvalidUtf8 => fail("An option's value is not valid UTF-8."),
        _ => unrecognized(option),
    }
}

fn options(args: Args, matches: &ArgMatches, to_terminal: bool) -> Result<Options, String> {
    let (output, prefers_three) = output(matches, to_terminal);
    let resp = match (args.resp2, args.resp3) {
        (true, true) => return Err("Options -2 and -3 are mutually exclusive.".to_owned()),
        (_, true) => Resp::Three,
        (false, _) if prefers_three => Resp::PreferThree,
        _ => Resp::Two,
    };
    if args.socket.is_some() && args.follow {
        return Err("Options -c and -s are mutually exclusive.".to_owned());
    }
    if args.functions_rdb.is_some() && args.rdb.is_some() {
        return Err("Option --functions-rdb and --rdb are mutually exclusive.".to_owned());
    }
    let interval = Duration::try_from_secs_f64(args.interval)
        .map_err(|_| format!("Invalid value '{}' for -i.", args.interval))?;
    let url = args.uri.as_deref().map_or(Ok(Url::default()), url::parse)?;
    // An option and the same part of a URL override each other: the later one counts.
    let overrides = |id: &str| last_index(matches, id) > last_index(matches, "uri");
    let password = pick(overrides("password"), bytes(&args.password), url.password);
    if password.is_some() && !args.no_auth_warning {
        complain(PASSWORD_WARNING);
    }
    let host = pick(overrides("host"), args.host.clone(), url.host);
    let endpoint = Endpoint {
        host: host.unwrap_or_else(|| "127.0.0.1".to_owned()),
        port: pick(overrides("port"), args.port, url.port).unwrap_or(6379),
        socket: args.socket.clone(),
    };
    let uses_tls = args.tls || url.tls || args.tls_info || args.tls_check.is_some();
    let tls = uses_tls.then(|| tls(&args));
    if let Some(tls) = &tls {
        let host = endpoint.socket.is_none().then_some(endpoint.host.as_str());
        tls.names.validate(host)?;
    }
    let line_end = || b"\n".to_vec();
    Ok(Options {
        endpoint,
        tls,
        user: pick(overrides("user"), bytes(&args.user), url.user),
        password: password.or_else(|| bytes(&env::var_os(AUTH_VARIABLE))),
        askpass: args.askpass,
        db: pick(overrides("db"), args.db, url.db).unwrap_or(0),
        resp,
        follow: args.follow,
        repeat: args.repeat,
        interval,
        stdin: stdin(&args)?,
        quoted_input: args.quoted_input,
        exit_on_error: args.exit_on_error,
        format: Format {
            output,
            element_delimiter: bytes(&args.element_delimiter).unwrap_or_else(line_end),
            reply_delimiter: bytes(&args.reply_delimiter).unwrap_or_else(line_end),
        },
        show_pushes: show_pushes(&args, to_terminal),
        to_terminal,
        mode: mode(&args),
        cluster: args.cluster.clone().evaluate()?,
        pattern: pattern(&args)?,
        count: args.count,
        verbose: args.verbose,
        command: args.command.into_iter().map(OsString::into_vec).collect(),
    })
}

fn bytes(text: &Option<OsString>) -> Option<Vec<u8>> {
    text.as_ref().map(|text| text.as_bytes().to_vec())
}

fn tls(args: &Args) -> Tls {
    Tls {
        config: ClientTlsConfig {
            cacert: args.cacert.clone(),
            cacertdir: args.cacertdir.clone(),
            cert: args.cert.clone(),
            key: args.key.clone(),
            key_pass: None,
            insecure: args.insecure,
            ciphers: args.tls_ciphers.clone(),
            ciphersuites: args.tls_ciphersuites.clone(),
        },
        names: NameOptions {
            sni: args.sni.clone(),
            insecure: args.insecure,
            verify_name: args.verify_name,
        },
    }
}

fn stdin(args: &Args) -> Result<Stdin, String> {
    match (args.last_from_stdin, bytes(&args.tag_from_stdin)) {
        (true, Some(_)) => Err("Options -x and -X are mutually exclusive.".to_owned()),
        (true, None) => Ok(Stdin::Last),
        (false, Some(tag)) => Ok(Stdin::Tag(tag)),
        (false, None) => Ok(Stdin::Unread),
    }
}

fn pattern(args: &Args) -> Result<Option<Vec<u8>>, String> {
    let Some(quoted) = &args.quoted_pattern else {
        return Ok(bytes(&args.pattern));
    };
    match unquote(quoted.as_bytes()) {
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

/// The last output form on the command line, and whether one of them prefers RESP3.
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

/// The mode; of several, the first in the order that Redis uses.
fn mode(args: &Args) -> Mode {
    if args.cluster.cluster.is_some() {
        Mode::Cluster
    } else if args.latency || args.latency_history {
        Mode::Latency {
            history: args.latency_history,
        }
    } else if args.latency_dist {
        Mode::LatencyDist { mono: args.mono }
    } else if args.replica || args.slave {
        Mode::Replica
    } else if let Some(path) = &args.rdb {
        Mode::Rdb(path.clone())
    } else if let Some(path) = &args.functions_rdb {
        Mode::FunctionsRdb(path.clone())
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
    } else if args.tls_info {
        Mode::TlsInfo
    } else if let Some(target) = &args.tls_check {
        Mode::TlsCheck(target.clone())
    } else if let Some(path) = &args.eval {
        if args.ldb || args.ldb_sync_mode {
            Mode::Debug {
                path: path.clone(),
                sync: args.ldb_sync_mode,
            }
        } else {
            Mode::Eval(path.clone())
        }
    } else {
        Mode::Commands
    }
}

#[cfg(test)]
mod tests {
    use super::parse;
    use crate::format::Output;
    use crate::options::{Mode, Options, Resp, Stdin};
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
    fn the_words_of_a_cluster_command_end_at_an_option() {
        let table = [
            (
                "--cluster create a:1 b:2 --cluster-replicas 1",
                "create a:1 b:2",
            ),
            ("--cluster-yes --cluster check a 1", "check a 1"),
            (
                "--cluster rebalance a:1 --cluster-weight x=1 y=2",
                "rebalance a:1",
            ),
            (
                "--cluster call a:1 SET k v --cluster-only-masters -h x",
                "call a:1 SET k v",
            ),
            ("--cluster call a:1 SET k -5", "call a:1 SET k -5"),
            ("--cluster help", "help"),
        ];
        for (line, expected) in table {
            let options = good(line);
            let cluster = options.cluster.expect("a command");
            let args = cluster.args.iter();
            let words: Vec<_> = std::iter::once(cluster.name.clone())
                .chain(args.map(|word| String::from_utf8_lossy(word).into_owned()))
                .collect();
            assert_eq!(words.join(" "), expected, "{line}");
            assert_eq!(options.mode, Mode::Cluster);
            assert_eq!(cluster.replicas, usize::from(line.contains("replicas")));
            assert_eq!(cluster.yes, line.contains("yes"));
            assert_eq!(
                cluster.weights.len(),
                if line.contains("weight") { 2 } else { 0 }
            );
        }
        let defaults = good("--cluster reshard a:1").cluster.expect("a command");
        assert_eq!(
            (defaults.slots, defaults.timeout_ms, defaults.pipeline),
            (None, 60_000, 10)
        );
        let weights = good("--cluster rebalance a:1 --cluster-weight x=1 y").cluster;
        assert_eq!(weights.expect("a command").weights, ["x=1"]);
        assert!(good("--cluster-replicas 1 PING").cluster.is_none());
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
        assert_eq!(good("--slave").mode, Mode::Replica);
        assert_eq!(good("--rdb -").mode, Mode::Rdb("-".into()));
        assert_eq!(good("--memkeys-samples 5").mode, Mode::MemKeys(Some(5)));
        assert_eq!(
            good("--quoted-pattern \"*:\\x32\"").pattern,
            Some(b"*:2".to_vec())
        );
        let tls = good("--tls --sni db --insecure").tls.expect("TLS");
        assert_eq!(tls.names.sni.as_deref(), Some("db"));
        assert!(tls.config.insecure && tls.names.insecure && !tls.names.verify_name);
        assert!(good("-u rediss://u:p@h/3 --no-auth-warning").tls.is_some());
        assert_eq!(good("-u redis://u:p@h/3 --no-auth-warning").db, 3);
        let password_alone = good("-u redis://:p@h --no-auth-warning");
        assert_eq!(password_alone.user, None);
        assert_eq!(password_alone.password.as_deref(), Some(&b"p"[..]));
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
            "--tls --insecure --verify-name",
            "--tls -s /tmp/s --verify-name",
            "--quoted-pattern \"open",
            "--ldb",
            "--ldb-sync-mode",
            "--rdb",
            "--functions-rdb f --rdb g",
            "--cluster",
            "--cluster --cluster-replicas 1",
            "--cluster create a:1 --cluster-replicas x",
            "--cluster reshard a:1 --cluster-slots 16385",
            "--cluster reshard a:1 --cluster-pipeline 0",
            "--cluster reshard a:1 --cluster-timeout -1",
            "--cluster rebalance a:1 --cluster-threshold -1",
            "--cluster rebalance a:1 --cluster-weight a=1 --cluster-weight b=1",
        ] {
            assert_eq!(options(line).err(), Some(Exit(1)), "{line}");
        }
        for line in ["--help", "-h", "--version", "-v", "-p 1 -h"] {
            assert_eq!(options(line).err(), Some(Exit(0)), "{line}");
        }
    }
}
