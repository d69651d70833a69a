//! temp
use super::params::*;
use crate::state::process::ProcessInfo;
use crate::sys::log::Level;
#[derive(Clone, Copy, Debug)] pub struct Pol; impl Pol { pub fn is_lfu(self)->bool{false} pub fn name(self)->&'static str{"noeviction"} }
pub enum Start { Say(String), Refuse(String), Serve(Box<Params>, ProcessInfo) }
pub fn parse(args: &[String]) -> Start {
    let mut p = Params { port: 6379, tls_port: 0, bind: vec!["*".into(), "-::*".into()], unixsocket: String::new(), unixsocketperm: 0, socket_mark_id: 0, tcp_backlog: 511, tcp_keepalive: 300, timeout: 0, maxclients: 10000, protected_mode: true, databases: 16, hz: 10, dynamic_hz: true, requirepass: String::new(), proto_max_bulk_len: 512<<20, client_query_buffer_limit: 1<<30, client_output_buffer_limit: Default::default(), maxmemory_clients: 0, tls: Default::default(), loglevel: Level::Notice, logfile: String::new(), enable_debug_command: Allow::Yes, enable_protected_configs: Allow::Yes, enable_module_command: Allow::No, lazyfree_lazy_expire: false, lazyfree_lazy_server_del: false, lazyfree_lazy_user_del: false, lazyfree_lazy_user_flush: false, active_expire_effort: 1, activerehashing: true, latency_tracking: true, maxmemory: 0, lfu_log_factor: 10, lfu_decay_time: 1, shutdown_on_sigint: Default::default(), shutdown_on_sigterm: Default::default(), dir: "./".into(), pidfile: String::new(), daemonize: false, supervised: Supervised::No, always_show_logo: false, set_proc_title: true, proc_title_template: "{title} {listen-addr} {server-mode}".into(), syslog_enabled: false, syslog_ident: "redis".into(), syslog_facility: 0, disable_thp: true, oom_score_adj: OomScoreAdj::No, oom_score_adj_values: [0,200,800], crash_log_enabled: true, crash_memcheck_enabled: false, jemalloc_bg_thread: true, latency_tracking_info_percentiles: vec![50.0,99.0,99.9], rename_command: vec![], maxmemory_policy: Pol, repl_backlog_size: 1048576 };
    let mut it = args[1..].iter();
    while let Some(a) = it.next() { let v = it.next().cloned().unwrap_or_default(); match a.as_str() {
        "--port" => p.port = v.parse().unwrap(), "--tls-port" => p.tls_port = v.parse().unwrap(), "--bind" => p.bind = vec![v],
        "--tls-cert-file" => p.tls.cert_file = Some(v), "--tls-key-file" => p.tls.key_file = Some(v), "--tls-ca-cert-file" => p.tls.ca_cert_file = Some(v),
        "--unixsocket" => p.unixsocket = v,
        "--tls-auth-clients" => p.tls.auth_clients = conn::tls::context::AuthClients::No, _ => {} } }
    Start::Serve(Box::new(p), ProcessInfo { executable: args[0].clone(), args: args.to_vec(), started_ms: crate::sys::clock::unix_ms(), run_id: "0".repeat(40), ..Default::default() })
}
