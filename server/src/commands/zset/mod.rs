//! Sorted sets.

pub mod algebra;
pub mod bounds;
pub mod elements;
pub mod pop;
pub mod random;
pub mod range;
