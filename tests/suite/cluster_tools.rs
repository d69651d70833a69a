//! redis-cli and redis-benchmark in a cluster of Debian's servers, over TCP and TLS.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use nix::sys::signal::Signal;
use tests::certs::{CertSpec, file_in, issue};
use tests::client::Transport;
use tests::nodes::Nodes;
use tests::peer::{Peer, program};
use tests::server::{send_signal, temp_dir};
use tests::tools::{Printed, run};
use tests::wait::{PATIENCE, until};

const BOTH: [Transport; 2] = [Transport::Tcp, Transport::Tls];
/// The slot of `foo`.
const FOO: u16 = 12182;
/// Arguments of nodes that serve what they have although slots are missing.
const UNCOVERED: [&str; 2] = ["--cluster-require-full-coverage", "no"];

/// A cluster of three primaries.
fn cluster(transport: Transport) -> Nodes {
    let nodes = Nodes::start_real(transport, 3, &UNCOVERED);
    nodes.create();
    nodes
}

#[track_caller]
fn succeeds(printed: &Printed, parts: &[&str]) {
    assert_eq!(printed.code, Some(0), "{}\n{}", printed.out, printed.err);
    contains(printed, parts);
}

#[track_caller]
fn fails(printed: &Printed, parts: &[&str]) {
    assert_eq!(printed.code, Some(1), "{}\n{}", printed.out, printed.err);
    contains(printed, parts);
}

#[track_caller]
fn contains(printed: &Printed, parts: &[&str]) {
    for part in parts {
        let all = format!("{}\n{}", printed.out, printed.err);
        assert!(all.contains(part), "no {part:?} in\n{all}");
    }
}

/// Index of the node that serves the slot of `foo`.
fn owner(nodes: &Nodes, among: usize) -> usize {
    let serves = |&at: &usize| {
        !nodes.all[at]
            .connect()
            .text("GET foo")
            .starts_with("-MOVED")
    };
    (0..among).find(serves).expect("the slot is served")
}

#[test]
fn a_cluster_is_created_and_changed() {
    for transport in BOTH {
        let nodes = Nodes::start_real(transport, 5, &UNCOVERED);
        let a: Vec<String> = (0..5).map(|at| nodes.address(at)).collect();
        let create = ["--cluster", "create", &a[0], &a[1], &a[2]];
        fails(
            &nodes.cli(&create[..4], ""),
            &["At least 3 nodes are required."],
        );
        succeeds(
            &nodes.cli(&create, "no\n"),
            &["Master[1] -> Slots 5461 - 10922"],
        );
        fails(
            &nodes.cli(&["--cluster", "check", &a[0]], ""),
            &["[ERR] Not all 16384 slots are covered by nodes."],
        );
        let created = nodes.cli(&create, "yes\n");
        succeeds(
            &created,
            &["Can I set the above", "[OK] All 16384 slots covered."],
        );
        nodes.wait_for_agreement(3);
        fails(&nodes.cli(&create, "yes\n"), &["is not empty."]);
        let set = nodes.cli(
            &["-c", "-p", &nodes.port(0).to_string()],
            "SET foo 1\nSET hello 2\n",
        );
        succeeds(&set, &["-> Redirected to slot [12182] located at ", "OK"]);
        succeeds(
            &nodes.cli(
                &["--cluster", "info", "127.0.0.1", &nodes.port(1).to_string()],
                "",
            ),
            &["[OK] 2 keys in 3 masters.", " slots | 0 slaves."],
        );
        // Words may stand behind options, and come from standard input.
        let keys = "[OK] 2 keys in 3 masters.";
        let info = ["--cluster", "info", "--verbose", &a[1], "-n", "3"];
        succeeds(&nodes.cli(&info, ""), &[keys]);
        succeeds(&nodes.cli(&["-x", "--cluster", "info"], &a[1]), &[keys]);
        fails(
            &nodes.cli(&["--cluster", "call", &a[0], "-x", "SET", "k"], "FLUSHALL"),
            &["[ERR] Wrong number of arguments for specified --cluster sub command"],
        );
        fails(
            &nodes.cli(&["--cluster", "call", &a[0], "PING", "--cluster-only"], ""),
            &["Unrecognized option or bad number of args for: '--cluster-only'"],
        );
        reshard(&nodes, &a);
        grow(&nodes, &a);
    }
}

/// Moves slots of a cluster of three nodes to and fro.
fn reshard(nodes: &Nodes, a: &[String]) {
    let [first, second] = [0, 1].map(|at| nodes.all[at].name.clone());
    let move_to = |from: &str, to: &str, input: &str| {
        let mut args = vec!["--cluster", "reshard", a[0].as_str()];
        args.extend([
            "--cluster-from",
            from,
            "--cluster-to",
            to,
            "--cluster-slots",
            "20",
        ]);
        let moved = nodes.cli(&args, input);
        nodes.wait_for_agreement(3);
        moved
    };
    fails(
        &move_to(&first, &second, "no\n"),
        &["Ready to move 20 slots."],
    );
    fails(&move_to(&first, &first, ""), &["No source nodes given"]);
    fails(
        &move_to(&first, "zz", ""),
        &["(zz) is not known or not a master"],
    );
    // Nobody answers the question.
    fails(
        &nodes.cli(&["--cluster", "reshard", &a[0]], "7\n"),
        &["The input ended"],
    );
    succeeds(
        &move_to(&first, &second, "yes\n"),
        &["    Moving slot 19 from", "Moving slot 0 from"],
    );
    succeeds(&move_to("all", &first, "yes\n"), &["Moving slot 0 from"]);
    let asked = format!("0\n3\n{first}\n{second}\ndone\nyes\n");
    succeeds(
        &nodes.cli(&["--cluster", "reshard", &a[0]], &asked),
        &["Source node #1: ", "Source node #2: ", "Resharding plan:"],
    );
    nodes.wait_for_agreement(3);
    let rebalance = |options: &[&str]| {
        let args = [&["--cluster", "rebalance", &a[0]], options].concat();
        // A node may hear of the last move only after it has agreed about the one before.
        let done = until("the nodes to agree", || {
            let done = nodes.cli(&args, "");
            (!done.out.contains("Nodes don't agree")).then_some(done)
        });
        nodes.wait_for_agreement(3);
        done
    };
    succeeds(
        &rebalance(&[]),
        &["No rebalancing needed! All nodes are within the 2.00% threshold."],
    );
    succeeds(
        &rebalance(&["--cluster-threshold", "0.01"]),
        &["Total weight = 3.00", "\n#"],
    );
    let weight = format!("{}=1.1", &first[..12]);
    succeeds(
        &rebalance(&["--cluster-weight", &weight, "--cluster-simulate"]),
        &["Total weight = 3.10", "####"],
    );
    fails(
        &rebalance(&["--cluster-weight", "zz=1"]),
        &["*** No such master node zz"],
    );
    fails(
        &rebalance(&["--cluster-weight", &format!("{first}=x")]),
        &["*** invalid input"],
    );
}

/// Adds a primary and a replica to a cluster of three nodes, and removes them.
fn grow(nodes: &Nodes, a: &[String]) {
    let library = "#!lua name=lib\nredis.register_function('f', function() return 1 end)";
    succeeds(
        &nodes.cli(
            &["--cluster", "call", &a[0], "FUNCTION", "LOAD", library],
            "",
        ),
        &[": lib\n"],
    );
    succeeds(
        &nodes.cli(&["--cluster", "add-node", &a[3], &a[0]], ""),
        &[
            ">>> Send FUNCTION RESTORE to ",
            "[OK] New node added correctly.",
        ],
    );
    nodes.wait_for_agreement(4);
    assert!(nodes.all[3].connect().text("FUNCTION LIST").contains("lib"));
    let slave = ["--cluster", "add-node", &a[4], &a[0], "--cluster-slave"];
    let with_id = |id: &str| nodes.cli(&[&slave[..], &["--cluster-master-id", id]].concat(), "");
    fails(&with_id("zz"), &["[ERR] No such master ID zz"]);
    succeeds(
        &with_id(&nodes.all[1].name),
        &[">>> Configure node as replica of"],
    );
    nodes.wait_for_agreement(5);
    let weight = format!("{}=.01", nodes.all[4].name);
    succeeds(
        &nodes.cli(
            &["--cluster", "rebalance", &a[0], "--cluster-weight", &weight],
            "",
        ),
        &["No rebalancing needed!"],
    );
    let call = |option| {
        nodes
            .cli(&["--cluster", "call", &a[0], "PING", option], "")
            .out
    };
    assert_eq!(
        call("--cluster-only-replicas"),
        format!(">>> Calling PING\n{}: PONG\n", a[4])
    );
    assert_eq!(call("--cluster-only-masters").matches("PONG").count(), 4);
    let folder = temp_dir();
    let path = folder.path().to_string_lossy().into_owned();
    succeeds(
        &nodes.cli(&["--cluster", "backup", &a[0], &path], ""),
        &["[OK] Backup created into"],
    );
    let files = std::fs::read_dir(folder.path()).expect("it exists").count();
    assert_eq!(files, 5, "a snapshot of each primary and the description");
    let delete = |id: &str| nodes.cli(&["--cluster", "del-node", &a[0], id], "");
    fails(
        &delete(&nodes.all[1].name),
        &["is not empty! Reshard data away and try again."],
    );
    fails(&delete("zz"), &["[ERR] No such node ID zz"]);
    succeeds(
        &delete(&nodes.all[4].name),
        &[">>> Sending CLUSTER RESET SOFT to the deleted node."],
    );
    succeeds(
        &delete(&nodes.all[3].name),
        &[">>> Sending CLUSTER FORGET messages to the cluster..."],
    );
    nodes.wait_for_agreement(3);
    succeeds(
        &nodes.cli(&["--cluster", "check", &a[2]], ""),
        &["[OK] 2 keys in 3 masters."],
    );
}

#[test]
fn redirections_are_followed() {
    for transport in BOTH {
        let nodes = cluster(transport);
        let ports: Vec<String> = (0..3).map(|at| nodes.port(at).to_string()).collect();
        let source = owner(&nodes, 3);
        let (target, other) = ((source + 1) % 3, (source + 2) % 3);
        let cli = |at: usize, args: &[&str], input: &str| {
            nodes.cli(&[&["-c", "-p", &ports[at]], args].concat(), input)
        };
        assert_eq!(cli(other, &["-r", "3", "INCR", "foo"], "").out, "1\n2\n3\n");
        assert!(
            nodes
                .cli(&["-p", &ports[other], "GET", "foo"], "")
                .out
                .starts_with("MOVED 12182 ")
        );
        nodes.all[source].connect().text("SET {foo}left 1");
        for (at, state, peer) in [(target, "IMPORTING", source), (source, "MIGRATING", target)] {
            let command = format!("CLUSTER SETSLOT {FOO} {state} {}", nodes.all[peer].name);
            assert_eq!(nodes.all[at].connect().text(&command), "OK");
        }
        let argv = ["MIGRATE", "127.0.0.1", &ports[target], "foo", "0", "5000"];
        assert_eq!(
            tests::client::show(&nodes.all[source].connect().call(&argv)),
            "OK"
        );
        // Repeated, the command is sent back and redirected again each time.
        assert_eq!(cli(other, &["-r", "3", "INCR", "foo"], "").out, "4\n5\n6\n");
        let piped = cli(source, &[], "GET foo\nGET {foo}left\nGET foo\n").out;
        let to = |at: usize| {
            format!(
                "-> Redirected to slot [{FOO}] located at {}\n",
                nodes.address(at)
            )
        };
        let (there, back) = (to(target), to(source));
        assert_eq!(piped, format!("{there}6\n{back}1\n{there}6\n"));
        for kind in ["unknown-endpoint", "hostname", "ip"] {
            nodes.all[other].connect().text(&format!(
                "CONFIG SET cluster-preferred-endpoint-type {kind}"
            ));
            let printed = cli(other, &[], "GET {foo}left\n");
            assert_eq!(printed.out, format!("{back}1\n"), "{kind}");
        }
        follow_with_login(&nodes, &ports, other);
    }
}

/// A login and a protocol that were chosen at the prompt are those of the next node.
fn follow_with_login(nodes: &Nodes, ports: &[String], other: usize) {
    for at in 0..3 {
        nodes.all[at]
            .connect()
            .text("CONFIG SET requirepass secret");
    }
    let input = "AUTH secret\nHSET {foo}h f v\nHGETALL {foo}h\n";
    let printed = nodes.cli(&["-c", "-p", &ports[other], "--no-raw"], input);
    assert!(printed.out.ends_with("1) \"f\"\n2) \"v\"\n"), "{printed:?}");
    let input = "HELLO 3 AUTH default secret\nHGETALL {foo}h\n";
    let printed = nodes.cli(&["-c", "-p", &ports[other], "--no-raw"], input);
    assert!(
        printed.out.ends_with("\n1# \"f\" => \"v\"\n"),
        "{printed:?}"
    );
}

/// Without names, the address of the next node comes from the node that redirects. With names, they are what the
/// certificates have to carry, also where they are not those of `--sni`.
#[test]
fn nodes_are_asked_for_by_their_names() {
    let folder = temp_dir();
    issue(
        folder.path(),
        &CertSpec {
            name: "node",
            extensions: &["subjectAltName=DNS:node.test,DNS:localhost"],
            ..CertSpec::default()
        },
    );
    let files = ["node.crt", "node.key"].map(|name| file_in(folder.path(), name));
    let mut args = vec!["--tls-cert-file", files[0].as_str()];
    args.extend(["--tls-key-file", &files[1]]);
    args.extend(UNCOVERED);
    args.extend(["--cluster-announce-hostname", "node.test"]);
    args.extend(["--cluster-preferred-endpoint-type", "hostname"]);
    let nodes = Nodes::start_real(Transport::Tls, 3, &args);
    nodes.create();
    let (entry, port) = (nodes.address(0), nodes.port(0).to_string());
    let announce = |name: &str| {
        for at in 0..3 {
            let client = &mut nodes.all[at].connect();
            client.text(&format!("CONFIG SET cluster-announce-hostname {name}"));
        }
        until("the others to hear the name", || {
            let text = nodes.all[0].connect().text("CLUSTER NODES");
            (text.matches(&format!(",{name} ")).count() == 3).then_some(())
        });
    };
    let check = |sni: &str| nodes.cli(&["--sni", sni, "--cluster", "check", &entry], "");
    let set = || {
        nodes.cli(
            &["-c", "-p", &port, "--sni", "node.test", "SET", "foo", "1"],
            "",
        )
    };
    // The name of `--sni` is that of the first connection alone.
    announce("node.test");
    succeeds(&check("localhost"), &["[OK] All 16384 slots covered."]);
    announce("localhost");
    succeeds(&set(), &["OK"]);
    announce("other.test");
    fails(
        &check("node.test"),
        &["hostname mismatch (asked for \"other.test\""],
    );
    fails(&set(), &["Could not connect to Redis at other.test:"]);
}

#[test]
fn redirections_without_end_are_an_error() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = socket.expect("a connection");
            let _ = socket.read(&mut [0; 1024]);
            let _ = socket.write_all(format!("-MOVED 1 :{port}\r\n").as_bytes());
        }
    });
    let mut cli = Command::new(tests::binary("redis-cli"));
    let printed = run(cli.args(["-c", "-p", &port.to_string(), "GET", "k"]), "");
    fails(&printed, &["Error: Too many redirections"]);
}

#[test]
fn a_broken_cluster_is_repaired() {
    for transport in BOTH {
        let nodes = cluster(transport);
        let entry = nodes.address(0);
        let fix = |input: &str| {
            let done = nodes.cli(&["--cluster", "fix", &entry], input);
            nodes.wait_for_agreement(3);
            done
        };
        let source = owner(&nodes, 3);
        let target = (source + 1) % 3;
        nodes.all[source].connect().text("SET foo 1");
        // A move that was interrupted.
        for (at, state, peer) in [(target, "IMPORTING", source), (source, "MIGRATING", target)] {
            nodes.all[at].connect().text(&format!(
                "CLUSTER SETSLOT {FOO} {state} {}",
                nodes.all[peer].name
            ));
        }
        let check = || nodes.cli(&["--cluster", "check", &entry], "");
        fails(
            &check(),
            &[
                "has slots in migrating state 12182.",
                "slots are open: 12182.",
            ],
        );
        let reshard = ["--cluster", "reshard", &entry];
        fails(
            &nodes.cli(&reshard, ""),
            &["Please fix your cluster problems before resharding"],
        );
        succeeds(&fix(""), &[">>> Case 1: Moving slot 12182 from "]);
        succeeds(&check(), &["[OK] 1 keys in 3 masters."]);
        assert_eq!(owner(&nodes, 3), target);
        // Slots without an owner, one of them with a key.
        for at in 0..3 {
            nodes.all[at]
                .connect()
                .text(&format!("CLUSTER DELSLOTS 7 {FOO}"));
        }
        nodes.wait_for_agreement(3);
        fails(
            &check(),
            &["[ERR] Not all 16384 slots are covered by nodes."],
        );
        fails(
            &fix("no\nno\n"),
            &["have no keys across the cluster:\n[7]\n"],
        );
        succeeds(
            &fix("yes\nyes\n"),
            &[
                "have keys in just one node:\n[12182]\n",
                ">>> Covering slot 7 ",
            ],
        );
        succeeds(&check(), &["[OK] 1 keys in 3 masters."]);
        // A slot that another node has keys of as well, one with another value.
        let (source, target) = (target, source);
        let mut client = nodes.all[target].connect();
        client.text(&format!(
            "CLUSTER SETSLOT {FOO} IMPORTING {}",
            nodes.all[source].name
        ));
        for line in ["ASKING", "SET {foo}b 1", "ASKING", "SET foo 2"] {
            assert_eq!(client.text(line), "OK");
        }
        fails(
            &fix(""),
            &[
                "*** Target key exists",
                "*** Found 1 key(s) in both",
                "    - foo",
            ],
        );
        let replace = ["--cluster", "fix", &entry, "--cluster-replace"];
        succeeds(
            &nodes.cli(&replace, ""),
            &["Moving all the 12182 slot keys to its owner"],
        );
        nodes.wait_for_agreement(3);
        let search = [
            "--cluster",
            "check",
            &entry,
            "--cluster-search-multiple-owners",
        ];
        succeeds(&nodes.cli(&search, ""), &["[OK] No multiple owners found."]);
    }
}

/// Keys that were moved, by the dots that were printed for them.
fn dots(printed: &Printed) -> usize {
    let ends = printed
        .out
        .lines()
        .filter_map(|line| line.rsplit(": ").next());
    let dots = ends.filter(|end| end.chars().all(|char| char == '.'));
    dots.map(str::len).sum()
}

#[test]
fn the_keys_of_a_slot_move_in_batches() {
    for transport in BOTH {
        let nodes = cluster(transport);
        let entry = nodes.address(0);
        let [first, second] = [0, 1].map(|at| nodes.all[at].name.clone());
        // The tag of slot 0; more keys than are asked for at once.
        let mut source = nodes.all[0].connect();
        assert_eq!(source.text("DEBUG POPULATE 2500 {06S}"), "OK");
        let mut target = nodes.all[1].connect();
        target.text(&format!("CLUSTER SETSLOT 0 IMPORTING {first}"));
        for line in ["SET {06S}:3 value:3", "SET {06S}:777 other"] {
            target.text("ASKING");
            assert_eq!(target.text(line), "OK");
        }
        target.text("CLUSTER SETSLOT 0 STABLE");
        let mut args = vec!["--cluster", "reshard", &entry, "--cluster-yes"];
        args.extend(["--cluster-from", &first, "--cluster-to", &second]);
        args.extend(["--cluster-slots", "1", "--cluster-pipeline", "7"]);
        let refused = nodes.cli(&args, "");
        fails(
            &refused,
            &["*** Found 1 key(s) in both", "    - {06S}:777\n"],
        );
        assert!(!refused.out.contains("failed"), "{}", refused.out);
        let left = source.text("DBSIZE");
        let fix = ["--cluster", "fix", &entry, "--cluster-replace"];
        let fixed = nodes.cli(&[&fix[..], &["--cluster-pipeline", "7"]].concat(), "");
        succeeds(&fixed, &["*** Replacing target keys..."]);
        assert_eq!(dots(&fixed).to_string(), left);
        assert_eq!(source.text("DBSIZE"), "0");
        assert_eq!(target.text("DBSIZE"), "2500");
        assert_eq!(target.text("GET {06S}:777"), "value:777");
    }
}

#[test]
fn a_stopped_node_is_named_and_not_waited_for() {
    for transport in BOTH {
        let nodes = cluster(transport);
        let entry = nodes.address(0);
        send_signal(nodes.all[2].pid(), Signal::SIGSTOP);
        until("the others to notice", || {
            let text = nodes.all[0].connect().text("CLUSTER NODES");
            text.contains("master,fail ").then_some(())
        });
        let begun = Instant::now();
        fails(
            &nodes.cli(&["--cluster", "check", &entry], ""),
            &[&nodes.address(2), "[ERR] Not all 16384 slots are covered"],
        );
        let fix = || nodes.cli(&["--cluster", "fix", &entry], "");
        let dangerous = "with 1 unreachable masters is dangerous";
        fails(&fix(), &[dangerous]);
        let line = format!("CLUSTER SETSLOT 0 MIGRATING {}", nodes.all[1].name);
        assert_eq!(nodes.all[0].connect().text(&line), "OK");
        let fixed = fix();
        fails(&fixed, &[dangerous, "*** Fixing open slots"]);
        assert!(!fixed.out.contains("coverage"), "{}", fixed.out);
        assert!(begun.elapsed() < PATIENCE);
        fails(
            &nodes.cli(&["--cluster", "check", "127.0.0.1:1"], ""),
            &["Connection refused"],
        );
        fails(
            &nodes.cli(&["--cluster", "check", "nonsense"], ""),
            &["[ERR] Invalid arguments"],
        );
        fails(
            &nodes.cli(&["--cluster", "nonsense"], ""),
            &["Unknown --cluster subcommand"],
        );
    }
}

#[test]
fn a_node_that_dies_while_a_cluster_is_made_is_named() {
    for transport in BOTH {
        let mut nodes = Nodes::start_real(transport, 3, &UNCOVERED);
        let mut cli = nodes.tool("redis-cli");
        cli.args(["--cluster-yes", "--cluster", "create"]);
        cli.args((0..3).map(|at| nodes.address(at)));
        let mut cli = cli.stdout(Stdio::piped()).spawn().expect("it runs");
        let out = cli.stdout.take().expect("it is piped");
        let mut lines = BufReader::new(out).lines().map_while(Result::ok);
        let meets = lines.find(|line| line.contains("Sending CLUSTER MEET"));
        assert!(meets.is_some());
        let lost = nodes.address(2);
        drop(nodes.all.pop());
        let rest = lines.collect::<Vec<_>>().join("\n");
        assert!(rest.contains(&lost), "{rest}");
        assert_eq!(cli.wait().expect("it ends").code(), Some(1), "{rest}");
    }
}

#[test]
fn a_server_is_imported() {
    for transport in BOTH {
        let nodes = cluster(transport);
        let entry = nodes.address(0);
        let tls = if transport == Transport::Tls {
            "yes"
        } else {
            "no"
        };
        let source = Peer::start_program(&program("redis-server"), &["--tls-cluster", tls]);
        let port = if transport == Transport::Tls {
            source.tls_port
        } else {
            source.port
        };
        let from = format!("127.0.0.1:{port}");
        let mut client = source.connect();
        client.text("DEBUG POPULATE 1200");
        let import =
            |options: &[&str]| nodes.cli(&[&["--cluster", "import", &entry], options].concat(), "");
        fails(&import(&[]), &["Option '--cluster-from' is required"]);
        let refused = import(&["--cluster-from", "127.0.0.1:1"]);
        fails(&refused, &["Connection refused"]);
        let hint = "If it does not, name it as redis://127.0.0.1:1.";
        assert_eq!(refused.err.contains(hint), tls == "yes");
        fails(
            &import(&["--cluster-from", &entry]),
            &["should not be a cluster node."],
        );
        let copied = import(&["--cluster-from", &from, "--cluster-copy"]);
        succeeds(&copied, &["*** Importing 1200 keys from DB 0"]);
        let plain = format!("redis://127.0.0.1:{}", source.port);
        let copy = ["--cluster-from", &plain, "--cluster-copy"];
        let again = import(&[&copy[..], &["--cluster-replace"]].concat());
        succeeds(&again, &["*** Importing 1200 keys from DB 0"]);
        assert_eq!(client.text("DBSIZE"), "1200");
        fails(&import(&["--cluster-from", &from]), &["BUSYKEY"]);
        client.text("CONFIG SET requirepass secret");
        fails(&import(&["--cluster-from", &from]), &["NOAUTH"]);
        let login = [
            "--cluster-from",
            &from,
            "--cluster-from-pass",
            "secret",
            "--cluster-replace",
        ];
        succeeds(&import(&login), &["Migrating key:0 to "]);
        assert_eq!(client.text("DBSIZE"), "0");
        let info = nodes.cli(&["--cluster", "info", &entry], "");
        succeeds(&info, &["[OK] 1200 keys in 3 masters."]);
    }
}

#[test]
fn a_benchmark_follows_slots() {
    for transport in BOTH {
        let nodes = cluster(transport);
        let port = nodes.port(0).to_string();
        let benchmark = |args: &[&str]| {
            let mut tool = nodes.tool("redis-benchmark");
            run(
                tool.args(["--cluster", "-p", &port, "-c", "6"]).args(args),
                "",
            )
        };
        let report = benchmark(&["-t", "set", "-n", "60"]);
        succeeds(
            &report,
            &[
                "Cluster has 3 master nodes:\n\nMaster 0: ",
                "  60 requests completed",
                "  cluster mode: yes (3 masters)\n  node [0] configuration:\n    save: NONE\n    appendonly: no\n",
                "  threads: 3\n",
            ],
        );
        // One slot of each primary is used, with the tag that Redis uses for it.
        let keys = ["06S", "8M}", "63n"].map(|tag| format!("[key:{{{tag}}}:__rand_int__]"));
        until("a request to each primary", || {
            succeeds(&benchmark(&["-t", "set", "-n", "600", "-q"]), &["SET: "]);
            let found = [0, 1, 2].map(|at| nodes.all[at].connect().text("KEYS *"));
            (found == keys).then_some(())
        });
        // A key without a tag: only the primary that owns it serves its share of the requests.
        let refused = until("a request to another primary", || {
            let report = benchmark(&["-n", "60", "SET", "foo", "1"]);
            (report.code != Some(0)).then_some(report)
        });
        fails(&refused, &["Error from server 127.0.0.1:", "MOVED"]);
        let refused = benchmark(&["-n", "9", "-t", "set", "-a", "wrong"]);
        fails(
            &refused,
            &["Node 127.0.0.1:", " replied with error:\nERR AUTH"],
        );
        assert!(refused.err.starts_with("Node "), "{}", refused.err);
        // The last slot of a primary leaves while it is used.
        keep_one_slot(&nodes);
        let mut load = nodes.tool("redis-benchmark");
        load.args([
            "--cluster",
            "-p",
            &port,
            "-c",
            "6",
            "-t",
            "set",
            "-n",
            "1000",
            "-l",
            "-q",
        ]);
        let mut load = load.stdout(Stdio::null()).spawn().expect("it runs");
        until("the load", || {
            let list = nodes.all[0].connect().text("CLIENT LIST TYPE normal");
            (list.lines().count() > 2).then_some(())
        });
        let [first, second] = [0, 1].map(|at| nodes.all[at].name.clone());
        let entry = nodes.address(0);
        let mut args = vec!["--cluster", "reshard", &entry, "--cluster-yes"];
        args.extend([
            "--cluster-from",
            &first,
            "--cluster-to",
            &second,
            "--cluster-slots",
            "1",
        ]);
        succeeds(&nodes.cli(&args, ""), &[]);
        until("its connections to leave", || {
            let list = nodes.all[0].connect().text("CLIENT LIST TYPE normal");
            // That of the harness and this one stay.
            (list.lines().count() == 2).then_some(())
        });
        assert!(
            nodes.all[0]
                .connect()
                .info("errorstat_MOVED")
                .contains("count=")
        );
        let still_runs = load.try_wait().expect("it exists").is_none();
        assert!(still_runs, "it ended too early");
        load.kill().expect("it runs");
        load.wait().expect("it exists");
    }
}

/// Leaves the first node of three its first slot; the second one gets the others.
fn keep_one_slot(nodes: &Nodes) {
    nodes.all[0].connect().text("CLUSTER DELSLOTSRANGE 1 5460");
    // What the first node said before may arrive afterwards.
    until("the second node to take the slots", || {
        let mut client = nodes.all[1].connect();
        client.text("CLUSTER DELSLOTSRANGE 1 5460");
        (client.text("CLUSTER ADDSLOTSRANGE 1 5460") == "OK").then_some(())
    });
    nodes.all[1].connect().text("CLUSTER BUMPEPOCH");
    nodes.wait_for_agreement(3);
}
