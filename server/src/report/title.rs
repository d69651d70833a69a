//! The process title of the server and its children.

use crate::config::title::expand;
use crate::server::Server;
use crate::sys::process;

/// Sets the process title from `proc-title-template`; `title` replaces `{title}`.
pub fn set_title(srv: &Server, title: &str) {
    if !srv.config.set_proc_title {
        return;
    }
    let config = &srv.config;
    let address = match config
        .bind
        .first()
        .map_or("*", |address| address.trim_start_matches('-'))
    {
        "" => "*",
        address => address,
    };
    let port = if config.port != 0 {
        config.port
    } else {
        config.tls_port
    };
    let listen = if port != 0 {
        format!("{address}:{port}")
    } else {
        config.unixsocket.clone()
    };
    let value = |name: &str| match name {
        "title" => Some(title.to_owned()),
        "listen-addr" => Some(listen.clone()),
        "server-mode" if config.cluster_enabled => Some("[cluster]".into()),
        "server-mode" => Some(String::new()),
        "port" => Some(config.port.to_string()),
        "tls-port" => Some(config.tls_port.to_string()),
        "unixsocket" => Some(config.unixsocket.clone()),
        "config-file" if srv.process.config_file.is_empty() => Some("-".into()),
        "config-file" => Some(srv.process.config_file.clone()),
        _ => None,
    };
    if let Some(text) = expand(&config.proc_title_template, value) {
        process::set_title(&text);
    }
}
