//! Where to connect, in one word: `redis[s]://[[user]:password@][host[:port]][/db]`.
//!
//! The form is that of the provisional registration of the `redis` scheme
//! (<https://www.iana.org/assignments/uri-schemes/prov/redis>), without query parameters. User and password are
//! percent-decoded.

/// The parts of a URL; what it does not say is `None`.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Url {
    /// `rediss`
    pub tls: bool,
    /// Before the colon of the user part.
    pub user: Option<Vec<u8>>,
    /// Behind it, or the whole of the part.
    pub password: Option<Vec<u8>>,
    /// A name or an address, an IPv6 address without its brackets.
    pub host: Option<String>,
    /// The port.
    pub port: Option<u16>,
    /// The database.
    pub db: Option<i64>,
}

/// Takes a URL apart.
///
/// # Errors
/// A sentence that says which part is wrong.
pub fn parse(text: &str) -> Result<Url, String> {
    let mut url = Url::default();
    let rest = match strip_scheme(text, "rediss://") {
        Some(rest) => {
            url.tls = true;
            rest
        }
        None => strip_scheme(text, "redis://").ok_or("Invalid URI scheme")?,
    };
    let rest = match rest.split_once('@') {
        Some((login, rest)) => {
            let password = match login.split_once(':') {
                Some((user, password)) => {
                    url.user = Some(decode(user)?);
                    password
                }
                None => login,
            };
            url.password = Some(decode(password)?);
            rest
        }
        None => rest,
    };
    let (place, path) = rest.split_once('/').unwrap_or((rest, ""));
    if !place.is_empty() {
        let (host, port) = split_place(place);
        url.host = (!host.is_empty()).then(|| host.to_owned());
        if let Some(port) = port {
            url.port = Some(port.parse().map_err(|_| "Invalid server port.")?);
        }
    }
    if !path.is_empty() {
        let db = path.parse().map_err(|_| "Invalid database number in URI")?;
        url.db = Some(db);
    }
    Ok(url)
}

fn strip_scheme<'a>(text: &'a str, scheme: &str) -> Option<&'a str> {
    let begin = text.get(..scheme.len())?;
    begin
        .eq_ignore_ascii_case(scheme)
        .then(|| &text[scheme.len()..])
}

fn split_place(place: &str) -> (&str, Option<&str>) {
    if let Some((host, behind)) = place
        .strip_prefix('[')
        .and_then(|place| place.split_once(']'))
    {
        return (host, behind.strip_prefix(':'));
    }
    match place.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (place, None),
    }
}

fn decode(text: &str) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let [high, low, behind @ ..] = rest else {
            return Err("Incomplete URI encoding".to_owned());
        };
        let digit = |byte: u8| char::from(byte).to_digit(16);
        let (Some(high), Some(low)) = (digit(*high), digit(*low)) else {
            return Err("Illegal character in URI encoding".to_owned());
        };
        out.push((high << 4 | low) as u8);
        rest = behind;
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::{Url, parse};

    fn url(tls: bool, login: (&str, &str), host: &str, port: u16, db: i64) -> Url {
        let bytes = |text: &str| (!text.is_empty()).then(|| text.as_bytes().to_vec());
        Url {
            tls,
            user: bytes(login.0),
            password: bytes(login.1),
            host: (!host.is_empty()).then(|| host.to_owned()),
            port: (port > 0).then_some(port),
            db: (db >= 0).then_some(db),
        }
    }

    #[test]
    fn urls_are_taken_apart() {
        let table = [
            ("redis://", url(false, ("", ""), "", 0, -1)),
            ("REDIS://h", url(false, ("", ""), "h", 0, -1)),
            ("rediss://h:7000/3", url(true, ("", ""), "h", 7000, 3)),
            ("redis://p%40ss@h", url(false, ("", "p@ss"), "h", 0, -1)),
            ("redis://u:p:q@h:1", url(false, ("u", "p:q"), "h", 1, -1)),
            ("redis://[::1]:7/", url(false, ("", ""), "::1", 7, -1)),
            ("redis://[::1]", url(false, ("", ""), "::1", 0, -1)),
            ("redis:///5", url(false, ("", ""), "", 0, 5)),
            ("redis://:7000", url(false, ("", ""), "", 7000, -1)),
        ];
        for (text, expected) in table {
            assert_eq!(parse(text), Ok(expected), "{text}");
        }
        let empty_user = parse("redis://:secret@").expect("a URL");
        assert_eq!(empty_user.user.as_deref(), Some(&b""[..]));
    }

    #[test]
    fn wrong_urls_are_refused() {
        let table = [
            ("http://h", "Invalid URI scheme"),
            ("redis:/", "Invalid URI scheme"),
            ("redis://a%2@h", "Incomplete URI encoding"),
            ("redis://a%zz@h", "Illegal character in URI encoding"),
            ("redis://h:70000", "Invalid server port."),
            ("redis://h/x", "Invalid database number in URI"),
        ];
        for (text, expected) in table {
            assert_eq!(parse(text), Err(expected.to_owned()), "{text}");
        }
    }
}
