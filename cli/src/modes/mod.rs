//! The modes of redis-cli that are not about a command of the user: `--scan`, `--bigkeys`, `--latency`, …

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
pub mod tls_check;
pub mod tls_info;
