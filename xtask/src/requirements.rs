//! `docs/requirements.toml` lists every requirement and whether it is fulfilled; a fulfilled one must
//! be named where it is checked and in a test that proves it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// How far a document is fulfilled.
#[derive(Default)]
struct Coverage {
    fulfilled: usize,
    listed: usize,
    fulfilled_musts: usize,
    listed_musts: usize,
}

/// Fails with every requirement that is said to be fulfilled and that no code or no test names, and
/// with every entry of another form. Prints what is fulfilled, by document.
pub(crate) fn check() -> Result<(), String> {
    let path = "docs/requirements.toml";
    let listed = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    let table: toml::Table = listed.parse().map_err(|error| format!("{path}: {error}"))?;
    let sources = sources(Path::new("crates"))?;
    let mut faults = Vec::new();
    for (document, entries) in &table {
        let Some(entries) = entries.as_table() else {
            return Err(format!("{path}: {document} is no table of requirements"));
        };
        let mut coverage = Coverage::default();
        for (id, entry) in entries {
            if let Err(fault) = judge(id, entry, &sources, &mut coverage) {
                faults.push(fault);
            }
        }
        let Coverage { fulfilled, listed, fulfilled_musts, listed_musts } = coverage;
        crate::say(&format!(
            "   {document:34} {fulfilled:3} of {listed:3}, musts {fulfilled_musts:3} of {listed_musts:3}"
        ));
    }
    if faults.is_empty() { Ok(()) } else { Err(faults.join("\n")) }
}

fn judge(
    id: &str,
    entry: &toml::Value,
    sources: &BTreeMap<PathBuf, String>,
    coverage: &mut Coverage,
) -> Result<(), String> {
    let text = |key: &str| {
        let value = entry.get(key).and_then(toml::Value::as_str);
        value.ok_or_else(|| format!("{id}: `{key}` is missing"))
    };
    let (_, level, state) = (text("actor")?, text("level")?, text("state")?);
    let must = usize::from(level.eq_ignore_ascii_case("must"));
    coverage.listed += 1;
    coverage.listed_musts += must;
    match state {
        "open" => return Ok(()),
        "fulfilled" => {}
        other => return Err(format!("{id}: state is {other:?}, must be fulfilled or open")),
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
mod tests {
    use super::names;

    #[test]
    fn ids_are_found_alone_in_ranges_and_in_lists() {
        assert!(names("as PROTO-KM-3 says", "PROTO-KM-3"));
        assert!(!names("as PROTO-KM-31 says", "PROTO-KM-3"));
        assert!(names("PROTO-PL-1..6", "PROTO-PL-4"));
        assert!(!names("PROTO-PL-1..3", "PROTO-PL-4"));
        assert!(names("PROTO-UPD-2, -3", "PROTO-UPD-3"));
        assert!(!names("PROTO-UPD-2, -3", "PROTO-UPD-4"));
    }
}
