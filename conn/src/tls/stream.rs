//! One TLS connection over a socket: handshake, read, write, shutdown.
//!
//! It works without a loop as well: what a loop's connections share comes in as a `Pool`, what a
//! loop knows about the socket as `set_readiness`.
//!
//! ```text
//!   accept, connect ──► handshake ──Done──► read, write, flush ──► shutdown ──► drop
//!                          │ ▲                     │
//!                WouldBlock└─┘                     └─ Eof or failure: final, answered again by every later read
//! ```
//!
//! Invariants:
//! 1. Every call into OpenSSL goes through `enter`, which lends buffers and charges what OpenSSL
//!    allocates to this connection.
//! 2. The error queue of the thread is empty between calls: whatever fails drains it (`trouble`), a
//!    handshake that succeeds clears it. No call clears it beforehand, which would cost 140 ns
//!    each; and would-block, the frequent failure, is recognised by the BIO's `blocked`, so that
//!    not even a stale entry of someone else can turn it into an error.
//! 3. The BIO accepts every write, so a read never waits for the socket to become writable. The
//!    reverse is `write_wants`.
//! 4. After an error that OpenSSL answers with an alert, the alert is sent at once: the caller is
//!    going to close.
//! 5. Death comes in this order: SSL object, transport, socket. It is the order of the fields.

#![allow(unsafe_code)]

use std::ffi::{CStr, c_int, c_uint};
use std::io::IoSlice;
use std::mem;
use std::net::TcpStream;
use std::os::fd::AsRawFd;

use foreign_types::ForeignTypeRef;
use nix::errno::Errno;
use openssl::asn1::Asn1Time;
use openssl::error::ErrorStack;
use openssl::ssl::{Ssl, SslContextRef, SslVerifyMode};
use openssl::x509::X509VerifyResult;
use openssl_sys as ffi;

use crate::error::{ConnError, Step};
use crate::stream::Io;
use crate::tls::bio::{Bio, COLLECT, Pool, RECORD, RECORD_OVERHEAD, Sent};
use crate::tls::context::{AuthClients, TlsContext};
use crate::tls::info::{self, FailReason, Identity};
use crate::tls::memory::Scope;

/// Reason codes from here on are alerts of the peer.
const ALERT_OFFSET: c_int = 1000;

/// SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE.
const NO_CERTIFICATE: c_int = 199;

/// First byte of a handshake record.
const HANDSHAKE_RECORD: u8 = 22;

unsafe extern "C" {
    fn SSL_set_session_id_context(ssl: *mut ffi::SSL, id: *const u8, len: c_uint) -> c_int;
}

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
    /// It is over; an alert, if there is one, has been sent.
    Failed(FailReason, ConnError),
}

/// What a call into OpenSSL that did not succeed came to.
enum Trouble {
    Blocked,
    Eof,
    /// With OpenSSL's reason code, or 0 if it was the socket that failed.
    Failed(ConnError, c_int),
}

/// How reading ended, once it has.
#[derive(Debug)]
enum End {
    Open,
    Eof,
    Failed(ConnError),
}

/// What may fail to be made of a stream: it does not own its socket yet.
struct Unplugged {
    ssl: Ssl,
    bio: Bio,
    charged: usize,
}

impl Unplugged {
    fn new(context: &SslContextRef, socket: &TcpStream, direct: bool) -> Result<Self, ConnError> {
        let scope = Scope::begin();
        let mut ssl = Ssl::new(context).map_err(|stack| error_of(Step::Handshake, &stack))?;
        let bio = Bio::new(socket.as_raw_fd(), direct);
        bio.attach(&mut ssl)
            .map_err(|error| ConnError::io(Step::Handshake, &error))?;
        Ok(Self {
            ssl,
            bio,
            charged: usize::try_from(scope.end()).unwrap_or(0),
        })
    }

    fn plug(self, socket: TcpStream) -> TlsStream {
        let Self { ssl, bio, charged } = self;
        TlsStream {
            ssl,
            bio,
            socket,
            charged,
            end: End::Open,
            end_untold: false,
            write_wants: Want::Write,
        }
    }
}

/// One TLS connection.
#[derive(Debug)]
pub struct TlsStream {
    ssl: Ssl,
    bio: Bio,
    socket: TcpStream,
    charged: usize,
    end: End,
    /// The end was met behind data, and the caller has not been told yet.
    end_untold: bool,
    write_wants: Want,
}

impl TlsStream {
    /// The server's side of a connection that was accepted.
    ///
    /// # Errors
    /// OpenSSL is out of memory. The socket is given back.
    pub fn accept(context: &TlsContext, socket: TcpStream) -> Result<Self, (ConnError, TcpStream)> {
        let mut stream = match Unplugged::new(context.server(), &socket, false) {
            Ok(unplugged) => unplugged.plug(socket),
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
        let mut stream = Unplugged::new(context.client(), &socket, direct)?.plug(socket);
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
                .map_err(|stack| error_of(Step::Handshake, &stack))?;
        }
        if let Some(name) = verify_name {
            let param = ssl.param_mut();
            let set = match name.parse() {
                Ok(ip) => param.set_ip(ip),
                Err(_) => param.set_host(name),
            };
            set.map_err(|stack| error_of(Step::Handshake, &stack))?;
        }
        stream.ssl.set_connect_state();
        Ok(stream)
    }

    /// The socket under it.
    pub fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// What the loop knows before a read or a handshake: whether the socket may have something, and
    /// whether its peer has closed.
    pub fn set_readiness(&mut self, readable: bool, closing: bool) {
        let transport = self.bio.get_mut();
        transport.drained = !readable;
        transport.closing = closing;
    }

    /// True when a read has found out that the socket has nothing more.
    pub fn is_drained(&self) -> bool {
        self.bio.get().drained
    }

    /// True when a send would have blocked: until the socket is writable, `write` accepts nothing.
    pub fn is_stalled(&self) -> bool {
        self.bio.get().stalled
    }

    /// True while a read would give something without the socket's help.
    pub fn is_pending(&self) -> bool {
        match self.end {
            End::Open => self.bio.get().unread() > 0 || self.ssl.pending() > 0,
            _ => self.end_untold,
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

    /// Takes the handshake as far as it goes with what the socket has, and sends what comes of it.
    pub fn handshake(&mut self, pool: &mut Pool) -> Handshake {
        // SAFETY: a live object with a BIO, of which nobody else holds a reference.
        let code = self.enter(pool, |ssl| unsafe { ffi::SSL_do_handshake(ssl) });
        // The flight, the tickets or the alert. An error here is secondary to one of the handshake.
        let sent = self.flush(pool);
        if code == 1 {
            clear_errors();
            return match sent {
                Io::Failed(error) => Handshake::Failed(FailReason::Closed, error),
                _ => self.judge_ticket(),
            };
        }
        match (self.trouble(code, Step::Handshake), sent) {
            (Trouble::Blocked, Io::Failed(error)) => Handshake::Failed(FailReason::Closed, error),
            (Trouble::Blocked, _) => Handshake::WouldBlock,
            (Trouble::Eof, _) => {
                let error = ConnError::new(
                    Step::Handshake,
                    "the peer closed the connection during the handshake",
                );
                Handshake::Failed(FailReason::Closed, error)
            }
            (Trouble::Failed(error, code), _) => self.judge(error, code),
        }
    }

    /// Reads until `buf` is full or nothing more is at hand: any number of records, at most one
    /// `recv`.
    pub fn read(&mut self, pool: &mut Pool, buf: &mut [u8]) -> Io {
        if !matches!(self.end, End::Open) {
            self.end_untold = false;
            return self.end_io();
        }
        if buf.is_empty() {
            return Io::Done(0);
        }
        if !self.is_pending() && self.is_drained() {
            return Io::WouldBlock;
        }
        let (filled, failure) = self.read_records(pool, buf);
        let Some(code) = failure else {
            return Io::Done(filled);
        };
        match self.trouble(code, Step::Read) {
            Trouble::Blocked if filled == 0 => return Io::WouldBlock,
            Trouble::Blocked => return Io::Done(filled),
            Trouble::Eof => self.end = End::Eof,
            Trouble::Failed(error, _) => {
                // In this order: a flush that fails as well is not the cause.
                let _ = self.flush(pool);
                self.end = End::Failed(error);
            }
        }
        if filled == 0 {
            return self.end_io();
        }
        self.end_untold = true;
        Io::Done(filled)
    }

    /// Encrypts `data` into the collect buffer, sending whenever three records have come together.
    /// Answers how many bytes were accepted; they are this connection's to deliver from now on, by
    /// `flush`.
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

    /// The same for several pieces, which are packed into as few records as they fit in.
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
                    // A long piece needs no packing, and its copy would be the dear one.
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
            Some(trouble) if accepted == 0 => trouble,
            _ => Io::Done(accepted),
        }
    }

    /// Sends what is collected. `Done(0)` when nothing is left, `WouldBlock` when the socket takes
    /// no more.
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
                let error = broken(Step::Write, errno);
                self.end = End::Failed(error.clone());
                Io::Failed(error)
            }
        }
    }

    /// Says goodbye to the peer (close_notify), if there was ever anything to say, and sends what
    /// is left as far as the socket takes it.
    pub fn shutdown(&mut self, pool: &mut Pool) {
        if self.ssl.is_init_finished() && !matches!(self.end, End::Failed(_)) {
            // SAFETY: as in `handshake`. It only appends to the output.
            let code = self.enter(pool, |ssl| unsafe { ffi::SSL_shutdown(ssl) });
            if code < 0 {
                clear_errors();
            }
        }
        let _ = self.flush(pool);
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

    /// True if the session was resumed from a ticket.
    pub fn is_resumed(&self) -> bool {
        self.ssl.session_reused()
    }

    /// Who the peer is, by its certificate, if it showed one that was verified.
    pub fn peer_identity(&self) -> Option<Identity> {
        if self.ssl.verify_result() != X509VerifyResult::OK {
            return None;
        }
        self.ssl
            .peer_certificate()
            .map(|cert| info::identity(&cert))
    }

    /// Bytes that OpenSSL holds for this connection.
    pub fn charged(&self) -> usize {
        self.charged
    }

    /// All bytes on the heap: OpenSSL's, buffers, and the objects themselves.
    pub fn memory(&self) -> usize {
        let objects = size_of::<Self>() + size_of_val(self.bio.get());
        self.charged + self.bio.get().memory() + objects
    }

    fn enter<R>(&mut self, pool: &mut Pool, call: impl FnOnce(*mut ffi::SSL) -> R) -> R {
        self.bio.get_mut().lend(pool);
        let scope = Scope::begin();
        let result = call(self.ssl.as_ptr());
        self.charged = self.charged.saturating_add_signed(scope.end());
        self.bio.get_mut().reclaim(pool);
        result
    }

    /// Reads records into `buf`; besides the count, the code of the call that failed, if one did.
    fn read_records(&mut self, pool: &mut Pool, buf: &mut [u8]) -> (usize, Option<c_int>) {
        let mut filled = 0;
        let mut records = 0;
        loop {
            let room = &mut buf[filled..];
            let len = c_int::try_from(room.len()).unwrap_or(c_int::MAX);
            let fresh = self.ssl.pending() == 0;
            let out = room.as_mut_ptr().cast();
            // SAFETY: as in `handshake`; `out` has room for `len` bytes.
            let code = self.enter(pool, |ssl| unsafe { ffi::SSL_read(ssl, out, len) });
            let Ok(n) = usize::try_from(code) else {
                break (filled, Some(code));
            };
            if n == 0 {
                break (filled, Some(code));
            }
            records += u64::from(fresh);
            filled += n;
            if filled == buf.len() || !self.is_pending() {
                pool.traffic.records_in += records;
                break (filled, None);
            }
        }
    }

    /// Encrypts one record's worth, after making room for it.
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
        let code = self.enter(pool, |ssl| unsafe { ffi::SSL_write(ssl, data, len) });
        if let Ok(n @ 1..) = usize::try_from(code) {
            self.write_wants = Want::Write;
            pool.traffic.records_out += 1;
            return Io::Done(n);
        }
        match self.trouble(code, Step::Write) {
            Trouble::Blocked => {
                self.write_wants = Want::Read;
                Io::WouldBlock
            }
            Trouble::Eof => self.break_off(
                pool,
                ConnError::new(Step::Write, "the peer closed the connection"),
            ),
            Trouble::Failed(error, _) => self.break_off(pool, error),
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

    fn break_off(&mut self, pool: &mut Pool, error: ConnError) -> Io {
        let _ = self.flush(pool);
        self.end = End::Failed(error.clone());
        Io::Failed(error)
    }

    fn end_io(&self) -> Io {
        match &self.end {
            End::Failed(error) => Io::Failed(error.clone()),
            _ => Io::Eof,
        }
    }

    /// What a call that answered `code` came to.
    fn trouble(&mut self, code: c_int, step: Step) -> Trouble {
        let transport = self.bio.get();
        if transport.blocked {
            return Trouble::Blocked;
        }
        if let Some(errno) = transport.errno {
            clear_errors();
            return Trouble::Failed(broken(step, errno), 0);
        }
        // SAFETY: a live object, and the code of the last call on it.
        let kind = unsafe { ffi::SSL_get_error(self.ssl.as_ptr(), code) };
        let stack = ErrorStack::get();
        if kind == ffi::SSL_ERROR_ZERO_RETURN || transport.eof {
            return Trouble::Eof;
        }
        Trouble::Failed(error_of(step, &stack), reason_code(&stack))
    }

    /// A ticket stands for a certificate that was verified once, and OpenSSL does not look at it again: it may have
    /// expired since.
    fn judge_ticket(&self) -> Handshake {
        if !self.is_resumed() || !self.ssl.verify_mode().contains(SslVerifyMode::PEER) {
            return Handshake::Done;
        }
        let (cert, now) = (self.ssl.peer_certificate(), Asn1Time::days_from_now(0));
        let expired = cert.filter(|cert| now.is_ok_and(|now| cert.not_after() < now));
        expired.map_or(Handshake::Done, |cert| {
            let whose = info::common_name(cert.subject_name()).map_or(String::new(), |name| {
                format!(" (CN={})", name.escape_debug())
            });
            let reason = format!(
                "certificate verify failed: certificate of the resumed session has expired{whose}"
            );
            Handshake::Failed(
                FailReason::Certificate,
                ConnError::new(Step::Handshake, reason),
            )
        })
    }

    /// Names what went wrong in a handshake, better than OpenSSL does.
    fn judge(&self, error: ConnError, code: c_int) -> Handshake {
        let verify = self.ssl.verify_result();
        if verify != X509VerifyResult::OK {
            let whose = self.bio.get().rejected.as_deref().unwrap_or_default();
            let whose = if whose.is_empty() {
                String::new()
            } else {
                format!(" ({})", whose.escape_debug())
            };
            let reason = format!(
                "certificate verify failed: {}{whose}",
                verify.error_string()
            );
            return Handshake::Failed(
                FailReason::Certificate,
                ConnError::new(Step::Handshake, reason),
            );
        }
        if self
            .bio
            .get()
            .first
            .is_some_and(|byte| byte != HANDSHAKE_RECORD)
        {
            let reason = format!("the peer does not speak TLS ({})", error.reason());
            return Handshake::Failed(FailReason::NotTls, ConnError::new(Step::Handshake, reason));
        }
        let why = match code {
            0 => FailReason::Closed,
            NO_CERTIFICATE => FailReason::Certificate,
            _ if is_alert(code) => FailReason::Alert,
            _ => FailReason::Protocol,
        };
        Handshake::Failed(why, error)
    }
}

/// Empties the error queue of this thread.
fn clear_errors() {
    drop(ErrorStack::get());
}

fn broken(step: Step, errno: Errno) -> ConnError {
    ConnError::io(step, &errno.into())
}

/// The first entry of the queue, which is the cause, as words.
fn error_of(step: Step, stack: &ErrorStack) -> ConnError {
    let Some(first) = stack.errors().first() else {
        return ConnError::new(step, "protocol error, for which OpenSSL gives no reason");
    };
    let code = reason_code(stack);
    if is_alert(code) {
        // SAFETY: any value is allowed; the answer is a string that lives for ever.
        let words = unsafe { CStr::from_ptr(ffi::SSL_alert_desc_string_long(code - ALERT_OFFSET)) };
        let words = words.to_string_lossy();
        return ConnError::new(step, format!("the peer refused with an alert: {words}"));
    }
    let words = first.reason().unwrap_or("unknown reason");
    match first.data() {
        Some(data) if !data.is_empty() => ConnError::new(step, format!("{words}: {data}")),
        _ => ConnError::new(step, words),
    }
}

/// The reason code of the first entry of the queue; 1 if there is none.
fn reason_code(stack: &ErrorStack) -> c_int {
    stack
        .errors()
        .first()
        .map_or(1, |first| ffi::ERR_GET_REASON(first.code()))
}

fn is_alert(code: c_int) -> bool {
    (ALERT_OFFSET..ALERT_OFFSET + 256).contains(&code)
}
