//! A certificate authority of the test's own, and a folder for its files.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use conn::tls::config::{AuthClients, TlsConfig};
use conn::tls::context::TlsContext;
use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::symm::Cipher;
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509Builder, X509Name, X509NameBuilder};

/// A folder that goes with its owner.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("conn-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    pub fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    pub fn write(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.path(name);
        fs::write(&path, bytes).expect("a file");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub struct Authority {
    key: PKey<Private>,
    pub cert: X509,
}

/// A certificate and its key, in memory.
pub struct Issued {
    pub key: PKey<Private>,
    pub cert: X509,
}

fn name(common_name: &str) -> X509Name {
    let mut name = X509NameBuilder::new().expect("a name");
    name.append_entry_by_nid(Nid::ORGANIZATIONNAME, "Tests")
        .expect("an entry");
    name.append_entry_by_nid(Nid::COMMONNAME, common_name)
        .expect("an entry");
    name.build()
}

/// Seconds of a day.
const DAY: i64 = 86_400;

fn new_key() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).expect("a curve");
    PKey::from_ec_key(EcKey::generate(&group).expect("a key")).expect("a key")
}

/// A builder with everything but extensions; valid for the given seconds from now.
fn builder(subject: &str, key: &PKey<Private>, seconds: (i64, i64)) -> X509Builder {
    static SERIAL: AtomicU32 = AtomicU32::new(1);
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("a clock")
        .as_secs() as i64;
    let time = |n: i64| Asn1Time::from_unix(now + n).expect("a time");
    let serial = BigNum::from_u32(SERIAL.fetch_add(1, Ordering::Relaxed))
        .and_then(|n| n.to_asn1_integer())
        .expect("a serial");
    let mut builder = X509Builder::new().expect("a builder");
    builder.set_version(2).expect("version 3");
    builder.set_serial_number(&serial).expect("a serial");
    builder.set_subject_name(&name(subject)).expect("a subject");
    builder.set_not_before(&time(seconds.0)).expect("a time");
    builder.set_not_after(&time(seconds.1)).expect("a time");
    builder.set_pubkey(key).expect("a key");
    builder
}

impl Authority {
    pub fn new(common_name: &str) -> Self {
        let key = new_key();
        let mut builder = builder(common_name, &key, (-DAY, 30 * DAY));
        builder
            .set_issuer_name(&name(common_name))
            .expect("an issuer");
        builder
            .append_extension(
                BasicConstraints::new()
                    .critical()
                    .ca()
                    .build()
                    .expect("an extension"),
            )
            .expect("an extension");
        builder
            .sign(&key, MessageDigest::sha256())
            .expect("a signature");
        Self {
            cert: builder.build(),
            key,
        }
    }

    pub fn issue(&self, common_name: &str, days: (i64, i64)) -> Issued {
        self.issue_for(common_name, (days.0 * DAY, days.1 * DAY))
    }

    /// One that is valid for the given seconds from now.
    pub fn issue_for(&self, common_name: &str, seconds: (i64, i64)) -> Issued {
        let key = new_key();
        let mut builder = builder(common_name, &key, seconds);
        builder
            .set_issuer_name(self.cert.subject_name())
            .expect("an issuer");
        let names = SubjectAlternativeName::new()
            .dns(common_name)
            .ip("127.0.0.1")
            .build(&builder.x509v3_context(Some(&self.cert), None));
        builder
            .append_extension(names.expect("an extension"))
            .expect("an extension");
        builder
            .sign(&self.key, MessageDigest::sha256())
            .expect("a signature");
        Issued {
            cert: builder.build(),
            key,
        }
    }
}

impl Issued {
    /// Writes `name.crt` and `name.key`.
    pub fn save(&self, folder: &Folder, name: &str) -> (String, String) {
        let cert = folder.write(&format!("{name}.crt"), &self.cert.to_pem().expect("PEM"));
        let key = folder.write(
            &format!("{name}.key"),
            &self.key.private_key_to_pem_pkcs8().expect("PEM"),
        );
        (cert, key)
    }

    /// The key under a password.
    pub fn sealed_key(&self, password: &str) -> Vec<u8> {
        self.key
            .private_key_to_pem_pkcs8_passphrase(Cipher::aes_256_cbc(), password.as_bytes())
            .expect("PEM")
    }
}

/// A server's files, its authority, and the configuration that names them.
pub struct Site {
    pub folder: Folder,
    pub authority: Authority,
    pub config: TlsConfig,
}

impl Site {
    /// Clients need no certificate.
    pub fn new() -> Self {
        let folder = Folder::new();
        let authority = Authority::new("Test CA");
        let (cert, key) = authority.issue("server", (-1, 30)).save(&folder, "server");
        let ca = folder.write("ca.crt", &authority.cert.to_pem().expect("PEM"));
        let config = TlsConfig {
            cert_file: Some(cert),
            key_file: Some(key),
            ca_cert_file: Some(ca),
            auth_clients: AuthClients::No,
            ..TlsConfig::default()
        };
        Self {
            folder,
            authority,
            config,
        }
    }

    pub fn context(&self) -> TlsContext {
        TlsContext::load(&self.config, None).expect("a context")
    }
}
