//! Output of clients and replicas, and connections to other servers.

pub mod account;
pub mod dial;
pub mod flush;
pub mod held;
pub mod invalidate;
pub mod limits;
pub mod publish;
pub mod push;
pub mod release;
pub mod replica;
