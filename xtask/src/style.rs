//! Sizes and names that CONTRIBUTING.md promises.

use std::path::Path;
use std::process::Command;

/// Longest source file, tests apart.
const LINES_MAX: usize = 600;
/// Longest ARCHITECTURE.md.
const ARCHITECTURE_LINES_MAX: usize = 200;
/// Names that say nothing.
const NAMELESS: &[&str] = &["utils", "util", "common", "helpers", "helper", "manager", "misc"];

/// Fails with every file that is too long or badly named.
pub(crate) fn check() -> Result<(), String> {
    let mut faults = Vec::new();
    for path in tracked()? {
        let path = Path::new(&path);
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let rust = path.extension().is_some_and(|ending| ending == "rs");
        if rust && NAMELESS.contains(&stem) {
            faults.push(format!("{}: name what it is for", path.display()));
        }
        let test = stem == "tests" || path.components().any(|part| part.as_os_str() == "tests");
        let most = match (rust, test, path.to_str()) {
            (true, false, _) => LINES_MAX,
            (_, _, Some("ARCHITECTURE.md")) => ARCHITECTURE_LINES_MAX,
            _ => continue,
        };
        let Ok(text) = std::fs::read_to_string(path) else { continue };
        let lines = text.lines().count();
        if lines > most {
            faults.push(format!("{}: {lines} lines, at most {most}", path.display()));
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(faults.join("\n")) }
}

fn tracked() -> Result<Vec<String>, String> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .output()
        .map_err(|error| format!("git ls-files: {error}"))?;
    Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
}
