//! Propagation: the stream of writes.

pub mod propagate;
pub mod replicas;
