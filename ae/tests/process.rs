//! What concerns the whole process: a signal ends a sleep and is not an event, and a forked child, which
//! shares the epoll instance and every descriptor, changes nothing.

#![allow(unsafe_code)]

mod common;

use std::io::Write;
use std::os::fd::AsRawFd;
use std::sync::mpsc;

use ae::event_loop::{What, process_events};
use ae::file::Mask;
use common::{World, note_read, pair};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork, pipe};

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

#[test]
fn a_forked_child_that_holds_a_descriptor_keeps_no_events_alive() {
    let mut world = World::new();
    let (ours, mut theirs) = pair();
    let fd = world.watch(1, ours, Mask::READABLE, note_read);
    let (wait, go) = pipe().expect("a pipe");
    // SAFETY: the child calls nothing but read and _exit, which a copy of one thread may.
    let child = match unsafe { fork() }.expect("a child") {
        ForkResult::Parent { child } => child,
        ForkResult::Child => {
            let mut byte = 0_u8;
            // SAFETY: the descriptor is open, the byte is there to be written, and the process ends.
            unsafe {
                libc::read(wait.as_raw_fd(), (&raw mut byte).cast(), 1);
                libc::_exit(0)
            }
        }
    };
    world.el.forget(fd);
    world.files.clear();
    theirs
        .write_all(b"x")
        .expect("the child holds the other end");
    assert!(world.glance().is_empty());
    nix::unistd::write(&go, b"!").expect("a child that reads");
    let ended = waitpid(child, None).expect("its end");
    assert_eq!(ended, WaitStatus::Exited(child, 0));
    assert!(world.glance().is_empty());
}
