//! The reply of CLUSTER NODES: a line per node.
//!
//! ```text
//! <id> <ip>:<port>@<bus port>[,<host name>] <flag>[,<flag>…] <primary's id or -> <ping> <pong> <epoch> <link> <slot>…
//! ```
//!
//! A slot is a number or a range; on the line of the node that replies also `[93-<-<id>]` for a slot that it imports and
//! `[77->-<id>]` for one that moves away. The format is that of <https://redis.io/commands/cluster-nodes>.

use crate::cluster::slots::{SLOTS, SlotSet};

/// The error about a reply that does not have this form.
const INVALID: &str = "Error: invalid CLUSTER NODES reply";

/// A line.
#[derive(Clone)]
pub struct Line {
    /// The id.
    pub id: String,
    /// The address. It is empty if it is not known.
    pub host: String,
    /// The port for clients, of the kind by which CLUSTER NODES was sent.
    pub port: u16,
    /// The port of the cluster bus; `None` before Redis 4.0.
    pub bus_port: Option<u16>,
    /// The announced host name.
    pub hostname: Option<String>,
    /// The flags, without `myself`.
    pub flags: Vec<String>,
    /// The line is about the node that replied.
    pub is_myself: bool,
    /// The primary that a replica follows.
    pub primary: Option<String>,
    /// The configuration epoch.
    pub epoch: u64,
    /// The link of the bus to this node is up.
    pub is_linked: bool,
    /// The slots.
    pub slots: SlotSet,
    /// Slots that move away, and where to.
    pub migrating: Vec<(u16, String)>,
    /// Slots that are imported, and from where.
    pub importing: Vec<(u16, String)>,
}

impl Line {
    /// Whether the line has a flag.
    pub fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|one| one == flag)
    }
}

/// Parses a whole reply.
///
/// # Errors
/// A sentence: the text does not have the form.
pub fn parse(text: &str) -> Result<Vec<Line>, &'static str> {
    let lines = text.lines().filter(|line| !line.is_empty());
    lines.map(|line| parse_line(line).ok_or(INVALID)).collect()
}

fn parse_line(line: &str) -> Option<Line> {
    let mut words = line.split(' ').filter(|word| !word.is_empty());
    let id = words.next()?.to_owned();
    let (host, port, bus_port, hostname) = parse_address(words.next()?)?;
    let mut flags: Vec<String> = words.next()?.split(',').map(str::to_owned).collect();
    let is_myself = flags.iter().any(|flag| flag == "myself");
    flags.retain(|flag| flag != "myself");
    let primary = words.next().filter(|&id| id != "-").map(str::to_owned);
    let (_ping, _pong) = (words.next()?, words.next()?);
    let epoch = words.next()?.parse().ok()?;
    let is_linked = words.next()? == "connected";
    let mut parsed = Line {
        id,
        host,
        port,
        bus_port,
        hostname,
        flags,
        is_myself,
        primary,
        epoch,
        is_linked,
        slots: SlotSet::new(),
        migrating: Vec::new(),
        importing: Vec::new(),
    };
    for word in words {
        take_slots(&mut parsed, word)?;
    }
    Some(parsed)
}

type Address = (String, u16, Option<u16>, Option<String>);

fn parse_address(text: &str) -> Option<Address> {
    let (address, rest) = text.split_once('@').unwrap_or((text, ""));
    let (host, port) = address.rsplit_once(':')?;
    let mut rest = rest.split(',');
    let bus_port = rest.next().and_then(|port| port.parse().ok());
    // The other fields of nodes.conf have a name.
    let hostname = rest
        .next()
        .filter(|name| !name.is_empty() && !name.contains('='));
    let hostname = hostname.map(str::to_owned);
    Some((host.to_owned(), port.parse().ok()?, bus_port, hostname))
}

fn take_slots(line: &mut Line, word: &str) -> Option<()> {
    if let Some(open) = word.strip_prefix('[') {
        let open = open.strip_suffix(']')?;
        if let Some((slot, id)) = open.split_once("->-") {
            line.migrating.push((parse_slot(slot)?, id.to_owned()));
        } else {
            let (slot, id) = open.split_once("-<-")?;
            line.importing.push((parse_slot(slot)?, id.to_owned()));
        }
        return Some(());
    }
    let (first, last) = word.split_once('-').unwrap_or((word, word));
    for slot in parse_slot(first)?..=parse_slot(last)? {
        line.slots.insert(slot);
    }
    Some(())
}

fn parse_slot(text: &str) -> Option<u16> {
    text.parse().ok().filter(|&slot| slot < SLOTS)
}

/// The slots of all nodes, in a form that is the same for two replies that agree about them.
pub fn signature(lines: &[Line]) -> String {
    let mut nodes: Vec<String> = lines
        .iter()
        .filter(|line| !line.slots.is_empty())
        .map(|line| format!("{}:{}", line.id, line.slots.text()))
        .collect();
    nodes.sort_unstable();
    nodes.join("|")
}

#[cfg(test)]
mod tests {
    use super::{parse, signature};

    const A: &str = "aa 127.0.0.1:7000@17000,one.example myself,master - 0 1 3 connected 0-9 12 [93-<-bb] [77->-cc]\n\
        bb ::1:7001@17001 master,fail? - 0 1 2 disconnected 20\n\
        cc :0@0 slave,noaddr aa 0 1 18446744073709551615 connected\n";

    #[test]
    fn lines_are_taken_apart() {
        let lines = parse(A).expect("it is valid");
        let [a, b, c] = &lines[..] else {
            panic!("three lines")
        };
        assert!(a.is_myself && a.is_linked && !b.is_myself && !b.is_linked);
        assert_eq!(
            (a.host.as_str(), a.port, a.bus_port),
            ("127.0.0.1", 7000, Some(17000))
        );
        assert_eq!(a.hostname.as_deref(), Some("one.example"));
        assert_eq!((a.flags.join(","), a.epoch), ("master".to_owned(), 3));
        assert_eq!(a.slots.text(), "[0-9],[12]");
        assert_eq!(a.importing, [(93, "bb".to_owned())]);
        assert_eq!(a.migrating, [(77, "cc".to_owned())]);
        assert_eq!(
            (b.host.as_str(), b.port, b.hostname.as_deref()),
            ("::1", 7001, None)
        );
        assert!(b.has("fail?") && !b.has("fail"));
        assert_eq!((c.host.as_str(), c.port), ("", 0));
        assert_eq!(c.primary.as_deref(), Some("aa"));
        assert_eq!(c.epoch, u64::MAX);
    }

    #[test]
    fn older_and_newer_forms_are_taken() {
        let old = parse("aa 1.2.3.4:7 myself,master - 0 0 0 connected").expect("Redis 3");
        assert_eq!((old[0].port, old[0].bus_port), (7, None));
        let new = parse("aa 1.2.3.4:7@8,,shard-id=x master - 0 0 0 connected").expect("7.2");
        assert_eq!(new[0].hostname, None);
        let new = parse("aa 1.2.3.4:7@8,shard-id=x master - 0 0 0 connected").expect("7.2");
        assert_eq!(new[0].hostname, None);
        assert!(parse("").expect("no line").is_empty());
    }

    #[test]
    fn nonsense_is_refused() {
        for line in [
            "aa",
            "aa 1.2.3.4 master - 0 0 0 connected",
            "aa 1.2.3.4:x master - 0 0 0 connected",
            "aa 1.2.3.4:7@8 master - 0 0 x connected",
            "aa 1.2.3.4:7@8 master - 0 0 0",
            "aa 1.2.3.4:7@8 master - 0 0 0 connected 16384",
            "aa 1.2.3.4:7@8 master - 0 0 0 connected 1-99999",
            "aa 1.2.3.4:7@8 master - 0 0 0 connected [1",
            "aa 1.2.3.4:7@8 master - 0 0 0 connected [1-bb]",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn signatures_agree_about_slots_alone() {
        let of = |text: &str| signature(&parse(text).expect("it is valid"));
        let other = "bb ::1:7001@17001 myself,master - 0 1 2 connected 20\n\
            dd 1.1.1.1:1@1 master - 0 1 2 connected\n\
            aa 127.0.0.1:7000@17000 master - 0 1 3 connected 0-9 12\n";
        assert_eq!(of(A), of(other));
        assert_ne!(of(A), of(&other.replace("0-9", "0-8")));
        assert_ne!(of(A), of(&other.replace("aa ", "ab ")));
    }
}
