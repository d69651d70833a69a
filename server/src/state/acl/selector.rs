//! A selector: one set of commands, keys and channels that a user may use together.
//!
//! A user has a root selector, which rules outside of parentheses change, and any number of further ones. What a
//! selector admits is held in a form that is fast to check: a bitmap of commands, and patterns. Beside the bitmap
//! the list of the command rules is kept, as Redis does, since ACL LIST shows the rules as they were given: a rule
//! replaces earlier ones about the same command or its subcommands, and `+@all` and `-@all` replace all.
//!
//! # Invariants
//! 1. The rules applied in order to all commands, if `commands` has the future ones, or else to none, result in
//!    `commands` and `first_args`.
//! 2. `keys` is empty if `all_keys` is set, and `channels` if `all_channels` is.

use std::collections::BTreeMap;

use table::CmdId;
use table::spec::Spec;
use table::words::Categories;

use crate::state::acl::command_set::CommandSet;
use crate::state::acl::patterns::{Access, Patterns};
use crate::state::acl::rule::{RuleError, has_spaces};
use crate::warning;

/// A rule about commands, without its sign: `get`, `config|get`, `@read`, `select|0`.
#[derive(Clone, Debug)]
struct CommandRule {
    allow: bool,
    name: Box<[u8]>,
}

/// A selector.
#[derive(Clone, Debug)]
pub struct Selector {
    commands: CommandSet,
    /// `+@all` was the last rule that concerned all commands, and no later one forbids any.
    all_commands: bool,
    /// First arguments with which a command that is not in `commands` may be used.
    first_args: BTreeMap<CmdId, Vec<Box<[u8]>>>,
    rules: Vec<CommandRule>,
    all_keys: bool,
    keys: Patterns,
    all_channels: bool,
    channels: Patterns,
}

impl Selector {
    /// A selector that admits nothing, except perhaps all channels (`acl-pubsub-default`).
    pub fn new(all_channels: bool) -> Self {
        Selector {
            commands: CommandSet::NONE,
            all_commands: false,
            first_args: BTreeMap::new(),
            rules: Vec::new(),
            all_keys: false,
            keys: Patterns::default(),
            all_channels,
            channels: Patterns::default(),
        }
    }

    /// Applies a rule.
    ///
    /// # Errors
    /// It is invalid; the selector stays as it was.
    pub fn apply(&mut self, rule: &[u8]) -> Result<(), RuleError> {
        let is = |word: &str| rule.eq_ignore_ascii_case(word.as_bytes());
        match rule {
            b"~*" => self.set_all_keys(true),
            b"&*" => self.set_all_channels(true),
            [b'~' | b'%', ..] if self.all_keys => return Err(RuleError::KeysComplete),
            [b'~', pattern @ ..] => self.add_key(pattern, Access::all())?,
            [b'%', rest @ ..] => {
                let (access, pattern) = key_access(rest).ok_or(RuleError::Syntax)?;
                self.add_key(pattern, access)?;
            }
            [b'&', pattern @ ..] => self.add_channel(pattern)?,
            [sign @ (b'+' | b'-'), rest @ ..] => self.apply_command(*sign == b'+', rest)?,
            _ if is("allkeys") => self.set_all_keys(true),
            _ if is("resetkeys") => self.set_all_keys(false),
            _ if is("allchannels") => self.set_all_channels(true),
            _ if is("resetchannels") => self.set_all_channels(false),
            _ if is("allcommands") => self.set_all_commands(true),
            _ if is("nocommands") => self.set_all_commands(false),
            _ => return Err(RuleError::Syntax),
        }
        Ok(())
    }

    /// Gives back the memory that only applying rules needs.
    pub fn finish(&mut self) {
        self.keys.finish();
        self.channels.finish();
    }

    /// Admits all keys, or none.
    pub fn set_all_keys(&mut self, all: bool) {
        self.all_keys = all;
        self.keys.clear();
    }

    /// Admits all channels, or none.
    pub fn set_all_channels(&mut self, all: bool) {
        self.all_channels = all;
        self.channels.clear();
    }

    /// Admits all commands, or none.
    pub fn set_all_commands(&mut self, all: bool) {
        self.commands = if all {
            CommandSet::ALL
        } else {
            CommandSet::NONE
        };
        self.all_commands = all;
        self.rules.clear();
        self.first_args.clear();
    }

    fn add_key(&mut self, pattern: &[u8], access: Access) -> Result<(), RuleError> {
        if has_spaces(pattern) {
            return Err(RuleError::Syntax);
        }
        self.keys.add(pattern, access)
    }

    fn add_channel(&mut self, pattern: &[u8]) -> Result<(), RuleError> {
        if self.all_channels {
            return Err(RuleError::ChannelsComplete);
        }
        if has_spaces(pattern) {
            return Err(RuleError::Syntax);
        }
        self.channels.add(pattern, Access::all())
    }

    fn apply_command(&mut self, allow: bool, name: &[u8]) -> Result<(), RuleError> {
        if let [b'@', category @ ..] = name {
            return self.apply_category(allow, category);
        }
        let bar = name.iter().rposition(|&byte| byte == b'|');
        let (Some(bar), true) = (bar, allow) else {
            let id = known(name)?;
            self.change(id, allow);
            self.record(allow, table::full_name(id).as_bytes());
            return Ok(());
        };
        let (container, arg) = (known(&name[..bar])?, &name[bar + 1..]);
        if table::parent(container).is_some() {
            return Err(RuleError::FirstArgOfSubcommand);
        }
        if arg.is_empty() {
            return Err(RuleError::Syntax);
        }
        if table::subcommands(container).next().is_some() {
            self.change(known(name)?, true);
        } else {
            // Redis accepts these, but then describes a user that it cannot load again.
            if has_spaces(arg) {
                return Err(RuleError::Syntax);
            }
            self.add_first_arg(container, arg);
        }
        self.record(true, name);
        Ok(())
    }

    fn add_first_arg(&mut self, id: CmdId, arg: &[u8]) {
        warning!(
            "Deprecation warning: Allowing a first arg of an otherwise blocked command is a misuse of ACL and may get \
             disabled in the future (offender: +{}|{})",
            table::full_name(id),
            arg.escape_ascii()
        );
        let args = self.first_args.entry(id).or_default();
        if !args.iter().any(|known| known.eq_ignore_ascii_case(arg)) {
            args.push(arg.into());
        }
    }

    fn apply_category(&mut self, allow: bool, name: &[u8]) -> Result<(), RuleError> {
        if name.eq_ignore_ascii_case(b"all") {
            self.set_all_commands(allow);
            return Ok(());
        }
        let commands = CommandSet::of_category(name).ok_or(RuleError::Unknown)?;
        self.all_commands &= allow;
        self.commands.set_all(commands, allow);
        self.first_args.retain(|id, _| !commands.has(*id));
        self.record(allow, &[b"@", name].concat());
        Ok(())
    }

    /// Allows or forbids a command, with its subcommands.
    fn change(&mut self, id: CmdId, allow: bool) {
        self.all_commands &= allow;
        self.commands.set(id, allow);
        self.first_args.remove(&id);
        for sub in table::subcommands(id) {
            self.commands.set(sub, allow);
        }
    }

    /// Notes a command rule, in place of those that it makes irrelevant.
    fn record(&mut self, allow: bool, name: &[u8]) {
        let name = name.to_ascii_lowercase();
        self.rules.retain(|rule| {
            let rest = rule.name.strip_prefix(&name[..]);
            !rest.is_some_and(|rest| matches!(rest, [] | [b'|', ..]))
        });
        self.rules.push(CommandRule {
            allow,
            name: name.into(),
        });
    }
}

/// The questions that a check asks.
impl Selector {
    /// Whether it admits everything.
    pub fn is_unrestricted(&self) -> bool {
        self.all_commands && self.all_keys && self.all_channels
    }

    /// Whether it admits a command; `first` is its first argument.
    #[inline]
    pub fn admits_command<'a>(&self, id: CmdId, first: impl FnOnce() -> Option<&'a [u8]>) -> bool {
        self.commands.has(id) || (!self.first_args.is_empty() && self.admits_first_arg(id, first()))
    }

    #[cold]
    fn admits_first_arg(&self, id: CmdId, first: Option<&[u8]>) -> bool {
        let args = self.first_args.get(&id);
        args.is_some_and(|args| {
            let fits = |arg: &[u8]| args.iter().any(|known| known.eq_ignore_ascii_case(arg));
            first.is_some_and(fits)
        })
    }

    /// Whether it admits all keys in every way.
    #[inline]
    pub fn admits_all_keys(&self) -> bool {
        self.all_keys
    }

    /// Whether it admits this access to a key.
    #[inline]
    pub fn admits_key(&self, key: &[u8], access: Access) -> bool {
        self.all_keys || self.keys.admits(key, access)
    }

    /// Whether it admits this access to any key, whatever its name.
    pub fn admits_any_key(&self, access: Access) -> bool {
        self.all_keys || self.keys.admits_everything(access)
    }

    /// Whether it admits all channels.
    #[inline]
    pub fn admits_all_channels(&self) -> bool {
        self.all_channels
    }

    /// Whether it admits a channel. A pattern is admitted if it is one of the selector's patterns, literally.
    pub fn admits_channel(&self, channel: &[u8], is_pattern: bool) -> bool {
        self.all_channels
            || if is_pattern {
                self.channels.has(channel)
            } else {
                self.channels.admits(channel, Access::all())
            }
    }
}

/// The description as words, each of which is a rule.
impl Selector {
    /// Emits the rules for keys.
    pub fn key_rules(&self, emit: &mut dyn FnMut(&[u8])) {
        if self.all_keys {
            emit(b"~*");
        }
        let mut word = Vec::new();
        for (pattern, access) in self.keys.iter() {
            word.clear();
            word.extend_from_slice(
                match (
                    access.contains(Access::READ),
                    access.contains(Access::WRITE),
                ) {
                    (true, false) => b"%R~",
                    (false, true) => b"%W~",
                    _ => b"~",
                },
            );
            word.extend_from_slice(pattern);
            emit(&word);
        }
    }

    /// Emits the rules for channels.
    pub fn channel_rules(&self, emit: &mut dyn FnMut(&[u8])) {
        if self.all_channels {
            emit(b"&*");
        }
        let mut word = Vec::new();
        for (pattern, _) in self.channels.iter() {
            word.clear();
            word.push(b'&');
            word.extend_from_slice(pattern);
            emit(&word);
        }
    }

    /// Emits the rules for commands.
    pub fn command_rules(&self, emit: &mut dyn FnMut(&[u8])) {
        emit(if self.commands.has_future() {
            b"+@all"
        } else {
            b"-@all"
        });
        let mut word = Vec::new();
        for rule in &self.rules {
            word.clear();
            word.push(if rule.allow { b'+' } else { b'-' });
            word.extend_from_slice(&rule.name);
            emit(&word);
        }
    }

    /// Emits all rules; applied to a new selector, they result in this one.
    pub fn all_rules(&self, emit: &mut dyn FnMut(&[u8])) {
        self.key_rules(emit);
        if !self.all_channels {
            emit(b"resetchannels");
        }
        self.channel_rules(emit);
        self.command_rules(emit);
    }

    /// The patterns of channels that it admits.
    pub fn channel_patterns(&self) -> &Patterns {
        &self.channels
    }
}

/// The commands of a server that is not a sentinel.
pub fn existing() -> impl Iterator<Item = CmdId> {
    table::iter().filter(|&id| table::spec(id).exists(false))
}

/// The command or subcommand of a name.
pub fn known(name: &[u8]) -> Result<CmdId, RuleError> {
    let exists = |spec: &Spec| spec.exists(false);
    table::lookup_full(name)
        .filter(|&id| exists(table::spec(id)))
        .ok_or(RuleError::Unknown)
}

/// The category of a name.
pub fn category(name: &[u8]) -> Option<Categories> {
    let is = |(_, label): &&(Categories, &str)| label.as_bytes().eq_ignore_ascii_case(name);
    let found = Categories::LABELS.iter().find(is);
    found.map(|(category, _)| *category)
}

/// The access and the pattern of a key rule, after the `%`.
fn key_access(rest: &[u8]) -> Option<(Access, &[u8])> {
    let tilde = rest.iter().position(|&byte| byte == b'~')?;
    let mut access = Access::empty();
    for letter in &rest[..tilde] {
        let one = match letter {
            b'R' | b'r' => Access::READ,
            b'W' | b'w' => Access::WRITE,
            _ => return None,
        };
        if access.contains(one) {
            return None;
        }
        access |= one;
    }
    (!access.is_empty()).then_some((access, &rest[tilde + 1..]))
}

#[cfg(test)]
mod tests {
    use table::lookup_full;

    use super::Selector;
    use crate::state::acl::patterns::Access;
    use crate::state::acl::rule::RuleError;

    fn made(rules: &str) -> Result<Selector, RuleError> {
        let mut selector = Selector::new(false);
        for rule in rules.split(' ') {
            selector.apply(rule.as_bytes())?;
        }
        selector.finish();
        Ok(selector)
    }

    fn shown(selector: &Selector) -> String {
        let mut words = Vec::new();
        selector.all_rules(&mut |word| words.push(String::from_utf8_lossy(word).into_owned()));
        words.join(" ")
    }

    fn admits(selector: &Selector, command: &str) -> bool {
        let mut words = command.split(' ');
        let id = lookup_full(words.next().unwrap_or_default().as_bytes()).expect(command);
        selector.admits_command(id, || words.next().map(str::as_bytes))
    }

    #[test]
    fn rules_are_described_as_redis_does() {
        let rows = [
            ("allkeys", "~* resetchannels -@all"),
            ("+get +GET -get", "resetchannels -@all -get"),
            ("+@all -get", "resetchannels +@all -get"),
            ("+@all -get +@all", "resetchannels +@all"),
            ("-get allcommands", "resetchannels +@all"),
            (
                "+@Read -Get +get +set",
                "resetchannels -@all +@read +get +set",
            ),
            (
                "+config|get +config|SET -config",
                "resetchannels -@all -config",
            ),
            (
                "+config|get -config|get +client|id",
                "resetchannels -@all -config|get +client|id",
            ),
            (
                "-config +config|get",
                "resetchannels -@all -config +config|get",
            ),
            (
                "+select|0 +select|ONE",
                "resetchannels -@all +select|0 +select|one",
            ),
            ("+select|0 +select", "resetchannels -@all +select"),
            ("+sort -sort_ro +sort", "resetchannels -@all -sort_ro +sort"),
            (
                "%R~a %W~a ~b %rw~c %W~d",
                "~a ~b ~c %W~d resetchannels -@all",
            ),
            ("~a resetkeys ~b", "~b resetchannels -@all"),
            ("&a &a &b &*", "&* -@all"),
            ("&a resetchannels &b", "resetchannels &b -@all"),
            ("~", "~ resetchannels -@all"),
        ];
        for (rules, expected) in rows {
            let selector = made(rules).expect(rules);
            assert_eq!(shown(&selector), expected, "{rules}");
            assert_eq!(shown(&made(expected).expect(expected)), expected);
        }
    }

    #[test]
    fn wrong_rules_are_refused() {
        let rows = [
            ("", RuleError::Syntax),
            ("get", RuleError::Syntax),
            ("%", RuleError::Syntax),
            ("%R", RuleError::Syntax),
            ("%RW", RuleError::Syntax),
            ("%~", RuleError::Syntax),
            ("%~a", RuleError::Syntax),
            ("%RR~a", RuleError::Syntax),
            ("%X~a", RuleError::Syntax),
            ("allkeys ~a", RuleError::KeysComplete),
            ("~* %R~a", RuleError::KeysComplete),
            ("~* %X~a", RuleError::KeysComplete),
            ("&* &a", RuleError::ChannelsComplete),
            ("+", RuleError::Unknown),
            ("+nope", RuleError::Unknown),
            ("+@", RuleError::Unknown),
            ("+@nope", RuleError::Unknown),
            ("-@all|x", RuleError::Unknown),
            ("+nope|x", RuleError::Unknown),
            ("+config|nope", RuleError::Unknown),
            ("-config|nope", RuleError::Unknown),
            ("-select|0", RuleError::Unknown),
            ("+get|a|b", RuleError::Unknown),
            ("+config|get|a", RuleError::FirstArgOfSubcommand),
            ("+select|", RuleError::Syntax),
            ("+sentinel|masters", RuleError::Unknown),
            ("on", RuleError::Syntax),
            ("(+get)", RuleError::Syntax),
        ];
        for (rules, expected) in rows {
            assert_eq!(made(rules).err(), Some(expected), "{rules}");
        }
        let mut selector = Selector::new(false);
        for rule in ["~a b", "~a\0", "&a\tb", "+select|a b", "%R~\n"] {
            assert_eq!(selector.apply(rule.as_bytes()), Err(RuleError::Syntax));
        }
    }

    #[test]
    fn commands_are_admitted() {
        let rows: &[(&str, &[&str], &[&str])] = &[
            ("+get", &["get k"], &["set", "mget"]),
            ("+config", &["config", "config|get"], &["client|id"]),
            ("+config -config|set", &["config|get"], &["config|set"]),
            (
                "-config +config|set",
                &["config|set"],
                &["config|get", "config"],
            ),
            ("+@all -@dangerous", &["get"], &["keys", "config|set"]),
            (
                "+select|0 +select|one",
                &["select 0", "select ONE"],
                &["select 1", "select"],
            ),
            ("+select|0 -select", &[], &["select 0"]),
            (
                "+select|0 +@connection -select",
                &["client|id"],
                &["select 0"],
            ),
            ("+select|0 -@all +get", &["get"], &["select 0"]),
        ];
        for (rules, yes, no) in rows {
            let selector = made(rules).expect(rules);
            for command in *yes {
                assert!(admits(&selector, command), "{rules}: {command}");
            }
            for command in *no {
                assert!(!admits(&selector, command), "{rules}: {command}");
            }
            assert!(!selector.is_unrestricted());
        }
        assert!(made("+@all ~* &*").expect("good").is_unrestricted());
        assert!(!made("+@all ~* &* -get").expect("good").is_unrestricted());
    }

    #[test]
    fn keys_and_channels_are_admitted() {
        let selector = made("%R~r* %W~w* ~b &news:* &exact").expect("good");
        for (key, access, expected) in [
            ("r1", Access::READ, true),
            ("r1", Access::WRITE, false),
            ("w1", Access::WRITE, true),
            ("w1", Access::all(), false),
            ("b", Access::all(), true),
            ("c", Access::empty(), false),
        ] {
            assert_eq!(
                selector.admits_key(key.as_bytes(), access),
                expected,
                "{key}"
            );
        }
        assert!(!selector.admits_any_key(Access::READ));
        assert!(made("%R~*").expect("good").admits_any_key(Access::READ));
        for (channel, is_pattern, expected) in [
            ("news:1", false, true),
            ("exact", false, true),
            ("other", false, false),
            ("news:1", true, false),
            ("news:*", true, true),
            ("exact", true, true),
        ] {
            let got = selector.admits_channel(channel.as_bytes(), is_pattern);
            assert_eq!(got, expected, "{channel}");
        }
    }
}
