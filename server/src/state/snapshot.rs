//! Snapshots: what was saved when, what is being loaded, and what of a file must not get lost.

/// A file that is being loaded.
#[derive(Clone, Copy, Debug, Default)]
pub struct Loading {
    /// Unix time of its beginning, in seconds.
    pub started: i64,
    /// Bytes of the file.
    pub total: u64,
    /// Bytes read so far.
    pub loaded: u64,
    /// Memory that the server used which wrote the file, as the file tells.
    pub used_mem: u64,
    /// The old data set is there meanwhile, and clients are served from it.
    pub serves_old: bool,
}

/// State of snapshots. All times are Unix time in seconds.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// When the data set was last saved, or the server started.
    pub last_save: i64,
    /// When a child was last to save it.
    pub last_try: i64,
    /// When the child that is saving it began.
    pub started: i64,
    /// How long the last child took, in seconds.
    pub last_duration: Option<i64>,
    /// The last attempt failed.
    pub failed: bool,
    /// A child is to save it as soon as there can be one.
    pub scheduled: bool,
    /// Changes there were when the child was made.
    pub dirty_before: u64,
    /// Attempts.
    pub saves: u64,
    /// Memory that was copied because of the last child, in bytes.
    pub last_cow: u64,
    /// The file that is being loaded.
    pub loading: Option<Loading>,
    /// Keys that the last file had and that were over when it was loaded.
    pub keys_expired: u64,
    /// Keys that were loaded from it.
    pub keys_loaded: u64,
    /// Code of the libraries of the file, which this server cannot run yet; the next file has them again.
    pub functions: Vec<Vec<u8>>,
}

impl Snapshot {
    /// Of a server that starts now.
    pub fn new(now: i64) -> Self {
        Snapshot {
            last_save: now,
            ..Snapshot::default()
        }
    }

    /// Whether the data is not there, so that most commands must be refused.
    pub fn hides_data(&self) -> bool {
        self.loading.is_some_and(|loading| !loading.serves_old)
    }
}
