//! ACL: users and what they may do.

pub mod files;
pub mod inquiry;
pub mod log;
pub mod users;
