//! What a scanner finds: nothing old, nothing weak. The clients are Debian's `openssl s_client`, on its lowest security
//! level, and `sslscan`.

use std::io::Write;
use std::process::{Command, Stdio};

use tests::certs;
use tests::client::Transport;
use tests::server::Server;

/// Runs `openssl s_client` with some input; what it prints. It ends when the input does, or the connection.
fn s_client(port: u16, args: &[&str], input: &str) -> String {
    let file = |name: &str| certs::file(name);
    let target = format!("127.0.0.1:{port}");
    let mut child = Command::new("openssl")
        .args(["s_client", "-connect", &target, "-CAfile", &file("ca.crt")])
        .args(["-cert", &file("redis.crt"), "-key", &file("redis.key")])
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("openssl runs");
    let mut stdin = child.stdin.take().expect("piped");
    // It may have ended.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

/// Whether a handshake with these options succeeds, by the cipher that is printed.
fn shakes_hands(port: u16, args: &[&str]) -> bool {
    let text = s_client(port, args, "");
    let is_new = text.contains("\nNew, ") && !text.contains("Cipher is (NONE)");
    let is_refused = text.contains("Cipher is (NONE)") || text.contains("Call to SSL_CONF_cmd");
    assert!(is_new != is_refused, "{args:?}: {text}");
    is_new
}

/// Everything that OpenSSL has.
const LOWEST: &str = "ALL:COMPLEMENTOFALL:@SECLEVEL=0";

#[test]
fn no_protocol_below_1_2_is_spoken() {
    let server = Server::start(&[]);
    for (version, is_spoken) in [
        ("-tls1", false),
        ("-tls1_1", false),
        ("-tls1_2", true),
        ("-tls1_3", true),
    ] {
        let args = [version, "-cipher", LOWEST];
        assert_eq!(shakes_hands(server.tls_port, &args), is_spoken, "{version}");
    }
    // The old ones are there if they are asked for: the probe is able to find them.
    let old = ["--tls-protocols", "TLSv1 TLSv1.1", "--tls-ciphers", LOWEST];
    let server = Server::start(&old);
    for (version, is_spoken) in [("-tls1", true), ("-tls1_1", true), ("-tls1_2", false)] {
        let args = [version, "-cipher", LOWEST];
        assert_eq!(shakes_hands(server.tls_port, &args), is_spoken, "{version}");
    }
}

#[test]
fn no_weak_cipher_is_accepted() {
    let weak = [
        "NULL", "aNULL", "EXPORT", "RC4", "DES", "3DES", "MD5", "IDEA", "SEED", "PSK", "SRP",
    ];
    let server = Server::start(&[]);
    for name in weak {
        let cipher = format!("{name}:@SECLEVEL=0");
        let args = ["-tls1_2", "-cipher", &cipher];
        assert!(!shakes_hands(server.tls_port, &args), "{name}");
    }
    // That they are refused is the server's doing.
    let server = Server::start(&["--tls-ciphers", LOWEST, "--tls-auth-clients", "no"]);
    for name in ["eNULL", "aNULL"] {
        let cipher = format!("{name}:@SECLEVEL=0");
        let args = ["-tls1_2", "-cipher", &cipher];
        assert!(shakes_hands(server.tls_port, &args), "{name}");
    }
}

#[test]
fn nothing_is_compressed_or_renegotiated() {
    let server = Server::start(&[]);
    for version in ["-tls1_2", "-tls1_3"] {
        let text = s_client(server.tls_port, &[version, "-comp", "-cipher", LOWEST], "");
        assert!(text.contains("Compression: NONE"), "{version}: {text}");
        assert!(
            text.contains("Verify return code: 0 (ok)"),
            "{version}: {text}"
        );
    }
    // `R` asks for renegotiation.
    let text = s_client(server.tls_port, &["-tls1_2"], "R\n");
    assert!(text.contains("Secure Renegotiation IS supported"), "{text}");
    assert!(text.contains("RENEGOTIATING"), "{text}");
    assert!(text.contains("no renegotiation"), "{text}");
    let mut admin = server.client(Transport::Tcp);
    assert_eq!(admin.info("tls_handshakes_done"), "3");
}

/// What `sslscan` finds, as its elements of XML.
fn sslscan(server: &Server) -> Vec<String> {
    let output = Command::new("sslscan")
        .args(["--xml=-", "--no-colour", "--show-ciphers"])
        .arg(format!("127.0.0.1:{}", server.tls_port))
        .output()
        .expect("sslscan is installed (tests/setup)");
    let text = String::from_utf8_lossy(&output.stdout);
    let lines = text.lines().map(str::trim);
    lines
        .filter(|line| line.starts_with('<'))
        .map(str::to_owned)
        .collect()
}

#[test]
fn sslscan_finds_nothing_old_or_weak() {
    let server = Server::start(&["--tls-auth-clients", "no"]);
    let found = sslscan(&server);
    for expected in [
        "<protocol type=\"ssl\" version=\"2\" enabled=\"0\" />",
        "<protocol type=\"ssl\" version=\"3\" enabled=\"0\" />",
        "<protocol type=\"tls\" version=\"1.0\" enabled=\"0\" />",
        "<protocol type=\"tls\" version=\"1.1\" enabled=\"0\" />",
        "<protocol type=\"tls\" version=\"1.2\" enabled=\"1\" />",
        "<protocol type=\"tls\" version=\"1.3\" enabled=\"1\" />",
        "<renegotiation supported=\"0\" secure=\"0\" />",
        "<heartbleed sslversion=\"TLSv1.2\" vulnerable=\"0\" />",
        "<heartbleed sslversion=\"TLSv1.3\" vulnerable=\"0\" />",
    ] {
        assert!(
            found.iter().any(|line| line == expected),
            "{expected}: {found:#?}"
        );
    }
    let of = |kind: &str| -> Vec<&String> {
        found.iter().filter(|line| line.starts_with(kind)).collect()
    };
    let (ciphers, groups) = (of("<cipher "), of("<group "));
    // Five groups, with each version.
    assert!(ciphers.len() > 5 && groups.len() == 10, "{found:#?}");
    for line in ciphers {
        let is_good = ["strong", "acceptable"]
            .iter()
            .any(|strength| line.contains(&format!("strength=\"{strength}\"")));
        assert!(is_good, "{line}");
    }
    for line in groups {
        let is_strong = ["128", "192", "224", "260"]
            .iter()
            .any(|bits| line.contains(&format!("bits=\"{bits}\"")));
        assert!(is_strong, "{line}");
    }
    // It would find what is old and weak.
    let old = ["--tls-protocols", "TLSv1 TLSv1.2", "--tls-ciphers", LOWEST];
    let server = Server::start(&[&old[..], &["--tls-auth-clients", "no"]].concat());
    let found = sslscan(&server).join("\n");
    assert!(found.contains("<protocol type=\"tls\" version=\"1.0\" enabled=\"1\" />"));
    assert!(found.contains("strength=\"null\""), "{found}");
}
