//! CLIENT: connected clients.

use data::util::num::parse_i64;
use table::connection as rows;

use crate::commands::Family;
use crate::commands::args::{Args, deadline_ms, int};
use crate::exec::unblock::give_up;
use crate::report::client_line::{client_line, is_peer_text, local_text, remember_local};
use crate::server::{Ctx, Done, Server};
use crate::session::close::{close_after_reply, close_now};
use crate::session::name::{is_clean, set_name};
use crate::state::acl::users::UserId;
use crate::state::client::{Class, Client, ClientFlags, ReplyMode};
use crate::state::client_id::ClientId;
use crate::state::pauses::{Purpose, Scope};
use crate::wire::fault::{Fault, NO_SUCH_CLIENT, SYNTAX, UNBLOCKED, subcommand_syntax};

/// Rows and procs.
pub static PROCS: Family = &[
    (&rows::CLIENT_ID, id),
    (&rows::CLIENT_INFO, info),
    (&rows::CLIENT_LIST, list),
    (&rows::CLIENT_SETNAME, setname),
    (&rows::CLIENT_GETNAME, getname),
    (&rows::CLIENT_SETINFO, setinfo),
    (&rows::CLIENT_KILL, kill),
    (&rows::CLIENT_NO_EVICT, no_evict),
    (&rows::CLIENT_NO_TOUCH, no_touch),
    (&rows::CLIENT_REPLY, reply),
    (&rows::CLIENT_UNBLOCK, unblock),
    (&rows::CLIENT_PAUSE, pause_clients),
    (&rows::CLIENT_UNPAUSE, unpause_clients),
    (&rows::CLIENT_HELP, help),
];

fn pause_clients(cx: &mut Ctx<'_>) -> Done {
    if cx.argv.len() > 4 {
        return Err(subcommand_syntax(&cx.argv[0], &cx.argv[1]));
    }
    let mut args = Args::from(cx.argv, 3);
    let scope = if args.is_done() || args.word("all") {
        Scope::All
    } else if args.word("write") {
        Scope::Writes
    } else {
        return Err(Fault::new("ERR CLIENT PAUSE mode must be WRITE or ALL"));
    };
    let end_ms = deadline_ms(&cx.argv[2], cx.now_ms)?.unwrap_or(cx.now_ms);
    // A pause of all commands is not narrowed to writes.
    let known = cx.srv.pauses.scope_of(Purpose::Client);
    let scope = known.map_or(scope, |known| known.max(scope));
    cx.srv.pauses.begin(Purpose::Client, scope, end_ms);
    cx.reply.ok();
    Ok(())
}

fn unpause_clients(cx: &mut Ctx<'_>) -> Done {
    cx.srv.pauses.end(Purpose::Client);
    cx.reply.ok();
    Ok(())
}

fn id(cx: &mut Ctx<'_>) -> Done {
    let number = cx
        .srv
        .clients
        .get(cx.caller.client)
        .map_or(0, |client| client.id);
    cx.reply.int(number as i64);
    Ok(())
}

/// The request of the executing client is not in the slab, so its size is noted before the line is written.
fn note_own_arguments(cx: &mut Ctx<'_>) {
    let (id, bytes) = (cx.caller.client, cx.argv.bytes());
    if let Some(client) = cx.srv.clients.get_mut(id) {
        client.sizes.argv = bytes;
    }
}

fn info(cx: &mut Ctx<'_>) -> Done {
    note_own_arguments(cx);
    let line = client_line(cx.srv, cx.caller.client) + "\n";
    cx.reply.verbatim(b"txt", line.as_bytes());
    Ok(())
}

fn class(name: &[u8]) -> Result<Class, Fault> {
    match name.to_ascii_lowercase().as_slice() {
        b"normal" => Ok(Class::Normal),
        b"master" => Ok(Class::Primary),
        b"slave" | b"replica" => Ok(Class::Replica),
        b"pubsub" => Ok(Class::PubSub),
        _ => Err(Fault::quoting(&[b"ERR Unknown client type '", name, b"'"])),
    }
}

fn list(cx: &mut Ctx<'_>) -> Done {
    note_own_arguments(cx);
    let mut args = Args::from(cx.argv, 2);
    let mut ids = cx.srv.clients.ids();
    if args.left() == 2 && args.word("type") {
        let wanted = class(args.need()?)?;
        ids.retain(|&id| {
            cx.srv
                .clients
                .get(id)
                .is_some_and(|client| client.class() == wanted)
        });
    } else if args.word_with_value("id") {
        ids.clear();
        while let Some(arg) = args.take() {
            let number = parse_i64(arg).ok_or(Fault::new("ERR Invalid client ID"))?;
            let number = u64::try_from(number).unwrap_or(0);
            ids.extend(cx.srv.clients.by_number.get(&number));
        }
    } else if !args.is_done() {
        return Err(SYNTAX);
    }
    let mut text = String::new();
    for id in ids {
        remember_local(cx.srv, id);
        text.push_str(&client_line(cx.srv, id));
        text.push('\n');
    }
    cx.reply.verbatim(b"txt", text.as_bytes());
    Ok(())
}

fn setname(cx: &mut Ctx<'_>) -> Done {
    let id = cx.caller.client;
    if let Some(client) = cx.srv.clients.get_mut(id) {
        set_name(client, &cx.argv[2])?;
    }
    cx.reply.ok();
    Ok(())
}

fn getname(cx: &mut Ctx<'_>) -> Done {
    match cx
        .srv
        .clients
        .get(cx.caller.client)
        .map(|client| &client.name)
    {
        Some(name) if !name.is_empty() => cx.reply.bulk(name),
        _ => cx.reply.null(),
    }
    Ok(())
}

fn setinfo(cx: &mut Ctx<'_>) -> Done {
    let (attribute, value) = (&cx.argv[2], &cx.argv[3]);
    let id = cx.caller.client;
    let Some(client) = cx.srv.clients.get_mut(id) else {
        return Ok(());
    };
    let field = match attribute.to_ascii_lowercase().as_slice() {
        b"lib-name" => &mut client.lib_name,
        b"lib-ver" => &mut client.lib_ver,
        _ => {
            return Err(Fault::quoting(&[
                b"ERR Unrecognized option '",
                attribute,
                b"'",
            ]));
        }
    };
    if !is_clean(value) {
        let text = b" cannot contain spaces, newlines or special characters.";
        return Err(Fault::bytes([b"ERR ", attribute, text.as_slice()].concat()));
    }
    *field = value.to_vec();
    cx.reply.ok();
    Ok(())
}

/// Filters of CLIENT KILL; a client must match all that are given.
struct ClientFilter<'a> {
    number: Option<u64>,
    peer: Option<&'a [u8]>,
    local: Option<&'a [u8]>,
    class: Option<Class>,
    user: Option<UserId>,
    skip_me: bool,
}

fn parse_filter<'a>(srv: &Server, args: &mut Args<'a>) -> Result<ClientFilter<'a>, Fault> {
    let mut filter = ClientFilter {
        number: None,
        peer: None,
        local: None,
        class: None,
        user: None,
        skip_me: true,
    };
    while let Some(option) = args.take() {
        let value = args.need()?;
        match option.to_ascii_lowercase().as_slice() {
            b"id" => {
                let number = parse_i64(value).filter(|&n| n > 0);
                filter.number = Some(
                    number.ok_or_else(|| Fault::new("ERR client-id should be greater than 0"))?
                        as u64,
                );
            }
            b"addr" => filter.peer = Some(value),
            b"laddr" => filter.local = Some(value),
            b"type" => filter.class = Some(class(value)?),
            b"user" => {
                let user = srv.acl.find(value);
                let fault = || Fault::quoting(&[b"ERR No such user '", value, b"'"]);
                filter.user = Some(user.ok_or_else(fault)?);
            }
            b"skipme" => {
                filter.skip_me = match value.to_ascii_lowercase().as_slice() {
                    b"yes" => true,
                    b"no" => false,
                    _ => return Err(SYNTAX),
                }
            }
            _ => return Err(SYNTAX),
        }
    }
    Ok(filter)
}

fn fits(srv: &Server, id: ClientId, filter: &ClientFilter<'_>) -> bool {
    let Some(client) = srv.clients.get(id) else {
        return false;
    };
    filter.number.is_none_or(|number| client.id == number)
        && filter
            .peer
            .is_none_or(|addr| is_peer_text(srv, client, addr))
        && filter
            .local
            .is_none_or(|addr| local_text(srv, client).as_bytes() == addr)
        && filter.class.is_none_or(|class| client.class() == class)
        // A client that has not authenticated is the default user, too; the link to the primary has none.
        && filter
            .user
            .is_none_or(|user| client.session.user == user && client.class() != Class::Primary)
}

/// Closes another client. One that waits for the disk still gets the replies to what was executed, as if they had left
/// before.
fn kill_other(srv: &mut Server, id: ClientId) {
    let has_held = |client: &Client| client.io.out.held() > 0 && client.blocked.is_none();
    if srv.clients.get(id).is_some_and(has_held) {
        close_after_reply(srv, id);
    } else {
        close_now(srv, id);
    }
}

fn kill(cx: &mut Ctx<'_>) -> Done {
    let mut args = Args::from(cx.argv, 2);
    let old_form = cx.argv.len() == 3;
    let filter = if old_form {
        let peer = Some(args.need()?);
        ClientFilter {
            number: None,
            peer,
            local: None,
            class: None,
            user: None,
            skip_me: false,
        }
    } else {
        parse_filter(cx.srv, &mut args)?
    };
    let me = cx.caller.client;
    let mut killed = 0;
    let mut me_too = false;
    let candidates = match filter.number {
        Some(number) => cx
            .srv
            .clients
            .by_number
            .get(&number)
            .copied()
            .into_iter()
            .collect(),
        None => cx.srv.clients.ids(),
    };
    for id in candidates {
        if !fits(cx.srv, id, &filter) || (id == me && filter.skip_me) {
            continue;
        }
        killed += 1;
        if id == me {
            me_too = true;
            close_after_reply(cx.srv, id);
        } else {
            kill_other(cx.srv, id);
        }
    }
    match (old_form, killed) {
        (true, 0) => return Err(NO_SUCH_CLIENT),
        (true, _) => cx.reply.ok(),
        (false, n) => cx.reply.int(n),
    }
    if me_too {
        // The rest of a transaction is executed, but no longer answered.
        cx.reply.muted = true;
    }
    Ok(())
}

fn on_off(arg: &[u8]) -> Result<bool, Fault> {
    match arg.to_ascii_lowercase().as_slice() {
        b"on" => Ok(true),
        b"off" => Ok(false),
        _ => Err(SYNTAX),
    }
}

fn no_evict(cx: &mut Ctx<'_>) -> Done {
    let on = on_off(&cx.argv[2])?;
    if let Some(client) = cx.srv.clients.get_mut(cx.caller.client) {
        client.flags.set(ClientFlags::NO_EVICT, on);
    }
    cx.reply.ok();
    Ok(())
}

fn no_touch(cx: &mut Ctx<'_>) -> Done {
    cx.caller.session.no_touch = on_off(&cx.argv[2])?;
    cx.reply.ok();
    Ok(())
}

fn unblock(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let fault = match argv.len() {
        3 => None,
        4 if argv[3].eq_ignore_ascii_case(b"timeout") => None,
        4 if argv[3].eq_ignore_ascii_case(b"error") => Some(UNBLOCKED),
        4 => {
            return Err(Fault::new(
                "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR",
            ));
        }
        _ => return Err(subcommand_syntax(&argv[0], &argv[1])),
    };
    let number = int(&argv[2])?;
    let clients = &cx.srv.clients;
    let id = u64::try_from(number)
        .ok()
        .and_then(|number| clients.by_number.get(&number).copied())
        .filter(|&id| {
            let client = clients.get(id);
            let command = client.and_then(|client| client.blocked.as_ref());
            command.is_some_and(|command| command.block.kind().rule().may_be_unblocked)
        });
    if let Some(id) = id {
        give_up(cx.srv, id, fault.as_ref());
    }
    cx.reply.int(i64::from(id.is_some()));
    Ok(())
}

fn reply(cx: &mut Ctx<'_>) -> Done {
    let id = cx.caller.client;
    let Some(client) = cx.srv.clients.get_mut(id) else {
        return Ok(());
    };
    match cx.argv[2].to_ascii_lowercase().as_slice() {
        b"on" => {
            client.reply_mode = ReplyMode::On;
            cx.reply.muted = false;
            cx.reply.ok();
        }
        b"off" => {
            client.reply_mode = ReplyMode::Off;
            // In a transaction it silences the commands that follow.
            cx.reply.muted = true;
        }
        b"skip" if client.reply_mode != ReplyMode::Off => client.reply_mode = ReplyMode::SkipNext,
        b"skip" => {}
        _ => return Err(SYNTAX),
    }
    Ok(())
}

fn help(cx: &mut Ctx<'_>) -> Done {
    cx.reply.help(&[
        "CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "CACHING (YES|NO)",
        "    Whether the keys of the next command are tracked (modes OPTIN and OPTOUT).",
        "GETNAME",
        "    The name of this connection.",
        "GETREDIR",
        "    The client that gets the invalidations of this connection.",
        "HELP",
        "    This text.",
        "ID",
        "    The number of this connection.",
        "INFO",
        "    This connection as LIST shows it.",
        "KILL <ip:port>",
        "    Close the connection from <ip:port>.",
        "KILL <option> <value> [<option> <value> [...]]",
        "    Close connections that fit all of:",
        "    * ADDR (<ip:port>|<unixsocket>:0)",
        "    * LADDR (<ip:port>|<unixsocket>:0)",
        "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
        "    * USER <username>",
        "    * SKIPME (YES|NO): whether this connection is spared (default: yes).",
        "    * ID <client-id>",
        "LIST [TYPE (NORMAL|MASTER|REPLICA|PUBSUB) | ID <client-id> [<client-id> ...]]",
        "    Connections, one line each.",
        "NO-EVICT (ON|OFF)",
        "    Spare this connection when clients use too much memory.",
        "NO-TOUCH (ON|OFF)",
        "    Let the reads of this connection leave keys' recency alone.",
        "REPLY (ON|OFF|SKIP)",
        "    Whether this connection is answered.",
        "SETINFO <option> <value>",
        "    Facts about the client: lib-name, lib-ver.",
        "SETNAME <name>",
        "    Name this connection.",
        "TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]]",
        "         [OPTIN] [OPTOUT] [NOLOOP]",
        "    Invalidation messages for a client-side cache.",
        "TRACKINGINFO",
        "    How this connection tracks.",
    ]);
    Ok(())
}
