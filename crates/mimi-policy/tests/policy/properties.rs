//! Whatever is tried, in whatever order, by whoever: what the judge allows keeps the room sound.
//! PROTO-PL-1, PROTO-PL-5, PROTO-ST-8, PROTO-UPD-3, POLICY-PRESET-2.

use std::collections::{BTreeMap, BTreeSet};

use mimi_policy::participant_list::apply;
use mimi_policy::{
    Actor, Allowed, ClientView, ProposedChange, RoomView, Rule, StagedProposal, check_founding,
};
use mimi_wire::component::JOIN_LINKS;
use mimi_wire::room::base_policy::BaseRoomPolicy;
use mimi_wire::room::capability::Capability;
use mimi_wire::room::join_links::{JoinLink, JoinLinksData, JoinLinksUpdate};
use mimi_wire::room::participant_list::{
    ParticipantListData, ParticipantListUpdate, RoleIndex, UserIndexRolePair, UserRolePair,
};
use mimi_wire::room::preauth::{PreAuthData, PreAuthRoleEntry};
use mimi_wire::room::roles::{Role, SingleSourceRoleChangeTargets};
use mimi_wire::{MimiUri, Wire};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;

use crate::room::{ADMIN, BANNED, ORDINARY, Room, add_client, by, client, component, hub, user};

const NAMES: [&str; 7] = ["alice", "bob", "carol", "dave", "erin", "frank", "grace"];

/// Something to try, in terms that fit any room.
#[derive(Clone, Debug)]
enum Try {
    Add { name: &'static str, role: RoleIndex, clients: u32 },
    Remove { name: &'static str },
    Ban { name: &'static str },
    Leave { name: &'static str },
    Role { name: &'static str, role: RoleIndex },
    AddClient { name: &'static str, number: u32 },
    Kick { name: &'static str },
    Leaf(u32),
    SelfRemove,
    Join { name: &'static str, number: u32 },
    List(ParticipantListUpdate),
    Name(String),
    Roles(Option<usize>),
    Base(Limits),
    Preauth(Vec<RoleIndex>),
    Links { removed: Vec<u32>, added: usize },
    Component(u16),
    RemoveComponent(u16),
    Other(u16),
}

/// What a base policy may say of any room.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    single_device: bool,
    max_clients: Option<u32>,
    max_users: Option<u32>,
    fixed: bool,
}

pub(crate) fn limits() -> impl Strategy<Value = Limits> {
    let most = || prop::option::of(3..9u32);
    (prop::bool::weighted(0.2), most(), most(), prop::bool::weighted(0.1)).prop_map(
        |(single_device, max_clients, max_users, fixed)| Limits {
            single_device,
            max_clients,
            max_users,
            fixed,
        },
    )
}

impl Limits {
    fn set(&self, room: &Room) -> BaseRoomPolicy {
        BaseRoomPolicy {
            multi_device: !self.single_device,
            max_clients: self.max_clients,
            max_users: self.max_users,
            fixed_membership: self.fixed,
            ..room.view.base_policy.clone().unwrap()
        }
    }
}

/// Who tries it.
#[derive(Clone, Debug)]
enum By {
    Member { name: &'static str, number: u32 },
    Joiner { name: &'static str, number: u32 },
    Pretender { leaf: u32, name: &'static str },
    Hub,
}

/// One commit or bundle: sets of proposals by reference, then what the committer does.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    referred: Vec<(By, Vec<Try>)>,
    committer: Option<By>,
    inline: Vec<Try>,
    /// Forgets one of the proposals, so that actions are incomplete.
    forget: Option<prop::sample::Index>,
}

fn name() -> impl Strategy<Value = &'static str> {
    select(&NAMES[..])
}

fn role() -> impl Strategy<Value = RoleIndex> {
    prop_oneof![8 => 1..=4u32, 1 => 0..8u32]
}

fn list_update() -> impl Strategy<Value = ParticipantListUpdate> {
    let changed = (0..9u32, role());
    let added = (name(), role());
    (
        prop::collection::vec(changed, 0..3),
        prop::collection::vec(0..9u32, 0..3),
        prop::collection::vec(added, 0..3),
    )
        .prop_map(|(changed, removed, added)| ParticipantListUpdate {
            changed_role_participants: changed
                .into_iter()
                .map(|(user_index, role_index)| UserIndexRolePair { user_index, role_index })
                .collect(),
            removed_indices: removed,
            added_participants: added
                .into_iter()
                .map(|(name, role_index)| UserRolePair { user: user(name), role_index })
                .collect(),
        })
}

fn attempt_one() -> impl Strategy<Value = Try> {
    prop_oneof![
        4 => (name(), role(), 0..3u32)
            .prop_map(|(name, role, clients)| Try::Add { name, role, clients }),
        3 => name().prop_map(|name| Try::Remove { name }),
        3 => name().prop_map(|name| Try::Ban { name }),
        3 => name().prop_map(|name| Try::Leave { name }),
        4 => (name(), role()).prop_map(|(name, role)| Try::Role { name, role }),
        4 => (name(), 1..5u32).prop_map(|(name, number)| Try::AddClient { name, number }),
        2 => name().prop_map(|name| Try::Kick { name }),
        1 => (0..12u32).prop_map(Try::Leaf),
        1 => Just(Try::SelfRemove),
        1 => (name(), 1..5u32).prop_map(|(name, number)| Try::Join { name, number }),
        1 => list_update().prop_map(Try::List),
        1 => "[a-z]{0,3}".prop_map(Try::Name),
        1 => prop::option::of(0..6usize).prop_map(Try::Roles),
        1 => limits().prop_map(Try::Base),
        1 => prop::collection::vec(0..6u32, 0..2).prop_map(Try::Preauth),
        1 => (prop::collection::vec(0..2u32, 0..2), 0..3usize)
            .prop_map(|(removed, added)| Try::Links { removed, added }),
        1 => (0x20..0x32u16).prop_map(Try::Component),
        1 => (0x20..0x32u16).prop_map(Try::RemoveComponent),
        1 => (0..4u16).prop_map(Try::Other),
    ]
}

fn sender() -> impl Strategy<Value = By> {
    prop_oneof![
        10 => (name(), 1..3u32).prop_map(|(name, number)| By::Member { name, number }),
        2 => (name(), 1..5u32).prop_map(|(name, number)| By::Joiner { name, number }),
        1 => (0..12u32, name()).prop_map(|(leaf, name)| By::Pretender { leaf, name }),
        2 => Just(By::Hub),
    ]
}

pub(crate) fn attempt() -> impl Strategy<Value = Attempt> {
    let free = (
        prop::collection::vec((sender(), prop::collection::vec(attempt_one(), 1..3)), 0..3),
        prop::option::weighted(0.7, sender()),
        prop::collection::vec(attempt_one(), 0..3),
        prop::option::weighted(0.2, any::<prop::sample::Index>()),
    )
        .prop_map(|(referred, committer, inline, forget)| Attempt {
            referred,
            committer,
            inline,
            forget,
        });
    // Somebody leaves, somebody joins: likely enough to happen often.
    let leave = (name(), name()).prop_map(|(name, other)| Attempt {
        referred: vec![(By::Member { name, number: 1 }, vec![Try::Leave { name }])],
        committer: Some(By::Member { name: other, number: 1 }),
        inline: Vec::new(),
        forget: None,
    });
    let join = (name(), 1..5u32, prop::option::of(role())).prop_map(|(name, number, role)| {
        let listing = role.map(|role| Try::Add { name, role, clients: 0 });
        Attempt {
            referred: Vec::new(),
            committer: Some(By::Joiner { name, number }),
            inline: [Try::Join { name, number }].into_iter().chain(listing).collect(),
            forget: None,
        }
    });
    prop_oneof![6 => free, 2 => leave, 2 => join]
}

/// What a role may do, and which role changes it may make.
pub(crate) type RoleTable = (Vec<Capability>, Vec<(RoleIndex, RoleIndex)>);

/// Tables other than the preset's, at random.
pub(crate) fn tables() -> impl Strategy<Value = Vec<RoleTable>> {
    let capabilities = prop::collection::vec(select(&Capability::ALL[..17]), 0..12);
    let changes = prop::collection::vec((0..5u32, 0..5u32), 0..10);
    prop::collection::vec((capabilities, changes), 5)
}

pub(crate) fn room(tables: Option<Vec<RoleTable>>) -> Room {
    let mut room = Room::usual().with("dave", ADMIN, 1).with("erin", ORDINARY, 0);
    let tables = tables.unwrap_or_default();
    for (index, (capabilities, changes)) in (0..).zip(tables) {
        let role = room.role_mut(index);
        role.role_capabilities = capabilities;
        role.authorized_role_changes = changes
            .into_iter()
            .map(|(from, to)| SingleSourceRoleChangeTargets {
                from_role_index: from,
                target_role_indexes: vec![to],
            })
            .collect();
    }
    room
}

impl By {
    /// The sender, where the room has it.
    fn actor(&self, room: &Room) -> Option<Actor> {
        match *self {
            Self::Member { name, number } => {
                let wanted = client(name, number).client;
                let found = room.view.clients.iter().find(|client| client.client == wanted)?;
                Some(Actor::Member { leaf: found.leaf, user: user(name) })
            }
            Self::Joiner { name, number } => Some(Actor::Joiner(client(name, number))),
            Self::Pretender { leaf, name } => Some(Actor::Member { leaf, user: user(name) }),
            Self::Hub => Some(hub()),
        }
    }
}

impl Try {
    fn changes(&self, room: &Room) -> Vec<ProposedChange> {
        let listed = |name: &str| room.view.role_index_of(&user(name)).is_some();
        let active = |name: &str| room.view.is_active(&user(name));
        match self {
            Self::Add { name, role, clients } => {
                let adds = (1..=*clients).map(|number| add_client(name, number));
                [room.list_add(name, *role)].into_iter().chain(adds).collect()
            }
            Self::Remove { name } if listed(name) => room.removal(name),
            Self::Ban { name } if listed(name) => room.ban(name),
            Self::Leave { name } if active(name) => leave(room, name),
            Self::Role { name, role } if listed(name) => vec![room.list_role(name, *role)],
            Self::Remove { .. } | Self::Ban { .. } | Self::Leave { .. } | Self::Role { .. } => {
                Vec::new()
            }
            Self::AddClient { name, number } => vec![add_client(name, *number)],
            Self::Kick { name } => room.drop_all(name),
            Self::Leaf(leaf) => vec![ProposedChange::RemoveClient(*leaf)],
            Self::SelfRemove => vec![ProposedChange::SelfRemove],
            Self::Join { name, number } => {
                vec![ProposedChange::ExternalJoin(client(name, *number))]
            }
            Self::List(update) => vec![ProposedChange::ParticipantList(update.clone())],
            Self::Name(name) => {
                let mut metadata = room.view.metadata.clone();
                metadata.room_name.clone_from(name);
                vec![ProposedChange::Metadata(metadata)]
            }
            Self::Roles(without) => {
                let mut roles = room.view.roles.clone();
                if let Some(position) = without.filter(|position| *position < roles.roles.len()) {
                    roles.roles.remove(position);
                }
                vec![ProposedChange::Roles(roles)]
            }
            Self::Base(limits) => vec![ProposedChange::BasePolicy(limits.set(room))],
            Self::Preauth(roles) => {
                let known = roles.iter().filter_map(|role| room.view.role(*role));
                let entry = |role: &Role| PreAuthRoleEntry {
                    claimset: Vec::new(),
                    target_role: role.clone(),
                };
                vec![ProposedChange::Preauth(PreAuthData { entries: known.map(entry).collect() })]
            }
            Self::Links { removed, added } => vec![ProposedChange::JoinLinks(JoinLinksUpdate {
                removed_indices: removed.clone(),
                added_links: vec![JoinLink(b"link".to_vec()); *added],
            })],
            Self::Component(id) => vec![component(*id)],
            Self::RemoveComponent(id) => vec![ProposedChange::RemoveComponent(*id)],
            Self::Other(0) => vec![ProposedChange::ReInit],
            Self::Other(1) => vec![ProposedChange::UpdateOwnLeaf],
            Self::Other(2) => vec![ProposedChange::GroupContextExtensions],
            Self::Other(_) => vec![ProposedChange::PreSharedKey],
        }
    }
}

/// Leaving from whichever client comes first.
fn leave(room: &Room, name: &str) -> Vec<ProposedChange> {
    let user = user(name);
    let first = room.view.clients_of(&user).next().unwrap().leaf;
    let mut changes = room.removal(name);
    for change in &mut changes {
        if *change == ProposedChange::RemoveClient(first) {
            *change = ProposedChange::SelfRemove;
        }
    }
    changes
}

/// The attempt as proposals: by reference, inline.
pub(crate) fn written(
    room: &Room,
    attempt: &Attempt,
) -> (Option<Actor>, Vec<StagedProposal>, Vec<ProposedChange>) {
    let mut referred: Vec<StagedProposal> = Vec::new();
    for (sender, tries) in &attempt.referred {
        if let Some(actor) = sender.actor(room) {
            referred.extend(by(&actor, tries.iter().flat_map(|one| one.changes(room))));
        }
    }
    let mut inline: Vec<ProposedChange> =
        attempt.inline.iter().flat_map(|one| one.changes(room)).collect();
    if let Some(index) = attempt.forget {
        if !inline.is_empty() {
            inline.remove(index.index(inline.len()));
        } else if !referred.is_empty() {
            referred.remove(index.index(referred.len()));
        }
    }
    (attempt.committer.as_ref().and_then(|by| by.actor(room)), referred, inline)
}

/// The room after an allowed commit, as the MLS layer would build it.
pub(crate) fn after(
    room: &Room,
    allowed: &Allowed,
    proposals: &[StagedProposal],
    inline: &[ProposedChange],
) -> Room {
    let mut view = room.view.clone();
    view.epoch += 1;
    let mut gone = BTreeSet::new();
    let mut coming = Vec::new();
    let mut updates = Vec::new();
    let mut links = JoinLinksUpdate::default();
    let inline_senders = inline.iter().map(|change| (None, change));
    let referred = proposals.iter().map(|it| (Some(&it.sender), &it.change));
    for (sender, change) in referred.chain(inline_senders) {
        match change {
            ProposedChange::RemoveClient(leaf) => {
                gone.insert(*leaf);
            }
            ProposedChange::SelfRemove => {
                let Some(Actor::Member { leaf, .. }) = sender else { panic!("inline SelfRemove") };
                gone.insert(*leaf);
            }
            ProposedChange::AddClient(identity) | ProposedChange::ExternalJoin(identity) => {
                coming.push(identity);
            }
            ProposedChange::ParticipantList(update) => updates.push(update.clone()),
            ProposedChange::Metadata(metadata) => view.metadata = metadata.clone(),
            ProposedChange::Roles(roles) => view.roles = roles.clone(),
            ProposedChange::BasePolicy(policy) => view.base_policy = Some(policy.clone()),
            ProposedChange::Preauth(preauth) => view.preauth = preauth.clone(),
            ProposedChange::JoinLinks(update) => {
                links.removed_indices.extend(&update.removed_indices);
                links.added_links.extend(update.added_links.iter().cloned());
            }
            ProposedChange::OtherComponent(id, octets) => {
                view.other_components.insert(*id, octets.clone());
            }
            ProposedChange::RemoveComponent(0x26) => view.preauth.entries.clear(),
            ProposedChange::RemoveComponent(id) => {
                view.other_components.remove(id);
            }
            _ => {}
        }
    }
    // Like those of the list, all positions are the epoch's.
    if links != JoinLinksUpdate::default() {
        let octets = room.view.other_components.get(&JOIN_LINKS);
        let before = octets.map(|octets| JoinLinksData::decode(octets).unwrap());
        let after = before.unwrap_or_default().updated(&links).unwrap();
        view.other_components.insert(JOIN_LINKS, after.encode());
    }
    view.clients.retain(|client| !gone.contains(&client.leaf));
    for identity in coming {
        let leaf = (0..).find(|leaf| view.client_at(*leaf).is_none()).unwrap();
        let (user, client) = (identity.user.clone(), identity.client.clone());
        view.clients.push(ClientView { leaf, user, client });
        view.clients.sort_by_key(|client| client.leaf);
    }
    view.participants = apply(&view.participants, &updates).unwrap();
    assert_eq!(&view.participants, allowed.participants());
    Room { view }
}

pub(crate) fn standing(view: &RoomView) -> BTreeMap<&MimiUri, RoleIndex> {
    let pairs = view.participants.participants.iter();
    let standing: BTreeMap<_, _> = pairs.map(|pair| (&pair.user, pair.role_index)).collect();
    assert_eq!(standing.len(), view.participants.participants.len(), "a user is listed twice");
    standing
}

/// What must hold in every room that is reached.
fn assert_sound(before: &Room, room: &Room, senders: &[Actor]) {
    assert_eq!(check_founding(&room.view).map_err(|denied| denied.to_string()), Ok(()));
    let clients: BTreeSet<&MimiUri> = room.view.clients.iter().map(|it| &it.client).collect();
    assert_eq!(clients.len(), room.view.clients.len(), "a client is in the group twice");
    let (was, is) = (standing(&before.view), standing(&room.view));
    for client in &room.view.clients {
        let role = is.get(&client.user).expect("the user of a leaf is listed");
        assert_ne!(*role, BANNED, "{} is banned and has a leaf", client.user);
    }
    let users: BTreeSet<&MimiUri> = was.keys().chain(is.keys()).copied().collect();
    for user in users {
        let place = |list: &BTreeMap<&MimiUri, RoleIndex>| list.get(user).copied().unwrap_or(0);
        let (from, to) = (place(&was), place(&is));
        let authorized = senders.iter().any(|sender| {
            let index = match sender {
                Actor::ExternalSender { .. } => 5,
                other => was.get(other.user().unwrap()).copied().unwrap_or(0),
            };
            let role = before.view.role(index);
            let mut entries = role.iter().flat_map(|role| &role.authorized_role_changes);
            // No ban is lifted by whoever is banned.
            !(from == BANNED && sender.user() == Some(user))
                && entries
                    .any(|it| it.from_role_index == from && it.target_role_indexes.contains(&to))
        });
        assert!(from == to || authorized, "no table leads {user} from {from} to {to}");
    }
    assert_eq!(room.view.metadata.room_uri, before.view.metadata.room_uri);
}

fn play(mut room: Room, attempts: &[Attempt]) -> usize {
    let mut allowed_count = 0;
    for attempt in attempts {
        let (committer, referred, inline) = written(&room, attempt);
        if committer.is_none() {
            standalone(&room, referred);
            continue;
        }
        let committer = committer.unwrap();
        let verdict = room.judge_commit(committer.clone(), referred.clone(), inline.clone());
        if let Ok(allowed) = verdict {
            allowed_count += 1;
            let next = after(&room, &allowed, &referred, &inline);
            let mut senders: Vec<Actor> = referred.into_iter().map(|it| it.sender).collect();
            senders.push(committer);
            assert_sound(&room, &next, &senders);
            room = next;
        }
    }
    allowed_count
}

/// What is accepted by itself can be committed by anybody who stays (PROTO-UPD-12). Only somebody
/// who proposes to join may have to wait for a list entry.
fn standalone(room: &Room, proposals: Vec<StagedProposal>) {
    let joining = proposals.iter().any(|it| matches!(it.sender, Actor::Joiner(_)));
    if joining || room.judge_bundle(proposals.clone()).is_err() {
        return;
    }
    for client in &room.view.clients {
        let (leaf, user) = (client.leaf, client.user.clone());
        let committer = Actor::Member { leaf, user };
        match room.judge_commit(committer, proposals.clone(), []) {
            Ok(_) => {}
            Err(denied) => assert_eq!(denied.rule, Rule::CommitOwnRemoval, "{denied}"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rooms_stay_sound(attempts in prop::collection::vec(attempt(), 1..24)) {
        play(room(None), &attempts);
    }

    #[test]
    fn rooms_with_any_tables_stay_sound(
        tables in tables(),
        limits in limits(),
        attempts in prop::collection::vec(attempt(), 1..24),
    ) {
        let mut room = room(Some(tables));
        // canOpenJoin anywhere but on role 0 makes no room.
        for role in room.roles_mut().iter_mut().filter(|role| role.role_index != 0) {
            role.role_capabilities.retain(|held| *held != Capability::CAN_OPEN_JOIN);
        }
        // Whatever limits a room can be founded with.
        let mut limited = room.clone();
        limited.view.base_policy = Some(limits.set(&room));
        play(if check_founding(&limited.view).is_ok() { limited } else { room }, &attempts);
    }

    /// PROTO-PL-2, PROTO-PL-4, AMB-PL-1, against a list kept by position.
    #[test]
    fn any_update_applies_or_is_refused(
        roles in prop::collection::vec(1..5u32, 0..7),
        updates in prop::collection::vec(list_update(), 0..3),
    ) {
        let pairs = NAMES.iter().zip(&roles);
        let participants: Vec<UserRolePair> = pairs
            .map(|(name, role)| UserRolePair { user: user(name), role_index: *role })
            .collect();
        let list = ParticipantListData { participants };
        let Ok(after) = apply(&list, &updates) else { return Ok(()) };
        let mut slots: Vec<Option<UserRolePair>> =
            list.participants.iter().cloned().map(Some).collect();
        let index = |index: u32| usize::try_from(index).unwrap();
        for update in &updates {
            for pair in &update.changed_role_participants {
                slots[index(pair.user_index)].as_mut().unwrap().role_index = pair.role_index;
            }
        }
        for removed in updates.iter().flat_map(|update| &update.removed_indices) {
            prop_assert!(slots[index(*removed)].take().is_some());
        }
        let added = updates.iter().flat_map(|update| update.added_participants.clone());
        let expected: Vec<UserRolePair> = slots.into_iter().flatten().chain(added).collect();
        let users: BTreeSet<&MimiUri> = expected.iter().map(|pair| &pair.user).collect();
        prop_assert_eq!(users.len(), expected.len());
        prop_assert_eq!(after.participants, expected);
    }
}

#[test]
fn the_tries_are_worth_something() {
    // A property over changes that are all refused proves nothing.
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut allowed = 0;
    for _ in 0..64 {
        let attempts = prop::collection::vec(attempt(), 24).new_tree(&mut runner).unwrap();
        allowed += play(room(None), &attempts.current());
    }
    assert!(allowed > 128, "only {allowed} of {} commits were allowed", 64 * 24);
}
