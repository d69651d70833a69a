//! When the tables of the process change their size.
//!
//! A child process shares the memory of its parent until one of them writes to it, so while there is one, tables write as few
//! pages as they can.

use std::sync::atomic::{AtomicU8, Ordering};

/// When tables start a resize, and whether they continue one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ResizePolicy {
    /// No restriction.
    Allow = 0,
    /// Tables start a resize only when nearly full: a child process is running, so every page written is copied.
    Avoid = 1,
}

/// The policy of all tables in the process.
static POLICY: AtomicU8 = AtomicU8::new(ResizePolicy::Allow as u8);

/// Sets the resize policy.
pub fn set_resize_policy(policy: ResizePolicy) {
    POLICY.store(policy as u8, Ordering::Relaxed);
}

/// The resize policy.
pub fn resize_policy() -> ResizePolicy {
    match POLICY.load(Ordering::Relaxed) {
        0 => ResizePolicy::Allow,
        _ => ResizePolicy::Avoid,
    }
}
