//! Memory of scripts: what they may take, and what becomes of the garbage that they leave.

use tests::client::{Client, Transport, show};
use tests::server::Server;
use tests::wait::until;

fn eval(client: &mut Client, script: &str) -> String {
    show(&client.call(&["EVAL", script, "0"]))
}

fn number(client: &mut Client, field: &str) -> usize {
    client.info(field).parse().expect("a number")
}

/// Waits until so little memory is in use.
fn wait_until_below(client: &mut Client, field: &str, bytes: usize) {
    until("less memory", || {
        (number(client, field) < bytes).then_some(())
    });
}

#[test]
fn garbage_of_scripts_is_collected_while_the_server_is_idle() {
    let server = Server::start(&["--hz", "100"]);
    for transport in [Transport::Tcp, Transport::Tls] {
        let mut client = server.client(transport);
        // Many small objects; big blocks that are marked by a cycle under way; a big table.
        for script in [
            "local t = {} for i = 1, 300000 do t[i] = {i} end return 1",
            "local s = string.rep('x', 20000000) local t = {} for i = 1, 5 do t[i] = s .. i end return 1",
            "local t = {} for i = 1, 200000 do t['k' .. i] = i end return 1",
        ] {
            assert_eq!(eval(&mut client, script), "1");
            wait_until_below(&mut client, "used_memory_vm_eval", 2 << 20);
            wait_until_below(&mut client, "used_memory", 24 << 20);
        }
    }
}

const LIBRARY: &str = "#!lua name=l\nredis.register_function('f', function(keys, args) return redis.call('echo', args[1]) and #args[1] end)";

#[test]
fn arguments_of_scripts_are_freed() {
    const BIG: usize = 50 << 20;
    let big = "x".repeat(BIG);
    let echo = "return redis.call('echo', ARGV[1]) and #ARGV[1]";
    for transport in [Transport::Tcp, Transport::Tls] {
        let server = Server::start(&["--hz", "100"]);
        let mut client = server.client(transport);
        client.call(&["FUNCTION", "LOAD", LIBRARY]);
        eval(&mut client, "return 1");
        let before = number(&mut client, "used_memory");
        for command in [["FCALL", "f", "0"], ["EVAL", echo, "0"]] {
            let reply = client.call(&[command.as_slice(), &[&big]].concat());
            assert_eq!(show(&reply), BIG.to_string());
            // A small command follows, which leaves no garbage.
            assert_eq!(eval(&mut client, "return 1"), "1");
            wait_until_below(&mut client, "used_memory", before + (2 << 20));
        }
    }
}

const BOMB: &str = "local t = {} for i = 1, 1e9 do t[i] = string.rep('x', 1000) .. i end";

#[test]
fn a_script_that_eats_memory_gets_an_error() {
    let server = Server::start(&["--maxmemory", "100mb"]);
    for transport in [Transport::Tcp, Transport::Tls] {
        let mut client = server.client(transport);
        let reply = eval(&mut client, BOMB);
        assert!(reply.contains("not enough memory"), "{reply}");
        let caught = format!("local ok, why = pcall(function() {BOMB} end) return tostring(why)");
        let reply = eval(&mut client, &caught);
        assert!(reply.contains("not enough memory"), "{reply}");
        // Two concatenations, so that the limit of time plays no part unless the machine is busy.
        let (many, few) = (["s"; 100].join(" .. "), ["t"; 10].join(" .. "));
        let code = format!("local s = ('x'):rep(200000) local t = {many} local u = {few}");
        let code = format!("#!lua name=l\n{code}");
        let reply = until("the library to be loaded in time", || {
            let reply = show(&client.call(&["FUNCTION", "LOAD", &code]));
            (!reply.contains("timeout")).then_some(reply)
        });
        assert!(reply.contains("not enough memory"), "{reply}");
        let peak = number(&mut client, "used_memory_peak");
        assert!(peak < 240 << 20, "{peak}");
        assert_eq!(client.text("SET k v"), "OK");
    }
}

#[test]
fn no_key_is_evicted_for_the_garbage_of_a_script() {
    let server = Server::start(&[
        "--maxmemory",
        "60mb",
        "--maxmemory-policy",
        "allkeys-lru",
        "--hz",
        "1",
    ]);
    let mut client = server.client(Transport::Tcp);
    for number in 0..30 {
        let value = "v".repeat(1 << 20);
        client.call(&["SET", &format!("k{number}"), &value]);
    }
    let script = "local t = {} for i = 1, 450000 do t[i] = {i} end return 1";
    assert_eq!(eval(&mut client, script), "1");
    assert!(number(&mut client, "used_memory") > 60 << 20);
    assert_eq!(client.text("SET a 1"), "OK");
    assert_eq!(number(&mut client, "evicted_keys"), 0);
}
