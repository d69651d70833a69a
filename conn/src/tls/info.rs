//! What is known about TLS: certificates, the identity of a peer, statistics of a loop.

use openssl::asn1::{Asn1Time, Asn1TimeRef};
use openssl::nid::Nid;
use openssl::x509::{GeneralNameRef, X509NameRef, X509Ref};

use crate::error::Cause;

/// Bytes on the wire, and records of application data. Each pool counts its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Received, in bytes of ciphertext.
    pub bytes_in: u64,
    /// Sent, in bytes of ciphertext.
    pub bytes_out: u64,
    /// Records decrypted.
    pub records_in: u64,
    /// Records encrypted.
    pub records_out: u64,
}

/// The last handshake that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastFailure {
    /// The whole sentence.
    pub sentence: String,
    /// When, in seconds of Unix time.
    pub unix_time: i64,
}

/// Connections that share a version, a cipher and a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sessions {
    /// `TLSv1.3`.
    pub version: &'static str,
    /// `TLS_AES_256_GCM_SHA384`.
    pub cipher: &'static str,
    /// `X25519`, the group of the key exchange; empty if there was none, as when TLS 1.2 resumes a session.
    pub group: String,
    /// How many.
    pub connections: usize,
}

/// Statistics of one loop's TLS: counters since the start or a reset, and present numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsStats {
    /// Handshakes that succeeded, incoming and outgoing.
    pub handshakes_done: u64,
    /// Of these, resumed from a ticket.
    pub resumed: u64,
    /// Incoming handshakes under way.
    pub in_flight: usize,
    /// Accepted connections whose handshake has not begun: they wait for a slot, or for the peer's
    /// first byte.
    pub waiting: usize,
    /// Failed ones, by cause, in the order of `Cause::ALL`.
    pub failed: [u64; Cause::ALL.len()],
    /// The last of these.
    pub last_failure: Option<LastFailure>,
    /// Bytes and records.
    pub traffic: Traffic,
    /// Present connections by version, cipher and group.
    pub current: Vec<Sessions>,
    /// Before-sleep passes that found decrypted data waiting.
    pub pending_passes: u64,
}

/// The identity in a certificate of a peer that was verified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// `O=Redis, CN=client`.
    pub subject: String,
    /// The subject's common name.
    pub common_name: Option<String>,
    /// The alternative names: DNS names and IP addresses.
    pub names: Vec<String>,
    /// The DNS names among the alternative names.
    pub dns: Vec<String>,
    /// The URIs among the alternative names, which `names` leaves out.
    pub uris: Vec<String>,
}

/// What a loaded certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertRole {
    /// Shown to clients.
    Server,
    /// Shown to servers, on outgoing links.
    Client,
    /// Trusted to sign the certificates of peers.
    Ca,
}

/// A certificate that a context was loaded from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertInfo {
    /// What it is for.
    pub role: CertRole,
    /// Where it came from.
    pub file: String,
    /// Its serial number in hexadecimal.
    pub serial: String,
    /// `O=Redis, CN=server`.
    pub subject: String,
    /// Its alternative names.
    pub names: Vec<String>,
    /// Valid from, in seconds of Unix time.
    pub not_before: i64,
    /// Valid until, in seconds of Unix time.
    pub not_after: i64,
}

/// A certificate revocation list that a context was loaded from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrlInfo {
    /// Where it came from.
    pub file: String,
    /// `O=Redis, CN=authority`.
    pub issuer: String,
    /// When it was issued, in seconds of Unix time.
    pub last_update: i64,
    /// When a newer one is due, in seconds of Unix time.
    pub next_update: Option<i64>,
    /// How many certificates it revokes.
    pub revoked: usize,
}

/// Bytes of a name that a log or a list shows. Certificates may have names of 100 KB, also those of strangers, which
/// are rejected.
const SHOWN: usize = 512;

impl Traffic {
    /// Adds the counts of another pool.
    pub(crate) fn add(&mut self, other: Self) {
        self.bytes_in += other.bytes_in;
        self.bytes_out += other.bytes_out;
        self.records_in += other.records_in;
        self.records_out += other.records_out;
    }
}

impl CertInfo {
    /// Describes `cert`, found in `file`.
    pub(crate) fn new(role: CertRole, file: &str, cert: &X509Ref) -> Self {
        Self {
            role,
            file: file.to_string(),
            serial: serial(cert),
            subject: name_text(cert.subject_name()),
            names: alternative_names(cert),
            not_before: unix_time(cert.not_before()),
            not_after: unix_time(cert.not_after()),
        }
    }
}

/// The serial number in hexadecimal.
pub(crate) fn serial(cert: &X509Ref) -> String {
    let number = cert.serial_number().to_bn();
    let text = number.and_then(|number| number.to_hex_str().map(|text| text.to_string()));
    text.unwrap_or_default()
}

/// The identity in a peer's certificate.
pub fn identity(cert: &X509Ref) -> Identity {
    let names = cert.subject_alt_names();
    let texts = |text: fn(&GeneralNameRef) -> Option<&str>| {
        let texts = names.iter().flatten().filter_map(text);
        texts
            .filter(|text| !text.contains('\0'))
            .map(str::to_owned)
            .collect()
    };
    Identity {
        subject: name_text(cert.subject_name()),
        common_name: common_name(cert.subject_name()),
        names: alternative_names(cert),
        dns: texts(GeneralNameRef::dnsname),
        uris: texts(GeneralNameRef::uri),
    }
}

/// The subject's common name. One with a NUL inside is rejected: it is made to look like another.
pub(crate) fn common_name(name: &X509NameRef) -> Option<String> {
    let entry = name.entries_by_nid(Nid::COMMONNAME).next()?;
    let text = entry.data().to_string().ok()?;
    (!text.contains('\0')).then_some(text)
}

/// The beginning of a name, if it is long.
pub(crate) fn shortened(mut name: String) -> String {
    if name.len() > SHOWN {
        name.truncate(name.floor_char_boundary(SHOWN));
        name.push_str("...");
    }
    name
}

/// `O=Redis, CN=server`, with unprintable characters escaped, and cut if it is long.
pub(crate) fn name_text(name: &X509NameRef) -> String {
    let parts = name.entries().map(|entry| {
        let key = entry.object().nid().short_name().unwrap_or("?");
        let value = entry
            .data()
            .to_string()
            .map_or_else(|_| "?".to_string(), |text| text.escape_debug().to_string());
        format!("{key}={value}")
    });
    shortened(parts.collect::<Vec<_>>().join(", "))
}

/// The alternative names: DNS names and IP addresses.
pub(crate) fn alternative_names(cert: &X509Ref) -> Vec<String> {
    let Some(names) = cert.subject_alt_names() else {
        return Vec::new();
    };
    let text = |name: &GeneralNameRef| {
        if let Some(dns) = name.dnsname() {
            return (!dns.contains('\0')).then(|| dns.to_string());
        }
        let bytes = name.ipaddress()?;
        if let Ok(octets) = <[u8; 4]>::try_from(bytes) {
            return Some(std::net::Ipv4Addr::from(octets).to_string());
        }
        <[u8; 16]>::try_from(bytes)
            .ok()
            .map(|octets| std::net::Ipv6Addr::from(octets).to_string())
    };
    names.iter().filter_map(text).collect()
}

/// Seconds of Unix time; 0 for a time that OpenSSL cannot read.
pub(crate) fn unix_time(time: &Asn1TimeRef) -> i64 {
    let since = Asn1Time::from_unix(0).and_then(|epoch| epoch.diff(time));
    since.map_or(0, |diff| {
        i64::from(diff.days) * 86_400 + i64::from(diff.secs)
    })
}

#[cfg(test)]
mod tests {
    use super::{SHOWN, shortened};

    #[test]
    fn a_long_name_is_cut_between_characters() {
        let long = "x".repeat(SHOWN);
        for (name, expected) in [
            (long.clone(), long.clone()),
            (format!("{long}y"), format!("{long}...")),
            // Of two bytes, of which the second is one too many.
            (
                format!("{}\u{e9}y", &long[1..]),
                format!("{}...", &long[1..]),
            ),
        ] {
            assert_eq!(shortened(name), expected);
        }
    }
}
