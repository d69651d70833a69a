//! A client of the server under test, over any transport.

use std::io::{Read, Write};
use std::time::Duration;

use conn::blocking;
use conn::conns::ClientTls;
use conn::dial::Place;
use conn::error::ConnError;
use conn::resp::Value;
use conn::tls::context::{ClientTlsConfig, TlsContext};

use crate::certs;
use crate::server::Server;
use crate::wait::{PATIENCE, has_input, until};

/// How a client reaches the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Plain TCP.
    Tcp,
    /// The Unix socket.
    Unix,
    /// TLS with a client certificate.
    Tls,
}

impl Transport {
    /// All transports; tests run the same body over each.
    pub const ALL: [Transport; 3] = [Transport::Tcp, Transport::Unix, Transport::Tls];
}

/// The TLS settings of a client that the server accepts.
pub fn tls_config() -> ClientTlsConfig {
    ClientTlsConfig {
        cacert: Some(certs::file("ca.crt")),
        cert: Some(certs::file("redis.crt")),
        key: Some(certs::file("redis.key")),
        ..ClientTlsConfig::default()
    }
}

fn tcp(port: u16) -> Place<'static> {
    Place::Tcp {
        host: "127.0.0.1",
        port,
        source: None,
    }
}

/// A command, given as words separated by single spaces, as it is sent, replicated and kept in the append-only file.
pub fn request(line: &str) -> Vec<u8> {
    let words: Vec<&str> = line.split(' ').collect();
    encoded(&words)
}

/// The same for arbitrary arguments.
pub fn encoded(args: &[impl AsRef<[u8]>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    conn::encode::request(args.iter(), &mut bytes);
    bytes
}

/// A connection with blocking calls.
pub struct Client {
    inner: blocking::Client,
}

impl Client {
    pub(crate) fn of(inner: blocking::Client) -> Self {
        Client { inner }
    }

    pub(crate) fn connect(server: &Server, transport: Transport) -> Self {
        let socket = server.socket();
        let connected = match transport {
            Transport::Tcp => blocking::Client::connect(&tcp(server.port), None, Some(PATIENCE)),
            Transport::Unix => {
                blocking::Client::connect(&Place::Unix(&socket), None, Some(PATIENCE))
            }
            Transport::Tls => return Self::with_tls(server.tls_port, &tls_config()),
        };
        let mut inner = connected.unwrap_or_else(|error| panic!("{transport:?}: {error}"));
        inner.set_read_timeout(Some(PATIENCE));
        Client { inner }
    }

    /// Connects to a TLS port of this machine with other settings than [`tls_config`].
    ///
    /// # Panics
    /// If the connection fails.
    pub fn with_tls(port: u16, config: &ClientTlsConfig) -> Self {
        let connected = Self::try_tls(port, config);
        connected.unwrap_or_else(|error| panic!("TLS: {error}"))
    }

    /// As [`Client::with_tls`]. With TLS 1.3 a server refuses a certificate after the client's handshake only.
    ///
    /// # Errors
    /// If the connection fails.
    pub fn try_tls(port: u16, config: &ClientTlsConfig) -> Result<Self, ConnError> {
        let context = TlsContext::for_client(config).expect("the certificates load");
        let tls = ClientTls {
            context: &context,
            sni: None,
            verify_name: Some("127.0.0.1"),
        };
        let mut inner = blocking::Client::connect(&tcp(port), Some(tls), Some(PATIENCE))?;
        inner.set_read_timeout(Some(PATIENCE));
        Ok(Client { inner })
    }

    /// Sends a command and waits for the reply.
    ///
    /// # Panics
    /// If no reply arrives.
    pub fn call<A: AsRef<[u8]>>(&mut self, args: &[A]) -> Value {
        self.inner
            .call(args)
            .unwrap_or_else(|failure| panic!("no reply: {failure}"))
    }

    /// Sends a command whose arguments are separated by single spaces.
    pub fn cmd(&mut self, line: &str) -> Value {
        self.call(&line.split(' ').collect::<Vec<_>>())
    }

    /// The reply to a command as text; errors begin with `-`.
    pub fn text(&mut self, line: &str) -> String {
        show(&self.cmd(line))
    }

    /// Sends raw bytes.
    ///
    /// # Panics
    /// If the connection has failed.
    pub fn send(&mut self, bytes: &[u8]) {
        self.inner
            .send(bytes)
            .unwrap_or_else(|failure| panic!("cannot send: {failure}"));
    }

    /// Sends raw bytes; false if the server has closed the connection.
    pub fn try_send(&mut self, bytes: &[u8]) -> bool {
        self.inner.send(bytes).is_ok()
    }

    /// Waits for a reply.
    ///
    /// # Panics
    /// If no reply arrives.
    pub fn read(&mut self) -> Value {
        self.inner
            .read()
            .unwrap_or_else(|failure| panic!("no reply: {failure}"))
    }

    /// The messages that a subscriber has got so far, each as text.
    ///
    /// # Panics
    /// If the connection has failed.
    pub fn messages(&mut self) -> Vec<String> {
        let mut messages = Vec::new();
        self.send(b"PING end\r\n");
        loop {
            let message = show(&self.read());
            if message == "[pong end]" {
                return messages;
            }
            messages.push(message);
        }
    }

    /// Waits for a reply; `None` if the server closes the connection instead.
    pub fn try_read(&mut self) -> Option<Value> {
        self.inner.read().ok()
    }

    /// Whether the server has sent something that was not read. A TLS client must have read a reply before: the tickets of
    /// the session come with the first one.
    pub fn has_input(&self) -> bool {
        self.inner.has_buffered() || has_input(self.inner.fd())
    }

    /// Reads until the server closes the connection.
    pub fn read_to_end(&mut self) -> Vec<u8> {
        let mut all = self.inner.take_rest();
        let mut buf = [0; 4096];
        while let Ok(n) = self.inner.receive(&mut buf) {
            if n == 0 {
                break;
            }
            all.extend_from_slice(&buf[..n]);
        }
        all
    }

    /// The underlying connection.
    pub fn raw(&mut self) -> &mut blocking::Client {
        &mut self.inner
    }

    /// The value of a field of INFO, or an empty string.
    pub fn info(&mut self, field: &str) -> String {
        let text = self.text("INFO everything");
        let prefix = format!("{field}:");
        text.lines()
            .find_map(|line| line.strip_prefix(&prefix))
            .unwrap_or_default()
            .to_owned()
    }

    /// Waits until `count` clients are blocked.
    pub fn wait_for_blocked(&mut self, count: usize) {
        until("blocked clients", || {
            (self.info("blocked_clients") == count.to_string()).then_some(())
        });
    }

    /// Switches the server to the test certificate `NAME.crt` and its key.
    ///
    /// # Panics
    /// If it is refused.
    pub fn set_certificate(&mut self, name: &str) {
        let (cert, key) = (
            certs::file(&format!("{name}.crt")),
            certs::file(&format!("{name}.key")),
        );
        let reply = self.text(&format!(
            "CONFIG SET tls-cert-file {cert} tls-key-file {key}"
        ));
        assert_eq!(reply, "OK", "{name}");
    }

    /// Waits until no background save is running.
    pub fn wait_for_child(&mut self) {
        until("the child to exit", || {
            (self.info("rdb_bgsave_in_progress") == "0").then_some(())
        });
    }
}

/// A reply on one line, for comparisons.
pub fn show(value: &Value) -> String {
    let list = |values: &[Value]| values.iter().map(show).collect::<Vec<_>>().join(" ");
    match value {
        Value::Error(text) => format!("-{}", String::from_utf8_lossy(text)),
        Value::Int(n) => n.to_string(),
        Value::Bool(yes) => yes.to_string(),
        Value::Null => "nil".to_owned(),
        Value::Array(values) | Value::Set(values) | Value::Push(values) => {
            format!("[{}]", list(values))
        }
        Value::Map(pairs) => {
            let pairs: Vec<String> = pairs
                .iter()
                .map(|(k, v)| format!("{}={}", show(k), show(v)))
                .collect();
            format!("{{{}}}", pairs.join(" "))
        }
        Value::Attributed(_, about) => show(about),
        other => String::from_utf8_lossy(other.text().unwrap_or_default()).into_owned(),
    }
}

/// Sends raw bytes over plain TCP and reads until the server closes the connection.
pub fn send_raw(port: u16, bytes: &[u8]) -> Vec<u8> {
    let mut socket = std::net::TcpStream::connect(("127.0.0.1", port)).expect("the port listens");
    socket
        .set_read_timeout(Some(Duration::from_secs(20)))
        .expect("the socket option can be set");
    let _ = socket.write_all(bytes);
    let mut all = Vec::new();
    let _ = socket.read_to_end(&mut all);
    all
}

/// Connects over TLS with these settings and sends PING; returns the reply or the error as text.
///
/// # Errors
/// If the settings are invalid or the connection is refused.
pub fn ping(
    port: u16,
    config: &ClientTlsConfig,
    verify_name: Option<&str>,
) -> Result<String, String> {
    let context = TlsContext::for_client(config).map_err(|error| error.to_string())?;
    let tls = ClientTls {
        context: &context,
        sni: Some("localhost"),
        verify_name,
    };
    let mut client = blocking::Client::connect(&tcp(port), Some(tls), Some(PATIENCE))
        .map_err(|error| error.to_string())?;
    client.set_read_timeout(Some(PATIENCE));
    let reply = client
        .call(&["PING"])
        .map_err(|failure| failure.to_string())?;
    Ok(show(&reply))
}
