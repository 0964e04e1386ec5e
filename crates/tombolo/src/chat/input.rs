//! What a person types: a message, or a command that begins with a slash.

use mimi_wire::MimiUri;

use crate::chat::files::{self, FileInput};
use crate::chat::invitation::{LinkWish, Way, parse_way, parse_wish};

use crate::chat::room_input::{self, Chosen, RoomInput};

/// The commands, for `/help`.
pub(crate) const HELP: &str = "\
Just type to write. Messages have numbers N; commands take them.
  /reply N TEXT      answer message N
  /react N EMOJI     react to message N
  /edit N TEXT       change your message N
  /delete N          take your message N back
  /history           show the room's messages again
  /who               who is in the room
  /add USER          add a user to the room
  /remove USER       remove a user
  /ban USER          ban a user
  /rename NAME       rename the room
  /leave             leave the room for good
  /new NAME          create a room; NAME PRESET for another kind: strict,
                     moderated, multi-organization, direct, cooperative;
                     NAME policy FILE for rules of your own
  /rooms             rooms on this device
  /room N            open room N of /rooms
  /join ROOM         come in with this device, or by a LINK
  /link              make a link into the room, e.g. /link guest uses 5 for 7d
  /links             list the links into the room
  /unlink N          take link N back
  /claimrole         take the role that your certificate gives you here
  /ask USER          ask to be allowed contact
  /accept USER       let a user contact you
  /quit              close the chat (Ctrl-D)
USER is written as bob@b.example, ROOM as mimi://b.example/r/lounge.
Times are UTC.";

/// One line, understood.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Input {
    Write(String),
    Reply(usize, String),
    React(usize, String),
    Edit(usize, String),
    Delete(usize),
    NewRoom(String, Chosen),
    Room(RoomInput),
    File(FileInput),
    OpenRoom(usize),
    Rooms,
    Who,
    History,
    Ask(MimiUri),
    Accept(MimiUri),
    Add(MimiUri),
    Remove(MimiUri),
    Ban(MimiUri),
    Join(Way),
    Link(LinkWish),
    Links,
    Unlink(usize),
    ClaimRole,
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
        "new" => words(rest, "/new NAME").map(|rest| {
            let (name, chosen) = room_input::parse_new(&rest);
            Input::NewRoom(name, chosen)
        }),
        "rename" => words(rest, "/rename NAME").map(Input::Rename),
        "room" => number(rest, "/room N").map(Input::OpenRoom),
        "rooms" => Ok(Input::Rooms),
        "who" => Ok(Input::Who),
        "history" => Ok(Input::History),
        "ask" => user(rest, "/ask USER").map(Input::Ask),
        "accept" => user(rest, "/accept USER").map(Input::Accept),
        "add" => user(rest, "/add USER").map(Input::Add),
        "remove" => user(rest, "/remove USER").map(Input::Remove),
        "ban" => user(rest, "/ban USER").map(Input::Ban),
        "join" => parse_way(rest).map(Input::Join),
        "link" => parse_wish(rest).map(Input::Link),
        "links" => Ok(Input::Links),
        "unlink" => number(rest, "/unlink N").map(Input::Unlink),
        "claimrole" => Ok(Input::ClaimRole),
        "leave" => Ok(Input::Leave),
        "help" | "?" => Ok(Input::Help),
        "quit" | "exit" | "q" => Ok(Input::Quit),
        _ => match room_input::parse(name, rest) {
            Some(parsed) => parsed.map(Input::Room),
            None => match files::parse(name, rest) {
                Some(parsed) => parsed.map(Input::File),
                None => Err(format!("/{name} is no command; /help lists them")),
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
    let command = usage.split(' ').next().unwrap_or(usage);
    let uri = MimiUri::new(&uri).map_err(|_| format!("write it as {command} cathy@c.example"))?;
    let wrong = || format!("{uri} does not name a user; write it as {command} cathy@c.example");
    if uri.is_user() { Ok(uri) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use mimi_wire::MimiUri;

    use super::{HELP, Input, parse};

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
        assert!(parse("/join").unwrap_err().contains("/join mimi://"));
        assert!(HELP.lines().all(|line| line.len() < 80));
        assert!(parse("/ad bob").unwrap_err().contains("/help"));
        assert!(parse("/add mimi://b.example/r/room").unwrap_err().contains("user"));
    }
}
