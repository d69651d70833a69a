//! One TLS connection over a socket: handshake, read, write, shutdown.
//!
//! It does not need a loop: the buffers that connections share are passed in as a `Pool`, what a loop
//! knows about the socket as `set_readiness`.
//!
//! ```text
//!   accept, connect ──► handshake ──Done──► read, write, flush ──► shutdown ──► drop
//!                          │ ▲                     │
//!                WouldBlock└─┘                     └─ Eof or failure: final, every later read answers it again
//! ```
//!
//! # Invariants
//! 1. Every call into OpenSSL goes through `enter`, which lends buffers, sets the quota of reads, and
//!    charges what OpenSSL allocates to this connection.
//! 2. The error queue of the thread is empty between calls: `classify` drains it whatever a failed
//!    call came to, would-block included, and a handshake that succeeds clears it. No call clears it
//!    beforehand, which would cost 140 ns each; and would-block is recognised by the BIO's
//!    `blocked`, so a stale entry of other code cannot turn it into an error.
//! 3. One call does a bounded amount of work whatever the peer sends. A read gives at most
//!    `RECORDS_PER_READ` records and ends behind the first that needed more than `PLAIN_READS` reads
//!    of the BIO, that is, behind records without application data; of those OpenSSL processes at
//!    most `READ_QUOTA / 2` in one call. Answers to them (alerts) that the peer does not read are
//!    bounded by `ANSWERS`.
//! 4. The BIO accepts every write, so a read never waits for the socket to become writable. The
//!    reverse is `write_wants`.
//! 5. After an error that OpenSSL answers with an alert, the alert is sent at once: the caller is
//!    going to close the connection.
//! 6. Fields are dropped in the order SSL object, transport, socket, which is their order in the
//!    struct.

#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_int, c_uint};
use std::io::IoSlice;
use std::mem;
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::ptr;

use foreign_types::ForeignTypeRef;
use nix::errno::Errno;
use openssl::error::ErrorStack;
use openssl::ssl::{Ssl, SslContextRef, SslVerifyMode};
use openssl::x509::X509VerifyResult;
use openssl_sys as ffi;

use crate::addr::Addr;
use crate::error::{Cause, ConnError, Step};
use crate::stream::Io;
use crate::tls::bio::{Bio, COLLECT, Pool, RECORD, RECORD_OVERHEAD, Sent};
use crate::tls::config::AuthClients;
use crate::tls::context::TlsContext;
use crate::tls::examine::{self, Details, Shown};
use crate::tls::explain::{UNEXPECTED_EOF, explain, local_error, reason_code};
use crate::tls::info::{self, Identity};
use crate::tls::memory::Scope;
use crate::tls::ticket_chain;

/// Reads of the BIO that OpenSSL makes for one record of data: header and body, each of which may
/// lie in two fillings of the input.
const PLAIN_READS: u32 = 4;

/// Reads of the BIO in one `SSL_read`: 32 records without data, of which the dearest (a key update)
/// takes some ten microseconds.
const READ_QUOTA: u32 = 64;

/// Records that one `read` decrypts at most; small ones cost a microsecond each.
const RECORDS_PER_READ: u64 = 512;

/// Reads of the BIO in one step of a handshake: more than the longest chain of certificates that
/// OpenSSL accepts, in fragments of 512 bytes, the smallest limit that a peer can negotiate (`max_fragment_length`).
const HANDSHAKE_QUOTA: u32 = 1024;

/// Ciphertext beyond `COLLECT` that may wait for a peer that makes this side answer (alerts against
/// renegotiation) and does not read.
const ANSWERS: usize = 65_536;

unsafe extern "C" {
    fn SSL_set_session_id_context(ssl: *mut ffi::SSL, id: *const u8, len: c_uint) -> c_int;
    fn SSL_group_to_name(ssl: *mut ffi::SSL, group: c_int) -> *const c_char;
}

const SSL_CTRL_GET_NEGOTIATED_GROUP: c_int = 134;

/// A direction of the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// It must become readable.
    Read,
    /// It must become writable.
    Write,
}

/// How far a handshake is.
#[derive(Debug)]
#[must_use]
pub enum Handshake {
    /// The connection may be used.
    Done,
    /// The peer has to send more first.
    WouldBlock,
    /// It failed; an alert, if there is one, has been sent.
    Failed(ConnError),
}

/// The result of a call into OpenSSL that did not succeed.
enum Unsuccessful {
    Blocked,
    Eof,
    Failed(ConnError),
}

/// How reading ended, once it has.
#[derive(Debug)]
enum End {
    Open,
    Eof,
    Failed(ConnError),
}

/// The parts of a stream whose creation may fail. They do not own the socket yet, so it can be given
/// back to the caller.
struct Parts {
    ssl: Ssl,
    bio: Bio,
    charged: usize,
}

impl Parts {
    fn new(context: &SslContextRef, socket: &TcpStream, direct: bool) -> Result<Self, ConnError> {
        let scope = Scope::begin();
        let mut ssl = Ssl::new(context).map_err(|stack| local_error(&stack))?;
        let bio = Bio::new(socket.as_raw_fd(), direct);
        bio.attach(&mut ssl)
            .map_err(|error| ConnError::io(Step::Handshake, &error))?;
        Ok(Self {
            ssl,
            bio,
            charged: usize::try_from(scope.end()).unwrap_or(0),
        })
    }

    fn join(self, socket: TcpStream) -> TlsStream {
        let Self { ssl, bio, charged } = self;
        TlsStream {
            ssl,
            bio,
            socket,
            charged,
            decrypted: 0,
            end: End::Open,
            has_unreported_end: false,
            write_wants: Want::Write,
            subject: Box::default(),
        }
    }
}

/// The memory of a TLS connection whose socket is closed.
#[derive(Debug)]
pub struct ClosedTls {
    _ssl: Ssl,
    _bio: Bio,
}

/// One TLS connection.
#[derive(Debug)]
pub struct TlsStream {
    ssl: Ssl,
    bio: Bio,
    socket: TcpStream,
    charged: usize,
    /// Decrypted bytes that OpenSSL holds.
    decrypted: usize,
    end: End,
    /// Reading ended behind data that was returned; the next read has to report the end.
    has_unreported_end: bool,
    write_wants: Want,
    /// The subject of the peer's certificate; kept, since a list of all clients shows each.
    subject: Box<str>,
}

impl TlsStream {
    /// The server's side of an accepted connection.
    ///
    /// # Errors
    /// OpenSSL is out of memory. The socket is given back.
    pub fn accept(context: &TlsContext, socket: TcpStream) -> Result<Self, (ConnError, TcpStream)> {
        let mut stream = match Parts::new(context.server(), &socket, false) {
            Ok(parts) => parts.join(socket),
            Err(error) => return Err((error, socket)),
        };
        match context.auth_clients() {
            AuthClients::No => stream.ssl.set_verify(SslVerifyMode::NONE),
            AuthClients::Optional => stream.ssl.set_verify(SslVerifyMode::PEER),
            AuthClients::Yes => stream
                .ssl
                .set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT),
        }
        let rules = context.session_rules();
        // SAFETY: a live object; the call copies as many bytes as it is given, at most 32.
        unsafe {
            SSL_set_session_id_context(stream.ssl.as_ptr(), rules.as_ptr(), rules.len() as c_uint)
        };
        stream.ssl.set_accept_state();
        Ok(stream)
    }

    /// The client's side of a connection that is being made. `sni` is the name to ask for;
    /// `verify_name`, a host name or an IP address, is what the server's certificate must be for,
    /// over and above being signed by someone trusted. `direct` is for blocking programs (see
    /// `tls::bio`).
    ///
    /// # Errors
    /// A name with a NUL inside, or OpenSSL is out of memory.
    pub fn connect(
        context: &TlsContext,
        socket: TcpStream,
        sni: Option<&str>,
        verify_name: Option<&str>,
        direct: bool,
    ) -> Result<Self, ConnError> {
        let mut stream = Parts::new(context.client(), &socket, direct)?.join(socket);
        for name in [sni, verify_name].into_iter().flatten() {
            if name.contains('\0') {
                return Err(ConnError::new(
                    Step::Handshake,
                    format!("server name {name:?} holds a NUL"),
                ));
            }
        }
        let ssl = &mut stream.ssl;
        if let Some(name) = sni {
            ssl.set_hostname(name)
                .map_err(|stack| local_error(&stack))?;
        }
        if let Some(name) = verify_name {
            let param = ssl.param_mut();
            let set = match name.parse() {
                Ok(ip) => param.set_ip(ip),
                Err(_) => param.set_host(name),
            };
            set.map_err(|stack| local_error(&stack))?;
        }
        stream.ssl.set_connect_state();
        Ok(stream)
    }

    /// The socket under it.
    pub fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// Tells what the loop knows before a read or a handshake: whether the socket may have input, and
    /// whether its peer has closed.
    pub fn set_readiness(&mut self, readable: bool, closing: bool) {
        let transport = self.bio.get_mut();
        transport.drained = !readable;
        transport.closing = closing;
    }

    /// True if a read has found that the socket has nothing more.
    pub fn is_drained(&self) -> bool {
        self.bio.get().drained
    }

    /// True if a send would have blocked: until the socket is writable `write` accepts nothing.
    pub fn is_stalled(&self) -> bool {
        self.bio.get().stalled
    }

    /// True while a read would give something without input from the socket.
    pub fn is_pending(&self) -> bool {
        match self.end {
            End::Open => self.bio.get().unread() > 0 || self.decrypted > 0,
            _ => self.has_unreported_end,
        }
    }

    /// What the socket has to become before a write goes on.
    pub fn write_wants(&self) -> Want {
        self.write_wants
    }

    /// Bytes of ciphertext that are not in the kernel yet.
    pub fn unsent(&self) -> usize {
        self.bio.get().unsent()
    }

    /// Continues the handshake with what the socket has, and sends what comes of it.
    pub fn handshake(&mut self, pool: &mut Pool) -> Handshake {
        // SAFETY: a live object with a BIO; nobody else uses it.
        let code = self.enter(pool, HANDSHAKE_QUOTA, |ssl| unsafe {
            ffi::SSL_do_handshake(ssl)
        });
        // The flight, the tickets or the alert. An error here is secondary to one of the handshake.
        let sent = self.flush(pool);
        if code == 1 {
            self.subject = self.read_subject();
            clear_errors();
            return match sent {
                Io::Failed(error) => Handshake::Failed(error),
                _ => self.check_ticket(),
            };
        }
        let failure = |cause, reason: &str| {
            Handshake::Failed(ConnError::because(cause, Step::Handshake, reason))
        };
        match (self.classify(code, Step::Handshake), sent) {
            (Unsuccessful::Failed(error), _) => Handshake::Failed(error),
            (Unsuccessful::Blocked, Io::Failed(error)) => Handshake::Failed(error),
            (Unsuccessful::Blocked, _) if self.bio.get().is_out_of_quota() => {
                failure(Cause::Protocol, "the peer sent more than a handshake takes")
            }
            (Unsuccessful::Blocked, _) => Handshake::WouldBlock,
            (Unsuccessful::Eof, _) => failure(
                Cause::Closed,
                "the peer closed the connection during the handshake",
            ),
        }
    }

    /// Reads until `buf` is full, nothing more is at hand, or the bounds on one call are reached
    /// (invariant 3). It may answer would-block while `is_pending` or without `is_drained`: then
    /// there is more, and it is to be called again, but not in the same turn.
    pub fn read(&mut self, pool: &mut Pool, buf: &mut [u8]) -> Io {
        if !matches!(self.end, End::Open) {
            self.has_unreported_end = false;
            return self.end_io();
        }
        if buf.is_empty() {
            return Io::Done(0);
        }
        if !self.is_pending() && self.is_drained() {
            return Io::WouldBlock;
        }
        let (filled, failure) = self.read_records(pool, buf);
        match failure.map(|code| self.classify(code, Step::Read)) {
            None | Some(Unsuccessful::Blocked) => self.limit_answers(pool),
            Some(Unsuccessful::Eof) => self.end = End::Eof,
            Some(Unsuccessful::Failed(error)) => {
                // The end is set after the flush, whose failure would not be the cause.
                let _ = self.flush(pool);
                self.end = End::Failed(self.with_address(error));
            }
        }
        let has_ended = !matches!(self.end, End::Open);
        if filled > 0 {
            self.has_unreported_end = has_ended;
            Io::Done(filled)
        } else if has_ended {
            self.end_io()
        } else {
            Io::WouldBlock
        }
    }

    /// Encrypts `data` into the collect buffer, which is sent whenever it holds three records.
    /// Answers how many bytes were accepted; `flush` sends the rest of them.
    pub fn write(&mut self, pool: &mut Pool, data: &[u8]) -> Io {
        if let End::Failed(error) = &self.end {
            return Io::Failed(error.clone());
        }
        let mut accepted = 0;
        while accepted < data.len() {
            let piece = &data[accepted..data.len().min(accepted + RECORD)];
            match self.write_record(pool, piece) {
                Io::Done(n) => accepted += n,
                Io::WouldBlock if accepted > 0 => break,
                other => return other,
            }
        }
        Io::Done(accepted)
    }

    /// The same for several pieces, which are packed into as few records as possible.
    pub fn write_vectored(&mut self, pool: &mut Pool, pieces: &[IoSlice<'_>]) -> Io {
        if let [only] = pieces {
            return self.write(pool, only);
        }
        let mut packed = mem::take(&mut pool.packed);
        let mut accepted = 0;
        let mut answer = None;
        let mut rest = pieces.iter().filter(|piece| !piece.is_empty()).peekable();
        while answer.is_none() && rest.peek().is_some() {
            packed.clear();
            while let Some(piece) =
                rest.next_if(|piece| packed.is_empty() || packed.len() + piece.len() <= RECORD)
            {
                if packed.is_empty() && piece.len() >= RECORD {
                    // A long piece fills records by itself, so copying it would gain nothing.
                    answer = self.accept_piece(pool, piece, &mut accepted);
                    break;
                }
                packed.extend_from_slice(piece);
            }
            if !packed.is_empty() {
                answer = self.accept_piece(pool, &packed, &mut accepted);
            }
        }
        pool.packed = packed;
        match answer {
            Some(other) if accepted == 0 => other,
            _ => Io::Done(accepted),
        }
    }

    /// Sends what is collected. `Done(0)` if nothing is left, `WouldBlock` if the socket is full.
    pub fn flush(&mut self, pool: &mut Pool) -> Io {
        let transport = self.bio.get_mut();
        let sent = transport.send();
        if matches!(sent, Sent::Blocked) {
            transport.keep_leftover(pool);
        }
        transport.reclaim(pool);
        match sent {
            Sent::All => Io::Done(0),
            Sent::Blocked => Io::WouldBlock,
            Sent::Failed(errno) => {
                let error = self.with_address(broken(Step::Write, errno));
                self.end = End::Failed(error.clone());
                Io::Failed(error)
            }
        }
    }

    /// Sends close_notify, unless the handshake was not done or the connection has failed, and what
    /// else is left until the socket is full.
    pub fn shutdown(&mut self, pool: &mut Pool) {
        if self.ssl.is_init_finished() && !matches!(self.end, End::Failed(_)) {
            // SAFETY: as in `handshake`. It only appends to the output.
            let code = self.enter(pool, 0, |ssl| unsafe { ffi::SSL_shutdown(ssl) });
            if code < 0 {
                clear_errors();
            }
        }
        let _ = self.flush(pool);
    }

    /// Closes the socket. Most of the time that a connection's end takes goes into freeing what is returned.
    pub fn close(self) -> ClosedTls {
        ClosedTls {
            _ssl: self.ssl,
            _bio: self.bio,
        }
    }

    /// Moves what was received and not read into a buffer of its own size: for a connection that
    /// will not be read for a while.
    pub fn shelve(&mut self, pool: &mut Pool) {
        self.bio.get_mut().shelve(pool);
    }

    /// `TLSv1.3`.
    pub fn version(&self) -> &'static str {
        self.ssl.version_str()
    }

    /// `TLS_AES_256_GCM_SHA384`; empty before the handshake.
    pub fn cipher(&self) -> &'static str {
        self.ssl.current_cipher().map_or("", |cipher| cipher.name())
    }

    /// `X25519`: the group of the key exchange; empty if there was none.
    pub fn group(&self) -> &str {
        let ssl = self.ssl.as_ptr();
        // SAFETY: a live object; the commands take no pointer, and the answer is null or a string that lives as long as
        // the object's context.
        unsafe {
            let group = ffi::SSL_ctrl(ssl, SSL_CTRL_GET_NEGOTIATED_GROUP, 0, ptr::null_mut());
            let name = SSL_group_to_name(ssl, c_int::try_from(group).unwrap_or(0));
            if group == 0 || name.is_null() {
                return "";
            }
            CStr::from_ptr(name).to_str().unwrap_or_default()
        }
    }

    /// True if the session was resumed from a ticket.
    pub fn is_resumed(&self) -> bool {
        self.ssl.session_reused()
    }

    /// Who the peer is, by its certificate, if it showed one that was verified.
    pub fn peer_identity(&self) -> Option<Identity> {
        if self.ssl.verify_result() != X509VerifyResult::OK {
            return None;
        }
        let certificate = self.ssl.peer_certificate();
        let identity = certificate.map(|cert| info::identity(&cert));
        // A malformed extension leaves an entry.
        clear_errors();
        identity
    }

    /// The subject of the peer's certificate, once the handshake is done; empty without one that was verified.
    pub fn peer_subject(&self) -> &str {
        &self.subject
    }

    fn read_subject(&self) -> Box<str> {
        if self.ssl.verify_result() != X509VerifyResult::OK {
            return Box::default();
        }
        let certificate = self.ssl.peer_certificate();
        let subject = certificate.map(|cert| info::name_text(cert.subject_name()));
        subject.unwrap_or_default().into_boxed_str()
    }

    /// What the peer has shown.
    pub fn shown(&self) -> Shown {
        let shown = examine::shown(&self.ssl, self.group());
        clear_errors();
        shown
    }

    /// What is known of the connection.
    pub fn details(&self) -> Details {
        let details = examine::details(&self.ssl, self.group());
        clear_errors();
        details
    }

    /// The first certificate of the peer's chain that a context's lists revoke: its subject, or what else is known of it.
    pub fn revoked_by(&self, context: &TlsContext) -> Option<String> {
        let told = ticket_chain::revoked(&self.ssl, context);
        clear_errors();
        told
    }

    /// Whether the peer's certificate is for a host name or an address.
    pub fn fits(&self, name: &str) -> bool {
        let fits = examine::fits(&self.ssl, name);
        clear_errors();
        fits
    }

    /// Bytes that OpenSSL holds for this connection.
    pub fn charged(&self) -> usize {
        self.charged
    }

    /// All bytes on the heap: OpenSSL's, buffers, and the objects themselves.
    pub fn memory(&self) -> usize {
        let objects = size_of::<Self>() + size_of_val(self.bio.get());
        self.charged + self.bio.get().memory() + objects + self.subject.len()
    }

    /// Makes a call in which OpenSSL may read `quota` times from the BIO.
    fn enter<R>(
        &mut self,
        pool: &mut Pool,
        quota: u32,
        call: impl FnOnce(*mut ffi::SSL) -> R,
    ) -> R {
        self.bio.get_mut().lend(pool, quota);
        let scope = Scope::begin();
        let result = call(self.ssl.as_ptr());
        self.charged = self.charged.saturating_add_signed(scope.end());
        self.bio.get_mut().reclaim(pool);
        result
    }

    /// Reads records into `buf`. Answers the count, and the code of the call that failed, if one did.
    fn read_records(&mut self, pool: &mut Pool, buf: &mut [u8]) -> (usize, Option<c_int>) {
        let mut filled = 0;
        let mut records = 0;
        loop {
            let room = &mut buf[filled..];
            let len = c_int::try_from(room.len()).unwrap_or(c_int::MAX);
            let fresh = self.decrypted == 0;
            let out = room.as_mut_ptr().cast();
            // SAFETY: as in `handshake`; `out` has room for `len` bytes.
            let code = self.enter(pool, READ_QUOTA, |ssl| unsafe {
                ffi::SSL_read(ssl, out, len)
            });
            let Ok(n @ 1..) = usize::try_from(code) else {
                pool.traffic.records_in += records;
                break (filled, Some(code));
            };
            records += u64::from(fresh);
            filled += n;
            // OpenSSL leaves nothing of a record that fits.
            self.decrypted = if n < room.len() {
                0
            } else {
                self.ssl.pending()
            };
            let is_plain = READ_QUOTA - self.bio.get().quota <= PLAIN_READS;
            let is_enough = filled == buf.len() || records >= RECORDS_PER_READ || !is_plain;
            if is_enough || !self.is_pending() {
                pool.traffic.records_in += records;
                break (filled, None);
            }
        }
    }

    /// Encrypts one record, after making room for it.
    fn write_record(&mut self, pool: &mut Pool, piece: &[u8]) -> Io {
        if self.is_stalled()
            || (self.unsent() > 0 && self.unsent() + piece.len() + RECORD_OVERHEAD > COLLECT)
        {
            match self.flush(pool) {
                Io::Done(_) => {}
                other => return other,
            }
        }
        let (data, len) = (piece.as_ptr().cast(), piece.len() as c_int);
        // SAFETY: as in `handshake`; `data` holds `len` bytes, at most a record.
        let code = self.enter(pool, READ_QUOTA, |ssl| unsafe {
            ffi::SSL_write(ssl, data, len)
        });
        if let Ok(n @ 1..) = usize::try_from(code) {
            self.write_wants = Want::Write;
            pool.traffic.records_out += 1;
            return Io::Done(n);
        }
        match self.classify(code, Step::Write) {
            Unsuccessful::Blocked => {
                self.write_wants = Want::Read;
                Io::WouldBlock
            }
            Unsuccessful::Eof => {
                let reason = "the peer closed the connection";
                self.fail_write(pool, ConnError::because(Cause::Closed, Step::Write, reason))
            }
            Unsuccessful::Failed(error) => self.fail_write(pool, error),
        }
    }

    /// Writes one piece of several; the answer that ends the row, if it was not accepted whole.
    fn accept_piece(&mut self, pool: &mut Pool, piece: &[u8], accepted: &mut usize) -> Option<Io> {
        match self.write(pool, piece) {
            Io::Done(n) => {
                *accepted += n;
                (n < piece.len()).then_some(Io::WouldBlock)
            }
            other => Some(other),
        }
    }

    fn fail_write(&mut self, pool: &mut Pool, error: ConnError) -> Io {
        let _ = self.flush(pool);
        let error = self.with_address(error);
        self.end = End::Failed(error.clone());
        Io::Failed(error)
    }

    /// Ends a connection whose peer makes this side answer and does not read the answers.
    fn limit_answers(&mut self, pool: &mut Pool) {
        let most = COLLECT + ANSWERS;
        if self.unsent() <= most {
            return;
        }
        let _ = self.flush(pool);
        if self.unsent() > most {
            let reason = "the peer keeps asking for handshakes and does not read the answers";
            let error = ConnError::because(Cause::Protocol, Step::Read, reason);
            self.end = End::Failed(self.with_address(error));
        }
    }

    /// Adds the address of the peer, for callers that have no other record of it. Not to failures of
    /// the handshake: their caller knows the name that was dialed.
    fn with_address(&self, error: ConnError) -> ConnError {
        match self.socket.peer_addr() {
            Ok(addr) => error.with_peer(&Addr::Tcp(addr)),
            Err(_) => error,
        }
    }

    fn end_io(&self) -> Io {
        match &self.end {
            End::Failed(error) => Io::Failed(error.clone()),
            _ => Io::Eof,
        }
    }

    /// What a call that answered `code` came to. Drains the error queue.
    fn classify(&self, code: c_int, step: Step) -> Unsuccessful {
        let transport = self.bio.get();
        if transport.blocked {
            clear_errors();
            return Unsuccessful::Blocked;
        }
        if let Some(errno) = transport.errno {
            clear_errors();
            return Unsuccessful::Failed(broken(step, errno));
        }
        // SAFETY: a live object, and the code of the last call on it.
        let kind = unsafe { ffi::SSL_get_error(self.ssl.as_ptr(), code) };
        let stack = ErrorStack::get();
        let is_end = match reason_code(&stack) {
            None => transport.eof,
            Some(reason) => reason == UNEXPECTED_EOF,
        };
        if kind == ffi::SSL_ERROR_ZERO_RETURN || is_end {
            return Unsuccessful::Eof;
        }
        Unsuccessful::Failed(explain(&self.ssl, transport, step, &stack))
    }

    /// A ticket stands for a chain of certificates that was verified once, and OpenSSL does not verify it again
    /// when a session is resumed: one of them may have expired since.
    fn check_ticket(&self) -> Handshake {
        if !self.is_resumed() || !self.ssl.verify_mode().contains(SslVerifyMode::PEER) {
            return Handshake::Done;
        }
        let Some(whose) = ticket_chain::expired(&self.ssl) else {
            return Handshake::Done;
        };
        let reason = format!(
            "certificate verify failed: certificate of the resumed session has expired{whose}"
        );
        Handshake::Failed(ConnError::because(
            Cause::Certificate,
            Step::Handshake,
            reason,
        ))
    }
}

/// Empties the error queue of this thread.
fn clear_errors() {
    drop(ErrorStack::get());
}

fn broken(step: Step, errno: Errno) -> ConnError {
    ConnError::io(step, &errno.into())
}
