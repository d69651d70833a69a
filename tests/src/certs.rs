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

/// Who vouches for a certificate.
#[derive(Clone, Copy)]
pub enum Signer<'a> {
    /// The test CA.
    TestCa,
    /// Nobody but itself.
    Itself,
    /// `NAME.crt` and `NAME.key` in the folder of the new certificate.
    Other(&'a str),
}

/// A certificate to be made.
#[derive(Clone, Copy)]
pub struct Order<'a> {
    /// The files are `NAME.crt` and `NAME.key`.
    pub name: &'a str,
    /// The subject, as `openssl req -subj` takes it.
    pub subject: &'a str,
    /// From now on; less than 0 has ended.
    pub days: i32,
    /// Who signs it.
    pub signer: Signer<'a>,
    /// Lines of an extension file.
    pub extensions: &'a [&'a str],
}

/// What makes a certificate an authority.
pub const AUTHORITY: &[&str] = &[
    "basicConstraints=critical,CA:TRUE",
    "keyUsage=critical,keyCertSign",
];

/// What makes a certificate good for a server on this machine.
pub const LOCAL: &[&str] = &["subjectAltName=DNS:localhost,IP:127.0.0.1"];

impl Default for Order<'_> {
    fn default() -> Self {
        Order {
            name: "plain",
            subject: "/O=Redis Test/CN=plain",
            days: 10,
            signer: Signer::TestCa,
            extensions: LOCAL,
        }
    }
}

/// Makes a certificate and its key in `folder`.
pub fn issue(folder: &Path, order: &Order<'_>) {
    let file = |ext: &str| format!("{}.{ext}", order.name);
    let (key, csr, crt, ext) = (file("key"), file("csr"), file("crt"), file("ext"));
    openssl(
        folder,
        &[
            "req",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-subj",
            order.subject,
            "-keyout",
            &key,
            "-out",
            &csr,
        ],
    );
    std::fs::write(folder.join(&ext), order.extensions.join("\n")).expect("writable");
    let days = order.days.to_string();
    let mut args = vec![
        "x509", "-req", "-in", &csr, "-out", &crt, "-days", &days, "-extfile", &ext,
    ];
    let (ca_crt, ca_key) = match order.signer {
        Signer::TestCa => (self::file("ca.crt"), self::file("ca.key")),
        Signer::Other(name) => (format!("{name}.crt"), format!("{name}.key")),
        Signer::Itself => Default::default(),
    };
    if matches!(order.signer, Signer::Itself) {
        args.extend(["-signkey", &key]);
    } else {
        args.extend(["-CA", &ca_crt, "-CAkey", &ca_key, "-set_serial", "4242"]);
    }
    openssl(folder, &args);
}

/// A file of `folder` as text.
pub fn file_in(folder: &Path, name: &str) -> String {
    folder.join(name).to_string_lossy().into_owned()
}

/// Makes a certificate that an intermediate authority issued, for servers and clients alike, in `folder`:
/// `middle.crt` (the intermediate), `leaf.{crt,key}` alone, `chain.crt` with the intermediate behind the leaf.
pub fn issue_chain(folder: &Path) {
    issue(
        folder,
        &Order {
            name: "middle",
            subject: "/O=Redis Test/CN=Intermediate",
            extensions: AUTHORITY,
            ..Order::default()
        },
    );
    issue(
        folder,
        &Order {
            name: "leaf",
            subject: "/O=Redis Test/CN=leaf",
            signer: Signer::Other("middle"),
            ..Order::default()
        },
    );
    let read = |name: &str| std::fs::read(folder.join(name)).expect("it was made");
    let chain = [read("leaf.crt"), read("middle.crt")].concat();
    std::fs::write(folder.join("chain.crt"), chain).expect("writable");
}
