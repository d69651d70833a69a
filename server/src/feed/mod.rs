//! What leaves this server as a stream of writes.

pub mod propagate;
pub mod replicas;
