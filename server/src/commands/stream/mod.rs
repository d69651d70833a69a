//! Streams.

pub mod add;
pub mod claim;
pub mod edit;
pub mod group;
pub mod ids;
pub mod info;
pub mod pending;
pub mod propagate;
pub mod range;
pub mod read;
pub mod reply;
pub mod trim;
