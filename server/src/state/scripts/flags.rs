//! What a script declares about itself: the flags of its first line, `#!lua flags=no-writes,allow-oom`.

use bitflags::bitflags;
use table::words::Flags;
use words::{split, until_nul};

bitflags! {
    /// Flags of a script or function.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct ScriptFlags: u8 {
        /// It writes nothing.
        const NO_WRITES = 1;
        /// It may run when more than `maxmemory` is in use.
        const ALLOW_OOM = 1 << 1;
        /// It may run on a replica without its primary.
        const ALLOW_STALE = 1 << 2;
        /// It may not run in a cluster.
        const NO_CLUSTER = 1 << 3;
        /// Its keys may belong to different slots.
        const ALLOW_CROSS_SLOT = 1 << 4;
        /// It has no first line of this kind: it is judged by each of its commands.
        const UNDECLARED = 1 << 5;
    }
}

/// Flags by name.
pub const NAMES: [(&str, ScriptFlags); 5] = [
    ("no-writes", ScriptFlags::NO_WRITES),
    ("allow-oom", ScriptFlags::ALLOW_OOM),
    ("allow-stale", ScriptFlags::ALLOW_STALE),
    ("no-cluster", ScriptFlags::NO_CLUSTER),
    ("allow-cross-slot-keys", ScriptFlags::ALLOW_CROSS_SLOT),
];

impl ScriptFlags {
    /// The flag of this name.
    pub fn by_name(name: &[u8]) -> Option<ScriptFlags> {
        let mut names = NAMES.into_iter();
        names.find_map(|(known, flag)| (known.as_bytes() == name).then_some(flag))
    }

    /// The flags of a command that runs a script with these flags, in place of its own.
    pub fn of_command(self, own: Flags) -> Flags {
        if self.contains(ScriptFlags::UNDECLARED) {
            return own;
        }
        let mut flags = own;
        flags.remove(Flags::MAY_REPLICATE);
        flags.set(Flags::STALE, self.contains(ScriptFlags::ALLOW_STALE));
        flags.set(Flags::WRITE, !self.contains(ScriptFlags::NO_WRITES));
        let may_exceed = ScriptFlags::ALLOW_OOM | ScriptFlags::NO_WRITES;
        flags.set(Flags::DENYOOM, !self.intersects(may_exceed));
        flags
    }
}

/// The first line of a script.
#[derive(Debug, PartialEq, Eq)]
pub struct Header {
    /// What it declares.
    pub flags: ScriptFlags,
    /// Its length without the end of the line, which stays, so that lines keep their numbers.
    pub len: usize,
}

/// Reads the first line of a script.
///
/// # Errors
/// Why it is not a valid header.
pub fn header(source: &[u8]) -> Result<Header, Vec<u8>> {
    if !source.starts_with(b"#!") {
        return Ok(Header {
            flags: ScriptFlags::UNDECLARED,
            len: 0,
        });
    }
    // As in Redis, what follows a NUL is not looked at.
    let text = until_nul(source);
    let Some(len) = text.iter().position(|byte| *byte == b'\n') else {
        return Err(b"Invalid script shebang".to_vec());
    };
    let parts = split(&source[..len]).unwrap_or_default();
    let Some((engine, options)) = parts.split_first() else {
        return Err(b"Invalid engine in script shebang".to_vec());
    };
    if engine != b"#!lua" {
        return Err([b"Unexpected engine in script shebang: ", engine.as_slice()].concat());
    }
    let mut flags = ScriptFlags::empty();
    for option in options {
        let Some(names) = option.strip_prefix(b"flags=") else {
            return Err([b"Unknown lua shebang option: ", option.as_slice()].concat());
        };
        if names.is_empty() {
            continue;
        }
        for name in names.split(|byte| *byte == b',') {
            match ScriptFlags::by_name(name) {
                Some(flag) => flags |= flag,
                None => return Err([b"Unexpected flag in script shebang: ", name].concat()),
            }
        }
    }
    Ok(Header { flags, len })
}

#[cfg(test)]
mod tests {
    use table::words::Flags;

    use super::{ScriptFlags, header};

    #[test]
    fn headers() {
        let flags = |source: &str| header(source.as_bytes()).map(|header| header.flags);
        let both = ScriptFlags::NO_WRITES | ScriptFlags::ALLOW_OOM;
        assert_eq!(flags("return 1"), Ok(ScriptFlags::UNDECLARED));
        assert_eq!(flags("#!lua\nreturn 1"), Ok(ScriptFlags::empty()));
        assert_eq!(flags("#!lua flags=no-writes,allow-oom\n"), Ok(both));
        assert_eq!(flags("#!lua flags=\n"), Ok(ScriptFlags::empty()));
        for (source, why) in [
            ("#!lua", "Invalid script shebang"),
            ("#!\"\n", "Invalid engine in script shebang"),
            ("#!not\n", "Unexpected engine in script shebang: #!not"),
            ("#!lua x=y\n", "Unknown lua shebang option: x=y"),
            ("#!lua flags=a\n", "Unexpected flag in script shebang: a"),
        ] {
            let error = flags(source).map_err(|error| String::from_utf8_lossy(&error).into_owned());
            assert_eq!(error, Err(why.to_owned()));
        }
    }

    #[test]
    fn flags_of_the_command() {
        let own = Flags::NOSCRIPT | Flags::STALE | Flags::MAY_REPLICATE;
        assert_eq!(ScriptFlags::UNDECLARED.of_command(own), own);
        let none = ScriptFlags::empty().of_command(own);
        assert_eq!(none, Flags::NOSCRIPT | Flags::WRITE | Flags::DENYOOM);
        let reader = ScriptFlags::NO_WRITES | ScriptFlags::ALLOW_STALE;
        assert_eq!(reader.of_command(own), Flags::NOSCRIPT | Flags::STALE);
    }
}
