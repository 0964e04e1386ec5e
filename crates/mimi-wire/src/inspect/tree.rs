//! The tree of fields.

use std::fmt;

use serde_json::{Value, json};

use crate::component;
use crate::content::{Disposition, ExtensionKey};
use crate::inspect::cbor_json::{self, hex};
use crate::inspect::{Inspection, mls_objects};
use crate::room::capability::Capability;
use crate::status::MessageStatus;
use crate::trace::{Kind, Record};

/// Characters of a value that one line of the readable tree shows.
const LINE_VALUE_CHARACTERS_MAX: usize = 100;

/// Registries of MLS, from 1 on.
const WIRE_FORMATS: &[&str] =
    &["PublicMessage", "PrivateMessage", "Welcome", "GroupInfo", "KeyPackage"];
const SENDER_TYPES: &[&str] = &["member", "external", "new_member_proposal", "new_member_commit"];
const CONTENT_TYPES: &[&str] = &["application", "proposal", "commit"];
const PROPOSAL_TYPES: &[&str] = &[
    "add",
    "update",
    "remove",
    "psk",
    "reinit",
    "external_init",
    "group_context_extensions",
    "app_data_update",
    "app_ephemeral",
    "self_remove",
];
const EXTENSION_TYPES: &[&str] = &[
    "application_id",
    "ratchet_tree",
    "required_capabilities",
    "external_pub",
    "external_senders",
    "app_data_dictionary",
];

/// A stretch of octets with its meaning.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Its name, e.g. `KeyMaterialRequest.targetUser`; of an element of a list its place, e.g.
    /// `[0]`.
    pub field: String,
    /// First octet.
    pub offset: usize,
    /// Number of octets, a length prefix or presence octet included.
    pub length: usize,
    /// What is there.
    pub value: NodeValue,
    /// What the value is called where it is a code of a registry.
    pub meaning: Option<&'static str>,
    /// What it is made of.
    pub children: Vec<Self>,
}

/// What a node holds.
#[derive(Clone, Debug, PartialEq)]
pub enum NodeValue {
    /// Only its children.
    Group,
    /// A list of so many elements.
    List(usize),
    /// An optional value that is absent.
    Absent,
    /// A number.
    Number(i128),
    /// A boolean.
    Boolean(bool),
    /// UTF-8.
    Text(String),
    /// Any octets, without prefix.
    Octets(Vec<u8>),
    /// A CBOR item of another type, in diagnostic notation.
    Diagnostic(String),
}

/// Nodes of the records of one decoding.
pub(super) fn build(octets: &[u8], records: Vec<Record>) -> Vec<Node> {
    let mut records = records.into_iter().peekable();
    let mut nodes = Vec::new();
    while let Some(record) = records.next() {
        nodes.push(node(octets, record, &mut records));
    }
    nodes
}

fn node(
    octets: &[u8],
    record: Record,
    rest: &mut std::iter::Peekable<std::vec::IntoIter<Record>>,
) -> Node {
    let mut children = Vec::new();
    while let Some(next) = rest.next_if(|next| next.end <= record.end && next.start >= record.start)
    {
        children.push(node(octets, next, rest));
    }
    let own = &octets[record.start..record.end];
    if record.kind == Kind::Mls {
        children = mls_objects::nodes(record.field, octets, record.start, record.end);
    }
    if record.kind == Kind::Element && children.len() == 1 {
        return children.remove(0);
    }
    if record.kind == Kind::Vector {
        for (place, child) in children.iter_mut().enumerate() {
            child.field = match child.field.as_str() {
                name if name == record.field => format!("[{place}]"),
                name => format!("[{place}] {name}"),
            };
        }
    }
    let value = value(own, record.kind, &children);
    Node {
        field: record.field.to_owned(),
        offset: record.start,
        length: own.len(),
        meaning: meaning(record.field, &value),
        value,
        children,
    }
}

/// Takes apart what is in components and extensions, which their own fields hold as octets.
pub(super) fn expand(octets: &[u8], nodes: &mut [Node]) {
    for at in 0..nodes.len() {
        let (before, node) = nodes.split_at_mut(at);
        let Some(node) = node.first_mut() else { continue };
        expand(octets, &mut node.children);
        // In a list a field has its place before its name.
        let field = node.field.rsplit(' ').next().unwrap_or_default();
        // Between the component and its update stands the operation.
        let id = before.iter().nth_back(usize::from(field == "AppDataUpdate.update"));
        let Some(NodeValue::Number(id)) = id.map(|id| &id.value) else { continue };
        let kind = u16::try_from(*id).ok().and_then(|id| held_kind(field, id));
        let Some(kind) = kind else { continue };
        let end = node.offset + node.length;
        let start = end - without_prefix(&octets[node.offset..end]).len();
        let Ok(inspection) = super::inspect(kind, &octets[start..end]) else { continue };
        node.children = inspection.nodes;
        node.children.iter_mut().for_each(|child| child.shift(start));
        if !node.children.is_empty() {
            node.value = NodeValue::Group;
        }
    }
}

/// What a field holds after a field with that number.
fn held_kind(field: &str, id: u16) -> Option<super::Kind> {
    const APP_DATA_DICTIONARY: u16 = 6;

    let component = super::has_layout(id);
    match field {
        "ComponentData.data" if component => Some(super::Kind::Component(id)),
        "AppDataUpdate.update" if component => Some(super::Kind::ComponentUpdate(id)),
        "Extension.extension_data" if id == APP_DATA_DICTIONARY => {
            Some(super::Kind::AppDataDictionary)
        }
        _ => None,
    }
}

fn value(own: &[u8], kind: Kind, children: &[Node]) -> NodeValue {
    match kind {
        Kind::Number => {
            let number = own.iter().fold(0, |number, octet| number << 8 | i128::from(*octet));
            NodeValue::Number(number)
        }
        Kind::Boolean => NodeValue::Boolean(own == [1]),
        Kind::Fixed => NodeValue::Octets(own.to_vec()),
        Kind::Opaque => text_or_octets(without_prefix(own)),
        Kind::Vector => NodeValue::List(children.len()),
        Kind::Optional if own == [0] => NodeValue::Absent,
        Kind::Mls if children.is_empty() => NodeValue::Octets(own.to_vec()),
        Kind::Element | Kind::Optional | Kind::CborGroup | Kind::Mls => NodeValue::Group,
        Kind::Cbor => cbor_value(own),
    }
}

/// The content of a variable vector.
fn without_prefix(own: &[u8]) -> &[u8] {
    let prefix = match own.first().map(|first| first >> 6) {
        Some(0) => 1,
        Some(1) => 2,
        _ => 4,
    };
    own.get(prefix..).unwrap_or_default()
}

/// Octets that can be read are shown as text. An empty value reads as an empty text.
fn text_or_octets(octets: &[u8]) -> NodeValue {
    match str::from_utf8(octets) {
        Ok(text) if is_text(octets) => NodeValue::Text(text.to_owned()),
        _ => NodeValue::Octets(octets.to_vec()),
    }
}

fn is_text(octets: &[u8]) -> bool {
    str::from_utf8(octets).is_ok_and(|text| !text.chars().any(is_unreadable))
}

fn is_unreadable(character: char) -> bool {
    character.is_control() && !matches!(character, '\n' | '\t' | '\r')
}

fn cbor_value(own: &[u8]) -> NodeValue {
    use minicbor::data::Type;

    let mut decoder = minicbor::Decoder::new(own);
    match decoder.datatype() {
        Ok(Type::Bytes) => {
            NodeValue::Octets(decoder.bytes().map(<[u8]>::to_vec).unwrap_or_default())
        }
        Ok(Type::String) => NodeValue::Text(decoder.str().map(str::to_owned).unwrap_or_default()),
        Ok(Type::Bool) => NodeValue::Boolean(decoder.bool().unwrap_or_default()),
        Ok(Type::Array) => {
            let count = decoder.array().ok().flatten().unwrap_or_default();
            NodeValue::Diagnostic(format!("array({count})"))
        }
        Ok(Type::Map) => {
            let count = decoder.map().ok().flatten().unwrap_or_default();
            NodeValue::Diagnostic(format!("map({count})"))
        }
        Ok(Type::Tag) => {
            let tag = decoder.tag().map(|tag| tag.as_u64()).unwrap_or_default();
            NodeValue::Diagnostic(format!("tag({tag})"))
        }
        _ => match decoder.int() {
            Ok(number) => NodeValue::Number(number.into()),
            Err(_) => {
                let item = cbor_json::item(&mut minicbor::Decoder::new(own));
                NodeValue::Diagnostic(item.unwrap_or_default().to_string())
            }
        },
    }
}

/// Names of codes, by the field they stand in.
fn meaning(field: &str, value: &NodeValue) -> Option<&'static str> {
    let NodeValue::Number(number) = value else { return None };
    let code = u16::try_from(*number).ok()?;
    let octet = u8::try_from(*number).ok();
    match field {
        "CapabilityType" => Capability(code).name(),
        "NestedPart.disposition" => Disposition(octet?).name(),
        "PerMessageStatus.status" => MessageStatus(octet?).name(),
        "mimiContent.mimiExtensions" => ExtensionKey::Int(i64::from(code)).name(),
        "MLSMessage.wire_format" => named(code, 1, WIRE_FORMATS),
        "Sender.sender_type" => named(code, 1, SENDER_TYPES),
        "FramedContent.content_type" | "PrivateMessage.content_type" => {
            named(code, 1, CONTENT_TYPES)
        }
        "Proposal.proposal_type" | "Capabilities.proposals" => named(code, 1, PROPOSAL_TYPES),
        "ProposalOrRef.type" => named(code, 1, &["proposal", "reference"]),
        "AppDataUpdate.op" => named(code, 1, &["update", "remove"]),
        "Credential.credential_type" | "Capabilities.credentials" => {
            named(code, 1, &["basic", "x509"])
        }
        "LeafNode.leaf_node_source" => named(code, 1, &["key_package", "update", "commit"]),
        "Extension.extension_type" | "Capabilities.extensions" => named(code, 1, EXTENSION_TYPES),
        _ if field.contains("component_id") || field.contains("safe_aad_types") => {
            component::name(code)
        }
        _ => None,
    }
}

/// The name of a code in a registry without gaps.
fn named(code: u16, first: u16, names: &[&'static str]) -> Option<&'static str> {
    names.get(usize::from(code.checked_sub(first)?)).copied()
}

/// A JSON document has no offsets worth showing.
pub(super) fn of_json(octets: &[u8]) -> Vec<Node> {
    let document: Value = serde_json::from_slice(octets).unwrap_or_default();
    let members = document.as_object().cloned().unwrap_or_default();
    let node = |(field, value): (String, Value)| Node {
        field,
        offset: 0,
        length: 0,
        value: match value {
            Value::String(text) => NodeValue::Text(text),
            other => NodeValue::Diagnostic(other.to_string()),
        },
        meaning: None,
        children: Vec::new(),
    };
    members.into_iter().map(node).collect()
}

impl Node {
    /// `{"field", "offset", "length", "value"?, "meaning"?, "children"?}`. Octets are
    /// `{"hex": …}`; a list has the number of its elements as its value.
    pub fn to_json(&self) -> Value {
        let mut node = json!({ "field": self.field, "offset": self.offset, "length": self.length });
        let value = match &self.value {
            NodeValue::Group => None,
            NodeValue::List(count) => Some(json!(count)),
            NodeValue::Absent => Some(Value::Null),
            NodeValue::Number(number) => Some(cbor_json::number(*number)),
            NodeValue::Boolean(value) => Some(json!(value)),
            NodeValue::Text(text) => Some(json!(text)),
            NodeValue::Octets(octets) => Some(json!({ "hex": hex(octets) })),
            NodeValue::Diagnostic(text) => Some(json!({ "cbor": text })),
        };
        if let Some(value) = value {
            node["value"] = value;
        }
        if let Some(meaning) = self.meaning {
            node["meaning"] = json!(meaning);
        }
        if !self.children.is_empty() {
            node["children"] = self.children.iter().map(Self::to_json).collect();
        }
        node
    }

    fn shift(&mut self, by: usize) {
        self.offset += by;
        self.children.iter_mut().for_each(|child| child.shift(by));
    }

    fn write(&self, formatter: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        write!(formatter, "{:04x}  {:indent$}{}", self.offset, "", self.field, indent = 2 * depth)?;
        match &self.value {
            NodeValue::Group => write!(formatter, ": {} octets", self.length)?,
            NodeValue::List(count) => write!(formatter, ": list of {count}")?,
            NodeValue::Absent => formatter.write_str(": absent")?,
            NodeValue::Number(number) => write!(formatter, " = {number}")?,
            NodeValue::Boolean(value) => write!(formatter, " = {value}")?,
            NodeValue::Text(text) => write!(formatter, " = {}", shortened(&format!("{text:?}")))?,
            NodeValue::Octets(octets) if octets.is_empty() => formatter.write_str(" = h''")?,
            NodeValue::Octets(octets) if self.field == "SinglePart.content" && is_text(octets) => {
                let text = String::from_utf8_lossy(octets);
                let shown = shortened(&format!("{text:?}"));
                write!(formatter, " = {shown} ({} octets)", octets.len())?;
            }
            NodeValue::Octets(octets) => {
                let shown = shortened(&hex(octets));
                write!(formatter, " = h'{shown}' ({} octets)", octets.len())?;
            }
            NodeValue::Diagnostic(text) => write!(formatter, " = {}", shortened(text))?,
        }
        match self.meaning {
            Some(meaning) => writeln!(formatter, " ({meaning})")?,
            None => writeln!(formatter)?,
        }
        self.children.iter().try_for_each(|child| child.write(formatter, depth + 1))
    }
}

impl Inspection {
    /// `{"kind", "octets", "nodes"}`.
    pub fn to_json(&self) -> Value {
        let nodes: Vec<Value> = self.nodes.iter().map(Node::to_json).collect();
        json!({ "kind": self.kind.to_string(), "octets": self.octets, "nodes": nodes })
    }
}

/// One line per node: offset, field, value.
impl fmt::Display for Inspection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{}, {} octets", self.kind, self.octets)?;
        self.nodes.iter().try_for_each(|node| node.write(formatter, 0))
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(LINE_VALUE_CHARACTERS_MAX) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}
