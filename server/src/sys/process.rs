//! This process: signals, title, daemon mode, supervision, descriptors.

#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char, c_int};
use std::fs::{self, File};
use std::io;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicUsize, Ordering::Relaxed};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::unistd::close;

/// The signal that asked for a shutdown; 0 for none.
static SHUTDOWN_SIGNAL: AtomicI32 = AtomicI32::new(0);
/// The file that a second interrupt removes: the snapshot being written. Never freed once set, since a signal may
/// arrive on any thread.
static UNFINISHED: AtomicPtr<c_char> = AtomicPtr::new(ptr::null_mut());
/// Whether that file is being written.
static WRITING: AtomicBool = AtomicBool::new(false);
/// Address and size of the memory in which the kernel keeps arguments and environment.
static TITLE_START: AtomicPtr<c_char> = AtomicPtr::new(ptr::null_mut());
static TITLE_ROOM: AtomicUsize = AtomicUsize::new(0);

/// Measures the room for a process title before `main`, while the original pointers are available.
extern "C" fn note_arguments(argc: c_int, argv: *mut *mut c_char, envp: *mut *mut c_char) {
    // SAFETY: the loader passes the arrays that `execve` laid out: NUL-terminated strings, one behind the other.
    unsafe {
        let start = if argc > 0 { *argv } else { ptr::null_mut() };
        if start.is_null() {
            return;
        }
        let mut end = start;
        let strings = (0..argc as usize)
            .map(|i| *argv.add(i))
            .chain((0..).map(|i| *envp.add(i)).take_while(|s| !s.is_null()));
        for string in strings {
            if string == end || string == start {
                end = string.add(CStr::from_ptr(string).to_bytes_with_nul().len());
            }
        }
        TITLE_START.store(start, Relaxed);
        TITLE_ROOM.store(end.offset_from(start) as usize, Relaxed);
    }
}

#[used]
#[unsafe(link_section = ".init_array")]
static NOTE_ARGUMENTS: extern "C" fn(c_int, *mut *mut c_char, *mut *mut c_char) = note_arguments;

/// Moves the environment to the heap, so that [`set_title`] may overwrite it. Must be called first in `main`, after
/// the arguments were copied.
pub fn reserve_title() {
    for (name, value) in std::env::vars_os().collect::<Vec<_>>() {
        // SAFETY: no other thread runs yet. Setting a variable anew copies it to the heap.
        unsafe {
            std::env::remove_var(&name);
            std::env::set_var(&name, &value);
        }
    }
}

/// Sets the title that `ps` shows.
pub fn set_title(title: &str) {
    let (start, room) = (TITLE_START.load(Relaxed), TITLE_ROOM.load(Relaxed));
    if start.is_null() || room < 2 {
        return;
    }
    let len = title.len().min(room - 1);
    // SAFETY: `room` bytes from `start` are ours: arguments that were copied and an environment that moved.
    unsafe {
        ptr::write_bytes(start, 0, room);
        ptr::copy_nonoverlapping(title.as_ptr().cast(), start, len);
    }
}

extern "C" fn on_shutdown_signal(signal: c_int) {
    // A second SIGINT exits at once: the operator is waiting at the terminal.
    if SHUTDOWN_SIGNAL.swap(signal, Relaxed) == libc::SIGINT && signal == libc::SIGINT {
        // SAFETY: unlink and _exit are async-signal-safe; the name is NUL-terminated and lives for ever.
        unsafe {
            let unfinished = UNFINISHED.load(Relaxed);
            if WRITING.load(Relaxed) && !unfinished.is_null() {
                libc::unlink(unfinished);
            }
            libc::_exit(1)
        };
    }
}

/// Names the file that a second interrupt removes; it always has the same name.
pub fn begin_writing(name: &str) {
    if UNFINISHED.load(Relaxed).is_null()
        && let Ok(name) = CString::new(name)
    {
        UNFINISHED.store(name.into_raw(), Relaxed);
    }
    WRITING.store(true, Relaxed);
}

/// The file is complete, or gone.
pub fn end_writing() {
    WRITING.store(false, Relaxed);
}

/// Installs handlers: TERM and INT request a shutdown; HUP, PIPE and XFSZ are ignored.
///
/// # Errors
/// The system refuses a handler.
pub fn install_signals() -> nix::Result<()> {
    let ask = SigAction::new(
        SigHandler::Handler(on_shutdown_signal),
        SaFlags::empty(),
        SigSet::empty(),
    );
    let ignore = SigAction::new(SigHandler::SigIgn, SaFlags::empty(), SigSet::empty());
    for (signal, action) in [
        (Signal::SIGTERM, &ask),
        (Signal::SIGINT, &ask),
        (Signal::SIGHUP, &ignore),
        (Signal::SIGPIPE, &ignore),
        (Signal::SIGXFSZ, &ignore),
        // Only the watchdog sends it, which has a handler of its own.
        (Signal::SIGALRM, &ignore),
    ] {
        // SAFETY: the handler only touches an atomic, or exits.
        unsafe { sigaction(signal, action)? };
    }
    Ok(())
}

/// The signal that requested a shutdown, if any.
pub fn shutdown_signal() -> Option<&'static str> {
    match SHUTDOWN_SIGNAL.load(Relaxed) {
        libc::SIGTERM => Some("SIGTERM"),
        libc::SIGINT => Some("SIGINT"),
        _ => None,
    }
}

/// Forgets the signal after the shutdown was cancelled.
pub fn forget_shutdown_signal() {
    SHUTDOWN_SIGNAL.store(0, Relaxed);
}

/// Becomes a daemon: a child in a session of its own without a terminal. The parent exits.
///
/// # Errors
/// The system cannot fork.
pub fn daemonize() -> io::Result<()> {
    // SAFETY: called before any thread is started; the parent leaves without running destructors.
    unsafe {
        match libc::fork() {
            -1 => return Err(io::Error::last_os_error()),
            0 => {}
            _ => libc::_exit(0),
        }
        libc::setsid();
        let null = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR);
        if null >= 0 {
            for fd in 0..=2 {
                libc::dup2(null, fd);
            }
            if null > 2 {
                libc::close(null);
            }
        }
    }
    Ok(())
}

/// Sends `state`, lines of `sd_notify(3)`, to the socket of systemd that `NOTIFY_SOCKET` names.
///
/// # Errors
/// There is no such variable, or the message cannot be sent.
pub fn notify_systemd(state: &str) -> io::Result<()> {
    let path = std::env::var_os("NOTIFY_SOCKET")
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "NOTIFY_SOCKET not found!"))?;
    let socket = UnixDatagram::unbound()?;
    use std::os::unix::ffi::OsStrExt;
    let path = path.as_bytes();
    let addr = match path.strip_prefix(b"@") {
        Some(name) => {
            use std::os::linux::net::SocketAddrExt;
            SocketAddr::from_abstract_name(name)?
        }
        None => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(path))?,
    };
    socket.send_to_addr(state.as_bytes(), &addr).map(|_| ())
}

/// Whether the environment contains a variable of this name.
pub fn has_variable(name: &str) -> bool {
    std::env::var_os(name).is_some()
}

/// Stops this process until it gets SIGCONT, which is how upstart learns that it is ready.
pub fn stop_for_upstart() {
    let _ = nix::sys::signal::raise(Signal::SIGSTOP);
}

/// Raises the limit of open descriptors to `wanted`, or as far as possible.
///
/// # Errors
/// It is lower: the limit in force, and why.
pub fn raise_descriptors(wanted: u64) -> Result<(), (u64, Errno)> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).map_err(|error| (1024, error))?;
    if soft >= wanted {
        return Ok(());
    }
    let mut refused = Errno::EPERM;
    // A privileged process may exceed its hard limit; others approach it by halving.
    let (mut good, mut bad, mut target) = (soft, wanted + 1, wanted);
    while bad - good > 1 {
        match setrlimit(Resource::RLIMIT_NOFILE, target, hard.max(target)) {
            Ok(()) => good = target,
            Err(error) => (bad, refused) = (target, error),
        }
        target = good + (bad - good) / 2;
    }
    match good >= wanted {
        true => Ok(()),
        false => Err((good, refused)),
    }
}

/// Makes the kernel's table of descriptors big enough for `count` of them, as far as their limit allows. The kernel enlarges a
/// full table within the call that needs the descriptor. In a process with threads it then waits for an RCU grace period, 10 ms
/// and more, so accepting many connections would stop the loop several times.
pub fn reserve_descriptors(count: u64) {
    let last = i32::try_from(count).unwrap_or(i32::MAX).saturating_sub(1);
    let Ok(null) = File::open("/dev/null") else {
        return;
    };
    if let Ok(highest) = fcntl(&null, FcntlArg::F_DUPFD_CLOEXEC(last)) {
        let _ = close(highest);
    }
}

/// Random bytes from the system.
///
/// # Panics
/// The system has no random generator.
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0u8; N];
    // SAFETY: the buffer is valid for its length.
    let got = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), N, 0) };
    assert_eq!(got, N as isize, "the system gives no random bytes");
    bytes
}

/// Writes the pid to `path`.
///
/// # Errors
/// The file cannot be written.
pub fn write_pidfile(path: &str) -> io::Result<()> {
    fs::write(path, format!("{}\n", std::process::id()))
}

/// The absolute form of a path, which need not exist.
pub fn absolute(path: &str) -> String {
    std::path::absolute(path).map_or_else(
        |_| path.to_owned(),
        |path| path.to_string_lossy().into_owned(),
    )
}

/// sysname, release and machine of the kernel.
pub fn uname() -> (String, String, String) {
    let mut name = std::mem::MaybeUninit::<libc::utsname>::zeroed();
    // SAFETY: uname fills the struct with NUL-terminated arrays.
    let name = unsafe {
        libc::uname(name.as_mut_ptr());
        name.assume_init()
    };
    let text = |field: &[c_char]| {
        // SAFETY: as above.
        unsafe { CStr::from_ptr(field.as_ptr()) }
            .to_string_lossy()
            .into_owned()
    };
    (
        text(&name.sysname),
        text(&name.release),
        text(&name.machine),
    )
}
