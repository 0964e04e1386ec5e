//! Where the octets of assets are kept: the interface.

use std::fmt;
use std::io;

use mimi_wire::MimiUri;
use serde::{Deserialize, Serialize};

use super::AssetId;

/// What is kept about an asset beside its octets.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct About {
    /// Who pays for it with quota.
    pub(crate) owner: MimiUri,
    /// How many octets it will have.
    pub(crate) octets: u64,
    /// When it is forgotten, in seconds since the epoch.
    pub(crate) expires_s: u64,
    /// When it is forgotten if it has not arrived by then.
    pub(crate) arrives_s: u64,
}

/// How far an asset has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Stage {
    /// So many octets have arrived.
    Partial(u64),
    /// All of them, and it may be fetched.
    Whole,
}

/// Keeps octets under names. All of it blocks; whoever calls is on a thread that may.
///
/// **Invariant:** what [`create`](Self::create), [`sync`](Self::sync) and
/// [`publish`](Self::publish) have done survives a power cut once they return.
pub(crate) trait Blobs: fmt::Debug + Send + Sync {
    /// Everything that is kept.
    fn list(&self) -> io::Result<Vec<(AssetId, About, Stage)>>;
    /// Makes room for an asset without octets.
    fn create(&self, id: AssetId, about: &About) -> io::Result<()>;
    /// Puts octets at an offset that has been reached already; what was there before is replaced.
    fn write(&self, id: AssetId, offset: u64, octets: &[u8]) -> io::Result<()>;
    /// Makes what was written durable.
    fn sync(&self, id: AssetId) -> io::Result<()>;
    /// Ends the writing: from now on the asset may be read.
    fn publish(&self, id: AssetId) -> io::Result<()>;
    /// At most `octets` octets of a published asset from an offset.
    fn read(&self, id: AssetId, offset: u64, octets: usize) -> io::Result<Vec<u8>>;
    /// Forgets an asset, however far it has come.
    fn remove(&self, id: AssetId) -> io::Result<()>;
}
