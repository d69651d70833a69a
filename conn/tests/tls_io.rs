//! Data over TLS: cut up, packed together, held back, spoilt; and what is pending inside OpenSSL.

mod common;

use std::io::Write;

use common::certs::Site;
use common::peer::{Peer, client_context, only};
use common::{World, blocking_client, dial, listen, on_read};
use conn::connection::{ConnId, ConnProc, State};
use conn::drive::process_pending;
use conn::stream::Io;
use conn::tls::context::ClientTlsConfig;
use openssl::ssl::{SslContext, SslVersion};

struct Setup {
    world: World,
    id: ConnId,
    peer: Peer,
    context: SslContext,
    site: Site,
}

/// A connection whose handshake is done.
fn setup_with(context: SslContext) -> Setup {
    let site = Site::new();
    let mut world = World::new();
    let (id, peer) = join(&mut world, &site, &context);
    Setup {
        world,
        id,
        peer,
        context,
        site,
    }
}

fn setup() -> Setup {
    setup_with(client_context(|_| {}))
}

fn join(world: &mut World, site: &Site, context: &SslContext) -> (ConnId, Peer) {
    let listener = listen();
    let socket = dial(&listener);
    let id = world.accept(&listener, Some(&site.context()));
    let mut peer = Peer::new(socket, context);
    peer.handshake(world);
    peer.read();
    world.until("quiet", |world| world.take_log().is_empty());
    (id, peer)
}

/// Turns until nothing happens any more.
fn until_quiet(world: &mut World) {
    let mut quiet = 0;
    while quiet < 2 {
        let lines = world.log.len();
        let more = world.glance();
        quiet = if world.log.len() == lines && !more {
            quiet + 1
        } else {
            0
        };
        assert!(world.log.len() < 10_000, "it spins");
    }
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n * 7 + n / 251) as u8).collect()
}

#[test]
fn both_versions_carry_data_both_ways() {
    for version in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
        let Setup {
            mut world,
            id,
            mut peer,
            ..
        } = setup_with(client_context(only(version)));
        assert_eq!(world.conns.state(id), State::Connected);
        assert_eq!(
            world.conns.tls_version(id),
            Some(peer.tls.ssl().version_str())
        );
        assert_eq!(
            world.conns.cipher(id),
            peer.tls
                .ssl()
                .current_cipher()
                .map(openssl::ssl::SslCipherRef::name)
        );
        assert_eq!(world.conns.peer_cert(id), None);
        peer.write(b"question");
        peer.push();
        world.until("a question", |world| world.input == b"question");
        world.write_all(id, b"answer");
        world.until("an answer", |_| {
            peer.read();
            peer.input == b"answer"
        });
        let stats = world.conns.stats();
        assert_eq!(
            (
                stats.handshakes_done,
                stats.traffic.records_in,
                stats.traffic.records_out
            ),
            (1, 1, 1)
        );
        assert_eq!((stats.current.len(), stats.current[0].connections), (1, 1));
    }
}

#[test]
fn two_records_are_read_whichever_way_they_are_cut() {
    for version in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
        let Setup {
            mut world,
            mut peer,
            ..
        } = setup_with(client_context(only(version)));
        let (one, two) = (pattern(5), pattern(300));
        let whole = [one.clone(), two.clone()].concat();
        let mut cut = 0;
        loop {
            peer.write(&one);
            peer.write(&two);
            let wire = peer.take_output();
            if cut > wire.len() {
                break;
            }
            world.input.clear();
            peer.send_raw(&wire[..cut]);
            until_quiet(&mut world);
            peer.send_raw(&wire[cut..]);
            world.until("both records", |world| world.input.len() == whole.len());
            until_quiet(&mut world);
            assert_eq!(world.input, whole, "cut at {cut}");
            world.log.clear();
            cut += 1;
        }
        assert!(cut > 300);
    }
}

#[test]
fn many_records_cost_one_wake_up() {
    let Setup {
        mut world,
        id,
        mut peer,
        ..
    } = setup();
    for n in 0..50 {
        peer.write(&pattern(64 + n));
    }
    peer.push();
    let total = (0..50).map(|n| 64 + n).sum::<usize>();
    world.until("all of it", |world| world.input.len() == total);
    assert_eq!(world.log, [format!("read {total}")]);
    assert!(!process_pending(&mut world));
    assert_eq!(world.conns.stats().pending_passes, 0);
    assert!(
        world.conns.memory(id) < 64 * 1024,
        "its buffer went back: {}",
        world.conns.memory(id)
    );
}

#[test]
fn what_is_decrypted_and_unread_is_offered_before_the_next_sleep() {
    let Setup {
        mut world,
        mut peer,
        ..
    } = setup();
    world.chunk = 10;
    for _ in 0..3 {
        peer.write(&pattern(25));
    }
    peer.push();
    world.until("the first bytes", |world| !world.log.is_empty());
    // From here the socket has nothing more to say.
    let mut passes = 0;
    while process_pending(&mut world) {
        passes += 1;
        assert!(passes < 20, "{:?}", world.log);
    }
    assert_eq!(world.input.len(), 75);
    assert_eq!(
        world.log.len(),
        8,
        "full reads, as many as it takes: {:?}",
        world.log
    );
    assert!(world.conns.stats().pending_passes >= 7);
    until_quiet(&mut world);
    assert_eq!(world.log.len(), 8);
}

#[test]
fn half_a_record_is_not_pending() {
    let Setup {
        mut world,
        mut peer,
        ..
    } = setup();
    peer.write(&pattern(1000));
    let wire = peer.take_output();
    peer.send_raw(&wire[..500]);
    world.until("a first look", |world| !world.log.is_empty());
    assert_eq!(world.take_log(), ["nothing"]);
    for _ in 0..5 {
        assert!(!world.glance());
    }
    assert!(world.log.is_empty(), "it waits for the rest");
    peer.send_raw(&wire[500..]);
    world.until("the rest", |world| world.input.len() == 1000);
}

/// Two connections with `bytes` to read, of which each has read 10; from now on `handler` reads.
fn two_pending(bytes: usize, handler: ConnProc<World>) -> (World, [Peer; 2]) {
    let Setup {
        mut world,
        id,
        mut peer,
        context,
        site,
    } = setup();
    let (second, mut other) = join(&mut world, &site, &context);
    world.chunk = 10;
    for who in [&mut peer, &mut other] {
        who.write(&pattern(bytes));
        who.push();
    }
    world.until("first bytes of both", |world| world.input.len() == 20);
    world.take_log();
    for each in [id, second] {
        world
            .conns
            .set_read_handler(&mut world.el, each, Some(handler));
    }
    (world, [peer, other])
}

/// The flaw was a list walked while the handlers of its members freed other members.
#[test]
fn a_handler_in_the_pending_pass_may_close_the_next_in_line() {
    fn close_others(world: &mut World, id: ConnId) {
        on_read(world, id);
        for other in world
            .conns
            .ids()
            .filter(|other| *other != id)
            .collect::<Vec<_>>()
        {
            world.conns.close(&mut world.el, other);
        }
    }
    let (mut world, _peers) = two_pending(25, close_others);
    assert!(process_pending(&mut world), "the survivor has more");
    assert_eq!(world.take_log(), ["read 10"]);
    assert_eq!(world.conns.len(), 1);
    while process_pending(&mut world) {}
    assert_eq!(world.input.len(), 35, "25 of one, 10 of the other");
}

#[test]
fn a_pass_within_a_pass_goes_on_with_the_queue() {
    fn nest(world: &mut World, id: ConnId) {
        world.log.push(format!("[{}", id.to_word() as u32));
        world.conns.protect(&mut world.el, id, true);
        process_pending(world);
        world.conns.protect(&mut world.el, id, false);
        on_read(world, id);
    }
    let (mut world, _peers) = two_pending(20, nest);
    process_pending(&mut world);
    assert_eq!(
        world
            .log
            .iter()
            .filter(|line| line.starts_with('['))
            .count(),
        2,
        "{:?}",
        world.log
    );
    assert_eq!(
        &world.log[2..],
        ["read 10", "read 10"],
        "the second ran inside the first"
    );
    assert_eq!(world.input.len(), 40);
}

#[test]
fn a_handler_that_does_not_read_is_called_again() {
    fn dawdle(world: &mut World, _id: ConnId) {
        world.log.push("later".into());
    }
    let Setup {
        mut world,
        id,
        mut peer,
        ..
    } = setup();
    world.chunk = 10;
    peer.write(&pattern(20));
    peer.push();
    world.until("first bytes", |world| world.input.len() == 10);
    world.take_log();
    world
        .conns
        .set_read_handler(&mut world.el, id, Some(dawdle));
    assert!(process_pending(&mut world) && process_pending(&mut world));
    assert_eq!(world.log, ["later", "later"]);
}

#[test]
fn a_protected_connection_is_left_out_of_the_pass_and_keeps_no_big_buffer() {
    let Setup {
        mut world,
        id,
        mut peer,
        ..
    } = setup();
    world.chunk = 10;
    for _ in 0..3 {
        peer.write(&pattern(100));
    }
    peer.push();
    world.until("first bytes", |world| world.input.len() == 10);
    world.conns.protect(&mut world.el, id, true);
    assert!(!process_pending(&mut world), "the loop may sleep");
    assert!(world.conns.memory(id) < 64 * 1024);
    world.chunk = 1000;
    world.conns.protect(&mut world.el, id, false);
    process_pending(&mut world);
    assert_eq!(world.input.len(), 300);
}

#[test]
fn goodbye_behind_data_and_fin_in_one_edge() {
    let Setup {
        mut world,
        id,
        mut peer,
        ..
    } = setup();
    peer.write(b"last words");
    peer.tls.shutdown().expect("a goodbye");
    peer.push();
    peer.socket
        .shutdown(std::net::Shutdown::Both)
        .expect("closed");
    world.until("the end", |world| {
        world.log.last().is_some_and(|line| line == "eof")
    });
    assert_eq!(world.log, ["read 10", "eof"]);
    until_quiet(&mut world);
    assert_eq!(world.log.len(), 2, "{:?}", world.log);
    assert_eq!(world.conns.state(id), State::Closed);
}

#[test]
fn a_fin_without_goodbye_is_an_end_as_well() {
    let Setup {
        mut world,
        mut peer,
        ..
    } = setup();
    peer.write(b"last words");
    peer.push();
    drop(peer);
    world.until("the end", |world| {
        world.log.last().is_some_and(|line| line == "eof")
    });
    assert_eq!(world.log, ["read 10", "eof"]);
}

#[test]
fn after_goodbye_the_peer_still_gets_its_answer() {
    let Setup {
        mut world,
        id,
        mut peer,
        ..
    } = setup();
    peer.write(b"question");
    peer.tls.shutdown().expect("a goodbye");
    peer.push();
    world.until("the end", |world| {
        world.log.last().is_some_and(|line| line == "eof")
    });
    world.write_all(id, b"answer");
    world.conns.close(&mut world.el, id);
    world.until("the goodbye", |_| {
        peer.read();
        peer.end.is_some()
    });
    assert_eq!(
        (peer.input.as_slice(), peer.end.as_deref()),
        (&b"answer"[..], Some("close_notify"))
    );
}

#[test]
fn a_reset_is_a_sentence() {
    let Setup {
        mut world,
        id,
        peer,
        ..
    } = setup();
    let linger = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    nix::sys::socket::setsockopt(&peer.socket, nix::sys::socket::sockopt::Linger, &linger)
        .expect("linger");
    let address = peer.socket.local_addr().expect("an address");
    drop(peer);
    world.until("the end", |world| !world.log.is_empty());
    assert_eq!(
        world.log,
        [format!(
            "broken: reading from {address}: Connection reset by peer"
        )]
    );
    assert_eq!(world.conns.state(id), State::Failed);
}

#[test]
fn garbage_is_answered_by_an_alert_before_the_close() {
    let Setup {
        mut world,
        id,
        mut peer,
        ..
    } = setup();
    peer.write(&pattern(50));
    let mut wire = peer.take_output();
    let last = wire.len() - 1;
    wire[last] ^= 1;
    peer.send_raw(&wire);
    world.until("a failure", |world| !world.log.is_empty());
    assert!(
        world.log[0].starts_with("broken: reading from 127.0.0.1:"),
        "{:?}",
        world.log
    );
    assert_eq!(world.conns.pending_out(id), 0);
    world.conns.close(&mut world.el, id);
    world.until("an alert", |_| {
        peer.read();
        peer.end.is_some()
    });
    assert!(
        peer.end.as_deref().expect("an end").contains("alert"),
        "{:?}",
        peer.end
    );
}

#[allow(unsafe_code)]
fn update_keys(peer: &Peer, ask: bool) {
    use foreign_types::ForeignTypeRef;
    unsafe extern "C" {
        fn SSL_key_update(ssl: *mut openssl_sys::SSL, kind: libc::c_int) -> libc::c_int;
    }
    let kind = libc::c_int::from(ask);
    // SAFETY: a live object of this thread; 1 asks the other side to do the same, 0 does not.
    let updated = unsafe { SSL_key_update(peer.tls.ssl().as_ptr(), kind) };
    assert_eq!(updated, 1);
}

#[test]
fn keys_are_renewed_in_the_middle_of_data() {
    for ask in [false, true] {
        let Setup {
            mut world,
            id,
            mut peer,
            ..
        } = setup_with(client_context(only(SslVersion::TLS1_3)));
        peer.write(b"before ");
        update_keys(&peer, ask);
        peer.write(b"after");
        // All in one segment, so that no event tells of what comes behind the new keys.
        peer.push();
        world.until("both", |world| world.input.len() == 12);
        assert_eq!(world.input, b"before after");
        world.write_all(id, b"answer ");
        update_keys(&peer, ask);
        peer.write(b"!");
        peer.push();
        world.until("the third", |world| world.input.len() == 13);
        world.write_all(id, b"again");
        world.until("the answers", |_| {
            peer.read();
            peer.input.len() == 12
        });
        assert_eq!(peer.input, b"answer again");
    }
}

#[test]
fn renegotiation_is_refused() {
    let Setup {
        mut world,
        mut peer,
        ..
    } = setup_with(client_context(only(SslVersion::TLS1_2)));
    renegotiate(&peer);
    let _ = peer.tls.do_handshake();
    peer.push();
    world.until("a refusal", |_| {
        peer.read();
        peer.end.is_some()
    });
    assert!(
        peer.end
            .as_deref()
            .expect("an end")
            .contains("no renegotiation"),
        "{:?}",
        peer.end
    );
    assert_eq!(world.conns.stats().handshakes_done, 1);
}

#[allow(unsafe_code)]
fn renegotiate(peer: &Peer) {
    use foreign_types::ForeignTypeRef;
    unsafe extern "C" {
        fn SSL_renegotiate(ssl: *mut openssl_sys::SSL) -> libc::c_int;
    }
    // SAFETY: a live object of this thread.
    let begun = unsafe { SSL_renegotiate(peer.tls.ssl().as_ptr()) };
    assert_eq!(begun, 1);
}

#[test]
fn a_long_answer_goes_out_in_bounded_portions() {
    fn go_on(world: &mut World, id: ConnId) {
        world.log.push("room".into());
        world
            .conns
            .set_write_handler(&mut world.el, id, None, false);
    }
    let Setup {
        mut world,
        id,
        mut peer,
        ..
    } = setup();
    let answer = pattern(8 << 20);
    let mut accepted = 0;
    let mut stalls = 0;
    while accepted < answer.len() {
        match world.conns.write(&mut world.el, id, &answer[accepted..]) {
            Io::Done(n) => accepted += n,
            Io::WouldBlock => {
                stalls += 1;
                assert!(
                    world.conns.pending_out(id) <= 3 * 16_406,
                    "{}",
                    world.conns.pending_out(id)
                );
                world
                    .conns
                    .set_write_handler(&mut world.el, id, Some(go_on), false);
                world.until("room", |world| {
                    peer.read();
                    !world.take_log().is_empty()
                });
            }
            other => panic!("{other:?}"),
        }
    }
    world.until("the whole answer", |world| {
        let _ = world.conns.flush(&mut world.el, id);
        peer.read();
        peer.input.len() == answer.len()
    });
    assert!(stalls > 0, "the socket was never full");
    assert!(peer.input == answer);
    assert_eq!(world.conns.pending_out(id), 0);
    assert!(world.conns.memory(id) < 64 * 1024);
}

#[test]
fn what_was_not_flushed_goes_out_from_the_loop() {
    let Setup {
        mut world,
        id,
        mut peer,
        ..
    } = setup();
    assert!(matches!(
        world.conns.write(&mut world.el, id, b"hello"),
        Io::Done(5)
    ));
    assert!(world.conns.pending_out(id) > 5);
    world.until("the bytes", |_| {
        peer.read();
        peer.input == b"hello"
    });
    assert_eq!(world.conns.pending_out(id), 0);
}

#[test]
fn writes_of_two_connections_may_be_interleaved() {
    let Setup {
        mut world,
        id,
        mut peer,
        context,
        site,
    } = setup();
    let (second, mut other) = join(&mut world, &site, &context);
    for part in [b"one", b"two"] {
        for each in [id, second] {
            assert!(matches!(
                world.conns.write(&mut world.el, each, part),
                Io::Done(3)
            ));
        }
    }
    for each in [second, id] {
        assert!(matches!(
            world.conns.flush(&mut world.el, each),
            Io::Done(0)
        ));
    }
    for who in [&mut peer, &mut other] {
        world.until("both parts", |_| {
            who.read();
            who.input == b"onetwo"
        });
    }
}

#[test]
fn pieces_are_packed_into_few_records() {
    use std::io::IoSlice;
    let Setup {
        mut world,
        id,
        mut peer,
        ..
    } = setup();
    let (small, large) = (pattern(100), pattern(20_000));
    let mut pieces: Vec<IoSlice<'_>> = (0..200).map(|_| IoSlice::new(&small)).collect();
    pieces.push(IoSlice::new(&large));
    pieces.push(IoSlice::new(b"end"));
    let total = 200 * 100 + 20_000 + 3;
    match world.conns.write_vectored(&mut world.el, id, &pieces) {
        Io::Done(n) => assert_eq!(n, total),
        other => panic!("{other:?}"),
    }
    let _ = world.conns.flush(&mut world.el, id);
    world.until("all of it", |_| {
        peer.read();
        peer.input.len() == total
    });
    assert_eq!(
        peer.input,
        [small.repeat(200), large, b"end".to_vec()].concat()
    );
    // Two of small pieces, two of the large one, one of the rest.
    assert_eq!(world.conns.stats().traffic.records_out, 5);
}

fn note_write(world: &mut World, _id: ConnId) {
    world.log.push("write".into());
}

#[test]
fn a_barrier_orders_handlers_whatever_the_socket_says() {
    let Setup {
        mut world,
        id,
        mut peer,
        ..
    } = setup();
    world
        .conns
        .set_write_handler(&mut world.el, id, Some(note_write), false);
    peer.write(b"x");
    peer.push();
    world.until("a read", |world| {
        world.log.iter().any(|line| line.starts_with("read"))
    });
    assert_eq!(&world.log[world.log.len() - 2..], ["read 1", "write"]);
    world
        .conns
        .set_write_handler(&mut world.el, id, Some(note_write), true);
    peer.write(b"xy");
    peer.push();
    world.until("a read", |world| {
        world.log.iter().any(|line| line == "read 2")
    });
    assert_eq!(&world.log[world.log.len() - 2..], ["write", "read 2"]);
}

#[test]
fn data_in_one_segment_with_the_end_of_the_handshake_is_read() {
    let site = Site::new();
    let mut world = World::new();
    let listener = listen();
    let mut peer = Peer::new(dial(&listener), &client_context(only(SslVersion::TLS1_3)));
    world.accept(&listener, Some(&site.context()));
    peer.step();
    peer.push();
    world.until("the server's flight", |_| {
        peer.pull();
        peer.step()
    });
    // Finished is in the outbox; the request joins it.
    peer.write(b"early bird");
    peer.push();
    world.until("the request", |world| !world.input.is_empty());
    assert_eq!(world.log, ["connected", "read 10"]);
}

#[test]
fn plain_text_in_the_middle_of_a_session_is_refused() {
    let Setup {
        mut world,
        mut peer,
        ..
    } = setup();
    peer.socket.write_all(b"PING\r\nPING\r\n").expect("room");
    world.until("a failure", |world| !world.log.is_empty());
    assert!(
        world.log[0].starts_with("broken: reading from "),
        "{:?}",
        world.log
    );
    assert!(!world.log[0].contains("null") && !world.log[0].contains("Success"));
}

#[test]
fn a_blocking_program_needs_no_loop() {
    let site = Site::new();
    let mut world = World::new();
    let listener = listen();
    let config = ClientTlsConfig {
        cacert: site.config.ca_cert_file.clone(),
        ..ClientTlsConfig::default()
    };
    let program = blocking_client(listener.port(), config, Some("server"), |tls, pool| {
        let question = pattern(100_000);
        assert!(matches!(tls.write(pool, &question), Io::Done(100_000)));
        assert!(matches!(tls.flush(pool), Io::Done(0)));
        let mut answer = Vec::new();
        let mut buf = [0; 4096];
        loop {
            match tls.read(pool, &mut buf) {
                Io::Done(n) => answer.extend_from_slice(&buf[..n]),
                Io::Eof => break answer,
                other => panic!("{other:?}"),
            }
        }
    });
    world.await_client(&listener, &site.context());
    world.until("the question", |world| world.input.len() == 100_000);
    let id = world.conns.ids().next().expect("one");
    world.write_all(id, &pattern(50_000));
    world.conns.close(&mut world.el, id);
    assert!(program.join().expect("no panic") == pattern(50_000));
    assert!(world.input == pattern(100_000));
}
