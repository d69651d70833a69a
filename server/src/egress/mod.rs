//! Output of clients and replicas.

pub mod flush;
pub mod push;
pub mod replica;
