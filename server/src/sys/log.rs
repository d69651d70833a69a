//! The log: one line is one `write`.
//!
//! A line is `PID:ROLE DD Mon YYYY HH:MM:SS.mmm LEVEL message`. The sink is a static, because background threads,
//! forked children and the crash report write to it. Each line is assembled in the writer's own memory and written
//! with one call in append mode, so lines of several writers never mix. A writer takes a read lock on the path of the
//! log file, which only CONFIG writes.
//!
//! A log file is opened for each line, so that it can be rotated by renaming.

#![allow(unsafe_code)]

use std::ffi::CString;
use std::fmt;
use std::fs::OpenOptions;
use std::io::Write;
use std::sync::RwLock;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering::Relaxed};

use crate::sys::clock;

/// Importance of a line; lines below `loglevel` are not written.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Level {
    /// For developers.
    Debug,
    /// Frequent, rarely useful.
    Verbose,
    /// What an operator wants in production.
    #[default]
    Notice,
    /// What an operator must see.
    Warning,
    /// Nothing is logged (only as a threshold).
    Nothing,
}

/// The writer: the letter behind the pid.
#[derive(Clone, Copy)]
pub enum Role {
    /// Before the role is known, and forked children.
    Child = b'C' as isize,
    /// A primary.
    Primary = b'M' as isize,
    /// A replica.
    Replica = b'S' as isize,
    /// A sentinel.
    Sentinel = b'X' as isize,
}

/// The system log's facilities that a server may use, by name.
pub const FACILITIES: [(&str, i32); 9] = [
    ("user", libc::LOG_USER),
    ("local0", libc::LOG_LOCAL0),
    ("local1", libc::LOG_LOCAL1),
    ("local2", libc::LOG_LOCAL2),
    ("local3", libc::LOG_LOCAL3),
    ("local4", libc::LOG_LOCAL4),
    ("local5", libc::LOG_LOCAL5),
    ("local6", libc::LOG_LOCAL6),
    ("local7", libc::LOG_LOCAL7),
];

struct Sink {
    threshold: AtomicU8,
    role: AtomicU8,
    syslog: AtomicBool,
    /// Path of the log file; `None` is standard output.
    file: RwLock<Option<String>>,
}

static SINK: Sink = Sink {
    threshold: AtomicU8::new(Level::Notice as u8),
    role: AtomicU8::new(Role::Child as u8),
    syslog: AtomicBool::new(false),
    file: RwLock::new(None),
};

/// Suppresses lines below `level`.
pub fn set_threshold(level: Level) {
    SINK.threshold.store(level as u8, Relaxed);
}

/// Sets the letter behind the pid.
pub fn set_role(role: Role) {
    SINK.role.store(role as u8, Relaxed);
}

/// Writes lines to `path`, or to standard output if it is empty.
///
/// # Errors
/// The file cannot be opened for appending; the log stays as it was.
pub fn set_file(path: &str) -> std::io::Result<()> {
    if !path.is_empty() {
        OpenOptions::new().create(true).append(true).open(path)?;
    }
    if let Ok(mut file) = SINK.file.write() {
        *file = (!path.is_empty()).then(|| path.to_owned());
    }
    Ok(())
}

/// Copies lines to syslog under `ident` and the facility's number.
pub fn open_syslog(ident: &str, facility: i32) {
    if let Ok(ident) = CString::new(ident) {
        // syslog keeps the pointer for the life of the process, so these few bytes are leaked.
        let ident = Box::leak(ident.into_boxed_c_str());
        // SAFETY: `ident` is a NUL-terminated string that lives for ever.
        unsafe {
            libc::openlog(
                ident.as_ptr(),
                libc::LOG_PID | libc::LOG_NDELAY | libc::LOG_NOWAIT,
                facility,
            );
        };
        SINK.syslog.store(true, Relaxed);
    }
}

/// Whether a line of this level would be written.
pub fn enabled(level: Level) -> bool {
    level as u8 >= SINK.threshold.load(Relaxed)
}

/// Writes one line. The macros `debug!`, `verbose!`, `notice!` and `warning!` call this.
pub fn line(level: Level, message: fmt::Arguments<'_>) {
    if enabled(level) {
        let mark = [b'.', b'-', b'*', b'#', b'#'][level as usize];
        let mut text = format!(
            "{}:{} ",
            std::process::id(),
            SINK.role.load(Relaxed) as char
        )
        .into_bytes();
        clock::log_stamp(&mut text);
        text.extend_from_slice(&[b' ', mark, b' ']);
        let start = text.len();
        let _ = text.write_fmt(message);
        if SINK.syslog.load(Relaxed) {
            to_syslog(level, &text[start..]);
        }
        text.push(b'\n');
        raw(&text);
    }
}

/// Writes bytes without a stamp: the logo, the crash report.
pub fn raw(bytes: &[u8]) {
    let file = SINK.file.try_read().ok().and_then(|file| file.clone());
    match file.and_then(|path| OpenOptions::new().create(true).append(true).open(path).ok()) {
        Some(mut file) => drop(file.write_all(bytes)),
        None => write_stdout(bytes),
    }
}

/// A descriptor of the log, for calls that need one: the newly opened file, or standard output.
pub fn descriptor() -> i32 {
    let path = SINK.file.try_read().ok().and_then(|file| file.clone());
    let file = path.and_then(|path| OpenOptions::new().create(true).append(true).open(path).ok());
    file.map_or(1, std::os::fd::IntoRawFd::into_raw_fd)
}

/// Whether lines go to standard output.
pub fn to_stdout() -> bool {
    SINK.file.read().map_or(true, |file| file.is_none())
}

fn write_stdout(mut bytes: &[u8]) {
    while !bytes.is_empty() {
        // SAFETY: the slice is valid for its length. Std's stdout would lock and buffer.
        let n = unsafe { libc::write(1, bytes.as_ptr().cast(), bytes.len()) };
        if n <= 0 {
            return;
        }
        bytes = &bytes[n as usize..];
    }
}

fn to_syslog(level: Level, message: &[u8]) {
    let priority = match level {
        Level::Debug => libc::LOG_DEBUG,
        Level::Verbose => libc::LOG_INFO,
        Level::Notice => libc::LOG_NOTICE,
        Level::Warning | Level::Nothing => libc::LOG_WARNING,
    };
    if let Ok(message) = CString::new(message) {
        // SAFETY: both are NUL-terminated; the format takes exactly one string.
        unsafe { libc::syslog(priority, c"%s".as_ptr(), message.as_ptr()) };
    }
}

/// Logs at a level. The arguments are only evaluated if the line is written.
#[macro_export]
macro_rules! log_at {
    ($level:ident, $($arg:tt)*) => {
        if $crate::sys::log::enabled($crate::sys::log::Level::$level) {
            $crate::sys::log::line($crate::sys::log::Level::$level, format_args!($($arg)*));
        }
    };
}
/// Logs at debug level.
#[macro_export]
macro_rules! debug { ($($arg:tt)*) => { $crate::log_at!(Debug, $($arg)*) } }
/// Logs at verbose level.
#[macro_export]
macro_rules! verbose { ($($arg:tt)*) => { $crate::log_at!(Verbose, $($arg)*) } }
/// Logs at notice level.
#[macro_export]
macro_rules! notice { ($($arg:tt)*) => { $crate::log_at!(Notice, $($arg)*) } }
/// Logs at warning level.
#[macro_export]
macro_rules! warning { ($($arg:tt)*) => { $crate::log_at!(Warning, $($arg)*) } }
