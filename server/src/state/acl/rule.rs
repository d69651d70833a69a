//! Why an ACL rule is refused, with Redis's text for each reason.

/// The reason why a rule cannot be applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleError {
    /// A command or a category does not exist.
    Unknown,
    /// The rule is not understood.
    Syntax,
    /// A key pattern after `allkeys`.
    KeysComplete,
    /// A channel pattern after `allchannels`.
    ChannelsComplete,
    /// The password to be removed does not exist.
    NoSuchPassword,
    /// The hash of a password is not 64 lowercase hexadecimal digits.
    BadHash,
    /// A first-argument rule for a subcommand.
    FirstArgOfSubcommand,
    /// The user's rules are longer than 4 GiB.
    TooLong,
}

impl RuleError {
    /// The text that replies and logs show.
    pub fn text(self) -> &'static str {
        match self {
            RuleError::Unknown => "Unknown command or category name in ACL",
            RuleError::Syntax => "Syntax error",
            RuleError::KeysComplete => {
                "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any \
                 effect. Try 'resetkeys' to start with an empty list of patterns"
            }
            RuleError::ChannelsComplete => {
                "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any \
                 effect. Try 'resetchannels' to start with an empty list of channels"
            }
            RuleError::NoSuchPassword => {
                "The password you are trying to remove from the user does not exist"
            }
            RuleError::BadHash => {
                "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters"
            }
            RuleError::FirstArgOfSubcommand => {
                "Allowing first-arg of a subcommand is not supported"
            }
            RuleError::TooLong => "The patterns of a user are limited to 4 GiB",
        }
    }
}

/// Whether a name or a pattern contains whitespace or a NUL, which no list of rules could show.
pub fn has_spaces(text: &[u8]) -> bool {
    text.iter()
        .any(|&byte| matches!(byte, b' ' | b'\t'..=b'\r' | 0))
}
