//! Every decision a preset leads to, written out for people (POLICY-PRESET-2): reviewing a change of
//! the judge or of a preset is reading the difference of a text file.
//!
//! `UPDATE_GOLDEN=1 cargo nextest run -p mimi-policy golden` writes the files anew.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

use mimi_policy::message::{Asset, MessageAction, may_apply, may_receive, may_submit, may_use};
use mimi_policy::preset::Preset;
use mimi_policy::{
    Actor, Allowed, CodeStanding, Denied, JoinCode, JoinCodes, Judge, ProposedChange, StagedChange,
    StagedProposal,
};
use mimi_wire::Wire;
use mimi_wire::room::capability::Capability;
use mimi_wire::room::join_links::{JoinLink, JoinLinksData, JoinLinksUpdate};
use mimi_wire::room::metadata::RichDescription;
use mimi_wire::room::participant_list::RoleIndex;
use mimi_wire::room::preauth::PreAuthRoleEntry;

use crate::room::{BANNED, ORDINARY, Room, add_client, client, component, hub, user};

#[test]
fn golden_files_are_current() {
    for preset in Preset::ALL {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("tests/golden")
            .join(format!("{}.txt", preset.name()));
        let matrix = Matrix::new(*preset).text();
        #[expect(clippy::disallowed_methods, reason = "the one switch of this test")]
        let update = std::env::var("UPDATE_GOLDEN").is_ok();
        if update {
            #[expect(clippy::disallowed_methods, reason = "writes the golden file")]
            std::fs::write(&path, &matrix).unwrap();
        }
        let golden = std::fs::read_to_string(&path).unwrap_or_default();
        for (number, (is, should)) in matrix.lines().zip(golden.lines()).enumerate() {
            assert_eq!(is, should, "{}:{}", path.display(), number + 1);
        }
        assert_eq!(matrix.lines().count(), golden.lines().count(), "{}", path.display());
    }
}

/// Who acts: a participant in a role, or the hub by its preauthorized role.
#[derive(Clone, Copy)]
enum Who {
    Participant(RoleIndex),
    Hub,
}

/// Judges one action of one actor.
type Cell = fn(&Room, Who) -> String;

struct Matrix {
    preset: Preset,
    text: String,
}

/// The participant the actions are about.
const TARGET: &str = "target";
/// The participant that acts.
const ACTOR: &str = "actor";
/// Width of a column.
const WIDTH: usize = 19;

impl Matrix {
    fn new(preset: Preset) -> Self {
        Self { preset, text: String::new() }
    }

    fn text(mut self) -> String {
        let name = self.preset.name();
        self.line(&format!("Preset {name}: who may do what to whom."));
        self.line("");
        self.line(
            "\"yes\", or the requirement whose rule says no. Rows act. The hub acts as an external",
        );
        self.line(
            "sender by the role it is preauthorized for; everybody else commits as a participant.",
        );
        self.line(
            "Every role that can be active has two more active participants, so that only what is",
        );
        self.line("tried is judged and no minimum.");
        self.adding();
        self.readding();
        self.removing();
        self.kicking();
        self.changing_roles();
        self.alone();
        self.text
    }

    fn adding(&mut self) {
        self.title("Add somebody as … (with a client, where the role may have any)");
        self.by_target_role(true, |room, who, role| {
            let mut changes = vec![room.list_add(TARGET, role)];
            if active(room, role) {
                changes.push(add_client(TARGET, 1));
            }
            who.act(room, changes)
        });
    }

    fn readding(&mut self) {
        self.title("Add a client of a participant without clients whose role is …");
        self.by_target_role(true, |room, who, role| {
            let room = room.clone().with(TARGET, role, 0);
            who.act(&room, vec![add_client(TARGET, 1)])
        });
    }

    fn removing(&mut self) {
        self.title("Remove a participant, with all clients, whose role is …");
        self.by_target_role(true, |room, who, role| {
            let room = with_target(room, role);
            who.act(&room, room.removal(TARGET))
        });
    }

    fn kicking(&mut self) {
        self.title("Kick (remove all clients of) a participant whose role is …");
        self.by_target_role(false, |room, who, role| {
            let room = with_target(room, role);
            who.act(&room, room.drop_all(TARGET))
        });
    }

    fn changing_roles(&mut self) {
        for who in self.actors() {
            let name = self.name(who);
            self.title(&format!("{name} changes a role: from (down) to (across)"));
            let roles = self.roles(true);
            self.header(&roles.iter().map(|role| self.role_name(*role)).collect::<Vec<_>>());
            for from in &roles {
                let room = with_target(&self.room(who), *from);
                let cells: Vec<String> = roles
                    .iter()
                    .map(|to| match (from == to, *to) {
                        (true, _) => ".".to_owned(),
                        (false, BANNED) => cell(who.act(&room, room.ban(TARGET))),
                        (false, to) => {
                            let mut changes = vec![room.list_role(TARGET, to)];
                            if !active(&room, to) {
                                changes.extend(room.drop_all(TARGET));
                            }
                            cell(who.act(&room, changes))
                        }
                    })
                    .collect();
                let name = self.role_name(*from);
                self.row(&name, &cells);
            }
        }
    }

    /// What concerns the actor itself, or the room.
    fn alone(&mut self) {
        self.title("Alone: actions (down) by role (across)");
        let roles = [vec![0], self.roles(true)].concat();
        let mut names: Vec<String> = roles.iter().map(|role| self.role_name(*role)).collect();
        names.push("hub".to_owned());
        self.header(&names);
        let actions: &[(&str, Cell)] = &[
            ("join by oneself", |room, who| joining(room, who)),
            ("join by code", |room, who| by_code(room, who)),
            ("add own client", |room, who| match who {
                Who::Participant(_) => acting(room, who, vec![add_client(ACTOR, 3)]),
                Who::Hub => ".".to_owned(),
            }),
            ("drop own other client", |room, who| match who {
                Who::Participant(_) if who.is_active(room) => {
                    acting(room, who, vec![room.drop_client(ACTOR, 2)])
                }
                _ => ".".to_owned(),
            }),
            ("drop own client", |room, who| {
                proposing(room, who, |_| vec![ProposedChange::SelfRemove])
            }),
            ("leave", |room, who| proposing(room, who, |room| room.leave(ACTOR))),
            ("join preauthorized", |room, who| joining(&preauthorized(room, ORDINARY), who)),
            ("own role to role 2", |room, who| match who {
                Who::Participant(role) if who.is_active(room) && role != ORDINARY => {
                    acting(room, who, vec![room.list_role(ACTOR, ORDINARY)])
                }
                _ => ".".to_owned(),
            }),
            ("… preauthorized", |room, who| match who {
                Who::Participant(role) if who.is_active(room) && role != ORDINARY => {
                    let room = preauthorized(room, ORDINARY);
                    acting(&room, who, vec![room.list_role(ACTOR, ORDINARY)])
                }
                _ => ".".to_owned(),
            }),
            ("room name", |room, who| metadata(room, who, 0)),
            ("room description", |room, who| metadata(room, who, 1)),
            ("room avatar", |room, who| metadata(room, who, 2)),
            ("room subject", |room, who| metadata(room, who, 3)),
            ("room mood", |room, who| metadata(room, who, 4)),
            ("role definitions", |room, who| {
                acting(room, who, vec![ProposedChange::Roles(room.view.roles.clone())])
            }),
            ("preauthorizations", |room, who| {
                acting(room, who, vec![ProposedChange::Preauth(room.view.preauth.clone())])
            }),
            ("base policy", |room, who| {
                let policy = room.view.base_policy.clone().unwrap();
                acting(room, who, vec![ProposedChange::BasePolicy(policy)])
            }),
            ("operational policy", |room, who| acting(room, who, vec![component(0x0024)])),
            ("new join link", |room, who| {
                let added_links = vec![JoinLink(b"link".to_vec())];
                let update = JoinLinksUpdate { added_links, ..JoinLinksUpdate::default() };
                acting(room, who, vec![ProposedChange::JoinLinks(update)])
            }),
            ("no join link", |room, who| {
                let removed_indices = vec![0];
                let update = JoinLinksUpdate { removed_indices, ..JoinLinksUpdate::default() };
                acting(room, who, vec![ProposedChange::JoinLinks(update)])
            }),
            ("any other policy", |room, who| acting(room, who, vec![component(0x0028)])),
            ("group context", |room, who| {
                acting(room, who, vec![ProposedChange::GroupContextExtensions])
            }),
            ("new group", |room, who| acting(room, who, vec![ProposedChange::ReInit])),
            ("submit a message", |room, who| match who {
                Who::Hub => ".".to_owned(),
                Who::Participant(_) => said(may_submit(&room.view, &user(ACTOR))),
            }),
            ("plain message", |room, who| message(room, who, MessageAction::Send)),
            ("reply", |room, who| message(room, who, MessageAction::Reply)),
            ("reaction", |room, who| message(room, who, MessageAction::React)),
            ("open a topic", |room, who| message(room, who, MessageAction::StartTopic)),
            ("reply in a topic", |room, who| message(room, who, MessageAction::ReplyInTopic)),
            ("edit own topic", |room, who| {
                message(room, who, MessageAction::EditTopic { original_sender: &user(ACTOR) })
            }),
            ("edit other's topic", |room, who| {
                message(room, who, MessageAction::EditTopic { original_sender: &user(TARGET) })
            }),
            ("edit own message", |room, who| {
                message(room, who, MessageAction::Edit { original_sender: &user(ACTOR) })
            }),
            ("edit other's message", |room, who| {
                message(room, who, MessageAction::Edit { original_sender: &user(TARGET) })
            }),
            ("delete own message", |room, who| {
                message(room, who, MessageAction::Delete { original_sender: &user(ACTOR) })
            }),
            ("delete other's message", |room, who| {
                message(room, who, MessageAction::Delete { original_sender: &user(TARGET) })
            }),
            ("edit own reaction", |room, who| {
                message(room, who, MessageAction::EditReaction { original_sender: &user(ACTOR) })
            }),
            ("edit other's reaction", |room, who| {
                message(room, who, MessageAction::EditReaction { original_sender: &user(TARGET) })
            }),
            ("delete own reaction", |room, who| {
                message(room, who, MessageAction::DeleteReaction { original_sender: &user(ACTOR) })
            }),
            ("delete other's reaction", |room, who| {
                message(room, who, MessageAction::DeleteReaction { original_sender: &user(TARGET) })
            }),
            ("send an image", |room, who| message(room, who, MessageAction::Upload(Asset::Image))),
            ("send audio", |room, who| message(room, who, MessageAction::Upload(Asset::Audio))),
            ("send video", |room, who| message(room, who, MessageAction::Upload(Asset::Video))),
            ("send an attachment", |room, who| {
                message(room, who, MessageAction::Upload(Asset::Attachment))
            }),
            ("send a link", |room, who| message(room, who, MessageAction::SendLink)),
            ("send a link's preview", |room, who| {
                message(room, who, MessageAction::SendLinkPreview)
            }),
            ("receive messages", |room, who| match (who, may_receive(&room.view, &user(ACTOR))) {
                (Who::Hub, _) => ".".to_owned(),
                (Who::Participant(_), true) => "yes".to_owned(),
                (Who::Participant(_), false) => "POLICY-CAP-MSG-1".to_owned(),
            }),
            ("fetch an image", |room, who| use_of(room, who, Asset::Image.download())),
            ("fetch audio", |room, who| use_of(room, who, Asset::Audio.download())),
            ("fetch video", |room, who| use_of(room, who, Asset::Video.download())),
            ("fetch an attachment", |room, who| use_of(room, who, Asset::Attachment.download())),
            ("follow a link", |room, who| use_of(room, who, Capability::CAN_FOLLOW_LINK)),
            ("copy a link", |room, who| use_of(room, who, Capability::CAN_COPY_LINK)),
            ("copy a message", |room, who| use_of(room, who, Capability::CAN_COPY_MESSAGE)),
            ("report abuse", |room, who| use_of(room, who, Capability::CAN_REPORT_ABUSE)),
        ];
        for &(action, judge) in actions {
            let whos = roles.iter().map(|role| Who::Participant(*role)).chain([Who::Hub]);
            let cells: Vec<String> = whos.map(|who| judge(&self.room(who), who)).collect();
            self.row(action, &cells);
        }
    }

    /// A section with one row per actor and one column per role of the target.
    fn by_target_role(
        &mut self,
        clientless: bool,
        judge: impl Fn(&Room, Who, RoleIndex) -> Result<Allowed, Denied>,
    ) {
        let roles = self.roles(clientless);
        self.header(&roles.iter().map(|role| self.role_name(*role)).collect::<Vec<_>>());
        for who in self.actors() {
            let room = self.room(who);
            let cells: Vec<String> =
                roles.iter().map(|role| cell(judge(&room, who, *role))).collect();
            let name = self.name(who);
            self.row(&name, &cells);
        }
    }

    /// The room an actor acts in, itself included with two clients.
    fn room(&self, who: Who) -> Room {
        let mut room = Room::of(self.preset);
        let ids = &mut room.policy_mut().policy_component_ids;
        ids.extend([0x0024, 0x0026, 0x0028]);
        let links = JoinLinksData { links: vec![JoinLink(b"link".to_vec())] };
        room.view.other_components.insert(0x002a, links.encode());
        for role in self.roles(false) {
            for bystander in 1..=2 {
                room = room.with(&format!("bystander{role}{bystander}"), role, 1);
            }
        }
        match who {
            Who::Hub | Who::Participant(0) => room,
            Who::Participant(role) => {
                let clients = if active(&room, role) { 2 } else { 0 };
                room.with(ACTOR, role, clients)
            }
        }
    }

    fn actors(&self) -> Vec<Who> {
        let participants = self.roles(false).into_iter().map(Who::Participant);
        participants.chain([Who::Hub]).collect()
    }

    /// Roles somebody can have, or only those with clients.
    fn roles(&self, clientless: bool) -> Vec<RoleIndex> {
        let room = Room::of(self.preset);
        let indices = self.preset.roles().roles.into_iter().map(|role| role.role_index);
        indices.filter(|index| *index != 0 && (clientless || active(&room, *index))).collect()
    }

    fn role_name(&self, index: RoleIndex) -> String {
        let roles = self.preset.roles().roles;
        roles.into_iter().find(|role| role.role_index == index).unwrap().role_name
    }

    fn name(&self, who: Who) -> String {
        match who {
            Who::Participant(role) => self.role_name(role),
            Who::Hub => "hub".to_owned(),
        }
    }

    fn title(&mut self, title: &str) {
        self.line("");
        self.line(title);
    }

    fn header(&mut self, names: &[String]) {
        self.row("", names);
    }

    fn row(&mut self, name: &str, cells: &[String]) {
        let mut line = format!("  {name:<23}");
        for cell in cells {
            write!(line, " {cell:<WIDTH$}").unwrap();
        }
        self.line(line.trim_end());
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }
}

impl Who {
    /// Participants commit, the hub proposes.
    fn act(self, room: &Room, changes: Vec<ProposedChange>) -> Result<Allowed, Denied> {
        match self {
            Self::Hub => room.propose(&hub(), changes),
            Self::Participant(_) => room.commit(ACTOR, changes),
        }
    }

    /// Whether it can act as a participant at all.
    fn is_active(self, room: &Room) -> bool {
        match self {
            Self::Hub => true,
            Self::Participant(role) => role != 0 && active(room, role),
        }
    }
}

fn acting(room: &Room, who: Who, changes: Vec<ProposedChange>) -> String {
    if who.is_active(room) { cell(who.act(room, changes)) } else { ".".to_owned() }
}

fn proposing(room: &Room, who: Who, changes: impl FnOnce(&Room) -> Vec<ProposedChange>) -> String {
    match who {
        Who::Participant(_) if who.is_active(room) => {
            cell(room.propose(&room.member(ACTOR), changes(room)))
        }
        _ => ".".to_owned(),
    }
}

/// By external commit: a further own client, or a stranger as an ordinary user.
fn joining(room: &Room, who: Who) -> String {
    let Who::Participant(role) = who else { return ".".to_owned() };
    let joiner = client(ACTOR, 3);
    let mut changes = vec![ProposedChange::ExternalJoin(joiner.clone())];
    if role == 0 {
        changes.push(room.list_add(ACTOR, ORDINARY));
    }
    cell(room.judge_commit(Actor::Joiner(joiner), [], changes))
}

/// By external commit, a stranger with a good code for role 2.
fn by_code(room: &Room, who: Who) -> String {
    let Who::Participant(0) = who else { return ".".to_owned() };
    let joiner = client(ACTOR, 3);
    let code = JoinCode { role: ORDINARY, standing: CodeStanding::Valid };
    let codes = BTreeMap::from([(joiner.client.clone(), code)]);
    let committer = Actor::Joiner(joiner.clone());
    let changes = [ProposedChange::ExternalJoin(joiner), room.list_add(ACTOR, ORDINARY)];
    let proposals =
        changes.map(|change| StagedProposal { sender: committer.clone(), reference: None, change });
    let judge = Judge::of(&room.view).with_join_codes(JoinCodes::Presented(&codes));
    cell(judge.check(&StagedChange {
        epoch: room.view.epoch,
        committer: Some(committer),
        proposals: proposals.to_vec(),
    }))
}

fn metadata(room: &Room, who: Who, field: usize) -> String {
    let mut metadata = room.view.metadata.clone();
    match field {
        0 => metadata.room_name.push('!'),
        1 => metadata.room_descriptions.push(RichDescription::default()),
        2 => metadata.room_avatar = "https://a.example/x.png".to_owned(),
        3 => metadata.room_subject.push('!'),
        _ => metadata.room_mood.push('!'),
    }
    acting(room, who, vec![ProposedChange::Metadata(metadata)])
}

fn message(room: &Room, who: Who, action: MessageAction<'_>) -> String {
    match who {
        Who::Hub => ".".to_owned(),
        Who::Participant(_) => said(may_apply(&room.view, &user(ACTOR), action)),
    }
}

fn use_of(room: &Room, who: Who, capability: Capability) -> String {
    match who {
        Who::Hub => ".".to_owned(),
        Who::Participant(_) => said(may_use(&room.view, &user(ACTOR), capability)),
    }
}

/// The room, with an entry for everybody.
fn preauthorized(room: &Room, role: RoleIndex) -> Room {
    let mut room = room.clone();
    let target_role = room.role_mut(role).clone();
    // The first, for what no claim is known of stops at one that asks for any.
    room.view.preauth.entries.insert(0, PreAuthRoleEntry { claimset: Vec::new(), target_role });
    room
}

fn with_target(room: &Room, role: RoleIndex) -> Room {
    let clients = if active(room, role) { 2 } else { 0 };
    room.clone().with(TARGET, role, clients)
}

/// Whether participants in a role may have clients.
fn active(room: &Room, role: RoleIndex) -> bool {
    room.view.role(role).unwrap().maximum_active_participants_constraint != Some(0)
}

fn cell(verdict: Result<Allowed, Denied>) -> String {
    said(verdict.map(|_| ()))
}

fn said(verdict: Result<(), Denied>) -> String {
    match verdict {
        Ok(()) => "yes".to_owned(),
        Err(denied) => denied.rule.id().to_owned(),
    }
}
