//! Data structures: compact encodings, hash table, tree, slab. None knows keys, values or commands.

pub mod boxed;
pub mod hyperloglog;
pub mod intset;
pub mod item;
mod lines;
pub mod listpack;
pub mod node;
pub mod nodes;
pub mod quicklist;
pub mod relocation;
pub mod resize_policy;
pub mod slab;
pub mod sorted;
pub mod table;
pub mod thin;
