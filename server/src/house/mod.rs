//! Housekeeping: start, cron, before sleep, shutdown, crash report.

pub mod before_sleep;
pub mod certificates;
pub mod command_line;
pub mod crash;
pub mod cron;
pub mod logo;
pub mod revocation;
pub mod shutdown;
pub mod start;
pub mod supervision;
pub mod users;
