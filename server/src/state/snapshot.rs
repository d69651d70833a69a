//! State of snapshots: saving and loading.

/// A snapshot that is being loaded.
#[derive(Clone, Copy, Debug, Default)]
pub struct Loading {
    /// Unix time of its beginning, in seconds.
    pub started: i64,
    /// Bytes of the file.
    pub total: u64,
    /// Bytes read so far.
    pub loaded: u64,
    /// Memory used by the server that wrote the file, as the file says.
    pub used_mem: u64,
    /// Clients are served from the old data set meanwhile.
    pub serves_old: bool,
}

/// State of snapshots. All times are Unix time in seconds.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// When the data set was last saved, or the server was started.
    pub last_save: i64,
    /// When a save in the background was last started.
    pub last_try: i64,
    /// When the running save began, or the running diskless transfer.
    pub started: i64,
    /// Duration of the last save in the background or diskless transfer, in seconds.
    pub last_duration: Option<i64>,
    /// The last attempt failed.
    pub failed: bool,
    /// A save is to start as soon as no other child is running.
    pub scheduled: bool,
    /// The file was only written for replicas (`rdb-del-sync-files`).
    pub is_for_replicas: bool,
    /// Number of changes at the fork.
    pub dirty_before: u64,
    /// SAVE commands executed and saves in the background started: `rdb_saves`.
    pub saves: u64,
    /// Memory copied because of the last child, in bytes.
    pub last_cow: u64,
    /// The file that is being loaded.
    pub loading: Option<Loading>,
    /// Keys of the last file that had expired.
    pub keys_expired: u64,
    /// Keys that were loaded from it.
    pub keys_loaded: u64,
}

impl Snapshot {
    /// The state at start.
    pub fn new(now: i64) -> Self {
        Snapshot {
            last_save: now,
            ..Snapshot::default()
        }
    }

    /// Whether the data set is not complete, so that most commands are refused.
    pub fn hides_data(&self) -> bool {
        self.loading.is_some_and(|loading| !loading.serves_old)
    }
}
