//! Arguments of a row: the tree that COMMAND DOCS, redis-cli's hints and its help are derived from.
//!
//! A row builds the tree with the small functions below, one per kind, and refines a node with chained calls:
//!
//! ```text
//! .args(&[key("key", 0), string("value"), integer("seconds").token("EX").optional()])
//! ```

/// The kind of an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArgKind {
    /// Any bytes.
    String,
    /// A signed 64-bit integer.
    Integer,
    /// A floating-point number.
    Double,
    /// The name of a key.
    Key,
    /// A glob pattern.
    Pattern,
    /// A Unix time, in the unit that the name implies.
    UnixTime,
    /// The token alone, without a value.
    PureToken,
    /// Exactly one of the nested arguments.
    OneOf,
    /// All nested arguments, in order.
    Block,
}

impl ArgKind {
    /// The `type` that COMMAND DOCS reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Integer => "integer",
            Self::Double => "double",
            Self::Key => "key",
            Self::Pattern => "pattern",
            Self::UnixTime => "unix-time",
            Self::PureToken => "pure-token",
            Self::OneOf => "oneof",
            Self::Block => "block",
        }
    }

    /// Whether the argument consists of nested ones and has no value of its own.
    #[must_use]
    pub const fn is_nested(self) -> bool {
        matches!(self, Self::OneOf | Self::Block)
    }
}

/// An argument of a command, or a nested argument.
#[derive(Clone, Copy, Debug)]
pub struct Arg {
    /// Unique among its siblings.
    pub name: &'static str,
    /// Its kind.
    pub kind: ArgKind,
    /// The literal word before the value, or instead of one.
    pub token: Option<&'static str>,
    /// Index into the key specs of the row, for keys.
    pub key_spec: Option<u8>,
    /// May be omitted.
    pub optional: bool,
    /// May be repeated.
    pub multiple: bool,
    /// Each repetition repeats the token too.
    pub multiple_token: bool,
    /// The version that added it, if later than the command.
    pub since: Option<&'static str>,
    /// The version that deprecated it.
    pub deprecated_since: Option<&'static str>,
    /// Text to display instead of the name.
    pub display: Option<&'static str>,
    /// Nested arguments of [`ArgKind::OneOf`] and [`ArgKind::Block`].
    pub args: &'static [Arg],
}

impl Arg {
    /// Sets the token.
    #[must_use]
    pub const fn token(mut self, token: &'static str) -> Self {
        self.token = Some(token);
        self
    }

    /// Sets the index of the key spec.
    #[must_use]
    pub const fn spec(mut self, index: u8) -> Self {
        self.key_spec = Some(index);
        self
    }

    /// Marks it as optional.
    #[must_use]
    pub const fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    /// Marks it as repeatable.
    #[must_use]
    pub const fn multiple(mut self) -> Self {
        self.multiple = true;
        self
    }

    /// Marks it as repeatable together with its token.
    #[must_use]
    pub const fn multiple_token(mut self) -> Self {
        self.multiple = true;
        self.multiple_token = true;
        self
    }

    /// Sets the version that added it.
    #[must_use]
    pub const fn since(mut self, version: &'static str) -> Self {
        self.since = Some(version);
        self
    }

    /// Sets the version that deprecated it.
    #[must_use]
    pub const fn deprecated(mut self, version: &'static str) -> Self {
        self.deprecated_since = Some(version);
        self
    }

    /// Sets the text to display instead of the name.
    #[must_use]
    pub const fn display(mut self, text: &'static str) -> Self {
        self.display = Some(text);
        self
    }

    /// The placeholder for its value in a line of syntax.
    #[must_use]
    pub const fn text(&self) -> &'static str {
        match self.display {
            Some(text) => text,
            None => self.name,
        }
    }

    /// The `flags` that COMMAND DOCS reports.
    pub fn labels(&self) -> impl Iterator<Item = &'static str> {
        [
            (self.optional, "optional"),
            (self.multiple, "multiple"),
            (self.multiple_token, "multiple_token"),
        ]
        .into_iter()
        .filter_map(|(set, label)| set.then_some(label))
    }
}

const fn arg(name: &'static str, kind: ArgKind) -> Arg {
    Arg {
        name,
        kind,
        token: None,
        key_spec: None,
        optional: false,
        multiple: false,
        multiple_token: false,
        since: None,
        deprecated_since: None,
        display: None,
        args: &[],
    }
}

/// Any bytes.
#[must_use]
pub const fn string(name: &'static str) -> Arg {
    arg(name, ArgKind::String)
}

/// A signed 64-bit integer.
#[must_use]
pub const fn integer(name: &'static str) -> Arg {
    arg(name, ArgKind::Integer)
}

/// A floating-point number.
#[must_use]
pub const fn double(name: &'static str) -> Arg {
    arg(name, ArgKind::Double)
}

/// A key, with the index of its key spec.
#[must_use]
pub const fn key(name: &'static str, spec: u8) -> Arg {
    arg(name, ArgKind::Key).spec(spec)
}

/// A glob pattern.
#[must_use]
pub const fn pattern(name: &'static str) -> Arg {
    arg(name, ArgKind::Pattern)
}

/// A Unix time.
#[must_use]
pub const fn unix_time(name: &'static str) -> Arg {
    arg(name, ArgKind::UnixTime)
}

/// A literal word.
#[must_use]
pub const fn token(name: &'static str, token: &'static str) -> Arg {
    arg(name, ArgKind::PureToken).token(token)
}

/// Exactly one of several arguments.
#[must_use]
pub const fn one_of(name: &'static str, args: &'static [Arg]) -> Arg {
    let mut node = arg(name, ArgKind::OneOf);
    node.args = args;
    node
}

/// Several arguments in order.
#[must_use]
pub const fn block(name: &'static str, args: &'static [Arg]) -> Arg {
    let mut node = arg(name, ArgKind::Block);
    node.args = args;
    node
}

#[cfg(test)]
mod tests {
    use super::{Arg, ArgKind};
    use crate::{iter, spec};

    fn each(args: &'static [Arg], check: &mut dyn FnMut(&'static [Arg], &'static Arg)) {
        for arg in args {
            check(args, arg);
            each(arg.args, check);
        }
    }

    #[test]
    fn arguments_are_consistent() {
        for id in iter() {
            let row = spec(id);
            let keys = row.key_specs().len();
            each(row.args, &mut |siblings, arg| {
                let place = format!("{} {}", row.full_name, arg.name);
                let same = siblings.iter().filter(|other| other.name == arg.name);
                assert_eq!(same.count(), 1, "{place}");
                assert_eq!(arg.kind.is_nested(), !arg.args.is_empty(), "{place}");
                assert!(arg.kind != ArgKind::OneOf || arg.args.len() > 1, "{place}");
                assert!(
                    arg.key_spec.is_none_or(|key| usize::from(key) < keys),
                    "{place}"
                );
                assert!(
                    arg.kind != ArgKind::Key || arg.key_spec.is_some(),
                    "{place}"
                );
                assert!(
                    arg.kind != ArgKind::PureToken || arg.token.is_some(),
                    "{place}"
                );
                assert!(arg.multiple || !arg.multiple_token, "{place}");
                assert_eq!(arg.name, arg.name.to_ascii_lowercase(), "{place}");
            });
        }
    }
}
