//! Nouns: state that never names the server.

pub mod background;
pub mod client;
pub mod clients;
pub mod debug;
pub mod keys;
pub mod listeners;
pub mod memory;
pub mod process;
pub mod shutdown;
pub mod stats;
pub mod tls;
pub mod unit;
