//! Edges become levels: nothing that arrived is forgotten, nothing that is gone fires.

mod common;

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use ae::event_loop::{EventLoop, What, process_events};
use ae::file::Mask;
use common::{World, note_read, note_write, pair, read_once};
use nix::sys::socket::{self, sockopt};

/// A connected pair of TCP sockets, ours non-blocking.
fn tcp_pair() -> (OwnedFd, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let theirs =
        TcpStream::connect(listener.local_addr().expect("its address")).expect("a connection");
    let (ours, _) = listener.accept().expect("the other end");
    ours.set_nonblocking(true).expect("non-blocking");
    (ours.into(), theirs)
}

/// Turns until the end of file was seen; a spin or a hang fails.
fn turns_to_eof(world: &mut World) -> Vec<String> {
    let mut seen = Vec::new();
    for _ in 0..10 {
        seen.extend(world.glance());
        if seen.last().is_some_and(|line| line.ends_with(":eof")) {
            return seen;
        }
    }
    panic!("no end of file after {seen:?}");
}

#[test]
fn data_and_fin_in_one_edge_are_both_seen() {
    let (tcp, tcp_peer) = tcp_pair();
    let (unix, unix_peer) = pair();
    let (pipe, pipe_peer) = nix::unistd::pipe2(nix::fcntl::OFlag::O_NONBLOCK).expect("a pipe");
    let cases: [(OwnedFd, OwnedFd); 3] = [
        (tcp, tcp_peer.into()),
        (unix, unix_peer.into()),
        (pipe, pipe_peer),
    ];
    for (ours, theirs) in cases {
        let mut world = World::new();
        world.watch(1, ours, Mask::READABLE, read_once);
        let mut theirs = std::fs::File::from(theirs);
        theirs.write_all(b"hello").expect("room");
        drop(theirs);
        assert_eq!(turns_to_eof(&mut world), ["1:5", "1:eof"]);
        assert!(
            world.glance().is_empty(),
            "an end of file that was drained fires no more"
        );
    }
}

#[test]
fn a_fin_after_a_short_read_is_an_edge_of_its_own() {
    let (ours, mut theirs) = tcp_pair();
    let mut world = World::new();
    world.watch(1, ours, Mask::READABLE, read_once);
    theirs.write_all(b"hello").expect("room");
    process_events(&mut world, What::ALL);
    assert_eq!(world.log, ["1:5"]);
    assert!(world.log.drain(..).count() == 1 && world.glance().is_empty());
    drop(theirs);
    process_events(&mut world, What::ALL);
    assert_eq!(world.log, ["1:eof"]);
}

#[test]
fn what_was_left_unread_fires_in_the_next_turn() {
    let (ours, mut theirs) = pair();
    let mut world = World::new();
    world.chunk = 3;
    world.watch(1, ours, Mask::READABLE, read_once);
    theirs.write_all(b"12345678").expect("room");
    let turns: Vec<_> = (0..4).map(|_| world.glance()).collect();
    assert_eq!(turns, [vec!["1:3"], vec!["1:3"], vec!["1:2"], vec![]]);
}

#[test]
fn a_read_that_ends_at_its_buffer_costs_one_more_turn_and_no_more() {
    let (ours, mut theirs) = pair();
    let mut world = World::new();
    world.chunk = 4;
    world.watch(1, ours, Mask::READABLE, read_once);
    theirs.write_all(b"1234").expect("room");
    let turns: Vec<_> = (0..3).map(|_| world.glance()).collect();
    assert_eq!(turns, [vec!["1:4"], vec!["1:again"], vec![]]);
}

#[test]
fn interest_that_comes_after_the_edge_still_fires() {
    let (ours, mut theirs) = pair();
    let mut world = World::new();
    let fd = world.watch(1, ours, Mask::empty(), note_read);
    theirs.write_all(b"x").expect("room");
    assert!(world.glance().is_empty());
    assert_eq!(world.el.ready(fd), Mask::READABLE | Mask::WRITABLE);
    world
        .el
        .add(fd, Mask::READABLE, note_read, 1)
        .expect("registered");
    assert_eq!(world.glance(), ["r1"]);
    world.el.remove(fd, Mask::READABLE);
    assert!(world.glance().is_empty());
    world
        .el
        .add(fd, Mask::READABLE, note_read, 2)
        .expect("registered");
    assert_eq!(
        world.glance(),
        ["r2"],
        "the data word is the last one given"
    );
}

#[test]
fn a_full_socket_is_writable_again_when_its_peer_has_read() {
    let (ours, mut theirs) = pair();
    socket::setsockopt(&ours, sockopt::SndBuf, &4096).expect("a small buffer");
    let mut world = World::new();
    let fd = world.watch(1, ours, Mask::WRITABLE, note_write);
    assert_eq!(world.glance(), ["w1"]);
    let mut sent = 0;
    while let Ok(n) = nix::unistd::write(&world.files[&1], &[0; 1000]) {
        sent += n;
    }
    world.el.drained(fd, Mask::WRITABLE);
    assert!(world.glance().is_empty());
    let mut sink = vec![0; sent];
    std::io::Read::read_exact(&mut theirs, &mut sink).expect("all of it");
    process_events(&mut world, What::ALL);
    assert_eq!(world.log, ["w1"]);
}

#[test]
fn a_hang_up_counts_for_both_directions() {
    let (reader, writer) = nix::unistd::pipe().expect("a pipe");
    let mut world = World::new();
    let fd = world.watch(1, reader, Mask::READABLE, note_read);
    drop(writer);
    assert_eq!(world.glance(), ["r1"]);
    assert!(world.el.is_closing(fd));

    let (reader, writer) = nix::unistd::pipe().expect("a pipe");
    let mut world = World::new();
    world.watch(2, writer, Mask::WRITABLE, note_write);
    drop(reader);
    assert_eq!(world.glance(), ["w2"]);
}

#[test]
fn a_reset_counts_for_both_directions() {
    let (ours, theirs) = tcp_pair();
    let mut world = World::new();
    world.watch(1, ours, Mask::READABLE, note_read);
    socket::setsockopt(
        &theirs,
        sockopt::Linger,
        &libc::linger {
            l_onoff: 1,
            l_linger: 0,
        },
    )
    .expect("linger");
    drop(theirs);
    process_events(&mut world, What::ALL);
    assert_eq!(world.log, ["r1"]);
}

#[test]
fn a_descriptor_that_was_forgotten_is_silent_while_another_holds_its_socket() {
    let (ours, mut theirs) = pair();
    // What a forked child does by inheriting it.
    let held = ours.try_clone().expect("a second handle");
    let mut world = World::new();
    let fd = world.watch(1, ours, Mask::READABLE, note_read);
    world.el.forget(fd);
    theirs.write_all(b"x").expect("room");
    assert!(world.glance().is_empty());
    // The number gets another socket, and a new registration under it hears that one's events only.
    let (again, mut peer) = pair();
    let mut file = world.files.remove(&1).expect("the old one");
    nix::unistd::dup2(&again, &mut file).expect("the number");
    assert_eq!(world.watch(2, file, Mask::READABLE, note_read), fd);
    theirs.write_all(b"y").expect("room");
    assert!(world.glance().is_empty());
    peer.write_all(b"z").expect("room");
    assert_eq!(world.glance(), ["r2"]);
    drop(held);
}

#[test]
fn a_descriptor_beyond_the_set_is_refused() {
    let mut world = World::new();
    let (ours, _theirs) = pair();
    assert!(world.el.resize(1));
    let error = world
        .el
        .add(ours.as_raw_fd(), Mask::READABLE, note_read, 0)
        .expect_err("too large");
    assert_eq!(error.raw_os_error(), Some(libc::ERANGE));
    assert!(world.el.resize(1024));
    let fd = world.watch(1, ours, Mask::READABLE, note_read);
    assert!(!world.el.resize(fd as usize));
    assert_eq!(world.el.setsize(), 1024);
    assert!(world.el.resize(fd as usize + 1));
    world.el.forget(fd);
    assert!(world.el.resize(1));
}

#[test]
fn a_regular_file_cannot_be_watched() {
    let mut world = World::new();
    let file = std::fs::File::open("/proc/self/exe").expect("a file");
    let error = world
        .el
        .add(file.as_raw_fd(), Mask::READABLE, note_read, 0)
        .expect_err("not pollable");
    assert_eq!(error.raw_os_error(), Some(libc::EPERM));
    assert_eq!(world.el.mask(file.as_raw_fd()), Mask::empty());
}

#[test]
fn another_thread_wakes_a_loop_that_sleeps_for_ever() {
    let mut world = World::new();
    let waker = world.el.waker();
    let thread = std::thread::spawn(move || {
        waker.wake().expect("awake");
        waker.wake().expect("still awake");
    });
    process_events(&mut world, What::ALL);
    thread.join().expect("no panic");
    // Later wakes than the one that ended the sleep are over with the next poll.
    world.glance();
    world.el.add_timer(5, |_, _, _| ae::time::Next::Never, 0);
    let start = std::time::Instant::now();
    process_events(&mut world, What::ALL);
    assert!(
        start.elapsed() >= Duration::from_millis(5),
        "nothing else wakes it"
    );
}

#[test]
fn a_loop_can_move_to_another_thread() {
    fn sendable<T: Send>() {}
    sendable::<EventLoop<World>>();
    sendable::<ae::poller::Waker>();
}

#[test]
fn edges_that_arrive_while_the_bits_are_taken_are_kept() {
    let mut world = World::new();
    let (ours, mut theirs) = pair();
    let fd = world.watch(1, ours, Mask::READABLE, read_once);
    theirs.write_all(b"one").expect("room");
    world.el.set_mask(fd, Mask::empty());
    world.glance();
    let taken = world.el.take_ready(fd);
    assert_eq!(taken, Mask::READABLE | Mask::WRITABLE);
    assert_eq!(world.el.ready(fd), Mask::empty());
    // Another thread empties the socket now; then more arrives.
    theirs.write_all(b"two").expect("room");
    world.glance();
    world.el.restore_ready(fd, Mask::WRITABLE);
    assert_eq!(world.el.ready(fd), Mask::READABLE | Mask::WRITABLE);
    world.el.set_mask(fd, Mask::READABLE);
    assert_eq!(world.glance(), ["1:6"]);
    // Without a new edge a bit that was used up stays clear.
    let taken = world.el.take_ready(fd);
    world.el.restore_ready(fd, taken & Mask::WRITABLE);
    assert!(world.glance().is_empty());
    world.el.restore_ready(-1, Mask::READABLE);
}

#[test]
fn a_descriptor_that_fell_out_of_the_set_is_listed_once_when_it_returns() {
    let mut world = World::new();
    let (ours, mut theirs) = pair();
    theirs.write_all(b"x").expect("room");
    let fd = world.watch(1, ours, Mask::READABLE, note_read);
    assert_eq!(world.glance(), ["r1"]);
    world.el.forget(fd);
    assert!(world.el.resize(fd as usize));
    assert!(world.el.resize(1024));
    world
        .el
        .add(fd, Mask::READABLE, note_read, 1)
        .expect("the same descriptor");
    assert_eq!(world.glance(), ["r1"]);
}
