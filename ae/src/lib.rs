//! The event loop: one thread, file descriptors and timers, procs that are plain `fn`s.
//!
//! It provides the semantics of Redis's `ae` (level-triggered readiness, read before write, a barrier
//! that reverses that order, nested turns) on top of mio, which is edge-triggered and has none of
//! them. Code above this crate never sees an edge.
//!
//! | file | what it holds |
//! |---|---|
//! | `poller` | mio's `Poll` behind add, remove and wait; the waker |
//! | `file` | watched descriptors and the ready set |
//! | `time` | timers in order of deadline |
//! | `event_loop` | `EventLoop`, the trait `Host`, one turn of the loop |
//!
//! A program owns its loop inside its own state `S` and hands `&mut S` around:
//!
//! ```no_run
//! use ae::event_loop::{EventLoop, Host, run};
//! use ae::time::Next;
//!
//! struct Server { el: EventLoop<Server>, ticks: u64 }
//!
//! impl Host for Server {
//!     fn el(&mut self) -> &mut EventLoop<Server> { &mut self.el }
//! }
//!
//! let mut server = Server { el: EventLoop::new(1024).expect("epoll"), ticks: 0 };
//! server.el.add_timer(100, |server, _, _| { server.ticks += 1; Next::In(100) }, 0);
//! run(&mut server);
//! ```

pub mod event_loop;
pub mod file;
pub mod poller;
pub mod time;
