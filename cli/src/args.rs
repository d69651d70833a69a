//! The command line: `redis-cli [OPTIONS] [cmd [arg [arg ...]]]`.
//!
//! clap parses it into [`Args`] (`flags`) as Redis does: `-h` is the host, the value of an option may begin with a dash,
//! and the command begins with the first word that is not an option, whatever follows. `evaluate` turns that into
//! [`Options`].
//!
//! clap takes an unknown option for the first word of the command, so unknown options are rejected here. The words of
//! `--cluster` may also stand behind options, which clap takes for a command as well: see [`read`].

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::IsTerminal;
use std::os::unix::ffi::OsStrExt;

use clap::error::{ContextKind, ErrorKind};
use clap::{ArgMatches, CommandFactory, FromArgMatches};

use crate::evaluate::options;
use crate::flags::Args;
use crate::options::Options;
use crate::out::{Exit, fail, print};

/// The output of `--version`.
pub const VERSION: &str = concat!("redis-cli ", env!("CARGO_PKG_VERSION"));

const WEIGHTS_TWICE: &str = "WARNING: you cannot use --cluster-weight more than once.\n\
    You can set more weights by adding them as a space-separated list, ie:\n--cluster-weight n1=w n2=w";

/// Parses the command line, the program's name first.
///
/// # Errors
/// The command line is invalid and a message was printed; or, with an [`Exit`] of 0, it asked for a text only.
pub fn parse(line: Vec<OsString>) -> Result<Options, Exit> {
    let to_terminal = std::io::stdout().is_terminal() || env::var_os("FAKETTY").is_some();
    let last = line.last().cloned().unwrap_or_default();
    let program = line.first().cloned().unwrap_or_default();
    let (matches, args) = match read(line) {
        Ok(read) => read,
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
    if let Some(word) = args.command.first().filter(|word| is_option(word)) {
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

/// Has clap parse a line. With `--cluster`, words behind options do not begin a command: as long as there are some, they
/// are taken out, and what follows is parsed as options. The first of them are the words of `--cluster`, unless it has
/// some already.
fn read(mut line: Vec<OsString>) -> Result<(ArgMatches, Args), clap::Error> {
    let mut words = Vec::new();
    loop {
        let matches = command().try_get_matches_from(&line)?;
        let mut args = Args::from_arg_matches(&matches)?;
        let loose = args.command.iter();
        let loose = loose.take_while(|word| !is_option(word)).count();
        if args.cluster.cluster.is_none() || loose == 0 {
            args.cluster.add_words(words);
            return Ok((matches, args));
        }
        let begin = line.len() - args.command.len();
        let taken: Vec<OsString> = line.drain(begin..begin + loose).collect();
        if words.is_empty() {
            words = taken;
        }
    }
}

fn is_option(word: &OsStr) -> bool {
    word.as_bytes().starts_with(b"-")
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
    fn the_words_of_a_cluster_command_stand_together() {
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
            (
                "--cluster create --cluster-replicas 1 a:1 b:2 --cluster-yes",
                "create a:1 b:2",
            ),
            (
                "--cluster info -a pw --no-auth-warning a 1 -n 3",
                "info a 1",
            ),
            ("--cluster check a:1 --verbose b:2 -n 3 c:3", "check a:1"),
            ("--cluster check --verbose a:1 -n 3 c:3", "check a:1"),
            (
                "--cluster rebalance --cluster-weight x=1 y=2 a:1 --cluster-simulate",
                "rebalance a:1",
            ),
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
    fn an_empty_number_is_zero() {
        let options = good("-n '' -r '' -i '' PING");
        assert_eq!((options.db, options.repeat), (0, 0));
        assert_eq!(options.interval, Duration::ZERO);
    }

    #[test]
    fn the_last_pattern_counts() {
        for (line, pattern) in [
            ("--quoted-pattern \"a*\" --pattern k*", "k*"),
            ("--pattern k* --quoted-pattern \"a*\"", "a*"),
        ] {
            assert_eq!(good(line).pattern.as_deref(), Some(pattern.as_bytes()));
        }
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
            "--cluster check --verbose a:1 --nope",
            "--cluster call a:1 FLUSHALL --cluster-only-master",
            "--cluster call a:1 SET k -x5",
            "--cluster rebalance a:1 --cluster-weight a=1 --cluster-weight b=1",
        ] {
            assert_eq!(options(line).err(), Some(Exit(1)), "{line}");
        }
        for line in ["--help", "-h", "--version", "-v", "-p 1 -h"] {
            assert_eq!(options(line).err(), Some(Exit(0)), "{line}");
        }
    }
}
