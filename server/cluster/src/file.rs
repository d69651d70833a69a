//! nodes.conf: reading its lines. Writing them is `text`, building the cluster from them is `load`.
//!
//! A file has a line per node (`text`) and a line `vars currentEpoch N lastVoteEpoch N`. Lines of Redis 3 to 7.2 are read:
//! older ones have no `@busport`, no hostname and no fields after it.
//!
//! A line that Redis would not have written is an error, and so is one that only a careless reader accepts (a number with
//! text behind it, a range that ends before it begins): whoever edited the file by hand must learn of it.

use std::fmt;

use data::util::num::parse_u64;
use slot::SLOTS;
use words::split;

use crate::name::Name;
use crate::node::{Flags, is_hostname, is_human_name, is_ip_text};
use crate::slots::SlotSet;

/// Why a file cannot be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadError {
    /// Number of the line, from 1; 0 if the file as a whole is wrong.
    pub number: usize,
    /// The line.
    pub line: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number {
            0 => f.write_str(self.reason),
            number => write!(f, "line {number}: {}", self.reason),
        }
    }
}

/// What a file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct File {
    /// `currentEpoch`.
    pub epoch: u64,
    /// `lastVoteEpoch`.
    pub last_vote_epoch: u64,
    /// Variables that are unknown.
    pub unknown: Vec<String>,
    /// Lines of nodes with their numbers.
    pub nodes: Vec<(usize, Line)>,
}

/// A line about a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Name.
    pub name: Name,
    /// Address, empty if unknown.
    pub ip: String,
    /// The port before `@`.
    pub port: u16,
    /// The port behind it, if there is one.
    pub bus_port: Option<u16>,
    /// Name of the host.
    pub hostname: String,
    /// `shard-id`.
    pub shard: Option<Name>,
    /// `nodename`.
    pub human_name: String,
    /// `tcp-port`.
    pub tcp_port: Option<u16>,
    /// `tls-port`.
    pub tls_port: Option<u16>,
    /// Flags.
    pub flags: Flags,
    /// Name of the primary.
    pub primary: Option<Name>,
    /// Whether a PING was pending.
    pub ping_sent: bool,
    /// Whether a PONG was ever received.
    pub pong_received: bool,
    /// Configuration epoch.
    pub epoch: u64,
    /// Slots.
    pub slots: SlotSet,
    /// Slots that move to others.
    pub migrating: Vec<(u16, Name)>,
    /// Slots that come from others.
    pub importing: Vec<(u16, Name)>,
}

/// Reads the lines of a file.
pub fn parse(text: &[u8]) -> Result<File, LoadError> {
    let mut file = File::default();
    for (at, line) in text.split(|byte| *byte == b'\n').enumerate() {
        // Blank lines: Redis pads with them, and people edit.
        if line.is_empty() {
            continue;
        }
        let error = |reason| LoadError {
            number: at + 1,
            line: String::from_utf8_lossy(line).into_owned(),
            reason,
        };
        let words = split(line).map_err(|_| error("unbalanced quotes"))?;
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        match words.first() {
            None => {}
            Some(first) if first.eq_ignore_ascii_case(b"vars") => {
                vars(&mut file, &words[1..]).map_err(error)?;
            }
            Some(_) => {
                let node = node_line(&words).map_err(error)?;
                file.nodes.push((at + 1, node));
            }
        }
    }
    Ok(file)
}

fn vars(file: &mut File, words: &[&[u8]]) -> Result<(), &'static str> {
    let (pairs, []) = words.as_chunks::<2>() else {
        return Err("a variable has no value");
    };
    for [name, value] in pairs {
        let number = || parse_u64(value).ok_or("an epoch is not a number");
        if name.eq_ignore_ascii_case(b"currentEpoch") {
            file.epoch = number()?;
        } else if name.eq_ignore_ascii_case(b"lastVoteEpoch") {
            file.last_vote_epoch = number()?;
        } else {
            file.unknown
                .push(String::from_utf8_lossy(name).into_owned());
        }
    }
    Ok(())
}

fn node_line(words: &[&[u8]]) -> Result<Line, &'static str> {
    let [
        name,
        address,
        flags,
        primary,
        ping,
        pong,
        epoch,
        _link,
        slots @ ..,
    ] = words
    else {
        return Err("a node has fewer than eight fields");
    };
    let mut line = Line {
        name: Name::parse(name).ok_or("the name of a node is invalid")?,
        ip: String::new(),
        port: 0,
        bus_port: None,
        hostname: String::new(),
        shard: None,
        human_name: String::new(),
        tcp_port: None,
        tls_port: None,
        flags: parse_flags(flags)?,
        primary: None,
        ping_sent: is_time(ping)?,
        pong_received: is_time(pong)?,
        epoch: parse_u64(epoch).ok_or("an epoch is not a number")?,
        slots: SlotSet::new(),
        migrating: Vec::new(),
        importing: Vec::new(),
    };
    parse_address(&mut line, address)?;
    if *primary != b"-" {
        line.primary = Some(Name::parse(primary).ok_or("the name of a primary is invalid")?);
    }
    for word in slots {
        match word.first() {
            Some(b'[') => parse_move(&mut line, word)?,
            _ => parse_range(&mut line, word)?,
        }
    }
    Ok(line)
}

/// `ip:port[@busport][,hostname][,name=value]*`
fn parse_address(line: &mut Line, text: &[u8]) -> Result<(), &'static str> {
    let mut parts = text.split(|byte| *byte == b',');
    let address = parts.next().unwrap_or_default();
    let colon = address.iter().rposition(|byte| *byte == b':');
    let colon = colon.ok_or("an address has no port")?;
    line.ip = checked(&address[..colon], is_ip_text).ok_or("an address is invalid")?;
    let ports = &address[colon + 1..];
    match ports.iter().position(|byte| *byte == b'@') {
        Some(at) => {
            line.port = parse_port(&ports[..at])?;
            line.bus_port = Some(parse_port(&ports[at + 1..])?);
        }
        None => line.port = parse_port(ports)?,
    }
    let hostname = parts.next().unwrap_or_default();
    line.hostname = checked(hostname, is_hostname).ok_or("a hostname is invalid")?;
    for field in parts {
        let at = field.iter().position(|byte| *byte == b'=');
        let at = at.ok_or("a field of an address has no value")?;
        let value = &field[at + 1..];
        match &field[..at] {
            b"shard-id" => {
                line.shard = Some(Name::parse(value).ok_or("the name of a shard is invalid")?);
            }
            b"nodename" => {
                line.human_name = checked(value, is_human_name).ok_or("a nodename is invalid")?;
            }
            b"tcp-port" => line.tcp_port = Some(parse_port(value)?),
            b"tls-port" => line.tls_port = Some(parse_port(value)?),
            _ => return Err("a field of an address is unknown"),
        }
    }
    Ok(())
}

fn parse_flags(text: &[u8]) -> Result<Flags, &'static str> {
    let mut flags = Flags::empty();
    for word in text.split(|byte| *byte == b',') {
        if word.eq_ignore_ascii_case(b"noflags") {
            continue;
        }
        let known = Flags::SHOWN.iter();
        let mut known = known.filter(|(_, name)| word.eq_ignore_ascii_case(name.as_bytes()));
        flags |= known.next().ok_or("a flag is unknown")?.0;
    }
    if flags.contains(Flags::PRIMARY | Flags::REPLICA) {
        return Err("a node is both master and slave");
    }
    Ok(flags)
}

/// `first` or `first-last`
fn parse_range(line: &mut Line, word: &[u8]) -> Result<(), &'static str> {
    let (first, last) = match word.iter().position(|byte| *byte == b'-') {
        Some(at) => (parse_slot(&word[..at])?, parse_slot(&word[at + 1..])?),
        None => (parse_slot(word)?, parse_slot(word)?),
    };
    if first > last {
        return Err("a range of slots ends before it begins");
    }
    for slot in first..=last {
        line.slots.insert(slot);
    }
    Ok(())
}

/// `[slot->-name]` or `[slot-<-name]`
fn parse_move(line: &mut Line, word: &[u8]) -> Result<(), &'static str> {
    const REASON: &str = "the move of a slot is invalid";
    let inside = word
        .strip_prefix(b"[")
        .and_then(|word| word.strip_suffix(b"]"));
    let inside = inside.ok_or(REASON)?;
    let at = inside.iter().position(|byte| *byte == b'-').ok_or(REASON)?;
    let slot = parse_slot(&inside[..at])?;
    let (arrow, name) = inside[at..].split_at_checked(3).ok_or(REASON)?;
    let name = Name::parse(name).ok_or(REASON)?;
    match arrow {
        b"->-" => line.migrating.push((slot, name)),
        b"-<-" => line.importing.push((slot, name)),
        _ => return Err(REASON),
    }
    Ok(())
}

fn parse_slot(text: &[u8]) -> Result<u16, &'static str> {
    let slot = parse_u64(text).filter(|slot| *slot < u64::from(SLOTS));
    slot.map(|slot| slot as u16).ok_or("a slot is invalid")
}

fn parse_port(text: &[u8]) -> Result<u16, &'static str> {
    let port = parse_u64(text).and_then(|port| u16::try_from(port).ok());
    port.ok_or("a port is invalid")
}

/// Whether a time is other than 0.
fn is_time(text: &[u8]) -> Result<bool, &'static str> {
    let time = parse_u64(text).ok_or("a time is not a number")?;
    Ok(time != 0)
}

fn checked(text: &[u8], valid: impl Fn(&[u8]) -> bool) -> Option<String> {
    let text = valid(text).then_some(text)?;
    String::from_utf8(text.to_vec()).ok()
}
