//! Connections without TLS, over TCP and Unix sockets.

mod common;

use std::io::{IoSlice, Read, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use ae::event_loop::{EventLoop, What, process_events};
use ae::file::Mask;
use common::{World, dial, listen, on_accept, on_read};
use conn::addr::Addr;
use conn::connection::{ConnId, State};
use conn::conns::{ClientTls, Conns};
use conn::dial::Target;
use conn::listener::{Accepted, Listener};
use conn::resolve::Hop;
use conn::stream::Io;

/// A Unix connection of `world`, and its other end.
fn unix(world: &mut World) -> (ConnId, UnixStream) {
    let (ours, theirs) = UnixStream::pair().expect("a pair");
    ours.set_nonblocking(true).expect("non-blocking");
    let accepted = Accepted {
        fd: OwnedFd::from(ours),
        peer: Addr::Unix("/tmp/s".into()),
    };
    let id = world
        .conns
        .accept(&mut world.el, accepted, None, on_accept, 7)
        .expect("a connection");
    world
        .conns
        .set_read_handler(&mut world.el, id, Some(on_read));
    (id, theirs)
}

#[test]
fn an_accepted_connection_tells_who_it_is() {
    let mut world = World::new();
    let listener = listen();
    let client = dial(&listener);
    let id = world.accept(&listener, None);
    let peer = client.local_addr().expect("an address");
    assert_eq!(world.conns.peer(id), Some(&Addr::Tcp(peer)));
    assert_eq!(
        world.conns.local(id).expect("an address").to_string(),
        format!("127.0.0.1:{}", listener.port())
    );
    assert_eq!(world.conns.state(id), State::Connected);
    assert!(!world.conns.is_tls(id) && world.conns.tls_version(id).is_none());
    let (other, _theirs) = unix(&mut world);
    assert_eq!(
        world.conns.peer(other).expect("an address").to_string(),
        "/tmp/s:0"
    );
    assert_eq!(world.conns.data(other), 7);
    assert_eq!(world.conns.ids().collect::<Vec<_>>(), [id, other]);
    world.conns.set_nodelay(id, true).expect("TCP");
    world.conns.set_nodelay(other, true).expect("nothing to do");
    world.conns.keepalive(id, 300).expect("TCP");
    world.conns.keepalive(other, 300).expect("nothing to do");
    world.conns.want_ack(id);
}

#[test]
fn an_idle_connection_is_small() {
    let mut world = World::new();
    let listener = listen();
    let _client = dial(&listener);
    let id = world.accept(&listener, None);
    assert!(
        world.conns.memory(id) <= 128,
        "{} bytes",
        world.conns.memory(id)
    );
}

#[test]
fn data_and_fin_together_are_read_in_this_order() {
    let mut world = World::new();
    let listener = listen();
    let mut client = dial(&listener);
    client.write_all(b"hello").expect("room");
    drop(client);
    let tcp = world.accept(&listener, None);
    world.until("the end", |world| world.log.len() == 2);
    assert_eq!(world.take_log(), ["read 5", "eof"]);
    assert_eq!(world.conns.state(tcp), State::Closed);

    let (_, mut theirs) = unix(&mut world);
    theirs.write_all(b"hello").expect("room");
    drop(theirs);
    world.until("the end", |world| world.log.len() == 2);
    assert_eq!(world.take_log(), ["read 5", "eof"]);
    world.glance();
    assert!(world.log.is_empty(), "the end is told once");
}

#[test]
fn after_the_peer_has_closed_its_side_it_still_gets_its_answer() {
    let mut world = World::new();
    let (id, mut theirs) = unix(&mut world);
    theirs.write_all(b"question").expect("room");
    theirs.shutdown(Shutdown::Write).expect("half closed");
    world.until("the end", |world| world.log.len() == 2);
    world.write_all(id, b"answer");
    let mut answer = [0; 6];
    theirs.read_exact(&mut answer).expect("an answer");
    assert_eq!(&answer, b"answer");
}

#[test]
fn what_a_handler_leaves_is_offered_again() {
    let mut world = World::new();
    world.chunk = 3;
    let (_, mut theirs) = unix(&mut world);
    theirs.write_all(b"12345678").expect("room");
    for _ in 0..5 {
        world.glance();
    }
    assert_eq!(world.log, ["read 3", "read 3", "read 2"]);
    assert_eq!(world.input, b"12345678");
}

#[test]
fn pieces_leave_in_order() {
    let mut world = World::new();
    let (id, mut theirs) = unix(&mut world);
    let pieces = [
        IoSlice::new(b"one "),
        IoSlice::new(b""),
        IoSlice::new(b"two"),
    ];
    assert!(matches!(
        world.conns.write_vectored(&mut world.el, id, &pieces),
        Io::Done(7)
    ));
    assert_eq!(world.conns.pending_out(id), 0);
    let mut all = [0; 7];
    theirs.read_exact(&mut all).expect("both");
    assert_eq!(&all, b"one two");
}

#[test]
fn a_full_socket_says_so_and_then_calls() {
    fn on_write(world: &mut World, id: ConnId) {
        world.log.push("room".into());
        world
            .conns
            .set_write_handler(&mut world.el, id, None, false);
    }
    let mut world = World::new();
    let (id, mut theirs) = unix(&mut world);
    world.glance();
    let block = vec![1; 1 << 20];
    let mut sent = 0;
    loop {
        match world.conns.write(&mut world.el, id, &block) {
            Io::Done(n) => sent += n,
            Io::WouldBlock => break,
            other => panic!("{other:?}"),
        }
    }
    world
        .conns
        .set_write_handler(&mut world.el, id, Some(on_write), false);
    world.glance();
    assert!(world.log.is_empty(), "it is full");
    let mut sink = vec![0; sent];
    theirs.read_exact(&mut sink).expect("all of it");
    process_events(&mut world, What::ALL);
    assert_eq!(world.log, ["room"]);
    assert!(!world.conns.has_write_handler(id));
    world.glance();
    assert_eq!(world.log, ["room"]);
}

fn note_read(world: &mut World, id: ConnId) {
    on_read(world, id);
}

fn note_write(world: &mut World, _id: ConnId) {
    world.log.push("write".into());
}

#[test]
fn a_barrier_lets_the_write_handler_go_first() {
    let mut world = World::new();
    let (id, mut theirs) = unix(&mut world);
    world
        .conns
        .set_read_handler(&mut world.el, id, Some(note_read));
    world
        .conns
        .set_write_handler(&mut world.el, id, Some(note_write), false);
    theirs.write_all(b"x").expect("room");
    world.glance();
    assert_eq!(world.take_log(), ["read 1", "write"]);
    world
        .conns
        .set_write_handler(&mut world.el, id, Some(note_write), true);
    theirs.write_all(b"xy").expect("room");
    world.glance();
    assert_eq!(world.take_log(), ["write", "read 2"]);
}

#[test]
fn a_read_handler_that_asks_for_a_barred_write_gets_it_in_the_next_turn() {
    fn read_and_ask(world: &mut World, id: ConnId) {
        on_read(world, id);
        world
            .conns
            .set_write_handler(&mut world.el, id, Some(note_write), true);
    }
    let mut world = World::new();
    let (id, mut theirs) = unix(&mut world);
    world
        .conns
        .set_read_handler(&mut world.el, id, Some(read_and_ask));
    theirs.write_all(b"x").expect("room");
    world.glance();
    assert_eq!(world.take_log(), ["read 1"]);
    world.glance();
    assert_eq!(world.take_log(), ["write"]);
}

#[test]
fn a_protected_connection_is_not_read_until_it_is_no_more() {
    let mut world = World::new();
    let (id, mut theirs) = unix(&mut world);
    world.conns.protect(&mut world.el, id, true);
    theirs.write_all(b"x").expect("room");
    world.glance();
    world.glance();
    assert!(world.log.is_empty());
    assert_eq!(world.el.mask(world.conns.fd(id)), Mask::empty());
    world.conns.protect(&mut world.el, id, false);
    world.glance();
    assert_eq!(world.log, ["read 1"]);
}

#[test]
fn a_handler_may_close_its_own_connection_and_another() {
    fn close_all(world: &mut World, _id: ConnId) {
        world.log.push("closing".into());
        for id in world.conns.ids().collect::<Vec<_>>() {
            world.conns.close(&mut world.el, id);
        }
    }
    let mut world = World::new();
    let (one, mut a) = unix(&mut world);
    let (two, mut b) = unix(&mut world);
    for id in [one, two] {
        world
            .conns
            .set_read_handler(&mut world.el, id, Some(close_all));
        world
            .conns
            .set_write_handler(&mut world.el, id, Some(note_write), false);
    }
    a.write_all(b"x").expect("room");
    b.write_all(b"x").expect("room");
    world.glance();
    assert_eq!(world.take_log(), ["closing"]);
    assert!(world.conns.is_empty());
    for id in [one, two] {
        assert!(!world.conns.exists(id));
        assert_eq!(world.conns.state(id), State::Closed);
        assert!(matches!(
            world.conns.read(&mut world.el, id, &mut [0; 4]),
            Io::Failed(_)
        ));
        assert!(matches!(
            world.conns.write(&mut world.el, id, b"x"),
            Io::Failed(_)
        ));
        world
            .conns
            .set_read_handler(&mut world.el, id, Some(on_read));
        world.conns.close(&mut world.el, id);
    }
    let (three, _c) = unix(&mut world);
    assert!(
        three != one && three != two,
        "a place that is used again has a new name"
    );
}

#[test]
fn a_reset_is_a_sentence() {
    let mut world = World::new();
    let (id, theirs) = unix(&mut world);
    drop(theirs);
    let broken = match world.conns.write(&mut world.el, id, b"x") {
        Io::Failed(error) => error.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(broken, "writing to /tmp/s:0: Broken pipe");
    assert_eq!(world.conns.state(id), State::Failed);
    assert_eq!(
        world.conns.error(id).expect("a reason").reason(),
        "Broken pipe"
    );
    assert!(matches!(
        world.conns.read(&mut world.el, id, &mut [0; 4]),
        Io::Failed(_)
    ));
}

fn local(port: u16) -> std::net::SocketAddr {
    ([127, 0, 0, 1], port).into()
}

fn on_connect(world: &mut World, id: ConnId) {
    let state = world.conns.state(id);
    let error = world.conns.error(id).map(ToString::to_string);
    world
        .log
        .push(error.unwrap_or_else(|| format!("{state:?}")));
}

fn connect(
    world: &mut World,
    target: &Target<'_>,
    tls: Option<ClientTls<'_>>,
) -> Result<ConnId, String> {
    world
        .conns
        .connect(&mut world.el, target, tls, on_connect, 0)
        .map_err(|error| error.to_string())
}

/// The port of a cluster's bus can lie in the range that the system takes local ports from. A node
/// that restarts must get it although a connection of another node has it meanwhile.
#[test]
fn the_local_port_of_an_outgoing_connection_can_be_listened_on() {
    for source in [None, Some(local(0).ip())] {
        let mut world = World::new();
        let target = listen();
        let addr = local(target.port());
        let id = connect(&mut world, &Target::Tcp(Hop { addr, source }), None).expect("under way");
        world.until("a connection", |world| !world.log.is_empty());
        assert_eq!(world.take_log(), ["Connected"]);
        let Some(Addr::Tcp(own)) = world.conns.local(id) else {
            panic!("a TCP connection has a local address")
        };
        let listener = Listener::tcp("*", own.port(), 511, 0).expect("the port, shared");
        assert_eq!(listener.port(), own.port());
    }
}

#[test]
fn an_outgoing_connection_arrives_or_says_why_not() {
    let mut world = World::new();
    let listener = listen();
    let target = Target::Tcp(Hop {
        addr: local(listener.port()),
        source: Some(local(0).ip()),
    });
    let id = connect(&mut world, &target, None).expect("under way");
    assert_eq!(world.conns.state(id), State::Connecting);
    assert!(matches!(
        world.conns.read(&mut world.el, id, &mut [0; 4]),
        Io::WouldBlock
    ));
    assert!(matches!(
        world.conns.write(&mut world.el, id, b"x"),
        Io::WouldBlock
    ));
    world.until("an answer", |world| !world.log.is_empty());
    assert_eq!(world.take_log(), ["Connected"]);
    let accepted = world.accept(&listener, None);
    world.write_all(id, b"hello");
    world.until("the other end", |world| world.input == b"hello");
    world.conns.close(&mut world.el, accepted);

    // A port that was just free.
    let port = listen().port();
    let target = Target::Tcp(Hop {
        addr: local(port),
        source: None,
    });
    let id = connect(&mut world, &target, None).expect("under way");
    world.take_log();
    world.until("an answer", |world| !world.log.is_empty());
    assert_eq!(
        world.take_log(),
        [format!(
            "connecting to 127.0.0.1:{port}: Connection refused"
        )]
    );
    assert_eq!(world.conns.state(id), State::Failed);

    let missing = connect(&mut world, &Target::Unix("/nonexistent/s".as_ref()), None)
        .expect_err("no such path");
    assert_eq!(
        missing,
        "connecting to /nonexistent/s:0: No such file or directory"
    );
}

#[test]
fn connections_can_move_to_another_thread() {
    fn sendable<T: Send>() {}
    sendable::<Conns<World>>();
    sendable::<EventLoop<World>>();
}
