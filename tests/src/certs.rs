//! Test certificates: those that `gen-test-certs.sh` makes, and invalid ones issued on demand.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The folder with `{ca,server,client,redis}.{crt,key}` and `redis.dh`, generated once per test run.
pub fn dir() -> &'static Path {
    static DIR: OnceLock<PathBuf> = OnceLock::new();
    DIR.get_or_init(|| {
        let dir = crate::root().join("tests/tls");
        let made = Command::new(crate::root().join("gen-test-certs.sh"))
            .output()
            .expect("bash runs");
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        dir
    })
}

/// The path of a file in [`dir`].
pub fn file(name: &str) -> String {
    dir().join(name).to_string_lossy().into_owned()
}

/// Runs `openssl` in `folder`.
///
/// # Panics
/// If the command fails.
pub fn openssl(folder: &Path, args: &[&str]) {
    let done = Command::new("openssl")
        .current_dir(folder)
        .args(args)
        .output()
        .expect("openssl runs");
    assert!(
        done.status.success(),
        "openssl {args:?}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
}

/// Who signs a certificate.
#[derive(Clone, Copy)]
pub enum Signer<'a> {
    /// The test CA.
    TestCa,
    /// The certificate itself (self-signed).
    SelfSigned,
    /// `NAME.crt` and `NAME.key` in the folder of the new certificate.
    Other(&'a str),
}

/// A certificate to be issued.
#[derive(Clone, Copy)]
pub struct CertSpec<'a> {
    /// The files are `NAME.crt` and `NAME.key`.
    pub name: &'a str,
    /// The subject, as `openssl req -subj` takes it.
    pub subject: &'a str,
    /// Days from now until it expires; a negative number makes an expired certificate.
    pub days: i32,
    /// Who signs it.
    pub signer: Signer<'a>,
    /// Its serial number.
    pub serial: u32,
    /// Lines of the OpenSSL extension file.
    pub extensions: &'a [&'a str],
}

/// Extensions of a certificate authority.
pub const CA_EXTENSIONS: &[&str] = &[
    "basicConstraints=critical,CA:TRUE",
    "keyUsage=critical,keyCertSign,cRLSign",
];

/// Extensions of a server certificate for this machine.
pub const LOCALHOST_SAN: &[&str] = &["subjectAltName=DNS:localhost,IP:127.0.0.1"];

impl Default for CertSpec<'_> {
    fn default() -> Self {
        CertSpec {
            name: "plain",
            subject: "/O=Redis Test/CN=plain",
            days: 10,
            signer: Signer::TestCa,
            serial: 4242,
            extensions: LOCALHOST_SAN,
        }
    }
}

/// Issues a certificate and its key into `folder`.
pub fn issue(folder: &Path, spec: &CertSpec<'_>) {
    let file = |ext: &str| format!("{}.{ext}", spec.name);
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
            spec.subject,
            "-keyout",
            &key,
            "-out",
            &csr,
        ],
    );
    std::fs::write(folder.join(&ext), spec.extensions.join("\n")).expect("the folder is writable");
    let (days, serial) = (spec.days.to_string(), spec.serial.to_string());
    let mut args = vec![
        "x509", "-req", "-in", &csr, "-out", &crt, "-days", &days, "-extfile", &ext,
    ];
    let (ca_crt, ca_key) = match spec.signer {
        Signer::TestCa => (self::file("ca.crt"), self::file("ca.key")),
        Signer::Other(name) => (format!("{name}.crt"), format!("{name}.key")),
        Signer::SelfSigned => Default::default(),
    };
    if matches!(spec.signer, Signer::SelfSigned) {
        args.extend(["-signkey", &key]);
    } else {
        args.extend(["-CA", &ca_crt, "-CAkey", &ca_key, "-set_serial", &serial]);
    }
    openssl(folder, &args);
}

/// A list of revoked certificates, to be issued into `folder`.
#[derive(Clone, Copy)]
pub struct ListSpec<'a> {
    /// The file.
    pub name: &'a str,
    /// Who issues it.
    pub signer: Signer<'a>,
    /// The serial numbers that it revokes.
    pub serials: &'a [u32],
    /// It has expired.
    pub is_expired: bool,
    /// Otherwise it expires in this many seconds.
    pub seconds: u32,
}

impl Default for ListSpec<'_> {
    fn default() -> Self {
        ListSpec {
            name: "list.crl",
            signer: Signer::TestCa,
            serials: &[],
            is_expired: false,
            seconds: 86_400,
        }
    }
}

/// Issues a list of revoked certificates. It replaces an older file at once.
pub fn revoke(folder: &Path, spec: &ListSpec<'_>) {
    let write = |name: &str, text: &str| {
        std::fs::write(folder.join(name), text).expect("the folder is writable");
    };
    let entry = |serial: &u32| {
        // An odd number of digits is not read.
        let serial = format!("{serial:08X}");
        format!("R\t401231235959Z\t200101000000Z\t{serial}\tunknown\t/CN=revoked\n")
    };
    write(
        "index.txt",
        &spec.serials.iter().map(entry).collect::<String>(),
    );
    write(
        "list.cnf",
        "[ca]\ndefault_ca=list\n[list]\ndatabase=index.txt\ndefault_md=sha256\n",
    );
    let (cert, key) = match spec.signer {
        Signer::TestCa => (file("ca.crt"), file("ca.key")),
        Signer::Other(name) => (format!("{name}.crt"), format!("{name}.key")),
        Signer::SelfSigned => panic!("a list has an issuer"),
    };
    let seconds = spec.seconds.to_string();
    let mut args = vec![
        "ca", "-gencrl", "-config", "list.cnf", "-cert", &cert, "-keyfile", &key,
    ];
    if spec.is_expired {
        args.extend([
            "-crl_lastupdate",
            "20200101000000Z",
            "-crl_nextupdate",
            "20200201000000Z",
        ]);
    } else {
        args.extend(["-crlsec", &seconds]);
    }
    args.extend(["-out", "new.crl"]);
    openssl(folder, &args);
    std::fs::rename(folder.join("new.crl"), folder.join(spec.name)).expect("renamed");
}

/// The path of a file in `folder`.
pub fn file_in(folder: &Path, name: &str) -> String {
    folder.join(name).to_string_lossy().into_owned()
}

/// Issues a certificate through an intermediate authority, valid for servers and clients, into `folder`: `middle.crt`
/// (the intermediate), `leaf.{crt,key}` (the certificate alone) and `chain.crt` (leaf followed by intermediate).
pub fn issue_chain(folder: &Path) {
    issue(
        folder,
        &CertSpec {
            name: "middle",
            subject: "/O=Redis Test/CN=Intermediate",
            extensions: CA_EXTENSIONS,
            ..CertSpec::default()
        },
    );
    issue(
        folder,
        &CertSpec {
            name: "leaf",
            subject: "/O=Redis Test/CN=leaf",
            signer: Signer::Other("middle"),
            ..CertSpec::default()
        },
    );
    let read = |name: &str| std::fs::read(folder.join(name)).expect("the certificate was issued");
    let chain = [read("leaf.crt"), read("middle.crt")].concat();
    std::fs::write(folder.join("chain.crt"), chain).expect("the folder is writable");
}
