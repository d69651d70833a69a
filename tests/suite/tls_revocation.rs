//! Certificate revocation lists: who is refused, who is disconnected, and lists that are missing, broken or expired.

use std::fs;
use std::path::Path;

use conn::tls::config::TlsConfig;
use conn::tls::context::{ClientTlsConfig, TlsContext};
use openssl::ssl::{SslFiletype, SslVersion};
use tests::certs::{
    self, CA_EXTENSIONS, CertSpec, ListDates, ListSpec, Signer, file_in, issue, issue_chain,
    openssl, revoke,
};
use tests::client::{Client, Transport, tls_config};
use tests::nodes::{Node, Nodes};
use tests::openssl_client::{self, OpensslClient};
use tests::pair;
use tests::server::{Server, temp_dir};
use tests::wait::until;

const REVOKED: u32 = 4242;

/// The settings of a client that shows `CERT.crt`.
fn shows(folder: &Path, cert: &str, key: &str) -> ClientTlsConfig {
    ClientTlsConfig {
        cert: Some(file_in(folder, &format!("{cert}.crt"))),
        key: Some(file_in(folder, &format!("{key}.key"))),
        ..tls_config()
    }
}

/// Issues `bob.crt`, whose serial number lists revoke, and returns the settings of its client.
fn bob(folder: &Path) -> ClientTlsConfig {
    issue(
        folder,
        &CertSpec {
            name: "bob",
            subject: "/O=Redis Test/CN=bob",
            serial: REVOKED,
            ..CertSpec::default()
        },
    );
    shows(folder, "bob", "bob")
}

/// Issues `list.crl`.
fn list(folder: &Path, serials: &[u32]) {
    revoke(
        folder,
        &ListSpec {
            serials,
            ..ListSpec::default()
        },
    );
}

fn start(folder: &Path, args: &[&str]) -> (Server, Client) {
    let file = file_in(folder, "list.crl");
    let server =
        Server::start(&[&["--tls-crl-file", &file, "--tls-auto-reload", "yes"], args].concat());
    let admin = server.client(Transport::Tcp);
    (server, admin)
}

/// Whether a client gets in. With TLS 1.3 a refusal arrives in place of the first reply.
fn is_admitted(server: &Server, config: &ClientTlsConfig) -> bool {
    let Ok(mut client) = Client::try_tls(server.tls_port, config) else {
        return false;
    };
    client.try_send(b"PING\r\n") && client.try_read().is_some()
}

fn wait_for_list(admin: &mut Client, revoked: &str) {
    until("the list", || {
        (admin.info("tls_crl_revoked_certs") == revoked).then_some(())
    });
}

#[test]
fn a_revoked_client_is_refused_and_told_of_in_the_log() {
    let folder = temp_dir();
    let config = bob(folder.path());
    list(folder.path(), &[7, REVOKED]);
    let (server, mut admin) = start(folder.path(), &[]);
    assert_eq!(
        (admin.info("tls_crls"), admin.info("tls_crl_revoked_certs")),
        ("1".into(), "2".into())
    );
    assert!(!is_admitted(&server, &config));
    server.wait_for_log(&["certificate verify failed: certificate revoked (CN=bob)"]);
    assert_eq!(admin.info("tls_handshakes_failed_certificate"), "1");
    assert_eq!(server.client(Transport::Tls).text("PING"), "PONG");
}

#[test]
fn connected_clients_are_disconnected_when_a_list_revokes_them() {
    let folder = temp_dir();
    let config = bob(folder.path());
    list(folder.path(), &[]);
    let (server, mut admin) = start(folder.path(), &[]);
    let mut good = server.client(Transport::Tls);
    let mut revoked = Client::with_tls(server.tls_port, &config);
    assert_eq!(revoked.text("PING"), "PONG");
    assert_eq!(admin.text("CONFIG SET tls-crl-drop no"), "OK");
    list(folder.path(), &[REVOKED]);
    wait_for_list(&mut admin, "1");
    assert!(!is_admitted(&server, &config));
    assert_eq!(revoked.text("PING"), "PONG");
    // One more is revoked, and now clients are disconnected.
    assert_eq!(admin.text("CONFIG SET tls-crl-drop yes"), "OK");
    list(folder.path(), &[7, REVOKED]);
    assert_eq!(revoked.read_to_end(), b"");
    let line = server.wait_for_log(&["its certificate was revoked"]);
    assert!(line.ends_with("(O=Redis Test, CN=bob)"), "{line}");
    assert_eq!(admin.info("tls_crl_ended_connections"), "1");
    assert_eq!(good.text("PING"), "PONG");
}

#[test]
fn a_link_to_a_primary_whose_certificate_is_revoked_ends() {
    let folder = temp_dir();
    bob(folder.path());
    let (cert, key) = (
        file_in(folder.path(), "bob.crt"),
        file_in(folder.path(), "bob.key"),
    );
    let args = ["--tls-cert-file", &cert, "--tls-key-file", &key];
    let (primary_server, _primary) = pair::start(Transport::Tls, &args);
    list(folder.path(), &[]);
    let (server, mut replica) = start(folder.path(), &["--tls-replication", "yes"]);
    pair::follow(&mut replica, primary_server.tls_port);
    pair::wait_for_link(&mut replica);
    list(folder.path(), &[REVOKED]);
    server.wait_for_log(&["its certificate was revoked (O=Redis Test, CN=bob)"]);
    server.wait_for_log(&["certificate verify failed: certificate revoked (CN=bob)"]);
    assert_eq!(replica.info("master_link_status"), "down");
}

/// A link that no client stands for.
#[test]
fn a_cached_link_for_migrate_ends_when_the_target_is_revoked() {
    let folder = temp_dir();
    bob(folder.path());
    let (cert, key) = (
        file_in(folder.path(), "bob.crt"),
        file_in(folder.path(), "bob.key"),
    );
    let target = Server::start(&["--tls-cert-file", &cert, "--tls-key-file", &key]);
    list(folder.path(), &[]);
    let (server, mut source) = start(folder.path(), &["--tls-migrate", "yes"]);
    source.text("MSET a 1 b 2");
    let migrate = |key: &str| format!("MIGRATE 127.0.0.1 {} {key} 0 10000", target.tls_port);
    assert_eq!(source.text(&migrate("a")), "OK");
    assert_eq!(source.info("migrate_cached_sockets"), "1");
    list(folder.path(), &[REVOKED]);
    server.wait_for_log(&["its certificate was revoked (O=Redis Test, CN=bob)"]);
    assert_eq!(source.info("tls_crl_ended_connections"), "1");
    let refused = source.text(&migrate("b"));
    assert!(refused.starts_with("-IOERR"), "{refused}");
    assert_eq!(source.text("GET b"), "2");
    assert_eq!(target.client(Transport::Tcp).text("MGET a b"), "[1 nil]");
}

#[test]
fn a_link_of_the_cluster_bus_ends_when_its_node_is_revoked() {
    let folder = temp_dir();
    bob(folder.path());
    list(folder.path(), &[]);
    let path = |name: &str| file_in(folder.path(), name);
    let (lists, cert, key) = (path("list.crl"), path("bob.crt"), path("bob.key"));
    let judges = ["--tls-crl-file", &lists, "--tls-auto-reload", "yes"];
    let all = vec![
        Node::start(Transport::Tls, &judges),
        Node::start(
            Transport::Tls,
            &["--tls-cert-file", &cert, "--tls-key-file", &key],
        ),
    ];
    let mut nodes = Nodes::form(Transport::Tls, 2, all);
    let links = |nodes: &mut Nodes| {
        let reply = nodes.all[0].client.cmd("CLUSTER LINKS");
        reply.elements().map_or(0, <[_]>::len)
    };
    until("a link each way", || (links(&mut nodes) == 2).then_some(()));
    list(folder.path(), &[REVOKED]);
    let server = nodes.all[0].server();
    server.wait_for_log(&["its certificate was revoked (O=Redis Test, CN=bob)"]);
    server.wait_for_log(&["certificate verify failed: certificate revoked (CN=bob)"]);
    until("no link", || (links(&mut nodes) == 0).then_some(()));
    assert_eq!(nodes.all[0].client.info("tls_crl_ended_connections"), "2");
    nodes.wait_for_flags(0, 1, "master,fail?");
}

/// OpenSSL verifies no certificate when a session is resumed.
#[test]
fn a_ticket_does_not_outlive_a_revocation() {
    let folder = temp_dir();
    bob(folder.path());
    list(folder.path(), &[]);
    let (server, mut admin) = start(folder.path(), &[]);
    for (version, revoked) in [(SslVersion::TLS1_2, 7), (SslVersion::TLS1_3, 8)] {
        let context = openssl_client::context(false, |builder| {
            let path = |name| file_in(folder.path(), name);
            builder
                .set_certificate_file(path("bob.crt"), SslFiletype::PEM)
                .and_then(|()| builder.set_private_key_file(path("bob.key"), SslFiletype::PEM))
                .expect("the pair loads");
            openssl_client::only(version)(builder);
        });
        let connect = |session: Option<_>| {
            let mut client = OpensslClient::connect(server.tls_port, &context, session.as_ref())?;
            client.ping()?;
            let is_resumed = client.ssl().session_reused();
            Ok::<_, String>((is_resumed, client.close()))
        };
        let (_, session) = connect(None).expect("admitted");
        // The same list, issued anew, costs no session.
        let reloads = admin.info("tls_reloads");
        list(folder.path(), &[]);
        until("a reload", || {
            (admin.info("tls_reloads") != reloads).then_some(())
        });
        let (is_resumed, session) = connect(Some(session)).expect("admitted");
        assert!(is_resumed, "{version:?}");
        list(folder.path(), &[revoked]);
        wait_for_list(&mut admin, "1");
        let (is_resumed, session) = connect(Some(session)).expect("admitted");
        assert!(!is_resumed, "{version:?}");
        list(folder.path(), &[REVOKED, revoked]);
        wait_for_list(&mut admin, "2");
        assert!(connect(Some(session)).is_err(), "{version:?}");
        list(folder.path(), &[]);
        wait_for_list(&mut admin, "0");
    }
}

#[test]
fn an_expired_list_refuses_all_or_still_counts() {
    let folder = temp_dir();
    let config = bob(folder.path());
    let expired = ListSpec {
        serials: &[REVOKED],
        dates: ListDates::Expired,
        ..ListSpec::default()
    };
    revoke(folder.path(), &expired);
    let (server, mut admin) = start(folder.path(), &[]);
    let line = server.wait_for_log(&[" expired on 2020-02-01"]);
    assert!(
        line.contains("'tls-crl-expired refuse' its peers are refused"),
        "{line}"
    );
    assert!(admin.info("tls_crl_expires_in_seconds").starts_with('-'));
    assert!(!is_admitted(&server, &tls_config()));
    server.wait_for_log(&["certificate verify failed: CRL has expired (CN=Generic-cert)"]);
    assert_eq!(admin.text("CONFIG SET tls-crl-expired accept"), "OK");
    server.wait_for_log(&["judged by the old list"]);
    assert!(is_admitted(&server, &tls_config()));
    assert!(!is_admitted(&server, &config));
    server.wait_for_log(&["certificate verify failed: certificate revoked (CN=bob)"]);
}

#[test]
fn every_authority_of_a_chain_needs_a_list() {
    let (folder, lists) = (temp_dir(), temp_dir());
    issue_chain(folder.path());
    let config = shows(folder.path(), "chain", "leaf");
    list(lists.path(), &[]);
    let dir = lists.path().to_string_lossy().into_owned();
    let server = Server::start(&["--tls-crl-dir", &dir, "--tls-auto-reload", "yes"]);
    let mut admin = server.client(Transport::Tcp);
    assert!(!is_admitted(&server, &config));
    server.wait_for_log(&["certificate verify failed: unable to get certificate CRL (CN=leaf)"]);
    let of_middle = |serials: &[u32]| {
        let spec = ListSpec {
            name: "middle.crl",
            signer: Signer::Other("middle"),
            serials,
            ..ListSpec::default()
        };
        revoke(folder.path(), &spec);
        fs::copy(
            folder.path().join("middle.crl"),
            lists.path().join("middle.crl"),
        )
        .expect("copied");
    };
    of_middle(&[]);
    until("two lists", || {
        (admin.info("tls_crls") == "2").then_some(())
    });
    let mut leaf = Client::with_tls(server.tls_port, &config);
    assert_eq!(leaf.text("PING"), "PONG");
    // The intermediate authority is revoked by the root's list; both have the same number here, in lists of their own.
    list(lists.path(), &[REVOKED]);
    assert_eq!(leaf.read_to_end(), b"");
    server.wait_for_log(&["its certificate was revoked (O=Redis Test, CN=Intermediate)"]);
    assert!(!is_admitted(&server, &config));
    list(lists.path(), &[]);
    of_middle(&[7, REVOKED]);
    wait_for_list(&mut admin, "2");
    assert!(!is_admitted(&server, &config));
    assert!(is_admitted(&server, &tls_config()));
}

#[test]
fn a_list_that_cannot_be_read_is_an_error() {
    let folder = temp_dir();
    list(folder.path(), &[]);
    let path = |name: &str| file_in(folder.path(), name);
    // A watch would load the old list again, and that is the last load then.
    let server = Server::start(&["--tls-crl-file", &path("list.crl")]);
    let mut admin = server.client(Transport::Tcp);
    let begin = "-----BEGIN X509 CRL-----\n";
    fs::create_dir(folder.path().join("broken")).expect("writable");
    for (name, text) in [
        ("empty.crl", ""),
        ("junk.crl", "junk"),
        ("broken/cut.crl", begin),
    ] {
        fs::write(path(name), text).expect("writable");
    }
    for (setting, reason) in [
        (
            format!("tls-crl-file {}", path("empty.crl")),
            "no certificate revocation list in PEM form or in DER",
        ),
        (
            format!("tls-crl-file {}", path("junk.crl")),
            "no certificate revocation list in PEM form or in DER",
        ),
        (
            format!("tls-crl-file {}", path("absent.crl")),
            "No such file or directory",
        ),
        (
            format!("tls-crl-dir {}", path("absent")),
            "No such file or directory",
        ),
        (
            format!("tls-crl-dir {}", path("broken")),
            "a certificate revocation list that cannot be read",
        ),
    ] {
        let reply = admin.text(&format!("CONFIG SET {setting}"));
        assert!(
            reply.starts_with("-ERR CONFIG SET failed"),
            "{setting}: {reply}"
        );
        assert!(
            admin.info("tls_last_reload_error").ends_with(reason),
            "{setting}"
        );
        assert!(is_admitted(&server, &tls_config()), "{setting}");
    }
    // Other files in a folder of lists are left alone, and a list that is there twice counts once. A pipe is not a
    // file: who reads it waits for its writer.
    let pipe = folder.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
    fs::copy(path("list.crl"), path("again.crl")).expect("copied");
    assert_eq!(
        admin.text(&format!("CONFIG SET tls-crl-dir {}", path(""))),
        "OK"
    );
    assert_eq!(admin.info("tls_crls"), "1");
}

/// Files that are cut or changed anywhere are loaded or refused with a sentence that names them; nothing else happens.
#[test]
fn damaged_files_are_loaded_or_refused() {
    let folder = temp_dir();
    list(folder.path(), &[7, REVOKED]);
    let damaged = file_in(folder.path(), "damaged");
    let good = TlsConfig {
        cert_file: Some(certs::file("redis.crt")),
        key_file: Some(certs::file("redis.key")),
        ca_cert_file: Some(certs::file("ca.crt")),
        ..TlsConfig::default()
    };
    let with = |change: fn(&mut TlsConfig, Option<String>)| {
        let mut config = good.clone();
        change(&mut config, Some(damaged.clone()));
        config
    };
    for (file, config) in [
        (
            file_in(folder.path(), "list.crl"),
            with(|it, file| it.crl_file = file),
        ),
        (
            certs::file("redis.crt"),
            with(|it, file| it.cert_file = file),
        ),
        (
            certs::file("redis.key"),
            with(|it, file| it.key_file = file),
        ),
        (
            certs::file("ca.crt"),
            with(|it, file| it.ca_cert_file = file),
        ),
        (
            certs::file("redis.dh"),
            with(|it, file| it.dh_params_file = file),
        ),
    ] {
        let bytes = fs::read(&file).expect("issued");
        let mut refused = 0;
        for at in (0..bytes.len()).step_by(5) {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << (at % 8);
            for text in [&bytes[..at], &changed] {
                fs::write(&damaged, text).expect("writable");
                if let Err(error) = TlsContext::load(&config, None) {
                    assert!(
                        error.to_string().contains(&damaged)
                            || error.to_string().contains("redis."),
                        "{error}"
                    );
                    refused += 1;
                }
            }
        }
        assert!(refused > bytes.len() / 8, "{file}: {refused}");
    }
}

#[test]
fn an_older_list_beside_a_newer_one_does_not_count() {
    let (folder, lists) = (temp_dir(), temp_dir());
    let config = bob(folder.path());
    let issue = |serials: &[u32], dates: ListDates| {
        let spec = ListSpec {
            serials,
            dates,
            ..ListSpec::default()
        };
        revoke(folder.path(), &spec);
    };
    issue(&[REVOKED], ListDates::Old);
    fs::copy(folder.path().join("list.crl"), lists.path().join("old.crl")).expect("copied");
    let publish = |serials: &[u32]| {
        issue(serials, ListDates::Seconds(86_400));
        let to = file_in(lists.path(), "new.crl");
        openssl(
            folder.path(),
            &["crl", "-in", "list.crl", "-outform", "DER", "-out", &to],
        );
    };
    publish(&[]);
    let dir = lists.path().to_string_lossy().into_owned();
    let server = Server::start(&["--tls-crl-dir", &dir, "--tls-auto-reload", "yes"]);
    let mut admin = server.client(Transport::Tcp);
    let shown = |admin: &mut Client| (admin.info("tls_crls"), admin.info("tls_crl_revoked_certs"));
    assert_eq!(shown(&mut admin), ("1".into(), "0".into()));
    let mut client = Client::with_tls(server.tls_port, &config);
    assert_eq!(client.text("PING"), "PONG");
    publish(&[REVOKED]);
    assert_eq!(client.read_to_end(), b"");
    assert!(!is_admitted(&server, &config));
    assert_eq!(shown(&mut admin), ("1".into(), "1".into()));
    // Without the newer list the older one would count again.
    let path = lists.path().join("new.crl");
    let whole = fs::read(&path).expect("it was published");
    fs::write(&path, &whole[..whole.len() / 2]).expect("the folder is writable");
    server.wait_for_log(&["new.crl: a certificate revocation list that cannot be read"]);
    assert_eq!(shown(&mut admin), ("1".into(), "1".into()));
}

/// Two authorities have the same name and different keys, as when an authority's key was replaced.
#[test]
fn a_list_revokes_what_its_own_key_has_signed() {
    let folder = temp_dir();
    let (path, bytes) = (
        |name: &str| file_in(folder.path(), name),
        |name: &str| fs::read(folder.path().join(name)).expect("it was issued"),
    );
    for name in ["first", "second"] {
        let extensions = [CA_EXTENSIONS, &["subjectKeyIdentifier=hash"]].concat();
        issue(
            folder.path(),
            &CertSpec {
                name,
                subject: "/O=Redis Test/CN=Twin",
                signer: Signer::SelfSigned,
                extensions: &extensions,
                ..CertSpec::default()
            },
        );
    }
    fs::write(
        path("ca.crt"),
        [bytes("first.crt"), bytes("second.crt")].concat(),
    )
    .expect("written");
    for (name, signer) in [("old", "first"), ("new", "second")] {
        issue(
            folder.path(),
            &CertSpec {
                name,
                signer: Signer::Other(signer),
                serial: REVOKED,
                extensions: &["authorityKeyIdentifier=keyid:always"],
                ..CertSpec::default()
            },
        );
    }
    let publish = |of_first: &[u32]| {
        for (name, serials) in [("first", of_first), ("second", &[])] {
            revoke(
                folder.path(),
                &ListSpec {
                    name: &format!("{name}.crl"),
                    signer: Signer::Other(name),
                    serials,
                    names_key: true,
                    ..ListSpec::default()
                },
            );
        }
        fs::write(
            path("both.crl"),
            [bytes("first.crl"), bytes("second.crl")].concat(),
        )
        .expect("written");
        fs::rename(path("both.crl"), path("list.crl")).expect("renamed");
    };
    publish(&[]);
    let (server, _) = start(folder.path(), &["--tls-ca-cert-file", &path("ca.crt")]);
    let [mut old, mut new] = ["old", "new"].map(|name| {
        let mut client = Client::with_tls(server.tls_port, &shows(folder.path(), name, name));
        assert_eq!(client.text("PING"), "PONG", "{name}");
        client
    });
    publish(&[REVOKED]);
    assert_eq!(old.read_to_end(), b"");
    assert_eq!(new.text("PING"), "PONG");
    assert!(is_admitted(&server, &shows(folder.path(), "new", "new")));
    assert!(!is_admitted(&server, &shows(folder.path(), "old", "old")));
}

/// OpenSSL would refuse whoever the real issuer has certified.
#[test]
fn a_list_with_a_wrong_signature_is_not_loaded() {
    let folder = temp_dir();
    list(folder.path(), &[]);
    issue(
        folder.path(),
        &CertSpec {
            name: "impostor",
            subject: "/O=Redis Test/CN=Certificate Authority",
            signer: Signer::SelfSigned,
            extensions: CA_EXTENSIONS,
            ..CertSpec::default()
        },
    );
    let (server, mut admin) = start(folder.path(), &[]);
    revoke(
        folder.path(),
        &ListSpec {
            signer: Signer::Other("impostor"),
            ..ListSpec::default()
        },
    );
    server.wait_for_log(&["list.crl: the certificate revocation list is not signed by its issuer"]);
    assert!(is_admitted(&server, &tls_config()));
    assert_eq!(admin.info("tls_crls"), "1");
}
