//! `/find` and `/profile`: whom one finds, and how one is found oneself.

use mimi_wire::protocol::identifier_query::{QueryElement, SearchIdentifier};
use mimi_wire::{Domain, MimiUri};
use tombolo_client::profile::{
    FieldSource, Findability, FoundUser, Profile, ProfileField, Searchability, Visibility,
};
use tombolo_client::{Client, ClientError};

use crate::plain::plain;

/// What `/find` is written like.
const FIND_USAGE: &str = "write it as /find bob@b.example, or /find name bob at b.example \
     (handle, nick, email, phone, name, any, or a field of a profile; \"and\" between several)";
/// What `/profile` is written like.
const PROFILE_USAGE: &str = "write it as /profile, /profile on, /profile off, \
     /profile FIELD VALUE [exact|search] [shown] or /profile remove FIELD";

/// `/find`, understood.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Find {
    domain: Domain,
    /// One after another, until one finds somebody.
    queries: Vec<Vec<QueryElement>>,
}

/// `/profile`, understood.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum ProfileInput {
    Show,
    Findability(Findability),
    Put {
        source: FieldSource,
        name: String,
        /// For a handle: the own URI, if nothing else is said.
        value: Option<String>,
        searchability: Searchability,
        visibility: Visibility,
    },
    Remove {
        name: String,
    },
}

/// Understands what follows `/find`.
pub(crate) fn parse_find(rest: &str) -> Result<Find, String> {
    let usage = || FIND_USAGE.to_owned();
    let Some((conditions, domain)) = rest.rsplit_once(" at ") else {
        let (name, domain) = rest.split_once('@').ok_or_else(usage)?;
        let domain = Domain::new(domain).map_err(|_| usage())?;
        let user = MimiUri::new(&format!("mimi://{domain}/u/{name}")).map_err(|_| usage())?;
        let handle = |value: String| {
            vec![QueryElement { identifier: SearchIdentifier::Handle, search_value: value }]
        };
        let queries = vec![handle(user.to_string()), handle(format!("im:{name}@{domain}"))];
        return Ok(Find { domain, queries });
    };
    let domain = Domain::new(domain.trim()).map_err(|_| usage())?;
    let elements: Result<Vec<_>, String> = conditions.split(" and ").map(element).collect();
    Ok(Find { domain, queries: vec![elements?] })
}

/// `name mat`.
fn element(condition: &str) -> Result<QueryElement, String> {
    let (kind, value) = condition.trim().split_once(' ').ok_or(FIND_USAGE)?;
    let identifier = match kind {
        "handle" => SearchIdentifier::Handle,
        "nick" => SearchIdentifier::Nick,
        "email" => SearchIdentifier::Email,
        "phone" => SearchIdentifier::Phone,
        "name" => SearchIdentifier::PartialName,
        "any" => SearchIdentifier::WholeProfile,
        other => match field(other) {
            (FieldSource::OidcStdClaim, name) => SearchIdentifier::OidcStdClaim(name),
            (FieldSource::VcardField, name) => SearchIdentifier::VcardField(name),
        },
    };
    Ok(QueryElement { identifier, search_value: value.trim().to_owned() })
}

/// A field by the word for it, or by its own name: vCard properties are in capitals.
fn field(word: &str) -> (FieldSource, String) {
    let claim = match word {
        "handle" => "preferred_username",
        "nick" => "nickname",
        "phone" => "phone_number",
        "given" => "given_name",
        "family" => "family_name",
        "org" => return (FieldSource::VcardField, "ORG".to_owned()),
        capitals if capitals.bytes().all(|octet| octet.is_ascii_uppercase()) => {
            return (FieldSource::VcardField, capitals.to_owned());
        }
        other => other,
    };
    (FieldSource::OidcStdClaim, claim.to_owned())
}

/// Understands what follows `/profile`.
pub(crate) fn parse_profile(rest: &str) -> Result<ProfileInput, String> {
    match rest {
        "" => return Ok(ProfileInput::Show),
        "on" => return Ok(ProfileInput::Findability(Findability::Findable)),
        "off" => return Ok(ProfileInput::Findability(Findability::Hidden)),
        _ => {}
    }
    let (word, rest) = rest.split_once(' ').ok_or(PROFILE_USAGE)?;
    if word == "remove" {
        return Ok(ProfileInput::Remove { name: field(rest.trim()).1 });
    }
    let (source, name) = field(word);
    let (mut searchability, mut visibility) = (Searchability::NotFindable, Visibility::Concealed);
    let mut value = rest.trim();
    loop {
        let (before, last) = value.rsplit_once(' ').unwrap_or(("", value));
        match last {
            "exact" => searchability = Searchability::ExactOnly,
            "search" => searchability = Searchability::Searchable,
            "shown" => visibility = Visibility::Shown,
            _ => break,
        }
        value = before.trim();
    }
    let value = (!value.is_empty()).then(|| value.to_owned());
    if value.is_none() && name != "preferred_username" {
        return Err(PROFILE_USAGE.to_owned());
    }
    Ok(ProfileInput::Put { source, name, value, searchability, visibility })
}

/// Looks for users, and says whom it found.
pub(crate) async fn find(client: &Client, find: Find) -> Result<String, ClientError> {
    for elements in find.queries {
        let found = client.find(&find.domain, elements).await?;
        if !found.is_empty() {
            return Ok(told(&found));
        }
    }
    Ok(format!("-- nobody at {} can be found by that", find.domain))
}

fn told(found: &[FoundUser]) -> String {
    let line = |one: &FoundUser| {
        let fields = one.fields.iter().map(|(name, value)| format!("{name} {value}"));
        let fields = one_line(&fields.collect::<Vec<_>>().join(", "));
        let user = crate::chat::words::short(&one.user);
        if fields.is_empty() { format!("  {user}") } else { format!("  {user} says: {fields}") }
    };
    let mut lines: Vec<String> = found.iter().map(line).collect();
    lines.push("Nobody vouches for what people say of themselves. /ask USER asks one.".to_owned());
    lines.join("\n")
}

/// Shows or changes the own profile, and says what it is then.
pub(crate) async fn profile(client: &Client, input: ProfileInput) -> Result<String, ClientError> {
    let mut profile = client.profile().await?;
    if input != ProfileInput::Show {
        change(&mut profile, &client.identity().user, input)?;
        client.set_profile(profile.clone()).await?;
    }
    Ok(described(&profile))
}

fn change(profile: &mut Profile, own: &MimiUri, input: ProfileInput) -> Result<(), ClientError> {
    match input {
        ProfileInput::Show => {}
        ProfileInput::Findability(findability) => profile.findability = findability,
        ProfileInput::Put { source, name, value, searchability, visibility } => {
            let value = value.unwrap_or_else(|| own.to_string());
            let field = ProfileField { source, name, value, searchability, visibility };
            match profile.fields.iter_mut().find(|known| known.name == field.name) {
                Some(known) => *known = field,
                None => profile.fields.push(field),
            }
        }
        ProfileInput::Remove { name } => {
            let before = profile.fields.len();
            profile.fields.retain(|field| field.name != name);
            if profile.fields.len() == before {
                return Err(ClientError::Other(format!("your profile has no {name}")));
            }
        }
    }
    Ok(())
}

fn described(profile: &Profile) -> String {
    let mut lines = vec![
        match profile.findability {
            Findability::Findable => "Others can find you as said here; /profile off ends that.",
            Findability::Hidden => "Nobody can find you; /profile on lets others, as said here.",
        }
        .to_owned(),
    ];
    for field in &profile.fields {
        let found = match field.searchability {
            Searchability::NotFindable => "nobody finds you by it",
            Searchability::ExactOnly => "who knows all of it finds you",
            Searchability::Searchable => "who knows a part of it finds you",
        };
        let shown = match field.visibility {
            Visibility::Shown => "who finds you sees it",
            Visibility::Concealed => "not shown",
        };
        lines.push(format!("  {} {}: {found}; {shown}", field.name, one_line(&field.value)));
    }
    if profile.fields.is_empty() {
        lines.push("Your profile is empty. For a start: /profile handle exact".to_owned());
    }
    lines.join("\n")
}

fn one_line(text: &str) -> String {
    plain(text).replace('\n', " ")
}

#[cfg(test)]
mod tests;
