//! Data structures: containers that know their elements only through a narrow trait.

pub mod item;
mod lines;
pub mod slab;
pub mod sorted;
pub mod table;
