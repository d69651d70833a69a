//! A set of commands as a bitmap, with one more bit for the commands that later versions add.
//!
//! The last bit is only changed by "all commands" and "no commands": it tells whether a description of the set starts
//! from `+@all` or from `-@all`.

use table::CmdId;

const WORDS: usize = (table::COUNT + 1).div_ceil(64);

/// A set of commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandSet([u64; WORDS]);

impl CommandSet {
    /// No commands.
    pub const NONE: CommandSet = CommandSet([0; WORDS]);
    /// All commands, also those to come.
    pub const ALL: CommandSet = CommandSet([u64::MAX; WORDS]);

    /// Whether a command is in it.
    #[inline]
    pub fn has(&self, id: CmdId) -> bool {
        self.bit(id.index())
    }

    /// Whether commands that do not exist yet are in it.
    pub fn has_future(&self) -> bool {
        self.bit(table::COUNT)
    }

    /// Adds or removes a command.
    pub fn set(&mut self, id: CmdId, allow: bool) {
        let (word, bit) = (id.index() / 64, 1 << (id.index() % 64));
        if allow {
            self.0[word] |= bit;
        } else {
            self.0[word] &= !bit;
        }
    }

    #[inline]
    fn bit(&self, index: usize) -> bool {
        self.0[index / 64] >> (index % 64) & 1 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::CommandSet;

    #[test]
    fn every_command_has_a_bit_of_its_own() {
        for id in table::iter() {
            let mut set = CommandSet::NONE;
            set.set(id, true);
            assert_eq!(table::iter().filter(|&other| set.has(other)).count(), 1);
            assert!(set.has(id) && !set.has_future());
            let mut rest = CommandSet::ALL;
            rest.set(id, false);
            assert!(!rest.has(id) && rest.has_future());
            set.set(id, false);
            assert_eq!(set, CommandSet::NONE);
        }
    }
}
