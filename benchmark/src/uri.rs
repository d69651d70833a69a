//! A server as a URI: `redis://[[user:]password@][host[:port]][/db]`, `rediss://` with TLS.
//!
//! Source: the provisional registration of the schemes at IANA, without query parameters.
//! User and password are percent-decoded; an IPv6 address stands in brackets.

/// What a URI says; what it leaves out is `None`.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Parts<'a> {
    /// The scheme is `rediss`.
    pub tls: bool,
    /// User, decoded.
    pub user: Option<Vec<u8>>,
    /// Password, decoded.
    pub password: Option<Vec<u8>>,
    /// Host name or address, without brackets.
    pub host: Option<&'a [u8]>,
    /// The text after the host's colon.
    pub port: Option<&'a [u8]>,
    /// The text after the slash.
    pub dbnum: Option<&'a [u8]>,
}

/// Takes a URI apart.
///
/// # Errors
/// A sentence: it has another scheme, or a percent sign without two hexadecimal digits.
pub fn parse(uri: &[u8]) -> Result<Parts<'_>, &'static str> {
    let mut parts = Parts::default();
    let mut rest = match (
        after_scheme(uri, b"redis://"),
        after_scheme(uri, b"rediss://"),
    ) {
        (Some(rest), _) => rest,
        (None, Some(rest)) => {
            parts.tls = true;
            rest
        }
        (None, None) => return Err("Invalid URI scheme"),
    };
    if let Some((login, behind)) = split_at(rest, b'@') {
        let (user, password) = split_at(login, b':').unwrap_or((b"", login));
        // `redis://:password@` is how a password without a user is commonly written.
        parts.user = (!user.is_empty()).then(|| decode(user)).transpose()?;
        parts.password = Some(decode(password)?);
        rest = behind;
    }
    let (authority, dbnum) = split_at(rest, b'/').unwrap_or((rest, b""));
    parts.dbnum = (!dbnum.is_empty()).then_some(dbnum);
    let (host, port) = match authority
        .strip_prefix(b"[")
        .and_then(|rest| split_at(rest, b']'))
    {
        Some((host, behind)) => (host, behind.strip_prefix(b":")),
        None => match split_at(authority, b':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    parts.host = (!host.is_empty()).then_some(host);
    parts.port = port.filter(|port| !port.is_empty());
    Ok(parts)
}

fn after_scheme<'a>(uri: &'a [u8], scheme: &[u8]) -> Option<&'a [u8]> {
    let (start, rest) = uri.split_at_checked(scheme.len())?;
    start.eq_ignore_ascii_case(scheme).then_some(rest)
}

/// What stands before and after the first `byte`.
fn split_at(text: &[u8], byte: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|&b| b == byte)?;
    Some((&text[..at], &text[at + 1..]))
}

fn decode(text: &[u8]) -> Result<Vec<u8>, &'static str> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let Some((digits, behind)) = rest.split_at_checked(2) else {
            return Err("Incomplete URI encoding");
        };
        let (Some(high), Some(low)) = (hex(digits[0]), hex(digits[1])) else {
            return Err("Illegal character in URI encoding");
        };
        out.push(high << 4 | low);
        rest = behind;
    }
    Ok(out)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

#[cfg(test)]
mod tests {
    use super::{Parts, parse};

    #[test]
    fn every_part_may_be_left_out() {
        let rows: [(&str, Parts<'_>); 7] = [
            ("redis://", Parts::default()),
            (
                "REDIS://h",
                Parts {
                    host: Some(b"h"),
                    ..Parts::default()
                },
            ),
            (
                "rediss://h:7/2",
                Parts {
                    tls: true,
                    host: Some(b"h"),
                    port: Some(b"7"),
                    dbnum: Some(b"2"),
                    ..Parts::default()
                },
            ),
            (
                "redis://u:p%40%2fx@h",
                Parts {
                    user: Some(b"u".to_vec()),
                    password: Some(b"p@/x".to_vec()),
                    host: Some(b"h"),
                    ..Parts::default()
                },
            ),
            (
                "redis://p@[::1]:7/",
                Parts {
                    password: Some(b"p".to_vec()),
                    host: Some(b"::1"),
                    port: Some(b"7"),
                    ..Parts::default()
                },
            ),
            (
                "redis://:p@",
                Parts {
                    password: Some(b"p".to_vec()),
                    ..Parts::default()
                },
            ),
            (
                "redis:///5",
                Parts {
                    dbnum: Some(b"5"),
                    ..Parts::default()
                },
            ),
        ];
        for (uri, parts) in rows {
            assert_eq!(parse(uri.as_bytes()), Ok(parts), "{uri}");
        }
    }

    #[test]
    fn what_is_no_uri_is_refused() {
        let rows = [
            ("", "Invalid URI scheme"),
            ("h:6379", "Invalid URI scheme"),
            ("redis://%4@h", "Incomplete URI encoding"),
            ("redis://%4z@h", "Illegal character in URI encoding"),
        ];
        for (uri, sentence) in rows {
            assert_eq!(parse(uri.as_bytes()), Err(sentence), "{uri}");
        }
    }
}
