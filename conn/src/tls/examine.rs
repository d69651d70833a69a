//! What a peer shows of its TLS: for tools that print it, or say what is wrong with it, and for DEBUG TLS.

#![allow(unsafe_code)]

use std::ffi::CString;
use std::net::IpAddr;
use std::ptr;

use foreign_types::ForeignTypeRef;
use openssl::asn1::Asn1TimeRef;
use openssl::pkey::{Id, PKeyRef, Public};
use openssl::ssl::{NameType, SslRef};
use openssl::x509::{X509, X509Ref, X509VerifyResult};
use openssl_sys as ffi;

use crate::tls::info::{alternative_names, name_text, serial, unix_time};
use crate::tls::ticket_chain::TicketChain;

/// What verification made of a server's certificate, whether or not the connection depends on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing is wrong.
    Good,
    /// The certificate of an issuer is neither sent nor trusted.
    UnknownIssuer,
    /// It is signed by itself, or by a root that is not trusted.
    SelfSigned,
    /// It is for another name.
    Name,
    /// It has expired, or is not valid yet.
    Dates,
    /// Something else, in OpenSSL's words.
    Other(String),
}

/// A date, to be compared and to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Date {
    /// Seconds of Unix time.
    pub unix: i64,
    /// `Nov 29 15:49:03 2027 GMT`.
    pub text: String,
}

/// A certificate that a peer has sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownCert {
    /// `O=Redis, CN=server`.
    pub subject: String,
    /// The subject of the certificate that has signed it.
    pub issuer: String,
    /// Its serial number in hexadecimal.
    pub serial: String,
    /// Its alternative names.
    pub names: Vec<String>,
    /// Valid from.
    pub not_before: Date,
    /// Valid until.
    pub not_after: Date,
    /// `RSA`, `EC`, `ED25519` and the like.
    pub key: String,
    /// The size of that key.
    pub bits: u32,
    /// `sha256WithRSAEncryption`.
    pub signature: String,
    /// Whether it is signed by itself, as the certificates of root authorities are.
    pub is_self_issued: bool,
}

/// What a handshake has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// `TLSv1.3`.
    pub version: &'static str,
    /// `TLS_AES_256_GCM_SHA384`.
    pub cipher: &'static str,
    /// `X25519`; empty if there was no exchange of keys.
    pub group: String,
    /// The certificates in the order in which they were sent.
    pub chain: Vec<ShownCert>,
    /// The first certificate that is followed by another one than that of its issuer.
    pub disorder: Option<usize>,
    /// What verification made of them.
    pub verdict: Verdict,
}

/// What a server knows of one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Details {
    /// What the peer has shown. Of a resumed session that is its own certificate.
    pub shown: Shown,
    /// The session was resumed.
    pub is_resumed: bool,
    /// Of a resumed session, when the first certificate of the chain that was verified expires.
    pub chain_expires: Option<i64>,
    /// The subject of the certificate that this side has shown.
    pub own_subject: String,
    /// The server name that a client has asked for.
    pub server_name: String,
}

/// What the peer at the other end of a connection has shown.
pub(crate) fn shown(ssl: &SslRef, group: &str) -> Shown {
    // OpenSSL leaves the client's own certificate out of its chain.
    let own = ssl.peer_certificate().filter(|_| ssl.is_server());
    let chain: Vec<X509> = (own.into_iter())
        .chain((ssl.peer_cert_chain().into_iter().flatten()).map(ToOwned::to_owned))
        .collect();
    let disorder =
        (chain.windows(2)).position(|pair| pair[1].issued(&pair[0]) != X509VerifyResult::OK);
    Shown {
        version: ssl.version_str(),
        cipher: ssl.current_cipher().map_or("", |cipher| cipher.name()),
        group: group.to_owned(),
        chain: chain.iter().map(|cert| shown_cert(cert)).collect(),
        disorder,
        verdict: verdict(ssl.verify_result()),
    }
}

/// What is known of a connection whose handshake is done.
pub(crate) fn details(ssl: &SslRef, group: &str) -> Details {
    let chain = TicketChain::of(ssl).filter(|_| ssl.session_reused());
    let name = ssl.servername_raw(NameType::HOST_NAME).unwrap_or_default();
    Details {
        shown: shown(ssl, group),
        is_resumed: ssl.session_reused(),
        chain_expires: chain.map(|chain| chain.expires),
        own_subject: ssl
            .certificate()
            .map_or_else(String::new, |cert| name_text(cert.subject_name())),
        server_name: name.escape_ascii().to_string(),
    }
}

/// Whether the peer's certificate is for a host name or an address.
pub(crate) fn fits(ssl: &SslRef, name: &str) -> bool {
    let (Some(cert), Ok(text)) = (ssl.peer_certificate(), CString::new(name)) else {
        return false;
    };
    let is_address = name.parse::<IpAddr>().is_ok();
    // SAFETY: the certificate is live, and the text ends with a NUL behind as many bytes as stated; no name is asked back.
    let fits = unsafe {
        if is_address {
            ffi::X509_check_ip_asc(cert.as_ptr(), text.as_ptr(), 0)
        } else {
            ffi::X509_check_host(cert.as_ptr(), text.as_ptr(), name.len(), 0, ptr::null_mut())
        }
    };
    fits == 1
}

fn verdict(result: X509VerifyResult) -> Verdict {
    match result.as_raw() {
        ffi::X509_V_OK => Verdict::Good,
        ffi::X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT
        | ffi::X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY
        | ffi::X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE => Verdict::UnknownIssuer,
        ffi::X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT | ffi::X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN => {
            Verdict::SelfSigned
        }
        ffi::X509_V_ERR_HOSTNAME_MISMATCH | ffi::X509_V_ERR_IP_ADDRESS_MISMATCH => Verdict::Name,
        ffi::X509_V_ERR_CERT_HAS_EXPIRED | ffi::X509_V_ERR_CERT_NOT_YET_VALID => Verdict::Dates,
        _ => Verdict::Other(result.error_string().to_owned()),
    }
}

/// Describes one certificate.
pub fn shown_cert(cert: &X509Ref) -> ShownCert {
    let key = cert.public_key().ok();
    let signature = cert.signature_algorithm().object().nid();
    ShownCert {
        subject: name_text(cert.subject_name()),
        issuer: name_text(cert.issuer_name()),
        serial: serial(cert),
        names: alternative_names(cert),
        not_before: date(cert.not_before()),
        not_after: date(cert.not_after()),
        key: key
            .as_ref()
            .map_or("unknown", |key| key_name(key))
            .to_owned(),
        bits: key.map_or(0, |key| key.bits()),
        signature: signature.long_name().unwrap_or("unknown").to_owned(),
        is_self_issued: cert.issued(cert) == X509VerifyResult::OK,
    }
}

fn key_name(key: &PKeyRef<Public>) -> &'static str {
    match key.id() {
        Id::RSA | Id::RSA_PSS => "RSA",
        Id::EC => "EC",
        Id::ED25519 => "ED25519",
        Id::ED448 => "ED448",
        Id::DSA => "DSA",
        _ => "other",
    }
}

fn date(time: &Asn1TimeRef) -> Date {
    Date {
        unix: unix_time(time),
        text: time.to_string(),
    }
}
