//! The number that a text begins with, as C's `strtol` and its relatives read it.
//!
//! Blanks may precede it, then a sign; digits may begin with zeros; what follows them does not matter.

/// The number and its length in the text, blanks included: 0 and no length without digits, the nearest number if it is out
/// of range.
pub fn leading_i64(text: &[u8]) -> (i64, usize) {
    let (is_negative, digits, len) = split(text);
    let limit = if is_negative { i64::MIN } else { i64::MAX };
    (parse(is_negative, digits).unwrap_or(limit), len)
}

/// The same; `None` if the number is out of range.
pub fn checked_i64(text: &[u8]) -> Option<(i64, usize)> {
    let (is_negative, digits, len) = split(text);
    Some((parse(is_negative, digits)?, len))
}

fn parse(is_negative: bool, digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0i64, |number, digit| {
        let digit = i64::from(digit - b'0');
        let digit = if is_negative { -digit } else { digit };
        number.checked_mul(10)?.checked_add(digit)
    })
}

/// Whether there is a minus, the digits, and where they end; 0 without digits.
fn split(text: &[u8]) -> (bool, &[u8], usize) {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let start = text.iter().take_while(|byte| is_blank(byte)).count();
    let sign = text.get(start).filter(|&byte| matches!(byte, b'-' | b'+'));
    let start = start + usize::from(sign.is_some());
    let count = text[start..]
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let end = if count == 0 { 0 } else { start + count };
    (sign == Some(&b'-'), &text[start..start + count], end)
}

#[cfg(test)]
mod tests {
    use super::{checked_i64, leading_i64};

    #[test]
    fn numbers_are_read_as_c_does() {
        let rows: &[(&[u8], i64, usize)] = &[
            (b"12\r\n", 12, 2),
            (b" \t+12x", 12, 5),
            (b"\x0b3", 3, 2),
            (b"-3", -3, 2),
            (b"-", 0, 0),
            (b"+-3", 0, 0),
            (b"\r\n", 0, 0),
            (b"", 0, 0),
            (b"007", 7, 3),
            (b"-0", 0, 2),
            (b"0x10", 0, 1),
            (b"9223372036854775807", i64::MAX, 19),
            (b"-9223372036854775808", i64::MIN, 20),
            (b"99999999999999999999\r", i64::MAX, 20),
            (b"-99999999999999999999\r", i64::MIN, 21),
        ];
        for (text, value, len) in rows {
            assert_eq!(leading_i64(text), (*value, *len), "{text:?}");
            let is_long = text.len() > 20;
            let expected = (!is_long).then_some((*value, *len));
            assert_eq!(checked_i64(text), expected, "{text:?}");
        }
    }
}
