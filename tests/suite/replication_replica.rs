//! The server as a replica of a mock primary: every step of the protocol, over TCP and TLS.

use nix::sys::signal::Signal;
use tests::certs::{CertSpec, file_in, issue};
use tests::client::{Client, Transport, encoded, request};
use tests::mock_primary::{EOF_MARKER, ID, Link, MockPrimary, framed, rdb};
use tests::server::{Server, send_signal, temp_dir};
use tests::snapshots::{CORRUPT_HASH, with_footer};
use tests::wait::until;

/// Tests run the same body over both.
const BOTH: [Transport; 2] = [Transport::Tcp, Transport::Tls];

/// A server, a client of it, and the mock primary that it will replicate from.
fn setup(transport: Transport, args: &[&str]) -> (Server, Client, MockPrimary) {
    let mut all = args.to_vec();
    if transport == Transport::Tls {
        all.extend(["--tls-replication", "yes"]);
    }
    let server = Server::start(&all);
    let client = server.client(Transport::Tcp);
    (server, client, MockPrimary::new(transport))
}

fn follow(client: &mut Client, primary: &MockPrimary) {
    let reply = client.text(&format!("REPLICAOF 127.0.0.1 {}", primary.port));
    assert_eq!(reply, "OK");
}

fn wait_for_link(client: &mut Client, status: &str) {
    until("the state of the link", || {
        (client.info("master_link_status") == status).then_some(())
    });
}

/// A primary sends arrays only: a line would be part of a value that was misunderstood.
#[test]
fn a_line_in_the_stream_ends_the_link() {
    for transport in BOTH {
        let (server, mut client, primary) = setup(transport, &[]);
        follow(&mut client, &primary);
        let mut link = full_resync(&primary, 100, &[("a", "0")]);
        // Empty lines keep a link alive.
        link.send(b"\r\n\n");
        link.send(request("SET a 1"));
        link.send(b"FLUSHALL\r\n");
        link.send(request("SET b 1"));
        link.wait_for_close();
        assert_eq!(client.text("MGET a b"), "[1 nil]");
        server.wait_for_log(&[
            "Protocol error (Master using the inline protocol. Desync?) from master",
        ]);
        // The history cannot be continued.
        let mut link = primary.accept();
        while !link.request().join(" ").starts_with("PSYNC ?") {
            link.send("+OK\r\n");
        }
    }
}

/// Sends a replica a full resynchronization at `offset`.
fn full_resync(primary: &MockPrimary, offset: u64, pairs: &[(&str, &str)]) -> Link {
    let (mut link, _) = primary.accept_handshake();
    link.start_full_resync(offset);
    link.send(framed(&rdb(pairs), true));
    link.wait_for_ack(offset);
    link
}

#[test]
fn the_handshake_with_the_primary() {
    for transport in BOTH {
        let args = [
            "--masteruser",
            "u",
            "--masterauth",
            "p w",
            "--replica-announce-ip",
            "10.1.2.3",
            "--replica-announce-port",
            "77",
        ];
        let (_server, mut client, primary) = setup(transport, &args);
        follow(&mut client, &primary);
        let mut link = primary.accept();
        assert_eq!(link.request(), ["PING"]);
        link.send_bytewise("-NOAUTH Authentication required.\r\n");
        assert_eq!(link.request(), ["AUTH", "u", "p w"]);
        assert_eq!(link.request(), ["REPLCONF", "listening-port", "77"]);
        assert_eq!(link.request(), ["REPLCONF", "ip-address", "10.1.2.3"]);
        let capabilities = ["REPLCONF", "capa", "eof", "capa", "psync2"];
        assert_eq!(link.request(), capabilities);
        link.send_bytewise("+OK\r\n-ERR unknown\r\n+OK\r\n-ERR unknown\r\n");
        let psync = link.request();
        assert_eq!((psync[0].as_str(), psync[2].as_str()), ("PSYNC", "1"));
        link.send("\n\n");
        link.start_full_resync(1000);
        link.send("\n");
        link.send_bytewise(framed(&rdb(&[("a", "1")]), false));
        wait_for_link(&mut client, "up");
        assert_eq!(client.text("GET a"), "1");
        link.send(request("SELECT 3"));
        link.send(request("SET b 2"));
        link.wait_for_ack(1000 + 23 + 27);
        assert_eq!(client.text("SELECT 3"), "OK");
        assert_eq!(client.text("GET b"), "2");
        assert!(client.text("SET b 3").starts_with("-READONLY"));
    }
}

#[test]
fn a_replica_announces_the_port_of_its_transport() {
    for transport in BOTH {
        let (server, mut client, primary) = setup(transport, &[]);
        follow(&mut client, &primary);
        let mut link = primary.accept();
        assert_eq!(link.request(), ["PING"]);
        link.send("+PONG\r\n");
        let port = match transport {
            Transport::Tls => server.tls_port,
            _ => server.port,
        };
        assert_eq!(link.request()[2], port.to_string());
        assert_eq!(client.info("role"), "slave");
    }
}

#[test]
fn every_kind_of_full_resync_loads() {
    for transport in BOTH {
        for load in ["disabled", "on-empty-db", "swapdb"] {
            for diskless in [false, true] {
                let (server, mut client, primary) =
                    setup(transport, &["--repl-diskless-load", load]);
                follow(&mut client, &primary);
                let (mut link, _) = primary.accept_handshake();
                link.start_full_resync(0);
                let mut bytes = framed(&rdb(&[("a", "1"), ("b", "2")]), diskless);
                if !diskless {
                    // Behind a data set of known size the stream may follow in the same segment.
                    bytes.extend(request("SET c 3"));
                }
                link.send(bytes);
                let mut offset = 27;
                if diskless {
                    link.wait_for_ack(0);
                    link.send_bytewise(request("SET c 3"));
                }
                link.wait_for_ack(offset);
                link.send(request("DEL a"));
                offset += 20;
                link.wait_for_ack(offset);
                assert_eq!(client.text("MGET a b c"), "[nil 2 3]");
                let to = if load == "disabled" { "disk" } else { "parser" };
                assert!(server.log().contains(&format!("to {to}")));
                assert!(server.log().contains("sync: Finished with success"));
                let files =
                    std::fs::read_dir(server.dir.path()).expect("the working folder is readable");
                let temporary = files
                    .flatten()
                    .filter(|entry| entry.file_name().to_string_lossy().starts_with("temp-"));
                assert_eq!(temporary.count(), 0);
            }
        }
    }
}

#[test]
fn a_broken_transfer_keeps_the_old_data_unless_it_was_loaded_in_place() {
    for transport in BOTH {
        for (load, left) in [
            ("disabled", "old"),
            ("swapdb", "old"),
            ("on-empty-db", "nil"),
        ] {
            let (server, mut client, primary) = setup(transport, &["--repl-diskless-load", load]);
            if left == "old" {
                client.text("SET k old");
            }
            follow(&mut client, &primary);
            let (mut link, _) = primary.accept_handshake();
            link.start_full_resync(0);
            let bytes = framed(&rdb(&[("a", "1"), ("k", "new")]), true);
            link.send(&bytes[..bytes.len() - EOF_MARKER.len() - 12]);
            server.wait_for_log(&["receiving streamed RDB"]);
            if load == "swapdb" {
                server.wait_for_log(&["Loading DB in memory"]);
                let loading = "-LOADING Redis is loading the dataset in memory";
                for set in ["appendonly no", "repl-diskless-load disabled"] {
                    assert_eq!(client.text(&format!("CONFIG SET {set}")), loading);
                }
                assert_eq!(client.text("CONFIG SET hz 11"), "OK");
            }
            drop(link);
            server.wait_for_log(&["after failure"]);
            let (mut link, _) = primary.accept_handshake();
            assert_eq!(client.text("GET k"), left);
            assert_eq!(client.text("GET a"), "nil");
            link.start_full_resync(0);
            link.send(bytes);
            link.wait_for_ack(0);
            assert_eq!(client.text("MGET a k"), "[1 new]");
        }
    }
}

#[test]
fn corrupt_transfers_are_refused_and_retried() {
    for load in ["disabled", "swapdb"] {
        let (server, mut client, primary) = setup(Transport::Tcp, &["--repl-diskless-load", load]);
        follow(&mut client, &primary);
        let (mut link, _) = primary.accept_handshake();
        link.start_full_resync(0);
        let mut broken = rdb(&[("a", "1")]);
        broken[11] = 99;
        link.send(framed(&broken, true));
        server.wait_for_log(&["Failed trying to load the MASTER synchronization DB"]);
        for head in ["-ERR no\r\n", "+what\r\n", "$x\r\n", "$EOF:short\r\n"] {
            let (mut link, psync) = primary.accept_handshake();
            // The data set that was loaded before the malformed file is gone; so it may ask for either kind of
            // resynchronization.
            assert_eq!(psync[0], "PSYNC");
            link.start_full_resync(0);
            link.send(head);
            link.wait_for_close();
        }
        let (mut link, _) = primary.accept_handshake();
        link.start_full_resync(0);
        link.send(framed(&rdb(&[("a", "1")]), true));
        link.wait_for_ack(0);
        assert_eq!(client.text("GET a"), "1");
    }
}

#[test]
fn refused_handshakes_are_retried() {
    for transport in BOTH {
        let (server, mut client, primary) = setup(transport, &["--masterauth", "p"]);
        follow(&mut client, &primary);
        let mut link = primary.accept();
        link.request();
        link.send("-ERR no\r\n");
        link.wait_for_close();
        server.wait_for_log(&["Error reply to PING from master: '-ERR no'"]);
        let mut link = primary.accept();
        link.request();
        link.send("+PONG\r\n-WRONGPASS no\r\n");
        link.wait_for_close();
        server.wait_for_log(&["Unable to AUTH to MASTER: -WRONGPASS no"]);
        for refusal in ["-NOMASTERLINK no\r\n", "-LOADING no\r\n"] {
            let (mut link, _) = primary.accept_handshake();
            link.send(refusal);
            link.wait_for_close();
        }
        server.wait_for_log(&["Master is currently unable to PSYNC"]);
        let (mut link, _) = primary.accept_handshake();
        link.send("-ERR unknown command\r\n");
        assert_eq!(link.request(), ["SYNC"]);
        link.send(framed(&rdb(&[("a", "1")]), false));
        wait_for_link(&mut client, "up");
        assert_eq!(client.text("GET a"), "1");
    }
}

#[test]
fn a_handshake_that_is_cut_anywhere_is_retried() {
    for transport in BOTH {
        let (_server, mut client, primary) = setup(transport, &[]);
        follow(&mut client, &primary);
        drop(primary.accept_socket());
        for steps in 0..4 {
            let mut link = primary.accept();
            for step in 0..steps {
                link.request();
                let answer = if step == 0 { "+PONG\r\n" } else { "+OK\r\n" };
                link.send(answer);
            }
        }
        full_resync(&primary, 5, &[("a", "1")]);
        assert_eq!(client.text("GET a"), "1");
    }
}

#[test]
fn every_step_times_out() {
    for transport in BOTH {
        let (server, mut client, primary) = setup(transport, &[]);
        client.text("CONFIG SET repl-timeout 1");
        follow(&mut client, &primary);
        // Neither the TLS handshake nor PING is answered.
        let silent = primary.accept_socket();
        server.wait_for_log(&["Timeout connecting to the MASTER..."]);
        let (mut link, _) = primary.accept_handshake();
        link.start_full_resync(0);
        link.send("$100\r\nREDIS");
        server.wait_for_log(&["Timeout receiving bulk data from MASTER..."]);
        let followed = full_resync(&primary, 0, &[]);
        server.wait_for_log(&["MASTER timeout: no data nor PING received..."]);
        drop((silent, link, followed));
    }
}

#[test]
fn a_cut_link_resumes_after_the_last_executed_command() {
    for transport in BOTH {
        let (server, mut client, primary) = setup(transport, &[]);
        follow(&mut client, &primary);
        let mut link = full_resync(&primary, 100, &[("a", "1")]);
        link.send(request("SELECT 2"));
        link.send(request("SET b 2"));
        link.wait_for_ack(150);
        // An incomplete command and an incomplete transaction are not executed: the replica asks for them again.
        link.send(request("MULTI"));
        link.send(request("SET b 3"));
        link.send(&request("SET b 4")[..9]);
        until("the replica to read the whole stream", || {
            (client.info("slave_read_repl_offset") == "201").then_some(())
        });
        assert_eq!(client.info("slave_repl_offset"), "150");
        drop(link);
        let (mut link, psync) = primary.accept_handshake();
        assert_eq!(psync, ["PSYNC", ID, "151"]);
        let other = ID.replace('0', "f");
        link.send(format!("+CONTINUE {other}\r\n"));
        for line in ["MULTI", "SET b 3", "INCR b", "EXEC"] {
            link.send(request(line));
        }
        link.wait_for_ack(150 + 15 + 27 + 21 + 14);
        server.wait_for_log(&["Successful partial resynchronization with master."]);
        client.text("SELECT 2");
        assert_eq!(client.text("GET b"), "4");
        drop(link);
        let (_link, psync) = primary.accept_handshake();
        assert_eq!(psync[1], other);
    }
}

#[test]
fn getack_is_answered_within_a_batch() {
    for transport in BOTH {
        let (_server, mut client, primary) = setup(transport, &[]);
        follow(&mut client, &primary);
        let mut link = full_resync(&primary, 1000, &[]);
        let lines = [
            "SET a 1",
            "REPLCONF GETACK *",
            "SET a 2",
            "MULTI",
            "SET a 3",
            "REPLCONF GETACK *",
            "EXEC",
            "REPLCONF GETACK *",
        ];
        let requests: Vec<Vec<u8>> = lines.iter().map(|line| request(line)).collect();
        // GETACK itself does not count, and a transaction counts only once it has ended.
        let up_to = |count: usize| {
            let bytes: usize = requests[..count].iter().map(Vec::len).sum();
            (1000 + bytes).to_string()
        };
        link.send(requests.concat());
        let mut received = Vec::new();
        while received.len() < 3 {
            let request = link.request();
            assert_eq!(request[..2], ["REPLCONF", "ACK"]);
            // Cron may have acknowledged the initial offset.
            if request[2] != "1000" {
                received.push(request[2].clone());
            }
        }
        assert_eq!(received, [up_to(1), up_to(3), up_to(7)]);
        let end = up_to(8).parse().expect("a number");
        link.wait_for_ack(end);
        assert_eq!(client.text("GET a"), "3");
    }
}

#[test]
fn propagation_errors_crash_the_replica_if_configured() {
    for behavior in ["panic", "panic-on-replicas"] {
        let args = ["--propagation-error-behavior", behavior];
        let (mut server, mut client, primary) = setup(Transport::Tcp, &args);
        follow(&mut client, &primary);
        let mut link = full_resync(&primary, 0, &[("a", "1")]);
        link.send(request("LPUSH a x"));
        server.wait_for_log(&["This replica panicked sending an error to its master after"]);
        assert_eq!(server.wait_for_exit(), None);
    }
}

/// The save has failed: the replica exits, unless it is configured to ignore that.
#[test]
fn a_replica_exits_on_disk_errors_unless_configured_to_ignore_them() {
    for ignores in ["no", "yes"] {
        let args = ["--replica-ignore-disk-write-errors", ignores];
        let (mut server, mut client, primary) = setup(Transport::Tcp, &args);
        follow(&mut client, &primary);
        let mut link = full_resync(&primary, 0, &[("a", "1")]);
        client.text("CONFIG SET rdb-key-save-delay 10000000");
        client.call(&["CONFIG", "SET", "save", "3600 100000"]);
        assert_eq!(client.text("BGSAVE"), "Background saving started");
        send_signal(server.child_pid(), Signal::SIGKILL);
        until("the save to fail", || {
            (client.info("rdb_last_bgsave_status") == "err").then_some(())
        });
        link.send(request("PING"));
        link.wait_for_ack(14);
        server.wait_for_log(&["Replica is applying a command even though"]);
        link.send(request("SET a 2"));
        if ignores == "yes" {
            link.wait_for_ack(14 + 27);
            assert_eq!(client.text("GET a"), "2");
        } else {
            server.wait_for_log(&["Replica was unable to write command to disk."]);
            assert_eq!(server.wait_for_exit(), None);
        }
    }
}

#[test]
fn an_unimplemented_command_ends_the_link() {
    for transport in BOTH {
        let (server, mut client, primary) = setup(transport, &[]);
        follow(&mut client, &primary);
        let mut link = full_resync(&primary, 0, &[("a", "1")]);
        // A known command that fails does not end the link.
        link.send(request("LPUSH a x"));
        link.send(request("SET a 2"));
        link.wait_for_ack(29 + 27);
        server.wait_for_log(&["== CRITICAL == This replica is sending an error to its master"]);
        assert_eq!(client.info("unexpected_error_replies"), "1");
        // Neither does one that Redis 7.2 does not have.
        link.send(request("FROBNICATE a"));
        link.send(request("SET a 3"));
        link.wait_for_ack(29 + 27 + 28 + 27);
        server.wait_for_log(&["after processing the command '<unknown>'"]);
        assert_eq!(client.text("GET a"), "3");
        link.send(request("SENTINEL RESET a"));
        link.send(request("SET a 5"));
        link.wait_for_close();
        server.wait_for_log(&["This server lacks a command that its master sends"]);
        assert_eq!(client.text("GET a"), "3");
        assert_eq!(client.info("master_link_status"), "down");
        assert!(primary.has_no_pending_connection());
        follow(&mut client, &primary);
        full_resync(&primary, 200, &[("a", "4")]);
        assert_eq!(client.text("GET a"), "4");
    }
}

#[test]
fn expired_keys_are_deleted_only_by_the_primary() {
    let (_server, mut client, primary) = setup(Transport::Tcp, &[]);
    follow(&mut client, &primary);
    let mut link = full_resync(&primary, 0, &[("a", "x")]);
    let mut offset = 0;
    let mut send = |link: &mut Link, line: &str| {
        let bytes = request(line);
        offset += bytes.len() as u64;
        link.send(bytes);
        link.wait_for_ack(offset);
    };
    send(&mut link, "PEXPIREAT a 1");
    assert_eq!(client.text("GET a"), "nil");
    assert_eq!(client.text("DBSIZE"), "1");
    // Commands that inspect the stored entry see it.
    assert!(client.text("DEBUG OBJECT a").starts_with("Value at:"));
    assert!(client.text("DEBUG SDSLEN a").starts_with("key_sds_len:1,"));
    assert_ne!(
        client.text("DEBUG DIGEST-VALUE a"),
        client.text("DEBUG DIGEST-VALUE b")
    );
    // RANDOMKEY may return it, since the replica has no other key.
    assert_eq!(client.text("RANDOMKEY"), "a");
    // For the primary the key still exists.
    send(&mut link, "APPEND a y");
    assert_eq!(client.text("DBSIZE"), "1");
    send(&mut link, "PERSIST a");
    assert_eq!(client.text("GET a"), "xy");
    send(&mut link, "DEL a");
    assert_eq!(client.text("DBSIZE"), "0");
}

#[test]
fn tls_peer_name_check_verifies_the_name_of_the_primary() {
    let folder = temp_dir();
    let spec = CertSpec {
        name: "elsewhere",
        extensions: &["subjectAltName=DNS:elsewhere.example,IP:10.9.8.7"],
        ..CertSpec::default()
    };
    issue(folder.path(), &spec);
    let file = |name| file_in(folder.path(), name);
    let (server, mut client, primary) = setup(Transport::Tls, &[]);
    let primary = primary.with_certificate(&file("elsewhere.crt"), &file("elsewhere.key"));
    // Without `tls-peer-name-check` a trusted signature is enough.
    follow(&mut client, &primary);
    let link = full_resync(&primary, 0, &[]);
    client.text("CONFIG SET tls-peer-name-check yes");
    drop(link);
    primary.expect_tls_rejection();
    let line = server.wait_for_log(&["Error condition on socket for SYNC"]);
    assert!(line.contains("elsewhere.example"), "{line}");
    assert!(line.contains("10.9.8.7"), "{line}");
}

#[test]
fn a_host_name_is_resolved_and_every_address_is_tried() {
    for transport in BOTH {
        let check = ["--tls-peer-name-check", "yes"];
        let (_server, mut client, primary) = setup(transport, &check);
        let reply = client.text(&format!("REPLICAOF localhost {}", primary.port));
        assert_eq!(reply, "OK");
        full_resync(&primary, 0, &[("a", "1")]);
        assert_eq!(client.text("GET a"), "1");
        let reply = client.text(&format!("REPLICAOF no.such.name.invalid {}", primary.port));
        assert_eq!(reply, "OK");
        assert_eq!(client.text("PING"), "PONG");
        wait_for_link(&mut client, "down");
    }
}

#[test]
fn a_command_longer_than_the_backlog_is_not_kept() {
    for transport in BOTH {
        let (_server, mut client, primary) = setup(transport, &["--repl-backlog-size", "65536"]);
        follow(&mut client, &primary);
        let mut link = full_resync(&primary, 0, &[("a", "1")]);
        let long = request(&format!("SET a {}", "x".repeat(8 << 20)));
        let offset = long.len() as u64;
        link.send(long);
        link.wait_for_ack(offset);
        let kept = client.info("mem_replication_backlog");
        let kept: u64 = kept.parse().expect("a number");
        assert!(kept < 1 << 20, "{kept}");
    }
}

#[test]
fn a_promoted_replica_accepts_writes() {
    let (server, mut client, primary) = setup(Transport::Tcp, &[]);
    follow(&mut client, &primary);
    let link = full_resync(&primary, 7, &[("a", "1")]);
    let again = client.text(&format!("REPLICAOF 127.0.0.1 {}", primary.port));
    assert_eq!(again, "OK Already connected to specified master");
    assert_eq!(client.text("REPLICAOF NO ONE"), "OK");
    link.wait_for_close();
    assert_eq!(client.info("role"), "master");
    assert_eq!(client.text("SET a 2"), "OK");
    server.wait_for_log(&["MASTER MODE enabled"]);
    assert!(primary.has_no_pending_connection());
    assert_eq!(
        client.text("REPLICAOF host 70000"),
        "-ERR Invalid master port"
    );
}

/// A replica executes what its primary has executed, whatever its own limits are, within a transaction as well.
#[test]
fn limits_do_not_apply_to_the_primary() {
    for transport in BOTH {
        let (server, mut client, primary) = setup(transport, &["--proto-max-bulk-len", "1mb"]);
        follow(&mut client, &primary);
        let mut link = full_resync(&primary, 0, &[]);
        let lines = [
            "XADD s MAXLEN = 1 LIMIT 5 1-1 f v",
            "XADD s MAXLEN = 1 LIMIT 5 2-1 f v",
            "SETRANGE r 2000000 x",
            "MULTI",
            "SETBIT b 16000000 1",
            "BITFIELD f SET u8 16000000 7",
            "XTRIM s MINID = 2-1 LIMIT 5",
            "EXEC",
        ];
        let stream: Vec<u8> = lines.iter().flat_map(|line| request(line)).collect();
        link.send(&stream);
        link.wait_for_ack(stream.len() as u64);
        assert_eq!(client.text("XLEN s"), "1");
        assert_eq!(client.text("STRLEN r"), "2000001");
        assert_eq!(client.text("STRLEN b"), "2000001");
        assert_eq!(client.text("STRLEN f"), "2000001");
        assert!(!server.log().contains("CRITICAL"), "{}", server.log());
        assert_eq!(client.text("REPLICAOF NO ONE"), "OK");
        assert!(
            client
                .text("SETRANGE r 2000001 x")
                .starts_with("-ERR string exceeds")
        );
    }
}

/// With `sanitize-dump-payload clients` payloads from the primary are not fully checked, within a transaction either.
#[test]
fn a_transaction_of_the_primary_may_restore_unchecked_payloads() {
    for transport in BOTH {
        let (_server, mut client, primary) =
            setup(transport, &["--sanitize-dump-payload", "clients"]);
        follow(&mut client, &primary);
        let mut link = full_resync(&primary, 0, &[("a", "1")]);
        let args: [&[u8]; 4] = [b"RESTORE", b"k", b"0", &with_footer(CORRUPT_HASH)];
        let mut stream = request("MULTI");
        stream.extend(encoded(&args));
        stream.extend(request("EXEC"));
        link.send(&stream);
        link.wait_for_ack(stream.len() as u64);
        assert_eq!(client.text("TYPE k"), "hash", "{transport:?}");
    }
}

#[test]
fn a_command_with_the_wrong_number_of_arguments_is_skipped() {
    for transport in BOTH {
        let (server, mut client, primary) = setup(transport, &[]);
        follow(&mut client, &primary);
        let mut link = full_resync(&primary, 0, &[("a", "1")]);
        let stream = [request("SET a"), request("SET a 2")].concat();
        link.send(&stream);
        link.wait_for_ack(stream.len() as u64);
        assert_eq!(client.text("GET a"), "2", "{transport:?}");
        server.wait_for_log(&["== CRITICAL == This replica is sending an error to its master"]);
    }
}
