//! The forms of `tombolo policy check`, and the judge's answers to them.

use mimi_policy::what_if::{Malformed, answer, answer_line};
use mimi_wire::room::capability::Capability;
use serde_json::{Value, json};

const ALICE: &str = "mimi://a.example/u/alice";
const BOB: &str = "mimi://b.example/u/bob";
const CAROL: &str = "mimi://c.example/u/carol";
const ZOE: &str = "mimi://z.example/u/zoe";

/// alice administers, bob and carol take part.
fn room(roles: &str, administrator: u32, ordinary: u32) -> Value {
    json!({
        "roles": roles,
        "participants": [
            { "user": ALICE, "role": administrator, "clients": 2 },
            { "user": BOB, "role": ordinary, "clients": 2 },
            { "user": CAROL, "role": ordinary, "clients": 1 },
        ],
    })
}

fn ask(room: &Value, change: &Value) -> Value {
    let answered = answer(&room.to_string(), &change.to_string());
    let answered = answered.unwrap_or_else(|malformed| malformed.to_json());
    let line = json!({ "room": room, "change": change }).to_string();
    let in_batch = answer_line(&line).unwrap_or_else(|malformed| malformed.to_json());
    assert_eq!(answered, in_batch);
    answered
}

#[track_caller]
fn allowed(room: &Value, change: Value) {
    assert_eq!(ask(room, &change), json!({ "allowed": true }), "{change}");
}

#[track_caller]
fn denied(room: &Value, change: Value, requirement: &str) -> String {
    let answer = ask(room, &change);
    assert_eq!(answer["allowed"], json!(false), "{change}");
    assert_eq!(answer["requirement"], json!(requirement), "{answer}");
    assert!(answer["rule"].as_str().is_some_and(|rule| !rule.is_empty()));
    answer["message"].as_str().unwrap().to_owned()
}

#[track_caller]
fn malformed(room: &Value, change: &Value, field: &str) {
    let answer = ask(room, change);
    assert_eq!(answer["error"]["field"], json!(field), "{answer}");
    assert!(answer["error"]["message"].as_str().is_some_and(|message| !message.is_empty()));
}

#[test]
fn members_commit_and_propose() {
    let room = room("cooperative", 4, 2);
    let by = |name: &str, how: &str| json!({ "by": name, "how": how });
    let with = |mut change: Value, more: Value| {
        let more = more.as_object().unwrap().clone();
        change.as_object_mut().unwrap().extend(more);
        change
    };
    allowed(&room, by(BOB, "commit"));
    let add = json!({ "add": [{ "user": ZOE, "role": 2, "clients": 2 }] });
    allowed(&room, with(by(BOB, "commit"), add.clone()));
    allowed(&room, with(by(BOB, "proposal"), add));
    let admin = json!({ "add": [{ "user": ZOE, "role": 3, "clients": 1 }] });
    denied(&room, with(by(BOB, "commit"), admin), "POLICY-CAP-ADD-1");
    // AMB-POL-41: the list change alone leaves clients behind.
    let removal = json!({ "remove": [CAROL] });
    denied(&room, with(by(BOB, "commit"), removal), "PROTO-UPD-3");
    let removal =
        json!({ "remove": [CAROL], "remove_clients": [{ "user": CAROL, "clients": "all" }] });
    allowed(&room, with(by(BOB, "commit"), removal));
    let ban = json!({
        "set_role": [{ "user": BOB, "role": 1 }],
        "remove_clients": [{ "user": BOB, "clients": 2 }],
    });
    allowed(&room, with(by(ALICE, "commit"), ban.clone()));
    let said = denied(&room, with(by(CAROL, "commit"), ban), "POLICY-CAP-ROLE-3");
    assert_eq!(
        said,
        "carol may not ban bob: their role ordinary_user has neither canBan nor canChangeUserRole"
    );
    let leave = json!({ "remove": [BOB], "remove_clients": [{ "user": BOB, "clients": "all" }] });
    allowed(&room, with(by(BOB, "proposal"), leave.clone()));
    denied(&room, with(by(BOB, "commit"), leave), "POLICY-CAP-REM-2");
    let own = json!({ "remove_clients": [{ "user": BOB, "clients": 1 }] });
    allowed(&room, with(by(BOB, "commit"), own));
    let kick = json!({ "remove_clients": [{ "user": CAROL, "clients": 1 }] });
    denied(&room, with(by(BOB, "commit"), kick.clone()), "POLICY-CAP-REM-4");
    allowed(&room, with(by(ALICE, "commit"), kick));
    allowed(
        &room,
        with(by(BOB, "commit"), json!({ "add_clients": [{ "user": BOB, "clients": 1 }] })),
    );
    denied(&room, by(ZOE, "commit"), "PROTO-ST-8");
    let said = denied(&room, with(by(ALICE, "commit"), json!({ "remove": [ZOE] })), "PROTO-PL-5");
    assert!(said.contains("zoe: they are not in the participant list"), "{said}");
    let too_many = json!({ "remove_clients": [{ "user": CAROL, "clients": 2 }] });
    let said = denied(&room, with(by(ALICE, "commit"), too_many), "PROTO-UPD-10");
    assert!(said.contains("carol: they do not have that many clients"), "{said}");
}

#[test]
fn outsiders_join() {
    // POLICY-CAP-ADD-2, POLICY-CAP-ADD-4, POLICY-CAP-ADD-5
    let mut room = room("strict", 4, 2);
    let join = |more: Value| {
        let mut change = json!({
            "by": ZOE,
            "how": "external_commit",
            "add": [{ "user": ZOE, "role": 2, "clients": 1 }],
        });
        change.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        change
    };
    let code =
        |role: u32, valid: bool| join(json!({ "join_code": { "role": role, "valid": valid } }));
    denied(&room, join(json!({})), "POLICY-CAP-ADD-5");
    allowed(&room, code(2, true));
    denied(&room, code(2, false), "POLICY-CAP-ADD-5");
    denied(&room, code(3, true), "POLICY-CAP-ADD-5");
    let mut proposal = code(2, true);
    proposal["how"] = json!("proposal");
    // AMB-UPD-14: a proposal has no place for a code.
    denied(&room, proposal, "POLICY-CAP-ADD-5");
    let mut more = code(2, true);
    more["add"][0]["clients"] = json!(2);
    denied(&room, more, "PROTO-UPD-10");
    let claims = json!([{ "credential_type": 2, "id": "O", "value": "Z Inc" }]);
    room["preauth"] = json!([{ "claims": claims, "role": 2 }]);
    allowed(&room, join(json!({ "claims": claims })));
    allowed(&room, join(json!({ "claims": claims, "how": "proposal" })));
    denied(&room, join(json!({})), "POLICY-CAP-ADD-5");
    let own = json!({
        "by": BOB,
        "how": "external_commit",
        "add_clients": [{ "user": BOB, "clients": 1 }],
    });
    allowed(&room, own.clone());
    let mut back = own;
    back["remove_clients"] = json!([{ "user": BOB, "clients": 1 }]);
    allowed(&room, back.clone());
    back["remove_clients"] = json!([{ "user": BOB, "clients": 2 }]);
    denied(&room, back, "PROTO-UPD-10");
}

#[test]
fn servers_propose_by_their_claims() {
    // POLICY-PRE-4, PROTO-ST-7
    let mut room = room("cooperative", 4, 2);
    let claims = json!([{ "credential_type": 1, "id": "", "value": "mimi://a.example" }]);
    room["preauth"] = json!([{ "claims": claims, "role": 5 }]);
    let mut removal = json!({
        "by": "external_sender",
        "how": "proposal",
        "claims": claims,
        "remove": [BOB],
        "remove_clients": [{ "user": BOB, "clients": "all" }],
    });
    allowed(&room, removal.clone());
    removal["how"] = json!("commit");
    denied(&room, removal.clone(), "PROTO-ST-7");
    removal["how"] = json!("proposal");
    removal["claims"] = json!([]);
    denied(&room, removal, "POLICY-PRE-4");
}

#[test]
fn own_roles_change_by_claims() {
    // POLICY-CAP-ROLE-2
    let mut room = room("strict", 4, 2);
    let claims = json!([{ "credential_type": 2, "id": "O", "value": "B Inc" }]);
    room["preauth"] = json!([{ "claims": claims, "role": 3 }]);
    let mut change =
        json!({ "by": BOB, "how": "commit", "set_role": [{ "user": BOB, "role": 3 }] });
    denied(&room, change.clone(), "POLICY-CAP-ROLE-2");
    change["claims"] = claims;
    allowed(&room, change);
}

#[test]
fn fields_of_the_metadata_and_components() {
    // POLICY-CAP-META-1, AMB-POL-13
    let room = room("cooperative", 4, 2);
    let ask =
        |by: &str, metadata: Value| json!({ "by": by, "how": "commit", "metadata": metadata });
    allowed(&room, ask(BOB, json!({ "room_name": "", "room_mood": "fine" })));
    allowed(&room, ask(BOB, json!({})));
    denied(&room, ask(BOB, json!({ "room_descriptions": [] })), "POLICY-CAP-META-1");
    let described = json!({ "room_descriptions": [{ "description_content": "here" }] });
    allowed(&room, ask(ALICE, described));
    denied(&room, ask(BOB, json!({ "room_avatar": "http://a.example" })), "PROTO-RM-2");
    denied(&room, ask(BOB, json!({ "room_uri": "mimi://room.example/r/what-if" })), "PROTO-RM-2");
    let components = |names: &[&str]| json!({ "by": ALICE, "how": "commit", "components": names });
    allowed(&room, components(&["base", "preauth"]));
    denied(&room, components(&["roles"]), "POLICY-CAP-POL-1");
    denied(&room, components(&["base", "base"]), "PROTO-ST-6");
    denied(&room, components(&["operational"]), "POLICY-CAP-RES-1");
    for other in ["status", "join_link", "link_preview", "asset", "logging", "history", "bot"] {
        denied(&room, components(&[other]), "POLICY-CAP-RES-1");
    }
    let strict = self::room("strict", 4, 2);
    allowed(&strict, components(&["join_links_add", "join_links_remove"]));
    allowed(&strict, components(&["roles"]));
    let mut both = components(&["roles"]);
    both["set_role"] = json!([{ "user": BOB, "role": 3 }]);
    denied(&strict, both, "POLICY-ROLE-3");
}

#[test]
fn messages() {
    // POLICY-CAP-MSG-1, AMB-POL-40
    let room = room("moderated", 5, 3);
    let send = |by: &str| json!({ "by": by, "how": "message", "send_message": true });
    allowed(&room, send(ALICE));
    denied(&room, send(BOB), "POLICY-CAP-MSG-1");
    denied(&room, send(ZOE), "PROTO-SUB-2");
    denied(&room, send("external_sender"), "PROTO-SUB-2");
    malformed(&room, &json!({ "by": BOB, "how": "message", "remove": [BOB] }), "change.how");
    let mut silent = send(ALICE);
    silent["send_message"] = json!(false);
    malformed(&room, &silent, "change.send_message");
    for absent in [json!({ "by": BOB, "how": "message" }), json!({ "by": ZOE, "how": "message" })] {
        assert_eq!(ask(&room, &absent)["allowed"], json!(false));
    }
}

#[test]
fn whoever_asks_nothing_is_asked_who_it_is() {
    // PROTO-ST-8, POLICY-PRE-4
    let mut room = room("cooperative", 4, 2);
    room["participants"].as_array_mut().unwrap().push(json!({ "user": ZOE, "role": 1 }));
    let propose = |by: &str| json!({ "by": by, "how": "proposal" });
    allowed(&room, propose(BOB));
    for nobody in [ZOE, "mimi://y.example/u/yves"] {
        denied(&room, propose(nobody), "PROTO-ST-8");
        let mut none = propose(nobody);
        none["remove_clients"] = json!([{ "user": BOB, "clients": 0 }]);
        denied(&room, none, "PROTO-ST-8");
    }
    denied(&room, propose("external_sender"), "POLICY-PRE-4");
    room["preauth"] = json!([{ "claims": [], "role": 5 }]);
    allowed(&room, propose("external_sender"));
}

#[test]
fn whoever_joins_says_as_what() {
    // PROTO-UPD-2, AMB-UPD-14
    let roles = json!([
        {
            "role_index": 0,
            "capabilities": ["canOpenJoin"],
            "authorized_role_changes": [[0, [2]]],
        },
        { "role_index": 2, "capabilities": ["canAddOwnClient"] },
    ]);
    let mut room = json!({ "roles": roles });
    let mut join =
        json!({ "by": ZOE, "how": "proposal", "add_clients": [{ "user": ZOE, "clients": 1 }] });
    denied(&room, join.clone(), "PROTO-UPD-2");
    join["add"] = json!([{ "user": ZOE, "role": 2 }]);
    allowed(&room, join.clone());
    join.as_object_mut().unwrap().remove("add");
    room["participants"] = json!([{ "user": ZOE, "role": 2 }]);
    allowed(&room, join);
}

#[test]
fn rooms_that_contradict_themselves() {
    let change = json!({ "by": BOB, "how": "commit" });
    // Role 1 has no clients, whatever its name; otherwise one of another name is ordinary.
    let ordinary = |clients: u32, by: &str| {
        json!({
            "roles": [
                { "role_index": 1, "role_name": "guest" },
                { "role_index": 2, "capabilities": ["canChangeUserRole"],
                  "authorized_role_changes": [[1, [2]]] },
            ],
            "participants": [
                { "user": ZOE, "role": 1, "clients": clients },
                { "user": by, "role": 2, "clients": 1 },
            ],
        })
    };
    malformed(&ordinary(1, BOB), &change, "room.participants[0].clients");
    let mut promotes = change.clone();
    promotes["set_role"] = json!([{ "user": ZOE, "role": 2 }]);
    allowed(&ordinary(0, BOB), promotes);
    // POLICY-CAP-ADD-3
    let held = json!(["canSendMessage", "canOpenJoin", "canChangeRoleDefinitions"]);
    let open = custom(json!({ "role_index": 2, "capabilities": held }));
    allowed(&open, json!({ "by": BOB, "how": "message" }));
    allowed(&open, json!({ "by": BOB, "how": "commit", "components": ["roles"] }));
    let add = json!([{ "user": ZOE, "role": 2 }]);
    let joins = json!({ "by": ZOE, "how": "external_commit", "add": add });
    assert_eq!(ask(&open, &joins)["allowed"], json!(false));
}

#[test]
fn what_the_base_policy_is_asked() {
    // AMB-POL-17, POLICY-BASE-3, POLICY-BASE-9: who may change it, not into what.
    let role = json!({ "role_index": 2, "capabilities": [
        "canChangeRoomMembershipStyle", "canChangeRoleDefinitions", "canChangeOtherPolicyAttribute",
    ] });
    let mut room = custom(role);
    let change = |names: &[&str]| json!({ "by": BOB, "how": "commit", "components": names });
    for base in [
        json!({ "max_users": 0, "max_clients": 0 }),
        json!({ "parent_dependant": true }),
        json!({ "parent_room": "mimi://a.example/r/p" }),
        json!({ "policy_component_ids": [] }),
    ] {
        room["base"] = base;
        for names in [&["base"][..], &["roles"], &["status"], &["base", "roles", "status"]] {
            allowed(&room, change(names));
        }
    }
    room["base"] = json!({ "policy_component_ids": [0x25] });
    denied(&room, change(&["status"]), "POLICY-BASE-9");
    allowed(&room, change(&["base", "status"]));
}

#[test]
fn a_role_without_a_name_is_told_by_its_number() {
    let room = custom(json!({ "role_index": 2 }));
    let change = json!({ "by": BOB, "how": "commit", "metadata": { "room_name": "Tea" } });
    let said = denied(&room, change, "POLICY-CAP-META-1");
    assert_eq!(said, "bob may not change the room's name: their role 2 lacks canChangeRoomName");
}

#[test]
fn every_mistake_is_named() {
    let good = room("cooperative", 4, 2);
    let change = json!({ "by": BOB, "how": "commit" });
    let broken = |path: &str, value: Value| {
        let mut room = good.clone();
        *room.pointer_mut(path).unwrap() = value;
        room
    };
    malformed(&broken("/roles", json!("chaotic")), &change, "room.roles");
    malformed(&broken("/participants/1/role", json!(9)), &change, "room.participants[1].role");
    malformed(&broken("/participants/1/role", json!(1)), &change, "room.participants[1].clients");
    malformed(&broken("/participants/1/user", json!(ALICE)), &change, "room.participants[1].user");
    malformed(&broken("/participants/0/user", json!("al")), &change, "room.participants[0].user");
    malformed(&json!([]), &change, "room");
    let role = |index: u32| json!({ "role_index": index, "role_name": "x" });
    let roles = |roles: Value| json!({ "roles": roles });
    malformed(&roles(json!([role(2), role(2)])), &change, "room.roles[1]");
    let mut over = role(2);
    over["minimum_participants"] = json!(3);
    over["maximum_participants"] = json!(2);
    malformed(&roles(json!([over])), &change, "room.roles[0].minimum_participants");
    let mut unknown = role(2);
    unknown["capabilities"] = json!(["canFly"]);
    malformed(&roles(json!([unknown])), &change, "room.roles[0].capabilities[0]");
    let mut fixed = good.clone();
    fixed["base"] = json!({ "fixed_membership": true });
    malformed(&fixed, &change, "room.base.fixed_membership");
    let mut preauth = good.clone();
    preauth["preauth"] = json!([{ "claims": [], "role": 9 }]);
    malformed(&preauth, &change, "room.preauth[0].role");
    malformed(&good, &json!({ "how": "commit" }), "change.by");
    malformed(&good, &json!({ "by": BOB, "how": "force" }), "change.how");
    malformed(&good, &json!({ "by": BOB, "how": "commit", "nonsense": 1 }), "change.nonsense");
    let components = json!({ "by": BOB, "how": "commit", "components": ["magic"] });
    malformed(&good, &components, "change.components[0]");
    let many = json!({ "by": BOB, "how": "commit", "add_clients": [
        { "user": BOB, "clients": 99_998 }, { "user": BOB, "clients": 99_998 },
    ]});
    malformed(&good, &many, "change.add_clients[0].clients");
    assert_eq!(answer("{", "{}").unwrap_err().field, "room");
    assert_eq!(answer_line("nothing").unwrap_err().field, "");
    assert_eq!(answer_line("{}").unwrap_err().field, "room");
}

/// A room of one role, and what is asked of it.
fn custom(role: Value) -> Value {
    json!({ "roles": [role], "participants": [{ "user": BOB, "role": 2, "clients": 1 }] })
}

#[test]
fn what_is_absent_and_what_is_null() {
    // POLICY-BASE-4, POLICY-ROLE-2
    let change =
        json!({ "by": BOB, "how": "commit", "add_clients": [{ "user": BOB, "clients": 1 }] });
    let role = json!({ "role_index": 2, "capabilities": ["canAddOwnClient"] });
    let room = custom(role.clone());
    allowed(&room, change.clone());
    let mut spoken = role;
    for (field, value) in [
        ("role_name", json!("x")),
        ("minimum_participants", json!(0)),
        ("maximum_participants", Value::Null),
        ("minimum_active_participants", json!(0)),
        ("maximum_active_participants", Value::Null),
        ("authorized_role_changes", json!([])),
    ] {
        spoken[field] = value;
    }
    let mut room = custom(spoken);
    allowed(&room, change.clone());
    for field in ["base", "preauth"] {
        room[field] = Value::Null;
    }
    let mut asked = change.clone();
    for field in [
        "add",
        "remove",
        "set_role",
        "remove_clients",
        "metadata",
        "components",
        "send_message",
        "join_code",
        "claims",
    ] {
        asked[field] = Value::Null;
    }
    allowed(&room, asked);
    // Nothing is limited where the base policy does not say so, field by field.
    for field in [
        "fixed_membership",
        "parent_dependant",
        "parent_room",
        "multi_device",
        "max_clients",
        "max_users",
        "pseudonyms_allowed",
        "persistent_room",
        "discoverable",
        "policy_component_ids",
    ] {
        room["base"] = json!({ field: null });
        allowed(&room, change.clone());
    }
    room["base"] = json!({ "multi_device": false });
    denied(&room, change.clone(), "POLICY-BASE-4");
    room["base"] = json!({ "max_clients": 1 });
    denied(&room, change.clone(), "POLICY-BASE-5");
    room["base"] = json!({ "max_clients": 2, "max_users": 0 });
    allowed(&room, change.clone());
    // AMB-POL-4: a vector of at most one.
    for parent in
        [json!([]), json!(""), json!(["mimi://a.example/r/p"]), json!("mimi://a.example/r/p")]
    {
        room["base"] = json!({ "parent_dependant": true, "parent_room": parent });
        allowed(&room, change.clone());
    }
    // Required is not null.
    malformed(&json!({ "roles": null }), &change, "room.roles");
    malformed(&room, &json!({ "by": null, "how": "commit" }), "change.by");
    let null = json!({ "by": BOB, "how": "commit", "metadata": { "room_name": null } });
    malformed(&room, &null, "change.metadata.room_name");
}

#[test]
fn every_field_is_read_for_what_it_is() {
    let good = room("strict", 4, 2);
    let bare = json!({ "by": BOB, "how": "commit" });
    let in_room = |path: &str, value: Value| {
        let mut room = good.clone();
        room["base"] = json!({});
        room["preauth"] =
            json!([{ "claims": [{ "credential_type": 2, "value": "x" }], "role": 2 }]);
        let (parent, key) = path.rsplit_once('/').unwrap();
        room.pointer_mut(parent).unwrap()[key] = value;
        room
    };
    let wrong = |path: &str, value: Value| {
        let place = path.replace("/0", "[0]").replace('/', ".");
        malformed(&in_room(path, value), &bare, &format!("room{place}"));
    };
    for (path, value) in [
        ("/roles", json!(7)),
        ("/base", json!([])),
        ("/base/fixed_membership", json!(1)),
        ("/base/parent_dependant", json!("no")),
        ("/base/parent_room", json!(7)),
        ("/base/parent_room", json!(["a", "b"])),
        ("/base/multi_device", json!(0)),
        ("/base/max_clients", json!(-1)),
        ("/base/max_users", json!(4_294_967_296_u64)),
        ("/base/max_users", json!(1.5)),
        ("/base/pseudonyms_allowed", json!("")),
        ("/base/persistent_room", json!([])),
        ("/base/discoverable", json!({})),
        ("/base/policy_component_ids", json!(7)),
        ("/base/parent_dependent", json!(true)),
        ("/preauth", json!({})),
        ("/preauth/0/role", json!("x")),
        ("/preauth/0/claims", json!(7)),
        ("/preauth/0/name", json!("x")),
        ("/participants", json!("x")),
        ("/participants/0/user", json!("mimi://a.example/d/alice/1")),
        ("/participants/0/role", json!(0)),
        ("/participants/0/clients", json!("one")),
        ("/participants/0/name", json!("x")),
        ("/colour", json!("green")),
    ] {
        wrong(path, value);
    }
    let role = |field: &str, value: Value, place: &str| {
        let mut role = json!({ "role_index": 2, "role_name": "x" });
        role[field] = value;
        malformed(&custom(role), &bare, &format!("room.roles[0].{place}"));
    };
    role("role_index", json!("x"), "role_index");
    role("role_name", json!(7), "role_name");
    role("role_description", json!("x"), "role_description");
    role("capabilities", json!("canBan"), "capabilities");
    role("capabilities", json!(["canBan", 7]), "capabilities[1]");
    role("minimum_participants", json!("x"), "minimum_participants");
    role("maximum_participants", json!(-1), "maximum_participants");
    role("authorized_role_changes", json!([[2]]), "authorized_role_changes[0]");
    role("authorized_role_changes", json!([[2, 3]]), "authorized_role_changes[0][1]");
    role("authorized_role_changes", json!([["x", [3]]]), "authorized_role_changes[0][0]");
    let ask = |field: &str, value: Value, place: &str| {
        let mut change = bare.clone();
        change[field] = value;
        malformed(&good, &change, &format!("change.{place}"));
    };
    ask("by", json!("bob"), "by");
    ask("by", json!(7), "by");
    ask("how", json!("Commit"), "how");
    ask("add", json!({}), "add");
    ask("add", json!([{ "user": ZOE }]), "add[0].role");
    ask("add", json!([{ "role": 2 }]), "add[0].user");
    ask("add", json!([{ "user": ZOE, "role": 2, "clients": "all" }]), "add[0].clients");
    ask("remove", json!([7]), "remove[0]");
    ask("set_role", json!([{ "user": BOB }]), "set_role[0].role");
    ask("add_clients", json!([{ "user": BOB }]), "add_clients[0].clients");
    ask("remove_clients", json!([{ "user": BOB, "clients": "some" }]), "remove_clients[0].clients");
    ask("remove_clients", json!([{ "user": BOB, "clients": null }]), "remove_clients[0].clients");
    ask("metadata", json!([]), "metadata");
    ask("metadata", json!({ "room_name": 7 }), "metadata.room_name");
    ask("metadata", json!({ "room_colour": "" }), "metadata.room_colour");
    ask(
        "metadata",
        json!({ "room_descriptions": [{ "text": "" }] }),
        "metadata.room_descriptions[0].text",
    );
    ask("components", json!("base"), "components");
    ask("components", json!(["join_links"]), "components[0]");
    ask("send_message", json!("yes"), "send_message");
    ask("join_code", json!({ "role": 2 }), "join_code.valid");
    ask("join_code", json!({ "valid": true }), "join_code.role");
    ask("claims", json!([{ "value": "x" }]), "claims[0].credential_type");
    ask(
        "claims",
        json!([{ "credential_type": 70_000, "value": "x" }]),
        "claims[0].credential_type",
    );
    ask("claims", json!([{ "credential_type": 2 }]), "claims[0].value");
}

#[test]
fn the_first_mistake_is_told() {
    // The room before the change, what does not belong before what is wrong, then as in the form.
    let mut room = room("strict", 4, 2);
    room["participants"][0]["role"] = json!(9);
    room["base"] = json!({ "max_users": "x", "multi_device": 7 });
    room["zebra"] = json!(1);
    room["apple"] = json!(1);
    let change = json!({ "how": "shout", "by": 7, "send_message": 1, "nonsense": true });
    for place in ["room.apple", "room.zebra"] {
        malformed(&room, &change, place);
        room.as_object_mut().unwrap().remove(&place[5..]);
    }
    malformed(&room, &change, "room.base.multi_device");
    room.as_object_mut().unwrap().remove("base");
    malformed(&room, &change, "room.participants[0].role");
    room["participants"][0]["role"] = json!(4);
    malformed(&room, &change, "change.nonsense");
    malformed(&room, &json!({ "how": "shout", "by": 7, "send_message": 1 }), "change.by");
    malformed(&room, &json!({ "how": "shout", "by": BOB, "send_message": 1 }), "change.how");
    malformed(
        &room,
        &json!({ "how": "commit", "by": BOB, "send_message": 1 }),
        "change.send_message",
    );
}

#[test]
fn each_component_by_its_right() {
    // AMB-POL-13
    let rights = [
        ("base", "canChangeRoomMembershipStyle"),
        ("roles", "canChangeRoleDefinitions"),
        ("preauth", "canChangePreauthorizedUserList"),
        ("join_links_add", "canCreateJoinCode"),
        ("join_links_remove", "canDeleteJoinCode"),
        ("operational", "canChangeMlsOperationalPolicies"),
        ("status", "canChangeOtherPolicyAttribute"),
        ("join_link", "canChangeOtherPolicyAttribute"),
        ("link_preview", "canChangeOtherPolicyAttribute"),
        ("asset", "canChangeOtherPolicyAttribute"),
        ("logging", "canChangeOtherPolicyAttribute"),
        ("history", "canChangeOtherPolicyAttribute"),
        ("bot", "canChangeOtherPolicyAttribute"),
        ("expiration", "canChangeOtherPolicyAttribute"),
    ];
    for (component, right) in rights {
        let change = json!({ "by": BOB, "how": "commit", "components": [component] });
        let with = |capabilities: Vec<&str>| {
            custom(json!({ "role_index": 2, "role_name": "x", "capabilities": capabilities }))
        };
        allowed(&with(vec![right]), change.clone());
        let all = Capability::ALL.iter().filter_map(|capability| capability.name());
        let others = all.filter(|name| *name != right && *name != "canOpenJoin").collect();
        let answer = ask(&with(others), &change);
        assert!(answer["message"].as_str().is_some_and(|it| it.contains(right)), "{answer}");
    }
}

#[test]
fn the_ways_to_say_how() {
    // PROTO-ST-7, PROTO-SUB-2, POLICY-CAP-REM-3
    let room = room("strict", 4, 2);
    let by = |by: &str, how: &str| json!({ "by": by, "how": how });
    allowed(&room, by(BOB, "message"));
    denied(&room, by("external_sender", "message"), "PROTO-SUB-2");
    denied(&room, by("external_sender", "external_commit"), "PROTO-ST-7");
    // A commit may carry a message on top; both are judged.
    let mut both = by(BOB, "commit");
    both["send_message"] = json!(true);
    allowed(&room, both.clone());
    both["by"] = json!(ZOE);
    denied(&room, both, "PROTO-ST-8");
    // To leave by commit is for nobody, by proposal for everybody who may.
    let mut leave = by(BOB, "proposal");
    leave["remove"] = json!([BOB]);
    denied(&room, leave.clone(), "PROTO-UPD-3");
    leave["remove_clients"] = json!([{ "user": BOB, "clients": 2 }]);
    allowed(&room, leave);
}

#[test]
fn what_is_malformed_prints_as_one_line() {
    let of = |field: &str| Malformed::new(field, "is missing").to_string();
    assert_eq!(of("change.by"), "change.by: is missing");
    assert_eq!(of(""), "is missing");
}

/// A message brings nobody in and takes nobody out.
#[test]
fn a_message_changes_nothing() {
    let room = room("cooperative", 4, 2);
    let with = |field: &str, value: Value| {
        let mut message = json!({ "by": BOB, "how": "message" });
        message[field] = value;
        message
    };
    let one = json!([{ "user": BOB, "clients": 1 }]);
    for field in ["add_clients", "remove_clients"] {
        malformed(&room, &with(field, one.clone()), "change.how");
    }
    // At the limit of all clients together, and one above it.
    for (count, field) in [(40_000, "change.how"), (40_001, "change")] {
        let many = json!([
            { "user": BOB, "clients": 60_000 },
            { "user": CAROL, "clients": count },
        ]);
        malformed(&room, &with("add_clients", many), field);
    }
}

#[test]
fn clients_are_counted_and_told_by_user() {
    let room = room("cooperative", 4, 2);
    let by = |name: &str, how: &str, field: &str, value: Value| {
        let mut change = json!({ "by": name, "how": how });
        change[field] = value;
        change
    };
    allowed(&room, by(BOB, "commit", "add_clients", json!([{ "user": BOB, "clients": 3 }])));
    let too_many = json!([{ "user": CAROL, "clients": 1 }, { "user": BOB, "clients": 3 }]);
    let message = denied(&room, by(ALICE, "commit", "remove_clients", too_many), "PROTO-UPD-10");
    assert!(message.contains("bob"), "{message}");
    let some = by(ALICE, "commit", "remove_clients", json!([{ "user": BOB, "clients": "some" }]));
    assert_eq!(ask(&room, &some)["error"]["message"], json!("must be a number or \"all\""));
    // Whoever is in no room brings in nobody else, and itself only with a client.
    for who in [json!([{ "user": BOB, "clients": 1 }]), json!([{ "user": ZOE, "clients": 0 }])] {
        denied(&room, by(ZOE, "proposal", "add_clients", who), "PROTO-ST-8");
    }
}

#[test]
fn nobody_is_preauthorized_to_be_banned() {
    let mut room = room("cooperative", 4, 2);
    room["preauth"] = json!([{ "claims": [{ "credential_type": 2, "value": "x" }], "role": 1 }]);
    malformed(&room, &json!({ "by": BOB, "how": "commit" }), "room.preauth[0].role");
}
