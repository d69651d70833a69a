//! `--cluster`: the primaries of a cluster, and which slots they serve.
//!
//! Connections are distributed over the primaries. The keys of a request share the tag `{tag}`, which is replaced by the
//! tag of a slot of the primary that the request goes to: its first one, so that the number of keys is that of `-r` for
//! each primary, as in Redis. When a primary redirects, the slots are asked for again.
//!
//! # Invariants
//! 1. The list of primaries is that of the start; slots that have gone to another node are served by nobody here.
//! 2. `version` rises with every change of `slots`. Whoever finds that it has seen an older one copies the tags.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use conn::blocking::{Client, Failure};
use conn::dial::Place;
use conn::resp::Value;
use conn::tls::context::TlsContext;

use crate::args::Options;
use crate::probe::{self, Endpoint, ServerConfig, connect_failure};
use crate::report::to_stdout;
use crate::slots::{Tag, tag};
use crate::workload;

/// How long a node may take to tell the slots.
const PATIENCE: Duration = Duration::from_secs(10);
/// The pause after an error that says that the cluster is down.
const RECOVERY: Duration = Duration::from_secs(1);
/// The shortest time between two requests for the slots because of ASK.
const ASK_INTERVAL: Duration = Duration::from_secs(1);

/// The error when no primary of the start has a slot any more.
pub const NO_SLOTS: &str = "The cluster serves no slots.";

/// A primary as the cluster describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Primary {
    /// Its id.
    pub id: String,
    /// Name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Its slots in ascending order.
    slots: Vec<u16>,
}

/// The slots of a primary that is used.
#[derive(Clone, Debug, Default)]
struct Served {
    slots: Vec<u16>,
    /// Which of them is used.
    at: usize,
    tag: Option<Tag>,
}

impl Served {
    fn new(slots: Vec<u16>) -> Self {
        let tag = slots.first().map(|&slot| tag(slot));
        Self { slots, at: 0, tag }
    }

    /// Goes on to the next slot.
    fn skip(&mut self) {
        if self.slots.len() > 1 {
            self.at = (self.at + 1) % self.slots.len();
            self.tag = Some(tag(self.slots[self.at]));
        }
    }
}

/// What changes while tests run.
#[derive(Debug)]
struct State {
    served: Vec<Served>,
    asked: Instant,
}

/// A cluster.
pub struct Cluster {
    /// The primaries.
    pub primaries: Vec<Primary>,
    /// Their configurations, as far as they tell.
    pub configs: Vec<Option<ServerConfig>>,
    version: AtomicU64,
    state: Mutex<State>,
}

/// What an error of a primary says about the slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A slot is served by another node.
    Moved,
    /// A key is on its way to another node.
    Asks,
    /// Some slot is not served.
    Down,
}

/// Tells whether an error is about slots.
pub fn change(text: &[u8]) -> Option<Change> {
    let rows = [
        (&b"MOVED"[..], Change::Moved),
        // Some keys of the request have left.
        (b"TRYAGAIN", Change::Asks),
        (b"ASK", Change::Asks),
        (b"CLUSTERDOWN", Change::Down),
    ];
    let found = rows.iter().find(|(word, _)| text.starts_with(word));
    found.map(|&(_, change)| change)
}

impl Cluster {
    /// Finds the primaries, prints them, and finds out how to connect to each.
    ///
    /// # Errors
    /// A sentence: there is no cluster, or a primary cannot be reached.
    pub fn load(options: &Options) -> Result<(Self, Vec<Endpoint>), String> {
        let primaries = fetch(options)?;
        if primaries.len() < 2 {
            return Err(format!("Invalid cluster: {} node(s).", primaries.len()));
        }
        to_stdout(|out| show(out, &primaries));
        let mut endpoints = Vec::new();
        let mut configs = Vec::new();
        for primary in &primaries {
            let (endpoint, config) = probe::probe(&at(options, &primary.host, primary.port))?;
            endpoints.push(endpoint);
            configs.push(config);
        }
        let served = primaries.iter();
        let served = served
            .map(|primary| Served::new(primary.slots.clone()))
            .collect();
        let cluster = Self {
            primaries,
            configs,
            version: AtomicU64::new(1),
            state: Mutex::new(State {
                served,
                asked: Instant::now(),
            }),
        };
        Ok((cluster, endpoints))
    }

    /// Copies the tags, if they have changed since `seen`.
    pub fn update(&self, seen: &mut u64, tags: &mut Vec<Option<Tag>>) {
        let version = self.version.load(Ordering::Acquire);
        if version != *seen {
            let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            *tags = state.served.iter().map(|served| served.tag).collect();
            *seen = version;
        }
    }

    /// Acts on an error of a primary to a request that was sent when the version was `seen`.
    ///
    /// # Errors
    /// A sentence: the slots are not told.
    pub fn follow(
        &self,
        options: &Options,
        node: usize,
        change: Change,
        seen: u64,
    ) -> Result<(), String> {
        if change == Change::Down {
            // All requests of the loop would fail, so the loop itself waits.
            thread::sleep(RECOVERY);
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if self.version.load(Ordering::Acquire) != seen {
            return Ok(());
        }
        if change == Change::Asks {
            // The key has left and its slot will follow; the other slots are complete.
            state.served[node].skip();
        }
        if change != Change::Asks || state.asked.elapsed() >= ASK_INTERVAL {
            let primary = &self.primaries[node];
            let now = fetch(&at(options, &primary.host, primary.port))?;
            for (served, primary) in state.served.iter_mut().zip(&self.primaries) {
                let found = now.iter().find(|one| one.id == primary.id);
                let slots = found.map_or(&[][..], |one| &one.slots);
                if served.slots != slots {
                    *served = Served::new(slots.to_vec());
                }
            }
            state.asked = Instant::now();
        }
        self.version.fetch_add(1, Ordering::AcqRel);
        Ok(())
    }
}

fn show(out: &mut dyn Write, primaries: &[Primary]) -> io::Result<()> {
    writeln!(out, "Cluster has {} master nodes:\n", primaries.len())?;
    for (number, Primary { id, host, port, .. }) in primaries.iter().enumerate() {
        writeln!(out, "Master {number}: {id} {host}:{port}")?;
    }
    writeln!(out)
}

/// The options for another node of the cluster. A host name that the cluster tells counts more than `--sni`.
fn at(options: &Options, host: &str, port: u16) -> Options {
    let mut options = options.clone();
    if host != options.host && host.parse::<std::net::IpAddr>().is_err() {
        options.names.sni = Some(host.to_owned());
    }
    options.host = host.to_owned();
    options.port = port;
    options.socket = None;
    options
}

/// Asks a node for the slots.
fn fetch(options: &Options) -> Result<Vec<Primary>, String> {
    let context = match options.tls {
        true => Some(
            TlsContext::for_client(&options.tls_config)
                .map_err(|error| connect_failure(&options.place(), &error))?,
        ),
        false => None,
    };
    let host = options.socket.is_none().then_some(options.host.as_str());
    let check = options.names.check(host);
    let tls = context.as_ref().map(|context| check.tls(context));
    let place = match &options.socket {
        Some(path) => Place::Unix(path),
        None => Place::Tcp {
            host: &options.host,
            port: options.port,
            source: None,
        },
    };
    let mut client = Client::connect(&place, tls, Some(PATIENCE))
        .map_err(|error| connect_failure(&options.place(), &error))?;
    client.set_read_timeout(Some(PATIENCE));
    let place = options.place();
    let told = |reply: Result<Value, Failure>| match reply {
        Ok(Value::Error(text)) => Err(format!(
            "Cluster node {place} replied with error:\n{}\nFailed to fetch cluster configuration from {place}",
            String::from_utf8_lossy(&text)
        )),
        Ok(reply) => Ok(reply),
        Err(failure) => Err(format!(
            "Failed to fetch cluster configuration from {place}: {failure}"
        )),
    };
    if let Some(args) = workload::auth(options) {
        match client.call(&args) {
            Ok(Value::Error(text)) => return Err(probe::refusal(&place, &text)),
            Ok(_) => {}
            Err(_) => return Err(probe::no_reply(&place)),
        }
    }
    let reply = told(client.call(&["CLUSTER", "SLOTS"]))?;
    parse(&reply, &options.host)
        .ok_or_else(|| format!("Invalid cluster configuration from {place}"))
}

/// Parses the reply of CLUSTER SLOTS: first and last slot, and the nodes, of which the first is the primary.
fn parse(reply: &Value, asked_host: &str) -> Option<Vec<Primary>> {
    let mut primaries: Vec<Primary> = Vec::new();
    for range in reply.elements()? {
        let [Value::Int(first), Value::Int(last), node, ..] = range.elements()? else {
            return None;
        };
        let slots = u16::try_from(*first).ok()?..=u16::try_from(*last).ok()?;
        if *slots.end() >= slot::SLOTS {
            return None;
        }
        let [endpoint, Value::Int(port), id, rest @ ..] = node.elements()? else {
            return None;
        };
        let id = String::from_utf8_lossy(id.text()?).into_owned();
        let host = match endpoint.text().unwrap_or_default() {
            // Without an endpoint it is the host that was asked.
            b"" => asked_host.to_owned(),
            b"?" => metadata(rest.first(), b"ip")?,
            text => String::from_utf8_lossy(text).into_owned(),
        };
        let port = u16::try_from(*port).ok()?;
        match primaries.iter_mut().find(|primary| primary.id == id) {
            Some(primary) => primary.slots.extend(slots),
            None => primaries.push(Primary {
                id,
                host,
                port,
                slots: slots.collect(),
            }),
        }
    }
    for primary in &mut primaries {
        primary.slots.sort_unstable();
    }
    Some(primaries)
}

/// A field of what follows the id of a node: names and values in turn.
fn metadata(fields: Option<&Value>, name: &[u8]) -> Option<String> {
    let mut fields = fields?.elements()?.chunks_exact(2);
    let found = fields.find(|pair| pair[0].text() == Some(name))?;
    Some(String::from_utf8_lossy(found[1].text()?).into_owned())
}

#[cfg(test)]
mod tests {
    use conn::resp::Value;

    use super::{Change, Served, change, parse};

    fn text(text: &str) -> Value {
        Value::Bulk(text.into())
    }

    fn range(first: i64, last: i64, endpoint: Value, port: i64, id: &str) -> Value {
        let fields = Value::Array(vec![text("ip"), text("10.0.0.9")]);
        let node = Value::Array(vec![endpoint, Value::Int(port), text(id), fields]);
        Value::Array(vec![Value::Int(first), Value::Int(last), node])
    }

    #[test]
    fn primaries_come_with_their_slots() {
        let reply = Value::Array(vec![
            range(5, 7, text("10.0.0.1"), 1, "aa"),
            range(8, 8, Value::Null, 2, "bb"),
            range(0, 0, text("10.0.0.1"), 1, "aa"),
            range(9, 9, text("?"), 3, "cc"),
            range(10, 10, text("n.example"), 4, "dd"),
        ]);
        let primaries = parse(&reply, "asked").expect("it is valid");
        let shown: Vec<_> = primaries
            .iter()
            .map(|p| format!("{} {}:{} {:?}", p.id, p.host, p.port, p.slots))
            .collect();
        assert_eq!(
            shown,
            [
                "aa 10.0.0.1:1 [0, 5, 6, 7]",
                "bb asked:2 [8]",
                "cc 10.0.0.9:3 [9]",
                "dd n.example:4 [10]"
            ]
        );
        assert_eq!(
            parse(&Value::Array(vec![]), "h").map(|all| all.len()),
            Some(0)
        );
    }

    #[test]
    fn nonsense_is_no_cluster() {
        for reply in [
            Value::Null,
            Value::Array(vec![Value::Int(1)]),
            Value::Array(vec![Value::Array(vec![Value::Int(1), Value::Int(2)])]),
            Value::Array(vec![range(-1, 2, text("h"), 1, "aa")]),
            Value::Array(vec![range(0, 16_384, text("h"), 1, "aa")]),
            Value::Array(vec![range(1, 2, text("h"), 70_000, "aa")]),
        ] {
            assert!(parse(&reply, "h").is_none(), "{reply:?}");
        }
    }

    #[test]
    fn a_slot_that_moves_is_skipped() {
        let mut served = Served::new(vec![0, 1]);
        assert_eq!(served.tag, Some(*b"06S"));
        served.skip();
        assert_eq!(served.tag, Some(*b"Qi}"));
        served.skip();
        assert_eq!(served.tag, Some(*b"06S"));
        let mut none = Served::new(vec![]);
        none.skip();
        assert_eq!(none.tag, None);
    }

    #[test]
    fn errors_about_slots_are_known() {
        for (text, expected) in [
            ("MOVED 1 h:1", Some(Change::Moved)),
            ("ASK 1 h:1", Some(Change::Asks)),
            ("TRYAGAIN Multiple keys request", Some(Change::Asks)),
            ("CLUSTERDOWN The cluster is down", Some(Change::Down)),
            ("ERR no", None),
        ] {
            assert_eq!(change(text.as_bytes()), expected, "{text}");
        }
    }
}
