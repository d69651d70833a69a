//! Which name the certificate of a server has to carry, beyond being signed by a trusted CA.
//!
//! | who connects | where to | what is checked |
//! |---|---|---|
//! | a tool | `--sni NAME` | NAME, required |
//! | a tool | a host name | that name, required |
//! | a tool | an address | the address: a mismatch passes with a warning, as redis-cli has never checked it; with `--verify-name` it is required |
//! | a tool with `--insecure` | anywhere | nothing |
//! | a server | name or address | required with `tls-peer-name-check yes`, else nothing, as in Redis |
//!
//! A required name is checked by OpenSSL during the handshake. An advised address is compared with
//! the certificate afterwards. There is no warning for a loopback address if the certificate has no
//! alternative names at all, like those of Redis's own test suite: nobody can be impersonated there,
//! and that suite takes any output on standard error for a failure.

use std::net::IpAddr;

use crate::conns::ClientTls;
use crate::tls::context::TlsContext;
use crate::tls::info::Identity;

/// What a tool's options say about names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameOptions {
    /// `--sni`
    pub sni: Option<String>,
    /// `--insecure`
    pub insecure: bool,
    /// `--verify-name`
    pub verify_name: bool,
}

/// What is sent as server name, and what the certificate is checked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NameCheck<'a> {
    /// The server name to ask for.
    pub sni: Option<&'a str>,
    /// Name or address without which the handshake fails.
    pub required: Option<&'a str>,
    /// Address whose absence is worth a warning.
    pub advised: Option<IpAddr>,
}

impl NameOptions {
    /// The check for a connection to `host`; `None` is a Unix socket.
    pub fn check<'a>(&'a self, host: Option<&'a str>) -> NameCheck<'a> {
        let name = host.filter(|host| !is_address(host));
        let sni = self.sni.as_deref().or(name);
        if self.insecure {
            return NameCheck {
                sni,
                ..NameCheck::default()
            };
        }
        let address = host.filter(|_| sni.is_none());
        NameCheck {
            sni,
            required: sni.or(address.filter(|_| self.verify_name)),
            advised: address
                .filter(|_| !self.verify_name)
                .and_then(|host| host.parse().ok()),
        }
    }

    /// The name that an error about a wrong name is about.
    pub fn asked<'a>(&'a self, host: &'a str) -> &'a str {
        self.sni.as_deref().unwrap_or(host)
    }

    /// What is wrong with the options for a connection to `host`; `None` is a Unix socket.
    ///
    /// # Errors
    /// A sentence.
    pub fn validate(&self, host: Option<&str>) -> Result<(), &'static str> {
        match (self.verify_name, self.insecure, &self.sni, host) {
            (true, true, ..) => Err("Options --verify-name and --insecure are mutually exclusive."),
            (true, _, None, None) => Err(
                "Option --verify-name needs a name to verify: give one with --sni, since a Unix socket has none.",
            ),
            _ => Ok(()),
        }
    }
}

impl<'a> NameCheck<'a> {
    /// The check for a server that connects to another one.
    pub fn between_servers(host: &'a str, is_checked: bool) -> Self {
        Self {
            // RFC 6066 has no place for addresses in a server name.
            sni: (!is_address(host)).then_some(host),
            required: is_checked.then_some(host),
            advised: None,
        }
    }

    /// The TLS settings of a connection that is made with these certificates.
    pub fn tls(&self, context: &'a TlsContext) -> ClientTls<'a> {
        ClientTls {
            context,
            sni: self.sni,
            verify_name: self.required,
        }
    }

    /// The line to print when a certificate that was accepted lacks the advised address.
    pub fn warning(&self, identity: Option<&Identity>) -> Option<String> {
        let address = self.advised?;
        let identity = identity?;
        if identity.names.is_empty() && address.to_canonical().is_loopback() {
            return None;
        }
        let carries = |name: &String| {
            name.parse::<IpAddr>()
                .is_ok_and(|ip| ip.to_canonical() == address.to_canonical())
        };
        if identity.names.iter().any(carries) {
            return None;
        }
        let names = match (&identity.common_name, identity.names.as_slice()) {
            (Some(name), []) => format!("CN={}", name.escape_debug()),
            (None, []) => "no name".to_owned(),
            (_, names) => names.join(", ").escape_debug().to_string(),
        };
        Some(format!(
            "Warning: the server's certificate does not carry the address {address}, but {names}. Connect by a name that it carries, \
             or use --sni to have one checked; --verify-name makes this an error."
        ))
    }
}

fn is_address(host: &str) -> bool {
    host.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::{NameCheck, NameOptions};
    use crate::tls::info::Identity;

    fn options(line: &str) -> NameOptions {
        NameOptions {
            sni: line.contains("sni").then(|| "db".to_owned()),
            insecure: line.contains("insecure"),
            verify_name: line.contains("verify"),
        }
    }

    #[test]
    fn a_name_that_was_given_is_required_and_an_address_is_advised() {
        // Options, host, server name, required, advised.
        let rows = [
            ("", "redis.example", "redis.example", "redis.example", ""),
            ("", "10.0.0.5", "", "", "10.0.0.5"),
            ("", "::1", "", "", "::1"),
            ("", "/socket", "", "", ""),
            ("verify", "10.0.0.5", "", "10.0.0.5", ""),
            (
                "verify",
                "redis.example",
                "redis.example",
                "redis.example",
                "",
            ),
            ("sni", "10.0.0.5", "db", "db", ""),
            ("sni", "redis.example", "db", "db", ""),
            ("sni", "/socket", "db", "db", ""),
            ("sni insecure", "10.0.0.5", "db", "", ""),
            ("insecure", "10.0.0.5", "", "", ""),
            ("insecure", "redis.example", "redis.example", "", ""),
        ];
        for (line, host, sni, required, advised) in rows {
            let options = options(line);
            let check = options.check((!host.starts_with('/')).then_some(host));
            let advice = check.advised.map(|ip| ip.to_string()).unwrap_or_default();
            assert_eq!(
                (
                    check.sni.unwrap_or_default(),
                    check.required.unwrap_or_default(),
                    advice.as_str()
                ),
                (sni, required, advised),
                "{line} {host}"
            );
        }
        assert!(options("verify insecure").validate(Some("h")).is_err());
        assert!(options("verify").validate(None).is_err());
        assert!(options("verify sni").validate(None).is_ok());
        assert!(options("").validate(None).is_ok());
    }

    #[test]
    fn servers_check_as_their_directive_says() {
        let check = NameCheck::between_servers("h", true);
        assert_eq!((check.sni, check.required), (Some("h"), Some("h")));
        let check = NameCheck::between_servers("10.0.0.1", false);
        assert_eq!(
            (check.sni, check.required, check.advised),
            (None, None, None)
        );
    }

    #[test]
    fn only_a_missing_address_is_worth_a_warning() {
        let options = NameOptions::default();
        let check = options.check(Some("127.0.0.1"));
        let identity = |names: &[&str]| Identity {
            common_name: Some("cn\n".to_owned()),
            names: names.iter().map(ToString::to_string).collect(),
            ..Identity::default()
        };
        assert_eq!(
            check.warning(Some(&identity(&["localhost", "127.0.0.1"]))),
            None
        );
        assert_eq!(check.warning(None), None);
        let line = check
            .warning(Some(&identity(&["localhost"])))
            .expect("a warning");
        assert!(line.contains("127.0.0.1, but localhost. "), "{line}");
        assert_eq!(check.warning(Some(&identity(&[]))), None);
        let remote = options.check(Some("10.0.0.5"));
        let line = remote.warning(Some(&identity(&[]))).expect("a warning");
        assert!(
            line.contains("but CN=cn\\n. ") && !line.contains('\n'),
            "{line}"
        );
        assert_eq!(options.check(Some("h")).warning(Some(&identity(&[]))), None);
    }
}
