//! Arguments of library functions: their types, and the errors that Lua's own libraries raise for them.

use crate::function::Raise;
use crate::stack::{Kind, Stack};

impl Stack<'_> {
    /// An error about an argument, by the name that the script used for the function.
    #[must_use]
    pub fn fail_argument(&mut self, argument: i32, message: &[u8]) -> Raise {
        let (name, method) = self.called_as().unwrap_or_else(|| (b"?".to_vec(), false));
        let argument = argument - i32::from(method);
        let (before, between) = if method && argument == 0 {
            ("calling '".to_owned(), "' on bad self (")
        } else {
            (format!("bad argument #{argument} to '"), "' (")
        };
        let parts = [before.as_bytes(), &name, between.as_bytes(), message, b")"];
        self.fail_here(&parts.concat())
    }

    /// The name of a value's type; that of an index above the top is `no value`.
    pub fn type_name(&self, index: i32) -> &'static str {
        match self.kind(index) {
            Kind::None => "no value",
            Kind::Nil => "nil",
            Kind::Boolean => "boolean",
            Kind::Light | Kind::Userdata => "userdata",
            Kind::Number => "number",
            Kind::String => "string",
            Kind::Table => "table",
            Kind::Function => "function",
            Kind::Thread => "thread",
        }
    }

    /// An error about the type of an argument.
    #[must_use]
    pub fn fail_type(&mut self, argument: i32, expected: &str) -> Raise {
        let found = self.type_name(argument);
        let message = format!("{expected} expected, got {found}");
        self.fail_argument(argument, message.as_bytes())
    }

    /// An argument that is a number, or a string that looks like one.
    ///
    /// # Errors
    /// If it is not a number.
    pub fn check_number(&mut self, argument: i32) -> Result<f64, Raise> {
        self.numeric(argument)
            .ok_or_else(|| self.fail_type(argument, "number"))
    }

    /// An argument that is a number, without its fraction.
    ///
    /// # Errors
    /// If it is not a number.
    pub fn check_integer(&mut self, argument: i32) -> Result<i64, Raise> {
        self.check_number(argument).map(to_integer)
    }

    /// As [`Stack::check_integer`]; an argument that is absent or nil has a default.
    ///
    /// # Errors
    /// If it is neither a number nor absent.
    pub fn optional_integer(&mut self, argument: i32, default: i64) -> Result<i64, Raise> {
        match self.kind(argument) {
            Kind::None | Kind::Nil => Ok(default),
            _ => self.check_integer(argument),
        }
    }

    /// Makes sure that an argument is a string; a number becomes one in its place.
    ///
    /// # Errors
    /// If it is neither.
    pub fn check_bytes(&mut self, argument: i32) -> Result<(), Raise> {
        match self.textual(argument) {
            true => Ok(()),
            false => Err(self.fail_type(argument, "string")),
        }
    }
}

/// The conversion of Lua on x86-64: what no integer holds becomes the least one.
pub fn to_integer(number: f64) -> i64 {
    const BEYOND: f64 = 9_223_372_036_854_775_808.0;
    if (-BEYOND..BEYOND).contains(&number) {
        number as i64
    } else {
        i64::MIN
    }
}

/// The part of a text that C sees: up to a NUL byte.
pub fn c_text(text: &[u8]) -> &[u8] {
    match text.iter().position(|&byte| byte == 0) {
        Some(end) => &text[..end],
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_become_integers_as_on_x86() {
        for (number, integer) in [
            (1.9, 1),
            (-1.9, -1),
            (9.3e18, i64::MIN),
            (-9.3e18, i64::MIN),
            (f64::INFINITY, i64::MIN),
            (f64::NAN, i64::MIN),
        ] {
            assert_eq!(to_integer(number), integer, "{number}");
        }
    }
}
