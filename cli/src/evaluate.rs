//! Turns the parsed command line into [`Options`]: defaults, precedence, and one enum for options that exclude each other.
//!
//! An option and the same part of a URL override each other: the later one counts.

use std::env;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::time::Duration;

use clap::ArgMatches;
use conn::names::NameOptions;
use conn::tls::context::ClientTlsConfig;
use conn::url::{self, Url};
use words::unquote;

use crate::flags::Args;
use crate::format::{Format, Output};
use crate::options::{Endpoint, Mode, Options, Resp, Stdin, Tls};
use crate::out::complain;

const AUTH_VARIABLE: &str = "REDISCLI_AUTH";
const PASSWORD_WARNING: &str = "Warning: Using a password with '-a' or '-u' option on the command line interface may not be safe.";

/// Evaluates the parsed command line; `to_terminal` tells where standard output goes.
///
/// # Errors
/// A sentence about options that contradict each other or have no meaning.
pub fn options(args: Args, matches: &ArgMatches, to_terminal: bool) -> Result<Options, String> {
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
        pattern: pattern(&args, matches)?,
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

/// The pattern that was given last.
fn pattern(args: &Args, matches: &ArgMatches) -> Result<Option<Vec<u8>>, String> {
    let quoted = args.quoted_pattern.as_ref();
    let is_last = last_index(matches, "quoted_pattern") > last_index(matches, "pattern");
    let Some(quoted) = quoted.filter(|_| is_last) else {
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
