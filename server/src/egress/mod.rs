//! Output of clients and replicas.

pub mod account;
pub mod flush;
pub mod invalidate;
pub mod limits;
pub mod publish;
pub mod push;
pub mod replica;
