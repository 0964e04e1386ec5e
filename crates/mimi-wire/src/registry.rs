//! Code points of MLS and its extensions that MIMI uses, with their names, and the two lists of
//! wire formats (mls-extensions-10 sections 5 and 7; RFC 9420 section 17).
//!
//! All are plain numbers: unknown ones are carried through wherever a list of them is read. Those of
//! components are in [`component`](crate::component), those of capabilities in
//! [`room::capability`](crate::room::capability).

use crate::codec::{Malformed, Reader, Wire, Writer};
use crate::limits::LIST_ELEMENTS_MAX;

/// Defines a module of constants and, from the same lines, the table of their names.
macro_rules! registry {
    ($(#[$doc:meta])* $module:ident { $($constant:ident = $code:literal, $name:literal;)* }) => {
        $(#[$doc])*
        pub mod $module {
            $(
                #[doc = concat!("`", $name, "`.")]
                pub const $constant: u16 = $code;
            )*

            /// Every code named here, ascending.
            pub const ALL: &[u16] = &[$($code),*];

            /// The registry's name of a code.
            pub fn name(code: u16) -> Option<&'static str> {
                match code {
                    $($code => Some($name),)*
                    _ => None,
                }
            }
        }
    };
}

registry! {
    /// MLS extension types.
    extension_type {
        APPLICATION_ID = 0x0001, "application_id";
        RATCHET_TREE = 0x0002, "ratchet_tree";
        REQUIRED_CAPABILITIES = 0x0003, "required_capabilities";
        EXTERNAL_PUB = 0x0004, "external_pub";
        EXTERNAL_SENDERS = 0x0005, "external_senders";
        APP_DATA_DICTIONARY = 0x0006, "app_data_dictionary";
        SUPPORTED_WIRE_FORMATS = 0x0007, "supported_wire_formats";
        REQUIRED_WIRE_FORMATS = 0x0008, "required_wire_formats";
    }
}

registry! {
    /// MLS proposal types.
    proposal_type {
        ADD = 0x0001, "add";
        UPDATE = 0x0002, "update";
        REMOVE = 0x0003, "remove";
        PSK = 0x0004, "psk";
        REINIT = 0x0005, "reinit";
        EXTERNAL_INIT = 0x0006, "external_init";
        GROUP_CONTEXT_EXTENSIONS = 0x0007, "group_context_extensions";
        APP_DATA_UPDATE = 0x0008, "app_data_update";
        APP_EPHEMERAL = 0x0009, "app_ephemeral";
        SELF_REMOVE = 0x000a, "self_remove";
    }
}

registry! {
    /// MLS credential types. Multi-credentials are named only: nothing here reads them.
    credential_type {
        BASIC = 0x0001, "basic";
        X509 = 0x0002, "x509";
        MULTI = 0x0003, "multi";
        WEAK_MULTI = 0x0004, "weak-multi";
    }
}

registry! {
    /// MLS wire formats. SemiPrivateMessage has none yet (AMB-SPM-1).
    wire_format {
        PUBLIC_MESSAGE = 0x0001, "mls_public_message";
        PRIVATE_MESSAGE = 0x0002, "mls_private_message";
        WELCOME = 0x0003, "mls_welcome";
        GROUP_INFO = 0x0004, "mls_group_info";
        KEY_PACKAGE = 0x0005, "mls_key_package";
    }
}

registry! {
    /// MLS cipher suites that Tombolo knows (AMB-ST-7).
    cipher_suite {
        MLS_128_DHKEMX25519_AES128GCM_SHA256_ED25519 = 0x0001,
            "MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519";
        MLS_128_DHKEMP256_AES128GCM_SHA256_P256 = 0x0002,
            "MLS_128_DHKEMP256_AES128GCM_SHA256_P256";
        MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_ED25519 = 0x0003,
            "MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519";
    }
}

/// `WireFormats`: the content of the extensions `supported_wire_formats` of a leaf and
/// `required_wire_formats` of a group (MLSX-11). Unknown formats are kept (MLSX-12).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct WireFormats(pub Vec<u16>);

impl WireFormats {
    /// The formats of a group that a client with this list does not support. PublicMessage and
    /// PrivateMessage are supported by everyone and need not be listed.
    pub fn missing(&self, required: &Self) -> Vec<u16> {
        let implied = [wire_format::PUBLIC_MESSAGE, wire_format::PRIVATE_MESSAGE];
        let has = |format: &u16| implied.contains(format) || self.0.contains(format);
        required.0.iter().filter(|format| !has(format)).copied().collect()
    }
}

impl Wire for WireFormats {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let field = "WireFormats.wire_formats";
        Ok(Self(reader.vector(LIST_ELEMENTS_MAX, field, |reader| reader.u16(field))?))
    }

    fn write(&self, writer: &mut Writer) {
        writer.vector(&self.0, |writer, format| writer.u16(*format));
    }
}

#[cfg(test)]
mod tests;
