//! Certificates, keys and settings, loaded and replaced as a unit.
//!
//! A `TlsContext` holds what the server's side of connections needs and what the client's side
//! needs (for outgoing links). Loading builds both anew or fails without side effects, so the caller
//! keeps the old context until the new one is complete. Connections hold their context by reference
//! count.
//!
//! Invariants:
//! 1. A load either succeeds completely or answers a sentence that names the file and the cause.
//! 2. Sessions survive a reload, because the new context shares the ticket keys of the previous one;
//!    but not a change of the rules for clients. OpenSSL does not verify the certificate of a client
//!    that resumes, so a ticket from before the change would admit a client that the present rules
//!    reject. Therefore the session id context is derived from the rules (`session_rules`).
//! 3. Certificates that are not valid now are loaded, as Redis does, and reported by `warnings`.
//! 4. The error queue of the thread is empty afterwards (`tls::stream` relies on it).

#![allow(unsafe_code)]

use std::collections::BTreeSet;
use std::ffi::c_long;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use openssl::dh::Dh;
use openssl::error::ErrorStack;
use openssl::pkey::{Id, PKey, Private};
use openssl::sha::Sha256;
use openssl::ssl::{
    SslContext, SslContextBuilder, SslContextRef, SslMethod, SslMode, SslOptions,
    SslSessionCacheMode, SslVerifyMode,
};
use openssl::x509::{X509, X509Ref, X509StoreContext, X509StoreContextRef, X509VerifyResult};
use openssl_sys as ffi;

use crate::error::{ConnError, Step};
use crate::tls::bio::note_rejected;
use crate::tls::config::{AuthClients, CrlExpired, TlsConfig, files};
use crate::tls::crl::Crls;
use crate::tls::info::{CertInfo, CertRole, CrlInfo, alternative_names, common_name, name_text};
use crate::tls::own_chain;
use crate::tls::ticket_chain::{self, Link};
use crate::tls::tickets::TicketKeys;

/// Tickets issued per full handshake. Each costs 25 µs and 255 bytes, and clients of this server
/// seldom resume.
const TICKETS: usize = 1;

/// Alternative names of a certificate that an error lists.
const NAMES_TOLD: usize = 8;

const SSL_CTRL_SET_DH_AUTO: i32 = 118;

/// SSL_OP_IGNORE_UNEXPECTED_EOF: most clients close without close_notify, and truncation is no
/// danger because RESP carries lengths.
const IGNORE_UNEXPECTED_EOF: u64 = 1 << 7;

unsafe extern "C" {
    fn SSL_CTX_set_timeout(context: *mut ffi::SSL_CTX, seconds: c_long) -> c_long;
}

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

/// What a load found.
#[derive(Debug, Default)]
struct Report {
    certs: Vec<CertInfo>,
    chain_fault: Option<String>,
    warnings: Vec<String>,
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

    /// Whether peers that this context's predecessor had accepted may be revoked now.
    pub fn revokes_more_than(&self, previous: &Self) -> bool {
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

/// A certificate file, its key and the key's password.
struct Pair<'a> {
    role: CertRole,
    cert: &'a str,
    key: &'a str,
    pass: Option<&'a str>,
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
    let mut server = base(config, &crls, &own, &mut report)?;
    configure_server(&mut server, config)?;
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
            base(config, &crls, &own, &mut report)?.build()
        }
        _ => server.clone(),
    };
    describe_ca(config, &mut report);
    report.warnings = warnings(&report.certs, now());
    Ok(TlsContext(Arc::new(Inner {
        server,
        client,
        auth_clients: config.auth_clients,
        trust: trust(config, &crls)?,
        crls: Arc::new(crls),
        tickets: Some(tickets),
        report: Arc::new(report),
    })))
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
    set_ca(
        &mut client,
        config.cacert.as_deref(),
        config.cacertdir.as_deref(),
    )?;
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
        use_pair(&mut client, &pair, &mut report)?;
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

/// A digest of the trusted certificates and of what is revoked, which does not depend on where they are and when they were
/// written.
fn trust(config: &TlsConfig, crls: &Crls) -> Result<[u8; 32], ConnError> {
    let mut digest = Sha256::new();
    if let Some(file) = config.ca_cert_file.as_deref() {
        digest.update(&read(file)?);
    }
    let mut paths = entries(config.ca_cert_dir.as_deref());
    paths.sort();
    for path in paths {
        // OpenSSL does not trust a file that cannot be read either.
        digest.update(&fs::read(path).unwrap_or_default());
    }
    crls.digest(&mut digest);
    Ok(digest.finish())
}

/// The settings of every context.
fn bare() -> Result<SslContextBuilder, ConnError> {
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

/// The settings of both sides of a server.
fn base(
    config: &TlsConfig,
    crls: &Crls,
    pairs: &[Pair<'_>],
    report: &mut Report,
) -> Result<SslContextBuilder, ConnError> {
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
    builder.set_groups_list(&config.groups).map_err(|_| {
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
    set_ca(
        &mut builder,
        config.ca_cert_file.as_deref(),
        config.ca_cert_dir.as_deref(),
    )?;
    crls.install(&mut builder)
        .map_err(|stack| failure("certificate revocation lists", &stack))?;
    let mut types = Vec::new();
    for pair in pairs {
        let key_type = use_pair(&mut builder, pair, report)?;
        if types.contains(&key_type) {
            // OpenSSL would forget the one before.
            return Err(refusal(
                pair.cert,
                "two certificates have keys of the same type",
            ));
        }
        types.push(key_type);
    }
    Ok(builder)
}

/// The certificates and keys of two lists. Which one is shown depends on what the peer can verify.
fn pairs<'a>(
    role: CertRole,
    certs: &'a str,
    keys: &'a str,
    pass: Option<&'a str>,
) -> Result<Vec<Pair<'a>>, ConnError> {
    let (certs, keys) = (files(certs), files(keys));
    if certs.len() != keys.len() {
        let why = format!(
            "{} certificates and {} keys are configured",
            certs.len(),
            keys.len()
        );
        return Err(refusal("certificates", &why));
    }
    let pair = |(cert, key)| Pair {
        role,
        cert,
        key,
        pass,
    };
    Ok(certs.into_iter().zip(keys).map(pair).collect())
}

/// As `on_verdict`, but a list of revoked certificates that has expired still counts.
fn on_verdict_of_old_list(accepted: bool, chain: &mut X509StoreContextRef) -> bool {
    if !accepted && chain.error().as_raw() == ffi::X509_V_ERR_CRL_HAS_EXPIRED {
        chain.set_error(X509VerifyResult::OK);
        return true;
    }
    on_verdict(accepted, chain)
}

/// Keeps OpenSSL's verdict on a certificate, and records whose was rejected, for the error.
fn on_verdict(accepted: bool, chain: &mut X509StoreContextRef) -> bool {
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
    let common_name = common_name(cert.subject_name()).map(|name| format!("CN={name}"));
    let wrong_name = [
        ffi::X509_V_ERR_HOSTNAME_MISMATCH,
        ffi::X509_V_ERR_IP_ADDRESS_MISMATCH,
    ];
    if !wrong_name.contains(&verdict.as_raw()) {
        return common_name;
    }
    let names = alternative_names(cert);
    let more = names.len().saturating_sub(NAMES_TOLD);
    let mut told = names[..names.len() - more].join(", ");
    if more > 0 {
        told.push_str(&format!(" and {more} more"));
    }
    let names = (!told.is_empty()).then(|| format!("valid for {told}"));
    let parts: Vec<String> = common_name.into_iter().chain(names).collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

fn configure_server(builder: &mut SslContextBuilder, config: &TlsConfig) -> Result<(), ConnError> {
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
fn excluded_protocols(protocols: Option<&str>) -> Result<SslOptions, ConnError> {
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

fn set_ciphers(
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

fn set_ca(
    builder: &mut SslContextBuilder,
    file: Option<&str>,
    dir: Option<&str>,
) -> Result<(), ConnError> {
    if file.is_none() && dir.is_none() {
        return Ok(());
    }
    if let Some(file) = file {
        let certs = X509::stack_from_pem(&read(file)?).unwrap_or_default();
        if certs.is_empty() {
            return Err(refusal(file, "no certificate in PEM form"));
        }
    }
    if let Some(dir) = dir {
        fs::read_dir(dir).map_err(|error| ConnError::io(Step::Load, &error).with_peer(&dir))?;
    }
    let source = file.or(dir).unwrap_or_default();
    builder
        .load_verify_locations(file.map(Path::new), dir.map(Path::new))
        .map_err(|stack| failure(source, &stack))
}

/// Adds a certificate with its key; returns the type of the key.
fn use_pair(
    builder: &mut SslContextBuilder,
    pair: &Pair<'_>,
    report: &mut Report,
) -> Result<Id, ConnError> {
    let pem = read(pair.cert)?;
    let cert =
        X509::from_pem(&pem).map_err(|_| refusal(pair.cert, "no certificate in PEM form"))?;
    let chain = X509::stack_from_pem(&pem).unwrap_or_default();
    builder
        .set_certificate_chain_file(pair.cert)
        .map_err(|stack| failure(pair.cert, &stack))?;
    let key = private_key(pair)?;
    let matches = cert.public_key().is_ok_and(|public| public.public_eq(&key));
    if !matches {
        return Err(refusal(
            pair.key,
            &format!(
                "the private key does not match the certificate in {}",
                pair.cert
            ),
        ));
    }
    builder
        .set_private_key(&key)
        .map_err(|stack| failure(pair.key, &stack))?;
    if chain.len() == 1 {
        own_chain::build(builder);
    }
    report
        .certs
        .push(CertInfo::new(pair.role, pair.cert, &cert));
    if report.chain_fault.is_none() {
        report.chain_fault = chain_fault(pair.cert, &chain);
    }
    Ok(key.id())
}

/// Why the certificates of a file are no chain: each must be followed by that of its issuer, if by any.
fn chain_fault(file: &str, certs: &[X509]) -> Option<String> {
    let broken = certs
        .windows(2)
        .find(|pair| pair[1].issued(&pair[0]) != X509VerifyResult::OK)?;
    let [subject, next] = [0, 1].map(|at| name_text(broken[at].subject_name()));
    Some(format!(
        "in {file} the certificate of {subject} is followed by that of {next}, which is not its issuer"
    ))
}

fn private_key(pair: &Pair<'_>) -> Result<PKey<Private>, ConnError> {
    let pem = read(pair.key)?;
    let mut asked = false;
    // Always with a callback: without one OpenSSL would ask on the terminal.
    let key = PKey::private_key_from_pem_callback(&pem, |room| {
        asked = true;
        let pass = pair.pass.unwrap_or_default().as_bytes();
        let Some(target) = room.get_mut(..pass.len()) else {
            return Ok(0);
        };
        target.copy_from_slice(pass);
        Ok(pass.len())
    });
    key.map_err(|_| {
        let why = match (asked, pair.pass) {
            (true, None) => "the private key needs a password, and none is configured",
            (true, Some(_)) => "the password does not open the private key",
            (false, _) => "no private key in PEM form",
        };
        refusal(pair.key, why)
    })
}

/// The paths of the files in a directory. To read anything else, such as a pipe, might never end.
fn entries(dir: Option<&str>) -> Vec<PathBuf> {
    let listing = dir.and_then(|dir| fs::read_dir(dir).ok());
    let entries = listing.into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    paths.filter(|path| path.is_file()).collect()
}

/// Describes the trusted certificates. OpenSSL looks those of a directory up when it needs them; a
/// file that cannot be read here is left out, which is not an error.
fn describe_ca(config: &TlsConfig, report: &mut Report) {
    let files = config.ca_cert_file.iter().cloned();
    // A link may be the hashed name of a file next to it, or the only way to a file elsewhere: each
    // file is described once, under its own path.
    let targets: BTreeSet<PathBuf> = entries(config.ca_cert_dir.as_deref())
        .iter()
        .filter_map(|path| fs::canonicalize(path).ok())
        .collect();
    let targets = targets.iter().map(|path| path.display().to_string());
    for file in files.chain(targets) {
        let certs = fs::read(&file)
            .ok()
            .and_then(|pem| X509::stack_from_pem(&pem).ok())
            .unwrap_or_default();
        report.certs.extend(
            certs
                .iter()
                .map(|cert| CertInfo::new(CertRole::Ca, &file, cert)),
        );
    }
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

fn read(file: &str) -> Result<Vec<u8>, ConnError> {
    fs::read(file).map_err(|error| ConnError::io(Step::Load, &error).with_peer(&file))
}

/// A failure whose cause is known here.
fn refusal(what: &str, why: &str) -> ConnError {
    ConnError::new(Step::Load, why).with_peer(&what)
}

/// A failure in OpenSSL's words.
fn failure(what: &str, stack: &ErrorStack) -> ConnError {
    let reason = stack
        .errors()
        .first()
        .and_then(openssl::error::Error::reason)
        .unwrap_or("OpenSSL gives no reason");
    ConnError::new(Step::Load, reason).with_peer(&what)
}
