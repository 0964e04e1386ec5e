//! `docs/requirements.toml` says which requirements are fulfilled; each must be named where it is
//! checked and in a test that proves it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Fails with every requirement that no code or no test names.
pub(crate) fn check() -> Result<(), String> {
    let path = "docs/requirements.toml";
    let listed = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    let table: toml::Table = listed.parse().map_err(|error| format!("{path}: {error}"))?;
    let fulfilled = table.get("fulfilled").and_then(toml::Value::as_array);
    let ids: Vec<&str> = fulfilled.into_iter().flatten().filter_map(toml::Value::as_str).collect();
    if ids.is_empty() {
        return Err(format!("{path} lists nothing under `fulfilled`"));
    }
    let sources = sources(Path::new("crates"))?;
    let mut faults = Vec::new();
    for id in &ids {
        let (mut code, mut test) = (false, false);
        for (path, text) in &sources {
            if names(text, id) {
                if is_test(path) { test = true } else { code = true }
            }
        }
        if !code {
            faults.push(format!("{id}: no code names it"));
        }
        if !test {
            faults.push(format!("{id}: no test names it"));
        }
    }
    crate::say(&format!("   {} requirements", ids.len()));
    if faults.is_empty() { Ok(()) } else { Err(faults.join("\n")) }
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
