//! Output of clients and replicas.

pub mod account;
pub mod flush;
pub mod held;
pub mod invalidate;
pub mod limits;
pub mod publish;
pub mod push;
pub mod release;
pub mod replica;
