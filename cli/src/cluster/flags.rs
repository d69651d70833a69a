//! The options of `--cluster`, as clap parses them. The comment on a field is its line of `--help`.

use std::env;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use clap::Args;

/// Set to 1, this variable stands for `--cluster-yes`.
const YES_VARIABLE: &str = "REDISCLI_CLUSTER_YES";

/// The options as they are given.
#[derive(Clone, Debug, Default, Args)]
pub struct ClusterArgs {
    /// Create, check, repair or change a cluster; --cluster help shows the commands and their options
    #[arg(long, value_name = "command", num_args = 1..)]
    pub cluster: Option<Vec<OsString>>,
    #[arg(long, hide = true, default_value_t = 0)]
    cluster_replicas: u16,
    #[arg(long, hide = true)]
    cluster_master_id: Option<String>,
    #[arg(long, hide = true)]
    cluster_from: Option<String>,
    #[arg(long, hide = true)]
    cluster_to: Option<String>,
    #[arg(long, hide = true)]
    cluster_from_user: Option<OsString>,
    #[arg(long, hide = true)]
    cluster_from_pass: Option<OsString>,
    #[arg(long, hide = true)]
    cluster_from_askpass: bool,
    #[arg(long, hide = true, num_args = 1.., action = clap::ArgAction::Append)]
    cluster_weight: Vec<String>,
    #[arg(long, hide = true, default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=16384))]
    cluster_slots: u16,
    #[arg(long, hide = true, default_value_t = 60_000, value_parser = clap::value_parser!(u32).range(1..=i64::from(i32::MAX)))]
    cluster_timeout: u32,
    #[arg(long, hide = true, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=i64::from(i32::MAX)))]
    cluster_pipeline: u32,
    #[arg(long, hide = true, default_value_t = 2.0)]
    cluster_threshold: f32,
    #[arg(long, hide = true)]
    cluster_yes: bool,
    #[arg(long, hide = true)]
    cluster_simulate: bool,
    #[arg(long, hide = true)]
    cluster_replace: bool,
    #[arg(long, hide = true)]
    cluster_copy: bool,
    #[arg(long, hide = true)]
    cluster_slave: bool,
    #[arg(long, hide = true)]
    cluster_use_empty_masters: bool,
    #[arg(long, hide = true)]
    cluster_search_multiple_owners: bool,
    #[arg(long, hide = true)]
    cluster_fix_with_unreachable_masters: bool,
    #[arg(long, hide = true)]
    cluster_only_masters: bool,
    #[arg(long, hide = true)]
    cluster_only_replicas: bool,
}

/// The options, evaluated.
#[derive(Clone)]
pub struct ClusterOptions {
    /// The command.
    pub name: String,
    /// Its arguments.
    pub args: Vec<Vec<u8>>,
    /// `create`: replicas per primary.
    pub replicas: usize,
    /// `add-node`: the primary of the new replica.
    pub master_id: Option<String>,
    /// `reshard`: the nodes that lose slots. `import`: the server to import from.
    pub from: Option<String>,
    /// `reshard`: the node that gets slots.
    pub to: Option<String>,
    /// `import`: the user on the source.
    pub from_user: Option<Vec<u8>>,
    /// `import`: the password on the source.
    pub from_pass: Option<Vec<u8>>,
    /// `import`: ask for that password.
    pub from_askpass: bool,
    /// `rebalance`: weights, each as `<beginning of an id>=<number>`.
    pub weights: Vec<String>,
    /// `reshard`: how many slots to move; `None` asks for it.
    pub slots: Option<u16>,
    /// The time-out of MIGRATE in milliseconds.
    pub timeout_ms: u32,
    /// Keys per MIGRATE.
    pub pipeline: u32,
    /// `rebalance`: the imbalance in percent from which slots are moved.
    pub threshold: f32,
    /// Do not ask for confirmation.
    pub yes: bool,
    /// `rebalance`: show the plan only.
    pub simulates: bool,
    /// Replace keys of the target.
    pub replaces: bool,
    /// `import`: keep the keys of the source.
    pub copies: bool,
    /// `add-node`: the new node becomes a replica.
    pub as_replica: bool,
    /// `rebalance`: primaries without slots get some.
    pub uses_empty: bool,
    /// `check` and `fix`: look for slots with several owners.
    pub searches_owners: bool,
    /// `fix`: repair although primaries cannot be reached.
    pub fixes_unreachable: bool,
    /// `call`: primaries alone.
    pub only_masters: bool,
    /// `call`: replicas alone.
    pub only_replicas: bool,
}

/// Whether a word begins with a dash and is not a negative number.
fn is_unknown_option(word: &OsStr) -> bool {
    let is_number = |text: &str| text.parse::<f64>().is_ok();
    word.as_bytes().starts_with(b"-") && !word.to_str().is_some_and(is_number)
}

impl ClusterArgs {
    /// Adds words that stand behind options: they are arguments of the command if it has none. What follows the weights
    /// and is not a weight is such a word as well.
    pub fn add_words(&mut self, mut words: Vec<OsString>) {
        let weights = self.cluster_weight.iter();
        let count = weights.take_while(|word| word.contains('=')).count();
        let rest = self.cluster_weight.split_off(count);
        if words.is_empty() {
            words = rest.into_iter().map(OsString::from).collect();
        }
        if let Some(command) = self.cluster.as_mut().filter(|command| command.len() == 1) {
            command.append(&mut words);
        }
    }

    /// Evaluates the options; `None` without `--cluster`.
    ///
    /// # Errors
    /// A sentence about contradictory options.
    pub fn evaluate(self) -> Result<Option<ClusterOptions>, String> {
        let Some((name, args)) = self.cluster.as_deref().and_then(<[_]>::split_first) else {
            return Ok(None);
        };
        // clap takes an unknown option for a word. A command may be sent to all nodes, so a mistyped one must not be.
        if let Some(word) = args.iter().find(|word| is_unknown_option(word)) {
            return Err(format!(
                "Unrecognized option or bad number of args for: '{}'",
                word.to_string_lossy()
            ));
        }
        if !self.cluster_threshold.is_finite() || self.cluster_threshold < 0.0 {
            return Err(format!(
                "Invalid value '{}' for --cluster-threshold.",
                self.cluster_threshold
            ));
        }
        let yes = env::var_os(YES_VARIABLE).is_some_and(|value| value == "1");
        Ok(Some(ClusterOptions {
            name: name.to_string_lossy().into_owned(),
            args: args.iter().map(|arg| arg.as_bytes().to_vec()).collect(),
            replicas: usize::from(self.cluster_replicas),
            master_id: self.cluster_master_id,
            from: self.cluster_from,
            to: self.cluster_to,
            from_user: self.cluster_from_user.map(OsString::into_vec),
            from_pass: self.cluster_from_pass.map(OsString::into_vec),
            from_askpass: self.cluster_from_askpass,
            weights: self.cluster_weight,
            slots: Some(self.cluster_slots).filter(|&slots| slots > 0),
            timeout_ms: self.cluster_timeout,
            pipeline: self.cluster_pipeline,
            threshold: self.cluster_threshold,
            yes: yes || self.cluster_yes,
            simulates: self.cluster_simulate,
            replaces: self.cluster_replace,
            copies: self.cluster_copy,
            as_replica: self.cluster_slave,
            uses_empty: self.cluster_use_empty_masters,
            searches_owners: self.cluster_search_multiple_owners,
            fixes_unreachable: self.cluster_fix_with_unreachable_masters,
            only_masters: self.cluster_only_masters,
            only_replicas: self.cluster_only_replicas,
        }))
    }
}
