//! The settings of a context that do not depend on certificates.

#![allow(unsafe_code)]

use std::ffi::c_long;
use std::ptr;

use openssl::dh::Dh;
use openssl::error::ErrorStack;
use openssl::ssl::{
    SslContext, SslContextBuilder, SslMethod, SslMode, SslOptions, SslSessionCacheMode,
    SslVerifyMode,
};
use openssl_sys as ffi;

use crate::error::ConnError;
use crate::tls::config::{CrlExpired, DEFAULT_GROUPS, TlsConfig};
use crate::tls::file::{failure, read, refusal};
use crate::tls::verdict::{on_verdict, on_verdict_of_old_list};

/// Tickets issued per full handshake. Each costs 25 µs and 255 bytes, and clients of this server
/// seldom resume.
const TICKETS: usize = 1;

const SSL_CTRL_SET_DH_AUTO: i32 = 118;

/// SSL_OP_IGNORE_UNEXPECTED_EOF: most clients close without close_notify, and truncation is no
/// danger because RESP carries lengths.
const IGNORE_UNEXPECTED_EOF: u64 = 1 << 7;

unsafe extern "C" {
    fn SSL_CTX_set_timeout(context: *mut ffi::SSL_CTX, seconds: c_long) -> c_long;
}

/// The settings of every context.
pub(super) fn bare() -> Result<SslContextBuilder, ConnError> {
    let mut builder =
        SslContext::builder(SslMethod::tls()).map_err(|stack| failure("OpenSSL", &stack))?;
    builder.set_options(SslOptions::NO_SSLV2 | SslOptions::NO_SSLV3 | SslOptions::NO_COMPRESSION);
    builder.set_options(
        SslOptions::NO_RENEGOTIATION | SslOptions::from_bits_retain(IGNORE_UNEXPECTED_EOF),
    );
    // AUTO_RETRY is OpenSSL's default, and `tls::bio` depends on it: without it a read could stop
    // although there is data.
    let modes = SslMode::ENABLE_PARTIAL_WRITE | SslMode::ACCEPT_MOVING_WRITE_BUFFER;
    builder.set_mode(modes | SslMode::RELEASE_BUFFERS | SslMode::AUTO_RETRY);
    Ok(builder)
}

/// The settings of both sides of a server, for links that it accepts and that it opens.
pub(super) fn both_sides(config: &TlsConfig) -> Result<SslContextBuilder, ConnError> {
    let mut builder = bare()?;
    builder.set_options(excluded_protocols(config.protocols.as_deref())?);
    builder.set_verify_callback(
        SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT,
        if config.crl_expired == CrlExpired::Accept {
            on_verdict_of_old_list
        } else {
            on_verdict
        },
    );
    // OpenSSL takes an empty list, with which no handshake of TLS 1.3 succeeds.
    let groups = match config.groups.trim() {
        "" => DEFAULT_GROUPS,
        groups => groups,
    };
    builder.set_groups_list(groups).map_err(|_| {
        refusal(
            "tls-groups",
            &format!("'{}' has a group that OpenSSL does not know", config.groups),
        )
    })?;
    set_ciphers(
        &mut builder,
        config.ciphers.as_deref(),
        config.ciphersuites.as_deref(),
    )?;
    Ok(builder)
}

/// Adds the settings of the side that accepts.
pub(super) fn add_accepting(
    builder: &mut SslContextBuilder,
    config: &TlsConfig,
) -> Result<(), ConnError> {
    builder.set_options(SslOptions::SINGLE_DH_USE);
    if config.prefer_server_ciphers {
        builder.set_options(SslOptions::CIPHER_SERVER_PREFERENCE);
    }
    let fail = |stack: ErrorStack| failure("OpenSSL", &stack);
    builder.set_num_tickets(TICKETS).map_err(fail)?;
    if config.session_caching {
        builder.set_session_cache_mode(SslSessionCacheMode::SERVER);
        builder
            .set_session_cache_size(i32::try_from(config.session_cache_size).unwrap_or(i32::MAX));
        // SAFETY: the builder's context is live; the call only stores a number.
        unsafe { SSL_CTX_set_timeout(builder.as_ptr(), config.session_cache_timeout) };
    } else {
        builder.set_session_cache_mode(SslSessionCacheMode::OFF);
    }
    let Some(file) = config.dh_params_file.as_deref() else {
        // SAFETY: the builder's context is live; the command takes a number and no pointer.
        unsafe { ffi::SSL_CTX_ctrl(builder.as_ptr(), SSL_CTRL_SET_DH_AUTO, 1, ptr::null_mut()) };
        return Ok(());
    };
    let params = Dh::params_from_pem(&read(file)?)
        .map_err(|_| refusal(file, "no Diffie-Hellman parameters in PEM form"))?;
    builder
        .set_tmp_dh(&params)
        .map_err(|stack| failure(file, &stack))
}

/// Everything but the protocols named, as options that exclude them.
pub(super) fn excluded_protocols(protocols: Option<&str>) -> Result<SslOptions, ConnError> {
    let known = [
        ("TLSv1", SslOptions::NO_TLSV1),
        ("TLSv1.1", SslOptions::NO_TLSV1_1),
        ("TLSv1.2", SslOptions::NO_TLSV1_2),
        ("TLSv1.3", SslOptions::NO_TLSV1_3),
    ];
    let mut excluded = SslOptions::NO_TLSV1
        | SslOptions::NO_TLSV1_1
        | SslOptions::NO_TLSV1_2
        | SslOptions::NO_TLSV1_3;
    for word in protocols
        .unwrap_or("TLSv1.2 TLSv1.3")
        .split_ascii_whitespace()
    {
        let Some((_, option)) = known
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(word))
        else {
            let why = format!(
                "unknown protocol '{word}': use a combination of TLSv1, TLSv1.1, TLSv1.2 and TLSv1.3"
            );
            return Err(refusal("tls-protocols", &why));
        };
        excluded.remove(*option);
    }
    Ok(excluded)
}

/// Sets the ciphers up to TLS 1.2 and the suites of TLS 1.3.
pub(super) fn set_ciphers(
    builder: &mut SslContextBuilder,
    ciphers: Option<&str>,
    suites: Option<&str>,
) -> Result<(), ConnError> {
    if let Some(list) = ciphers {
        builder
            .set_cipher_list(list)
            .map_err(|_| refusal("tls-ciphers", &format!("no usable cipher in '{list}'")))?;
    }
    if let Some(list) = suites {
        let fail = |_| {
            refusal(
                "tls-ciphersuites",
                &format!("no usable cipher suite in '{list}'"),
            )
        };
        builder.set_ciphersuites(list).map_err(fail)?;
    }
    Ok(())
}
