//! How long identifier queries take among so many profiles:
//!
//! ```text
//! cargo run --release -p tombolo-store --example find_profiles [profiles] [folder]
//! ```
//!
//! Each user is found by handle, nickname, e-mail address and phone number; one in five also by a
//! part of the name. Measured is all a provider does for a query but HTTP: what to look up, the
//! store, comparing what was found and writing the answer.

use std::error::Error;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use mimi_provider::identifier_query::{
    CANDIDATES_MAX, Lookup, QueryPolicy, answer, lookup, without_matches,
};
use mimi_provider::profile::{
    FieldName, Findability, Profile, ProfileEntry, Searchability, Visibility, set_profile,
};
use mimi_wire::protocol::AppDataDictionary;
use mimi_wire::protocol::identifier_query::{
    IdentifierQueryCode, IdentifierRequest, QueryElement, SearchIdentifier,
};
use mimi_wire::{MimiUri, Wire};
use tombolo_store::sqlite::{Options, SqliteStore};
use tombolo_store::{Commit, Store};

const PER_COMMIT: u64 = 5_000;
const QUERIES: u64 = 2_000;
const GIVEN: [&str; 12] = [
    "Matthew",
    "Yolanda",
    "Xavier",
    "Anna",
    "Béla",
    "Chiyo",
    "Dmitri",
    "Eilidh",
    "Farouk",
    "Grace",
    "Hannelore",
    "Matti",
];
const SYLLABLES: [&str; 16] = [
    "ma", "ther", "son", "li", "ko", "va", "berg", "dal", "ni", "schu", "ster", "ri", "quin", "ta",
    "lov", "hem",
];

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let profiles: u64 = arguments.next().map_or(Ok(1_000_000), |text| text.parse())?;
    let folder = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = folder.join(format!("tombolo-find-profiles-{}", std::process::id()));
    std::fs::create_dir(&folder)?;
    let path = folder.join("profiles.sqlite");
    let store = SqliteStore::open(&path, Options::default())?;
    let mut out = std::io::stdout();
    let begin = Instant::now();
    for first in (0..profiles).step_by(usize::try_from(PER_COMMIT)?) {
        let mut changes = Vec::new();
        for number in first..(first + PER_COMMIT).min(profiles) {
            let set = set_profile(&profile(number)?).map_err(|reject| reject.to_string())?;
            changes.extend(set.changes);
        }
        store.commit(Commit { expect: Vec::new(), changes }).await?;
    }
    let octets = std::fs::metadata(&path)?.len();
    let seconds = begin.elapsed().as_secs_f64();
    writeln!(out, "{profiles} profiles written in {seconds:.0} s, {} MiB", octets >> 20)?;
    let exact: [(&str, Asking); 4] = [
        ("handle", |number| (SearchIdentifier::Handle, handle(number))),
        ("nickname", |number| (SearchIdentifier::Nick, nick(number))),
        ("e-mail", |number| (SearchIdentifier::Email, email(number))),
        ("phone", |number| (SearchIdentifier::Phone, phone(number))),
    ];
    for (what, asking) in exact {
        measure(&store, &mut out, what, profiles, asking).await?;
    }
    let nobody: Asking = |number| (SearchIdentifier::Handle, format!("im:no{number}@a.example"));
    measure(&store, &mut out, "a handle nobody has", profiles, nobody).await?;
    let whole: Asking = |number| (SearchIdentifier::PartialName, name(number / 5 * 5));
    measure(&store, &mut out, "part of a name: given and family name", profiles, whole).await?;
    let family: Asking = |number| (SearchIdentifier::PartialName, family(number));
    measure(&store, &mut out, "part of a name: family name", profiles, family).await?;
    let common: Asking = |_| (SearchIdentifier::PartialName, "mat".to_owned());
    measure(&store, &mut out, "part of a name: three letters of many", profiles, common).await?;
    let absent: Asking = |_| (SearchIdentifier::PartialName, "matthewyolanda".to_owned());
    measure(&store, &mut out, "part of a name: with a piece nobody has", profiles, absent).await?;
    drop(store);
    std::fs::remove_dir_all(folder)?;
    Ok(())
}

type Asking = fn(u64) -> (SearchIdentifier, String);

async fn measure(
    store: &SqliteStore,
    out: &mut impl Write,
    what: &str,
    profiles: u64,
    asking: Asking,
) -> Result<(), Box<dyn Error>> {
    let mut latencies = Vec::new();
    let mut found = 0;
    for place in 0..QUERIES {
        let (identifier, search_value) = asking(scattered(place) % profiles);
        let begin = Instant::now();
        let request = IdentifierRequest {
            query_elements: vec![QueryElement { identifier, search_value }],
            id_request_extensions: AppDataDictionary::default(),
        };
        let policy = QueryPolicy::default();
        let response = match lookup(&policy, &request) {
            Lookup::Answered(code) => without_matches(code),
            Lookup::Terms(terms) => {
                let terms = Vec::from_iter(terms);
                let stored = store.find_profiles(&terms, CANDIDATES_MAX).await?;
                let candidates: Result<Vec<_>, _> = stored.iter().map(Profile::restore).collect();
                answer(&policy, &request, &candidates?)
            }
        };
        let octets = response.encode();
        latencies.push(begin.elapsed());
        found += usize::from(response.response_code == IdentifierQueryCode::Success);
        assert!(!octets.is_empty());
        if latencies.iter().sum::<Duration>() > Duration::from_secs(20) {
            break;
        }
    }
    latencies.sort_unstable();
    let millis = |place: usize| latencies[place].as_secs_f64() * 1000.0;
    writeln!(
        out,
        "{what}: {} queries, {found} found; median {:.3} ms, 99 % within {:.3} ms, most {:.3} ms",
        latencies.len(),
        millis(latencies.len() / 2),
        millis(latencies.len() * 99 / 100),
        millis(latencies.len() - 1),
    )?;
    Ok(())
}

fn profile(number: u64) -> Result<Profile, Box<dyn Error>> {
    let entry = |name, value, searchability| ProfileEntry {
        name,
        value,
        searchability,
        visibility: Visibility::Shown,
    };
    let of_name = match number.is_multiple_of(5) {
        true => Searchability::Searchable,
        false => Searchability::ExactOnly,
    };
    Ok(Profile {
        user: MimiUri::new(&format!("mimi://a.example/u/user{number}"))?,
        findability: Findability::Findable,
        entries: vec![
            entry(FieldName::HANDLE, handle(number), Searchability::ExactOnly),
            entry(FieldName::NICK, nick(number), Searchability::ExactOnly),
            entry(FieldName::EMAIL, email(number), Searchability::ExactOnly),
            entry(FieldName::PHONE, phone(number), Searchability::ExactOnly),
            entry(FieldName::FULL_NAME, name(number), of_name),
        ],
    })
}

fn handle(number: u64) -> String {
    format!("im:user{number}@a.example")
}

fn nick(number: u64) -> String {
    format!("{}{}", family(number), number / 3)
}

fn email(number: u64) -> String {
    format!("{}.{number}@mail.example", family(number))
}

fn phone(number: u64) -> String {
    format!("+1212{number:07}")
}

fn name(number: u64) -> String {
    let given = usize::try_from(scattered(number) >> 40).unwrap_or_default() % GIVEN.len();
    format!("{} {}", GIVEN[given], family(number))
}

/// Of three to five syllables.
fn family(number: u64) -> String {
    let mut rest = scattered(number);
    let mut name = String::new();
    for _ in 0..3 + rest % 3 {
        let place = usize::try_from(rest % 16).unwrap_or_default();
        name.push_str(SYLLABLES[place]);
        rest = rest / 16 + 7;
    }
    name
}

/// The same numbers in each run, without order (SplitMix64).
fn scattered(number: u64) -> u64 {
    let mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^ (mixed >> 27)
}
