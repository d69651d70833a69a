//! The protocol: requests in, replies and faults out.

pub mod argv;
pub mod fault;
pub mod file_line;
pub mod header;
pub mod output;
pub mod reply;
pub mod request;
