//! The configuration: typed values, the rows of the directives, the file and how it is rewritten.

pub mod choice;
pub mod file;
pub mod limits;
pub mod params;
pub mod rewrite;
pub mod row;
pub mod rows;
pub mod special;
pub mod table;
pub mod title;
pub mod values;
