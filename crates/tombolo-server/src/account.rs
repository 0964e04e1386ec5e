//! How people and devices prove who they are: passwords, tokens, and how often they may be tried.
//!
//! Which accounts and devices there may be is for `mimi_provider::account` to decide.

pub(crate) mod login_limit;
pub(crate) mod new_user;
pub(crate) mod password;
pub(crate) mod removals;
pub(crate) mod sign_out;
pub(crate) mod token;

pub use password::Password;
