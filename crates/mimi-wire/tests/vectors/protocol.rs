//! The bodies of the endpoints, franking, and what the client API adds.

use mimi_wire::experimental::{IdentityLinkTbe, PseudonymousCredential, PseudonymousCredentialTbs};
use mimi_wire::franking::{
    FrankAad, FrankingAgentData, FrankingIntegrityTbs, ServerFrankingContext,
};
use mimi_wire::inspect::Kind;
use mimi_wire::mls::{MlsMessage, Welcome};
use mimi_wire::protocol::Extensions;
use mimi_wire::protocol::consent::{ConsentEntry, ConsentOperation};
use mimi_wire::protocol::found_room::{FoundingWelcome, RoomFounding};
use mimi_wire::protocol::group_info::{
    GroupInfoOutcome, GroupInfoRatchetTreeTbe, GroupInfoRequest, GroupInfoRequestTbs,
    GroupInfoResponse, GroupInfoSuccess, JoiningCode, JoiningCodeForm, PendingProposal,
};
use mimi_wire::protocol::identifier_query::{
    FieldSource, IdentifierQueryCode, IdentifierRequest, IdentifierResponse, ProfileField,
    QueryElement, SearchIdentifier, UserProfile,
};
use mimi_wire::protocol::key_material::{
    ClientKeyMaterial, ClientMaterial, KeyMaterialRequest, KeyMaterialRequestTbs,
    KeyMaterialResponse, KeyMaterialUserCode, KeyPackageList,
};
use mimi_wire::protocol::notify::{FanoutKind, FanoutMessage};
use mimi_wire::protocol::ratchet_tree::{
    GroupInfoOption, PartialGroupInfo, RatchetTreeOption, RatchetTreePresence,
};
use mimi_wire::protocol::report_abuse::{AbuseReport, AbuseType, AbusiveMessage};
use mimi_wire::protocol::submit_message::{Frank, SubmitMessageRequest, SubmitMessageResponse};
use mimi_wire::protocol::update::{
    CommitBundle, ProposalBundle, UpdateOutcome, UpdateRequest, UpdateResponse,
};
use mimi_wire::{MimiUri, Wire};

use crate::mls::{object, octets};
use crate::{Document, Pieces, list, with_run};

fn uri(uri: &str) -> MimiUri {
    MimiUri::new(uri).unwrap()
}

fn alice() -> MimiUri {
    uri("mimi://a.example/u/alice")
}

fn bob() -> MimiUri {
    uri("mimi://b.example/u/bob")
}

fn room() -> MimiUri {
    uri("mimi://a.example/r/clubhouse")
}

pub(crate) fn document() -> Document {
    let mut document = Document::new("protocol.json", "draft-ietf-mimi-protocol-06");
    key_material(&mut document);
    update(&mut document);
    submit_message(&mut document);
    notify(&mut document);
    group_info(&mut document);
    consent(&mut document);
    identifier_query(&mut document);
    report_abuse(&mut document);
    franking(&mut document);
    pseudonyms(&mut document);
    let founding = |welcome| RoomFounding {
        group_info: object("group_info"),
        ratchet_tree: object("ratchet_tree"),
        welcome,
    };
    let kind = Kind::RoomFounding;
    document.valid("client API: a room's founding", kind, &founding(None).encode());
    let welcomed = vec![(uri("mimi://b.example/d/bob/phone"), vec![7; 32])];
    let welcome = FoundingWelcome { welcome: object("welcome"), welcomed };
    let founding = founding(Some(welcome));
    document.valid("client API: a founding with first members", kind, &founding.encode());
    let no_tree = octets("group_info");
    document.invalid("client API: a founding without a tree", Kind::RoomFounding, &no_tree);
    directory(&mut document);
    limits(&mut document);
    document
}

/// Limits that several structures share, each in one of them.
fn limits(document: &mut Document) {
    let uri_of = |count: usize| {
        let start = b"mimi://a.example/u/";
        let length = (u16::try_from(count).unwrap() | 0x4000).to_be_bytes();
        let head = [&length[..], start].concat();
        let after = [room().encode(), vec![0; 8]].concat();
        Pieces(vec![(head, 1), (b"x".to_vec(), count - start.len()), (after, 1)])
    };
    document.limit("a URI", Kind::FrankingContext, uri_of, 1_024);
    let hash = |count: usize| {
        let invalid_proposals = vec![vec![7; count]];
        let outcome = UpdateOutcome::InvalidProposal { invalid_proposals };
        let response = UpdateResponse { outcome, error_description: String::new() };
        with_run(&response.encode(), 7, count)
    };
    document.limit("a hash", Kind::UpdateResponse, hash, 255);
    let key = |count: usize| {
        let franking_signature_key = vec![9; count];
        let agent = FrankingAgentData { franking_signature_key, credential: object("credential") };
        with_run(&agent.encode(), 9, count)
    };
    document.limit("a public key", Kind::Component(0x0021), key, 65_535);
    let signature = |count: usize| {
        let partial = PartialGroupInfo { signature: vec![9; count], ..partial() };
        with_run(&partial.encode(), 9, count)
    };
    document.limit("a signature", Kind::PartialGroupInfo, signature, 65_535);
    let code = |count: usize| {
        let code = JoiningCode { code: vec![9; count], form: JoiningCodeForm::Optional };
        let tbs = GroupInfoRequestTbs {
            cipher_suite: 1,
            requesting_signature_key: vec![6; 32],
            requesting_credential: object("credential"),
            group_info_public_key: vec![7; 32],
            joining_code: Some(code),
        };
        with_run(&GroupInfoRequest { tbs, signature: vec![8; 64] }.encode(), 9, count)
    };
    document.limit("groupInfo: joining code", Kind::GroupInfoRequest, code, 16_384);
    let message = FanoutMessage {
        timestamp: 1_700_000_000_000,
        message: object("application"),
        kind: FanoutKind::Application { frank: None },
    };
    let message = message.encode();
    let messages = |count: usize| Pieces(vec![(message.clone(), count)]);
    document.limit("notify: messages", Kind::Fanout, messages, 16_384);
    let blank = |count: usize| {
        Pieces(vec![(b"{".to_vec(), 1), (b" ".to_vec(), count - 2), (b"}".to_vec(), 1)])
    };
    document.limit("directory", Kind::Directory, blank, 1_048_576);
}

fn directory(document: &mut Document) {
    let kind = Kind::Directory;
    let all = r#"{
        "keyMaterial": "https://mimi.a.example/v1/keyMaterial/{targetUser}",
        "update": "https://mimi.a.example/v1/update/{roomId}",
        "notify": "https://mimi.a.example/v1/notify/{roomId}",
        "submitMessage": "https://mimi.a.example/v1/submitMessage/{roomId}",
        "groupInfo": "https://mimi.a.example/v1/groupInfo/{roomId}",
        "requestConsent": "https://mimi.a.example/v1/requestConsent/{targetDomain}",
        "updateConsent": "https://mimi.a.example/v1/updateConsent/{requesterDomain}",
        "identifierQuery": "https://mimi.a.example/v1/identifierQuery/{domain}",
        "reportAbuse": "https://mimi.a.example/v1/reportAbuse/{roomId}",
        "proxyDownload": "https://mimi.a.example/v1/proxyDownload/{downloadUrl}",
        "somethingElse": 1
    }"#;
    document.valid("directory: every endpoint and another key", kind, all.as_bytes());
    document.valid("directory: nothing", kind, b"{}");
    for (name, text) in [
        ("an array", "[]"),
        ("cut off", r#"{"update":"#),
        ("a template that is a number", r#"{"update":1}"#),
        ("a template without a variable", r#"{"update":"https://a.example/update"}"#),
        ("a template without TLS", r#"{"update":"http://a.example/update/{roomId}"}"#),
        ("client issuers that are no array", r#"{"clientIssuers":"x"}"#),
    ] {
        document.invalid(&format!("directory: {name}"), kind, text.as_bytes());
    }
}

fn key_material(document: &mut Document) {
    let kind = Kind::KeyMaterialRequest;
    let request = |room_id, acceptable_ciphersuites| KeyMaterialRequest {
        tbs: KeyMaterialRequestTbs {
            requesting_user: alice(),
            target_user: bob(),
            room_id,
            acceptable_ciphersuites,
            required_capabilities: object("required_capabilities"),
            requester_signature_key: vec![1; 32],
            requester_credential: object("credential"),
        },
        signature: vec![2; 64],
    };
    document.valid("keyMaterial: for a room", kind, &request(Some(room()), vec![1]).encode());
    document.valid("keyMaterial: for no room", kind, &request(None, vec![1, 2, 0xf0]).encode());
    document.invalid("keyMaterial: no cipher suite", kind, &request(None, vec![]).encode());
    let mut other = request(None, vec![1]).encode();
    other[0] = 2;
    document.invalid("keyMaterial: another protocol", kind, &other);
    let upper = [vec![1, 16], b"mimi://A.example".to_vec()].concat();
    document.invalid("keyMaterial: a URI that is not canonical", kind, &upper);

    let kind = Kind::KeyMaterialResponse;
    let client =
        |material| ClientKeyMaterial { client_uri: uri("mimi://b.example/d/bob/phone"), material };
    let capabilities = || Some(object("capabilities"));
    let clients = || {
        vec![
            client(ClientMaterial::KeyPackage(object("key_package"))),
            client(ClientMaterial::Exhausted),
            client(ClientMaterial::NothingCompatible(capabilities())),
            client(ClientMaterial::NothingCompatible(None)),
        ]
    };
    for user_status in [
        KeyMaterialUserCode::Success,
        KeyMaterialUserCode::PartialSuccess,
        KeyMaterialUserCode::IncompatibleProtocol,
        KeyMaterialUserCode::NoCompatibleMaterial,
        KeyMaterialUserCode::UserUnknown,
        KeyMaterialUserCode::NoConsent,
        KeyMaterialUserCode::NoConsentForThisRoom,
        KeyMaterialUserCode::UserDeleted,
    ] {
        let name = format!("keyMaterial: {user_status:?}");
        let clients = if user_status.may_list_clients() { clients() } else { vec![] };
        let response = KeyMaterialResponse { user_status, user_uri: bob(), clients };
        document.valid(&name, kind, &response.encode());
        if !user_status.may_list_clients() {
            let clients = vec![client(ClientMaterial::Exhausted)];
            let octets = KeyMaterialResponse { clients, ..response }.encode();
            document.invalid(&format!("{name}, and clients"), kind, &octets);
        }
    }
    let empty = |code| [vec![1, code], bob().encode(), vec![0]].concat();
    document.invalid("keyMaterial: unknown code", kind, &empty(8));
    let element = client(ClientMaterial::Exhausted).encode();
    let start = [vec![1, 0], bob().encode()].concat();
    document.limit("keyMaterial: clients", kind, |n| list(&start, &element, n, &[]), 256);
    let kind = Kind::KeyPackageList;
    document.valid("client API: no KeyPackages", kind, &KeyPackageList::default().encode());
    let two = KeyPackageList(vec![object("key_package"), object("key_package")]);
    document.valid("client API: KeyPackages", kind, &two.encode());
    let other = list(&[], &octets("credential"), 1, &[]).octets();
    document.invalid("client API: a credential among KeyPackages", kind, &other);
}

fn partial() -> PartialGroupInfo {
    PartialGroupInfo {
        ratchet_tree_presence: RatchetTreePresence::NoRatchetTree,
        group_info_extensions: vec![],
        signature: vec![3; 64],
    }
}

fn update(document: &mut Document) {
    let kind = Kind::UpdateRequest;
    let commit = |welcome: Option<Welcome>, group_info, ratchet_tree| {
        let commit: MlsMessage = object("commit");
        UpdateRequest::Commit(CommitBundle { commit, welcome, group_info, ratchet_tree })
    };
    let full = || GroupInfoOption::Full(object("group_info"));
    let tree = RatchetTreeOption::Full(object("ratchet_tree"));
    let welcome = Some(object("welcome"));
    document.valid("update: commit with all", kind, &commit(welcome, full(), tree).encode());
    let short = GroupInfoOption::Partial(partial());
    let ds = || RatchetTreeOption::DistributionService;
    document.valid("update: commit with little", kind, &commit(None, short, ds()).encode());
    let proposals = |more| {
        let proposal: MlsMessage = object("proposal");
        let more_proposals = vec![proposal.clone(); more];
        UpdateRequest::Proposals(ProposalBundle { proposal, more_proposals })
    };
    document.valid("update: a proposal", kind, &proposals(0).encode());
    document.valid("update: proposals", kind, &proposals(2).encode());
    document.invalid("update: an application message", kind, &octets("application"));
    document.invalid("update: a private commit", kind, &octets("private_commit"));
    let embedded = [octets("commit"), vec![0, 1], octets("group_info_with_tree")].concat();
    document.invalid("update: a GroupInfo that embeds its tree", kind, &embedded);
    let mixed = list(&octets("proposal"), &octets("commit"), 1, &[]);
    document.invalid("update: a commit among proposals", kind, &mixed.octets());
    let reserved = [octets("commit"), vec![0, 0]].concat();
    document.invalid("update: no GroupInfo", kind, &reserved);
    let removed =
        PartialGroupInfo { ratchet_tree_presence: RatchetTreePresence::Removed, ..partial() };
    let removed = commit(None, GroupInfoOption::Partial(removed), ds());
    document.invalid("update: a tree that goes", kind, &removed.encode());
    let proposal = octets("proposal");
    let many = |n| list(&proposal, &proposal, n, &[]);
    document.limit("update: more proposals", kind, many, 255);

    let kind = Kind::UpdateResponse;
    let response =
        |outcome, text: &str| UpdateResponse { outcome, error_description: text.to_owned() };
    for (name, outcome) in [
        ("success", UpdateOutcome::Success { accepted_timestamp: 1_700_000_000_000 }),
        ("wrongEpoch", UpdateOutcome::WrongEpoch { current_epoch: 7 }),
        ("notAllowed", UpdateOutcome::NotAllowed),
        ("invalidProposal", UpdateOutcome::InvalidProposal { invalid_proposals: vec![] }),
        (
            "invalidProposal, two",
            UpdateOutcome::InvalidProposal { invalid_proposals: vec![vec![1; 32], vec![2; 32]] },
        ),
    ] {
        let octets = response(outcome.clone(), "").encode();
        document.valid(&format!("update: {name}"), kind, &octets);
        let octets = response(outcome, "because").encode();
        document.valid(&format!("update: {name}, with a description"), kind, &octets);
    }
    document.invalid("update: unknown code", kind, &[4, 0]);
    document.invalid("update: a description that is not UTF-8", kind, &[2, 1, 0xff]);
    document.limit("update: description", kind, |n| list(&[2], b"x", n, &[]), 4_096);
}

fn frank() -> Frank {
    Frank {
        server_frank: [4; 32],
        franking_signature_ciphersuite: 1,
        franking_integrity_signature: vec![5; 64],
    }
}

fn submit_message(document: &mut Document) {
    let kind = Kind::SubmitMessageRequest;
    let request = SubmitMessageRequest { app_message: object("application"), sending_uri: alice() };
    document.valid("submitMessage", kind, &request.encode());
    let with = |name| [vec![1], octets(name), alice().encode()].concat();
    document.invalid("submitMessage: a commit", kind, &with("commit"));
    document.invalid("submitMessage: a private commit", kind, &with("private_commit"));
    let nobody = [vec![1], octets("application"), vec![0]].concat();
    document.invalid("submitMessage: no sender", kind, &nobody);

    let kind = Kind::SubmitMessageResponse;
    let accepted =
        |frank| SubmitMessageResponse::Accepted { accepted_timestamp: 1_700_000_000_000, frank };
    for (name, response) in [
        ("accepted", accepted(None)),
        ("accepted and franked", accepted(Some(frank()))),
        ("notAllowed", SubmitMessageResponse::NotAllowed),
        ("epochTooOld", SubmitMessageResponse::EpochTooOld { current_epoch: 7 }),
    ] {
        document.valid(&format!("submitMessage: {name}"), kind, &response.encode());
    }
    document.invalid("submitMessage: unknown code", kind, &[1, 3]);
    let presence = [vec![1, 0], vec![0; 8], vec![2]].concat();
    document.invalid("submitMessage: presence octet 2", kind, &presence);
}

fn notify(document: &mut Document) {
    let kind = Kind::Fanout;
    let fanout = |message: &str, kind| FanoutMessage {
        timestamp: 1_700_000_000_000,
        message: object(message),
        kind,
    };
    let ratchet_tree = RatchetTreeOption::Full(object("ratchet_tree"));
    let proposals = |count| vec![object("proposal"); count];
    let messages = [
        ("application", fanout("application", FanoutKind::Application { frank: None })),
        (
            "application, franked",
            fanout("application", FanoutKind::Application { frank: Some(frank()) }),
        ),
        ("Welcome", fanout("framed_welcome", FanoutKind::Welcome { ratchet_tree })),
        ("proposal", fanout("proposal", FanoutKind::Proposal { more_proposals: proposals(0) })),
        ("proposals", fanout("proposal", FanoutKind::Proposal { more_proposals: proposals(1) })),
        ("commit", fanout("commit", FanoutKind::Commit { external_proposals: proposals(0) })),
        (
            "commit, stapled",
            fanout("commit", FanoutKind::Commit { external_proposals: proposals(1) }),
        ),
    ];
    let mut body = Vec::new();
    for (name, message) in messages {
        document.valid(&format!("notify: {name}"), kind, &message.encode());
        body.extend(message.encode());
    }
    document.valid("notify: one after the other", kind, &body);
    document.invalid("notify: nothing", kind, &[]);
    let other = |name| [vec![0; 8], octets(name), vec![0]].concat();
    document.invalid("notify: a private commit", kind, &other("private_commit"));
    let framed = [vec![0; 8], vec![0, 1, 0, 5], octets("key_package")].concat();
    document.invalid("notify: a KeyPackage", kind, &framed);
}

fn group_info(document: &mut Document) {
    let kind = Kind::GroupInfoRequest;
    let request = |joining_code| GroupInfoRequest {
        tbs: GroupInfoRequestTbs {
            cipher_suite: 1,
            requesting_signature_key: vec![6; 32],
            requesting_credential: object("credential"),
            group_info_public_key: vec![7; 32],
            joining_code,
        },
        signature: vec![8; 64],
    };
    let code = |form| Some(JoiningCode { code: b"let me in".to_vec(), form });
    let optional = JoiningCodeForm::Optional;
    document.valid("groupInfo: no code", kind, &request(None).encode());
    document.valid("groupInfo: a code", kind, &request(code(optional)).encode());
    let plain = request(code(JoiningCodeForm::Plain)).encode();
    document.valid("groupInfo: a code as the request prints it", kind, &plain);
    let mut other = request(None).encode();
    other[0] = 0;
    document.invalid("groupInfo: another protocol", kind, &other);

    let kind = Kind::GroupInfoResponse;
    let response = |outcome| GroupInfoResponse { room_id: room(), outcome };
    let success = GroupInfoSuccess {
        cipher_suite: 1,
        hub_sender: object("external_sender"),
        encrypted_group_info_and_tree: object("hpke_ciphertext"),
        signature: vec![9; 64],
    };
    for (name, outcome) in [
        ("success", GroupInfoOutcome::Success(success)),
        ("notAuthorized", GroupInfoOutcome::NotAuthorized),
        ("noSuchRoom", GroupInfoOutcome::NoSuchRoom),
    ] {
        document.valid(&format!("groupInfo: {name}"), kind, &response(outcome).encode());
    }
    for code in [0, 4] {
        let octets = [vec![1], room().encode(), vec![code]].concat();
        document.invalid(&format!("groupInfo: code {code}"), kind, &octets);
    }
    let kind = Kind::GroupInfoRatchetTree;
    let tbe = |count, group_info: &str| GroupInfoRatchetTreeTbe {
        group_info: object(group_info),
        ratchet_tree: RatchetTreeOption::Full(object("ratchet_tree")),
        pending_proposals: vec![
            PendingProposal {
                proposal: object("proposal"),
                hub_accepted_time: 1_700_000_000_000
            };
            count
        ],
    };
    document.valid("groupInfo: encrypted part", kind, &tbe(0, "group_info").encode());
    document.valid("groupInfo: with proposals", kind, &tbe(2, "group_info").encode());
    let embedded = tbe(0, "group_info_with_tree").encode();
    document.invalid("groupInfo: embeds its tree", kind, &embedded);
}

fn consent(document: &mut Document) {
    let kind = Kind::Consent;
    let entry = |operation, room_id| ConsentEntry {
        operation,
        requester_uri: alice(),
        target_uri: bob(),
        room_id,
        consent_extensions: Extensions::default(),
    };
    let grant =
        |count| ConsentOperation::Grant { client_key_packages: vec![object("key_package"); count] };
    for (name, operation) in [
        ("cancel", ConsentOperation::Cancel),
        ("request", ConsentOperation::Request),
        ("grant", grant(0)),
        ("grant with a KeyPackage", grant(1)),
        ("revoke", ConsentOperation::Revoke),
    ] {
        let octets = entry(operation.clone(), None).encode();
        document.valid(&format!("consent: {name}, any room"), kind, &octets);
        let octets = entry(operation, Some(room())).encode();
        document.valid(&format!("consent: {name}, one room"), kind, &octets);
    }
    let consent_extensions = Extensions([(0xf000, vec![1])].into());
    let extended = ConsentEntry { consent_extensions, ..entry(ConsentOperation::Request, None) };
    document.valid("consent: an unknown extension", kind, &extended.encode());
    let mut unknown = entry(ConsentOperation::Request, None).encode();
    unknown[0] = 4;
    document.invalid("consent: unknown operation", kind, &unknown);
    let scope = entry(ConsentOperation::Request, None).scope();
    document.valid("consent: scope, any room", Kind::ConsentScope, &scope.encode());
    let scope = entry(ConsentOperation::Request, Some(room())).scope();
    document.valid("consent: scope, one room", Kind::ConsentScope, &scope.encode());
    document.invalid("consent: scope without target", Kind::ConsentScope, &[0]);
    let package = octets("key_package");
    let start = [vec![2], alice().encode(), bob().encode(), vec![0]].concat();
    document.limit("consent: KeyPackages", kind, |n| list(&start, &package, n, &[0]), 256);
}

fn identifier_query(document: &mut Document) {
    let kind = Kind::IdentifierRequest;
    let query = |identifier, value: &str| IdentifierRequest {
        query_elements: vec![QueryElement { identifier, search_value: value.to_owned() }],
        id_request_extensions: Extensions::default(),
    };
    for (name, identifier, value) in [
        ("handle", SearchIdentifier::Handle, "mimi://b.example/u/bob"),
        ("nick", SearchIdentifier::Nick, "bob"),
        ("email", SearchIdentifier::Email, "bob@b.example"),
        ("phone", SearchIdentifier::Phone, "+15551234567"),
        ("partialName", SearchIdentifier::PartialName, "Bo"),
        ("wholeProfile", SearchIdentifier::WholeProfile, "chess"),
        ("oidcStdClaim", SearchIdentifier::OidcStdClaim("given_name".to_owned()), "Bob"),
        ("vcardField", SearchIdentifier::VcardField("N".to_owned()), "Bob"),
    ] {
        let octets = query(identifier, value).encode();
        document.valid(&format!("identifierQuery: {name}"), kind, &octets);
    }
    let empty = IdentifierRequest::default().encode();
    document.valid("identifierQuery: nothing (forbidden)", kind, &empty);
    for reserved in [0, 9] {
        let octets = [2, reserved, 0, 0];
        document.invalid(&format!("identifierQuery: type {reserved}"), kind, &octets);
    }
    document.limit("identifierQuery: elements", kind, |n| list(&[], &[1, 0], n, &[0]), 4_096);

    let kind = Kind::IdentifierResponse;
    let field = |field_source, name: &str| ProfileField {
        field_source,
        field_name: name.to_owned(),
        field_value: b"Bob".to_vec(),
    };
    let found = IdentifierResponse {
        response_code: IdentifierQueryCode::Success,
        uri: vec![bob(), uri("mimi://b.example/u/bobby")],
        found_profiles: vec![UserProfile {
            stable_uri: bob(),
            fields: vec![
                field(FieldSource::OidcStdClaim, "name"),
                field(FieldSource::VcardField, "FN"),
                field(FieldSource::Other(200), "unknown"),
            ],
        }],
        id_response_extensions: Extensions::default(),
    };
    document.valid("identifierQuery: success", kind, &found.encode());
    for response_code in [
        IdentifierQueryCode::NotFound,
        IdentifierQueryCode::Ambiguous,
        IdentifierQueryCode::Forbidden,
        IdentifierQueryCode::UnsupportedField,
    ] {
        let octets = [response_code as u8, 0, 0, 0];
        document.valid(&format!("identifierQuery: {response_code:?}"), kind, &octets);
    }
    document.invalid("identifierQuery: unknown code", kind, &[5, 0, 0, 0]);
    let both = IdentifierResponse { uri: vec![], ..found.clone() };
    document.valid("identifierQuery: matches only among the profiles", kind, &both.encode());
    let mut reserved = both.encode();
    let at = reserved.iter().position(|octet| *octet == 200).unwrap();
    reserved[at] = 0;
    document.invalid("identifierQuery: source 0", kind, &reserved);
}

fn report_abuse(document: &mut Document) {
    let kind = Kind::AbuseReport;
    let report = AbuseReport {
        reporting_user: Some(alice()),
        alleged_abuser_uri: bob(),
        reason_code: AbuseType::default(),
        note: "rude".to_owned(),
        messages: vec![AbusiveMessage {
            message_content: vec![0, 0, 1, 7],
            frank: frank(),
            accepted_timestamp: 1_700_000_000_000,
        }],
        abuse_extensions: Extensions::default(),
    };
    document.valid("reportAbuse", kind, &report.encode());
    let anonymous = AbuseReport {
        reporting_user: None,
        note: String::new(),
        messages: vec![],
        reason_code: AbuseType(200),
        ..report
    };
    document.valid("reportAbuse: anonymous, another reason", kind, &anonymous.encode());
    document.invalid("reportAbuse: of nobody", kind, &[0, 0, 0, 0, 0, 0]);
    let start = [vec![0], bob().encode(), vec![0]].concat();
    document.limit("reportAbuse: note", kind, |n| list(&start, b"x", n, &[0, 0]), 4_096);
}

fn franking(document: &mut Document) {
    document.valid("franking: Frank", Kind::Frank, &frank().encode());
    document.invalid("franking: a short server_frank", Kind::Frank, &frank().encode()[1..]);
    let tag = FrankAad { franking_tag: [7; 32] };
    document.valid("franking: frank_aad", Kind::Component(0x0020), &tag.encode());
    document.invalid("franking: a short tag", Kind::Component(0x0020), &[7; 31]);
    let agent =
        FrankingAgentData { franking_signature_key: vec![1; 32], credential: object("credential") };
    document.valid("franking: franking_agent", Kind::Component(0x0021), &agent.encode());
    document.invalid("franking: an agent without credential", Kind::Component(0x0021), &[1, 1]);
    let context = ServerFrankingContext {
        sender_uri: alice(),
        room_uri: room(),
        accepted_timestamp: 1_700_000_000_000,
    };
    document.valid("franking: context", Kind::FrankingContext, &context.encode());
    let port = [&[22][..], b"mimi://a.example:1/u/a", &context.encode()[25..]].concat();
    document.invalid("franking: a sender with a port", Kind::FrankingContext, &port);
    let integrity =
        FrankingIntegrityTbs { server_frank: [4; 32], franking_signature_ciphersuite: 1, context };
    document.valid("franking: what is signed", Kind::FrankingIntegrity, &integrity.encode());
    let port = [&integrity.encode()[..34], &port[..]].concat();
    let name = "franking: what is signed, a sender with a port";
    document.invalid(name, Kind::FrankingIntegrity, &port);
}

fn pseudonyms(document: &mut Document) {
    let credential = PseudonymousCredential {
        tbs: PseudonymousCredentialTbs {
            client_pseudonym: uri("mimi://a.example/d/4d1e5a0c"),
            user_pseudonym: uri("mimi://a.example/p/9a0f"),
            signature_public_key: vec![1; 32],
        },
        identity_link_ciphertext: vec![2; 40],
    };
    let kind = Kind::PseudonymousCredential;
    document.valid("experimental: pseudonym", kind, &credential.encode());
    let upper = [vec![16], b"mimi://A.example".to_vec()].concat();
    document.invalid("experimental: a pseudonym that is not canonical", kind, &upper);
    let link = IdentityLinkTbe {
        pseudonymous_credential_signature: vec![3; 64],
        client_credential: object("credential"),
    };
    document.valid("experimental: identity link", Kind::IdentityLink, &link.encode());
    document.invalid("experimental: a link to no credential", Kind::IdentityLink, &[1, 3]);
}
