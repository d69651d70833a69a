//! The harness of the suite: servers on free ports, clients over every transport, certificates, peers.
//!
//! Nothing here sleeps: a server is ready when its log says so, and conditions are waited for with a deadline.

pub mod certs;
pub mod client;
pub mod corpus;
pub mod descriptors;
pub mod follower;
pub mod pair;
pub mod peer;
pub mod primary;
pub mod proxy;
pub mod server;
pub mod snapshots;
pub mod stranger;
pub mod wait;

use std::path::PathBuf;

/// The folder of the repository.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A binary of this workspace, built by the same profile as the test that asks.
///
/// # Panics
/// It was not built: `cargo test` builds only the test's own package, so the README's command builds all first.
pub fn binary(name: &str) -> PathBuf {
    let exe = std::env::current_exe().expect("a test knows its own path");
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
