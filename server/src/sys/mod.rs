//! The system below: the only home of libc in this crate.

pub mod child;
pub mod clock;
pub mod host;
pub mod log;
pub mod memory;
pub mod process;
#[cfg(asan)]
mod system_malloc;
pub mod watchdog;
