//! `tombolo chat`: a plain terminal client for one person.

mod conversation;
mod input;
mod invitation;
mod operation;
pub(crate) mod profile;
mod terminal;

pub(crate) use conversation::Conversation;
