//! What the other policy components must hold, at a founding and in every change.

use mimi_policy::{Actor, ProposedChange, RoomView, Rule, check_founding};
use mimi_wire::component::{
    ASSET_POLICY, BOT_POLICY, CHAT_HISTORY_POLICY, ComponentId, JOIN_LINK_POLICY, JOIN_LINKS,
    LINK_PREVIEW_POLICY, LOGGING_POLICY, MESSAGE_EXPIRATION_POLICY, MLS_OPERATIONAL_POLICY,
    STATUS_NOTIFICATION_POLICY,
};
use mimi_wire::room::asset_policy::{
    AssetPolicy, AssetUploadLocation, DownloadPrivacyType, ProviderAssetUploadDomains,
};
use mimi_wire::room::bot_policy::{Bot, BotPolicy};
use mimi_wire::room::capability::Capability;
use mimi_wire::room::chat_history_policy::{HistoryPolicy, HistorySharing};
use mimi_wire::room::join_links::{JoinLink, JoinLinkPolicy, JoinLinksData, JoinLinksUpdate};
use mimi_wire::room::link_preview_policy::LinkPreviewPolicy;
use mimi_wire::room::logging_policy::{Logging, LoggingPolicy};
use mimi_wire::room::message_expiration_policy::{ExpirationRange, MessageExpiration};
use mimi_wire::room::operational_policy::{
    MinDefaultMaxTime, OperationalParameters, PendingProposalPolicy,
};
use mimi_wire::room::optionality::{Conditional, Optionality};
use mimi_wire::{Domain, Wire};

use crate::room::{
    ENFORCER, ORDINARY, Room, SUPER, add_client, assert_allowed, assert_denied, client, hub, plain,
};

const ALL: [ComponentId; 9] = [
    MLS_OPERATIONAL_POLICY,
    STATUS_NOTIFICATION_POLICY,
    JOIN_LINK_POLICY,
    LINK_PREVIEW_POLICY,
    ASSET_POLICY,
    LOGGING_POLICY,
    CHAT_HISTORY_POLICY,
    BOT_POLICY,
    MESSAGE_EXPIRATION_POLICY,
];

/// A room in which alice may change everything and every policy component is listed.
fn liberal() -> Room {
    let mut room = Room::usual();
    room.role_mut(SUPER).role_capabilities = Capability::ALL
        .iter()
        .copied()
        .filter(|capability| *capability != Capability::CAN_OPEN_JOIN)
        .collect();
    room.policy_mut().policy_component_ids.extend(ALL);
    room
}

/// At the founding and as a change, the same answer.
#[track_caller]
fn refused(id: ComponentId, octets: &[u8], rule: Rule, because: &str) {
    let room = liberal();
    let change = ProposedChange::OtherComponent(id, octets.to_vec());
    let denied = assert_denied(room.commit("alice", [change]), rule);
    assert!(denied.needed.contains(because), "{denied}");
    let mut founded = room.view.clone();
    founded.other_components.insert(id, octets.to_vec());
    let denied = check_founding(&founded).unwrap_err();
    assert_eq!(denied.rule, rule, "{denied}");
}

#[track_caller]
fn taken(id: ComponentId, octets: &[u8]) {
    let room = liberal();
    assert_allowed(room.commit("alice", [ProposedChange::OtherComponent(id, octets.to_vec())]));
    let mut founded = room.view.clone();
    founded.other_components.insert(id, octets.to_vec());
    assert_eq!(check_founding(&founded), Ok(()));
}

#[test]
fn each_must_be_readable() {
    // PROTO-ST-6, POLICY-STAT-1, POLICY-JL-1
    let rules = [
        Rule::OperationalPolicy,
        Rule::StatusPolicy,
        Rule::JoinLinkPolicy,
        Rule::LinkPreviewPolicy,
        Rule::AssetPolicy,
        Rule::LoggingPolicy,
        Rule::HistoryPolicy,
        Rule::BotPolicy,
        Rule::ExpirationPolicy,
    ];
    for (id, rule) in ALL.into_iter().zip(rules) {
        taken(id, &plain(id));
        refused(id, &[7, 7, 7], rule, "");
        refused(id, &[&plain(id)[..], &[0]].concat(), rule, "");
    }
    // What nobody here knows is carried.
    let mut room = liberal().view;
    room.other_components.insert(0x8001, vec![9]);
    assert_eq!(check_founding(&room), Ok(()));
    room.other_components.insert(JOIN_LINKS, vec![9]);
    assert_eq!(check_founding(&room).unwrap_err().rule, Rule::JoinLinkPolicy);
}

#[test]
fn a_denial_of_a_value_is_a_sentence() {
    let range =
        ExpirationRange { default_expiration_duration: Some(9), ..ExpirationRange::default() };
    let policy = MessageExpiration { expiring_messages: Conditional::Optional(range) };
    let change = ProposedChange::OtherComponent(MESSAGE_EXPIRATION_POLICY, policy.encode());
    let denied = liberal().commit("alice", [change]).unwrap_err();
    assert_eq!(
        denied.to_string(),
        "alice may not set the message expiration policy so: default_expiration_duration: what is \
         suggested must lie between the minimum and the maximum"
    );
    assert_eq!(denied.rule.id(), "POLICY-EXPR-1");
}

#[test]
fn link_previews() {
    // POLICY-LP-1
    let policy = |autodetect, proxy| {
        LinkPreviewPolicy {
            autodetect_hyperlinks_in_text: autodetect,
            send_link_previews: Optionality::Required,
            automatic_link_previews: Optionality::Forbidden,
            link_preview_proxy: proxy,
        }
        .encode()
    };
    let named = || Some("https://proxy.example".to_owned());
    let (id, rule) = (LINK_PREVIEW_POLICY, Rule::LinkPreviewPolicy);
    taken(id, &policy(Optionality::Optional, Conditional::Optional(named())));
    taken(id, &policy(Optionality::Forbidden, Conditional::Required(named())));
    refused(id, &policy(Optionality::Required, Conditional::Forbidden), rule, "required");
    for proxy in [None, Some(String::new())] {
        let required = policy(Optionality::Optional, Conditional::Required(proxy.clone()));
        refused(id, &required, rule, "named");
        refused(id, &policy(Optionality::Optional, Conditional::Optional(proxy)), rule, "named");
    }
}

#[test]
fn assets() {
    // POLICY-AS-1, AMB-DL-6
    let with = |change: &dyn Fn(&mut AssetPolicy)| {
        let mut policy = AssetPolicy::decode(&plain(ASSET_POLICY)).unwrap();
        change(&mut policy);
        policy.encode()
    };
    let domains = |provider: &str| ProviderAssetUploadDomains {
        provider: Domain::new(provider).unwrap(),
        asset_upload_destinations: Vec::new(),
    };
    let refused =
        |octets: &[u8], because: &str| refused(ASSET_POLICY, octets, Rule::AssetPolicy, because);
    refused(
        &with(&|it| it.download_privacy.default_download_type = DownloadPrivacyType::Ohttp),
        "default",
    );
    refused(
        &with(&|it| {
            it.download_privacy.forbidden_download_types.push(DownloadPrivacyType::Direct);
        }),
        "default",
    );
    let hub = |providers: &[&str]| {
        with(&|it| {
            it.asset_upload_location = AssetUploadLocation::Hub;
            it.upload_domains = providers.iter().map(|provider| domains(provider)).collect();
        })
    };
    taken(ASSET_POLICY, &hub(&["a.example"]));
    refused(&hub(&[]), "exactly the hub");
    refused(&hub(&["b.example"]), "not b.example");
    refused(&hub(&["a.example", "b.example"]), "exactly the hub");
    taken(
        ASSET_POLICY,
        &with(&|it| {
            it.asset_upload_location = AssetUploadLocation::LocalProvider;
            it.upload_domains = vec![domains("b.example"), domains("c.example")];
        }),
    );
}

#[test]
fn logging() {
    // POLICY-LOG-1
    let logging = |clients: &[&str]| Logging {
        logging_clients: clients.iter().map(|client| (*client).to_owned()).collect(),
        ..Logging::default()
    };
    let octets = |logging| LoggingPolicy { logging }.encode();
    let (id, rule) = (LOGGING_POLICY, Rule::LoggingPolicy);
    let one = "mimi://a.example/d/log/1";
    taken(id, &octets(Conditional::Optional(logging(&[]))));
    taken(id, &octets(Conditional::Required(logging(&[one, "mimi://b.example/d/log/1"]))));
    refused(id, &octets(Conditional::Required(logging(&[]))), rule, "needs a client");
    let twice = logging(&[one, "mimi://a.example/d/log/2"]);
    refused(id, &octets(Conditional::Optional(twice)), rule, "a.example logs already");
    // Forbidden logging has no clients: there is no place for them.
    refused(id, &[2, 0], rule, "");
}

#[test]
fn chat_history() {
    // POLICY-HIST-1
    let octets = |roles: &[u32]| {
        let sharing =
            HistorySharing { roles_that_can_share: roles.to_vec(), ..HistorySharing::default() };
        HistoryPolicy { history_sharing: Conditional::Optional(sharing) }.encode()
    };
    let (id, rule) = (CHAT_HISTORY_POLICY, Rule::HistoryPolicy);
    taken(id, &octets(&[ORDINARY, SUPER]));
    for role in [0, 1] {
        refused(id, &octets(&[ORDINARY, role]), rule, "cannot share");
    }
    refused(id, &octets(&[77]), rule, "no role 77");
    refused(id, &octets(&[ENFORCER]), rule, "policy_enforcer");
}

#[test]
fn bots() {
    // POLICY-BOT-1
    let octets = |local_client_bot, bot_role_index| {
        let bot = Bot { local_client_bot, bot_role_index, ..Bot::default() };
        BotPolicy { allowed_bots: vec![Bot::default(), bot] }.encode()
    };
    let (id, rule) = (BOT_POLICY, Rule::BotPolicy);
    taken(id, &octets(true, 0));
    taken(id, &octets(false, 0));
    taken(id, &octets(false, ORDINARY));
    refused(id, &octets(true, ORDINARY), rule, "local bot");
    refused(id, &octets(false, 77), rule, "no role 77");
    refused(id, &octets(false, 1), rule, "banned");
}

#[test]
fn message_expiration() {
    // POLICY-EXPR-1
    let octets = |min, max, default| {
        MessageExpiration {
            expiring_messages: Conditional::Required(ExpirationRange {
                min_expiration_duration: min,
                max_expiration_duration: max,
                default_expiration_duration: default,
            }),
        }
        .encode()
    };
    let (id, rule) = (MESSAGE_EXPIRATION_POLICY, Rule::ExpirationPolicy);
    for default in [None, Some(5), Some(7), Some(9)] {
        taken(id, &octets(5, 9, default));
    }
    refused(id, &octets(9, 5, None), rule, "minimum");
    refused(id, &octets(5, 9, Some(4)), rule, "between");
    refused(id, &octets(5, 9, Some(10)), rule, "between");
}

#[test]
fn operational_parameters() {
    // POLICY-OP-1, POLICY-OP-2
    let with = |change: &dyn Fn(&mut OperationalParameters)| {
        let mut policy = OperationalParameters::decode(&plain(MLS_OPERATIONAL_POLICY)).unwrap();
        change(&mut policy);
        policy.encode()
    };
    let refused = |octets: &[u8], because: &str| {
        refused(MLS_OPERATIONAL_POLICY, octets, Rule::OperationalPolicy, because)
    };
    let times = |minimum_time, default_time, maximum_time| MinDefaultMaxTime {
        minimum_time,
        default_time,
        maximum_time,
    };
    taken(MLS_OPERATIONAL_POLICY, &with(&|it| it.leaf_node_update_time = times(1, 1, 2)));
    refused(&with(&|it| it.leaf_node_update_time = times(2, 1, 2)), "ascend");
    refused(&with(&|it| it.sender_nonce_keypair_lifetime = times(1, 3, 2)), "ascend");
    refused(&with(&|it| it.buffer_incoming_message_time = times(3, 3, 2)), "ascend");
    let delay = |minimum_delay_ms, maximum_delay_ms| {
        with(&|it| {
            it.pending_proposal_policy =
                PendingProposalPolicy::RandomDelay { minimum_delay_ms, maximum_delay_ms };
        })
    };
    taken(MLS_OPERATIONAL_POLICY, &delay(5, 5));
    refused(&delay(6, 5), "delay");
    refused(&with(&|it| it.handshake_formats = vec![1, 2]), "public");
    taken(MLS_OPERATIONAL_POLICY, &with(&|it| it.handshake_formats = vec![1]));
    let both = with(&|it| {
        it.mandatory_capabilities.proposals = vec![8];
        it.forbidden_capabilities.proposals = vec![8];
    });
    refused(&both, "forbidden as well");
}

#[test]
fn nobody_from_outside_where_the_room_says_so() {
    // POLICY-OP-2
    let set = |commits, proposals| {
        let policy = OperationalParameters {
            external_commit_allowed: commits,
            external_proposal_allowed: proposals,
            ..OperationalParameters::default()
        };
        let mut room = liberal();
        room.view.other_components.insert(MLS_OPERATIONAL_POLICY, policy.encode());
        room
    };
    let join = |room: &Room| {
        let new = client("bob", 3);
        let joins = ProposedChange::ExternalJoin(new.clone());
        room.judge_commit(Actor::Joiner(new), [], [joins])
    };
    let propose = |room: &Room| room.propose(&hub(), room.removal("bob"));
    assert_allowed(join(&set(true, false)));
    let denied = assert_denied(join(&set(false, true)), Rule::ExternalCommits);
    assert_eq!(denied.to_string(), "bob may not join this way: the room takes no external commits");
    assert_allowed(propose(&set(false, true)));
    assert_denied(propose(&set(true, false)), Rule::ExternalProposals);
    assert_allowed(set(false, false).commit("alice", [add_client("alice", 3)]));
}

#[test]
fn links_on_request_are_one_at_most() {
    // POLICY-JL-1
    let mut room = liberal();
    let on_request = JoinLinkPolicy { on_request: true, ..JoinLinkPolicy::default() }.encode();
    let policy = ProposedChange::OtherComponent(JOIN_LINK_POLICY, on_request.clone());
    let links = |count| JoinLinksData { links: vec![JoinLink(b"link".to_vec()); count] }.encode();
    let add = |count| {
        ProposedChange::JoinLinks(JoinLinksUpdate {
            removed_indices: Vec::new(),
            added_links: vec![JoinLink(b"new".to_vec()); count],
        })
    };
    assert_allowed(room.commit("alice", [policy.clone(), add(1)]));
    assert_denied(room.commit("alice", [policy.clone(), add(2)]), Rule::JoinLinkKept);
    room.view.other_components.insert(JOIN_LINKS, links(2));
    assert_denied(room.commit("alice", [policy.clone()]), Rule::JoinLinkKept);
    let all = ProposedChange::JoinLinks(JoinLinksUpdate {
        removed_indices: vec![0, 1],
        added_links: Vec::new(),
    });
    assert_allowed(room.commit("alice", [policy, all]));
    room.view.other_components.insert(JOIN_LINK_POLICY, on_request);
    assert_eq!(check_founding(&room.view).unwrap_err().rule, Rule::JoinLinkKept);
    let removal = ProposedChange::RemoveComponent(JOIN_LINK_POLICY);
    assert_allowed(room.commit("alice", [removal, add(3)]));
    // Of too many some may go.
    room.view.other_components.insert(JOIN_LINKS, links(3));
    let one = JoinLinksUpdate { removed_indices: vec![0], added_links: Vec::new() };
    assert_allowed(room.commit("alice", [ProposedChange::JoinLinks(one)]));
}

#[test]
fn roles_that_components_name_stay() {
    // POLICY-HIST-1, POLICY-BOT-1
    let mut room = liberal();
    let bots = BotPolicy { allowed_bots: vec![Bot { bot_role_index: 3, ..Bot::default() }] };
    room.view.other_components.insert(BOT_POLICY, bots.encode());
    let mut roles = room.view.roles.clone();
    roles.roles.retain(|role| role.role_index != 3);
    let without = ProposedChange::Roles(roles);
    let denied = assert_denied(room.commit("alice", [without.clone()]), Rule::RoleInUse);
    assert!(denied.needed.contains("the bot policy needs it"), "{denied}");
    let fewer = ProposedChange::OtherComponent(BOT_POLICY, vec![0]);
    assert_allowed(room.commit("alice", [without.clone(), fewer]));
    assert_allowed(room.commit("alice", [without, ProposedChange::RemoveComponent(BOT_POLICY)]));
}

#[test]
fn roles_do_not_contradict_themselves() {
    // POLICY-ROLE-2
    let mut room: RoomView = liberal().view;
    room.roles.roles[2].minimum_active_participants_constraint = 2;
    room.roles.roles[2].maximum_active_participants_constraint = Some(2);
    assert_eq!(check_founding(&room), Ok(()));
    room.roles.roles[2].maximum_active_participants_constraint = Some(1);
    assert_eq!(check_founding(&room).unwrap_err().rule, Rule::RoleConstraints);
}
