//! SORT and SORT_RO: the elements of a list, set or sorted set, sorted by themselves or by the values of other keys.
//!
//! The elements are first copied into one buffer, each followed by a NUL as the C library's collation requires. Their
//! positions in the buffer are what is sorted.

use std::cmp::Ordering;
use std::ffi::CStr;
use std::ops::Range;

use data::ds::item::Item;
use data::ds::quicklist::{End, Quicklist};
use data::util::num::parse_f64_precise;
use data::util::part::sort_part;
use data::value::Scratch;
use data::value::aggregate::{AggregateRef, Kind};
use data::value::db::Expire;
use data::value::entry::EntryRef;
use data::value::hash::Hash;
use data::value::list::List;
use table::generic as rows;
use words::until_nul;

use crate::commands::Family;
use crate::commands::args::Args;
use crate::exec::permission::may_read_all_keys;
use crate::keyspace::change::{Event, key_stored};
use crate::keyspace::delete::delete_target;
use crate::keyspace::lookup::find_read;
use crate::keyspace::store::store;
use crate::server::{Ctx, Done, Server};
use crate::state::caller;
use crate::sys::host;
use crate::wire::argv::Argv;
use crate::wire::fault::{Fault, SYNTAX, WRONG_TYPE};

/// Rows and procs.
pub static PROCS: Family = &[
    (&rows::SORT, |cx| sort(cx, true)),
    (&rows::SORT_RO, |cx| sort(cx, false)),
];

/// Arguments.
struct Options<'a> {
    descending: bool,
    alpha: bool,
    start: i64,
    count: i64,
    by: Option<Pattern<'a>>,
    /// BY with a pattern that names no key: the elements keep their order.
    unsorted: bool,
    get: Vec<Pattern<'a>>,
    store: Option<&'a [u8]>,
}

/// What a pattern of BY or GET expands to for an element.
enum Pattern<'a> {
    /// `#`: the element itself.
    Element,
    /// Without a `*`: nothing.
    Nothing,
    /// The value of a key, or of a field of a hash, with `*` replaced by the element.
    Key {
        before: &'a [u8],
        behind: &'a [u8],
        field: Option<&'a [u8]>,
    },
}

impl<'a> Pattern<'a> {
    fn new(text: &'a [u8]) -> Self {
        if text == b"#" {
            return Pattern::Element;
        }
        let Some(star) = text.iter().position(|&byte| byte == b'*') else {
            return Pattern::Nothing;
        };
        let (before, behind) = (&text[..star], &text[star + 1..]);
        let arrow = behind.windows(2).position(|pair| pair == b"->");
        // An arrow without a field behind it is part of the key.
        let arrow = arrow.filter(|arrow| arrow + 2 < behind.len());
        Pattern::Key {
            before,
            behind: &behind[..arrow.unwrap_or(behind.len())],
            field: arrow.map(|arrow| &behind[arrow + 2..]),
        }
    }

    /// Passes the expansion for an element to `look`, if there is one.
    fn resolve<R>(
        &self,
        srv: &mut Server,
        db: usize,
        element: &[u8],
        look: impl FnOnce(Option<&[u8]>) -> R,
    ) -> R {
        let (before, behind, field) = match *self {
            Pattern::Element => return look(Some(element)),
            Pattern::Nothing => return look(None),
            Pattern::Key {
                before,
                behind,
                field,
            } => (before, behind, field),
        };
        let key = [before, element, behind].concat();
        let entry = find_read(srv, db, &key);
        match field {
            None => match entry.filter(|entry| entry.aggregate().is_none()) {
                Some(entry) => look(Some(entry.value().bytes(&mut Scratch::default()))),
                None => look(None),
            },
            Some(field) => {
                let hash = entry.and_then(EntryRef::get::<Hash>);
                match hash.and_then(|hash| hash.get(field)) {
                    Some(value) => look(Some(value.bytes(&mut Scratch::default()))),
                    None => look(None),
                }
            }
        }
    }
}

/// `may_read_all` tells whether the user may read all keys, which BY and GET require.
fn parse<'a>(
    argv: &'a Argv,
    may_store: bool,
    cluster: bool,
    may_read_all: &dyn Fn() -> bool,
) -> Result<Options<'a>, Fault> {
    let denied = |option| {
        let why = if cluster {
            "in Cluster mode"
        } else {
            "due to insufficient ACL permissions"
        };
        let text = format!("ERR {option} option of SORT denied {why}.");
        Err(Fault::new(text))
    };
    let mut options = Options {
        descending: false,
        alpha: false,
        start: 0,
        count: -1,
        by: None,
        unsorted: false,
        get: Vec::new(),
        store: None,
    };
    let mut args = Args::from(argv, 2);
    while !args.is_done() {
        if args.word("asc") {
            options.descending = false;
        } else if args.word("desc") {
            options.descending = true;
        } else if args.word("alpha") {
            options.alpha = true;
        } else if args.left() > 2 && args.word("limit") {
            options.start = args.int()?;
            options.count = args.int()?;
        } else if may_store && args.word_with_value("store") {
            options.store = Some(args.need()?);
        } else if args.word_with_value("by") {
            let pattern = Pattern::new(args.need()?);
            // Once BY is a pattern without `*`, a later BY does not sort again.
            options.unsorted |= !matches!(pattern, Pattern::Key { .. });
            if matches!(pattern, Pattern::Key { .. }) && (cluster || !may_read_all()) {
                return denied("BY");
            }
            options.by = Some(pattern);
        } else if args.word_with_value("get") {
            if cluster || !may_read_all() {
                return denied("GET");
            }
            options.get.push(Pattern::new(args.need()?));
        } else {
            return Err(SYNTAX);
        }
    }
    Ok(options)
}

/// Texts in one buffer, each followed by a NUL.
#[derive(Default)]
struct Texts {
    bytes: Vec<u8>,
    /// One of the texts contains a NUL.
    nul_inside: bool,
}

/// Position of a text.
#[derive(Clone, Copy)]
struct Span {
    start: usize,
    end: usize,
}

impl Texts {
    fn push(&mut self, text: &[u8]) -> Span {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(text);
        self.nul_inside |= text.contains(&0);
        let end = self.bytes.len();
        self.bytes.push(0);
        Span { start, end }
    }

    fn get(&self, span: Span) -> &[u8] {
        &self.bytes[span.start..span.end]
    }

    /// The text up to its first NUL, as C sees it.
    fn c_text(&self, span: Span) -> &CStr {
        CStr::from_bytes_until_nul(&self.bytes[span.start..=span.end]).unwrap_or_default()
    }
}

/// An element.
#[derive(Clone, Copy)]
struct Row {
    element: Span,
    weight: Weight,
}

/// The sort key of an element.
#[derive(Clone, Copy)]
enum Weight {
    Number(f64),
    /// No value sorts before any text.
    Text(Option<Span>),
}

/// How texts are compared.
#[derive(Clone, Copy)]
enum Collation {
    /// Bytewise: what is stored must not depend on the server's locale. Equal to the locale `C` unless a text contains
    /// a NUL.
    Bytes,
    /// Bytewise up to a NUL: the locale `C`.
    CText,
    /// By the locale.
    Locale,
}

impl Collation {
    fn compare(self, texts: &Texts, one: Span, other: Span) -> Ordering {
        match self {
            Collation::Bytes => texts.get(one).cmp(texts.get(other)),
            Collation::CText => texts.c_text(one).cmp(texts.c_text(other)),
            Collation::Locale => host::collate(texts.c_text(one), texts.c_text(other)),
        }
    }
}

/// The part of `len` elements that LIMIT selects; a negative count selects all from the offset on.
fn limited(len: usize, start: i64, count: i64) -> Range<usize> {
    let bounded = |number: i64| usize::try_from(number).unwrap_or(0).min(len);
    let start = bounded(start);
    let count = if count < 0 { len } else { bounded(count) };
    start..(start + count).min(len)
}

fn sort(cx: &mut Ctx<'_>, may_store: bool) -> Done {
    let argv = cx.argv;
    let cluster = cx.srv.config.cluster_enabled;
    let mut options = parse(argv, may_store, cluster, &|| may_read_all_keys(cx))?;
    let source = match find_read(cx.srv, cx.db, &argv[1]) {
        None => None,
        Some(entry) => match entry.aggregate() {
            Some(
                value @ (AggregateRef::List(_) | AggregateRef::Set(_) | AggregateRef::Zset(_)),
            ) => Some(value),
            _ => return Err(WRONG_TYPE),
        },
    };
    let must_not_vary = options.store.is_some() || cx.caller.kind == caller::Kind::Script;
    if matches!(source, Some(AggregateRef::Set(_))) && options.unsorted && must_not_vary {
        // A set has no order, and what is stored or seen by a script must be the same on every server.
        options.unsorted = false;
        options.alpha = true;
        options.by = None;
    }
    let range = limited(
        source.map_or(0, AggregateRef::len),
        options.start,
        options.count,
    );
    let mut texts = Texts::default();
    let mut rows = match source {
        None => Vec::new(),
        Some(source) if options.unsorted => {
            collect_part(source, range.clone(), options.descending, &mut texts)
        }
        Some(source) => collect(source, &mut texts),
    };
    if !options.unsorted {
        weigh(cx, &options, &mut rows, &mut texts)?;
        order(&mut rows, &texts, &options, range.clone());
        rows = rows[range].to_vec();
    }
    match options.store {
        Some(target) => store_rows(cx, target, &options.get, &rows, &texts),
        None => reply_rows(cx, &options.get, &rows, &texts),
    }
    Ok(())
}

fn push_row(rows: &mut Vec<Row>, texts: &mut Texts, item: Item<'_>) {
    rows.push(Row {
        element: texts.push(item.bytes(&mut Default::default())),
        // The number that the digits of an integer parse to.
        weight: Weight::Number(item.to_i64().map_or(f64::NAN, |number| number as f64)),
    });
}

/// Copies all elements.
fn collect(source: AggregateRef<'_>, texts: &mut Texts) -> Vec<Row> {
    let mut rows = Vec::with_capacity(source.len());
    match source {
        AggregateRef::List(list) => {
            let mut items = list.iter();
            while let Some(item) = items.next() {
                push_row(&mut rows, texts, item);
            }
        }
        AggregateRef::Set(set) => set.iter().for_each(|item| push_row(&mut rows, texts, item)),
        AggregateRef::Zset(zset) => zset
            .iter()
            .for_each(|(item, _)| push_row(&mut rows, texts, item)),
        AggregateRef::Hash(_) | AggregateRef::Stream(_) | AggregateRef::Damaged(_) => {}
    }
    rows
}

/// Copies a part of the elements in their own order, or from the last one on if `reverse`.
fn collect_part(
    source: AggregateRef<'_>,
    range: Range<usize>,
    reverse: bool,
    texts: &mut Texts,
) -> Vec<Row> {
    let mut rows = Vec::with_capacity(range.len());
    let (len, count) = (source.len(), range.len());
    if count == 0 {
        return rows;
    }
    match source {
        AggregateRef::List(list) => {
            let mut items = if reverse {
                list.iter_from(len - 1 - range.start, End::Head)
            } else {
                list.iter_from(range.start, End::Tail)
            };
            while rows.len() < count
                && let Some(item) = items.next()
            {
                push_row(&mut rows, texts, item);
            }
        }
        AggregateRef::Set(set) => set
            .iter()
            .skip(range.start)
            .take(count)
            .for_each(|item| push_row(&mut rows, texts, item)),
        AggregateRef::Zset(zset) => {
            let ranks = if reverse {
                len - range.end..len - range.start
            } else {
                range
            };
            zset.range(ranks, reverse)
                .for_each(|(item, _)| push_row(&mut rows, texts, item));
        }
        AggregateRef::Hash(_) | AggregateRef::Stream(_) | AggregateRef::Damaged(_) => {}
    }
    rows
}

/// A number as C's `strtod` parses it, up to a NUL: leading blanks are skipped, and an empty text is 0.
fn number(text: &[u8]) -> Result<f64, Fault> {
    let text = until_nul(text);
    if text.is_empty() {
        return Ok(0.0);
    }
    let start = text
        .iter()
        .position(|byte| !matches!(byte, b' ' | b'\t'..=b'\r'))
        .unwrap_or(text.len());
    parse_f64_precise(&text[start..])
        .ok_or_else(|| Fault::new("ERR One or more scores can't be converted into double"))
}

/// Looks up the sort key of each element.
fn weigh(cx: &mut Ctx<'_>, options: &Options<'_>, rows: &mut [Row], texts: &mut Texts) -> Done {
    for row in rows {
        row.weight = match &options.by {
            None if options.alpha => Weight::Text(Some(row.element)),
            None => match row.weight {
                Weight::Number(known) if !known.is_nan() => continue,
                _ => Weight::Number(number(texts.get(row.element))?),
            },
            Some(by) => {
                let element = texts.get(row.element).to_vec();
                by.resolve(cx.srv, cx.db, &element, |value| match value {
                    value if options.alpha => {
                        Ok(Weight::Text(value.map(|value| texts.push(value))))
                    }
                    Some(value) => number(value).map(Weight::Number),
                    None => Ok(Weight::Number(0.0)),
                })?
            }
        };
    }
    Ok(())
}

/// Sorts the elements, or as many as are needed.
fn order(rows: &mut [Row], texts: &Texts, options: &Options<'_>, range: Range<usize>) {
    let collation = match host::collates_bytes() {
        _ if options.store.is_some() => Collation::Bytes,
        true if texts.nul_inside => Collation::CText,
        true => Collation::Bytes,
        false => Collation::Locale,
    };
    let compare = |one: &Row, other: &Row| {
        let order = match (one.weight, other.weight) {
            // The elements themselves decide between equal numbers, so that the order is deterministic.
            (Weight::Number(left), Weight::Number(right)) => left
                .partial_cmp(&right)
                .unwrap_or(Ordering::Equal)
                .then_with(|| Collation::Bytes.compare(texts, one.element, other.element)),
            (Weight::Text(Some(left)), Weight::Text(Some(right))) => {
                collation.compare(texts, left, right)
            }
            (Weight::Text(left), Weight::Text(right)) => left.is_some().cmp(&right.is_some()),
            (Weight::Number(_), Weight::Text(_)) | (Weight::Text(_), Weight::Number(_)) => {
                Ordering::Equal
            }
        };
        if options.descending {
            order.reverse()
        } else {
            order
        }
    };
    if options.by.is_some() && range != (0..rows.len()) {
        sort_part(rows, range, compare);
    } else {
        rows.sort_by(compare);
    }
}

fn reply_rows(cx: &mut Ctx<'_>, get: &[Pattern<'_>], rows: &[Row], texts: &Texts) {
    cx.reply.array(rows.len() * get.len().max(1));
    for row in rows {
        let element = texts.get(row.element);
        if get.is_empty() {
            cx.reply.bulk(element);
        }
        for pattern in get {
            pattern.resolve(cx.srv, cx.db, element, |value| match value {
                Some(value) => cx.reply.bulk(value),
                None => cx.reply.null(),
            });
        }
    }
}

/// Stores the result as a list, or deletes the key if it is empty.
fn store_rows(cx: &mut Ctx<'_>, target: &[u8], get: &[Pattern<'_>], rows: &[Row], texts: &Texts) {
    let limits = cx.srv.debug.list_limits(&cx.srv.config);
    let mut elements = Quicklist::new(limits);
    for row in rows {
        let element = texts.get(row.element);
        if get.is_empty() {
            elements.push(End::Tail, element);
        }
        for pattern in get {
            pattern.resolve(cx.srv, cx.db, element, |value| {
                elements.push(End::Tail, value.unwrap_or_default());
            });
        }
    }
    let len = elements.len();
    if len == 0 {
        let lazy = cx.srv.config.lazyfree_lazy_server_del;
        delete_target(cx.srv, cx.db, target, lazy);
    } else {
        let list = List::Quick(Box::new(elements)).reencoded(&limits);
        let is_new = store(cx.srv, cx.db, target, list.wrap().into(), Expire::Clear);
        let event = Event::List("sortstore");
        key_stored(cx.srv, (cx.db, target), is_new, len as u64, event);
    }
    cx.reply.int(len as i64);
}
