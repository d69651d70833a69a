//! A node of a cluster and the connection to it.

use std::fmt;
use std::time::Duration;

use conn::blocking::{Client, Failure};
use conn::dial::Place;
use conn::resp::Value;

use crate::cluster::console::{bad, give_up};
use crate::cluster::nodes::{self, Line};
use crate::cluster::slots::SlotSet;
use crate::options::{Endpoint, Options};
use crate::out::{Exit, complain, fail};
use crate::secure::{self, Secure};
use crate::session::{could_not_connect, keep_alive};

/// How long a node may take to connect or reply.
const PATIENCE: Duration = Duration::from_secs(30);
/// The same for a node that others consider failing.
const LITTLE_PATIENCE: Duration = Duration::from_secs(2);

/// Why a command has no usable reply.
#[derive(Clone, Debug)]
pub enum Refusal {
    /// The node replied with this error.
    Error(String),
    /// It did not reply, for this reason.
    Lost(String),
}

impl Refusal {
    /// The text alone.
    pub fn text(&self) -> &str {
        match self {
            Self::Error(text) | Self::Lost(text) => text,
        }
    }

    /// Prints what a node did.
    pub fn show(&self, node: &impl fmt::Display) {
        match self {
            Self::Error(text) => bad(format!("Node {node} replied with error:\n{text}")),
            Self::Lost(text) => bad(format!("[ERR] Node {node} did not reply: {text}")),
        }
    }
}

/// Where a node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Name or address.
    pub host: String,
    /// Port for clients.
    pub port: u16,
}

impl Address {
    /// Parses `host:port`, with `[host]` for IPv6, and ignores what follows an `@`.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let text = text.split('@').next()?;
        let (host, port) = text.rsplit_once(':')?;
        Self::of(host, port)
    }

    /// From a host and a port that were given as two words.
    pub fn of(host: &str, port: &str) -> Option<Self> {
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let host = bare.unwrap_or(host);
        let port = port.parse().ok().filter(|&port| port > 0)?;
        let host = host.to_owned();
        (!host.is_empty()).then_some(Self { host, port })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// A node.
pub struct Node {
    /// Where it is, as the user or another node names it.
    pub address: Address,
    /// The port of its bus, if it is known.
    pub bus_port: Option<u16>,
    /// The host name that it announces.
    pub hostname: Option<String>,
    /// Its id; empty until it is known.
    pub id: String,
    /// Its flags, without `myself`.
    pub flags: Vec<String>,
    /// The primary that it follows.
    pub primary: Option<String>,
    /// Its configuration epoch.
    pub epoch: u64,
    /// Its slots, as it sees them.
    pub slots: SlotSet,
    /// Slots that move away, and where to.
    pub migrating: Vec<(u16, String)>,
    /// Slots that it imports, and from where.
    pub importing: Vec<(u16, String)>,
    /// Slots or primary are planned and not configured.
    pub is_planned: bool,
    /// Number of its replicas.
    pub replicas: usize,
    client: Option<Client>,
    /// How long it may take to connect or reply; `None` is forever.
    patience: Option<Duration>,
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

impl Node {
    /// A node that nothing else is known of.
    pub fn at(address: Address) -> Self {
        Self {
            address,
            bus_port: None,
            hostname: None,
            id: String::new(),
            flags: Vec::new(),
            primary: None,
            epoch: 0,
            slots: SlotSet::new(),
            migrating: Vec::new(),
            importing: Vec::new(),
            is_planned: false,
            replicas: 0,
            client: None,
            patience: Some(PATIENCE),
        }
    }

    /// A node as another one sees it.
    pub fn seen(line: &Line) -> Self {
        let host = line.host.clone();
        let port = line.port;
        let mut node = Self::at(Address { host, port });
        node.adopt(line);
        if line.has("fail") || line.has("fail?") {
            node.patience = Some(LITTLE_PATIENCE);
        }
        node
    }

    /// Takes over what a line says, apart from the address.
    pub fn adopt(&mut self, line: &Line) {
        self.bus_port = line.bus_port;
        self.hostname.clone_from(&line.hostname);
        self.id.clone_from(&line.id);
        self.flags.clone_from(&line.flags);
        self.primary.clone_from(&line.primary);
        self.epoch = line.epoch;
        self.slots = line.slots.clone();
        self.migrating.clone_from(&line.migrating);
        self.importing.clone_from(&line.importing);
    }

    /// Whether it is a replica.
    pub fn is_replica(&self) -> bool {
        self.primary.is_some() || self.has("slave")
    }

    /// Whether it has a flag.
    pub fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|one| one == flag)
    }

    /// The description in lists of nodes, every line but the first behind `indent` spaces.
    pub fn describe(&self, indent: usize) -> String {
        let (id, slots) = (&self.id, self.slots.text());
        let count = self.slots.len();
        let role = if self.is_replica() { 'S' } else { 'M' };
        let begin = format!("{:indent$}", "");
        let mut text = format!("{begin}{role}: {id} {self}");
        if !self.is_planned || self.primary.is_none() {
            let flags = self.flags.join(",");
            text += &format!("\n{begin}   slots:{slots} ({count} slots) {flags}");
        }
        if let Some(primary) = &self.primary {
            text += &format!("\n{begin}   replicates {primary}");
        } else if self.replicas > 0 {
            text += &format!("\n{begin}   {} additional replica(s)", self.replicas);
        }
        text
    }

    /// Whether there is a connection, as far as is known.
    pub fn is_connected(&self) -> bool {
        self.client.is_some()
    }

    /// Lets commands take as long as they need.
    pub fn wait_forever(&mut self) {
        self.patience = None;
    }

    /// Sends a command, whose reply [`Node::receive_for`] reads. `extra` is how much longer than usual it may take.
    ///
    /// # Errors
    /// The connection was lost.
    pub fn send_for<A: AsRef<[u8]>>(&mut self, argv: &[A], extra: Duration) -> Result<(), Refusal> {
        self.attempt(extra, |client| client.write(argv))
    }

    /// Waits for the reply to the earliest command that was sent and not answered, `extra` longer than usual.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub fn receive_for(&mut self, extra: Duration) -> Result<Value, Refusal> {
        match self.attempt(extra, Client::read)? {
            Value::Error(text) => Err(Refusal::Error(String::from_utf8_lossy(&text).into_owned())),
            reply => Ok(reply),
        }
    }

    /// Uses the connection, and drops it if it fails: a reply that comes too late would be taken for another one's.
    fn attempt<T>(
        &mut self,
        extra: Duration,
        act: impl FnOnce(&mut Client) -> Result<T, Failure>,
    ) -> Result<T, Refusal> {
        let Some(client) = &mut self.client else {
            return Err(Refusal::Lost("there is no connection".to_owned()));
        };
        let limit = self.patience.map(|patience| patience.saturating_add(extra));
        client.set_read_timeout(limit);
        client.set_write_timeout(limit);
        act(client).map_err(|failure| {
            self.client = None;
            Refusal::Lost(match (failure, limit) {
                (Failure::TimedOut, Some(limit)) => {
                    format!("no reply within {} seconds", limit.as_secs())
                }
                (other, _) => other.to_string(),
            })
        })
    }

    /// Sends a command and waits for its reply, `extra` longer than usual.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub fn call_for<A: AsRef<[u8]>>(
        &mut self,
        argv: &[A],
        extra: Duration,
    ) -> Result<Value, Refusal> {
        self.send_for(argv, extra)?;
        self.receive_for(extra)
    }

    /// Sends a command and waits for its reply.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub fn call<A: AsRef<[u8]>>(&mut self, argv: &[A]) -> Result<Value, Refusal> {
        self.call_for(argv, Duration::ZERO)
    }

    /// As [`Node::call`]; a refusal is printed.
    ///
    /// # Errors
    /// There is no usable reply; a message was printed.
    pub fn demand<A: AsRef<[u8]>>(&mut self, argv: &[A]) -> Result<Value, Exit> {
        self.call(argv).map_err(|refusal| self.fail(&refusal))
    }

    /// Prints a refusal.
    pub fn fail(&self, refusal: &Refusal) -> Exit {
        refusal.show(self);
        Exit(1)
    }

    /// Sends a command whose reply is a number.
    ///
    /// # Errors
    /// There is no number; a message was printed.
    pub fn count<A: AsRef<[u8]>>(&mut self, argv: &[A]) -> Result<i64, Exit> {
        match self.demand(argv)? {
            Value::Int(number) => Ok(number),
            _ => give_up(format!(
                "[ERR] Node {self} replied with something else than a number"
            )),
        }
    }

    /// Sends a command whose reply is a text.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub fn text<A: AsRef<[u8]>>(&mut self, argv: &[A]) -> Result<String, Refusal> {
        let reply = self.call(argv)?;
        match reply.text() {
            Some(text) => Ok(String::from_utf8_lossy(text).into_owned()),
            None => Err(Refusal::Error("the reply is not a text".to_owned())),
        }
    }

    /// The node's view of the cluster.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub fn view(&mut self) -> Result<Vec<Line>, Refusal> {
        let text = self.text(&["CLUSTER", "NODES"])?;
        nodes::parse(&text).map_err(|sentence| Refusal::Error(sentence.to_owned()))
    }

    /// Learns what the node says about itself, and returns what it says about others.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub fn learn(&mut self) -> Result<Vec<Line>, Refusal> {
        let mut lines = self.view()?;
        let Some(at) = lines.iter().position(|line| line.is_myself) else {
            return Err(Refusal::Error(
                "Error: invalid CLUSTER NODES reply".to_owned(),
            ));
        };
        let myself = lines.remove(at);
        self.adopt(&myself);
        Ok(lines)
    }

    /// Makes sure that the node is in cluster mode.
    ///
    /// # Errors
    /// It is not; a message was printed.
    pub fn require_cluster_mode(&mut self) -> Result<(), Exit> {
        let is_enabled = |info: String| info.lines().any(|line| line == "cluster_enabled:1");
        match self.text(&["INFO"]).map(is_enabled) {
            Ok(true) => Ok(()),
            Ok(false) => give_up(format!(
                "[ERR] Node {self} is not configured as a cluster node."
            )),
            Err(refusal) => give_up(format!("[ERR] Node {self} {}", refusal.text())),
        }
    }

    /// Makes sure that the node has no key and knows no other node.
    ///
    /// # Errors
    /// It does; a message was printed.
    pub fn require_empty(&mut self) -> Result<(), Exit> {
        let has_keys = |info: String| info.lines().any(|line| line.starts_with("db0:"));
        let knows_others = |info: String| !info.lines().any(|line| line == "cluster_known_nodes:1");
        let is_used = match self.text(&["INFO"]).map(has_keys) {
            Ok(false) => self.text(&["CLUSTER", "INFO"]).map(knows_others),
            other => other,
        };
        match is_used {
            Ok(false) => Ok(()),
            Ok(true) => give_up(format!(
                "[ERR] Node {self} is not empty. Either the node already knows other nodes (check with CLUSTER NODES) or \
                 contains some key in database 0."
            )),
            Err(refusal) => give_up(format!("[ERR] Node {self} {}", refusal.text())),
        }
    }
}

/// Makes connections to nodes: certificates and login.
pub struct Dialer {
    secure: Option<Secure>,
    /// The arguments of AUTH; empty without a password.
    login: Vec<Vec<u8>>,
}

impl Dialer {
    /// Loads certificates.
    ///
    /// # Errors
    /// They cannot be loaded; a message was printed.
    pub fn new(options: &Options) -> Result<Self, Exit> {
        let secure = match options.tls.as_ref().map(Secure::load).transpose() {
            Ok(secure) => secure,
            Err(error) => return fail(format!("TLS Error: {error}")),
        };
        let login = login(options.user.as_deref(), options.password.as_deref());
        Ok(Self { secure, login })
    }

    /// Connects to a node and authenticates.
    ///
    /// # Errors
    /// That failed; a message was printed.
    pub fn open(&mut self, node: &mut Node) -> Result<(), Exit> {
        self.connect(node)?;
        if !self.login.is_empty() {
            node.demand(&self.login)?;
        }
        Ok(())
    }

    /// Connects to a node.
    ///
    /// # Errors
    /// That failed; a message was printed.
    pub fn connect(&mut self, node: &mut Node) -> Result<(), Exit> {
        let Address { host, port } = &node.address;
        let place = Place::Tcp {
            host,
            port: *port,
            source: None,
        };
        let announced = node.hostname.as_deref();
        match secure::dial(self.secure.as_mut(), &place, announced, node.patience) {
            Ok(client) => {
                keep_alive(&client);
                node.client = Some(client);
            }
            Err(error) => {
                let reason = match &self.secure {
                    Some(secure) => secure.advise(&error, host, announced),
                    None => error.reason().to_owned(),
                };
                let endpoint = Endpoint {
                    host: host.clone(),
                    port: *port,
                    socket: None,
                };
                complain(could_not_connect(&endpoint, &reason));
                return Err(Exit(1));
            }
        }
        Ok(())
    }

    /// The part of MIGRATE that authenticates on the target.
    pub fn migrate_login(&self) -> Vec<Vec<u8>> {
        match self.login.as_slice() {
            [_, password] => vec![b"AUTH".to_vec(), password.clone()],
            [_, user, password] => vec![b"AUTH2".to_vec(), user.clone(), password.clone()],
            _ => Vec::new(),
        }
    }
}

/// The arguments of AUTH; none without a password.
pub fn login(user: Option<&[u8]>, password: Option<&[u8]>) -> Vec<Vec<u8>> {
    let Some(password) = password else {
        return Vec::new();
    };
    let words = [Some(&b"AUTH"[..]), user, Some(password)];
    words.into_iter().flatten().map(<[u8]>::to_vec).collect()
}

#[cfg(test)]
mod tests {
    use super::{Address, Node, login};

    #[test]
    fn addresses_are_host_and_port() {
        for (text, expected) in [
            ("127.0.0.1:7000", Some("127.0.0.1:7000")),
            ("h.example:1@2", Some("h.example:1")),
            ("::1:7000", Some("::1:7000")),
            ("[::1]:7000", Some("::1:7000")),
            ("h", None),
            (":7000", None),
            ("h:0", None),
            ("h:x", None),
            ("h:70000", None),
        ] {
            let shown = Address::parse(text.as_bytes()).map(|address| address.to_string());
            assert_eq!(shown.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn nodes_are_described() {
        let mut node = Node::at(Address::of("h", "1").expect("valid"));
        node.id = "aa".to_owned();
        node.flags.push("master".to_owned());
        node.slots.insert(5);
        assert_eq!(node.describe(0), "M: aa h:1\n   slots:[5] (1 slots) master");
        node.replicas = 2;
        assert_eq!(
            node.describe(2),
            "  M: aa h:1\n     slots:[5] (1 slots) master\n     2 additional replica(s)"
        );
        node.primary = Some("bb".to_owned());
        node.is_planned = true;
        assert_eq!(node.describe(0), "S: aa h:1\n   replicates bb");
    }

    #[test]
    fn a_user_without_password_does_not_log_in() {
        assert!(login(Some(b"u"), None).is_empty());
        assert_eq!(login(None, Some(b"p")), [b"AUTH".to_vec(), b"p".to_vec()]);
        assert_eq!(login(Some(b"u"), Some(b"p")).len(), 3);
    }
}
