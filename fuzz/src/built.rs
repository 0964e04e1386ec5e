//! Valid things made from the octets of the fuzzer, so that what is deep inside is reached; then
//! the same with a few octets changed.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use arbitrary::{Result, Unstructured};
use mimi_wire::codec::Writer;
use mimi_wire::content::{
    Disposition, Expiration, ExtensionKey, ExtensionValue, ExternalPart, MessageId, MimiContent,
    NestedPart, Part, PartSemantics,
};
use mimi_wire::protocol::found_room::RoomFounding;
use mimi_wire::protocol::group_info::GroupInfoRatchetTreeTbe;
use mimi_wire::protocol::key_material::KeyMaterialResponse;
use mimi_wire::protocol::notify::FanoutMessage;
use mimi_wire::protocol::update::UpdateRequest;
use mimi_wire::room::capability::Capability;
use mimi_wire::room::participant_list::{
    ParticipantListData, ParticipantListUpdate, UserIndexRolePair, UserRolePair,
};
use mimi_wire::room::preauth::{Claim, PreAuthData, PreAuthRoleEntry};
use mimi_wire::room::roles::{Role, RoleData, SingleSourceRoleChangeTargets};
use mimi_wire::{Domain, MimiUri, UriKind, Wire};

use crate::wire::canonical;

type Source<'a> = Unstructured<'a>;

/// A message.
pub fn content(octets: &[u8]) {
    let mut source = Unstructured::new(octets);
    let Ok(message) = message(&mut source) else { return };
    let Ok(encoded) = message.encode() else { return };
    assert_eq!(MimiContent::decode(&encoded).as_ref(), Ok(&message));
    crate::wire::content(&encoded);
    if let Ok(changed) = changed(encoded, &mut source) {
        crate::wire::content(&changed);
    }
}

/// What the components of a room hold.
pub fn room(octets: &[u8]) {
    let mut source = Unstructured::new(octets);
    let _ = match source.int_in_range(0..=3) {
        Ok(0) => participants(&mut source).and_then(|list| exact_then_changed(&list, &mut source)),
        Ok(1) => update(&mut source).and_then(|update| exact_then_changed(&update, &mut source)),
        Ok(2) => roles(&mut source).and_then(|roles| exact_then_changed(&roles, &mut source)),
        _ => preauth(&mut source).and_then(|list| exact_then_changed(&list, &mut source)),
    };
}

/// A body that holds sound objects of MLS, where such may be and where not.
pub fn body(octets: &[u8]) {
    let mut source = Unstructured::new(octets);
    let Ok(body) = body_of_objects(&mut source) else { return };
    each_body(&body);
    if let Ok(changed) = changed(body, &mut source) {
        each_body(&changed);
    }
}

fn each_body(octets: &[u8]) {
    canonical::<FanoutMessage>(octets);
    canonical::<UpdateRequest>(octets);
    canonical::<KeyMaterialResponse>(octets);
    canonical::<RoomFounding>(octets);
    canonical::<GroupInfoRatchetTreeTbe>(octets);
}

fn exact_then_changed<T>(value: &T, source: &mut Source<'_>) -> Result<()>
where
    T: Wire + PartialEq + std::fmt::Debug,
{
    let encoded = value.encode();
    assert_eq!(T::decode(&encoded).as_ref(), Ok(value));
    canonical::<T>(&changed(encoded, source)?);
    Ok(())
}

/// Some octets changed, put in, taken out or repeated.
fn changed(mut octets: Vec<u8>, source: &mut Source<'_>) -> Result<Vec<u8>> {
    for _ in 0..source.int_in_range(1..=4)? {
        if octets.is_empty() {
            break;
        }
        let at = source.choose_index(octets.len())?;
        match source.int_in_range(0..=5)? {
            0 => octets[at] = source.arbitrary()?,
            1 => octets[at] ^= 1 << source.int_in_range(0..=7)?,
            2 => octets.insert(at, source.arbitrary()?),
            3 => drop(octets.remove(at)),
            4 => octets.truncate(at),
            _ => {
                let end = source.int_in_range(at..=octets.len())?;
                let again = octets[at..end].to_vec();
                octets.splice(at..at, again);
            }
        }
    }
    Ok(octets)
}

fn list<T>(
    source: &mut Source<'_>,
    most: usize,
    mut element: impl FnMut(&mut Source<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    (0..source.int_in_range(0..=most)?).map(|_| element(source)).collect()
}

fn octets(source: &mut Source<'_>) -> Result<Vec<u8>> {
    let length = match source.int_in_range(0..=9)? {
        // Where length prefixes become longer, in CBOR and in TLS.
        0 => *source.choose(&[23, 24, 63, 64, 255, 256])?,
        _ => source.int_in_range(0..=8)?,
    };
    Ok(source.bytes(length.min(source.len()))?.to_vec())
}

fn text(source: &mut Source<'_>) -> Result<String> {
    Ok(String::from_utf8_lossy(&octets(source)?).into_owned())
}

fn uri(source: &mut Source<'_>, kind: UriKind) -> Result<MimiUri> {
    let domain = *source.choose(&["a.example", "b.example", "chat.c.example"])?;
    let domain = Domain::new(domain).expect("a domain");
    let name = text(source)?;
    let built = MimiUri::build(&domain, kind, &[name.as_str()]);
    built.map_err(|_| arbitrary::Error::IncorrectFormat)
}

fn message_id(source: &mut Source<'_>) -> Result<MessageId> {
    let mut id: [u8; 32] = source.arbitrary()?;
    id[0] = if source.ratio(1, 16)? { id[0] } else { 1 };
    Ok(MessageId(id))
}

fn message(source: &mut Source<'_>) -> Result<MimiContent> {
    let mut extensions = BTreeMap::new();
    for (key, kind) in [(1, UriKind::User), (2, UriKind::Room)] {
        if source.arbitrary()? {
            let uri = uri(source, kind)?.as_str().to_owned();
            extensions.insert(ExtensionKey::Int(key), ExtensionValue::Text(uri));
        }
    }
    for _ in 0..source.int_in_range(0..=3)? {
        let key = match source.int_in_range(0..=3)? {
            0 => ExtensionKey::Text(text(source)?),
            1 => ExtensionKey::Int(*source.choose(&[3, 4, 5, 256])?),
            _ => ExtensionKey::Int(source.arbitrary()?),
        };
        extensions.insert(key, extension(source)?);
    }
    let or_none = |source: &mut Source<'_>| match source.arbitrary()? {
        true => message_id(source).map(Some),
        false => Ok(None),
    };
    Ok(MimiContent {
        salt: source.arbitrary()?,
        replaces: or_none(source)?,
        topic_id: octets(source)?,
        expires: match source.arbitrary()? {
            true => Some(Expiration { relative: source.arbitrary()?, time: source.arbitrary()? }),
            false => None,
        },
        in_reply_to: or_none(source)?,
        extensions,
        body: part(source, 4)?,
    })
}

fn extension(source: &mut Source<'_>) -> Result<ExtensionValue> {
    if source.ratio(1, 4)? {
        return Ok(ExtensionValue::Text(text(source)?));
    }
    let mut encoded = Vec::new();
    item(source, 3, &mut encoded)?;
    Ok(ExtensionValue::Encoded(encoded))
}

/// A head as short as can be.
fn head(major: u8, argument: u64, octets: &mut Vec<u8>) {
    let major = major << 5;
    let wide = argument.to_be_bytes();
    match argument {
        0..24 => octets.push(major | wide[7]),
        24..0x100 => octets.extend([major | 24, wide[7]]),
        0x100..0x1_0000 => octets.extend([&[major | 25], &wide[6..]].concat()),
        0x1_0000..0x1_0000_0000 => octets.extend([&[major | 26], &wide[4..]].concat()),
        _ => octets.extend([&[major | 27], &wide[..]].concat()),
    }
}

/// A CBOR item, most likely within the data model.
fn item(source: &mut Source<'_>, levels: u32, octets: &mut Vec<u8>) -> Result<()> {
    let most = if levels == 0 { 5 } else { 8 };
    match source.int_in_range(0..=most)? {
        0 => head(0, source.arbitrary()?, octets),
        1 => head(1, source.arbitrary()?, octets),
        2 => {
            let value = self::octets(source)?;
            head(2, value.len() as u64, octets);
            octets.extend(value);
        }
        3 => {
            let value = text(source)?;
            head(3, value.len() as u64, octets);
            octets.extend(value.as_bytes());
        }
        4 => octets.push(*source.choose(&[0xf4, 0xf5, 0xf6])?),
        5 => {
            let float: f64 = source.arbitrary()?;
            let value = ciborium::Value::Float(float);
            ciborium::into_writer(&value, octets).expect("a vector takes every octet");
        }
        6 => {
            let count = source.int_in_range(0..=3)?;
            head(4, count, octets);
            for _ in 0..count {
                item(source, levels - 1, octets)?;
            }
        }
        7 => {
            let mut keys = list(source, 3, |source| source.arbitrary::<u8>())?;
            keys.sort_unstable();
            keys.dedup();
            head(5, keys.len() as u64, octets);
            for key in keys {
                head(0, key.into(), octets);
                item(source, levels - 1, octets)?;
            }
        }
        _ => {
            head(6, source.int_in_range(0..=64)?, octets);
            item(source, levels - 1, octets)?;
        }
    }
    Ok(())
}

fn part(source: &mut Source<'_>, levels: u32) -> Result<NestedPart> {
    let disposition = Disposition(source.arbitrary()?);
    let language = source.choose(&["", "en", "fr-CA,fr"])?.to_string();
    let part = match source.int_in_range(0..=if levels <= 1 { 2 } else { 4 })? {
        0 => Part::Null,
        1 => Part::Single {
            content_type: source
                .choose(&["text/markdown;variant=GFM-MIMI", "text/plain", "text/html", "a/b"])?
                .to_string(),
            content: octets(source)?,
        },
        2 => Part::External(Box::new(external(source)?)),
        _ => Part::Multi {
            semantics: *source.choose(&[
                PartSemantics::ChooseOne,
                PartSemantics::SingleUnit,
                PartSemantics::ProcessAll,
            ])?,
            parts: [
                vec![part(source, levels - 1)?, part(source, levels - 1)?],
                list(source, 2, |source| part(source, levels - 1))?,
            ]
            .concat(),
        },
    };
    Ok(NestedPart { disposition, language, part })
}

fn external(source: &mut Source<'_>) -> Result<ExternalPart> {
    let enc_alg: u16 = *source.choose(&[0, 1, 2, 0xffff])?;
    let or_empty = |source: &mut Source<'_>| match enc_alg {
        0 => Ok(Vec::new()),
        _ => octets(source),
    };
    Ok(ExternalPart {
        content_type: text(source)?,
        url: text(source)?,
        expires: source.arbitrary()?,
        size: source.arbitrary()?,
        enc_alg,
        key: or_empty(source)?,
        nonce: or_empty(source)?,
        aad: or_empty(source)?,
        hash_alg: source.arbitrary()?,
        content_hash: octets(source)?,
        description: text(source)?,
        filename: text(source)?,
    })
}

fn participant(source: &mut Source<'_>) -> Result<UserRolePair> {
    let role_index = source.int_in_range(1..=u32::MAX)?;
    Ok(UserRolePair { user: uri(source, UriKind::User)?, role_index })
}

fn participants(source: &mut Source<'_>) -> Result<ParticipantListData> {
    Ok(ParticipantListData { participants: list(source, 8, participant)? })
}

fn update(source: &mut Source<'_>) -> Result<ParticipantListUpdate> {
    let mut removed_indices = list(source, 6, |source| source.arbitrary())?;
    removed_indices.sort_unstable();
    removed_indices.dedup();
    Ok(ParticipantListUpdate {
        changed_role_participants: list(source, 6, |source| {
            let role_index = source.int_in_range(1..=u32::MAX)?;
            Ok(UserIndexRolePair { user_index: source.arbitrary()?, role_index })
        })?,
        removed_indices,
        added_participants: list(source, 4, participant)?,
    })
}

fn role(source: &mut Source<'_>) -> Result<Role> {
    Ok(Role {
        role_index: source.arbitrary()?,
        role_name: text(source)?,
        role_description: text(source)?,
        role_capabilities: list(source, 6, |source| Ok(Capability(source.arbitrary()?)))?,
        minimum_participants_constraint: source.arbitrary()?,
        maximum_participants_constraint: source.arbitrary()?,
        minimum_active_participants_constraint: source.arbitrary()?,
        maximum_active_participants_constraint: source.arbitrary()?,
        authorized_role_changes: list(source, 4, |source| {
            Ok(SingleSourceRoleChangeTargets {
                from_role_index: source.arbitrary()?,
                target_role_indexes: list(source, 4, |source| source.arbitrary())?,
            })
        })?,
    })
}

fn roles(source: &mut Source<'_>) -> Result<RoleData> {
    Ok(RoleData { roles: list(source, 4, role)? })
}

fn preauth(source: &mut Source<'_>) -> Result<PreAuthData> {
    let claim = |source: &mut Source<'_>| {
        Ok(Claim {
            credential_type: source.arbitrary()?,
            id: octets(source)?,
            claim_value: octets(source)?,
        })
    };
    Ok(PreAuthData {
        entries: list(source, 3, |source| {
            let claimset = list(source, 3, claim)?;
            Ok(PreAuthRoleEntry { claimset, target_role: role(source)? })
        })?,
    })
}

/// The objects of `vectors/mls-objects.json`.
static OBJECTS: LazyLock<BTreeMap<String, Vec<u8>>> = LazyLock::new(|| {
    let text = include_str!("../../vectors/mls-objects.json");
    let objects: BTreeMap<String, String> = serde_json::from_str(text).expect("the file is JSON");
    let octets = |(name, hex)| (name, hex::decode(hex).expect("the file holds hexadecimal"));
    objects.into_iter().map(octets).collect()
});

/// One of these objects, most likely the first.
fn object(source: &mut Source<'_>, names: &[&str]) -> Result<&'static [u8]> {
    let name = if source.ratio(1, 8)? { source.choose(names)? } else { &names[0] };
    Ok(&OBJECTS[*name])
}

fn body_of_objects(source: &mut Source<'_>) -> Result<Vec<u8>> {
    let mut writer = Writer::default();
    match source.int_in_range(0..=4)? {
        0 => {
            writer.u64(source.arbitrary()?);
            writer.raw(object(source, &["application", "private_commit", "key_package"])?);
            match source.arbitrary()? {
                true => {
                    writer.u8(1);
                    writer.raw(&source.arbitrary::<[u8; 32]>()?);
                    writer.u16(source.arbitrary()?);
                    writer.opaque(&octets(source)?);
                }
                false => writer.u8(0),
            }
        }
        1 => {
            writer.u64(source.arbitrary()?);
            writer.raw(object(source, &["framed_welcome", "welcome"])?);
            tree_option(source, &mut writer)?;
        }
        2 => {
            if source.arbitrary()? {
                writer.u64(source.arbitrary()?);
            }
            writer.raw(object(source, &["proposal", "commit"])?);
            let more = list(source, 3, |source| object(source, &["proposal", "commit"]))?;
            writer.vector(&more, |writer, message| writer.raw(message));
        }
        3 => {
            writer.raw(object(source, &["commit", "private_commit"])?);
            let welcome = object(source, &["welcome", "framed_welcome"])?;
            writer.optional(source.arbitrary::<bool>()?.then_some(&welcome), |writer, welcome| {
                writer.raw(welcome);
            });
            writer.u8(1);
            writer.raw(object(source, &["group_info", "group_info_with_tree"])?);
            tree_option(source, &mut writer)?;
        }
        _ => {
            writer.raw(object(source, &["group_info", "group_info_with_tree"])?);
            match source.arbitrary()? {
                true => writer.raw(object(source, &["ratchet_tree"])?),
                false => {
                    tree_option(source, &mut writer)?;
                    let pending = list(source, 3, |source| object(source, &["proposal"]))?;
                    writer.vector(&pending, |writer, proposal| {
                        writer.raw(proposal);
                        writer.u64(1);
                    });
                }
            }
        }
    }
    Ok(writer.into_octets())
}

fn tree_option(source: &mut Source<'_>, writer: &mut Writer) -> Result<()> {
    match source.int_in_range(0..=3)? {
        0 => {
            writer.u8(1);
            writer.raw(object(source, &["ratchet_tree"])?);
        }
        1 => {
            writer.u8(2);
            writer.opaque(text(source)?.as_bytes());
            writer.opaque(&octets(source)?);
        }
        2 => {
            writer.u8(3);
            writer.opaque(&octets(source)?);
        }
        _ => writer.u8(4),
    }
    Ok(())
}
