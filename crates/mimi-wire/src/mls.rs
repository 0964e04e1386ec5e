//! Objects of MLS inside MIMI bodies: parsed by the MLS library, kept with their exact octets.
//!
//! Signatures, references and message identities are computed over received octets, never over a
//! re-encoding, so the octets are the value: two objects are equal when their octets are.

use crate::codec::{Malformed, Reader, Wire, Writer};

/// Reads one MLS object whose extent only its own structure tells.
macro_rules! mls_object {
    ($(#[$doc:meta])* $name:ident, $parsed:ty) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name {
            octets: Vec<u8>,
            parsed: $parsed,
        }

        impl $name {
            /// The octets as received or as handed in.
            pub fn octets(&self) -> &[u8] {
                &self.octets
            }

            /// The MLS library's view of them: well formed, nothing verified.
            pub fn parsed(&self) -> &$parsed {
                &self.parsed
            }
        }

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.octets == other.octets
            }
        }

        impl Eq for $name {}

        impl Wire for $name {
            fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
                let (octets, parsed) = reader.mls::<$parsed>(stringify!($name))?;
                Ok(Self { octets: octets.to_vec(), parsed })
            }

            fn write(&self, writer: &mut Writer) {
                writer.raw(&self.octets);
            }
        }
    };
}

mls_object!(
    /// An `MLSMessage`: version, wire format and one of the formats.
    MlsMessage,
    openmls::prelude::MlsMessageIn
);
mls_object!(
    /// A `Welcome` without the `MLSMessage` frame (AMB-UPD-6).
    Welcome,
    openmls::prelude::Welcome
);
mls_object!(
    /// A `GroupInfo` without the `MLSMessage` frame.
    GroupInfo,
    openmls::messages::group_info::VerifiableGroupInfo
);
mls_object!(
    /// A `KeyPackage` without the `MLSMessage` frame.
    KeyPackage,
    openmls::prelude::KeyPackageIn
);
mls_object!(
    /// A `Credential`.
    Credential,
    openmls::prelude::Credential
);
mls_object!(
    /// `Capabilities` of a leaf node.
    Capabilities,
    openmls::prelude::Capabilities
);
mls_object!(
    /// The content of a `required_capabilities` extension.
    RequiredCapabilities,
    openmls::prelude::RequiredCapabilitiesExtension
);
mls_object!(
    /// One entry of the `external_senders` extension.
    ExternalSender,
    openmls::prelude::ExternalSender
);
mls_object!(
    /// The content of a `ratchet_tree` extension: `optional<Node> ratchet_tree<V>` (AMB-RTO-2).
    RatchetTree,
    openmls::prelude::RatchetTreeIn
);
mls_object!(
    /// An `HPKECiphertext`.
    HpkeCiphertext,
    openmls::prelude::HpkeCiphertext
);
