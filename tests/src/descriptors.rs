//! The limit of open file descriptors of this process.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Raises the limit to `wanted`, or as far as the hard limit allows; returns the new limit.
pub fn raise(wanted: u64) -> u64 {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("getrlimit succeeds");
    let new = wanted.clamp(soft, hard.max(soft));
    match setrlimit(Resource::RLIMIT_NOFILE, new, hard) {
        Ok(()) => new,
        Err(_) => soft,
    }
}
