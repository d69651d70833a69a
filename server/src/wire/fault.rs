//! Error replies: the type of a fault, and the error texts that more than one command uses.
//!
//! A fault begins with its code (`ERR`, `WRONGTYPE`, …): INFO `errorstats` counts by it. Texts that take an argument
//! are built by a function; the reply writer replaces CR and LF in them, so no argument can forge a second reply.

use std::borrow::Cow;

use words::until_nul;

/// An error reply without the leading `-`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault(pub Cow<'static, [u8]>);

/// Where a code must have ended.
const MAX_CODE: usize = 31;

/// Error texts without arguments.
macro_rules! texts {
    ($($name:ident = $text:literal;)*) => {
        $(#[doc = concat!("`", $text, "`")] pub const $name: Fault = Fault(Cow::Borrowed($text.as_bytes()));)*
    };
}

texts! {
    ERR = "ERR";
    SYNTAX = "ERR syntax error";
    WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value";
    DAMAGED = "ERR the value of this key is damaged; see the log of the time when it was restored";
    NO_SUCH_KEY = "ERR no such key";
    SAME_OBJECT = "ERR source and destination objects are the same";
    NOT_INTEGER = "ERR value is not an integer or out of range";
    NOT_FLOAT = "ERR value is not a valid float";
    NOT_ZERO_OR_ONE = "ERR value is out of range, value must between 0 and 1";
    NOT_POSITIVE = "ERR value is out of range, must be positive";
    OUT_OF_RANGE = "ERR value is out of range";
    HASH_NOT_INTEGER = "ERR hash value is not an integer";
    HASH_NOT_FLOAT = "ERR hash value is not a float";
    INCREMENT_NAN_OR_INFINITY = "ERR value is NaN or Infinity";
    NUMKEYS_NOT_POSITIVE = "ERR numkeys should be greater than 0";
    NUMKEYS_TOO_MANY = "ERR Number of keys can't be greater than number of args";
    LIMIT_NEGATIVE = "ERR LIMIT can't be negative";
    NAN_OR_INFINITY = "ERR increment would produce NaN or Infinity";
    OVERFLOW = "ERR increment or decrement would overflow";
    DECREMENT_OVERFLOW = "ERR decrement would overflow";
    STRING_TOO_LONG = "ERR string exceeds maximum allowed size (proto-max-bulk-len)";
    BIT_OFFSET = "ERR bit offset is not an integer or out of range";
    OFFSET_OUT_OF_RANGE = "ERR offset is out of range";
    NO_AUTH = "NOAUTH Authentication required.";
    NO_PROTO = "NOPROTO unsupported protocol version";
    WRONG_PASS = "WRONGPASS invalid username-password pair or user is disabled.";
    AUTH_NO_PASSWORD = "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?";
    HELLO_NO_AUTH = "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time";
    MAX_CLIENTS = "ERR max number of clients reached";
    MAX_CLIENTS_AND_LINKS = "ERR max number of clients + cluster connections reached";
    DB_INDEX = "ERR DB index is out of range";
    LOADING = "LOADING Redis is loading the dataset in memory";
    MISCONF_RDB = "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. Commands that may modify the data set are disabled, because this instance is configured to report errors during writes if RDB snapshotting fails (stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB error.";
    NO_REPLICAS = "NOREPLICAS Not enough good replicas to write.";
    READ_ONLY = "READONLY You can't write against a read only replica.";
    MASTER_DOWN = "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.";
    BUSY_SCRIPT = "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.";
    BUSY_FUNCTION = "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE.";
    OOM = "OOM command not allowed when used memory > 'maxmemory'.";
    NO_SUCH_CLIENT = "ERR No such client";
    INVALID_CURSOR = "ERR invalid cursor";
    EXECABORT = "EXECABORT Transaction discarded because of previous errors.";
    NOT_IN_TRANSACTION = "ERR Command not allowed inside a transaction";
    WAITAOF_OFF = "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.";
    UNBLOCKED = "UNBLOCKED client unblocked via CLIENT UNBLOCK";
    BUSY_KEY = "BUSYKEY Target key name already exists.";
    PUSH_NEEDS_RESP3 = "ERR RESP2 is not supported by this command";
    INVALID_COMMAND = "ERR Invalid command specified";
    SHUTDOWN_FAILED = "ERR Errors trying to SHUTDOWN. Check logs.";
    NO_SHUTDOWN = "ERR No shutdown in progress.";
    CROSS_SLOT = "CROSSSLOT Keys in request don't hash to the same slot";
    TRY_AGAIN = "TRYAGAIN Multiple keys request during rehashing of slot";
    CLUSTER_DOWN = "CLUSTERDOWN The cluster is down";
    CLUSTER_DOWN_READ_ONLY = "CLUSTERDOWN The cluster is down and only accepts read commands";
    SLOT_NOT_SERVED = "CLUSTERDOWN Hash slot not served";
    NO_CLUSTER = "ERR This instance has cluster support disabled";
}

impl Fault {
    /// A fault with this text.
    pub fn new(text: impl Into<String>) -> Self {
        Fault(Cow::Owned(text.into().into_bytes()))
    }

    /// A fault whose text contains bytes of the request.
    pub fn bytes(text: Vec<u8>) -> Self {
        Fault(Cow::Owned(text))
    }

    /// A fault that quotes arguments: each part is shown up to a NUL, as by C's `%s`.
    pub fn quoting(parts: &[&[u8]]) -> Self {
        let shown: Vec<&[u8]> = parts.iter().map(|part| until_nul(part)).collect();
        Fault::bytes(shown.concat())
    }

    /// The code: the first word, if it is no longer than codes are and another one follows; else `ERR`.
    pub fn code(&self) -> &[u8] {
        let space = self.0.iter().take(MAX_CODE).position(|&b| b == b' ');
        space.map_or(b"ERR", |end| &self.0[..end])
    }
}

/// What an error shows of an argument: as C's `%.*s`, at most `most` bytes, and none from a NUL on.
fn printed(arg: &[u8], most: usize) -> &[u8] {
    until_nul(&arg[..arg.len().min(most)])
}

/// Unknown command; its first arguments are shown up to 128 bytes.
pub fn unknown_command<'a>(name: &[u8], args: impl Iterator<Item = &'a [u8]>) -> Fault {
    let mut shown = Vec::new();
    for arg in args {
        if shown.len() >= 128 {
            break;
        }
        let room = 128 - shown.len();
        shown.push(b'\'');
        shown.extend_from_slice(printed(arg, room));
        shown.extend_from_slice(b"' ");
    }
    let mut text = b"ERR unknown command '".to_vec();
    text.extend_from_slice(printed(name, 128));
    text.extend_from_slice(b"', with args beginning with: ");
    text.extend_from_slice(&shown);
    Fault::bytes(text)
}

/// Unknown subcommand of `parent`.
pub fn unknown_subcommand(parent: &[u8], name: &[u8]) -> Fault {
    let mut text = b"ERR unknown subcommand '".to_vec();
    text.extend_from_slice(printed(name, 128));
    text.extend_from_slice(&[b"'. Try ", &*parent.to_ascii_uppercase(), b" HELP."].concat());
    Fault::bytes(text)
}

/// Known subcommand with unsupported arguments (containers that parse their own subcommands).
pub fn subcommand_syntax(parent: &[u8], name: &[u8]) -> Fault {
    let mut text = b"ERR unknown subcommand or wrong number of arguments for '".to_vec();
    text.extend_from_slice(printed(name, 128));
    text.extend_from_slice(&[b"'. Try ", &*parent.to_ascii_uppercase(), b" HELP."].concat());
    Fault::bytes(text)
}

/// What a node of a cluster does not do, since it has one database.
pub fn not_in_cluster(what: &str) -> Fault {
    Fault::new(format!("ERR {what} not allowed in cluster mode"))
}

/// Wrong number of arguments; `full_name` is `config|get` for a subcommand.
pub fn arity(full_name: &str) -> Fault {
    Fault::new(format!(
        "ERR wrong number of arguments for '{full_name}' command"
    ))
}

/// A number outside of an inclusive range.
pub fn not_between(least: i64, most: i64) -> Fault {
    Fault::new(format!(
        "ERR value is out of range, value must between {least} and {most}"
    ))
}

/// EXEC was refused for this reason; the general code `ERR` is left out.
pub fn exec_abort(reason: &Fault) -> Fault {
    let mut text = b"EXECABORT Transaction discarded because of: ".to_vec();
    text.extend_from_slice(reason.0.strip_prefix(b"ERR ").unwrap_or(&reason.0));
    Fault::bytes(text)
}

/// Invalid expire time in command `full_name`.
pub fn invalid_expire(full_name: &str) -> Fault {
    Fault::new(format!("ERR invalid expire time in '{full_name}' command"))
}

#[cfg(test)]
mod tests {
    use super::{unknown_command, unknown_subcommand};

    #[test]
    fn arguments_are_shown_up_to_a_nul() {
        let long = [b'x'; 200];
        let fault = unknown_command(b"NOSUCH\0z", [&b"a\0b"[..], &long].into_iter());
        let expected = format!(
            "ERR unknown command 'NOSUCH', with args beginning with: 'a' '{}' ",
            "x".repeat(128 - 4)
        );
        assert_eq!(fault.0, expected.as_bytes());
        let fault = unknown_subcommand(b"cluster", b"addslots\0");
        assert_eq!(
            *fault.0,
            *b"ERR unknown subcommand 'addslots'. Try CLUSTER HELP."
        );
    }
}
