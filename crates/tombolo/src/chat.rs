//! `tombolo chat`: a plain terminal client for one person.

mod account;
mod contacts;
mod conversation;
mod devices;
mod display;
mod evidence;
mod files;
mod find;
mod help;
mod input;
mod invitation;
mod messages;
mod operation;
mod people;
pub(crate) mod profile;
mod refused;
mod room_input;
mod rules;
mod seen;
mod terminal;
mod words;

pub(crate) use conversation::Conversation;
