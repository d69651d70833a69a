//! The operating system: the only part of this crate that uses libc.

pub mod affinity;
pub mod child;
pub mod clock;
pub mod directory;
pub mod fault_context;
pub mod file_watch;
pub mod fragmentation;
pub mod host;
pub mod log;
pub mod mallctl;
pub mod memory;
pub mod process;
#[cfg(asan)]
mod system_malloc;
pub mod watchdog;
