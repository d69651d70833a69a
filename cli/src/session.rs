//! The connection and its state: database, protocol, transaction, subscriptions.
//!
//! ```text
//!            connect                    SUBSCRIBE
//! no client ─────────▶ client: plain ◀────────────▶ subscribed
//!     ▲                  │   ▲          RESET, ^C
//!     └── lose ──────────┘   └── MULTI … EXEC, DISCARD: `transaction`
//! ```
//!
//! # Invariants
//!
//! 1. `db`, `speaks_resp3`, `transaction` and `subscribed` describe the current connection; a new one resets them.
//! 2. `wanted_db` is the database that the user selected last. Every new connection selects it.
//! 3. Failures to connect are printed here, once.
//! 4. `announced` belongs to `endpoint`: it is the host name that a cluster gave for it, and nothing if the user or an
//!    address did.

use std::net::IpAddr;
use std::time::Duration;

use conn::blocking::{Client, Failure};
use conn::dial::Place;
use conn::error::{ConnError, Step};
use conn::resp::Value;
use nix::sys::socket::{setsockopt, sockopt};

use crate::debugger::Debugging;
use crate::format::Format;
use crate::interrupt::Interrupts;
use crate::options::{Endpoint, Options, Resp};
use crate::out::{Exit, complain, fail, print};
use crate::secure::{self, Secure};

/// Seconds without traffic after which TCP sends a keepalive probe.
const KEEPALIVE_S: u32 = 15;
/// For connecting to a server whose TLS is to be shown, handshake included.
const TLS_PATIENCE: Duration = Duration::from_secs(10);

/// A server that closes the connection within this time after a command has not executed it.
const AT_ONCE: Duration = Duration::from_secs(1);

/// Time-out of a read that should not block.
pub const GLANCE: Duration = Duration::from_millis(1);

/// Why a connection cannot be used as requested; a message was printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// There is no connection.
    Unreachable,
    /// Authentication is required or has failed; some commands can be sent all the same, such as AUTH.
    NotLoggedIn,
    /// The requested database could not be selected.
    WrongDb,
    /// The requested protocol could not be selected.
    WrongProtocol,
}

/// What happens to push messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushes {
    /// They are printed.
    Print,
    /// They are dropped.
    Drop,
    /// They are returned like replies: SUBSCRIBE waits for them.
    Deliver,
}

/// A connection to a server, which is made again as needed.
pub struct Session {
    /// The server. Redirections and `connect` change it.
    pub endpoint: Endpoint,
    /// The host name that a redirection named, which counts more than `--sni`.
    announced: Option<String>,
    secure: Option<Secure>,
    user: Option<Vec<u8>>,
    password: Option<Vec<u8>>,
    resp: Resp,
    client: Option<Client>,
    /// How replies are written.
    pub format: Format,
    /// What happens to push messages while not subscribed.
    idle_pushes: Pushes,
    /// What happens to push messages now.
    pub pushes: Pushes,
    /// The database that is selected.
    pub db: i64,
    /// The database that should be selected.
    pub wanted_db: i64,
    /// The protocol is RESP3.
    pub speaks_resp3: bool,
    /// Inside MULTI: the database that was selected before it.
    pub transaction: Option<i64>,
    /// Subscribed to channels.
    pub subscribed: bool,
    /// Redirections are followed.
    pub follow: bool,
    /// ASKING goes before the next command.
    pub asking: bool,
    /// There is a prompt, which survives a lost connection.
    pub interactive: bool,
    /// An error reply ends the program.
    pub exit_on_error: bool,
    /// The Lua debugger.
    pub debugging: Debugging,
    /// The prompt is that of the debugger.
    pub has_debugger_prompt: bool,
    /// Ctrl-C, if there is a prompt.
    pub interrupts: Option<Interrupts>,
}

impl Session {
    /// A session that is not connected yet.
    ///
    /// # Errors
    /// Certificates or keys cannot be loaded; a message was printed.
    pub fn new(options: &Options) -> Result<Self, Exit> {
        let secure = match options.tls.as_ref().map(Secure::load).transpose() {
            Ok(secure) => secure,
            Err(error) => return fail(could_not_connect(&options.endpoint, &error.to_string())),
        };
        let idle_pushes = if options.show_pushes {
            Pushes::Print
        } else {
            Pushes::Drop
        };
        Ok(Self {
            endpoint: options.endpoint.clone(),
            announced: None,
            secure,
            user: options.user.clone(),
            password: options.password.clone(),
            resp: options.resp,
            client: None,
            format: options.format.clone(),
            idle_pushes,
            pushes: idle_pushes,
            db: 0,
            wanted_db: options.db,
            speaks_resp3: false,
            transaction: None,
            subscribed: false,
            follow: options.follow,
            asking: false,
            interactive: false,
            exit_on_error: options.exit_on_error,
            debugging: Debugging::Off,
            has_debugger_prompt: false,
            interrupts: None,
        })
    }

    /// Connects, authenticates, selects the database and the protocol.
    ///
    /// # Errors
    /// One of these failed; a message was printed.
    pub fn connect(&mut self) -> Result<(), Trouble> {
        if let Err(error) = self.open() {
            self.explain(&error);
            return Err(Trouble::Unreachable);
        }
        self.begin()
    }

    /// Connects again after the connection was lost; false while the server cannot be reached.
    ///
    /// # Errors
    /// It can be reached, but a later step failed; a message was printed.
    pub fn reconnect(&mut self) -> Result<bool, Exit> {
        match self.open() {
            Ok(()) => match self.begin() {
                Ok(()) => Ok(true),
                Err(Trouble::Unreachable) => Ok(false),
                Err(_) => Err(Exit(1)),
            },
            Err(error) if matches!(error.step(), Step::Resolve | Step::Connect) => Ok(false),
            Err(error) => {
                self.explain(&error);
                Err(Exit(1))
            }
        }
    }

    /// Connects for a mode that needs every step to succeed.
    ///
    /// # Errors
    /// A step failed; a message was printed.
    pub fn connect_or_exit(&mut self) -> Result<(), Exit> {
        self.connect().map_err(|_| Exit(1))
    }

    /// Connects, and returns what the server has shown of its TLS; no command is sent.
    ///
    /// # Errors
    /// It cannot be reached or is not trusted; a message was printed.
    pub fn tls_shown(&mut self) -> Result<Option<conn::tls::examine::Shown>, Exit> {
        self.lose();
        match self.dial(Some(TLS_PATIENCE)) {
            Ok(client) => Ok(client.shown()),
            Err(error) => {
                self.explain(&error);
                Err(Exit(1))
            }
        }
    }

    /// Drops the connection.
    pub fn lose(&mut self) {
        self.client = None;
        self.db = 0;
        self.speaks_resp3 = false;
        self.transaction = None;
        self.subscribed = false;
        self.debugging = Debugging::Off;
        self.has_debugger_prompt = false;
        self.pushes = self.idle_pushes;
    }

    /// Resets what happens to push messages to the state without subscriptions.
    pub fn restore_pushes(&mut self) {
        self.pushes = self.idle_pushes;
    }

    /// Whether there is a connection. That it was closed may not be known yet.
    pub fn is_connected(&self) -> bool {
        self.client.is_some()
    }

    /// The connection.
    ///
    /// # Errors
    /// There is none.
    pub fn client(&mut self) -> Result<&mut Client, Failure> {
        self.client.as_mut().ok_or(Failure::Closed)
    }

    /// The connection, for reading its state.
    ///
    /// # Errors
    /// There is none.
    pub fn present_client(&self) -> Result<&Client, Failure> {
        self.client.as_ref().ok_or(Failure::Closed)
    }

    /// Sends a command.
    ///
    /// # Errors
    /// The connection failed.
    pub fn send<A: AsRef<[u8]>>(&mut self, argv: &[A]) -> Result<(), Failure> {
        self.client()?.write(argv)
    }

    /// Waits for the next reply.
    ///
    /// # Errors
    /// The connection failed.
    pub fn receive(&mut self) -> Result<Value, Failure> {
        loop {
            let value = self.client()?.read()?;
            if let Some(value) = self.route(value) {
                return Ok(value);
            }
        }
    }

    /// The next reply if it has arrived. A readable descriptor does not imply one: over TLS it may be a session ticket or a
    /// partial record.
    ///
    /// # Errors
    /// The connection failed.
    pub fn receive_now(&mut self) -> Result<Option<Value>, Failure> {
        self.client()?.set_read_timeout(Some(GLANCE));
        let received = self.receive();
        self.client()?.set_read_timeout(None);
        match received {
            Err(Failure::TimedOut) => Ok(None),
            other => other.map(Some),
        }
    }

    /// A reply that was received already.
    ///
    /// # Errors
    /// The bytes are not RESP.
    pub fn buffered(&mut self) -> Result<Option<Value>, Failure> {
        while let Some(value) = self.client()?.buffered()? {
            if let Some(value) = self.route(value) {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    /// Sends a command and waits for its reply.
    ///
    /// # Errors
    /// The connection failed.
    pub fn call<A: AsRef<[u8]>>(&mut self, argv: &[A]) -> Result<Value, Failure> {
        self.send(argv)?;
        self.receive()
    }

    /// Selects the wanted database, unless it is selected.
    ///
    /// # Errors
    /// The server refuses, or the connection failed; a message was printed.
    pub fn select(&mut self) -> Result<(), Trouble> {
        if self.db == self.wanted_db {
            return Ok(());
        }
        let wanted = self.wanted_db;
        match self.call_or_lose(&["SELECT", &wanted.to_string()])? {
            Value::Error(text) => {
                complain([format!("SELECT {wanted} failed: ").as_bytes(), &text].concat());
                // The user may authenticate now, and AUTH selects again.
                if text.starts_with(b"NOAUTH") {
                    Err(Trouble::NotLoggedIn)
                } else {
                    Err(Trouble::WrongDb)
                }
            }
            _ => {
                self.db = wanted;
                Ok(())
            }
        }
    }

    /// The message for a failure of the current connection.
    pub fn describe(&self, failure: &Failure) -> String {
        let reason = match (failure, &self.secure) {
            (Failure::Conn(error), Some(secure)) => self.advise(secure, error),
            (Failure::Conn(error), None) => error.reason().to_owned(),
            (other, _) => other.to_string(),
        };
        // A server that closes instead of a first reply often has a reason that it cannot tell. If it took its time, it was
        // busy with the command.
        let unanswered = self.client.as_ref().and_then(Client::unanswered);
        let is_at_once = unanswered.is_some_and(|waited| waited < AT_ONCE);
        let hung_up = match failure {
            Failure::Closed => true,
            Failure::Conn(error) => error.reason() == reason,
            _ => false,
        };
        let guess = match &self.secure {
            _ if !is_at_once || !hung_up || self.endpoint.socket.is_some() => "",
            None => " (if it speaks TLS on this port, use --tls)",
            Some(secure) if !secure.has_cert => {
                " (if it wants a client certificate, use --cert and --key)"
            }
            Some(_) => "",
        };
        // Under TLS 1.3 a server refuses a client certificate after the client's side of the handshake is done.
        let is_refused = match failure {
            Failure::Conn(_) => unanswered.is_some(),
            Failure::Closed => is_at_once,
            _ => false,
        };
        if is_refused && self.secure.is_some() {
            return could_not_connect(&self.endpoint, &format!("{reason}{guess}"));
        }
        format!("Error: {reason}{guess}")
    }

    /// Handles a push message; returns anything else.
    fn route(&self, value: Value) -> Option<Value> {
        match (&value, self.pushes) {
            (Value::Push(_), Pushes::Print) => {
                print(self.format.push(&value));
                None
            }
            (Value::Push(_), Pushes::Drop) => None,
            _ => Some(value),
        }
    }

    /// Goes to another node of a cluster, where the next command connects to. Without a host it is another port of this one.
    pub fn redirect(&mut self, host: Option<String>, port: u16) {
        if let Some(host) = host {
            let is_name = host.parse::<IpAddr>().is_err();
            self.announced = is_name.then(|| host.clone());
            self.endpoint.host = host;
        }
        self.endpoint.port = port;
    }

    /// The host name that a cluster announces for the server.
    pub fn announce(&mut self, name: Option<String>) {
        self.announced = name;
    }

    /// Goes to a server that the user named.
    pub fn move_to(&mut self, host: String, port: u16) {
        self.announced = None;
        self.endpoint = Endpoint {
            host,
            port,
            socket: None,
        };
    }

    /// Makes a login at the prompt that of the nodes that redirections lead to.
    pub fn keep_login(&mut self, user: Option<Vec<u8>>, password: Vec<u8>) {
        if self.follow {
            self.user = user;
            self.password = Some(password);
        }
    }

    /// Makes the protocol chosen at the prompt that of the nodes that redirections lead to.
    pub fn keep_protocol(&mut self) {
        if self.follow {
            self.resp = if self.speaks_resp3 {
                Resp::Three
            } else {
                Resp::Two
            };
        }
    }

    fn open(&mut self) -> Result<(), ConnError> {
        self.lose();
        let client = self.dial(None)?;
        keep_alive(&client);
        self.client = Some(client);
        Ok(())
    }

    fn begin(&mut self) -> Result<(), Trouble> {
        self.log_in()?;
        self.select()?;
        self.switch_protocol()
    }

    fn dial(&mut self, timeout: Option<Duration>) -> Result<Client, ConnError> {
        let Endpoint { host, port, socket } = &self.endpoint;
        let place = match socket {
            Some(path) => Place::Unix(path),
            None => Place::Tcp {
                host,
                port: *port,
                source: None,
            },
        };
        let announced = self.announced.as_deref();
        secure::dial(self.secure.as_mut(), &place, announced, timeout)
    }

    fn advise(&self, secure: &Secure, error: &ConnError) -> String {
        secure.advise(error, &self.endpoint.host, self.announced.as_deref())
    }

    fn explain(&self, error: &ConnError) {
        let reason = match (error.step(), &self.secure) {
            (Step::Handshake | Step::Load, Some(secure)) => self.advise(secure, error),
            _ => error.reason().to_owned(),
        };
        complain(could_not_connect(&self.endpoint, &reason));
    }

    fn log_in(&mut self) -> Result<(), Trouble> {
        let Some(password) = self.password.clone() else {
            return Ok(());
        };
        let mut argv = vec![b"AUTH".to_vec()];
        argv.extend(self.user.clone());
        argv.push(password);
        match self.call_or_lose(&argv)? {
            Value::Error(text) => {
                complain([b"AUTH failed: ", text.as_slice()].concat());
                Err(Trouble::NotLoggedIn)
            }
            _ => Ok(()),
        }
    }

    fn switch_protocol(&mut self) -> Result<(), Trouble> {
        if self.resp == Resp::Two {
            return Ok(());
        }
        match self.call_or_lose(&["HELLO", "3"])? {
            Value::Error(text) => {
                complain([b"HELLO 3 failed: ", text.as_slice()].concat());
                if self.resp == Resp::Three {
                    return Err(Trouble::WrongProtocol);
                }
            }
            _ => self.speaks_resp3 = true,
        }
        Ok(())
    }

    fn call_or_lose<A: AsRef<[u8]>>(&mut self, argv: &[A]) -> Result<Value, Trouble> {
        self.call(argv).map_err(|failure| {
            complain(self.describe(&failure));
            self.lose();
            Trouble::Unreachable
        })
    }
}

/// The sentence with which every failure to connect begins.
pub fn could_not_connect(endpoint: &Endpoint, reason: &str) -> String {
    format!("Could not connect to Redis at {endpoint}: {reason}")
}

/// Keeps a connection alive that is silent during a long command: middleboxes drop idle ones.
pub fn keep_alive(client: &Client) {
    // A Unix socket has no such option, and failing to set it does no harm.
    let _ = setsockopt(client, sockopt::KeepAlive, &true)
        .and_then(|()| setsockopt(client, sockopt::TcpKeepIdle, &KEEPALIVE_S))
        .and_then(|()| setsockopt(client, sockopt::TcpKeepInterval, &(KEEPALIVE_S / 3)))
        .and_then(|()| setsockopt(client, sockopt::TcpKeepCount, &3));
}
