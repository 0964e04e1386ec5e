//! `tombolo chat`: a plain terminal client for one person.

mod conversation;
mod evidence;
mod files;
mod input;
mod invitation;
mod operation;
pub(crate) mod profile;
mod refused;
mod room_input;
mod rules;
mod terminal;

pub(crate) use conversation::Conversation;
