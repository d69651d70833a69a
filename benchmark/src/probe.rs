//! The first connection: which address of the server accepts, and how the server is configured.
//!
//! A host name is resolved once, here; every later connection goes to the address that has accepted.
//!
//! # Invariants
//! 1. A probe ends with `end` set and its loop stopped, or not at all: like Redis's own
//!    redis-benchmark it waits for a server that does not answer.

use std::io;
use std::path::PathBuf;

use ae::event_loop::{EventLoop, Host, run};
use conn::admission::HandshakeLimits;
use conn::connection::{ConnId, ConnProc, State};
use conn::conns::{ConnHost, Conns};
use conn::dial::Target;
use conn::drive::process_pending;
use conn::encode;
use conn::error::{ConnError, Step};
use conn::names::NameOptions;
use conn::resolve::{Hop, Query, resolve};
use conn::resp::{Decoder, Value};
use conn::stream::Io;
use conn::tls::context::TlsContext;
use conn::tls::info::Identity;

use crate::args::Options;
use crate::workload;

/// Descriptors of the probe's loop: it needs one.
const SETSIZE: usize = 64;

/// What the report tells about the server.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// The directive `save`.
    pub save: String,
    /// The directive `appendonly`.
    pub appendonly: String,
}

enum Address {
    Tcp(Hop),
    Unix(PathBuf),
}

/// Where connections go, and how.
pub struct Endpoint {
    address: Address,
    tls: Option<TlsContext>,
    names: NameOptions,
    /// Name or address as it was given; a Unix socket has none.
    host: Option<String>,
    /// Where the server is, for messages.
    pub place: String,
}

impl Endpoint {
    /// Begins a connection; see [`Conns::connect`].
    ///
    /// # Errors
    /// The system refuses at once.
    pub fn connect<S: ConnHost>(
        &self,
        el: &mut EventLoop<S>,
        conns: &mut Conns<S>,
        on_connect: ConnProc<S>,
        data: u64,
    ) -> Result<ConnId, ConnError> {
        let target = match &self.address {
            Address::Tcp(hop) => Target::Tcp(*hop),
            Address::Unix(path) => Target::Unix(path),
        };
        let check = self.names.check(self.host.as_deref());
        let tls = self.tls.as_ref().map(|context| check.tls(context));
        conns.connect(el, &target, tls, on_connect, data)
    }
}

/// The sentence about a connection that could not be made.
pub fn connect_failure(place: &str, error: &ConnError) -> String {
    let reason = match error.step() {
        Step::Load => error.to_string(),
        _ => error.reason().to_owned(),
    };
    format!("Could not connect to Redis at {place}: {reason}")
}

/// The sentence about an error that a server replies to AUTH.
pub fn refusal(place: &str, text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    format!("Node {place} replied with error:\n{text}")
}

/// The sentence about a server that does not reply to AUTH.
pub fn no_reply(place: &str) -> String {
    format!("ERROR: failed to fetch reply from {place}")
}

/// Finds the server and asks for its configuration; `None` when it does not tell.
///
/// # Errors
/// A sentence: it cannot be reached, or refuses the password.
pub fn probe(options: &Options) -> Result<(Endpoint, Option<ServerConfig>), String> {
    let failure = |error: &ConnError| connect_failure(&options.place(), error);
    let mut endpoint = Endpoint {
        address: Address::Unix(PathBuf::new()),
        tls: None,
        names: options.names.clone(),
        host: options.socket.is_none().then(|| options.host.clone()),
        place: options.place(),
    };
    if options.tls {
        let context = TlsContext::for_client(&options.tls_config);
        endpoint.tls = Some(context.map_err(|error| failure(&error))?);
    }
    let mut last = ConnError::new(Step::Resolve, "the name has no address");
    for address in addresses(options).map_err(|error| failure(&error))? {
        endpoint.address = address;
        match ask(&endpoint, options) {
            Ok(heard) => {
                let config = judge(options, heard.replies)?;
                let check = endpoint.names.check(endpoint.host.as_deref());
                if let Some(warning) = check.warning(heard.identity.as_ref()) {
                    eprintln!("{warning}");
                }
                return Ok((endpoint, config));
            }
            Err(error) => {
                let is_final = error.step() != Step::Connect;
                last = error;
                if is_final {
                    break;
                }
            }
        }
    }
    Err(failure(&last))
}

fn addresses(options: &Options) -> Result<Vec<Address>, ConnError> {
    if let Some(path) = &options.socket {
        return Ok(vec![Address::Unix(path.clone())]);
    }
    let hops = resolve(&Query {
        host: options.host.clone(),
        port: options.port,
        source: None,
    })?;
    Ok(hops.into_iter().map(Address::Tcp).collect())
}

/// What the probe has heard.
struct Heard {
    replies: Vec<Value>,
    /// The server's, by its certificate.
    identity: Option<Identity>,
}

/// Evaluates the replies to AUTH, if it was sent, and to CONFIG GET.
fn judge(options: &Options, replies: Vec<Value>) -> Result<Option<ServerConfig>, String> {
    let mut replies = replies.into_iter();
    let place = options.place();
    if options.password.is_some() {
        match replies.next() {
            Some(Value::Error(text)) => return Err(refusal(&place, &text)),
            Some(_) => {}
            None => return Err(no_reply(&place)),
        }
    }
    let mut settings = Vec::new();
    for reply in replies {
        match reply {
            Value::Error(text) if text.starts_with(b"NOAUTH") => {
                return Err(refusal(&place, &text));
            }
            Value::Array(pair) if pair.len() >= 2 => {
                let text = pair[1].text().unwrap_or_default();
                settings.push(String::from_utf8_lossy(text).into_owned());
            }
            _ => return Ok(None),
        }
    }
    let mut settings = settings.into_iter();
    let told = settings.next().zip(settings.next());
    Ok(told.map(|(save, appendonly)| ServerConfig { save, appendonly }))
}

/// The state of the loop that has the one connection.
struct Probe {
    el: EventLoop<Self>,
    conns: Conns<Self>,
    request: Vec<u8>,
    sent: usize,
    decoder: Decoder,
    replies: Vec<Value>,
    wanted: usize,
    end: Result<(), ConnError>,
}

impl Host for Probe {
    fn el(&mut self) -> &mut EventLoop<Self> {
        &mut self.el
    }
}

impl ConnHost for Probe {
    fn conns(&mut self) -> &mut Conns<Self> {
        &mut self.conns
    }

    fn io(&mut self) -> (&mut EventLoop<Self>, &mut Conns<Self>) {
        (&mut self.el, &mut self.conns)
    }
}

/// The replies to AUTH and CONFIG GET, as far as they came before the server closed.
fn ask(endpoint: &Endpoint, options: &Options) -> Result<Heard, ConnError> {
    let broken = |error: &io::Error| ConnError::io(Step::Connect, error);
    let mut el = EventLoop::new(SETSIZE).map_err(|error| broken(&error))?;
    el.set_before_sleep(before_sleep);
    let (request, wanted) = request(options);
    let mut probe = Probe {
        el,
        conns: Conns::new(HandshakeLimits::default()),
        request,
        sent: 0,
        decoder: Decoder::default(),
        replies: Vec::new(),
        wanted,
        end: Ok(()),
    };
    let id = endpoint.connect(&mut probe.el, &mut probe.conns, on_connect, 0)?;
    run(&mut probe);
    let identity = probe.conns.peer_cert(id);
    probe.conns.close(&mut probe.el, id);
    probe.end.map(|()| Heard {
        replies: probe.replies,
        identity,
    })
}

fn request(options: &Options) -> (Vec<u8>, usize) {
    let (mut bytes, mut wanted) = (Vec::new(), 2);
    if let Some(args) = workload::auth(options) {
        encode::request(args.iter(), &mut bytes);
        wanted += 1;
    }
    encode::request(["CONFIG", "GET", "save"].iter(), &mut bytes);
    encode::request(["CONFIG", "GET", "appendonly"].iter(), &mut bytes);
    (bytes, wanted)
}

fn before_sleep(s: &mut Probe) {
    let has_more = process_pending(s);
    s.el.set_dont_wait(has_more);
}

fn on_connect(s: &mut Probe, id: ConnId) {
    if s.conns.state(id) != State::Connected {
        let unknown = || ConnError::new(Step::Connect, "the connection has ended");
        s.end = Err(s.conns.error(id).cloned().unwrap_or_else(unknown));
        s.el.stop();
        return;
    }
    s.conns.set_read_handler(&mut s.el, id, Some(on_read));
    s.conns
        .set_write_handler(&mut s.el, id, Some(on_write), false);
}

fn on_write(s: &mut Probe, id: ConnId) {
    match s.conns.write(&mut s.el, id, &s.request[s.sent..]) {
        Io::Done(n) => s.sent += n,
        Io::WouldBlock | Io::Eof => {}
        Io::Failed(error) => {
            s.end = Err(error);
            return s.el.stop();
        }
    }
    if s.sent == s.request.len() {
        s.conns.set_write_handler(&mut s.el, id, None, false);
        // The loop sends what is left.
        let _ = s.conns.flush(&mut s.el, id);
    }
}

fn on_read(s: &mut Probe, id: ConnId) {
    let mut chunk = [0; 16 * 1024];
    match s.conns.read(&mut s.el, id, &mut chunk) {
        Io::Done(n) => s.decoder.feed(&chunk[..n]),
        Io::WouldBlock => return,
        // A server that refuses sends an error before it closes, or nothing at all.
        Io::Eof => {
            if s.replies.is_empty() && s.conns.cipher(id).is_some() {
                let why = "the server closed the connection before its first reply";
                s.end = Err(ConnError::new(Step::Read, why));
            }
            return s.el.stop();
        }
        Io::Failed(error) if s.replies.is_empty() => {
            s.end = Err(error);
            return s.el.stop();
        }
        Io::Failed(_) => return s.el.stop(),
    }
    loop {
        match s.decoder.next_value() {
            Ok(Some(value)) => s.replies.push(value),
            Ok(None) => break,
            Err(error) => {
                s.end = Err(ConnError::new(Step::Read, error.to_string()));
                return s.el.stop();
            }
        }
    }
    if s.replies.len() >= s.wanted {
        s.el.stop();
    }
}

#[cfg(test)]
mod tests {
    use conn::resp::Value;

    use super::{judge, request};
    use crate::args::{Options, parse};

    fn options(line: &str) -> Options {
        match parse(line.split_whitespace().map(Into::into)) {
            Ok(options) => options,
            Err(stop) => panic!("{line}: {stop:?}"),
        }
    }

    fn pair(name: &str, value: &str) -> Value {
        Value::Array([name, value].map(|text| Value::Bulk(text.into())).to_vec())
    }

    #[test]
    fn replies_are_counted_as_they_are_asked_for() {
        assert_eq!(request(&options("")).1, 2);
        let (bytes, wanted) = request(&options("-a p"));
        assert!(bytes.starts_with(b"*2\r\n$4\r\nAUTH\r\n$1\r\np\r\n*3\r\n"));
        assert_eq!(wanted, 3);
    }

    #[test]
    fn a_server_may_keep_its_configuration_to_itself() {
        let judged = |line: &str, replies: Vec<Value>| {
            judge(&options(line), replies).map(|config| config.map(|c| (c.save, c.appendonly)))
        };
        let told = vec![pair("save", "60 1"), pair("appendonly", "yes")];
        let config = Some(("60 1".to_string(), "yes".to_string()));
        assert_eq!(judged("", told.clone()), Ok(config.clone()));
        let status = Value::Status(b"OK".to_vec());
        assert_eq!(judged("-a p", [vec![status], told].concat()), Ok(config));
        let error = |text: &str| vec![Value::Error(text.into())];
        assert_eq!(judged("", error("ERR unknown command 'CONFIG'")), Ok(None));
        assert_eq!(judged("", vec![]), Ok(None));
        assert_eq!(
            judged("", error("NOAUTH Authentication required.")),
            Err(
                "Node 127.0.0.1:6379 replied with error:\nNOAUTH Authentication required."
                    .to_string()
            )
        );
        assert_eq!(
            judged("-a p -s /s", error("WRONGPASS no")),
            Err("Node /s replied with error:\nWRONGPASS no".to_string())
        );
        assert_eq!(
            judged("-a p", vec![]),
            Err("ERROR: failed to fetch reply from 127.0.0.1:6379".to_string())
        );
    }
}
