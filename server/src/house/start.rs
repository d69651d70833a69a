//! Starting the server: from a configuration to a server that accepts connections.

use std::io::IsTerminal;

use ae::event_loop::EventLoop;
use conn::admission::HandshakeLimits;
use conn::conns::Conns;

use crate::cluster::bus;
use crate::cluster::start::{adopt_keys, load as load_cluster};
use crate::config::params::Params;
use crate::config::values::{OomScoreAdj, Supervised};
use crate::house::before_sleep::{after_sleep, before_sleep};
use crate::house::cron::cron;
use crate::house::{certificates, crash, logo, supervision, users};
use crate::ingress::listen;
use crate::persist::aof::{self, manifest_file, switch};
use crate::persist::load;
use crate::replication::{primary, replica};
use crate::report::title::set_title;
use crate::server::{Commands, Hooks, Server};
use crate::state::acl::users::Acl;
use crate::state::aof::Aof;
use crate::state::background::Background;
use crate::state::clients::Clients;
use crate::state::keys::Keys;
use crate::state::listeners::Kind;
use crate::state::observers::Observers;
use crate::state::process::ProcessInfo;
use crate::state::replication::id::ReplId;
use crate::state::replication::link::Link;
use crate::state::replication::stream::Replication;
use crate::state::snapshot::Snapshot;
use crate::state::turn::Turn;
use crate::state::unit::Unit;
use crate::sys::affinity::{self, Processors};
use crate::sys::{host, log, memory, process, watchdog};
use crate::{notice, warning};

/// Descriptors that the server needs besides those of clients.
const RESERVED_DESCRIPTORS: u64 = 32;
/// Further descriptors that the loop can hold.
const SPARE_DESCRIPTORS: usize = 96;
/// Maximum number of concurrent TLS handshakes; further ones queue.
const HANDSHAKES_IN_FLIGHT: usize = 512;
/// TLS handshake steps per turn of the loop, each up to a millisecond of work.
const HANDSHAKES_PER_TURN: u32 = 8;
/// Microseconds of a turn of the loop after which no further step is begun. A request waits for two turns at most, so a storm
/// of handshakes delays it by less than 5 ms.
const HANDSHAKES_TURN_US: u64 = 600;
/// Deadline of a handshake, in milliseconds.
const HANDSHAKE_TIMEOUT_MS: u64 = 10_000;
/// Time after which unused pages are returned to the system, in milliseconds.
const PAGE_DECAY_MS: isize = 1000;

/// Changes to the working directory and opens the log, before anything is logged.
///
/// # Errors
/// A sentence: the directory cannot be entered, or the log file cannot be opened.
pub fn enter(config: &Params) -> Result<(), String> {
    enter_directory(config)?;
    open_log(config)
}

/// Runs a server, which has entered its directory, until it is shut down; `run` runs the loop.
///
/// # Errors
/// A sentence: the server cannot start.
pub fn serve(
    config: Params,
    mut info: ProcessInfo,
    commands: Commands,
    run: fn(&mut Server),
) -> Result<(), String> {
    info.supervised = supervision::begin(config.supervised);
    if config.daemonize && info.supervised == Supervised::No {
        process::daemonize().map_err(|error| format!("Cannot go into the background: {error}"))?;
    }
    process::install_signals().map_err(|error| format!("Cannot handle signals: {error}"))?;
    announce(&info);
    if !host::set_collation(&config.locale_collate) {
        return Err("Failed to configure LOCALE for invalid locale name.".into());
    }
    let srv = build(config, info, commands)?;
    // The process exits, so a big data set is not freed key by key.
    let srv = Box::leak(Box::new(srv));
    crash::install(srv);
    open(srv)?;
    srv.aof.manifest = manifest_file::load(&srv.config.appenddirname, &srv.config.appendfilename)?;
    let loaded = if srv.config.appendonly {
        aof::load::at_start(srv)
    } else {
        load::at_start(srv)
    };
    match loaded {
        Ok(()) => {}
        Err(Some(sentence)) => return Err(sentence),
        Err(None) => return Ok(()),
    }
    switch::open_at_start(srv)?;
    adopt_keys(srv);
    let processors = Processors::listed("server_cpulist", &srv.config.server_cpulist);
    affinity::bind(processors);
    be_ready(srv);
    run(srv);
    Ok(())
}

fn announce(info: &ProcessInfo) {
    if host::overcommit() == Some(0) {
        warning!(
            "WARNING Memory overcommit must be enabled! Without it, a background save or replication may fail under low \
             memory condition. Being disabled, it can also cause failures without low memory condition, see \
             https://github.com/jemalloc/jemalloc/issues/1328. To fix this issue add 'vm.overcommit_memory = 1' to \
             /etc/sysctl.conf and then reboot or run the command 'sysctl vm.overcommit_memory=1' for this to take effect."
        );
    }
    notice!("oO0OoO0OoO0Oo Redis is starting oO0OoO0OoO0Oo");
    notice!(
        "Redis version={}, bits={}, commit=00000000, modified=0, pid={}, just started",
        env!("CARGO_PKG_VERSION"),
        usize::BITS,
        std::process::id()
    );
    if info.config_file.is_empty() && info.args.len() <= 1 {
        warning!(
            "Warning: no config file specified, using the default config. In order to specify a config file use {} /path/to/redis.conf",
            info.executable
        );
    } else {
        notice!("Configuration loaded");
    }
}

fn handshake_limits() -> HandshakeLimits {
    HandshakeLimits {
        handshakes_in_flight: HANDSHAKES_IN_FLIGHT,
        handshakes_per_turn: HANDSHAKES_PER_TURN,
        handshakes_turn_us: HANDSHAKES_TURN_US,
        handshake_timeout_ms: HANDSHAKE_TIMEOUT_MS,
        ..HandshakeLimits::default()
    }
}

/// Creates the state of the server without opening anything.
///
/// # Errors
/// A sentence: the event loop cannot be created, or the system allows too few descriptors.
pub fn build(
    mut config: Params,
    process: ProcessInfo,
    mut commands: Commands,
) -> Result<Server, String> {
    let seed = u64::from_le_bytes(process::random_bytes());
    adjust_databases(&mut config);
    data::util::hash::set_seed(process::random_bytes());
    let descriptors = adjust_descriptors(&mut config)?;
    rename(&mut commands, &config);
    let mut turn = Turn::default();
    let now_ms = turn.refresh();
    turn.began_us = turn.clock_ns / 1000;
    let now = now_ms / 1000;
    let el = EventLoop::new(descriptors)
        .map_err(|error| format!("Cannot create the event loop: {error}"))?;
    let processors = Processors::listed("bio_cpulist", &config.bio_cpulist);
    let processors = processors.or_else(Processors::of_this_thread);
    Ok(Server {
        hooks: Hooks {
            replica_gone: primary::cron::replica_gone,
            primary_gone: replica::link::primary_gone,
            bus_acceptable: bus::on_acceptable,
        },
        aof: Aof::new(el.waker(), processors),
        el,
        conns: Conns::new(handshake_limits()),
        listeners: Default::default(),
        clients: Clients::default(),
        keys: Keys::new(config.databases as usize, config.cluster_enabled, seed),
        eviction: Default::default(),
        defrag: Default::default(),
        cluster: None,
        watch: Default::default(),
        pubsub: Default::default(),
        tracking: Default::default(),
        blocked: Default::default(),
        pauses: Default::default(),
        wakeup: Default::default(),
        turn,
        unit: Unit {
            now_ms,
            ..Unit::default()
        },
        stats: Default::default(),
        slowlog: Default::default(),
        latency: Default::default(),
        observers: Observers::new(
            config.slowlog_log_slower_than,
            config.latency_monitor_threshold,
        ),
        acl: Acl::new(&config.requirepass),
        commands,
        tls: Default::default(),
        background: Background::start(processors),
        memory: Default::default(),
        migration: Default::default(),
        process,
        snapshot: Snapshot::new(now),
        child: None,
        propagation: Default::default(),
        replication: Replication::new(ReplId::new(process::random_bytes()), now),
        scripts: Default::default(),
        shutdown: Default::default(),
        debug: Default::default(),
        config,
    })
}

/// A node of a cluster has one database.
fn adjust_databases(config: &mut Params) {
    if config.cluster_enabled && config.databases > 1 {
        let before = std::mem::replace(&mut config.databases, 1);
        warning!(
            "WARNING: Changing databases number from {before} to 1 since we are in cluster mode"
        );
    }
}

/// Raises the limit of descriptors for `maxclients`, or lowers `maxclients` to what the system allows. Returns how
/// many descriptors the loop must hold.
///
/// # Errors
/// A sentence: the server's own descriptors would use up all that the system allows.
fn adjust_descriptors(config: &mut Params) -> Result<usize, String> {
    match raise_descriptors(config) {
        Ok(()) => {}
        Err((got, 0)) => {
            let wanted = config.maxclients as u64 + RESERVED_DESCRIPTORS;
            return Err(format!(
                "Your current 'ulimit -n' of {got} is not enough for the server to start. Please increase your open file limit \
                 to at least {wanted}. Exiting."
            ));
        }
        Err((_, possible)) => config.maxclients = possible as i64,
    }
    Ok(loop_size(config))
}

/// Raises the limit of descriptors for `maxclients`, and makes room for them in the kernel's table.
///
/// # Errors
/// The system allows this many descriptors, so there can be that many clients only. The reason was logged, unless there
/// can be none.
fn raise_descriptors(config: &Params) -> Result<(), (u64, u64)> {
    let wanted = config.maxclients as u64 + RESERVED_DESCRIPTORS;
    let raised = process::raise_descriptors(wanted);
    let limit = raised.map_or_else(|(got, _)| got, |()| wanted);
    process::reserve_descriptors(limit);
    let Err((got, error)) = raised else {
        return Ok(());
    };
    let possible = got.saturating_sub(RESERVED_DESCRIPTORS);
    if possible == 0 {
        return Err((got, 0));
    }
    warning!(
        "You requested maxclients of {} requiring at least {wanted} max file descriptors.",
        config.maxclients
    );
    let why = host::reason(&error.into());
    warning!("Server can't set maximum open files to {wanted} because of OS error: {why}.");
    warning!(
        "Current maximum open files is {got}. maxclients has been reduced to {possible} to compensate for low ulimit. If you \
         need higher maxclients increase 'ulimit -n'."
    );
    Err((got, possible))
}

fn loop_size(config: &Params) -> usize {
    config.maxclients as usize + RESERVED_DESCRIPTORS as usize + SPARE_DESCRIPTORS
}

/// Raises the limits for `maxclients` while the server runs.
///
/// # Errors
/// A sentence: the system does not allow that many descriptors.
pub fn make_room(srv: &mut Server) -> Result<(), String> {
    raise_descriptors(&srv.config).map_err(|(_, possible)| {
        format!(
            "The operating system is not able to handle the specified number of clients, try with {possible}"
        )
    })?;
    let size = loop_size(&srv.config);
    if srv.el.setsize() >= size || srv.el.resize(size) {
        return Ok(());
    }
    Err(
        "The event loop API used by Redis is not able to handle the specified number of clients"
            .into(),
    )
}

/// Applies `rename-command`.
fn rename(commands: &mut Commands, config: &Params) {
    for (old, new) in &config.rename_command {
        let Some(id) = table::lookup(old.as_bytes()) else {
            continue;
        };
        commands.hidden.push(id);
        if !new.is_empty() {
            commands
                .renamed
                .push((new.to_ascii_lowercase().into_bytes(), id));
        }
    }
}

fn enter_directory(config: &Params) -> Result<(), String> {
    std::env::set_current_dir(&config.dir)
        .map_err(|error| format!("Can't chdir to '{}': {}", config.dir, host::reason(&error)))
}

fn open_log(config: &Params) -> Result<(), String> {
    log::set_threshold(config.loglevel);
    log::set_file(&config.logfile).map_err(|error| {
        format!(
            "Can't open the log file: {}: {}",
            config.logfile,
            host::reason(&error)
        )
    })?;
    if config.syslog_enabled {
        log::open_syslog(&config.syslog_ident, config.syslog_facility);
    }
    Ok(())
}

/// Opens sockets and files, logs the start, and installs cron in the loop.
///
/// # Errors
/// A sentence: the server must not run like this.
pub fn open(srv: &mut Server) -> Result<(), String> {
    match srv.config.replicaof.clone() {
        Some((host, port)) => {
            srv.replication.link = Some(Box::new(Link::new(host, port)));
            log::set_role(log::Role::Replica);
        }
        None => log::set_role(log::Role::Primary),
    }
    set_title(srv, &srv.process.executable);
    notice!("monotonic clock: POSIX clock_gettime");
    set_watchdog(srv);
    memory::set_background_thread(srv.config.jemalloc_bg_thread);
    memory::set_decay(PAGE_DECAY_MS);
    if srv.config.uses_tls() || srv.config.tls.cert_file.is_some() {
        certificates::load(srv).map_err(|error| format!("Failed to configure TLS: {error}"))?;
    }
    load_cluster(srv)?;
    users::load_at_start(srv)?;
    listen::open_all(srv)?;
    // Who has seen the process id may connect: Redis's suite before 7.2 waits for no more than that.
    show_banner(srv);
    write_pidfile(srv);
    // The reason was logged, and the server can run without it.
    let _ = adjust_oom_score(srv);
    warn_about_system(srv);
    for sentence in srv.config.warnings() {
        warning!("WARNING: {sentence}");
    }
    srv.el.set_before_sleep(before_sleep);
    srv.el.set_after_sleep(after_sleep);
    srv.el.add_timer(1, cron, 0);
    srv.memory.startup = memory::used();
    srv.memory.refresh();
    notice!("Server initialized");
    Ok(())
}

/// Announces that the server is ready.
fn be_ready(srv: &mut Server) {
    for kind in [Kind::Tcp, Kind::Unix, Kind::Tls] {
        if srv.listeners.open.iter().any(|open| open.kind == kind) {
            notice!("Ready to accept connections {}", kind.name());
        }
    }
    supervision::ready(srv);
}

fn show_banner(srv: &Server) {
    let terminal = log::to_stdout() && std::io::stdout().is_terminal();
    if srv.config.always_show_logo || (terminal && !srv.config.syslog_enabled) {
        logo::show(srv);
    } else {
        let port = if srv.config.port != 0 {
            srv.config.port
        } else {
            srv.config.tls_port
        };
        notice!("Running mode={}, port={port}.", srv.config.mode());
    }
}

fn write_pidfile(srv: &mut Server) {
    let config = &mut srv.config;
    let background = config.daemonize && srv.process.supervised == Supervised::No;
    if config.pidfile.is_empty() && background {
        config.pidfile = "/var/run/redis.pid".into();
    }
    if !config.pidfile.is_empty() {
        match process::write_pidfile(&config.pidfile) {
            Ok(()) => srv.process.wrote_pidfile = true,
            Err(error) => warning!(
                "Failed to write PID file {}: {}",
                config.pidfile,
                host::reason(&error)
            ),
        }
    }
}

/// Applies `watchdog-period`, which is at least two calls of cron.
pub fn set_watchdog(srv: &mut Server) {
    let period = &mut srv.config.watchdog_period;
    if *period > 0 {
        *period = (*period).max(2 * 1000 / srv.config.hz);
    }
    watchdog::set(*period);
}

/// Applies `oom-score-adj` for the current role; when it is switched off, the original score is restored.
///
/// # Errors
/// A sentence: the system refuses. The reason was logged.
pub fn adjust_oom_score(srv: &mut Server) -> Result<(), String> {
    let base = srv.process.oom_score_base;
    let used = srv.config.oom_score_adj != OomScoreAdj::No;
    if !used && base.is_none() {
        return Ok(());
    }
    let base = base.or_else(host::oom_score_adj).unwrap_or(0);
    srv.process.oom_score_base = used.then_some(base);
    let class = usize::from(srv.replication.is_replica());
    let score = srv.process.oom_score(&srv.config, class).unwrap_or(base);
    host::set_oom_score_adj(score).map_err(|error| {
        warning!("Unable to write oom_score_adj: {}", host::reason(&error));
        "Failed to set current oom_score_adj. Check server logs.".into()
    })
}

/// Warns about system settings that cause trouble.
fn warn_about_system(srv: &Server) {
    if srv.config.tcp_backlog as i32 > host::somaxconn().unwrap_or(i32::MAX) {
        warning!(
            "WARNING: The TCP backlog setting of {} cannot be enforced because /proc/sys/net/core/somaxconn is set to \
             the lower value of {}.",
            srv.config.tcp_backlog,
            host::somaxconn().unwrap_or(0)
        );
    }
    if host::huge_pages_always() && !(srv.config.disable_thp && host::disable_huge_pages()) {
        warning!(
            "WARNING You have Transparent Huge Pages (THP) support enabled in your kernel. This will create latency and \
             memory usage issues. Set it to 'madvise' in /sys/kernel/mm/transparent_hugepage/enabled."
        );
    }
}
