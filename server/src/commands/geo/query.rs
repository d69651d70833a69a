//! Arguments of GEOSEARCH, GEORADIUS and their variants.

use data::util::geo::{Point, Search, Shape};
use data::value::zset::Zset;

use crate::commands::args::Args;
use crate::commands::geo::args::{circle, point, rectangle};
use crate::wire::argv::Argv;
use crate::wire::fault::{Fault, SYNTAX};

/// The syntax of a command.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// `GEORADIUS key longitude latitude radius unit …`
    Radius {
        /// Accepts STORE and STOREDIST.
        may_store: bool,
    },
    /// `GEORADIUSBYMEMBER key member radius unit …`
    RadiusByMember {
        /// Accepts STORE and STOREDIST.
        may_store: bool,
    },
    /// `GEOSEARCH key …`
    Search,
    /// `GEOSEARCHSTORE target key …`
    SearchStore,
}

impl Style {
    /// Index of the key that is searched.
    pub fn key(self) -> usize {
        1 + usize::from(self == Style::SearchStore)
    }

    /// Whether centre and shape are options.
    pub fn is_search(self) -> bool {
        matches!(self, Style::Search | Style::SearchStore)
    }

    fn may_store(self) -> bool {
        match self {
            Style::Radius { may_store } | Style::RadiusByMember { may_store } => may_store,
            Style::Search | Style::SearchStore => false,
        }
    }
}

/// What is replied besides each member.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct With {
    /// WITHDIST.
    pub distance: bool,
    /// WITHHASH.
    pub score: bool,
    /// WITHCOORD.
    pub place: bool,
}

/// Order of the members.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Nearest first.
    Ascending,
    /// Farthest first.
    Descending,
}

/// Destination of the result.
#[derive(Clone, Copy)]
pub struct Store<'a> {
    /// The key.
    pub key: &'a [u8],
    /// Distances become the scores.
    pub distances: bool,
}

/// A query.
pub struct Query<'a> {
    /// The set that is searched; `None` if the key does not exist.
    pub search: Option<Search>,
    /// Contents of the reply.
    pub with: With,
    /// Order.
    pub order: Option<Order>,
    /// COUNT.
    pub count: Option<usize>,
    /// ANY: any members within the area, not necessarily the nearest.
    pub any: bool,
    /// Destination.
    pub store: Option<Store<'a>>,
}

/// The two ways to give the centre, which exclude each other.
#[derive(Clone, Copy, PartialEq, Eq)]
enum From {
    Member,
    Place,
}

/// A query being parsed.
struct Draft<'a, 'z> {
    style: Style,
    zset: Option<&'z Zset>,
    from: Option<From>,
    centre: Option<Point>,
    /// With the metres of its unit.
    form: Option<(Shape, f64)>,
    query: Query<'a>,
}

/// Parses a query. The centre may be a member of the set; if the key does not exist no member is looked up, but the
/// options are checked anyway.
///
/// # Errors
/// The first invalid option, then missing ones.
pub fn parse<'a>(argv: &'a Argv, style: Style, zset: Option<&Zset>) -> Result<Query<'a>, Fault> {
    let mut args = Args::from(argv, style.key() + 1);
    let mut draft = Draft {
        style,
        zset,
        from: None,
        centre: None,
        form: None,
        query: Query {
            search: None,
            with: With::default(),
            order: None,
            count: None,
            any: false,
            store: (style == Style::SearchStore).then(|| Store {
                key: &argv[1],
                distances: false,
            }),
        },
    };
    match style {
        Style::Radius { .. } => {
            draft.centre = Some(point(&mut args)?);
            draft.form = Some(circle(&mut args)?);
        }
        Style::RadiusByMember { .. } if zset.is_some() => {
            draft.centre = draft.place_of(args.need()?)?;
            draft.form = Some(circle(&mut args)?);
        }
        Style::RadiusByMember { .. } => args = Args::from(argv, 5),
        Style::Search | Style::SearchStore => {}
    }
    while !args.is_done() {
        let known = draft.output_option(&mut args)?
            || draft.store_option(&mut args)?
            || style.is_search() && draft.search_option(&mut args)?;
        if !known {
            return Err(SYNTAX);
        }
    }
    draft.finish(&argv[0])
}

impl<'a> Draft<'a, '_> {
    /// Coordinates of a member; `None` if the key does not exist.
    fn place_of(&self, member: &[u8]) -> Result<Option<Point>, Fault> {
        let place = self.zset.map(|zset| {
            let score = zset.score(member);
            score
                .map(Point::of_score)
                .ok_or_else(|| Fault::new("ERR could not decode requested zset member"))
        });
        place.transpose()
    }

    fn output_option(&mut self, args: &mut Args<'a>) -> Result<bool, Fault> {
        let query = &mut self.query;
        if args.word("withdist") {
            query.with.distance = true;
        } else if args.word("withhash") {
            query.with.score = true;
        } else if args.word("withcoord") {
            query.with.place = true;
        } else if args.word("any") {
            query.any = true;
        } else if args.word("asc") {
            query.order = Some(Order::Ascending);
        } else if args.word("desc") {
            query.order = Some(Order::Descending);
        } else if args.word_with_value("count") {
            let count = usize::try_from(args.int()?).ok().filter(|&count| count > 0);
            query.count = Some(count.ok_or_else(|| Fault::new("ERR COUNT must be > 0"))?);
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    fn store_option(&mut self, args: &mut Args<'a>) -> Result<bool, Fault> {
        let store = &mut self.query.store;
        if self.style == Style::SearchStore && args.word("storedist") {
            if let Some(store) = store {
                store.distances = true;
            }
            return Ok(true);
        }
        if !self.style.may_store() {
            return Ok(false);
        }
        let distances = if args.word_with_value("store") {
            false
        } else if args.word_with_value("storedist") {
            true
        } else {
            return Ok(false);
        };
        let key = args.need()?;
        *store = Some(Store { key, distances });
        Ok(true)
    }

    fn search_option(&mut self, args: &mut Args<'a>) -> Result<bool, Fault> {
        let is_circle = matches!(self.form, Some((Shape::Circle { .. }, _)));
        let is_rectangle = matches!(self.form, Some((Shape::Rectangle { .. }, _)));
        if self.from != Some(From::Place) && args.word_with_value("frommember") {
            self.centre = self.place_of(args.need()?)?;
            self.from = Some(From::Member);
        } else if self.from != Some(From::Member) && args.left() > 2 && args.word("fromlonlat") {
            self.centre = Some(point(args)?);
            self.from = Some(From::Place);
        } else if !is_rectangle && args.left() > 2 && args.word("byradius") {
            self.form = Some(circle(args)?);
        } else if !is_circle && args.left() > 3 && args.word("bybox") {
            self.form = Some(rectangle(args)?);
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    fn finish(mut self, name: &[u8]) -> Result<Query<'a>, Fault> {
        let is_search = self.style.is_search();
        if self.query.store.is_some() && self.query.with != With::default() {
            let who = if is_search {
                "GEOSEARCHSTORE"
            } else {
                "STORE option in GEORADIUS"
            };
            return Err(Fault::new(format!(
                "ERR {who} is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
            )));
        }
        let missing = |what: &str| {
            let mut text = format!("ERR exactly one of {what} can be specified for ").into_bytes();
            text.extend_from_slice(name);
            Err(Fault::bytes(text))
        };
        if is_search && self.from.is_none() {
            return missing("FROMMEMBER or FROMLONLAT");
        }
        if is_search && self.form.is_none() {
            return missing("BYRADIUS and BYBOX");
        }
        if self.query.any && self.query.count.is_none() {
            return Err(Fault::new("ERR the ANY argument requires COUNT argument"));
        }
        if let (Some(centre), Some((form, unit))) = (self.centre, self.form) {
            self.query.search = Some(Search { centre, form, unit });
        }
        // Nearest first if COUNT is given without an order.
        if self.query.count.is_some() && !self.query.any {
            self.query.order.get_or_insert(Order::Ascending);
        }
        Ok(self.query)
    }
}
