//! Nouns: state that never names the server.

pub mod background;
pub mod blocked;
pub mod child;
pub mod client;
pub mod client_id;
pub mod clients;
pub mod debug;
pub mod keys;
pub mod listeners;
pub mod loading;
pub mod memory;
pub mod migration;
pub mod multi;
pub mod pauses;
pub mod process;
pub mod propagation;
pub mod replication;
pub mod shutdown;
pub mod slowdown;
pub mod snapshot;
pub mod stats;
pub mod tls;
pub mod unit;
pub mod watch;
