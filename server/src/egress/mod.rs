//! Output of clients and replicas.

pub mod account;
pub mod flush;
pub mod push;
pub mod replica;
