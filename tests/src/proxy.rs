//! A proxy that injects network faults: it cuts a connection or closes one direction after a number of bytes, forwards
//! bytes one at a time, or pauses. It does not interpret what it forwards, so TLS passes through it like plain TCP.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::wait::{PATIENCE, until};

/// The faults of a connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plan {
    /// The fault, and the number of bytes from the server after which it happens.
    pub fault: Option<(Fault, u64)>,
    /// Forward the server's bytes one at a time.
    pub bytewise: bool,
}

/// A fault of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Both directions are closed; both ends see a reset or EOF.
    Cut,
    /// The direction to the client is closed: the client sees EOF, and what it sends still reaches the server.
    CloseToClient,
    /// The direction to the server is closed: the server sees EOF, and what it sends still reaches the client.
    CloseToServer,
}

#[derive(Default)]
struct State {
    /// Applies to new connections.
    plan: Plan,
    paused: bool,
    ended: bool,
    connections: u64,
    faults: u64,
    /// Bytes from the server that the latest connection has forwarded.
    forwarded: u64,
    /// Both sockets of each connection.
    sockets: Vec<[TcpStream; 2]>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits while the proxy is paused.
    fn wait_while_paused(&self) {
        let is_paused = |state: &mut State| state.paused && !state.ended;
        let waited = self.changed.wait_while(self.state(), is_paused);
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
    /// Starts a proxy in front of a port of this machine.
    ///
    /// # Panics
    /// If there is no loopback interface.
    pub fn new(target: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback");
        let port = listener.local_addr().expect("the listener is bound").port();
        let shared = Arc::new(Shared::default());
        let thread_shared = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if thread_shared.state().ended {
                    return;
                }
                if let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, target)) {
                    connect(&thread_shared, client, server);
                }
            }
        });
        Proxy { shared, port }
    }

    /// Sets the faults of all new connections.
    pub fn plan(&self, plan: Plan) {
        self.shared.state().plan = plan;
    }

    /// Closes all open connections.
    pub fn cut(&self) {
        let mut state = self.shared.state();
        for [client, server] in state.sockets.drain(..) {
            close(&[&client, &server]);
        }
    }

    /// Forwards nothing until [`Proxy::resume`].
    pub fn pause(&self) {
        self.shared.state().paused = true;
    }

    /// Ends a pause.
    pub fn resume(&self) {
        self.shared.state().paused = false;
        self.shared.changed.notify_all();
    }

    /// The number of connections so far.
    pub fn connections(&self) -> u64 {
        self.shared.state().connections
    }

    /// Bytes from the server that the latest connection has forwarded.
    pub fn forwarded(&self) -> u64 {
        self.shared.state().forwarded
    }

    /// The number of faults so far.
    pub fn faults(&self) -> u64 {
        self.shared.state().faults
    }

    /// Waits until more than `count` faults have happened.
    pub fn wait_for_fault(&self, count: u64) {
        until("a fault", || (self.faults() > count).then_some(()));
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.state().ended = true;
        self.shared.changed.notify_all();
        self.cut();
        // The listening thread notices the end when the next connection arrives.
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
        socket
            .set_nodelay(true)
            .expect("the socket option can be set");
        socket
            .set_write_timeout(Some(PATIENCE))
            .expect("the socket option can be set");
    }
    let copy = |socket: &TcpStream| socket.try_clone().expect("the socket can be cloned");
    let mut state = shared.state();
    let plan = state.plan;
    state.connections += 1;
    state.forwarded = 0;
    let number = state.connections;
    // Forget connections that have ended.
    state
        .sockets
        .retain(|pair| pair.iter().all(|socket| socket.peer_addr().is_ok()));
    state.sockets.push([copy(&client), copy(&server)]);
    drop(state);
    let (thread_shared, from, to) = (Arc::clone(shared), copy(&client), copy(&server));
    thread::spawn(move || forward(&thread_shared, from, to, Plan::default(), 0));
    let thread_shared = Arc::clone(shared);
    thread::spawn(move || forward(&thread_shared, server, client, plan, number));
}

/// Forwards bytes until EOF or the fault; the bytes of connection `number` are counted.
fn forward(shared: &Shared, mut from: TcpStream, mut to: TcpStream, mut plan: Plan, number: u64) {
    let mut buf = [0; 16 * 1024];
    let mut forwarded = 0;
    loop {
        if let Some((fault, at)) = plan.fault
            && at == forwarded
        {
            plan.fault = None;
            match fault {
                Fault::Cut => close(&[&from, &to]),
                Fault::CloseToClient => drop(to.shutdown(Shutdown::Write)),
                // The server may still reply to that.
                Fault::CloseToServer => drop(from.shutdown(Shutdown::Write)),
            }
            shared.state().faults += 1;
            if fault != Fault::CloseToServer {
                return;
            }
        }
        let left = plan.fault.map_or(u64::MAX, |(_, at)| at - forwarded);
        let most = left.min(buf.len() as u64) as usize;
        let n = match from.read(&mut buf[..most]) {
            Ok(n) => n,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(_) => 0,
        };
        shared.wait_while_paused();
        // Counted before they are sent: the receiver may query the count at once.
        forwarded += n as u64;
        let mut state = shared.state();
        if state.connections == number {
            state.forwarded = forwarded;
        }
        drop(state);
        let mut pieces = buf[..n].chunks(if plan.bytewise { 1 } else { n.max(1) });
        if n == 0 || pieces.any(|piece| to.write_all(piece).is_err()) {
            drop(to.shutdown(Shutdown::Write));
            return;
        }
    }
}
