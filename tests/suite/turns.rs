//! What one turn of the loop leaves for the next one is done at once, and not when a timer or a request wakes the loop.
//!
//! The servers run cron once per second. INFO tells how long cron has run, so equal figures show that nothing has waited
//! for it. Cron may also run by chance, so most of several attempts must succeed.

use tests::client::{Client, Transport, show};
use tests::mock_replica::MockReplica;
use tests::nodes::Nodes;
use tests::pair::{port, start};
use tests::server::Server;

const BOTH: [Transport; 2] = [Transport::Tcp, Transport::Tls];
const RARE_CRON: &[&str] = &["--hz", "1", "--dynamic-hz", "no"];

/// Fails if cron runs during most attempts. `attempt` returns how long cron had run before and after.
fn assert_no_wait_for_cron(what: &str, mut attempt: impl FnMut() -> (String, String)) {
    let attempts = (0..9).filter(|_| {
        let (before, after) = attempt();
        before == after
    });
    let at_once = attempts.count();
    assert!(at_once >= 5, "{what}: {at_once} of 9 at once");
}

fn cron_us(client: &mut Client) -> String {
    let info = client.text("INFO debug");
    let line = info
        .lines()
        .find(|line| line.starts_with("eventloop_duration_cron_sum"));
    line.expect("a field of INFO").to_owned()
}

#[test]
fn a_client_whose_write_has_reached_the_disk_goes_on() {
    for transport in BOTH {
        let server = Server::start(
            &[
                RARE_CRON,
                &["--appendonly", "yes", "--appendfsync", "always"],
            ]
            .concat(),
        );
        let mut client = server.client(transport);
        let what = format!("WAITAOF over {transport:?}");
        assert_no_wait_for_cron(&what, || {
            let before = cron_us(&mut client);
            client.send(b"SET key value\r\nWAITAOF 1 0 0\r\nPING\r\n");
            let replies = [(); 3].map(|()| show(&client.read()));
            assert_eq!(replies, ["OK", "[1 0]", "PONG"]);
            (before, cron_us(&mut client))
        });
    }
}

#[test]
fn writes_go_on_when_an_unblocked_client_ends_a_pause() {
    for transport in BOTH {
        let server = Server::start(RARE_CRON);
        let [mut blocked, mut writer, mut admin] = [(); 3].map(|()| server.client(transport));
        let what = format!("UNPAUSE over {transport:?}");
        assert_no_wait_for_cron(&what, || {
            let before = cron_us(&mut admin);
            blocked.send(b"BLPOP no-key 0.05\r\nCLIENT UNPAUSE\r\n");
            admin.wait_for_blocked(1);
            assert_eq!(admin.text("CLIENT PAUSE 100000 WRITE"), "OK");
            writer.send(b"SET key value\r\n");
            assert_eq!(show(&blocked.read()), "nil");
            assert_eq!(show(&blocked.read()), "OK");
            assert_eq!(show(&writer.read()), "OK");
            (before, cron_us(&mut admin))
        });
    }
}

#[test]
fn a_message_of_an_unblocked_client_reaches_other_nodes() {
    for transport in BOTH {
        let mut nodes = Nodes::start(transport, 2, 0, RARE_CRON);
        let mut subscriber = nodes.all[1].server().client(transport);
        assert_eq!(subscriber.text("SUBSCRIBE news"), "[subscribe news 1]");
        let what = format!("PUBLISH over {transport:?}");
        let publisher = &mut nodes.all[0].client;
        assert_no_wait_for_cron(&what, || {
            let before = cron_us(publisher);
            publisher.send(b"BLPOP bar 0.05\r\nPUBLISH news flash\r\n");
            assert_eq!(show(&publisher.read()), "nil");
            assert_eq!(show(&publisher.read()), "0");
            assert_eq!(show(&subscriber.read()), "[message news flash]");
            (before, cron_us(publisher))
        });
    }
}

/// The snapshot is bigger than what sockets hold, so it is still being sent when the write is executed.
#[test]
fn a_replica_gets_what_was_written_while_its_snapshot_was_sent() {
    for transport in BOTH {
        let (server, mut primary) = start(
            transport,
            &["--repl-diskless-sync", "no", "--rdbcompression", "no"],
        );
        assert_eq!(primary.text("DEBUG POPULATE 40 key 1000000"), "OK");
        let mut replica = MockReplica::synchronize(port(&server, transport), transport, || {
            assert_eq!(primary.text("SET during 1"), "OK");
        });
        assert_eq!(replica.next_request(), "SELECT 0");
        assert_eq!(replica.next_request(), "SET during 1");
    }
}
