//! `vectors/*.json` are what this crate says they are, in both directions.
//!
//! `cargo test -p mimi-wire --test vectors -- --ignored` writes them anew from the types; what
//! changes then shows in the diff.

#![expect(clippy::unwrap_used, reason = "tests")]

mod content;
mod derivations;
mod mls;
mod protocol;
mod readings;
mod room_policy;

use std::fmt::Write as _;

use mimi_wire::inspect::{Claims, Fault, Kind, Node, NodeValue, content_json, inspect};
use mimi_wire::{MimiUri, component};
use serde_json::{Value, json};

/// The vectors of one draft.
struct Document {
    file: &'static str,
    draft: &'static str,
    entries: Vec<Value>,
}

impl Document {
    fn new(file: &'static str, draft: &'static str) -> Self {
        Self { file, draft, entries: Vec::new() }
    }

    /// Octets that decode and encode to themselves.
    fn valid(&mut self, name: &str, kind: Kind, octets: &[u8]) {
        let inspection = inspect(kind, octets).unwrap_or_else(|fault| panic!("{name}: {fault}"));
        let mut entry = json!({
            "name": name,
            "kind": kind.to_string(),
            "valid": true,
            "hex": hex::encode(octets),
        });
        // A JSON document explains itself.
        if kind != Kind::Directory {
            let mut fields = Vec::new();
            flatten(octets, &inspection.nodes, 0, octets.len(), 0, &mut fields);
            entry["fields"] = fields.into();
        }
        self.entries.push(entry);
    }

    /// Octets that are refused.
    fn invalid(&mut self, name: &str, kind: Kind, octets: &[u8]) {
        let fault = inspect(kind, octets).expect_err(name);
        self.entries.push(json!({
            "name": name,
            "kind": kind.to_string(),
            "valid": false,
            "hex": hex::encode(octets),
            "error": { "class": fault.class, "offset": fault.offset, "field": fault.field },
        }));
    }

    /// A message that decodes and is to be discarded, with what is known beside its octets.
    fn nonsensical(&mut self, name: &str, octets: &[u8], given: &Given) {
        assert!(inspect(Kind::Content, octets).is_ok(), "{name}");
        let fault = given.read(octets).expect_err(name);
        assert_eq!(fault.class, "nonsensical", "{name}: {fault}");
        self.entries.push(json!({
            "name": name,
            "kind": "content",
            "valid": false,
            "hex": hex::encode(octets),
            "given": given.to_json(),
            "error": {
                "class": fault.class,
                "offset": fault.offset,
                "field": fault.field,
                "message": fault.message,
            },
        }));
    }

    /// A message that makes sense with what is known beside its octets, just so.
    fn sensible(&mut self, name: &str, octets: &[u8], given: &Given) {
        let read = given.read(octets).unwrap_or_else(|fault| panic!("{name}: {fault}"));
        self.valid(name, Kind::Content, octets);
        let entry = self.entries.last_mut().unwrap();
        entry["given"] = given.to_json();
        if read["message_id"].is_string() {
            entry["message_id"] = read["message_id"].clone();
        }
    }

    /// A limit and one beyond: pieces that are repeated, since the octets are many.
    fn limit(&mut self, name: &str, kind: Kind, pieces: impl Fn(usize) -> Pieces, limit: usize) {
        for (count, what) in [(limit, "at"), (limit + 1, "beyond")] {
            let pieces = pieces(count);
            let mut entry = json!({
                "name": format!("{name}, {what} the limit"),
                "kind": kind.to_string(),
                "valid": what == "at",
                "pieces": pieces.0
                    .iter()
                    .map(|(octets, times)| json!({ "hex": hex::encode(octets), "times": times }))
                    .collect::<Vec<_>>(),
            });
            let octets = pieces.octets();
            let read = match kind {
                Kind::Content => Given::default().read(&octets).map(drop),
                kind => inspect(kind, &octets).map(drop),
            };
            match read {
                Ok(()) => assert_eq!(what, "at", "{name}"),
                Err(fault) => {
                    assert_eq!(what, "beyond", "{name}: {fault}");
                    let Fault { class, offset, field, .. } = fault;
                    entry["error"] = json!({ "class": class, "offset": offset, "field": field });
                }
            }
            self.entries.push(entry);
        }
    }

    /// One line for each entry and for each of its fields.
    fn text(&self) -> String {
        let mut text = String::from("{\n");
        writeln!(text, "  \"document\": {},\n  \"vectors\": [", json!(self.draft)).unwrap();
        for (place, entry) in self.entries.iter().enumerate() {
            let mut entry = entry.clone();
            let fields = entry.as_object_mut().unwrap().remove("fields");
            let mut line = entry.to_string();
            if let Some(fields) = fields {
                line.pop();
                line.push_str(", \"fields\": [\n");
                let fields = fields.as_array().unwrap();
                let lines: Vec<String> =
                    fields.iter().map(|field| format!("      {field}")).collect();
                line.push_str(&lines.join(",\n"));
                line.push_str("\n    ]}");
            }
            let comma = if place + 1 < self.entries.len() { "," } else { "" };
            writeln!(text, "    {line}{comma}").unwrap();
        }
        text.push_str("  ]\n}\n");
        text
    }
}

/// What is known of a message beside its octets.
#[derive(Debug, Default)]
struct Given {
    sender: Option<MimiUri>,
    room: Option<MimiUri>,
    accepted_at_ms: Option<u64>,
    now_ms: Option<u64>,
    room_created_at_ms: Option<u64>,
}

impl Given {
    fn read(&self, octets: &[u8]) -> Result<Value, Fault> {
        let claims = Claims {
            sender: self.sender.as_ref(),
            room: self.room.as_ref(),
            accepted_at_ms: self.accepted_at_ms,
            now_ms: self.now_ms,
            room_created_at_ms: self.room_created_at_ms,
        };
        content_json(octets, claims)
    }

    fn to_json(&self) -> Value {
        let all = [
            ("sender", self.sender.as_ref().map(|uri| json!(uri))),
            ("room", self.room.as_ref().map(|uri| json!(uri))),
            ("accepted_at_ms", self.accepted_at_ms.map(|ms| json!(ms))),
            ("now_ms", self.now_ms.map(|ms| json!(ms))),
            ("room_created_at_ms", self.room_created_at_ms.map(|ms| json!(ms))),
        ];
        let known = all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        Value::Object(known.collect())
    }

    fn from_json(given: &Value) -> Self {
        let uri = |name: &str| given[name].as_str().map(|uri| MimiUri::new(uri).unwrap());
        Self {
            sender: uri("sender"),
            room: uri("room"),
            accepted_at_ms: given["accepted_at_ms"].as_u64(),
            now_ms: given["now_ms"].as_u64(),
            room_created_at_ms: given["room_created_at_ms"].as_u64(),
        }
    }
}

/// Octets and how often they are there.
struct Pieces(Vec<(Vec<u8>, usize)>);

impl Pieces {
    fn octets(&self) -> Vec<u8> {
        self.0.iter().flat_map(|(octets, times)| octets.repeat(*times)).collect()
    }
}

/// Octets that hold a run of so many equal ones somewhere.
fn with_run(octets: &[u8], octet: u8, count: usize) -> Pieces {
    let mut runs = octets.windows(count);
    let start = runs.position(|run| run.iter().all(|own| *own == octet)).unwrap();
    let end = start + count;
    Pieces(vec![(octets[..start].to_vec(), 1), (vec![octet], count), (octets[end..].to_vec(), 1)])
}

/// A variable vector of so many equal elements between other octets.
fn list(before: &[u8], element: &[u8], count: usize, after: &[u8]) -> Pieces {
    let length = u32::try_from(element.len() * count).unwrap();
    let prefix = match length {
        0..=0x3f => vec![u8::try_from(length).unwrap()],
        0x40..=0x3fff => (u16::try_from(length).unwrap() | 0x4000).to_be_bytes().to_vec(),
        _ => (length | 0x8000_0000).to_be_bytes().to_vec(),
    };
    let before = [before, &prefix].concat();
    Pieces(vec![(before, 1), (element.to_vec(), count), (after.to_vec(), 1)])
}

/// Every octet is in exactly one line, in order.
fn flatten(
    octets: &[u8],
    nodes: &[Node],
    from: usize,
    to: usize,
    depth: usize,
    lines: &mut Vec<Value>,
) {
    let mut at = from;
    for node in nodes {
        assert_eq!(at, node.offset, "{node:?}");
        at = node.offset + node.length;
        let own = match node.children.first() {
            Some(child) => &octets[node.offset..child.offset],
            None => &octets[node.offset..at],
        };
        let mut line = json!({
            "depth": depth,
            "offset": node.offset,
            "hex": hex::encode(own),
            "field": node.field,
        });
        let value = node.to_json()["value"].take();
        let is_octets = matches!(node.value, NodeValue::Octets(_) | NodeValue::Group);
        if !is_octets {
            line["value"] = value;
        }
        if let Some(meaning) = node.meaning {
            line["meaning"] = json!(meaning);
        }
        lines.push(line);
        let first = node.children.first().map_or(at, |child| child.offset);
        flatten(octets, &node.children, first, at, depth + 1, lines);
    }
    assert!(nodes.is_empty() || at == to, "octets that no field shows");
}

fn documents() -> Vec<Document> {
    vec![
        protocol::document(),
        room_policy::document(),
        content::content(),
        content::extensions(),
        content::derived(),
        content::status(),
        mls::extensions(),
        mls::ratchet_tree_options(),
        mls::semi_private_message(),
    ]
}

/// The octets of a valid vector that is checked in.
fn octets_of(file: &str, name: &str) -> Vec<u8> {
    let file: Value = serde_json::from_str(checked_in(file)).unwrap();
    let vectors = file["vectors"].as_array().unwrap();
    octets(vectors.iter().find(|vector| vector["name"] == name).expect(name))
}

/// The files as checked in.
fn checked_in(file: &str) -> &'static str {
    match file {
        "protocol.json" => include_str!("../../../../vectors/protocol.json"),
        "room-policy.json" => include_str!("../../../../vectors/room-policy.json"),
        "content.json" => include_str!("../../../../vectors/content.json"),
        "content-extensions.json" => include_str!("../../../../vectors/content-extensions.json"),
        "content-derived.json" => include_str!("../../../../vectors/content-derived.json"),
        "message-status.json" => include_str!("../../../../vectors/message-status.json"),
        "mls-extensions.json" => include_str!("../../../../vectors/mls-extensions.json"),
        "ratchet-tree-options.json" => {
            include_str!("../../../../vectors/ratchet-tree-options.json")
        }
        "derivations.json" => include_str!("../../../../vectors/derivations.json"),
        "semiprivatemessage.json" => include_str!("../../../../vectors/semiprivatemessage.json"),
        other => panic!("{other}"),
    }
}

#[test]
fn the_files_are_what_the_types_say() {
    for document in documents() {
        let text = document.text();
        let differs = checked_in(document.file).lines().zip(text.lines()).find(|(l, r)| l != r);
        assert_eq!(differs, None, "{}", document.file);
        assert_eq!(checked_in(document.file).len(), text.len(), "{}", document.file);
    }
    assert_eq!(checked_in("derivations.json"), derivations::text());
}

/// As a reader in another language would do it: from the files alone.
#[test]
fn the_files_hold() {
    let mut counts = (0, 0);
    for document in documents() {
        let file: Value = serde_json::from_str(checked_in(document.file)).unwrap();
        for entry in file["vectors"].as_array().unwrap() {
            let name = entry["name"].as_str().unwrap();
            let kind = entry["kind"].as_str().unwrap();
            let kind: Kind = kind.split(" (").next().unwrap().parse().unwrap();
            let octets = octets(entry);
            let read = match kind {
                Kind::Content => Given::from_json(&entry["given"]).read(&octets).map(drop),
                kind => inspect(kind, &octets).map(drop),
            };
            if entry["valid"] == true {
                assert!(read.is_ok(), "{name}: {read:?}");
                counts.0 += 1;
                if entry["hex"].is_string() {
                    refuses_other_lengths(name, kind, &octets);
                }
            } else {
                let fault = read.expect_err(name);
                assert_eq!(entry["error"]["class"], fault.class, "{name}");
                assert_eq!(entry["error"]["field"], fault.field, "{name}");
                assert_eq!(entry["error"]["offset"], fault.offset, "{name}");
                counts.1 += 1;
            }
        }
    }
    assert!(counts.0 > 100 && counts.1 > 100, "{counts:?}");
}

/// Every kind, and every component that this library knows, is shown by what is valid and by what
/// is not.
#[test]
fn every_kind_has_vectors_of_both_sorts() {
    let mut seen = std::collections::BTreeSet::new();
    for document in documents() {
        for entry in &document.entries {
            let kind = entry["kind"].as_str().unwrap().split(" (").next().unwrap().to_owned();
            seen.insert((kind, entry["valid"] == true));
        }
    }
    let components = component::ALL.iter().map(|id| Kind::Component(*id));
    // These hold nothing this library knows.
    let opaque = [component::LAST_RESORT_KEY_PACKAGE, component::APP_ACK].map(Kind::Component);
    let updates = [component::PARTICIPANT_LIST, component::JOIN_LINKS].map(Kind::ComponentUpdate);
    let kinds = Kind::ALL.iter().copied().chain(components).chain(updates);
    let mut missing = Vec::new();
    for kind in kinds.filter(|kind| !opaque.contains(kind)) {
        let name = kind.to_string().split(" (").next().unwrap().to_owned();
        for valid in [true, false] {
            if !seen.contains(&(name.clone(), valid)) {
                missing.push(format!("{name}: valid {valid}"));
            }
        }
    }
    assert_eq!(missing, Vec::<String>::new());
}

fn octets(entry: &Value) -> Vec<u8> {
    let Some(pieces) = entry["pieces"].as_array() else {
        let octets = hex::decode(entry["hex"].as_str().unwrap()).unwrap();
        if let Some(fields) = entry["fields"].as_array() {
            let joined: String =
                fields.iter().map(|field| field["hex"].as_str().unwrap()).collect();
            assert_eq!(joined, entry["hex"], "{}", entry["name"]);
        }
        return octets;
    };
    let piece = |piece: &Value| {
        let octets = hex::decode(piece["hex"].as_str().unwrap()).unwrap();
        octets.repeat(usize::try_from(piece["times"].as_u64().unwrap()).unwrap())
    };
    pieces.iter().flat_map(piece).collect()
}

/// WIRE-6: what is cut or continued is refused, but for a body of several messages and octets of
/// which nothing is known.
fn refuses_other_lengths(name: &str, kind: Kind, octets: &[u8]) {
    if kind == Kind::Directory || octets.len() > 20_000 {
        return;
    }
    for end in 0..octets.len() {
        let cut = inspect(kind, &octets[..end]);
        assert!(cut.is_err() || kind == Kind::Fanout, "{name} cut to {end}");
    }
    let continued = [octets, &[0]].concat();
    assert!(inspect(kind, &continued).is_err(), "{name} continued");
}

#[test]
#[ignore = "writes the vectors anew"]
#[expect(clippy::disallowed_methods, reason = "what the tests read must be written somehow")]
fn write_vectors() {
    for document in documents() {
        std::fs::write(format!("../../vectors/{}", document.file), document.text()).unwrap();
    }
    std::fs::write("../../vectors/derivations.json", derivations::text()).unwrap();
}
