//! Certificate revocation lists: of which certificates their issuers have said that they are no longer good.
//!
//! Lists are read from a file, which may hold several, and from the files of a folder. While there are some, OpenSSL
//! looks for a list of every authority in a peer's chain, and refuses a peer whose chain lacks one. [`Crls::revoked`]
//! asks the lists for certificates that were verified before these lists existed.
//!
//! An authority may have several lists: an older one that was left where it was, or, under the name of an authority whose
//! key was replaced, those of both keys. A list counts for the certificates that its own key has signed, until a newer one
//! of the same scope is in force.
//!
//! # Invariants
//! 1. A file that should be read and cannot be is an error: to leave it out would admit who was revoked. In a folder, files
//!    without a list are skipped, and so is what is not a file: reading a pipe would wait for its writer.
//! 2. `digest` changes with what is revoked, and not with dates, so a list that is only issued anew costs no session.
//! 3. The entries of a list are sorted when it is loaded. OpenSSL would sort them at the first search, on the loop's thread.

#![allow(unsafe_code)]

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::c_int;
use std::fs;
use std::path::Path;
use std::{mem, ptr};

use foreign_types::ForeignTypeRef;
use openssl::asn1::Asn1OctetStringRef;
use openssl::bn::BigNum;
use openssl::error::ErrorStack;
use openssl::sha::Sha256;
use openssl::ssl::SslContextBuilder;
use openssl::stack::StackRef;
use openssl::x509::verify::X509VerifyFlags;
use openssl::x509::{CrlStatus, X509, X509Crl, X509Ref};
use openssl_sys as ffi;

use crate::error::{ConnError, Step};
use crate::tls::config::{CrlExpired, TlsConfig};
use crate::tls::context::now;
use crate::tls::file;
use crate::tls::info::{CrlInfo, name_text, unix_time};
use crate::tls::ticket_chain::Link;

const BEGIN: &[u8] = b"-----BEGIN X509 CRL-----";

unsafe extern "C" {
    fn X509_STORE_add_crl(store: *mut ffi::X509_STORE, crl: *mut ffi::X509_CRL) -> c_int;
}

/// Extensions that, with the issuer's name, make the scope of a list: the key that signed it, the part of the issuer's
/// certificates that it covers, and whether it only has what changed.
const SCOPE: [c_int; 3] = [
    ffi::NID_authority_key_identifier,
    ffi::NID_issuing_distribution_point,
    ffi::NID_delta_crl,
];

/// One list.
struct List {
    crl: X509Crl,
    /// The identifier of the key that signed it, if it tells.
    key: Option<Vec<u8>>,
}

impl List {
    /// Whether a certificate with this identifier of its issuer's key may be signed by the same key. Those who do not tell
    /// match all.
    fn may_have_signed(&self, key: Option<&[u8]>) -> bool {
        match (self.key.as_deref(), key) {
            (Some(own), Some(key)) => own == key,
            _ => true,
        }
    }
}

/// The lists of a context.
#[derive(Default)]
pub(crate) struct Crls {
    lists: Vec<List>,
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
                let why = "no certificate revocation list in PEM form or in DER";
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
        crls.drop_superseded(now())?;
        if config.crl_expired == CrlExpired::Refuse {
            crls.refused_from = crls.infos.iter().filter_map(|list| list.next_update).min();
        }
        Ok(crls)
    }

    /// Adds the lists of a file that are not there yet; how many it has.
    fn read(&mut self, path: &Path, seen: &mut BTreeSet<Vec<u8>>) -> Result<usize, ConnError> {
        let file = path.display().to_string();
        let content = file::read(path)?;
        let broken = |_: ErrorStack| {
            let why = "a certificate revocation list that cannot be read";
            ConnError::new(Step::Load, why).with_peer(&file)
        };
        let is_certificate = || X509::from_der(&content).is_ok();
        let begins = (0..content.len()).filter(|&at| content[at..].starts_with(BEGIN));
        let pems = begins.map(|at| X509Crl::from_pem(&content[at..]).map_err(broken));
        let mut found = pems.collect::<Result<Vec<_>, _>>()?;
        if found.is_empty() {
            // Authorities publish their lists in binary form.
            match X509Crl::from_der(&content) {
                Ok(crl) => found.push(crl),
                Err(cut) if is_der(&content) && !is_certificate() => return Err(broken(cut)),
                Err(_) => {}
            }
        }
        let count = found.len();
        for crl in found {
            // A folder may have a list under its own name and as a link under its hash.
            if seen.insert(crl.to_der().map_err(broken)?) {
                sort(&crl).map_err(broken)?;
                self.infos.push(CrlInfo {
                    file: file.clone(),
                    issuer: name_text(crl.issuer_name()),
                    last_update: unix_time(crl.last_update()),
                    next_update: crl.next_update().map(unix_time),
                    revoked: crl.get_revoked().map_or(0, StackRef::len),
                });
                let key = signing_key(&crl);
                self.lists.push(List { crl, key });
            }
        }
        Ok(count)
    }

    /// Drops each list of which a newer one of the same scope is in force at a time (Unix seconds).
    fn drop_superseded(&mut self, now: i64) -> Result<(), ConnError> {
        let mut newest: BTreeMap<Vec<u8>, i64> = BTreeMap::new();
        let mut scopes = Vec::with_capacity(self.lists.len());
        for (list, info) in self.lists.iter().zip(&self.infos) {
            let scope = scope(&list.crl).map_err(|stack| file::failure(&info.file, &stack))?;
            if info.last_update <= now {
                let newest = newest.entry(scope.clone()).or_insert(info.last_update);
                *newest = info.last_update.max(*newest);
            }
            scopes.push(scope);
        }
        let lists = mem::take(&mut self.lists).into_iter();
        let infos = mem::take(&mut self.infos).into_iter();
        for ((list, info), scope) in lists.zip(infos).zip(&scopes) {
            if newest
                .get(scope)
                .is_none_or(|newest| info.last_update >= *newest)
            {
                self.lists.push(list);
                self.infos.push(info);
            }
        }
        Ok(())
    }

    /// Checks the signature of each list of which an authority has the name and may have the key: with one that is wrong
    /// OpenSSL would refuse all of its issuer's certificates.
    ///
    /// # Errors
    /// A sentence that names the file.
    pub(crate) fn check_signatures(&self, authorities: &[&X509]) -> Result<(), ConnError> {
        for (list, info) in self.lists.iter().zip(&self.infos) {
            let is_issuer = |authority: &&X509| {
                let name = authority.subject_name().try_cmp(list.crl.issuer_name());
                let key = authority.subject_key_id().map(Asn1OctetStringRef::as_slice);
                name.is_ok_and(Ordering::is_eq) && list.may_have_signed(key)
            };
            let has_signed = |authority: &X509| {
                let key = authority.public_key();
                key.is_ok_and(|key| list.crl.verify(&key).unwrap_or(false))
            };
            let mut issuers = authorities.iter().copied().filter(is_issuer).peekable();
            if issuers.peek().is_some() && !issuers.any(has_signed) {
                let why = "the certificate revocation list is not signed by its issuer";
                return Err(ConnError::new(Step::Load, why).with_peer(&info.file));
            }
        }
        Ok(())
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
        for list in &self.lists {
            // SAFETY: both objects are live; the store takes a reference of its own.
            if unsafe { X509_STORE_add_crl(store.as_ptr(), list.crl.as_ptr()) } != 1 {
                return Err(ErrorStack::get());
            }
        }
        store.set_flags(X509VerifyFlags::CRL_CHECK | X509VerifyFlags::CRL_CHECK_ALL)
    }

    /// Whether a list of its issuer has a certificate.
    pub(crate) fn revoked(&self, cert: &X509) -> bool {
        let key = issuer_key(cert);
        self.lists.iter().any(|list| {
            list.may_have_signed(key) && matches!(list.crl.get_by_cert(cert), CrlStatus::Revoked(_))
        })
    }

    /// The same for a certificate of which issuer and serial number are known.
    pub(crate) fn revoked_link(&self, link: &Link) -> bool {
        self.lists.iter().any(|list| {
            let is_issuer = list.crl.issuer_name().try_cmp(&link.issuer);
            is_issuer.is_ok_and(Ordering::is_eq)
                && list.may_have_signed(link.key.as_deref())
                && matches!(list.crl.get_by_serial(&link.serial), CrlStatus::Revoked(_))
        })
    }

    /// Adds what is revoked to a digest.
    pub(crate) fn digest(&self, digest: &mut Sha256) {
        for List { crl, key } in &self.lists {
            digest.update(&crl.issuer_name().to_der().unwrap_or_default());
            digest.update(key.as_deref().unwrap_or_default());
            for entry in crl.get_revoked().into_iter().flatten() {
                digest.update(&entry.to_der().unwrap_or_default());
            }
        }
    }
}

/// The identifier of the key that has signed a certificate, if the certificate tells.
pub(crate) fn issuer_key(cert: &X509Ref) -> Option<&[u8]> {
    cert.authority_key_id().map(Asn1OctetStringRef::as_slice)
}

/// The identifier of the key that has signed a list, if the list tells.
fn signing_key(crl: &X509Crl) -> Option<Vec<u8>> {
    let nid = ffi::NID_authority_key_identifier;
    // SAFETY: the list is live; what the call returns for this extension is null or belongs to the caller, who frees it.
    unsafe {
        let found = ffi::X509_CRL_get_ext_d2i(crl.as_ptr(), nid, ptr::null_mut(), ptr::null_mut());
        let found = found.cast::<ffi::AUTHORITY_KEYID>();
        let key = found.as_ref()?.keyid;
        let key = (!key.is_null()).then(|| Asn1OctetStringRef::from_ptr(key).as_slice().to_vec());
        ffi::AUTHORITY_KEYID_free(found);
        key
    }
}

/// What a list covers. Of two lists of the same scope the newer one counts.
fn scope(crl: &X509Crl) -> Result<Vec<u8>, ErrorStack> {
    let mut scope = crl.issuer_name().to_der()?;
    for nid in SCOPE {
        let extension = extension(crl, nid).unwrap_or_default();
        scope.extend(extension.len().to_be_bytes());
        scope.extend(extension);
    }
    Ok(scope)
}

/// The value of an extension of a list.
fn extension(crl: &X509Crl, nid: c_int) -> Option<&[u8]> {
    // SAFETY: the list is live and owns its extensions, whose values are not null.
    unsafe {
        let at = ffi::X509_CRL_get_ext_by_NID(crl.as_ptr(), nid, -1);
        let extension = (at >= 0).then(|| ffi::X509_CRL_get_ext(crl.as_ptr(), at))?;
        let value = ffi::X509_EXTENSION_get_data(extension);
        Some(Asn1OctetStringRef::from_ptr(value).as_slice())
    }
}

/// Whether bytes begin as a structure in DER of more than 127 bytes does.
fn is_der(bytes: &[u8]) -> bool {
    matches!(bytes, [0x30, 0x81..=0x84, ..])
}

/// Has OpenSSL sort the entries of a list, by looking for one.
fn sort(crl: &X509Crl) -> Result<(), ErrorStack> {
    let any = BigNum::from_u32(0)?.to_asn1_integer()?;
    let _ = crl.get_by_serial(&any);
    Ok(())
}
