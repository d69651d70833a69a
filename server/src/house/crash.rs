//! The crash report that a bug of this server leaves in the log.
//!
//! A panic and a fatal signal produce the same report, in the form that operators and tools know from Redis. The
//! failing thread writes it line by line with plain `write`s; then the process ends by the signal.
//!
//! # Invariants
//! 1. A failure while reporting ends the process at once.
//! 2. The pointer to the server is set once, by `main`, to a value that lives until the process ends. It is read only
//!    when the main thread itself has failed, so nothing else is changing the server.

#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};
use std::panic::PanicHookInfo;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering::SeqCst};
use std::{panic, process, ptr};

use crate::config::rewrite::debug_lines;
use crate::report::client_line::client_line;
use crate::report::sections;
use crate::server::Server;
use crate::sys::{fault_context, log};
use crate::warning;

/// Seconds that a report may take. One begun within the allocator could wait for its lock for ever.
const PATIENCE_S: u32 = 30;

/// The server, for the report.
static SERVER: AtomicPtr<Server> = AtomicPtr::new(ptr::null_mut());
/// A report was begun.
static REPORTING: AtomicBool = AtomicBool::new(false);

/// Whether crashes are reported (`crash-log-enabled`). What a panic says of itself is logged in any case.
static ENABLED: AtomicBool = AtomicBool::new(true);

/// Sets whether crashes are reported.
pub fn enable(enabled: bool) {
    ENABLED.store(enabled, SeqCst);
}

/// Installs the handlers that write a report about `srv`.
pub fn install(srv: &mut Server) {
    enable(srv.config.crash_log_enabled);
    SERVER.store(srv, SeqCst);
    // The first call loads a library, which a process that crashes may no longer be able to do.
    frames();
    panic::set_hook(Box::new(on_panic));
    let fatal = [
        libc::SIGSEGV,
        libc::SIGBUS,
        libc::SIGFPE,
        libc::SIGILL,
        libc::SIGABRT,
    ];
    for signal in fatal {
        // SAFETY: the handler reports and ends the process; SA_RESETHAND makes a second fault fatal.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = on_signal as SignalHandler as usize;
            action.sa_flags = libc::SA_RESETHAND | libc::SA_NODEFER | libc::SA_SIGINFO;
            libc::sigaction(signal, &raw const action, ptr::null_mut());
        }
    }
}

type SignalHandler = extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void);

fn on_panic(info: &PanicHookInfo<'_>) {
    let message = info
        .payload()
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| info.payload().downcast_ref::<String>().cloned())
        .unwrap_or_default();
    let place = info
        .location()
        .map_or_else(String::new, |at| format!("{}:{}", at.file(), at.line()));
    let reason = [
        "------------------------------------------------".into(),
        "!!! Software Failure. Press left mouse button to continue".into(),
        format!("Guru Meditation: {message} #{place}"),
        "------------------------------------------------".into(),
    ];
    report(&reason, "");
    process::abort();
}

extern "C" fn on_signal(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: both only change what becomes of the process.
    unsafe {
        libc::signal(libc::SIGALRM, libc::SIG_DFL);
        libc::alarm(PATIENCE_S);
    }
    if ENABLED.load(SeqCst) {
        // SAFETY: the kernel's own pointers.
        let (reason, registers) =
            unsafe { fault_context::describe(signal, info, context.cast_const().cast()) };
        report(&reason, &registers);
    }
    // SAFETY: the handler was reset, so this ends the process as the signal would have.
    unsafe { libc::raise(signal) };
}

fn report(reason: &[String], registers: &str) {
    if REPORTING.swap(true, SeqCst) {
        process::abort();
    }
    if !ENABLED.load(SeqCst) {
        return reason.iter().for_each(|line| warning!("{line}"));
    }
    log::raw(b"\n\n=== REDIS BUG REPORT START: Cut & paste starting from here ===\n");
    for line in reason {
        warning!("{line}");
    }
    log::raw(b"\n------ STACK TRACE ------\n");
    trace();
    if !registers.is_empty() {
        log::raw(b"\n------ REGISTERS ------\n");
        log::raw(registers.as_bytes());
    }
    let srv = SERVER.load(SeqCst);
    let on_main_thread = std::thread::current().name() == Some("main");
    if !srv.is_null() && on_main_thread {
        // SAFETY: invariant 2.
        about_server(unsafe { &*srv });
    }
    log::raw(
        b"\n=== REDIS BUG REPORT END. Make sure to include from START to END. ===\n\n       \
        Please report the crash.\n\n",
    );
}

/// The return addresses on the stack, and how many there are.
fn frames() -> ([*mut c_void; 100], c_int) {
    let mut frames = [ptr::null_mut(); 100];
    // SAFETY: the array bounds the number of frames.
    let count = unsafe { libc::backtrace(frames.as_mut_ptr(), frames.len() as c_int) };
    (frames, count)
}

fn trace() {
    let (frames, count) = frames();
    // SAFETY: `count` frames were stored; fd 1 or the log file takes the text.
    unsafe { libc::backtrace_symbols_fd(frames.as_ptr(), count, log::descriptor()) };
}

fn about_server(srv: &Server) {
    log::raw(b"\n------ INFO OUTPUT ------\n");
    log::raw(sections::everything(srv).as_bytes());
    log::raw(b"\n------ CLIENT LIST OUTPUT ------\n");
    for id in srv.clients.ids() {
        log::raw(client_line(srv, id).as_bytes());
        log::raw(b"\n");
    }
    if let Some(id) = srv.unit.client {
        log::raw(b"\n------ CURRENT CLIENT INFO ------\n");
        log::raw(client_line(srv, id).as_bytes());
        log::raw(b"\n");
    }
    log::raw(b"\n------ CONFIG DEBUG OUTPUT ------\n");
    log::raw(&debug_lines(&srv.config));
}

/// Crashes with a signal (DEBUG SEGFAULT).
pub fn provoke() {
    // SAFETY: raising a signal touches no memory; the process is to end.
    unsafe { libc::raise(libc::SIGSEGV) };
}
