//! Gossip: what the sender of a PING knows about another node.
//!
//! | offset | size | |
//! |---|---|---|
//! | 0 | 40 | name |
//! | 40 | 4 | time of the pending PING in seconds, or 0 |
//! | 44 | 4 | time of the last PONG in seconds |
//! | 48 | 46 | address as text |
//! | 94 | 2 | port of clients by the transport of the bus |
//! | 96 | 2 | bus port |
//! | 98 | 2 | flags |
//! | 100 | 2 | port of clients by the other transport |
//! | 102 | 2 | zeros |

use crate::name::Name;
use crate::node::{Flags, Node};
use crate::packet::header::{ip_at, name_at, push_ip, u16_at, u32_at};

/// Length of an entry.
pub const GOSSIP_LEN: usize = 104;

/// An entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gossip<'a> {
    /// The node.
    pub name: Name,
    /// When the sender sent a PING that is not answered, in seconds, or 0.
    pub ping_sent_s: u32,
    /// When it answered the sender last, in seconds.
    pub pong_received_s: u32,
    /// Its address, empty if unknown.
    pub ip: &'a str,
    /// Port of clients by the transport of the bus.
    pub port: u16,
    /// Port of clients by the other transport.
    pub other_port: u16,
    /// Bus port.
    pub bus_port: u16,
    /// Flags that it has for the sender.
    pub flags: Flags,
}

impl<'a> Gossip<'a> {
    /// Reads an entry of [`GOSSIP_LEN`] bytes; `None` if its name or address is invalid.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        Some(Gossip {
            name: name_at(bytes, 0)?,
            ping_sent_s: u32_at(bytes, 40),
            pong_received_s: u32_at(bytes, 44),
            ip: ip_at(bytes, 48)?,
            port: u16_at(bytes, 94),
            bus_port: u16_at(bytes, 96),
            flags: Flags::from_bits_retain(u16_at(bytes, 98)),
            other_port: u16_at(bytes, 100),
        })
    }

    /// What is told about a node, on a bus with TLS or without.
    pub fn about(node: &'a Node, tls: bool) -> Self {
        Gossip {
            name: node.name,
            ping_sent_s: (node.ping_sent_ms / 1000) as u32,
            pong_received_s: (node.pong_received_ms / 1000) as u32,
            ip: &node.ip,
            port: node.port(tls),
            other_port: node.port(!tls),
            bus_port: node.bus_port,
            flags: node.flags,
        }
    }

    /// Appends the entry.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.name.as_bytes());
        out.extend_from_slice(&self.ping_sent_s.to_be_bytes());
        out.extend_from_slice(&self.pong_received_s.to_be_bytes());
        push_ip(out, self.ip);
        let flags = self.flags.bits();
        for number in [self.port, self.bus_port, flags, self.other_port, 0] {
            out.extend_from_slice(&number.to_be_bytes());
        }
    }

    /// The ports as (TCP, TLS).
    pub fn ports(&self, tls: bool) -> (u16, u16) {
        match tls {
            true => (self.other_port, self.port),
            false => (self.port, self.other_port),
        }
    }
}
