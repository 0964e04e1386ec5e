//! A smaller case with the same disagreement: parts are dropped as long as it stays.

use serde_json::Value;

use crate::{class, judged, restated};

/// The smallest case reached by dropping one part after the other.
pub(crate) fn shrink(line: &str) -> String {
    let wanted = class(&restated(line), &judged(line));
    let disagrees = |value: &Value| {
        let line = value.to_string();
        class(&restated(&line), &judged(&line)) == wanted
    };
    let mut smallest: Value = serde_json::from_str(line).unwrap();
    loop {
        let smaller = without_one_part(&smallest).into_iter().find(|value| disagrees(value));
        match smaller {
            Some(smaller) => smallest = smaller,
            None => return smallest.to_string(),
        }
    }
}

/// The value with one part left out, or one number made smaller, in every way.
fn without_one_part(value: &Value) -> Vec<Value> {
    let mut all = Vec::new();
    match value {
        Value::Object(fields) => {
            for name in fields.keys() {
                let mut fewer = fields.clone();
                fewer.remove(name);
                all.push(Value::Object(fewer));
            }
            for (name, part) in fields {
                for smaller in without_one_part(part) {
                    let mut changed = fields.clone();
                    changed.insert(name.clone(), smaller);
                    all.push(Value::Object(changed));
                }
            }
        }
        Value::Array(items) => {
            for at in 0..items.len() {
                let mut fewer = items.clone();
                fewer.remove(at);
                all.push(Value::Array(fewer));
            }
            for (at, part) in items.iter().enumerate() {
                for smaller in without_one_part(part) {
                    let mut changed = items.clone();
                    changed[at] = smaller;
                    all.push(Value::Array(changed));
                }
            }
        }
        _ => {}
    }
    all
}
