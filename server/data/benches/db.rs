//! Benchmark of the keyspace: time per operation, memory per key, and the slowest single write.
//!
//! `cargo bench -p data [-- [growth] KEYS]`, by default with 1 million keys. `growth` measures only inserts and
//! deletes, for each size from 1 million keys on, doubled up to KEYS: 16 million take a minute. Times are CPU time of
//! the thread and include formatting the key. Keys have 16 bytes.

#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout};
use std::ffi::c_void;
use std::hint::black_box;
use std::ptr::null_mut;
use std::time::Duration;

use data::util::mem::usable_size;
use data::util::rand::Rng;
use data::value::NewValue;
use data::value::db::{Db, Expire};
use tikv_jemalloc_sys as jemalloc;

/// jemalloc, which is passed every alignment above that of its smallest size class.
struct Jemalloc;

fn flags(layout: Layout) -> i32 {
    if layout.align() > 8 {
        layout.align().trailing_zeros() as i32
    } else {
        0
    }
}

// SAFETY: each call passes its arguments on to the allocator, whose contract is the same.
unsafe impl GlobalAlloc for Jemalloc {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: layouts never have size 0 here.
        unsafe { jemalloc::mallocx(layout.size(), flags(layout)).cast() }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller passes a pointer that `alloc` returned.
        unsafe { jemalloc::sdallocx(at.cast::<c_void>(), layout.size(), flags(layout)) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller passes a pointer that `alloc` returned.
        unsafe { jemalloc::rallocx(at.cast::<c_void>(), size, flags(layout)).cast() }
    }
}

#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() {
    let keys = std::env::args()
        .skip(1)
        .find_map(|argument| argument.parse().ok())
        .unwrap_or(1_000_000);
    // Entries rely on `usable_size` being the allocator's size classes.
    for size in 1..20_000 {
        // SAFETY: a query, without allocation.
        let class = unsafe { jemalloc::nallocx(size, 0) };
        assert_eq!(usable_size(size), class, "quantum 8");
    }
    if std::env::args().any(|argument| argument == "growth") {
        growth(keys);
        return;
    }
    memory("text of 16", keys, |_| VALUE, Expire::Clear);
    memory(
        "number",
        keys,
        |number| NewValue::from(1_000_000 + number as i64),
        Expire::Clear,
    );
    memory(
        "text of 100",
        keys,
        |_| NewValue::Text(&[b'x'; 100]),
        Expire::Clear,
    );
    memory("text of 16 with expiry", keys, |_| VALUE, Expire::At(1));
    times(keys);
}

/// Formats a key as fast as possible: `key:` and twelve digits.
fn key(number: u64, room: &mut [u8; 16]) -> &[u8] {
    room[..4].copy_from_slice(b"key:");
    let mut rest = number;
    for digit in room[4..].iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    room
}

const VALUE: NewValue<'static> = NewValue::Text(b"value:0123456789");

/// Resident memory per key, as the number of keys doubles.
fn memory(name: &str, keys: u64, value: impl Fn(u64) -> NewValue<'static>, expire: Expire) {
    // SAFETY: a control for all arenas, without input or output: releases unused pages.
    unsafe {
        let purge = c"arena.4096.purge".as_ptr();
        jemalloc::mallctl(purge, null_mut(), null_mut(), null_mut(), 0);
    }
    let before = resident();
    let mut db = Db::new();
    let mut room = [0; 16];
    let (mut least, mut most, mut sum, mut samples) = (f64::MAX, 0f64, 0.0, 0.0);
    for number in 0..2 * keys {
        db.set(key(number, &mut room), value(number), expire, 0);
        if number >= keys && number % (keys / 64).max(1) == 0 {
            let each = (resident() - before) as f64 / db.len() as f64;
            (least, most) = (least.min(each), most.max(each));
            (sum, samples) = (sum + each, samples + 1.0);
        }
    }
    let mean = sum / samples;
    println!("{name:28} {mean:6.1} bytes per key ({least:.1} to {most:.1})");
}

/// From empty to a number of keys and back.
fn growth(most: u64) {
    let mut room = [0; 16];
    let mut keys = 1_000_000;
    while keys <= most {
        let mut db = Db::new();
        each(&format!("insert, {keys} keys"), keys, |number| {
            db.set(key(number, &mut room), VALUE, Expire::Clear, 0);
        });
        each(&format!("remove, {keys} keys"), keys, |number| {
            black_box(db.remove(key(number, &mut room)));
        });
        keys *= 2;
    }
}

fn times(keys: u64) {
    let mut rng = Rng::new(1);
    let mut db = Db::new();
    let mut room = [0; 16];
    each("insert, from empty", keys, |number| {
        db.set(key(number, &mut room), VALUE, Expire::Clear, 0);
    });
    while db.step(1000) {}
    let rounds = keys.min(2_000_000);
    each("key and hash alone", rounds, |_| {
        black_box(db.hash(key(rng.below(keys), &mut room)));
    });
    each("get, hit", rounds, |_| {
        let found = db.find(key(rng.below(keys), &mut room));
        black_box(found.map(|entry| entry.value().len()));
    });
    each("get, miss", rounds, |_| {
        black_box(db.find(key(keys + rng.below(keys), &mut room)).is_some());
    });
    each("set, over the same size", rounds, |_| {
        db.set(key(rng.below(keys), &mut room), VALUE, Expire::Clear, 0);
    });
    batches(&db, keys, rounds, &mut rng);
    let mut cursor = 0;
    let start = cpu_time();
    let mut seen = 0u64;
    loop {
        cursor = db.scan(cursor, 10, &mut |_| seen += 1);
        if cursor == 0 {
            break;
        }
    }
    println!(
        "{:28} {:6.1} ns",
        "scan by tens",
        (cpu_time() - start).as_nanos() as f64 / seen as f64
    );
    each("random key", rounds, |_| {
        black_box(db.random(&mut rng).is_some());
    });
    each("set expiry", keys, |number| {
        db.set_expire(key(number, &mut room), Some(1));
    });
    each("remove, with expiry", keys, |number| {
        black_box(db.remove(key(number, &mut room)));
    });
}

/// Sixteen lookups hashed together and prefetched, as for a pipeline.
fn batches(db: &Db, keys: u64, rounds: u64, rng: &mut Rng) {
    let mut rooms = [[0; 16]; 16];
    let mut hashes = Vec::with_capacity(16);
    let start = cpu_time();
    for _ in 0..rounds / 16 {
        let texts = rooms.each_mut().map(|room| key(rng.below(keys), room));
        hashes.clear();
        db.hash_batch(&texts, &mut hashes);
        hashes.iter().for_each(|&hash| db.prefetch_line(hash));
        hashes.iter().for_each(|&hash| db.prefetch_entry(hash));
        for (&hash, text) in hashes.iter().zip(texts) {
            black_box(db.find_hashed(hash, text).map(|entry| entry.value().len()));
        }
    }
    let spent = (cpu_time() - start).as_nanos() as f64;
    println!(
        "{:28} {:6.1} ns",
        "get, hit, batches of 16",
        spent / (rounds / 16 * 16) as f64
    );
}

/// Runs an operation `rounds` times; prints the mean time and the slowest 128 in a row.
fn each(name: &str, rounds: u64, mut operation: impl FnMut(u64)) {
    let start = cpu_time();
    let mut worst = Duration::ZERO;
    let mut last = start;
    for number in 0..rounds {
        operation(number);
        // Reading the clock is a system call, so it is read only once per batch; slow operations are still visible.
        if number % 128 == 0 {
            let now = cpu_time();
            worst = worst.max(now - last);
            last = now;
        }
    }
    let mean = (cpu_time() - start).as_nanos() as f64 / rounds as f64;
    let worst = worst.as_nanos() as f64 / 1000.0;
    println!("{name:28} {mean:6.1} ns, worst 128 in a row {worst:7.1} us");
}

fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: usize = statm
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse().ok())
        .unwrap_or(0);
    pages * 4096
}

fn cpu_time() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: a valid clock id and a valid place for its time.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
