//! Client-side caching: CLIENT TRACKING, CACHING, TRACKINGINFO, GETREDIR.

use table::connection as rows;

use crate::commands::Family;
use crate::commands::args::Args;
use crate::server::{Ctx, Done};
use crate::session::track::{track, untrack};
use crate::state::tracking::ClientTracking;
use crate::wire::fault::{Fault, SYNTAX};

/// Rows and procs.
pub static PROCS: Family = &[
    (&rows::CLIENT_TRACKING, tracking),
    (&rows::CLIENT_CACHING, caching),
    (&rows::CLIENT_TRACKINGINFO, tracking_info),
    (&rows::CLIENT_GETREDIR, redirection),
];

fn own<'a>(cx: &'a Ctx<'_>) -> Option<&'a ClientTracking> {
    let client = cx.srv.clients.get(cx.caller.client)?;
    client.tracking.as_deref()
}

/// The options of CLIENT TRACKING, and the prefixes.
fn parse<'a>(cx: &Ctx<'_>, args: &mut Args<'a>) -> Result<(ClientTracking, Vec<&'a [u8]>), Fault> {
    let mut wanted = ClientTracking::default();
    let mut prefixes = Vec::new();
    while !args.is_done() {
        if args.word_with_value("redirect") {
            if wanted.redirect != 0 {
                return Err(Fault::new(
                    "ERR A client can only redirect to a single other client",
                ));
            }
            let number = u64::try_from(args.int()?).ok();
            let number = number.filter(|number| cx.srv.clients.by_number.contains_key(number));
            wanted.redirect = number.ok_or_else(|| {
                Fault::new("ERR The client ID you want redirect to does not exist")
            })?;
        } else if args.word("bcast") {
            wanted.broadcast = true;
        } else if args.word("optin") {
            wanted.opt_in = true;
        } else if args.word("optout") {
            wanted.opt_out = true;
        } else if args.word("noloop") {
            wanted.no_loop = true;
        } else if args.word_with_value("prefix") {
            prefixes.push(args.need()?);
        } else {
            return Err(SYNTAX);
        }
    }
    Ok((wanted, prefixes))
}

/// Whether the options fit each other and the way in which the client tracks already.
fn check(cx: &Ctx<'_>, wanted: &ClientTracking, prefixes: &[&[u8]]) -> Done {
    let before = own(cx);
    let switches = |switched: fn(&ClientTracking, &ClientTracking) -> bool| {
        before.is_some_and(|before| switched(before, wanted))
    };
    let refusal = if !wanted.broadcast && !prefixes.is_empty() {
        "ERR PREFIX option requires BCAST mode to be enabled"
    } else if switches(|before, wanted| before.broadcast != wanted.broadcast) {
        "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling it with \
         a different mode."
    } else if wanted.broadcast && (wanted.opt_in || wanted.opt_out) {
        "ERR OPTIN and OPTOUT are not compatible with BCAST"
    } else if wanted.opt_in && wanted.opt_out {
        "ERR You can't specify both OPTIN mode and OPTOUT mode"
    } else if switches(|before, wanted| {
        (wanted.opt_in && before.opt_out) || (wanted.opt_out && before.opt_in)
    }) {
        "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling it with \
         a different mode."
    } else {
        return check_prefixes(before, prefixes);
    };
    Err(Fault::new(refusal))
}

/// No prefix of a client may begin another one, or a key would be announced twice.
fn check_prefixes(before: Option<&ClientTracking>, prefixes: &[&[u8]]) -> Done {
    let overlap = |a: &[u8], b: &[u8]| a.starts_with(b) || b.starts_with(a);
    let refuse = |prefix: &[u8], which: &str, other: &[u8]| {
        let text: [&[u8]; 7] = [
            b"ERR Prefix '",
            prefix,
            b"' overlaps with ",
            which.as_bytes(),
            b" prefix '",
            other,
            b"'. Prefixes for a single client must not overlap.",
        ];
        Err(Fault::quoting(&text))
    };
    let known = before.iter().flat_map(|before| before.prefixes());
    let known: Vec<&[u8]> = known.map(|known| &**known).collect();
    let Some(at) = first_overlap(&known, prefixes) else {
        return Ok(());
    };
    let prefix = prefixes[at];
    let find = |others: &[&[u8]]| {
        let other = others.iter().find(|other| overlap(other, prefix));
        other.map(|other| other.to_vec())
    };
    match find(&known) {
        Some(other) => refuse(prefix, "an existing", &other),
        None => refuse(
            prefix,
            "another provided",
            &find(&prefixes[at + 1..]).unwrap_or_default(),
        ),
    }
}

/// The first of the prefixes that begins, or is begun by, a known one or another of them. Known ones do not overlap. In sorted
/// order, those that begin a prefix are before it, so the time is linear but for sorting.
fn first_overlap(known: &[&[u8]], prefixes: &[&[u8]]) -> Option<usize> {
    let known = known.iter().map(|&prefix| (prefix, None));
    let new = prefixes.iter().enumerate();
    let new = new.map(|(at, &prefix)| (prefix, Some(at)));
    let mut sorted: Vec<(&[u8], Option<usize>)> = known.chain(new).collect();
    sorted.sort_unstable();
    let mut first = None;
    // Those that begin the one before, each the beginning of the next.
    let mut begin: Vec<(&[u8], Option<usize>)> = Vec::new();
    for (prefix, at) in sorted {
        while begin
            .pop_if(|(other, _)| !prefix.starts_with(other))
            .is_some()
        {}
        if let Some(&(_, other)) = begin.last() {
            first = [first, at, other].into_iter().flatten().min();
        }
        begin.push((prefix, at));
    }
    first
}

fn tracking(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let (wanted, prefixes) = parse(cx, &mut Args::from(argv, 3))?;
    match argv[2].to_ascii_lowercase().as_slice() {
        b"on" => {
            check(cx, &wanted, &prefixes)?;
            track(cx.srv, cx.caller.client, wanted, &prefixes);
        }
        b"off" => untrack(cx.srv, cx.caller.client),
        _ => return Err(SYNTAX),
    }
    cx.reply.ok();
    Ok(())
}

fn caching(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let client = cx.srv.clients.get_mut(cx.caller.client);
    let Some(own) = client.and_then(|client| client.tracking.as_mut()) else {
        return Err(Fault::new(
            "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled",
        ));
    };
    match argv[2].to_ascii_lowercase().as_slice() {
        b"yes" if own.opt_in => own.caching = true,
        b"no" if own.opt_out => own.caching = true,
        b"yes" => {
            return Err(Fault::new(
                "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.",
            ));
        }
        b"no" => {
            return Err(Fault::new(
                "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.",
            ));
        }
        _ => return Err(SYNTAX),
    }
    cx.reply.ok();
    Ok(())
}

fn redirection(cx: &mut Ctx<'_>) -> Done {
    let redirect = own(cx).map_or(-1, |own| own.redirect as i64);
    cx.reply.int(redirect);
    Ok(())
}

/// The flags that CLIENT TRACKINGINFO shows.
fn flags(own: Option<&ClientTracking>) -> Vec<&'static str> {
    let Some(own) = own else {
        return vec!["off"];
    };
    [
        (true, "on"),
        (own.broadcast, "bcast"),
        (own.opt_in, "optin"),
        (own.opt_in && own.caching, "caching-yes"),
        (own.opt_out, "optout"),
        (own.opt_out && own.caching, "caching-no"),
        (own.no_loop, "noloop"),
        (own.broken, "broken_redirect"),
    ]
    .iter()
    .filter_map(|&(set, name)| set.then_some(name))
    .collect()
}

fn tracking_info(cx: &mut Ctx<'_>) -> Done {
    let own = cx.srv.clients.get(cx.caller.client);
    let own = own.and_then(|client| client.tracking.as_deref());
    cx.reply.map(3);
    cx.reply.bulk(b"flags");
    let flags = flags(own);
    cx.reply.set(flags.len());
    flags.iter().for_each(|flag| cx.reply.bulk(flag.as_bytes()));
    cx.reply.bulk(b"redirect");
    cx.reply.int(own.map_or(-1, |own| own.redirect as i64));
    cx.reply.bulk(b"prefixes");
    cx.reply.array(own.map_or(0, |own| own.prefixes().len()));
    for prefix in own.iter().flat_map(|own| own.prefixes()) {
        cx.reply.bulk(prefix);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use data::util::rand::Rng;

    use super::first_overlap;

    #[test]
    fn the_first_overlap_is_that_of_a_search() {
        let mut rng = Rng::new(1);
        let mut word = || {
            let len = 1 + rng.below(4);
            (0..len).map(|_| b'a' + rng.below(3) as u8).collect()
        };
        let (mut some, mut none) = (0, 0);
        for _ in 0..2000 {
            let words: [Vec<u8>; 5] = std::array::from_fn(|_| word());
            let words: Vec<&[u8]> = words.iter().map(|word| &**word).collect();
            let (known, new) = words.split_at(1);
            let overlap = |a: &[u8], b: &[u8]| a.starts_with(b) || b.starts_with(a);
            let expected = (0..new.len()).find(|&at| {
                let others = known.iter().chain(&new[..at]).chain(&new[at + 1..]);
                others.into_iter().any(|other| overlap(other, new[at]))
            });
            assert_eq!(first_overlap(known, new), expected, "{words:?}");
            *if expected.is_some() {
                &mut some
            } else {
                &mut none
            } += 1;
        }
        assert!(some > 100 && none > 100, "{some} {none}");
    }
}
