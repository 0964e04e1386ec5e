//! The schemas of values that JSON bodies and parameters are made of.

use std::borrow::Cow;

use mimi_provider::account::NAME_OCTETS_MAX;
use mimi_wire::limits::URI_OCTETS_MAX;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Value, json};

use super::route::{Parameter, Place};

/// The largest number that JSON readers agree on (RFC 8259 section 6).
pub(super) const INTEGER_MAX: u64 = (1 << 53) - 1;
/// Octets of a domain name.
const DOMAIN_OCTETS_MAX: usize = 253;

const DOMAIN: &str = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*";
/// What needs no percent-encoding is never encoded.
const SEGMENT: &str = r"([A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-F]{2})+";

/// A schema under a name of its own.
macro_rules! named_schema {
    ($(#[$doc:meta])* $name:ident, $schema:expr) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub(super) struct $name;

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                Schema::try_from($schema).expect("an object is a schema")
            }
        }
    };
}

named_schema!(
    /// A `mimi:` URI.
    MimiUri,
    uri("[a-z]", "A canonical `mimi:` URI: of a user (`/u/`), a client (`/d/`) or a room (`/r/`).")
);
named_schema!(
    /// A provider's domain.
    Domain,
    domain()
);
named_schema!(
    /// Octets in JSON.
    Base64,
    json!({
        "type": "string",
        "contentEncoding": "base64",
        "pattern": "^[A-Za-z0-9+/]*={0,2}$",
        "description": "Octets in standard base64 with padding.",
    })
);
named_schema!(
    /// A point in time.
    TimestampMs,
    json!({
        "type": "integer",
        "minimum": 0,
        "maximum": INTEGER_MAX,
        "description": "Milliseconds since the UNIX epoch.",
    })
);
named_schema!(
    /// The name of a user or a device.
    Name,
    json!({
        "type": "string",
        "pattern": format!("^[a-z0-9][a-z0-9._-]{{0,{}}}$", NAME_OCTETS_MAX - 1),
        "description": "A name that stands in URIs: lower-case letters, digits, `.`, `_`, `-`.",
    })
);

/// URIs of one kind, by the letter they have in their path.
fn uri(kind: &str, about: &str) -> Value {
    json!({
        "type": "string",
        "pattern": format!("^mimi://{DOMAIN}/{kind}(/{SEGMENT})+$"),
        "maxLength": URI_OCTETS_MAX,
        "description": about,
    })
}

fn domain() -> Value {
    json!({
        "type": "string",
        "pattern": format!("^{DOMAIN}$"),
        "maxLength": DOMAIN_OCTETS_MAX,
        "description": "A domain name in lower-case ASCII.",
    })
}

/// The room that a path names.
pub(super) fn room() -> Parameter {
    Parameter {
        name: "room",
        place: Place::Path,
        required: true,
        about: "The room's URI, percent-encoded as one segment of the path.",
        schema: uri("r", "A room."),
        example: json!("mimi://a.example/r/clubhouse"),
    }
}

/// The user that a path names.
pub(super) fn user() -> Parameter {
    Parameter {
        name: "user",
        place: Place::Path,
        required: true,
        about: "The user's URI, percent-encoded as one segment of the path.",
        schema: uri("u", "A user."),
        example: json!("mimi://b.example/u/bob"),
    }
}

/// The device that a path names.
pub(super) fn client() -> Parameter {
    Parameter {
        name: "client",
        place: Place::Path,
        required: true,
        about: "The device's URI, percent-encoded as one segment of the path.",
        schema: uri("d", "A client."),
        example: json!("mimi://a.example/d/alice/laptop"),
    }
}

/// A provider that a path names.
pub(super) fn provider(name: &'static str, about: &'static str) -> Parameter {
    let schema = domain();
    Parameter {
        name,
        place: Place::Path,
        required: true,
        about,
        schema,
        example: json!("b.example"),
    }
}
