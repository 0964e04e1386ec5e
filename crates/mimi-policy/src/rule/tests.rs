use std::collections::BTreeSet;

use super::Rule;

#[test]
fn names_are_unique_and_words_are_there() {
    let names: BTreeSet<&str> = Rule::ALL.iter().map(|rule| rule.name()).collect();
    assert_eq!(names.len(), Rule::ALL.len());
    for rule in Rule::ALL {
        assert!(!rule.phrase().is_empty());
        let (family, number) = rule.id().rsplit_once('-').expect("an id ends in a number");
        assert!(
            family.starts_with("PROTO-")
                || family.starts_with("POLICY-")
                || family == "CONTENT-EDIT"
                || family == "ARCH"
        );
        assert!(number.parse::<u32>().is_ok(), "{}", rule.id());
    }
}
