//! The keyspace in a table that fits the CPU cache, and in one that does not. `cargo bench -p tests --bench table`.
//!
//! For memory per key, the worst single write and growth to millions of keys: `cargo bench -p data`.

use std::hint::black_box;

use data::util::rand::Rng;
use data::value::NewValue;
use data::value::db::{Db, Expire};
use divan::Bencher;
use divan::counter::ItemsCount;
use server::sys::memory::Jemalloc;

#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

// The sample size is fixed: by default divan chooses small samples, which measure cold caches.
const KEYS: [u64; 2] = [10_000, 1_000_000];
const VALUE: NewValue<'static> = NewValue::Text(b"value:0123456789");

fn main() {
    divan::main();
}

fn key(number: u64) -> [u8; 8] {
    number.to_be_bytes()
}

fn filled(keys: u64) -> Db {
    let mut db = Db::new();
    for number in 0..keys {
        db.set(&key(number), VALUE, Expire::Clear, 0);
    }
    while db.step(1000) {}
    db
}

#[divan::bench(args = KEYS, sample_size = 2000)]
fn get_hit(bencher: Bencher<'_, '_>, keys: u64) {
    let (db, mut rng) = (filled(keys), Rng::new(1));
    bencher.counter(ItemsCount::new(1u32)).bench_local(|| {
        let found = db.find(&key(rng.below(keys)));
        black_box(found.map(|entry| entry.value().len()))
    });
}

#[divan::bench(args = KEYS, sample_size = 2000)]
fn get_miss(bencher: Bencher<'_, '_>, keys: u64) {
    let (db, mut rng) = (filled(keys), Rng::new(1));
    bencher
        .counter(ItemsCount::new(1u32))
        .bench_local(|| black_box(db.find(&key(keys + rng.below(keys))).is_some()));
}

#[divan::bench(args = KEYS, sample_size = 2000)]
fn set_over(bencher: Bencher<'_, '_>, keys: u64) {
    let (mut db, mut rng) = (filled(keys), Rng::new(1));
    bencher
        .counter(ItemsCount::new(1u32))
        .bench_local(|| black_box(db.set(&key(rng.below(keys)), VALUE, Expire::Clear, 0)));
}

/// Removes a key and adds it again, so that the table keeps its size.
#[divan::bench(args = KEYS, sample_size = 2000)]
fn remove_and_insert(bencher: Bencher<'_, '_>, keys: u64) {
    let (mut db, mut rng) = (filled(keys), Rng::new(1));
    bencher.counter(ItemsCount::new(2u32)).bench_local(|| {
        let key = key(rng.below(keys));
        black_box(db.remove(&key));
        black_box(db.set(&key, VALUE, Expire::Clear, 0));
    });
}
