//! The certificates of the authorities that are trusted.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use openssl::sha::Sha256;
use openssl::ssl::SslContextBuilder;
use openssl::x509::X509;

use crate::error::{ConnError, Step};
use crate::tls::config::TlsConfig;
use crate::tls::crl::Crls;
use crate::tls::file::{entries, failure, read, refusal};
use crate::tls::info::{CertInfo, CertRole};

/// Has a context trust the certificates of a file and of a directory.
pub(super) fn install(
    builder: &mut SslContextBuilder,
    file: Option<&str>,
    dir: Option<&str>,
) -> Result<(), ConnError> {
    if file.is_none() && dir.is_none() {
        return Ok(());
    }
    if let Some(file) = file {
        let certs = X509::stack_from_pem(&read(file)?).unwrap_or_default();
        if certs.is_empty() {
            return Err(refusal(file, "no certificate in PEM form"));
        }
    }
    if let Some(dir) = dir {
        fs::read_dir(dir).map_err(|error| ConnError::io(Step::Load, &error).with_peer(&dir))?;
    }
    let source = file.or(dir).unwrap_or_default();
    builder
        .load_verify_locations(file.map(Path::new), dir.map(Path::new))
        .map_err(|stack| failure(source, &stack))
}

/// A digest of the trusted certificates and of what is revoked, which does not depend on where they are and when they were
/// written.
pub(super) fn digest(config: &TlsConfig, crls: &Crls) -> Result<[u8; 32], ConnError> {
    let mut digest = Sha256::new();
    if let Some(file) = config.ca_cert_file.as_deref() {
        digest.update(&read(file)?);
    }
    let mut paths = entries(config.ca_cert_dir.as_deref());
    paths.sort();
    for path in paths {
        // OpenSSL does not trust a file that cannot be read either.
        digest.update(&fs::read(path).unwrap_or_default());
    }
    crls.digest(&mut digest);
    Ok(digest.finish())
}

/// Describes the trusted certificates. OpenSSL looks those of a directory up when it needs them; a
/// file that cannot be read here is left out, which is not an error.
pub(super) fn describe(config: &TlsConfig) -> Vec<CertInfo> {
    let files = config.ca_cert_file.iter().cloned();
    // A link may be the hashed name of a file next to it, or the only way to a file elsewhere: each
    // file is described once, under its own path.
    let targets: BTreeSet<PathBuf> = entries(config.ca_cert_dir.as_deref())
        .iter()
        .filter_map(|path| fs::canonicalize(path).ok())
        .collect();
    let targets = targets.iter().map(|path| path.display().to_string());
    let describe = |file: String| -> Vec<CertInfo> {
        let pem = fs::read(&file).unwrap_or_default();
        let certs = X509::stack_from_pem(&pem).unwrap_or_default();
        let info = |cert: &X509| CertInfo::new(CertRole::Ca, &file, cert);
        certs.iter().map(info).collect()
    };
    files.chain(targets).flat_map(describe).collect()
}
