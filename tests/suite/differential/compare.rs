//! When two replies count as equal.

use conn::resp::Value;
use data::util::num::parse_f64;

/// How the replies to a command are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum As {
    /// Equal byte for byte.
    Exact,
    /// Equal byte for byte, or both errors.
    Refused,
    /// As groups of this many elements in any order: the order is unspecified, and the hash tables of the servers
    /// differ.
    Groups(usize),
    /// Numbers by value: 7.0 formats a score with 17 digits, 7.2 with the fewest that identify it.
    Scores,
    /// Pairs of a member and a score, in any order.
    ScoreGroups,
    /// Without one field of every list of `of` elements.
    Without { field: usize, of: usize },
    /// By type and number of elements, for replies that depend on chance or time.
    Shape,
    /// Not compared, since 7.2 replies differently.
    Ignored,
}

impl As {
    /// Whether two replies are equal in this sense.
    pub fn same(self, ours: &Value, theirs: &Value) -> bool {
        match self {
            As::Exact => ours == theirs,
            As::Refused => {
                ours == theirs || matches!((ours, theirs), (Value::Error(_), Value::Error(_)))
            }
            As::Groups(size) => sorted(ours, size) == sorted(theirs, size),
            As::Scores => with_numbers(ours) == with_numbers(theirs),
            As::ScoreGroups => sorted(&with_numbers(ours), 2) == sorted(&with_numbers(theirs), 2),
            As::Without { field, of } => without(ours, field, of) == without(theirs, field, of),
            As::Shape => shape(ours) == shape(theirs),
            As::Ignored => true,
        }
    }
}

/// A reply on one line, with its types.
pub fn describe(reply: &Value) -> String {
    let list = |replies: &[Value]| replies.iter().map(describe).collect::<Vec<_>>().join(" ");
    match reply {
        Value::Array(replies) => format!("[{}]", list(replies)),
        Value::Set(replies) => format!("~[{}]", list(replies)),
        Value::Map(pairs) => {
            let pairs: Vec<String> = pairs
                .iter()
                .map(|(key, value)| format!("{} = {}", describe(key), describe(value)))
                .collect();
            format!("{{{}}}", pairs.join(", "))
        }
        Value::Bulk(text) => format!("\"{}\"", text.escape_ascii()),
        Value::Status(text) => format!("+{}", text.escape_ascii()),
        Value::Error(text) => format!("-{}", text.escape_ascii()),
        Value::Double(text) => format!(",{}", text.escape_ascii()),
        other => format!("{other:?}"),
    }
}

/// A reply as text, with unordered elements sorted.
fn sorted(reply: &Value, group: usize) -> String {
    let list = |elements: &[Value]| {
        // The elements of a scan are nested in its reply; the cursor stays in front of them.
        if let [cursor @ Value::Bulk(_), inner @ Value::Array(_)] = elements {
            return format!("{cursor:?} {}", sorted(inner, group));
        }
        let mut groups: Vec<String> = elements
            .chunks(group)
            .map(|elements| format!("{elements:?}"))
            .collect();
        groups.sort();
        groups.join(",")
    };
    match reply {
        Value::Array(elements) => format!("array {}", list(elements)),
        Value::Set(elements) => format!("set {}", list(elements)),
        Value::Map(pairs) => {
            let mut pairs: Vec<String> = pairs.iter().map(|pair| format!("{pair:?}")).collect();
            pairs.sort();
            format!("map {}", pairs.join(","))
        }
        other => format!("{other:?}"),
    }
}

/// The reply with every number formatted alike.
fn with_numbers(reply: &Value) -> Value {
    let number = |text: &[u8]| parse_f64(text).map(|number| number.to_string().into_bytes());
    match reply {
        Value::Bulk(text) => Value::Bulk(number(text).unwrap_or_else(|| text.clone())),
        Value::Double(text) => Value::Double(number(text).unwrap_or_else(|| text.clone())),
        Value::Array(elements) => Value::Array(elements.iter().map(with_numbers).collect()),
        other => other.clone(),
    }
}

fn without(reply: &Value, field: usize, of: usize) -> Value {
    match reply {
        // A list of `of` lists is not meant: its elements are.
        Value::Array(fields) if fields.len() == of && !matches!(fields[0], Value::Array(_)) => {
            let mut fields = fields.clone();
            fields[field] = Value::Null;
            Value::Array(fields)
        }
        Value::Map(pairs) if pairs.len() * 2 == of => {
            let mut pairs = pairs.clone();
            pairs[field / 2].1 = Value::Null;
            Value::Map(pairs)
        }
        Value::Array(elements) => Value::Array(
            elements
                .iter()
                .map(|element| without(element, field, of))
                .collect(),
        ),
        other => other.clone(),
    }
}

fn shape(reply: &Value) -> String {
    match reply {
        Value::Array(elements) => {
            let elements: Vec<String> = elements.iter().map(shape).collect();
            format!("array of {}", elements.join(","))
        }
        Value::Bulk(_) => "bulk".to_owned(),
        Value::Int(_) => "integer".to_owned(),
        other => format!("{other:?}"),
    }
}
