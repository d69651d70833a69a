//! Connections lent to a thread without a loop: bytes moved there, and everything that happens
//! meanwhile applied when they come back.

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;

use ae::file::Mask;
use common::certs::Site;
use common::peer::{Peer, client_context};
use common::{World, dial, listen};
use conn::connection::{ConnId, State};
use conn::lend::Lent;
use conn::stream::Io;
use conn::tls::bio::Pool;

/// The other end, plain or with TLS.
enum Other {
    Plain(TcpStream),
    Tls(Box<Peer>),
}

impl Other {
    fn send(&mut self, data: &[u8]) {
        match self {
            Other::Plain(socket) => socket.write_all(data).expect("room"),
            Other::Tls(peer) => {
                peer.write(data);
                peer.push();
            }
        }
    }

    /// What has arrived, and whether that is the end.
    fn received(&mut self) -> (Vec<u8>, bool) {
        match self {
            Other::Plain(socket) => {
                let mut buf = [0; 4096];
                match socket.read(&mut buf) {
                    Ok(n) => (buf[..n].to_vec(), n == 0),
                    Err(_) => (Vec::new(), false),
                }
            }
            Other::Tls(peer) => {
                peer.read();
                (std::mem::take(&mut peer.input), peer.end.is_some())
            }
        }
    }

    fn expect(&mut self, world: &mut World, data: &[u8]) {
        let mut seen = Vec::new();
        world.until("the answer", |_| {
            seen.extend(self.received().0);
            seen.len() >= data.len()
        });
        assert_eq!(seen, data);
    }

    fn hang_up(&mut self) {
        match self {
            Other::Plain(socket) => socket.shutdown(std::net::Shutdown::Write).expect("a FIN"),
            Other::Tls(peer) => {
                peer.tls.shutdown().expect("close_notify");
                peer.push();
            }
        }
    }
}

/// Runs `body` with a plain connection and with one over TLS.
fn both(body: fn(World, ConnId, Other)) {
    let mut world = World::new();
    let listener = listen();
    let client = dial(&listener);
    let id = world.accept(&listener, None);
    body(world, id, Other::Plain(client));

    let (mut world, site) = (World::new(), Site::new());
    let client = dial(&listener);
    let id = world.accept(&listener, Some(&site.context()));
    let mut peer = Peer::new(client, &client_context(|_| {}));
    peer.handshake(&mut world);
    peer.read();
    world.until("quiet", |world| world.take_log().is_empty());
    body(world, id, Other::Tls(Box::new(peer)));
}

fn lend(world: &mut World, id: ConnId) -> Lent {
    let lent = world.conns.lend(&mut world.el, id);
    lent.expect("a usable connection")
}

/// Lends `id` once there is something to read, so that the thread's first read gives it.
fn lend_readable(world: &mut World, id: ConnId) -> Lent {
    world.conns.set_read_handler(&mut world.el, id, None);
    world.until("input", |world| {
        world.el.ready(world.conns.fd(id)).contains(Mask::READABLE)
    });
    lend(world, id)
}

/// Reads once on a thread of its own; the answer, and the connection.
fn read_elsewhere(mut lent: Lent) -> (Lent, Io, Vec<u8>, Pool) {
    let thread = thread::spawn(move || {
        let (mut pool, mut buf) = (Pool::new(), vec![0; 4096]);
        let io = lent.read(&mut pool, &mut buf);
        if let Io::Done(n) = io {
            buf.truncate(n);
        }
        (lent, io, buf, pool)
    });
    thread.join().expect("no panic")
}

fn attend(world: &mut World, id: ConnId) {
    world
        .conns
        .set_read_handler(&mut world.el, id, Some(common::on_read));
}

#[test]
fn a_thread_reads_and_answers_and_the_loop_goes_on_with_the_rest() {
    both(|mut world, id, mut other| {
        other.send(b"question");
        let lent = lend_readable(&mut world, id);
        assert_eq!(lent.id(), id);
        let (mut lent, io, buf, pool) = read_elsewhere(lent);
        assert!(matches!(io, Io::Done(8)) && buf == b"question", "{io:?}");
        // The owner attends to it again, and more arrives; nothing runs while it is away.
        attend(&mut world, id);
        other.send(b"more");
        for _ in 0..5 {
            world.glance();
        }
        assert!(world.log.is_empty(), "{:?}", world.log);
        assert!(world.conns.lend(&mut world.el, id).is_none(), "once");
        let (el, conns) = (&mut world.el, &mut world.conns);
        assert!(matches!(conns.read(el, id, &mut [0; 8]), Io::WouldBlock));
        assert!(matches!(conns.write(el, id, b"x"), Io::WouldBlock));
        assert!(matches!(conns.flush(el, id), Io::WouldBlock));
        assert_eq!(conns.state(id), State::Connected);
        assert!(conns.local(id).is_some() && conns.peer(id).is_some());
        let thread = thread::spawn(move || {
            let mut pool = pool;
            assert!(matches!(lent.write(&mut pool, b"ans"), Io::Done(3)));
            let pieces = [std::io::IoSlice::new(b"w"), std::io::IoSlice::new(b"er")];
            assert!(matches!(
                lent.write_vectored(&mut pool, &pieces),
                Io::Done(3)
            ));
            assert!(matches!(lent.flush(&mut pool), Io::Done(0)));
            assert_eq!(lent.pending_out(), 0);
            (lent, pool)
        });
        let (lent, mut pool) = thread.join().expect("no panic");
        other.expect(&mut world, b"answer");
        let before = world.conns.stats().traffic;
        world.conns.merge_traffic(&mut pool);
        let moved = world.conns.stats().traffic.bytes_out - before.bytes_out;
        assert_eq!(
            moved > 0,
            world.conns.is_tls(id),
            "a plain socket is not counted"
        );
        world.conns.give_back(&mut world.el, lent);
        world.until("the rest", |world| world.input == b"more");
        world.write_all(id, b"done");
        other.expect(&mut world, b"done");
    });
}

#[test]
fn what_the_thread_left_is_read_by_the_loop_without_an_event() {
    both(|mut world, id, mut other| {
        other.send(b"0123456789");
        let mut lent = lend_readable(&mut world, id);
        let mut pool = Pool::new();
        assert!(matches!(lent.read(&mut pool, &mut [0; 4]), Io::Done(4)));
        assert_eq!(lent.is_pending(), world.conns.is_tls(id));
        attend(&mut world, id);
        world.conns.give_back(&mut world.el, lent);
        world.glance();
        world.glance();
        assert_eq!(world.input, b"456789");
    });
}

#[test]
fn a_close_waits_until_it_is_given_back() {
    both(|mut world, id, mut other| {
        other.send(b"x");
        let lent = lend_readable(&mut world, id);
        let fd = world.conns.fd(id);
        world.conns.close(&mut world.el, id);
        world.conns.close(&mut world.el, id);
        assert!(!world.conns.exists(id), "its id is stale at once");
        assert_eq!(world.conns.state(id), State::Closed);
        assert_eq!(world.conns.ids().count(), 0);
        world.glance();
        assert!(!other.received().1, "its socket stays open");
        // Its place is not used by another one meanwhile.
        let listener = listen();
        let _second = dial(&listener);
        let second = world.accept(&listener, None);
        assert_ne!(world.conns.fd(second), fd);
        let (mut lent, io, _, mut pool) = read_elsewhere(lent);
        assert!(matches!(io, Io::Done(1)));
        assert!(matches!(lent.write(&mut pool, b"last"), Io::Done(4)));
        world.conns.give_back(&mut world.el, lent);
        assert!(world.el.registered().all(|known| known != fd));
        assert_eq!(world.conns.len(), 1);
        let mut seen = Vec::new();
        world.until("the end", |_| {
            let (data, is_end) = other.received();
            seen.extend(data);
            is_end
        });
        assert_eq!(seen, b"last");
        let _third = dial(&listener);
        let third = world.accept(&listener, None);
        assert!(third != id && world.conns.exists(second));
    });
}

#[test]
fn an_end_that_the_thread_met_is_the_owners_as_well() {
    both(|mut world, id, mut other| {
        other.hang_up();
        let lent = lend_readable(&mut world, id);
        let (mut lent, io, ..) = read_elsewhere(lent);
        assert!(matches!(io, Io::Eof), "{io:?}");
        assert!(matches!(lent.read(&mut Pool::new(), &mut [0; 4]), Io::Eof));
        world.conns.give_back(&mut world.el, lent);
        assert_eq!(world.conns.state(id), State::Closed);
        world.write_all(id, b"bye");
        other.expect(&mut world, b"bye");
        assert!(world.conns.lend(&mut world.el, id).is_some());
    });
}

#[test]
fn a_failure_that_the_thread_met_has_the_peers_name() {
    both(|mut world, id, other| {
        let reset = |socket: &TcpStream| {
            nix::sys::socket::setsockopt(
                socket,
                nix::sys::socket::sockopt::Linger,
                &libc::linger {
                    l_onoff: 1,
                    l_linger: 0,
                },
            )
            .expect("an option");
        };
        match &other {
            Other::Plain(socket) => reset(socket),
            Other::Tls(peer) => reset(&peer.socket),
        }
        drop(other);
        let lent = lend_readable(&mut world, id);
        let (lent, io, ..) = read_elsewhere(lent);
        assert!(matches!(io, Io::Failed(_)), "{io:?}");
        world.conns.give_back(&mut world.el, lent);
        assert_eq!(world.conns.state(id), State::Failed);
        let error = world.conns.error(id).expect("a reason").to_string();
        assert!(error.starts_with("reading from 127.0.0.1:"), "{error}");
        assert!(error.ends_with("Connection reset by peer"), "{error}");
        assert!(world.conns.lend(&mut world.el, id).is_none());
    });
}

#[test]
fn handlers_and_protection_may_change_meanwhile() {
    both(|mut world, id, mut other| {
        other.send(b"0123456789");
        let lent = lend_readable(&mut world, id);
        let mut lent = lent;
        assert!(matches!(
            lent.read(&mut Pool::new(), &mut [0; 4]),
            Io::Done(4)
        ));
        world.conns.protect(&mut world.el, id, true);
        attend(&mut world, id);
        world.conns.set_data(id, 7);
        world.conns.give_back(&mut world.el, lent);
        for _ in 0..3 {
            world.glance();
        }
        assert!(world.input.is_empty(), "it is protected");
        assert_eq!(world.conns.data(id), 7);
        world.conns.protect(&mut world.el, id, false);
        world.until("the rest", |world| world.input == b"456789");
    });
}

#[test]
fn one_that_is_dropped_has_failed() {
    both(|mut world, id, mut other| {
        other.send(b"x");
        let lent = lend_readable(&mut world, id);
        attend(&mut world, id);
        let fd = world.conns.fd(id);
        thread::spawn(move || drop(lent)).join().expect("no panic");
        world.until("a failure", |world| !world.log.is_empty());
        assert!(
            world.log[0].ends_with("the thread that used the connection has ended"),
            "{:?}",
            world.log
        );
        assert_eq!(world.conns.state(id), State::Failed);
        world.conns.close(&mut world.el, id);
        assert!(world.el.registered().all(|known| known != fd));
        world.until("the end", |_| other.received().1);
        // One that was closed meanwhile is gone.
        let listener = listen();
        let _client = dial(&listener);
        let id = world.accept(&listener, None);
        let lent = lend(&mut world, id);
        world.conns.close(&mut world.el, id);
        drop(lent);
        world.until("its slot to be free", |world| world.conns.is_empty());
    });
}
