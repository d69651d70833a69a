//! Keys that move between servers.

pub mod migrate;
