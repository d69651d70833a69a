//! COMMAND: the command table as replies.
//!
//! Only commands with a proc are shown: a row without one is unknown to clients.

use data::util::glob::matches;
use table::arg::Arg;
use table::keys::{KeyRef, Keys, KeysError, keys};
use table::spec::{Begin, Find, KeySpec, Spec};
use table::words::Categories;
use table::{CmdId, server as rows};

use crate::commands::Family;
use crate::commands::args::Args;
use crate::exec::process::{find, is_bound};
use crate::server::{Commands, Ctx, Done};
use crate::wire::fault::{Fault, INVALID_COMMAND, SYNTAX};
use crate::wire::reply::Reply;

/// Rows and procs.
pub static PROCS: Family = &[
    (&rows::COMMAND, all),
    (&rows::COMMAND_COUNT, count),
    (&rows::COMMAND_INFO, info),
    (&rows::COMMAND_DOCS, docs),
    (&rows::COMMAND_GETKEYS, |cx| getkeys(cx, false)),
    (&rows::COMMAND_GETKEYSANDFLAGS, |cx| getkeys(cx, true)),
    (&rows::COMMAND_LIST, list),
    (&rows::COMMAND_HELP, help),
];

/// Commands that clients can use, without subcommands.
fn top_level(commands: &Commands) -> Vec<CmdId> {
    table::iter()
        .filter(|&id| table::parent(id).is_none() && is_bound(commands, id))
        .collect()
}

fn children(commands: &Commands, id: CmdId) -> Vec<CmdId> {
    table::subcommands(id)
        .filter(|&sub| is_bound(commands, sub))
        .collect()
}

/// The command with this name, which may be `config|get`.
fn by_full_name(commands: &Commands, name: &[u8]) -> Option<CmdId> {
    match name.iter().position(|&b| b == b'|') {
        None => find(commands, name),
        Some(bar) => {
            let parent = find(commands, &name[..bar])?;
            table::sub(parent, &name[bar + 1..]).filter(|&sub| is_bound(commands, sub))
        }
    }
}

fn all(cx: &mut Ctx<'_>) -> Done {
    let ids = top_level(&cx.srv.commands);
    cx.reply.array(ids.len());
    for id in ids {
        write_info(cx.reply, &cx.srv.commands, id);
    }
    Ok(())
}

fn count(cx: &mut Ctx<'_>) -> Done {
    let count = top_level(&cx.srv.commands).len();
    cx.reply.int(count as i64);
    Ok(())
}

fn info(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    if argv.len() == 2 {
        return all(cx);
    }
    cx.reply.array(argv.len() - 2);
    for name in argv.iter().skip(2) {
        match by_full_name(&cx.srv.commands, name) {
            Some(id) => write_info(cx.reply, &cx.srv.commands, id),
            None => cx.reply.null(),
        }
    }
    Ok(())
}

fn statuses<'a>(reply: &mut Reply, labels: impl Iterator<Item = &'a str>, prefix: &str) {
    let labels: Vec<String> = labels.map(|label| format!("{prefix}{label}")).collect();
    reply.set(labels.len());
    for label in labels {
        reply.status(&label);
    }
}

fn write_info(reply: &mut Reply, commands: &Commands, id: CmdId) {
    let spec = table::spec(id);
    reply.array(10);
    reply.bulk(spec.full_name.as_bytes());
    reply.int(i64::from(spec.arity));
    statuses(reply, spec.flags.labels(), "");
    for position in [spec.range.first, spec.range.last, spec.range.step] {
        reply.int(i64::from(position));
    }
    statuses(reply, spec.categories().labels(), "@");
    reply.set(spec.tips.len());
    for tip in spec.tips {
        reply.bulk(tip.as_bytes());
    }
    reply.set(spec.key_specs().len());
    for key_spec in spec.key_specs() {
        write_key_spec(reply, key_spec);
    }
    let subs = children(commands, id);
    if subs.is_empty() {
        reply.set(0);
    } else {
        reply.array(subs.len());
    }
    for sub in subs {
        write_info(reply, commands, sub);
    }
}

/// A map that describes a search of key specifications: its type and its arguments.
fn write_search(reply: &mut Reply, name: &str, kind: &str, fields: &[(&str, i64)]) {
    reply.bulk(name.as_bytes());
    reply.map(2);
    reply.bulk(b"type");
    reply.bulk(kind.as_bytes());
    reply.bulk(b"spec");
    reply.map(fields.len());
    for (field, value) in fields {
        reply.bulk(field.as_bytes());
        reply.int(*value);
    }
}

fn write_key_spec(reply: &mut Reply, spec: &KeySpec) {
    reply.map(3 + usize::from(spec.notes.is_some()));
    if let Some(notes) = spec.notes {
        reply.bulk(b"notes");
        reply.bulk(notes.as_bytes());
    }
    reply.bulk(b"flags");
    statuses(reply, spec.flags.labels(), "");
    match spec.begin {
        Begin::Unknown => write_search(reply, "begin_search", "unknown", &[]),
        Begin::Index(index) => write_search(
            reply,
            "begin_search",
            "index",
            &[("index", i64::from(index))],
        ),
        Begin::Keyword(keyword, from) => {
            reply.bulk(b"begin_search");
            reply.map(2);
            reply.bulk(b"type");
            reply.bulk(b"keyword");
            reply.bulk(b"spec");
            reply.map(2);
            reply.bulk(b"keyword");
            reply.bulk(keyword.as_bytes());
            reply.bulk(b"startfrom");
            reply.int(i64::from(from));
        }
    }
    match spec.find {
        Find::Unknown => write_search(reply, "find_keys", "unknown", &[]),
        Find::Range { last, step, limit } => {
            let fields = [("lastkey", last), ("keystep", step), ("limit", limit)];
            write_search(
                reply,
                "find_keys",
                "range",
                &fields.map(|(name, value)| (name, i64::from(value))),
            );
        }
        Find::Keynum { count, first, step } => {
            let fields = [("keynumidx", count), ("firstkey", first), ("keystep", step)];
            write_search(
                reply,
                "find_keys",
                "keynum",
                &fields.map(|(name, value)| (name, i64::from(value))),
            );
        }
    }
}

fn docs(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let commands = &cx.srv.commands;
    let ids: Vec<CmdId> = if argv.len() == 2 {
        top_level(commands)
    } else {
        argv.iter()
            .skip(2)
            .filter_map(|name| by_full_name(commands, name))
            .collect()
    };
    cx.reply.map(ids.len());
    for id in ids {
        cx.reply.bulk(table::full_name(id).as_bytes());
        write_docs(cx.reply, commands, id);
    }
    Ok(())
}

fn write_docs(reply: &mut Reply, commands: &Commands, id: CmdId) {
    let spec = table::spec(id);
    let subs = children(commands, id);
    let labels: Vec<&str> = spec.doc_labels().collect();
    let mark = reply.defer();
    let mut fields = 3;
    for (name, text) in [
        ("summary", spec.summary),
        ("since", spec.since),
        ("group", spec.group.name()),
    ] {
        write_pair(reply, name, text);
    }
    fields += write_optional(reply, "complexity", spec.complexity);
    if !labels.is_empty() {
        fields += 1;
        reply.bulk(b"doc_flags");
        statuses(reply, labels.into_iter(), "");
    }
    fields += write_optional(reply, "deprecated_since", spec.deprecated_since);
    fields += write_optional(reply, "replaced_by", spec.replaced_by);
    if !spec.history.is_empty() {
        fields += 1;
        reply.bulk(b"history");
        reply.set(spec.history.len());
        for (version, change) in spec.history {
            reply.array(2);
            reply.bulk(version.as_bytes());
            reply.bulk(change.as_bytes());
        }
    }
    if !spec.args.is_empty() {
        fields += 1;
        reply.bulk(b"arguments");
        write_args(reply, spec.args);
    }
    if !subs.is_empty() {
        fields += 1;
        reply.bulk(b"subcommands");
        reply.map(subs.len());
        for sub in subs {
            reply.bulk(table::full_name(sub).as_bytes());
            write_docs(reply, commands, sub);
        }
    }
    reply.close_map(mark, fields);
}

fn write_pair(reply: &mut Reply, name: &str, text: &str) {
    reply.bulk(name.as_bytes());
    reply.bulk(text.as_bytes());
}

/// Writes an optional field; returns the number of fields written.
fn write_optional(reply: &mut Reply, name: &str, text: Option<&str>) -> usize {
    if let Some(text) = text {
        write_pair(reply, name, text);
    }
    usize::from(text.is_some())
}

fn write_args(reply: &mut Reply, args: &[Arg]) {
    reply.array(args.len());
    for arg in args {
        write_arg(reply, arg);
    }
}

fn write_arg(reply: &mut Reply, arg: &Arg) {
    let labels: Vec<&str> = arg.labels().collect();
    let nested = arg.kind.is_nested();
    let mark = reply.defer();
    let mut fields = 2;
    write_pair(reply, "name", arg.name);
    write_pair(reply, "type", arg.kind.name());
    if !nested {
        fields += 1;
        write_pair(reply, "display_text", arg.text());
    }
    if let Some(index) = arg.key_spec {
        fields += 1;
        reply.bulk(b"key_spec_index");
        reply.int(i64::from(index));
    }
    fields += write_optional(reply, "token", arg.token);
    fields += write_optional(reply, "since", arg.since);
    fields += write_optional(reply, "deprecated_since", arg.deprecated_since);
    if !labels.is_empty() {
        fields += 1;
        reply.bulk(b"flags");
        statuses(reply, labels.into_iter(), "");
    }
    if nested {
        fields += 1;
        reply.bulk(b"arguments");
        write_args(reply, arg.args);
    }
    reply.close_map(mark, fields);
}

/// The row of the command line that begins at argument 2.
fn row_of_line(cx: &Ctx<'_>) -> Result<&'static Spec, Fault> {
    let top = find(&cx.srv.commands, &cx.argv[2]).ok_or(INVALID_COMMAND)?;
    let commands = &cx.srv.commands;
    if !commands.rows[top.index()].is_container || cx.argv.len() == 3 {
        return Ok(table::spec(top));
    }
    let sub = table::sub(top, &cx.argv[3]).filter(|&sub| is_bound(commands, sub));
    Ok(table::spec(sub.ok_or(INVALID_COMMAND)?))
}

fn keys_of_line(cx: &Ctx<'_>, spec: &Spec) -> Result<Keys, KeysError> {
    keys(spec, &|i| &cx.argv[i + 2], cx.argv.len() - 2)
}

fn getkeys(cx: &mut Ctx<'_>, with_flags: bool) -> Done {
    let spec = row_of_line(cx)?;
    let found = keys_of_line(cx, spec).map_err(|error| Fault::new(format!("ERR {error}")))?;
    let found: &[KeyRef] = &found;
    cx.reply.array(found.len());
    for key in found {
        if with_flags {
            cx.reply.array(2);
        }
        cx.reply.bulk(&cx.argv[key.pos as usize + 2]);
        if with_flags {
            statuses(cx.reply, key.flags.labels(), "");
        }
    }
    Ok(())
}

/// Filters of COMMAND LIST.
enum CommandFilter<'a> {
    All,
    /// Commands of a module; there are none.
    Module,
    Category(Option<Categories>),
    Pattern(&'a [u8]),
}

fn parse_filter<'a>(mut args: Args<'a>) -> Result<CommandFilter<'a>, Fault> {
    if args.is_done() {
        return Ok(CommandFilter::All);
    }
    if args.left() != 3 || !args.word("filterby") {
        return Err(SYNTAX);
    }
    if args.word("module") {
        return Ok(CommandFilter::Module);
    }
    if args.word("aclcat") {
        let name = args.need()?;
        let label = |(_, label): &&(Categories, &str)| label.as_bytes().eq_ignore_ascii_case(name);
        return Ok(CommandFilter::Category(
            Categories::LABELS
                .iter()
                .find(label)
                .map(|(category, _)| *category),
        ));
    }
    if args.word("pattern") {
        Ok(CommandFilter::Pattern(args.need()?))
    } else {
        Err(SYNTAX)
    }
}

fn list(cx: &mut Ctx<'_>) -> Done {
    let filter = parse_filter(Args::from(cx.argv, 2))?;
    let shown = |spec: &Spec| match &filter {
        CommandFilter::All => true,
        CommandFilter::Module | CommandFilter::Category(None) => false,
        CommandFilter::Category(Some(category)) => spec.categories().contains(*category),
        CommandFilter::Pattern(pattern) => matches(pattern, spec.full_name.as_bytes(), true),
    };
    let names: Vec<&str> = table::iter()
        .filter(|&id| is_bound(&cx.srv.commands, id))
        .map(table::spec)
        .filter(|spec| shown(spec))
        .map(|spec| spec.full_name)
        .collect();
    cx.reply.array(names.len());
    for name in names {
        cx.reply.bulk(name.as_bytes());
    }
    Ok(())
}

fn help(cx: &mut Ctx<'_>) -> Done {
    cx.reply.help(&[
        "COMMAND <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "(no subcommand)",
        "    Details of all commands.",
        "COUNT",
        "    How many commands there are.",
        "DOCS [<command-name> [...]]",
        "    Documentation of some commands, or of all.",
        "GETKEYS <full-command>",
        "    The keys of a command line.",
        "GETKEYSANDFLAGS <full-command>",
        "    The keys of a command line, and how each is used.",
        "HELP",
        "    This text.",
        "INFO [<command-name> [...]]",
        "    Details of some commands, or of all.",
        "LIST [FILTERBY (MODULE <module-name>|ACLCAT <category>|PATTERN <pattern>)]",
        "    Names of commands.",
    ]);
    Ok(())
}
