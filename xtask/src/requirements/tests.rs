use std::path::PathBuf;

use super::{Coverage, Report, Sources, names, report};

const CODE: &str = "crates/a/src/lib.rs";
const TEST: &str = "crates/a/src/lib/tests.rs";

fn sources(code: &str, test: &str) -> Sources {
    let file = |path: &str, text: &str| (PathBuf::from(path), text.to_owned());
    Sources::from([file(CODE, code), file(TEST, test)])
}

fn of(listed: &str, code: &str, test: &str) -> Report {
    report(listed, &sources(code, test)).unwrap()
}

fn entry(id: &str, level: &str, state: &str) -> String {
    format!("{id} = {{ actor = \"H/C\", level = \"{level}\", state = \"{state}\" }}\n")
}

fn list(entries: &[String]) -> String {
    format!("[\"draft\"]\n{}", entries.concat())
}

/// The faults of a list with one requirement.
fn faults(entry: &str, code: &str, test: &str) -> Vec<String> {
    of(&list(&[entry.to_owned()]), code, test).faults
}

#[test]
fn ids_are_found_alone_in_ranges_and_in_lists() {
    assert!(names("as PROTO-KM-3 says", "PROTO-KM-3"));
    assert!(!names("as PROTO-KM-31 says", "PROTO-KM-3"));
    assert!(names("PROTO-PL-1..6", "PROTO-PL-4"));
    assert!(!names("PROTO-PL-1..3", "PROTO-PL-4"));
    assert!(names("PROTO-UPD-2, -3", "PROTO-UPD-3"));
    assert!(!names("PROTO-UPD-2, -3", "PROTO-UPD-4"));
    assert!(names("DISC-R1", "DISC-R1"));
}

#[test]
fn what_is_fulfilled_is_named_in_code_and_in_a_test() {
    let fulfilled = entry("AB-1", "MUST", "fulfilled");
    assert!(faults(&fulfilled, "// AB-1", "/// AB-1").is_empty());
    let no_code = "AB-1: fulfilled, but no code names it";
    let no_test = "AB-1: fulfilled, but no test names it";
    assert_eq!(faults(&fulfilled, "", "/// AB-1"), [no_code]);
    assert_eq!(faults(&fulfilled, "// AB-1", ""), [no_test]);
    assert_eq!(faults(&fulfilled, "", ""), [no_code]);
    // Another id that starts alike is not it.
    let both = list(&[fulfilled, entry("AB-11", "MUST", "open")]);
    assert_eq!(of(&both, "// AB-11", "/// AB-11").faults, [no_code]);
}

#[test]
fn what_is_open_is_listed_and_needs_nothing() {
    let listed = list(&[
        entry("AB-1", "MUST", "fulfilled"),
        entry("AB-2", "must", "open"),
        entry("AB-3", "SHOULD", "open"),
        entry("AB-10", "REQUIRED (implement), SHOULD (offer)", "open"),
    ]);
    let report = of(&listed, "// AB-1", "/// AB-1");
    let coverage = Coverage {
        fulfilled: 1,
        listed: 4,
        fulfilled_musts: 1,
        listed_musts: 3,
        open: vec!["AB-2".to_owned(), "AB-3".to_owned(), "AB-10".to_owned()],
        ..Coverage::default()
    };
    assert_eq!(report, Report { coverage: vec![("draft".to_owned(), coverage)], faults: vec![] });
}

#[test]
fn entries_of_another_form_are_faults() {
    for (entry, fault) in [
        ("AB-1 = { level = \"MUST\", state = \"open\" }", "AB-1: `actor` is missing"),
        ("AB-1 = { actor = \"H\", state = \"open\" }", "AB-1: `level` is missing"),
        ("AB-1 = { actor = \"H\", level = \"MUST\" }", "AB-1: `state` is missing"),
        ("AB-1 = 7", "AB-1: `actor` is missing"),
        (
            "AB-1 = { actor = \"H/X\", level = \"MUST\", state = \"open\" }",
            "AB-1: nobody is called \"X\"",
        ),
        (
            "AB-1 = { actor = \"H\", level = \"NOT\", state = \"open\" }",
            "AB-1: there is no level \"NOT\"",
        ),
        (
            "AB-1 = { actor = \"H\", level = \"MUST\", state = \"done\" }",
            "AB-1: state is \"done\", must be fulfilled, open or excluded",
        ),
    ] {
        assert_eq!(faults(entry, "", ""), [fault]);
    }
    assert!(report("AB-1 = 7", &Sources::new()).is_err());
    assert!(report("[draft", &Sources::new()).is_err());
}

fn excluded(id: &str, reason: &str) -> String {
    format!("{id} = {{ actor = \"H\", level = \"MUST\", state = \"excluded\"{reason} }}\n")
}

#[test]
fn what_is_excluded_says_why_and_is_not_counted() {
    let reason = ", reason = \"nobody could\"";
    let listed = list(&[
        excluded("AB-1", reason),
        excluded("AB-2", reason),
        entry("AB-3", "MUST", "fulfilled"),
    ]);
    let report = of(&listed, "// AB-3", "/// AB-3");
    let ids = vec!["AB-1".to_owned(), "AB-2".to_owned()];
    let coverage = Coverage {
        fulfilled: 1,
        listed: 1,
        fulfilled_musts: 1,
        listed_musts: 1,
        excluded: [("nobody could".to_owned(), ids)].into(),
        ..Coverage::default()
    };
    assert_eq!(report, Report { coverage: vec![("draft".to_owned(), coverage)], faults: vec![] });
    for reason in ["", ", reason = \"\"", ", reason = 7"] {
        let fault = "AB-1: excluded without a `reason`";
        assert_eq!(faults(&excluded("AB-1", reason), "", ""), [fault]);
    }
    let open = excluded("AB-1", reason).replace("\"excluded\"", "\"open\"");
    assert_eq!(faults(&open, "", ""), ["AB-1: a `reason` is for what is excluded"]);
}

#[test]
fn no_requirement_is_there_twice() {
    let open = entry("AB-1", "MUST", "open");
    let twice = format!("{}[\"other\"]\n{open}", list(std::slice::from_ref(&open)));
    assert_eq!(of(&twice, "", "").faults, ["AB-1: listed for two documents"]);
    assert!(report(&list(&[open.clone(), open]), &Sources::new()).is_err());
}

#[test]
fn ids_that_are_not_listed_are_faults() {
    let listed = list(&[entry("AB-CD-1", "MUST", "open"), entry("AB-1", "MUST", "open")]);
    let report = of(&listed, "// AB-1, AB-CD-1, XAB-7, EF-7, AB-CD-x, AB-CD-1..2", "/// AB-CD-3");
    assert_eq!(report.faults, [format!("{TEST}: AB-CD-3 is not in docs/requirements.toml")]);
}
