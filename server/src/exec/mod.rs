//! From arguments to an executed command.

pub mod call;
pub mod gate;
pub mod nested;
pub mod obeyed;
pub mod observe;
pub mod options;
pub mod permission;
pub mod process;
pub mod redact;
pub mod refuse;
pub mod replay;
pub mod route;
pub mod transaction;
pub mod unblock;
