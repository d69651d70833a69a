//! Packets of the cluster bus, byte by byte. All numbers are big-endian.
//!
//! | offset | size | header |
//! |---|---|---|
//! | 0 | 4 | `RCmb` |
//! | 4 | 4 | length of the packet |
//! | 8 | 2 | version, 1 |
//! | 10 | 2 | port of clients, by `tls-cluster` that of TLS or of TCP |
//! | 12 | 2 | kind |
//! | 14 | 2 | number of gossip entries |
//! | 16 | 8 | current epoch |
//! | 24 | 8 | configuration epoch: of the primary, if the sender is a replica |
//! | 32 | 8 | replication offset |
//! | 40 | 40 | name of the sender |
//! | 80 | 2048 | slots: of the primary, if the sender is a replica |
//! | 2128 | 40 | name of its primary, or zeros |
//! | 2168 | 46 | its address as text, or zeros: that of the connection |
//! | 2214 | 2 | number of extensions |
//! | 2216 | 30 | zeros |
//! | 2246 | 2 | the other port of clients |
//! | 2248 | 2 | bus port |
//! | 2250 | 2 | flags of the sender |
//! | 2252 | 1 | state of the cluster: 0 ok, 1 fail |
//! | 2253 | 3 | flags of the message, of which the first byte is used |
//!
//! | kind | body |
//! |---|---|
//! | PING, PONG, MEET | gossip entries (`gossip`), then extensions (`extension`) |
//! | FAIL | name of the node that has failed |
//! | PUBLISH, PUBLISHSHARD | two lengths of 4 bytes, channel, message |
//! | UPDATE | configuration epoch, name, slots |
//! | MODULE | module id of 8 bytes, length of 4 bytes, type of 1 byte, payload |
//! | others | none |

pub mod decode;
pub mod encode;
pub mod extension;
pub mod gossip;
pub mod header;

/// The first bytes of a packet.
pub const SIGNATURE: &[u8; 4] = b"RCmb";

/// Version of the protocol.
pub const VERSION: u16 = 1;

/// Length of the header.
pub const HEADER_LEN: usize = 2256;

/// What a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Asks whether the receiver is alive; carries gossip.
    Ping,
    /// The answer to a PING or MEET; also sent unasked to announce a change.
    Pong,
    /// A PING that asks to become part of the cluster.
    Meet,
    /// A node has failed.
    Fail,
    /// A message for subscribers of all nodes.
    Publish,
    /// A replica asks for votes.
    AuthRequest,
    /// A vote.
    AuthAck,
    /// The slots of another node, for a receiver with an older configuration.
    Update,
    /// A replica asks its primary for a manual failover.
    ManualStart,
    /// A message between modules.
    Module,
    /// A message for subscribers of the shard.
    PublishShard,
}

impl Kind {
    /// All kinds with their names, in the order of their numbers.
    pub const ALL: [(Kind, &'static str); 11] = [
        (Kind::Ping, "ping"),
        (Kind::Pong, "pong"),
        (Kind::Meet, "meet"),
        (Kind::Fail, "fail"),
        (Kind::Publish, "publish"),
        (Kind::AuthRequest, "auth-req"),
        (Kind::AuthAck, "auth-ack"),
        (Kind::Update, "update"),
        (Kind::ManualStart, "mfstart"),
        (Kind::Module, "module"),
        (Kind::PublishShard, "publishshard"),
    ];

    /// The kind with a number.
    pub fn from_number(number: u16) -> Option<Kind> {
        Kind::ALL.get(usize::from(number)).map(|(kind, _)| *kind)
    }

    /// Its number.
    pub fn number(self) -> u16 {
        self as u16
    }

    /// Its name in CLUSTER INFO and in the log.
    pub fn name(self) -> &'static str {
        Kind::ALL[self as usize].1
    }
}

/// The name of the kind with a number.
pub fn kind_name(number: u16) -> &'static str {
    Kind::from_number(number).map_or("unknown", Kind::name)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::Kind;

    #[test]
    fn numbers_and_kinds_agree() {
        for number in 0..11 {
            assert_eq!(Kind::from_number(number).unwrap().number(), number);
        }
        assert_eq!(Kind::from_number(11), None);
        assert_eq!(Kind::PublishShard.name(), "publishshard");
    }
}
