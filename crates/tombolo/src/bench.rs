//! `tombolo bench`: load on real providers, and what becomes of every message.
//!
//! Providers are processes of their own (`tombolo serve`, the same program), on real sockets with TLS,
//! with SQLite on disk, franking and policy as they always run. Devices are set up with the SDK; what
//! they write is encrypted before the measurement begins, so that writing costs them one request. Every
//! receiver holds an event stream open as the SDK does, acknowledges what has come, and knows each
//! message by its hash: sent, delivered, lost, duplicated and reordered are counts, not estimates.
//!
//! `federation` and `device` set the scene, `load` offers the load, `receiver` and `phase` count,
//! `usage` asks the operating system, `report` is the fixed form, `scenario` has one file for each.
//! `soak` is another kind of load: long, with processes that are killed.

pub(crate) mod device;
pub(crate) mod federation;
pub(crate) mod light;
pub(crate) mod load;
pub(crate) mod observed;
pub(crate) mod phase;
pub(crate) mod progress;
pub(crate) mod receiver;
pub(crate) mod report;
pub(crate) mod room;
pub(crate) mod scenario;
pub(crate) mod soak;
pub(crate) mod usage;

use std::path::PathBuf;
use std::time::Duration;

/// Octets of a message's text.
pub(crate) const BODY_OCTETS: usize = 256;

/// What holds in every scenario.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// How long is measured.
    pub(crate) duration: Duration,
    /// How long the same load runs before that.
    pub(crate) warm_up: Duration,
    /// Where the providers live instead of in a temporary directory.
    pub(crate) directory: Option<PathBuf>,
}
