//! Published flaws of Lua in Redis (`CVE.md`), each as an attack through a socket: it is refused or harmless, the server goes
//! on, and the next user finds nothing changed. The `lua` crate has the attacks that need no server.

use data::rdb::library::payload;
use tests::client::{Client, Transport, send_raw, show};
use tests::pair;
use tests::server::Server;
use tests::wait::until;

fn eval(client: &mut Client, script: &str) -> String {
    show(&client.call(&["EVAL", script, "0"]))
}

/// Scripts, and what their replies must contain.
const ATTACKS: &[(&str, &str, &str)] = &[
    (
        "2025-49844",
        "local name = string.rep('n', 200) local ok = pcall(function() local f = loadstring(string.rep('local a = {} ', 190) .. 'return 1', name) for i = 1, 1e4 do local s = name .. i end collectgarbage() return f() end) return tostring(ok)",
        "true",
    ),
    (
        "2025-46817",
        "return tostring(pcall(unpack, {}, 0, 2147483647))",
        "false",
    ),
    (
        "2025-46817",
        "return tostring(pcall(unpack, {}, -2147483648, 2147483647))",
        "false",
    ),
    (
        "2025-46817",
        "return tostring(pcall(unpack, {1}, 1, 1e8))",
        "false",
    ),
    (
        "2025-46818",
        "getmetatable('').__index = function() return 'changed' end return 1",
        "-ERR",
    ),
    (
        "2025-46818",
        "getmetatable('').__index.upper = function() return 'changed' end return 1",
        "-ERR",
    ),
    (
        "2025-46818",
        "rawset(getmetatable(''), '__add', function() return 1 end) return 1",
        "-ERR",
    ),
    ("2025-46818", "setmetatable(_G, {}) return 1", "-ERR"),
    (
        "2025-46818",
        "setmetatable(redis, {__index = function() return 1 end}) return 1",
        "-ERR",
    ),
    (
        "2025-46819",
        "return tostring(loadstring('return [' .. string.rep('=', 100000)))",
        "nil",
    ),
    (
        "2025-46819",
        "return tostring(loadstring('return [' .. string.rep('=', 2000000) .. '['))",
        "nil",
    ),
    (
        "2024-46981",
        "for i = 1, 100 do collectgarbage('step') newproxy(true) end collectgarbage() return 'collected'",
        "collected",
    ),
    ("2024-31449", "return bit.tohex(1, -2147483648)", "00000001"),
    (
        "2024-31449",
        "return bit.tohex(65535, -2147483648)",
        "0000FFFF",
    ),
    (
        "2022-24834",
        "return tostring(pcall(cjson.encode, string.rep('\\0', 4000000)))",
        "true",
    ),
    (
        "2022-24834",
        "local t = {} for i = 1, 20000 do t = {t} end return tostring(pcall(cjson.encode, t))",
        "false",
    ),
    (
        "2022-24834",
        "return tostring(pcall(cjson.decode, string.rep('[', 100000)))",
        "false",
    ),
    (
        "2022-24834",
        "local t = {} for i = 1, 100000 do t = {t} end return #cmsgpack.pack(t) < 1000 and 'cut' or 'whole'",
        "cut",
    ),
    (
        "2022-24834",
        "return tostring(pcall(cmsgpack.unpack, string.rep('\\145', 1000000)))",
        "false",
    ),
    (
        "2022-24834",
        "return tostring(pcall(cmsgpack.unpack, '\\221\\255\\255\\255\\255'))",
        "false",
    ),
    (
        "2022-24834",
        "return tostring(pcall(struct.pack, 'I2147483648', 1))",
        "false",
    ),
    (
        "2022-24834",
        "return tostring(pcall(struct.unpack, 'c0', '', 2147483648))",
        "false",
    ),
    (
        "2022-0543",
        "return package.loadlib('x', 'y')",
        "nonexistent global variable 'package'",
    ),
    (
        "2022-0543",
        "return require('os')",
        "nonexistent global variable 'require'",
    ),
    ("2022-0543", "return os.execute('true')", "-ERR"),
    (
        "2022-0543",
        "return io.open('/etc/passwd')",
        "nonexistent global variable 'io'",
    ),
    (
        "2022-0543",
        "return tostring(loadstring(string.dump(function() end)))",
        "nil",
    ),
    ("2022-0543", "return tostring(loadstring('\\27Lua'))", "nil"),
    (
        "2021-32626",
        "return tostring(pcall(string.find, string.rep('a', 400000), string.rep('(', 40)))",
        "false",
    ),
    (
        "2021-32626",
        "return tostring(pcall(string.match, string.rep('a', 3000), '.-b'))",
        "true",
    ),
    (
        "2020-14147",
        "return struct.pack('>I2147483647', 10)",
        "-ERR",
    ),
    (
        "2018-11218",
        "return cmsgpack.unpack('\\218\\255\\255a')",
        "-ERR",
    ),
    (
        "2018-11219",
        "return struct.unpack('c2147483647', 'abc')",
        "-ERR",
    ),
];

#[test]
fn attacks_by_scripts_are_harmless() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let mut client = server.client(transport);
        for (row, script, expected) in ATTACKS {
            let reply = eval(&mut client, script);
            assert!(reply.contains(expected), "CVE-{row}: {script}: {reply}");
            let mut next = server.client(transport);
            let sane = "return ('a'):upper() .. tostring(getmetatable('').__add)";
            assert_eq!(eval(&mut next, sane), "Anil", "CVE-{row}: {script}");
        }
        // The chunk of a library, too: its name, its nesting, its long brackets.
        for body in [
            "local f = [".to_owned() + &"=".repeat(2_000_000),
            "local t = ".to_owned() + &"{".repeat(100_000),
            "local t = ".to_owned() + &"(".repeat(100_000),
            "\u{1b}Lua".to_owned(),
        ] {
            let code = format!("#!lua name=l\n{body}");
            let reply = show(&client.call(&["FUNCTION", "LOAD", &code]));
            assert!(reply.starts_with("-ERR"), "{reply}");
            let dump = payload([code.as_bytes()].into_iter(), true);
            let reply = show(&client.call(&[b"FUNCTION".as_slice(), b"RESTORE", &dump]));
            assert!(reply.starts_with("-ERR"), "{reply}");
            let reply = show(&client.call(&["EVAL", &body, "0"]));
            assert!(reply.starts_with("-ERR"), "{reply}");
        }
        // 2024-46981: the interpreter is closed while scripts of it have left garbage.
        eval(
            &mut client,
            "local t = {} for i = 1, 1000 do t[i] = coroutine.create(function() end) end return 1",
        );
        assert_eq!(client.text("SCRIPT FLUSH ASYNC"), "OK");
        assert_eq!(client.text("SCRIPT FLUSH SYNC"), "OK");
        assert_eq!(client.text("FUNCTION FLUSH"), "OK");
    }
}

/// 2021-32626: replies as deep as the stack of Lua, which clients refuse to parse.
#[test]
fn replies_are_nested_only_as_deeply_as_the_stack_allows() {
    let server = Server::start(&[]);
    for script in [
        "local t = {} for i = 1, 100000 do t = {t} end return t",
        "local t = {} t[1] = t return t",
        "local t = {} t.map = t return t",
        "local t = {} t.set = {[t] = true} return t",
    ] {
        let request = format!("EVAL \"{script}\" 0\r\nPING\r\nQUIT\r\n");
        let reply = send_raw(server.port, request.as_bytes());
        assert!(reply.ends_with(b"+PONG\r\n+OK\r\n"), "{script}");
        let text = String::from_utf8_lossy(&reply);
        assert!(
            text.contains("-ERR reached lua stack limit\r\n"),
            "{script}"
        );
    }
}

/// 2026-23631: a full resynchronisation replaces the libraries, while a function of one of them is running.
#[test]
fn a_full_resynchronisation_waits_for_a_function() {
    for transport in [Transport::Tcp, Transport::Tls] {
        let (primary, mut client) = pair::start(transport, &[]);
        let (replica, mut follower) = pair::start(transport, &["--busy-reply-threshold", "20"]);
        let library = |body: &str| {
            format!(
                "#!lua name=l\nredis.register_function{{function_name='f', flags={{'no-writes'}}, callback=function() {body} end}}"
            )
        };
        client.call(&["FUNCTION", "LOAD", &library("return 'primary'")]);
        follower.call(&["FUNCTION", "LOAD", &library("while true do end")]);
        let mut runner = replica.client(transport);
        pair::follow(&mut follower, pair::port(&primary, transport));
        runner.send(b"FCALL f 0\r\n");
        until("a busy server", || {
            follower.text("PING").starts_with("-BUSY").then_some(())
        });
        // The primary gets nowhere meanwhile.
        assert_ne!(client.info("connected_slaves"), "2");
        assert_eq!(follower.text("FUNCTION KILL"), "OK");
        assert!(show(&runner.read()).starts_with("-ERR Script killed"));
        pair::wait_for_link(&mut follower);
        assert_eq!(follower.text("FCALL f 0"), "primary");
    }
}
