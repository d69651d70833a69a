//! A TLS client that is not ours: OpenSSL's own stream over a blocking socket.
//!
//! It does what `conn` never would: keeps sessions and resumes them, renews its keys in the middle of a reply, asks for
//! renegotiation, negotiates exactly what it is told.

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
pub struct Stranger {
    tls: SslStream<TcpStream>,
}

/// Settings of a client that trusts the test CA, with a certificate to show or without, and `change` made to them.
pub fn context(certificate: bool, change: impl FnOnce(&mut SslContextBuilder)) -> SslContext {
    let mut builder = SslContext::builder(SslMethod::tls_client()).expect("a context");
    builder
        .set_ca_file(certs::file("ca.crt"))
        .expect("the test CA");
    builder.set_verify(SslVerifyMode::PEER);
    builder.set_session_cache_mode(SslSessionCacheMode::CLIENT);
    if certificate {
        let (cert, key) = (certs::file("redis.crt"), certs::file("redis.key"));
        builder
            .set_certificate_file(cert, SslFiletype::PEM)
            .expect("a certificate");
        builder
            .set_private_key_file(key, SslFiletype::PEM)
            .expect("its key");
    }
    change(&mut builder);
    builder.build()
}

/// A change for [`context`]: this version and no other.
pub fn only(version: SslVersion) -> impl FnOnce(&mut SslContextBuilder) {
    move |builder| {
        builder
            .set_min_proto_version(Some(version))
            .expect("a version");
        builder
            .set_max_proto_version(Some(version))
            .expect("a version");
    }
}

impl Stranger {
    /// Connects to a port of this machine, with a session to resume or without.
    ///
    /// # Errors
    /// The handshake failed; OpenSSL's words.
    pub fn connect(
        port: u16,
        context: &SslContext,
        session: Option<&SslSession>,
    ) -> Result<Self, String> {
        let socket = TcpStream::connect(("127.0.0.1", port)).expect("the port listens");
        socket
            .set_read_timeout(Some(PATIENCE))
            .expect("a socket option");
        let mut ssl = Ssl::new(context).expect("an object");
        if let Some(session) = session {
            // SAFETY: the session came from a context of this process with the same settings.
            unsafe { ssl.set_session(session) }.expect("a session");
        }
        let tls = ssl.connect(socket).map_err(|error| error.to_string())?;
        Ok(Stranger { tls })
    }

    /// Sends bytes.
    ///
    /// # Errors
    /// The connection is gone.
    pub fn send(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.tls.write_all(bytes).map_err(|error| error.to_string())
    }

    /// Waits for so many bytes.
    ///
    /// # Errors
    /// The connection ended before.
    pub fn read(&mut self, len: usize) -> Result<Vec<u8>, String> {
        let mut bytes = vec![0; len];
        self.tls
            .read_exact(&mut bytes)
            .map_err(|error| error.to_string())?;
        Ok(bytes)
    }

    /// PING; whether PONG came.
    ///
    /// # Errors
    /// The connection ended instead.
    pub fn ping(&mut self) -> Result<(), String> {
        self.send(b"PING\r\n")?;
        let reply = self.read(7)?;
        if reply == b"+PONG\r\n" {
            Ok(())
        } else {
            Err(reply.escape_ascii().to_string())
        }
    }

    /// What OpenSSL knows of the connection: version, cipher, whether it was resumed.
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

    /// Says goodbye and closes; the session can be resumed.
    pub fn leave(mut self) -> SslSession {
        // OpenSSL gives up a session whose connection ended without a goodbye.
        self.tls.shutdown().expect("a goodbye");
        self.ssl().session().expect("a session").to_owned()
    }

    /// Says goodbye and stays.
    pub fn say_goodbye(&mut self) {
        self.tls.shutdown().expect("a goodbye");
    }

    /// Renews the keys for sending with the next write (TLS 1.3), and asks the server to do the same.
    pub fn update_keys(&mut self, ask: bool) {
        // SAFETY: a live object of this thread; 1 asks the other side to do the same, 0 does not.
        let updated = unsafe { SSL_key_update(self.ssl().as_ptr(), libc::c_int::from(ask)) };
        assert_eq!(updated, 1, "only TLS 1.3 can");
    }

    /// Asks for a new handshake on the same connection (TLS 1.2).
    ///
    /// # Errors
    /// The server refused.
    pub fn renegotiate(&mut self) -> Result<(), String> {
        // SAFETY: a live object of this thread.
        let begun = unsafe { SSL_renegotiate(self.ssl().as_ptr()) };
        assert_eq!(begun, 1, "only TLS 1.2 can");
        self.tls.do_handshake().map_err(|error| error.to_string())
    }

    /// Takes what comes off the socket, without decrypting it, until the server closes.
    pub fn swallow(self) {
        let mut buf = vec![0; 1 << 18];
        while self.tls.get_ref().read(&mut buf).is_ok_and(|n| n > 0) {}
    }

    /// Breaks the connection without a goodbye.
    pub fn vanish(self) {
        let _ = self.tls.get_ref().shutdown(Shutdown::Both);
    }
}
