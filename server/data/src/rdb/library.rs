//! Payloads of function libraries, as FUNCTION DUMP writes them: records as in a file, then version and checksum.

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

/// Decodes the body of a payload: the code of each library.
///
/// # Errors
/// A sentence: what is wrong with it.
pub fn codes(body: &[u8]) -> Result<Vec<Vec<u8>>, &'static str> {
    let mut cursor = Cursor::new(body);
    let mut codes = Vec::new();
    while cursor.left() > 0 {
        match cursor.u8() {
            Ok(op::FUNCTION2) => {}
            Ok(op::FUNCTION_PRE_GA) => return Err("Pre-GA function format not supported"),
            Ok(_) => return Err("given type is not a function"),
            Err(_) => return Err("can not read data type"),
        }
        let code = cursor.text();
        let code = code.map_err(|_| "failed loading the given functions payload")?;
        codes.push(code.into_owned());
    }
    Ok(codes)
}

#[cfg(test)]
mod tests {
    use super::{codes, payload};
    use crate::rdb::decoder::check_payload;

    #[test]
    fn libraries_round_trip() {
        let long = vec![b'x'; 1000];
        let all = [b"#!lua name=a\n".as_slice(), &long];
        let payload = payload(all.into_iter(), true);
        let body = check_payload(&payload, true).expect("a payload");
        assert_eq!(codes(body), Ok(all.map(<[u8]>::to_vec).to_vec()));
        for end in 1..body.len() {
            let cut = codes(&body[..end]);
            assert!(
                cut.is_err() || cut.is_ok_and(|codes| codes.len() == 1),
                "{end}"
            );
        }
        assert_eq!(codes(b"\x00"), Err("given type is not a function"));
        assert_eq!(codes(b"\xf6"), Err("Pre-GA function format not supported"));
    }
}
