//! CBOR items of the content draft's data model as JSON.

use minicbor::Decoder;
use minicbor::data::Type;
use serde_json::{Map, Value, json};

/// The next item, which the strict decoder has accepted before. Octets are `{"hex": …}`, tags
/// `{"tag": …, "value": …}`, simple values `{"simple": …}`, floats and integers that JSON cannot
/// hold exactly are text.
pub(super) fn item(decoder: &mut Decoder<'_>) -> Option<Value> {
    Some(match decoder.datatype().ok()? {
        Type::Bool => json!(decoder.bool().ok()?),
        Type::Null => decoder.null().ok().map(|()| Value::Null)?,
        Type::Undefined => decoder.undefined().ok().map(|()| json!({ "simple": 23 }))?,
        Type::Simple => json!({ "simple": decoder.simple().ok()? }),
        Type::String => json!(decoder.str().ok()?),
        Type::Bytes => json!({ "hex": hex(decoder.bytes().ok()?) }),
        Type::F16 => {
            let start = decoder.position();
            let octets = decoder.input().get(start + 1..start + 3)?;
            decoder.set_position(start + 3);
            float(half(u16::from_be_bytes(octets.try_into().ok()?)))
        }
        Type::F32 => float(f64::from(decoder.f32().ok()?)),
        Type::F64 => float(decoder.f64().ok()?),
        Type::Array => {
            let count = decoder.array().ok()??;
            let items: Option<Vec<_>> = (0..count).map(|_| item(decoder)).collect();
            Value::Array(items?)
        }
        Type::Map => {
            let count = decoder.map().ok()??;
            let mut map = Map::new();
            for _ in 0..count {
                let key = key(decoder)?;
                map.insert(key, item(decoder)?);
            }
            Value::Object(map)
        }
        Type::Tag => {
            let tag = decoder.tag().ok()?.as_u64();
            json!({ "tag": tag, "value": item(decoder)? })
        }
        _ => number(decoder.int().ok()?.into()),
    })
}

fn key(decoder: &mut Decoder<'_>) -> Option<String> {
    Some(match decoder.datatype().ok()? {
        Type::String => text_key(decoder.str().ok()?),
        Type::Bytes => format!("h'{}'", hex(decoder.bytes().ok()?)),
        _ => i128::from(decoder.int().ok()?).to_string(),
    })
}

/// A text key as it is, unless it could be taken for a number or for octets.
pub(super) fn text_key(key: &str) -> String {
    let looks_otherwise =
        key.parse::<i128>().is_ok() || key.starts_with("h'") || key.starts_with('"');
    if looks_otherwise { format!("{key:?}") } else { key.to_owned() }
}

/// A number that JSON readers keep exactly, else its digits.
pub(super) fn number(number: i128) -> Value {
    const EXACT_MAX: i128 = (1 << 53) - 1;

    match i64::try_from(number) {
        Ok(small) if number.abs() <= EXACT_MAX => json!(small),
        _ => json!(number.to_string()),
    }
}

fn float(value: f64) -> Value {
    match serde_json::Number::from_f64(value) {
        Some(number) => Value::Number(number),
        None => json!(value.to_string()),
    }
}

/// A half float (RFC 8949 appendix D).
fn half(bits: u16) -> f64 {
    let fraction = f64::from(bits & 0x03ff);
    let magnitude = match i32::from(bits >> 10 & 0x1f) {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        exponent => (1024.0 + fraction) * 2f64.powi(exponent - 25),
    };
    if bits & 0x8000 == 0 { magnitude } else { -magnitude }
}

pub(super) fn hex(octets: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";

    let digit = |value: u8| char::from(DIGITS[usize::from(value)]);
    octets.iter().flat_map(|octet| [digit(octet >> 4), digit(octet & 15)]).collect()
}
