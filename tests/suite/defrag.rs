//! Active defragmentation: fragmentation falls, nothing else changes, and clients are served meanwhile.

use tests::client::{Client, Transport, show};
use tests::server::Server;
use tests::wait::until;

fn number<T: std::str::FromStr>(client: &mut Client, field: &str) -> T {
    let text = client.info(field);
    let parsed = text.parse().ok();
    parsed.unwrap_or_else(|| panic!("{field}: {text}"))
}

fn ok(client: &mut Client, command: &str) {
    assert_eq!(client.text(command), "OK", "{command}");
}

/// Sends requests, a thousand at a time.
fn pipeline(client: &mut Client, requests: impl Iterator<Item = String>) {
    let requests: Vec<String> = requests.collect();
    for batch in requests.chunks(1000) {
        client.send((batch.join("\r\n") + "\r\n").as_bytes());
        for request in batch {
            let reply = show(&client.read());
            assert!(!reply.starts_with('-'), "{request}: {reply}");
        }
    }
}

fn switch_on(client: &mut Client) {
    for setting in [
        "active-defrag-threshold-lower 5",
        "active-defrag-cycle-min 65",
        "active-defrag-cycle-max 75",
        "active-defrag-ignore-bytes 400kb",
        "activedefrag yes",
    ] {
        ok(client, &format!("CONFIG SET {setting}"));
    }
}

/// Waits for cron to sample the allocator once more.
fn wait_for_sample(client: &mut Client) {
    let before: u64 = number(client, "eventloop_cycles");
    // One turn per cron call at least; the sample is taken in every tenth at 100 Hz.
    until("a sample", || {
        (number::<u64>(client, "eventloop_cycles") > before + 40).then_some(())
    });
    let allocated = client.info("allocator_allocated");
    until("the next sample", || {
        (client.info("allocator_allocated") != allocated).then_some(())
    });
}

/// Elements of all types, half of which are removed again.
fn fill_and_thin_out(client: &mut Client, count: usize) {
    ok(client, "CONFIG SET list-max-listpack-size 5");
    ok(client, "CONFIG SET stream-node-max-entries 5");
    let text = "x".repeat(90);
    let add = |n: usize| {
        [
            format!("SETRANGE key:{n} 150 a"),
            format!("SET volatile:{n} {text} EX 100000"),
            format!("HSET hash:{} field:{n} value:{n}", n % 2),
            format!("SADD set:{} member:{n}", n % 2),
            format!("ZADD zset:{} {n} member:{n}", n % 2),
            format!("RPUSH list:{} {text}", n % 2),
            format!("XADD stream:{} * field {text}", n % 2),
            format!("RPUSH small:{n} a b {n}"),
        ]
    };
    pipeline(client, (0..count).flat_map(add));
    let remove = |n: usize| {
        [
            format!("DEL key:{n} volatile:{n} small:{n}"),
            format!("HDEL hash:0 field:{n}"),
        ]
    };
    pipeline(client, (0..count).step_by(2).flat_map(remove));
    let gone = "DEL set:1 zset:1 list:1 stream:1".to_owned();
    pipeline(client, std::iter::once(gone));
    pipeline(
        client,
        [
            "XGROUP CREATE stream:0 group 0".to_owned(),
            "XREADGROUP GROUP group Alice COUNT 50 STREAMS stream:0 >".to_owned(),
        ]
        .into_iter(),
    );
}

#[test]
fn fragmentation_falls_and_no_data_changes() {
    let server = Server::start(&["--hz", "100"]);
    for (round, transport) in Transport::ALL.into_iter().enumerate() {
        let mut client = server.client(transport);
        let mut other = server.client(transport);
        ok(&mut client, "CONFIG SET activedefrag no");
        ok(&mut client, "FLUSHALL");
        ok(&mut client, "CONFIG RESETSTAT");
        fill_and_thin_out(&mut client, 30_000);
        wait_for_sample(&mut client);
        let before: f64 = number(&mut client, "allocator_frag_ratio");
        assert!(before > 1.3, "{transport:?}: {before}");
        let used: f64 = number(&mut client, "used_memory");
        let digest = client.text("DEBUG DIGEST");

        switch_on(&mut client);
        until("a pass", || {
            (number::<u64>(&mut client, "active_defrag_hits") > 0).then_some(())
        });
        until("the end of the last pass", || {
            // What another client does meanwhile has no lasting effect.
            ok(&mut other, "SET temporary 1 EX 100");
            assert_eq!(other.text("HSET hash:0 temporary 1"), "1");
            assert_eq!(other.text("APPEND temporary 2345"), "5");
            assert_eq!(other.text("HDEL hash:0 temporary"), "1");
            assert_eq!(other.text("DEL temporary"), "1");
            assert_eq!(other.text("ZSCORE zset:0 member:2000"), "2000");
            (client.info("active_defrag_running") == "0").then_some(())
        });
        ok(&mut client, "CONFIG SET activedefrag no");
        wait_for_sample(&mut client);
        let after: f64 = number(&mut client, "allocator_frag_ratio");
        assert!(after < 1.15, "{transport:?}: {before} to {after}");
        assert_eq!(client.text("DEBUG DIGEST"), digest, "{transport:?}");
        let change = number::<f64>(&mut client, "used_memory") / used;
        assert!((0.9..1.1).contains(&change), "used_memory: {change}");
        let keys: u64 = number(&mut client, "active_defrag_key_hits");
        let time: u64 = number(&mut client, "total_active_defrag_time");
        assert!(keys > 1000 && time > 0, "{keys} keys, {time} ms");
        assert_eq!(client.info("current_active_defrag_time"), "0");
        // A pass that abandons half-emptied slabs is followed by many others.
        let passes = server.log().matches("Active defrag done").count();
        assert!(passes <= 3 * (round + 1), "{transport:?}: {passes} passes");
        // Reads every byte and follows every pointer.
        ok(&mut client, "DEBUG RELOAD");
        assert_eq!(client.text("DEBUG DIGEST"), digest, "{transport:?}");
    }
}

#[test]
fn cached_scripts_are_moved() {
    const COUNT: usize = 10_000;
    let server = Server::start(&["--hz", "100"]);
    let padding = "x".repeat(400);
    for transport in Transport::ALL {
        let mut client = server.client(transport);
        ok(&mut client, "CONFIG SET activedefrag no");
        ok(&mut client, "FLUSHALL");
        ok(&mut client, "SCRIPT FLUSH SYNC");
        // A script and a string of the same size in turn; then the strings go.
        let script = |n: usize| format!("return {n} --{padding}{n:06}");
        let add = |n: usize| {
            [
                format!("SCRIPT LOAD \"{}\"", script(n)),
                format!("SET key:{n} \"{}\"", script(n)),
            ]
        };
        pipeline(&mut client, (0..COUNT).flat_map(add));
        pipeline(&mut client, (0..COUNT).map(|n| format!("DEL key:{n}")));
        wait_for_sample(&mut client);
        let before: f64 = number(&mut client, "allocator_frag_ratio");
        assert!(before > 1.3, "{transport:?}: {before}");
        let memory = client.info("used_memory_scripts");

        switch_on(&mut client);
        until("a lower fragmentation", || {
            let now: f64 = number(&mut client, "allocator_frag_ratio");
            (now < 1.1).then_some(())
        });
        assert_eq!(client.info("used_memory_scripts"), memory);
        for n in (0..COUNT).step_by(97) {
            let reply = client.call(&["EVAL", &script(n), "0"]);
            assert_eq!(show(&reply), n.to_string());
        }
        assert_eq!(client.info("number_of_cached_scripts"), COUNT.to_string());
    }
}

/// All requests are executed in one turn of the loop, so cron does not run between them.
#[test]
fn what_is_loaded_is_defragmented_meanwhile() {
    let server = Server::start(&["--hz", "100"]);
    let mut client = server.client(Transport::Tcp);
    let set = |n: usize| format!("SETRANGE key:{n} 600 a");
    pipeline(&mut client, (0..20_000).map(set));
    let del = |n: usize| format!("DEL key:{n}");
    pipeline(&mut client, (0..20_000).step_by(2).map(del));
    let digest = client.text("DEBUG DIGEST");
    ok(&mut client, "SAVE");
    let settings = "active-defrag-ignore-bytes 400kb loading-process-events-interval-bytes 2048";
    ok(
        &mut client,
        &format!("CONFIG SET {settings} key-load-delay 20"),
    );
    let requests = [
        "CONFIG SET activedefrag yes",
        "DEBUG RELOAD NOSAVE NOFLUSH MERGE",
        "CONFIG SET activedefrag no",
    ];
    client.send((requests.join("\r\n") + "\r\n").as_bytes());
    for request in requests {
        assert_eq!(show(&client.read()), "OK", "{request}");
    }
    let moved: u64 = number(&mut client, "active_defrag_hits");
    assert!(moved > 100, "{moved}");
    assert_eq!(client.text("DEBUG DIGEST"), digest);
}

#[test]
fn a_pass_ends_when_the_directive_is_switched_off() {
    let server = Server::start(&["--hz", "100"]);
    let mut client = server.client(Transport::Tcp);
    let set = |n: usize| format!("SETRANGE key:{n} 600 a");
    pipeline(&mut client, (0..40_000).map(set));
    let del = |n: usize| format!("DEL key:{n}");
    pipeline(&mut client, (0..40_000).step_by(2).map(del));
    for round in 0..3 {
        switch_on(&mut client);
        // So little at a time that no pass is finished.
        ok(
            &mut client,
            "CONFIG SET active-defrag-cycle-max 1 active-defrag-cycle-min 1",
        );
        until("a pass", || {
            (client.info("active_defrag_running") != "0").then_some(())
        });
        ok(&mut client, "FLUSHDB ASYNC");
        ok(&mut client, "CONFIG SET activedefrag no");
        until("its end", || {
            (client.info("active_defrag_running") == "0").then_some(())
        });
        pipeline(&mut client, (0..40_000).map(set));
        pipeline(&mut client, (round..40_000).step_by(2).map(del));
    }
}

#[test]
fn numbers_and_texts_of_the_allocator() {
    let server = Server::start(&[]);
    let mut client = server.client(Transport::Tcp);
    for (command, expected) in [
        ("DEBUG MALLCTL arenas.quantum", "8"),
        ("DEBUG MALLCTL config.stats", "1"),
        ("DEBUG MALLCTL nonsense", "-ERR No such file or directory"),
        (
            "DEBUG MALLCTL epoch x",
            "-ERR value is not an integer or out of range",
        ),
        (
            "DEBUG MALLCTL arena.0.extent_hooks 7",
            "-ERR Operation not permitted",
        ),
        ("DEBUG MALLCTL thread.tcache.enabled 1", "1"),
        ("DEBUG MALLCTL-STR thread.tcache.flush VOID", "OK"),
        ("DEBUG MALLCTL-STR opt.dss", "secondary"),
        (
            "DEBUG MALLCTL-STR stats.allocated",
            "-ERR Operation not permitted",
        ),
        (
            "DEBUG MALLCTL-STR arena.0.reset VOID",
            "-ERR Operation not permitted",
        ),
        ("PING", "PONG"),
    ] {
        assert_eq!(client.text(command), expected, "{command}");
    }
}
