//! What the provider's own people have uploaded: octets that only their receivers can read, under
//! names that nobody can guess (protocol section 5.10).
//!
//! [`Uploads`] keeps the accounts: who may store how much, what has arrived, what has expired.
//! [`Blobs`](blobs::Blobs) keeps the octets; [`DirectoryBlobs`] in a directory. [`serve`] hands them out to whoever
//! knows a name.

mod blobs;
mod directory;
mod id;
mod range;
pub(crate) mod serve;
#[cfg(test)]
mod tests;
mod uploads;

pub(crate) use directory::DirectoryBlobs;
pub(crate) use id::AssetId;
pub(crate) use range::ByteRange;
pub(crate) use uploads::{UploadStatus, Uploads};

/// Directory of the assets in the data directory.
pub(crate) const ASSETS_DIRECTORY: &str = "assets";
/// Where assets are at the federation listener, before their ids.
pub(crate) const ASSETS_PATH: &str = "/assets/v1/";
