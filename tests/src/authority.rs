//! A small certificate authority whose certificates are valid to the second, for tests in which they expire.

use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use openssl::asn1::{Asn1Time, Asn1Type};
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::extension::{BasicConstraints, KeyUsage, SubjectAlternativeName};
use openssl::x509::{X509, X509Builder, X509Name, X509NameBuilder};

/// A certificate and its key.
pub struct Pair {
    /// The certificate.
    pub cert: X509,
    /// Its key.
    pub key: PKey<Private>,
}

/// A certificate to be issued.
#[derive(Clone, Copy)]
pub struct Spec<'a> {
    /// Its common name.
    pub name: &'a str,
    /// Its serial number.
    pub serial: u32,
    /// Seconds from now for which it is valid; it begins in the past.
    pub seconds: i64,
    /// It may sign others.
    pub is_authority: bool,
}

/// Unix time in seconds.
///
/// # Panics
/// Before 1970.
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("after 1970").as_secs().cast_signed()
}

impl Pair {
    /// A root authority.
    pub fn root(name: &str) -> Self {
        let spec = Spec {
            name,
            serial: 1,
            seconds: 86_400,
            is_authority: true,
        };
        make(&spec, &named(name), None, None)
    }

    /// Issues a certificate.
    pub fn issue(&self, spec: &Spec<'_>) -> Self {
        make(spec, &named(spec.name), None, Some(self))
    }

    /// Issues a certificate that becomes valid in this many seconds.
    pub fn issue_from(&self, spec: &Spec<'_>, seconds: i64) -> Self {
        make_from(seconds, spec, &named(spec.name), None, Some(self))
    }

    /// Issues a certificate to any subject, with any alternative names.
    pub fn issue_to(
        &self,
        spec: &Spec<'_>,
        subject: &X509Name,
        names: &SubjectAlternativeName,
    ) -> Self {
        make(spec, subject, Some(names), Some(self))
    }

    /// Writes `NAME.crt`, with the certificates `behind` this one, and `NAME.key`. Each replaces an older file at once.
    ///
    /// # Panics
    /// If the folder is not writable.
    pub fn write(&self, folder: &Path, name: &str, behind: &[&Pair]) {
        let pem = |pair: &Pair| pair.cert.to_pem().expect("PEM");
        let chain: Vec<u8> = [self]
            .iter()
            .chain(behind)
            .flat_map(|pair| pem(pair))
            .collect();
        let key = self.key.private_key_to_pem_pkcs8().expect("PEM");
        for (ending, bytes) in [("key", key), ("crt", chain)] {
            let (new, file) = (folder.join("new"), folder.join(format!("{name}.{ending}")));
            fs::write(&new, bytes).expect("the folder is writable");
            fs::rename(new, file).expect("the folder is writable");
        }
    }

    /// The end of its validity, in seconds of Unix time.
    ///
    /// # Panics
    /// If OpenSSL cannot tell.
    pub fn expires(&self) -> i64 {
        let epoch = Asn1Time::from_unix(0).expect("a time");
        let since = epoch.diff(self.cert.not_after()).expect("a time");
        i64::from(since.days) * 86_400 + i64::from(since.secs)
    }
}

fn named(name: &str) -> X509Name {
    subject(&[
        (Nid::ORGANIZATIONNAME, Asn1Type::UTF8STRING, "Redis Test"),
        (Nid::COMMONNAME, Asn1Type::UTF8STRING, name),
    ])
}

/// A subject of entries that hold these bytes as strings of these types, whatever they are and however long.
///
/// # Panics
/// If OpenSSL refuses.
pub fn subject(entries: &[(Nid, Asn1Type, &str)]) -> X509Name {
    let mut names = X509NameBuilder::new().expect("a name");
    for (nid, kind, text) in entries {
        names
            .append_entry_by_nid_with_type(*nid, text, *kind)
            .expect("an entry");
    }
    names.build()
}

fn make(
    spec: &Spec<'_>,
    subject: &X509Name,
    names: Option<&SubjectAlternativeName>,
    issuer: Option<&Pair>,
) -> Pair {
    make_from(-60, spec, subject, names, issuer)
}

fn make_from(
    begins: i64,
    spec: &Spec<'_>,
    subject: &X509Name,
    names: Option<&SubjectAlternativeName>,
    issuer: Option<&Pair>,
) -> Pair {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).expect("a curve");
    let key = PKey::from_ec_key(EcKey::generate(&group).expect("a key")).expect("a key");
    let mut builder = X509Builder::new().expect("a certificate");
    let serial = BigNum::from_u32(spec.serial).and_then(|number| number.to_asn1_integer());
    let time = |seconds| Asn1Time::from_unix(now() + seconds).expect("a time");
    let fill = || {
        builder.set_version(2)?;
        builder.set_serial_number(&*serial?)?;
        builder.set_subject_name(subject)?;
        builder.set_issuer_name(issuer.map_or(&**subject, |issuer| issuer.cert.subject_name()))?;
        builder.set_not_before(&time(begins))?;
        builder.set_not_after(&time(spec.seconds))?;
        builder.set_pubkey(&key)?;
        if spec.is_authority {
            builder.append_extension(BasicConstraints::new().critical().ca().build()?)?;
            let usage = KeyUsage::new()
                .critical()
                .key_cert_sign()
                .crl_sign()
                .build()?;
            builder.append_extension(usage)?;
        } else {
            let context = builder.x509v3_context(None, None);
            let mut local = SubjectAlternativeName::new();
            local.dns("localhost").ip("127.0.0.1");
            let names = names.unwrap_or(&local).build(&context)?;
            builder.append_extension(names)?;
        }
        builder.sign(
            issuer.map_or(&key, |issuer| &issuer.key),
            MessageDigest::sha256(),
        )
    };
    fill().expect("a certificate");
    Pair {
        cert: builder.build(),
        key,
    }
}
