//! The modes: what `redis-cli --something` does with a server instead of sending it commands.

pub mod bigkeys;
pub mod hotkeys;
pub mod intrinsic;
pub mod keys;
pub mod latency;
pub mod lru;
pub mod pipe;
pub mod retry;
pub mod scan;
pub mod stat;
pub mod sync;
