//! Advice for a failed TLS connection: the reason comes from `conn`, the option of redis-cli that helps is added here.

use conn::error::ConnError;

/// What this end required and offered.
pub struct Asked<'a> {
    /// The name that the certificate had to carry.
    pub name: &'a str,
    /// A client certificate was sent.
    pub has_cert: bool,
}

/// The reason of a failure, with advice.
pub fn advise(error: &ConnError, asked: &Asked<'_>) -> String {
    let reason = error.reason();
    if let Some(detail) = reason.strip_prefix("certificate verify failed: ") {
        return verification(detail, asked);
    }
    if reason.starts_with("the peer does not speak TLS") {
        return format!("{reason}; use another port, or no --tls");
    }
    let Some(alert) = reason.strip_prefix("the peer refused with an alert: ") else {
        return reason.to_owned();
    };
    // OpenSSL 3.0 has no text for the alert "certificate required".
    let about_certificates =
        alert == "unknown" || alert == "handshake failure" || alert.contains("certificate");
    match (about_certificates || alert == "unknown CA", asked.has_cert) {
        (true, false) => {
            format!("{reason}; does the server want a client certificate? Use --cert and --key")
        }
        (true, true) => format!(
            "{reason}; does the server trust the CA that signed the client certificate? Use --cert and --key"
        ),
        (false, _) => reason.to_owned(),
    }
}

/// Advice for a certificate that was rejected. `detail` is OpenSSL's reason and, in parentheses, the subject of the
/// certificate; with all its names if the name was the reason.
fn verification(detail: &str, asked: &Asked<'_>) -> String {
    let (verdict, whose) = match detail.split_once(" (") {
        Some((verdict, rest)) => (verdict, rest.strip_suffix(')')),
        None => (detail, None),
    };
    let advice = match verdict.to_ascii_lowercase().as_str() {
        "hostname mismatch" | "ip address mismatch" => {
            let has = whose.unwrap_or("no name");
            return format!(
                "certificate verify failed: {verdict} (asked for \"{}\"; the certificate has {has}); use --sni <name> with a name that is in \
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
                "certificate verify failed: hostname mismatch (CN=localhost; valid for localhost, 127.0.0.1)",
                "certificate verify failed: hostname mismatch (asked for \"db\"; the certificate has CN=localhost; valid for localhost, 127.0.0.1); use --sni",
            ),
            (
                "certificate verify failed: IP address mismatch",
                "certificate verify failed: IP address mismatch (asked for \"db\"; the certificate has no name); use --sni",
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
                "the peer does not speak TLS (wrong version number)",
                "the peer does not speak TLS (wrong version number); use another port",
            ),
            (
                "the peer refused with an alert: unknown",
                "the peer refused with an alert: unknown; does the server want a client certificate?",
            ),
            (
                "the peer refused with an alert: protocol version",
                "the peer refused with an alert: protocol version",
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
