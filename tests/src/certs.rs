//! Certificates: those of `gen-test-certs.sh`, and bad ones made to order.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The folder with `{ca,server,client,redis}.{crt,key}` and `redis.dh`, made once per run.
pub fn dir() -> &'static Path {
    static DIR: OnceLock<PathBuf> = OnceLock::new();
    DIR.get_or_init(|| {
        let dir = crate::root().join("tests/tls");
        let made = Command::new(crate::root().join("gen-test-certs.sh"))
            .output()
            .expect("bash is there");
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        dir
    })
}

/// A file of [`dir`] as text.
pub fn file(name: &str) -> String {
    dir().join(name).to_string_lossy().into_owned()
}

/// Runs `openssl` in `folder`.
///
/// # Panics
/// It fails.
pub fn openssl(folder: &Path, args: &[&str]) {
    let done = Command::new("openssl")
        .current_dir(folder)
        .args(args)
        .output()
        .expect("openssl is there");
    assert!(
        done.status.success(),
        "openssl {args:?}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
}

/// Makes `NAME.crt` and `NAME.key` in `folder`, signed by the test CA (or by itself), valid for `days` from now.
pub fn issue(folder: &Path, name: &str, common_name: &str, days: i32, by_ca: bool) {
    let (key, csr, crt) = (
        format!("{name}.key"),
        format!("{name}.csr"),
        format!("{name}.crt"),
    );
    let subject = format!("/O=Redis Test/CN={common_name}");
    openssl(
        folder,
        &[
            "req", "-newkey", "rsa:2048", "-nodes", "-subj", &subject, "-keyout", &key, "-out",
            &csr,
        ],
    );
    // `x509 -days` refuses the past, `ca` is heavy: an explicit end is what both versions take.
    let days = days.to_string();
    let (ca_crt, ca_key) = (file("ca.crt"), file("ca.key"));
    let mut args = vec!["x509", "-req", "-in", &csr, "-out", &crt, "-days", &days];
    if by_ca {
        args.extend(["-CA", &ca_crt, "-CAkey", &ca_key, "-set_serial", "4242"]);
    } else {
        args.extend(["-signkey", &key]);
    }
    openssl(folder, &args);
}
