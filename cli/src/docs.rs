//! The commands that redis-cli knows: the command table of the server, under the names that users type.

use table::spec::Spec;

/// A command or subcommand.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The name in upper case: `CONFIG GET`.
    pub name: String,
    /// Its row in the command table.
    pub spec: &'static Spec,
}

/// All commands, sorted by name.
pub fn entries() -> Vec<Entry> {
    let mut entries: Vec<Entry> = table::iter()
        .map(|id| {
            let spec = table::spec(id);
            Entry {
                name: spec.full_name.replace('|', " ").to_ascii_uppercase(),
                spec,
            }
        })
        .collect();
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    entries
}

/// The names of all groups, sorted.
pub fn groups() -> Vec<&'static str> {
    let mut names: Vec<_> = table::iter()
        .map(|id| table::spec(id).group.name())
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The command at the beginning of these words, and how many words its name has.
pub fn find(words: &[Vec<u8>]) -> Option<(&'static Spec, usize)> {
    let id = table::lookup(words.first()?)?;
    match words.get(1).and_then(|word| table::sub(id, word)) {
        Some(sub) => Some((table::spec(sub), 2)),
        None => Some((table::spec(id), 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::{entries, find, groups};

    #[test]
    fn names_are_found() {
        let words = |line: &str| -> Vec<Vec<u8>> {
            line.split_whitespace()
                .map(|word| word.as_bytes().to_vec())
                .collect()
        };
        let table = [
            ("get key", Some(("get", 1))),
            ("Config Get maxmemory", Some(("config|get", 2))),
            ("config", Some(("config", 1))),
            ("nosuch", None),
            ("", None),
        ];
        for (line, expected) in table {
            let found = find(&words(line)).map(|(spec, used)| (spec.full_name, used));
            assert_eq!(found, expected, "{line}");
        }
    }

    #[test]
    fn the_list_is_whole_and_in_order() {
        let entries = entries();
        assert_eq!(entries.len(), table::iter().len());
        assert!(entries.is_sorted_by(|a, b| a.name < b.name));
        assert!(entries.iter().any(|entry| entry.name == "CLIENT NO-EVICT"));
        assert!(groups().contains(&"sorted-set"));
    }
}
