//! What stands in the place of a file of certificates and is not one: pipes, devices, folders, links that lead nowhere,
//! much too much. Each is an error that names it, at the start, by CONFIG SET and when files are watched, and none is
//! waited for.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use tests::certs::{file, file_in};
use tests::client::Transport;
use tests::server::{Server, temp_dir};
use tests::wait::until;

const DIRECTIVES: [&str; 7] = [
    "tls-cert-file",
    "tls-key-file",
    "tls-client-cert-file",
    "tls-client-key-file",
    "tls-dh-params-file",
    "tls-ca-cert-file",
    "tls-crl-file",
];

/// Makes the bad files; their names, and what is said of each.
fn make(folder: &Path) -> [(&'static str, &'static str); 7] {
    let path = |name: &str| folder.join(name);
    fs::create_dir(path("folder")).expect("writable");
    mkfifo(&path("pipe"), Mode::S_IRWXU).expect("a pipe");
    symlink("loop", path("loop")).expect("a link");
    symlink("/dev/zero", path("endless")).expect("a link");
    let line = "-----BEGIN CERTIFICATE----- -----BEGIN X509 CRL-----\n";
    fs::write(path("junk"), line.repeat(200_000)).expect("writable");
    fs::write(path("binary"), vec![0xff; 10_000_000]).expect("writable");
    [
        ("folder", "Is a directory"),
        ("pipe", "in PEM form"),
        ("loop", "Too many levels of symbolic links"),
        ("endless", "file too large"),
        ("junk", ""),
        ("binary", "in PEM form"),
        ("absent", "No such file or directory"),
    ]
}

#[test]
fn config_set_names_what_it_cannot_read() {
    let folder = temp_dir();
    let bad = make(folder.path());
    let server = Server::start(&[
        "--tls-client-cert-file",
        &file("client.crt"),
        "--tls-client-key-file",
        &file("client.key"),
    ]);
    let mut admin = server.client(Transport::Tcp);
    for directive in DIRECTIVES {
        let before = admin.text(&format!("CONFIG GET {directive}"));
        for (name, reason) in bad {
            let path = file_in(folder.path(), name);
            let reply = admin.text(&format!("CONFIG SET {directive} {path}"));
            assert!(
                reply.starts_with("-ERR CONFIG SET failed"),
                "{directive} {name}: {reply}"
            );
            let error = admin.info("tls_last_reload_error");
            assert!(
                error.contains(&path) && error.contains(reason),
                "{directive} {name}: {error}"
            );
        }
        assert_eq!(admin.text(&format!("CONFIG GET {directive}")), before);
    }
    // OpenSSL would open what has a hashed name, in the middle of a handshake; it does not look at other names.
    let dir = folder.path().join("dir");
    fs::create_dir(&dir).expect("writable");
    for (name, is_refused) in [("pipe", false), ("1a2b3c4d.0", true)] {
        mkfifo(&dir.join(name), Mode::S_IRWXU).expect("a pipe");
        let reply = admin.text(&format!("CONFIG SET tls-ca-cert-dir {}", dir.display()));
        assert_eq!(reply != "OK", is_refused, "{name}: {reply}");
        let error = admin.info("tls_last_reload_error");
        assert_eq!(error.contains(name), is_refused, "{error}");
    }
    // A directory that cannot be listed.
    for (path, reason) in [
        (file("ca.crt"), "Not a directory"),
        (
            file_in(folder.path(), "absent"),
            "No such file or directory",
        ),
    ] {
        let reply = admin.text(&format!("CONFIG SET tls-ca-cert-dir {path}"));
        assert!(reply.starts_with("-ERR CONFIG SET failed"), "{reply}");
        let error = admin.info("tls_last_reload_error");
        assert!(error.contains(&path) && error.contains(reason), "{error}");
    }
    assert_eq!(server.client(Transport::Tls).text("PING"), "PONG");
}

#[test]
fn a_server_does_not_start_with_what_it_cannot_read() {
    let folder = temp_dir();
    let path = |name: &str| file_in(folder.path(), name);
    for (name, reason) in make(folder.path()) {
        let done = Command::new(tests::binary("redis-server"))
            .args([
                "--port",
                "0",
                "--tls-port",
                "1",
                "--tls-cert-file",
                &path(name),
            ])
            .args([
                "--tls-key-file",
                &file("redis.key"),
                "--tls-ca-cert-file",
                &file("ca.crt"),
            ])
            .current_dir(folder.path())
            .output()
            .expect("the server's binary runs");
        let log = String::from_utf8_lossy(&done.stdout);
        assert_eq!(done.status.code(), Some(1), "{name}: {log}");
        assert!(
            log.contains(&path(name)) && log.contains(reason),
            "{name}: {log}"
        );
    }
}

#[test]
fn the_watch_goes_on_after_what_it_cannot_read() {
    let (folder, bad) = (temp_dir(), temp_dir());
    let names = make(bad.path());
    let place = folder.path().join("ca.crt");
    fs::copy(file("ca.crt"), &place).expect("copied");
    let server = Server::start(&[
        "--tls-ca-cert-file",
        &file_in(folder.path(), "ca.crt"),
        "--tls-auto-reload",
        "yes",
    ]);
    let mut admin = server.client(Transport::Tcp);
    // As a secret is swapped: by another link in its place.
    let put = |target: &Path| {
        let link = folder.path().join("new");
        symlink(target, &link)
            .and_then(|()| fs::rename(&link, &place))
            .expect("writable");
    };
    for (name, reason) in names {
        put(&bad.path().join(name));
        until(name, || {
            let error = admin.info("tls_last_reload_error");
            (error.contains("/ca.crt") && error.contains(reason)).then_some(())
        });
        assert_eq!(server.client(Transport::Tls).text("PING"), "PONG");
        put(Path::new(&file("ca.crt")));
        until("the good file", || {
            (admin.info("tls_last_reload_status") == "ok").then_some(())
        });
    }
    // A folder that is removed as a whole.
    fs::remove_dir_all(folder.path()).expect("removed");
    until("the end of the folder", || {
        let error = admin.info("tls_last_reload_error");
        error.contains("No such file or directory").then_some(())
    });
    assert_eq!(server.client(Transport::Tls).text("PING"), "PONG");
}
