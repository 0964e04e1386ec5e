//! `identifierQuery` (protocol-06 section 5.8). There is no protocol octet (AMB-W-10).

use std::collections::BTreeSet;

use crate::codec::{Malformed, Reader, Wire, Writer};
use crate::limits::{APPLICATION_BODY_OCTETS_MAX, LIST_ELEMENTS_MAX, TEXT_OCTETS_MAX};
use crate::protocol::AppDataDictionary;
use crate::uri::MimiUri;

/// What an element of a query compares (PROTO-IDQ-3): `SearchIdentifierType` with its selected
/// field (AMB-IDQ-2).
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SearchIdentifier {
    /// `handle(1)`: a whole URI, not always a `mimi:` one (AMB-IDQ-3).
    Handle,
    /// `nick(2)`: the user part.
    Nick,
    /// `email(3)`: an addr-spec.
    Email,
    /// `phone(4)`: international, with `+`.
    Phone,
    /// `partialName(5)`: part of any field of the name.
    PartialName,
    /// `wholeProfile(6)`: part of any searchable field.
    WholeProfile,
    /// `oidcStdClaim(7)`: a claim's name.
    OidcStdClaim(String),
    /// `vcardField(8)`: a property's name.
    VcardField(String),
}

/// One condition. All of a query must hold (PROTO-IDQ-2).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct QueryElement {
    /// What is compared.
    pub identifier: SearchIdentifier,
    /// With this.
    pub search_value: String,
}

/// The request.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct IdentifierRequest {
    /// The conditions; a provider refuses none at all as forbidden (AMB-IDQ-6).
    pub query_elements: Vec<QueryElement>,
    /// Unknown ones are ignored.
    pub id_request_extensions: AppDataDictionary,
}

/// How the query fared (PROTO-IDQ-5).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum IdentifierQueryCode {
    /// One match or more.
    Success = 0,
    /// No match.
    NotFound = 1,
    /// Only an exact combination would be answered.
    Ambiguous = 2,
    /// The endpoint or this combination is not for the requester.
    Forbidden = 3,
    /// A field that cannot be searched.
    UnsupportedField = 4,
}

/// Where a field of a profile comes from. A source that is not known is kept: it says nothing of
/// the octets that follow.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum FieldSource {
    /// `oidcStdClaim(7)`: an OpenID Connect standard claim.
    OidcStdClaim,
    /// `vcardField(8)`: a vCard property.
    VcardField,
    /// Any other number but 0.
    Other(u8),
}

impl FieldSource {
    /// The number on the wire.
    pub fn code(self) -> u8 {
        match self {
            Self::OidcStdClaim => 7,
            Self::VcardField => 8,
            Self::Other(code) => code,
        }
    }
}

/// One field of a profile that may be shown.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ProfileField {
    /// Which registry its name is of (AMB-IDQ-5).
    pub field_source: FieldSource,
    /// Its name.
    pub field_name: String,
    /// Its value.
    pub field_value: Vec<u8>,
}

/// What may be shown of one match.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UserProfile {
    /// The user.
    pub stable_uri: MimiUri,
    /// In the order of the provider.
    pub fields: Vec<ProfileField>,
}

/// The answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct IdentifierResponse {
    /// The outcome.
    pub response_code: IdentifierQueryCode,
    /// Every match (AMB-IDQ-1).
    pub uri: Vec<MimiUri>,
    /// Those with something to show, matched to the above by URI (AMB-IDQ-1).
    pub found_profiles: Vec<UserProfile>,
    /// Unknown ones are ignored.
    pub id_response_extensions: AppDataDictionary,
}

impl IdentifierResponse {
    /// Every match once, whichever list names it (AMB-IDQ-1).
    pub fn matches(&self) -> impl Iterator<Item = &MimiUri> {
        let listed: BTreeSet<&MimiUri> = self.uri.iter().collect();
        let only_profiles = self
            .found_profiles
            .iter()
            .map(|profile| &profile.stable_uri)
            .filter(move |found| !listed.contains(found));
        self.uri.iter().chain(only_profiles)
    }
}

impl Wire for QueryElement {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let field = "QueryElement.searchType";
        let start = reader.clone();
        let identifier = match reader.u8(field)? {
            1 => SearchIdentifier::Handle,
            2 => SearchIdentifier::Nick,
            3 => SearchIdentifier::Email,
            4 => SearchIdentifier::Phone,
            5 => SearchIdentifier::PartialName,
            6 => SearchIdentifier::WholeProfile,
            7 => SearchIdentifier::OidcStdClaim(
                reader.text(TEXT_OCTETS_MAX, "QueryElement.claimName")?,
            ),
            8 => SearchIdentifier::VcardField(
                reader.text(TEXT_OCTETS_MAX, "QueryElement.propertyName")?,
            ),
            other => return Err(start.malformed(field, format!("unknown type {other}"))),
        };
        let search_value = reader.text(TEXT_OCTETS_MAX, "QueryElement.searchValue")?;
        Ok(Self { identifier, search_value })
    }

    fn write(&self, writer: &mut Writer) {
        writer.u8(match self.identifier {
            SearchIdentifier::Handle => 1,
            SearchIdentifier::Nick => 2,
            SearchIdentifier::Email => 3,
            SearchIdentifier::Phone => 4,
            SearchIdentifier::PartialName => 5,
            SearchIdentifier::WholeProfile => 6,
            SearchIdentifier::OidcStdClaim(_) => 7,
            SearchIdentifier::VcardField(_) => 8,
        });
        if let SearchIdentifier::OidcStdClaim(name) | SearchIdentifier::VcardField(name) =
            &self.identifier
        {
            writer.opaque(name.as_bytes());
        }
        writer.opaque(self.search_value.as_bytes());
    }
}

impl Wire for IdentifierRequest {
    const OCTETS_MAX: usize = APPLICATION_BODY_OCTETS_MAX;

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let field = "IdentifierRequest.query_elements";
        Ok(Self {
            query_elements: reader.vector(LIST_ELEMENTS_MAX, field, QueryElement::read)?,
            id_request_extensions: AppDataDictionary::read(reader)?,
        })
    }

    fn write(&self, writer: &mut Writer) {
        writer.vector(&self.query_elements, |writer, element| element.write(writer));
        self.id_request_extensions.write(writer);
    }
}

impl Wire for IdentifierQueryCode {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let field = "IdentifierResponse.responseCode";
        let start = reader.clone();
        match reader.u8(field)? {
            0 => Ok(Self::Success),
            1 => Ok(Self::NotFound),
            2 => Ok(Self::Ambiguous),
            3 => Ok(Self::Forbidden),
            4 => Ok(Self::UnsupportedField),
            other => Err(start.malformed(field, format!("unknown code {other}"))),
        }
    }

    fn write(&self, writer: &mut Writer) {
        writer.u8(*self as u8);
    }
}

impl Wire for ProfileField {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let field = "ProfileField.fieldSource";
        let start = reader.clone();
        let field_source = match reader.u8(field)? {
            7 => FieldSource::OidcStdClaim,
            8 => FieldSource::VcardField,
            0 => return Err(start.malformed(field, "source 0 is reserved")),
            other => FieldSource::Other(other),
        };
        let value = "ProfileField.fieldValue";
        Ok(Self {
            field_source,
            field_name: reader.text(TEXT_OCTETS_MAX, "ProfileField.fieldName")?,
            field_value: reader.opaque(APPLICATION_BODY_OCTETS_MAX, value)?.to_vec(),
        })
    }

    fn write(&self, writer: &mut Writer) {
        writer.u8(self.field_source.code());
        writer.opaque(self.field_name.as_bytes());
        writer.opaque(&self.field_value);
    }
}

impl Wire for UserProfile {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let field = "UserProfile.fields";
        Ok(Self {
            stable_uri: MimiUri::read_field(reader, "UserProfile.stableUri")?,
            fields: reader.vector(LIST_ELEMENTS_MAX, field, ProfileField::read)?,
        })
    }

    fn write(&self, writer: &mut Writer) {
        self.stable_uri.write(writer);
        writer.vector(&self.fields, |writer, field| field.write(writer));
    }
}

impl Wire for IdentifierResponse {
    const OCTETS_MAX: usize = APPLICATION_BODY_OCTETS_MAX;

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let uri = "IdentifierResponse.uri";
        let profiles = "IdentifierResponse.foundProfiles";
        Ok(Self {
            response_code: IdentifierQueryCode::read(reader)?,
            uri: reader
                .vector(LIST_ELEMENTS_MAX, uri, |reader| MimiUri::read_field(reader, uri))?,
            found_profiles: reader.vector(LIST_ELEMENTS_MAX, profiles, UserProfile::read)?,
            id_response_extensions: AppDataDictionary::read(reader)?,
        })
    }

    fn write(&self, writer: &mut Writer) {
        self.response_code.write(writer);
        writer.vector(&self.uri, |writer, uri| uri.write(writer));
        writer.vector(&self.found_profiles, |writer, profile| profile.write(writer));
        self.id_response_extensions.write(writer);
    }
}

#[cfg(test)]
mod tests;
