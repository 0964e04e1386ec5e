//! `/profile`: what the user who asks lets others know and find of itself (PROTO-IDQ-4).

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use mimi_provider::Reject;
use mimi_provider::profile::{
    FIELDS_MAX, FieldName, Findability, Profile, ProfileEntry, Searchability, VALUE_OCTETS_MAX,
    Visibility, set_profile,
};
use mimi_wire::MimiUri;
use mimi_wire::protocol::identifier_query::FieldSource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::ClientApi;
use super::request::{JsonBody, SignedIn};
use super::route::{Route, Tag};
use crate::http_error::HttpError;
use crate::provider::storage_failed;

/// What a user lets others know and find.
#[derive(Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProfileBody {
    /// Whether queries find the user at all.
    findability: FindabilityWord,
    /// What the user says of itself.
    #[schemars(length(max = FIELDS_MAX))]
    fields: Vec<FieldBody>,
}

/// A field of a profile.
#[derive(Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
struct FieldBody {
    /// Which vocabulary the name is of.
    source: SourceWord,
    /// The name of an OpenID Connect claim, or of a vCard property.
    name: String,
    /// The value.
    #[schemars(length(max = VALUE_OCTETS_MAX))]
    value: String,
    /// By which queries it is found.
    searchability: SearchabilityWord,
    /// Whether it is in the answer to a query that finds the user.
    visibility: VisibilityWord,
}

/// Whether queries find the user at all.
#[derive(Clone, Copy, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
enum FindabilityWord {
    Hidden,
    Findable,
}

/// A vocabulary, as the draft calls it.
#[derive(Clone, Copy, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
enum SourceWord {
    OidcStdClaim,
    VcardField,
}

/// By which queries a field is found.
#[derive(Clone, Copy, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
enum SearchabilityWord {
    NotFindable,
    ExactOnly,
    Searchable,
}

/// Whether a field is shown.
#[derive(Clone, Copy, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
enum VisibilityWord {
    Concealed,
    Shown,
}

pub(super) fn routes() -> [Route; 2] {
    let example = json!({
        "findability": "findable",
        "fields": [{
            "source": "oidcStdClaim",
            "name": "nickname",
            "value": "Alice",
            "searchability": "exact_only",
            "visibility": "shown",
        }],
    });
    [
        Route::get("/profile", profile)
            .named(
                Tag::Account,
                "showProfile",
                "The user's own profile",
                "An empty, hidden one until there is another.",
            )
            .answers_json::<ProfileBody>(StatusCode::OK, "The profile.", example.clone()),
        Route::put("/profile", put_profile)
            .named(
                Tag::Account,
                "replaceProfile",
                "A new profile in place of the old",
                "What it does not have, nobody knows of any more.",
            )
            .takes_json::<ProfileBody>(example)
            .answers_nothing(StatusCode::NO_CONTENT, "It is stored.")
            // A handle that is another user's.
            .refuses(&[StatusCode::FORBIDDEN]),
    ]
}

/// `GET`: the own profile; an empty, hidden one until there is another.
pub(super) async fn profile(
    State(api): State<ClientApi>,
    SignedIn(device): SignedIn,
) -> Result<Json<ProfileBody>, HttpError> {
    let stored = api.provider.store.profile(&device.user).await.map_err(storage_failed)?;
    let profile = match stored {
        None => Profile::empty(device.user),
        Some(stored) => Profile::restore(&stored)
            .map_err(|error| Reject::Internal(format!("{}: {error}", stored.user)))?,
    };
    Ok(Json(shown(&profile)))
}

/// `PUT`: a new one in its place.
pub(super) async fn put_profile(
    State(api): State<ClientApi>,
    SignedIn(device): SignedIn,
    JsonBody(body): JsonBody<ProfileBody>,
) -> Result<StatusCode, HttpError> {
    let transition = set_profile(&read(device.user, body)?)?;
    api.provider.apply(transition).await.map_err(storage_failed)?;
    Ok(StatusCode::NO_CONTENT)
}

fn shown(profile: &Profile) -> ProfileBody {
    let field = |entry: &ProfileEntry| FieldBody {
        source: match entry.name.source() {
            FieldSource::OidcStdClaim => SourceWord::OidcStdClaim,
            _ => SourceWord::VcardField,
        },
        name: entry.name.as_str().to_owned(),
        value: entry.value.clone(),
        searchability: match entry.searchability {
            Searchability::NotFindable => SearchabilityWord::NotFindable,
            Searchability::ExactOnly => SearchabilityWord::ExactOnly,
            Searchability::Searchable => SearchabilityWord::Searchable,
        },
        visibility: match entry.visibility {
            Visibility::Concealed => VisibilityWord::Concealed,
            Visibility::Shown => VisibilityWord::Shown,
        },
    };
    ProfileBody {
        findability: match profile.findability {
            Findability::Hidden => FindabilityWord::Hidden,
            Findability::Findable => FindabilityWord::Findable,
        },
        fields: profile.entries.iter().map(field).collect(),
    }
}

fn read(user: MimiUri, body: ProfileBody) -> Result<Profile, Reject> {
    let entry = |field: FieldBody| {
        let name = match field.source {
            SourceWord::OidcStdClaim => FieldName::claim(&field.name),
            SourceWord::VcardField => FieldName::property(&field.name),
        };
        let unknown = || Reject::Malformed(format!("a profile has no field {:?}", field.name));
        Ok(ProfileEntry {
            name: name.ok_or_else(unknown)?,
            value: field.value,
            searchability: match field.searchability {
                SearchabilityWord::NotFindable => Searchability::NotFindable,
                SearchabilityWord::ExactOnly => Searchability::ExactOnly,
                SearchabilityWord::Searchable => Searchability::Searchable,
            },
            visibility: match field.visibility {
                VisibilityWord::Concealed => Visibility::Concealed,
                VisibilityWord::Shown => Visibility::Shown,
            },
        })
    };
    let findability = match body.findability {
        FindabilityWord::Hidden => Findability::Hidden,
        FindabilityWord::Findable => Findability::Findable,
    };
    let entries: Result<_, Reject> = body.fields.into_iter().map(entry).collect();
    Ok(Profile { user, findability, entries: entries? })
}
