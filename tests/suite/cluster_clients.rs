//! The cluster client of the `redis` crate while slots move and replicas take over, over TCP and TLS.
//!
//! Redirections are the client's to deal with: the application sees no error, apart from the loss of the connection to a
//! node that dies. If `REAL_REDIS` names a `redis-server` of 7.2 with TLS, the same is asked of it.

use std::iter;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use redis::cluster::{ClusterClient, ClusterConnection};
use redis::{Cmd, FromRedisValue, TlsMode};
use tests::certs;
use tests::client::Transport;
use tests::nodes::{Node, Nodes};
use tests::peer::{program, real_redis};
use tests::tools::run;
use tests::wait::until;

const BOTH: [Transport; 2] = [Transport::Tcp, Transport::Tls];
/// Keys of the load.
const KEYS: u64 = 500;
/// Requests that have to succeed in each phase, so that each node gets some.
const ENOUGH: u64 = 300;
/// With pauses of up to 200 ms this is longer than a failover takes.
const RETRIES: u32 = 40;

/// An application in a thread.
struct Load {
    thread: Option<JoinHandle<()>>,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    done: AtomicU64,
    /// A primary dies, and may take the last writes with it.
    may_lose: AtomicBool,
    stops: AtomicBool,
}

impl Load {
    fn start(nodes: &Nodes) -> Self {
        let scheme = match nodes.transport {
            Transport::Tls => "rediss",
            _ => "redis",
        };
        // The others are found through them.
        let url = |node: &Node| format!("{scheme}://127.0.0.1:{}", node.port(nodes.transport));
        let mut builder = ClusterClient::builder(nodes.all[..2].iter().map(url))
            .retries(RETRIES)
            .min_retry_wait(10)
            .max_retry_wait(200);
        if nodes.transport == Transport::Tls {
            builder = builder.tls(TlsMode::Insecure);
        }
        let client = builder.build().expect("valid addresses");
        let connection = client.get_connection().expect("it connects");
        let mut app = App { client, connection };
        let state = Arc::new(State::default());
        let theirs = Arc::clone(&state);
        let thread = thread::spawn(move || {
            for n in 0.. {
                if theirs.stops.load(Ordering::SeqCst) {
                    return;
                }
                app.write_and_read(n, &theirs);
                theirs.done.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self {
            thread: Some(thread),
            state,
        }
    }

    /// Waits until more requests have succeeded.
    fn wait_for_requests(&self, when: &str) {
        let before = self.state.done.load(Ordering::SeqCst);
        until(&format!("requests to succeed {when}"), || {
            assert!(
                self.thread.as_ref().is_some_and(|t| !t.is_finished()),
                "the application has got an error"
            );
            (self.state.done.load(Ordering::SeqCst) >= before + ENOUGH).then_some(())
        });
    }

    /// Fails if the application has got an error.
    fn end(mut self) {
        self.state.stops.store(true, Ordering::SeqCst);
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(matches!(ended, Some(Ok(()))), "the application has failed");
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.state.stops.store(true, Ordering::SeqCst);
    }
}

struct App {
    client: ClusterClient,
    connection: ClusterConnection,
}

impl App {
    fn write_and_read(&mut self, n: u64, state: &State) {
        let key = format!("key:{}", n % KEYS);
        let () = self.ask(redis::cmd("SET").arg(&key).arg(n), state);
        let value: Option<u64> = self.ask(redis::cmd("GET").arg(&key), state);
        assert!(
            value == Some(n) || state.may_lose.load(Ordering::SeqCst),
            "{key} is {value:?} and not {n}"
        );
    }

    /// Executes a command. When a node has died, the client returns that error and keeps the slots that it knows, with real
    /// servers as well: the application has to connect again.
    fn ask<T: FromRedisValue>(&mut self, cmd: &Cmd, state: &State) -> T {
        loop {
            let error = match cmd.query(&mut self.connection) {
                Ok(value) => return value,
                Err(error) => error,
            };
            let is_expected = error.is_io_error() && state.may_lose.load(Ordering::SeqCst);
            assert!(is_expected, "{error}");
            if let Ok(connection) = self.client.get_connection() {
                self.connection = connection;
            }
        }
    }
}

/// Moves slots from one node to another.
fn reshard(nodes: &Nodes, from: usize, to: usize, count: u16) {
    let mut cli = Command::new(tests::binary("redis-cli"));
    if nodes.transport == Transport::Tls {
        let files = ["redis.crt", "redis.key", "ca.crt"].map(certs::file);
        cli.args(["--tls", "--cert", &files[0], "--key", &files[1]]);
        cli.args(["--cacert", &files[2]]);
    }
    let entry = format!("127.0.0.1:{}", nodes.all[to].port(nodes.transport));
    cli.args(["--cluster", "reshard", &entry, "--cluster-yes"]);
    cli.args(["--cluster-from", &nodes.all[from].name]);
    cli.args(["--cluster-to", &nodes.all[to].name]);
    cli.args(["--cluster-slots", &count.to_string()]);
    // A node may hear of the last move only after it has agreed about the one before.
    let done = until("the nodes to agree", || {
        let done = run(&mut cli, "");
        (!done.out.contains("Nodes don't agree")).then_some(done)
    });
    assert_eq!(done.code, Some(0), "{}\n{}", done.out, done.err);
}

/// Makes a replica a primary, without loss. All nodes must know its role, or they refuse to vote.
fn take_over(nodes: &mut Nodes, replica: usize) {
    for at in 0..nodes.all.len() {
        nodes.wait_for_flags(at, replica, "slave");
    }
    until("the replica to be a primary", || {
        let node = &mut nodes.all[replica];
        let role = node.client.text("ROLE");
        // A failover that timed out has to be asked for again.
        if !role.starts_with("[master") {
            node.client.text("CLUSTER FAILOVER");
            return None;
        }
        Some(())
    });
}

/// Removes the first node, a replica by now. The client still holds a connection to it, which it would only use if it were
/// redirected again; so no slot moves from now on.
fn retire_first(nodes: &mut Nodes) {
    let (entry, name) = (nodes.address(1), nodes.all[0].name.clone());
    let deleted = nodes.cli(&["--cluster", "del-node", &entry, &name], "");
    assert_eq!(deleted.code, Some(0), "{deleted:?}");
    drop(nodes.all.remove(0));
    nodes.wait_for_agreement(nodes.all.len());
}

/// A node that asks clients for no certificate.
fn start_ours(transport: Transport) -> Node {
    Node::start(transport, &["--tls-auth-clients", "no"])
}

/// The same of a real Redis.
fn start_real(program: &Command, transport: Transport) -> Node {
    let mut node = Node::start_real(program, transport, &[]);
    node.client.text("CONFIG SET tls-auth-clients no");
    node
}

#[test]
fn an_application_does_not_see_that_slots_move_and_replicas_take_over() {
    for real in iter::once(None).chain(real_redis().map(Some)) {
        for transport in BOTH {
            let start = |_| match &real {
                Some(program) => start_real(program, transport),
                None => start_ours(transport),
            };
            let mut nodes = Nodes::form(transport, 3, (0..6).map(start).collect());
            let load = Load::start(&nodes);
            load.wait_for_requests("at the beginning");
            reshard(&nodes, 0, 1, 400);
            reshard(&nodes, 2, 0, 300);
            load.wait_for_requests("after slots have moved");
            take_over(&mut nodes, 3);
            load.wait_for_requests("after a failover");
            take_over(&mut nodes, 4);
            load.wait_for_requests("after another failover");
            load.state.may_lose.store(true, Ordering::SeqCst);
            // The primary of node 5.
            drop(nodes.all.remove(2));
            nodes.wait_for_flags(4, 4, "master");
            load.wait_for_requests("after the death of a primary");
            load.end();
        }
    }
}

#[test]
fn an_application_does_not_see_that_a_real_cluster_is_replaced_node_by_node() {
    let debian = program("redis-server");
    for real in iter::once(debian).chain(real_redis()) {
        for transport in BOTH {
            let mut all: Vec<Node> = (0..3).map(|_| start_real(&real, transport)).collect();
            all.extend((0..3).map(|_| start_ours(transport)));
            let mut nodes = Nodes::form(transport, 3, all);
            let load = Load::start(&nodes);
            load.wait_for_requests("at the beginning");
            for replica in 3..6 {
                take_over(&mut nodes, replica);
                load.wait_for_requests("after a failover");
            }
            nodes.wait_for_agreement(6);
            for _ in 0..3 {
                load.wait_for_requests("before a node is removed");
                retire_first(&mut nodes);
            }
            load.wait_for_requests("without the replaced nodes");
            load.end();
        }
    }
}
