//! A TLS client built on OpenSSL's own stream over a blocking socket, independent of `conn`.
//!
//! It does what `conn` never does: resumes sessions, updates its keys in the middle of a reply, asks for
//! renegotiation, and negotiates exactly the versions and ciphers that it is given.

#![allow(unsafe_code)]

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use foreign_types::ForeignTypeRef;
use openssl::ssl::{
    Ssl, SslContext, SslContextBuilder, SslFiletype, SslMethod, SslRef, SslSession,
    SslSessionCacheMode, SslStream, SslVerifyMode, SslVersion,
};

use crate::certs;
use crate::wait::PATIENCE;

unsafe extern "C" {
    fn SSL_key_update(ssl: *mut openssl_sys::SSL, kind: libc::c_int) -> libc::c_int;
    fn SSL_renegotiate(ssl: *mut openssl_sys::SSL) -> libc::c_int;
}

/// A connection.
pub struct OpensslClient {
    tls: SslStream<TcpStream>,
}

/// A context that trusts the test CA, with or without a client certificate, changed by `change`.
pub fn context(certificate: bool, change: impl FnOnce(&mut SslContextBuilder)) -> SslContext {
    let mut builder = SslContext::builder(SslMethod::tls_client()).expect("OpenSSL allocates");
    builder
        .set_ca_file(certs::file("ca.crt"))
        .expect("the test CA loads");
    builder.set_verify(SslVerifyMode::PEER);
    builder.set_session_cache_mode(SslSessionCacheMode::CLIENT);
    if certificate {
        let (cert, key) = (certs::file("redis.crt"), certs::file("redis.key"));
        builder
            .set_certificate_file(cert, SslFiletype::PEM)
            .expect("the certificate loads");
        builder
            .set_private_key_file(key, SslFiletype::PEM)
            .expect("the key loads");
    }
    change(&mut builder);
    builder.build()
}

/// A change for [`context`]: only this protocol version.
pub fn only(version: SslVersion) -> impl FnOnce(&mut SslContextBuilder) {
    move |builder| {
        builder
            .set_min_proto_version(Some(version))
            .expect("OpenSSL supports the version");
        builder
            .set_max_proto_version(Some(version))
            .expect("OpenSSL supports the version");
    }
}

impl OpensslClient {
    /// Connects to a port of this machine, optionally resuming a session.
    ///
    /// # Errors
    /// If the handshake fails; OpenSSL's message.
    pub fn connect(
        port: u16,
        context: &SslContext,
        session: Option<&SslSession>,
    ) -> Result<Self, String> {
        let socket = TcpStream::connect(("127.0.0.1", port)).expect("the port listens");
        socket
            .set_read_timeout(Some(PATIENCE))
            .expect("the socket option can be set");
        let mut ssl = Ssl::new(context).expect("OpenSSL allocates");
        if let Some(session) = session {
            // SAFETY: `session` came from a context of this process with the same settings.
            unsafe { ssl.set_session(session) }.expect("a session");
        }
        let tls = ssl.connect(socket).map_err(|error| error.to_string())?;
        Ok(OpensslClient { tls })
    }

    /// Sends bytes.
    ///
    /// # Errors
    /// If the connection is closed.
    pub fn send(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.tls.write_all(bytes).map_err(|error| error.to_string())
    }

    /// Waits for `len` bytes.
    ///
    /// # Errors
    /// If the connection ends earlier.
    pub fn read(&mut self, len: usize) -> Result<Vec<u8>, String> {
        let mut bytes = vec![0; len];
        self.tls
            .read_exact(&mut bytes)
            .map_err(|error| error.to_string())?;
        Ok(bytes)
    }

    /// Sends PING and expects PONG.
    ///
    /// # Errors
    /// If the connection ends or another reply arrives.
    pub fn ping(&mut self) -> Result<(), String> {
        self.send(b"PING\r\n")?;
        let reply = self.read(7)?;
        if reply == b"+PONG\r\n" {
            Ok(())
        } else {
            Err(reply.escape_ascii().to_string())
        }
    }

    /// OpenSSL's view of the connection: version, cipher, whether the session was resumed.
    pub fn ssl(&self) -> &SslRef {
        self.tls.ssl()
    }

    /// Version and cipher.
    pub fn negotiated(&self) -> (&str, &str) {
        let cipher = self
            .ssl()
            .current_cipher()
            .map_or("none", |cipher| cipher.name());
        (self.ssl().version_str(), cipher)
    }

    /// Sends close_notify and closes; returns the session for resumption.
    pub fn close(mut self) -> SslSession {
        // OpenSSL invalidates a session whose connection ended without close_notify.
        self.tls.shutdown().expect("close_notify is sent");
        self.ssl().session().expect("a session").to_owned()
    }

    /// Sends close_notify and keeps the socket open.
    pub fn close_notify(&mut self) {
        self.tls.shutdown().expect("close_notify is sent");
    }

    /// Updates the sending keys with the next write (TLS 1.3); with `ask` the server must do the same.
    pub fn update_keys(&mut self, ask: bool) {
        // SAFETY: a live object of this thread; 1 asks the other side to do the same, 0 does not.
        let updated = unsafe { SSL_key_update(self.ssl().as_ptr(), libc::c_int::from(ask)) };
        assert_eq!(updated, 1, "only TLS 1.3 can");
    }

    /// Asks for renegotiation (TLS 1.2).
    ///
    /// # Errors
    /// If the server refuses.
    pub fn renegotiate(&mut self) -> Result<(), String> {
        // SAFETY: a live object of this thread.
        let begun = unsafe { SSL_renegotiate(self.ssl().as_ptr()) };
        assert_eq!(begun, 1, "only TLS 1.2 can");
        self.tls.do_handshake().map_err(|error| error.to_string())
    }

    /// Reads and discards ciphertext until the server closes the connection.
    pub fn discard_all(self) {
        let mut buf = vec![0; 1 << 18];
        while self.tls.get_ref().read(&mut buf).is_ok_and(|n| n > 0) {}
    }

    /// Closes the socket without close_notify.
    pub fn disconnect(self) {
        let _ = self.tls.get_ref().shutdown(Shutdown::Both);
    }
}
