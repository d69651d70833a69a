//! Certificates that are replaced under a running server with `tls-auto-reload`.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use tests::authority::{Pair, Spec};
use tests::certs::{self, CertSpec, Signer, issue};
use tests::client::{Client, Transport};
use tests::pair;
use tests::server::{Server, temp_dir};
use tests::wait::until;

/// Starts a server that watches `tls.crt` and `tls.key` in a folder; a client of it is the second.
fn start(folder: &Path, more: &[&str]) -> (Server, Client) {
    let (cert, key) = (
        certs::file_in(folder, "tls.crt"),
        certs::file_in(folder, "tls.key"),
    );
    let args = [
        "--tls-cert-file",
        &cert,
        "--tls-key-file",
        &key,
        "--tls-auto-reload",
        "yes",
    ];
    let server = Server::start(&[&args, more].concat());
    let client = server.client(Transport::Tls);
    (server, client)
}

/// Copies a file of the test certificates, by writing it in place.
fn put(folder: &Path, from: &str, to: &str) {
    fs::copy(certs::file(from), folder.join(to)).expect("the folder is writable");
}

fn put_pair(folder: &Path, name: &str) {
    put(folder, &format!("{name}.crt"), "tls.crt");
    put(folder, &format!("{name}.key"), "tls.key");
}

fn number(client: &mut Client, field: &str) -> u64 {
    client.info(field).parse().expect("a number")
}

/// Waits until the server shows a certificate with this common name to new clients, who can connect.
fn wait_for_certificate(server: &Server, client: &mut Client, common_name: &str) {
    until(common_name, || {
        let subject = client.info("tls_server_cert_subject");
        subject
            .ends_with(&format!("CN={common_name}"))
            .then_some(())
    });
    assert_eq!(client.info("tls_last_reload_status"), "ok");
    assert_eq!(client.info("tls_last_reload_error"), "");
    assert_eq!(server.client(Transport::Tls).text("PING"), "PONG");
}

#[test]
fn a_renewed_pair_is_loaded_when_both_halves_are_there() {
    let folder = temp_dir();
    put_pair(folder.path(), "redis");
    let (server, mut client) = start(folder.path(), &[]);
    assert_eq!(client.info("tls_auto_reload"), "1");
    // The certificate alone is not a pair, and that is logged once, whatever happens to the other file.
    put(folder.path(), "server.crt", "tls.crt");
    let line = server.wait_for_log(&["changed certificates are not used"]);
    assert!(line.contains("the private key does not match"), "{line}");
    assert_eq!(client.info("tls_last_reload_status"), "err");
    assert!(
        client
            .info("tls_last_reload_error")
            .contains("does not match")
    );
    let failed = number(&mut client, "tls_reloads_failed");
    put(folder.path(), "redis.key", "tls.key");
    until("another failure", || {
        (number(&mut client, "tls_reloads_failed") > failed).then_some(())
    });
    let told = |log: String| log.matches("changed certificates are not used").count();
    assert_eq!(told(server.log()), 1);
    assert!(
        client
            .info("tls_server_cert_subject")
            .ends_with("CN=Generic-cert")
    );
    assert_eq!(server.client(Transport::Tls).text("PING"), "PONG");
    // The key makes it whole.
    put(folder.path(), "server.key", "tls.key");
    wait_for_certificate(&server, &mut client, "Server-only");
    server.wait_for_log(&["changed certificates were loaded"]);
    // And back, each file replaced by a rename.
    for kind in ["key", "crt"] {
        put(folder.path(), &format!("redis.{kind}"), "new");
        let to = folder.path().join(format!("tls.{kind}"));
        fs::rename(folder.path().join("new"), to).expect("renamed");
    }
    wait_for_certificate(&server, &mut client, "Generic-cert");
    // A file that is gone for a while.
    fs::remove_file(folder.path().join("tls.crt")).expect("removed");
    server.wait_for_log(&["tls.crt: No such file or directory"]);
    put_pair(folder.path(), "server");
    wait_for_certificate(&server, &mut client, "Server-only");
}

/// A folder as Kubernetes mounts a secret: files are links into a folder that a link names, and that link is replaced.
#[test]
fn a_secret_that_is_swapped_by_its_link_is_loaded() {
    let mount = temp_dir();
    let swap = |version: &str, name: &str| {
        let folder = mount.path().join(version);
        fs::create_dir(&folder).expect("the folder is writable");
        put_pair(&folder, name);
        let link = mount.path().join("..data_tmp");
        symlink(version, &link).expect("the folder is writable");
        fs::rename(&link, mount.path().join("..data")).expect("renamed");
    };
    swap("..1", "redis");
    for file in ["tls.crt", "tls.key"] {
        let target = PathBuf::from("..data").join(file);
        symlink(target, mount.path().join(file)).expect("the folder is writable");
    }
    let (server, mut client) = start(mount.path(), &[]);
    swap("..2", "server");
    wait_for_certificate(&server, &mut client, "Server-only");
    fs::remove_dir_all(mount.path().join("..1")).expect("removed");
    swap("..3", "redis");
    wait_for_certificate(&server, &mut client, "Generic-cert");
}

/// Files written by another name, which inotify does not report for the folder that is watched.
#[test]
fn a_change_that_no_event_reports_is_found() {
    let (folder, elsewhere) = (temp_dir(), temp_dir());
    put_pair(elsewhere.path(), "redis");
    for file in ["tls.crt", "tls.key"] {
        let link = folder.path().join(file);
        fs::hard_link(elsewhere.path().join(file), link).expect("one file system");
    }
    let (server, mut client) = start(folder.path(), &[]);
    put_pair(elsewhere.path(), "server");
    wait_for_certificate(&server, &mut client, "Server-only");
}

#[test]
fn links_take_the_new_pair_when_they_connect() {
    let (primary_server, mut primary) = pair::start(Transport::Tls, &[]);
    let folder = temp_dir();
    put_pair(folder.path(), "redis");
    let (replica_server, mut replica) = start(folder.path(), &["--tls-replication", "yes"]);
    pair::follow(&mut replica, primary_server.tls_port);
    pair::wait_for_link(&mut replica);
    issue(
        folder.path(),
        &CertSpec {
            name: "tls",
            subject: "/O=Redis Test/CN=renewed",
            ..CertSpec::default()
        },
    );
    wait_for_certificate(&replica_server, &mut replica, "renewed");
    assert_eq!(replica.info("master_link_status"), "up");
    let link = "CLIENT LIST TYPE replica";
    assert!(
        primary.text(link).contains(",%20CN=Generic-cert "),
        "the old link goes on"
    );
    primary.text("CLIENT KILL TYPE replica");
    until("a link with the new certificate", || {
        primary.text(link).contains(",%20CN=renewed ").then_some(())
    });
    pair::wait_for_link(&mut replica);
}

#[test]
fn a_chain_in_disorder_does_not_replace_one_in_order() {
    let (folder, new) = (temp_dir(), temp_dir());
    put_pair(folder.path(), "redis");
    let (server, mut client) = start(folder.path(), &[]);
    certs::issue_chain(new.path());
    let read = |name: &str| fs::read(new.path().join(name)).expect("issued");
    let write = |name: &str, bytes: &[u8]| {
        fs::write(folder.path().join(name), bytes).expect("the folder is writable");
    };
    let stranger = fs::read(certs::file("client.crt")).expect("issued");
    write("tls.crt", &[read("leaf.crt"), stranger].concat());
    write("tls.key", &read("leaf.key"));
    let line = server.wait_for_log(&["which is not its issuer"]);
    assert!(line.contains("CN=leaf"), "{line}");
    assert!(
        client
            .info("tls_server_cert_subject")
            .ends_with("CN=Generic-cert")
    );
    write("tls.crt", &read("chain.crt"));
    wait_for_certificate(&server, &mut client, "leaf");
}

#[test]
fn a_certificate_that_is_not_valid_does_not_replace_one_that_is() {
    let folder = temp_dir();
    put_pair(folder.path(), "redis");
    let (server, mut client) = start(folder.path(), &["--tls-auth-clients", "no"]);
    let root = Pair::root("root");
    let issue = |serial, seconds| {
        root.issue(&Spec {
            name: "renewed",
            serial,
            seconds,
            is_authority: false,
        })
    };
    issue(2, -60).write(folder.path(), "tls", &[]);
    let line = server.wait_for_log(&["the server certificate ", " expired on "]);
    assert!(line.contains("the present ones stay"), "{line}");
    let subject = client.info("tls_server_cert_subject");
    assert!(subject.ends_with("CN=Generic-cert"), "{subject}");
    issue(3, 600).write(folder.path(), "tls", &[]);
    until("the renewed certificate", || {
        let subject = client.info("tls_server_cert_subject");
        subject.ends_with("CN=renewed").then_some(())
    });
}

#[test]
fn a_certificate_of_the_future_is_loaded_when_it_becomes_valid() {
    let folder = temp_dir();
    put_pair(folder.path(), "redis");
    let (server, mut client) = start(folder.path(), &["--tls-auth-clients", "no"]);
    let spec = Spec {
        name: "renewed",
        serial: 2,
        seconds: 600,
        is_authority: false,
    };
    let renewed = Pair::root("root").issue_from(&spec, 3);
    renewed.write(folder.path(), "tls", &[]);
    server.wait_for_log(&["the server certificate ", " is not valid before "]);
    until("the renewed certificate", || {
        let subject = client.info("tls_server_cert_subject");
        subject.ends_with("CN=renewed").then_some(())
    });
    assert_eq!(number(&mut client, "tls_reloads"), 2);
    assert!(number(&mut client, "tls_reloads_failed") <= 2);
}

#[test]
fn a_renewal_without_its_intermediate_waits_for_it() {
    let folder = temp_dir();
    certs::issue_chain(folder.path());
    let read = |name: &str| fs::read(folder.path().join(name)).expect("issued");
    let write = |name: &str, bytes: &[u8]| {
        fs::write(folder.path().join(name), bytes).expect("the folder is writable");
    };
    write("tls.crt", &read("chain.crt"));
    write("tls.key", &read("leaf.key"));
    let (server, mut client) = start(folder.path(), &["--tls-auth-clients", "no"]);
    issue(
        folder.path(),
        &CertSpec {
            name: "renewed",
            subject: "/O=Redis Test/CN=renewed",
            signer: Signer::Other("middle"),
            ..CertSpec::default()
        },
    );
    write("tls.crt", &read("renewed.crt"));
    write("tls.key", &read("renewed.key"));
    let line = server.wait_for_log(&["lacks the certificate of the issuer of ", "CN=renewed"]);
    assert!(line.contains("(O=Redis Test, CN=Intermediate)"), "{line}");
    assert_eq!(number(&mut client, "tls_reloads"), 1);
    write(
        "tls.crt",
        &[read("renewed.crt"), read("middle.crt")].concat(),
    );
    wait_for_certificate(&server, &mut client, "renewed");
}

/// The comparison is with the chain that is in use, not with the one that the watch began with.
#[test]
fn a_chain_in_disorder_that_was_mended_stays_so() {
    let (folder, new) = (temp_dir(), temp_dir());
    certs::issue_chain(new.path());
    let read = |name: &str| fs::read(new.path().join(name)).expect("issued");
    let write = |name: &str, bytes: &[u8]| {
        fs::write(folder.path().join(name), bytes).expect("the folder is writable");
    };
    let disorder = [
        read("leaf.crt"),
        fs::read(certs::file("client.crt")).expect("issued"),
        read("middle.crt"),
    ]
    .concat();
    write("tls.crt", &disorder);
    write("tls.key", &read("leaf.key"));
    let args = ["--tls-auth-clients", "no"];
    let mut all = vec!["--tls-auto-reload".to_owned(), "yes".to_owned()];
    for (directive, name) in [
        ("--tls-cert-file", "tls.crt"),
        ("--tls-key-file", "tls.key"),
    ] {
        all.extend([directive.to_owned(), certs::file_in(folder.path(), name)]);
    }
    let all: Vec<&str> = all.iter().map(String::as_str).chain(args).collect();
    let server = Server::start(&all);
    let mut admin = server.client(Transport::Tcp);
    write("tls.crt", &read("chain.crt"));
    until("the chain in order", || {
        (number(&mut admin, "tls_reloads") == 2).then_some(())
    });
    write("tls.crt", &disorder);
    server.wait_for_log(&["which is not its issuer"]);
    assert_eq!(number(&mut admin, "tls_reloads"), 2);
}

#[test]
fn files_are_not_watched_unless_that_is_configured() {
    let folder = temp_dir();
    put_pair(folder.path(), "redis");
    let (server, mut client) = start(folder.path(), &["--tls-auto-reload", "no"]);
    assert_eq!(client.info("tls_auto_reload"), "0");
    put_pair(folder.path(), "server");
    // Switching it on loads, as every change of a directive of TLS does.
    assert!(
        client
            .info("tls_server_cert_subject")
            .ends_with("CN=Generic-cert")
    );
    assert_eq!(client.text("CONFIG SET tls-auto-reload yes"), "OK");
    wait_for_certificate(&server, &mut client, "Server-only");
    put_pair(folder.path(), "redis");
    wait_for_certificate(&server, &mut client, "Generic-cert");
    assert_eq!(client.text("CONFIG SET tls-auto-reload no"), "OK");
    assert_eq!(client.info("tls_auto_reload"), "0");
}

/// A change of the configuration that fails must leave the watch over the files of the old one.
#[test]
fn the_watch_survives_a_configuration_that_is_taken_back() {
    let folder = temp_dir();
    put_pair(folder.path(), "redis");
    let (server, mut client) = start(folder.path(), &[]);
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("loopback");
    let port = taken.local_addr().expect("bound").port();
    let reply = client.text(&format!(
        "CONFIG SET tls-session-cache-size 100 tls-port {port}"
    ));
    assert!(reply.starts_with("-ERR CONFIG SET failed"), "{reply}");
    put_pair(folder.path(), "server");
    wait_for_certificate(&server, &mut client, "Server-only");
    // What was in use again was not loaded again.
    assert_eq!(number(&mut client, "tls_reloads"), 3);
}
