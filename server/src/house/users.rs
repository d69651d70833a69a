//! Users in files: `user` lines of the configuration, and the ACL file.
//!
//! A server has its users in either place, never in both. Lines of the configuration are checked when it is read, but
//! for the names of commands, as in Redis; the users are created when the server starts.

use std::borrow::Cow;
use std::fs;
use std::io;
use std::path::Path;

use crate::config::rewrite::replace;
use crate::config::values::AclPubsubDefault;
use crate::server::Server;
use crate::state::acl::arguments::merged;
use crate::state::acl::file;
use crate::state::acl::rule::{RuleError, has_spaces};
use crate::state::acl::user::{Style, User};
use crate::sys::host::reason;
use crate::{notice, warning};

/// Whether new users may use all channels.
pub fn all_channels(srv: &Server) -> bool {
    srv.config.acl_pubsub_default == AclPubsubDefault::Allchannels
}

/// `requirepass` has changed.
pub fn set_default_password(srv: &mut Server) {
    let mut user = srv.acl.default_user().clone();
    user.set_password(&srv.config.requirepass);
    srv.acl.put(user);
}

/// Checks the name and the rules of a `user` line of a configuration.
///
/// # Errors
/// A sentence that names the rule.
pub fn check_line(words: &[Vec<u8>]) -> Result<(), String> {
    let problem = |rule: &[u8], why: &str| {
        let rule = String::from_utf8_lossy(rule);
        Err(format!("Error in user declaration '{rule}': {why}"))
    };
    let rules = match rules_of(words) {
        Ok(rules) => rules,
        Err(at) => {
            return problem(
                &words[1 + at],
                "Unmatched parenthesis in selector definition.",
            );
        }
    };
    let mut user = User::new(&words[0], false);
    for rule in rules {
        match user.apply(&rule, false) {
            Ok(()) | Err(RuleError::Unknown) => {}
            Err(why) => return problem(hidden(&rule), why.text()),
        }
    }
    Ok(())
}

/// A rule as errors show it: without the password.
fn hidden(rule: &[u8]) -> &[u8] {
    match rule {
        [b'>' | b'<' | b'#' | b'!', ..] => &rule[..1],
        _ => rule,
    }
}

fn rules_of(words: &[Vec<u8>]) -> Result<Vec<Cow<'_, [u8]>>, usize> {
    merged(words[1..].iter().map(Vec::as_slice))
}

/// Creates the users of the configuration, or of the ACL file.
///
/// # Errors
/// A sentence: the server must not run with these users.
pub fn load_at_start(srv: &mut Server) -> Result<(), String> {
    let lines = std::mem::take(&mut srv.config.users);
    if !lines.is_empty() && !srv.config.aclfile.is_empty() {
        return Err(
            "Configuring Redis with users defined in redis.conf and at the same setting an ACL file path is invalid. \
             This setup is very likely to lead to configuration errors and security holes, please define either an ACL \
             file or declare users directly in your redis.conf, but not both."
                .into(),
        );
    }
    for words in &lines {
        if let Err(sentence) = create(srv, words) {
            warning!("{sentence}");
            return Err("Critical error while loading ACLs. Exiting.".into());
        }
    }
    if srv.config.aclfile.is_empty() {
        return Ok(());
    }
    load(srv).map_err(|errors| format!("Aborting Redis startup because of ACL errors: {errors}"))
}

/// Creates the user of a line, or replaces the default one.
fn create(srv: &mut Server, words: &[Vec<u8>]) -> Result<(), String> {
    let name = &words[0];
    if has_spaces(name) {
        return Err("Spaces not allowed in ACL usernames".into());
    }
    let shown = String::from_utf8_lossy(name);
    let all_channels = all_channels(srv);
    let mut user = User::new(name, all_channels);
    let rules = rules_of(words).map_err(|_| "Unmatched parenthesis in selector definition.")?;
    for rule in rules {
        if let Err(why) = user.apply(&rule, all_channels) {
            return Err(format!(
                "Error loading ACL rule '{}' for the user named '{shown}': {}",
                String::from_utf8_lossy(hidden(&rule)),
                why.text()
            ));
        }
    }
    user.finish();
    if !user.enabled {
        notice!(
            "The user '{shown}' is disabled (there is no 'on' modifier in the user description). Make sure this is not a \
             configuration error."
        );
    }
    srv.acl.put(user);
    Ok(())
}

/// Replaces all users by those of the ACL file. The caller closes the clients of the users that are gone.
///
/// # Errors
/// All that is wrong with the file; no user is changed.
pub fn load(srv: &mut Server) -> Result<(), String> {
    let path = &srv.config.aclfile;
    let text = fs::read(path).map_err(|error| {
        format!(
            "Error loading ACLs, opening file '{path}': {}",
            reason(&error)
        )
    })?;
    let users = file::parse(&text, path, all_channels(srv))?;
    srv.acl.replace_all(users);
    Ok(())
}

/// Writes all users to the ACL file.
///
/// # Errors
/// The file cannot be replaced; the old one is unchanged.
pub fn save(srv: &Server) -> io::Result<()> {
    let path = Path::new(&srv.config.aclfile);
    let target = fs::canonicalize(path);
    replace(
        target.as_deref().unwrap_or(path),
        &file::text(srv.acl.iter()),
    )
}

/// The lines of the users for the configuration file; none if there is an ACL file.
pub fn config_lines(srv: &Server) -> Vec<Vec<u8>> {
    if !srv.config.aclfile.is_empty() {
        return Vec::new();
    }
    let users = srv.acl.iter();
    users.map(|user| user.line(Style::Config)).collect()
}

#[cfg(test)]
mod tests {
    use super::check_line;

    #[test]
    fn lines_are_checked_but_for_the_names_of_commands() {
        let rows = [
            ("on >x +get", Ok(())),
            ("+nope -@nope", Ok(())),
            ("(+get ~a )", Ok(())),
            ("on nope", Err("'nope': Syntax error")),
            ("on >x %R", Err("'%R': Syntax error")),
            (
                "(+get",
                Err("'(+get': Unmatched parenthesis in selector definition."),
            ),
            ("(+get ())", Err("'(+get ())': Syntax error")),
            (
                "#abc",
                Err(
                    "'#': The password hash must be exactly 64 characters and contain only lowercase hexadecimal \
                     characters",
                ),
            ),
        ];
        for (rules, expected) in rows {
            let words = [b"alice".as_slice()]
                .into_iter()
                .chain(rules.split(' ').map(str::as_bytes));
            let words: Vec<Vec<u8>> = words.map(<[u8]>::to_vec).collect();
            let expected = expected.map_err(|why| format!("Error in user declaration {why}"));
            assert_eq!(check_line(&words), expected, "{rules}");
        }
    }
}
