//! What one peer sends or takes costs a turn of the loop a bounded amount of work, so that others are
//! served in between. Bounds are in turns, records and bytes, not in time.

mod common;

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use common::certs::Site;
use common::peer::{Peer, client_context, only};
use common::{World, dial, listen};
use conn::connection::{ConnId, State};
use conn::io::{READ_BUDGET, WRITE_BUDGET, WRITE_SHARE};
use conn::listener::Listener;
use conn::stream::Io;
use conn::tls::context::TlsContext;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sign::Signer;
use openssl::ssl::{SslContextBuilder, SslVersion};
use openssl::symm::{Cipher, encrypt_aead};

/// A server, a peer that floods it, and a second client.
struct Flood {
    world: World,
    id: ConnId,
    peer: Peer,
    other: Peer,
    _site: Site,
}

fn join(
    world: &mut World,
    listener: &Listener,
    tls: &TlsContext,
    change: impl FnOnce(&mut SslContextBuilder),
) -> (ConnId, Peer) {
    let socket = dial(listener);
    let id = world.accept(listener, Some(tls));
    let mut peer = Peer::new(socket, &client_context(change));
    peer.handshake(world);
    peer.read();
    world.until("quiet", |world| world.take_log().is_empty());
    (id, peer)
}

fn flood(change: impl FnOnce(&mut SslContextBuilder)) -> Flood {
    let (mut world, site, listener) = (World::new(), Site::new(), listen());
    let tls = site.context();
    let (id, peer) = join(&mut world, &listener, &tls, change);
    let (_, other) = join(&mut world, &listener, &tls, |_| {});
    Flood {
        world,
        id,
        peer,
        other,
        _site: site,
    }
}

impl Flood {
    /// Sends `wire`, which ends with the data `end`, and counts turns until that is read. The second
    /// client sends `x` at the start and must not wait for the end.
    fn turns(&mut self, wire: &[u8]) -> usize {
        self.peer.socket.write_all(wire).expect("room for it");
        self.other.write(b"x");
        self.other.push();
        let (mut turns, mut served) = (0, None);
        let start = std::time::Instant::now();
        while !self.world.input.windows(3).any(|part| part == b"end") {
            self.world.glance();
            let input = &self.world.input;
            let first = input.iter().position(|&byte| byte == b'x');
            served = served.or(first.map(|_| turns));
            // A turn in which nothing had arrived yet is none of the flood's.
            turns += usize::from(!self.world.log.is_empty());
            assert!(start.elapsed().as_secs() < 20, "after {turns} turns");
        }
        let served = served.expect("the second client was served");
        assert!(served <= 3, "it waited {served} turns of {turns}");
        turns
    }
}

#[allow(unsafe_code)]
fn update_keys(peer: &mut Peer) {
    use foreign_types::ForeignTypeRef;
    unsafe extern "C" {
        fn SSL_key_update(ssl: *mut openssl_sys::SSL, kind: libc::c_int) -> libc::c_int;
    }
    // SAFETY: a live object of this thread; 0 does not ask the other side to do the same.
    assert_eq!(unsafe { SSL_key_update(peer.tls.ssl().as_ptr(), 0) }, 1);
    assert!(peer.step());
}

/// OpenSSL goes from one key update to the next inside one read.
#[test]
fn key_updates_end_the_turn() {
    const UPDATES: usize = 2000;
    let mut flood = flood(only(SslVersion::TLS1_3));
    for _ in 0..UPDATES {
        update_keys(&mut flood.peer);
    }
    flood.peer.write(b"end");
    let wire = flood.peer.take_output();
    let turns = flood.turns(&wire);
    // A turn has the pass before the poll and the event behind it, with 32 records each.
    assert!(turns >= UPDATES / 64, "{turns} turns");
    assert!(turns <= UPDATES / 8, "{turns} turns");
}

/// Key updates between bytes of data have no other bound than key updates alone.
#[test]
fn key_updates_between_data_end_the_turn() {
    const PAIRS: usize = 500;
    let mut flood = flood(only(SslVersion::TLS1_3));
    for _ in 0..PAIRS {
        for _ in 0..3 {
            update_keys(&mut flood.peer);
        }
        flood.peer.write(b"-");
    }
    flood.peer.write(b"end");
    let wire = flood.peer.take_output();
    let turns = flood.turns(&wire);
    assert!(turns >= PAIRS / 2, "{turns} turns");
}

#[test]
fn small_records_are_bounded_per_turn() {
    const RECORDS: usize = 4000;
    for version in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
        let mut flood = flood(only(version));
        for _ in 0..RECORDS {
            flood.peer.write(b"-");
        }
        flood.peer.write(b"end");
        let wire = flood.peer.take_output();
        let turns = flood.turns(&wire);
        assert!(turns >= RECORDS / 1024, "{turns} turns");
        assert_eq!(flood.world.input.len(), RECORDS + 4);
    }
}

/// Makes records of TLS 1.2 behind the back of OpenSSL, which would not send what is needed here.
struct Forger {
    key: Vec<u8>,
    salt: Vec<u8>,
    sequence: u64,
}

const FORGED_CIPHER: &str = "ECDHE-ECDSA-AES128-GCM-SHA256";

fn hmac(key: &[u8], data: &[u8]) -> Vec<u8> {
    let key = PKey::hmac(key).expect("a key");
    let mut signer = Signer::new(MessageDigest::sha256(), &key).expect("a signer");
    signer.sign_oneshot_to_vec(data).expect("a digest")
}

impl Forger {
    /// Behind the handshake of `peer`, which has sent nothing since.
    fn new(peer: &Peer) -> Self {
        let ssl = peer.tls.ssl();
        let (mut ours, mut theirs, mut master) = ([0; 32], [0; 32], [0; 48]);
        ssl.client_random(&mut ours);
        ssl.server_random(&mut theirs);
        let session = ssl.session().expect("a session");
        assert_eq!(session.master_key(&mut master), 48);
        // RFC 5246, section 5: the expansion of the key block.
        let seed = [b"key expansion", &theirs[..], &ours[..]].concat();
        let (mut block, mut link) = (Vec::new(), seed.clone());
        while block.len() < 40 {
            link = hmac(&master, &link);
            block.extend(hmac(&master, &[&link[..], &seed].concat()));
        }
        Self {
            key: block[..16].to_vec(),
            salt: block[32..36].to_vec(),
            sequence: 1,
        }
    }

    fn record(&mut self, kind: u8, data: &[u8]) -> Vec<u8> {
        let number = self.sequence.to_be_bytes();
        self.sequence += 1;
        let nonce = [&self.salt[..], &number].concat();
        let len = (data.len() as u16).to_be_bytes();
        let header = [&number[..], &[kind, 3, 3], &len].concat();
        let mut tag = [0; 16];
        let cipher = Cipher::aes_128_gcm();
        let sealed = encrypt_aead(cipher, &self.key, Some(&nonce), &header, data, &mut tag);
        let body = [&number[..], &sealed.expect("sealed"), &tag].concat();
        let len = (body.len() as u16).to_be_bytes();
        [&[kind, 3, 3], &len[..], &body].concat()
    }

    /// A client hello without content, which is refused before it is looked at.
    fn hello(&mut self) -> Vec<u8> {
        self.record(22, &[1, 0, 0, 0])
    }
}

fn forged(builder: &mut SslContextBuilder) {
    only(SslVersion::TLS1_2)(builder);
    builder.set_cipher_list(FORGED_CIPHER).expect("a cipher");
}

/// A renegotiation is refused by an alert, and OpenSSL goes on to the next record.
#[test]
fn client_hellos_end_the_turn() {
    const HELLOS: usize = 1000;
    let mut flood = flood(forged);
    let mut forger = Forger::new(&flood.peer);
    let mut wire: Vec<u8> = (0..HELLOS).flat_map(|_| forger.hello()).collect();
    wire.extend(forger.record(23, b"end"));
    let turns = flood.turns(&wire);
    assert!(turns >= HELLOS / 64, "{turns} turns");
    assert_eq!(flood.world.conns.state(flood.id), State::Connected);
}

/// Each refused hello is answered; who does not read the answers must not fill the memory.
#[test]
fn answers_that_nobody_reads_are_bounded() {
    let mut flood = flood(forged);
    let mut forger = Forger::new(&flood.peer);
    let id = flood.id;
    let mut most = 0;
    flood.world.until("a refusal", |world| {
        let hellos: Vec<u8> = (0..500).flat_map(|_| forger.hello()).collect();
        let mut rest = &hellos[..];
        while !rest.is_empty() && world.conns.state(id) == State::Connected {
            match flood.peer.socket.write(rest) {
                Ok(n) => rest = &rest[n..],
                Err(_) => drop(world.glance()),
            }
            most = most.max(world.conns.pending_out(id));
        }
        world.conns.state(id) == State::Failed
    });
    assert!(most < 256 * 1024, "{most} bytes");
    let error = flood.world.conns.error(id).expect("a reason").to_string();
    assert!(error.ends_with("does not read the answers"), "{error}");
}

/// Turns that it takes to write `len` bytes to a peer that only takes them from its socket, which is
/// what a peer does that wants to hold up the loop; the most that one turn wrote.
fn write_to_a_sink(world: &mut World, id: ConnId, peer: &Peer, len: usize) -> (usize, usize) {
    let done = Arc::new(AtomicBool::new(false));
    let (flag, mut socket) = (
        Arc::clone(&done),
        peer.socket.try_clone().expect("a handle"),
    );
    let sink = thread::spawn(move || {
        let mut buf = vec![0; 1 << 20];
        while !flag.load(Ordering::Relaxed) {
            if socket.read(&mut buf).is_err() {
                thread::yield_now();
            }
        }
    });
    let reply = vec![b'.'; len];
    let (mut turns, mut most, mut rest) = (0, 0, &reply[..]);
    while !rest.is_empty() {
        let before = rest.len();
        // As a handler without a bound of its own would.
        while !rest.is_empty() {
            match world.conns.write(&mut world.el, id, rest) {
                Io::Done(n) => rest = &rest[n..],
                Io::WouldBlock => break,
                other => panic!("{other:?}"),
            }
        }
        most = most.max(before - rest.len());
        turns += 1;
        world.glance();
    }
    done.store(true, Ordering::Relaxed);
    sink.join().expect("no panic");
    (turns, most)
}

#[test]
fn a_long_reply_is_written_over_many_turns() {
    const LEN: usize = 64 << 20;
    let Flood {
        mut world,
        id,
        peer,
        _site,
        ..
    } = flood(|_| {});
    let (turns, most) = write_to_a_sink(&mut world, id, &peer, LEN);
    assert!(
        turns >= LEN / WRITE_BUDGET && most <= WRITE_BUDGET,
        "{turns}, {most}"
    );

    let listener = listen();
    let socket = dial(&listener);
    let id = world.accept(&listener, None);
    let peer = Peer::new(socket, &client_context(|_| {}));
    let (turns, most) = write_to_a_sink(&mut world, id, &peer, LEN);
    assert!(
        turns >= LEN / WRITE_BUDGET && most <= WRITE_BUDGET,
        "{turns}, {most}"
    );
}

/// Many peers with long replies share the turn: together they write one budget and a share each.
#[test]
fn long_replies_share_a_turn() {
    const READERS: usize = 8;
    let (mut world, listener) = (World::new(), listen());
    let mut sockets: Vec<std::net::TcpStream> = Vec::new();
    let ids: Vec<ConnId> = (0..READERS)
        .map(|_| {
            sockets.push(dial(&listener));
            world.accept(&listener, None)
        })
        .collect();
    let done = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&done);
    let sink = thread::spawn(move || {
        let mut buf = vec![0; 1 << 20];
        while !flag.load(Ordering::Relaxed) {
            let mut got = 0;
            for socket in &mut sockets {
                got += usize::from(socket.read(&mut buf).is_ok());
            }
            if got == 0 {
                thread::yield_now();
            }
        }
    });
    let reply = vec![b'.'; 4 * WRITE_BUDGET];
    let mut most = 0;
    for _ in 0..64 {
        world.glance();
        let mut written = 0;
        for &id in &ids {
            while let Io::Done(n) = world.conns.write(&mut world.el, id, &reply) {
                written += n;
            }
        }
        most = most.max(written);
    }
    done.store(true, Ordering::Relaxed);
    sink.join().expect("no panic");
    // The one that reaches the budget may have had all of it left.
    assert!(
        most <= 2 * WRITE_BUDGET + READERS * WRITE_SHARE,
        "{most} bytes in one turn"
    );
    assert!(most > WRITE_SHARE, "{most} bytes in one turn");
}

#[test]
fn a_handler_that_reads_without_end_is_stopped() {
    fn read_all(world: &mut World, id: ConnId) {
        let mut buf = vec![0; 8 << 20];
        let mut total = 0;
        while let Io::Done(n) = world.conns.read(&mut world.el, id, &mut buf) {
            total += n;
        }
        world.log.push(total.to_string());
    }
    let Flood {
        mut world,
        id,
        mut peer,
        _site,
        ..
    } = flood(|_| {});
    world
        .conns
        .set_read_handler(&mut world.el, id, Some(read_all));
    let mut socket = peer.socket.try_clone().expect("a handle");
    let (block, blocks) = (vec![b'.'; 16_384], 512);
    for _ in 0..blocks {
        peer.write(&block);
    }
    let wire = peer.take_output();
    let writer = thread::spawn(move || {
        let mut rest = &wire[..];
        while !rest.is_empty() {
            match socket.write(rest) {
                Ok(n) => rest = &rest[n..],
                Err(_) => thread::yield_now(),
            }
        }
    });
    let mut total = 0;
    world.until("all of it", |world| {
        for line in world.take_log() {
            // The second client logs words.
            let n: usize = line.parse().unwrap_or(0);
            assert!(n <= READ_BUDGET, "{n} bytes");
            total += n;
        }
        total == blocks * block.len()
    });
    writer.join().expect("no panic");
}
