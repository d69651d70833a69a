//! Failures of OpenSSL in words: what is wrong, and on which side.

#![allow(unsafe_code)]

use std::ffi::{CStr, c_int};
use std::ops::RangeInclusive;

use openssl::error::ErrorStack;
use openssl::ssl::SslRef;
use openssl_sys as ffi;

use crate::error::{Cause, ConnError, Step};
use crate::tls::bio::Transport;

/// SSL_R_UNEXPECTED_EOF_WHILE_READING.
pub(super) const UNEXPECTED_EOF: c_int = 294;

/// SSL_R_CERTIFICATE_VERIFY_FAILED.
const VERIFY_FAILED: c_int = 134;

/// SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE.
const NO_CERTIFICATE: c_int = 199;

/// The alert of TLS 1.3 that refuses a client without a certificate.
const CERTIFICATE_REQUIRED: c_int = 116;

/// Reason codes from here on are alerts of the peer.
const ALERT_OFFSET: c_int = 1000;

/// First bytes of records: change of ciphers, alert, handshake, data.
const RECORD_TYPES: RangeInclusive<u8> = 20..=23;

/// The failure in the error queue, by its first entry, which is the cause.
pub(super) fn explain(
    ssl: &SslRef,
    transport: &Transport,
    step: Step,
    stack: &ErrorStack,
) -> ConnError {
    let code = reason_code(stack).unwrap_or(0);
    if let Some(alert) = alert_words(code) {
        let reason = format!("the peer refused with an alert: {alert}");
        return ConnError::because(Cause::Alert, step, reason);
    }
    if code == VERIFY_FAILED {
        let reason = verification_failure(ssl, transport);
        return ConnError::because(Cause::Certificate, step, reason);
    }
    if code == NO_CERTIFICATE {
        return ConnError::because(Cause::Certificate, step, words(stack));
    }
    let is_foreign = |byte| !RECORD_TYPES.contains(&byte);
    if transport.first.is_some_and(is_foreign) {
        let reason = format!("the peer does not speak TLS ({})", words(stack));
        return ConnError::because(Cause::NotTls, step, reason);
    }
    ConnError::because(Cause::Protocol, step, words(stack))
}

/// Why the peer's certificate was rejected, and whose it is.
fn verification_failure(ssl: &SslRef, transport: &Transport) -> String {
    let verdict = ssl.verify_result().error_string();
    match transport.rejected.as_deref() {
        None | Some("") => format!("certificate verify failed: {verdict}"),
        Some(whose) => format!(
            "certificate verify failed: {verdict} ({})",
            whose.escape_debug()
        ),
    }
}

/// A failure to create or configure an object.
pub(super) fn local_error(stack: &ErrorStack) -> ConnError {
    ConnError::new(Step::Handshake, words(stack))
}

/// The first entry of the queue in OpenSSL's words.
fn words(stack: &ErrorStack) -> String {
    let Some(first) = stack.errors().first() else {
        return "protocol error, for which OpenSSL gives no reason".to_string();
    };
    let words = first.reason().unwrap_or("unknown reason");
    match first.data() {
        Some(data) if !data.is_empty() => format!("{words}: {data}"),
        _ => words.to_string(),
    }
}

/// The reason code of the first entry of the queue.
pub(super) fn reason_code(stack: &ErrorStack) -> Option<c_int> {
    let first = stack.errors().first()?;
    Some(ffi::ERR_GET_REASON(first.code()))
}

/// The name of an alert, if `code` is one that the peer sent.
fn alert_words(code: c_int) -> Option<String> {
    if !(ALERT_OFFSET..ALERT_OFFSET + 256).contains(&code) {
        return None;
    }
    if code - ALERT_OFFSET == CERTIFICATE_REQUIRED {
        // OpenSSL has no name for it.
        return Some("certificate required".to_owned());
    }
    // SAFETY: any value is allowed; the answer is a string that lives for ever.
    let words = unsafe { CStr::from_ptr(ffi::SSL_alert_desc_string_long(code - ALERT_OFFSET)) };
    Some(words.to_string_lossy().into_owned())
}
