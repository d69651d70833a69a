//! The CVEs of Redis that apply to the features that exist here: each test makes the attack, and then asserts that the
//! server answers and has lost no data.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::thread;

use conn::resp::{Decoder, Value};
use nix::sys::socket::{setsockopt, sockopt};
use tests::client::{Client, Transport, show};
use tests::server::Server;
use tests::snapshots::with_footer;
use tests::wait::until;

/// Asserts that the server answers and still has its data.
pub fn assert_alive(server: &Server) {
    let mut client = server.client(Transport::Tcp);
    assert_eq!(client.text("GET canary"), "alive");
}

/// Starts a server with some data.
pub fn start(args: &[&str]) -> Server {
    let server = Server::start(args);
    assert_eq!(
        server.client(Transport::Unix).text("SET canary alive"),
        "OK"
    );
    server
}

#[test]
fn cve_2026_81934_a_pending_client_may_kill_another_pending_client() {
    let server = start(&[]);
    for _ in 0..50 {
        let mut first = server.client(Transport::Tls);
        let mut second = server.client(Transport::Tls);
        let (one, two) = (first.text("CLIENT ID"), second.text("CLIENT ID"));
        // Both send more than one read takes, so both are pending when the event loop begins to process them.
        let filler = "PING\r\n".repeat(6000);
        first.send(format!("CLIENT KILL ID {two}\r\n{filler}").as_bytes());
        second.try_send(format!("CLIENT KILL ID {one}\r\n{filler}").as_bytes());
        let survivors = [first, second]
            .iter_mut()
            .filter_map(Client::try_read)
            .count();
        assert!(survivors >= 1);
    }
    assert_alive(&server);
}

#[test]
fn cve_2025_67733_no_argument_forges_a_reply() {
    let server = start(&[]);
    for transport in Transport::ALL {
        let mut client = server.client(transport);
        for command in [
            vec!["NOSUCH\r\n+OK\r\n+OK"],
            vec!["CLIENT", "x\r\n+OK"],
            vec!["CLIENT", "SETINFO", "a\r\n+OK", "b"],
            vec!["DEBUG", "ERROR", "E\r\n+OK"],
            vec!["CONFIG", "SET", "a\r\n:1", "b"],
            vec!["HELLO", "3", "x\n+OK"],
        ] {
            let reply = client.call(&command);
            assert!(
                show(&reply).starts_with('-'),
                "{transport:?} {command:?} {reply:?}"
            );
            assert_eq!(client.text("PING"), "PONG", "{transport:?} {command:?}");
        }
    }
    assert_alive(&server);
}

#[test]
fn cve_2025_48367_resets_before_accept_block_no_other_client() {
    let server = start(&[]);
    for number in 0..2000 {
        let port = [server.port, server.tls_port][number % 2];
        let socket = TcpStream::connect(("127.0.0.1", port)).expect("the port listens");
        // With a linger time of 0, closing sends a reset, often before the server has accepted the connection.
        let linger = libc::linger {
            l_onoff: 1,
            l_linger: 0,
        };
        setsockopt(&socket, sockopt::Linger, &linger).expect("the socket option can be set");
        drop(socket);
    }
    for transport in Transport::ALL {
        assert_eq!(server.client(transport).text("PING"), "PONG");
    }
    assert_alive(&server);
}

#[test]
fn cve_2025_21605_unauthenticated_output_is_bounded() {
    let server = Server::start(&["--requirepass", "secret"]);
    for transport in Transport::ALL {
        let mut client = server.client(transport);
        let request = b"GET a\r\n".repeat(1000);
        let mut sent = 0;
        while sent < 2000 && client.try_send(&request) {
            sent += 1;
        }
        assert!(sent < 2000, "{transport:?}: the connection was not closed");
        let mut admin = server.client(transport);
        assert_eq!(admin.text("AUTH secret"), "OK");
    }
}

#[test]
fn cve_2023_45145_the_unix_socket_has_the_configured_mode() {
    use std::os::unix::fs::PermissionsExt;
    let server = Server::start(&["--unixsocketperm", "700"]);
    let mode = std::fs::metadata(server.socket())
        .expect("it exists")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o700);
    assert_eq!(server.client(Transport::Unix).text("PING"), "PONG");
}

/// Checks the mode continuously while the server starts, with a umask of 0.
#[test]
fn cve_2023_45145_the_unix_socket_never_has_a_wider_mode_during_startup() {
    use std::os::unix::fs::{FileTypeExt, PermissionsExt};
    let folder = tempfile::tempdir().expect("a temporary folder");
    for round in 0..10 {
        let path = folder.path().join(format!("s{round}"));
        let mut child = Command::new("sh")
            .args(["-c", "umask 0; exec \"$@\"", "sh"])
            .arg(tests::binary("redis-server"))
            .args([
                "--port",
                "0",
                "--unixsocketperm",
                "700",
                "--logfile",
                "/dev/null",
                "--unixsocket",
            ])
            .arg(&path)
            .spawn()
            .expect("sh runs");
        until("the Unix socket to accept connections", || {
            if let Ok(meta) = std::fs::metadata(&path) {
                assert!(meta.file_type().is_socket());
                assert_eq!(meta.permissions().mode() & 0o777, 0o700);
            }
            std::os::unix::net::UnixStream::connect(&path).ok()
        });
        child.kill().expect("the program runs");
        child.wait().expect("the process is a child of this one");
    }
}

/// Restores payloads over every transport; each must be refused and leave no key.
fn assert_bad_data(server: &Server, payloads: &[Vec<u8>]) {
    for transport in Transport::ALL {
        let mut client = server.client(transport);
        for bytes in payloads {
            let line = [b"RESTORE".as_slice(), b"forged", b"0", bytes, b"REPLACE"];
            let shown = &bytes[..bytes.len().min(100)];
            let reply = show(&client.call(&line));
            assert_eq!(reply, "-ERR Bad data format", "{}", shown.escape_ascii());
            assert_eq!(client.text("EXISTS forged"), "0");
        }
    }
    assert_alive(server);
}

/// The payload of a stream whose group has two pending entries, and a forged copy: in it the last reference to the
/// second entry, which is that of its consumer, is replaced by the first entry.
fn doubly_pending(server: &Server, owners: [&str; 2]) -> [Vec<u8>; 2] {
    let mut client = server.client(Transport::Tcp);
    client.text("DEL s");
    client.text("XADD s 1-1 f v");
    client.text("XADD s 2-1 f v");
    client.text("XGROUP CREATE s g 0");
    for owner in owners {
        client.text(&format!("XREADGROUP GROUP g {owner} COUNT 1 STREAMS s >"));
    }
    let Value::Bulk(whole) = client.cmd("DUMP s") else {
        panic!("DUMP failed");
    };
    let raw = |ms: u64| [ms.to_be_bytes(), 1u64.to_be_bytes()].concat();
    let mut body = whole[..whole.len() - 10].to_vec();
    let mut places = body.windows(16);
    let at = places.rposition(|bytes| bytes == raw(2));
    let at = at.expect("the consumer owns the entry");
    body[at..at + 16].copy_from_slice(&raw(1));
    [whole, with_footer(&body)]
}

#[test]
fn cve_2026_66373_an_entry_that_is_pending_for_two_consumers_is_refused() {
    let server = start(&[]);
    let [whole, forged] = doubly_pending(&server, ["one", "two"]);
    assert_bad_data(&server, &[forged]);
    let mut client = server.client(Transport::Tcp);
    let line = [b"RESTORE".as_slice(), b"forged", b"0", &whole];
    assert_eq!(show(&client.call(&line)), "OK");
}

#[test]
fn cve_2026_25243_an_entry_that_is_pending_twice_for_one_consumer_is_refused() {
    let server = start(&[]);
    let [_, forged] = doubly_pending(&server, ["one", "one"]);
    assert_bad_data(&server, &[forged]);
}

#[test]
fn cve_2026_25243_wrong_element_lengths_are_refused() {
    let server = start(&[]);
    // A zipmap in a string, with its small lengths encoded in one byte and in five.
    let zipmap = |map: &[u8]| {
        let len = u8::try_from(map.len()).expect("a short map");
        with_footer(&[&[9, len], map].concat())
    };
    let five = |len: u32, rest: &[u8]| [&[1, 0xfe], &len.to_le_bytes()[..], rest].concat();
    let mut client = server.client(Transport::Tcp);
    let fine = zipmap(b"\x01\x01k\x01\0v\xff");
    let line = [b"RESTORE".as_slice(), b"fine", b"0", &fine];
    assert_eq!(show(&client.call(&line)), "OK");
    assert_eq!(client.text("HGETALL fine"), "[k v]");
    // Lengths above 1 GiB: of a plain string, of a compressed string, and of an element of a hash.
    let long = [0x80, 0x50, 0, 0, 0];
    let compressed = [&[0xc3, 4][..], &long, b"\x00abc"].concat();
    assert_bad_data(
        &server,
        &[
            zipmap(&five(1, b"k\x01\0v\xff")),
            zipmap(&five(0x5000_0000, b"k\x01\0v\xff")),
            zipmap(b"\x01\x01k\xfe\x01\0\0\0\0v\xff"),
            with_footer(&[&[0][..], &long, b"abc"].concat()),
            with_footer(&[&[0][..], &compressed].concat()),
            with_footer(&[&[4, 1, 1, b'k'][..], &long, b"abc"].concat()),
            with_footer(&[&[4, 1, 1, b'k'][..], &compressed].concat()),
        ],
    );
}

#[test]
fn cve_2025_32023_hyperloglog_runs_beyond_the_last_register_are_refused() {
    let server = start(&[]);
    let mut client = server.client(Transport::Tls);
    let head = b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\x80";
    let overlong = [
        [&head[..], b"\x7f\xff\x83"].concat(),
        [&head[..], b"\x7f\xff\x00"].concat(),
        // A 32-bit sum wraps around, to a register that a value may be written to or to one before the first.
        [&head[..], &b"\x7f\xff".repeat(1 << 18), b"\x83"].concat(),
        [&head[..], &b"\x7f\xff".repeat(1 << 17), b"\x83"].concat(),
    ];
    let corrupted = "-INVALIDOBJ Corrupted HLL object detected";
    client.text("PFADD whole a b c");
    for text in &overlong {
        client.call(&[&b"SET"[..], b"forged", text]);
        for line in [
            "PFCOUNT forged",
            "PFCOUNT whole forged",
            "PFMERGE target whole forged",
            "PFMERGE forged whole",
            "PFDEBUG GETREG forged",
            "PFDEBUG TODENSE forged",
        ] {
            assert_eq!(client.text(line), corrupted, "{line}");
        }
        // PFADD succeeds for registers that the runs cover, until the value would have to become dense.
        client.text("CONFIG SET hll-sparse-max-bytes 0");
        let mut replies = (0..100).map(|n| client.text(&format!("PFADD forged {n}")));
        assert!(replies.any(|reply| reply == corrupted));
        client.text("CONFIG SET hll-sparse-max-bytes 3000");
        assert_eq!(client.text("EXISTS target"), "0");
        assert_eq!(client.text("PFCOUNT whole"), "3");
    }
    for text in [&head[..15], b"HYLL\x02\0\0\0\0\0\0\0\0\0\0\0", b"12345"] {
        client.call(&[&b"SET"[..], b"forged", text]);
        assert_eq!(
            client.text("PFCOUNT forged"),
            "-WRONGTYPE Key is not a valid HyperLogLog string value."
        );
    }
    assert_alive(&server);
}

#[test]
fn cve_2025_27151_overlong_file_names_are_refused() {
    let long = "n".repeat(5000);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let check_aof = folder.path().join("redis-check-aof");
    std::os::unix::fs::symlink(tests::binary("redis-server"), &check_aof).expect("a link");
    let (server, cli) = (tests::binary("redis-server"), tests::binary("redis-cli"));
    for (program, args) in [
        (&check_aof, vec![long.as_str()]),
        (&server, vec![&long]),
        (
            &server,
            vec![
                "--port",
                "0",
                "--tls-port",
                "1",
                "--tls-cert-file",
                &long,
                "--tls-key-file",
                &long,
            ],
        ),
        (&cli, vec!["-s", &long, "PING"]),
        (&cli, vec!["--tls", "--cacert", &long, "PING"]),
    ] {
        let done = Command::new(program)
            .args(&args)
            .output()
            .expect("the program runs");
        assert_eq!(
            done.status.code(),
            Some(1),
            "{program:?} {:?}",
            &args[..args.len() - 1]
        );
        assert!(
            done.stderr.len() + done.stdout.len() > 20,
            "the error is explained"
        );
    }
}

#[test]
fn cve_2023_41056_lengths_around_the_bulk_and_query_buffer_limits() {
    let server = start(&["--proto-max-bulk-len", "1mb"]);
    let mut admin = server.client(Transport::Tcp);
    for transport in Transport::ALL {
        let mut client = server.client(transport);
        for len in [(1 << 20) - 1, 1 << 20] {
            assert_eq!(
                show(&client.call(&[b"SET".as_slice(), b"k", &vec![b'x'; len]])),
                "OK"
            );
        }
        client.try_send(format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n${}\r\n", (1 << 20) + 1).as_bytes());
        assert_eq!(
            client.read_to_end(),
            b"-ERR Protocol error: invalid bulk length\r\n",
            "{transport:?}"
        );
    }
    assert_eq!(
        admin.text("CONFIG SET client-query-buffer-limit 1mb proto-max-bulk-len 512mb"),
        "OK"
    );
    for (number, transport) in (1..).zip(Transport::ALL) {
        let mut client = server.client(transport);
        assert_eq!(
            show(&client.call(&[b"SET".as_slice(), b"k", &vec![b'x'; 1_000_000]])),
            "OK"
        );
        client.try_send(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$3000000\r\n");
        client.try_send(&vec![b'y'; 3_000_000]);
        assert!(client.try_read().is_none(), "{transport:?}");
        assert_eq!(
            admin.info("client_query_buffer_limit_disconnections"),
            number.to_string()
        );
    }
    assert_eq!(admin.text("GETRANGE k 0 1"), "xx");
    assert_alive(&server);
}

#[test]
fn cve_2023_41056_lengths_around_buffer_sizes() {
    let server = start(&[]);
    for transport in Transport::ALL {
        let mut client = server.client(transport);
        for limit in [16_384usize, 32_768, 65_536] {
            for len in limit - 40..limit + 8 {
                let value = vec![b'x'; len];
                assert_eq!(show(&client.call(&[b"SET".as_slice(), b"k", &value])), "OK");
                assert_eq!(client.text("STRLEN k"), len.to_string(), "{transport:?}");
            }
        }
    }
    assert_alive(&server);
}

#[test]
fn cve_2023_36824_invalid_key_counts_are_refused() {
    let server = start(&[]);
    let mut client = server.client(Transport::Tcp);
    for count in ["-1", "0", "99999999999", "4294967297", "3", "x"] {
        // A script needs no keys, so there are none.
        let keys = client.text(&format!("COMMAND GETKEYS EVAL s {count} k"));
        assert_eq!(keys, "[]", "{count}");
        for command in ["ZUNIONSTORE d", "LMPOP", "BLMPOP 0", "ZINTERCARD"] {
            let reply = client.text(&format!("COMMAND GETKEYS {command} {count} k"));
            assert!(reply.starts_with('-'), "{command} {count}: {reply}");
        }
    }
    assert_alive(&server);
}

#[test]
fn cve_2023_28425_msetnx_with_one_key_twice() {
    let server = start(&[]);
    let mut client = server.client(Transport::Tls);
    assert_eq!(client.text("MSETNX k a k b"), "1");
    assert_eq!(client.text("GET k"), "b");
    assert_alive(&server);
}

#[test]
fn cve_2022_35951_xautoclaim_with_counts_that_overflow() {
    let server = start(&[]);
    let mut client = server.client(Transport::Tls);
    assert_eq!(client.text("XADD s 1-0 f v"), "1-0");
    assert_eq!(client.text("XGROUP CREATE s g 0"), "OK");
    client.text("XREADGROUP GROUP g c STREAMS s >");
    for count in ["576460752303423487", "4611686018427387904", "268435457"] {
        let reply = client.text(&format!("XAUTOCLAIM s g d 0 0 COUNT {count} JUSTID"));
        let expected = match count {
            "4611686018427387904" => "-ERR COUNT must be > 0",
            _ => "[0-0 [1-0] []]",
        };
        assert_eq!(reply, expected, "{count}");
    }
    assert_alive(&server);
}

#[test]
fn cve_2022_31144_xautoclaim_over_deleted_entries() {
    let server = start(&[]);
    let mut client = server.client(Transport::Tls);
    client.text("XGROUP CREATE s g 0 MKSTREAM");
    for id in 1..=40 {
        client.text(&format!("XADD s {id}-0 f v"));
    }
    client.text("XREADGROUP GROUP g c STREAMS s >");
    for id in (1..=40).filter(|id| id % 4 > 0) {
        client.text(&format!("XDEL s {id}-0"));
    }
    // Each reply holds up to two IDs, of entries that were claimed or deleted.
    for cursor in (1..=40).step_by(2) {
        let next = if cursor == 39 {
            "0-0"
        } else {
            &format!("{}-0", cursor + 2)
        };
        let (first, second) = (format!("{cursor}-0"), format!("{}-0", cursor + 1));
        let expected = if cursor % 4 == 3 {
            format!("[{next} [{second}] [{first}]]")
        } else {
            format!("[{next} [] [{first} {second}]]")
        };
        let reply = client.text(&format!("XAUTOCLAIM s g d 0 {first} COUNT 2 JUSTID"));
        assert_eq!(reply, expected, "{cursor}");
    }
    assert_eq!(client.text("XPENDING s g"), "[10 4-0 40-0 [[d 10]]]");
    assert_alive(&server);
}

#[test]
fn cve_2022_35977_offsets_whose_sums_overflow() {
    let server = start(&[]);
    let mut client = server.client(Transport::Tls);
    client.text("SET k v");
    for (offset, reply) in [
        (
            "9223372036854775807",
            "-ERR string exceeds maximum allowed size (proto-max-bulk-len)",
        ),
        (
            "4611686018427387900",
            "-ERR string exceeds maximum allowed size (proto-max-bulk-len)",
        ),
        (
            "536870912",
            "-ERR string exceeds maximum allowed size (proto-max-bulk-len)",
        ),
        ("-1", "-ERR offset is out of range"),
    ] {
        assert_eq!(client.text(&format!("SETRANGE k {offset} xx")), reply);
    }
    assert_eq!(client.text("GET k"), "v");
    for (from, to, reply) in [
        ("-9223372036854775808", "9223372036854775807", "v"),
        ("9223372036854775807", "-9223372036854775808", ""),
        ("0", "4294967296", "v"),
        ("4294967296", "4294967297", ""),
    ] {
        assert_eq!(client.text(&format!("GETRANGE k {from} {to}")), reply);
    }
    assert_alive(&server);
}

#[test]
fn cve_2022_35977_limits_of_sort_whose_sums_overflow() {
    let server = start(&[]);
    let mut client = server.client(Transport::Tls);
    client.text("RPUSH list 3 1 2");
    client.text("SADD set 3 1 2");
    client.text("ZADD zset 3 3 1 1 2 2");
    let most = i64::MAX.to_string();
    for key in ["list", "set", "zset"] {
        for (start, count, len) in [
            (most.as_str(), most.as_str(), 0),
            ("0", &most, 3),
            ("1", &most, 2),
            ("4611686018427387904", "4611686018427387904", 0),
            ("-9223372036854775808", "-9223372036854775808", 3),
            ("2", "-1", 1),
            ("3", "1", 0),
            ("0", "0", 0),
        ] {
            for by in ["", "BY nosort", "BY nosort DESC", "BY w_*", "ALPHA"] {
                let space = if by.is_empty() { "" } else { " " };
                let limit = format!("{key}{space}{by} LIMIT {start} {count}");
                let reply = client.cmd(&format!("SORT {limit}"));
                let Value::Array(elements) = &reply else {
                    panic!("{limit}: {}", show(&reply));
                };
                assert_eq!(elements.len(), len, "{limit}");
                let stored = client.text(&format!("SORT {limit} STORE target"));
                assert_eq!(stored, len.to_string(), "{limit}");
            }
        }
    }
    assert_alive(&server);
}

/// The vulnerability was in HINCRBYFLOAT; INCRBYFLOAT does the same to a string.
#[test]
fn cve_2023_28856_a_sum_that_is_infinite_or_nan_is_not_stored() {
    let server = start(&[]);
    let mut client = server.client(Transport::Tls);
    for (value, add) in [
        ("1.1e4932", "1.1e4932"),
        ("1", "inf"),
        ("1", "-inf"),
        ("1", "nan"),
        ("inf", "-inf"),
    ] {
        client.text(&format!("SET k {value}"));
        let reply = client.text(&format!("INCRBYFLOAT k {add}"));
        assert!(reply.starts_with("-ERR "), "{value} {add}: {reply}");
        assert_eq!(client.text("GET k"), value);
    }
    assert_alive(&server);
}

#[test]
fn cve_2021_32762_an_array_of_2_to_31_elements_is_a_protocol_error() {
    let mut decoder = Decoder::default();
    decoder.feed(b"*2147483648\r\n");
    assert!(decoder.next_value().is_err());
}

#[test]
fn cve_2021_32762_redis_cli_does_not_allocate_what_a_server_claims() {
    for reply in [
        "*2147483648\r\n",
        "%4611686018427387904\r\n",
        "$9223372036854775807\r\n",
        "*2147483647\r\n",
    ] {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback");
        let port = listener
            .local_addr()
            .expect("the listener is bound")
            .port()
            .to_string();
        thread::spawn(move || {
            let (mut socket, _) = listener.accept().expect("redis-cli connects");
            // Read the request first: closing with unread input would send a reset.
            let _ = socket.read(&mut [0; 1000]);
            let _ = socket.write_all(reply.as_bytes());
        });
        // Limit the address space to 1 GB: a client that allocated 2^31 elements would fail.
        let done = Command::new("sh")
            .args(["-c", "ulimit -v 1000000; exec \"$@\"", "sh"])
            .arg(tests::binary("redis-cli"))
            .args(["-p", &port, "GET", "k"])
            .output()
            .expect("sh runs");
        let stderr = String::from_utf8_lossy(&done.stderr).into_owned();
        assert_eq!(done.status.code(), Some(1), "{reply:?}: {stderr}");
        assert!(stderr.contains("Error: "), "{reply:?}: {stderr}");
    }
}

#[test]
fn cve_2021_32675_arguments_at_the_limit_are_accepted_before_authentication() {
    let server = Server::start(&["--requirepass", "secret"]);
    let word = vec![b'w'; 16_384];
    let args: Vec<&[u8]> = [b"MGET".as_slice()]
        .into_iter()
        .chain([word.as_slice(); 9])
        .collect();
    for transport in Transport::ALL {
        let mut client = server.client(transport);
        assert_eq!(
            show(&client.call(&args)),
            "-NOAUTH Authentication required.",
            "{transport:?}"
        );
        assert_eq!(client.text("AUTH secret"), "OK", "{transport:?}");
        assert_eq!(client.text("PING"), "PONG");
    }
}

#[test]
fn cve_2021_32675_larger_sizes_are_refused_before_authentication() {
    let server = Server::start(&["--requirepass", "secret"]);
    for transport in Transport::ALL {
        for (input, reply) in [
            (&b"*1000000000\r\n"[..], "unauthenticated multibulk length"),
            (b"*2\r\n$512000000\r\n", "unauthenticated bulk length"),
            (b"*11\r\n", "unauthenticated multibulk length"),
        ] {
            let mut client = server.client(transport);
            client.send(input);
            let all = client.read_to_end();
            assert_eq!(
                all,
                format!("-ERR Protocol error: {reply}\r\n").as_bytes(),
                "{transport:?}"
            );
        }
    }
}

#[test]
fn cve_2021_29477_lcs_of_inputs_whose_product_overflows() {
    let server = start(&[]);
    let mut client = server.client(Transport::Tcp);
    client.text("SETRANGE a 300000000 x");
    client.text("SETRANGE b 300000000 x");
    assert!(client.text("LCS a b").starts_with("-ERR"));
    assert_alive(&server);
}

#[test]
fn cve_2021_41099_strings_stay_bounded_under_a_raised_bulk_limit() {
    let server = start(&["--proto-max-bulk-len", "10gb"]);
    let mut client = server.client(Transport::Tcp);
    client.text("SET k v");
    let reply = client.text("SETRANGE k 9000000000000000000 x");
    assert!(reply.starts_with("-ERR"), "{reply}");
    assert_alive(&server);
}

#[test]
fn partial_handshakes_and_invalid_records_affect_no_other_client() {
    let server = start(&[]);
    let mut socket = TcpStream::connect(("127.0.0.1", server.tls_port)).expect("the port listens");
    for byte in [22u8, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3] {
        socket.write_all(&[byte]).expect("connected");
    }
    let mut client = server.client(Transport::Tls);
    assert_eq!(client.text("PING"), "PONG");
    let mut admin = server.client(Transport::Tcp);
    // Ciphertext that was not made with a key of this connection.
    let fd = client.raw().fd();
    let mut under = second_handle(fd);
    under.write_all(&[23, 3, 3, 0, 20]).expect("connected");
    under.write_all(&[7; 20]).expect("connected");
    assert!(client.try_read().is_none());
    until("the connection to be closed", || {
        (admin.info("tls_connections") == "0").then_some(())
    });
    assert_alive(&server);
}

/// A second handle to the socket of a TLS client, to write around its TLS layer.
fn second_handle(fd: std::os::fd::RawFd) -> TcpStream {
    use std::os::fd::{AsFd, BorrowedFd};
    // SAFETY: the client that owns the descriptor outlives this borrow; the clone below is a descriptor of its own.
    #[allow(unsafe_code)]
    let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
    TcpStream::from(
        borrowed
            .as_fd()
            .try_clone_to_owned()
            .expect("a free descriptor"),
    )
}
