//! The data set on disk.

pub mod aof;
pub mod bgsave;
pub mod check;
pub mod fork;
pub mod insert;
pub mod load;
pub mod rdb_file;
pub mod sink;
pub mod unlink;
