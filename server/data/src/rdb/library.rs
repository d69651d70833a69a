//! Payloads of function libraries, as FUNCTION DUMP writes them: records as in a file, then version and checksum.

use std::borrow::Cow;

use crate::rdb::cursor::Cursor;
use crate::rdb::{encoder, op};

/// Encodes the code of libraries as a payload.
pub fn payload<'a>(codes: impl Iterator<Item = &'a [u8]>, compress: bool) -> Vec<u8> {
    let mut out = Vec::new();
    for code in codes {
        encoder::function(&mut out, code, compress);
    }
    encoder::footer(&mut out);
    out
}

/// The code of each library in the body of a payload. An error says what is wrong with the payload, and ends the iteration.
pub fn codes(body: &[u8]) -> impl Iterator<Item = Result<Cow<'_, [u8]>, &'static str>> {
    let mut cursor = Some(Cursor::new(body));
    std::iter::from_fn(move || {
        let rest = cursor.as_mut().filter(|cursor| cursor.left() > 0)?;
        let code = code(rest);
        if code.is_err() {
            cursor = None;
        }
        Some(code)
    })
}

fn code<'body>(cursor: &mut Cursor<'body>) -> Result<Cow<'body, [u8]>, &'static str> {
    match cursor.u8() {
        Ok(op::FUNCTION2) => {}
        Ok(op::FUNCTION_PRE_GA) => return Err("Pre-GA function format not supported"),
        Ok(_) => return Err("given type is not a function"),
        Err(_) => return Err("can not read data type"),
    }
    cursor.text().map_err(|_| "Failed loading library payload")
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::{codes, payload};
    use crate::rdb::decoder::check_payload;

    #[test]
    fn libraries_round_trip() {
        let long = vec![b'x'; 1000];
        let all = [b"#!lua name=a\n".as_slice(), &long];
        let payload = payload(all.into_iter(), true);
        let body = check_payload(&payload, true).expect("a payload");
        let decoded: Vec<_> = codes(body).collect();
        assert_eq!(decoded, all.map(|code| Ok(Cow::Borrowed(code))));
        for end in 1..body.len() {
            let cut: Vec<_> = codes(&body[..end]).collect();
            let is_whole = |code: &Result<Cow<'_, [u8]>, _>| code.is_ok();
            assert!(
                !cut.iter().all(is_whole) || cut.len() == 1,
                "{end}: {cut:?}"
            );
        }
        for (body, why) in [
            (b"\x00", "given type is not a function"),
            (b"\xf6", "Pre-GA function format not supported"),
            (b"\xf5", "Failed loading library payload"),
        ] {
            assert_eq!(codes(body).collect::<Vec<_>>(), [Err(why)]);
        }
    }
}
