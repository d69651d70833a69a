//! INFO server.

use crate::config::choice::Choice;
use crate::report::info::Info;
use crate::server::Server;
use crate::state::listeners::Kind;
use crate::sys::{clock, process};

/// Writes the section.
pub fn write(srv: &Server, info: &mut Info) {
    let (system, release, machine) = process::uname();
    let uptime = (clock::unix_ms() - srv.process.started_ms) / 1000;
    info.field("redis_version", env!("CARGO_PKG_VERSION"));
    info.field("redis_git_sha1", "00000000");
    info.field("redis_git_dirty", 0);
    info.field("redis_build_id", "0");
    info.field("redis_mode", srv.config.mode());
    info.field("os", format_args!("{system} {release} {machine}"));
    info.field("arch_bits", usize::BITS);
    info.field("monotonic_clock", "POSIX clock_gettime");
    info.field("multiplexing_api", "epoll");
    info.field("atomicvar_api", "rust-atomics");
    info.field("gcc_version", "0.0.0");
    info.field("process_id", std::process::id());
    info.field("process_supervised", srv.process.supervised.word());
    info.field("run_id", &srv.process.run_id);
    let port = if srv.config.port != 0 {
        srv.config.port
    } else {
        srv.config.tls_port
    };
    info.field("tcp_port", port);
    info.field("server_time_usec", clock::unix_us());
    info.field("uptime_in_seconds", uptime);
    info.field("uptime_in_days", uptime / 86_400);
    info.field("hz", srv.config.hz);
    info.field("configured_hz", srv.config.hz);
    info.field("lru_clock", (srv.unit.now_s()) & 0xff_ffff);
    info.field("executable", &srv.process.executable);
    info.field("config_file", &srv.process.config_file);
    info.field("io_threads_active", 0);
    if let Some((_, end_ms)) = srv.shutdown.waiting {
        info.field("shutdown_in_milliseconds", end_ms - srv.unit.now_ms);
    }
    write_listeners(srv, info);
}

/// One line per kind of listener, with every address it is bound to. The number is that of the kind, as in Redis: a server
/// without a Unix socket has `listener0` and `listener2`.
fn write_listeners(srv: &Server, info: &mut Info) {
    let kinds = [
        (Kind::Tcp, srv.config.port),
        (Kind::Unix, 0),
        (Kind::Tls, srv.config.tls_port),
    ];
    for (number, (kind, port)) in kinds.into_iter().enumerate() {
        if !srv.listeners.open.iter().any(|open| open.kind == kind) {
            continue;
        }
        let binds: String = if kind == Kind::Unix {
            format!(",bind={}", srv.config.unixsocket)
        } else {
            srv.config
                .bind
                .iter()
                .map(|address| format!(",bind={address}"))
                .collect()
        };
        let port = if port == 0 {
            String::new()
        } else {
            format!(",port={port}")
        };
        info.field(
            format_args!("listener{number}"),
            format_args!("name={}{binds}{port}", kind.name()),
        );
    }
}
