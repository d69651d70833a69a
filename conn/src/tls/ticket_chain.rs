//! What a session ticket says of the chain by which a client's certificate was verified.
//!
//! OpenSSL keeps the client's own certificate in a ticket, but not those of the authorities between it and the root,
//! and it verifies nothing when a session is resumed. A ticket therefore also carries when the first certificate of the
//! chain expires, and the issuer and serial number of each certificate behind the client's own. So a resumed session
//! ends with its chain, and a list that revokes an intermediate authority is known to concern it.
//!
//! ```text
//!   expires (8, Unix seconds) · per certificate: length (2) · issuer in DER · length (2) · serial number in hexadecimal
//! ```
//!
//! # Invariants
//! 1. The data is written by this server, and sealed with the ticket. A ticket that it did not seal is never opened.
//! 2. A resumed session has the data of the one that it resumes, since OpenSSL copies it into the next ticket.

#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};
use std::ptr;

use foreign_types::ForeignTypeRef;
use openssl::asn1::Asn1Integer;
use openssl::bn::BigNum;
use openssl::ssl::{SslContextBuilder, SslRef};
use openssl::stack::StackRef;
use openssl::x509::{X509, X509Name, X509Ref};
use openssl_sys as ffi;

use crate::tls::context::{TlsContext, now};
use crate::tls::crl::issuer_key;
use crate::tls::info::{common_name, name_text, shortened, unix_time};

type Generate = unsafe extern "C" fn(*mut ffi::SSL, *mut c_void) -> c_int;

unsafe extern "C" {
    fn SSL_CTX_set_session_ticket_cb(
        context: *mut ffi::SSL_CTX,
        generate: Option<Generate>,
        decrypt: Option<unsafe extern "C" fn()>,
        data: *mut c_void,
    ) -> c_int;
    fn SSL_SESSION_set1_ticket_appdata(
        session: *mut ffi::SSL_SESSION,
        data: *const c_void,
        len: usize,
    ) -> c_int;
    fn SSL_SESSION_get0_ticket_appdata(
        session: *mut ffi::SSL_SESSION,
        data: *mut *mut c_void,
        len: *mut usize,
    ) -> c_int;
}

/// A certificate, by what a revocation list says of it.
pub(crate) struct Link {
    pub(crate) issuer: X509Name,
    pub(crate) serial: Asn1Integer,
    /// The identifier of the issuer's key.
    pub(crate) key: Option<Vec<u8>>,
}

/// The chain of a session.
pub(crate) struct TicketChain {
    /// When its first certificate expires, in seconds of Unix time.
    pub(crate) expires: i64,
    /// The certificates behind the client's own.
    pub(crate) links: Vec<Link>,
}

/// Has the tickets of a context carry the chains of their clients.
pub(crate) fn install(builder: &mut SslContextBuilder) {
    // SAFETY: the builder's context is live, and the callback has the type that OpenSSL expects; it takes no data.
    unsafe {
        SSL_CTX_set_session_ticket_cb(builder.as_ptr(), Some(on_ticket), None, ptr::null_mut())
    };
}

/// Called before a ticket is sealed. A session that was resumed has its data already, and no verified chain.
unsafe extern "C" fn on_ticket(ssl: *mut ffi::SSL, _data: *mut c_void) -> c_int {
    // SAFETY: OpenSSL calls this with a live object, of which only a shared reference is formed.
    let live = unsafe { SslRef::from_ptr(ssl) };
    if let Some(bytes) = live.verified_chain().and_then(encode) {
        // SAFETY: a connection that issues a ticket has a session; the call copies as many bytes as it is given.
        let set = unsafe {
            let session = ffi::SSL_get_session(ssl);
            SSL_SESSION_set1_ticket_appdata(session, bytes.as_ptr().cast(), bytes.len())
        };
        return set;
    }
    1
}

impl TicketChain {
    /// That of a session; `None` if its ticket has none, or it was resumed without one.
    pub(crate) fn of(ssl: &SslRef) -> Option<Self> {
        let session = ssl.session()?;
        let (mut data, mut len) = (ptr::null_mut(), 0);
        // SAFETY: the session is live, and the call only stores where its data is.
        let got = unsafe {
            SSL_SESSION_get0_ticket_appdata(session.as_ptr(), &raw mut data, &raw mut len)
        };
        if got != 1 || data.is_null() {
            return None;
        }
        // SAFETY: OpenSSL holds `len` bytes there for as long as the session lives, which is borrowed here.
        decode(unsafe { std::slice::from_raw_parts(data.cast::<u8>(), len) })
    }
}

/// The first certificate of a peer's chain that a context's lists revoke: its subject, or what else is known of it.
pub(crate) fn revoked(ssl: &SslRef, context: &TlsContext) -> Option<String> {
    // Of a resumed session OpenSSL has no verified chain: without a ticket it still has all that the peer has shown, with one
    // the peer's own certificate.
    let chain = ssl.verified_chain().or_else(|| ssl.peer_cert_chain());
    let certs = ssl.peer_certificate().into_iter();
    let mut certs = certs.chain(chain.into_iter().flatten().map(ToOwned::to_owned));
    if let Some(cert) = certs.find(|cert| context.is_revoked(cert)) {
        return Some(name_text(cert.subject_name()));
    }
    let ticket = TicketChain::of(ssl).filter(|_| ssl.session_reused())?;
    let link = (ticket.links.iter()).find(|link| context.is_link_revoked(link))?;
    Some(format!(
        "of an authority, issued by {}",
        name_text(&link.issuer)
    ))
}

/// Whose certificate has expired, of those behind a session that is resumed: a part of a sentence.
pub(crate) fn expired(ssl: &SslRef) -> Option<String> {
    let (cert, now) = (ssl.peer_certificate()?, now());
    if unix_time(cert.not_after()) < now {
        let name = common_name(cert.subject_name());
        return Some(name.map_or(String::new(), |name| {
            format!(" (CN={})", shortened(name).escape_debug())
        }));
    }
    let is_authority_past = match TicketChain::of(ssl) {
        Some(ticket) => ticket.expires < now,
        // A session from the cache has the certificates that the peer sent.
        None => {
            let mut chain = ssl.peer_cert_chain().into_iter().flatten();
            chain.any(|cert| unix_time(cert.not_after()) < now)
        }
    };
    is_authority_past.then(|| " (of an authority)".to_owned())
}

fn encode(chain: &StackRef<X509>) -> Option<Vec<u8>> {
    let expires = chain.iter().map(|cert| unix_time(cert.not_after())).min()?;
    let mut bytes = expires.to_be_bytes().to_vec();
    for cert in chain.iter().skip(1) {
        encode_link(cert, &mut bytes)?;
    }
    Some(bytes)
}

/// `None` if a part is longer than its length can say.
fn encode_link(cert: &X509Ref, bytes: &mut Vec<u8>) -> Option<()> {
    let issuer = cert.issuer_name().to_der().ok()?;
    let serial = cert.serial_number().to_bn().ok()?.to_hex_str().ok()?;
    let key = issuer_key(cert).unwrap_or_default();
    for part in [&issuer, serial.as_bytes(), key] {
        bytes.extend(u16::try_from(part.len()).ok()?.to_be_bytes());
        bytes.extend(part);
    }
    Some(())
}

fn decode(bytes: &[u8]) -> Option<TicketChain> {
    let (expires, mut rest) = bytes.split_first_chunk()?;
    let mut links = Vec::new();
    while !rest.is_empty() {
        let issuer = X509Name::from_der(take(&mut rest)?).ok()?;
        let serial = std::str::from_utf8(take(&mut rest)?).ok()?;
        let serial = BigNum::from_hex_str(serial).ok()?.to_asn1_integer().ok()?;
        let key = Some(take(&mut rest)?.to_vec()).filter(|key| !key.is_empty());
        links.push(Link {
            issuer,
            serial,
            key,
        });
    }
    Some(TicketChain {
        expires: i64::from_be_bytes(*expires),
        links,
    })
}

/// The next part, and its length before it.
fn take<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (len, tail) = rest.split_first_chunk()?;
    let (part, tail) = tail.split_at_checked(usize::from(u16::from_be_bytes(*len)))?;
    *rest = tail;
    Some(part)
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn data_that_is_cut_is_none() {
        let mut name = openssl::x509::X509NameBuilder::new().expect("a name");
        name.append_entry_by_text("CN", "ca").expect("an entry");
        let issuer = name.build().to_der().expect("DER");
        let mut bytes = 7i64.to_be_bytes().to_vec();
        for part in [&issuer[..], b"1092", b"", &issuer, b"-0A", b"key"] {
            bytes.extend((part.len() as u16).to_be_bytes());
            bytes.extend(part);
        }
        let ends = [8, 8 + 2 + issuer.len() + 2 + 4 + 2, bytes.len()];
        for len in 0..=bytes.len() {
            let links = decode(&bytes[..len]).map(|chain| {
                assert_eq!(chain.expires, 7);
                chain.links.len()
            });
            assert_eq!(links, ends.iter().position(|end| *end == len), "{len}");
        }
        let last = decode(&bytes).and_then(|chain| chain.links.into_iter().last());
        let last = last.expect("a link");
        assert_eq!(last.key.as_deref(), Some(b"key".as_slice()));
        let serial = last.serial.to_bn().expect("a number");
        assert_eq!(serial.to_hex_str().expect("a text").to_string(), "-0A");
    }
}
