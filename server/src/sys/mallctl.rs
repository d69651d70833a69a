//! Settings and statistics of the allocator by name, for defragmentation and DEBUG MALLCTL.
//!
//! jemalloc checks the size of a value but not its meaning: a number written where it expects an address would be used
//! as one, and a number read as a text would be dereferenced. So [`set_integer`], [`text`] and [`run`] accept only names
//! that are known to be harmless; any integer can be read.

#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_int};
use std::io;
use std::ptr;

#[cfg(asan)]
use crate::sys::system_malloc as je;
#[cfg(not(asan))]
use tikv_jemalloc_sys as je;

/// Number that stands for all arenas together.
pub const ALL_ARENAS: usize = 4096;

/// Names with numbers that may be written. A star stands for the number of an arena.
const WRITABLE: &[&str] = &[
    "arena.*.dirty_decay_ms",
    "arena.*.muzzy_decay_ms",
    "arena.*.oversize_threshold",
    "arena.*.retain_grow_limit",
    "arenas.dirty_decay_ms",
    "arenas.muzzy_decay_ms",
    "background_thread",
    "epoch",
    "max_background_threads",
    "thread.tcache.enabled",
];

/// Names with texts.
const TEXTS: &[&str] = &[
    "arena.*.dss",
    "config.malloc_conf",
    "opt.dss",
    "opt.junk",
    "opt.metadata_thp",
    "opt.percpu_arena",
    "opt.stats_print_opts",
    "opt.thp",
    "opt.zero_realloc",
    "version",
];

/// Names without a value, which do something.
const ACTIONS: &[&str] = &[
    "arena.*.decay",
    "arena.*.purge",
    "thread.idle",
    "thread.peak.reset",
    "thread.tcache.flush",
];

/// A type that any bytes are a value of.
///
/// # Safety
/// Every bit pattern is valid, and there is no padding.
pub(super) unsafe trait Plain: Copy + Default {}

// SAFETY: integers: every bit pattern is valid, and there is no padding.
unsafe impl Plain for u32 {}
// SAFETY: integers: every bit pattern is valid, and there is no padding.
unsafe impl Plain for usize {}
// SAFETY: an array of integers: every bit pattern is valid, and there is no padding.
unsafe impl Plain for [usize; 6] {}

/// The parts of a name, by which it is found without parsing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mib {
    parts: [usize; 6],
    len: usize,
}

impl Mib {
    /// Looks up a name; `None` if the allocator does not have it.
    pub(super) fn of(name: &CStr) -> Option<Self> {
        let mut mib = Mib {
            parts: [0; 6],
            len: 6,
        };
        // SAFETY: the name is NUL-terminated, and `len` is the number of parts that there is room for.
        let failed = unsafe {
            je::mallctlnametomib(name.as_ptr(), mib.parts.as_mut_ptr(), &raw mut mib.len)
        };
        (failed == 0).then_some(mib)
    }

    /// The same with a number in place of one part.
    pub(super) fn with(mut self, part: usize, number: usize) -> Self {
        self.parts[part] = number;
        self
    }

    /// Reads a value; `None` if it has another size.
    #[inline]
    pub(super) fn read<T: Plain>(&self) -> Option<T> {
        self.ask(ptr::null(), 0)
    }

    /// Reads what the allocator knows of an address, which it does not dereference.
    #[inline]
    pub(super) fn read_about<T: Plain>(&self, at: *const u8) -> Option<T> {
        self.ask(&raw const at, size_of::<*const u8>())
    }

    fn ask<T: Plain>(&self, argument: *const *const u8, argument_len: usize) -> Option<T> {
        let (mut value, mut len) = (T::default(), size_of::<T>());
        // SAFETY: the parts are those of a name; value and argument have the stated sizes, which jemalloc checks; any
        // bytes are a `T`.
        let failed = unsafe {
            je::mallctlbymib(
                self.parts.as_ptr(),
                self.len,
                (&raw mut value).cast(),
                &raw mut len,
                argument.cast_mut().cast(),
                argument_len,
            )
        };
        (failed == 0 && len == size_of::<T>()).then_some(value)
    }
}

/// Reads an integer of 8, 4, 2 or 1 bytes.
///
/// # Errors
/// Those of jemalloc: there is no such name, or it has no value of such a size.
pub fn integer(name: &CStr) -> io::Result<i64> {
    by_size(|width| {
        let (mut value, mut len) = (0i64, width);
        // SAFETY: the name is NUL-terminated, and the value has at least the stated size.
        let failed = unsafe {
            je::mallctl(
                name.as_ptr(),
                (&raw mut value).cast(),
                &raw mut len,
                ptr::null_mut(),
                0,
            )
        };
        (failed, i64::from_le(value))
    })
}

/// Writes an integer to a name that may be written.
///
/// # Errors
/// As [`integer`], or the name may not be written.
pub fn set_integer(name: &CStr, value: i64) -> io::Result<()> {
    permit(name, WRITABLE)?;
    by_size(|width| {
        let value = value.to_le();
        // SAFETY: the name is NUL-terminated and has an integer; `width` bytes of the value are its low ones.
        let failed = unsafe {
            je::mallctl(
                name.as_ptr(),
                ptr::null_mut(),
                ptr::null_mut(),
                (&raw const value).cast_mut().cast(),
                width,
            )
        };
        (failed, ())
    })
}

/// Tries the sizes of integers until one is accepted.
fn by_size<T>(access: impl Fn(usize) -> (c_int, T)) -> io::Result<T> {
    let mut result = Err(io::Error::from_raw_os_error(libc::EINVAL));
    for width in [8, 4, 2, 1] {
        result = match access(width) {
            (0, value) => return Ok(value),
            (libc::EINVAL, _) => result,
            (failed, _) => return Err(error(failed)),
        };
    }
    result
}

/// Reads a text.
///
/// # Errors
/// As [`integer`], or it is not known to be a text.
pub fn text(name: &CStr) -> io::Result<String> {
    permit(name, TEXTS)?;
    let mut text: *const c_char = ptr::null();
    let mut len = size_of::<*const c_char>();
    // SAFETY: the name is NUL-terminated; its value is a pointer to a static text, as those of `TEXTS` are.
    unsafe {
        let failed = je::mallctl(
            name.as_ptr(),
            (&raw mut text).cast(),
            &raw mut len,
            ptr::null_mut(),
            0,
        );
        if failed != 0 {
            return Err(error(failed));
        }
        Ok(if text.is_null() {
            String::new()
        } else {
            CStr::from_ptr(text).to_string_lossy().into_owned()
        })
    }
}

/// Does what a name without a value stands for.
///
/// # Errors
/// As [`integer`], or the name may not be used.
pub fn run(name: &CStr) -> io::Result<()> {
    permit(name, ACTIONS)?;
    // SAFETY: the name is NUL-terminated; there is no value.
    let failed = unsafe {
        je::mallctl(
            name.as_ptr(),
            ptr::null_mut(),
            ptr::null_mut(),
            ptr::null_mut(),
            0,
        )
    };
    if failed == 0 {
        Ok(())
    } else {
        Err(error(failed))
    }
}

fn permit(name: &CStr, names: &[&str]) -> io::Result<()> {
    let fits = |pattern: &str| {
        let mut parts = pattern.split('.');
        let same = name.to_bytes().split(|&byte| byte == b'.').all(|part| {
            parts.next().is_some_and(|wanted| match wanted {
                "*" => !part.is_empty() && part.iter().all(u8::is_ascii_digit),
                wanted => wanted.as_bytes() == part,
            })
        });
        same && parts.next().is_none()
    };
    if names.iter().any(|pattern| fits(pattern)) {
        Ok(())
    } else if Mib::of(name).is_none() {
        Err(error(libc::ENOENT))
    } else {
        Err(error(libc::EPERM))
    }
}

fn error(number: c_int) -> io::Error {
    io::Error::from_raw_os_error(number)
}

#[cfg(test)]
mod tests {
    use std::ffi::CString;

    use super::{integer, run, set_integer, text};

    fn name(text: &str) -> CString {
        CString::new(text).expect("no NUL")
    }

    #[test]
    fn values_of_all_kinds() {
        assert_eq!(integer(&name("arenas.quantum")).ok(), Some(8));
        assert_eq!(integer(&name("config.stats")).ok(), Some(1));
        assert!(text(&name("version")).is_ok_and(|text| text.starts_with("5.")));
        assert!(run(&name("thread.tcache.flush")).is_ok());
        assert!(set_integer(&name("epoch"), 1).is_ok());
        assert!(set_integer(&name("thread.tcache.enabled"), 1).is_ok());
    }

    #[test]
    fn what_could_break_the_process_is_refused() {
        let kind = |result: std::io::Result<()>| result.map_err(|error| error.raw_os_error());
        for (called, errno) in [
            ("arena.0.reset", libc::EPERM),
            ("arena.0.extent_hooks", libc::EPERM),
            ("arena..purge", libc::ENOENT),
            ("arena.0.purge.0", libc::ENOENT),
            ("nonsense", libc::ENOENT),
            ("", libc::ENOENT),
        ] {
            assert_eq!(kind(run(&name(called))), Err(Some(errno)), "{called}");
            assert_eq!(
                kind(set_integer(&name(called), 7)),
                Err(Some(errno)),
                "{called}"
            );
            let read = text(&name(called)).map(|_| ());
            assert_eq!(kind(read), Err(Some(errno)), "{called}");
        }
        let number = text(&name("stats.allocated")).map(|_| ());
        assert_eq!(kind(number), Err(Some(libc::EPERM)));
    }
}
