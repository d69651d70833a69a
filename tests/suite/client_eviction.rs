//! maxmemory-clients: the biggest clients are closed when all clients together use too much memory.

use tests::client::{Client, Transport};
use tests::server::Server;
use tests::wait::until;

fn ok(client: &mut Client, command: &str) {
    assert_eq!(client.text(command), "OK", "{command}");
}

/// The lines of CLIENT LIST for clients whose names begin like this.
fn lines(client: &mut Client, prefix: &str) -> Vec<String> {
    let list = client.text("CLIENT LIST");
    let name = format!(" name={prefix}");
    let lines = list.lines().filter(|line| line.contains(&name));
    lines.map(str::to_owned).collect()
}

fn field(line: &str, name: &str) -> usize {
    let prefix = format!("{name}=");
    let mut words = line.split(' ');
    let value = words
        .find_map(|word| word.strip_prefix(&prefix))
        .expect(name);
    value.parse().expect(name)
}

fn total(client: &mut Client) -> usize {
    let list = client.text("CLIENT LIST");
    list.lines().map(|line| field(line, "tot-mem")).sum()
}

/// A client that has sent `bytes` bytes of an unfinished argument.
fn half_sent(server: &Server, transport: Transport, name: &str, bytes: usize) -> Client {
    let mut client = server.client(transport);
    ok(&mut client, &format!("CLIENT SETNAME {name}"));
    client.send(format!("*2\r\n${}\r\n{}", 2 * bytes, "x".repeat(bytes)).as_bytes());
    client
}

#[test]
fn the_biggest_clients_are_closed_until_the_rest_is_below_the_limit() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let mut control = server.client(transport);
        ok(&mut control, "CLIENT NO-EVICT on");
        ok(&mut control, "CONFIG SET maxmemory-clients 0");
        ok(&mut control, "CONFIG RESETSTAT");
        let sizes = [100_000, 1_000_000, 3_000_000];
        let mut clients = Vec::new();
        for size in sizes {
            for n in 0..3 {
                clients.push(half_sent(&server, transport, &format!("c{size}-{n}"), size));
            }
        }
        until("all bytes to arrive", || {
            let arrived = |size: &usize| {
                let lines = lines(&mut control, &format!("c{size}-"));
                lines.len() == 3 && lines.iter().all(|line| field(line, "qbuf") >= *size)
            };
            sizes.iter().all(arrived).then_some(())
        });
        for (at, size) in sizes.iter().enumerate().rev() {
            let own: usize = lines(&mut control, &format!("c{size}-"))
                .iter()
                .map(|line| field(line, "tot-mem"))
                .sum();
            let limit = total(&mut control) - own / 2;
            ok(
                &mut control,
                &format!("CONFIG SET maxmemory-clients {limit}"),
            );
            let what = format!("{transport:?} {size}");
            assert!(total(&mut control) <= limit, "{what}");
            // Two of three had to go, and no smaller one.
            assert_eq!(lines(&mut control, &format!("c{size}-")).len(), 1, "{what}");
            for smaller in &sizes[..at] {
                assert_eq!(
                    lines(&mut control, &format!("c{smaller}-")).len(),
                    3,
                    "{what}"
                );
            }
            let limit = total(&mut control) - own / 6;
            ok(
                &mut control,
                &format!("CONFIG SET maxmemory-clients {limit}"),
            );
            assert_eq!(lines(&mut control, &format!("c{size}-")).len(), 0, "{what}");
        }
        assert_eq!(control.info("evicted_clients"), "9");
        let log = server.log();
        assert!(log.contains("Evicting client: id="));
        ok(&mut control, "CONFIG SET maxmemory-clients 0");
    }
}

#[test]
fn a_client_is_evicted_between_the_commands_of_a_pipeline() {
    let server = Server::start(&["--maxmemory-clients", "3mb"]);
    for transport in Transport::ALL {
        let mut control = server.client(transport);
        ok(&mut control, "CLIENT NO-EVICT on");
        control.cmd(&format!("SET k {}", "v".repeat(1_000_000)));
        ok(&mut control, "CONFIG RESETSTAT");
        let mut greedy = server.client(transport);
        greedy.send(&b"GET k\r\n".repeat(100));
        until("the eviction", || {
            (control.info("evicted_clients") == "1").then_some(())
        });
        let stats = control.text("INFO commandstats");
        let gets = stats
            .lines()
            .find_map(|line| line.strip_prefix("cmdstat_get:calls="));
        let calls: u64 = gets
            .and_then(|rest| rest.split(',').next())
            .and_then(|count| count.parse().ok())
            .expect("GET was called");
        assert!(calls < 10, "{transport:?}: {calls}");
        assert!(greedy.read_to_end().len() < 10_000_000);
    }
}

#[test]
fn clients_that_may_not_be_evicted_are_kept_and_that_is_logged_once() {
    let server = Server::start(&[]);
    for (round, transport) in Transport::ALL.into_iter().enumerate() {
        let mut control = server.client(transport);
        ok(&mut control, "CLIENT NO-EVICT on");
        ok(&mut control, "CONFIG SET maxmemory-clients 0");
        let mut kept = server.client(transport);
        ok(&mut kept, "CLIENT NO-EVICT on");
        ok(&mut kept, "CLIENT SETNAME kept");
        kept.send(format!("*1\r\n$1000000\r\n{}", "x".repeat(500_000)).as_bytes());
        until("the bytes to arrive", || {
            let lines = lines(&mut control, "kept");
            (field(lines.first()?, "qbuf") == 500_000).then_some(())
        });
        ok(&mut control, "CONFIG SET maxmemory-clients 1");
        for _ in 0..10 {
            assert_eq!(control.text("PING"), "PONG");
        }
        let log = server.log();
        let lines = log.matches("Over client maxmemory after evicting all evictable clients");
        assert_eq!(lines.count(), round + 1, "{transport:?}");
        let before = control.info("evicted_clients");
        kept.send("x".repeat(500_000).as_bytes());
        kept.send(b"\r\n");
        assert!(matches!(kept.read(), conn::resp::Value::Error(_)));
        // Its buffer is still big.
        ok(&mut kept, "CLIENT NO-EVICT off");
        until("the eviction", || {
            (control.info("evicted_clients") != before).then_some(())
        });
        ok(&mut control, "CONFIG SET maxmemory-clients 0");
    }
}

#[test]
fn watched_keys_queued_and_blocked_commands_count() {
    let server = Server::start(&["--maxmemory-clients", "0"]);
    let mut control = server.client(Transport::Tls);
    ok(&mut control, "CLIENT NO-EVICT on");
    let memory = |control: &mut Client, name: &str| {
        lines(control, name)
            .first()
            .map_or(0, |line| field(line, "tot-mem"))
    };
    let mut watcher = server.client(Transport::Tls);
    ok(&mut watcher, "CLIENT SETNAME watcher");
    let before = memory(&mut control, "watcher");
    for n in 0..1000 {
        ok(&mut watcher, &format!("WATCH key:{n}"));
    }
    let grown = memory(&mut control, "watcher") - before;
    assert!((40_000..200_000).contains(&grown), "{grown}");
    let mut queuer = server.client(Transport::Tls);
    ok(&mut queuer, "CLIENT SETNAME queuer");
    ok(&mut queuer, "MULTI");
    let before = memory(&mut control, "queuer");
    for _ in 0..100 {
        assert_eq!(
            queuer.text(&format!("SET k {}", "v".repeat(2000))),
            "QUEUED"
        );
    }
    let grown = memory(&mut control, "queuer") - before;
    assert!((200_000..300_000).contains(&grown), "{grown}");
    let mut blocked = server.client(Transport::Tls);
    ok(&mut blocked, "CLIENT SETNAME blocked");
    let before = memory(&mut control, "blocked");
    blocked.send(format!("BLPOP {} 0\r\n", "k".repeat(20_000)).as_bytes());
    control.wait_for_blocked(1);
    let grown = memory(&mut control, "blocked") - before;
    assert!((20_000..100_000).contains(&grown), "{grown}");
    ok(&mut control, "CONFIG SET maxmemory 1gb");
    // A percentage of maxmemory: less than 350 KB.
    ok(
        &mut control,
        "CONFIG SET maxmemory 3500000 maxmemory-clients 10%",
    );
    until("the eviction", || {
        (control.info("evicted_clients") != "0").then_some(())
    });
    assert!(
        memory(&mut control, "queuer") == 0,
        "the biggest goes first"
    );
}
