//! Certificate revocation lists: of which certificates their issuers have said that they are no longer good.
//!
//! Lists are read from a file, which may hold several, and from the files of a folder. While there are some, OpenSSL
//! looks for a list of every authority in a peer's chain, and refuses a peer whose chain lacks one. [`Crls::revoked`]
//! asks the lists for certificates that were verified before these lists existed.
//!
//! # Invariants
//! 1. A file that should be read and cannot be is an error: to leave it out would admit who was revoked. In a folder, files
//!    without a list are skipped, and so is what is not a file: reading a pipe would wait for its writer.
//! 2. `digest` changes with what is revoked, and not with dates, so a list that is only issued anew costs no session.
//! 3. The entries of a list are sorted when it is loaded. OpenSSL would sort them at the first search, on the loop's thread.

#![allow(unsafe_code)]

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::ffi::c_int;
use std::fs;
use std::path::Path;

use foreign_types::ForeignTypeRef;
use openssl::bn::BigNum;
use openssl::error::ErrorStack;
use openssl::sha::Sha256;
use openssl::ssl::SslContextBuilder;
use openssl::stack::StackRef;
use openssl::x509::verify::X509VerifyFlags;
use openssl::x509::{CrlStatus, X509, X509Crl};
use openssl_sys as ffi;

use crate::error::{ConnError, Step};
use crate::tls::config::{CrlExpired, TlsConfig};
use crate::tls::file;
use crate::tls::info::{CrlInfo, name_text, unix_time};
use crate::tls::ticket_chain::Link;

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
    /// From when on peers are refused because a list has expired, in seconds of Unix time.
    refused_from: Option<i64>,
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
            let found = crls.read(Path::new(file), &mut seen)?;
            if found == 0 {
                let why = "no certificate revocation list in PEM form";
                return Err(ConnError::new(Step::Load, why).with_peer(&file));
            }
        }
        if let Some(dir) = config.crl_dir.as_deref() {
            for path in file::entries(dir)? {
                let found = fs::metadata(&path).map_err(|error| {
                    ConnError::io(Step::Load, &error).with_peer(&path.display().to_string())
                })?;
                if found.is_file() {
                    crls.read(&path, &mut seen)?;
                }
            }
        }
        if config.crl_expired == CrlExpired::Refuse {
            crls.refused_from = crls.infos.iter().filter_map(|list| list.next_update).min();
        }
        Ok(crls)
    }

    /// Adds the lists of a file that are not there yet; how many it has.
    fn read(&mut self, path: &Path, seen: &mut BTreeSet<Vec<u8>>) -> Result<usize, ConnError> {
        let file = path.display().to_string();
        let pem = file::read(path)?;
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
                sort(&crl).map_err(broken)?;
                self.infos.push(CrlInfo {
                    file: file.clone(),
                    issuer: name_text(crl.issuer_name()),
                    next_update: crl.next_update().map(unix_time),
                    revoked: crl.get_revoked().map_or(0, StackRef::len),
                });
                self.lists.push(crl);
            }
        }
        Ok(found)
    }

    /// Whether peers are refused at a time (Unix seconds) because a list has expired.
    pub(crate) fn refuse_all(&self, now: i64) -> bool {
        self.refused_from.is_some_and(|from| from < now)
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

    /// The same for a certificate of which issuer and serial number are known.
    pub(crate) fn revoked_link(&self, link: &Link) -> bool {
        let is_in = |crl: &X509Crl| {
            let is_issuer = crl.issuer_name().try_cmp(&link.issuer);
            is_issuer.is_ok_and(Ordering::is_eq)
                && matches!(crl.get_by_serial(&link.serial), CrlStatus::Revoked(_))
        };
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

/// Has OpenSSL sort the entries of a list, by looking for one.
fn sort(crl: &X509Crl) -> Result<(), ErrorStack> {
    let any = BigNum::from_u32(0)?.to_asn1_integer()?;
    let _ = crl.get_by_serial(&any);
    Ok(())
}
