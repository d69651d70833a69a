//! Operations on keys that commands share.

pub mod change;
pub mod defrag;
pub mod delete;
pub mod evict;
pub mod expire;
pub mod expired;
pub mod free;
pub mod lookup;
pub mod notify;
pub mod recency;
pub mod store;
