//! A disk for tests that can be slow, fail, and forget what was not synced to it.
//!
//! This library is loaded into a server by `LD_PRELOAD` and replaces the functions through which the server changes files. It
//! does nothing unless `DISK_CONTROL` names a folder. There:
//!
//! | file | meaning |
//! |---|---|
//! | `hold-fsync` | an fsync of a file of data waits until this file is gone |
//! | `slow-fsync` | an fsync of a file of data takes this many milliseconds longer |
//! | `hold-child` | the same in a process that the server has forked |
//! | `fail-OP` | OP fails with the error number in the file, or only the next n times if a second number n follows; OP is `write`, `fsync`, `folder-fsync`, `rename`, `open` or `unlink` |
//! | `room` | this many bytes may still be written; then writes are short and fail with ENOSPC |
//! | `kill-OP` | the process is killed before the n-th OP from now on, n being the number in the file |
//! | `clock-back`, `clock-ahead` | the wall clock is this many seconds slow, or fast |
//! | `journal` | written by this library: what a crash of the machine would keep (see below) |
//!
//! Only files of data count: paths with `appendonly`, `.rdb`, `.aof`, and folders.
//!
//! # The journal
//! One line per event, in the order in which they happened; paths are absolute, and fields are separated by tabs:
//!
//! ```text
//! size INODE BYTES         this many bytes of the file are on the disk
//! create PATH              a name that the disk may forget
//! rename FROM TO BACKUP    BACKUP is a link to the file that TO was before, or `-`
//! unlink PATH BACKUP
//! folder PATH              the names in the folder are on the disk
//! ```
//!
//! `tests::disk` applies it: what was not synced is thrown away.

#![allow(unsafe_code)]
#![allow(
    clippy::missing_safety_doc,
    reason = "the functions are those of the C library"
)]

use std::ffi::{CStr, CString, OsStr};
use std::fs;
use std::mem::transmute;
use std::os::fd::RawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread::sleep;
use std::time::Duration;

use libc::{c_char, c_int, c_void, clockid_t, mode_t, size_t, ssize_t, time_t, timespec, timeval};

/// The folder of the control files.
fn control() -> Option<&'static Path> {
    static FOLDER: OnceLock<Option<PathBuf>> = OnceLock::new();
    FOLDER
        .get_or_init(|| std::env::var_os("DISK_CONTROL").map(PathBuf::from))
        .as_deref()
}

/// Whether this process was forked by the one that the library was loaded into.
fn is_child() -> bool {
    static FIRST: OnceLock<u32> = OnceLock::new();
    *FIRST.get_or_init(std::process::id) != std::process::id()
}

/// The original of a replaced function.
fn original(name: &CStr) -> *mut c_void {
    // SAFETY: the name ends with a zero byte.
    let found = unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) };
    assert!(!found.is_null(), "{name:?} is not in the C library");
    found
}

/// Defines the replacement of a function: `NAME as ORIGINAL (arguments) -> result { … }`; the original can be called by
/// its second name.
macro_rules! replace {
    ($($name:ident as $real:ident ($($arg:ident: $ty:ty),*) -> $out:ty $body:block)*) => {$(
        /// Replaces the function of this name.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name($($arg: $ty),*) -> $out {
            type Function = unsafe extern "C" fn($($ty),*) -> $out;
            static FOUND: AtomicU64 = AtomicU64::new(0);
            let $real = |$($arg: $ty),*| {
                if FOUND.load(Relaxed) == 0 {
                    let name = concat!(stringify!($name), "\0");
                    let name = CStr::from_bytes_with_nul(name.as_bytes()).expect("one zero byte");
                    FOUND.store(original(name) as u64, Relaxed);
                }
                // SAFETY: it is the function of this name, and so of this type; the caller vouches for the arguments.
                unsafe { transmute::<u64, Function>(FOUND.load(Relaxed))($($arg),*) }
            };
            $body
        }
    )*};
}

replace! {
    write as real (fd: c_int, buf: *const c_void, n: size_t) -> ssize_t {
        let Some(folder) = control() else { return real(fd, buf, n) };
        if !is_data(&path_of(fd)) {
            return real(fd, buf, n);
        }
        maybe_kill(folder, "write");
        if let Some(code) = failure(folder, "write") {
            return fail(code) as ssize_t;
        }
        match number(&folder.join("room")) {
            Some(0) => fail(libc::ENOSPC) as ssize_t,
            Some(room) => {
                let n = n.min(room as usize);
                let written = real(fd, buf, n);
                let left = room - u64::try_from(written).unwrap_or(0);
                let _ = fs::write(folder.join("room"), left.to_string());
                written
            }
            None => real(fd, buf, n),
        }
    }

    fsync as real (fd: c_int) -> c_int { sync(fd, &|| real(fd)) }

    fdatasync as real (fd: c_int) -> c_int { sync(fd, &|| real(fd)) }

    rename as real (from: *const c_char, to: *const c_char) -> c_int {
        let Some(folder) = control() else { return real(from, to) };
        let (old, new) = (absolute(from), absolute(to));
        if !is_data(&new) {
            return real(from, to);
        }
        maybe_kill(folder, "rename");
        if let Some(code) = failure(folder, "rename") {
            return fail(code);
        }
        let backup = backup(folder, &new);
        let done = real(from, to);
        if done == 0 {
            note(folder, &["rename", &text(&old), &text(&new), &backup]);
        }
        done
    }

    unlink as real (path: *const c_char) -> c_int {
        let Some(folder) = control() else { return real(path) };
        let name = absolute(path);
        if !is_data(&name) {
            return real(path);
        }
        maybe_kill(folder, "unlink");
        if let Some(code) = failure(folder, "unlink") {
            return fail(code);
        }
        let backup = backup(folder, &name);
        let done = real(path);
        if done == 0 {
            note(folder, &["unlink", &text(&name), &backup]);
        }
        done
    }

    clock_gettime as real (clock: clockid_t, time: *mut timespec) -> c_int {
        let done = real(clock, time);
        if clock == libc::CLOCK_REALTIME {
            // SAFETY: the caller passes a valid pointer, which the original has filled.
            unsafe { (*time).tv_sec += clock_shift() };
        }
        done
    }

    // OpenSSL asks this one when it verifies certificates.
    time as real (seconds: *mut time_t) -> time_t {
        let now = real(std::ptr::null_mut()) + clock_shift();
        if !seconds.is_null() {
            // SAFETY: the caller passes null or a valid pointer.
            unsafe { *seconds = now };
        }
        now
    }

    gettimeofday as real (time: *mut timeval, zone: *mut c_void) -> c_int {
        let done = real(time, zone);
        if !time.is_null() {
            // SAFETY: the caller passes null or a valid pointer, which the original has filled.
            unsafe { (*time).tv_sec += clock_shift() };
        }
        done
    }

    // The C library declares it with variable arguments, which are passed in the same registers.
    open64 as real (path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
        let Some(folder) = control() else { return real(path, flags, mode) };
        let name = absolute(path);
        if flags & libc::O_CREAT == 0 || !is_data(&name) {
            return real(path, flags, mode);
        }
        maybe_kill(folder, "open");
        if let Some(code) = failure(folder, "open") {
            return fail(code);
        }
        let is_new = !name.exists();
        let fd = real(path, flags, mode);
        if fd >= 0 && is_new {
            note(folder, &["create", &text(&name)]);
        }
        fd
    }
}

/// fsync or fdatasync, `real` being the original.
fn sync(fd: RawFd, real: &dyn Fn() -> c_int) -> c_int {
    let Some(folder) = control() else {
        return real();
    };
    let path = path_of(fd);
    let is_folder = path.is_dir();
    if !is_folder && !is_data(&path) {
        return real();
    }
    maybe_kill(folder, "fsync");
    let hold = folder.join(if is_child() {
        "hold-child"
    } else {
        "hold-fsync"
    });
    while !is_folder && hold.exists() {
        sleep(Duration::from_millis(1));
    }
    let op = if is_folder { "folder-fsync" } else { "fsync" };
    if let Some(code) = failure(folder, op) {
        return fail(code);
    }
    // What is written while the real call runs may or may not be on the disk.
    let (inode, size) = inode_and_size(fd);
    let slow = number(&folder.join("slow-fsync"));
    if let Some(ms) = slow.filter(|_| !is_folder) {
        sleep(Duration::from_millis(ms));
    }
    let done = real();
    if done == 0 && is_folder {
        note(folder, &["folder", &text(&path)]);
    } else if done == 0 {
        note(folder, &["size", &inode.to_string(), &size.to_string()]);
    }
    done
}

fn fail(code: c_int) -> c_int {
    // SAFETY: the address of the calling thread's error number is valid.
    unsafe { *libc::__errno_location() = code };
    -1
}

/// The number in a control file, if the file is there.
fn number(file: &Path) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// How many seconds the wall clock is fast.
fn clock_shift() -> i64 {
    let seconds = |name| {
        let file = control().map(|folder| folder.join(name));
        file.and_then(|file| number(&file)).unwrap_or(0) as i64
    };
    seconds("clock-ahead") - seconds("clock-back")
}

/// The error with which an operation is to fail.
fn failure(folder: &Path, op: &str) -> Option<c_int> {
    let file = folder.join(format!("fail-{op}"));
    let text = fs::read_to_string(&file).ok()?;
    let mut words = text.split_whitespace();
    let code = words.next()?.parse().ok()?;
    match words.next().and_then(|times| times.parse::<u64>().ok()) {
        Some(0 | 1) => drop(fs::remove_file(&file)),
        Some(times) => drop(fs::write(&file, format!("{code} {}", times - 1))),
        None => {}
    }
    Some(code)
}

/// Kills the process if it is time.
fn maybe_kill(folder: &Path, op: &str) {
    let file = folder.join(format!("kill-{op}"));
    match number(&file) {
        Some(0 | 1) => {
            let _ = fs::remove_file(&file);
            // SAFETY: the process ends here.
            unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
        }
        Some(n) => {
            let _ = fs::write(&file, (n - 1).to_string());
        }
        None => {}
    }
}

/// Whether a path is that of a file of data. Scratch files of the library itself are not.
fn is_data(path: &Path) -> bool {
    let name = path.as_os_str().as_bytes();
    let contains = |part: &[u8]| name.windows(part.len()).any(|window| window == part);
    contains(b"appendonly") || name.ends_with(b".rdb") || name.ends_with(b".aof")
}

fn path_of(fd: RawFd) -> PathBuf {
    fs::read_link(format!("/proc/self/fd/{fd}")).unwrap_or_default()
}

fn absolute(path: *const c_char) -> PathBuf {
    // SAFETY: the caller of the replaced function passes a string that ends with a zero byte.
    let path = unsafe { CStr::from_ptr(path) };
    let path = Path::new(OsStr::from_bytes(path.to_bytes()));
    std::path::absolute(path).unwrap_or_default()
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn inode_and_size(fd: RawFd) -> (u64, u64) {
    // SAFETY: all zeros is a valid value, which fstat fills.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a local variable.
    unsafe { libc::fstat(fd, &raw mut stat) };
    (stat.st_ino, u64::try_from(stat.st_size).unwrap_or(0))
}

/// Keeps a link to a file that is about to lose its name; returns its path, or `-` if there is no such file.
fn backup(folder: &Path, path: &Path) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let number = COUNT.fetch_add(1, Relaxed);
    let link = folder.join(format!("backup-{}-{number}", std::process::id()));
    match fs::hard_link(path, &link) {
        Ok(()) => text(&link),
        Err(_) => "-".to_owned(),
    }
}

/// Appends an event to the journal, in one write.
fn note(folder: &Path, fields: &[&str]) {
    let line = fields.join("\t") + "\n";
    let Ok(name) = CString::new(folder.join("journal").as_os_str().as_bytes()) else {
        return;
    };
    // SAFETY: the name ends with a zero byte; the buffer is as long as the call says; the descriptor is closed once.
    unsafe {
        let fd = libc::open(
            name.as_ptr(),
            libc::O_WRONLY | libc::O_CREAT | libc::O_APPEND,
            0o644,
        );
        libc::write(fd, line.as_ptr().cast(), line.len());
        libc::close(fd);
    }
}
