//! One turn: order of procs, nesting, descriptors that go and come, timers and hooks.

mod common;

use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use ae::event_loop::{What, process_events, run};
use ae::file::Mask;
use ae::time::{Next, TimerId};
use common::{World, note_read, note_write, pair, read_once};

/// A socket that is readable and writable.
fn busy() -> (OwnedFd, impl Write) {
    let (ours, mut theirs) = pair();
    theirs.write_all(b"x").expect("room");
    (ours, theirs)
}

fn note_both(world: &mut World, fd: RawFd, word: u64) {
    let ready = world.el.ready(fd);
    world.log.push(format!("{word}:{}", ready.bits()));
}

#[test]
fn read_goes_before_write_and_a_barrier_turns_them_round() {
    let mut world = World::new();
    let (ours, _theirs) = busy();
    let fd = world.watch(1, ours, Mask::READABLE, note_read);
    world
        .el
        .add(fd, Mask::WRITABLE, note_write, 1)
        .expect("registered");
    assert_eq!(world.glance(), ["r1", "w1"]);
    world
        .el
        .add(fd, Mask::WRITABLE | Mask::BARRIER, note_write, 1)
        .expect("registered");
    assert_eq!(world.glance(), ["w1", "r1"]);
    // The barrier goes with the write direction, and does not come back with it.
    world.el.remove(fd, Mask::WRITABLE);
    assert_eq!(world.glance(), ["r1"]);
    world
        .el
        .add(fd, Mask::WRITABLE, note_write, 1)
        .expect("registered");
    assert_eq!(world.glance(), ["r1", "w1"]);
}

#[test]
fn a_read_proc_that_asks_for_a_barred_write_gets_it_in_the_next_turn() {
    fn ask(world: &mut World, fd: RawFd, word: u64) {
        world.log.push(format!("r{word}"));
        world.el.drained(fd, Mask::READABLE);
        world
            .el
            .add(fd, Mask::WRITABLE | Mask::BARRIER, note_write, word)
            .expect("registered");
    }
    let mut world = World::new();
    let (ours, _theirs) = busy();
    world.watch(1, ours, Mask::READABLE, ask);
    assert_eq!(world.glance(), ["r1"]);
    assert_eq!(world.glance(), ["w1"]);
}

#[test]
fn one_proc_for_both_directions_runs_once_per_turn() {
    let mut world = World::new();
    let (ours, _theirs) = busy();
    world.watch(1, ours, Mask::READABLE | Mask::WRITABLE, note_both);
    assert_eq!(world.glance(), ["1:3"]);
    assert_eq!(world.glance(), ["1:3"]);
}

#[test]
fn a_read_proc_that_closes_its_descriptor_takes_the_write_with_it() {
    fn close(world: &mut World, fd: RawFd, word: u64) {
        world.log.push(format!("close{word}"));
        world.el.forget(fd);
        world.files.remove(&word);
    }
    let mut world = World::new();
    let (ours, _theirs) = busy();
    let fd = world.watch(1, ours, Mask::READABLE, close);
    world
        .el
        .add(fd, Mask::WRITABLE, note_write, 1)
        .expect("registered");
    assert_eq!(world.glance(), ["close1"]);
    assert!(world.glance().is_empty());
}

/// The first proc of the turn closes the other's descriptor and opens another under the same
/// number.
fn replace_other(world: &mut World, fd: RawFd, word: u64) {
    world.log.push(format!("r{word}"));
    world.el.drained(fd, Mask::READABLE);
    let other = 3 - word;
    let Some(mut file) = world.files.remove(&other) else {
        return;
    };
    world.el.forget(file.as_raw_fd());
    let (ours, theirs) = busy();
    nix::unistd::dup2(&ours, &mut file).expect("the number");
    world.watch(other + 10, file, Mask::READABLE, note_read);
    Box::leak(Box::new(theirs));
}

#[test]
fn a_number_that_is_reused_within_a_turn_does_not_fire_in_it() {
    let mut world = World::new();
    let (first, _a) = busy();
    let (second, _b) = busy();
    world.watch(1, first, Mask::READABLE, replace_other);
    world.watch(2, second, Mask::READABLE, replace_other);
    let turn = world.glance();
    assert_eq!(turn.len(), 1, "{turn:?}");
    let survivor: u64 = turn[0][1..].parse().expect("a word");
    assert_eq!(world.glance(), [format!("r{}", 3 - survivor + 10)]);
}

fn nest(world: &mut World, fd: RawFd, word: u64) {
    world.log.push(format!("[{word}"));
    world.el.remove(fd, Mask::READABLE);
    process_events(world, What::FILES_ONLY);
    world.log.push(format!("{word}]"));
}

#[test]
fn a_nested_turn_serves_what_the_outer_has_listed_and_no_timers() {
    let mut world = World::new();
    let (first, _a) = busy();
    let (second, _b) = busy();
    let one = world.watch(1, first, Mask::READABLE, nest);
    world.watch(2, second, Mask::READABLE, note_read);
    world.el.add_timer(
        0,
        |world, _, _| {
            world.log.push("tick".into());
            Next::Never
        },
        0,
    );
    let turn = world.glance();
    // Whichever comes first in the kernel's list: what the nested turn has served, the outer one
    // leaves alone, though it is ready still; and the timer comes after the outer turn.
    let expected = [
        vec!["[1", "r2", "1]", "tick"],
        vec!["r2", "[1", "r2", "1]", "tick"],
    ];
    assert!(expected.iter().any(|lines| *lines == turn), "{turn:?}");
    assert_eq!(world.el.mask(one), Mask::empty());
}

#[test]
fn a_nested_turn_keeps_the_barrier_of_the_outer() {
    fn read_and_nest(world: &mut World, fd: RawFd, word: u64) {
        world.log.push(format!("r{word}"));
        world.el.remove(fd, Mask::READABLE);
        world
            .el
            .add(fd, Mask::WRITABLE | Mask::BARRIER, note_write, word)
            .expect("registered");
        process_events(world, What::FILES_ONLY);
        world.log.push("back".into());
    }
    let mut world = World::new();
    let (ours, _theirs) = busy();
    world.watch(1, ours, Mask::READABLE, read_and_nest);
    assert_eq!(
        world.glance(),
        ["r1", "w1", "back"],
        "a turn of its own may write, the outer one may not"
    );
}

#[test]
fn one_that_is_ready_all_the_time_does_not_starve_another() {
    let mut world = World::new();
    let (noisy, _a) = busy();
    world.watch(1, noisy, Mask::READABLE, note_read);
    let (quiet, mut peer) = pair();
    world.watch(2, quiet, Mask::READABLE, read_once);
    assert_eq!(world.glance(), ["r1"]);
    peer.write_all(b"!").expect("room");
    assert_eq!(world.glance(), ["r1", "2:1"]);
    // And it does not let the loop sleep, either.
    process_events(&mut world, What::ALL);
    assert_eq!(world.log, ["r1"]);
}

#[test]
fn timers_may_make_and_remove_each_other() {
    fn tick(world: &mut World, id: TimerId, word: u64) -> Next {
        world.log.push(format!("t{word}"));
        match word {
            0 => {
                world.el.add_timer(0, tick, 9);
                Next::Never
            }
            1 => {
                assert!(world.el.remove_timer(id), "its own");
                Next::In(0)
            }
            _ => Next::In(0),
        }
    }
    let mut world = World::new();
    for word in 0..3 {
        world.el.add_timer(0, tick, word);
    }
    let victim = world.el.add_timer(0, tick, 8);
    assert!(world.el.remove_timer(victim));
    assert!(!world.el.remove_timer(victim));
    assert_eq!(world.glance(), ["t0", "t1", "t2"]);
    let mut second = world.glance();
    second.sort();
    assert_eq!(second, ["t2", "t9"]);
}

#[test]
fn a_poll_sleeps_until_the_soonest_timer() {
    let mut world = World::new();
    world.el.add_timer(
        20,
        |world, _, _| {
            world.log.push("late".into());
            Next::Never
        },
        0,
    );
    world.el.add_timer(
        5,
        |world, _, _| {
            world.log.push("soon".into());
            Next::Never
        },
        0,
    );
    let start = Instant::now();
    while world.log.is_empty() {
        process_events(&mut world, What::ALL);
    }
    assert_eq!(world.log[0], "soon");
    assert!(start.elapsed() >= Duration::from_millis(5));
}

#[test]
fn hooks_surround_the_poll_and_stop_ends_the_run() {
    let mut world = World::new();
    world
        .el
        .set_before_sleep(|world| world.log.push("before".into()));
    world
        .el
        .set_after_sleep(|world| world.log.push("after".into()));
    world.el.add_timer(
        0,
        |world, _, _| {
            world.log.push("stop".into());
            world.el.stop();
            Next::Never
        },
        0,
    );
    run(&mut world);
    assert_eq!(world.log, ["before", "after", "stop"]);
    world.log.clear();
    process_events(&mut world, What::FILES_ONLY);
    assert!(world.log.is_empty());
    process_events(
        &mut world,
        What {
            files: false,
            timers: false,
            hooks: true,
            wait: true,
        },
    );
    assert!(world.log.is_empty(), "a turn about nothing is no turn");
}

#[test]
fn a_loop_that_is_told_not_to_wait_does_not() {
    let mut world = World::new();
    world.el.set_dont_wait(true);
    assert_eq!(process_events(&mut world, What::ALL), 0);
    assert_eq!(process_events(&mut world, What::ALL), 0);
}
