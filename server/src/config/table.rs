//! All directives: found by name, listed, and applied as defaults.
//!
//! To add a directive: a field in `config/params`, a row in the file of its subject under `config/rows`, its lines in
//! `server/redis.conf`.

use crate::config::params::Params;
use crate::config::row::Row;
use crate::config::rows::{cluster, memory, network, persistence, process, replication, tls};

static GROUPS: [&[Row]; 7] = [
    network::ROWS,
    tls::ROWS,
    process::ROWS,
    memory::ROWS,
    persistence::ROWS,
    replication::ROWS,
    cluster::ROWS,
];

/// A directive under one of its names.
#[derive(Clone, Copy)]
pub struct Named {
    /// The name, or the older one.
    pub name: &'static str,
    /// The directive.
    pub row: &'static Row,
}

/// Every row once.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    GROUPS.into_iter().flatten()
}

/// Every name of every row, in alphabetical order.
pub fn names() -> Vec<Named> {
    let mut names: Vec<Named> = rows()
        .flat_map(|row| {
            let alias = row.alias.map(|name| Named { name, row });
            [
                Some(Named {
                    name: row.name,
                    row,
                }),
                alias,
            ]
        })
        .flatten()
        .collect();
    names.sort_unstable_by_key(|named| named.name);
    names
}

/// The directive with this name, case-insensitively.
pub fn find(name: &[u8]) -> Option<Named> {
    let is = |known: &str| known.as_bytes().eq_ignore_ascii_case(name);
    rows().find_map(|row| {
        let known = if is(row.name) {
            row.name
        } else {
            row.alias.filter(|alias| is(alias))?
        };
        Some(Named { name: known, row })
    })
}

impl Default for Params {
    /// The defaults of all rows.
    fn default() -> Self {
        let mut params = Params::blank();
        for row in rows().filter(|row| !row.default.is_empty()) {
            if let Err(problem) = row.set_text(&mut params, row.default.as_bytes()) {
                panic!("the default of {}: {problem}", row.name);
            }
        }
        params.normalize();
        params
    }
}

#[cfg(test)]
mod tests {
    use super::{find, names, rows};
    use crate::config::params::Params;
    use crate::config::row::{Flags, Kind};

    /// Sets a directive on top of the defaults and shows it, or the error.
    fn set(name: &str, text: &[u8]) -> Result<String, String> {
        let row = find(name.as_bytes()).expect(name).row;
        let mut params = Params::default();
        row.set_text(&mut params, text)?;
        params.normalize();
        Ok(String::from_utf8_lossy(&row.get(&params)).into_owned())
    }

    #[test]
    fn names_are_those_of_redis_and_our_own() {
        let own = [
            "tls-auth-clients-user",
            "tls-auth-clients-user-unknown",
            "tls-auto-reload",
            "tls-crl-dir",
            "tls-crl-drop",
            "tls-crl-expired",
            "tls-crl-file",
            "tls-groups",
            "tls-migrate",
            "tls-mixed-port",
            "tls-peer-name-check",
            "tls-session-ticket-rotation",
        ];
        let all = names();
        let shown = all
            .iter()
            .filter(|named| !named.row.flags.contains(Flags::HIDDEN));
        assert_eq!(shown.count(), 195 + own.len());
        assert!(
            all.windows(2).all(|pair| pair[0].name < pair[1].name),
            "a name twice"
        );
        assert!(own.iter().all(|name| find(name.as_bytes()).is_some()));
    }

    #[test]
    fn every_row_has_a_sentence() {
        for row in rows() {
            assert!(
                row.doc.ends_with('.') && !row.doc.contains('\n'),
                "{}",
                row.name
            );
        }
    }

    #[test]
    fn every_value_reads_back() {
        let defaults = Params::default();
        for row in rows() {
            let text = row.get(&defaults);
            // The directory has a value without having a default.
            if text.is_empty() || row.name == "dir" {
                continue;
            }
            let mut params = Params::blank();
            row.set_text(&mut params, &text).expect(row.name);
            assert_eq!(row.get(&params), text, "{}", row.name);
        }
    }

    #[test]
    fn values_and_complaints() {
        let integer = "argument couldn't be parsed into an integer";
        let memory = "argument must be a memory value";
        let rows: &[(&str, &str, Result<&str, &str>)] = &[
            ("timeout", "5", Ok("5")),
            ("timeout", "05", Err(integer)),
            ("timeout", " 5", Err(integer)),
            ("timeout", "", Err(integer)),
            (
                "TIMEOUT",
                "-1",
                Err("argument must be between 0 and 2147483647 inclusive"),
            ),
            (
                "maxclients",
                "0",
                Err("argument must be between 1 and 4294967295 inclusive"),
            ),
            ("slowlog-log-slower-than", "-1", Ok("-1")),
            ("hz", "0", Ok("1")),
            ("hz", "1000", Ok("500")),
            ("repl-backlog-size", "1", Ok("16384")),
            ("stream-node-max-bytes", "1kb", Ok("1024")),
            ("stream-node-max-bytes", "1K", Ok("1000")),
            ("stream-node-max-bytes", "1gB", Ok("1073741824")),
            ("stream-node-max-bytes", "1x", Err(memory)),
            ("stream-node-max-bytes", "-1", Err(memory)),
            (
                "stream-node-max-bytes",
                "9223372036854775808",
                Err("argument must be between 0 and 9223372036854775807 inclusive"),
            ),
            ("unixsocketperm", "700", Ok("700")),
            (
                "unixsocketperm",
                "1000",
                Err("argument must be between 0 and 777 inclusive"),
            ),
            (
                "unixsocketperm",
                "8",
                Err("argument couldn't be parsed as an octal number"),
            ),
            (
                "maxmemory-clients",
                "101%",
                Err("percentage argument must be less or equal to 100"),
            ),
            (
                "maxmemory-clients",
                "-1%",
                Err("argument must be a memory or percent value"),
            ),
            ("maxmemory-clients", "0%", Ok("0")),
            ("protected-mode", "NO", Ok("no")),
            (
                "protected-mode",
                "on",
                Err("argument must be 'yes' or 'no'"),
            ),
            ("slave-priority", "7", Ok("7")),
            ("oom-score-adj", "relative", Ok("yes")),
            ("oom-score-adj", "Absolute", Ok("absolute")),
            (
                "oom-score-adj",
                "maybe",
                Err("argument(s) must be one of the following: no, yes, relative, absolute"),
            ),
            (
                "syslog-facility",
                "mail",
                Err(
                    "argument(s) must be one of the following: user, local0, local1, local2, local3, local4, local5, \
                     local6, local7",
                ),
            ),
            (
                "dbfilename",
                "a/b",
                Err("dbfilename can't be a path, just a filename"),
            ),
            ("dbfilename", "", Ok("")),
            ("appendfilename", "", Err("appendfilename can't be empty")),
            (
                "appenddirname",
                "a\\b",
                Err("appenddirname can't be a path, just a dirname"),
            ),
            (
                "cluster-announce-hostname",
                "a_b",
                Err("Hostnames may only contain alphanumeric characters, hyphens or dots"),
            ),
            (
                "cluster-announce-human-nodename",
                "a:b",
                Err("Announced human node name contained invalid character"),
            ),
            (
                "proc-title-template",
                "{x}",
                Err("template format is invalid or contains unknown variables"),
            ),
        ];
        for (name, text, expected) in rows {
            let got = set(name, text.as_bytes());
            assert_eq!(
                got.as_deref().map_err(String::as_str),
                *expected,
                "{name} {text:?}"
            );
        }
        assert!(set("logfile", b"\xff").is_err());
        assert_eq!(set("requirepass", b"a\0\xff").as_deref(), Ok("a\0\u{fffd}"));
    }

    #[test]
    fn values_of_several_words() {
        let limit = |what| format!("{what} in buffer limit configuration.");
        let wrong_class = limit("Invalid client class specified");
        let wrong_limit = limit("Error in hard, soft or soft_seconds setting");
        let wrong_count = limit("Wrong number of arguments");
        let shutdown =
            "argument(s) must be one of the following: default, save, nosave, now, force";
        let oom = "Invalid oom-score-adj-values, elements must be between -2000 and 2000.";
        let rows: &[(&str, &str, Result<&str, &str>)] = &[
            ("save", "", Ok("")),
            ("save", "900 1 300 0", Ok("900 1 300 0")),
            ("save", "900", Err("Invalid save parameters")),
            ("save", "900  1", Err("Invalid save parameters")),
            ("save", "0 1", Err("Invalid save parameters")),
            ("save", "1 x", Err("Invalid save parameters")),
            ("bind", "", Ok("")),
            ("bind", "127.0.0.1 -::1", Ok("127.0.0.1 -::1")),
            (
                "bind",
                "1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7",
                Err("Too many bind addresses specified."),
            ),
            (
                "client-output-buffer-limit",
                "REPLICA 1mb 0 0",
                Ok("normal 0 0 0 slave 1048576 0 0 pubsub 33554432 8388608 60"),
            ),
            (
                "client-output-buffer-limit",
                "normal 1 1",
                Err(&wrong_count),
            ),
            (
                "client-output-buffer-limit",
                "master 1 1 1",
                Err(&wrong_class),
            ),
            (
                "client-output-buffer-limit",
                "normal 1 1 -1",
                Err(&wrong_limit),
            ),
            (
                "client-output-buffer-limit",
                "normal 1x 1 1",
                Err(&wrong_limit),
            ),
            (
                "shutdown-on-sigint",
                "force nosave NOW",
                Ok("nosave now force"),
            ),
            ("shutdown-on-sigint", "default", Ok("default")),
            ("shutdown-on-sigint", "", Err(shutdown)),
            ("shutdown-on-sigint", "later", Err(shutdown)),
            (
                "shutdown-on-sigterm",
                "save nosave",
                Err("shutdown options SAVE and NOSAVE can't be used simultaneously"),
            ),
            ("oom-score-adj-values", "-1 2 2000", Ok("-1 2 2000")),
            (
                "oom-score-adj-values",
                "1 2",
                Err("wrong number of arguments"),
            ),
            ("oom-score-adj-values", "1 2 2001", Err(oom)),
            ("latency-tracking-info-percentiles", "", Ok("")),
            (
                "latency-tracking-info-percentiles",
                "0 50.0 99.9999",
                Ok("0 50 99.9999"),
            ),
            (
                "latency-tracking-info-percentiles",
                "50 x",
                Err("Invalid latency-tracking-info-percentiles parameters"),
            ),
            (
                "latency-tracking-info-percentiles",
                "100.1",
                Err("latency-tracking-info-percentiles parameters should sit between [0.0,100.0]"),
            ),
            ("notify-keyspace-events", "KEA", Ok("AKE")),
            (
                "notify-keyspace-events",
                "KEq",
                Err("Invalid event class character. Use 'Ag$lshzxeKEtmdn'."),
            ),
            ("slaveof", "no one", Ok("")),
            ("replicaof", "host", Err("wrong number of arguments")),
            ("replicaof", "host 65536", Err("Invalid master port")),
        ];
        for (name, text, expected) in rows {
            let got = set(name, text.as_bytes());
            assert_eq!(
                got.as_deref().map_err(String::as_str),
                *expected,
                "{name} {text:?}"
            );
        }
    }

    #[test]
    fn the_directory_is_kept_absolute() {
        let row = find(b"dir").expect("dir").row;
        let mut params = Params::default();
        row.set_text(&mut params, b"/tmp").expect("/tmp");
        row.set_text(&mut params, b".").expect(".");
        assert_eq!(params.dir, "/tmp");
        assert_eq!(
            row.set_text(&mut params, b""),
            Err("No such file or directory".into())
        );
        assert_eq!(
            row.set_text(&mut params, b"/dev/null"),
            Err("Not a directory".into())
        );
        assert_eq!(params.dir, "/tmp");
    }

    #[test]
    fn bounds_are_in_order() {
        for row in rows() {
            if let Kind::Int { min, max, .. } = row.kind {
                assert!(min < max, "{}", row.name);
            }
        }
    }
}
