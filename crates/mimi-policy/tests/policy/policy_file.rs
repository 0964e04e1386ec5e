//! Policies in files: what can be said, and every mistake told at once.

use std::collections::BTreeMap;

use mimi_policy::policy_file::{POLICY_FILE_OCTETS_MAX, PolicyFault, RoomPolicy, parse};
use mimi_policy::preset::{Preset, hub_preauth};
use mimi_policy::{RoomView, check_founding};
use mimi_wire::component::{
    ASSET_POLICY, BASE_ROOM_POLICY, BOT_POLICY, CHAT_HISTORY_POLICY, ComponentId, JOIN_LINK_POLICY,
    LINK_PREVIEW_POLICY, LOGGING_POLICY, MESSAGE_EXPIRATION_POLICY, MLS_OPERATIONAL_POLICY,
    PREAUTH_LIST, ROLES_LIST, STATUS_NOTIFICATION_POLICY,
};
use mimi_wire::room::asset_policy::{AssetPolicy, DownloadPrivacyType};
use mimi_wire::room::bot_policy::BotPolicy;
use mimi_wire::room::capability::Capability;
use mimi_wire::room::chat_history_policy::HistoryPolicy;
use mimi_wire::room::operational_policy::OperationalParameters;
use mimi_wire::room::preauth::Claim;
use mimi_wire::room::roles::Role;
use mimi_wire::{Domain, Wire};
use proptest::prelude::*;

use crate::properties::tables;
use crate::room::{Room, plain};

fn good(text: &str) -> RoomPolicy {
    parse(text).unwrap_or_else(|faults| panic!("{}", told(&faults)))
}

fn told(faults: &[PolicyFault]) -> String {
    faults.iter().map(|fault| format!("{fault}\n")).collect()
}

/// Everything that is wrong, as people read it.
#[track_caller]
fn wrong(text: &str, expected: &str) {
    let faults = parse(text).expect_err("a policy that must not be taken");
    assert_eq!(told(&faults), expected);
}

const WHOLE: &str = r#"
    creator_role = "host"
    ordinary_role = "reader"

    [[roles]]
    role_index = 2
    role_name = "reader"
    role_description = "reads and writes"
    capabilities = ["canSendMessage", "canReceiveMessage", "canRemoveSelf", "0xf001"]
    maximum_participants = 40
    authorized_role_changes = [{ from = "reader", to = ["no_role"] }]

    [[roles]]
    role_index = 7
    role_name = "host"
    capabilities = ["canAddParticipant", "canUnban"]
    minimum_participants = 1
    authorized_role_changes = [{ from = 0, to = ["reader", 7] }]
"#;

#[test]
fn a_file_may_define_everything() {
    let policy = good(WHOLE);
    assert_eq!((policy.creator_role, policy.ordinary_role, policy.hub_role), (7, 2, None));
    let [reader, host] = policy.roles.roles.as_slice() else { panic!("two roles") };
    assert_eq!(reader.role_capabilities[3], Capability(0xf001));
    assert_eq!(reader.maximum_participants_constraint, Some(40));
    assert_eq!(host.role_capabilities[1], Capability::CAN_UNBAN);
    assert_eq!(host.authorized_role_changes[0].target_role_indexes, [2, 7]);
    let base = policy.base.unwrap();
    assert!(base.multi_device && !base.fixed_membership);
    // POLICY-BASE-9
    assert_eq!(base.policy_component_ids, [ROLES_LIST, BASE_ROOM_POLICY]);
}

#[test]
fn a_file_may_change_a_preset() {
    let policy = good(
        r#"
        preset = "moderated"
        drop_roles = ["guest"]
        ordinary_role = "listener"

        [base]
        max_users = 40
        persistent_room = true

        [[roles]]
        role_index = 3
        role_name = "listener"

        [[roles]]
        role_name = "speaker"
        add_capabilities = ["canEditReaction", "canSendMessage"]
        remove_capabilities = ["canSendLink"]
        maximum_active_participants = 12

        [[roles]]
        role_index = 9
        role_name = "helper"
        capabilities = ["canKick"]

        [status_notification_policy]
        read_receipts = "forbidden"
        "#,
    );
    let names: Vec<&str> = policy.roles.roles.iter().map(|role| role.role_name.as_str()).collect();
    let expected = "no_role banned listener speaker moderator super_admin policy_enforcer helper";
    assert_eq!(names.join(" "), expected);
    assert_eq!((policy.ordinary_role, policy.creator_role, policy.hub_role), (3, 6, Some(7)));
    let speaker = &policy.roles.roles[3];
    assert!(speaker.role_capabilities.contains(&Capability::CAN_EDIT_REACTION));
    assert!(!speaker.role_capabilities.contains(&Capability::CAN_SEND_LINK));
    let sends = |held: &&Capability| **held == Capability::CAN_SEND_MESSAGE;
    assert_eq!(speaker.role_capabilities.iter().filter(sends).count(), 1);
    assert_eq!(speaker.maximum_active_participants_constraint, Some(12));
    // What led to the role that is gone leads there no more.
    assert_eq!(policy.roles.roles[0].authorized_role_changes[0].target_role_indexes, [3]);
    assert_eq!(policy.components, BTreeMap::from([(STATUS_NOTIFICATION_POLICY, vec![0, 2])]));
    let base = policy.base.as_ref().unwrap();
    assert_eq!(base.max_users, Some(40));
    assert_eq!(
        base.policy_component_ids,
        [ROLES_LIST, PREAUTH_LIST, BASE_ROOM_POLICY, STATUS_NOTIFICATION_POLICY]
    );
    assert_founds(&policy);
}

/// A room of its creator alone can be founded with a policy.
fn assert_founds(policy: &RoomPolicy) {
    let hub = Domain::new("a.example").unwrap();
    let mut view: RoomView = Room::new().with("alice", policy.creator_role, 1).view;
    view.roles = policy.roles.clone();
    view.preauth = policy.preauth_at(&hub);
    view.base_policy = policy.base.clone();
    view.other_components = policy.components.clone();
    assert_eq!(check_founding(&view), Ok(()));
}

#[test]
fn presets_are_policies_and_files() {
    // POLICY-PRESET-1
    let hub = Domain::new("a.example").unwrap();
    for preset in Preset::ALL.iter().copied() {
        assert_eq!(preset.to_string().parse::<Preset>(), Ok(preset));
        let policy = RoomPolicy::of_preset(preset);
        assert_eq!(good(&format!("preset = \"{preset}\"")), policy);
        assert_eq!(good(&policy.to_toml()), policy, "{preset}");
        assert_eq!(policy.preauth_at(&hub), hub_preauth(&hub, preset));
        assert_founds(&policy);
    }
    let unknown = "chaotic".parse::<Preset>().unwrap_err();
    assert!(unknown.to_string().contains("moderated, multi-organization, direct"), "{unknown}");
}

#[test]
fn who_is_preauthorized() {
    // POLICY-PRE-2, AMB-POL-3
    let policy = good(
        r#"
        preset = "strict"
        [[preauth]]
        role = "ordinary_user"
        claims = [
            { credential_type = "x509", oid = "2.5.4.10", value = "Example Inc" },
            "OU=Tea Society",
            { credential_type = 2, id_hex = "55 04 03", value_hex = "00ff" },
        ]
        [[preauth]]
        role = 3
        claims = [{ credential_type = "basic", value = "mimi://b.example" }]
        "#,
    );
    let [one, other] = policy.preauth.entries.as_slice() else { panic!("two entries") };
    let claim = |credential_type, id: &[u8], value: &[u8]| Claim {
        credential_type,
        id: id.to_vec(),
        claim_value: value.to_vec(),
    };
    assert_eq!(
        one.claimset,
        [
            claim(2, &[0x55, 4, 10], b"Example Inc"),
            claim(2, &[0x55, 4, 11], b"Tea Society"),
            claim(2, &[0x55, 4, 3], &[0, 0xff]),
        ]
    );
    assert_eq!(other.claimset, [claim(1, b"", b"mimi://b.example")]);
    assert_eq!((one.target_role.role_index, other.target_role.role_index), (2, 3));
    let text = policy.to_toml();
    assert_eq!(good(&text), policy);
    // What can be read is written so.
    assert!(text.contains("value = \"Example Inc\"") && text.contains("value_hex = \"00ff\""));
    let hexadecimal = |digits: &str| {
        let claim = format!("{{ credential_type = 2, value_hex = \"{digits}\" }}");
        parse(&format!("preset = \"strict\"\n[[preauth]]\nrole = 2\nclaims = [{claim}]"))
    };
    assert!(hexadecimal("0aFf").is_ok());
    for bad in ["abc", "zz", "aazz", "a"] {
        assert!(hexadecimal(bad).is_err(), "{bad}");
    }
    // The hub comes first.
    let hub = Domain::new("a.example").unwrap();
    let entries = policy.preauth_at(&hub).entries;
    assert_eq!(entries.len(), 3);
    assert_eq!(entries[0], hub_preauth(&hub, Preset::Strict).entries[0]);
    assert_founds(&policy);
    let oid = |dotted: &str| {
        let text = format!(
            "preset = \"strict\"\n[[preauth]]\nrole = 2\n\
             claims = [{{ credential_type = 2, oid = \"{dotted}\", value = \"x\" }}]"
        );
        parse(&text).map(|policy| policy.preauth.entries[0].claimset[0].id.clone())
    };
    assert_eq!(oid("1.2.840.113549.1.9.1").unwrap(), [0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 9, 1]);
    assert_eq!(oid("2.999.0").unwrap(), [0x88, 0x37, 0]);
    assert_eq!(oid("1.39").unwrap(), [79]);
    for bad in ["", "1", "3.1", "1.40", "1.2.x", "1..2", "-1.2"] {
        assert!(oid(bad).is_err(), "{bad}");
    }
}

const COMPONENTS: &str = r#"
    preset = "cooperative"

    [status_notification_policy]
    delivery_notifications = "required"

    [join_link_policy]
    on_request = true
    join_link = "https://a.example/join"
    multiuser = true
    expiration = 86400

    [link_preview_policy]
    automatic_link_previews = "forbidden"
    link_preview_proxy_use = "required"
    link_preview_proxy = "https://proxy.example"

    [asset_policy]
    asset_upload_location = "localProvider"
    upload_domains = [
        { provider = "b.example", asset_upload_destinations = ["cdn.b.example"] },
    ]
    allowed_download_types = ["hubProxy", "ohttp"]
    default_download_type = "ohttp"
    max_image = 1000000
    max_video = 0
    forbidden_media_types = ["text/html", "text/markdown;variant=CommonMark"]
    permitted_media_types = ["image/png"]

    [logging_policy]
    logging = "required"
    logging_clients = ["mimi://a.example/d/log/1"]
    human_readable_policy = "https://a.example/logging"

    [chat_history_policy]
    history_sharing = "optional"
    roles_that_can_share = ["group_admin", 4]
    max_time_period = 3600

    [[bot_policy]]
    name = "Poker"
    bot_role_index = "ordinary_user"
    per_user_content = true

    [[bot_policy]]
    name = "Translator"
    local_client_bot = true

    [message_expiration_policy]
    expiring_messages = "optional"
    min_expiration_duration = 60
    max_expiration_duration = 3600
    default_expiration_duration = 600

    [mls_operational_policy]
    handshake_formats = [1]
    external_proposal_allowed = false
    pending_proposal_policy = { pending_proposal_strategy = "random_delay", minimum_delay_ms = 5, maximum_delay_ms = 9 }
    LeafNode_update_time = { minimum_time = 1, default_time = 2, maximum_time = 3 }
    app_message_policy = { epoch_tolerance = 2, pad_to_size = 256, max_generations_skipahead = 100 }

    [mls_operational_policy.forbidden_capabilities]
    cipher_suites = [7]
    media_types = ["text/html"]
    content_types = [3]
"#;

#[test]
fn every_component_can_be_said() {
    let policy = good(COMPONENTS);
    let ids: Vec<ComponentId> = policy.components.keys().copied().collect();
    let expected = [
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
    assert_eq!(ids, expected);
    let asset = AssetPolicy::decode(&policy.components[&ASSET_POLICY]).unwrap();
    assert_eq!((asset.max_image, asset.max_audio, asset.max_video), (1_000_000, u64::MAX, 0));
    assert!(asset.download_privacy.allows(DownloadPrivacyType::Ohttp));
    let history = HistoryPolicy::decode(&policy.components[&CHAT_HISTORY_POLICY]).unwrap();
    assert_eq!(history.history_sharing.value().unwrap().roles_that_can_share, [3, 4]);
    let bots = BotPolicy::decode(&policy.components[&BOT_POLICY]).unwrap().allowed_bots;
    assert_eq!((bots[0].bot_role_index, bots[1].bot_role_index), (2, 0));
    let octets = &policy.components[&MLS_OPERATIONAL_POLICY];
    let operational = OperationalParameters::decode(octets).unwrap();
    assert!(operational.external_commit_allowed && !operational.external_proposal_allowed);
    let markdown = &asset.forbidden_media_types[1];
    assert_eq!(markdown.media_type, "text/markdown");
    assert_eq!(markdown.parameters, [("variant".to_owned(), "commonmark".to_owned())]);
    assert_eq!(good(&policy.to_toml()), policy);
    assert_founds(&policy);
    let none = good("preset = \"direct\"\nbot_policy = []");
    assert_eq!(none.components[&BOT_POLICY], [0]);
    assert_eq!(good(&none.to_toml()), none);
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    // POLICY-CAP-ADD-3, POLICY-BASE-1, POLICY-BASE-3, POLICY-ROLE-1, POLICY-ROLE-2
    wrong(
        r#"
        creator_role = "nobody"
        ordinary_role = 1
        colour = "green"
        [base]
        max_users = "many"
        fixed_membership = 1
        parent_dependant = true
        [[roles]]
        role_name = "lost"
        capabilities = ["canFly"]
        [[roles]]
        role_index = 1
        role_name = "banned"
        [[roles]]
        role_index = 2
        role_name = "reader"
        capabilities = ["canFly", "canSendMessage", 3]
        minimum_participants = -1
        maximum_participants = "any"
        [[roles]]
        role_index = 3
        role_name = "host"
        capabilities = ["canOpenJoin"]
        minimum_participants = 2
        maximum_participants = 1
        authorized_role_changes = [{ from = "host", to = [7, "lost"] }, { to = [2] }]
        [[roles]]
        role_index = 3
        [[preauth]]
        role = "banned"
        [message_expiration_policy]
        expiring_messages = "maybe"
        min_expiration_duration = 9
        max_expiration_duration = 5
        [chat_history_policy]
        history_sharing = "forbidden"
        roles_that_can_share = ["ghost"]
        "#,
        "\
roles.lost.role_index: is missing
roles.lost.capabilities[0]: \"canFly\" is no capability of the registry
roles.reader.capabilities[0]: \"canFly\" is no capability of the registry
roles.reader.capabilities[2]: must be a string
roles.reader.minimum_participants: must be a whole number, not negative and not too large
roles.reader.maximum_participants: must be a number or \"none\"
roles[4].role_index: role 3 stands in the file twice
roles.host.authorized_role_changes[0].to[0]: there is no role 7
roles.host.authorized_role_changes[0].to[1]: there is no role \"lost\"
roles.host.authorized_role_changes[1].from: is missing
creator_role: there is no role \"nobody\"
ordinary_role: must be a role other than 0 and 1
base.fixed_membership: must be true or false
base.max_users: must be a whole number, not negative and not too large
preauth[0].claims: is missing; an empty list would match everybody
preauth[0].role: must be a role other than 0 and 1
chat_history_policy.roles_that_can_share[0]: there is no role \"ghost\"
chat_history_policy.roles_that_can_share: must be absent where history_sharing is forbidden
message_expiration_policy.expiring_messages: must be one of optional, required, forbidden
colour: is no key here; there are preset, roles, drop_roles, creator_role, ordinary_role, hub_role, \
base, preauth, status_notification_policy, join_link_policy, link_preview_policy, asset_policy, \
logging_policy, chat_history_policy, message_expiration_policy, mls_operational_policy, bot_policy
roles.host: its minimum of participants is over its maximum
roles.host: canOpenJoin belongs to role 0 alone
base.parent_room: a parent is named if and only if the room depends on one
message_expiration_policy.max_expiration_duration: less than the minimum (POLICY-EXPR-1)
",
    );
}

#[test]
fn small_mistakes() {
    wrong("preset = ", "line 1: string values must be quoted, expected literal string\n");
    wrong(
        "preset = \"chaotic\"",
        "preset: \"chaotic\" is no preset; there are cooperative, strict, moderated, \
         multi-organization, direct\n",
    );
    wrong(
        "",
        "roles: needs a [[roles]] table for each role, or name a preset\n\
         creator_role: is missing\nordinary_role: is missing\n",
    );
    let strict = |more: &str| format!("preset = \"strict\"\n{more}");
    wrong(
        &strict("[base]\nfixed_membership = true"),
        "base.fixed_membership: participants are fixed, so group_admin cannot hold \
         canAddParticipant\n",
    );
    wrong(
        &strict("drop_roles = [\"super_admin\"]"),
        "creator_role: names a role that is dropped\n",
    );
    wrong(
        &strict("[[roles]]\nrole_name = \"guest\""),
        "roles.guest.role_index: is missing, and the preset has no such role\n",
    );
    wrong(&strict("[[preauth]]\nclaims = []"), "preauth[0].role: is missing\n");
    wrong(
        &strict("[[preauth]]\nrole = 2\nclaims = [{ id = \"a\", oid = \"1.2\" }]"),
        "preauth[0].claims[0].credential_type: is missing\n\
         preauth[0].claims[0].id: is given more than once: id, id_hex or oid\n\
         preauth[0].claims[0].value: must be given once: value or value_hex\n",
    );
    wrong(
        &strict("[[preauth]]\nrole = 2\nclaims = [\"Tea\", 1]"),
        "preauth[0].claims[0]: \"Tea\" is no claim: write it as O=NAME, OU=NAME, title=NAME or \
         1.3.6.1.4.1.99999.1=VALUE\n\
         preauth[0].claims[1]: must be a string\n",
    );
    // One slip is one fault: both names of a role that stands twice are known to the others.
    wrong(
        r#"
        creator_role = "host"
        ordinary_role = "guest"
        [[roles]]
        role_index = 2
        role_name = "guest"
        [[roles]]
        role_index = 2
        role_name = "host"
        authorized_role_changes = [{ from = "guest", to = ["host"] }]
        [[roles]]
        role_index = 2
        role_name = "host"
        "#,
        "roles.host.role_index: role 2 stands in the file twice\n\
         roles.host.role_index: role 2 stands in the file twice\n",
    );
    wrong(
        &strict("[asset_policy]\nasset_upload_location = \"hub\"\nmax_image = \"huge\""),
        "asset_policy.max_image: must be a number or \"unlimited\"\n\
         asset_policy.upload_domains: assets go to the hub, so exactly the hub is listed\n",
    );
    wrong(
        &strict("[[bot_policy]]\nlocal_client_bot = true\nbot_role_index = 2"),
        "bot_policy.bot_role_index: a local bot has role index 0 (POLICY-BOT-1)\n",
    );
    wrong(
        &strict("[join_link_policy]"),
        "join_link_policy.expiration: is missing: for how many \
         seconds is a new link valid?\n",
    );
    wrong(&strict("roles = 3"), "roles: must be a list\n");
    wrong(&strict("base = 3"), "base: must be a table: [base]\n");
}

#[test]
fn files_have_an_end() {
    let fits = |octets: usize| {
        let text = "preset = \"direct\"\n#";
        let rest = octets - text.len();
        parse(&format!("{text}{}", "x".repeat(rest)))
    };
    assert_eq!(POLICY_FILE_OCTETS_MAX, 1_048_576);
    assert!(fits(POLICY_FILE_OCTETS_MAX).is_ok());
    assert_eq!(fits(POLICY_FILE_OCTETS_MAX + 1).unwrap_err().len(), 1);
    // What is over the limits of the wire nobody could read.
    let many = vec!["\"canKick\""; 4097].join(", ");
    let text = format!("preset = \"strict\"\n[[roles]]\nrole_index = 2\ncapabilities = [{many}]");
    assert_eq!(parse(&text).unwrap_err()[0].field, "roles");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// What is written is read as what it was.
    #[test]
    fn files_say_what_policies_are(
        tables in tables(),
        names in prop::collection::vec("[ -~é]{0,12}", 5),
        limits in prop::collection::vec((0..3u32, prop::option::of(3..9u32)), 5),
        components in prop::collection::vec(0x24..0x31u16, 0..5),
    ) {
        let mut policy = RoomPolicy::of_preset(Preset::Cooperative);
        for (place, (capabilities, changes)) in tables.into_iter().enumerate() {
            let role = &mut policy.roles.roles[place];
            role.role_name.clone_from(&names[place]);
            role.role_description = names[place].repeat(2);
            role.role_capabilities = capabilities;
            role.role_capabilities.retain(|held| *held != Capability::CAN_OPEN_JOIN);
            (role.minimum_participants_constraint, role.maximum_participants_constraint) =
                limits[place];
            for (entry, (from, to)) in role.authorized_role_changes.iter_mut().zip(changes) {
                entry.from_role_index = from;
                entry.target_role_indexes = vec![to];
            }
        }
        let ours = |id: &u16| !matches!(*id, ROLES_LIST | PREAUTH_LIST | BASE_ROOM_POLICY | 0x2a);
        policy.components = components.into_iter().filter(ours).map(|id| (id, plain(id))).collect();
        let base = policy.base.as_mut().unwrap();
        base.policy_component_ids = [ROLES_LIST, PREAUTH_LIST, BASE_ROOM_POLICY]
            .into_iter()
            .chain(policy.components.keys().copied())
            .collect();
        let text = policy.to_toml();
        match parse(&text) {
            Ok(read) => prop_assert_eq!(read, policy, "{}", text),
            Err(faults) => prop_assert!(false, "{}\n{}", told(&faults), text),
        }
    }

    /// Whatever a file holds is read or told of; what is read founds rooms.
    #[test]
    fn spoiled_files_are_told_of(
        spoils in prop::collection::vec(
            (any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..4u8, "[ -~é\n]{0,6}"),
            1..4,
        ),
    ) {
        let mut lines: Vec<String> = COMPONENTS.lines().map(str::to_owned).collect();
        for (at, from, how, text) in spoils {
            let at = at.index(lines.len());
            let other = lines[from.index(lines.len())].clone();
            match how {
                0 => lines[at].clear(),
                1 => lines[at] = other,
                2 => lines[at].push_str(&text),
                _ => {
                    let key = lines[at].split('=').next().unwrap_or_default().to_owned();
                    let value = other.split_once('=').map_or(text.as_str(), |(_, value)| value);
                    lines[at] = format!("{key}={value}");
                }
            }
        }
        match parse(&lines.join("\n")) {
            Ok(policy) => assert_founds(&policy),
            Err(faults) => prop_assert!(!faults.is_empty()),
        }
    }
}

/// Lists are as wide as a screen, and no wider.
#[test]
fn long_lists_are_written_in_rows() {
    let mut policy = good(WHOLE);
    policy.roles.roles[0].role_capabilities = Capability::ALL.to_vec();
    let text = policy.to_toml();
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("  \"can")).collect();
    assert!(rows.len() > 5, "{text}");
    for pair in rows.windows(2) {
        let first = pair[1].split(',').next().unwrap().trim();
        assert!(pair[0].len() + first.len() + 2 > 100, "{} has room for {first}", pair[0]);
    }
    assert!(text.contains("capabilities = [\"canAddParticipant\", \"canUnBan\"]"), "{text}");
    // What is not limited says nothing.
    assert!(!text.contains("participants = 0"), "{text}");
}

/// Roles are called by name where that tells them, else by index.
#[test]
fn roles_are_called_by_what_tells_them() {
    let mut policy = good(WHOLE);
    let leads = |policy: &mut RoomPolicy, to: &[u32]| {
        let changes = &mut policy.roles.roles[1].authorized_role_changes;
        changes[0].target_role_indexes = to.to_vec();
        policy.to_toml()
    };
    let mut guest = policy.roles.roles[0].clone();
    (guest.role_index, guest.role_name) = (3, "guest".to_owned());
    let unnamed = Role { role_index: 5, role_name: String::new(), ..guest.clone() };
    policy.roles.roles.extend([guest.clone(), unnamed]);
    let text = leads(&mut policy, &[2, 3, 5, 0]);
    assert!(text.contains("to = [\"reader\", \"guest\", 5, \"no_role\"]"), "{text}");
    policy.roles.roles.push(Role { role_index: 4, ..guest.clone() });
    let text = leads(&mut policy, &[3, 4, 0]);
    assert!(text.contains("to = [3, 4, \"no_role\"]"), "{text}");
    // Somebody else is called what nobody is.
    policy.roles.roles.push(Role {
        role_index: 6,
        role_name: "no_role".to_owned(),
        ..guest.clone()
    });
    let text = leads(&mut policy, &[0, 7]);
    assert!(text.contains("to = [0, \"host\"]"), "{text}");
    policy.roles.roles.pop();
    policy.roles.roles.push(Role { role_index: 0, role_name: "outside".to_owned(), ..guest });
    let text = leads(&mut policy, &[0]);
    assert!(text.contains("to = [\"outside\"]"), "{text}");
}

/// What a preset's tables say of a role that is dropped goes with it.
#[test]
fn tables_forget_dropped_roles() {
    let policy = good("preset = \"cooperative\"\ndrop_roles = [\"group_admin\"]");
    let dropped = RoomPolicy::of_preset(Preset::Cooperative);
    let dropped = dropped.roles.roles.iter().find(|role| role.role_name == "group_admin");
    let dropped = dropped.unwrap().role_index;
    for role in &policy.roles.roles {
        for entry in &role.authorized_role_changes {
            assert_ne!(entry.from_role_index, dropped);
            assert!(!entry.target_role_indexes.contains(&dropped));
            assert!(!entry.target_role_indexes.is_empty());
        }
    }
}
