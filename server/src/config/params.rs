//! The values of all directives, typed.

use conn::tls::context::TlsConfig;

use crate::sys::log::Level;

/// `client-output-buffer-limit` of one class of clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutputLimit {
    /// Bytes at which a client is closed at once; 0 is no limit.
    pub hard: u64,
    /// Bytes at which it is closed after `soft_seconds`; 0 is no limit.
    pub soft: u64,
    /// See `soft`.
    pub soft_seconds: i64,
}

/// The classes of clients with output limits of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientClass {
    /// Everybody else.
    Normal = 0,
    /// Replicas.
    Replica = 1,
    /// Subscribers.
    PubSub = 2,
}

/// Who may use a protected command or directive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Allow {
    /// Nobody.
    #[default]
    No,
    /// Everybody.
    Yes,
    /// Clients of this machine.
    Local,
}

/// How SHUTDOWN, or a signal, was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShutdownFlags {
    /// Save even when no save points are configured.
    pub save: bool,
    /// Do not save.
    pub nosave: bool,
    /// Do not wait for replicas.
    pub now: bool,
    /// Go even when saving fails.
    pub force: bool,
}

/// `supervised`: who is told that the server is ready.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Supervised {
    /// Nobody.
    #[default]
    No,
    /// Whoever the environment names.
    Auto,
    /// systemd, over its notify socket.
    Systemd,
    /// upstart, by stopping once.
    Upstart,
}

/// `oom-score-adj`: whether the server sets its own score.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OomScoreAdj {
    /// The system's value stays.
    #[default]
    No,
    /// Values are added to what the process had at start.
    Relative,
    /// Values are set as they are.
    Absolute,
}

/// The values of all directives; a field bears its directive's name.
#[derive(Clone)]
pub struct Params {
    pub port: i64,
    pub tls_port: i64,
    pub bind: Vec<String>,
    pub unixsocket: String,
    pub unixsocketperm: i64,
    pub socket_mark_id: i64,
    pub tcp_backlog: i64,
    pub tcp_keepalive: i64,
    pub timeout: i64,
    pub maxclients: i64,
    pub protected_mode: bool,
    pub databases: i64,
    pub hz: i64,
    pub dynamic_hz: bool,
    pub requirepass: String,
    pub proto_max_bulk_len: i64,
    pub client_query_buffer_limit: i64,
    pub client_output_buffer_limit: [OutputLimit; 3],
    pub maxmemory_clients: i64,
    pub tls: TlsConfig,
    pub loglevel: Level,
    pub logfile: String,
    pub enable_debug_command: Allow,
    pub enable_protected_configs: Allow,
    pub enable_module_command: Allow,
    pub lazyfree_lazy_expire: bool,
    pub lazyfree_lazy_server_del: bool,
    pub lazyfree_lazy_user_del: bool,
    pub lazyfree_lazy_user_flush: bool,
    pub active_expire_effort: i64,
    pub activerehashing: bool,
    pub latency_tracking: bool,
    pub maxmemory: i64,
    pub lfu_log_factor: i64,
    pub lfu_decay_time: i64,
    pub shutdown_on_sigint: ShutdownFlags,
    pub shutdown_on_sigterm: ShutdownFlags,
    pub dir: String,
    pub pidfile: String,
    pub daemonize: bool,
    pub supervised: Supervised,
    pub always_show_logo: bool,
    pub set_proc_title: bool,
    pub proc_title_template: String,
    pub syslog_enabled: bool,
    pub syslog_ident: String,
    pub syslog_facility: i32,
    pub disable_thp: bool,
    pub oom_score_adj: OomScoreAdj,
    pub oom_score_adj_values: [i64; 3],
    pub crash_log_enabled: bool,
    pub crash_memcheck_enabled: bool,
    pub jemalloc_bg_thread: bool,
    pub latency_tracking_info_percentiles: Vec<f64>,
    pub rename_command: Vec<(String, String)>,
    pub maxmemory_policy: super::temp::Pol,
    pub repl_backlog_size: i64,
}
