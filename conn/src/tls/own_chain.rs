//! The chain that is shown with a certificate whose file does not hold it.
//!
//! OpenSSL then takes the issuers from the trusted certificates. Left alone, it looks for them in every handshake and
//! verifies what it finds, which costs 4 % of the handshake's instructions, and with `tls-ca-cert-dir` reads files on the thread of
//! the loop. The chain is the same each time, so it is built when the certificate is loaded.

#![allow(unsafe_code)]

use std::ffi::c_long;
use std::ptr;

use openssl::error::ErrorStack;
use openssl::ssl::SslContextBuilder;
use openssl_sys as ffi;

const SSL_CTRL_BUILD_CERT_CHAIN: i32 = 105;

/// SSL_BUILD_CHAIN_FLAG_IGNORE_ERROR and _CLEAR_ERROR: the chain goes as far as the trusted certificates do, and whether it is
/// valid is for the peer to say.
const AS_FAR_AS_KNOWN: c_long = 0x8 | 0x10;

/// Builds the chain of the certificate that was loaded last. If OpenSSL refuses one of its members, such as one with a key that
/// is too weak, nothing is set, and every handshake fails for the same reason.
pub(crate) fn build(builder: &mut SslContextBuilder) {
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
