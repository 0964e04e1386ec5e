//! Contact with people: who asks, who is asked, who may and who may not.

use mimi_wire::MimiUri;
use tombolo_client::contacts::ContactDecision;
use tombolo_client::{Client, ClientError, ContactWord, Contacts};

use crate::chat::input::user;
use crate::chat::operation::Done;
use crate::chat::words::short;

/// What a person wants of contacts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum ContactInput {
    List,
    Say(ContactWord, MimiUri, Scope),
}

/// Where contact is wanted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Scope {
    AnyRoom,
    OpenRoom,
}

/// Understands the commands about contacts.
pub(crate) fn parse(name: &str, rest: &str) -> Option<Result<ContactInput, String>> {
    let word = match name {
        "contacts" => return Some(Ok(ContactInput::List)),
        "ask" => ContactWord::Ask,
        "unask" => ContactWord::TakeBack,
        "accept" => ContactWord::Accept,
        "decline" | "block" => ContactWord::TurnAway,
        _ => return None,
    };
    let (rest, scope) = match rest.rsplit_once(' ') {
        Some((named, "here")) => (named.trim_end(), Scope::OpenRoom),
        _ => (rest, Scope::AnyRoom),
    };
    let usage = format!("/{name} USER");
    Some(user(rest, &usage).map(|user| ContactInput::Say(word, user, scope)))
}

/// Does it. `room` is the open one.
pub(crate) async fn run(
    client: &Client,
    room: Option<MimiUri>,
    input: ContactInput,
) -> Result<Done, ClientError> {
    let (word, user, scope) = match input {
        ContactInput::List => return Ok(Done::Say(listed(&client.contacts().await?))),
        ContactInput::Say(word, user, scope) => (word, user, scope),
    };
    let room = match (scope, room) {
        (Scope::AnyRoom, _) => None,
        (Scope::OpenRoom, Some(room)) => Some(room),
        (Scope::OpenRoom, None) => {
            let hint = "open a room first: `here` is the open one";
            return Err(ClientError::Other(hint.to_owned()));
        }
    };
    client.say_contact(word, &user, room.as_ref()).await?;
    let here = if room.is_some() { " in this room" } else { "" };
    let who = short(&user);
    Ok(Done::Say(match word {
        ContactWord::Ask => format!("-- {who} will be asked{here}"),
        ContactWord::TakeBack => format!("-- {who} is no longer asked{here}"),
        ContactWord::TurnAway => {
            format!("-- {who} may not contact you{here}, is not told, and cannot ask again")
        }
        _ => format!("-- {who} may contact you{here} now"),
    }))
}

/// A request, as it comes in.
pub(crate) fn requested(requester: &MimiUri, room: Option<&MimiUri>) -> String {
    let who = short(requester);
    match room {
        None => {
            format!("-- {who} asks to contact you; /accept {who} allows it, /decline {who} not")
        }
        Some(room) => format!(
            "-- {who} asks to contact you in {room}; /accept {who} allows it in any room, \
             /decline {who} in none"
        ),
    }
}

fn listed(contacts: &Contacts) -> String {
    let scoped = |user: &MimiUri, room: Option<&MimiUri>| match room {
        None => short(user),
        Some(room) => format!("{} in {room}", short(user)),
    };
    let decided = |decisions: &[ContactDecision]| -> Vec<String> {
        decisions.iter().map(|it| scoped(&it.requester, it.room.as_ref())).collect()
    };
    let waiting = contacts.requests.iter().map(|it| scoped(&it.requester, it.room.as_ref()));
    let asked = contacts.asked.iter().map(|it| scoped(&it.target, it.room.as_ref()));
    let lists = [
        ("wait for your answer (/accept or /decline)", waiting.collect::<Vec<_>>()),
        ("have not answered you", asked.collect()),
        ("may contact you", decided(&contacts.granted)),
        ("may not contact you", decided(&contacts.refused)),
    ];
    let mut lines = Vec::new();
    for (what, users) in lists.into_iter().filter(|(_, users)| !users.is_empty()) {
        lines.push(format!("-- {what}:"));
        lines.extend(users.into_iter().map(|user| format!("   {user}")));
    }
    if lines.is_empty() {
        return "-- nobody asks, nobody is asked: /ask USER begins".to_owned();
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::{ContactInput, Scope, listed, parse};
    use mimi_wire::MimiUri;
    use tombolo_client::{ContactWord, Contacts};

    fn bob() -> MimiUri {
        MimiUri::new("mimi://b.example/u/bob").unwrap()
    }

    #[test]
    fn commands_about_contacts() {
        for (name, rest, word, scope) in [
            ("ask", "bob@b.example", ContactWord::Ask, Scope::AnyRoom),
            ("ask", "bob@b.example here", ContactWord::Ask, Scope::OpenRoom),
            ("unask", "bob@b.example", ContactWord::TakeBack, Scope::AnyRoom),
            ("accept", "mimi://b.example/u/bob", ContactWord::Accept, Scope::AnyRoom),
            ("accept", "bob@b.example  here", ContactWord::Accept, Scope::OpenRoom),
            ("decline", "bob@b.example", ContactWord::TurnAway, Scope::AnyRoom),
            ("block", "bob@b.example", ContactWord::TurnAway, Scope::AnyRoom),
        ] {
            let expected = ContactInput::Say(word, bob(), scope);
            assert_eq!(parse(name, rest), Some(Ok(expected)), "/{name} {rest}");
        }
        assert_eq!(parse("contacts", ""), Some(Ok(ContactInput::List)));
        assert_eq!(parse("who", ""), None);
        assert!(parse("ask", "here").unwrap().unwrap_err().contains("/ask cathy@c.example"));
        let odd = MimiUri::new("mimi://b.example/u/bobhere").unwrap();
        let named = parse("ask", "bobhere@b.example").unwrap().unwrap();
        assert_eq!(named, ContactInput::Say(ContactWord::Ask, odd, Scope::AnyRoom));
        let named = parse("ask", "mimi://b.example/u/bobhere").unwrap().unwrap();
        assert!(matches!(named, ContactInput::Say(_, user, Scope::AnyRoom)
            if user.as_str().ends_with("bobhere")));
    }

    #[test]
    fn lists_say_who_is_where() {
        assert!(listed(&Contacts::default()).contains("nobody asks"));
        let json = r#"{
            "requests": [{"requester": "mimi://b.example/u/bob", "room": null}],
            "asked": [{"target": "mimi://c.example/u/cathy", "room": "mimi://a.example/r/club"}],
            "refused": [{"requester": "mimi://e.example/u/eve", "room": null}]
        }"#;
        let text = listed(&serde_json::from_str(json).unwrap());
        let expected = "-- wait for your answer (/accept or /decline):\n   bob@b.example\n\
                        -- have not answered you:\n   cathy@c.example in mimi://a.example/r/club\n\
                        -- may not contact you:\n   eve@e.example";
        assert_eq!(text, expected);
    }
}
