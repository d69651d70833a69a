//! Moving keys between servers.

pub mod migrate;
