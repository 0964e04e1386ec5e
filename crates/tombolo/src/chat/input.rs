//! What a person types: a message, or a command that begins with a slash.

use mimi_wire::MimiUri;
use tombolo_client::secret::SecretText;

use crate::chat::contacts::{self, ContactInput};
use crate::chat::devices::{self, DeviceInput};
use crate::chat::files::{self, FileInput};
use crate::chat::find::{Find, ProfileInput, parse_find, parse_profile};
use crate::chat::invitation::{LinkWish, Way, parse_way, parse_wish};
use crate::chat::messages::{self, MessageInput};
use crate::chat::room_input::{self, Chosen, RoomInput};

/// One line, understood.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Input {
    Write(String),
    Reply(usize, String),
    React(usize, String),
    Edit(usize, String),
    Delete(usize),
    NewRoom(String, Chosen),
    Direct(MimiUri),
    Subroom(String, Vec<MimiUri>),
    Room(RoomInput),
    File(FileInput),
    Message(MessageInput),
    OpenRoom(usize),
    Rooms,
    Devices(DeviceInput),
    /// With the account's password, once it has been typed.
    DeleteAccount(Option<SecretText>),
    Who,
    History,
    Contact(ContactInput),
    Find(Find),
    Profile(ProfileInput),
    Add(MimiUri),
    Remove(MimiUri),
    Ban(MimiUri),
    Join(Way),
    /// The room to start with.
    Enter(MimiUri),
    Link(LinkWish),
    Links,
    Unlink(usize),
    OwnRole,
    Rename(String),
    Leave,
    Help,
    Quit,
    Nothing,
}

/// Understands a line, or says what was expected.
pub(crate) fn parse(line: &str) -> Result<Input, String> {
    let line = line.trim();
    let Some(command) = line.strip_prefix('/') else {
        return Ok(if line.is_empty() { Input::Nothing } else { Input::Write(line.to_owned()) });
    };
    let (name, rest) = command.split_once(' ').unwrap_or((command, ""));
    let rest = rest.trim();
    match name {
        "reply" => numbered(rest, "/reply N TEXT").map(|(n, text)| Input::Reply(n, text)),
        "react" => numbered(rest, "/react N EMOJI").map(|(n, text)| Input::React(n, text)),
        "edit" => numbered(rest, "/edit N TEXT").map(|(n, text)| Input::Edit(n, text)),
        "delete" => number(rest, "/delete N").map(Input::Delete),
        "new" => words(rest, "/new NAME")
            .and_then(|rest| room_input::parse_new(&rest))
            .map(|(name, chosen)| Input::NewRoom(name, chosen)),
        "direct" | "dm" => user(rest, "/direct USER").map(Input::Direct),
        "subroom" => subroom(rest),
        "rename" => words(rest, "/rename NAME").map(Input::Rename),
        "room" => number(rest, "/room N").map(Input::OpenRoom),
        "rooms" => Ok(Input::Rooms),
        "who" if rest.is_empty() => Ok(Input::Who),
        "history" => Ok(Input::History),
        "find" => parse_find(rest).map(Input::Find),
        "profile" => parse_profile(rest).map(Input::Profile),
        "add" => user(rest, "/add USER").map(Input::Add),
        "remove" => user(rest, "/remove USER").map(Input::Remove),
        "ban" => user(rest, "/ban USER").map(Input::Ban),
        "join" => parse_way(rest).map(Input::Join),
        "link" => parse_wish(rest).map(Input::Link),
        "links" => Ok(Input::Links),
        "unlink" => number(rest, "/unlink N").map(Input::Unlink),
        "role" if rest.is_empty() => Ok(Input::OwnRole),
        "leave" => Ok(Input::Leave),
        "delete-account" if rest.is_empty() => Ok(Input::DeleteAccount(None)),
        "delete-account" => {
            Err("write it as /delete-account alone; the password is asked for".to_owned())
        }
        "help" | "?" => Ok(Input::Help),
        "quit" | "exit" | "q" => Ok(Input::Quit),
        _ => match room_input::parse(name, rest) {
            Some(parsed) => parsed.map(Input::Room),
            None => match (files::parse(name, rest), contacts::parse(name, rest)) {
                (Some(parsed), _) => parsed.map(Input::File),
                (None, Some(parsed)) => parsed.map(Input::Contact),
                (None, None) => match messages::parse(name, rest) {
                    Some(parsed) => parsed.map(Input::Message),
                    None => match devices::parse(name, rest) {
                        Some(parsed) => parsed.map(Input::Devices),
                        None => Err(format!("/{name} is no command; /help lists them")),
                    },
                },
            },
        },
    }
}

pub(crate) fn number(rest: &str, usage: &str) -> Result<usize, String> {
    rest.parse().map_err(|_| format!("write it as {usage}; N is a number shown in [brackets]"))
}

pub(crate) fn words(rest: &str, usage: &str) -> Result<String, String> {
    if rest.is_empty() { Err(format!("write it as {usage}")) } else { Ok(rest.to_owned()) }
}

pub(crate) fn numbered(rest: &str, usage: &str) -> Result<(usize, String), String> {
    let (first, text) = rest.split_once(' ').unwrap_or((rest, ""));
    Ok((number(first, usage)?, words(text.trim(), usage)?))
}

/// `mimi://b.example/u/bob`, or `bob@b.example` for short.
pub(crate) fn user(rest: &str, usage: &str) -> Result<MimiUri, String> {
    let uri = match rest.split_once('@') {
        Some((name, domain)) => format!("mimi://{domain}/u/{name}"),
        None => rest.to_owned(),
    };
    let usage = usage.replace("USER", "cathy@c.example");
    let uri = MimiUri::new(&uri).map_err(|_| format!("write it as {usage}"))?;
    let wrong = || format!("{uri} does not name a user; write it as {usage}");
    if uri.is_user() { Ok(uri) } else { Err(wrong()) }
}

/// The users come last; what stands before them is the name.
fn subroom(rest: &str) -> Result<Input, String> {
    const USAGE: &str = "/subroom NAME USER…";
    let mut words_left: Vec<&str> = rest.split_whitespace().collect();
    let is_user = |word: &str| word.contains('@') || word.starts_with("mimi://");
    let first_user = words_left.iter().position(|word| is_user(word)).unwrap_or(words_left.len());
    let users = words_left.split_off(first_user);
    let users: Result<Vec<_>, _> = users.into_iter().map(|word| user(word, USAGE)).collect();
    Ok(Input::Subroom(words(&words_left.join(" "), USAGE)?, users?))
}

#[cfg(test)]
mod tests {
    use mimi_wire::MimiUri;

    use super::{Input, parse};

    #[test]
    fn lines_are_messages_and_slashes_are_commands() {
        let bob = MimiUri::new("mimi://b.example/u/bob").unwrap();
        assert_eq!(parse(" hello / there "), Ok(Input::Write("hello / there".to_owned())));
        assert_eq!(parse("   "), Ok(Input::Nothing));
        assert_eq!(parse("/reply 3 so do I"), Ok(Input::Reply(3, "so do I".to_owned())));
        assert_eq!(parse("/add bob@b.example"), Ok(Input::Add(bob.clone())));
        assert_eq!(parse("/ban mimi://b.example/u/bob"), Ok(Input::Ban(bob)));
        assert!(parse("/reply x y").unwrap_err().contains("/reply N TEXT"));
        assert_eq!(parse("/add cathy").unwrap_err(), "write it as /add cathy@c.example");
        assert_eq!(parse("/role"), Ok(Input::OwnRole));
        assert_eq!(parse("/role x y").unwrap_err(), "write it as /role cathy@c.example ROLE");
        assert!(parse("/join").unwrap_err().contains("/join mimi://"));
        assert_eq!(parse("/dm bob@b.example"), parse("/direct mimi://b.example/u/bob"));
        let subroom = Input::Subroom(
            "tea time".to_owned(),
            vec![MimiUri::new("mimi://b.example/u/bob").unwrap()],
        );
        assert_eq!(parse("/subroom tea time bob@b.example"), Ok(subroom));
        assert!(parse("/subroom bob@b.example").unwrap_err().contains("/subroom NAME USER"));
        assert!(parse("/ad bob").unwrap_err().contains("/help"));
        assert!(parse("/add mimi://b.example/r/room").unwrap_err().contains("user"));
    }
}
