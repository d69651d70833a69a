//! OpenSSL's verdict on the certificates of a peer, and what an error says about it.

use openssl::x509::{X509Ref, X509StoreContext, X509StoreContextRef, X509VerifyResult};
use openssl_sys as ffi;

use crate::tls::bio::note_rejected;
use crate::tls::info::{alternative_names, common_name, shortened};

/// Alternative names of a certificate that an error lists.
const NAMES_TOLD: usize = 8;

/// As `on_verdict`, but a list of revoked certificates that has expired still counts.
pub(super) fn on_verdict_of_old_list(accepted: bool, chain: &mut X509StoreContextRef) -> bool {
    if !accepted && chain.error().as_raw() == ffi::X509_V_ERR_CRL_HAS_EXPIRED {
        chain.set_error(X509VerifyResult::OK);
        return true;
    }
    on_verdict(accepted, chain)
}

/// Keeps OpenSSL's verdict on a certificate, and records whose was rejected, for the error.
pub(super) fn on_verdict(accepted: bool, chain: &mut X509StoreContextRef) -> bool {
    if !accepted
        && let Some(whose) = chain
            .current_cert()
            .and_then(|cert| whose(cert, chain.error()))
        && let Some(ssl) = X509StoreContext::ssl_idx()
            .ok()
            .and_then(|index| chain.ex_data(index))
    {
        note_rejected(ssl, &whose);
    }
    accepted
}

/// Whose certificate it is, if it says so. If the name was wrong, also the names that it is valid for.
fn whose(cert: &X509Ref, verdict: X509VerifyResult) -> Option<String> {
    let common_name = common_name(cert.subject_name());
    let common_name = common_name.map(|name| format!("CN={}", shortened(name)));
    let wrong_name = [
        ffi::X509_V_ERR_HOSTNAME_MISMATCH,
        ffi::X509_V_ERR_IP_ADDRESS_MISMATCH,
    ];
    if !wrong_name.contains(&verdict.as_raw()) {
        return common_name;
    }
    let names = alternative_names(cert);
    let more = names.len().saturating_sub(NAMES_TOLD);
    let told = names.into_iter().take(NAMES_TOLD).map(shortened);
    let mut told = told.collect::<Vec<_>>().join(", ");
    if more > 0 {
        told.push_str(&format!(" and {more} more"));
    }
    let names = (!told.is_empty()).then(|| format!("valid for {told}"));
    let parts: Vec<String> = common_name.into_iter().chain(names).collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}
