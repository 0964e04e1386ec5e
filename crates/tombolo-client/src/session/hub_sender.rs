//! A hub's entry in `external_senders` (AMB-ST-1): its key, and the domain it speaks for. Rooms of
//! ours have no other: followers are made none, so none has to be taken out again when its last user
//! leaves (PROTO-ST-5, AMB-ST-3).

use mimi_wire::codec::Reader;
use mimi_wire::mls::{Credential, ExternalSender};
use mimi_wire::{Domain, MimiUri, UriKind, Wire};

/// Octets of a signature key, at most.
const KEY_OCTETS_MAX: usize = 1_024;

/// The signature key.
pub(crate) fn signature_key(sender: &ExternalSender) -> Option<Vec<u8>> {
    let mut reader = Reader::new(sender.octets());
    reader.opaque(KEY_OCTETS_MAX, "ExternalSender.signatureKey").ok().map(<[u8]>::to_vec)
}

/// The domain of its basic credential, `mimi://<domain>`; other credentials name none here.
pub(crate) fn domain_of(sender: &ExternalSender) -> Option<Domain> {
    let mut reader = Reader::new(sender.octets());
    reader.opaque(KEY_OCTETS_MAX, "ExternalSender.signatureKey").ok()?;
    let credential = Credential::read(&mut reader).ok()?;
    let mut reader = Reader::new(credential.octets());
    if reader.u16("Credential.type").ok()? != 1 {
        return None;
    }
    let identity = reader.opaque(KEY_OCTETS_MAX, "Credential.identity").ok()?;
    let uri = MimiUri::new(std::str::from_utf8(identity).ok()?).ok()?;
    (uri.kind() == UriKind::Provider).then(|| uri.domain())
}
