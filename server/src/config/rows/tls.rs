//! TLS: certificates, protocols, sessions.

use conn::tls::config::{AuthClients, CrlExpired, DEFAULT_GROUPS};

use crate::config::row::{Effect, Flags, INT, Row, choice, int, option, text, yes_no};
use crate::config::values::{CertificateUser, UnknownUser};
use crate::{choice, field};

/// The rows.
pub static ROWS: &[Row] = &[
    int("tls-port", field!(tls_port), 0, 65535)
        .default("0")
        .effects(&[Effect::Tls, Effect::TlsPort])
        .doc("The port for TLS connections; 0 closes it."),
    yes_no("tls-mixed-port", field!(tls_mixed_port))
        .default("no")
        .doc("The TLS port also takes clients without TLS. The first byte that a client sends decides; a client that sends nothing for ten seconds counts as one without TLS."),
    option("tls-cert-file", field!(tls.cert_file))
        .flags(Flags::VOLATILE)
        .effects(&[Effect::Tls])
        .doc("File of the server's certificate, and of the chain behind it, in PEM; or several files, for keys of different types."),
    option("tls-key-file", field!(tls.key_file))
        .flags(Flags::VOLATILE)
        .effects(&[Effect::Tls])
        .doc("File of the key to that certificate, in PEM; or as many files as there are certificates, in their order."),
    option("tls-key-file-pass", field!(tls.key_file_pass))
        .flags(Flags::SENSITIVE)
        .effects(&[Effect::Tls])
        .doc("Password of that key's file, if it has one."),
    option("tls-client-cert-file", field!(tls.client_cert_file))
        .flags(Flags::VOLATILE)
        .effects(&[Effect::Tls])
        .doc("File of the certificate that the server shows on links it opens itself; without one it shows its own."),
    option("tls-client-key-file", field!(tls.client_key_file))
        .flags(Flags::VOLATILE)
        .effects(&[Effect::Tls])
        .doc("File of the key to that certificate."),
    option("tls-client-key-file-pass", field!(tls.client_key_file_pass))
        .flags(Flags::SENSITIVE)
        .effects(&[Effect::Tls])
        .doc("Password of that key's file, if it has one."),
    option("tls-dh-params-file", field!(tls.dh_params_file))
        .flags(Flags::VOLATILE)
        .effects(&[Effect::Tls])
        .doc("File of Diffie-Hellman parameters for old clients; without one OpenSSL chooses them."),
    option("tls-ca-cert-file", field!(tls.ca_cert_file))
        .flags(Flags::VOLATILE)
        .effects(&[Effect::Tls])
        .doc("File of the certificates by which peers are verified."),
    option("tls-ca-cert-dir", field!(tls.ca_cert_dir))
        .flags(Flags::VOLATILE)
        .effects(&[Effect::Tls])
        .doc("Directory of such certificates, under their hashes as openssl rehash names them."),
    option("tls-crl-file", field!(tls.crl_file))
        .flags(Flags::VOLATILE)
        .effects(&[Effect::Tls])
        .doc("File of the lists of revoked certificates, in PEM; with it or tls-crl-dir every authority of a peer must have a list."),
    option("tls-crl-dir", field!(tls.crl_dir))
        .flags(Flags::VOLATILE)
        .effects(&[Effect::Tls])
        .doc("Directory of such files, under any names."),
    choice("tls-crl-expired", choice!(tls.crl_expired: CrlExpired))
        .default("refuse")
        .effects(&[Effect::Tls])
        .doc("Whether peers are refused when such a list has expired (refuse), or judged by the old list (accept)."),
    yes_no("tls-crl-drop", field!(tls_crl_drop))
        .default("yes")
        .doc("Clients and links to other servers whose certificates a newly loaded list revokes are disconnected."),
    yes_no("tls-auto-reload", field!(tls_auto_reload))
        .default("no")
        .effects(&[Effect::Tls])
        .doc("Changes of these files are loaded without CONFIG SET, when key and certificate fit together."),
    choice("tls-auth-clients", choice!(tls.auth_clients: AuthClients))
        .default("yes")
        .effects(&[Effect::Tls])
        .doc("Whether a client must show a certificate (yes), may (optional), or is not asked (no)."),
    choice("tls-auth-clients-user", choice!(tls_auth_clients_user: CertificateUser))
        .default("off")
        .doc("Field of a client's certificate that names the ACL user that it is: CN, or URI or DNS of its alternative names."),
    choice("tls-auth-clients-user-unknown", choice!(tls_auth_clients_user_unknown: UnknownUser))
        .default("default")
        .doc("Whether a client whose certificate names no enabled user is the default user (default) or refused (refuse)."),
    yes_no("tls-replication", field!(tls_replication))
        .default("no")
        .effects(&[Effect::Tls])
        .doc("Links to a primary use TLS."),
    yes_no("tls-peer-name-check", field!(tls_peer_name_check))
        .default("no")
        .doc("On links to a primary, to other nodes of the cluster, and of MIGRATE, the certificate of the peer must be for the name or address that was connected to."),
    yes_no("tls-cluster", field!(tls_cluster))
        .default("no")
        .effects(&[Effect::Tls])
        .doc("Links between the nodes of a cluster use TLS, and so do those by which MIGRATE moves keys."),
    yes_no("tls-migrate", field!(tls_migrate))
        .default("no")
        .effects(&[Effect::Tls])
        .doc("MIGRATE moves keys over TLS outside a cluster, too."),
    option("tls-protocols", field!(tls.protocols))
        .effects(&[Effect::Tls])
        .doc("Protocol versions to accept, of TLSv1 TLSv1.1 TLSv1.2 TLSv1.3; unset means the last two."),
    option("tls-ciphers", field!(tls.ciphers))
        .effects(&[Effect::Tls])
        .doc("Ciphers up to TLS 1.2, as openssl ciphers takes them; unset means OpenSSL's choice."),
    option("tls-ciphersuites", field!(tls.ciphersuites))
        .effects(&[Effect::Tls])
        .doc("Ciphersuites of TLS 1.3, separated by colons; unset means OpenSSL's choice."),
    text("tls-groups", field!(tls.groups))
        .default(DEFAULT_GROUPS)
        .effects(&[Effect::Tls])
        .doc("Groups for the exchange of keys, the preferred first, separated by colons."),
    yes_no("tls-prefer-server-ciphers", field!(tls.prefer_server_ciphers))
        .default("no")
        .effects(&[Effect::Tls])
        .doc("The server's order of ciphers counts, not the client's."),
    yes_no("tls-session-caching", field!(tls.session_caching))
        .default("yes")
        .effects(&[Effect::Tls])
        .doc("Sessions of clients without tickets are kept, so that they can be resumed; tickets are issued either way."),
    int("tls-session-cache-size", field!(tls.session_cache_size), 0, INT)
        .default("20480")
        .effects(&[Effect::Tls])
        .doc("How many sessions are kept; 0 means no limit."),
    int("tls-session-cache-timeout", field!(tls.session_cache_timeout), 0, INT)
        .default("300")
        .effects(&[Effect::Tls])
        .doc("Seconds for which a session can be resumed."),
    int("tls-session-ticket-rotation", field!(tls_ticket_rotation), 0, INT)
        .default("3600")
        .doc("Seconds after which the key of session tickets is replaced; a ticket is accepted until the replacement after the next, or until tls-session-cache-timeout. 0 keeps the key."),
];
