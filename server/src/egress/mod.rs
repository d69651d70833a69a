//! Bytes and messages on their way out.

pub mod flush;
pub mod push;
pub mod replica;
