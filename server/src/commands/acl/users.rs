//! ACL commands that change users and show them: SETUSER, DELUSER, GETUSER, LIST, USERS, WHOAMI.

use data::util::sha::hex;
use table::server as rows;

use crate::commands::Family;
use crate::house::users::all_channels;
use crate::server::{Ctx, Done};
use crate::session::auth::{close_orphans, close_revoked_subscribers};
use crate::state::acl::arguments::merged;
use crate::state::acl::rule::has_spaces;
use crate::state::acl::selector::Selector;
use crate::state::acl::user::{DEFAULT_NAME, Style, User};
use crate::wire::fault::Fault;
use crate::wire::reply::Reply;

/// Rows and procs.
pub static PROCS: Family = &[
    (&rows::ACL_SETUSER, setuser),
    (&rows::ACL_DELUSER, deluser),
    (&rows::ACL_GETUSER, getuser),
    (&rows::ACL_LIST, list),
    (&rows::ACL_USERS, names),
    (&rows::ACL_WHOAMI, whoami),
];

/// All rules are applied, or none: they are applied to a copy.
fn setuser(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let name = &argv[2];
    if has_spaces(name) {
        return Err(Fault::new(
            "ERR Usernames can't contain spaces or null characters",
        ));
    }
    let rules = merged(argv.iter().skip(3)).map_err(|at| {
        let text = b"ERR Unmatched parenthesis in acl selector starting at '";
        Fault::quoting(&[text, &argv[3 + at], b"'."])
    })?;
    let all_channels = all_channels(cx.srv);
    let acl = &cx.srv.acl;
    let before = acl.find(name).and_then(|id| acl.get(id));
    let mut user = before
        .cloned()
        .unwrap_or_else(|| User::new(name, all_channels));
    for rule in rules {
        user.apply(&rule, all_channels).map_err(|why| {
            let text = b"ERR Error in ACL SETUSER modifier '".as_slice();
            Fault::quoting(&[text, &rule, b"': ", why.text().as_bytes()])
        })?;
    }
    user.finish();
    let has_lost_channels = before.is_some_and(|before| !user.keeps_channels_of(before));
    let id = cx.srv.acl.put(user);
    if has_lost_channels {
        close_revoked_subscribers(cx.srv, id);
    }
    cx.reply.ok();
    Ok(())
}

fn deluser(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    if argv.iter().skip(2).any(|name| name == DEFAULT_NAME) {
        return Err(Fault::new("ERR The 'default' user cannot be removed"));
    }
    let acl = &mut cx.srv.acl;
    let deleted = argv
        .iter()
        .skip(2)
        .filter(|name| acl.remove(name).is_some())
        .count();
    let closes_caller = deleted > 0 && close_orphans(cx.srv, cx.caller);
    cx.reply.int(deleted as i64);
    cx.reply.muted |= closes_caller;
    Ok(())
}

fn getuser(cx: &mut Ctx<'_>) -> Done {
    let (acl, reply) = (&cx.srv.acl, &mut *cx.reply);
    let Some(user) = acl.find(&cx.argv[2]).and_then(|id| acl.get(id)) else {
        reply.null();
        return Ok(());
    };
    reply.map(6);
    reply.bulk(b"flags");
    reply.set(user.flags().count());
    user.flags().for_each(|flag| reply.bulk(flag.as_bytes()));
    reply.bulk(b"passwords");
    reply.array(user.passwords().iter().count());
    for digest in user.passwords().iter() {
        let text: [u8; 64] = hex(digest);
        reply.bulk(&text);
    }
    let (root, others) = user.selectors().split_at(1);
    root.iter().for_each(|selector| fields(reply, selector));
    reply.bulk(b"selectors");
    reply.array(others.len());
    for selector in others {
        reply.map(3);
        fields(reply, selector);
    }
    Ok(())
}

/// Emits the words of a part of a selector.
type Part = fn(&Selector, &mut dyn FnMut(&[u8]));

fn fields(reply: &mut Reply, selector: &Selector) {
    let parts: [(&str, Part); 3] = [
        ("commands", Selector::command_rules),
        ("keys", Selector::key_rules),
        ("channels", Selector::channel_rules),
    ];
    for (name, part) in parts {
        let mut text = Vec::new();
        let mut is_first = true;
        part(selector, &mut |word| {
            if !std::mem::take(&mut is_first) {
                text.push(b' ');
            }
            text.extend_from_slice(word);
        });
        reply.bulk(name.as_bytes());
        reply.bulk(&text);
    }
}

fn list(cx: &mut Ctx<'_>) -> Done {
    cx.reply.array(cx.srv.acl.iter().count());
    for user in cx.srv.acl.iter() {
        cx.reply.bulk(&user.line(Style::Shown));
    }
    Ok(())
}

fn names(cx: &mut Ctx<'_>) -> Done {
    cx.reply.array(cx.srv.acl.iter().count());
    for user in cx.srv.acl.iter() {
        cx.reply.bulk(user.name());
    }
    Ok(())
}

fn whoami(cx: &mut Ctx<'_>) -> Done {
    match cx.srv.acl.get(cx.caller.session.user) {
        Some(user) => cx.reply.bulk(user.name()),
        None => cx.reply.null(),
    }
    Ok(())
}
