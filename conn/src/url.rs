//! Servers as URLs: `redis[s]://[[user]:password@][host[:port]][/db]`.
//!
//! The form is that of the provisional registration of the `redis` scheme
//! (<https://www.iana.org/assignments/uri-schemes/prov/redis>). As in redis-cli, user and password
//! are percent-encoded, a lone word before the `@` is the password, and what is left out keeps its
//! default. Beyond redis-cli, `:password@` stands for the default user instead of a user without a
//! name, a password may hold an unescaped `@` (the last one ends it), and a query or fragment is
//! ignored.

/// The parts of a URL; what it does not say is `None`.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Url {
    /// `rediss`
    pub tls: bool,
    /// The user, if one is named.
    pub user: Option<Vec<u8>>,
    /// The password; empty for a user without one.
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
    let rest = match rest.rsplit_once('@') {
        Some((login, rest)) => {
            let (user, password) = match login.split_once(':') {
                Some((user, password)) => (decode(user)?, decode(password)?),
                None => (Vec::new(), decode(login)?),
            };
            // `:password@` stands for the default user, and an empty login for no authentication.
            url.password = (!user.is_empty() || !password.is_empty()).then_some(password);
            url.user = (!user.is_empty()).then_some(user);
            rest
        }
        None => rest,
    };
    let rest = rest.split(['?', '#']).next().unwrap_or(rest);
    let (place, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (host, port) = split_place(place)?;
    url.host = (!host.is_empty()).then(|| host.to_owned());
    if !port.is_empty() {
        url.port = Some(port.parse().map_err(|_| "Invalid server port.")?);
    }
    let path = path.trim_end_matches('/');
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

/// Host and port, each empty if it is left out.
fn split_place(place: &str) -> Result<(&str, &str), String> {
    if let Some(bracketed) = place.strip_prefix('[') {
        let Some((host, port)) = bracketed.split_once(']') else {
            return Err("Invalid IPv6 address in URI: ']' is missing".to_owned());
        };
        return match port.strip_prefix(':') {
            Some(port) => Ok((host, port)),
            None if port.is_empty() => Ok((host, port)),
            None => Err("Invalid server port.".to_owned()),
        };
    }
    Ok(place.split_once(':').unwrap_or((place, "")))
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
            ("redis://:secret@h", url(false, ("", "secret"), "h", 0, -1)),
            ("redis://:secret@", url(false, ("", "secret"), "", 0, -1)),
            ("redis://:s%3ac%40@h", url(false, ("", "s:c@"), "h", 0, -1)),
            ("redis://u:pa@ss@h", url(false, ("u", "pa@ss"), "h", 0, -1)),
            ("redis://:a/b@h/2", url(false, ("", "a/b"), "h", 0, 2)),
            ("redis://@h", url(false, ("", ""), "h", 0, -1)),
            ("redis://:@h", url(false, ("", ""), "h", 0, -1)),
            ("rediss://:p@[::1]:7/1", url(true, ("", "p"), "::1", 7, 1)),
            ("redis://h:/", url(false, ("", ""), "h", 0, -1)),
            ("redis://h/3/", url(false, ("", ""), "h", 0, 3)),
            ("redis://h/3?timeout=5s", url(false, ("", ""), "h", 0, 3)),
            ("redis://h?a=b#c", url(false, ("", ""), "h", 0, -1)),
        ];
        for (text, expected) in table {
            assert_eq!(parse(text), Ok(expected), "{text}");
        }
        let without_password = parse("redis://u:@h").expect("a URL");
        assert_eq!(without_password.user.as_deref(), Some(&b"u"[..]));
        assert_eq!(without_password.password.as_deref(), Some(&b""[..]));
    }

    #[test]
    fn wrong_urls_are_refused() {
        let table = [
            ("http://h", "Invalid URI scheme"),
            ("redis:/", "Invalid URI scheme"),
            ("redis://a%2@h", "Incomplete URI encoding"),
            ("redis://a%zz@h", "Illegal character in URI encoding"),
            ("redis://h:70000", "Invalid server port."),
            ("redis://h:7x", "Invalid server port."),
            ("redis://::1", "Invalid server port."),
            ("redis://[::1]7", "Invalid server port."),
            (
                "redis://[::1",
                "Invalid IPv6 address in URI: ']' is missing",
            ),
            ("redis://h/x", "Invalid database number in URI"),
        ];
        for (text, expected) in table {
            assert_eq!(parse(text), Err(expected.to_owned()), "{text}");
        }
    }
}
