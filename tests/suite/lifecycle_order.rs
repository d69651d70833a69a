//! The order in which held-back commands run, and what a muted or closing client is still sent.

use tests::client::{Client, Transport, show};
use tests::server::Server;
use tests::wait::until;

/// Waits until so many clients are blocked.
fn wait_for_blocked(admin: &mut Client, count: usize) {
    until("blocked clients", || {
        (admin.info("blocked_clients") == count.to_string()).then_some(())
    });
}

fn replies(client: &mut Client, count: usize) -> Vec<String> {
    (0..count).map(|_| show(&client.read())).collect()
}

#[test]
fn what_a_pause_held_back_runs_client_by_client() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let mut admin = server.client(transport);
        admin.text("FLUSHALL");
        let [mut waiting, mut first, mut second] = [(); 3].map(|()| server.client(transport));
        waiting.send(b"BLPOP k 0\r\n");
        wait_for_blocked(&mut admin, 1);
        admin.text("CLIENT PAUSE 1000000 WRITE");
        first.send(b"RPUSH k 1\r\nSET x first\r\nLLEN k\r\n");
        wait_for_blocked(&mut admin, 2);
        second.send(b"LPOP k\r\nGET x\r\nSET x second\r\n");
        wait_for_blocked(&mut admin, 3);
        admin.text("CLIENT UNPAUSE");
        assert_eq!(show(&waiting.read()), "[k 1]", "{transport:?}");
        assert_eq!(replies(&mut first, 3), ["1", "OK", "0"], "{transport:?}");
        assert_eq!(
            replies(&mut second, 3),
            ["nil", "first", "OK"],
            "{transport:?}"
        );
        assert_eq!(admin.text("GET x"), "second", "{transport:?}");
    }
}
