//! The values of all directives, typed.
//!
//! One field per directive, with the directive's name; the `tls-*` directives that make up a TLS context are in `tls`.
//! Numbers are `i64` whatever their range, which the rows check (`config/rows`). [`Default`] takes the defaults from
//! the rows (`config/table`), so that each is written once.
//!
//! # Invariants
//! 1. [`Params::normalize`] has run since the last change.

use conn::tls::config::TlsConfig;

use crate::config::values::{
    AclPubsubDefault, Allow, AppendFsync, CertificateUser, DisklessLoad, EndpointType,
    EventClasses, MaxmemoryPolicy, OomScoreAdj, OutputLimit, PropagationError, SanitizeDumpPayload,
    SavePoint, ShutdownFlags, Supervised, UnknownUser,
};
use crate::sys::log::Level;

/// Minimum and maximum frequency of cron, per second.
const HZ_RANGE: (i64, i64) = (1, 500);
/// The smallest backlog, in bytes.
const MIN_BACKLOG: i64 = 16 * 1024;

/// Declares [`Params`] and its blank value: zero, empty, `no`.
macro_rules! params {
    ($($field:ident: $type:ty,)*) => {
        /// The values of all directives. Not `Debug`, since some are secrets.
        #[derive(Clone)]
        #[expect(missing_docs, reason = "each field is the directive of the same name")]
        pub struct Params {
            $(pub $field: $type,)*
        }

        impl Params {
            /// Zero, empty or `no` everywhere: the rows' defaults are applied on top.
            pub fn blank() -> Self {
                Params { $($field: Default::default(),)* }
            }
        }
    };
}

params! {
    acl_pubsub_default: AclPubsubDefault,
    aclfile: String,
    acllog_max_len: i64,
    active_defrag_cycle_max: i64,
    active_defrag_cycle_min: i64,
    active_defrag_ignore_bytes: i64,
    active_defrag_max_scan_fields: i64,
    active_defrag_threshold_lower: i64,
    active_defrag_threshold_upper: i64,
    active_expire_effort: i64,
    activedefrag: bool,
    activerehashing: bool,
    always_show_logo: bool,
    aof_disable_auto_gc: bool,
    aof_load_truncated: bool,
    aof_rewrite_cpulist: String,
    aof_rewrite_incremental_fsync: bool,
    aof_timestamp_enabled: bool,
    aof_use_rdb_preamble: bool,
    appenddirname: String,
    appendfilename: String,
    appendfsync: AppendFsync,
    appendonly: bool,
    auto_aof_rewrite_min_size: i64,
    auto_aof_rewrite_percentage: i64,
    bgsave_cpulist: String,
    bind: Vec<String>,
    bind_source_addr: String,
    bio_cpulist: String,
    busy_reply_threshold: i64,
    client_output_buffer_limit: [OutputLimit; 3],
    client_query_buffer_limit: i64,
    cluster_allow_pubsubshard_when_down: bool,
    cluster_allow_reads_when_down: bool,
    cluster_allow_replica_migration: bool,
    cluster_announce_bus_port: i64,
    cluster_announce_hostname: String,
    cluster_announce_human_nodename: String,
    cluster_announce_ip: String,
    cluster_announce_port: i64,
    cluster_announce_tls_port: i64,
    cluster_config_file: String,
    cluster_enabled: bool,
    cluster_link_sendbuf_limit: i64,
    cluster_migration_barrier: i64,
    cluster_node_timeout: i64,
    cluster_ping_interval: i64,
    cluster_port: i64,
    cluster_preferred_endpoint_type: EndpointType,
    cluster_replica_no_failover: bool,
    cluster_replica_validity_factor: i64,
    cluster_require_full_coverage: bool,
    crash_log_enabled: bool,
    crash_memcheck_enabled: bool,
    daemonize: bool,
    databases: i64,
    dbfilename: String,
    dir: String,
    disable_thp: bool,
    dynamic_hz: bool,
    enable_debug_command: Allow,
    enable_module_command: Allow,
    enable_protected_configs: Allow,
    hash_max_listpack_entries: i64,
    hash_max_listpack_value: i64,
    hll_sparse_max_bytes: i64,
    hz: i64,
    ignore_warnings: String,
    io_threads: i64,
    io_threads_do_reads: bool,
    jemalloc_bg_thread: bool,
    key_load_delay: i64,
    latency_monitor_threshold: i64,
    latency_tracking: bool,
    latency_tracking_info_percentiles: Vec<f64>,
    lazyfree_lazy_eviction: bool,
    lazyfree_lazy_expire: bool,
    lazyfree_lazy_server_del: bool,
    lazyfree_lazy_user_del: bool,
    lazyfree_lazy_user_flush: bool,
    lfu_decay_time: i64,
    lfu_log_factor: i64,
    list_compress_depth: i64,
    list_max_listpack_size: i64,
    loading_process_events_interval_bytes: i64,
    locale_collate: String,
    logfile: String,
    loglevel: Level,
    masterauth: Vec<u8>,
    masteruser: String,
    maxclients: i64,
    maxmemory: i64,
    maxmemory_clients: i64,
    maxmemory_eviction_tenacity: i64,
    maxmemory_policy: MaxmemoryPolicy,
    maxmemory_samples: i64,
    min_replicas_max_lag: i64,
    min_replicas_to_write: i64,
    no_appendfsync_on_rewrite: bool,
    notify_keyspace_events: EventClasses,
    oom_score_adj: OomScoreAdj,
    oom_score_adj_values: [i64; 3],
    pidfile: String,
    port: i64,
    proc_title_template: String,
    propagation_error_behavior: PropagationError,
    protected_mode: bool,
    proto_max_bulk_len: i64,
    rdb_del_sync_files: bool,
    rdb_key_save_delay: i64,
    rdb_save_incremental_fsync: bool,
    rdbchecksum: bool,
    rdbcompression: bool,
    rename_command: Vec<(String, String)>,
    repl_backlog_size: i64,
    repl_backlog_ttl: i64,
    repl_disable_tcp_nodelay: bool,
    repl_diskless_load: DisklessLoad,
    repl_diskless_sync: bool,
    repl_diskless_sync_delay: i64,
    repl_diskless_sync_max_replicas: i64,
    repl_ping_replica_period: i64,
    repl_timeout: i64,
    replica_announce_ip: String,
    replica_announce_port: i64,
    replica_announced: bool,
    replica_ignore_disk_write_errors: bool,
    replica_ignore_maxmemory: bool,
    replica_lazy_flush: bool,
    replica_priority: i64,
    replica_read_only: bool,
    replica_serve_stale_data: bool,
    replicaof: Option<(String, u16)>,
    requirepass: Vec<u8>,
    sanitize_dump_payload: SanitizeDumpPayload,
    save: Vec<SavePoint>,
    server_cpulist: String,
    set_max_intset_entries: i64,
    set_max_listpack_entries: i64,
    set_max_listpack_value: i64,
    set_proc_title: bool,
    shutdown_on_sigint: ShutdownFlags,
    shutdown_on_sigterm: ShutdownFlags,
    shutdown_timeout: i64,
    slowlog_log_slower_than: i64,
    slowlog_max_len: i64,
    socket_mark_id: i64,
    stop_writes_on_bgsave_error: bool,
    stream_node_max_bytes: i64,
    stream_node_max_entries: i64,
    supervised: Supervised,
    syslog_enabled: bool,
    syslog_facility: i32,
    syslog_ident: String,
    tcp_backlog: i64,
    tcp_keepalive: i64,
    timeout: i64,
    tls: TlsConfig,
    tls_auth_clients_user: CertificateUser,
    tls_auth_clients_user_unknown: UnknownUser,
    tls_auto_reload: bool,
    tls_cluster: bool,
    tls_crl_drop: bool,
    tls_migrate: bool,
    tls_mixed_port: bool,
    tls_peer_name_check: bool,
    tls_ticket_rotation: i64,
    tls_port: i64,
    tls_replication: bool,
    tracking_table_max_keys: i64,
    unixsocket: String,
    unixsocketperm: i64,
    use_exit_on_panic: bool,
    users: Vec<Vec<Vec<u8>>>,
    watchdog_period: i64,
    zset_max_listpack_entries: i64,
    zset_max_listpack_value: i64,
}

impl Params {
    /// Updates derived values; called after changes and before they are applied.
    pub fn normalize(&mut self) {
        // Values out of these ranges are clamped and not refused, as in Redis.
        self.hz = self.hz.clamp(HZ_RANGE.0, HZ_RANGE.1);
        self.repl_backlog_size = self.repl_backlog_size.max(MIN_BACKLOG);
        self.tls.outgoing_links = self.tls_replication || self.tls_cluster || self.tls_migrate;
    }

    /// The port of clients without TLS; 0 is none.
    pub fn plain_port(&self) -> i64 {
        if self.port == 0 && self.tls_mixed_port {
            self.tls_port
        } else {
            self.port
        }
    }

    /// How INFO and HELLO call the kind of server.
    pub fn mode(&self) -> &'static str {
        if self.cluster_enabled {
            "cluster"
        } else {
            "standalone"
        }
    }

    /// Whether a snapshot that was only written to be sent or received is deleted from the disk: `rdb-del-sync-files`, unless
    /// the data set is kept there anyway.
    pub fn deletes_sync_files(&self) -> bool {
        self.rdb_del_sync_files && self.save.is_empty() && !self.appendonly
    }

    /// Whether a TLS context is needed.
    pub fn uses_tls(&self) -> bool {
        self.tls_port != 0 || self.tls.outgoing_links
    }

    /// Warnings at start: settings that are stored but have no effect yet.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let [primary, replica, child] = self.oom_score_adj_values;
        if self.oom_score_adj != OomScoreAdj::No && (replica < primary || child < replica) {
            warnings.push(
                "oom-score-adj-values fall from a primary to a replica or a child: \
                 only a privileged process may lower its score"
                    .into(),
            );
        }
        if (1..1 << 20).contains(&self.maxmemory) {
            warnings.push(format!(
                "You specified a maxmemory value that is less than 1MB (current value is {} bytes). Are you sure this is \
                 what you really want?",
                self.maxmemory
            ));
        }
        warnings
    }
}
