//! A signal ends a sleep and is no event. On its own in this file, since it concerns the whole process.

#![allow(unsafe_code)]

mod common;

use std::sync::mpsc;

use ae::event_loop::{What, process_events};
use common::World;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

extern "C" fn ignore(_signal: libc::c_int) {}

#[test]
fn a_signal_is_a_turn_without_events() {
    let action = SigAction::new(
        SigHandler::Handler(ignore),
        SaFlags::empty(),
        SigSet::empty(),
    );
    // SAFETY: the handler does nothing.
    unsafe { sigaction(Signal::SIGUSR1, &action) }.expect("a handler");
    let (to_sender, from_loop) = mpsc::channel::<libc::pthread_t>();
    let (to_loop, from_sender) = mpsc::channel();
    let sender = std::thread::spawn(move || {
        let thread = from_loop.recv().expect("the loop's thread");
        // It may not sleep yet: again, until it says that it woke.
        while from_sender.try_recv().is_err() {
            // SAFETY: the thread of the loop waits for this one to end.
            assert_eq!(unsafe { libc::pthread_kill(thread, libc::SIGUSR1) }, 0);
            std::thread::yield_now();
        }
    });
    let mut world = World::new();
    // SAFETY: no arguments, no failure.
    let thread = unsafe { libc::pthread_self() };
    to_sender.send(thread).expect("a sender");
    assert_eq!(process_events(&mut world, What::ALL), 0);
    to_loop.send(()).expect("a sender");
    sender.join().expect("no panic");
}
