//! The cluster's protocol without sockets, files and clock: a state machine that gets events and gives actions.
//!
//! # How it is driven
//!
//! The server owns a [`state::Cluster`] and passes events to it ([`core`]): a link was accepted, connected or closed,
//! bytes were received, 100 ms have passed, the loop is about to sleep. Each event carries [`action::Facts`]: the time
//! and what only the server knows. CLUSTER subcommands that change something are the functions of [`admin`] and
//! [`setslot`]; those that ask are methods of `Cluster`. Then the server takes actions until
//! [`state::Cluster::next_action`] has none.
//!
//! Nothing else goes in or out. With a seeded generator of random numbers the same events give the same actions, so a thousand
//! nodes can be simulated in one process, and a run that fails can be repeated.
//!
//! # Obligations of the server
//!
//! 1. Actions are done in their order. A `Save` is completed before a later `Send` reaches a socket.
//! 2. `before_sleep` is called in each turn of the loop in which an event was told, before actions are taken; after a CLUSTER
//!    command before its reply is sent.
//! 3. `Send` to a link that is still connecting is kept until it is connected.
//! 4. A change of the pause of clients is taken after bytes were received, before another event, and before actions.
//! 5. After `Close` the id of the link is not used again; events of unknown links are ignored.
//!
//! # Tests
//!
//! `tests/protocol` gives hand-made packets to one node and looks at its actions; `tests/sim` runs whole clusters on a
//! simulated clock and network; `tests/packets.rs` and `tests/conf.rs` compare with packets and files of Redis 7.2.6.
//!
//! # Where it differs from Redis 7.2.6
//!
//! * A packet with an invalid name, address or text is dropped; Redis would write it to nodes.conf.
//! * A connection that is refused counts as a PING without an answer: a node that was killed is suspected after one node
//!   timeout, in Redis after up to one and a half, and one that could never be connected not at all.
//! * Clients blocked on a primary that is demoted are sent to the new owner of their keys; Redis disconnects them.
//! * A `port` that is changed at run time is shown by this node, too; in Redis only the other nodes learn of it.
//! * Votes of an election count for that election only (`election`).
//! * A replica of a replica follows its primary's primary at once, not only when slots move (`ownership`).
//! * Impossible flags and roles in packets are ignored, and a circle of primaries causes no endless loop (`gossip`,
//!   `membership::root`).
//! * A packet on the link to a node that bears another name does not update that node (`receive`).
//! * A new link gets one PING, when it is connected; Redis may queue another before.
//! * Connections to nodes are begun a few at a time, and strangers that meet this node or only connect to it are limited in
//!   number (`cron`, `membership`): gossip and MEETs may bring any number of nodes that do not exist.
//! * nodes.conf with a number, range or flag that Redis never writes is refused; a replica whose shard differs from that of its
//!   primary is loaded with the right one (`file`, `load`).
//!
//! # Files, lowest floor first
//!
//! | floor | files |
//! |---|---|
//! | values | `ids` `name` `slots` `node` `nodes` `owners` `links` `settings` `action` `refusal` |
//! | packets | `packet/*` |
//! | the state | `state` |
//! | its relations | `membership`: the only code that changes both sides of one |
//! | parts | `epochs` `health` `manual` `role` `forgotten` `myself` `text` `file` `load` |
//! | what is sent | `send` |
//! | protocols | `failure` `ownership` `gossip` `election` `migration` |
//! | events and commands | `receive` `bus` `cron` `setslot` `admin` |
//! | the interface | `core` |

pub mod action;
pub mod admin;
mod bus;
pub mod core;
pub mod cron;
mod election;
mod epochs;
mod failure;
pub mod file;
mod forgotten;
mod gossip;
mod health;
pub mod ids;
pub mod links;
mod load;
mod manual;
pub mod membership;
mod migration;
mod myself;
pub mod name;
pub mod node;
pub mod nodes;
pub mod owners;
mod ownership;
pub mod packet;
mod receive;
pub mod refusal;
mod role;
mod send;
pub mod setslot;
pub mod settings;
pub mod slots;
pub mod state;
pub mod text;
