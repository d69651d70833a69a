//! Certificate revocation lists: of which certificates their issuers have said that they are no longer good.
//!
//! Lists are read from a file, which may hold several, and from the files of a folder. While there are some, OpenSSL looks for a
//! list of every authority in a peer's chain, and refuses a peer whose chain lacks one. [`Crls::revoked`] asks the lists for
//! certificates that were verified before these lists existed.
//!
//! Invariants:
//! 1. A file that should be read and cannot be is an error: to leave it out would admit who was revoked. In a folder, files
//!    without a list are skipped.
//! 2. `digest` changes with what is revoked, and not with dates, so a list that is only issued anew costs no session.

#![allow(unsafe_code)]

use std::collections::BTreeSet;
use std::ffi::c_int;
use std::fs;

use foreign_types::ForeignTypeRef;
use openssl::error::ErrorStack;
use openssl::sha::Sha256;
use openssl::ssl::SslContextBuilder;
use openssl::stack::StackRef;
use openssl::x509::verify::X509VerifyFlags;
use openssl::x509::{CrlStatus, X509, X509Crl};
use openssl_sys as ffi;

use crate::error::{ConnError, Step};
use crate::tls::config::TlsConfig;
use crate::tls::info::{CrlInfo, name_text, unix_time};

const BEGIN: &[u8] = b"-----BEGIN X509 CRL-----";

unsafe extern "C" {
    fn X509_STORE_add_crl(store: *mut ffi::X509_STORE, crl: *mut ffi::X509_CRL) -> c_int;
}

/// The lists of a context.
#[derive(Default)]
pub(crate) struct Crls {
    lists: Vec<X509Crl>,
    /// What they say of themselves, in the same order.
    pub(crate) infos: Vec<CrlInfo>,
}

impl Crls {
    /// Reads the lists that the directives name.
    ///
    /// # Errors
    /// A sentence that names the file and the cause.
    pub(crate) fn load(config: &TlsConfig) -> Result<Self, ConnError> {
        let mut crls = Crls::default();
        let mut seen = BTreeSet::new();
        if let Some(file) = config.crl_file.as_deref() {
            let found = crls.read(file, &mut seen)?;
            if found == 0 {
                let why = "no certificate revocation list in PEM form";
                return Err(ConnError::new(Step::Load, why).with_peer(&file));
            }
        }
        if let Some(dir) = config.crl_dir.as_deref() {
            let fail = |error| ConnError::io(Step::Load, &error).with_peer(&dir);
            let mut paths = Vec::new();
            for entry in fs::read_dir(dir).map_err(fail)? {
                paths.push(entry.map_err(fail)?.path());
            }
            paths.sort();
            for path in paths.iter().filter(|path| !path.is_dir()) {
                crls.read(&path.to_string_lossy(), &mut seen)?;
            }
        }
        Ok(crls)
    }

    /// Adds the lists of a file that are not there yet; how many it has.
    fn read(&mut self, file: &str, seen: &mut BTreeSet<Vec<u8>>) -> Result<usize, ConnError> {
        let pem =
            fs::read(file).map_err(|error| ConnError::io(Step::Load, &error).with_peer(&file))?;
        let broken = |_: ErrorStack| {
            let why = "a certificate revocation list that cannot be read";
            ConnError::new(Step::Load, why).with_peer(&file)
        };
        let begins = (0..pem.len()).filter(|&at| pem[at..].starts_with(BEGIN));
        let mut found = 0;
        for at in begins {
            let crl = X509Crl::from_pem(&pem[at..]).map_err(broken)?;
            found += 1;
            // A folder may have a list under its own name and as a link under its hash.
            if seen.insert(crl.to_der().map_err(broken)?) {
                self.infos.push(CrlInfo {
                    file: file.to_owned(),
                    issuer: name_text(crl.issuer_name()),
                    next_update: crl.next_update().map(unix_time),
                    revoked: crl.get_revoked().map_or(0, StackRef::len),
                });
                self.lists.push(crl);
            }
        }
        Ok(found)
    }

    /// Has a context verify peers against the lists, if there are any.
    pub(crate) fn install(&self, builder: &mut SslContextBuilder) -> Result<(), ErrorStack> {
        if self.lists.is_empty() {
            return Ok(());
        }
        let store = builder.cert_store_mut();
        for crl in &self.lists {
            // SAFETY: both objects are live; the store takes a reference of its own.
            if unsafe { X509_STORE_add_crl(store.as_ptr(), crl.as_ptr()) } != 1 {
                return Err(ErrorStack::get());
            }
        }
        store.set_flags(X509VerifyFlags::CRL_CHECK | X509VerifyFlags::CRL_CHECK_ALL)
    }

    /// Whether a list of its issuer has a certificate.
    pub(crate) fn revoked(&self, cert: &X509) -> bool {
        let is_in = |crl: &X509Crl| matches!(crl.get_by_cert(cert), CrlStatus::Revoked(_));
        self.lists.iter().any(is_in)
    }

    /// Adds what is revoked to a digest.
    pub(crate) fn digest(&self, digest: &mut Sha256) {
        for crl in &self.lists {
            digest.update(&crl.issuer_name().to_der().unwrap_or_default());
            for entry in crl.get_revoked().into_iter().flatten() {
                digest.update(&entry.to_der().unwrap_or_default());
            }
        }
    }
}
