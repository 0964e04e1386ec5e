//! What certificates say.

use std::fmt::Write as _;

use mimi_mls::identity::{CertificateFault, CertificateSummary, summaries};
use mimi_wire::UriKind;
use mimi_wire::inspect::{Fault, Node, NodeValue};
use serde_json::{Value, json};

/// Whether the octets are certificates and nothing else.
pub(super) fn is_likely(octets: &[u8]) -> bool {
    octets.first() == Some(&0x30) && summaries(octets).is_ok()
}

/// As text and as JSON.
pub(super) fn show(octets: &[u8]) -> Result<(String, Value), Fault> {
    let fault = |fault: CertificateFault| Fault {
        class: "malformed",
        offset: fault.offset,
        field: fault.field.to_owned(),
        message: fault.reason,
    };
    let summaries = summaries(octets).map_err(fault)?;
    let mut text = format!("certificate, {} octets\n", octets.len());
    for (place, summary) in summaries.iter().enumerate() {
        let _ = writeln!(
            text,
            "{:04x}  [{place}] Certificate: {} octets",
            summary.offset, summary.length
        );
        for (offset, field, value) in fields(summary) {
            let _ = writeln!(text, "{offset:04x}    {field} = {value}");
        }
    }
    let certificates: Vec<Value> = summaries.iter().map(to_json).collect();
    let json =
        json!({ "kind": "certificate", "octets": octets.len(), "certificates": certificates });
    Ok((text, json))
}

/// Shows beside each certificate in a credential whose it is.
pub(super) fn annotate(nodes: &mut [Node]) {
    for node in nodes {
        annotate(&mut node.children);
        let NodeValue::Octets(der) = &node.value else { continue };
        if !node.field.ends_with("Certificate.cert_data") {
            continue;
        }
        let start = node.offset + node.length - der.len();
        let Ok(summaries) = summaries(der) else { continue };
        let said = summaries.iter().flat_map(fields).map(|(offset, field, value)| Node {
            field: field.to_owned(),
            offset: start + offset,
            length: 0,
            value: NodeValue::Text(value),
            meaning: None,
            children: Vec::new(),
        });
        node.children = said.collect();
    }
}

/// Offset, name and value of what is shown.
fn fields(summary: &CertificateSummary) -> Vec<(usize, &'static str, String)> {
    let at = |field| summary.offsets.get(field).copied().unwrap_or(summary.offset);
    let extensions = at("extensions");
    let mut fields = vec![
        (summary.offset, "SHA-256", hex(&summary.sha256)),
        (at("serialNumber"), "serialNumber", hex(&summary.serial)),
        (at("issuer"), "issuer", summary.issuer.clone()),
        (at("validity"), "notBefore", summary.not_before.clone()),
        (at("validity"), "notAfter", summary.not_after.clone()),
        (at("subject"), "subject", summary.subject.clone()),
        (at("subjectPublicKeyInfo"), "key", summary.key_type.clone()),
    ];
    for name in &summary.dns_names {
        fields.push((extensions, "subjectAltName.dNSName", name.clone()));
    }
    for (uri, kind) in &summary.uris {
        let uri = match role(*kind) {
            Some(role) => format!("{uri} ({role})"),
            None => uri.clone(),
        };
        fields.push((extensions, "subjectAltName.URI", uri));
    }
    for name in &summary.other_names {
        fields.push((extensions, "subjectAltName", name.clone()));
    }
    let is_ca = match (summary.is_ca, summary.path_len) {
        (false, _) => "no".to_owned(),
        (true, None) => "yes".to_owned(),
        (true, Some(most)) => format!("yes, with at most {most} below"),
    };
    fields.push((extensions, "CA", is_ca));
    if let Some(usage) = &summary.key_usage {
        fields.push((extensions, "keyUsage", usage.join(", ")));
    }
    if let Some(usage) = &summary.extended_key_usage {
        fields.push((extensions, "extKeyUsage", usage.join(", ")));
    }
    fields.push((at("signatureAlgorithm"), "signature", summary.signature_algorithm.clone()));
    match &summary.identity {
        Ok(identity) => {
            let device = format!("{} of {}", identity.client, identity.user);
            fields.push((extensions, "MIMI device (unproven)", device));
        }
        // An authority's or a provider's.
        Err(_) if summary.is_ca || summary.uris.iter().all(|(_, kind)| kind.is_none()) => {}
        Err(why) => fields.push((extensions, "no MIMI device", why.to_string())),
    }
    fields
}

fn role(kind: Option<UriKind>) -> Option<&'static str> {
    match kind? {
        UriKind::Client => Some("client"),
        UriKind::User => Some("user"),
        UriKind::Pseudonym => Some("pseudonym"),
        UriKind::Provider => Some("provider"),
        UriKind::Room => Some("room"),
        UriKind::Group => Some("group"),
        UriKind::Team => Some("team"),
        _ => Some("other"),
    }
}

fn to_json(summary: &CertificateSummary) -> Value {
    let uris: Vec<Value> =
        summary.uris.iter().map(|(uri, kind)| json!({ "uri": uri, "role": role(*kind) })).collect();
    let identity = match &summary.identity {
        Ok(identity) => json!({ "client": identity.client, "user": identity.user }),
        Err(why) => json!({ "fault": why.to_string() }),
    };
    json!({
        "offset": summary.offset,
        "length": summary.length,
        "sha256": hex(&summary.sha256),
        "serial": hex(&summary.serial),
        "subject": summary.subject,
        "issuer": summary.issuer,
        "not_before": summary.not_before,
        "not_after": summary.not_after,
        "key_type": summary.key_type,
        "public_key": hex(&summary.public_key),
        "signature_algorithm": summary.signature_algorithm,
        "dns_names": summary.dns_names,
        "uris": uris,
        "other_names": summary.other_names,
        "is_ca": summary.is_ca,
        "path_len": summary.path_len,
        "key_usage": summary.key_usage,
        "extended_key_usage": summary.extended_key_usage,
        "identity": identity,
    })
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}
