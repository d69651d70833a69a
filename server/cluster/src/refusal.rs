//! Why a CLUSTER subcommand is refused: a text of Redis without `ERR`. It is bytes, since it may contain what a client sent.

use std::fmt;

use words::until_nul;

/// Why a subcommand is refused.
#[derive(Clone)]
pub struct Refusal(pub Vec<u8>);

impl Refusal {
    /// A text that ends with arguments, each after a part of the text. Redis shows an argument up to its first NUL.
    pub(crate) fn naming(parts: &[(&str, &[u8])]) -> Self {
        let mut text = Vec::new();
        for (part, argument) in parts {
            text.extend_from_slice(part.as_bytes());
            text.extend_from_slice(until_nul(argument));
        }
        Refusal(text)
    }
}

impl From<String> for Refusal {
    fn from(text: String) -> Self {
        Refusal(text.into_bytes())
    }
}

impl From<&str> for Refusal {
    fn from(text: &str) -> Self {
        Refusal(text.into())
    }
}

impl<T: AsRef<[u8]> + ?Sized> PartialEq<T> for Refusal {
    fn eq(&self, text: &T) -> bool {
        self.0 == text.as_ref()
    }
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}
