//! Reading a packet that has arrived completely.
//!
//! A packet is refused as a whole if a count or length in it does not fit the packet, or if a name or text is invalid: it is
//! damaged or forged, and what it says could end up in nodes.conf. Every length is compared with the bytes that there are
//! before anything is read.

use crate::name::{NAME_LEN, Name};
use crate::packet::extension::{Broken, Extension};
use crate::packet::gossip::{GOSSIP_LEN, Gossip};
use crate::packet::header::{EXTENDED, Header, name_at, slots_at, u16_at, u32_at, u64_at};
use crate::packet::{HEADER_LEN, Kind, kind_name};
use crate::slots::{SLOT_BYTES, SlotSet};

/// A packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Its header.
    pub header: Header<'a>,
    /// Its body.
    pub body: Body<'a>,
}

/// The body of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body<'a> {
    /// PING, PONG or MEET.
    Ping {
        /// Gossip.
        gossip: Vec<Gossip<'a>>,
        /// Extensions.
        extensions: Vec<Extension<'a>>,
    },
    /// FAIL: who.
    Fail(Name),
    /// PUBLISH or PUBLISHSHARD.
    Publish {
        /// The channel.
        channel: &'a [u8],
        /// The message.
        message: &'a [u8],
    },
    /// UPDATE.
    Update {
        /// The configuration epoch of the node.
        config_epoch: u64,
        /// The node.
        name: Name,
        /// Its slots.
        slots: Box<SlotSet>,
    },
    /// MODULE; there are no modules here.
    Module,
    /// None.
    Empty,
    /// That of an unknown kind.
    Unknown,
}

/// Reads a packet whose length in the header is that of `bytes`, at least [`HEADER_LEN`]. The error is a line for the log.
pub fn decode(bytes: &[u8]) -> Result<Packet<'_>, String> {
    let number = u16_at(bytes, 12);
    let kind = Kind::from_number(number);
    let data = &bytes[HEADER_LEN..];
    let invalid = || format!("Received {} packet with invalid content", kind_name(number));
    let body = match kind {
        Some(Kind::Ping | Kind::Pong | Kind::Meet) => ping(bytes)?,
        Some(Kind::Fail) => {
            expect(bytes, NAME_LEN as u64)?;
            Body::Fail(name_at(data, 0).ok_or_else(invalid)?)
        }
        Some(Kind::Publish | Kind::PublishShard) => publish(bytes)?,
        Some(Kind::Update) => {
            expect(bytes, (8 + NAME_LEN + SLOT_BYTES) as u64)?;
            Body::Update {
                config_epoch: u64_at(data, 0),
                name: name_at(data, 8).ok_or_else(invalid)?,
                slots: Box::new(SlotSet::from(&slots_at(data, 8 + NAME_LEN))),
            }
        }
        Some(Kind::Module) => {
            let len = if data.len() < 13 { 0 } else { u32_at(data, 8) };
            expect(bytes, 13 + u64::from(len))?;
            Body::Module
        }
        Some(Kind::AuthRequest | Kind::AuthAck | Kind::ManualStart) => {
            expect(bytes, 0)?;
            Body::Empty
        }
        None => Body::Unknown,
    };
    let header = Header::read(bytes).ok_or_else(invalid)?;
    Ok(Packet { header, body })
}

/// Checks that a packet has a body of the given length.
fn expect(bytes: &[u8], body_len: u64) -> Result<(), String> {
    let expected = HEADER_LEN as u64 + body_len;
    if bytes.len() as u64 == expected {
        return Ok(());
    }
    Err(format!(
        "Received invalid {} packet of length {} but expected length {expected}",
        kind_name(u16_at(bytes, 12)),
        bytes.len()
    ))
}

fn publish(bytes: &[u8]) -> Result<Body<'_>, String> {
    let data = &bytes[HEADER_LEN..];
    let lens = match data.len() {
        0..8 => (0, 0),
        _ => (u32_at(data, 0), u32_at(data, 4)),
    };
    expect(bytes, 8 + u64::from(lens.0) + u64::from(lens.1))?;
    // The channel is not longer than the body, which has been compared.
    let (channel, message) = data[8..].split_at(lens.0 as usize);
    Ok(Body::Publish { channel, message })
}

fn ping(bytes: &[u8]) -> Result<Body<'_>, String> {
    let name = kind_name(u16_at(bytes, 12));
    let invalid = || format!("Received {name} packet with invalid content");
    let data = &bytes[HEADER_LEN..];
    let gossip_len = usize::from(u16_at(bytes, 14)) * GOSSIP_LEN;
    let Some((entries, mut rest)) = data.split_at_checked(gossip_len) else {
        return expect(bytes, gossip_len as u64).map(|()| Body::Empty);
    };
    let gossip: Option<Vec<Gossip<'_>>> =
        entries.chunks_exact(GOSSIP_LEN).map(Gossip::read).collect();
    let gossip = gossip.ok_or_else(invalid)?;
    let mut extensions = Vec::new();
    if bytes[2253] & EXTENDED != 0 {
        for _ in 0..u16_at(bytes, 2214) {
            let (extension, behind) = Extension::read(rest).map_err(|broken| match broken {
                Broken::Padding(len) => {
                    format!("Received a {name} packet without proper padding ({len} bytes)")
                }
                Broken::Length => format!(
                    "Received invalid {name} packet with extension data that exceeds total packet length ({})",
                    bytes.len()
                ),
                Broken::Content => invalid(),
            })?;
            extensions.push(extension);
            rest = behind;
        }
    }
    expect(bytes, (data.len() - rest.len()) as u64)?;
    Ok(Body::Ping { gossip, extensions })
}
