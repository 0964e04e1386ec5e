//! MLS objects that stay the same, and the structures of the MLS drafts.

use mimi_wire::component::{AppDataUpdate, AppDataUpdateOperation, AppEphemeral, ComponentsList};
use mimi_wire::experimental::{
    DomainList, ExternalReceiver, ExternalReceivers, KeyForExternalReceiver,
    PerMessageKeyAndNonces, SemiPrivateContentAad, SemiPrivateMessage, SemiPrivateMessageContext,
};
use mimi_wire::franking::SafeAad;
use mimi_wire::inspect::Kind;
use mimi_wire::media::{ApplicationFraming, MIMI_CONTENT, MediaType, MediaTypeList};
use mimi_wire::mls::{HpkeCiphertext, RatchetTree};
use mimi_wire::protocol::Extensions;
use mimi_wire::protocol::ratchet_tree::{PartialGroupInfo, RatchetTreeOption, RatchetTreePresence};
use mimi_wire::registry::WireFormats;
use mimi_wire::{Domain, Wire};

use crate::{Document, list};

/// The octets of an object of `vectors/mls-objects.json`.
pub(crate) fn octets(name: &str) -> Vec<u8> {
    let objects: serde_json::Value =
        serde_json::from_str(include_str!("../../../../vectors/mls-objects.json")).unwrap();
    hex::decode(objects[name].as_str().unwrap()).unwrap()
}

/// The object.
pub(crate) fn object<T: Wire>(name: &str) -> T {
    T::decode(&octets(name)).unwrap()
}

pub(crate) fn extensions() -> Document {
    let mut document = Document::new("mls-extensions.json", "draft-ietf-mls-extensions-10");
    let components = Kind::Component(1);
    document.valid("app_components: none", components, &ComponentsList::default().encode());
    let known = ComponentsList(vec![2, 3, 0x0022, 0x0a0a]);
    document.valid("app_components: with an unknown one", components, &known.encode());
    document.valid("safe_aad", Kind::Component(2), &ComponentsList(vec![0x0020]).encode());
    let odd = [3, 0, 2, 3];
    document.invalid("app_components: half an id", components, &odd);
    document.invalid("safe_aad: half an id", Kind::Component(2), &odd);
    document.limit("app_components", components, |n| list(&[], &[0, 9], n, &[]), 4_096);

    let types = Kind::Component(3);
    let plain = MediaType {
        parameters: vec![("charset".to_owned(), "utf-8".to_owned())],
        ..MediaType::new("text/plain")
    };
    let both = MediaTypeList(vec![MediaType::new(MIMI_CONTENT), plain.clone()]);
    document.valid("content_media_types", types, &both.encode());
    document.invalid("content_media_types: none", types, &[0]);
    document.limit("content_media_types", types, |n| list(&[], &[1, 0x78, 0], n, &[]), 4_096);

    let framing = |media_type| ApplicationFraming {
        media_type,
        inner_application_content: b"content".to_vec(),
    };
    let kind = Kind::ApplicationFraming;
    document.valid("framing: the first type", kind, &framing(MediaType::default()).encode());
    document.valid("framing: a type by name", kind, &framing(plain).encode());
    document.invalid("framing: a type that is not UTF-8", kind, &[1, 0xff, 0, 0]);
    document.limit("framing", kind, |n| list(&[0, 0], &[7], n, &[]), 1_048_576);

    document.valid("SafeAAD: nothing", Kind::SafeAad, &SafeAad::default().encode());
    document.valid("SafeAAD: a franking tag", Kind::SafeAad, &SafeAad::frank([7; 32]).encode());
    let two = SafeAad([(1, vec![]), (0xf000, vec![1])].into());
    document.valid("SafeAAD: unknown items", Kind::SafeAad, &two.encode());
    document.invalid("SafeAAD: no vector", Kind::SafeAad, &[]);
    document.invalid("SafeAAD: an item twice", Kind::SafeAad, &[6, 0, 1, 0, 0, 1, 0]);
    document.invalid("SafeAAD: descending", Kind::SafeAad, &[6, 0, 2, 0, 0, 1, 0]);

    let kind = Kind::AppDataUpdate;
    let update = |operation| AppDataUpdate { component_id: 0x0022, operation };
    let changed = AppDataUpdateOperation::Update(vec![0, 0, 0]);
    document.valid("AppDataUpdate: update", kind, &update(changed).encode());
    let removed = update(AppDataUpdateOperation::Remove);
    document.valid("AppDataUpdate: remove", kind, &removed.encode());
    let unknown = AppDataUpdate { component_id: 0xf000, ..removed };
    document.valid("AppDataUpdate: an unknown component", kind, &unknown.encode());
    document.invalid("AppDataUpdate: invalid(0)", kind, &[0, 0x22, 0]);
    document.invalid("AppDataUpdate: unknown operation", kind, &[0, 0x22, 3]);
    let ephemeral = AppEphemeral { component_id: 0xf000, data: vec![1, 2] };
    document.valid("AppEphemeral", Kind::AppEphemeral, &ephemeral.encode());
    document.invalid("AppEphemeral: no data", Kind::AppEphemeral, &[0, 0x22]);

    let kind = Kind::WireFormats;
    document.valid("wire formats: none", kind, &WireFormats::default().encode());
    let formats = WireFormats(vec![1, 2, 0x0a0a, 0xf0a1]);
    document.valid("wire formats: with unknown ones", kind, &formats.encode());
    document.invalid("wire formats: half a number", kind, &[1, 0]);
    document.limit("wire formats", kind, |n| list(&[], &[0, 9], n, &[]), 4_096);

    let kind = Kind::AppDataDictionary;
    document.valid("dictionary: empty", kind, &Extensions::default().encode());
    let two = Extensions([(0x0022, vec![0]), (0xf000, vec![1])].into());
    document.valid("dictionary: with an unknown component", kind, &two.encode());
    document.invalid("dictionary: a component twice", kind, &[6, 0, 1, 0, 0, 1, 0]);
    document.invalid("dictionary: descending", kind, &[6, 0, 2, 0, 0, 1, 0]);
    document.invalid("dictionary: a length not in its shortest form", kind, &[0x40, 3, 0, 1, 0]);
    document.invalid("dictionary: a length of eight octets", kind, &[0xc0, 0, 0, 0, 0, 0, 0, 0]);

    for (kind, name) in [
        (Kind::KeyPackage, "key_package"),
        (Kind::Welcome, "welcome"),
        (Kind::GroupInfo, "group_info"),
        (Kind::Credential, "credential"),
        (Kind::MlsMessage, "framed_welcome"),
        (Kind::MlsMessage, "application"),
        (Kind::MlsMessage, "proposal"),
        (Kind::MlsMessage, "commit"),
    ] {
        document.valid(&format!("MLS: {name}"), kind, &octets(name));
    }
    let welcome = octets("framed_welcome");
    document.invalid("MLS: a framed Welcome where no frame may be", Kind::Welcome, &welcome);
    let framed = [&[0, 1, 0, 4], &octets("group_info")[..]].concat();
    document.valid("MLS: a framed GroupInfo", Kind::MlsMessage, &framed);
    document.invalid("MLS: a framed GroupInfo where no frame may be", Kind::GroupInfo, &framed);
    let framed = [&[0, 1, 0, 5], &octets("key_package")[..]].concat();
    document.valid("MLS: a framed KeyPackage", Kind::MlsMessage, &framed);
    document.invalid("MLS: a frame around a KeyPackage alone", Kind::KeyPackage, &framed);
    document.invalid("MLS: unknown wire format", Kind::MlsMessage, &[0, 1, 0xf0, 0, 1, 7]);
    document.invalid("MLS: another version", Kind::MlsMessage, &[&[0, 2], &framed[2..]].concat());
    document.invalid("MLS: a chain that is cut off", Kind::Credential, &[0, 2, 3, 2, 7]);
    document
}

pub(crate) fn ratchet_tree_options() -> Document {
    let draft = "draft-mahy-mls-ratchet-tree-options-03";
    let mut document = Document::new("ratchet-tree-options.json", draft);
    let kind = Kind::RatchetTreeOption;
    let tree: RatchetTree = object("ratchet_tree");
    let url = "https://a.example/tree".to_owned();
    for (name, option) in [
        ("full", RatchetTreeOption::Full(tree)),
        ("httpsUri", RatchetTreeOption::HttpsUri { url, tree_signature: vec![1, 2] }),
        ("outOfBand", RatchetTreeOption::OutOfBand { tree_signature: vec![3] }),
        ("distributionService", RatchetTreeOption::DistributionService),
    ] {
        document.valid(name, kind, &option.encode());
    }
    document.invalid("reserved(0)", kind, &[0]);
    document.invalid("unknown representation", kind, &[5]);
    document.invalid("httpsUri that is not UTF-8", kind, &[2, 1, 0xff, 0]);

    let kind = Kind::PartialGroupInfo;
    let partial = |ratchet_tree_presence, group_info_extensions| PartialGroupInfo {
        ratchet_tree_presence,
        group_info_extensions,
        signature: vec![9],
    };
    for (name, presence) in [
        ("no_ratchet_tree", RatchetTreePresence::NoRatchetTree),
        ("present", RatchetTreePresence::Present),
        ("removed", RatchetTreePresence::Removed),
        ("added", RatchetTreePresence::Added),
    ] {
        document.valid(name, kind, &partial(presence, vec![]).encode());
    }
    let external_pub = vec![0, 4, 1, 7];
    let presence = RatchetTreePresence::NoRatchetTree;
    document.valid("with an extension", kind, &partial(presence, external_pub).encode());
    let twice = [0, 4, 0, 0, 4, 0].to_vec();
    document.invalid("an extension twice", kind, &partial(presence, twice).encode());
    let tree = [0, 2, 0].to_vec();
    document.invalid("the tree among the extensions", kind, &partial(presence, tree).encode());
    document.invalid("unknown presence", kind, &[4, 0, 0]);
    let domains = DomainList(vec![Domain::new("a.example").unwrap()]);
    let kind = Kind::DomainList;
    document.valid("experimental: source domains", kind, &domains.encode());
    document.invalid("experimental: no source domain", kind, &[0]);
    document
}

pub(crate) fn semi_private_message() -> Document {
    let draft = "draft-mahy-mls-semiprivatemessage-07 (experimental)";
    let mut document = Document::new("semiprivatemessage.json", draft);
    let message = |content_type, receivers| SemiPrivateMessage {
        aad: SemiPrivateContentAad {
            group_id: vec![0xaa],
            epoch: 7,
            content_type,
            authenticated_data: vec![0],
            partial_context_hash: vec![0xbb; 32],
            keys_for_external_receivers: vec![
                KeyForExternalReceiver {
                    external_receiver_ref: vec![0xcc; 32],
                    encrypted_keys_and_nonces: object::<HpkeCiphertext>("hpke_ciphertext"),
                };
                receivers
            ],
            framed_content_tbs_hash: vec![0xdd; 32],
        },
        encrypted_sender_data: vec![0xee],
        ciphertext: vec![0xff; 3],
    };
    let kind = Kind::SemiPrivateMessage;
    document.valid("proposal", kind, &message(2, 1).encode());
    document.valid("commit, two receivers", kind, &message(3, 2).encode());
    document.invalid("application", kind, &message(1, 1).encode());
    document.invalid("no receiver", kind, &message(2, 0).encode());
    let context = SemiPrivateMessageContext {
        group_id: vec![0xaa],
        epoch: 7,
        partial_context_hash: vec![0xbb; 32],
    };
    document.valid("context", Kind::SemiPrivateContext, &context.encode());
    let keys = PerMessageKeyAndNonces {
        key: vec![0x11; 16],
        nonce: vec![0x22; 12],
        reuse_guard: [0x33; 4],
        sender_leaf_index: 5,
    };
    document.valid("key and nonces", Kind::SemiPrivateKeys, &keys.encode());
    document.invalid("key without nonce", Kind::SemiPrivateKeys, &[1, 0x11]);
    document.invalid("context without epoch", Kind::SemiPrivateContext, &[1, 0xaa]);
    let receiver = ExternalReceiver {
        external_receiver_public_key: vec![1; 32],
        credential: object("credential"),
    };
    let receivers = Kind::Component(8);
    document.valid("external_receivers: none", receivers, &ExternalReceivers::default().encode());
    document.valid("external_receivers", receivers, &ExternalReceivers(vec![receiver]).encode());
    document.invalid("external_receivers: one without credential", receivers, &[2, 1, 7]);
    document
}
