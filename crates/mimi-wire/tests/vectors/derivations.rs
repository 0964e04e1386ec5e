//! What is computed from structures rather than encoded: IDs, tags, commitments, what signatures
//! cover, URLs. `vectors/derivations.json` has the inputs and the output of each;
//! `vectors/check_derivations.py` computes them over another language's own library.

use mimi_wire::content::external::{AES_128_GCM, SHA_256};
use mimi_wire::content::{ExternalPart, MessageId, MimiContent};
use mimi_wire::experimental::PerMessageKeyAndNonces;
use mimi_wire::franking::{FrankAad, FrankingIntegrityTbs, ServerFrankingContext};
use mimi_wire::media::{ApplicationFraming, MediaType};
use mimi_wire::protocol::directory::{Directory, Endpoint, identifier_from_path};
use mimi_wire::protocol::group_info::{
    GROUP_INFO_REQUEST_LABEL, GROUP_INFO_RESPONSE_LABEL, GroupInfoRequest, GroupInfoResponse,
};
use mimi_wire::protocol::key_material::{KEY_MATERIAL_REQUEST_LABEL, KeyMaterialRequest};
use mimi_wire::{MimiUri, Wire};
use serde_json::{Value, json};

const ALICE: &str = "mimi://example.com/u/alice-smith";
const ROOM: &str = "mimi://example.com/r/engineering_team";

fn uri(uri: &str) -> MimiUri {
    MimiUri::new(uri).unwrap()
}

fn entry(name: &str, function: &str, inputs: Value, output: Value) -> Value {
    json!({ "name": name, "function": function, "inputs": inputs, "output": output })
}

/// The file.
pub(crate) fn text() -> String {
    let mut entries = message_ids();
    entries.extend(franking());
    entries.extend(signed());
    entries.extend(external());
    entries.extend(expansions());
    entries.extend(paths());
    let lines: Vec<String> = entries.iter().map(|entry| format!("    {entry}")).collect();
    format!("{{\n  \"derivations\": [\n{}\n  ]\n}}\n", lines.join(",\n"))
}

fn message_ids() -> Vec<Value> {
    let id = |name, sender: &str, room: &str, content: &[u8]| {
        let salt = MimiContent::decode(content).unwrap().salt;
        let id = MessageId::compute(&uri(sender), &uri(room), content, &salt);
        let inputs = json!({
            "sender": sender, "room": room, "content": hex::encode(content),
            "salt": hex::encode(salt),
        });
        entry(name, "message-id", inputs, json!(id.to_string()))
    };
    let original = include_bytes!("../../../../vectors/content/original.cbor");
    // An extension nobody knows: a receiver that encoded anew what it knows would lose it.
    let mut unknown = MimiContent::decode(original).unwrap();
    let value = mimi_wire::content::ExtensionValue::Encoded(vec![0x82, 1, 0x41, 7]);
    unknown.extensions.insert(mimi_wire::content::ExtensionKey::Int(-7), value);
    let unknown = unknown.encode().unwrap();
    let claims = "mimi://b.example/u/somebody";
    vec![
        id("message ID: with both lengths", ALICE, ROOM, original),
        id("message ID: over the octets as received", ALICE, ROOM, &unknown),
        id("message ID: of the true sender, whoever is claimed", claims, ROOM, original),
    ]
}

fn franking() -> Vec<Value> {
    let salt = [7; 16];
    let bare = b"application data".to_vec();
    let framing = ApplicationFraming {
        media_type: MediaType::default(),
        inner_application_content: bare.clone(),
    };
    let tag = |name, data: &[u8]| {
        let inputs = json!({ "salt": hex::encode(salt), "application_data": hex::encode(data) });
        let tag = FrankAad::compute(&salt, data).franking_tag;
        entry(name, "franking-tag", inputs, json!(hex::encode(tag)))
    };
    let franking_tag = FrankAad::compute(&salt, &bare).franking_tag;
    let hub_key = [9; 32];
    let context = ServerFrankingContext {
        sender_uri: uri(ALICE),
        room_uri: uri(ROOM),
        accepted_timestamp: 1_700_000_000_000,
    };
    let server_frank = context.server_frank(&hub_key, &franking_tag);
    let mut inputs = json!({
        "hub_key": hex::encode(hub_key), "franking_tag": hex::encode(franking_tag),
        "sender": ALICE, "room": ROOM, "accepted_timestamp": context.accepted_timestamp,
    });
    let frank = entry(
        "franking: the hub's commitment",
        "server-frank",
        inputs.clone(),
        json!(hex::encode(server_frank)),
    );
    let signed =
        FrankingIntegrityTbs { server_frank, franking_signature_ciphersuite: 1, context }.encode();
    inputs["cipher_suite"] = json!(1);
    vec![
        tag("franking: tag of bare content", &bare),
        tag("franking: tag of framed content", &framing.encode()),
        frank,
        entry(
            "franking: what the agent signs",
            "franking-integrity",
            inputs,
            json!(hex::encode(signed)),
        ),
    ]
}

/// What signatures cover, for the vectors of `protocol.json` of that name.
fn signed() -> Vec<Value> {
    let vector = |name: &str| crate::octets_of("protocol.json", name);
    let hex_of = |octets: &[u8]| json!(hex::encode(octets));
    let mut entries = Vec::new();
    for name in ["keyMaterial: for a room", "keyMaterial: for no room"] {
        let octets = vector(name);
        let request = KeyMaterialRequest::decode(&octets).unwrap();
        let inputs = json!({ "label": KEY_MATERIAL_REQUEST_LABEL, "octets": hex_of(&octets) });
        let outputs = json!([hex_of(&request.tbs.encode())]);
        entries.push(entry(&format!("signed: {name}"), "to-be-signed", inputs, outputs));
    }
    for name in
        ["groupInfo: no code", "groupInfo: a code", "groupInfo: a code as the request prints it"]
    {
        let octets = vector(name);
        let request = GroupInfoRequest::decode(&octets).unwrap();
        let inputs = json!({ "label": GROUP_INFO_REQUEST_LABEL, "octets": hex_of(&octets) });
        let readings = request.signed_octets().iter().map(|octets| hex_of(octets)).collect();
        entries.push(entry(
            &format!("signed: {name}"),
            "to-be-signed",
            inputs,
            Value::Array(readings),
        ));
    }
    let octets = vector("groupInfo: success");
    let response = GroupInfoResponse::decode(&octets).unwrap();
    let inputs = json!({ "label": GROUP_INFO_RESPONSE_LABEL, "octets": hex_of(&octets) });
    let outputs = json!([hex_of(&response.to_be_signed())]);
    entries.push(entry("signed: groupInfo: success", "to-be-signed", inputs, outputs));
    // The context of the encryption is the URI alone, without a length.
    let inputs = json!({ "room": response.room_id.as_str() });
    let context = hex_of(response.room_id.as_bytes());
    entries.push(entry(
        "groupInfo: context of the encryption",
        "group-info-context",
        inputs,
        context,
    ));
    let keys = PerMessageKeyAndNonces {
        key: vec![0x11; 16],
        nonce: vec![0x22; 12],
        reuse_guard: [0x33; 4],
        sender_leaf_index: 5,
    };
    let inputs = json!({ "sender_leaf_index": 5, "nonce": hex_of(&keys.nonce) });
    let input = hex_of(&keys.partial_context_hash_input());
    entries.push(entry(
        "experimental: input of the partial context hash",
        "partial-context-hash-input",
        inputs,
        input,
    ));
    entries
}

fn external() -> Vec<Value> {
    let (key, nonce) = ([7; 16], [9; 12]);
    let upload = mimi_wire::content::external::Upload {
        content_type: "image/png",
        url: "https://a.example/1",
        filename: "",
    };
    let encryption = mimi_wire::content::external::Encryption::Aes128Gcm { key, nonce };
    let (part, served) =
        mimi_wire::content::external::seal(upload, b"an image", &encryption).unwrap();
    let ExternalPart { enc_alg: AES_128_GCM, hash_alg: SHA_256, content_hash, .. } = &part else {
        panic!("sealed otherwise")
    };
    let inputs = json!({
        "encAlg": AES_128_GCM, "key": hex::encode(key), "nonce": hex::encode(nonce), "aad": "",
        "hashAlg": SHA_256, "served": hex::encode(&served),
    });
    let output = json!({
        "content_hash": hex::encode(content_hash),
        "content": hex::encode(part.open(&served, 0).unwrap()),
    });
    vec![entry("external part: hash of what is served, then decrypted", "external", inputs, output)]
}

fn expansions() -> Vec<Value> {
    let alice = "mimi://a.example/u/al%C3%AFce";
    let room = "mimi://a.example/r/clubhouse";
    [
        ("update: without a slash", Endpoint::Update, "https://h.example/update{roomId}", room),
        ("notify: in a query", Endpoint::Notify, "https://h.example/n?room={roomId}&v=1", room),
        (
            "keyMaterial: the whole URI, encoded",
            Endpoint::KeyMaterial,
            "https://h.example:8443/k/{targetUser}",
            alice,
        ),
        (
            "requestConsent: a domain",
            Endpoint::RequestConsent,
            "https://h.example/c/{targetDomain}",
            alice,
        ),
        (
            "requestConsent: a user",
            Endpoint::RequestConsent,
            "https://h.example/c/{targetUser}",
            alice,
        ),
        (
            "updateConsent: a domain",
            Endpoint::UpdateConsent,
            "https://h.example/c/{requesterDomain}",
            alice,
        ),
        (
            "updateConsent: a user",
            Endpoint::UpdateConsent,
            "https://h.example/c/{requesterUser}",
            alice,
        ),
        (
            "identifierQuery: a domain",
            Endpoint::IdentifierQuery,
            "https://h.example/q/{domain}",
            alice,
        ),
    ]
    .into_iter()
    .map(|(name, endpoint, template, identifier)| {
        let document = json!({ endpoint.key(): template }).to_string();
        let directory = Directory::from_json(document.as_bytes()).unwrap();
        let url = directory.expand_for(endpoint, &uri(identifier)).unwrap();
        let inputs =
            json!({ "key": endpoint.key(), "template": template, "identifier": identifier });
        entry(&format!("directory: {name}"), "expand", inputs, json!(url))
    })
    .chain([download()])
    .collect()
}

fn download() -> Value {
    let template = "https://h.example/proxyDownload/{downloadUrl}";
    let document = json!({ "proxyDownload": template }).to_string();
    let directory = Directory::from_json(document.as_bytes()).unwrap();
    let value = "https://cdn.a.example/a b?x=1&y=2";
    let url = directory.expand(Endpoint::ProxyDownload, value).unwrap();
    let inputs = json!({ "key": "proxyDownload", "template": template, "value": value });
    entry("directory: proxyDownload: a whole URL", "expand", inputs, json!(url))
}

fn paths() -> Vec<Value> {
    [
        "mimi%3A%2F%2Fa.example%2Fr%2Fclubhouse",
        "a.example/r/clubhouse",
        "a.example%2Fr%2Fclubhouse",
        "mimi://a.example/r/clubhouse",
    ]
    .into_iter()
    .map(|raw| {
        let uri = identifier_from_path(raw).unwrap();
        let name = format!("directory: a path as received: {raw}");
        entry(&name, "identifier-from-path", json!({ "raw": raw }), json!(uri.as_str()))
    })
    .collect()
}
