//! What a person says about the rules of a room: its policy, its people's roles, its description.

use std::path::{Path, PathBuf};

use mimi_policy::policy_file::{self, RoomPolicy};
use mimi_policy::preset::Preset;
use mimi_wire::MimiUri;
use mimi_wire::content::MessageId;
use mimi_wire::room::capability::Capability;
use mimi_wire::room::roles::{Role, RoleData};
use tombolo_client::{Client, ClientError, MetadataChange, RoomState};

use crate::chat::operation::Done;
use crate::chat::words::{short, standing, title};
use crate::chat::{evidence, input, rules};
use crate::plain::one_line;

/// A policy file a person wants for a new room, or a preset.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Chosen {
    Preset(Preset),
    File(PathBuf),
}

/// A command of this kind, understood.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum RoomInput {
    InTopic(String, String),
    SetTopic(usize, String),
    Role(MimiUri, String),
    Kick(MimiUri),
    Unban(MimiUri, Option<String>),
    Metadata(MetadataChange),
    ShowPolicy,
    ChangePolicy(PathBuf),
    SavePolicy(PathBuf),
    Evidence(Option<PathBuf>),
    Report(usize, String),
}

/// Understands a command, if it is one of these.
pub(crate) fn parse(name: &str, rest: &str) -> Option<Result<RoomInput, String>> {
    use MetadataChange as M;
    let said = |usage: &str| input::words(rest, usage).map(|text| unless_dash(&text));
    Some(match name {
        "in" => two(rest, "/in TOPIC TEXT").map(|(topic, text)| RoomInput::InTopic(topic, text)),
        "topic" => input::numbered(rest, "/topic N TOPIC")
            .map(|(number, topic)| RoomInput::SetTopic(number, unless_dash(&topic))),
        "role" => two(rest, "/role USER ROLE").and_then(|(user, role)| {
            input::user(&user, "/role USER ROLE").map(|user| RoomInput::Role(user, role))
        }),
        "kick" => input::user(rest, "/kick USER").map(RoomInput::Kick),
        "unban" => {
            let (user, role) = rest.split_once(' ').unwrap_or((rest, ""));
            let role = Some(role.trim().to_owned()).filter(|role| !role.is_empty());
            input::user(user, "/unban USER [ROLE]").map(|user| RoomInput::Unban(user, role))
        }
        "describe" => said("/describe TEXT").map(|text| RoomInput::Metadata(M::Description(text))),
        "subject" => said("/subject TEXT").map(|text| RoomInput::Metadata(M::Subject(text))),
        "mood" => said("/mood TEXT").map(|text| RoomInput::Metadata(M::Mood(text))),
        "avatar" => said("/avatar URI").map(|uri| RoomInput::Metadata(M::Avatar(uri))),
        "policy" => Ok(match rest.split_once(' ') {
            _ if rest.is_empty() => RoomInput::ShowPolicy,
            Some(("save", file)) => RoomInput::SavePolicy(file.trim().into()),
            _ => RoomInput::ChangePolicy(rest.into()),
        }),
        "report" => {
            let (number, note) = rest.split_once(' ').unwrap_or((rest, ""));
            input::number(number, "/report N [NOTE]")
                .map(|number| RoomInput::Report(number, note.trim().to_owned()))
        }
        "evidence" => {
            let file = (!rest.is_empty()).then(|| rest.into());
            Ok(RoomInput::Evidence(file))
        }
        _ => return None,
    })
}

/// What `/new` is followed by: a name, then perhaps a preset, or `policy` and a file.
pub(crate) fn parse_new(rest: &str) -> Result<(String, Chosen), String> {
    let (before, last) = rest.rsplit_once(' ').unwrap_or(("", rest));
    let before = before.trim_end();
    match (before, Preset::by_name(last)) {
        // Nobody could ever be added to it.
        (_, Some(Preset::Direct)) => Err("a room for two is opened by /direct USER".to_owned()),
        ("", Some(preset)) => Err(format!("a name comes first: /new NAME {preset}")),
        (name, Some(preset)) => Ok((name.to_owned(), Chosen::Preset(preset))),
        (_, None) => Ok(match before.strip_suffix(" policy") {
            Some(name) => (name.trim_end().to_owned(), Chosen::File(last.into())),
            None => (rest.to_owned(), Chosen::Preset(Preset::Cooperative)),
        }),
    }
}

/// Creates a room with what was chosen.
pub(crate) async fn create(
    client: &Client,
    name: &str,
    chosen: Chosen,
) -> Result<MimiUri, ClientError> {
    let policy = match chosen {
        Chosen::Preset(preset) => RoomPolicy::of_preset(preset),
        Chosen::File(file) => read_policy(&file).await?,
    };
    client.create_room_with(name, policy).await
}

/// Does what was said; `message` is the one that the line names.
pub(crate) async fn run(
    client: &Client,
    room: MimiUri,
    command: RoomInput,
    message: Option<MessageId>,
) -> Result<Done, ClientError> {
    match (command, message) {
        (RoomInput::InTopic(topic, text), _) => {
            client.send_in_topic(&room, topic.as_bytes(), &text).await?;
            Ok(Done::Quietly)
        }
        (RoomInput::SetTopic(_, topic), Some(message)) => {
            client.set_topic(&room, message, topic.as_bytes()).await?;
            Ok(Done::Quietly)
        }
        (RoomInput::Report(_, note), Some(message)) => {
            client.report(&room, &[message], &note).await?;
            let hub = room.domain();
            Ok(Done::Say(format!("-- the moderators of {hub} have received your report")))
        }
        (RoomInput::SetTopic(..) | RoomInput::Report(..), None) => Ok(Done::Show(room)),
        (RoomInput::Role(user, role), _) => {
            let role = role_index(client, &room, &role).await?;
            client.change_role(&room, &user, role).await?;
            Ok(Done::Changed(room))
        }
        (RoomInput::Kick(user), _) => {
            let listed = client.room(&room).await?.participants;
            if listed.iter().any(|one| one.user == user && one.clients.is_empty()) {
                return Ok(Done::Say(format!("-- {} has no device in the room", short(&user))));
            }
            client.kick_user(&room, &user).await?;
            Ok(Done::Changed(room))
        }
        (RoomInput::Unban(user, role), _) => {
            let role = match role {
                Some(role) => Some(role_index(client, &room, &role).await?),
                None => None,
            };
            let listed = client.room(&room).await?.participants;
            if !listed.iter().any(|one| one.user == user && one.is_banned) {
                return Ok(Done::Say(format!("-- {} is not banned", short(&user))));
            }
            client.unban_user(&room, &user, role).await?;
            Ok(Done::Changed(room))
        }
        (RoomInput::Metadata(change), _) => {
            client.change_metadata(&room, change).await?;
            Ok(Done::Changed(room))
        }
        (RoomInput::ShowPolicy, _) => Ok(Done::Say(rules::of(&client.policy(&room).await?))),
        (RoomInput::ChangePolicy(file), _) => {
            let policy = read_policy(&file).await?;
            let state = client.room(&room).await?;
            let mine = state.participants.iter().find(|one| one.user == client.identity().user);
            if let Some(mine) = mine {
                keeps_a_say(&state.roles, &policy.roles, mine.role_index)?;
            }
            client.change_policy(&room, policy).await?;
            Ok(Done::Changed(room))
        }
        (RoomInput::SavePolicy(file), _) => {
            let policy = rules::policy_of(&client.policy(&room).await?);
            write(&file, policy.to_toml()).await?;
            Ok(Done::Say(format!("-- the room's policy is in {}", file.display())))
        }
        (RoomInput::Evidence(file), _) => evidence::run(client, &room, file.as_deref()).await,
    }
}

/// Reads a policy file; everything that is wrong with it is said at once.
async fn read_policy(file: &Path) -> Result<RoomPolicy, ClientError> {
    let shown = file.display();
    let text = tokio::fs::read_to_string(file).await;
    let text = text.map_err(|error| not_there(file, &error))?;
    policy_file::parse(&text).map_err(|faults| {
        let faults: Vec<String> = faults.iter().map(|fault| format!("  {fault}")).collect();
        ClientError::Other(format!("{shown} is no policy yet:\n{}", faults.join("\n")))
    })
}

/// Writes a new file; one that is there is not replaced.
pub(crate) async fn write(file: &Path, text: String) -> Result<(), ClientError> {
    use tokio::io::AsyncWriteExt;

    let failed = |error| not_there(file, &error);
    let mut new = tokio::fs::File::create_new(file).await.map_err(failed)?;
    new.write_all(text.as_bytes()).await.map_err(failed)?;
    new.flush().await.map_err(failed)
}

/// Roles are known by their numbers: a file that numbers them otherwise makes everybody something
/// else, and whoever changes the policy could lock all out for good.
fn keeps_a_say(now: &RoleData, then: &RoleData, mine: u32) -> Result<(), ClientError> {
    let find = |roles: &RoleData| roles.roles.iter().find(|role| role.role_index == mine).cloned();
    let has_say =
        |role: &Role| role.role_capabilities.contains(&Capability::CAN_CHANGE_ROLE_DEFINITIONS);
    match (find(now), find(then)) {
        (Some(old), Some(new)) if has_say(&old) && !has_say(&new) => {
            let (old, new) = (one_line(&old.role_name), one_line(&new.role_name));
            Err(ClientError::Other(format!(
                "that would make you {new} instead of {old}, for both are role {mine}, and you could \
                 never change it back; number the roles as the room does (/policy shows them)"
            )))
        }
        _ => Ok(()),
    }
}

fn not_there(file: &Path, error: &std::io::Error) -> ClientError {
    let why = match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file or folder".to_owned(),
        std::io::ErrorKind::AlreadyExists => "it is there already, and is not replaced".to_owned(),
        _ => error.to_string(),
    };
    ClientError::Other(format!("{}: {why}", file.display()))
}

/// A role by its number or its name.
async fn role_index(client: &Client, room: &MimiUri, role: &str) -> Result<u32, ClientError> {
    role_named(&client.room(room).await?, role)
}

/// A role of a room by its number or its name.
pub(crate) fn role_named(state: &RoomState, name: &str) -> Result<u32, ClientError> {
    let roles = &state.roles.roles;
    let named = |role: &&Role| {
        role.role_name.eq_ignore_ascii_case(name) || role.role_index.to_string() == name
    };
    if let Some(found) = roles.iter().find(named) {
        return Ok(found.role_index);
    }
    let offered = roles.iter().filter(|role| role.role_index != 0);
    let names: Vec<String> = offered.map(|role| one_line(&role.role_name)).collect();
    let (name, names) = (one_line(name), names.join(", "));
    Err(ClientError::Other(format!("the room has no role {name}; it has {names}")))
}

fn two(rest: &str, usage: &str) -> Result<(String, String), String> {
    let (first, second) = rest.split_once(' ').unwrap_or((rest, ""));
    let second = input::words(second.trim(), usage)?;
    Ok((first.to_owned(), second))
}

/// A dash says nothing.
fn unless_dash(text: &str) -> String {
    if text == "-" { String::new() } else { text.to_owned() }
}

/// `/rooms`: the rooms on this device, by their numbers.
pub(crate) async fn list(client: &Client) -> Result<Done, ClientError> {
    let mut lines = Vec::new();
    for (at, room) in client.rooms().await?.iter().enumerate() {
        let state = client.room(room).await?;
        let name = title(&state, &client.identity().user);
        let unread = match state.unread {
            0 => String::new(),
            unread => format!("; {unread} not read"),
        };
        lines.push(format!(
            "  {}. {name} ({room}), {}{unread}",
            at + 1,
            standing(&state, &client.identity().user)
        ));
    }
    if lines.is_empty() {
        lines.push("No rooms yet: /new NAME creates one, /join ROOM enters one.".to_owned());
    }
    Ok(Done::Say(lines.join("\n")))
}

#[cfg(test)]
mod tests {
    use mimi_policy::preset::Preset;
    use mimi_wire::MimiUri;
    use tombolo_client::MetadataChange;

    use super::{Chosen, RoomInput, keeps_a_say, parse, parse_new};

    #[test]
    fn what_is_said_of_a_room() {
        let bob = MimiUri::new("mimi://b.example/u/bob").unwrap();
        let is = |name: &str, rest: &str| parse(name, rest).unwrap().unwrap();
        let role = RoomInput::Role(bob.clone(), "group_admin".to_owned());
        assert_eq!(is("role", "bob@b.example group_admin"), role);
        assert_eq!(is("unban", "bob@b.example"), RoomInput::Unban(bob.clone(), None));
        let unban = RoomInput::Unban(bob, Some("3".to_owned()));
        assert_eq!(is("unban", "bob@b.example 3"), unban);
        let mood = RoomInput::Metadata(MetadataChange::Mood(String::new()));
        assert_eq!(is("mood", "-"), mood);
        assert_eq!(is("topic", "3 books"), RoomInput::SetTopic(3, "books".to_owned()));
        let said = RoomInput::InTopic("books".to_owned(), "any good ones?".to_owned());
        assert_eq!(is("in", "books any good ones?"), said);
        assert_eq!(is("policy", ""), RoomInput::ShowPolicy);
        assert_eq!(is("policy", "my own.toml"), RoomInput::ChangePolicy("my own.toml".into()));
        assert_eq!(is("policy", "save a.toml"), RoomInput::SavePolicy("a.toml".into()));
        assert_eq!(is("report", "3"), RoomInput::Report(3, String::new()));
        assert_eq!(is("report", "3 rude words"), RoomInput::Report(3, "rude words".to_owned()));
        assert_eq!(
            parse("report", "bob").unwrap().unwrap_err(),
            "write it as /report N [NOTE]; N is a number shown in [brackets]"
        );
        assert_eq!(is("evidence", ""), RoomInput::Evidence(None));
        assert_eq!(
            parse("role", "bob@b.example").unwrap().unwrap_err(),
            "write it as /role USER ROLE"
        );
        assert!(parse("nothing", "").is_none());
    }

    #[test]
    fn nobody_locks_themselves_out_by_a_file() {
        let (strict, moderated) = (Preset::Strict.roles(), Preset::Moderated.roles());
        let admin = Preset::Strict.creator_role();
        let told = keeps_a_say(&strict, &moderated, admin).unwrap_err().to_string();
        assert!(told.contains("make you speaker instead of super_admin"), "{told}");
        assert!(keeps_a_say(&strict, &strict, admin).is_ok());
        let ordinary = Preset::Strict.ordinary_role();
        assert!(keeps_a_say(&strict, &moderated, ordinary).is_ok(), "who has no say loses none");
    }

    #[test]
    fn new_rooms_have_a_preset_or_a_file() {
        let new = |name: &str, chosen| Ok((name.to_owned(), chosen));
        let cooperative = new("Book club", Chosen::Preset(Preset::Cooperative));
        assert_eq!(parse_new("Book club"), cooperative);
        assert_eq!(parse_new("Book club cooperative"), cooperative);
        let moderated = new("Book club", Chosen::Preset(Preset::Moderated));
        assert_eq!(parse_new("Book club moderated"), moderated);
        let file = new("Book club", Chosen::File("own.toml".into()));
        assert_eq!(parse_new("Book club policy own.toml"), file);
        assert_eq!(parse_new("moderated").unwrap_err(), "a name comes first: /new NAME moderated");
        assert!(parse_new("Us two direct").unwrap_err().contains("/direct USER"));
    }
}
