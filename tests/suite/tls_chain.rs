//! Sessions that are resumed: OpenSSL verifies nothing then, so the server has to know of the whole chain.

use std::path::{Path, PathBuf};
use std::{fs, iter};

use openssl::ssl::{SslContext, SslFiletype, SslOptions, SslSession, SslVersion};
use tempfile::TempDir;
use tests::authority::{Pair, Spec, now};
use tests::certs::{ListDates, ListSpec, Signer, file_in, revoke};
use tests::client::{Client, Transport};
use tests::openssl_client::{self, OpensslClient};
use tests::server::{Server, temp_dir};
use tests::wait::until;

/// The serial number of the intermediate authority.
const MIDDLE: u32 = 4242;

/// A root, an authority between, and a client; the root and the client's chain are files.
struct Chain {
    folder: TempDir,
    middle: Pair,
}

impl Chain {
    /// The intermediate authority is valid for this many seconds.
    fn new(seconds: i64) -> Self {
        let folder = temp_dir();
        let root = Pair::root("root");
        let spec = |name, serial, seconds, is_authority| Spec {
            name,
            serial,
            seconds,
            is_authority,
        };
        let middle = root.issue(&spec("middle", MIDDLE, seconds, true));
        let leaf = middle.issue(&spec("leaf", 7, 3600, false));
        root.write(folder.path(), "root", &[]);
        middle.write(folder.path(), "middle", &[]);
        leaf.write(folder.path(), "leaf", &[&middle]);
        fs::create_dir(folder.path().join("lists")).expect("writable");
        Chain { folder, middle }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn lists(&self) -> PathBuf {
        self.path().join("lists")
    }

    /// Issues the list of an authority, valid for this many seconds.
    fn revoke(&self, authority: &'static str, serials: &[u32], seconds: u32) {
        let name = format!("lists/{authority}.crl");
        let spec = ListSpec {
            name: &name,
            signer: Signer::Other(authority),
            serials,
            dates: ListDates::Seconds(seconds),
            ..ListSpec::default()
        };
        revoke(self.path(), &spec);
    }

    fn start(&self, args: &[&str]) -> (Server, Client) {
        let root = file_in(self.path(), "root.crt");
        let server = Server::start(&[&["--tls-ca-cert-file", &root], args].concat());
        let admin = server.client(Transport::Tcp);
        (server, admin)
    }

    /// The settings of a client that shows the chain.
    fn context(&self, version: SslVersion, options: SslOptions) -> SslContext {
        openssl_client::context(false, |builder| {
            builder
                .set_certificate_chain_file(file_in(self.path(), "leaf.crt"))
                .and_then(|()| {
                    let key = file_in(self.path(), "leaf.key");
                    builder.set_private_key_file(key, SslFiletype::PEM)
                })
                .expect("the pair loads");
            builder.set_options(options);
            openssl_client::only(version)(builder);
        })
    }
}

/// With a ticket of either protocol version, and without one.
const KINDS: [(SslVersion, SslOptions); 3] = [
    (SslVersion::TLS1_2, SslOptions::empty()),
    (SslVersion::TLS1_3, SslOptions::empty()),
    (SslVersion::TLS1_2, SslOptions::NO_TICKET),
];

fn connect(
    server: &Server,
    context: &SslContext,
    session: Option<&SslSession>,
) -> Result<OpensslClient, String> {
    let mut client = OpensslClient::connect(server.tls_port, context, session)?;
    client.ping()?;
    Ok(client)
}

#[test]
fn a_resumed_client_is_disconnected_when_its_authority_is_revoked() {
    let chain = Chain::new(3600);
    for authority in ["root", "middle"] {
        chain.revoke(authority, &[], 3600);
    }
    let lists = chain.lists().to_string_lossy().into_owned();
    let (server, mut admin) = chain.start(&["--tls-crl-dir", &lists, "--tls-auto-reload", "yes"]);
    for (number, (version, options)) in KINDS.into_iter().enumerate() {
        let context = chain.context(version, options);
        let session = connect(&server, &context, None).expect("admitted").close();
        // The second time its chain comes out of a ticket that was issued for a resumed session.
        let session = connect(&server, &context, Some(&session))
            .expect("admitted")
            .close();
        let mut client = connect(&server, &context, Some(&session)).expect("admitted");
        assert!(client.ssl().session_reused(), "{version:?} {options:?}");
        // Another certificate of the middle's number, but of another authority, is not concerned.
        chain.revoke("middle", &[MIDDLE], 3600);
        let revoked = |admin: &mut Client, count: &str| {
            until("the list", || {
                (admin.info("tls_crl_revoked_certs") == count).then_some(())
            });
        };
        revoked(&mut admin, "1");
        client.ping().expect("it stays");
        chain.revoke("root", &[MIDDLE], 3600);
        client.read(1).expect_err("it is disconnected");
        let ended = (number + 1).to_string();
        assert_eq!(admin.info("tls_crl_ended_connections"), ended);
        let line = server.wait_for_log(&["its certificate was revoked"]);
        assert!(
            line.ends_with("(of an authority, issued by O=Redis Test, CN=root)")
                || line.ends_with("(O=Redis Test, CN=middle)"),
            "{line}"
        );
        for authority in ["root", "middle"] {
            chain.revoke(authority, &[], 3600);
        }
        revoked(&mut admin, "0");
    }
    assert!(
        server
            .log()
            .contains("(of an authority, issued by O=Redis Test, CN=root)"),
        "of a ticket the names of authorities are known"
    );
}

#[test]
fn a_session_ends_with_the_first_certificate_of_its_chain() {
    let chain = Chain::new(8);
    let (server, _admin) = chain.start(&[]);
    let sessions: Vec<_> = KINDS[..2]
        .iter()
        .map(|&(version, options)| {
            let context = chain.context(version, options);
            let session = connect(&server, &context, None).expect("admitted").close();
            (context, session)
        })
        .collect();
    until("the end of the authority", || {
        (now() > chain.middle.expires()).then_some(())
    });
    for (context, session) in sessions {
        assert!(connect(&server, &context, Some(&session)).is_err());
        server.wait_for_log(&["certificate of the resumed session has expired (of an authority)"]);
    }
}

/// A list that has expired refuses all clients, those with a ticket as well.
#[test]
fn a_ticket_does_not_outlive_a_list_of_revoked_certificates() {
    let chain = Chain::new(3600);
    chain.revoke("root", &[], 8);
    chain.revoke("middle", &[], 3600);
    let lists = chain.lists().to_string_lossy().into_owned();
    let (server, mut admin) = chain.start(&["--tls-crl-dir", &lists, "--tls-auto-reload", "yes"]);
    // OpenSSL's client does not use a session again that a server has refused.
    let sessions: Vec<_> = KINDS
        .iter()
        .map(|&(version, options)| {
            let context = chain.context(version, options);
            let session = || connect(&server, &context, None).expect("admitted").close();
            let two = [session(), session()];
            (context, two)
        })
        .collect();
    until("the end of the list", || {
        admin
            .info("tls_crl_expires_in_seconds")
            .starts_with('-')
            .then_some(())
    });
    for (context, [session, _]) in &sessions {
        assert!(connect(&server, context, Some(session)).is_err());
    }
    server.wait_for_log(&["certificate verify failed: CRL has expired"]);
    chain.revoke("root", &[], 3600);
    until("the new list", || {
        let left = admin.info("tls_crl_expires_in_seconds");
        (!left.starts_with('-')).then_some(())
    });
    // What the server keeps instead of a ticket is gone with the context that a load has replaced.
    for (context, [_, session]) in &sessions[..2] {
        let client = connect(&server, context, Some(session)).expect("admitted");
        assert!(client.ssl().session_reused());
    }
}

/// Twenty authorities between root and client, each with a list, one of which has thousands of entries.
#[test]
fn a_chain_of_twenty_authorities_is_known_to_its_end() {
    const LONG: u32 = 20;
    let folder = temp_dir();
    let mut authorities = vec![Pair::root("root")];
    let names: Vec<String> = (0..LONG).map(|number| format!("middle{number}")).collect();
    let issue = |issuer: &Pair, name, serial, is_authority| {
        issuer.issue(&Spec {
            name,
            serial,
            seconds: 3600,
            is_authority,
        })
    };
    for (name, number) in names.iter().zip(100..) {
        let next = issue(&authorities[authorities.len() - 1], name, number, true);
        authorities.push(next);
    }
    let leaf = issue(&authorities[authorities.len() - 1], "leaf", 7, false);
    let behind: Vec<&Pair> = authorities[1..].iter().rev().collect();
    leaf.write(folder.path(), "leaf", &behind);
    fs::create_dir(folder.path().join("lists")).expect("writable");
    let chain = Chain {
        folder,
        middle: leaf,
    };
    let names = iter::once("root").chain(names.iter().map(String::as_str));
    let revoke = |authority, serials: &[u32]| {
        let name = format!("lists/{authority}.crl");
        revoke(
            chain.path(),
            &ListSpec {
                name: &name,
                signer: Signer::Other(authority),
                serials,
                ..ListSpec::default()
            },
        );
    };
    for (name, authority) in names.zip(&authorities) {
        authority.write(chain.path(), name, &[]);
        revoke(name, &[]);
    }
    let lists = chain.lists().to_string_lossy().into_owned();
    let (server, mut admin) = chain.start(&["--tls-crl-dir", &lists, "--tls-auto-reload", "yes"]);
    assert_eq!(admin.info("tls_crls"), "21");
    let kinds = KINDS.map(|(version, options)| chain.context(version, options));
    let mut clients: Vec<OpensslClient> = kinds
        .iter()
        .map(|context| {
            let session = connect(&server, context, None).expect("admitted").close();
            let client = connect(&server, context, Some(&session)).expect("admitted");
            assert!(client.ssl().session_reused());
            client
        })
        .collect();
    // Of the ninth of them by its number among many; of the others by none.
    let others: Vec<u32> = (10_000..15_000).collect();
    revoke("middle7", &others);
    until("the long list", || {
        (admin.info("tls_crl_revoked_certs") == "5000").then_some(())
    });
    for client in &mut clients {
        client.ping().expect("it stays");
    }
    revoke("middle7", &[&others[..], &[108]].concat());
    for client in &mut clients {
        client.read(1).expect_err("it is disconnected");
    }
    assert_eq!(admin.info("tls_crl_ended_connections"), "3");
    for context in &kinds {
        assert!(connect(&server, context, None).is_err(), "it is refused");
    }
}
