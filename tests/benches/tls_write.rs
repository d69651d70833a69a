//! The path of a reply through TLS: encrypted, buffered, sent over loopback. `cargo bench -p tests --bench tls_write`.
//!
//! The client reads the ciphertext without decrypting it, so that it costs little CPU.

use std::io::IoSlice;
use std::net::TcpListener;
use std::thread;

use conn::stream::Io;
use conn::tls::bio::Pool;
use conn::tls::config::TlsConfig;
use conn::tls::context::TlsContext;
use conn::tls::stream::{Handshake, TlsStream};
use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use server::sys::memory::Jemalloc;
use tests::certs;
use tests::openssl_client::{self, OpensslClient};

#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() {
    divan::main();
}

/// The server's end of a connection after the handshake.
fn connect() -> (TlsStream, Pool) {
    let config = TlsConfig {
        cert_file: Some(certs::file("redis.crt")),
        key_file: Some(certs::file("redis.key")),
        ca_cert_file: Some(certs::file("ca.crt")),
        ..TlsConfig::default()
    };
    let context = TlsContext::load(&config, None).expect("the certificates load");
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback");
    let port = listener.local_addr().expect("the listener is bound").port();
    thread::spawn(move || {
        let context = openssl_client::context(true, |_| {});
        OpensslClient::connect(port, &context, None)
            .expect("the handshake succeeds")
            .discard_all();
    });
    let (socket, _) = listener.accept().expect("a client");
    let (mut pool, mut tls) = (
        Pool::new(),
        TlsStream::accept(&context, socket).expect("OpenSSL allocates"),
    );
    loop {
        match tls.handshake(&mut pool) {
            Handshake::Done => return (tls, pool),
            // The socket blocks, so the next read waits.
            Handshake::WouldBlock => tls.set_readiness(true, false),
            Handshake::Failed(error) => panic!("{error}"),
        }
    }
}

/// Sends all bytes. The socket blocks, so one flush is enough.
fn send(tls: &mut TlsStream, pool: &mut Pool, mut rest: &[u8]) {
    while !rest.is_empty() {
        match tls.write(pool, rest) {
            Io::Done(n) => rest = &rest[n..],
            other => panic!("{other:?}"),
        }
    }
    assert!(matches!(tls.flush(pool), Io::Done(0)));
}

/// One reply of `len` bytes, and a flush.
#[divan::bench(args = [7, 100, 1000, 16_384, 100_000, 1_000_000], sample_size = 50)]
fn reply(bencher: Bencher<'_, '_>, len: usize) {
    let (mut tls, mut pool) = connect();
    let bytes = vec![b'v'; len];
    bencher
        .counter(BytesCount::of_slice(&bytes))
        .bench_local(|| send(&mut tls, &mut pool, &bytes));
}

/// Small pieces are collected into few records.
#[divan::bench(args = [16, 256], sample_size = 50)]
fn pieces_of_100_bytes(bencher: Bencher<'_, '_>, count: usize) {
    let (mut tls, mut pool) = connect();
    let bytes = [b'v'; 100];
    let pieces = vec![IoSlice::new(&bytes); count];
    bencher.counter(ItemsCount::new(count)).bench_local(|| {
        match tls.write_vectored(&mut pool, &pieces) {
            Io::Done(n) => assert_eq!(n, 100 * count),
            other => panic!("{other:?}"),
        }
        assert!(matches!(tls.flush(&mut pool), Io::Done(0)));
    });
}
