//! Facts that the operating system provides: memory, processor time, settings that affect the server.

#![allow(unsafe_code)]

use std::cmp::Ordering;
use std::ffi::CStr;
use std::{fs, io};

/// The text of a system error without its number.
pub fn reason(error: &io::Error) -> String {
    conn::error::system_reason(error)
}

/// Resident memory of this process, in bytes; 0 if unknown.
pub fn resident() -> usize {
    let pages = fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|text| {
            text.split(' ')
                .nth(1)
                .and_then(|pages| pages.parse::<usize>().ok())
        })
        .unwrap_or(0);
    pages * page_size()
}

/// Size of a page, in bytes.
pub fn page_size() -> usize {
    // SAFETY: takes and returns numbers only.
    unsafe { libc::sysconf(libc::_SC_PAGESIZE) as usize }
}

/// Physical memory of the machine, in bytes.
pub fn total_memory() -> usize {
    // SAFETY: takes and returns numbers only.
    let pages = unsafe { libc::sysconf(libc::_SC_PHYS_PAGES) };
    pages.max(0) as usize * page_size()
}

/// Whose processor time is queried.
#[derive(Clone, Copy)]
pub enum Who {
    /// The process with all its threads.
    Process,
    /// Children that have ended.
    Children,
    /// The calling thread.
    Thread,
}

/// Processor time in seconds: system and user.
pub fn cpu_seconds(who: Who) -> (f64, f64) {
    let who = match who {
        Who::Process => libc::RUSAGE_SELF,
        Who::Children => libc::RUSAGE_CHILDREN,
        Who::Thread => libc::RUSAGE_THREAD,
    };
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: getrusage fills the struct.
    let usage = unsafe {
        libc::getrusage(who, usage.as_mut_ptr());
        usage.assume_init()
    };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    (seconds(usage.ru_stime), seconds(usage.ru_utime))
}

/// `vm.overcommit_memory`, if the system has it.
pub fn overcommit() -> Option<i32> {
    fs::read_to_string("/proc/sys/vm/overcommit_memory")
        .ok()?
        .trim()
        .parse()
        .ok()
}

/// Whether transparent huge pages are set to `always`.
pub fn huge_pages_always() -> bool {
    fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled")
        .is_ok_and(|text| text.contains("[always]"))
}

/// Bytes of transparent huge pages that this process uses.
pub fn anonymous_huge_pages() -> usize {
    let text = fs::read_to_string("/proc/self/smaps_rollup").unwrap_or_default();
    let mut lines = text.lines();
    let size = lines.find_map(|line| line.strip_prefix("AnonHugePages:"));
    let kib = size.and_then(|size| size.trim().strip_suffix("kB")?.trim().parse::<usize>().ok());
    kib.unwrap_or(0) * 1024
}

/// Disables transparent huge pages for this process: with a forked child each write would copy 2 MiB.
pub fn disable_huge_pages() -> bool {
    // SAFETY: the call takes plain numbers.
    unsafe { libc::prctl(libc::PR_SET_THP_DISABLE, 1, 0, 0, 0) == 0 }
}

/// Sets the locale for collation, the environment's if empty. Returns whether the locale exists.
pub fn set_collation(locale: &str) -> bool {
    let Ok(locale) = std::ffi::CString::new(locale) else {
        return false;
    };
    // SAFETY: the text is NUL-terminated; no other thread of this process reads the locale.
    unsafe { !libc::setlocale(libc::LC_COLLATE, locale.as_ptr()).is_null() }
}

/// Whether the locale collates bytewise.
pub fn collates_bytes() -> bool {
    // SAFETY: only asks; the answer is a NUL-terminated text that stays until the locale is next set, and no other thread
    // sets it.
    let name = unsafe {
        let name = libc::setlocale(libc::LC_COLLATE, std::ptr::null());
        if name.is_null() {
            return true;
        }
        CStr::from_ptr(name)
    };
    matches!(name.to_bytes(), b"C" | b"POSIX")
}

/// Compares two texts in the locale's order.
pub fn collate(one: &CStr, other: &CStr) -> Ordering {
    // SAFETY: both are NUL-terminated.
    let order = unsafe { libc::strcoll(one.as_ptr(), other.as_ptr()) };
    order.cmp(&0)
}

/// The system's limit of the accept queue.
pub fn somaxconn() -> Option<i32> {
    fs::read_to_string("/proc/sys/net/core/somaxconn")
        .ok()?
        .trim()
        .parse()
        .ok()
}

/// `current_clocksource`; its slowest kinds make each clock reading a system call.
pub fn clocksource() -> Option<String> {
    let path = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    fs::read_to_string(path)
        .ok()
        .map(|text| text.trim().to_owned())
}

/// `oom_score_adj` of this process.
pub fn oom_score_adj() -> Option<i32> {
    fs::read_to_string("/proc/self/oom_score_adj")
        .ok()?
        .trim()
        .parse()
        .ok()
}

/// Sets `oom_score_adj` of this process.
///
/// # Errors
/// The system refuses.
pub fn set_oom_score_adj(value: i32) -> io::Result<()> {
    fs::write("/proc/self/oom_score_adj", value.to_string())
}
