//! `--tls-info`: what was negotiated with the server, and the certificates that it has shown.

use conn::tls::examine::{Shown, ShownCert, Verdict};

use crate::out::{Exit, fail, print};
use crate::session::Session;

/// Connects and prints.
///
/// # Errors
/// The server cannot be reached or is not trusted; a message was printed.
pub fn run(session: &mut Session) -> Result<(), Exit> {
    let Some(shown) = session.tls_shown()? else {
        return fail("The connection does not use TLS.");
    };
    print(text(&shown));
    let verified = match &shown.verdict {
        Verdict::Good => "The chain is verified.\n".to_owned(),
        verdict => format!("The chain is not verified: {}\n", sentence(verdict, &shown)),
    };
    print(verified);
    Ok(())
}

/// The negotiated parameters and the chain, in lines.
pub fn text(shown: &Shown) -> String {
    let Shown {
        version,
        cipher,
        group,
        chain,
        ..
    } = shown;
    let group = if group.is_empty() { "none" } else { group };
    let mut text = format!("Protocol: {version}\nCipher:   {cipher}\nGroup:    {group}\n");
    for (number, cert) in chain.iter().enumerate() {
        text += &describe(number, cert);
    }
    text
}

fn describe(number: usize, cert: &ShownCert) -> String {
    let names = if cert.names.is_empty() {
        String::new()
    } else {
        format!("  names:  {}\n", cert.names.join(", ").escape_debug())
    };
    format!(
        "Certificate {number}: {}\n  issuer: {}\n{names}  valid:  {} to {}\n  key:    {}, {} bits; signed with {}\n  serial: {}\n",
        cert.subject,
        cert.issuer,
        cert.not_before.text,
        cert.not_after.text,
        cert.key,
        cert.bits,
        cert.signature,
        cert.serial
    )
}

/// Why a chain is not verified.
pub fn sentence(verdict: &Verdict, shown: &Shown) -> String {
    let last = shown.chain.last();
    match verdict {
        Verdict::Good => "nothing is wrong with it".to_owned(),
        Verdict::UnknownIssuer => format!(
            "the certificate of '{}' is neither sent by the server nor trusted here: an intermediate certificate is \
             missing on the server, or --cacert does not name its CA",
            last.map_or("", |cert| &cert.issuer)
        ),
        Verdict::SelfSigned if shown.chain.len() < 2 => {
            "the certificate is signed by itself, and not trusted here".to_owned()
        }
        Verdict::SelfSigned => format!(
            "the root '{}' is not trusted here (--cacert)",
            last.map_or("", |cert| &cert.subject)
        ),
        Verdict::Name => "the certificate is for another name".to_owned(),
        Verdict::Dates => "a certificate has expired or is not valid yet".to_owned(),
        Verdict::Other(words) => words.clone(),
    }
}
