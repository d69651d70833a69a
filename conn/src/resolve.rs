//! Name resolution for outgoing connections: from a host name to the addresses to try, in order.
//!
//! The order is the same for every program: IPv4 addresses before IPv6 ones, as hiredis tries them,
//! and within a family the order of the system's resolver. An address that appears twice is tried
//! once. With a source address (`bind-source-addr`) each target is paired with a source of its own
//! family, and targets without one are left out.
//!
//! `getaddrinfo` blocks for as long as the resolver likes. A command-line tool calls [`resolve`]; a
//! program with an event loop starts a [`Lookup`], which resolves on a thread of its own and wakes
//! the loop. Addresses in digits need neither: they are ready at once.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{ConnError, Step};

/// What to resolve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// Name or address of the server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Name or address of this machine to connect from.
    pub source: Option<String>,
}

/// One address to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hop {
    /// The server.
    pub addr: SocketAddr,
    /// The address of this machine to bind to, of the same family.
    pub source: Option<IpAddr>,
}

/// The addresses to try, or why there are none.
pub type Resolved = Result<Vec<Hop>, ConnError>;

/// Resolves on this thread.
///
/// # Errors
/// The name has no address, or none that can be reached from the source address.
pub fn resolve(query: &Query) -> Resolved {
    let Query { host, port, source } = query;
    let failed =
        |error: io::Error| ConnError::new(Step::Resolve, reason(&error)).with_peer(&place(query));
    let targets = addresses(host, *port).map_err(failed)?;
    let sources = match source {
        Some(name) => Some(addresses(name, 0).map_err(failed)?),
        None => None,
    };
    pair(query, targets, sources.as_deref())
}

/// A resolution that may still be running on a thread.
#[derive(Debug)]
pub struct Lookup(State);

#[derive(Debug)]
enum State {
    Ready(Resolved),
    Running(Receiver<Resolved>, String),
}

impl Lookup {
    /// Starts. `wake` is called, on the resolver's thread, when a result can be taken; not when it
    /// is there from the beginning.
    pub fn start(query: Query, wake: impl FnOnce() + Send + 'static) -> Self {
        if is_literal(&query) {
            return Self(State::Ready(resolve(&query)));
        }
        let (sender, receiver) = sync_channel(1);
        let name = place(&query);
        let run = move || {
            // The other end is gone when the connection was given up in the meantime.
            let _ = sender.send(resolve(&query));
            wake();
        };
        match thread::Builder::new().name("resolver".into()).spawn(run) {
            Ok(_) => Self(State::Running(receiver, name)),
            Err(error) => Self(State::Ready(Err(
                ConnError::io(Step::Resolve, &error).with_peer(&name)
            ))),
        }
    }

    /// The result, or the lookup again while it is running.
    ///
    /// # Errors
    /// It is still running.
    pub fn poll(self) -> Result<Resolved, Self> {
        match self.0 {
            State::Ready(resolved) => Ok(resolved),
            State::Running(receiver, name) => match receiver.try_recv() {
                Ok(resolved) => Ok(resolved),
                Err(TryRecvError::Disconnected) => Ok(Err(lost(&name))),
                Err(TryRecvError::Empty) => Err(Self(State::Running(receiver, name))),
            },
        }
    }

    /// Blocks until the result is there or `deadline` has passed.
    ///
    /// # Errors
    /// As [`resolve`], or the deadline has passed.
    pub fn wait(self, deadline: Instant) -> Resolved {
        match self.0 {
            State::Ready(resolved) => resolved,
            State::Running(receiver, name) => {
                let left = deadline.saturating_duration_since(Instant::now());
                match receiver.recv_timeout(left.max(Duration::from_millis(1))) {
                    Ok(resolved) => resolved,
                    Err(RecvTimeoutError::Disconnected) => Err(lost(&name)),
                    Err(RecvTimeoutError::Timeout) => {
                        Err(ConnError::new(Step::Resolve, "Connection timed out").with_peer(&name))
                    }
                }
            }
        }
    }
}

fn lost(name: &str) -> ConnError {
    ConnError::new(Step::Resolve, "the resolver's thread has ended").with_peer(&name)
}

fn place(query: &Query) -> String {
    if query.host.contains(':') {
        format!("[{}]:{}", query.host, query.port)
    } else {
        format!("{}:{}", query.host, query.port)
    }
}

fn is_literal(query: &Query) -> bool {
    let literal = |text: &str| text.parse::<IpAddr>().is_ok();
    literal(&query.host) && query.source.as_deref().is_none_or(literal)
}

fn addresses(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    Ok(in_order((host, port).to_socket_addrs()?))
}

/// The address of this machine that is given in digits, or the first IPv4 address of a name. Blocks as [`resolve`] does.
///
/// # Errors
/// The resolver's words.
pub(crate) fn local_address(host: &str) -> io::Result<IpAddr> {
    let found = addresses(host, 0).map_err(|error| io::Error::other(reason(&error)))?;
    let is_literal = host.contains(':');
    let found = found.iter().find(|addr| is_literal || addr.is_ipv4());
    let none = || io::Error::other("the name has no IPv4 address");
    found.map(SocketAddr::ip).ok_or_else(none)
}

/// IPv4 first, each address once.
fn in_order(found: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let mut addrs: Vec<SocketAddr> = Vec::new();
    for addr in found {
        if !addrs.contains(&addr) {
            addrs.push(addr);
        }
    }
    addrs.sort_by_key(SocketAddr::is_ipv6);
    addrs
}

fn pair(query: &Query, targets: Vec<SocketAddr>, sources: Option<&[SocketAddr]>) -> Resolved {
    let none = |why: &str| Err(ConnError::new(Step::Resolve, why).with_peer(&place(query)));
    if targets.is_empty() {
        return none("the name has no address");
    }
    let Some(sources) = sources else {
        let hop = |addr| Hop { addr, source: None };
        return Ok(targets.into_iter().map(hop).collect());
    };
    let hop = |addr: SocketAddr| {
        let source = sources
            .iter()
            .find(|source| source.is_ipv6() == addr.is_ipv6())?;
        Some(Hop {
            addr,
            source: Some(source.ip()),
        })
    };
    let hops: Vec<Hop> = targets.into_iter().filter_map(hop).collect();
    if hops.is_empty() {
        return none("no source address has the address family of the server");
    }
    Ok(hops)
}

/// The resolver's own words, without what the standard library puts around them.
fn reason(error: &io::Error) -> String {
    let text = crate::error::system_reason(error);
    let known = "failed to lookup address information: ";
    text.strip_prefix(known).map_or(text.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::time::{Duration, Instant};

    use super::{Lookup, Query, in_order, pair, resolve};

    fn query(host: &str, source: Option<&str>) -> Query {
        Query {
            host: host.to_owned(),
            port: 7,
            source: source.map(str::to_owned),
        }
    }

    #[test]
    fn ipv4_comes_first_and_nothing_twice() {
        let found = ["[::2]:1", "10.0.0.2:1", "[::2]:1", "[::1]:1", "10.0.0.1:1"];
        let found = found.map(|text| text.parse().expect("an address"));
        let ordered: Vec<String> = in_order(found.into_iter())
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(ordered, ["10.0.0.2:1", "10.0.0.1:1", "[::2]:1", "[::1]:1"]);
    }

    #[test]
    fn a_source_is_of_the_targets_family() {
        let parse = |texts: &[&str]| -> Vec<std::net::SocketAddr> {
            let addrs = texts.iter().map(|text| text.parse().expect("an address"));
            addrs.collect()
        };
        let targets = parse(&["10.0.0.1:7", "[::1]:7"]);
        let both = parse(&["[::9]:0", "10.0.0.9:0"]);
        let hops = pair(&query("h", None), targets.clone(), Some(&both)).expect("hops");
        let shown: Vec<String> = hops
            .iter()
            .map(|hop| format!("{} {}", hop.addr, hop.source.expect("a source")))
            .collect();
        assert_eq!(shown, ["10.0.0.1:7 10.0.0.9", "[::1]:7 ::9"]);
        let four = parse(&["10.0.0.9:0"]);
        let hops = pair(&query("h", None), targets, Some(&four)).expect("hops");
        assert_eq!(hops.len(), 1);
        let error = pair(&query("h", None), parse(&["[::1]:7"]), Some(&four)).expect_err("none");
        assert_eq!(
            error.to_string(),
            "resolving h:7: no source address has the address family of the server"
        );
        assert!(pair(&query("h", None), Vec::new(), None).is_err());
    }

    #[test]
    fn digits_are_ready_at_once_and_names_are_waited_for() {
        let lookup = Lookup::start(query("::1", Some("::1")), || panic!("nobody is woken"));
        let hops = lookup.poll().expect("ready").expect("an address");
        assert_eq!(hops[0].addr.to_string(), "[::1]:7");
        let (sender, woken) = channel();
        let lookup = Lookup::start(query("localhost", None), move || {
            let _ = sender.send(());
        });
        let hops = lookup.wait(Instant::now() + Duration::from_secs(30));
        assert!(
            hops.expect("a name of this machine")[0]
                .addr
                .ip()
                .is_loopback()
        );
        woken
            .recv_timeout(Duration::from_secs(30))
            .expect("the wake-up");
    }

    #[test]
    fn a_name_without_an_address_is_named() {
        let error = resolve(&query("nosuch.invalid", None)).expect_err("no such name");
        assert_eq!(error.peer(), "nosuch.invalid:7");
        assert!(!error.reason().contains("lookup address"), "{error}");
    }
}
