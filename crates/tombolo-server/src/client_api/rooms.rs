//! `/rooms`: the rooms of a user, and new ones hosted here (FLOW-1).

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use http::StatusCode;
use mimi_provider::Reject;
use mimi_provider::hub::found_room::Founded;
use mimi_provider::hub::member_set::MemberSet;
use mimi_wire::MimiUri;
use mimi_wire::limits::HANDSHAKE_BODY_OCTETS_MAX;
use mimi_wire::protocol::found_room::RoomFounding;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::request::{Octets, SignedIn, UriPath, decode, malformed};
use super::route::{Parameter, Place, Route, Tag};
use super::{ClientApi, schema};
use crate::http_error::HttpError;
use crate::provider::storage_failed;
use crate::rooms;

/// Rooms on one page of a list.
pub(super) const ROOMS_PER_PAGE_MAX: usize = 1_000;

/// Which part of the list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Page {
    after: Option<MimiUri>,
    limit: Option<usize>,
}

/// Rooms of a user.
#[derive(JsonSchema, Serialize)]
pub(super) struct RoomList {
    /// By URI.
    #[schemars(with = "Vec<schema::MimiUri>")]
    rooms: Vec<MimiUri>,
    /// What to name as `after` for the next ones; null when there are none.
    #[schemars(with = "Option<schema::MimiUri>")]
    next: Option<MimiUri>,
}

/// A room that is there.
#[derive(JsonSchema, Serialize)]
pub(super) struct FoundedRoom {
    /// The new room, or the one that the same people have already.
    #[schemars(with = "schema::MimiUri")]
    room: MimiUri,
    /// When the hub has accepted it; absent for a room that was there before.
    #[schemars(with = "schema::TimestampMs")]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(default)]
    accepted_timestamp: Option<u64>,
}

pub(super) fn routes() -> [Route; 3] {
    let existing = json!({ "room": "mimi://a.example/r/clubhouse" });
    [
        Route::get("/rooms", list)
            .named(
                Tag::Rooms,
                "listRooms",
                "Rooms of the user",
                "Those that a device of the user is or was in as far as it is still signed in, here and \
                 elsewhere: a new device asks their hubs for `fetchGroupInfo` and comes in. By URI, in \
                 pages.",
            )
            .takes(Parameter {
                name: "after",
                place: Place::Query,
                required: false,
                about: "Rooms behind this one: `next` of the page before.",
                ..schema::room()
            })
            .takes(Parameter {
                name: "limit",
                place: Place::Query,
                required: false,
                about: "At most so many.",
                schema: json!({
                    "type": "integer",
                    "minimum": 1,
                    "maximum": ROOMS_PER_PAGE_MAX,
                    "default": ROOMS_PER_PAGE_MAX,
                }),
                example: json!(100),
            })
            .answers_json::<RoomList>(
                StatusCode::OK,
                "The rooms.",
                json!({ "rooms": ["mimi://a.example/r/clubhouse"], "next": null }),
            ),
        Route::put("/rooms/{room}", found_room)
            .named(
                Tag::Rooms,
                "foundRoom",
                "Founds a room hosted here",
                "With the first commit's state, which the hub judges by its operator's envelope. A room \
                 of fixed membership exists once per set of people: then the answer is 200 with that \
                 one, and nothing is founded (POLICY-BASE-2).",
            )
            .takes(schema::room())
            .takes_octets(HANDSHAKE_BODY_OCTETS_MAX, "A `RoomFounding` (docs/client-api.md).")
            .answers_json::<FoundedRoom>(
                StatusCode::CREATED,
                "The room is founded.",
                json!({
                    "room": "mimi://a.example/r/clubhouse",
                    "accepted_timestamp": 1_790_000_000_000_u64,
                }),
            )
            .answers_json::<FoundedRoom>(
                StatusCode::OK,
                "These people have a room already.",
                existing.clone(),
            )
            .refuses(&[StatusCode::FORBIDDEN, StatusCode::CONFLICT, StatusCode::NOT_FOUND]),
        Route::get("/direct/{user}", direct_room)
            .named(
                Tag::Rooms,
                "findDirectRoom",
                "The direct room with a user",
                "If it is hosted here; the other user's provider may host it as well.",
            )
            .takes(schema::user())
            .answers_json::<FoundedRoom>(StatusCode::OK, "The room.", existing)
            .refuses(&[StatusCode::NOT_FOUND]),
    ]
}

/// `GET /rooms`.
async fn list(
    State(api): State<ClientApi>,
    SignedIn(device): SignedIn,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Json<RoomList>, HttpError> {
    let Query(Page { after, limit }) = page.map_err(|error| malformed(&error))?;
    let limit = limit.unwrap_or(ROOMS_PER_PAGE_MAX);
    if !(1..=ROOMS_PER_PAGE_MAX).contains(&limit) {
        return Err(malformed(&format!("limit is 1 to {ROOMS_PER_PAGE_MAX}")));
    }
    let mut rooms = api.provider.store.rooms_of(&device.user).await.map_err(storage_failed)?;
    rooms.sort();
    rooms.retain(|room| after.as_ref().is_none_or(|after| room > after));
    let more = rooms.len() > limit;
    rooms.truncate(limit);
    let next = if more { rooms.last().cloned() } else { None };
    Ok(Json(RoomList { rooms, next }))
}

pub(super) async fn found_room(
    State(api): State<ClientApi>,
    device: SignedIn,
    UriPath(room): UriPath,
    Octets(body): Octets<HANDSHAKE_BODY_OCTETS_MAX>,
) -> Result<(StatusCode, Json<FoundedRoom>), HttpError> {
    let founding: RoomFounding = decode(&body)?;
    let creator = device.identity();
    let user = &creator.user;
    let founded_before = api.provider.foundings.take(user, api.provider.now_ms());
    founded_before.map_err(HttpError::TooMany)?;
    let founded = rooms::found_room(&api.provider, &creator, &room, &founding).await?;
    Ok(match founded {
        Founded::New { accepted_timestamp } => {
            let accepted_timestamp = Some(accepted_timestamp);
            (StatusCode::CREATED, Json(FoundedRoom { room, accepted_timestamp }))
        }
        Founded::Existing(room) => {
            (StatusCode::OK, Json(FoundedRoom { room, accepted_timestamp: None }))
        }
    })
}

/// `GET /direct/{user}`: the direct room of whoever asks with a user, if it is hosted here
/// (POLICY-BASE-2).
pub(super) async fn direct_room(
    State(api): State<ClientApi>,
    SignedIn(device): SignedIn,
    UriPath(user): UriPath,
) -> Result<Json<FoundedRoom>, HttpError> {
    let members = MemberSet::of([&device.user, &user]);
    let room = api.provider.store.room_of_members(members).await.map_err(storage_failed)?;
    match room {
        Some(room) => Ok(Json(FoundedRoom { room, accepted_timestamp: None })),
        None => Err(Reject::Unknown("you have no direct room here".to_owned()).into()),
    }
}
