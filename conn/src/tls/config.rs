//! The directives that concern TLS: what a server's contexts are loaded from.

use std::path::{Path, PathBuf};

/// The groups that a context offers by default: the elliptic curves of OpenSSL's own default, by which the keys of
/// certificates are judged, too. With the post-quantum group of OpenSSL 3.6 each connection would keep 6.6 KB of a key.
pub const DEFAULT_GROUPS: &str = "X25519:P-256:X448:P-384:P-521";

/// Whether clients must show a certificate (`tls-auth-clients`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AuthClients {
    /// Not asked for.
    No,
    /// Required.
    #[default]
    Yes,
    /// Asked for, and verified if there is one.
    Optional,
}

/// What becomes of peers of an authority whose list of revoked certificates has expired (`tls-crl-expired`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CrlExpired {
    /// They are refused: nobody knows what was revoked since.
    #[default]
    Refuse,
    /// The old list counts.
    Accept,
}

/// The directives that concern TLS, under their own names. It holds passwords, so it has no `Debug`.
#[derive(Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "each field is the directive of the same name")]
pub struct TlsConfig {
    pub cert_file: Option<String>,
    pub key_file: Option<String>,
    pub key_file_pass: Option<String>,
    pub client_cert_file: Option<String>,
    pub client_key_file: Option<String>,
    pub client_key_file_pass: Option<String>,
    pub dh_params_file: Option<String>,
    pub ca_cert_file: Option<String>,
    pub ca_cert_dir: Option<String>,
    pub crl_file: Option<String>,
    pub crl_dir: Option<String>,
    pub crl_expired: CrlExpired,
    pub auth_clients: AuthClients,
    /// Outgoing links use TLS (`tls-replication`, `tls-cluster`), so a CA to verify their peers is
    /// required.
    pub outgoing_links: bool,
    /// Of `TLSv1 TLSv1.1 TLSv1.2 TLSv1.3`, separated by spaces; `None` is the last two.
    pub protocols: Option<String>,
    pub ciphers: Option<String>,
    pub ciphersuites: Option<String>,
    /// Key exchange groups, separated by colons.
    pub groups: String,
    pub prefer_server_ciphers: bool,
    pub session_caching: bool,
    /// Sessions.
    pub session_cache_size: i64,
    /// Seconds.
    pub session_cache_timeout: i64,
}

impl Default for TlsConfig {
    fn default() -> Self {
        Self {
            cert_file: None,
            key_file: None,
            key_file_pass: None,
            client_cert_file: None,
            client_key_file: None,
            client_key_file_pass: None,
            dh_params_file: None,
            ca_cert_file: None,
            ca_cert_dir: None,
            crl_file: None,
            crl_dir: None,
            crl_expired: CrlExpired::Refuse,
            auth_clients: AuthClients::Yes,
            outgoing_links: false,
            protocols: None,
            ciphers: None,
            ciphersuites: None,
            groups: DEFAULT_GROUPS.to_string(),
            prefer_server_ciphers: false,
            session_caching: true,
            session_cache_size: 20_480,
            session_cache_timeout: 300,
        }
    }
}

impl TlsConfig {
    /// The files and folders that a context is loaded from.
    pub fn paths(&self) -> Vec<PathBuf> {
        let lists = [
            &self.cert_file,
            &self.key_file,
            &self.client_cert_file,
            &self.client_key_file,
        ];
        let listed = lists.into_iter().flatten().flat_map(|list| files(list));
        let paths = [
            &self.dh_params_file,
            &self.ca_cert_file,
            &self.ca_cert_dir,
            &self.crl_file,
            &self.crl_dir,
        ];
        let named = paths.into_iter().flatten().map(String::as_str);
        listed.chain(named).map(PathBuf::from).collect()
    }
}

/// The files of a list: words, unless the text as a whole is the name of a file.
pub(crate) fn files(list: &str) -> Vec<&str> {
    if list.contains(' ') && !Path::new(list).exists() {
        list.split_ascii_whitespace().collect()
    } else {
        vec![list]
    }
}
