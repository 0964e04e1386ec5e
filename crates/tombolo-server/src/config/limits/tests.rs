use std::collections::BTreeSet;
use std::path::Path;

use super::Limits;
use crate::config::{Config, ConfigErrors};

const MINIMAL: &str = r#"
domain = "a.example"
data_dir = "data"
[listen]
federation = "127.0.0.1:8443"
client = "127.0.0.1:8444"
[tls]
certificate = "a.pem"
key = "a.key"
"#;

fn parse(limits: &str) -> Result<Limits, ConfigErrors> {
    let text = format!("{MINIMAL}\n{limits}");
    Config::parse(&text, Path::new("/etc/tombolo")).map(|config| config.limits)
}

/// The key whose share of a whole must stay within another key.
fn whole_of(key: &str) -> &'static str {
    match key {
        "unproven_max" => "open_max = 1000000",
        "unproven_per_network_max" => "open_max = 1000000\nunproven_max = 1000000",
        "per_peer_max" => "peers_max = 1000000",
        "per_device_max" => "clients_max = 1000000",
        "pending_proposals_per_sender_max" => "pending_proposals_max = 16384",
        "answered_per_provider_max" => "answered_max = 10000",
        "relayed_per_user_max" => "relayed_max = 10000",
        _ => "",
    }
}

#[test]
fn without_a_word_the_defaults_hold() {
    assert_eq!(parse("").unwrap(), Limits::default());
    assert_eq!(parse("[limits.rooms]").unwrap(), Limits::default());
}

/// Each limit takes the ends of its range and nothing beyond; all errors are told at once.
#[test]
fn every_limit_has_a_range() {
    for limit in Limits::ALL {
        let (section, key) = (limit.section, limit.key);
        assert!((limit.least..=limit.most).contains(&limit.default), "{section}.{key}");
        let with = |value: &str| {
            let wholes = if section == "connections" && key.starts_with("per_") {
                ""
            } else {
                whole_of(key)
            };
            parse(&format!("[limits.{section}]\n{wholes}\n{key} = {value}"))
        };
        let refused = |value: &str| {
            let errors = with(value).unwrap_err().errors;
            let keys: Vec<&str> = errors.iter().map(|error| &*error.key).collect();
            assert_eq!(keys, [format!("limits.{section}.{key}")], "{value}");
            let range = format!("must be a number from {} to {}", limit.least, limit.most);
            assert_eq!(errors[0].valid, range);
        };
        assert!(with(&limit.most.to_string()).is_ok(), "{section}.{key}: the most");
        refused(&(limit.most + 1).to_string());
        refused(&(limit.least - 1).to_string());
        refused("\"many\"");
    }
    let errors = parse("[limits.rooms]\nhot_max = 0\n[limits.peers]\nlinks_max = 0").unwrap_err();
    assert_eq!(errors.errors.len(), 2);
}

#[test]
fn a_share_is_not_larger_than_the_whole() {
    let fits = "[limits.requests]\npeers_max = 10\nper_peer_max = 10";
    assert_eq!(parse(fits).unwrap().requests.per_peer_max, 10);
    let exceeds = "[limits.requests]\npeers_max = 10\nper_peer_max = 11";
    let errors = parse(exceeds).unwrap_err();
    assert_eq!(errors.errors[0].key, "limits.requests.per_peer_max");
    assert!(errors.errors[0].valid.contains("11 of 10"), "{errors}");
    // The defaults count as well.
    assert!(parse("[limits.requests]\npeers_max = 10").is_err());
}

/// Rows of a table of `docs/limits.md`: what stands in code in the first cell, then the other cells.
fn rows(heading: &str) -> Vec<(String, Vec<String>)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/limits.md");
    let text = std::fs::read_to_string(path).unwrap();
    let section = text.split("\n## ").find(|section| section.starts_with(heading)).unwrap();
    let lines = section.lines().filter(|line| line.starts_with("| `"));
    let cells = lines.map(|line| line.trim_matches('|').split('|').map(str::trim));
    let rows = cells.map(|mut cells| {
        let name = cells.next().unwrap().trim_matches('`').to_owned();
        (name, cells.map(str::to_owned).collect())
    });
    rows.collect()
}

/// All Rust of the repository, in one text.
fn sources() -> String {
    let mut text = String::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut directories: Vec<_> =
        ["crates", "fuzz", "xtask"].iter().map(|name| root.join(name)).collect();
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap().flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            if path.is_dir() && name != "target" {
                directories.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                text.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
    }
    text
}

/// The document lists the limits of the configuration, with their defaults.
#[test]
fn the_document_is_in_step_with_the_configuration() {
    let documented: Vec<(String, String)> =
        rows("Configured").into_iter().map(|(name, cells)| (name, cells[0].clone())).collect();
    let configured: Vec<(String, String)> = Limits::ALL
        .iter()
        .map(|limit| (format!("{}.{}", limit.section, limit.key), limit.default.to_string()))
        .collect();
    for limit in &configured {
        assert!(documented.contains(limit), "docs/limits.md lacks | `{}` | {} |", limit.0, limit.1);
    }
    assert_eq!(documented.len(), configured.len(), "docs/limits.md has rows that are no limits");
    let names: BTreeSet<&String> = documented.iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), documented.len(), "a limit is documented twice");
}

/// Every limit of the document says by which test it is proven, and there is that test; fixed limits
/// are constants by that name.
#[test]
fn the_document_names_what_exists() {
    let sources = sources();
    for table in ["Configured", "Of other sections", "Fixed"] {
        for (name, cells) in rows(table) {
            let tests = cells.last().unwrap();
            assert!(tests.contains('`'), "{name}: no test");
            for test in tests.split(',').map(|test| test.trim().trim_matches('`')) {
                let function = format!("fn {test}(");
                assert!(sources.contains(&function), "{name}: there is no test {test}");
            }
            if table == "Fixed" {
                let constant = name.rsplit("::").next().unwrap();
                let is_there = sources.contains(&format!("const {constant}: "));
                assert!(is_there, "{name}: there is no such constant");
            }
        }
    }
}
