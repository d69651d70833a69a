//! Whose OpenSSL's bytes are. On its own in its process: the allocator has to be there before
//! OpenSSL allocates anything.

#![allow(unsafe_code)]

mod common;

use common::certs::Site;
use common::peer::{Peer, client_context};
use common::{World, dial, listen};
use conn::drive::process_pending;
use conn::tls::memory::{Allocator, allocated, install};

fn usable(block: *mut u8) -> usize {
    // SAFETY: null or a live block.
    unsafe { libc::malloc_usable_size(block.cast()) }
}

unsafe fn alloc(size: usize) -> (*mut u8, usize) {
    // SAFETY: any size is allowed.
    let block = unsafe { libc::malloc(size).cast() };
    (block, usable(block))
}

unsafe fn realloc(block: *mut u8, size: usize) -> (*mut u8, isize) {
    let before = usable(block);
    // SAFETY: the block came from `alloc`.
    let block = unsafe { libc::realloc(block.cast(), size).cast() };
    (block, usable(block) as isize - before as isize)
}

unsafe fn free(block: *mut u8) -> usize {
    let usable = usable(block);
    // SAFETY: the block came from `alloc`.
    unsafe { libc::free(block.cast()) };
    usable
}

/// 3.0 holds 14 KB for an idle connection, 3.6 with our groups 21 KB; usable sizes are a little
/// more.
const IDLE: std::ops::Range<usize> = 8_000..24_000;

#[test]
fn memory_is_counted_and_charged_to_connections() {
    let allocator = Allocator {
        alloc,
        realloc,
        free,
    };
    assert!(install(allocator), "nothing was allocated before");
    assert!(!install(allocator), "and now it is too late");
    let site = Site::new();
    let tls = site.context();
    assert!(allocated() > 1000);
    let mut world = World::new();
    let listener = listen();
    let context = client_context(|_| {});
    // The first connection pays for what OpenSSL makes on first use.
    let mut peers = Vec::new();
    let mut ids = Vec::new();
    for _ in 0..21 {
        let socket = dial(&listener);
        let id = world.accept(&listener, Some(&tls));
        assert_eq!(
            world.conns.tls_memory(id),
            0,
            "nothing before the first byte"
        );
        let mut peer = Peer::new(socket, &context);
        peer.handshake(&mut world);
        peer.write(&[1; 1000]);
        peer.push();
        world.until("the bytes", |world| world.input.len() == 1000);
        world.input.clear();
        world.write_all(id, b"+OK\r\n");
        ids.push(id);
        peers.push(peer);
    }
    let charged: Vec<usize> = ids
        .iter()
        .skip(1)
        .map(|&id| world.conns.tls_memory(id))
        .collect();
    assert!(
        charged.iter().all(|bytes| IDLE.contains(bytes)),
        "{charged:?}"
    );
    let spread = charged.iter().max().expect("some") - charged.iter().min().expect("some");
    assert!(spread < 256, "all alike: {charged:?}");
    let memory = world.conns.memory(ids[1]);
    assert!(
        memory > charged[0] && memory < charged[0] + 1024,
        "and little beside: {memory}"
    );
    let before = allocated();
    for &id in &ids[1..] {
        world.conns.close(&mut world.el, id);
    }
    // Closed ones are freed within a budget of each turn.
    while world.conns.has_pending() {
        process_pending(&mut world);
    }
    let freed = before - allocated();
    let sum = charged.iter().sum::<usize>();
    assert!(freed.abs_diff(sum) < sum / 50, "{freed} came back of {sum}");
}
