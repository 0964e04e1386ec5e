//! Component 0x0030, `message_expiration_policy` (room-policy-03 section 6.8). The update format is
//! the data format.

use serde::{Deserialize, Serialize};

use crate::codec::{Malformed, Reader, Wire, Writer};
use crate::content::Expiration;
use crate::room::optionality::{Conditional, read_unless_forbidden};

/// For how long messages may live, in seconds.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct ExpirationRange {
    /// At least.
    pub min_expiration_duration: u32,
    /// At most; never less than the minimum.
    pub max_expiration_duration: u32,
    /// What to suggest.
    pub default_expiration_duration: Option<u32>,
}

/// `MessageExpiration`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct MessageExpiration {
    /// Whether and within what messages expire.
    pub expiring_messages: Conditional<ExpirationRange>,
}

impl MessageExpiration {
    /// Whether a message accepted at that time may expire so (POLICY-EXPR-1). An absolute time
    /// counts from the acceptance (AMB-CNT-20).
    pub fn allows(&self, expires: Option<Expiration>, accepted_at_ms: u64) -> bool {
        let Some(expires) = expires else {
            return !matches!(self.expiring_messages, Conditional::Required(_));
        };
        let duration = match expires.relative {
            true => Some(u64::from(expires.time)),
            false => u64::from(expires.time).checked_sub(accepted_at_ms / 1_000),
        };
        let within = |range: &ExpirationRange| {
            let from = u64::from(range.min_expiration_duration);
            let to = u64::from(range.max_expiration_duration);
            duration.is_some_and(|duration| (from..=to).contains(&duration))
        };
        self.expiring_messages.value().is_some_and(within)
    }
}

impl Wire for MessageExpiration {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let field = "MessageExpiration.expiring_messages";
        let expiring_messages =
            read_unless_forbidden(reader, field, |reader, _| read_range(reader))?;
        Ok(Self { expiring_messages })
    }

    fn write(&self, writer: &mut Writer) {
        self.expiring_messages.write_with(writer, |writer, range| {
            writer.u32(range.min_expiration_duration);
            writer.u32(range.max_expiration_duration);
            writer.optional_u32(range.default_expiration_duration);
        });
    }
}

fn read_range(reader: &mut Reader<'_>) -> Result<ExpirationRange, Malformed> {
    let min_expiration_duration = reader.u32("MessageExpiration.min_expiration_duration")?;
    let field = "MessageExpiration.max_expiration_duration";
    let start = reader.clone();
    let max_expiration_duration = reader.u32(field)?;
    if max_expiration_duration < min_expiration_duration {
        return Err(start.malformed(field, "less than the minimum (POLICY-EXPR-1)"));
    }
    Ok(ExpirationRange {
        min_expiration_duration,
        max_expiration_duration,
        default_expiration_duration: reader
            .optional_u32("MessageExpiration.default_expiration_duration")?,
    })
}
