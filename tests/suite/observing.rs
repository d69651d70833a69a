//! What an operator sees of commands: the slow log, the latency monitor, MONITOR; and MODULE.

use tests::client::{Client, Transport, show};
use tests::server::Server;
use tests::wait::until;

/// The arguments of the slow log's entries, latest first.
fn slow(client: &mut Client) -> Vec<String> {
    let conn::resp::Value::Array(entries) = client.cmd("SLOWLOG GET -1") else {
        panic!("SLOWLOG GET replies with an array");
    };
    let args = |entry: &conn::resp::Value| match entry {
        conn::resp::Value::Array(fields) => show(&fields[3]),
        other => panic!("an entry is an array, not {other:?}"),
    };
    entries.iter().map(args).collect()
}

#[test]
fn the_slow_log_has_commands_that_took_long_enough() {
    let server = Server::start(&["--slowlog-log-slower-than", "1000000"]);
    for transport in Transport::ALL {
        let mut client = server.client(transport);
        client.text("CONFIG SET slowlog-log-slower-than 1000000");
        client.text("SLOWLOG RESET");
        client.text("CLIENT SETNAME me");
        client.text("SET k v");
        assert_eq!(client.text("SLOWLOG LEN"), "0", "{transport:?}");
        client.text("CONFIG SET slowlog-log-slower-than 0");
        client.text("SET k v");
        client.text("MULTI");
        client.text("GET k");
        client.text("EXEC");
        client.text("CONFIG SET slowlog-log-slower-than -1");
        client.text("GET k");
        // EXEC itself is not logged, nor is the command that turns the log off.
        let expected = [
            "[GET k]",
            "[MULTI]",
            "[SET k v]",
            "[CONFIG SET slowlog-log-slower-than 0]",
        ];
        assert_eq!(slow(&mut client), expected, "{transport:?}");
        let entry = client.text("SLOWLOG GET 1");
        assert!(entry.ends_with(" me]]"), "{entry}");
        client.text("CONFIG SET slowlog-log-slower-than 0");
        client.text("CONFIG SET slowlog-max-len 2");
        assert_eq!(client.text("SLOWLOG LEN"), "2", "{transport:?}");
        client.text("CONFIG SET slowlog-max-len 128");
        for count in ["-2", "x"] {
            let error = client.text(&format!("SLOWLOG GET {count}"));
            assert_eq!(error, "-ERR count should be greater than or equal to -1");
        }
    }
}

#[test]
fn the_slow_log_and_monitor_hide_secrets() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let (mut client, mut monitor) = (server.client(transport), server.client(transport));
        assert_eq!(monitor.text("MONITOR"), "OK");
        client.text("SLOWLOG RESET");
        client.text("CONFIG SET slowlog-log-slower-than 0");
        client.text("AUTH sesame");
        client.text("HELLO 2 AUTH default sesame");
        client.text("HELLO 2 SETNAME auth AUTH default sesame");
        client.text("HELLO 4 AUTH default sesame");
        client.text("HELLO 2 SETNAM x AUTH default sesame");
        client.text("MULTI");
        client.text("AUTH default sesame");
        client.text("HELLO 2 SETNAME auth AUTH default sesame");
        client.text("EXEC");
        client.text("AUTH default open sesame");
        client.text("CONFIG SET masterauth sesame");
        client.text("CONFIG SET nonsense 1 requirepass sesame");
        client.text("CONFIG SET tls-key-file-pass open sesame");
        client.text("ACL SETUSER bob >sesame nonsense");
        client.text("MIGRATE 127.0.0.1 1 absent 0 10 AUTH sesame");
        client.text("MIGRATE 127.0.0.1 1 absent 0 10 AUTH auth AUTH2 bob sesame");
        client.text("PING last");
        client.text("CONFIG SET slowlog-log-slower-than 10000 masterauth \"\"");
        let logged = slow(&mut client).join("\n");
        assert!(!logged.contains("sesame"), "{logged}");
        assert_eq!(logged.matches("(redacted)").count(), 29, "{logged}");
        let mut shown = String::new();
        while !shown.contains("last") {
            shown.push_str(&show(&monitor.read()));
        }
        assert!(shown.contains("\"AUTH\" \"(redacted)\""), "{shown}");
        let named = "\"SETNAME\" \"auth\" \"AUTH\" \"(redacted)\" \"(redacted)\"";
        assert_eq!(shown.matches(named).count(), 2, "{shown}");
        assert!(!shown.contains("sesame"), "{shown}");
        // Commands of administrators are not shown.
        assert!(!shown.contains("CONFIG"), "{shown}");
    }
}

/// The command in a line of MONITOR, behind time, database and address.
fn shown(line: &str) -> &str {
    line.split_once("] ").map_or(line, |(_, command)| command)
}

#[test]
fn monitor_shows_what_is_executed() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let (mut client, mut monitor) = (server.client(transport), server.client(transport));
        let mut blocked = server.client(transport);
        client.text("FLUSHALL");
        assert_eq!(monitor.text("MONITOR"), "OK");
        let commands = [
            "SELECT 3",
            "MULTI",
            "SET a\\n 1",
            "EXEC",
            "GET",
            "MULTI",
            "EXEC 1",
        ];
        for command in commands {
            client.text(command);
        }
        blocked.send(b"BLPOP k 0\r\n");
        client.wait_for_blocked(1);
        client.text("SELECT 0");
        client.text("RPUSH k \"1 2\"");
        client.text("PING last");
        let mut lines = Vec::new();
        while lines
            .last()
            .is_none_or(|line: &String| !line.contains("last"))
        {
            let line = show(&monitor.read());
            // How often the client waits for the other one to block is not known.
            if !line.contains("\"INFO\"") {
                lines.push(line);
            }
        }
        let commands: Vec<&str> = lines.iter().map(|line| shown(line)).collect();
        let expected = [
            "\"SELECT\" \"3\"",
            "\"MULTI\"",
            "\"SET\" \"a\\\\n\" \"1\"",
            "\"EXEC\"",
            "\"MULTI\"",
            "\"EXEC\" \"1\"",
            "\"BLPOP\" \"k\" \"0\"",
            "\"SELECT\" \"0\"",
            "\"RPUSH\" \"k\" \"\\\"1\" \"2\\\"\"",
            "\"PING\" \"last\"",
        ];
        assert_eq!(commands, expected, "{transport:?}");
        assert!(lines[0].contains(" [3 "), "{}", lines[0]);
    }
}

#[test]
fn a_monitor_may_not_use_keys_and_may_leave() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let (mut client, mut monitor) = (server.client(transport), server.client(transport));
        assert_eq!(monitor.text("MONITOR"), "OK");
        let id = monitor.text("CLIENT ID");
        let line = client.text(&format!("CLIENT LIST ID {id}"));
        assert!(line.contains(" flags=O"), "{line}");
        // Its own commands are shown to it, each behind its reply.
        assert_eq!(shown(&show(&monitor.read())), "\"CLIENT\" \"ID\"");
        assert_eq!(
            monitor.text("GET k"),
            "-ERR Replica can't interact with the keyspace"
        );
        assert_eq!(monitor.text("RESET"), "RESET");
        client.text("SET k v");
        assert_eq!(monitor.text("GET k"), "v", "{transport:?}");
        client.text("MULTI");
        client.text("MONITOR");
        assert_eq!(
            client.text("EXEC"),
            "[-ERR MONITOR isn't allowed for DENY BLOCKING client]"
        );
    }
}

#[test]
fn a_killed_monitor_is_forgotten() {
    let server = Server::start(&[]);
    let mut client = server.client(Transport::Tcp);
    for transport in Transport::ALL {
        let mut monitor = server.client(transport);
        let id = monitor.text("CLIENT ID");
        monitor.text("MONITOR");
        assert_eq!(client.text(&format!("CLIENT KILL ID {id}")), "1");
        assert_eq!(client.text("PING"), "PONG");
        drop(server.client(transport));
        until("the monitor is gone", || {
            (client.info("connected_clients") == "1").then_some(())
        });
    }
}

#[test]
fn the_latency_monitor_keeps_spikes() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let mut client = server.client(transport);
        client.text("CONFIG SET latency-monitor-threshold 0");
        client.text("LATENCY RESET");
        assert!(client.text("LATENCY DOCTOR").contains("disabled"));
        client.text("CONFIG SET latency-monitor-threshold 20");
        client.text("DEBUG SLEEP 0.03");
        assert_eq!(client.text("LATENCY HISTORY nothing"), "[]");
        let latest = client.text("LATENCY LATEST");
        assert!(latest.starts_with("[[command "), "{latest}");
        let graph = client.text("LATENCY GRAPH command");
        assert!(graph.starts_with("command - high "), "{graph}");
        assert_eq!(
            client.text("LATENCY GRAPH nothing"),
            "-ERR No samples available for event 'nothing'"
        );
        let report = client.text("LATENCY DOCTOR");
        assert!(report.contains("1. command: 1 latency spikes"), "{report}");
        client.text("CONFIG SET latency-monitor-threshold 9223372036854775807");
        let report = client.text("LATENCY DOCTOR");
        assert!(report.contains("1. command: 1 latency spikes"), "{report}");
        client.text("SAVE");
        assert_eq!(client.text("LATENCY RESET nothing"), "0");
        assert_eq!(client.text("LATENCY RESET command"), "1");
    }
}

#[test]
fn latency_histograms_count_calls() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let mut client = server.client(transport);
        client.text("CONFIG RESETSTAT");
        client.text("SET a b");
        client.text("SET a b");
        client.text("CLIENT ID");
        let all = client.text("LATENCY HISTOGRAM");
        assert!(all.contains("set [calls 2 histogram_usec ["), "{all}");
        let some = client.text("LATENCY HISTOGRAM client nonsense get");
        assert!(
            some.starts_with("[client|id [calls 1 histogram_usec ["),
            "{some}"
        );
        assert_eq!(client.text("LATENCY HISTOGRAM nonsense"), "[]");
    }
}

#[test]
fn modules_are_politely_refused() {
    let server = Server::start(&["--enable-module-command", "yes"]);
    for transport in Transport::ALL {
        let mut client = server.client(transport);
        assert_eq!(client.text("MODULE LIST"), "[]");
        let refused = "-ERR Error loading the extension. This server does not support modules.";
        assert_eq!(client.text("MODULE LOAD /m.so"), refused);
        assert!(client.text("MODULE HELP").contains("LOADEX"));
    }
}

#[test]
fn the_watchdog_names_the_command_that_takes_long() {
    let server = Server::start(&[]);
    let mut client = server.client(Transport::Tcp);
    client.text("CONFIG SET watchdog-period 200");
    client.text("DEBUG SLEEP 0.5");
    server.wait_for_log(&["WATCHDOG TIMER EXPIRED", "debugCommand", "STACK TRACE"]);
}
