//! `docs/requirements.toml` lists every requirement and whether it is fulfilled; a fulfilled one must
//! be named where it is checked and in a test that proves it, an excluded one says why it is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

const PATH: &str = "docs/requirements.toml";

/// Who may have to fulfil a requirement, alone or joined by slashes: hub, follower, any provider, the
/// target's provider, client, all.
const ACTORS: &[&str] = &["H", "F", "P", "TP", "C", "ALL"];
/// How firmly, as the drafts say it; lower case where interoperation needs what they only imply.
const LEVELS: &[&str] = &[
    "MUST",
    "MUST NOT",
    "MUST/MAY",
    "MUST/SHOULD",
    "MUST (commitment)",
    "MAY/MUST",
    "REQUIRED",
    "REQUIRED (implement), SHOULD (offer)",
    "MANDATORY",
    "SHOULD",
    "NOT RECOMMENDED",
    "MAY",
    "must",
    "should",
    "may",
    "informative",
];

/// The sources of the workspace by path.
type Sources = BTreeMap<PathBuf, String>;

/// How far a document is fulfilled.
#[derive(Debug, Default, Eq, PartialEq)]
struct Coverage {
    fulfilled: usize,
    listed: usize,
    fulfilled_musts: usize,
    listed_musts: usize,
    /// Those that wait, by family and number.
    open: Vec<String>,
    /// Those that we do not fulfil on purpose, by the reason given.
    excluded: BTreeMap<String, Vec<String>>,
}

/// What the list says, and what is wrong with it.
#[derive(Debug, Default, Eq, PartialEq)]
struct Report {
    coverage: Vec<(String, Coverage)>,
    faults: Vec<String>,
}

/// Fails with every requirement that is said to be fulfilled and that no code or no test names, with
/// every entry of another form, and with every id in the sources that the list does not have. Prints
/// what is fulfilled and what is open, by document.
pub(crate) fn check() -> Result<(), String> {
    let listed = std::fs::read_to_string(PATH).map_err(|error| format!("{PATH}: {error}"))?;
    let report = report(&listed, &sources(Path::new("crates"))?)?;
    for (document, coverage) in &report.coverage {
        let Coverage { fulfilled, listed, fulfilled_musts, listed_musts, open, excluded } =
            coverage;
        crate::say(&format!(
            "   {document:34} {fulfilled:3} of {listed:3}, musts {fulfilled_musts:3} of {listed_musts:3}"
        ));
        for line in open.chunks(8) {
            crate::say(&format!("      open: {}", line.join(" ")));
        }
        for (reason, ids) in excluded {
            crate::say(&format!("      excluded: {}: {reason}", ids.join(" ")));
        }
    }
    if report.faults.is_empty() { Ok(()) } else { Err(report.faults.join("\n")) }
}

fn report(listed: &str, sources: &Sources) -> Result<Report, String> {
    let table: toml::Table = listed.parse().map_err(|error| format!("{PATH}: {error}"))?;
    let mut report = Report::default();
    let mut ids = BTreeSet::new();
    for (document, entries) in &table {
        let Some(entries) = entries.as_table() else {
            return Err(format!("{PATH}: {document} is no table of requirements"));
        };
        let mut coverage = Coverage::default();
        for (id, entry) in entries {
            if !ids.insert(id.as_str()) {
                report.faults.push(format!("{id}: listed for two documents"));
            }
            if let Err(fault) = judge(id, entry, sources, &mut coverage) {
                report.faults.push(fault);
            }
        }
        coverage.open.sort_by_key(|id| {
            let end = id.trim_end_matches(|character: char| character.is_ascii_digit()).len();
            (id[..end].to_owned(), id[end..].parse::<u32>().ok())
        });
        report.coverage.push((document.clone(), coverage));
    }
    report.faults.extend(unlisted(&ids, sources));
    Ok(report)
}

fn judge(
    id: &str,
    entry: &toml::Value,
    sources: &Sources,
    coverage: &mut Coverage,
) -> Result<(), String> {
    let text = |key: &str| {
        let value = entry.get(key).and_then(toml::Value::as_str);
        value.ok_or_else(|| format!("{id}: `{key}` is missing"))
    };
    let (actor, level, state) = (text("actor")?, text("level")?, text("state")?);
    if let Some(actor) = actor.split('/').find(|actor| !ACTORS.contains(actor)) {
        return Err(format!("{id}: nobody is called {actor:?}"));
    }
    if !LEVELS.contains(&level) {
        return Err(format!("{id}: there is no level {level:?}"));
    }
    let firm = ["MUST", "must", "REQUIRED", "MANDATORY"];
    let must = usize::from(firm.iter().any(|word| level.contains(word)));
    let reason = entry.get("reason").and_then(toml::Value::as_str).unwrap_or_default();
    match state {
        // Not counted: a coverage of what nobody claims would say nothing.
        "excluded" if reason.is_empty() => {
            return Err(format!("{id}: excluded without a `reason`"));
        }
        "excluded" => {
            coverage.excluded.entry(reason.to_owned()).or_default().push(id.to_owned());
            return Ok(());
        }
        _ if !reason.is_empty() => return Err(format!("{id}: a `reason` is for what is excluded")),
        "open" | "fulfilled" => {}
        other => {
            return Err(format!("{id}: state is {other:?}, must be fulfilled, open or excluded"));
        }
    }
    coverage.listed += 1;
    coverage.listed_musts += must;
    if state == "open" {
        coverage.open.push(id.to_owned());
        return Ok(());
    }
    coverage.fulfilled += 1;
    coverage.fulfilled_musts += must;
    let named = |wanted: fn(&Path) -> bool| {
        sources.iter().any(|(path, text)| wanted(path) && names(text, id))
    };
    match (named(|path| !is_test(path)), named(is_test)) {
        (true, true) => Ok(()),
        (false, _) => Err(format!("{id}: fulfilled, but no code names it")),
        (true, false) => Err(format!("{id}: fulfilled, but no test names it")),
    }
}

/// Every id in the sources that is of a listed family and not listed itself: a slip of the pen.
fn unlisted(ids: &BTreeSet<&str>, sources: &Sources) -> Vec<String> {
    let families: BTreeSet<&str> =
        ids.iter().filter_map(|id| Some(id.rsplit_once('-')?.0)).collect();
    let mut faults = Vec::new();
    for (path, text) in sources {
        for family in &families {
            let prefix = format!("{family}-");
            for (at, _) in text.match_indices(&prefix) {
                let before = text[..at].chars().next_back();
                let digits: String =
                    text[at + prefix.len()..].chars().take_while(char::is_ascii_digit).collect();
                let is_part = before.is_some_and(|c| c.is_ascii_alphanumeric() || c == '-');
                let id = format!("{prefix}{digits}");
                if !is_part && !digits.is_empty() && !ids.contains(id.as_str()) {
                    faults.push(format!("{}: {id} is not in {PATH}", path.display()));
                }
            }
        }
    }
    faults
}

/// Whether a text names an id, alone or in a range such as `PROTO-PL-1..6` or a list `…-1, -2`.
fn names(text: &str, id: &str) -> bool {
    let (family, number) = match id.rsplit_once('-') {
        Some((family, number)) => (family, number.parse::<u32>().ok()),
        None => (id, None),
    };
    let Some(number) = number else { return text.contains(id) };
    let prefix = format!("{family}-");
    text.match_indices(&prefix).any(|(at, _)| covers(&text[at + prefix.len()..], number))
}

/// Whether `1..4`, `1, -2, -5` or `3` at the start of a text covers a number.
fn covers(text: &str, number: u32) -> bool {
    let digits = |text: &str| -> Option<(u32, usize)> {
        let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        text[..end].parse().ok().map(|value| (value, end))
    };
    let Some((first, mut at)) = digits(text) else { return false };
    if first == number {
        return true;
    }
    if let Some(rest) = text[at..].strip_prefix("..") {
        return digits(rest).is_some_and(|(last, _)| (first..=last).contains(&number));
    }
    while let Some(rest) = text[at..].strip_prefix(", -") {
        let Some((next, length)) = digits(rest) else { return false };
        if next == number {
            return true;
        }
        at += 3 + length;
    }
    false
}

fn is_test(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "tests")
        || path.file_name().is_some_and(|name| name == "tests.rs")
}

fn sources(root: &Path) -> Result<BTreeMap<PathBuf, String>, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder);
        for entry in entries.map_err(|error| format!("{}: {error}", folder.display()))? {
            let path = entry.map_err(|error| error.to_string())?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = std::fs::read_to_string(&path);
                found.insert(path.clone(), text.map_err(|error| error.to_string())?);
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
