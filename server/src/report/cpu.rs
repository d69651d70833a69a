//! INFO cpu.

use crate::report::info::Info;
use crate::server::Server;
use crate::sys::host::{Who, cpu_seconds};

/// Writes the section.
pub fn write(_srv: &Server, info: &mut Info) {
    for (who, suffix) in [
        (Who::Process, ""),
        (Who::Children, "_children"),
        (Who::Thread, "_main_thread"),
    ] {
        let (system, user) = cpu_seconds(who);
        info.field(
            format_args!("used_cpu_sys{suffix}"),
            format_args!("{system:.6}"),
        );
        info.field(
            format_args!("used_cpu_user{suffix}"),
            format_args!("{user:.6}"),
        );
    }
}
