//! Data structures: containers that know their elements only through a narrow trait.

mod lines;
pub mod slab;
pub mod table;
