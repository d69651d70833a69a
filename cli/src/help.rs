//! `help`, `help <command>`, `help @<group>`: generated from the command table, without a connection.

use table::hints::syntax;
use table::spec::Spec;

use crate::args::VERSION;
use crate::docs::entries;

const BOLD: &str = "\x1b[1m";
const GREY: &str = "\x1b[90m";
const YELLOW: &str = "\x1b[33m";
const RESET: &str = "\x1b[0m";

/// The text for the words after `help`.
pub fn help(topic: &[Vec<u8>]) -> String {
    match topic {
        [] => general(),
        [group, ..] if group.starts_with(b"@") => of_group(&group[1..]),
        words => of_commands(words),
    }
}

fn general() -> String {
    format!(
        "{VERSION}\n\
         Type:\n\
         \x20     \"help <command>\" for what a command does and which arguments it takes\n\
         \x20     \"help @<group>\" for the commands of a group\n\
         \x20     \"help <tab>\" to go through all topics\n\
         \x20     \"quit\" to leave\n\
         \n\
         Preferences:\n\
         \x20     \":set hints\" shows the arguments of a command as it is typed\n\
         \x20     \":set nohints\" does not\n\
         They can be written to ~/.redisclirc as well\n"
    )
}

fn of_group(group: &[u8]) -> String {
    let mut text = String::new();
    for entry in entries() {
        if entry
            .spec
            .group
            .name()
            .as_bytes()
            .eq_ignore_ascii_case(group)
        {
            text.push_str(&paragraph(&entry.name, entry.spec));
        }
    }
    text.push_str("\r\n");
    text
}

/// Every command whose name begins with these words, so that a container command shows its subcommands.
fn of_commands(words: &[Vec<u8>]) -> String {
    let mut text = String::new();
    for entry in entries() {
        let name: Vec<&str> = entry.name.split(' ').collect();
        let fits = words.len() <= name.len()
            && words
                .iter()
                .zip(&name)
                .all(|(word, part)| word.eq_ignore_ascii_case(part.as_bytes()));
        if fits {
            let group = entry.spec.group.name();
            text.push_str(&paragraph(&entry.name, entry.spec));
            text.push_str(&format!("  {YELLOW}group:{RESET} {group}\r\n"));
        }
    }
    text.push_str("\r\n");
    text
}

fn paragraph(name: &str, spec: &Spec) -> String {
    format!(
        "\r\n  {BOLD}{name}{RESET} {GREY}{}{RESET}\r\n  {YELLOW}summary:{RESET} {}\r\n  {YELLOW}since:{RESET} {}\r\n",
        syntax(spec.args),
        spec.summary,
        spec.since
    )
}

#[cfg(test)]
mod tests {
    use super::help;

    fn of(line: &str) -> String {
        let words: Vec<Vec<u8>> = line
            .split_whitespace()
            .map(|word| word.as_bytes().to_vec())
            .collect();
        help(&words)
    }

    #[test]
    fn topics_are_found_in_any_case() {
        assert!(of("").starts_with("redis-cli 7.2.6\n"));
        let get = of("Get");
        assert!(get.starts_with(
            "\r\n  \x1b[1mGET\x1b[0m \x1b[90mkey\x1b[0m\r\n  \x1b[33msummary:\x1b[0m "
        ));
        assert!(
            get.ends_with("  \x1b[33mgroup:\x1b[0m string\r\n\r\n"),
            "{get}"
        );
        let config = of("config");
        assert!(config.contains("CONFIG GET") && config.contains("CONFIG REWRITE"));
        assert!(!of("config get").contains("CONFIG SET"));
        let group = of("@String");
        assert!(group.contains("GETEX") && !group.contains("group:"));
        assert_eq!(of("nosuch"), "\r\n");
        assert_eq!(of("@nosuch"), "\r\n");
        assert_eq!(of("get key"), "\r\n");
    }
}
