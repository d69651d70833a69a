//! The test harness: servers on free ports, clients over every transport, mock primaries and replicas, certificates,
//! real Redis.
//!
//! Nothing here sleeps: a server is ready when its log says so, and every wait is for a condition, with a deadline.

pub mod authority;
pub mod certs;
pub mod client;
pub mod corpus;
pub mod descriptors;
pub mod disk;
pub mod log;
pub mod mock_primary;
pub mod mock_replica;
pub mod nodes;
pub mod openssl_client;
pub mod pair;
pub mod peer;
pub mod proxy;
pub mod record;
pub mod server;
pub mod snapshots;
pub mod terminal;
pub mod tools;
pub mod wait;

use std::path::PathBuf;

/// The root folder of the repository.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A binary of this workspace, built with the same profile as the calling test.
///
/// # Panics
/// If it was not built: `cargo test` builds only the test's own package, so the README's command builds all of them
/// first.
pub fn binary(name: &str) -> PathBuf {
    let exe = std::env::current_exe().expect("the path of the test binary is known");
    let path = exe
        .ancestors()
        .nth(2)
        .expect("target/PROFILE/deps/test")
        .join(name);
    assert!(
        path.exists(),
        "{} is missing: build the workspace first (see README)",
        path.display()
    );
    path
}
