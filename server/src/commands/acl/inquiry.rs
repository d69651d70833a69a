//! ACL commands that concern no user's state: CAT, DRYRUN, GENPASS, HELP.

use table::words::Categories;
use table::{CmdId, server as rows};

use crate::commands::Family;
use crate::commands::args::int;
use crate::exec::permission::no_command;
use crate::server::{Commands, Ctx, Done};
use crate::state::acl::selector::{category, existing};
use crate::state::acl::user::{Attempt, Denied};
use crate::sys::process::random_bytes;
use crate::wire::argv::Argv;
use crate::wire::fault::{Fault, arity, subcommand_syntax};

/// Rows and procs.
pub static PROCS: Family = &[
    (&rows::ACL_CAT, cat),
    (&rows::ACL_DRYRUN, dryrun),
    (&rows::ACL_GENPASS, genpass),
    (&rows::ACL_HELP, help),
];

/// The length of a generated password, in bits, unless another one is given.
const BITS: usize = 256;
/// The longest password that is generated, in bits.
const MAX_BITS: usize = 4096;

fn cat(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    match argv.len() {
        2 => {
            cx.reply.array(Categories::LABELS.len());
            for (_, label) in Categories::LABELS {
                cx.reply.bulk(label.as_bytes());
            }
        }
        3 => {
            let name = &argv[2];
            let category = category(name).ok_or_else(|| {
                let shown = &name[..name.len().min(128)];
                Fault::quoting(&[b"ERR Unknown category '", shown, b"'"])
            })?;
            let fits = |id: &CmdId| table::spec(*id).categories().contains(category);
            let ids: Vec<CmdId> = existing().filter(fits).collect();
            cx.reply.array(ids.len());
            for id in ids {
                cx.reply.bulk(table::full_name(id).as_bytes());
            }
        }
        _ => return Err(subcommand_syntax(&argv[0], &argv[1])),
    }
    Ok(())
}

/// Position of the first word of the command line of DRYRUN.
const LINE: usize = 3;

fn dryrun(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let not_found = |what: &str, name: &[u8]| {
        Fault::quoting(&[b"ERR ", what.as_bytes(), b" '", name, b"' not found"])
    };
    let acl = &cx.srv.acl;
    let user = acl.find(&argv[2]).and_then(|id| acl.get(id));
    let user = user.ok_or_else(|| not_found("User", &argv[2]))?;
    let cmd = line_command(&cx.srv.commands, argv);
    let cmd = cmd.ok_or_else(|| not_found("Command", &argv[LINE]))?;
    let spec = table::spec(cmd);
    let argc = argv.len() - LINE;
    if !spec.takes(argc) {
        return Err(arity(spec.full_name));
    }
    let denied = user.denies(&Attempt {
        cmd,
        spec,
        argv: &|at| &argv[LINE + at],
        argc,
    });
    let no_access = |what: &str, at: usize| {
        let parts: [&[u8]; 6] = [
            b"User ",
            user.name(),
            b" has no permissions to access the '",
            &argv[LINE + at],
            b"' ",
            what.as_bytes(),
        ];
        parts.concat()
    };
    match denied {
        None => cx.reply.ok(),
        Some(Denied::Command) => cx.reply.bulk(&no_command(user.name(), cmd)),
        Some(Denied::Key(at)) => cx.reply.bulk(&no_access("key", at)),
        Some(Denied::Channel(at)) => cx.reply.bulk(&no_access("channel", at)),
    }
    Ok(())
}

/// The command of the line that DRYRUN is given; also one that clients cannot use.
fn line_command(commands: &Commands, argv: &Argv) -> Option<CmdId> {
    let name = argv[LINE].to_ascii_lowercase();
    let renamed = commands.renamed.iter().find(|(new, _)| *new == name);
    let top = match renamed {
        Some((_, id)) => *id,
        None => table::lookup(&name).filter(|id| !commands.hidden.contains(id))?,
    };
    let cmd = match argv.len() > LINE + 1 && table::subcommands(top).next().is_some() {
        true => table::sub(top, &argv[LINE + 1])?,
        false => top,
    };
    table::spec(cmd).exists(false).then_some(cmd)
}

fn genpass(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let bits = match argv.len() {
        2 => BITS,
        3 => usize::try_from(int(&argv[2])?)
            .ok()
            .filter(|bits| (1..=MAX_BITS).contains(bits))
            .ok_or_else(|| {
                Fault::new(format!(
                    "ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up \
                     to {MAX_BITS}"
                ))
            })?,
        _ => return Err(subcommand_syntax(&argv[0], &argv[1])),
    };
    let random: [u8; MAX_BITS / 8] = random_bytes();
    let mut digits: Vec<u8> = random
        .iter()
        .take(bits.div_ceil(8))
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| b"0123456789abcdef"[usize::from(digit)])
        .collect();
    digits.truncate(bits.div_ceil(4));
    cx.reply.bulk(&digits);
    Ok(())
}

fn help(cx: &mut Ctx<'_>) -> Done {
    cx.reply.help(&[
        "ACL <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "CAT [<category>]",
        "    The categories of commands, or the commands of one.",
        "DELUSER <username> [<username> ...]",
        "    Delete users, and close their connections.",
        "DRYRUN <username> <command> [<arg> ...]",
        "    Whether a user might execute a command, without executing it.",
        "GENPASS [<bits>]",
        "    A random password, of 256 bits unless told otherwise.",
        "GETUSER <username>",
        "    The rules of a user, by field.",
        "HELP",
        "    This text.",
        "LIST",
        "    All users as lines of a configuration file.",
        "LOAD",
        "    Replace all users by those of the ACL file.",
        "LOG [<count> | RESET]",
        "    What was refused lately; RESET forgets it.",
        "SAVE",
        "    Write all users to the ACL file.",
        "SETUSER <username> <rule> [<rule> ...]",
        "    Create a user, or change one.",
        "USERS",
        "    The names of all users.",
        "WHOAMI",
        "    The user of this connection.",
    ]);
    Ok(())
}
