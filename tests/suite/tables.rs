//! Hash tables as clients see them: not resized while a child process runs, and sampled fairly however sparse they
//! are.

use std::collections::HashMap;

use conn::resp::Value;
use nix::sys::signal::Signal;
use tests::client::{Client, Transport};
use tests::server::{Server, send_signal};

/// A server whose background saves do not end.
fn slow_to_save() -> Server {
    Server::start(&["--rdb-key-save-delay", "10000000"])
}

fn end_save(server: &Server, client: &mut Client) {
    send_signal(server.child_pid(), Signal::SIGKILL);
    client.wait_for_child();
}

/// The number of slots of a table, from the output of a DEBUG command.
fn slots(client: &mut Client, command: &str) -> usize {
    let shown = client.text(command);
    let size = shown
        .lines()
        .find_map(|line| line.trim().strip_prefix("table size: "));
    size.and_then(|size| size.parse().ok())
        .expect("a number of slots")
}

#[test]
fn tables_are_not_resized_while_a_child_runs() {
    for transport in Transport::ALL {
        let server = slow_to_save();
        let mut client = server.client(transport);
        client.text("DEBUG POPULATE 20000 first 8");
        let before = slots(&mut client, "DEBUG HTSTATS 0");
        assert!(
            client
                .text("BGSAVE")
                .starts_with("Background saving started")
        );
        let keys = before * 9 / 10;
        client.text(&format!("DEBUG POPULATE {} more 8", keys - 20_000));
        assert_eq!(client.text("DBSIZE"), keys.to_string());
        assert_eq!(slots(&mut client, "DEBUG HTSTATS 0"), before);
        end_save(&server, &mut client);
        client.text("DEBUG POPULATE 8000 last 8");
        assert!(slots(&mut client, "DEBUG HTSTATS 0") > before);
    }
}

/// SRANDMEMBER must sample uniformly from a table that is almost empty.
#[test]
fn a_sparse_table_is_sampled_uniformly() {
    const LEFT: usize = 500;
    const DRAWN: usize = 200 * LEFT;
    for transport in Transport::ALL {
        let server = slow_to_save();
        let mut client = server.client(transport);
        let members: Vec<String> = (0..100_000).map(|number| format!("m:{number}")).collect();
        let call = |client: &mut Client, name: &str, members: &[String]| {
            let words: Vec<&str> = [name, "set"]
                .into_iter()
                .chain(members.iter().map(String::as_str))
                .collect();
            client.call(&words)
        };
        call(&mut client, "SADD", &members);
        let before = slots(&mut client, "DEBUG HTSTATS-KEY set");
        client.text("BGSAVE");
        call(&mut client, "SREM", &members[LEFT..]);
        assert_eq!(client.text("SCARD set"), LEFT.to_string());
        assert_eq!(slots(&mut client, "DEBUG HTSTATS-KEY set"), before);

        let mut drawn: HashMap<Vec<u8>, usize> = HashMap::new();
        let mut count = |reply: Value| match reply {
            Value::Bulk(member) => *drawn.entry(member).or_default() += 1,
            other => panic!("{other:?}"),
        };
        for _ in 0..DRAWN / 2 / 1000 {
            match client.cmd("SRANDMEMBER set -1000") {
                Value::Array(members) => members.into_iter().for_each(&mut count),
                other => panic!("{other:?}"),
            }
        }
        for _ in 0..DRAWN / 2 / 100 {
            client.send("SRANDMEMBER set\r\n".repeat(100).as_bytes());
            (0..100).for_each(|_| count(client.read()));
        }
        assert_eq!(drawn.len(), LEFT, "every member is returned");
        let expected = (DRAWN / LEFT) as f64;
        let squares = drawn
            .values()
            .map(|&times| (times as f64 - expected).powi(2));
        let chi_square = squares.sum::<f64>() / expected;
        // 499 degrees of freedom: six standard deviations above the mean.
        assert!(chi_square < 499.0 + 6.0 * 31.6, "{chi_square}");
        end_save(&server, &mut client);
    }
}
