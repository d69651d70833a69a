//! maxmemory: which keys are evicted, what is refused, and who hears of it.

use tests::client::{Client, Transport, show};
use tests::mock_replica::MockReplica;
use tests::pair;
use tests::server::Server;
use tests::wait::until;

/// Memory that a test leaves free above what is in use, in bytes.
const ROOM: u64 = 256 * 1024;

fn number(client: &mut Client, field: &str) -> u64 {
    let text = client.info(field);
    text.parse().unwrap_or_else(|_| panic!("{field}: {text}"))
}

fn ok(client: &mut Client, command: &str) {
    assert_eq!(client.text(command), "OK", "{command}");
}

/// Allows `room` bytes more than are in use now.
fn limit_to(client: &mut Client, room: u64) -> u64 {
    let limit = number(client, "used_memory") + room;
    ok(client, &format!("CONFIG SET maxmemory {limit}"));
    limit
}

/// Sends many requests at once; the replies.
fn pipeline(client: &mut Client, requests: &[String]) -> Vec<String> {
    client.send((requests.join("\r\n") + "\r\n").as_bytes());
    requests.iter().map(|_| show(&client.read())).collect()
}

/// Stores `count` keys of 1000 bytes, without an expiry or with one.
fn fill(client: &mut Client, prefix: &str, count: usize, volatile: bool) -> Vec<String> {
    let expire = if volatile { " EX 10000" } else { "" };
    let set = |n| format!("SET {prefix}:{n} {}{expire}", "x".repeat(1000));
    pipeline(client, &(0..count).map(set).collect::<Vec<_>>())
}

fn exist(client: &mut Client, prefix: &str, count: usize) -> usize {
    let requests: Vec<String> = (0..count).map(|n| format!("EXISTS {prefix}:{n}")).collect();
    let replies = pipeline(client, &requests);
    replies.iter().filter(|reply| *reply == "1").count()
}

#[test]
fn every_policy_keeps_the_limit_and_evicts_what_it_may() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        for policy in [
            "allkeys-lru",
            "allkeys-lfu",
            "allkeys-random",
            "volatile-lru",
            "volatile-lfu",
            "volatile-random",
            "volatile-ttl",
        ] {
            let mut client = server.client(transport);
            ok(&mut client, "CONFIG SET maxmemory 0");
            ok(&mut client, "FLUSHALL");
            ok(&mut client, "CONFIG RESETSTAT");
            ok(
                &mut client,
                &format!("CONFIG SET maxmemory-policy {policy}"),
            );
            fill(&mut client, "kept", 50, false);
            let limit = limit_to(&mut client, ROOM);
            let replies = fill(&mut client, "key", 1000, true);
            let what = format!("{transport:?} {policy}");
            assert!(replies.iter().all(|reply| reply == "OK"), "{what}");
            let used = number(&mut client, "used_memory");
            assert!(used < limit + 64 * 1024, "{what}: {used} of {limit}");
            // Requests take memory as well, so nothing is evicted while keys are counted.
            ok(&mut client, "CONFIG SET maxmemory 0");
            let kept = exist(&mut client, "kept", 50);
            let rest = exist(&mut client, "key", 1000);
            assert!((50..600).contains(&rest), "{what}: {rest}");
            assert!(!policy.starts_with("volatile") || kept == 50, "{what}");
            let evicted = number(&mut client, "evicted_keys") as usize;
            assert_eq!(evicted, 1050 - kept - rest, "{what}");
        }
    }
}

#[test]
fn without_a_key_to_evict_commands_that_need_memory_are_refused() {
    const OOM: &str = "-OOM command not allowed when used memory > 'maxmemory'.";
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let mut client = server.client(transport);
        for policy in [
            "noeviction",
            "volatile-lru",
            "volatile-ttl",
            "volatile-random",
        ] {
            ok(&mut client, "CONFIG SET maxmemory 0");
            ok(&mut client, "FLUSHALL");
            ok(
                &mut client,
                &format!("CONFIG SET maxmemory-policy {policy}"),
            );
            fill(&mut client, "key", 20, false);
            ok(&mut client, "MULTI");
            assert_eq!(client.text("SET a 1"), "QUEUED");
            let mut other = server.client(transport);
            ok(&mut other, "MULTI");
            assert_eq!(other.text("GET key:0"), "QUEUED");
            let mut third = server.client(transport);
            ok(&mut third, "CONFIG SET maxmemory 1");
            assert_eq!(third.text("SET b 1"), OOM, "{policy}");
            assert_eq!(third.text("LPUSH b 1"), OOM, "{policy}");
            assert_eq!(third.text("GET b"), "nil");
            assert_eq!(third.text("DEL key:1"), "1");
            assert_eq!(client.text("GET b"), OOM, "a queued command takes memory");
            assert_eq!(
                client.text("EXEC"),
                format!("-EXECABORT Transaction discarded because of: {}", &OOM[1..])
            );
            // Nothing in this transaction needs memory.
            assert_eq!(show(&other.cmd("EXEC")).len(), 1002);
            ok(&mut third, "MULTI");
            assert_eq!(third.text("PING"), OOM);
            ok(&mut third, "DISCARD");
            assert!(number(&mut third, "current_eviction_exceeded_time") < 100_000);
            assert_eq!(number(&mut third, "evicted_keys"), 0);
            assert_eq!(third.text("DBSIZE"), "19");
            ok(&mut third, "CONFIG SET maxmemory 0");
            ok(&mut third, "SET b 1");
        }
    }
}

#[test]
fn a_lowered_limit_is_met_without_a_command() {
    for transport in [Transport::Tcp, Transport::Tls] {
        for (lazy, name) in [("no", "DEL"), ("yes", "UNLINK")] {
            let server = Server::start(&[
                "--lazyfree-lazy-eviction",
                lazy,
                "--maxmemory-policy",
                "allkeys-lru",
            ]);
            let mut client = server.client(transport);
            fill(&mut client, "key", 300, false);
            let mut replica = MockReplica::new(&server, transport);
            ok(&mut client, "MULTI");
            assert_eq!(client.text("INCR x"), "QUEUED");
            assert_eq!(client.text("CONFIG SET maxmemory 1"), "QUEUED");
            assert_eq!(client.text("INCR x"), "QUEUED");
            assert_eq!(client.text("EXEC"), "[1 OK 2]");
            for expected in ["MULTI", "SELECT 0", "INCR x", "INCR x", "EXEC"] {
                assert_eq!(replica.next_request(), expected, "{transport:?}");
            }
            for _ in 0..301 {
                let request = replica.next_request();
                assert!(request.starts_with(&format!("{name} ")), "{request}");
            }
            assert_eq!(client.text("DBSIZE"), "0");
            assert_eq!(number(&mut client, "evicted_keys"), 301);
            assert!(
                server
                    .log()
                    .contains("WARNING: the new maxmemory value set via CONFIG SET (1) is smaller")
            );
        }
    }
}

#[test]
fn eviction_is_a_change_for_watchers_and_blocked_readers() {
    let server = Server::start(&["--maxmemory-policy", "allkeys-random"]);
    for transport in Transport::ALL {
        let mut client = server.client(transport);
        ok(&mut client, "CONFIG SET maxmemory 0");
        ok(&mut client, "SET a 1");
        ok(&mut client, "WATCH a");
        let mut reader = server.client(transport);
        ok(&mut reader, "XGROUP CREATE s g $ MKSTREAM");
        reader.send(b"XREADGROUP GROUP g c BLOCK 0 STREAMS s >\r\n");
        client.wait_for_blocked(1);
        let mut other = server.client(transport);
        ok(&mut other, "CONFIG SET maxmemory 1");
        until("both keys to be evicted", || {
            (other.text("DBSIZE") == "0").then_some(())
        });
        assert!(
            show(&reader.read()).starts_with("-NOGROUP"),
            "{transport:?}"
        );
        ok(&mut client, "MULTI");
        assert!(client.text("PING").starts_with("-OOM"));
        ok(&mut client, "DISCARD");
        ok(&mut other, "CONFIG SET maxmemory 0");
        ok(&mut client, "SET a 1");
        ok(&mut client, "WATCH a");
        ok(&mut other, "CONFIG SET maxmemory 1");
        until("the key to be evicted", || {
            (other.text("DBSIZE") == "0").then_some(())
        });
        ok(&mut other, "CONFIG SET maxmemory 0");
        ok(&mut client, "MULTI");
        assert_eq!(client.text("PING"), "QUEUED");
        assert_eq!(client.text("EXEC"), "nil", "{transport:?}");
    }
}

#[test]
fn used_keys_outlive_unused_ones() {
    for (policy, transport) in [
        ("allkeys-lfu", Transport::Tcp),
        ("allkeys-lfu", Transport::Tls),
        ("volatile-lfu", Transport::Tcp),
    ] {
        let server = Server::start(&[
            "--maxmemory-policy",
            policy,
            "--lfu-log-factor",
            "0",
            "--lfu-decay-time",
            "0",
        ]);
        let mut client = server.client(transport);
        fill(&mut client, "hot", 100, true);
        let gets: Vec<String> = (0..2000).map(|n| format!("GET hot:{}", n % 100)).collect();
        pipeline(&mut client, &gets);
        assert_eq!(client.text("OBJECT FREQ hot:7"), "25");
        // Replacing the value is one more access.
        ok(&mut client, "SET hot:7 y EX 1000");
        assert_eq!(client.text("OBJECT FREQ hot:7"), "26");
        limit_to(&mut client, ROOM);
        fill(&mut client, "cold", 2000, true);
        assert!(number(&mut client, "evicted_keys") > 1500);
        // A sample may happen to hold no other key.
        let hot = exist(&mut client, "hot", 100);
        assert!(hot >= 95, "{policy} {transport:?}: {hot}");
    }
}

#[test]
fn a_replica_follows_its_primary_whatever_its_own_limit() {
    for transport in [Transport::Tcp, Transport::Tls] {
        let (primary_server, mut primary) = pair::start(transport, &[]);
        let policy = ["--maxmemory-policy", "allkeys-lru", "--maxmemory", "1"];
        let (server, mut replica) = pair::start(transport, &policy);
        assert!(
            server
                .log()
                .contains("a maxmemory value that is less than 1MB (current value is 1 bytes)")
        );
        pair::follow(&mut replica, pair::port(&primary_server, transport));
        pair::wait_for_link(&mut replica);
        fill(&mut primary, "key", 100, false);
        pair::wait_for_offset(&mut primary, &mut replica);
        assert_eq!(replica.text("DBSIZE"), "100");
        assert_eq!(number(&mut replica, "evicted_keys"), 0);
        // With a limit of its own it evicts, but the primary's commands are never refused.
        ok(&mut replica, "CONFIG SET replica-ignore-maxmemory no");
        until("all keys to be evicted", || {
            (replica.text("DBSIZE") == "0").then_some(())
        });
        ok(&mut replica, "CONFIG SET maxmemory-policy noeviction");
        fill(&mut primary, "key", 100, false);
        pair::wait_for_offset(&mut primary, &mut replica);
        assert_eq!(replica.text("DBSIZE"), "100");
        assert_eq!(replica.info("unexpected_error_replies"), "0");
    }
}

#[test]
fn nothing_is_evicted_during_a_pause() {
    let server = Server::start(&["--maxmemory-policy", "allkeys-lru"]);
    let mut client = server.client(Transport::Tls);
    fill(&mut client, "key", 10, false);
    ok(&mut client, "CLIENT PAUSE 100000 WRITE");
    ok(&mut client, "CONFIG SET maxmemory 1");
    for _ in 0..5 {
        assert_eq!(client.text("DBSIZE"), "10");
    }
    ok(&mut client, "CLIENT UNPAUSE");
    until("all keys to be evicted", || {
        (client.text("DBSIZE") == "0").then_some(())
    });
}

#[test]
fn a_slow_replica_causes_no_eviction() {
    let args = [
        "--maxmemory-policy",
        "allkeys-lru",
        "--client-output-buffer-limit",
        "replica 0 0 0",
        "--repl-backlog-size",
        "16384",
    ];
    let (server, mut client) = pair::start(Transport::Tcp, &args);
    fill(&mut client, "key", 100, false);
    let _stalled = tests::mock_replica::stalled(&server, Transport::Tcp);
    limit_to(&mut client, ROOM);
    // Ten times the room, all of it for the replica.
    for _ in 0..10 {
        fill(&mut client, "key", 100, false);
        fill(&mut client, "key", 100, false);
        fill(&mut client, "key", 60, false);
    }
    assert!(number(&mut client, "mem_not_counted_for_evict") > 5 * ROOM);
    assert_eq!(number(&mut client, "evicted_keys"), 0);
    assert_eq!(client.text("DBSIZE"), "100");
}

#[test]
fn the_growth_of_a_table_evicts_nothing() {
    // Each resize of the table of keys takes more than the room; it is used bit by bit, as it is filled.
    let server = Server::start(&["--maxmemory-policy", "allkeys-random"]);
    let mut client = server.client(Transport::Unix);
    ok(&mut client, "DEBUG POPULATE 300000 first");
    for round in 0..120 {
        ok(&mut client, &format!("DEBUG POPULATE 1000 key:{round}"));
        limit_to(&mut client, 512 * 1024);
        for n in 0..10 {
            ok(&mut client, &format!("SET extra:{round}:{n} 1"));
        }
        assert_eq!(number(&mut client, "evicted_keys"), 0, "{round}");
        ok(&mut client, "CONFIG SET maxmemory 0");
    }
}

#[test]
fn an_evicted_value_counts_as_freed_while_it_waits_for_the_background_thread() {
    let server = Server::start(&[
        "--lazyfree-lazy-eviction",
        "yes",
        "--maxmemory-policy",
        "volatile-ttl",
        "--maxmemory-samples",
        "1000",
    ]);
    let mut client = server.client(Transport::Tls);
    fill(&mut client, "key", 500, true);
    let adds: Vec<String> = (0..3000)
        .map(|n| {
            format!(
                "SADD big {}",
                (0..100)
                    .map(|m| format!("member-{n}-{m}"))
                    .collect::<Vec<_>>()
                    .join(" ")
            )
        })
        .collect();
    pipeline(&mut client, &adds);
    // The big value goes first; while it is being freed nothing else has to.
    assert_eq!(client.text("EXPIRE big 100"), "1");
    limit_to(&mut client, 0);
    fill(&mut client, "more", 100, false);
    assert_eq!(client.text("EXISTS big"), "0");
    assert_eq!(number(&mut client, "evicted_keys"), 1);
    assert_eq!(exist(&mut client, "key", 500), 500);
}

#[test]
fn what_a_client_has_announced_does_not_count_before_it_arrives() {
    let server = Server::start(&["--maxmemory-policy", "allkeys-lru"]);
    for transport in Transport::ALL {
        let mut client = server.client(transport);
        ok(&mut client, "CONFIG SET maxmemory 0");
        fill(&mut client, "key", 100, false);
        let mut others: Vec<Client> = (0..20).map(|_| server.client(transport)).collect();
        limit_to(&mut client, 16 * 1024 * 1024);
        for other in &mut others {
            other.send(b"*2\r\n$4\r\nECHO\r\n$500000000\r\nx");
        }
        until("the headers to arrive", || {
            let list = client.text("CLIENT LIST");
            (list.matches(" qbuf=1 ").count() == others.len()).then_some(())
        });
        assert_eq!(client.text("DBSIZE"), "100", "{transport:?}");
        assert_eq!(number(&mut client, "evicted_keys"), 0, "{transport:?}");
        // What arrives does count.
        let last = others.last_mut().expect("a client");
        last.send(&vec![b'x'; 20_000_000]);
        until("the keys to be evicted", || {
            (client.text("DBSIZE") == "0").then_some(())
        });
        ok(&mut client, "CONFIG RESETSTAT");
    }
}
