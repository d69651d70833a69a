//! The connection: PING, ECHO, SELECT, AUTH, HELLO, RESET, QUIT.

use table::connection as rows;

use crate::commands::Family;
use crate::commands::args::{database_number, int};
use crate::exec::options::{self, HelloOption};
use crate::server::{Ctx, Done};
use crate::session::auth::{authenticate, is_required, password_is_set};
use crate::session::close::close_after_reply;
use crate::session::name::{check_name, set_name};
use crate::session::reset::reset;
use crate::state::acl::user::DEFAULT_NAME;
use crate::state::client::{Class, Client};
use crate::wire::argv::Argv;
use crate::wire::fault::{DB_INDEX, Fault, HELLO_NO_AUTH, NO_PROTO, SYNTAX, arity, not_in_cluster};
use crate::wire::reply::Resp;

/// Rows and procs.
pub static PROCS: Family = &[
    (&rows::PING, ping),
    (&rows::ECHO, echo),
    (&rows::SELECT, select),
    (&rows::AUTH, auth),
    (&rows::HELLO, hello),
    (&rows::RESET, reset_command),
    (&rows::QUIT, quit),
];

fn ping(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    match argv.len() {
        // In RESP2 a subscriber expects the form of a message.
        1 | 2 if cx.caller.class == Class::PubSub && cx.caller.session.resp == Resp::V2 => {
            cx.reply.array(2);
            cx.reply.bulk(b"pong");
            cx.reply.bulk(if argv.len() == 2 { &argv[1] } else { b"" });
        }
        1 => cx.reply.status("PONG"),
        2 => cx.reply.bulk(&cx.argv[1]),
        _ => return Err(arity("ping")),
    }
    Ok(())
}

fn echo(cx: &mut Ctx<'_>) -> Done {
    match cx.argv.shared(1) {
        Some(bytes) => cx.reply.bulk_shared(bytes),
        None => cx.reply.bulk(&cx.argv[1]),
    }
    Ok(())
}

fn select(cx: &mut Ctx<'_>) -> Done {
    let index = database_number(&cx.argv[1])?;
    if index != 0 && cx.srv.cluster.is_some() {
        return Err(not_in_cluster("SELECT is"));
    }
    let index = usize::try_from(index)
        .ok()
        .filter(|&i| i < cx.srv.keys.dbs.len())
        .ok_or(DB_INDEX)?;
    cx.caller.session.db = index;
    cx.reply.ok();
    Ok(())
}

fn auth(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    match argv.len() {
        2 => {
            password_is_set(cx.srv)?;
            authenticate(cx, DEFAULT_NAME, &argv[1])?;
        }
        3 => authenticate(cx, &argv[1], &argv[2])?,
        _ => return Err(SYNTAX),
    }
    cx.reply.ok();
    Ok(())
}

/// The arguments of HELLO.
#[derive(Default)]
struct Hello<'a> {
    resp: Option<Resp>,
    auth: Option<(&'a [u8], &'a [u8])>,
    name: Option<&'a [u8]>,
}

fn parse_hello(argv: &Argv) -> Result<Hello<'_>, Fault> {
    let mut hello = Hello::default();
    if argv.len() > 1 {
        hello.resp = match int(&argv[1])
            .map_err(|_| Fault::new("ERR Protocol version is not an integer or out of range"))?
        {
            2 => Some(Resp::V2),
            3 => Some(Resp::V3),
            _ => return Err(NO_PROTO),
        };
    }
    for option in options::hello(argv, 2) {
        match option {
            HelloOption::Auth(at) => hello.auth = Some((&argv[at], &argv[at + 1])),
            HelloOption::SetName(at) => {
                check_name(&argv[at])?;
                hello.name = Some(&argv[at]);
            }
            HelloOption::Unknown(at) => {
                let parts: [&[u8]; 3] = [b"ERR Syntax error in HELLO option '", &argv[at], b"'"];
                return Err(Fault::quoting(&parts));
            }
        }
    }
    Ok(hello)
}

fn hello(cx: &mut Ctx<'_>) -> Done {
    let hello = parse_hello(cx.argv)?;
    if let Some((user, password)) = hello.auth {
        authenticate(cx, user, password)?;
    }
    if is_required(cx.srv, &cx.caller.session) {
        return Err(HELLO_NO_AUTH);
    }
    let is_replica = cx.srv.replication.is_replica();
    let Some(client) = cx.srv.clients.get_mut(cx.caller.client) else {
        return Ok(());
    };
    if let Some(name) = hello.name {
        set_name(client, name)?;
    }
    if let Some(resp) = hello.resp {
        cx.caller.session.resp = resp;
        cx.reply.resp = resp;
    }
    let proto = match cx.caller.session.resp {
        Resp::V2 => 2,
        Resp::V3 => 3,
    };
    let number = client.id as i64;
    cx.reply.map(7);
    cx.reply.bulk(b"server");
    cx.reply.bulk(b"redis");
    cx.reply.bulk(b"version");
    cx.reply.bulk(env!("CARGO_PKG_VERSION").as_bytes());
    cx.reply.bulk(b"proto");
    cx.reply.int(proto);
    cx.reply.bulk(b"id");
    cx.reply.int(number);
    cx.reply.bulk(b"mode");
    cx.reply.bulk(cx.srv.config.mode().as_bytes());
    cx.reply.bulk(b"role");
    cx.reply
        .bulk(if is_replica { b"replica" } else { b"master" });
    cx.reply.bulk(b"modules");
    cx.reply.array(0);
    Ok(())
}

fn reset_command(cx: &mut Ctx<'_>) -> Done {
    reset(cx.srv, cx.caller);
    cx.reply.resp = Resp::V2;
    let client = cx.srv.clients.get(cx.caller.client);
    cx.reply.muted = client.is_some_and(Client::is_muted);
    cx.reply.status("RESET");
    Ok(())
}

fn quit(cx: &mut Ctx<'_>) -> Done {
    cx.reply.ok();
    let id = cx.caller.client;
    close_after_reply(cx.srv, id);
    Ok(())
}
