//! The cluster's protocol without sockets, files and clock: a state machine that gets events and gives actions.
//!
//! # How it is driven
//!
//! The server owns a [`state::Cluster`] and tells it what happens ([`core`]): a link was accepted, connected or closed, bytes came,
//! 100 ms have passed, the loop is about to sleep. Each event carries [`action::Facts`]: the time and what only the server knows.
//! CLUSTER subcommands that change something are the functions of [`admin`] and [`setslot`]; those that ask are methods of
//! `Cluster`. Then the server takes actions until [`state::Cluster::next_action`] has none.
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
//! 4. After `Close` the id of the link is not used again; events of unknown links are ignored.
//!
//! # Files
//!
//! State: `ids`, `name`, `slots`, `node`, `nodes`, `owners`, `links`, `settings`, `action`, `state`. On top of it: `membership` (the only
//! code that changes both sides of a relation), `epochs`, `health`, `manual`, `role`, `forgotten`, `myself`, `text`, `file`, `load`, `failure`.
//! Then `setslot`, `admin` and, above all, `core`. Imports go from the end of this list to its begin.

pub mod action;
pub mod admin;
mod bus;
pub mod core;
mod cron;
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
mod role;
mod send;
pub mod setslot;
pub mod settings;
pub mod slots;
pub mod state;
pub mod text;
