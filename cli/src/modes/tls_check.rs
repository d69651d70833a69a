//! `--tls-check HOST:PORT`: what is wrong with the TLS of a server, in sentences.
//!
//! The server is connected to several times: as usual, with each old protocol version alone, and without a client
//! certificate. Nothing but PING is sent.
//!
//! | exit code | |
//! |---|---|
//! | 0 | nothing is wrong |
//! | 1 | warnings |
//! | 2 | errors: clients fail, or should not connect |
//! | 3 | the server could not be examined |

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use conn::blocking::{Client, Failure};
use conn::conns::ClientTls;
use conn::dial::Place;
use conn::error::{Cause, ConnError, Step};
use conn::tls::context::{ClientTlsConfig, TlsContext};
use conn::tls::examine::{Shown, ShownCert, Verdict};

use crate::modes::tls_info::{sentence, text};
use crate::options::{Options, Tls};
use crate::out::{Exit, complain, print};

/// How long one connection may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Days before its end from which on a certificate is worth a warning.
const WARN_DAYS: i64 = 30;
const DAY_SECONDS: i64 = 86_400;

/// The exit code for a server that could not be examined.
const NOT_EXAMINED: Exit = Exit(3);

/// How bad something is; the value is the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Severity {
    /// Good to know.
    Note = 0,
    /// It works, but not for everybody or not for long.
    Warning = 1,
    /// Clients fail, or should not connect.
    Error = 2,
}

/// Something to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding(Severity, String);

impl Finding {
    fn line(&self) -> String {
        let Finding(severity, sentence) = self;
        let word = match severity {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        format!("{word}: {sentence}\n")
    }
}

/// The server and the settings with which it is examined.
struct Target<'a> {
    host: &'a str,
    port: u16,
    tls: &'a Tls,
}

/// Examines a server and prints what was found.
///
/// # Errors
/// Something is wrong; it was printed.
pub fn run(options: &Options, target: &str) -> Result<(), Exit> {
    let (Some((host, port)), Some(tls)) = (split(target), &options.tls) else {
        complain(format!("'{target}' is not of the form HOST:PORT."));
        return Err(NOT_EXAMINED);
    };
    let target = Target { host, port, tls };
    let (shown, mut findings) = target.examine().map_err(|error| {
        complain(match error.step() {
            // It names the file.
            Step::Load => error.to_string(),
            _ => format!(
                "{host}:{port} could not be examined: {}{}",
                error.reason(),
                target.hint(&error)
            ),
        });
        NOT_EXAMINED
    })?;
    if let Some(shown) = shown {
        print(text(&shown));
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.0));
    findings.iter().for_each(|finding| print(finding.line()));
    let worst = findings.iter().map(|finding| finding.0).max();
    match worst.unwrap_or(Severity::Note) {
        Severity::Note => {
            print("Nothing is wrong.\n");
            Ok(())
        }
        worst => Err(Exit(worst as u8)),
    }
}

/// The host and the port; an IPv6 address may be in brackets.
fn split(target: &str) -> Option<(&str, u16)> {
    let (host, port) = target.rsplit_once(':')?;
    let inner = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let host = inner.unwrap_or(host);
    (!host.is_empty()).then_some((host, port.parse().ok()?))
}

impl Target<'_> {
    /// The name for SNI; none for an address.
    fn sni(&self) -> Option<&str> {
        let is_name = self.host.parse::<std::net::IpAddr>().is_err();
        self.tls
            .names
            .sni
            .as_deref()
            .or(is_name.then_some(self.host))
    }

    /// The name or address that the certificate should be for.
    fn name(&self) -> &str {
        self.tls.names.sni.as_deref().unwrap_or(self.host)
    }

    /// Settings under which any server is connected to; verification is judged afterwards.
    fn config(&self, shows_cert: bool) -> ClientTlsConfig {
        let mut config = self.tls.config.clone();
        config.insecure = true;
        if !shows_cert {
            (config.cert, config.key) = (None, None);
        }
        config
    }

    fn connect(&self, context: &TlsContext) -> Result<Client, ConnError> {
        let place = Place::Tcp {
            host: self.host,
            port: self.port,
            source: None,
        };
        let tls = ClientTls {
            context,
            sni: self.sni(),
            verify_name: None,
        };
        let mut client = Client::connect(&place, Some(tls), Some(PATIENCE))?;
        client.set_read_timeout(Some(PATIENCE));
        Ok(client)
    }

    /// What the server shows, and what is wrong with it. It shows nothing to a client of today if it only accepts old
    /// versions of the protocol.
    fn examine(&self) -> Result<(Option<Shown>, Vec<Finding>), ConnError> {
        let context = TlsContext::for_client(&self.config(true))?;
        let mut client = match self.connect(&context) {
            Err(error) if matches!(error.cause(), Cause::Alert | Cause::Protocol) => {
                let mut findings = self.old_protocols();
                if findings.is_empty() {
                    return Err(error);
                }
                let sentence = "it accepts no newer version than these".to_owned();
                findings.push(Finding(Severity::Error, sentence));
                return Ok((None, findings));
            }
            connected => connected?,
        };
        let not_tls =
            || ConnError::because(Cause::NotTls, Step::Handshake, "it does not speak TLS");
        let shown = client.shown().ok_or_else(not_tls)?;
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let mut findings = judge(&shown, now.as_secs() as i64);
        match client.call(&["PING"]) {
            Err(why) => findings.push(self.judge_silence(&why)),
            Ok(_) if self.has_cert() && self.serves_without_certificate() => {
                let sentence = "it also serves clients without a certificate".to_owned();
                findings.push(Finding(Severity::Note, sentence));
            }
            Ok(_) => {}
        }
        if !client.fits(self.name()) {
            let names = shown.chain.first().map(|cert| cert.names.join(", "));
            let names = names.filter(|names| !names.is_empty());
            let sentence = match names {
                Some(names) => format!(
                    "the certificate is not for '{}' but for: {}",
                    self.name(),
                    names.escape_debug()
                ),
                None => format!(
                    "the certificate is not for '{}': it names no host at all",
                    self.name()
                ),
            };
            findings.push(Finding(Severity::Error, sentence));
        }
        findings.extend(self.protocols());
        Ok((Some(shown), findings))
    }

    fn has_cert(&self) -> bool {
        self.tls.config.cert.is_some()
    }

    /// What may be behind a handshake that failed, for the end of its sentence.
    fn hint(&self, error: &ConnError) -> &'static str {
        if error.cause() == Cause::Alert && !self.has_cert() {
            " (it may ask for a client certificate: --cert, --key)"
        } else {
            ""
        }
    }

    /// Why the server has not answered PING.
    fn judge_silence(&self, why: &Failure) -> Finding {
        match why {
            Failure::Protocol(_) => {
                let sentence = "it speaks TLS, but what it sends is not the protocol of Redis";
                Finding(Severity::Error, sentence.to_owned())
            }
            Failure::TimedOut => {
                let sentence = format!("it does not answer PING within {PATIENCE:?}");
                Finding(Severity::Error, sentence)
            }
            Failure::Closed | Failure::Conn(_) if self.has_cert() => {
                let sentence = format!("it does not serve a client with this certificate: {why}");
                Finding(Severity::Error, sentence)
            }
            Failure::Closed | Failure::Conn(_) => {
                let sentence =
                    format!("it serves no client without a certificate (--cert, --key): {why}");
                Finding(Severity::Note, sentence)
            }
        }
    }

    fn serves_without_certificate(&self) -> bool {
        let context = TlsContext::for_client(&self.config(false));
        let client = context.and_then(|context| self.connect(&context));
        client.is_ok_and(|mut client| client.call(&["PING"]).is_ok())
    }

    fn accepts(&self, protocol: &str) -> bool {
        let context = TlsContext::for_probe(&self.config(true), protocol);
        context.and_then(|context| self.connect(&context)).is_ok()
    }

    /// Which protocol versions it accepts that it should not.
    fn old_protocols(&self) -> Vec<Finding> {
        let accepted = ["TLSv1", "TLSv1.1"].into_iter();
        let accepted = accepted.filter(|protocol| self.accepts(protocol));
        let told = accepted.map(|protocol| {
            let sentence = format!("it accepts {protocol}, which is not safe");
            Finding(Severity::Error, sentence)
        });
        told.collect()
    }

    /// Which protocol versions it accepts that it should not, and the other way round.
    fn protocols(&self) -> Vec<Finding> {
        let mut findings = self.old_protocols();
        if !self.accepts("TLSv1.3") {
            let sentence = "it does not accept TLSv1.3".to_owned();
            findings.push(Finding(Severity::Warning, sentence));
        }
        findings
    }
}

/// What is wrong with what a server has shown, at this Unix time.
fn judge(shown: &Shown, now: i64) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, cert) in shown.chain.iter().enumerate() {
        judge_certificate(number, cert, now, &mut findings);
    }
    if let Some(leaf) = shown.chain.first().filter(|leaf| leaf.names.is_empty()) {
        let sentence = format!(
            "the certificate of '{}' has no alternative names, so many clients accept none",
            leaf.subject
        );
        findings.push(Finding(Severity::Warning, sentence));
    }
    if let Some(at) = shown.disorder {
        let sentence = format!(
            "certificate {at} is not followed by that of its issuer: some clients cannot verify such a chain"
        );
        findings.push(Finding(Severity::Error, sentence));
    }
    if shown.chain.len() > 1 && shown.chain.last().is_some_and(|last| last.is_self_issued) {
        let sentence = "the root is sent, which clients do not need".to_owned();
        findings.push(Finding(Severity::Note, sentence));
    }
    let is_valid = |cert: &ShownCert| (cert.not_before.unix..=cert.not_after.unix).contains(&now);
    match &shown.verdict {
        // The dates of certificates that are sent were judged one by one.
        Verdict::Dates if shown.chain.iter().all(is_valid) => {
            let sentence = "the authority of its chain, which is not sent, is not valid at this time (--cacert)";
            findings.push(Finding(Severity::Error, sentence.to_owned()));
        }
        // The name is judged by itself.
        Verdict::Good | Verdict::Name | Verdict::Dates => {}
        verdict => findings.push(Finding(Severity::Error, sentence(verdict, shown))),
    }
    findings
}

fn judge_certificate(number: usize, cert: &ShownCert, now: i64, findings: &mut Vec<Finding>) {
    let mut add = |severity, what: String| {
        findings.push(Finding(severity, format!("certificate {number} {what}")));
    };
    let left = cert.not_after.unix - now;
    if left < 0 {
        add(
            Severity::Error,
            format!("expired on {}", cert.not_after.text),
        );
    } else if cert.not_before.unix > now {
        add(
            Severity::Error,
            format!("is not valid before {}", cert.not_before.text),
        );
    } else if left < WARN_DAYS * DAY_SECONDS {
        add(
            Severity::Warning,
            format!("expires in {} days", left / DAY_SECONDS),
        );
    }
    let least = match cert.key.as_str() {
        "RSA" | "DSA" => 2048,
        "EC" => 256,
        _ => 0,
    };
    if cert.bits < least {
        add(
            Severity::Error,
            format!(
                "has a key that is too small: {} of {} bits",
                cert.key, cert.bits
            ),
        );
    }
    let signature = cert.signature.to_lowercase();
    let is_weak = ["md5", "sha1"].iter().any(|weak| signature.contains(weak));
    // The signature of a root is not verified.
    if is_weak && !cert.is_self_issued {
        add(
            Severity::Error,
            format!("has a weak signature: {}", cert.signature),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::{Finding, Severity, judge, split};
    use conn::tls::examine::{Date, Shown, ShownCert, Verdict};

    #[test]
    fn a_target_has_a_host_and_a_port() {
        for (target, expected) in [
            ("example.com:6379", Some(("example.com", 6379))),
            ("[::1]:7", Some(("::1", 7))),
            ("::1:7", Some(("::1", 7))),
            ("example.com", None),
            (":6379", None),
            ("h:70000", None),
            ("h:", None),
        ] {
            assert_eq!(split(target), expected, "{target}");
        }
    }

    type Change = fn(&mut Shown);

    const NOW: i64 = 1_000_000_000;

    fn date(unix: i64) -> Date {
        Date {
            unix,
            text: "then".to_owned(),
        }
    }

    fn good() -> Shown {
        Shown {
            version: "TLSv1.3",
            cipher: "TLS_AES_256_GCM_SHA384",
            group: "X25519".to_owned(),
            chain: vec![ShownCert {
                subject: "CN=server".to_owned(),
                issuer: "CN=ca".to_owned(),
                serial: "1092".to_owned(),
                names: vec!["server".to_owned()],
                not_before: date(NOW - 1),
                not_after: date(NOW + 86_400 * 365),
                key: "RSA".to_owned(),
                bits: 2048,
                signature: "sha256WithRSAEncryption".to_owned(),
                is_self_issued: false,
            }],
            disorder: None,
            verdict: Verdict::Good,
        }
    }

    #[test]
    fn each_fault_has_its_sentence_and_severity() {
        assert_eq!(judge(&good(), NOW), []);
        let table: [(Change, Severity, &str); 12] = [
            (
                |it| it.verdict = Verdict::Dates,
                Severity::Error,
                "which is not sent, is not valid at this time",
            ),
            (
                |it| it.chain[0].not_after = date(NOW - 1),
                Severity::Error,
                "expired on then",
            ),
            (
                |it| it.chain[0].not_before = date(NOW + 1),
                Severity::Error,
                "is not valid before then",
            ),
            (
                |it| it.chain[0].not_after = date(NOW + 86_400 * 3 + 5),
                Severity::Warning,
                "expires in 3 days",
            ),
            (
                |it| it.chain[0].bits = 1024,
                Severity::Error,
                "too small: RSA of 1024 bits",
            ),
            (
                |it| (it.chain[0].key, it.chain[0].bits) = ("EC".to_owned(), 192),
                Severity::Error,
                "EC of 192 bits",
            ),
            (
                |it| it.chain[0].signature = "ecdsa-with-SHA1".to_owned(),
                Severity::Error,
                "weak signature",
            ),
            (
                |it| it.chain[0].names.clear(),
                Severity::Warning,
                "no alternative names",
            ),
            (
                |it| it.disorder = Some(0),
                Severity::Error,
                "certificate 0 is not followed",
            ),
            (
                |it| it.verdict = Verdict::UnknownIssuer,
                Severity::Error,
                "certificate of 'CN=ca' is neither sent",
            ),
            (
                |it| it.verdict = Verdict::SelfSigned,
                Severity::Error,
                "signed by itself",
            ),
            (
                |it| it.verdict = Verdict::Other("odd".to_owned()),
                Severity::Error,
                "odd",
            ),
        ];
        for (change, severity, part) in table {
            let mut shown = good();
            change(&mut shown);
            let findings = judge(&shown, NOW);
            assert_eq!(findings.len(), 1, "{part}: {findings:?}");
            let Finding(found, sentence) = &findings[0];
            assert!(
                *found == severity && sentence.contains(part),
                "{findings:?}"
            );
        }
    }
}
