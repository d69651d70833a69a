//! Trimming options of XADD and XTRIM, and their propagation.
//!
//! An approximate trim depends on the node boundaries, so it is propagated as the exact trim that it amounts to.

use data::value::stream_id::IdRoom;
use data::value::stream_log::{Log, Trim, TrimThreshold};

use crate::commands::args::Args;
use crate::commands::stream::ids::exact_id;
use crate::config::params::Params;
use crate::server::Ctx;
use crate::wire::fault::Fault;

/// Maximum number of entries that an approximate trim deletes without LIMIT, whatever the node size.
const MAX_LIMIT: i64 = 1_000_000;
/// The same if nodes have no limit of entries.
const DEFAULT_LIMIT: i64 = 10_000;
/// Number of full nodes that an approximate trim deletes without LIMIT.
const DEFAULT_NODES: i64 = 100;

/// Trimming options parsed so far.
#[derive(Default)]
pub struct TrimOptions {
    threshold: Option<TrimThreshold>,
    approximate: bool,
    limit: Option<u64>,
    /// Index of the threshold argument.
    amount_at: usize,
}

impl TrimOptions {
    /// Takes one option, if it is a trimming option.
    ///
    /// # Errors
    /// Its value is invalid.
    pub fn take(&mut self, args: &mut Args<'_>) -> Result<bool, Fault> {
        if args.word_with_value("maxlen") {
            self.begin(args)?;
            let most = u64::try_from(args.int()?);
            let negative = |_| Fault::new("ERR The MAXLEN argument must be >= 0.");
            self.threshold = Some(TrimThreshold::Last(most.map_err(negative)?));
        } else if args.word_with_value("minid") {
            self.begin(args)?;
            self.threshold = Some(TrimThreshold::From(exact_id(args.need()?)?));
        } else if args.word_with_value("limit") {
            let limit = u64::try_from(args.int()?);
            let negative = |_| Fault::new("ERR The LIMIT argument must be >= 0.");
            self.limit = Some(limit.map_err(negative)?);
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// Takes the `=` or `~` behind MAXLEN or MINID.
    fn begin(&mut self, args: &mut Args<'_>) -> Result<(), Fault> {
        if self.threshold.is_some() {
            return Err(Fault::new(
                "ERR syntax error, MAXLEN and MINID options at the same time are not compatible",
            ));
        }
        self.approximate = args.word_with_value("~");
        if !self.approximate {
            args.word_with_value("=");
        }
        self.amount_at = args.position();
        Ok(())
    }

    /// The trim described by the options; `None` if there is none, which is an error if `needed`.
    ///
    /// # Errors
    /// The options contradict each other.
    pub fn finish(&self, cx: &Ctx<'_>, needed: bool) -> Result<Option<Trim>, Fault> {
        if self.threshold.is_none() && self.limit.is_some_and(|limit| limit > 0) {
            return Err(Fault::new(
                "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy",
            ));
        }
        if self.threshold.is_none() && needed {
            return Err(Fault::new(
                "ERR syntax error, XTRIM must be called with a trimming strategy",
            ));
        }
        let limit = match self.limit {
            // The primary has made the trim exact and kept the LIMIT.
            _ if cx.caller.obeyed => 0,
            Some(_) if !self.approximate => {
                return Err(Fault::new(
                    "ERR syntax error, LIMIT cannot be used without the special ~ option",
                ));
            }
            Some(limit) => limit,
            None if self.approximate => default_limit(&cx.srv.config) as u64,
            None => 0,
        };
        Ok(self.threshold.map(|threshold| Trim {
            threshold,
            approximate: self.approximate,
            limit: Some(limit).filter(|&limit| limit > 0),
        }))
    }

    /// Replacement arguments, by index, that make an approximate trim exact.
    pub fn exact(&self, log: &Log) -> Vec<(usize, Vec<u8>)> {
        if !self.approximate {
            return Vec::new();
        }
        let amount = match self.threshold {
            Some(TrimThreshold::From(_)) => {
                let mut room: IdRoom = [0; size_of::<IdRoom>()];
                log.first_id_ever().text(&mut room).to_vec()
            }
            _ => log.len().to_string().into_bytes(),
        };
        vec![
            (self.amount_at - 1, b"=".to_vec()),
            (self.amount_at, amount),
        ]
    }
}

fn default_limit(config: &Params) -> i64 {
    match config.stream_node_max_entries.saturating_mul(DEFAULT_NODES) {
        ..=0 => DEFAULT_LIMIT,
        limit => limit.min(MAX_LIMIT),
    }
}
