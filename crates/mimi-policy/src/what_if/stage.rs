//! The change form: what one sender asks, as the judge is asked it.

use std::collections::BTreeMap;

use mimi_wire::MimiUri;
use mimi_wire::Wire;
use mimi_wire::component::{
    ASSET_POLICY, BOT_POLICY, CHAT_HISTORY_POLICY, ComponentId, JOIN_LINK_POLICY,
    LINK_PREVIEW_POLICY, LOGGING_POLICY, MESSAGE_EXPIRATION_POLICY, MLS_OPERATIONAL_POLICY,
    STATUS_NOTIFICATION_POLICY,
};
use mimi_wire::room::asset_policy::{
    AssetPolicy, AssetUploadLocation, DownloadPrivacy, DownloadPrivacyType,
};
use mimi_wire::room::base_policy::BaseRoomPolicy;
use mimi_wire::room::bot_policy::BotPolicy;
use mimi_wire::room::capability::Capability;
use mimi_wire::room::chat_history_policy::HistoryPolicy;
use mimi_wire::room::join_links::{JoinLink, JoinLinkPolicy, JoinLinksUpdate};
use mimi_wire::room::link_preview_policy::LinkPreviewPolicy;
use mimi_wire::room::logging_policy::LoggingPolicy;
use mimi_wire::room::message_expiration_policy::MessageExpiration;
use mimi_wire::room::metadata::{RichDescription, RoomMetadata};
use mimi_wire::room::operational_policy::OperationalParameters;
use mimi_wire::room::optionality::{Conditional, Optionality};
use mimi_wire::room::participant_list::{
    ParticipantListUpdate, RoleIndex, UserIndexRolePair, UserRolePair,
};
use mimi_wire::room::preauth::Claim;
use mimi_wire::room::roles::RoleData;
use mimi_wire::room::status_notification_policy::StatusNotificationPolicy;
use serde_json::Value;

use super::Malformed;
use super::read::{Field, Fields};
use super::room::{CLIENTS_MAX, Room, all_absent, client_count, client_uri};
use crate::change::{Actor, ClientIdentity, ProposedChange, StagedChange, StagedProposal};
use crate::denied::Denied;
use crate::judge::Judge;
use crate::known::{CodeStanding, JoinCode, JoinCodes};
use crate::message::{MessageAction, may_apply};
use crate::rule::Rule;
use crate::view::{LeafIndex, RoomView};

/// A leaf that is nobody's.
const NO_LEAF: LeafIndex = LeafIndex::MAX;

const FIELDS: &[&str] = &[
    "by",
    "how",
    "add",
    "remove",
    "set_role",
    "add_clients",
    "remove_clients",
    "metadata",
    "components",
    "send_message",
    "join_code",
    "claims",
];

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum How {
    Commit,
    Proposal,
    ExternalCommit,
    Message,
}

/// A change, read.
struct Change {
    /// `None`: an external sender.
    by: Option<MimiUri>,
    how: How,
    list: ParticipantListUpdate,
    /// Those whose entries of the list it changes.
    named: Vec<MimiUri>,
    /// Who gets how many clients more.
    added: Vec<(MimiUri, u32)>,
    /// Who loses how many clients; `None` for all.
    removed: Vec<(MimiUri, Option<u32>)>,
    others: Vec<ProposedChange>,
    /// The metadata the room has, made such that exactly the fields named change.
    metadata: Option<RoomMetadata>,
    send_message: bool,
    join_code: Option<JoinCode>,
    claims: Vec<Claim>,
}

/// Reads a change and judges it.
pub(super) fn judge(room: &Room, value: &Value) -> Result<Result<(), Denied>, Malformed> {
    let change = read(&room.view, value)?;
    let before;
    let view = match &change.metadata {
        Some(metadata) => {
            before = RoomView { metadata: metadata.clone(), ..room.view.clone() };
            &before
        }
        None => &room.view,
    };
    Ok(change.verdict(view))
}

fn read(view: &RoomView, value: &Value) -> Result<Change, Malformed> {
    let fields = Fields::of(value, "change", FIELDS)?;
    let by = fields.required("by")?;
    let by = match by.text()? {
        "external_sender" => None,
        _ => Some(by.user()?),
    };
    let how = how(&fields.required("how")?)?;
    let positions: BTreeMap<&MimiUri, u32> =
        (0..).zip(&view.participants.participants).map(|(at, pair)| (&pair.user, at)).collect();
    // Nobody stands behind the last: the judge says so.
    let nowhere = u32::try_from(view.participants.participants.len()).unwrap_or(u32::MAX);
    let position = |user: &MimiUri| positions.get(user).copied().unwrap_or(nowhere);
    let mut change = Change {
        by,
        how,
        list: ParticipantListUpdate::default(),
        named: Vec::new(),
        added: Vec::new(),
        removed: Vec::new(),
        others: fields.read("components", Vec::new(), |field| components(&field, view))?,
        metadata: None,
        send_message: fields
            .read("send_message", how == How::Message, |field| send_message(&field, how))?,
        join_code: fields.read("join_code", None, join_code)?,
        claims: fields.list("claims", Field::claim)?,
    };
    for (user, role_index, count) in
        fields.list("add", |field| addition(&field, view.clients.len()))?
    {
        change.list.added_participants.push(UserRolePair { user: user.clone(), role_index });
        change.added.push((user, count));
    }
    for user in fields.list("remove", |field| field.user())? {
        change.list.removed_indices.push(position(&user));
        change.named.push(user);
    }
    for (user, role_index) in fields.list("set_role", |field| new_role(&field))? {
        let user_index = position(&user);
        change.list.changed_role_participants.push(UserIndexRolePair { user_index, role_index });
        change.named.push(user);
    }
    change
        .added
        .extend(fields.list("add_clients", |field| more_clients(&field, view.clients.len()))?);
    let all = change.added.iter().map(|(_, count)| u64::from(*count)).sum::<u64>();
    if all > u64::from(CLIENTS_MAX) {
        let message = format!("a form speaks of at most {CLIENTS_MAX} clients");
        return Err(Malformed::new("change", message));
    }
    change.removed = fields.list("remove_clients", |field| fewer_clients(&field))?;
    if let Some(field) = fields.optional("metadata") {
        let (before, after) = metadata(&field, &view.metadata)?;
        change.metadata = Some(before);
        change.others.push(ProposedChange::Metadata(after));
    }
    if change.how == How::Message && change.asks_for_more() {
        return Err(fields.required("how")?.wrong("a message changes nothing of the room"));
    }
    Ok(change)
}

fn how(field: &Field<'_>) -> Result<How, Malformed> {
    match field.text()? {
        "commit" => Ok(How::Commit),
        "proposal" => Ok(How::Proposal),
        "external_commit" => Ok(How::ExternalCommit),
        "message" => Ok(How::Message),
        _ => Err(field.wrong("must be commit, proposal, external_commit or message")),
    }
}

/// A message is sent; anything else may bring one along.
fn send_message(field: &Field<'_>, how: How) -> Result<bool, Malformed> {
    match field.flag()? {
        false if how == How::Message => Err(field.wrong("a message that is not sent is none")),
        sent => Ok(sent),
    }
}

fn addition(field: &Field<'_>, clients: usize) -> Result<(MimiUri, RoleIndex, u32), Malformed> {
    let fields = field.fields(&["user", "role", "clients"])?;
    let count = fields.read("clients", 0, |field| client_count(&field, clients))?;
    Ok((fields.required("user")?.user()?, fields.required("role")?.number()?, count))
}

fn new_role(field: &Field<'_>) -> Result<(MimiUri, RoleIndex), Malformed> {
    let fields = field.fields(&["user", "role"])?;
    Ok((fields.required("user")?.user()?, fields.required("role")?.number()?))
}

fn more_clients(field: &Field<'_>, clients: usize) -> Result<(MimiUri, u32), Malformed> {
    let fields = field.fields(&["user", "clients"])?;
    let count = client_count(&fields.required("clients")?, clients)?;
    Ok((fields.required("user")?.user()?, count))
}

fn fewer_clients(field: &Field<'_>) -> Result<(MimiUri, Option<u32>), Malformed> {
    let fields = field.fields(&["user", "clients"])?;
    let clients = fields.required("clients")?;
    let count = match clients.value() {
        Value::String(all) if all == "all" => None,
        Value::String(_) => return Err(clients.wrong("must be a number or \"all\"")),
        _ => Some(client_count(&clients, 0)?),
    };
    Ok((fields.required("user")?.user()?, count))
}

fn join_code(field: Field<'_>) -> Result<Option<JoinCode>, Malformed> {
    let fields = field.fields(&["role", "valid"])?;
    let standing = match fields.required("valid")?.flag()? {
        true => CodeStanding::Valid,
        false => CodeStanding::Spent,
    };
    Ok(Some(JoinCode { role: fields.required("role")?.number()?, standing }))
}

/// Each named component is replaced by what it is: who may is the question, and what it may share a
/// commit with.
fn components(field: &Field<'_>, view: &RoomView) -> Result<Vec<ProposedChange>, Malformed> {
    field.list(|field| {
        let links = |removed_indices, added_links| {
            ProposedChange::JoinLinks(JoinLinksUpdate { removed_indices, added_links })
        };
        let other: ComponentId = match field.text()? {
            "base" => {
                let policy = view.base_policy.clone().expect("a form's room has a base policy");
                // It lists whatever it has to.
                let policy_component_ids = all_absent().policy_component_ids;
                return Ok(ProposedChange::BasePolicy(BaseRoomPolicy {
                    policy_component_ids,
                    ..policy
                }));
            }
            "roles" => return Ok(ProposedChange::Roles(restated(&view.roles))),
            "preauth" => return Ok(ProposedChange::Preauth(view.preauth.clone())),
            "join_links_add" => return Ok(links(Vec::new(), vec![JoinLink(b"new".to_vec())])),
            "join_links_remove" => return Ok(links(vec![0], Vec::new())),
            "operational" => MLS_OPERATIONAL_POLICY,
            "status" => STATUS_NOTIFICATION_POLICY,
            "join_link" => JOIN_LINK_POLICY,
            "link_preview" => LINK_PREVIEW_POLICY,
            "asset" => ASSET_POLICY,
            "logging" => LOGGING_POLICY,
            "history" => CHAT_HISTORY_POLICY,
            "bot" => BOT_POLICY,
            "expiration" => MESSAGE_EXPIRATION_POLICY,
            _ => return Err(field.wrong("is no component")),
        };
        Ok(ProposedChange::OtherComponent(other, plain(other)))
    })
}

/// The room's roles once more. One that holds canOpenJoin in vain does not get it anew
/// (POLICY-CAP-ADD-3): the form asks who may change roles, not into what.
fn restated(roles: &RoleData) -> RoleData {
    let mut roles = roles.clone();
    for role in roles.roles.iter_mut().filter(|role| role.role_index != 0) {
        role.role_capabilities.retain(|held| *held != Capability::CAN_OPEN_JOIN);
    }
    roles
}

/// A value of a component that fits every room: the form asks who may change it, not into what.
fn plain(id: ComponentId) -> Vec<u8> {
    match id {
        STATUS_NOTIFICATION_POLICY => StatusNotificationPolicy::default().encode(),
        JOIN_LINK_POLICY => JoinLinkPolicy::default().encode(),
        LINK_PREVIEW_POLICY => LinkPreviewPolicy {
            autodetect_hyperlinks_in_text: Optionality::Optional,
            send_link_previews: Optionality::Optional,
            automatic_link_previews: Optionality::Optional,
            link_preview_proxy: Conditional::Forbidden,
        }
        .encode(),
        ASSET_POLICY => AssetPolicy {
            asset_upload_location: AssetUploadLocation::Unspecified,
            upload_domains: Vec::new(),
            download_privacy: DownloadPrivacy {
                allowed_download_types: vec![DownloadPrivacyType::Direct],
                forbidden_download_types: Vec::new(),
                default_download_type: DownloadPrivacyType::Direct,
            },
            max_image: u64::MAX,
            max_audio: u64::MAX,
            max_video: u64::MAX,
            max_attachment: u64::MAX,
            forbidden_media_types: Vec::new(),
            permitted_media_types: None,
        }
        .encode(),
        LOGGING_POLICY => LoggingPolicy { logging: Conditional::Forbidden }.encode(),
        CHAT_HISTORY_POLICY => HistoryPolicy { history_sharing: Conditional::Forbidden }.encode(),
        BOT_POLICY => BotPolicy::default().encode(),
        MESSAGE_EXPIRATION_POLICY => {
            MessageExpiration { expiring_messages: Conditional::Forbidden }.encode()
        }
        _ => OperationalParameters {
            external_proposal_allowed: true,
            external_commit_allowed: true,
            ..OperationalParameters::default()
        }
        .encode(),
    }
}

/// The metadata before and after: what is named changes, whatever it was.
fn metadata(
    field: &Field<'_>,
    empty: &RoomMetadata,
) -> Result<(RoomMetadata, RoomMetadata), Malformed> {
    let known =
        ["room_uri", "room_name", "room_descriptions", "room_avatar", "room_subject", "room_mood"];
    let fields = field.fields(&known)?;
    let (mut before, mut after) = (empty.clone(), empty.clone());
    if let Some(field) = fields.present("room_uri") {
        let uri = MimiUri::new(field.text()?);
        after.room_uri = uri.map_err(|error| field.wrong(error.to_string()))?;
        if after.room_uri == before.room_uri {
            before.room_uri =
                MimiUri::new("mimi://room.example/r/another").expect("a plain name makes a URI");
        }
    }
    if let Some(field) = fields.present("room_descriptions") {
        after.room_descriptions = field.list(description)?;
        before.room_descriptions = after.room_descriptions.clone();
        before.room_descriptions.push(RichDescription::default());
    }
    let texts = [
        ("room_name", &mut before.room_name, &mut after.room_name),
        ("room_avatar", &mut before.room_avatar, &mut after.room_avatar),
        ("room_subject", &mut before.room_subject, &mut after.room_subject),
        ("room_mood", &mut before.room_mood, &mut after.room_mood),
    ];
    for (name, before, after) in texts {
        if let Some(field) = fields.present(name) {
            field.text()?.clone_into(after);
            *before = format!("not {after}");
        }
    }
    Ok((before, after))
}

fn description(field: Field<'_>) -> Result<RichDescription, Malformed> {
    let fields = field.fields(&["media_type", "language_tag", "description_content"])?;
    let text = |name| fields.read(name, String::new(), |field| field.text().map(str::to_owned));
    Ok(RichDescription {
        media_type: text("media_type")?,
        language_tag: text("language_tag")?,
        description_content: text("description_content")?.into_bytes(),
    })
}

impl Change {
    fn asks_for_more(&self) -> bool {
        self.list != ParticipantListUpdate::default()
            || !self.added.is_empty()
            || !self.removed.is_empty()
            || !self.others.is_empty()
    }

    fn verdict(&self, view: &RoomView) -> Result<(), Denied> {
        if self.how != How::Message {
            self.judge(view)?;
        }
        if self.send_message { self.message(view) } else { Ok(()) }
    }

    /// The receivers' question (AMB-POL-40).
    fn message(&self, view: &RoomView) -> Result<(), Denied> {
        let Some(user) = &self.by else {
            let needed = "servers send none, clients of participants do";
            return Err(Denied::new(Rule::SenderActive, None, needed));
        };
        may_apply(view, user, MessageAction::Send)?;
        match view.is_active(user) {
            true => Ok(()),
            false => {
                let needed = "none of their clients is in the group";
                Err(Denied::new(Rule::SenderActive, Some(user), needed))
            }
        }
    }

    fn judge(&self, view: &RoomView) -> Result<(), Denied> {
        let actor = self.actor(view);
        let by_reference = self.how == How::Proposal;
        let proposals = self.changes(view, &actor).into_iter().map(|change| StagedProposal {
            sender: actor.clone(),
            reference: by_reference.then(Vec::new),
            change,
        });
        let staged = StagedChange {
            epoch: view.epoch,
            proposals: proposals.collect(),
            committer: (!by_reference).then(|| actor.clone()),
        };
        let codes: BTreeMap<MimiUri, JoinCode> = match (&actor, self.join_code) {
            (Actor::Joiner(joiner), Some(code)) => BTreeMap::from([(joiner.client.clone(), code)]),
            _ => BTreeMap::new(),
        };
        let claims: BTreeMap<LeafIndex, Vec<Claim>> = match &actor {
            Actor::Member { leaf, .. } => BTreeMap::from([(*leaf, self.claims.clone())]),
            _ => BTreeMap::new(),
        };
        let judge = Judge::of(view).with_join_codes(JoinCodes::Presented(&codes));
        if staged.committer.is_none() && staged.proposals.is_empty() {
            // Nobody is asked by what right, so the answer is whether the sender has a say at all.
            return judge.has_a_say(&actor);
        }
        let verdict = judge.with_claims(&claims).decide(&staged);
        verdict.map_err(|denied| self.in_the_forms_words(view, denied))?;
        self.entry_of_joiner(view, &actor)
    }

    /// PROTO-UPD-2: on the wire the entry of somebody who proposes to join is written by whoever
    /// commits it (AMB-UPD-14); the form asks about a whole change, the role included.
    fn entry_of_joiner(&self, view: &RoomView, actor: &Actor) -> Result<(), Denied> {
        let Actor::Joiner(joiner) = actor else { return Ok(()) };
        let mut added = self.list.added_participants.iter();
        if view.role_index_of(&joiner.user).is_some() || added.any(|it| it.user == joiner.user) {
            return Ok(());
        }
        let needed = "its user must be in the participant list before or with it";
        Err(Denied::new(Rule::ListedFirst, Some(&joiner.user), needed).about(&joiner.client))
    }

    /// The form speaks of users where the judge sees positions and leaves.
    fn in_the_forms_words(&self, view: &RoomView, denied: Denied) -> Denied {
        let has_fewer = |(user, count): &&(MimiUri, Option<u32>)| {
            let clients = u32::try_from(view.clients_of(user).count()).unwrap_or(u32::MAX);
            count.is_some_and(|count| count > clients)
        };
        let (user, needed) = match denied.rule {
            Rule::IndexInList => {
                let mut named = self.named.iter();
                let stranger = named.find(|user| view.role_index_of(user).is_none());
                (stranger, "they are not in the participant list")
            }
            Rule::RemovedLeaf => {
                let fewer = self.removed.iter().find(has_fewer).map(|(user, _)| user);
                (fewer, "they do not have that many clients")
            }
            _ => (None, ""),
        };
        match user {
            Some(user) => {
                Denied { target: Some(user.to_string()), needed: needed.to_owned(), ..denied }
            }
            None => denied,
        }
    }

    /// Who asks: a server, a client that joins by itself, or a participant's first client.
    fn actor(&self, view: &RoomView) -> Actor {
        let Some(user) = &self.by else {
            return Actor::ExternalSender { index: 0, claims: self.claims.clone() };
        };
        let first = view.clients_of(user).next();
        // AMB-UPD-14: who has no client proposes its own to be added.
        let comes = self.added.iter().any(|(added, count)| added == user && *count > 0);
        let joins = match self.how {
            How::ExternalCommit => true,
            How::Proposal => first.is_none() && comes,
            How::Commit | How::Message => false,
        };
        if joins {
            return Actor::Joiner(self.joining(view, user));
        }
        let leaf = first.map_or(NO_LEAF, |client| client.leaf);
        Actor::Member { leaf, user: user.clone() }
    }

    /// The client that joins: a new one, or the old one again whose leaf goes in the same change.
    fn joining(&self, view: &RoomView, user: &MimiUri) -> ClientIdentity {
        let number = if self.gone(view, user).is_empty() { next_number(view, user) } else { 1 };
        identity(user, number, &self.claims)
    }

    /// The leaves a user loses: the last ones first, the one that asks at last.
    fn gone(&self, view: &RoomView, user: &MimiUri) -> Vec<LeafIndex> {
        let mut leaves: Vec<LeafIndex> = view.clients_of(user).map(|client| client.leaf).collect();
        if self.how == How::ExternalCommit {
            // The first is the one that comes back.
            leaves.reverse();
        }
        let mut gone = Vec::new();
        for (_, count) in self.removed.iter().filter(|(removed, _)| removed == user) {
            let count = match count {
                Some(count) => usize::try_from(*count).unwrap_or(usize::MAX),
                None => leaves.len(),
            };
            let missing = count > leaves.len();
            gone.extend((0..count).map_while(|_| leaves.pop()));
            gone.extend(missing.then_some(NO_LEAF));
        }
        gone
    }

    fn changes(&self, view: &RoomView, actor: &Actor) -> Vec<ProposedChange> {
        let mut changes = Vec::new();
        if self.list != ParticipantListUpdate::default() {
            changes.push(ProposedChange::ParticipantList(self.list.clone()));
        }
        let mut users: Vec<&MimiUri> = self.removed.iter().map(|(user, _)| user).collect();
        users.sort_unstable();
        users.dedup();
        for leaf in users.into_iter().flat_map(|user| self.gone(view, user)) {
            let own = matches!(actor, Actor::Member { leaf: own, .. } if *own == leaf);
            changes.push(match own && self.how == How::Proposal && leaf != NO_LEAF {
                true => ProposedChange::SelfRemove,
                false => ProposedChange::RemoveClient(leaf),
            });
        }
        self.bring_in(view, actor, &mut changes);
        changes.extend(self.others.iter().cloned());
        changes
    }

    /// The clients that come. An external commit always brings its own.
    fn bring_in(&self, view: &RoomView, actor: &Actor, changes: &mut Vec<ProposedChange>) {
        let mut numbers: BTreeMap<&MimiUri, u32> = BTreeMap::new();
        let mut own = match actor {
            Actor::Joiner(joiner) => Some(joiner),
            Actor::Member { .. } | Actor::ExternalSender { .. } => None,
        };
        if self.how == How::ExternalCommit
            && let Some(joiner) = own
        {
            changes.push(ProposedChange::ExternalJoin(joiner.clone()));
        }
        for (user, count) in &self.added {
            for _ in 0..*count {
                if let Some(joiner) = own.take_if(|joiner| joiner.user == *user) {
                    if self.how != How::ExternalCommit {
                        changes.push(ProposedChange::AddClient(joiner.clone()));
                    }
                    continue;
                }
                let number = numbers.entry(user).or_insert_with(|| next_number(view, user) + 1);
                changes.push(ProposedChange::AddClient(identity(user, *number, &[])));
                *number += 1;
            }
        }
    }
}

/// The number of a user's next client.
fn next_number(view: &RoomView, user: &MimiUri) -> u32 {
    u32::try_from(view.clients_of(user).count()).unwrap_or(u32::MAX - 1) + 1
}

fn identity(user: &MimiUri, number: u32, claims: &[Claim]) -> ClientIdentity {
    ClientIdentity { user: user.clone(), client: client_uri(user, number), claims: claims.to_vec() }
}
