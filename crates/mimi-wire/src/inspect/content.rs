//! A message as JSON.

use minicbor::data::Type;
use serde_json::{Value, json};

use crate::content::rules::{Nonsense, check_acceptance};
use crate::content::{
    Expiration, ExtensionKey, ExtensionValue, ExternalPart, MessageId, MimiContent, NestedPart,
    Part,
};
use crate::inspect::cbor_json::{self, hex, text_key};
use crate::inspect::{Fault, Kind, look};
use crate::media::ContentType;
use crate::trace::Record;
use crate::uri::MimiUri;

/// What is known of a message beside its octets.
#[derive(Clone, Copy, Debug, Default)]
pub struct Claims<'a> {
    /// The true sender, for the message ID and for `senderUri`.
    pub sender: Option<&'a MimiUri>,
    /// The true room, for the message ID and for `roomUri`.
    pub room: Option<&'a MimiUri>,
    /// When the hub accepted it, in milliseconds since the UNIX epoch, for the rules that need it.
    pub accepted_at_ms: Option<u64>,
    /// The present time, in milliseconds since the UNIX epoch, which acceptance is compared with.
    pub now_ms: Option<u64>,
    /// When the room was created, in milliseconds since the UNIX epoch.
    pub room_created_at_ms: Option<u64>,
}

/// A message as one JSON object: `message_id` (null unless sender and room are known), `salt`,
/// `replaces`, `topic_id`, `expires`, `in_reply_to`, `extensions`, `body`. Octets are hex.
///
/// Refuses what cannot be decoded and, of the values that make no sense, all that can be seen
/// with what is known (CONTENT-SEC-1).
pub fn content_json(octets: &[u8], claims: Claims<'_>) -> Result<Value, Fault> {
    let content = MimiContent::decode(octets).map_err(|malformed| {
        look(Kind::Content, octets).err().unwrap_or_else(|| malformed.into())
    })?;
    let checked = content
        .check_claims(claims.sender, claims.room)
        .and_then(|()| content.check_values())
        .and_then(|()| check_times(&content, claims));
    checked.map_err(|nonsense| fault(octets, &nonsense))?;
    let id = |(sender, room)| MessageId::compute(sender, room, octets, &content.salt).to_string();
    let mut next = 0;
    Ok(json!({
        "message_id": claims.sender.zip(claims.room).map(id),
        "salt": hex(&content.salt),
        "replaces": content.replaces.map(|id| id.to_string()),
        "topic_id": hex(&content.topic_id),
        "expires": content.expires.map(expires_json),
        "in_reply_to": content.in_reply_to.map(|id| id.to_string()),
        "extensions": extensions_json(&content),
        "body": part_json(&content.body, &mut next),
    }))
}

/// The rules that need clocks, as far as there are any.
fn check_times(content: &MimiContent, claims: Claims<'_>) -> Result<(), Nonsense> {
    let Some(accepted_at_ms) = claims.accepted_at_ms else { return Ok(()) };
    check_acceptance(accepted_at_ms, claims.now_ms, claims.room_created_at_ms)?;
    content.check_expiry(accepted_at_ms)
}

fn expires_json(expires: Expiration) -> Value {
    json!({ "relative": expires.relative, "time": expires.time })
}

/// The fault, with the place of the field.
fn fault(octets: &[u8], nonsense: &Nonsense) -> Fault {
    let records = look(Kind::Content, octets).unwrap_or_default();
    let extensions = "mimiContent.mimiExtensions";
    let within = match nonsense {
        Nonsense::Extension(malformed) => malformed.offset,
        _ => 0,
    };
    let offset = match nonsense.extension() {
        Some(key) => value_offset(octets, &records, &key).map(|offset| offset + within),
        None => records.iter().find(|record| record.field == nonsense.field()).map(|it| it.start),
    };
    let field = match nonsense.extension().and_then(|key| key.name()) {
        Some(name) => format!("{extensions}.{name}"),
        None => nonsense.field().to_owned(),
    };
    let message = match nonsense {
        Nonsense::Extension(malformed) => malformed.reason.clone(),
        other => other.to_string(),
    };
    Fault { class: "nonsensical", offset: offset.unwrap_or_default(), field, message }
}

/// Where the value of an extension begins: after its key.
fn value_offset(octets: &[u8], records: &[Record], key: &ExtensionKey) -> Option<usize> {
    let ExtensionKey::Int(key) = key else { return None };
    let field = "mimiContent.mimiExtensions";
    let whole = records.iter().find(|record| record.field == field)?;
    let mut decoder = minicbor::Decoder::new(octets);
    decoder.set_position(whole.start);
    let count = decoder.map().ok()??;
    for _ in 0..count {
        let is_text = decoder.datatype().ok()? == Type::String;
        let found = !is_text && decoder.probe().i64().ok() == Some(*key);
        decoder.skip().ok()?;
        if found {
            return Some(decoder.position());
        }
        decoder.skip().ok()?;
    }
    None
}

fn extensions_json(content: &MimiContent) -> Value {
    let pairs = content.extensions.iter().map(|(key, value)| {
        let key = match key {
            ExtensionKey::Int(key) => key.to_string(),
            ExtensionKey::Text(key) => text_key(key),
        };
        (key, extension_json(value))
    });
    Value::Object(pairs.collect())
}

fn extension_json(value: &ExtensionValue) -> Value {
    match value {
        ExtensionValue::Text(text) => json!(text),
        ExtensionValue::Encoded(item) => {
            cbor_json::item(&mut minicbor::Decoder::new(item)).unwrap_or_default()
        }
    }
}

fn part_json(part: &NestedPart, next: &mut usize) -> Value {
    let index = *next;
    *next += 1;
    let disposition = match part.disposition.name() {
        Some(name) => json!(name),
        None => json!(part.disposition.0),
    };
    let mut object = json!({
        "part_index": index,
        "disposition": disposition,
        "language": part.language,
    });
    match &part.part {
        Part::Null => object["cardinality"] = json!("null"),
        Part::Single { content_type, content } => {
            object["cardinality"] = json!("single");
            object["content_type"] = json!(content_type);
            object["content"] = json!(hex(content));
            let readable = ContentType::parse(content_type).text_format().is_some();
            if let (true, Ok(text)) = (readable, str::from_utf8(content)) {
                object["text"] = json!(text);
            }
        }
        Part::External(external) => {
            object["cardinality"] = json!("external");
            external_json(external, &mut object);
        }
        Part::Multi { semantics, parts } => {
            object["cardinality"] = json!("multi");
            object["semantics"] = json!(semantics.name());
            object["parts"] = parts.iter().map(|part| part_json(part, next)).collect();
        }
    }
    object
}

fn external_json(part: &ExternalPart, object: &mut Value) {
    object["content_type"] = json!(part.content_type);
    object["url"] = json!(part.url);
    object["expires"] = json!(part.expires);
    object["size"] = cbor_json::number(part.size.into());
    object["enc_alg"] = json!(part.enc_alg);
    object["key"] = json!(hex(&part.key));
    object["nonce"] = json!(hex(&part.nonce));
    object["aad"] = json!(hex(&part.aad));
    object["hash_alg"] = json!(part.hash_alg);
    object["content_hash"] = json!(hex(&part.content_hash));
    object["description"] = json!(part.description);
    object["filename"] = json!(part.filename);
}
