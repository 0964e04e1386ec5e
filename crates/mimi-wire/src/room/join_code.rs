//! Join codes and the links they travel in: our form of the opaque `join_link` of component 0x002A
//! (TOM-9).
//!
//! A link is `mimi://<hub>/r/<room>#<code>`. A code says what it is worth, so that every node of a
//! hub reads the same in it, before and after a restart:
//!
//! ```text
//! 1.<22 characters of base64url: 128 random bits>.<role>[.u<uses>][.e<UNIX milliseconds>]
//! ```
//!
//! The octets of the code are what `GroupInfoRequest.joiningCode` carries. Whether a code is good is
//! for the hub to say: it is only as long as its link stands in the room's `join_links`.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use thiserror::Error;

use crate::limits::{JOINING_CODE_OCTETS_MAX, URI_OCTETS_MAX};
use crate::room::join_links::JoinLink;
use crate::room::participant_list::RoleIndex;
use crate::uri::{MimiUri, UriKind};

/// Random octets of a code: 128 bits, which nobody guesses (AMB-GI-9).
pub const JOIN_CODE_SECRET_OCTETS: usize = 16;
/// Octets of a code of ours, all fields at their longest.
pub const JOIN_CODE_OCTETS_MAX: usize = 69;

/// The form of a code; another one is another implementation's, or a later one of ours.
const VERSION: &str = "1";

/// A code that lets somebody in (POLICY-CAP-ADD-5).
#[derive(Clone, Eq, PartialEq)]
pub struct JoinCode {
    /// What nobody can guess.
    pub secret: [u8; JOIN_CODE_SECRET_OCTETS],
    /// The role it leads to; never 0.
    pub role: RoleIndex,
    /// How many may come in by it; `None` for any number.
    pub uses: Option<NonZeroU32>,
    /// When it ends, in milliseconds since the UNIX epoch; `None` for never.
    pub expires_ms: Option<u64>,
}

/// A link into a room, of ours or of another implementation.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RoomLink {
    /// The room.
    pub room: MimiUri,
    /// What follows the `#`: the octets of `joiningCode`, opaque to all but the hub.
    pub code: String,
}

/// The text is no code of this form.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
#[error("not a join code of a form known here")]
pub struct NotAJoinCode;

/// The text is no link into a room.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
#[error("not a link into a room: {0}")]
pub struct NotARoomLink(&'static str);

impl JoinCode {
    /// The code in `joiningCode`, if it is of our form.
    pub fn from_octets(octets: &[u8]) -> Result<Self, NotAJoinCode> {
        std::str::from_utf8(octets).map_err(|_| NotAJoinCode)?.parse()
    }

    /// Whether its time is over.
    pub fn has_expired(&self, now_ms: u64) -> bool {
        self.expires_ms.is_some_and(|expires_ms| expires_ms <= now_ms)
    }
}

impl fmt::Display for JoinCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secret = BASE64_URL_SAFE_NO_PAD.encode(self.secret);
        write!(formatter, "{VERSION}.{secret}.{}", self.role)?;
        if let Some(uses) = self.uses {
            write!(formatter, ".u{uses}")?;
        }
        if let Some(expires_ms) = self.expires_ms {
            write!(formatter, ".e{expires_ms}")?;
        }
        Ok(())
    }
}

/// Without the secret: debug output ends in logs.
impl fmt::Debug for JoinCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { secret: _, role, uses, expires_ms } = self;
        let mut output = formatter.debug_struct("JoinCode");
        output.field("role", role).field("uses", uses).field("expires_ms", expires_ms);
        output.finish_non_exhaustive()
    }
}

impl FromStr for JoinCode {
    type Err = NotAJoinCode;

    /// One spelling only: a code is compared octet by octet with the link in the room.
    fn from_str(text: &str) -> Result<Self, NotAJoinCode> {
        if text.len() > JOIN_CODE_OCTETS_MAX {
            return Err(NotAJoinCode);
        }
        let mut fields = text.split('.');
        if fields.next() != Some(VERSION) {
            return Err(NotAJoinCode);
        }
        let secret = fields.next().ok_or(NotAJoinCode)?;
        let secret = BASE64_URL_SAFE_NO_PAD.decode(secret).map_err(|_| NotAJoinCode)?;
        let secret = secret.try_into().map_err(|_| NotAJoinCode)?;
        let role = fields.next().and_then(|text| text.parse().ok()).ok_or(NotAJoinCode)?;
        let mut code = Self { secret, role, uses: None, expires_ms: None };
        let mut rest = fields.peekable();
        if let Some(uses) = rest.peek().and_then(|field| field.strip_prefix('u')) {
            code.uses = Some(uses.parse().map_err(|_| NotAJoinCode)?);
            rest.next();
        }
        if let Some(expires_ms) = rest.peek().and_then(|field| field.strip_prefix('e')) {
            code.expires_ms = Some(expires_ms.parse().map_err(|_| NotAJoinCode)?);
            rest.next();
        }
        let canonical = rest.next().is_none() && role != 0 && code.to_string() == text;
        if canonical { Ok(code) } else { Err(NotAJoinCode) }
    }
}

impl RoomLink {
    /// A link that carries a code of ours.
    pub fn new(room: MimiUri, code: &JoinCode) -> Self {
        Self { room, code: code.to_string() }
    }

    /// The code, if it is of our form.
    pub fn join_code(&self) -> Option<JoinCode> {
        self.code.parse().ok()
    }

    /// As it stands in the room's `join_links`.
    pub fn to_component(&self) -> JoinLink {
        JoinLink(self.to_string().into_bytes())
    }

    /// The link of a room's `join_links`, if it is one into that room. Links of other forms are
    /// kept there as well and are nothing to us.
    pub fn of_room(room: &MimiUri, link: &JoinLink) -> Option<Self> {
        let link: Self = std::str::from_utf8(&link.0).ok()?.parse().ok()?;
        (link.room == *room).then_some(link)
    }
}

impl fmt::Display for RoomLink {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}#{}", self.room, self.code)
    }
}

impl FromStr for RoomLink {
    type Err = NotARoomLink;

    fn from_str(text: &str) -> Result<Self, NotARoomLink> {
        if text.len() > URI_OCTETS_MAX + 1 + JOINING_CODE_OCTETS_MAX {
            return Err(NotARoomLink("it is too long"));
        }
        let (room, code) = text.split_once('#').ok_or(NotARoomLink("it carries no code"))?;
        let room = MimiUri::new(room).map_err(|_| NotARoomLink("it names no room"))?;
        if room.kind() != UriKind::Room {
            return Err(NotARoomLink("it names no room"));
        }
        let is_plain = |octet: u8| octet.is_ascii_graphic() && octet != b'#';
        if code.is_empty() || !code.bytes().all(is_plain) {
            return Err(NotARoomLink("its code is no text for a link"));
        }
        if code.len() > JOINING_CODE_OCTETS_MAX {
            return Err(NotARoomLink("its code is too long"));
        }
        Ok(Self { room, code: code.to_owned() })
    }
}

#[cfg(test)]
mod tests;
