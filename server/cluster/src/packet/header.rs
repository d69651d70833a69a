//! The header of a packet (`packet` has its layout).

use words::until_nul;

use crate::name::{NAME_LEN, Name};
use crate::node::{Flags, MAX_IP_LEN, is_ip_text};
use crate::packet::{HEADER_LEN, SIGNATURE, VERSION};
use crate::slots::{Bitmap, SLOT_BYTES};

/// Flag of a message: the sender is a primary that paused its clients for a manual failover.
const PAUSED: u8 = 1;
/// Flag of a message: vote although the primary has not failed.
const FORCE_ACK: u8 = 1 << 1;
/// Flag of a message: it has extensions.
pub(crate) const EXTENDED: u8 = 1 << 2;

/// Length of the field of an address; its last byte is 0.
pub(crate) const IP_FIELD: usize = MAX_IP_LEN + 1;

/// What a header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// Kind of the packet; unknown ones are accepted here.
    pub kind: u16,
    /// Port of clients by the transport of the bus.
    pub port: u16,
    /// Port of clients by the other transport.
    pub other_port: u16,
    /// Bus port.
    pub bus_port: u16,
    /// Current epoch.
    pub epoch: u64,
    /// Configuration epoch.
    pub config_epoch: u64,
    /// Replication offset.
    pub offset: i64,
    /// The sender.
    pub sender: Name,
    /// Slots.
    pub slots: Bitmap,
    /// The sender's primary.
    pub primary: Option<Name>,
    /// Announced address, empty if there is none.
    pub ip: &'a str,
    /// Flags of the sender.
    pub flags: Flags,
    /// Whether the sender's state of the cluster is `fail`.
    pub failing: bool,
    /// Whether the sender paused its clients for a manual failover.
    pub paused: bool,
    /// Whether votes are to be given although the primary has not failed.
    pub force_ack: bool,
}

/// Reads a number of 16 bits; the caller has checked the length.
pub(crate) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

/// Reads a number of 32 bits; the caller has checked the length.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut number = [0; 4];
    number.copy_from_slice(&bytes[at..at + 4]);
    u32::from_be_bytes(number)
}

/// Reads a number of 64 bits; the caller has checked the length.
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[at..at + 8]);
    u64::from_be_bytes(number)
}

/// Reads a name; the caller has checked the length.
pub(crate) fn name_at(bytes: &[u8], at: usize) -> Option<Name> {
    Name::parse(&bytes[at..at + NAME_LEN])
}

/// Reads slots; the caller has checked the length.
pub(crate) fn slots_at(bytes: &[u8], at: usize) -> Bitmap {
    let mut bitmap = [0; SLOT_BYTES];
    bitmap.copy_from_slice(&bytes[at..at + SLOT_BYTES]);
    Bitmap::from_bytes(&bitmap)
}

/// Reads the text of an address up to its first 0; the caller has checked the length.
pub(crate) fn ip_at(bytes: &[u8], at: usize) -> Option<&str> {
    let field = &bytes[at..at + MAX_IP_LEN];
    let text = Some(until_nul(field)).filter(|text| is_ip_text(text))?;
    std::str::from_utf8(text).ok()
}

/// Appends the text of an address.
pub(crate) fn push_ip(out: &mut Vec<u8>, ip: &str) {
    let ip = &ip.as_bytes()[..ip.len().min(MAX_IP_LEN)];
    out.extend_from_slice(ip);
    out.resize(out.len() + IP_FIELD - ip.len(), 0);
}

impl<'a> Header<'a> {
    /// Reads the header of a packet of at least [`HEADER_LEN`] bytes; `None` if a name or an address is invalid.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let primary = match &bytes[2128..2128 + NAME_LEN] {
            [0, ..] => None,
            _ => Some(name_at(bytes, 2128)?),
        };
        Some(Header {
            kind: u16_at(bytes, 12),
            port: u16_at(bytes, 10),
            other_port: u16_at(bytes, 2246),
            bus_port: u16_at(bytes, 2248),
            epoch: u64_at(bytes, 16),
            config_epoch: u64_at(bytes, 24),
            offset: u64_at(bytes, 32) as i64,
            sender: name_at(bytes, 40)?,
            slots: slots_at(bytes, 80),
            primary,
            ip: ip_at(bytes, 2168)?,
            flags: Flags::from_bits_retain(u16_at(bytes, 2250)),
            failing: bytes[2252] != 0,
            paused: bytes[2253] & PAUSED != 0,
            force_ack: bytes[2253] & FORCE_ACK != 0,
        })
    }

    /// A packet that has this header and no body, whose length and counts are yet to be set (`encode`).
    pub(crate) fn write(&self, capacity: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER_LEN + capacity);
        out.extend_from_slice(SIGNATURE);
        out.extend_from_slice(&0u32.to_be_bytes());
        for number in [VERSION, self.port, self.kind, 0] {
            out.extend_from_slice(&number.to_be_bytes());
        }
        for number in [self.epoch, self.config_epoch, self.offset as u64] {
            out.extend_from_slice(&number.to_be_bytes());
        }
        out.extend_from_slice(self.sender.as_bytes());
        out.extend_from_slice(self.slots.as_bytes());
        let primary = self.primary.as_ref().map_or(&[0; NAME_LEN], Name::as_bytes);
        out.extend_from_slice(primary);
        push_ip(&mut out, self.ip);
        out.resize(2246, 0);
        for number in [self.other_port, self.bus_port, self.flags.bits()] {
            out.extend_from_slice(&number.to_be_bytes());
        }
        let mut flags = if self.paused { PAUSED } else { 0 };
        if self.force_ack {
            flags |= FORCE_ACK;
        }
        out.extend_from_slice(&[u8::from(self.failing), flags, 0, 0]);
        out
    }
}
