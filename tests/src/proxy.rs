//! A proxy that does to a connection what networks do: cuts it or closes half of it after so many bytes, passes bytes one
//! by one, or passes none for a while. It does not look into what it passes, so TLS goes through it as plain TCP does.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::wait::{PATIENCE, until};

/// What becomes of a connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plan {
    /// What happens, and after how many bytes of the server.
    pub fault: Option<(Fault, u64)>,
    /// The server's bytes are passed one by one.
    pub trickle: bool,
}

/// What happens to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Both ends see a reset or an end.
    Cut,
    /// The client sees an end, and goes on being heard by the server.
    DeafClient,
    /// The server sees an end, and goes on being heard by the client.
    DeafServer,
}

#[derive(Default)]
struct State {
    /// For connections that come.
    plan: Plan,
    holds: bool,
    ended: bool,
    connections: u64,
    faults: u64,
    /// Bytes of the server that the latest connection has passed.
    passed: u64,
    /// Both sockets of each connection.
    sockets: Vec<[TcpStream; 2]>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    bell: Condvar,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits while nothing is to be passed.
    fn wait_for_release(&self) {
        let held = |state: &mut State| state.holds && !state.ended;
        let waited = self.bell.wait_while(self.state(), held);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }
}

/// A listening proxy.
pub struct Proxy {
    shared: Arc<Shared>,
    /// Its port.
    pub port: u16,
}

impl Proxy {
    /// One before a port of this machine.
    ///
    /// # Panics
    /// The machine has no loopback.
    pub fn new(target: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback");
        let port = listener.local_addr().expect("it is bound").port();
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if theirs.state().ended {
                    return;
                }
                if let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, target)) {
                    connect(&theirs, client, server);
                }
            }
        });
        Proxy { shared, port }
    }

    /// What becomes of every connection that comes from now on.
    pub fn plan(&self, plan: Plan) {
        self.shared.state().plan = plan;
    }

    /// Cuts what is connected.
    pub fn cut(&self) {
        let mut state = self.shared.state();
        for [client, server] in state.sockets.drain(..) {
            close(&[&client, &server]);
        }
    }

    /// Passes nothing until [`Proxy::release`].
    pub fn hold(&self) {
        self.shared.state().holds = true;
    }

    /// Goes on.
    pub fn release(&self) {
        self.shared.state().holds = false;
        self.shared.bell.notify_all();
    }

    /// How many connections there were.
    pub fn connections(&self) -> u64 {
        self.shared.state().connections
    }

    /// Bytes of the server that the latest connection has passed.
    pub fn passed(&self) -> u64 {
        self.shared.state().passed
    }

    /// How many planned faults have happened.
    pub fn faults(&self) -> u64 {
        self.shared.state().faults
    }

    /// Waits until more faults than `count` have happened.
    pub fn wait_for_fault(&self, count: u64) {
        until("a fault", || (self.faults() > count).then_some(()));
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.state().ended = true;
        self.shared.bell.notify_all();
        self.cut();
        // The listening thread hears of the end with the next connection.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

fn close(pair: &[&TcpStream; 2]) {
    for socket in pair {
        let _ = socket.shutdown(Shutdown::Both);
    }
}

fn connect(shared: &Arc<Shared>, client: TcpStream, server: TcpStream) {
    for socket in [&client, &server] {
        socket.set_nodelay(true).expect("a socket option");
        socket
            .set_write_timeout(Some(PATIENCE))
            .expect("a socket option");
    }
    let copy = |socket: &TcpStream| socket.try_clone().expect("a descriptor");
    let mut state = shared.state();
    let plan = state.plan;
    state.connections += 1;
    state.passed = 0;
    let number = state.connections;
    // Those that have ended are held no longer.
    state
        .sockets
        .retain(|pair| pair.iter().all(|socket| socket.peer_addr().is_ok()));
    state.sockets.push([copy(&client), copy(&server)]);
    drop(state);
    let (theirs, from, to) = (Arc::clone(shared), copy(&client), copy(&server));
    thread::spawn(move || pass(&theirs, from, to, Plan::default(), 0));
    let theirs = Arc::clone(shared);
    thread::spawn(move || pass(&theirs, server, client, plan, number));
}

/// Passes bytes until an end, or until the fault; those of the connection `number` are counted.
fn pass(shared: &Shared, mut from: TcpStream, mut to: TcpStream, mut plan: Plan, number: u64) {
    let mut buf = [0; 16 * 1024];
    let mut passed = 0;
    loop {
        if let Some((fault, at)) = plan.fault
            && at == passed
        {
            plan.fault = None;
            match fault {
                Fault::Cut => close(&[&from, &to]),
                Fault::DeafClient => drop(to.shutdown(Shutdown::Write)),
                // The server may have something to say to that.
                Fault::DeafServer => drop(from.shutdown(Shutdown::Write)),
            }
            shared.state().faults += 1;
            if fault != Fault::DeafServer {
                return;
            }
        }
        let left = plan.fault.map_or(u64::MAX, |(_, at)| at - passed);
        let most = left.min(buf.len() as u64) as usize;
        let n = match from.read(&mut buf[..most]) {
            Ok(n) => n,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(_) => 0,
        };
        shared.wait_for_release();
        // Counted before they leave: whoever has received them may ask at once.
        passed += n as u64;
        let mut state = shared.state();
        if state.connections == number {
            state.passed = passed;
        }
        drop(state);
        let mut pieces = buf[..n].chunks(if plan.trickle { 1 } else { n.max(1) });
        if n == 0 || pieces.any(|piece| to.write_all(piece).is_err()) {
            drop(to.shutdown(Shutdown::Write));
            return;
        }
    }
}
