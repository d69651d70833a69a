//! What the tests of connections share: a host that writes down what happened, certificates, and a
//! TLS peer that is not ours.

#![allow(dead_code, reason = "each test binary uses a part of it")]

pub mod certs;
pub mod peer;

use std::mem;
use std::net::TcpStream;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use ae::event_loop::{EventLoop, Host, What, process_events};
use conn::admission::HandshakeLimits;
use conn::connection::{ConnId, State};
use conn::conns::{ConnHost, Conns};
use conn::drive::process_pending;
use conn::error::Cause;
use conn::listener::{Accept, Accepted, Listener};
use conn::stream::Io;
use conn::tls::bio::Pool;
use conn::tls::context::{ClientTlsConfig, TlsContext};
use conn::tls::info::TlsStats;
use conn::tls::stream::{Handshake, TlsStream};
use openssl::error::ErrorStack;

pub struct World {
    pub el: EventLoop<World>,
    pub conns: Conns<World>,
    /// What happened, in order.
    pub log: Vec<String>,
    /// What read handlers read.
    pub input: Vec<u8>,
    /// How much a read handler asks for.
    pub chunk: usize,
}

impl Host for World {
    fn el(&mut self) -> &mut EventLoop<World> {
        &mut self.el
    }
}

impl ConnHost for World {
    fn conns(&mut self) -> &mut Conns<World> {
        &mut self.conns
    }
    fn io(&mut self) -> (&mut EventLoop<World>, &mut Conns<World>) {
        (&mut self.el, &mut self.conns)
    }
}

impl World {
    pub fn new() -> Self {
        Self::with_limits(HandshakeLimits::default())
    }

    pub fn with_limits(limits: HandshakeLimits) -> Self {
        let el = EventLoop::new(4096).expect("a loop");
        Self {
            el,
            conns: Conns::new(limits),
            log: Vec::new(),
            input: Vec::new(),
            chunk: 65_536,
        }
    }

    /// One turn without sleep, its before-sleep pass included. True if decrypted data is still
    /// waiting.
    pub fn glance(&mut self) -> bool {
        drop(ErrorStack::get());
        let more = process_pending(self);
        process_events(
            self,
            What {
                files: true,
                timers: true,
                hooks: true,
                wait: false,
            },
        );
        let left = ErrorStack::get();
        assert!(left.errors().is_empty(), "left in the error queue: {left}");
        more
    }

    /// Turns until `done`; fails when that takes too long.
    pub fn until(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> bool) {
        let start = Instant::now();
        while !done(self) {
            assert!(
                start.elapsed() < Duration::from_secs(20),
                "waited in vain for {what}; log: {:?}",
                &self.log[self.log.len().saturating_sub(20)..]
            );
            self.glance();
        }
    }

    pub fn take_log(&mut self) -> Vec<String> {
        mem::take(&mut self.log)
    }

    /// Accepts what `client` has connected to `listener`.
    pub fn accept(&mut self, listener: &Listener, tls: Option<&TlsContext>) -> ConnId {
        let accepted = next(listener);
        let id = self
            .conns
            .accept(&mut self.el, accepted, tls, on_accept, 0)
            .expect("a connection");
        if tls.is_none() {
            self.conns.set_read_handler(&mut self.el, id, Some(on_read));
        }
        id
    }

    /// Waits for somebody to connect to `listener`, and accepts.
    pub fn await_client(&mut self, listener: &Listener, tls: &TlsContext) {
        self.until("a client", |world| match listener.accept() {
            Accept::Conn(accepted) => {
                let (el, conns) = (&mut world.el, &mut world.conns);
                conns
                    .accept(el, accepted, Some(tls), on_accept, 0)
                    .expect("a connection");
                true
            }
            _ => false,
        });
    }

    /// Writes all of `data` and flushes, turning as long as it takes.
    pub fn write_all(&mut self, id: ConnId, data: &[u8]) {
        let mut rest = data;
        while !rest.is_empty() {
            match self.conns.write(&mut self.el, id, rest) {
                Io::Done(n) => rest = &rest[n..],
                Io::WouldBlock => {
                    self.glance();
                }
                other => panic!("{other:?}"),
            }
        }
        while !matches!(self.conns.flush(&mut self.el, id), Io::Done(0)) {
            self.glance();
        }
    }
}

/// Connects to `port` of this machine over TLS as a program without a loop does, in a thread of its own, and then runs
/// `talk`.
pub fn blocking_client<R: Send + 'static>(
    port: u16,
    config: ClientTlsConfig,
    name: Option<&'static str>,
    talk: impl FnOnce(&mut TlsStream, &mut Pool) -> R + Send + 'static,
) -> JoinHandle<R> {
    thread::spawn(move || {
        let context = TlsContext::for_client(&config).expect("a context");
        let socket = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
        let mut pool = Pool::new();
        let mut tls = TlsStream::connect(&context, socket, name, name, true).expect("an object");
        assert!(matches!(tls.handshake(&mut pool), Handshake::Done));
        talk(&mut tls, &mut pool)
    })
}

/// The next connection in the queue of `listener`, which is there.
pub fn next(listener: &Listener) -> Accepted {
    match listener.accept() {
        Accept::Conn(accepted) => accepted,
        other => panic!("{other:?}"),
    }
}

pub fn listen() -> Listener {
    Listener::tcp("127.0.0.1", 0, 511, 0).expect("a port")
}

/// A TCP connection to `listener`, non-blocking.
pub fn dial(listener: &Listener) -> TcpStream {
    let socket = TcpStream::connect(("127.0.0.1", listener.port())).expect("a connection");
    socket.set_nonblocking(true).expect("non-blocking");
    socket.set_nodelay(true).expect("no delay");
    socket
}

pub fn on_accept(world: &mut World, id: ConnId) {
    match world.conns.state(id) {
        State::Connected => {
            world.log.push("connected".into());
            world
                .conns
                .set_read_handler(&mut world.el, id, Some(on_read));
        }
        State::Failed => {
            let error = world.conns.error(id).expect("a reason").to_string();
            world.log.push(format!("failed: {error}"));
        }
        other => panic!("{other:?}"),
    }
}

/// Reads once.
pub fn on_read(world: &mut World, id: ConnId) {
    let mut buf = vec![0; world.chunk];
    match world.conns.read(&mut world.el, id, &mut buf) {
        Io::Done(n) => {
            world.input.extend_from_slice(&buf[..n]);
            world.log.push(format!("read {n}"));
        }
        Io::WouldBlock => world.log.push("nothing".into()),
        Io::Eof => world.log.push("eof".into()),
        Io::Failed(error) => world.log.push(format!("broken: {error}")),
    }
}

/// Handshakes that failed for a reason.
pub fn failures(stats: &TlsStats, reason: Cause) -> u64 {
    stats.failed[Cause::ALL
        .iter()
        .position(|each| *each == reason)
        .expect("one of all")]
}
