//! One file per subcommand.

pub(crate) mod chat;
pub(crate) mod demo;
