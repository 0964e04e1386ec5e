//! Keeps every federation body as a file, so that tests and demos can search what crossed the wire.
//!
//! Off unless the operator names a directory. Bodies are what peers saw anyway; still, nobody should
//! run a real provider with this.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use mimi_wire::Domain;

/// The capture directory.
#[derive(Debug)]
pub(crate) struct Capture {
    directory: PathBuf,
    next: AtomicU64,
}

/// Which way a body went.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Direction {
    /// From the peer to us.
    In,
    /// From us to the peer.
    Out,
}

impl Capture {
    /// Captures into a directory, which is made when the first body comes.
    pub(crate) fn new(directory: PathBuf) -> Self {
        Self { directory, next: AtomicU64::new(0) }
    }

    /// Keeps one body: `<number>-<in|out>-<peer>-<what>.bin`. A failure is logged and no more.
    pub(crate) async fn keep(&self, direction: Direction, peer: &Domain, what: &str, body: &[u8]) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let way = match direction {
            Direction::In => "in",
            Direction::Out => "out",
        };
        let process = std::process::id();
        let name = format!("{process}-{number:06}-{way}-{peer}-{what}.bin");
        if let Err(error) = write(&self.directory, &name, body).await {
            tracing::warn!(%error, directory = %self.directory.display(), "capture failed");
        }
    }
}

async fn write(directory: &Path, name: &str, body: &[u8]) -> std::io::Result<()> {
    tokio::fs::create_dir_all(directory).await?;
    tokio::fs::write(directory.join(name), body).await
}
