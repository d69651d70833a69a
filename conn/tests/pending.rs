//! Handlers that have to run without an event of the socket: for data that is decrypted already, and
//! for failures that the loop met itself.

mod common;

use common::certs::Site;
use common::peer::{Peer, client_context};
use common::{World, dial, listen};
use conn::connection::{ConnId, State};
use conn::drive::process_pending;
use conn::stream::Io;
use nix::sys::socket::{setsockopt, sockopt};

fn join(world: &mut World) -> (ConnId, Peer, Site) {
    let (site, listener) = (Site::new(), listen());
    let socket = dial(&listener);
    let id = world.accept(&listener, Some(&site.context()));
    let mut peer = Peer::new(socket, &client_context(|_| {}));
    peer.handshake(world);
    peer.read();
    world.until("quiet", |world| world.take_log().is_empty());
    (id, peer, site)
}

/// The hook before the sleep decided at its beginning whether the poll may sleep; what its later
/// steps made pending had to wait for some other event.
#[test]
fn what_becomes_pending_after_the_pass_is_known_before_the_poll() {
    let mut world = World::new();
    let (id, mut peer, _site) = join(&mut world);
    world.chunk = 10;
    peer.write(&[7; 30]);
    peer.push();
    world.until("first bytes", |world| world.input.len() == 10);
    world.conns.protect(&mut world.el, id, true);
    assert!(!process_pending(&mut world));
    assert!(!world.conns.has_pending());
    world.conns.protect(&mut world.el, id, false);
    assert!(world.conns.has_pending(), "the loop must not sleep");
    assert!(world.conns.has_pending(), "asking changes nothing");
    world.conns.protect(&mut world.el, id, true);
    assert!(!world.conns.has_pending(), "the queue is looked through");
    world.conns.protect(&mut world.el, id, false);
    while process_pending(&mut world) {}
    assert_eq!(world.input.len(), 30);
    world.chunk = 10;
    peer.write(&[7; 30]);
    peer.push();
    world.until("first bytes", |world| world.input.len() == 40);
    world.conns.close(&mut world.el, id);
    assert!(world.conns.has_pending(), "it is to be freed");
    process_pending(&mut world);
    assert!(!world.conns.has_pending(), "it is gone");
}

/// Whoever counts descriptors has to count those of connections that are closed and not freed yet.
#[test]
fn a_connection_that_its_peer_has_ended_keeps_its_socket_until_it_is_freed() {
    let mut world = World::new();
    let (id, peer, _site) = join(&mut world);
    drop(peer);
    world.until("the end", |world| world.conns.state(id) == State::Closed);
    assert_eq!(world.conns.closing(), 0);
    world.conns.close(&mut world.el, id);
    assert!(world.conns.is_empty());
    assert_eq!(world.conns.closing(), 1);
    process_pending(&mut world);
    assert_eq!(world.conns.closing(), 0);
}

/// Output that waits for the socket, and then a reset: the flush that the loop makes by itself fails.
fn fail_in_the_loop(world: &mut World, id: ConnId, peer: Peer) {
    let linger = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    let data = vec![0; 1 << 20];
    world.until("a full socket", |world| {
        matches!(world.conns.write(&mut world.el, id, &data), Io::WouldBlock)
            && !world
                .el
                .ready(world.conns.fd(id))
                .contains(ae::file::Mask::WRITABLE)
    });
    setsockopt(&peer.socket, sockopt::Linger, &linger).expect("an option");
    drop(peer);
    world.until("the failure", |world| {
        world.conns.state(id) == State::Failed
    });
}

#[test]
fn a_protected_connection_is_told_of_a_failure_when_the_protection_ends() {
    let mut world = World::new();
    let (id, peer, _site) = join(&mut world);
    world.conns.protect(&mut world.el, id, true);
    fail_in_the_loop(&mut world, id, peer);
    for _ in 0..5 {
        world.glance();
    }
    assert!(world.log.is_empty(), "{:?}", world.log);
    world.conns.protect(&mut world.el, id, false);
    for _ in 0..5 {
        world.glance();
    }
    assert_eq!(world.log.len(), 1, "once: {:?}", world.log);
    assert!(world.log[0].starts_with("broken: writing to 127.0.0.1:"));
}

#[test]
fn a_connection_without_a_handler_is_told_when_it_gets_one() {
    let mut world = World::new();
    let (id, peer, _site) = join(&mut world);
    world.conns.set_read_handler(&mut world.el, id, None);
    fail_in_the_loop(&mut world, id, peer);
    world.glance();
    assert!(!world.conns.has_pending());
    world
        .conns
        .set_read_handler(&mut world.el, id, Some(common::on_read));
    assert!(world.conns.has_pending());
    for _ in 0..5 {
        world.glance();
    }
    assert_eq!(world.log.len(), 1, "once: {:?}", world.log);
}
