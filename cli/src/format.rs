//! Replies as text: for a terminal, raw, as CSV, as JSON.
//!
//! | form | a bulk string | null | an error |
//! |---|---|---|---|
//! | standard | `"quoted"` | `(nil)` | `(error) ERR …` |
//! | raw | its bytes | nothing | its text and a newline |
//! | CSV | `"quoted"` | `NULL` | `ERROR,"…"` |
//! | JSON | `"escaped"`, bytes above ASCII as they are | `null` | `error:"…"` |
//! | quoted JSON | the quoted string of the standard form as a JSON string: ASCII only | `null` | `error:"…"` |
//!
//! JSON is valid for every reply that holds no error, provided that strings are UTF-8 or quoted. Two deviations from
//! Redis's redis-cli ensure that: it writes `"` in quoted JSON as `\\"`, which ends the string, and the numbers `inf` and
//! `nan`, which JSON does not have, without quotes. `error:"…"` is kept for scripts that look for it; it is not JSON.
//!
//! A server may nest and mix values in any way; no reply has an expected shape here.

use conn::resp::Value;

use words::quote;

/// The form of replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Readable, with types.
    Standard,
    /// The bytes alone.
    Raw,
    /// `--csv`
    Csv,
    /// `--json`
    Json,
    /// `--quoted-json`
    QuotedJson,
}

/// How replies are written.
#[derive(Clone, Debug)]
pub struct Format {
    /// In which form.
    pub output: Output,
    /// Between the elements of a raw reply.
    pub element_delimiter: Vec<u8>,
    /// After a raw reply.
    pub reply_delimiter: Vec<u8>,
}

impl Format {
    /// The text of a reply. A `verbatim` reply is a text made for reading (INFO): only its bytes are printed.
    pub fn reply(&self, value: &Value, verbatim: bool) -> Vec<u8> {
        let mut out = Vec::new();
        if verbatim {
            self.raw(&mut out, value);
            return out;
        }
        match self.output {
            Output::Standard => standard(&mut out, value, ""),
            Output::Raw => {
                self.raw(&mut out, value);
                out.extend_from_slice(&self.reply_delimiter);
            }
            Output::Csv => {
                csv(&mut out, value);
                out.push(b'\n');
            }
            Output::Json | Output::QuotedJson => {
                json(&mut out, value, self.output);
                out.push(b'\n');
            }
        }
        out
    }

    /// The text of a push message.
    pub fn push(&self, value: &Value) -> Vec<u8> {
        if self.output == Output::Standard
            && let Some(keys) = invalidated(value)
        {
            let mut out = b"-> invalidate: ".to_vec();
            for (at, key) in keys.iter().enumerate() {
                out.extend_from_slice(if at > 0 { b", '" } else { b"'" });
                out.extend_from_slice(key);
                out.push(b'\'');
            }
            out.push(b'\n');
            return out;
        }
        self.reply(value, false)
    }

    fn raw(&self, out: &mut Vec<u8>, value: &Value) {
        match value {
            Value::Null => {}
            Value::Error(text) => {
                out.extend_from_slice(text);
                out.push(b'\n');
            }
            Value::Status(text)
            | Value::Bulk(text)
            | Value::Verbatim(_, text)
            | Value::Double(text)
            | Value::BigNumber(text) => out.extend_from_slice(text),
            Value::Bool(yes) => out.extend_from_slice(if *yes { b"(true)" } else { b"(false)" }),
            Value::Int(n) => out.extend_from_slice(n.to_string().as_bytes()),
            Value::Array(values) | Value::Set(values) | Value::Push(values) => {
                for (at, value) in values.iter().enumerate() {
                    if at > 0 {
                        out.extend_from_slice(&self.element_delimiter);
                    }
                    self.raw(out, value);
                }
            }
            Value::Map(pairs) => {
                for (at, (key, value)) in pairs.iter().enumerate() {
                    if at > 0 {
                        out.extend_from_slice(&self.element_delimiter);
                    }
                    self.raw(out, key);
                    out.push(b' ');
                    self.raw(out, value);
                }
            }
            Value::Attributed(_, about) => self.raw(out, about),
        }
    }
}

/// The keys that a push of client-side caching names.
fn invalidated(value: &Value) -> Option<Vec<&[u8]>> {
    match value {
        Value::Push(parts) => match parts.as_slice() {
            [Value::Bulk(kind), Value::Array(keys)] if kind.starts_with(b"invalidate") => {
                keys.iter().map(Value::text).collect()
            }
            _ => None,
        },
        _ => None,
    }
}

/// Writes the standard form. Every line but the first, which the caller has begun, starts with `prefix`.
fn standard(out: &mut Vec<u8>, value: &Value, prefix: &str) {
    match value {
        Value::Error(text) => line(out, &[b"(error) ", text]),
        Value::Status(text) | Value::Verbatim(_, text) => line(out, &[text]),
        Value::Int(n) => line(out, &[format!("(integer) {n}").as_bytes()]),
        Value::Double(text) => line(out, &[b"(double) ", text]),
        Value::BigNumber(text) => line(out, &[b"(big number) ", text]),
        Value::Bulk(text) => {
            quote(out, text);
            out.push(b'\n');
        }
        Value::Null => line(out, &[b"(nil)"]),
        Value::Bool(true) => line(out, &[b"(true)"]),
        Value::Bool(false) => line(out, &[b"(false)"]),
        Value::Array(values) if values.is_empty() => line(out, &[b"(empty array)"]),
        Value::Set(values) if values.is_empty() => line(out, &[b"(empty set)"]),
        Value::Push(values) if values.is_empty() => line(out, &[b"(empty push)"]),
        Value::Map(pairs) if pairs.is_empty() => line(out, &[b"(empty hash)"]),
        Value::Set(values) => numbered(out, values, '~', prefix),
        Value::Array(values) | Value::Push(values) => numbered(out, values, ')', prefix),
        Value::Map(pairs) => numbered_pairs(out, pairs, prefix),
        Value::Attributed(_, about) => standard(out, about, prefix),
    }
}

fn line(out: &mut Vec<u8>, parts: &[&[u8]]) {
    for part in parts {
        out.extend_from_slice(part);
    }
    out.push(b'\n');
}

fn numbered(out: &mut Vec<u8>, values: &[Value], mark: char, prefix: &str) {
    let width = values.len().to_string().len();
    let deeper = format!("{prefix}{:1$}", "", width + 2);
    for (at, value) in values.iter().enumerate() {
        let before = if at == 0 { "" } else { prefix };
        out.extend_from_slice(format!("{before}{:>width$}{mark} ", at + 1).as_bytes());
        standard(out, value, &deeper);
    }
}

fn numbered_pairs(out: &mut Vec<u8>, pairs: &[(Value, Value)], prefix: &str) {
    let width = pairs.len().to_string().len();
    let deeper = format!("{prefix}{:1$}", "", width + 2);
    for (at, (key, value)) in pairs.iter().enumerate() {
        let before = if at == 0 { "" } else { prefix };
        out.extend_from_slice(format!("{before}{:>width$}# ", at + 1).as_bytes());
        standard(out, key, &deeper);
        // The value continues the line of the key, unless it takes several lines.
        out.pop();
        out.extend_from_slice(b" => ");
        if is_multiline(value) {
            out.push(b'\n');
            out.extend_from_slice(deeper.as_bytes());
        }
        standard(out, value, &deeper);
    }
}

fn is_multiline(value: &Value) -> bool {
    match value {
        Value::Array(values) | Value::Set(values) | Value::Push(values) => {
            match values.as_slice() {
                [] => false,
                [only] => is_multiline(only),
                _ => true,
            }
        }
        Value::Map(pairs) => match pairs.as_slice() {
            [] => false,
            [(_, value)] => is_multiline(value),
            _ => true,
        },
        Value::Attributed(_, about) => is_multiline(about),
        _ => false,
    }
}

fn csv(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Error(text) => {
            out.extend_from_slice(b"ERROR,");
            quote(out, text);
        }
        Value::Status(text) | Value::Bulk(text) | Value::Verbatim(_, text) => quote(out, text),
        Value::Int(n) => out.extend_from_slice(n.to_string().as_bytes()),
        Value::Double(text) | Value::BigNumber(text) => out.extend_from_slice(text),
        Value::Null => out.extend_from_slice(b"NULL"),
        Value::Bool(yes) => out.extend_from_slice(yes.to_string().as_bytes()),
        Value::Array(values) | Value::Set(values) | Value::Push(values) => {
            separated(out, values, csv);
        }
        // CSV has no pairs: the map becomes a flat list.
        Value::Map(pairs) => separated(out, pairs, |out, (key, value)| {
            csv(out, key);
            out.push(b',');
            csv(out, value);
        }),
        Value::Attributed(_, about) => csv(out, about),
    }
}

fn json(out: &mut Vec<u8>, value: &Value, form: Output) {
    match value {
        Value::Error(text) => {
            out.extend_from_slice(b"error:");
            json_string(out, text, form);
        }
        Value::Status(text) | Value::Bulk(text) | Value::Verbatim(_, text) => {
            json_string(out, text, form);
        }
        Value::Int(n) => out.extend_from_slice(n.to_string().as_bytes()),
        Value::Double(text) | Value::BigNumber(text) if is_json_number(text) => {
            out.extend_from_slice(text);
        }
        Value::Double(text) | Value::BigNumber(text) => json_string(out, text, form),
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(yes) => out.extend_from_slice(yes.to_string().as_bytes()),
        Value::Array(values) | Value::Set(values) | Value::Push(values) => {
            out.push(b'[');
            separated(out, values, |out, value| json(out, value, form));
            out.push(b']');
        }
        Value::Map(pairs) => {
            out.push(b'{');
            separated(out, pairs, |out, (key, value)| {
                json_key(out, key, form);
                out.push(b':');
                json(out, value, form);
            });
            out.push(b'}');
        }
        Value::Attributed(_, about) => json(out, about, form),
    }
}

/// A key of a map, which is a string in JSON and anything in RESP3: what is not a string becomes one that holds its JSON.
fn json_key(out: &mut Vec<u8>, key: &Value, form: Output) {
    let mut text = Vec::new();
    json(&mut text, key, form);
    if text.starts_with(b"\"") {
        out.extend_from_slice(&text);
    } else {
        json_string(out, &text, Output::Json);
    }
}

/// Whether a number that the server wrote is one in JSON: `-1`, `1.5e+20`, but not `inf`, `nan`, `+1` or `.5`.
fn is_json_number(text: &[u8]) -> bool {
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let whole = digits(text);
    if whole == 0 || (whole > 1 && text[0] == b'0') {
        return false;
    }
    let mut rest = &text[whole..];
    if let Some(fraction) = rest.strip_prefix(b".") {
        let len = digits(fraction);
        if len == 0 {
            return false;
        }
        rest = &fraction[len..];
    }
    match rest {
        [] => true,
        [b'e' | b'E', b'+' | b'-', exponent @ ..] | [b'e' | b'E', exponent @ ..] => {
            !exponent.is_empty() && digits(exponent) == exponent.len()
        }
        _ => false,
    }
}

fn separated<T>(out: &mut Vec<u8>, values: &[T], mut write: impl FnMut(&mut Vec<u8>, &T)) {
    for (at, value) in values.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write(out, value);
    }
}

fn json_string(out: &mut Vec<u8>, text: &[u8], form: Output) {
    if form == Output::QuotedJson {
        let mut quoted = Vec::new();
        quote(&mut quoted, text);
        // The quoted text is ASCII without control characters; its outer quotes become those of the string.
        return json_string(out, &quoted[1..quoted.len() - 1], Output::Json);
    }
    out.push(b'"');
    for &byte in text {
        match byte {
            b'\\' | b'"' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            0x0c => out.extend_from_slice(b"\\f"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0..=0x1f => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

/// `text` in double quotes with escapes, as text.
pub fn quoted(text: &[u8]) -> String {
    // All bytes of a quoted text are printable ASCII.
    String::from_utf8_lossy(&words::quoted(text)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::{Format, Output, is_json_number};
    use conn::resp::{Decoder, Value};

    fn decode(input: &str) -> Value {
        let mut decoder = Decoder::default();
        decoder.feed(input.replace(' ', "\r\n").as_bytes());
        let value = decoder.next_value().expect("RESP");
        value.expect("a whole reply")
    }

    fn shown(value: &Value, output: Output) -> String {
        let format = Format {
            output,
            element_delimiter: b"\n".to_vec(),
            reply_delimiter: b"\n".to_vec(),
        };
        String::from_utf8(format.reply(value, false)).expect("text")
    }

    #[test]
    fn every_type_in_every_form() {
        // RESP with a blank for each line end · standard · raw · csv · json
        let table = [
            ("+OK ", "OK\n", "OK\n", "\"OK\"\n", "\"OK\"\n"),
            (
                "-ERR ",
                "(error) ERR\n",
                "ERR\n\n",
                "ERROR,\"ERR\"\n",
                "error:\"ERR\"\n",
            ),
            (":-3 ", "(integer) -3\n", "-3\n", "-3\n", "-3\n"),
            (
                "$2 a\" ",
                "\"a\\\"\"\n",
                "a\"\n",
                "\"a\\\"\"\n",
                "\"a\\\"\"\n",
            ),
            ("_ ", "(nil)\n", "\n", "NULL\n", "null\n"),
            ("$-1 ", "(nil)\n", "\n", "NULL\n", "null\n"),
            ("#t ", "(true)\n", "(true)\n", "true\n", "true\n"),
            (",1.5 ", "(double) 1.5\n", "1.5\n", "1.5\n", "1.5\n"),
            ("=7 txt:abc ", "abc\n", "abc\n", "\"abc\"\n", "\"abc\"\n"),
            ("(12 ", "(big number) 12\n", "12\n", "12\n", "12\n"),
            ("*0 ", "(empty array)\n", "\n", "\n", "[]\n"),
            ("~0 ", "(empty set)\n", "\n", "\n", "[]\n"),
            ("%0 ", "(empty hash)\n", "\n", "\n", "{}\n"),
            (">0 ", "(empty push)\n", "\n", "\n", "[]\n"),
            (
                "*2 :1 *2 :2 :3 ",
                "1) (integer) 1\n2) 1) (integer) 2\n   2) (integer) 3\n",
                "1\n2\n3\n",
                "1,2,3\n",
                "[1,[2,3]]\n",
            ),
            (
                "~2 +a +b ",
                "1~ a\n2~ b\n",
                "a\nb\n",
                "\"a\",\"b\"\n",
                "[\"a\",\"b\"]\n",
            ),
            (
                "%2 +k :1 :7 *2 +x +y ",
                "1# k => (integer) 1\n2# (integer) 7 => \n   1) x\n   2) y\n",
                "k 1\n7 x\ny\n",
                "\"k\",1,7,\"x\",\"y\"\n",
                "{\"k\":1,\"7\":[\"x\",\"y\"]}\n",
            ),
            ("|1 +ttl :3 +v ", "v\n", "v\n", "\"v\"\n", "\"v\"\n"),
        ];
        for (input, standard, raw, csv, json) in table {
            let value = decode(input);
            assert_eq!(shown(&value, Output::Standard), standard, "{input}");
            assert_eq!(shown(&value, Output::Raw), raw, "{input}");
            assert_eq!(shown(&value, Output::Csv), csv, "{input}");
            assert_eq!(shown(&value, Output::Json), json, "{input}");
        }
    }

    #[test]
    fn numbers_line_up() {
        let value = Value::Array((0..10).map(Value::Int).collect());
        let text = shown(&value, Output::Standard);
        assert!(text.starts_with(" 1) (integer) 0\n 2) "), "{text}");
        assert!(text.ends_with("10) (integer) 9\n"), "{text}");
    }

    #[test]
    fn json_escapes_what_it_must() {
        let value = Value::Bulk(b"\"\\\n\r\t\x08\x0c\x01/\x7f".to_vec());
        assert_eq!(
            shown(&value, Output::Json),
            "\"\\\"\\\\\\n\\r\\t\\b\\f\\u0001/\x7f\"\n"
        );
        let value = Value::Bulk(b"K\0\xf0\"".to_vec());
        assert_eq!(
            shown(&value, Output::QuotedJson),
            "\"K\\\\x00\\\\xf0\\\\\\\"\"\n"
        );
        let bytes = Value::Bulk(b"\xf0e".to_vec());
        let format = Format {
            output: Output::Json,
            element_delimiter: Vec::new(),
            reply_delimiter: Vec::new(),
        };
        assert_eq!(format.reply(&bytes, false), b"\"\xf0e\"\n");
    }

    #[test]
    fn json_is_valid_whatever_the_reply() {
        let json = |input: &str, form| shown(&decode(input), form);
        // RESP with a blank for each line end · JSON · quoted JSON
        let table = [
            (
                "$10 say_\"hi\"_x ",
                r#""say_\"hi\"_x""#,
                r#""say_\\\"hi\\\"_x""#,
            ),
            ("+a\\b ", r#""a\\b""#, r#""a\\\\b""#),
            (",inf ", r#""inf""#, r#""inf""#),
            (",-inf ", r#""-inf""#, r#""-inf""#),
            (",nan ", r#""nan""#, r#""nan""#),
            (",1e+20 ", "1e+20", "1e+20"),
            (
                "(-123456789012345678901234567890 ",
                "-123456789012345678901234567890",
                "-123456789012345678901234567890",
            ),
            ("%1 *1 +a :1 ", r#"{"[\"a\"]":1}"#, r#"{"[\"a\"]":1}"#),
            (
                "%1 %1 +a +b _ ",
                r#"{"{\"a\":\"b\"}":null}"#,
                r#"{"{\"a\":\"b\"}":null}"#,
            ),
            (
                "%2 _ #t ,inf #f ",
                r#"{"null":true,"inf":false}"#,
                r#"{"null":true,"inf":false}"#,
            ),
            (
                ">2 +invalidate *1 $1 k ",
                r#"["invalidate",["k"]]"#,
                r#"["invalidate",["k"]]"#,
            ),
            (
                "%1 +k *2 %1 +x *0 ~1 +y ",
                r#"{"k":[{"x":[]},["y"]]}"#,
                r#"{"k":[{"x":[]},["y"]]}"#,
            ),
        ];
        for (input, plain, quoted) in table {
            assert_eq!(json(input, Output::Json), format!("{plain}\n"), "{input}");
            assert_eq!(
                json(input, Output::QuotedJson),
                format!("{quoted}\n"),
                "{input}"
            );
        }
        for (text, is_number) in [
            ("0", true),
            ("-0.5", true),
            ("17", true),
            ("1E5", true),
            ("1e-300", true),
            ("1.25e+3", true),
            ("", false),
            ("-", false),
            ("01", false),
            ("1.", false),
            (".5", false),
            ("+1", false),
            ("1e", false),
            ("1e+", false),
            ("0x1", false),
            ("infinity", false),
        ] {
            assert_eq!(is_json_number(text.as_bytes()), is_number, "{text}");
        }
    }

    #[test]
    fn delimiters_are_used_in_raw_output_alone() {
        let format = |output| Format {
            output,
            element_delimiter: b"|".to_vec(),
            reply_delimiter: b"!".to_vec(),
        };
        let value = decode("*2 :1 :2 ");
        assert_eq!(format(Output::Raw).reply(&value, false), b"1|2!");
        assert_eq!(format(Output::Raw).reply(&value, true), b"1|2");
        assert_eq!(format(Output::Csv).reply(&value, false), b"1,2\n");
    }

    #[test]
    fn invalidations_are_one_line() {
        let format = Format {
            output: Output::Standard,
            element_delimiter: Vec::new(),
            reply_delimiter: Vec::new(),
        };
        let table = [
            (
                ">2 $10 invalidate *2 $1 a $1 b ",
                "-> invalidate: 'a', 'b'\n",
            ),
            (
                ">2 $10 invalidate *1 :1 ",
                "1) \"invalidate\"\n2) 1) (integer) 1\n",
            ),
            (">2 $10 invalidate _ ", "1) \"invalidate\"\n2) (nil)\n"),
        ];
        for (input, expected) in table {
            assert_eq!(format.push(&decode(input)), expected.as_bytes(), "{input}");
        }
    }
}
