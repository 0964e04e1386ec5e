//! Every road into a role, at once: random tables, random preauthorizations, join codes that lead
//! anywhere, claims. Whatever happens, whoever has a role has it by a table or an entry that said
//! so, and the banned come back only when somebody who may lets them (POLICY-PRE-1,
//! POLICY-CAP-ROLE-2, POLICY-CAP-ROLE-4, POLICY-CAP-ADD-4, POLICY-CAP-ADD-5, POLICY-PRESET-2).

use std::collections::BTreeMap;

use mimi_policy::preset::Preset;
use mimi_policy::{
    Actor, Allowed, CodeStanding, Denied, JoinCode, JoinCodes, Judge, ProposedChange, RoomIndex,
    RoomView, StagedChange, StagedProposal, check,
};
use mimi_wire::MimiUri;
use mimi_wire::room::capability::Capability;
use mimi_wire::room::participant_list::RoleIndex;
use mimi_wire::room::preauth::{Claim, PreAuthRoleEntry};
use mimi_wire::room::roles::Role;
use proptest::prelude::*;
use proptest::strategy::ValueTree;

use crate::properties::{Attempt, RoleTable, after, attempt, room, standing, tables, written};
use crate::room::{BANNED, Room, user};

/// Who has the claim, where the judge is told of claims.
const CLAIMANTS: [&str; 2] = ["alice", "bob"];

fn claim() -> Claim {
    Claim { credential_type: 2, id: b"O".to_vec(), claim_value: b"A Inc".to_vec() }
}

/// Entries: whether it asks for the claim, and the role it leads to.
fn entries() -> impl Strategy<Value = Vec<(bool, RoleIndex)>> {
    prop::collection::vec((any::<bool>(), 2..5u32), 0..3)
}

fn world(tables: Vec<RoleTable>, entries: &[(bool, RoleIndex)]) -> Room {
    let mut room = room(Some(tables)).with("frank", BANNED, 0);
    for role in room.roles_mut().iter_mut().filter(|role| role.role_index != 0) {
        role.role_capabilities.retain(|held| *held != Capability::CAN_OPEN_JOIN);
    }
    for (asks, index) in entries {
        let target_role = room.view.role(*index).unwrap().clone();
        let claimset = if *asks { vec![claim()] } else { Vec::new() };
        room.view.preauth.entries.push(PreAuthRoleEntry { claimset, target_role });
    }
    room
}

fn claims(room: &Room) -> BTreeMap<u32, Vec<Claim>> {
    let clients = room.view.clients.iter();
    clients
        .filter(|client| CLAIMANTS.iter().any(|name| user(name) == client.user))
        .map(|client| (client.leaf, vec![claim()]))
        .collect()
}

/// Judged with everything a hub may know, and once more through an index: the same answer.
fn judge(room: &Room, change: &StagedChange) -> Result<Allowed, Denied> {
    let claims = claims(room);
    let judge = Judge::of(&room.view).with_join_codes(JoinCodes::Unverifiable).with_claims(&claims);
    let index = RoomIndex::of(&room.view);
    let indexed = judge.with_index(&index).decide(change);
    let verdict = judge.check(change);
    assert_eq!(indexed.is_ok(), verdict.is_ok());
    verdict
}

/// What a sender may do by itself, told without the judge.
struct Sender<'a> {
    room: &'a Room,
    role: Option<&'a Role>,
    /// `None`: a server.
    user: Option<&'a MimiUri>,
    is_claimant: bool,
}

impl<'a> Sender<'a> {
    fn of(room: &'a Room, actor: &'a Actor) -> Self {
        let index = match actor.user() {
            Some(user) => room.view.role_index_of(user).unwrap_or(0),
            None => 5,
        };
        let known = matches!(actor, Actor::Member { .. });
        let claimant = |user: &MimiUri| CLAIMANTS.iter().any(|name| self::user(name) == *user);
        Self {
            room,
            role: room.view.role(index),
            user: actor.user(),
            is_claimant: known && actor.user().is_some_and(claimant),
        }
    }

    fn holds(&self, code: u16) -> bool {
        self.role.is_some_and(|role| role.role_capabilities.contains(&Capability(code)))
    }

    fn table(&self, from: RoleIndex, to: RoleIndex) -> bool {
        let mut entries = self.role.iter().flat_map(|role| &role.authorized_role_changes);
        entries.any(|it| it.from_role_index == from && it.target_role_indexes.contains(&to))
    }

    /// The role of the first entry that matches.
    fn preauthorized(&self) -> Option<RoleIndex> {
        let mut entries = self.room.view.preauth.entries.iter();
        let asks_little = |it: &&PreAuthRoleEntry| {
            it.claimset.is_empty() || (self.is_claimant && it.claimset == [claim()])
        };
        entries.find(asks_little).map(|it| it.target_role.role_index)
    }

    fn may_move(&self, target: &MimiUri, from: RoleIndex, to: RoleIndex) -> bool {
        if self.user != Some(target) {
            return self.table(from, to)
                && match (from, to) {
                    (0, BANNED) => self.holds(0x000a) || self.holds(0x0000),
                    (0, _) => self.holds(0x0000),
                    (_, 0) => self.holds(0x0001),
                    (_, BANNED) => self.holds(0x000a) || self.holds(0x000f),
                    (BANNED, _) => self.holds(0x000b) || self.holds(0x000f),
                    _ => self.holds(0x000f),
                };
        }
        match (from, to) {
            // Nobody lifts the own ban.
            (BANNED, _) => false,
            (0, to) => {
                let enters = self.room.view.role(to).is_some_and(|role| {
                    role.role_capabilities.contains(&Capability::CAN_JOIN_IF_PREAUTHORIZED)
                });
                (self.table(0, to) && (self.holds(0x0004) || self.holds(0x0009)))
                    || (enters && self.preauthorized() == Some(to))
            }
            (_, 0) => self.holds(0x0006) && self.table(from, 0),
            (_, to) => self.holds(0x0010) && self.preauthorized() == Some(to),
        }
    }
}

/// Nobody has moved but by somebody who may.
fn assert_lawful(before: &Room, after: &RoomView, senders: &[Actor]) {
    let (was, is) = (standing(&before.view), standing(after));
    for user in was.keys().chain(is.keys()) {
        let place = |list: &BTreeMap<&MimiUri, RoleIndex>| list.get(user).copied().unwrap_or(0);
        let (from, to) = (place(&was), place(&is));
        let lawful =
            senders.iter().any(|sender| Sender::of(before, sender).may_move(user, from, to));
        assert!(from == to || lawful, "nobody may take {user} from {from} to {to}");
        if to == BANNED {
            assert_eq!(after.clients_of(user).count(), 0, "{user} is banned and has a client");
        }
    }
}

/// A hub that was shown codes allows nothing that its clients, who were not, refuse (AMB-POL-20).
fn assert_clients_agree(room: &Room, change: &StagedChange) {
    for (role, standing) in
        [(2, CodeStanding::Valid), (4, CodeStanding::Valid), (3, CodeStanding::Spent)]
    {
        let joiners = change.proposals.iter().filter_map(|proposal| match &proposal.sender {
            Actor::Joiner(joiner) => Some((joiner.client.clone(), JoinCode { role, standing })),
            _ => None,
        });
        let codes: BTreeMap<MimiUri, JoinCode> = joiners.collect();
        let hub = Judge::of(&room.view).with_join_codes(JoinCodes::Presented(&codes));
        let client = Judge::of(&room.view).with_join_codes(JoinCodes::Unverifiable);
        if let Ok(allowed) = hub.check(change) {
            let agreed = client.check(change).expect("a client allows what its hub allows");
            assert_eq!(agreed.participants(), allowed.participants());
        }
    }
}

fn play(mut room: Room, attempts: &[Attempt]) -> usize {
    let mut allowed_count = 0;
    for attempt in attempts {
        let (committer, referred, inline) = written(&room, attempt);
        let Some(committer) = committer else { continue };
        let sender = committer.clone();
        let own = inline.iter().cloned().map(|change| StagedProposal {
            sender: sender.clone(),
            reference: None,
            change,
        });
        let proposals: Vec<StagedProposal> = referred.iter().cloned().chain(own).collect();
        let change =
            StagedChange { epoch: room.view.epoch, committer: Some(committer.clone()), proposals };
        assert_clients_agree(&room, &change);
        let Ok(allowed) = judge(&room, &change) else {
            // Who knows less allows no more.
            assert!(check(&room.view, &change).is_err());
            continue;
        };
        allowed_count += 1;
        let next = after(&room, &allowed, &referred, &inline);
        let senders: Vec<Actor> =
            referred.into_iter().map(|it| it.sender).chain([committer]).collect();
        assert_lawful(&room, &next.view, &senders);
        room = next;
    }
    allowed_count
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_road_leads_past_the_tables(
        tables in tables(),
        entries in entries(),
        attempts in prop::collection::vec(attempt(), 1..24),
    ) {
        play(world(tables, &entries), &attempts);
    }

    /// Where nobody may unban, remove or redefine, a ban is for ever.
    #[test]
    fn the_banned_do_not_come_back(
        mut tables in tables(),
        entries in entries(),
        attempts in prop::collection::vec(attempt(), 1..24),
    ) {
        for (_, changes) in &mut tables {
            changes.retain(|(from, _)| *from != BANNED);
        }
        let mut room = world(tables, &entries);
        for role in room.roles_mut() {
            role.authorized_role_changes.retain(|it| it.from_role_index != BANNED);
        }
        for attempt in &attempts {
            let (committer, referred, inline) = written(&room, attempt);
            let Some(committer) = committer else { continue };
            let own = inline.iter().cloned().map(|change| StagedProposal {
                sender: committer.clone(),
                reference: None,
                change,
            });
            let proposals = referred.iter().cloned().chain(own).collect();
            let epoch = room.view.epoch;
            let change = StagedChange { epoch, committer: Some(committer.clone()), proposals };
            if let Ok(allowed) = judge(&room, &change) {
                room = after(&room, &allowed, &referred, &inline);
            }
            prop_assert_eq!(room.view.role_index_of(&user("frank")), Some(BANNED));
            prop_assert_eq!(room.view.clients_of(&user("frank")).count(), 0);
        }
    }

    /// Removing somebody and adding them again leaves a list that differs only in its order, and
    /// doing either a second time is refused.
    #[test]
    fn removing_and_adding_again_is_idempotent(preset in prop::sample::select(&Preset::ALL[..4])) {
        let (creator, ordinary) = (preset.creator_role(), preset.ordinary_role());
        let room = Room::of(preset)
            .with("alice", creator, 1)
            .with("bob", ordinary, 1)
            .with("carol", ordinary, 1);
        let removal = room.removal("bob");
        let without = after(&room, &room.commit("alice", removal.clone()).unwrap(), &[], &removal);
        prop_assert!(without.view.role_index_of(&user("bob")).is_none());
        let again = [ProposedChange::RemoveClient(1)];
        prop_assert!(without.commit("alice", again).is_err());
        let addition = [without.list_add("bob", ordinary), crate::room::add_client("bob", 1)];
        let back = after(
            &without,
            &without.commit("alice", addition.clone()).unwrap(),
            &[],
            &addition,
        );
        prop_assert_eq!(standing(&back.view), standing(&room.view));
        prop_assert!(back.commit("alice", addition).is_err());
    }
}

#[test]
fn the_roads_are_taken() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut allowed = 0;
    for _ in 0..64 {
        let tables = tables().new_tree(&mut runner).unwrap().current();
        let entries = entries().new_tree(&mut runner).unwrap().current();
        let attempts = prop::collection::vec(attempt(), 24).new_tree(&mut runner).unwrap();
        allowed += play(world(tables, &entries), &attempts.current());
    }
    assert!(allowed > 32, "only {allowed} of {} commits were allowed", 64 * 24);
}
