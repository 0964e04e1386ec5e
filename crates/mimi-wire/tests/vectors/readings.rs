//! `docs/readings.md`: each reading that changes octets names one function and its vectors.

use std::path::Path;

use serde_json::Value;

use crate::checked_in;

const READINGS: &str = include_str!("../../../../docs/readings.md");

/// The lines of the table below a heading, cell by cell.
fn table(heading: &str) -> Vec<Vec<&'static str>> {
    let (_, section) = READINGS.split_once(heading).expect(heading);
    let section = section.split("\n## ").next().unwrap();
    let lines = section.lines().filter(|line| line.starts_with("| AMB-"));
    lines.map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect()).collect()
}

/// What stands in backticks.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

fn has_vector(file: &str, name: &str) -> bool {
    let file: Value = serde_json::from_str(checked_in(file)).unwrap();
    let list = ["vectors", "derivations"].into_iter().find_map(|key| file[key].as_array());
    list.unwrap().iter().any(|vector| vector["name"] == name)
}

#[expect(clippy::disallowed_methods, reason = "the page names files")]
fn source(path: &Path) -> String {
    String::from_utf8(std::fs::read(path).expect("the page names a file that is there")).unwrap()
}

#[test]
fn every_reading_has_its_function_and_its_vectors() {
    let rows = table("## In octets");
    assert!(rows.len() > 60, "{}", rows.len());
    for row in rows {
        let [reading, _, function, vectors] = row[..] else { panic!("{row:?}") };
        let [file, function] = quoted(function)[..] else { panic!("{reading}: {function}") };
        let code = source(&Path::new("src").join(file));
        assert!(code.contains(function), "{reading}: {file} has no {function}");
        let vectors = quoted(vectors);
        assert!(!vectors.is_empty(), "{reading} has no vector");
        for vector in vectors {
            let (file, name) = vector.split_once(": ").expect(vector);
            assert!(has_vector(file, name), "{reading}: {file} has no vector {name:?}");
        }
    }
}

#[test]
fn every_other_reading_is_named_where_it_stands() {
    for row in table("## Beside the octets of structures") {
        let [reading, _, place] = row[..] else { panic!("{row:?}") };
        let code = source(&Path::new("../..").join(quoted(place)[0]));
        assert!(code.contains(reading), "{place} does not name {reading}");
    }
}

/// Every reading of decisions.md that is said to change octets is on the page once.
#[test]
fn no_reading_is_there_twice() {
    let headings = ["## In octets", "## Beside the octets of structures", "## Open"];
    let mut readings: Vec<&str> =
        headings.iter().flat_map(|heading| table(heading)).map(|row| row[0]).collect();
    let count = readings.len();
    readings.sort_unstable();
    readings.dedup();
    assert_eq!(readings.len(), count);
    assert!(count >= 80, "{count}");
}
