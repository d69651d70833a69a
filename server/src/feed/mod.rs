//! Propagation: the stream of writes.

pub mod aof;
pub mod propagate;
pub mod replicas;
