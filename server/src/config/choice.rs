//! Types whose values are words of a fixed list.
//!
//! A directive of such a type is read and written by [`Choice`]; the list is written once, beside the type.

/// A value that the configuration names by a word.
pub trait Choice: Copy + PartialEq + 'static {
    /// Words and what they stand for, in the order in which an error lists them. Of several words for one value the
    /// first is the one it is shown as.
    const WORDS: &'static [(&'static str, Self)];

    /// The word of a value.
    fn word(self) -> &'static str {
        let found = Self::WORDS.iter().find(|(_, value)| *value == self);
        found.map_or("unknown", |(word, _)| word)
    }

    /// The value of a word, case-insensitively.
    fn of_word(word: &[u8]) -> Option<Self> {
        let found = Self::WORDS
            .iter()
            .find(|(known, _)| known.as_bytes().eq_ignore_ascii_case(word));
        found.map(|(_, value)| *value)
    }
}

/// The error for a word that is not in the list.
pub fn none_of(words: impl Iterator<Item = &'static str>) -> String {
    let list = words.collect::<Vec<_>>().join(", ");
    format!("argument(s) must be one of the following: {list}")
}

/// Declares an enum and the words of its values.
#[macro_export]
macro_rules! choices {
    ($(#[$about:meta])* $name:ident { $($(#[$meta:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub enum $name {
            $($(#[$meta])* $variant,)*
        }

        impl $crate::config::choice::Choice for $name {
            const WORDS: &'static [(&'static str, Self)] = &[$(($word, $name::$variant),)*];
        }
    };
}

#[cfg(test)]
mod tests {
    use super::{Choice, none_of};

    choices! {
        /// Test enum.
        Size {
            /// 1.
            #[default]
            Small = "small",
            /// 2.
            Big = "big",
        }
    }

    #[test]
    fn words_and_values_stand_for_each_other() {
        assert_eq!(Size::of_word(b"BIG"), Some(Size::Big));
        assert_eq!(Size::of_word(b"bigger"), None);
        assert_eq!(Size::Small.word(), "small");
        assert_eq!(
            none_of(Size::WORDS.iter().map(|(word, _)| *word)),
            "argument(s) must be one of the following: small, big"
        );
    }
}
