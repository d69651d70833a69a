//! HRANDFIELD.

use data::value::hash::{Hash, Pair};
use table::hash as rows;

use crate::commands::Family;
use crate::commands::args::{Args, DRAWS_PER_CHECK, random_count};
use crate::keyspace::lookup::read_mut;
use crate::server::{Ctx, Done};
use crate::wire::fault::{OUT_OF_RANGE, SYNTAX};
use crate::wire::reply::{Reply, Resp};

/// Rows and procs.
pub static PROCS: Family = &[(&rows::HRANDFIELD, hrandfield)];

fn hrandfield(cx: &mut Ctx<'_>) -> Done {
    if cx.argv.len() == 2 {
        return one_field(cx);
    }
    let argv = cx.argv;
    let count = random_count(&argv[2])?;
    let mut args = Args::from(argv, 3);
    let with_values = args.word("withvalues");
    if !args.is_done() {
        return Err(SYNTAX);
    }
    if with_values && count.unsigned_abs() > i64::MAX as u64 / 2 {
        return Err(OUT_OF_RANGE);
    }
    let mut rng = cx.srv.keys.rng.fork();
    let hash = read_mut::<Hash>(cx.srv, cx.db, &argv[1])?;
    let Some(hash) = hash.map(Hash::continuing_resize) else {
        cx.reply.array(0);
        return Ok(());
    };
    if count >= 0 {
        let count = hash.len().min(count as usize);
        begin(cx.reply, count, with_values);
        hash.sample(count, &mut rng, |pair| add(cx.reply, pair, with_values));
        return Ok(());
    }
    let mut left = count.unsigned_abs() as usize;
    begin(cx.reply, left, with_values);
    while left > 0 && !cx.reply.overflow {
        let draws = left.min(DRAWS_PER_CHECK);
        hash.draw(draws, &mut rng, |pair| add(cx.reply, pair, with_values));
        left -= draws;
    }
    Ok(())
}

fn one_field(cx: &mut Ctx<'_>) -> Done {
    let key = &cx.argv[1];
    let mut rng = cx.srv.keys.rng.fork();
    let hash = read_mut::<Hash>(cx.srv, cx.db, key)?;
    match hash.and_then(|hash| hash.continuing_resize().random(&mut rng)) {
        Some((name, _)) => cx.reply.item(name),
        None => cx.reply.null(),
    }
    Ok(())
}

/// The header of the reply: in RESP3 each field with its value is an array, in RESP2 the reply is flat.
fn begin(reply: &mut Reply, fields: usize, with_values: bool) {
    reply.array(if with_values && reply.resp == Resp::V2 {
        2 * fields
    } else {
        fields
    });
}

fn add(reply: &mut Reply, (name, value): Pair<'_>, with_values: bool) {
    if with_values && reply.resp == Resp::V3 {
        reply.array(2);
    }
    reply.item(name);
    if with_values {
        reply.item(value);
    }
}
