//! The transport under OpenSSL: a BIO of our own over a socket.
//!
//! Reading. OpenSSL asks for a record in two small pieces (header, body). The BIO answers from a
//! buffer that one `recv` fills with whatever the socket has, so many records cost one system call.
//! The buffer comes from a pool and goes back when it is empty: an idle connection has none. A
//! `recv` that returns less than asked has emptied the socket (unless the peer has closed: a FIN may
//! follow), so the next one, which could only return would-block, is not made: `drained`.
//!
//! OpenSSL goes on to the next record inside one call when a record holds no application data. What
//! a peer sends could keep that call busy without end, so a call has a quota of reads; when it is
//! used up the BIO answers "try again" although there is input (`out_of_quota`).
//!
//! Writing. The BIO only appends and never refuses; the layer above sends. A handshake flight, or
//! three records of a long reply, are thus sent by one system call, and OpenSSL never sees a partial
//! write. The buffer is lent by the pool as well; what a partial send leaves moves to a buffer of
//! its own size, which is freed when it has been sent.
//!
//! ```text
//!   socket ──recv──► input ──copy──► SSL ──► caller          one recv, many records
//!   socket ◄──send── output ◄─append─ SSL ◄── caller         many records, one send
//! ```
//!
//! # Invariants
//! 1. `input[start..end]` has not been read by OpenSSL yet. When OpenSSL wants to read and the call
//!    was not out of quota, that range is empty: half a record is inside OpenSSL, not here. Hence
//!    pending input is exactly `start < end`, or decrypted bytes inside OpenSSL.
//! 2. `output[sent..]` was produced by OpenSSL and is not in the kernel yet. When nothing is left
//!    both are reset.
//! 3. `blocked` says that the last read of the present call gave nothing: the failure of the call
//!    means "wants to read", whatever the error queue of the thread holds. Therefore no call has to
//!    clear that queue first.
//! 4. With `direct` (blocking programs without a loop) the flush that OpenSSL asks for sends, because
//!    OpenSSL goes on to read the answer; and reads have no quota.
//! 5. The callbacks do not panic: a panic cannot leave an `extern "C"` function.

#![allow(unsafe_code)]

use std::ffi::{c_char, c_int, c_long, c_void};
use std::os::fd::RawFd;
use std::ptr::{self, NonNull};
use std::sync::OnceLock;
use std::{io, mem};

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv, send};
use openssl::ssl::SslRef;
use openssl_sys as ffi;

use foreign_types::ForeignTypeRef;

use crate::tls::info::Traffic;

/// Plaintext of the largest record.
pub(crate) const RECORD: usize = 16_384;

/// What TLS 1.3 adds to a record; 1.2 may add a little more.
pub(crate) const RECORD_OVERHEAD: usize = 22;

/// Ciphertext that is collected before it is sent: three records. A fourth would not fit a segment
/// of the loopback device.
pub(crate) const COLLECT: usize = 3 * (RECORD + RECORD_OVERHEAD);

/// Capacity for the collected records, the larger overhead of older protocols, and an alert.
const OUTPUT_ROOM: usize = COLLECT + 2048;

/// Bytes asked for by one `recv`.
const INPUT_ROOM: usize = 65_536;

/// Buffers of each kind that a pool keeps. One connection reads or writes at a time, so more are in
/// use only by connections that stopped in the middle of their input or output.
const SPARE_BUFFERS: usize = 4;

/// OpenSSL's type flag for a source/sink BIO.
const BIO_TYPE_SOURCE_SINK: c_int = 0x0400;

const BIO_CTRL_PENDING: c_int = 10;
const BIO_CTRL_WPENDING: c_int = 13;
const BIO_C_GET_FD: c_int = 105;

unsafe extern "C" {
    fn BIO_get_new_index() -> c_int;
}

/// The buffers that the connections of one loop or thread share, and what they moved.
#[derive(Debug, Default)]
pub struct Pool {
    inputs: Vec<Box<[u8]>>,
    outputs: Vec<Vec<u8>>,
    /// The buffer in which small pieces of one write are packed into a record.
    pub(crate) packed: Vec<u8>,
    /// Bytes and records that went through the sockets.
    pub traffic: Traffic,
}

impl Pool {
    /// A pool without buffers; they are allocated when they are first needed.
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes in spare buffers.
    pub fn memory(&self) -> usize {
        self.inputs.len() * INPUT_ROOM + self.outputs.iter().map(Vec::capacity).sum::<usize>()
    }

    fn input(&mut self) -> Box<[u8]> {
        self.inputs
            .pop()
            .unwrap_or_else(|| vec![0; INPUT_ROOM].into_boxed_slice())
    }

    fn output(&mut self) -> Vec<u8> {
        self.outputs
            .pop()
            .unwrap_or_else(|| Vec::with_capacity(OUTPUT_ROOM))
    }

    fn take_back_input(&mut self, buffer: Box<[u8]>) {
        if buffer.len() == INPUT_ROOM && self.inputs.len() < SPARE_BUFFERS {
            self.inputs.push(buffer);
        }
    }

    fn take_back_output(&mut self, mut buffer: Vec<u8>) {
        if buffer.capacity() >= OUTPUT_ROOM && self.outputs.len() < SPARE_BUFFERS {
            buffer.clear();
            self.outputs.push(buffer);
        }
    }
}

/// The result of sending what was collected.
#[derive(Debug)]
pub(crate) enum Sent {
    All,
    /// The socket is full.
    Blocked,
    Failed(Errno),
}

/// Our side of a BIO.
#[derive(Debug, Default)]
pub(crate) struct Transport {
    fd: RawFd,
    input: Box<[u8]>,
    start: usize,
    end: usize,
    output: Vec<u8>,
    sent: usize,
    received_bytes: u64,
    sent_bytes: u64,
    /// Subject of the certificate that was rejected: `CN=server`, with its valid names if the name
    /// was wrong.
    pub(crate) rejected: Option<Box<str>>,
    /// The first byte that was ever received: the type of a record, if the peer speaks TLS.
    pub(crate) first: Option<u8>,
    /// Error of the socket, kept because errno does not survive OpenSSL.
    pub(crate) errno: Option<Errno>,
    /// The socket has nothing to read.
    pub(crate) drained: bool,
    /// The peer has closed, so a short read does not mean drained.
    pub(crate) closing: bool,
    /// The socket reported end of file.
    pub(crate) eof: bool,
    /// The last read of this call gave nothing.
    pub(crate) blocked: bool,
    /// Reads that OpenSSL may still make in this call.
    pub(crate) quota: u32,
    /// The last send left something: nothing more is sent before the socket is writable again.
    pub(crate) stalled: bool,
    direct: bool,
}

impl Transport {
    /// Bytes received and not yet read by OpenSSL.
    pub(crate) fn unread(&self) -> usize {
        self.end - self.start
    }

    /// Bytes produced by OpenSSL and not yet sent.
    pub(crate) fn unsent(&self) -> usize {
        self.output.len() - self.sent
    }

    /// Bytes of buffers that it holds.
    pub(crate) fn memory(&self) -> usize {
        self.input.len() + self.output.capacity()
    }

    /// Lends it buffers for one call, in which OpenSSL may read `quota` times.
    pub(crate) fn lend(&mut self, pool: &mut Pool, quota: u32) {
        if self.input.is_empty() {
            self.input = pool.input();
        }
        if self.output.capacity() == 0 {
            self.output = pool.output();
        }
        self.blocked = false;
        self.quota = quota;
    }

    /// True if the present call was stopped because its quota was used up.
    pub(crate) fn is_out_of_quota(&self) -> bool {
        self.blocked && self.quota == 0 && (self.unread() > 0 || !self.drained)
    }

    /// Takes back buffers that are empty, and the counts.
    pub(crate) fn reclaim(&mut self, pool: &mut Pool) {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            pool.take_back_input(mem::take(&mut self.input));
        }
        if self.unsent() == 0 {
            self.sent = 0;
            pool.take_back_output(mem::take(&mut self.output));
        }
        pool.traffic.bytes_in += mem::take(&mut self.received_bytes);
        pool.traffic.bytes_out += mem::take(&mut self.sent_bytes);
    }

    /// Moves unread input from a pooled buffer into one of its own size, for a connection that will
    /// not be read for a while.
    pub(crate) fn shelve(&mut self, pool: &mut Pool) {
        if self.input.len() == INPUT_ROOM && self.unread() > 0 {
            let kept: Box<[u8]> = self.input[self.start..self.end].into();
            (self.start, self.end) = (0, kept.len());
            pool.take_back_input(mem::replace(&mut self.input, kept));
        }
    }

    /// Sends what is collected until the socket is full.
    pub(crate) fn send(&mut self) -> Sent {
        while self.unsent() > 0 {
            match send(self.fd, &self.output[self.sent..], MsgFlags::MSG_NOSIGNAL) {
                Ok(n) => {
                    self.sent += n;
                    self.sent_bytes += n as u64;
                }
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => {
                    self.stalled = true;
                    return Sent::Blocked;
                }
                Err(errno) => return Sent::Failed(errno),
            }
        }
        self.output.clear();
        self.sent = 0;
        self.stalled = false;
        Sent::All
    }

    /// Moves what a partial send left from the pooled buffer into one of its own size.
    pub(crate) fn keep_leftover(&mut self, pool: &mut Pool) {
        if self.stalled && self.output.capacity() >= OUTPUT_ROOM {
            let rest = self.output[self.sent..].to_vec();
            self.sent = 0;
            pool.take_back_output(mem::replace(&mut self.output, rest));
        }
    }

    /// Fills the input by one `recv`. True if there is any now.
    fn fill(&mut self) -> bool {
        if self.drained {
            self.blocked = true;
            return false;
        }
        if self.input.len() < INPUT_ROOM {
            self.input = vec![0; INPUT_ROOM].into_boxed_slice();
        }
        let received = loop {
            match recv(self.fd, &mut self.input, MsgFlags::empty()) {
                Err(Errno::EINTR) => {}
                other => break other,
            }
        };
        match received {
            Ok(0) => self.eof = true,
            Ok(n) => {
                (self.start, self.end) = (0, n);
                self.received_bytes += n as u64;
                self.drained = n < self.input.len() && !self.closing && !self.direct;
                self.first = self.first.or_else(|| self.input.first().copied());
            }
            Err(Errno::EAGAIN) => (self.drained, self.blocked) = (!self.direct, true),
            Err(errno) => self.errno = Some(errno),
        }
        self.unread() > 0
    }

    /// Copies input to `out`, which has room for `room` bytes.
    ///
    /// # Safety
    /// `out` may be written for `room` bytes.
    unsafe fn copy_out(&mut self, out: *mut u8, room: usize) -> usize {
        let n = self.unread().min(room);
        // SAFETY: `start + n <= end <= input.len()`, the caller vouches for `out`, and OpenSSL's
        // buffer does not overlap with ours, which it has no pointer to.
        unsafe { ptr::copy_nonoverlapping(self.input.as_ptr().add(self.start), out, n) };
        self.start += n;
        n
    }
}

/// Owns a transport; gives access to it between calls into OpenSSL.
///
/// The pointer is raw and not a `Box`, because the callbacks create references of their own to the
/// transport, which the uniqueness of a `Box` does not allow.
#[derive(Debug)]
pub(crate) struct Bio(NonNull<Transport>);

// SAFETY: it is the only owner of its transport; the other pointer lies in the SSL object that
// travels with it, and is followed only inside calls on that object.
unsafe impl Send for Bio {}

impl Bio {
    /// A transport over `fd`, which the caller keeps open for as long as this lives.
    pub(crate) fn new(fd: RawFd, direct: bool) -> Self {
        let transport = Box::new(Transport {
            fd,
            direct,
            ..Transport::default()
        });
        Self(NonNull::from(Box::leak(transport)))
    }

    /// Puts it under `ssl`, which must be freed before this `Bio`.
    ///
    /// # Errors
    /// OpenSSL is out of memory.
    pub(crate) fn attach(&self, ssl: &mut SslRef) -> io::Result<()> {
        // SAFETY: the method is complete and lives for ever; BIO_new returns a new object or null.
        let bio = unsafe { ffi::BIO_new(method()) };
        if bio.is_null() {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        // SAFETY: `bio` is live and ours; `ssl` takes over its one reference, as it does when both
        // directions get the same BIO. The transport outlives `ssl` by the contract above.
        unsafe {
            ffi::BIO_set_data(bio, self.0.as_ptr().cast());
            ffi::BIO_set_init(bio, 1);
            ffi::SSL_set_bio(ssl.as_ptr(), bio, bio);
        }
        Ok(())
    }

    pub(crate) fn get(&self) -> &Transport {
        // SAFETY: the pointer came from a Box that only `drop` gives back, and callbacks write
        // through theirs only inside calls into OpenSSL, during which no reference from here is
        // alive.
        unsafe { self.0.as_ref() }
    }

    pub(crate) fn get_mut(&mut self) -> &mut Transport {
        // SAFETY: as above, and `&mut self` makes it the only one.
        unsafe { self.0.as_mut() }
    }
}

/// Records whose certificate the handshake of `ssl` has just rejected, which OpenSSL does not keep.
/// For the verify callback.
pub(crate) fn note_rejected(ssl: &SslRef, whose: &str) {
    // SAFETY: a live object. Its BIO, if it has one, was made by `attach`, since that is how
    // connections of our contexts get theirs; and the callback runs inside a call into OpenSSL, so
    // that no reference to the transport is alive.
    unsafe {
        let bio = ffi::SSL_get_rbio(ssl.as_ptr());
        if !bio.is_null() {
            transport(bio).rejected = Some(whose.into());
        }
    }
}

impl Drop for Bio {
    fn drop(&mut self) {
        // SAFETY: the pointer came from a Box, and the SSL object that holds a copy is gone.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

struct Method(*const ffi::BIO_METHOD);

// SAFETY: it is never changed after it was made.
unsafe impl Send for Method {}
// SAFETY: the same.
unsafe impl Sync for Method {}

/// The one method of the process.
fn method() -> *const ffi::BIO_METHOD {
    static METHOD: OnceLock<Method> = OnceLock::new();
    let Method(method) = METHOD.get_or_init(|| {
        ffi::init();
        // SAFETY: plain constructors and setters; the name is a C string that lives for ever, the
        // callbacks have the types that they are declared with.
        unsafe {
            let method = ffi::BIO_meth_new(
                BIO_get_new_index() | BIO_TYPE_SOURCE_SINK,
                c"socket with buffers".as_ptr(),
            );
            assert!(!method.is_null(), "OpenSSL has no memory for a BIO method");
            ffi::BIO_meth_set_read__fixed_rust(method, Some(on_read));
            ffi::BIO_meth_set_write__fixed_rust(method, Some(on_write));
            ffi::BIO_meth_set_ctrl__fixed_rust(method, Some(on_ctrl));
            Method(method)
        }
    });
    *method
}

/// # Safety
/// `bio` was made by `attach`, and its transport lives.
unsafe fn transport<'a>(bio: *mut ffi::BIO) -> &'a mut Transport {
    // SAFETY: `attach` put the pointer there; no other reference is alive during a call into
    // OpenSSL (see `Bio::get`).
    unsafe { &mut *ffi::BIO_get_data(bio).cast::<Transport>() }
}

unsafe extern "C" fn on_read(bio: *mut ffi::BIO, out: *mut c_char, len: c_int) -> c_int {
    // SAFETY: OpenSSL calls this with the BIO of `attach`.
    let transport = unsafe {
        ffi::BIO_clear_retry_flags(bio);
        transport(bio)
    };
    let room = usize::try_from(len).unwrap_or(0);
    transport.blocked = transport.quota == 0 && !transport.direct;
    transport.quota = transport.quota.saturating_sub(1);
    if transport.blocked {
        // SAFETY: as above.
        unsafe { ffi::BIO_set_retry_read(bio) };
        return -1;
    }
    if transport.unread() > 0 || transport.fill() {
        // SAFETY: OpenSSL gives `len` bytes of room. The count fits, being at most `len`.
        return unsafe { transport.copy_out(out.cast(), room) } as c_int;
    }
    if transport.blocked {
        // SAFETY: as above.
        unsafe { ffi::BIO_set_retry_read(bio) };
        return -1;
    }
    if transport.eof { 0 } else { -1 }
}

unsafe extern "C" fn on_write(bio: *mut ffi::BIO, data: *const c_char, len: c_int) -> c_int {
    // SAFETY: as in `on_read`.
    let transport = unsafe {
        ffi::BIO_clear_retry_flags(bio);
        transport(bio)
    };
    let count = usize::try_from(len).unwrap_or(0);
    if count > 0 {
        // SAFETY: OpenSSL gives `len` bytes.
        transport
            .output
            .extend_from_slice(unsafe { std::slice::from_raw_parts(data.cast(), count) });
    }
    len
}

unsafe extern "C" fn on_ctrl(
    bio: *mut ffi::BIO,
    cmd: c_int,
    _number: c_long,
    _pointer: *mut c_void,
) -> c_long {
    // SAFETY: as in `on_read`.
    let transport = unsafe { transport(bio) };
    match cmd {
        // Any answer but 1 would make the handshake fail with "wants to write". If `send` fails the
        // next read or write reports it.
        ffi::BIO_CTRL_FLUSH => {
            if transport.direct {
                let _ = transport.send();
            }
            1
        }
        ffi::BIO_CTRL_EOF => c_long::from(transport.eof),
        BIO_CTRL_PENDING => transport.unread() as c_long,
        BIO_CTRL_WPENDING => transport.unsent() as c_long,
        BIO_C_GET_FD => c_long::from(transport.fd),
        // Push, pop, and kernel TLS, which this BIO does not support.
        _ => 0,
    }
}
