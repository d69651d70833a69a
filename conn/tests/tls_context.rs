//! Loading certificates and keys: what is found, and the sentence for what is not.

mod common;

use common::certs::{Authority, Site};
use conn::tls::config::{AuthClients, TlsConfig};
use conn::tls::context::{ClientTlsConfig, TlsContext};
use conn::tls::info::CertRole;

/// The sentence with which a changed configuration is refused. The files' folder is cut out of it.
fn refused(site: &Site, change: impl FnOnce(&mut TlsConfig)) -> String {
    let mut config = site.config.clone();
    change(&mut config);
    let error = TlsContext::load(&config, Some(&site.context())).expect_err("refused");
    error.to_string().replace(&site.folder.path(""), "")
}

#[test]
fn a_context_tells_what_it_was_loaded_from() {
    let site = Site::new();
    let context = site.context();
    let [server, ca] = context.certs() else {
        panic!("{:?}", context.certs())
    };
    assert_eq!((server.role, ca.role), (CertRole::Server, CertRole::Ca));
    assert_eq!(Some(&server.file), site.config.cert_file.as_ref());
    assert_eq!(
        (server.subject.as_str(), ca.subject.as_str()),
        ("O=Tests, CN=server", "O=Tests, CN=Test CA")
    );
    assert_eq!(server.names, ["server", "127.0.0.1"]);
    assert_eq!(server.not_after - server.not_before, 31 * 86_400);
    assert!(!server.serial.is_empty() && server.serial != ca.serial);
    assert!(context.warnings().is_empty());
}

#[test]
fn a_certificate_out_of_time_is_loaded_but_not_in_silence() {
    for (days, words) in [((-20, -10), "has expired"), ((10, 20), "is not valid yet")] {
        let mut site = Site::new();
        let (cert, key) = site
            .authority
            .issue("late", days)
            .save(&site.folder, "late");
        (site.config.cert_file, site.config.key_file) = (Some(cert.clone()), Some(key));
        let context = site.context();
        assert_eq!(
            context.warnings(),
            [format!("certificate in {cert} (O=Tests, CN=late) {words}")]
        );
    }
}

#[test]
fn what_is_missing_is_named() {
    let site = Site::new();
    let missing = site.folder.path("missing");
    let cases: [(String, &str); 8] = [
        (
            refused(&site, |config| config.cert_file = None),
            "loading tls-cert-file: no certificate is configured",
        ),
        (
            refused(&site, |config| config.key_file = None),
            "loading tls-key-file: no private key is configured",
        ),
        (
            refused(&site, |config| config.cert_file = Some(missing.clone())),
            "loading missing: No such file or directory",
        ),
        (
            refused(&site, |config| config.key_file = Some(missing.clone())),
            "loading missing: No such file or directory",
        ),
        (
            refused(&site, |config| config.ca_cert_file = Some(missing.clone())),
            "loading missing: No such file or directory",
        ),
        (
            refused(&site, |config| config.ca_cert_dir = Some(missing.clone())),
            "loading missing: No such file or directory",
        ),
        (
            refused(&site, |config| {
                config.dh_params_file = Some(missing.clone());
            }),
            "loading missing: No such file or directory",
        ),
        (
            refused(&site, |config| {
                (config.auth_clients, config.ca_cert_file) = (AuthClients::Optional, None);
            }),
            "loading tls-ca-cert-file: tls-ca-cert-file or tls-ca-cert-dir must be set with tls-auth-clients, \
             tls-replication or tls-cluster",
        ),
    ];
    for (sentence, expected) in cases {
        assert_eq!(sentence, expected);
    }
    let mut config = site.config.clone();
    config.ca_cert_file = None;
    assert!(
        TlsContext::load(&config, None).is_ok(),
        "no client has to be verified"
    );
    config.outgoing_links = true;
    assert!(TlsContext::load(&config, None).is_err());
}

#[test]
fn what_is_wrong_is_named() {
    let site = Site::new();
    let garbage = site.folder.write("garbage", b"-----BEGIN NOTHING-----\n");
    let cut = site
        .folder
        .write("cut", b"-----BEGIN CERTIFICATE-----\nMIIB\n");
    let (_, other_key) = site
        .authority
        .issue("other", (-1, 30))
        .save(&site.folder, "other");
    let set = |text: &str| Some(text.to_string());
    let mismatch = format!(
        "loading other.key: the private key does not match the certificate in {}",
        site.folder.path("server.crt")
    );
    let cases = [
        (
            refused(&site, |config| config.cert_file = Some(garbage.clone())),
            "loading garbage: no certificate in PEM form",
        ),
        (
            refused(&site, |config| config.cert_file = Some(cut.clone())),
            "loading cut: a certificate in PEM form that cannot be read",
        ),
        (
            refused(&site, |config| config.key_file = Some(garbage.clone())),
            "loading garbage: no private key in PEM form",
        ),
        (
            refused(&site, |config| config.ca_cert_file = Some(garbage.clone())),
            "loading garbage: no certificate in PEM form",
        ),
        (
            refused(&site, |config| {
                config.dh_params_file = Some(garbage.clone());
            }),
            "loading garbage: no Diffie-Hellman parameters in PEM form",
        ),
        (
            refused(&site, |config| config.key_file = Some(other_key.clone())),
            &mismatch.replace(&site.folder.path(""), ""),
        ),
        (
            refused(&site, |config| config.protocols = set("TLSv1.2 SSLv3")),
            "loading tls-protocols: unknown protocol 'SSLv3': use a combination of TLSv1, TLSv1.1, TLSv1.2 and TLSv1.3",
        ),
        (
            refused(&site, |config| config.ciphers = set("NONSENSE")),
            "loading tls-ciphers: no usable cipher in 'NONSENSE'",
        ),
        (
            refused(&site, |config| config.ciphersuites = set("NONSENSE")),
            "loading tls-ciphersuites: no usable cipher suite in 'NONSENSE'",
        ),
        (
            refused(&site, |config| config.groups = "X25519:NONSENSE".into()),
            "loading tls-groups: 'X25519:NONSENSE' has a group that OpenSSL does not know",
        ),
    ];
    for (sentence, expected) in cases {
        assert_eq!(sentence, *expected);
    }
}

#[test]
fn a_sealed_key_needs_its_password() {
    let mut site = Site::new();
    let issued = site.authority.issue("sealed", (-1, 30));
    let (cert, _) = issued.save(&site.folder, "sealed");
    let key = site
        .folder
        .write("sealed.key", &issued.sealed_key("open sesame"));
    (site.config.cert_file, site.config.key_file) = (Some(cert), Some(key));
    site.config.key_file_pass = Some("open sesame".into());
    let context = site.context();
    assert_eq!(context.certs()[0].subject, "O=Tests, CN=sealed");
    assert_eq!(
        refused(&site, |config| config.key_file_pass = None),
        "loading sealed.key: the private key needs a password, and none is configured"
    );
    for wrong in ["guess".to_string(), "x".repeat(5000)] {
        assert_eq!(
            refused(&site, |config| config.key_file_pass = Some(wrong)),
            "loading sealed.key: the password does not open the private key"
        );
    }
}

#[test]
fn every_setting_is_taken() {
    let mut site = Site::new();
    let dir = site.folder.path("");
    let config = TlsConfig {
        ca_cert_dir: Some(dir),
        protocols: Some("TLSv1.1 tlsv1.2 TLSV1.3".into()),
        ciphers: Some("DEFAULT:!MEDIUM".into()),
        ciphersuites: Some("TLS_CHACHA20_POLY1305_SHA256".into()),
        groups: "P-256:X25519".into(),
        prefer_server_ciphers: true,
        session_caching: false,
        ..site.config.clone()
    };
    site.config = config;
    let context = site.context();
    // The folder holds two certificates, and the CA's file is named besides.
    assert_eq!(
        context
            .certs()
            .iter()
            .filter(|cert| cert.role == CertRole::Ca)
            .count(),
        3
    );
}

#[test]
fn a_client_program_needs_little() {
    let site = Site::new();
    let none = ClientTlsConfig {
        insecure: true,
        ..ClientTlsConfig::default()
    };
    assert!(TlsContext::for_client(&none).is_ok());
    let issued = site.authority.issue("cli", (-1, 30));
    let (cert, key) = issued.save(&site.folder, "cli");
    let full = ClientTlsConfig {
        cacert: site.config.ca_cert_file.clone(),
        cert: Some(cert.clone()),
        key: Some(key),
        ciphers: Some("DEFAULT".into()),
        ciphersuites: Some("TLS_AES_128_GCM_SHA256".into()),
        ..ClientTlsConfig::default()
    };
    let context = TlsContext::for_client(&full).expect("a context");
    assert_eq!(context.certs()[0].role, CertRole::Client);
    let other = Authority::new("Other")
        .issue("x", (-1, 30))
        .save(&site.folder, "x")
        .1;
    let error = TlsContext::for_client(&ClientTlsConfig {
        key: Some(other.clone()),
        ..full
    })
    .expect_err("a mismatch");
    assert_eq!(
        error.to_string(),
        format!("loading {other}: the private key does not match the certificate in {cert}")
    );
}

/// Directories of certificates often hold nothing but links, which were left out.
#[test]
fn a_directory_of_links_is_described_by_what_they_lead_to() {
    use std::os::unix::fs::symlink;

    let site = Site::new();
    let store = common::certs::Folder::new();
    let pem = site.authority.cert.to_pem().expect("PEM");
    let elsewhere = store.write("authority.pem", &pem);
    let dir = site.folder.path("cas");
    std::fs::create_dir(&dir).expect("a folder");
    symlink(&elsewhere, format!("{dir}/0a1b2c3d.0")).expect("a link");
    symlink(&elsewhere, format!("{dir}/again.pem")).expect("a second link");
    symlink("nowhere", format!("{dir}/dangling.pem")).expect("a link to nothing");
    let config = TlsConfig {
        ca_cert_file: None,
        ca_cert_dir: Some(dir),
        ..site.config.clone()
    };
    let context = TlsContext::load(&config, None).expect("a context");
    let files: Vec<&str> = context
        .certs()
        .iter()
        .filter(|cert| cert.role == CertRole::Ca)
        .map(|cert| cert.file.as_str())
        .collect();
    assert_eq!(files, [elsewhere], "once, under its own name");
}
