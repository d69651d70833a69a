//! Writing packets.

use crate::name::Name;
use crate::packet::extension::Extension;
use crate::packet::gossip::{GOSSIP_LEN, Gossip};
use crate::packet::header::{EXTENDED, Header};
use crate::slots::SlotSet;

/// A PING, PONG or MEET, by the kind in its header.
pub fn ping(header: &Header<'_>, gossip: &[Gossip<'_>], extensions: &[Extension<'_>]) -> Vec<u8> {
    let mut out = header.write(gossip.len() * GOSSIP_LEN + extensions.len() * 64);
    for entry in gossip {
        entry.write(&mut out);
    }
    for extension in extensions {
        extension.write(&mut out);
    }
    out[14..16].copy_from_slice(&(gossip.len() as u16).to_be_bytes());
    if !extensions.is_empty() {
        out[2214..2216].copy_from_slice(&(extensions.len() as u16).to_be_bytes());
        out[2253] |= EXTENDED;
    }
    finish(out)
}

/// A packet without a body.
pub fn empty(header: &Header<'_>) -> Vec<u8> {
    finish(header.write(0))
}

/// FAIL.
pub fn fail(header: &Header<'_>, name: &Name) -> Vec<u8> {
    let mut out = header.write(name.as_bytes().len());
    out.extend_from_slice(name.as_bytes());
    finish(out)
}

/// PUBLISH or PUBLISHSHARD, by the kind in its header; `None` if it is longer than a packet can be.
pub fn publish(header: &Header<'_>, channel: &[u8], message: &[u8]) -> Option<Vec<u8>> {
    let mut out = header.write(8 + channel.len() + message.len());
    for text in [channel, message] {
        out.extend_from_slice(&u32::try_from(text.len()).ok()?.to_be_bytes());
    }
    out.extend_from_slice(channel);
    out.extend_from_slice(message);
    u32::try_from(out.len()).is_ok().then(|| finish(out))
}

/// UPDATE.
pub fn update(header: &Header<'_>, config_epoch: u64, name: &Name, slots: &SlotSet) -> Vec<u8> {
    let mut out = header.write(2096);
    out.extend_from_slice(&config_epoch.to_be_bytes());
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(slots.bitmap().as_bytes());
    finish(out)
}

/// Sets the length.
fn finish(mut out: Vec<u8>) -> Vec<u8> {
    let len = (out.len() as u32).to_be_bytes();
    out[4..8].copy_from_slice(&len);
    out
}
