use std::num::NonZeroU32;

use mimi_policy::ProposedChange::{ExternalJoin, JoinLinks, ParticipantList};
use mimi_policy::{Actor, StagedChange};
use mimi_wire::protocol::update::UpdateOutcome;
use mimi_wire::room::capability::Capability;
use mimi_wire::room::join_links::JoinLinksUpdate;
use mimi_wire::room::participant_list::{ParticipantListUpdate, UserRolePair};
use mimi_wire::room::roles::SingleSourceRoleChangeTargets;

use super::*;
use crate::Transition;
use crate::fixture::{self, NOW, commit, identity, member, room_uri, user};
use crate::hub::fixture::{Extras, Hub, appended, local, peer};
use crate::hub::state::{HubSnapshot, JOIN_GRANT_LIFETIME_MS, Observed};
use crate::hub::update::Updated;
use crate::record::EventKind;

const KEY: &[u8] = b"signature key";
const MEMBERS: &[&str] = &["a/alice/phone", "b/bob/phone"];

/// A room that takes codes, for role 2 and for role 3.
fn hub() -> Hub {
    let mut hub = Hub::new(MEMBERS);
    for role in &mut hub.view.roles.roles {
        match role.role_index {
            0 => {
                role.role_capabilities.push(Capability::CAN_USE_JOIN_CODE);
                let target_role_indexes = vec![2, 3];
                role.authorized_role_changes =
                    vec![SingleSourceRoleChangeTargets { from_role_index: 0, target_role_indexes }];
            }
            4 => {
                role.role_capabilities.push(Capability::CAN_CREATE_JOIN_CODE);
                role.role_capabilities.push(Capability::CAN_DELETE_JOIN_CODE);
            }
            _ => {}
        }
    }
    hub
}

fn code(secret: u8, role: u32, uses: Option<u32>, expires_ms: Option<u64>) -> CodeText {
    CodeText { secret: [secret; 16], role, uses: uses.and_then(NonZeroU32::new), expires_ms }
}

fn link(code: &CodeText) -> JoinLink {
    RoomLink::new(room_uri(), code).to_component()
}

fn links_change(hub: &Hub, update: JoinLinksUpdate) -> StagedChange {
    commit(&hub.view, member(&hub.view, "a/alice/phone"), vec![JoinLinks(update)])
}

fn add(hub: &mut Hub, links: Vec<JoinLink>) -> Result<Transition<Updated>, Reject> {
    let update = JoinLinksUpdate { added_links: links, ..JoinLinksUpdate::default() };
    let change = links_change(hub, update);
    hub.commit(&local("a/alice/phone"), &change, Extras::default())
}

fn revoke(hub: &mut Hub, position: u32) {
    let update = JoinLinksUpdate { removed_indices: vec![position], ..JoinLinksUpdate::default() };
    let change = links_change(hub, update);
    hub.commit(&local("a/alice/phone"), &change, Extras::default()).unwrap();
}

fn domain_of(short: &str) -> String {
    format!("{}.example", short.split('/').next().unwrap())
}

fn ask(hub: &mut Hub, short: &str, code: &CodeText) -> Result<(), Reject> {
    let octets = code.to_string().into_bytes();
    let requester = peer(&domain_of(short));
    hub.group_info_with(&requester, &identity(short), KEY, Some(&octets)).map(drop)
}

/// The external commit of a newcomer, in a role.
fn coming(hub: &Hub, short: &str, role_index: u32) -> StagedChange {
    let joiner = identity(short);
    let pair = UserRolePair { user: joiner.user.clone(), role_index };
    let entry = ParticipantListUpdate { added_participants: vec![pair], ..Default::default() };
    let changes = vec![ExternalJoin(joiner.clone()), ParticipantList(entry)];
    commit(&hub.view, Actor::Joiner(joiner), changes)
}

fn come(hub: &mut Hub, short: &str, role_index: u32) -> Result<Transition<Updated>, Reject> {
    let change = coming(hub, short, role_index);
    let extras = Extras { joiner_signature_key: Some(KEY), ..Extras::default() };
    hub.commit(&peer(&domain_of(short)), &change, extras)
}

fn come_by(hub: &mut Hub, short: &str, code: &CodeText) -> Result<(), Reject> {
    ask(hub, short, code)?;
    come(hub, short, code.role).map(drop)
}

fn go(hub: &mut Hub, short: &str) {
    let gone = member(&hub.view, short);
    let Actor::Member { leaf, .. } = gone else { unreachable!("a member") };
    let name = short.rsplit_once('/').unwrap().0;
    let changes =
        vec![fixture::unlisted(&hub.view, &user(name)), ProposedChange::RemoveClient(leaf)];
    let change = commit(&hub.view, member(&hub.view, "a/alice/phone"), changes);
    hub.commit(&local("a/alice/phone"), &change, Extras::default()).unwrap();
}

/// POLICY-CAP-ADD-5, AMB-GI-8, PROTO-GI-2: a code leads into its role; wrong ones and none are the
/// same.
#[test]
fn a_code_leads_into_its_role() {
    let mut hub = hub();
    let (good, other) = (code(1, 2, None, None), code(2, 2, None, None));
    add(&mut hub, vec![link(&good)]).unwrap();
    let answer = |result: Result<(), Reject>| {
        crate::reply::group_info(&room_uri(), &result.unwrap_err()).unwrap()
    };
    let unknown = answer(ask(&mut hub, "c/cathy/phone", &other));
    let none = hub.group_info(&peer("c.example"), "c/cathy/phone", KEY).map(drop);
    assert_eq!(unknown, answer(none));
    let forged = CodeText { role: 3, ..good.clone() };
    assert_eq!(unknown, answer(ask(&mut hub, "c/cathy/phone", &forged)));
    ask(&mut hub, "c/cathy/phone", &good).unwrap();
    // The list entry that the joiner brings is of the code's role.
    let denied = come(&mut hub, "c/cathy/phone", 3).unwrap_err();
    assert!(matches!(denied, Reject::Denied(_)), "{denied}");
    come(&mut hub, "c/cathy/phone", 2).unwrap();
    assert_eq!(hub.view.role_index_of(&user("c/cathy")), Some(2));
}

/// A code that was good when it was asked about must still be good when it is used: of two with the
/// last use one comes in.
#[test]
fn the_last_use_is_one_persons() {
    let mut hub = hub();
    let last = code(1, 2, Some(1), None);
    add(&mut hub, vec![link(&last)]).unwrap();
    ask(&mut hub, "c/cathy/phone", &last).unwrap();
    ask(&mut hub, "d/dan/phone", &last).unwrap();
    // The use is in the log beside the commit, and nobody is sent it.
    let transition = come(&mut hub, "d/dan/phone", 2).unwrap();
    let [_, note] = appended(&transition)[..] else { panic!("a commit and a note") };
    assert_eq!((note.kind, note.targets.clone()), (EventKind::HubNote, Some(Vec::new())));
    assert!(note.audience.is_empty() && note.payload.is_empty());
    let reject = come(&mut hub, "c/cathy/phone", 2).unwrap_err();
    let response = crate::reply::update(&reject).unwrap();
    assert_eq!(response.outcome, UpdateOutcome::NotAllowed);
    assert!(ask(&mut hub, "c/cathy/phone", &last).is_err());
}

/// n and n + 1; whoever comes back uses the code once more.
#[test]
fn uses_are_counted() {
    let mut hub = hub();
    let twice = code(1, 2, Some(2), None);
    add(&mut hub, vec![link(&twice)]).unwrap();
    come_by(&mut hub, "c/cathy/phone", &twice).unwrap();
    // A further device of a participant needs no code, and uses none up.
    ask(&mut hub, "c/cathy/laptop", &twice).unwrap();
    assert_eq!(hub.state.grants.last().unwrap().joining_code, None);
    let laptop = identity("c/cathy/laptop");
    let change =
        commit(&hub.view, Actor::Joiner(laptop.clone()), vec![ExternalJoin(laptop.clone())]);
    let extras = Extras { joiner_signature_key: Some(KEY), ..Extras::default() };
    hub.commit(&peer("c.example"), &change, extras).unwrap();
    come_by(&mut hub, "d/dan/phone", &twice).unwrap();
    assert!(come_by(&mut hub, "e/eve/phone", &twice).is_err());
    go(&mut hub, "d/dan/phone");
    assert!(come_by(&mut hub, "d/dan/phone", &twice).is_err());
}

/// The count is in the snapshot and in the log: nothing is counted twice or forgotten at a restart.
#[test]
fn uses_survive_a_restart() {
    let mut hub = hub();
    let once = code(1, 2, Some(1), None);
    add(&mut hub, vec![link(&once)]).unwrap();
    ask(&mut hub, "c/cathy/phone", &once).unwrap();
    ask(&mut hub, "d/dan/phone", &once).unwrap();
    let state = HubSnapshot { group: Vec::new(), state: hub.state.clone() }.encode();
    let mut again = HubSnapshot::decode(&state).unwrap().state;
    assert_eq!(again, hub.state);
    let (view, change) = (hub.view.clone(), coming(&hub, "c/cathy/phone", 2));
    let transition = come(&mut hub, "c/cathy/phone", 2).unwrap();
    for event in appended(&transition) {
        let observed = match event.kind {
            EventKind::Commit => Observed::Commit { change: &change, after: &hub.view },
            _ => Observed::Plain,
        };
        again.observe(event, observed).unwrap();
    }
    assert_eq!(again, hub.state);
    assert_eq!(again.code_uses.values().copied().collect::<Vec<_>>(), [1]);
    let octets = once.to_string().into_bytes();
    assert_eq!(presented(&again, &view, &octets, NOW).standing, CodeStanding::Spent);
}

/// A link that is taken back lets nobody in, not even those who asked before.
#[test]
fn revoked_codes_are_spent() {
    let mut hub = hub();
    let codes = [code(1, 2, None, None), code(2, 2, Some(5), None)];
    add(&mut hub, codes.iter().map(link).collect()).unwrap();
    come_by(&mut hub, "c/cathy/phone", &codes[1]).unwrap();
    assert_eq!(hub.state.code_uses.len(), 1);
    ask(&mut hub, "d/dan/phone", &codes[1]).unwrap();
    revoke(&mut hub, 1);
    assert!(hub.state.code_uses.is_empty());
    assert!(come(&mut hub, "d/dan/phone", 2).is_err());
    assert!(ask(&mut hub, "d/dan/phone", &codes[1]).is_err());
    come_by(&mut hub, "d/dan/phone", &codes[0]).unwrap();
}

/// A code ends at its time, also for those who asked before.
#[test]
fn expired_codes_are_spent() {
    let mut hub = hub();
    let hour = code(1, 2, None, Some(NOW + 60_000));
    add(&mut hub, vec![link(&hour)]).unwrap();
    hub.now_ms = NOW + 59_999;
    ask(&mut hub, "c/cathy/phone", &hour).unwrap();
    ask(&mut hub, "d/dan/phone", &hour).unwrap();
    come(&mut hub, "c/cathy/phone", 2).unwrap();
    hub.now_ms = NOW + 60_000;
    assert!(come(&mut hub, "d/dan/phone", 2).is_err());
    assert!(ask(&mut hub, "d/dan/phone", &hour).is_err());
}

/// POLICY-CAP-ADD-5: without canUseJoinCode outside, or without a way from there, no code helps;
/// neither does it help whoever is banned.
#[test]
fn who_no_code_helps() {
    let mut hub = hub();
    let (good, admin) = (code(1, 2, None, None), code(2, 4, None, None));
    add(&mut hub, vec![link(&good), link(&admin)]).unwrap();
    assert!(ask(&mut hub, "c/cathy/phone", &admin).is_err());
    let banned = UserRolePair { user: user("d/dan"), role_index: 1 };
    hub.view.participants.participants.push(banned);
    assert!(ask(&mut hub, "d/dan/phone", &good).is_err());
    for role in hub.view.roles.roles.iter_mut().filter(|role| role.role_index == 0) {
        role.role_capabilities.clear();
    }
    assert!(ask(&mut hub, "c/cathy/phone", &good).is_err());
}

/// A ban between asking and coming counts.
#[test]
fn a_ban_beats_a_code() {
    let mut hub = hub();
    let good = code(1, 2, None, None);
    add(&mut hub, vec![link(&good)]).unwrap();
    ask(&mut hub, "d/dan/phone", &good).unwrap();
    let banned = UserRolePair { user: user("d/dan"), role_index: 1 };
    hub.view.participants.participants.push(banned);
    assert!(come(&mut hub, "d/dan/phone", 2).is_err());
}

/// Where the room is open all the same, nobody uses a code up.
#[test]
fn an_open_room_uses_up_nothing() {
    let mut hub = hub();
    let once = code(1, 2, Some(1), None);
    add(&mut hub, vec![link(&once)]).unwrap();
    for role in hub.view.roles.roles.iter_mut().filter(|role| role.role_index == 0) {
        role.role_capabilities.push(Capability::CAN_OPEN_JOIN);
    }
    come_by(&mut hub, "c/cathy/phone", &once).unwrap();
    assert!(hub.state.code_uses.is_empty());
}

/// A grant for one code is none for another, and ends like any grant.
#[test]
fn a_grant_is_for_the_code_it_was_given_for() {
    let mut hub = hub();
    let (guest, regular) = (code(1, 2, None, None), code(2, 3, None, None));
    add(&mut hub, vec![link(&guest), link(&regular)]).unwrap();
    ask(&mut hub, "c/cathy/phone", &guest).unwrap();
    assert!(come(&mut hub, "c/cathy/phone", 3).is_err());
    // The later question counts.
    ask(&mut hub, "c/cathy/phone", &regular).unwrap();
    assert!(come(&mut hub, "c/cathy/phone", 2).is_err());
    hub.now_ms += JOIN_GRANT_LIFETIME_MS;
    assert!(come(&mut hub, "c/cathy/phone", 3).is_err());
    come_by(&mut hub, "c/cathy/phone", &regular).unwrap();
}

fn set_policy(hub: &mut Hub, multiuser: bool, expiration: u32) {
    let on_request = false;
    let policy = JoinLinkPolicy { on_request, join_link: String::new(), multiuser, expiration };
    hub.view.other_components.insert(JOIN_LINK_POLICY, policy.encode());
}

/// POLICY-JL-1: where links are not for many, each lets one in.
#[test]
fn single_user_links() {
    let mut hub = hub();
    set_policy(&mut hub, false, u32::MAX);
    let many = code(1, 2, Some(9), Some(NOW + 1));
    add(&mut hub, vec![link(&many)]).unwrap();
    come_by(&mut hub, "c/cathy/phone", &many).unwrap();
    assert!(ask(&mut hub, "d/dan/phone", &many).is_err());
    // Where they are, their own number counts.
    set_policy(&mut hub, true, u32::MAX);
    ask(&mut hub, "d/dan/phone", &many).unwrap();
}

/// Other links that go change nothing for one that stands: what was used is used.
#[test]
fn uses_outlast_other_links() {
    let mut hub = hub();
    let (once, other) = (code(1, 2, Some(1), None), code(2, 2, None, None));
    add(&mut hub, vec![link(&once), link(&other)]).unwrap();
    come_by(&mut hub, "c/cathy/phone", &once).unwrap();
    revoke(&mut hub, 1);
    assert!(ask(&mut hub, "d/dan/phone", &other).is_err());
    assert!(ask(&mut hub, "d/dan/phone", &once).is_err());
}

/// A link that was written down twice stands.
#[test]
fn a_link_that_stands_twice() {
    let mut hub = hub();
    let good = code(1, 2, None, None);
    add(&mut hub, vec![link(&good), link(&good)]).unwrap();
    ask(&mut hub, "c/cathy/phone", &good).unwrap();
    revoke(&mut hub, 0);
    ask(&mut hub, "c/cathy/phone", &good).unwrap();
}

/// POLICY-JL-1: new links last no longer than the policy says, give or take clocks.
#[test]
fn links_that_last_too_long() {
    let mut hub = hub();
    set_policy(&mut hub, true, 3_600);
    let most_ms = NOW + 3_600_000 + CLOCK_SKEW_MS_MAX;
    let reject = add(&mut hub, vec![link(&code(1, 2, None, Some(most_ms + 1)))]).unwrap_err();
    assert!(reject.to_string().contains("3600 seconds"), "{reject}");
    assert!(add(&mut hub, vec![link(&code(1, 2, None, None))]).is_err());
    add(&mut hub, vec![link(&code(1, 2, None, Some(most_ms)))]).unwrap();
    // What others mean by their links is not ours to read.
    add(&mut hub, vec![JoinLink(b"https://chat.example/i/xyz".to_vec())]).unwrap();
}

/// Links of other forms, and links into other rooms, stay and let nobody in.
#[test]
fn foreign_links_let_nobody_in() {
    let mut hub = hub();
    let elsewhere = fixture::uri("mimi://a.example/r/2");
    let own = code(1, 2, None, None);
    let foreign = vec![
        JoinLink(b"mimi://a.example/r/1#something-else".to_vec()),
        JoinLink(own.to_string().into_bytes()),
        RoomLink::new(elsewhere, &own).to_component(),
        JoinLink(vec![0xff, 0x00]),
    ];
    add(&mut hub, foreign).unwrap();
    assert!(ask(&mut hub, "c/cathy/phone", &own).is_err());
    let octets = b"something-else".as_slice();
    let cathy = identity("c/cathy/phone");
    assert!(hub.group_info_with(&peer("c.example"), &cathy, KEY, Some(octets)).is_err());
    assert!(hub.view.other_components.contains_key(&JOIN_LINKS));
}

/// n and n + 1 links.
#[test]
fn a_room_keeps_so_many_links() {
    let mut hub = hub();
    let numbered = |number: usize| JoinLink(format!("link {number}").into_bytes());
    add(&mut hub, (0..Limits::DEFAULT.join_links_max).map(numbered).collect()).unwrap();
    assert!(add(&mut hub, vec![numbered(Limits::DEFAULT.join_links_max)]).is_err());
    revoke(&mut hub, 0);
    add(&mut hub, vec![numbered(Limits::DEFAULT.join_links_max)]).unwrap();
}

/// Links that wait for a commit count together: no commit could hold too many of them.
#[test]
fn pending_links_are_counted_together() {
    let mut hub = hub();
    let half = Limits::DEFAULT.join_links_max / 2;
    let links = |from: usize, count: usize| -> Vec<JoinLink> {
        let secrets = from..from + count;
        secrets
            .map(|number| {
                let mut code = code(0, 2, None, None);
                code.secret[..8].copy_from_slice(&number.to_be_bytes());
                link(&code)
            })
            .collect()
    };
    let mut propose = |seed: u8, added_links| {
        let update = JoinLinksUpdate { added_links, ..JoinLinksUpdate::default() };
        let alice = member(&hub.view, "a/alice/phone");
        let change = fixture::proposals(&hub.view, &alice, seed, vec![JoinLinks(update)]);
        hub.propose(&local("a/alice/phone"), &change)
    };
    propose(1, links(0, half)).unwrap();
    assert!(propose(2, links(half, half + 1)).is_err());
    propose(3, links(half, half)).unwrap();
}
