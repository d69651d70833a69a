//! A directive as a row: its name, how it is read and written, and the effects of a change.
//!
//! ```text
//! int("timeout", field!(timeout), 0, INT).default("0").doc("Seconds after which …")
//! ```
//!
//! A row accesses its field in [`Params`] by a pair of function pointers ([`Field`], made by `field!`). [`Row::set`]
//! parses text and [`Row::get`] returns the text of CONFIG GET, which parses to the same value.
//!
//! # Invariants
//! 1. `row.set(row.get())` changes nothing.
//! 2. A blank value (`Params::blank`) is equal to an empty default, so an empty default is never applied.

use bitflags::bitflags;
use data::util::num::{parse_i64, parse_memory};

use crate::config::choice::{Choice, none_of};
use crate::config::params::Params;

/// Maxima of Redis's integer types.
pub const INT: i64 = i32::MAX as i64;
/// The same, unsigned.
pub const UINT: i64 = u32::MAX as i64;
/// The same, 64 bits.
pub const LONG: i64 = i64::MAX;

/// Error for a wrong number of words.
pub const WRONG_ARGS: &str = "wrong number of arguments";

/// What must be done when a value changes at run time; `commands/config` maps effects to functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The plain TCP sockets are reopened.
    Port,
    /// The TLS sockets are reopened.
    TlsPort,
    /// All TCP sockets are reopened.
    Bind,
    /// Certificates and TLS settings are reloaded.
    Tls,
    /// The limit of descriptors is raised for that many clients.
    Maxclients,
    /// The log level changes.
    LogLevel,
    /// `oom_score_adj` is applied.
    OomScore,
    /// The process title is updated.
    ProcTitle,
    /// The working directory changes.
    Dir,
    /// The allocator's background thread starts or stops.
    AllocatorThread,
    /// The collation locale changes.
    Locale,
    /// The software watchdog is set or stopped.
    Watchdog,
    /// Crashes are reported or not.
    CrashLog,
    /// The memory of clients becomes decisive.
    MaxmemoryClients,
    /// Keys are evicted to meet a new limit of memory.
    Maxmemory,
    /// The slow log and the latency monitor get other thresholds.
    Observers,
    /// The slow log is shortened.
    SlowLogLen,
    /// Tracked keys beyond a new limit are to be forgotten.
    TrackingLimit,
    /// The default user gets another password.
    RequirePass,
    /// The append-only file is switched on or off.
    AppendOnly,
    /// Append-only files that are no longer needed are deleted.
    AppendOnlyHistory,
}

bitflags! {
    /// Properties of a directive.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Flags: u16 {
        /// Only set at start (immutable).
        const IMMUTABLE = 1 << 0;
        /// The value is a secret: no log shows it.
        const SENSITIVE = 1 << 1;
        /// CONFIG SET needs `enable-protected-configs`.
        const PROTECTED = 1 << 2;
        /// CONFIG GET shows it only by its full name.
        const HIDDEN = 1 << 3;
        /// Its value consists of several words.
        const MULTI_ARG = 1 << 4;
        /// The same value may mean something new (a file was replaced), so its effect applies even if nothing changed.
        const VOLATILE = 1 << 5;
        /// Cannot be changed while a data set is being loaded.
        const DENY_LOADING = 1 << 6;
        /// Its value is shown in a crash report.
        const DEBUG = 1 << 7;
        /// Further lines of a file are added to the first.
        const ACCUMULATES = 1 << 8;
    }
}

/// Access to a value in [`Params`].
pub struct Field<T: 'static> {
    /// Reads it.
    pub get: fn(&Params) -> &T,
    /// Writes it.
    pub get_mut: fn(&mut Params) -> &mut T,
}

/// The [`Field`] of the given name: `field!(timeout)`, `field!(tls.groups)`.
#[macro_export]
macro_rules! field {
    ($($path:ident).+) => {
        $crate::config::row::Field { get: |params| &params.$($path).+, get_mut: |params| &mut params.$($path).+ }
    };
}

/// A field whose type is a [`Choice`].
pub struct ChoiceField {
    /// The word of the current value.
    pub word: fn(&Params) -> &'static str,
    /// Sets the value of a word; `false` when there is no such word.
    pub set: fn(&mut Params, &[u8]) -> bool,
    /// The error for an unknown word.
    pub complaint: fn() -> String,
}

/// The [`ChoiceField`] of a field and its type: `choice!(loglevel: Level)`.
#[macro_export]
macro_rules! choice {
    ($($path:ident).+: $type:ty) => {
        $crate::config::row::ChoiceField {
            word: |params| $crate::config::choice::Choice::word(params.$($path).+),
            set: |params, word| $crate::config::row::choose(&mut params.$($path).+, word),
            complaint: $crate::config::row::complaint::<$type>,
        }
    };
}

/// Sets a value by its word; `false` when there is no such word.
pub fn choose<T: Choice>(value: &mut T, word: &[u8]) -> bool {
    let chosen = T::of_word(word);
    *value = chosen.unwrap_or(*value);
    chosen.is_some()
}

/// The error for an unknown word.
pub fn complaint<T: Choice>() -> String {
    none_of(T::WORDS.iter().map(|(word, _)| *word))
}

/// The text format of an integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Decimal.
    Plain,
    /// An amount of memory: `64mb`.
    Memory,
    /// An amount of memory, or a percentage, which is stored as a negative number.
    MemoryOrPercent,
    /// Octal, for file modes.
    Octal,
}

/// Checks a text; returns the error.
pub type Check = fn(&str) -> Result<(), &'static str>;

/// Writes the lines of a directive, from its row, the values and the defaults.
pub type Lines = fn(&Row, &Params, &Params) -> Vec<Line>;

/// A line for the configuration file.
#[derive(Debug, PartialEq, Eq)]
pub struct Line {
    /// The complete line.
    pub text: Vec<u8>,
    /// It is written even if the file had no line for the directive.
    pub force: bool,
}

/// Functions for a value that fits no other kind.
pub struct Special {
    /// Parses words.
    pub set: fn(&mut Params, &[&[u8]]) -> Result<(), String>,
    /// The text of CONFIG GET.
    pub get: fn(&Params) -> String,
    /// Lines for the file; `None` is the line `name value`.
    pub lines: Option<Lines>,
}

/// The kind of a directive's value.
pub enum Kind {
    /// yes or no.
    Bool(Field<bool>),
    /// An integer from `min` to `max`.
    Int {
        /// Its field.
        field: Field<i64>,
        /// Minimum.
        min: i64,
        /// Maximum.
        max: i64,
        /// Text format.
        unit: Unit,
    },
    /// A text.
    Text {
        /// Its field.
        field: Field<String>,
        /// The empty text means none and is not written to the file.
        unset: bool,
        /// Its check.
        check: Check,
    },
    /// An optional text.
    OptionalText(Field<Option<String>>),
    /// Optional bytes.
    Bytes(Field<Vec<u8>>),
    /// One word of a list.
    Choice(ChoiceField),
    /// Anything else.
    Special(Special),
}

/// A directive.
pub struct Row {
    /// Its name.
    pub name: &'static str,
    /// An older name that is still accepted.
    pub alias: Option<&'static str>,
    /// How it is read and written.
    pub kind: Kind,
    /// Its properties.
    pub flags: Flags,
    /// Its default.
    pub default: &'static str,
    /// The effects of a change, in this order; empty if the value is read when it is needed.
    pub effects: &'static [Effect],
    /// One sentence of documentation, against which `redis.conf` is checked.
    pub doc: &'static str,
}

/// A row of any kind.
const fn row(name: &'static str, kind: Kind) -> Row {
    Row {
        name,
        alias: None,
        kind,
        flags: Flags::empty(),
        default: "",
        effects: &[],
        doc: "",
    }
}

/// A row of yes or no.
pub const fn yes_no(name: &'static str, field: Field<bool>) -> Row {
    row(name, Kind::Bool(field))
}

/// A row of an integer.
pub const fn int(name: &'static str, field: Field<i64>, min: i64, max: i64) -> Row {
    row(
        name,
        Kind::Int {
            field,
            min,
            max,
            unit: Unit::Plain,
        },
    )
}

/// A row of an amount of memory.
pub const fn memory(name: &'static str, field: Field<i64>, min: i64, max: i64) -> Row {
    row(
        name,
        Kind::Int {
            field,
            min,
            max,
            unit: Unit::Memory,
        },
    )
}

/// A row of an amount of memory, or of a percentage up to 100.
pub const fn memory_or_percent(name: &'static str, field: Field<i64>) -> Row {
    row(
        name,
        Kind::Int {
            field,
            min: -100,
            max: LONG,
            unit: Unit::MemoryOrPercent,
        },
    )
}

/// A row of a file mode.
pub const fn octal(name: &'static str, field: Field<i64>, max: i64) -> Row {
    row(
        name,
        Kind::Int {
            field,
            min: 0,
            max,
            unit: Unit::Octal,
        },
    )
}

/// A row of a text; an empty one is a value like any other.
pub const fn text(name: &'static str, field: Field<String>) -> Row {
    row(
        name,
        Kind::Text {
            field,
            unset: false,
            check: |_| Ok(()),
        },
    )
}

/// A row of a text; an empty one means none.
pub const fn optional(name: &'static str, field: Field<String>) -> Row {
    row(
        name,
        Kind::Text {
            field,
            unset: true,
            check: |_| Ok(()),
        },
    )
}

/// A row of a text that is kept as an `Option`.
pub const fn option(name: &'static str, field: Field<Option<String>>) -> Row {
    row(name, Kind::OptionalText(field))
}

/// A row of any bytes.
pub const fn bytes(name: &'static str, field: Field<Vec<u8>>) -> Row {
    row(name, Kind::Bytes(field))
}

/// A row of a word.
pub const fn choice(name: &'static str, field: ChoiceField) -> Row {
    row(name, Kind::Choice(field))
}

/// A row with functions of its own.
pub const fn special(name: &'static str, special: Special) -> Row {
    row(name, Kind::Special(special))
}

impl Row {
    /// Adds an older name.
    pub const fn alias(mut self, alias: &'static str) -> Self {
        self.alias = Some(alias);
        self
    }

    /// Adds properties.
    pub const fn flags(mut self, flags: Flags) -> Self {
        self.flags = self.flags.union(flags);
        self
    }

    /// Makes it immutable.
    pub const fn immutable(self) -> Self {
        self.flags(Flags::IMMUTABLE)
    }

    /// Hides it from patterns of CONFIG GET.
    pub const fn hidden(self) -> Self {
        self.flags(Flags::HIDDEN)
    }

    /// Sets its default.
    pub const fn default(mut self, default: &'static str) -> Self {
        self.default = default;
        self
    }

    /// Sets its effects.
    pub const fn effects(mut self, effects: &'static [Effect]) -> Self {
        self.effects = effects;
        self
    }

    /// Sets the check of its text.
    ///
    /// # Panics
    /// At compile time, for another kind.
    pub const fn check(mut self, new: Check) -> Self {
        match &mut self.kind {
            Kind::Text { check, .. } => *check = new,
            _ => panic!("only a text has a check"),
        }
        self
    }

    /// Sets its documentation.
    pub const fn doc(mut self, doc: &'static str) -> Self {
        self.doc = doc;
        self
    }

    /// Parses words into the directive's field. On an error `params` may be partly changed, so a copy must be used.
    ///
    /// # Errors
    /// The error text, as in Redis.
    pub fn set(&self, params: &mut Params, words: &[&[u8]]) -> Result<(), String> {
        if let Kind::Special(special) = &self.kind {
            (special.set)(params, words)?;
        } else {
            let [word] = words else {
                return Err(WRONG_ARGS.into());
            };
            self.set_word(params, word)?;
        }
        Ok(())
    }

    /// Parses a text, which is split at blanks if the directive takes several words.
    ///
    /// # Errors
    /// As [`Row::set`].
    pub fn set_text(&self, params: &mut Params, text: &[u8]) -> Result<(), String> {
        if !self.flags.contains(Flags::MULTI_ARG) {
            return self.set(params, &[text]);
        }
        let words: Vec<&[u8]> = text.split(|&byte| byte == b' ').collect();
        self.set(params, if text.is_empty() { &[] } else { &words })
    }

    /// The text of the directive's value.
    pub fn get(&self, params: &Params) -> Vec<u8> {
        let text = match &self.kind {
            Kind::Bool(field) => if *(field.get)(params) { "yes" } else { "no" }.to_owned(),
            Kind::Int { field, unit, .. } => int_text(*(field.get)(params), *unit),
            Kind::Text { field, .. } => (field.get)(params).clone(),
            Kind::OptionalText(field) => (field.get)(params).clone().unwrap_or_default(),
            Kind::Bytes(field) => return (field.get)(params).clone(),
            Kind::Choice(field) => (field.word)(params).to_owned(),
            Kind::Special(special) => (special.get)(params),
        };
        text.into_bytes()
    }

    fn set_word(&self, params: &mut Params, word: &[u8]) -> Result<(), String> {
        match &self.kind {
            Kind::Bool(field) => *(field.get_mut)(params) = parse_bool(word)?,
            Kind::Int {
                field,
                min,
                max,
                unit,
            } => {
                *(field.get_mut)(params) = parse_int(word, *min, *max, *unit)?;
            }
            Kind::Text { field, check, .. } => {
                let text = utf8(word)?;
                check(text)?;
                text.clone_into((field.get_mut)(params));
            }
            Kind::OptionalText(field) => {
                let text = utf8(word)?;
                *(field.get_mut)(params) = (!text.is_empty()).then(|| text.to_owned());
            }
            Kind::Bytes(field) => word.clone_into((field.get_mut)(params)),
            Kind::Choice(field) => {
                if !(field.set)(params, word) {
                    return Err((field.complaint)());
                }
            }
            Kind::Special(_) => {}
        }
        Ok(())
    }
}

fn parse_bool(word: &[u8]) -> Result<bool, String> {
    if word.eq_ignore_ascii_case(b"yes") {
        Ok(true)
    } else if word.eq_ignore_ascii_case(b"no") {
        Ok(false)
    } else {
        Err("argument must be 'yes' or 'no'".into())
    }
}

fn parse_int(word: &[u8], min: i64, max: i64, unit: Unit) -> Result<i64, String> {
    // An amount of memory that overflows is out of range.
    let (number, min) = match unit {
        Unit::Plain => (
            parse_i64(word).ok_or("argument couldn't be parsed into an integer")?,
            min,
        ),
        Unit::Octal => (
            parse_octal(word).ok_or("argument couldn't be parsed as an octal number")?,
            min,
        ),
        Unit::Memory => {
            let bytes = parse_memory(word).ok_or("argument must be a memory value")?;
            (i64::try_from(bytes).unwrap_or(-1), min)
        }
        Unit::MemoryOrPercent => match parse_memory(word) {
            Some(bytes) => (i64::try_from(bytes).unwrap_or(-1), 0),
            None => return parse_percent(word, -min),
        },
    };
    if (min..=max).contains(&number) {
        return Ok(number);
    }
    Err(match unit {
        Unit::Octal => format!("argument must be between {min:o} and {max:o} inclusive"),
        _ => format!("argument must be between {min} and {max} inclusive"),
    })
}

fn parse_octal(word: &[u8]) -> Option<i64> {
    i64::from_str_radix(str::from_utf8(word).ok()?, 8).ok()
}

fn parse_percent(word: &[u8], max: i64) -> Result<i64, String> {
    let percent = word
        .strip_suffix(b"%")
        .and_then(parse_i64)
        .filter(|percent| *percent >= 0);
    match percent {
        Some(percent) if percent <= max => Ok(-percent),
        Some(_) => Err(format!(
            "percentage argument must be less or equal to {max}"
        )),
        None => Err("argument must be a memory or percent value".into()),
    }
}

fn utf8(word: &[u8]) -> Result<&str, String> {
    let text = str::from_utf8(word)
        .ok()
        .filter(|text| !text.contains('\0'));
    text.ok_or_else(|| "argument must be valid UTF-8 without NUL".into())
}

fn int_text(number: i64, unit: Unit) -> String {
    match unit {
        Unit::Octal => format!("{number:o}"),
        Unit::MemoryOrPercent if number < 0 => format!("{}%", -number),
        Unit::Plain | Unit::Memory | Unit::MemoryOrPercent => number.to_string(),
    }
}
