//! A certificate of our own with its key and its chain: one file has the certificate, followed by those of its issuers, and
//! another one the key. With a list of several pairs, each has a key of another type.

#![allow(unsafe_code)]

use std::ffi::c_long;
use std::ptr;

use foreign_types::ForeignTypeRef;
use openssl::error::ErrorStack;
use openssl::pkey::{Id, PKey, Private};
use openssl::ssl::SslContextBuilder;
use openssl::stack::Stack;
use openssl::x509::store::X509StoreRef;
use openssl::x509::{X509, X509StoreContext, X509VerifyResult};
use openssl_sys as ffi;

use crate::error::ConnError;
use crate::tls::config::files;
use crate::tls::file::{certificates, failure, read, refusal};
use crate::tls::info::{CertInfo, CertRole, name_text};

/// Adds a certificate to the chain of the certificate that was set last.
const SSL_CTRL_CHAIN_CERT: i32 = 89;
const SSL_CTRL_BUILD_CERT_CHAIN: i32 = 105;

/// SSL_BUILD_CHAIN_FLAG_IGNORE_ERROR and _CLEAR_ERROR: the chain goes as far as the trusted certificates do, and whether it is
/// valid is for the peer to say.
const AS_FAR_AS_KNOWN: c_long = 0x8 | 0x10;

/// What was found while certificates were loaded.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) certs: Vec<CertInfo>,
    /// See [`TlsContext::chain_fault`](crate::tls::context::TlsContext::chain_fault).
    pub(super) chain_fault: Option<String>,
    /// The subjects of all certificates in the files.
    pub(super) subjects: Vec<String>,
    pub(super) chain_gap: Option<ChainGap>,
    /// Certificates that are not valid now.
    pub(super) warnings: Vec<String>,
}

/// A certificate that is missing between those of a file and the trusted ones.
#[derive(Debug)]
pub(super) struct ChainGap {
    /// Its subject.
    pub(super) missing: String,
    pub(super) sentence: String,
}

/// A certificate file, its key and the key's password.
pub(super) struct Pair<'a> {
    pub(super) role: CertRole,
    pub(super) cert: &'a str,
    pub(super) key: &'a str,
    pub(super) pass: Option<&'a str>,
}

/// The certificates and keys of two lists. Which one is shown depends on what the peer can verify.
pub(super) fn pairs<'a>(
    role: CertRole,
    certs: &'a str,
    keys: &'a str,
    pass: Option<&'a str>,
) -> Result<Vec<Pair<'a>>, ConnError> {
    let (certs, keys) = (files(certs), files(keys));
    if certs.is_empty() {
        return Err(refusal("certificates", "the list of files is empty"));
    }
    if certs.len() != keys.len() {
        let why = format!(
            "{} certificates and {} keys are configured",
            certs.len(),
            keys.len()
        );
        return Err(refusal("certificates", &why));
    }
    let pair = |(cert, key)| Pair {
        role,
        cert,
        key,
        pass,
    };
    Ok(certs.into_iter().zip(keys).map(pair).collect())
}

/// Adds certificates with their keys, each of another type.
pub(super) fn install(
    builder: &mut SslContextBuilder,
    pairs: &[Pair<'_>],
    report: &mut Report,
) -> Result<(), ConnError> {
    let mut types = Vec::new();
    for pair in pairs {
        let key_type = install_one(builder, pair, report)?;
        if types.contains(&key_type) {
            // OpenSSL would forget the one before.
            let why = "two certificates have keys of the same type";
            return Err(refusal(pair.cert, why));
        }
        types.push(key_type);
    }
    Ok(())
}

/// Adds a certificate with its key; returns the type of the key.
fn install_one(
    builder: &mut SslContextBuilder,
    pair: &Pair<'_>,
    report: &mut Report,
) -> Result<Id, ConnError> {
    let chain = certificates(pair.cert, &read(pair.cert)?)?;
    let cert = &chain[0];
    set_chain(builder, &chain).map_err(|stack| failure(pair.cert, &stack))?;
    let key = private_key(pair.key, pair.pass)?;
    let matches = cert.public_key().is_ok_and(|public| public.public_eq(&key));
    if !matches {
        return Err(refusal(
            pair.key,
            &format!(
                "the private key does not match the certificate in {}",
                pair.cert
            ),
        ));
    }
    builder
        .set_private_key(&key)
        .map_err(|stack| failure(pair.key, &stack))?;
    if chain.len() == 1 {
        build_chain(builder);
    }
    report.certs.push(CertInfo::new(pair.role, pair.cert, cert));
    if report.chain_fault.is_none() {
        report.chain_fault = chain_fault(pair.cert, &chain);
    }
    let subjects = chain.iter().map(|cert| name_text(cert.subject_name()));
    report.subjects.extend(subjects);
    if report.chain_gap.is_none() {
        report.chain_gap =
            chain_gap(builder, pair.cert, &chain).map_err(|stack| failure(pair.cert, &stack))?;
    }
    Ok(key.id())
}

/// Sets a certificate and those behind it.
fn set_chain(builder: &mut SslContextBuilder, chain: &[X509]) -> Result<(), ErrorStack> {
    let Some((cert, issuers)) = chain.split_first() else {
        return Ok(());
    };
    builder.set_certificate(cert)?;
    for issuer in issuers {
        // SAFETY: the builder's context and the certificate are live; with the number 1 the command takes a reference
        // of its own.
        let added = unsafe {
            ffi::SSL_CTX_ctrl(
                builder.as_ptr(),
                SSL_CTRL_CHAIN_CERT,
                1,
                issuer.as_ptr().cast(),
            )
        };
        if added != 1 {
            return Err(ErrorStack::get());
        }
    }
    Ok(())
}

/// Why the certificates of a file are not a chain: each must be followed by that of its issuer, if by any.
fn chain_fault(file: &str, certs: &[X509]) -> Option<String> {
    let broken = certs
        .windows(2)
        .find(|pair| pair[1].issued(&pair[0]) != X509VerifyResult::OK)?;
    let [subject, next] = [0, 1].map(|at| name_text(broken[at].subject_name()));
    Some(format!(
        "in {file} the certificate of {subject} is followed by that of {next}, which is not its issuer"
    ))
}

/// Which certificate is missing between those of a file and the trusted ones, if one is.
fn chain_gap(
    builder: &SslContextBuilder,
    file: &str,
    certs: &[X509],
) -> Result<Option<ChainGap>, ErrorStack> {
    let mut untrusted = Stack::new()?;
    for cert in &certs[1..] {
        untrusted.push(cert.clone())?;
    }
    // SAFETY: a builder's store is a store, and lives as long as the builder.
    let store = unsafe { X509StoreRef::from_ptr(builder.cert_store().as_ptr()) };
    let verified = X509StoreContext::new()?.init(store, &certs[0], &untrusted, |verifier| {
        verifier.verify_cert()?;
        let end = verifier.current_cert().map(ToOwned::to_owned);
        Ok((verifier.error().as_raw(), end))
    });
    // Verification leaves its reasons in the queue.
    drop(ErrorStack::get());
    let (error, end) = verified?;
    let is_missing = matches!(
        error,
        ffi::X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT
            | ffi::X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY
            | ffi::X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE
    );
    Ok(end.filter(|_| is_missing).map(|end| {
        let (subject, missing) = (name_text(end.subject_name()), name_text(end.issuer_name()));
        ChainGap {
            sentence: format!(
                "{file} lacks the certificate of the issuer of {subject} ({missing}), which the present chain has"
            ),
            missing,
        }
    }))
}

/// Reads a private key.
pub(super) fn private_key(file: &str, pass: Option<&str>) -> Result<PKey<Private>, ConnError> {
    let pem = read(file)?;
    let mut asked = false;
    // Always with a callback: without one OpenSSL would ask on the terminal.
    let key = PKey::private_key_from_pem_callback(&pem, |room| {
        asked = true;
        let pass = pass.unwrap_or_default().as_bytes();
        let Some(target) = room.get_mut(..pass.len()) else {
            return Ok(0);
        };
        target.copy_from_slice(pass);
        Ok(pass.len())
    });
    key.map_err(|_| {
        let why = match (asked, pass) {
            (true, None) => "the private key needs a password, and none is configured",
            (true, Some(_)) => "the password does not open the private key",
            (false, _) => "no private key in PEM form",
        };
        refusal(file, why)
    })
}

/// Builds the chain of the certificate that was loaded last, whose file does not hold it.
///
/// OpenSSL takes the issuers from the trusted certificates. Left alone, it looks for them in every handshake and
/// verifies what it finds, which costs 4 % of the handshake's instructions, and with `tls-ca-cert-dir` reads files on
/// the thread of the loop. If OpenSSL refuses one of its members, such as one with a key that is too weak, nothing is
/// set, and every handshake fails for the same reason.
fn build_chain(builder: &mut SslContextBuilder) {
    // SAFETY: the builder's context is live; the command takes flags and no pointer.
    let built = unsafe {
        ffi::SSL_CTX_ctrl(
            builder.as_ptr(),
            SSL_CTRL_BUILD_CERT_CHAIN,
            AS_FAR_AS_KNOWN,
            ptr::null_mut(),
        )
    };
    if built <= 0 {
        // The queue is left empty.
        drop(ErrorStack::get());
    }
}
