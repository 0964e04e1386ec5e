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

use mimi_wire::inspect::{Kind, Node, NodeValue, inspect};
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
        let mut fields = Vec::new();
        flatten(octets, &inspection.nodes, 0, octets.len(), 0, &mut fields);
        self.entries.push(json!({
            "name": name,
            "kind": kind.to_string(),
            "valid": true,
            "hex": hex::encode(octets),
            "fields": fields,
        }));
    }

    /// Octets that are refused.
    fn invalid(&mut self, name: &str, kind: Kind, octets: &[u8]) {
        let fault = inspect(kind, octets).expect_err(name);
        self.entries.push(json!({
            "name": name,
            "kind": kind.to_string(),
            "valid": false,
            "hex": hex::encode(octets),
            "error": { "class": "malformed", "offset": fault.offset, "field": fault.field },
        }));
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
            match inspect(kind, &pieces.octets()) {
                Ok(_) => assert_eq!(what, "at", "{name}"),
                Err(fault) => {
                    assert_eq!(what, "beyond", "{name}: {fault}");
                    let (offset, field) = (fault.offset, fault.field);
                    entry["error"] =
                        json!({ "class": "malformed", "offset": offset, "field": field });
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

/// Octets and how often they are there.
struct Pieces(Vec<(Vec<u8>, usize)>);

impl Pieces {
    fn octets(&self) -> Vec<u8> {
        self.0.iter().flat_map(|(octets, times)| octets.repeat(*times)).collect()
    }
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
            let read = inspect(kind, &octets);
            if entry["valid"] == true {
                assert!(read.is_ok(), "{name}: {read:?}");
                counts.0 += 1;
                refuses_other_lengths(name, kind, &octets);
            } else {
                let fault = read.expect_err(name);
                assert_eq!(entry["error"]["field"], fault.field, "{name}");
                assert_eq!(entry["error"]["offset"], fault.offset, "{name}");
                counts.1 += 1;
            }
        }
    }
    assert!(counts.0 > 100 && counts.1 > 100, "{counts:?}");
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
    if matches!(kind, Kind::Directory) || octets.len() > 20_000 {
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
