//! Streams, by subject.

pub mod add;
pub mod edit;
pub mod ids;
pub mod range;
pub mod reply;
pub mod trim;
