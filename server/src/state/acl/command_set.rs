//! A set of commands as a bitmap, with one more bit for the commands that later versions add.
//!
//! The last bit is only changed by "all commands" and "no commands": it tells whether a description of the set starts
//! from `+@all` or from `-@all`.

use table::CmdId;
use table::words::Categories;

const WORDS: usize = (table::COUNT + 1).div_ceil(64);

/// The commands of each category, in the order of [`Categories::LABELS`]: a rule about a category changes a whole set.
static BY_CATEGORY: [CommandSet; Categories::LABELS.len()] = {
    let mut sets = [CommandSet::NONE; Categories::LABELS.len()];
    let mut at = 0;
    while at < sets.len() {
        let category = Categories::LABELS[at].0;
        let mut index = 0;
        while index < table::COUNT {
            let id = CmdId::from_index(index);
            // A rule about a command is one about its subcommands.
            let by_parent = match table::parent(id) {
                Some(parent) => table::spec(parent).categories().contains(category),
                None => false,
            };
            let spec = table::spec(id);
            if spec.exists(false) && (by_parent || spec.categories().contains(category)) {
                sets[at].0[index / 64] |= 1 << (index % 64);
            }
            index += 1;
        }
        at += 1;
    }
    sets
};

/// A set of commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandSet([u64; WORDS]);

impl CommandSet {
    /// No commands.
    pub const NONE: CommandSet = CommandSet([0; WORDS]);
    /// All commands, also those to come.
    pub const ALL: CommandSet = CommandSet([u64::MAX; WORDS]);

    /// The commands of the category with this name, in any case.
    pub fn of_category(name: &[u8]) -> Option<&'static CommandSet> {
        let is = |(_, label): &(Categories, &str)| label.as_bytes().eq_ignore_ascii_case(name);
        let place = Categories::LABELS.iter().position(is)?;
        Some(&BY_CATEGORY[place])
    }

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

    /// Adds or removes all commands of another set.
    pub fn set_all(&mut self, others: &CommandSet, allow: bool) {
        for (word, other) in self.0.iter_mut().zip(&others.0) {
            *word = if allow { *word | other } else { *word & !other };
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

    #[test]
    fn a_category_has_its_commands_and_their_subcommands() {
        let set = CommandSet::of_category(b"Dangerous").expect("a category");
        let has = |name: &[u8]| set.has(table::lookup_full(name).expect("a command"));
        assert!(has(b"keys") && has(b"config|set") && has(b"flushall"));
        assert!(!has(b"get") && !has(b"config") && !set.has_future());
        let mut all = CommandSet::ALL;
        all.set_all(set, false);
        assert!(all.has_future() && !all.has(table::lookup(b"keys").expect("a command")));
        all.set_all(set, true);
        assert_eq!(all, CommandSet::ALL);
        assert!(CommandSet::of_category(b"nope").is_none());
        assert!(CommandSet::of_category(b"all").is_none());
    }
}
