//! A user: whether and with which passwords clients may authenticate as it, and what they may then do.

use table::CmdId;
use table::keys::{Keys, accessed, channels};
use table::spec::Spec;
use table::words::{ChannelFlags, Flags, KeyFlags};

use data::util::sha::{hex, sha256};
use words::{needs_quotes, quote, split};

use crate::state::acl::passwords::{Passwords, digest_of_hex};
use crate::state::acl::patterns::Access;
use crate::state::acl::rule::RuleError;
use crate::state::acl::selector::Selector;

/// The user of clients that do not authenticate.
pub const DEFAULT_NAME: &[u8] = b"default";

/// A user.
#[derive(Clone, Debug)]
pub struct User {
    name: Box<[u8]>,
    /// Clients may authenticate as this user.
    pub enabled: bool,
    /// Any password is accepted.
    pub nopass: bool,
    /// Its RESTORE payloads are not checked (`skip-sanitize-payload`).
    pub skips_sanitizing: bool,
    passwords: Passwords,
    /// What it may do; the first one is the root selector.
    selectors: Vec<Selector>,
    /// A selector admits everything.
    unrestricted: bool,
}

/// What a user lacks the right to; a later variant is closer to being permitted, and so is a later argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Denied {
    /// To use the command at all.
    Command,
    /// To access the key at this position.
    Key(usize),
    /// To use the channel at this position.
    Channel(usize),
}

/// A command line that a user attempts.
#[derive(Clone, Copy)]
pub struct Attempt<'l, 'a> {
    /// The command.
    pub cmd: CmdId,
    /// Its row.
    pub spec: &'static Spec,
    /// The arguments by position, the command's name first.
    pub argv: &'l dyn Fn(usize) -> &'a [u8],
    /// Number of arguments.
    pub argc: usize,
}

/// What a description is made for. A file's description is the one that is shown, except for what could not be read
/// back: there words are quoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// For people: as Redis shows it.
    Shown,
    /// For an ACL file, whose words are separated by spaces and never quoted; only selectors can contain quotes.
    AclFile,
    /// For a configuration file, in which every word may be quoted.
    Config,
}

impl User {
    /// A new user: disabled, without rights except perhaps all channels (`acl-pubsub-default`).
    pub fn new(name: &[u8], all_channels: bool) -> Self {
        User {
            name: name.into(),
            enabled: false,
            nopass: false,
            skips_sanitizing: false,
            passwords: Passwords::default(),
            selectors: vec![Selector::new(all_channels)],
            unrestricted: false,
        }
    }

    /// The default user as a server starts with it: it may do everything, without a password.
    pub fn new_default() -> Self {
        let mut user = User::new(DEFAULT_NAME, true);
        user.root().set_all_commands(true);
        user.root().set_all_keys(true);
        user.enabled = true;
        user.nopass = true;
        user.finish();
        user
    }

    /// Its name.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// The same user under another name.
    pub fn renamed(mut self, name: &[u8]) -> Self {
        self.name = name.into();
        self
    }

    /// Its passwords as SHA-256 digests.
    pub fn passwords(&self) -> &Passwords {
        &self.passwords
    }

    /// Its selectors, the root selector first.
    pub fn selectors(&self) -> &[Selector] {
        &self.selectors
    }

    /// Whether a client may authenticate as this user with a password.
    pub fn accepts(&self, password: &[u8]) -> bool {
        self.enabled && (self.nopass || self.passwords.accept(password))
    }

    /// Whether a client that does not authenticate may be this user.
    pub fn is_open(&self) -> bool {
        self.enabled && self.nopass
    }

    /// Makes this password the only one; without one any is accepted (`requirepass`).
    pub fn set_password(&mut self, password: &[u8]) {
        self.passwords.clear();
        self.nopass = password.is_empty();
        if !password.is_empty() {
            self.passwords.add(sha256(password));
        }
    }

    /// Applies a rule; `all_channels` is `acl-pubsub-default`. After the last rule, call [`User::finish`].
    ///
    /// # Errors
    /// It is invalid.
    pub fn apply(&mut self, rule: &[u8], all_channels: bool) -> Result<(), RuleError> {
        let is = |word: &str| rule.eq_ignore_ascii_case(word.as_bytes());
        match rule {
            [] => {}
            [b'>', password @ ..] => self.add_password(sha256(password)),
            [b'#', text @ ..] => {
                self.add_password(digest_of_hex(text).ok_or(RuleError::BadHash)?);
            }
            [b'<', password @ ..] => self.remove_password(&sha256(password))?,
            [b'!', text @ ..] => {
                self.remove_password(&digest_of_hex(text).ok_or(RuleError::BadHash)?)?;
            }
            [b'(', inner @ .., b')'] => self.selectors.push(selector_of(inner, all_channels)?),
            _ if is("on") => self.enabled = true,
            _ if is("off") => self.enabled = false,
            _ if is("nopass") => {
                self.nopass = true;
                self.passwords.clear();
            }
            _ if is("resetpass") => {
                self.nopass = false;
                self.passwords.clear();
            }
            _ if is("skip-sanitize-payload") => self.skips_sanitizing = true,
            _ if is("sanitize-payload") => self.skips_sanitizing = false,
            _ if is("clearselectors") => self.selectors.truncate(1),
            _ if is("reset") => {
                let name = std::mem::take(&mut self.name);
                *self = User::new(&name, all_channels);
            }
            _ => self.root().apply(rule)?,
        }
        Ok(())
    }

    /// Gives back the memory that only applying rules needs, and notes whether the user may do everything.
    pub fn finish(&mut self) {
        self.passwords.finish();
        self.selectors.iter_mut().for_each(Selector::finish);
        self.unrestricted = self.selectors.iter().any(Selector::is_unrestricted);
    }

    fn root(&mut self) -> &mut Selector {
        &mut self.selectors[0]
    }

    fn add_password(&mut self, digest: [u8; 32]) {
        self.passwords.add(digest);
        self.nopass = false;
    }

    fn remove_password(&mut self, digest: &[u8; 32]) -> Result<(), RuleError> {
        if self.passwords.remove(digest) {
            Ok(())
        } else {
            Err(RuleError::NoSuchPassword)
        }
    }
}

/// The selector that the text between parentheses describes. An empty one admits nothing, but is not an error in Redis.
fn selector_of(inner: &[u8], all_channels: bool) -> Result<Selector, RuleError> {
    let rules = split(inner).map_err(|_| RuleError::Syntax)?;
    let mut selector = Selector::new(all_channels);
    rules.iter().try_for_each(|rule| selector.apply(rule))?;
    Ok(selector)
}

/// The checks.
impl User {
    /// Whether it may do everything.
    #[inline]
    pub fn is_unrestricted(&self) -> bool {
        self.unrestricted
    }

    /// Why it may not execute a command line; `None` if it may.
    ///
    /// One selector must admit the whole line. If none does, the reason is that of the selector that comes closest.
    pub fn denies(&self, attempt: &Attempt<'_, '_>) -> Option<Denied> {
        let mut keys = None;
        let mut reason = Denied::Command;
        for selector in &self.selectors {
            reason = reason.max(denied_by(selector, attempt, &mut keys)?);
        }
        Some(reason)
    }

    /// Whether it may execute a command line that also accesses keys which the line does not name.
    pub fn admits_any_key(&self, attempt: &Attempt<'_, '_>, access: Access) -> bool {
        self.selectors.iter().any(|selector| {
            selector.admits_any_key(access) && denied_by(selector, attempt, &mut None).is_none()
        })
    }

    /// Whether it may use a channel; a pattern must be one of its patterns, literally.
    pub fn admits_channel(&self, channel: &[u8], is_pattern: bool) -> bool {
        let mut selectors = self.selectors.iter();
        selectors.any(|selector| selector.admits_channel(channel, is_pattern))
    }

    /// Whether it has lost no channel compared to what it was before, so that its subscribers need no check.
    pub fn keeps_channels_of(&self, before: &User) -> bool {
        let all = |user: &User| user.selectors.iter().any(Selector::admits_all_channels);
        let has = |channel: &[u8]| {
            let mut selectors = self.selectors.iter();
            selectors.any(|selector| selector.channel_patterns().has(channel))
        };
        all(self)
            || !all(before)
                && before
                    .selectors
                    .iter()
                    .flat_map(|selector| selector.channel_patterns().iter())
                    .all(|(channel, _)| has(channel))
    }
}

/// Why a selector does not admit a command line. `keys` keeps the keys of the line between selectors.
#[inline]
fn denied_by(
    selector: &Selector,
    attempt: &Attempt<'_, '_>,
    keys: &mut Option<Keys>,
) -> Option<Denied> {
    let Attempt {
        cmd,
        spec,
        argv,
        argc,
    } = *attempt;
    if !selector.admits_command(cmd, || (argc > 1).then(|| argv(1)))
        && !spec.flags.contains(Flags::NO_AUTH)
    {
        return Some(Denied::Command);
    }
    if !selector.admits_all_keys() {
        if let Some((at, flags)) = single_key(spec) {
            if at < argc && !selector.admits_key(argv(at), access_of(flags)) {
                return Some(Denied::Key(at));
            }
        } else {
            let keys = keys.get_or_insert_with(|| accessed(spec, argv, argc));
            for key in keys.iter() {
                let at = key.pos as usize;
                if !selector.admits_key(argv(at), access_of(key.flags)) {
                    return Some(Denied::Key(at));
                }
            }
        }
    }
    if spec.channels.is_some() && !selector.admits_all_channels() {
        return denied_channel(selector, attempt);
    }
    None
}

/// The key of a command that has exactly one, at a fixed position: most commands do.
#[inline]
fn single_key(spec: &Spec) -> Option<(usize, KeyFlags)> {
    match spec.key_specs() {
        [key] if spec.procedure.is_none() && spec.range.first == spec.range.last => {
            let is_plain = spec.range.first > 0
                && !key
                    .flags
                    .intersects(KeyFlags::NOT_KEY.union(KeyFlags::INCOMPLETE));
            is_plain.then_some((spec.range.first as usize, key.flags))
        }
        _ => None,
    }
}

#[inline]
fn access_of(flags: KeyFlags) -> Access {
    const CHANGES: KeyFlags = KeyFlags::INSERT
        .union(KeyFlags::DELETE)
        .union(KeyFlags::UPDATE);
    let mut access = Access::empty();
    access.set(Access::READ, flags.contains(KeyFlags::ACCESS));
    access.set(Access::WRITE, flags.intersects(CHANGES));
    access
}

#[cold]
fn denied_channel(selector: &Selector, attempt: &Attempt<'_, '_>) -> Option<Denied> {
    let (flags, mut positions) = channels(attempt.spec, attempt.argc)?;
    // Unsubscribing needs no right.
    if !flags.intersects(ChannelFlags::PUBLISH.union(ChannelFlags::SUBSCRIBE)) {
        return None;
    }
    let is_pattern = flags.contains(ChannelFlags::PATTERN);
    positions
        .find(|&at| !selector.admits_channel((attempt.argv)(at), is_pattern))
        .map(Denied::Channel)
}

/// The description.
impl User {
    /// The words of GETUSER `flags`.
    pub fn flags(&self) -> impl Iterator<Item = &'static str> {
        let nopass = self.nopass.then_some("nopass");
        let sanitize = if self.skips_sanitizing {
            "skip-sanitize-payload"
        } else {
            "sanitize-payload"
        };
        [if self.enabled { "on" } else { "off" }]
            .into_iter()
            .chain(nopass)
            .chain([sanitize])
    }

    /// The line that ACL LIST and files have for it: the word `user`, its name and its rules. The rules applied to a
    /// new user result in this one.
    pub fn line(&self, style: Style) -> Vec<u8> {
        let mut out = b"user".to_vec();
        let mut word = |word: &[u8]| {
            out.push(b' ');
            if style == Style::Config && (word.is_empty() || !is_plain(word)) {
                quote(&mut out, word);
            } else {
                out.extend_from_slice(word);
            }
        };
        word(&self.name);
        self.flags().for_each(|flag| word(flag.as_bytes()));
        for digest in self.passwords.iter() {
            let text: [u8; 64] = hex(digest);
            word(&[b"#", &text[..]].concat());
        }
        self.selectors[0].all_rules(&mut word);
        for selector in &self.selectors[1..] {
            word(&in_parentheses(selector, style));
        }
        out
    }
}

/// A selector as one word.
fn in_parentheses(selector: &Selector, style: Style) -> Vec<u8> {
    let mut text = b"(".to_vec();
    selector.all_rules(&mut |word| {
        if text.len() > 1 {
            text.push(b' ');
        }
        // A closing parenthesis at the end of an argument would end the selector.
        let is_clear = is_plain(word) && word.last() != Some(&b')');
        if style == Style::Shown || is_clear {
            text.extend_from_slice(word);
        } else {
            quote(&mut text, word);
        }
    });
    text.push(b')');
    text
}

/// Whether a word is read back from a line as it is. Spaces are only in selectors, whose parts are joined again.
fn is_plain(word: &[u8]) -> bool {
    let mut parts = word.split(|&byte| byte == b' ');
    parts.all(|part| !needs_quotes(part) && !part.contains(&b'\''))
}

#[cfg(test)]
mod tests {
    use table::lookup_full;
    use words::split;

    use super::{Attempt, Denied, Style, User};
    use crate::state::acl::arguments::merged;
    use crate::state::acl::patterns::Access;
    use crate::state::acl::rule::RuleError;

    fn made(rules: &str) -> Result<User, RuleError> {
        let mut user = User::new(b"u", false);
        let args: Vec<&[u8]> = rules.split(' ').map(str::as_bytes).collect();
        for rule in merged(args).map_err(|_| RuleError::Syntax)? {
            user.apply(&rule, false)?;
        }
        user.finish();
        Ok(user)
    }

    fn shown(user: &User, style: Style) -> String {
        String::from_utf8_lossy(&user.line(style)).into_owned()
    }

    fn verdict(user: &User, line: &str) -> Option<Denied> {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        let cmd = lookup_full(words[0]).expect(line);
        user.denies(&Attempt {
            cmd,
            spec: table::spec(cmd),
            argv: &|at| words[at],
            argc: words.len(),
        })
    }

    #[test]
    fn users_are_described_as_redis_does() {
        let hash = "#2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";
        let rows = [
            ("on", "on sanitize-payload resetchannels -@all".to_owned()),
            (
                "() ( )",
                "off sanitize-payload resetchannels -@all (resetchannels -@all) (resetchannels -@all)".to_owned(),
            ),
            (
                "on >x +get %R~foo ~bar &ch (+set ~x) (~y)",
                format!(
                    "on sanitize-payload {hash} %R~foo ~bar resetchannels &ch -@all +get \
                     (~x resetchannels -@all +set) (~y resetchannels -@all)"
                ),
            ),
            (
                "nopass SKIP-SANITIZE-PAYLOAD allkeys allchannels allcommands",
                "off nopass skip-sanitize-payload ~* &* +@all".to_owned(),
            ),
            (
                ">x >x >y <y (+get) clearselectors",
                format!("off sanitize-payload {hash} resetchannels -@all"),
            ),
            (
                "on >x ~* +@all (~* +get) reset",
                "off sanitize-payload resetchannels -@all".to_owned(),
            ),
            (
                "nopass >x (&* +get )",
                format!("off sanitize-payload {hash} resetchannels -@all (&* -@all +get)"),
            ),
            (
                ">x nopass resetpass",
                "off sanitize-payload resetchannels -@all".to_owned(),
            ),
        ];
        for (rules, expected) in rows {
            let user = made(rules).expect(rules);
            for style in [Style::Shown, Style::AclFile, Style::Config] {
                assert_eq!(shown(&user, style), format!("user u {expected}"), "{rules}");
            }
        }
        assert_eq!(
            shown(&User::new_default(), Style::Shown),
            "user default on nopass sanitize-payload ~* &* +@all"
        );
    }

    #[test]
    fn the_lines_of_files_read_back() {
        let mut user = User::new(b"u", false);
        for rule in [
            "~plain",
            "~qu\"ote",
            "%R~back\\slash",
            "&it's",
            "~\u{e9}",
            r#"(~"a\"b" &x +get)"#,
            r#"("~c'd" +set)"#,
            "(~e +del)",
            "(~f) &g) +get)",
        ] {
            user.apply(rule.as_bytes(), false).expect(rule);
        }
        user.finish();
        for style in [Style::AclFile, Style::Config] {
            let line = user.line(style);
            let words = match style {
                Style::Config => split(&line).expect("balanced"),
                _ => line.split(|&b| b == b' ').map(<[u8]>::to_vec).collect(),
            };
            let mut again = User::new(b"u", false);
            let rules = words[2..].iter().map(Vec::as_slice);
            for rule in merged(rules).expect("closed") {
                again.apply(&rule, false).expect("a good rule");
            }
            assert_eq!(shown(&again, style), shown(&user, style));
            assert_eq!(shown(&again, Style::Shown), shown(&user, Style::Shown));
        }
        let config = User::new(b"", false).line(Style::Config);
        assert!(config.starts_with(b"user \"\" off "));
    }

    #[test]
    fn wrong_rules_are_refused() {
        let rows = [
            ("<x", RuleError::NoSuchPassword),
            ("!x", RuleError::BadHash),
            ("#x", RuleError::BadHash),
            ("(", RuleError::Syntax),
            (")", RuleError::Syntax),
            ("(+get (+set))", RuleError::Syntax),
            ("(on)", RuleError::Syntax),
            ("(~* ~a)", RuleError::KeysComplete),
            ("(~\"a)", RuleError::Syntax),
            ("allkeys ~a", RuleError::KeysComplete),
            ("enabled", RuleError::Syntax),
        ];
        for (rules, expected) in rows {
            assert_eq!(made(rules).err(), Some(expected), "{rules}");
        }
        assert_eq!(made("").map(|_| ()), Ok(()));
    }

    #[test]
    fn the_closest_selector_names_the_reason() {
        let user = made("+mget ~key (+mget ~key ~otherkey) (+publish &a)").expect("good");
        let rows = [
            ("get key", Some(Denied::Command)),
            ("mget key", None),
            ("mget otherkey someotherkey", Some(Denied::Key(2))),
            ("mget key otherkey someotherkey", Some(Denied::Key(3))),
            ("publish a x", None),
            ("publish b x", Some(Denied::Channel(1))),
            ("auth x", None),
        ];
        for (line, expected) in rows {
            assert_eq!(verdict(&user, line), expected, "{line}");
        }
    }

    #[test]
    fn access_follows_from_how_a_command_uses_a_key() {
        let user = made("+@all %R~r %W~w ~b &ch &pat*").expect("good");
        let rows = [
            ("get r", None),
            ("get w", Some(Denied::Key(1))),
            ("set w x", None),
            ("set w x get", Some(Denied::Key(1))),
            ("set b x get", None),
            ("getdel r", Some(Denied::Key(1))),
            ("copy r w", None),
            ("copy w r", Some(Denied::Key(1))),
            ("copy r r", Some(Denied::Key(2))),
            ("bitfield r get u8 0", None),
            ("bitfield r set u8 0 1", Some(Denied::Key(1))),
            ("strlen w", None),
            ("strlen x", Some(Denied::Key(1))),
            ("exists r w", None),
            ("sort r store w", None),
            ("sort r store r", Some(Denied::Key(3))),
            ("sort_ro w", Some(Denied::Key(1))),
            ("xread streams r w 0 0", Some(Denied::Key(3))),
            ("zunionstore w 1 r", None),
            ("ping", None),
            ("subscribe ch pat1", None),
            ("psubscribe pat* ch", None),
            ("psubscribe pat1", Some(Denied::Channel(1))),
            ("ssubscribe ch no", Some(Denied::Channel(2))),
            ("spublish no x", Some(Denied::Channel(1))),
            ("unsubscribe no", None),
            ("punsubscribe no", None),
        ];
        for (line, expected) in rows {
            assert_eq!(verdict(&user, line), expected, "{line}");
        }
        assert!(user.admits_channel(b"pat", false) && !user.admits_channel(b"pat", true));
    }

    #[test]
    fn passwords_open_an_enabled_user() {
        let rows = [
            ("on >x >y", "x", true),
            ("on >x >y", "z", false),
            ("off >x", "x", false),
            ("on", "", false),
            ("on nopass", "any", true),
            ("on nopass >x", "any", false),
        ];
        for (rules, password, expected) in rows {
            let user = made(rules).expect(rules);
            assert_eq!(user.accepts(password.as_bytes()), expected, "{rules}");
        }
        let mut user = User::new_default();
        assert!(user.is_open() && user.is_unrestricted());
        user.set_password(b"x");
        assert!(!user.is_open() && user.accepts(b"x") && !user.accepts(b""));
        user.set_password(b"");
        assert!(user.is_open());
    }

    #[test]
    fn lost_channels_are_noticed() {
        let rows = [
            ("&a &b", "&a &b &c", true),
            ("&a &b", "&a", false),
            ("&a &b", "&a (&b +get)", true),
            ("&a", "&*", true),
            ("&*", "&*", true),
            ("&*", "&a", false),
            ("+get", "-get", true),
            ("(&* +get)", "+get", false),
        ];
        for (before, after, expected) in rows {
            let (before, after) = (made(before).expect(before), made(after).expect(after));
            assert_eq!(after.keeps_channels_of(&before), expected);
        }
    }

    #[test]
    fn any_key_needs_all_keys_in_one_selector() {
        let rows = [
            ("+sort ~*", true),
            ("+sort ~l", false),
            ("+sort %R~*", true),
            ("+sort ~l (+get ~*)", false),
            ("+sort ~l (+sort %R~* ~l)", true),
            ("+sort %W~* ~l", false),
        ];
        let words: [&[u8]; 2] = [b"sort", b"l"];
        let cmd = lookup_full(b"sort").expect("a command");
        for (rules, expected) in rows {
            let attempt = Attempt {
                cmd,
                spec: table::spec(cmd),
                argv: &|at| words[at],
                argc: 2,
            };
            let user = made(rules).expect(rules);
            assert_eq!(
                user.admits_any_key(&attempt, Access::READ),
                expected,
                "{rules}"
            );
        }
    }
}
