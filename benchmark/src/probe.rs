//! A first connection: which address answers, and how the server is configured.
//!
//! A host name is resolved here and once; everything after goes to the address that answered. The
//! addresses are tried one after the other, those of IPv4 first, as hiredis tries them.
//!
//! Invariants:
//! 1. A probe ends with `end` set and its loop stopped, or not at all: like redis-benchmark it
//!    waits for the server for as long as it takes.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use ae::event_loop::{EventLoop, Host, run};
use conn::admission::HandshakeLimits;
use conn::connection::{ConnId, ConnProc, State};
use conn::conns::{ClientTls, ConnHost, Conns};
use conn::dial::Target;
use conn::drive::process_pending;
use conn::error::{ConnError, Step};
use conn::resp::{Decoder, Value, encode};
use conn::stream::Io;
use conn::tls::context::TlsContext;

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

enum Place {
    Tcp(String, u16),
    Unix(PathBuf),
}

/// Where connections go, and how.
pub struct Endpoint {
    place: Place,
    tls: Option<TlsContext>,
    sni: Option<String>,
    verifies_name: bool,
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
        let target = match &self.place {
            Place::Tcp(host, port) => Target::Tcp {
                host,
                port: *port,
                bind_source: None,
            },
            Place::Unix(path) => Target::Unix(path),
        };
        let tls = self.tls.as_ref().map(|context| ClientTls {
            context,
            sni: self.sni.as_deref(),
            verify_name: self.sni.as_deref().filter(|_| self.verifies_name),
        });
        conns.connect(el, &target, tls, on_connect, data)
    }
}

/// The sentence about a connection that did not come to be.
pub fn connect_failure(options: &Options, error: &ConnError) -> String {
    match error.step() {
        Step::Handshake => format!("Could not negotiate a TLS connection: {}", error.reason()),
        _ => format!(
            "Could not connect to Redis at {}: {}",
            options.place(),
            error.reason()
        ),
    }
}

/// Finds the server and asks for its configuration; `None` when it does not tell.
///
/// # Errors
/// A sentence: there is no way to it, or it does not know the password.
pub fn probe(options: &Options) -> Result<(Endpoint, Option<ServerConfig>), String> {
    let mut endpoint = Endpoint {
        place: Place::Unix(PathBuf::new()),
        tls: None,
        sni: options.sni.clone(),
        verifies_name: !options.tls_config.insecure,
    };
    if options.tls {
        let context = TlsContext::for_client(&options.tls_config);
        let failure = |error| format!("Could not negotiate a TLS connection: {error}");
        endpoint.tls = Some(context.map_err(failure)?);
    }
    let mut failure = None;
    for place in places(options)? {
        endpoint.place = place;
        match ask(&endpoint, options) {
            Ok(replies) => return Ok((endpoint, judge(options, replies)?)),
            Err(error) => {
                let is_final = error.step() != Step::Connect;
                failure = Some(connect_failure(options, &error));
                if is_final {
                    break;
                }
            }
        }
    }
    Err(failure.unwrap_or_else(|| {
        format!(
            "Could not connect to Redis at {}: the name has no address",
            options.place()
        )
    }))
}

fn places(options: &Options) -> Result<Vec<Place>, String> {
    if let Some(path) = &options.socket {
        return Ok(vec![Place::Unix(path.clone())]);
    }
    let found = (options.host.as_str(), options.port).to_socket_addrs();
    let mut addrs: Vec<SocketAddr> = match found {
        Ok(addrs) => addrs.collect(),
        Err(error) => {
            let text = error.to_string();
            let reason = text.rsplit(": ").next().unwrap_or(&text);
            return Err(format!(
                "Could not connect to Redis at {}: {reason}",
                options.place()
            ));
        }
    };
    addrs.sort_by_key(SocketAddr::is_ipv6);
    Ok(addrs
        .into_iter()
        .map(|addr| Place::Tcp(addr.ip().to_string(), addr.port()))
        .collect())
}

/// Reads what the server answered to AUTH, if it was asked, and to CONFIG GET.
fn judge(options: &Options, replies: Vec<Value>) -> Result<Option<ServerConfig>, String> {
    let mut replies = replies.into_iter();
    let refusal = |text: &[u8]| {
        let text = String::from_utf8_lossy(text);
        Err(format!(
            "Node {} replied with error:\n{text}",
            options.place()
        ))
    };
    if options.password.is_some() {
        match replies.next() {
            Some(Value::Error(text)) => return refusal(&text),
            Some(_) => {}
            None => {
                return Err(format!(
                    "ERROR: failed to fetch reply from {}",
                    options.place()
                ));
            }
        }
    }
    let mut settings = Vec::new();
    for reply in replies {
        match reply {
            Value::Error(text) if text.starts_with(b"NOAUTH") => return refusal(&text),
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

/// The host of the one connection.
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
fn ask(endpoint: &Endpoint, options: &Options) -> Result<Vec<Value>, ConnError> {
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
    probe.conns.close(&mut probe.el, id);
    probe.end.map(|()| probe.replies)
}

fn request(options: &Options) -> (Vec<u8>, usize) {
    let (mut bytes, mut wanted) = (Vec::new(), 2);
    if let Some(args) = workload::auth(options) {
        encode(&mut bytes, &args);
        wanted += 1;
    }
    encode(&mut bytes, &["CONFIG", "GET", "save"]);
    encode(&mut bytes, &["CONFIG", "GET", "appendonly"]);
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
        // What it cannot send goes on from the loop.
        let _ = s.conns.flush(&mut s.el, id);
    }
}

fn on_read(s: &mut Probe, id: ConnId) {
    let mut chunk = [0; 16 * 1024];
    match s.conns.read(&mut s.el, id, &mut chunk) {
        Io::Done(n) => s.decoder.feed(&chunk[..n]),
        Io::WouldBlock => return,
        // Whoever is refused hears an error first, or nothing.
        Io::Eof => return s.el.stop(),
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
