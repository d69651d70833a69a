//! Scripts in states of the server that are rare: polling the clock, paused writes, tracking, and libraries
//! that take long to load.

use data::rdb::library::payload;
use tests::client::{Client, Transport, show};
use tests::server::Server;

fn load(client: &mut Client, code: &str) -> String {
    show(&client.call(&["FUNCTION", "LOAD", code]))
}

#[test]
fn a_script_that_polls_the_clock_ends() {
    let server = Server::start(&["--busy-reply-threshold", "20"]);
    for transport in Transport::ALL {
        let mut client = server.client(transport);
        let now =
            "local function now() local t = redis.call('time') return t[1] * 1000000 + t[2] end ";
        let frozen = format!("{now} local t = now() for i = 1, 1000 do end return now() - t");
        assert_eq!(show(&client.call(&["EVAL", &frozen, "0"])), "0");
        let poll = format!("{now} local e = now() + 60000 repeat until now() > e return 1");
        assert_eq!(show(&client.call(&["EVAL", &poll, "0"])), "1");
    }
}

#[test]
fn a_pause_of_writes_lets_a_transaction_of_reading_scripts_pass() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let (mut client, mut other) = (server.client(transport), server.client(transport));
        for script in ["#!lua flags=no-writes\nreturn 1", "return 1"] {
            client.text("MULTI");
            client.call(&["EVAL", script, "0"]);
            other.text("CLIENT PAUSE 100000 WRITE");
            client.send(b"EXEC\r\n");
            let is_paused = !script.starts_with("#!");
            if is_paused {
                other.wait_for_blocked(1);
                other.text("CLIENT UNPAUSE");
            }
            assert_eq!(show(&client.read()), "[1]");
            other.text("CLIENT UNPAUSE");
        }
    }
}

#[test]
fn a_script_tells_its_own_client_in_broadcasting_mode() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let mut client = server.client(transport);
        client.cmd("HELLO 3");
        client.cmd("CLIENT TRACKING ON BCAST NOLOOP");
        client.cmd("SET own 1");
        client.call(&["EVAL", "redis.call('set', KEYS[1], 1)", "1", "k"]);
        assert_eq!(show(&client.read()), "[invalidate [k]]");
    }
}

fn library(name: &str, body: &str) -> String {
    format!("#!lua name={name}\n{body}")
}

#[test]
fn loading_a_library_ends() {
    let server = Server::start(&[]);
    for transport in [Transport::Tcp, Transport::Tls] {
        let mut client = server.client(transport);
        let endless = library("l", "while true do end");
        let reply = load(&mut client, &endless);
        assert!(reply.contains("FUNCTION LOAD timeout"), "{reply}");
        let dump = payload([endless.as_bytes()].into_iter(), false);
        let reply = show(&client.call(&[b"FUNCTION".as_slice(), b"RESTORE", &dump]));
        assert!(reply.contains("FUNCTION LOAD timeout"), "{reply}");
        // A library of many functions takes no longer than its size requires.
        let many = library(
            "many",
            "for i = 1, 5000 do redis.register_function('f' .. i, function() return i end) end",
        );
        assert_eq!(load(&mut client, &many), "many");
        assert_eq!(client.text("FCALL F5000 0"), "5000");
        let dump = client.call(&["FUNCTION", "DUMP"]);
        let conn::resp::Value::Bulk(dump) = dump else {
            panic!("no payload");
        };
        let args: [&[u8]; 4] = [b"FUNCTION", b"RESTORE", &dump, b"REPLACE"];
        assert_eq!(show(&client.call(&args)), "OK");
        client.text("FUNCTION FLUSH");
    }
}

#[test]
fn functions_of_a_library_differ_in_more_than_case() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let mut client = server.client(transport);
        let body = "redis.register_function('f', function() end) redis.register_function('F', function() end)";
        let reply = load(&mut client, &library("l", body));
        assert!(
            reply.contains("Function already exists in the library"),
            "{reply}"
        );
        assert_eq!(client.text("FUNCTION LIST"), "[]");
    }
}

/// Redis 7.2.6 hashes a name up to its end but compares it up to a NUL. So whether `f\0x` is `f` there depends on the seed of
/// its hash function: one name in four is found. Here a name is all of its bytes.
#[test]
fn a_name_that_goes_on_behind_a_nul_is_another_one() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let mut client = server.client(transport);
        let body = "redis.register_function('f', function() return 1 end)";
        assert_eq!(load(&mut client, &library("l", body)), "l");
        for number in 0..40 {
            let name = format!("f\0{number}");
            for command in ["FCALL", "FCALL_RO"] {
                let reply = show(&client.call(&[command, &name, "0"]));
                assert_eq!(reply, "-ERR Function not found");
            }
        }
        let deleted = show(&client.call(&["FUNCTION", "DELETE", "l\0"]));
        assert_eq!(deleted, "-ERR Library not found");
        assert_eq!(client.text("FCALL f 0"), "1");
        client.text("FUNCTION FLUSH");
    }
}

#[test]
fn an_error_code_adds_no_field_to_info() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let mut client = server.client(transport);
        client.text("CONFIG RESETSTAT");
        for code in ["A\nrole:fake", "A:1", "#A"] {
            let reply = client.call(&["EVAL", "return {err = ARGV[1] .. ' text'}", "0", code]);
            assert!(show(&reply).starts_with('-'), "{reply:?}");
        }
        let info = client.text("INFO errorstats");
        let mut found: Vec<&str> = info.lines().skip(1).collect();
        found.sort_unstable();
        let expected = [
            "errorstat_A_1:count=1",
            "errorstat_A_role_fake:count=1",
            "errorstat__A:count=1",
        ];
        assert_eq!(found, expected);
    }
}
