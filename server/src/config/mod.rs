//! Directives: their rows, values, files.

pub mod params;
pub mod temp;
