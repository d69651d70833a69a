//! Scripts and functions: replies as those of Redis, long scripts, what is propagated and what is kept.

use tests::client::{Client, Transport, show};
use tests::mock_replica::MockReplica;
use tests::pair;
use tests::record;
use tests::server::Server;
use tests::wait::until;

const RECORD: &str = "tests/corpus/scripts/replies.txt";

#[test]
fn scripts_reply_as_recorded() {
    record::compare(RECORD, |connect| {
        let mut client = connect();
        Box::new(move |line| {
            let Some(command) = line.strip_prefix("> ") else {
                return Vec::new();
            };
            let args = record::arguments(command);
            let reply = client.call(&args);
            // The id of the connection differs.
            let is_hello = args[0].eq_ignore_ascii_case(b"hello");
            vec![if is_hello {
                "{…}".to_owned()
            } else {
                record::describe(&reply)
            }]
        })
    });
}

const BUSY: &str =
    "-BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.";
const LOOP: &str = "while true do pcall(function() while true do end end) end";

/// Waits until other clients hear of a script.
fn wait_until_busy(client: &mut Client) {
    until("a busy server", || {
        client.text("PING").starts_with("-BUSY").then_some(())
    });
}

#[test]
fn a_long_script_is_killed_unless_it_has_written() {
    for transport in Transport::ALL {
        let server = Server::start(&["--busy-reply-threshold", "20"]);
        let (mut client, mut other) = (server.client(transport), server.client(transport));
        client.send(format!("EVAL \"{LOOP}\" 0\r\n").as_bytes());
        wait_until_busy(&mut other);
        assert_eq!(other.text("GET x"), BUSY);
        assert!(other.text("FUNCTION KILL").starts_with("-BUSY"));
        assert_eq!(other.text("SHUTDOWN"), BUSY);
        assert_eq!(other.text("SCRIPT KILL"), "OK");
        let reply = show(&client.read());
        assert!(reply.starts_with("-ERR Script killed by user with SCRIPT KILL... script: "));
        assert_eq!(
            other.text("SCRIPT KILL"),
            "-NOTBUSY No scripts in execution right now."
        );
        let writes = "redis.call('set','x',1) repeat until redis.call('exists','stop') == 1";
        client.send(format!("EVAL \"{writes}\" 0\r\n").as_bytes());
        wait_until_busy(&mut other);
        assert!(other.text("SCRIPT KILL").starts_with("-UNKILLABLE Sorry"));
        // Nothing but the end of the server ends this one.
    }
}

/// Loops with few instructions of Lua, each of which takes long.
const SLOW: [&str; 4] = [
    "redis.call('debug','sleep','0.03')",
    "redis.sha1hex(s)",
    "redis.pcall('nosuch',s)",
    "redis.error_reply(z)",
];

#[test]
fn a_script_of_slow_calls_is_killed_in_time() {
    for transport in Transport::ALL {
        // Long enough that the strings are there before.
        let server = Server::start(&["--busy-reply-threshold", "300"]);
        let (mut client, mut other) = (server.client(transport), server.client(transport));
        assert_eq!(client.text("DEBUG SET-DISABLE-DENY-SCRIPTS 1"), "OK");
        for body in SLOW {
            let strings = "local s = ('s'):rep(1000):rep(20000) local z = '\\0' .. s";
            let script = format!("{strings} while true do {body} end");
            client.send(format!("EVAL \"{script}\" 0\r\n").as_bytes());
            wait_until_busy(&mut other);
            assert_eq!(other.text("SCRIPT KILL"), "OK", "{body}");
            let reply = show(&client.read());
            assert!(reply.starts_with("-ERR Script killed by user"), "{reply}");
        }
    }
}

#[test]
fn no_script_runs_in_a_script_even_if_debugging_allows_all_commands() {
    for transport in Transport::ALL {
        let server = Server::start(&[]);
        let mut client = server.client(transport);
        client.call(&["FUNCTION", "LOAD", LIBRARY]);
        assert_eq!(client.text("DEBUG SET-DISABLE-DENY-SCRIPTS 1"), "OK");
        for command in [
            "'eval','return 1',0",
            "'fcall','f',0",
            "'script','flush'",
            "'function','flush'",
        ] {
            let script =
                format!("local r = redis.pcall({command}) return {{r.err, redis.call('ping').ok}}");
            let reply = show(&client.call(&["EVAL", &script, "0"]));
            assert_eq!(
                reply, "[ERR This Redis command is not allowed from script PONG]",
                "{command}"
            );
        }
        let script = "return redis.call('config','get','port')[1]";
        assert_eq!(show(&client.call(&["EVAL", script, "0"])), "port");
        assert_eq!(client.text("FCALL f 0"), "kept");
    }
}

#[test]
fn shutdown_nosave_ends_a_server_that_runs_a_script() {
    for transport in [Transport::Tcp, Transport::Tls] {
        let mut server = Server::start(&["--busy-reply-threshold", "20"]);
        let (mut client, mut other) = (server.client(transport), server.client(transport));
        client.send(b"EVAL \"redis.call('set','x',1) while true do end\" 0\r\n");
        wait_until_busy(&mut other);
        other.send(b"SHUTDOWN NOSAVE\r\n");
        assert_eq!(server.wait_for_exit(), Some(0));
    }
}

#[test]
fn the_writes_of_a_script_are_one_transaction() {
    let server = Server::start(&[]);
    for transport in [Transport::Tcp, Transport::Tls] {
        let mut client = server.client(transport);
        client.text("FLUSHALL");
        let mut replica = MockReplica::new(&server, transport);
        let mut eval = |script: &str| client.call(&["EVAL", script, "1", "k"]);
        eval(
            "redis.call('incr',KEYS[1]) redis.call('select',1) redis.call('incr','other') return 1",
        );
        eval("return redis.call('get',KEYS[1])");
        eval("redis.call('set','a',1,'PX',100000) error('x')");
        eval(
            "redis.set_repl(redis.REPL_AOF) redis.call('set','b',1) redis.set_repl(redis.REPL_ALL) redis.call('set','c',1)",
        );
        eval("return redis.call('incrbyfloat','f','1.5')");
        let expected = [
            "MULTI",
            "SELECT 0",
            "incr k",
            "SELECT 1",
            "incr other",
            "EXEC",
            "SELECT 0",
        ];
        for request in expected {
            assert_eq!(replica.next_request(), request, "{transport:?}");
        }
        assert!(replica.next_request().starts_with("SET a 1 PXAT "));
        assert_eq!(replica.next_request(), "set c 1");
        assert_eq!(replica.next_request(), "SET f 1.5 KEEPTTL");
    }
}

#[test]
fn monitor_shows_what_scripts_call() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let (mut client, mut monitor) = (server.client(transport), server.client(transport));
        assert_eq!(monitor.text("MONITOR"), "OK");
        client.call(&["EVAL", "return redis.call('get',KEYS[1])", "1", "k"]);
        let shown = show(&monitor.read());
        assert!(
            shown.ends_with("\"EVAL\" \"return redis.call('get',KEYS[1])\" \"1\" \"k\""),
            "{shown}"
        );
        let shown = show(&monitor.read());
        assert!(shown.ends_with("[0 lua] \"get\" \"k\""), "{shown}");
    }
}

const LIBRARY: &str = "#!lua name=lib\nredis.register_function('f', function() return 'kept' end)";

#[test]
fn libraries_are_kept_by_snapshots_files_and_replicas() {
    for transport in [Transport::Tcp, Transport::Tls] {
        let server = Server::start(&["--appendonly", "yes"]);
        let mut client = server.client(transport);
        assert_eq!(show(&client.call(&["FUNCTION", "LOAD", LIBRARY])), "lib");
        assert_eq!(client.text("DEBUG RELOAD"), "OK");
        assert_eq!(client.text("FCALL f 0"), "kept");
        assert_eq!(client.text("DEBUG LOADAOF"), "OK");
        assert_eq!(client.text("FCALL f 0"), "kept");
        client.text("BGREWRITEAOF");
        until("the end of the rewrite", || {
            (client.info("aof_rewrite_in_progress") == "0").then_some(())
        });
        assert_eq!(client.text("DEBUG LOADAOF"), "OK");
        assert_eq!(client.text("FCALL f 0"), "kept");
        let (_replica_server, mut replica) = pair::start(transport, &[]);
        pair::follow(&mut replica, pair::port(&server, transport));
        pair::wait_for_link(&mut replica);
        assert!(replica.text("FCALL f 0").starts_with("-READONLY"));
        assert_eq!(client.text("FUNCTION DELETE lib"), "OK");
        pair::wait_for_offset(&mut client, &mut replica);
        assert_eq!(replica.text("FCALL f 0"), "-ERR Function not found");
    }
}

#[test]
fn a_pause_of_writes_does_not_hold_scripts_that_write_nothing() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let (mut admin, mut client) = (server.client(transport), server.client(transport));
        assert_eq!(admin.text("CLIENT PAUSE 100000 WRITE"), "OK");
        let reader = "#!lua flags=no-writes\nreturn 1";
        assert_eq!(show(&client.call(&["EVAL", reader, "0"])), "1");
        assert_eq!(show(&client.call(&["EVAL_RO", "return 2", "0"])), "2");
        assert_eq!(client.text("MULTI"), "OK");
        assert_eq!(show(&client.call(&["EVAL", reader, "0"])), "QUEUED");
        assert_eq!(client.text("EXEC"), "[1]", "{transport:?}");
        client.send(b"EVAL \"return 3\" 0\r\n");
        admin.wait_for_blocked(1);
        assert_eq!(admin.text("CLIENT UNPAUSE"), "OK");
        assert_eq!(show(&client.read()), "3");
    }
}
