//! What to do about a failed TLS connection.
//!
//! `conn` says what went wrong; which option of this program mends it, only this program knows.

use conn::error::ConnError;

/// What this end had asked for.
pub struct Asked<'a> {
    /// The name that the certificate had to be for.
    pub name: &'a str,
    /// A client certificate was shown.
    pub has_cert: bool,
}

/// The reason of a failure with what to do about it.
pub fn advise(error: &ConnError, asked: &Asked<'_>) -> String {
    let reason = error.reason();
    if let Some(detail) = reason.strip_prefix("certificate verify failed: ") {
        return verification(detail, asked);
    }
    let lower = reason.to_ascii_lowercase();
    let advice = if lower.contains("certificate required")
        || (lower.contains("handshake failure") && !asked.has_cert)
    {
        "the server wants a client certificate; use --cert and --key"
    } else if lower.contains("unknown ca") || lower.contains("bad certificate") {
        "the server does not trust the client certificate; use --cert and --key with one that its CA has signed"
    } else if lower.contains("wrong version number") || lower.contains("packet length too long") {
        "the server does not speak TLS on this port"
    } else {
        return reason.to_owned();
    };
    format!("{reason}: {advice}")
}

/// `detail` is OpenSSL's verdict, and in parentheses whose certificate it is about.
fn verification(detail: &str, asked: &Asked<'_>) -> String {
    let (verdict, whose) = match detail.split_once(" (CN=") {
        Some((verdict, rest)) => (verdict, rest.strip_suffix(')')),
        None => (detail, None),
    };
    let advice = match verdict.to_ascii_lowercase().as_str() {
        "hostname mismatch" | "ip address mismatch" => {
            let has = whose.map_or_else(
                || "another".to_owned(),
                |name| format!("certificate has \"{name}\""),
            );
            return format!(
                "certificate verify failed: {verdict} (asked for \"{}\", {has}); use --sni <name> with a name that is in \
                 the certificate, or --insecure to skip verification",
                asked.name
            );
        }
        "certificate has expired" | "certificate is not yet valid" => {
            "renew the server's certificate, check the clock, or use --insecure to skip verification"
        }
        _ => {
            "use --cacert or --cacertdir with the CA that signed it, or --insecure to skip verification"
        }
    };
    format!("certificate verify failed: {detail}; {advice}")
}

#[cfg(test)]
mod tests {
    use super::{Asked, advise};
    use conn::error::{ConnError, Step};

    #[test]
    fn each_failure_names_its_remedy() {
        let table = [
            (
                "certificate verify failed: hostname mismatch (CN=localhost)",
                "certificate verify failed: hostname mismatch (asked for \"db\", certificate has \"localhost\"); use --sni",
            ),
            (
                "certificate verify failed: IP address mismatch",
                "certificate verify failed: IP address mismatch (asked for \"db\", another); use --sni",
            ),
            (
                "certificate verify failed: certificate has expired (CN=a)",
                "certificate verify failed: certificate has expired (CN=a); renew",
            ),
            (
                "certificate verify failed: self-signed certificate in certificate chain (CN=CA)",
                "certificate verify failed: self-signed certificate in certificate chain (CN=CA); use --cacert",
            ),
            (
                "wrong version number",
                "wrong version number: the server does not speak TLS",
            ),
            (
                "tlsv13 alert certificate required",
                "tlsv13 alert certificate required: the server wants a client certificate; use --cert",
            ),
            ("Connection reset by peer", "Connection reset by peer"),
        ];
        let asked = Asked {
            name: "db",
            has_cert: false,
        };
        for (reason, expected) in table {
            let text = advise(&ConnError::new(Step::Handshake, reason), &asked);
            assert!(text.starts_with(expected), "{text}");
        }
    }
}
