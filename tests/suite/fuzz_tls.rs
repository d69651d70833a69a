//! Malformed certificates and revocation lists, a bounded number of them with fixed seeds.
//!
//! The files of `tests/fuzz/certificate` and `tests/fuzz/crl` are DER, so that mutations change what is encoded. They
//! are examined as a peer's certificate would be, and loaded in PEM as the files of a server are: the load succeeds, or
//! fails with a sentence that names the file.

use std::fs;

use conn::tls::config::{AuthClients, TlsConfig};
use conn::tls::context::TlsContext;
use conn::tls::examine::shown_cert;
use conn::tls::info::identity;
use data::util::rand::Rng;
use openssl::base64::encode_block;
use openssl::error::ErrorStack;
use openssl::x509::X509;
use tempfile::TempDir;
use tests::certs;
use tests::corpus::Corpus;
use tests::server::temp_dir;

const MUTANTS: usize = 3000;

/// DER as PEM.
fn pem(kind: &str, der: &[u8]) -> String {
    let text = encode_block(der);
    let lines: Vec<&str> = (0..text.len())
        .step_by(64)
        .map(|at| &text[at..text.len().min(at + 64)])
        .collect();
    format!(
        "-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n",
        lines.join("\n")
    )
}

/// A server's files, of which one is what an input says.
struct Files {
    folder: TempDir,
    config: TlsConfig,
}

impl Files {
    fn new(change: impl Fn(&mut TlsConfig, String)) -> Self {
        let folder = temp_dir();
        let mut config = TlsConfig {
            cert_file: Some(certs::file("redis.crt")),
            key_file: Some(certs::file("redis.key")),
            ca_cert_file: Some(certs::file("ca.crt")),
            auth_clients: AuthClients::Yes,
            ..TlsConfig::default()
        };
        change(&mut config, certs::file_in(folder.path(), "input"));
        Files { folder, config }
    }

    /// Loads an input; whether that succeeds. It must say why not, and leave no error of OpenSSL behind.
    fn load(&self, text: &[u8]) -> bool {
        fs::write(self.folder.path().join("input"), text).expect("writable");
        let loaded = TlsContext::load(&self.config, None);
        assert!(ErrorStack::get().errors().is_empty());
        match loaded {
            Ok(context) => {
                // What INFO prints.
                let lines = format!("{:?}{:?}", context.certs(), context.crls());
                assert!(!lines.contains('\0'), "{lines:?}");
                true
            }
            Err(error) => {
                let error = error.to_string();
                assert!(
                    error.contains("/input") || error.contains("certificate revocation lists"),
                    "{error}"
                );
                false
            }
        }
    }
}

/// A part of an input followed by another, as a file of several has them.
fn twice(kind: &str, der: &[u8], rng: &mut Rng) -> String {
    let cut = rng.below(der.len() as u64 + 1) as usize;
    pem(kind, der) + &pem(kind, &der[..cut])
}

#[test]
fn certificates_of_peers_are_examined_whatever_they_hold() {
    let mut parsed = 0;
    Corpus::load("certificate").run(21, 4 * MUTANTS, |der, _| {
        let Ok(cert) = X509::from_der(der) else {
            drop(ErrorStack::get());
            return;
        };
        parsed += 1;
        let (who, shown) = (identity(&cert), shown_cert(&cert));
        drop(ErrorStack::get());
        for name in who.dns.iter().chain(&who.uris).chain(&who.common_name) {
            assert!(!name.contains('\0'), "{name:?}");
        }
        for text in [&who.subject, &shown.subject, &shown.issuer] {
            assert!(!text.contains(['\r', '\n', '\0']), "{text:?}");
        }
    });
    assert!(parsed > MUTANTS / 4, "{parsed}");
}

#[test]
fn certificates_in_files_are_loaded_or_refused() {
    let certificate = Files::new(|config, file| config.cert_file = Some(file));
    let authority = Files::new(|config, file| config.ca_cert_file = Some(file));
    let mut loaded = 0;
    Corpus::load("certificate").run(22, MUTANTS, |der, rng| {
        let text = pem("CERTIFICATE", der);
        certificate.load(text.as_bytes());
        certificate.load(der);
        loaded += usize::from(authority.load(text.as_bytes()));
        authority.load(twice("CERTIFICATE", der, rng).as_bytes());
    });
    assert!(loaded > MUTANTS / 10, "{loaded}");
}

#[test]
fn revocation_lists_are_loaded_or_refused() {
    let files = Files::new(|config, file| {
        config.crl_file = Some(file);
        // Not their issuer, by whose key the signature of a mutant would be wrong.
        config.ca_cert_file = Some(certs::file("client.crt"));
    });
    let mut loaded = 0;
    Corpus::load("crl").run(23, MUTANTS, |der, rng| {
        files.load(der);
        loaded += usize::from(files.load(pem("X509 CRL", der).as_bytes()));
        files.load(twice("X509 CRL", der, rng).as_bytes());
    });
    assert!(loaded > MUTANTS / 10, "{loaded}");
}
