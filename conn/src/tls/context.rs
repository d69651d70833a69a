//! Certificates, keys and settings, loaded and replaced as a unit.
//!
//! A `TlsContext` holds what the server's side of connections needs and what the client's side
//! needs (for outgoing links). Loading builds both anew or fails without side effects, so the caller
//! keeps the old context until the new one is complete. Connections hold their context by reference
//! count.
//!
//! # Invariants
//! 1. A load either succeeds completely or answers a sentence that names the file and the cause.
//! 2. Sessions that have a ticket survive a reload, because the new context shares the ticket keys of the previous one; but
//!    not a change of the rules for clients. OpenSSL does not verify the certificate of a client that resumes, so a ticket
//!    from before the change would admit a client that the present rules reject. Therefore the session id context is derived
//!    from the rules (`session_rules`). Sessions without a ticket, of TLS 1.2 clients that take none, are in the cache of their
//!    context and end with it: OpenSSL links each to one context, and a copy of it would lack the chain of the client, which
//!    `ticket_chain` needs to know of an authority that expires or is revoked. Such a client makes one full handshake.
//! 3. Certificates that are not valid now are loaded, as Redis does, and reported by `warnings`.
//! 4. The error queue of the thread is empty afterwards (`tls::stream` relies on it).

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use openssl::error::ErrorStack;
use openssl::sha::Sha256;
use openssl::ssl::{SslContext, SslContextBuilder, SslContextRef, SslVerifyMode};
use openssl::x509::X509;

use crate::error::ConnError;
use crate::tls::config::{AuthClients, TlsConfig};
use crate::tls::crl::Crls;
use crate::tls::file::{failure, refusal};
use crate::tls::info::{CertInfo, CertRole, CrlInfo};
use crate::tls::keypair::{self, Pair, Report, pairs};
use crate::tls::settings::{add_accepting, bare, both_sides, excluded_protocols, set_ciphers};
use crate::tls::ticket_chain::{self, Link};
use crate::tls::tickets::TicketKeys;
use crate::tls::trusted::Trusted;
use crate::tls::verdict::on_verdict;

/// The TLS options of a client program's command line. It holds a password, so it has no `Debug`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ClientTlsConfig {
    /// File of trusted certificates; without it and `cacertdir`, the system's.
    pub cacert: Option<String>,
    /// Directory of the same.
    pub cacertdir: Option<String>,
    /// Certificate to show.
    pub cert: Option<String>,
    /// Its key.
    pub key: Option<String>,
    /// The key's password.
    pub key_pass: Option<String>,
    /// Do not verify the server.
    pub insecure: bool,
    /// TLS 1.2 and older.
    pub ciphers: Option<String>,
    /// TLS 1.3.
    pub ciphersuites: Option<String>,
}

struct Inner {
    server: SslContext,
    client: SslContext,
    auth_clients: AuthClients,
    /// A digest of the trusted certificates and of what is revoked.
    trust: [u8; 32],
    crls: Arc<Crls>,
    /// `None` for a client program.
    tickets: Option<TicketKeys>,
    report: Arc<Report>,
}

/// Everything that connections need for TLS. A clone shares it.
#[derive(Clone)]
pub struct TlsContext(Arc<Inner>);

impl fmt::Debug for TlsContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TlsContext").field(&self.0.report).finish()
    }
}

impl TlsContext {
    /// Loads what `config` names. With `previous`, tickets that it issued stay valid.
    ///
    /// # Errors
    /// A sentence that names the file or directive and the cause.
    pub fn load(config: &TlsConfig, previous: Option<&Self>) -> Result<Self, ConnError> {
        let loaded = load(config, previous);
        drop(ErrorStack::get());
        loaded
    }

    /// What a client program needs. Its server's side has no certificate and takes no connections.
    ///
    /// # Errors
    /// As `load`.
    pub fn for_client(config: &ClientTlsConfig) -> Result<Self, ConnError> {
        let loaded = load_for_client(config, None);
        drop(ErrorStack::get());
        loaded
    }

    /// As `for_client`, for one protocol version such as `TLSv1.1`, and with all that OpenSSL has for it, however weak: to
    /// find out what a server accepts.
    ///
    /// # Errors
    /// As `load`; or there is no such version.
    pub fn for_probe(config: &ClientTlsConfig, protocol: &str) -> Result<Self, ConnError> {
        let loaded = load_for_client(config, Some(protocol));
        drop(ErrorStack::get());
        loaded
    }

    /// The same context with another answer to whether clients must show a certificate. The cluster
    /// bus always asks for one.
    #[must_use]
    pub fn with_auth_clients(&self, auth_clients: AuthClients) -> Self {
        let Inner {
            server,
            client,
            trust,
            crls,
            tickets,
            report,
            ..
        } = &*self.0;
        let inner = Inner {
            server: server.clone(),
            client: client.clone(),
            auth_clients,
            trust: *trust,
            crls: Arc::clone(crls),
            tickets: tickets.clone(),
            report: Arc::clone(report),
        };
        Self(Arc::new(inner))
    }

    /// The rules under which a client's session was established: whether it has to show a certificate,
    /// who may have signed it, and whether a revocation list that has expired refuses all. A ticket from under
    /// other rules is refused, which costs that client a full handshake.
    pub(crate) fn session_rules(&self) -> [u8; 32] {
        let mut rules = self.0.trust;
        let refuses_all = self.0.crls.refuse_all(now());
        rules[31] = self.0.auth_clients as u8 | u8::from(refuses_all) << 7;
        rules
    }

    /// Whether clients must show a certificate.
    pub fn auth_clients(&self) -> AuthClients {
        self.0.auth_clients
    }

    /// The certificates that were loaded.
    pub fn certs(&self) -> &[CertInfo] {
        &self.0.report.certs
    }

    /// The certificate revocation lists that were loaded.
    pub fn crls(&self) -> &[CrlInfo] {
        &self.0.crls.infos
    }

    /// Whether peers that the previous context has accepted may be revoked by this one: it has lists, and the trusted
    /// authorities or the lists have changed.
    pub fn may_revoke_peers_of(&self, previous: &Self) -> bool {
        !self.0.crls.infos.is_empty() && self.0.trust != previous.0.trust
    }

    pub(crate) fn is_revoked(&self, cert: &X509) -> bool {
        self.0.crls.revoked(cert)
    }

    pub(crate) fn is_link_revoked(&self, link: &Link) -> bool {
        self.0.crls.revoked_link(link)
    }

    /// What is wrong with the order of the certificates in a file; peers may fail to verify such a chain.
    pub fn chain_fault(&self) -> Option<&str> {
        self.0.report.chain_fault.as_deref()
    }

    /// Which certificate is missing between the own one and the trusted authorities that the chain of this context's
    /// predecessor had. Peers may trust others than this server does, so the lack of any other need not be a fault.
    pub fn lost_issuer(&self, previous: &Self) -> Option<&str> {
        let gap = self.0.report.chain_gap.as_ref()?;
        let was_there = previous.0.report.subjects.contains(&gap.missing);
        was_there.then_some(&gap.sentence)
    }

    /// Certificates that are not valid at the time of the load.
    pub fn warnings(&self) -> &[String] {
        &self.0.report.warnings
    }

    /// Replaces the key of session tickets if it is older than `period`. True if it was.
    pub fn rotate_tickets(&self, period: Duration) -> bool {
        let tickets = self.0.tickets.as_ref();
        tickets.is_some_and(|keys| keys.rotate(Instant::now(), period))
    }

    /// How often the key of session tickets was replaced, over all reloads.
    pub fn ticket_rotations(&self) -> u64 {
        self.0.tickets.as_ref().map_or(0, TicketKeys::rotations)
    }

    /// How many session tickets were issued, over all reloads.
    pub fn tickets_issued(&self) -> u64 {
        self.0.tickets.as_ref().map_or(0, TicketKeys::issued)
    }

    /// True if both are the same loaded context, not two that were loaded from the same files.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub(crate) fn server(&self) -> &SslContextRef {
        &self.0.server
    }

    pub(crate) fn client(&self) -> &SslContextRef {
        &self.0.client
    }
}

fn load(config: &TlsConfig, previous: Option<&TlsContext>) -> Result<TlsContext, ConnError> {
    let Some(cert) = config.cert_file.as_deref() else {
        return Err(refusal("tls-cert-file", "no certificate is configured"));
    };
    let Some(key) = config.key_file.as_deref() else {
        return Err(refusal("tls-key-file", "no private key is configured"));
    };
    let has_ca = config.ca_cert_file.is_some() || config.ca_cert_dir.is_some();
    if !has_ca && (config.auth_clients != AuthClients::No || config.outgoing_links) {
        let why = "tls-ca-cert-file or tls-ca-cert-dir must be set with tls-auth-clients, tls-replication or tls-cluster";
        return Err(refusal("tls-ca-cert-file", why));
    }
    let mut report = Report::default();
    let pass = config.key_file_pass.as_deref();
    let own = pairs(CertRole::Server, cert, key, pass)?;
    let crls = Crls::load(config)?;
    let trusted = Trusted::load(
        config.ca_cert_file.as_deref(),
        config.ca_cert_dir.as_deref(),
    )?;
    crls.check_signatures(&trusted.all())?;
    let mut server = side(config, &trusted, &crls, &own, &mut report)?;
    add_accepting(&mut server, config)?;
    let tickets = match previous.and_then(|previous| previous.0.tickets.clone()) {
        Some(shared) => shared,
        None => TicketKeys::new().map_err(|stack| failure("OpenSSL", &stack))?,
    };
    tickets
        .install(&mut server)
        .map_err(|stack| failure("OpenSSL", &stack))?;
    ticket_chain::install(&mut server);
    let server = server.build();
    let client = match (
        config.client_cert_file.as_deref(),
        config.client_key_file.as_deref(),
    ) {
        (Some(cert), Some(key)) => {
            let pass = config.client_key_file_pass.as_deref();
            let own = pairs(CertRole::Client, cert, key, pass)?;
            side(config, &trusted, &crls, &own, &mut report)?.build()
        }
        _ => server.clone(),
    };
    report.certs.extend(trusted.describe());
    report.warnings = warnings(&report.certs, now());
    Ok(TlsContext(Arc::new(Inner {
        server,
        client,
        auth_clients: config.auth_clients,
        trust: trust(&trusted, &crls),
        crls: Arc::new(crls),
        tickets: Some(tickets),
        report: Arc::new(report),
    })))
}

/// One side of a server's links.
fn side(
    config: &TlsConfig,
    trusted: &Trusted,
    crls: &Crls,
    own: &[Pair<'_>],
    report: &mut Report,
) -> Result<SslContextBuilder, ConnError> {
    let mut builder = both_sides(config)?;
    trusted.install(&mut builder)?;
    crls.install(&mut builder)
        .map_err(|stack| failure("certificate revocation lists", &stack))?;
    keypair::install(&mut builder, own, report)?;
    Ok(builder)
}

/// A digest of the trusted certificates and of what is revoked.
fn trust(trusted: &Trusted, crls: &Crls) -> [u8; 32] {
    let mut digest = Sha256::new();
    trusted.digest(&mut digest);
    crls.digest(&mut digest);
    digest.finish()
}

fn load_for_client(
    config: &ClientTlsConfig,
    protocol: Option<&str>,
) -> Result<TlsContext, ConnError> {
    let mut report = Report::default();
    let mut client = bare()?;
    if protocol.is_some() {
        client.set_options(excluded_protocols(protocol)?);
        client.set_security_level(0);
    }
    let verify = if config.insecure {
        SslVerifyMode::NONE
    } else {
        SslVerifyMode::PEER
    };
    client.set_verify_callback(verify, on_verdict);
    set_ciphers(
        &mut client,
        config.ciphers.as_deref(),
        config.ciphersuites.as_deref(),
    )?;
    Trusted::load(config.cacert.as_deref(), config.cacertdir.as_deref())?.install(&mut client)?;
    if config.cacert.is_none() && config.cacertdir.is_none() {
        client
            .set_default_verify_paths()
            .map_err(|stack| failure("the system's CA certificates", &stack))?;
    }
    if let Some(cert) = config.cert.as_deref() {
        // As with OpenSSL's own tools, one file may hold both.
        let key = config.key.as_deref().unwrap_or(cert);
        let pair = Pair {
            role: CertRole::Client,
            cert,
            key,
            pass: config.key_pass.as_deref(),
        };
        keypair::install(&mut client, &[pair], &mut report)?;
    } else if let Some(key) = config.key.as_deref() {
        // It is of no use without a certificate, but a file that cannot be read is an error.
        keypair::private_key(key, config.key_pass.as_deref())?;
    }
    let server = bare()?.build();
    let auth_clients = AuthClients::No;
    Ok(TlsContext(Arc::new(Inner {
        server,
        client: client.build(),
        auth_clients,
        trust: [0; 32],
        crls: Arc::default(),
        tickets: None,
        report: Arc::new(report),
    })))
}

fn warnings(certs: &[CertInfo], now: i64) -> Vec<String> {
    let warning = |cert: &CertInfo| {
        let CertInfo { file, subject, .. } = cert;
        if cert.not_after < now {
            return Some(format!("certificate in {file} ({subject}) has expired"));
        }
        (cert.not_before > now)
            .then(|| format!("certificate in {file} ({subject}) is not valid yet"))
    };
    certs.iter().filter_map(warning).collect()
}

/// Unix time in seconds.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
