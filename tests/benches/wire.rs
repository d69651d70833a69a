//! The hot path of every command: the request parser and the reply writer. `cargo bench -p tests --bench wire`.

use std::hint::black_box;

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use server::sys::memory::Jemalloc;
use server::wire::output::Output;
use server::wire::reply::{Reply, Resp};
use server::wire::request::{Origin, Parsed, Request, RequestLimits};

#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// Commands per read.
const PIPELINE: usize = 16;

fn main() {
    divan::main();
}

/// Parses the same bytes repeatedly in one buffer, as a connection does.
fn parse(bencher: Bencher<'_, '_>, one: &[u8]) {
    let bytes = one.repeat(PIPELINE);
    let limits = RequestLimits {
        max_bulk: 512 << 20,
        unauthenticated: false,
        origin: Origin::Client,
    };
    let mut request = Request::default();
    bencher
        .counter(ItemsCount::new(PIPELINE))
        .counter(BytesCount::of_slice(&bytes))
        .bench_local(|| {
            let mut rest = bytes.as_slice();
            let mut commands = 0;
            while !rest.is_empty() {
                let space = request.space();
                let n = rest.len().min(space.len());
                space[..n].copy_from_slice(&rest[..n]);
                request.filled(n);
                rest = &rest[n..];
                while let Ok(Parsed::Command) = request.parse(limits) {
                    commands += 1;
                    black_box(request.argv.len());
                }
                request.compact();
            }
            assert_eq!(commands, PIPELINE);
        });
}

#[divan::bench(sample_size = 200)]
fn request_get(bencher: Bencher<'_, '_>) {
    parse(bencher, b"*2\r\n$3\r\nGET\r\n$16\r\nkey:000000000042\r\n");
}

/// By length of the value; from 32 KiB on a value has a buffer of its own.
#[divan::bench(args = [3, 100, 1000, 10_000, 100_000], sample_size = 200)]
fn request_set(bencher: Bencher<'_, '_>, len: usize) {
    let head = format!("*3\r\n$3\r\nSET\r\n$16\r\nkey:000000000042\r\n${len}\r\n");
    parse(
        bencher,
        &[head.as_bytes(), &vec![b'v'; len], b"\r\n"].concat(),
    );
}

#[divan::bench(sample_size = 200)]
fn request_inline(bencher: Bencher<'_, '_>) {
    parse(bencher, b"GET key:000000000042\r\n");
}

/// Writes a batch of replies into one output, as a batch of commands does.
fn write(bencher: Bencher<'_, '_>, one: impl Fn(&mut Reply)) {
    let mut reply = Reply::behind(Output::default(), Resp::V2, 0);
    bencher.counter(ItemsCount::new(PIPELINE)).bench_local(|| {
        for _ in 0..PIPELINE {
            one(&mut reply);
        }
        black_box(reply.out.len());
        reply.out.clear();
    });
}

#[divan::bench(sample_size = 200)]
fn reply_ok(bencher: Bencher<'_, '_>) {
    write(bencher, Reply::ok);
}

#[divan::bench(sample_size = 200)]
fn reply_int(bencher: Bencher<'_, '_>) {
    write(bencher, |reply| reply.int(black_box(123_456_789)));
}

#[divan::bench(args = [3, 100, 1000, 10_000], sample_size = 200)]
fn reply_bulk(bencher: Bencher<'_, '_>, len: usize) {
    let value = vec![b'v'; len];
    write(bencher, |reply| reply.bulk(black_box(&value)));
}

/// A hundred elements, with a length that is written only afterwards.
#[divan::bench(sample_size = 200)]
fn reply_deferred_array(bencher: Bencher<'_, '_>) {
    write(bencher, |reply| {
        let mark = reply.defer();
        for _ in 0..100 {
            reply.bulk(black_box(b"element"));
        }
        reply.close_array(mark, 100);
    });
}
