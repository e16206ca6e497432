//! Search attributes as values: from the payloads that clients send to the JSON that filters compare.

use chrono::{DateTime, FixedOffset};
use perdure_engine::Nanos;
use perdure_proto::api::{
    common::{Payload, SearchAttributes},
    enums::IndexedValueType,
};
use serde_json::{Map, Value};

use crate::visibility::AttributeKind;

/// Key of a payload's metadata that names the value's type (`Keyword`, `Int`, …), as servers and SDKs set it.
pub const TYPE_KEY: &str = "type";

impl AttributeKind {
    /// None for an unspecified or unknown type.
    pub fn from_indexed(kind: i32) -> Option<Self> {
        match IndexedValueType::try_from(kind).ok()? {
            IndexedValueType::Unspecified => None,
            IndexedValueType::Text => Some(Self::Text),
            IndexedValueType::Keyword => Some(Self::Keyword),
            IndexedValueType::Int => Some(Self::Int),
            IndexedValueType::Double => Some(Self::Double),
            IndexedValueType::Bool => Some(Self::Bool),
            IndexedValueType::Datetime => Some(Self::Datetime),
            IndexedValueType::KeywordList => Some(Self::KeywordList),
        }
    }

    pub fn to_indexed(self) -> IndexedValueType {
        match self {
            Self::Text => IndexedValueType::Text,
            Self::Keyword => IndexedValueType::Keyword,
            Self::Int => IndexedValueType::Int,
            Self::Double => IndexedValueType::Double,
            Self::Bool => IndexedValueType::Bool,
            Self::Datetime => IndexedValueType::Datetime,
            Self::KeywordList => IndexedValueType::KeywordList,
        }
    }

    /// The name in payload metadata and in error texts.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "Text",
            Self::Keyword => "Keyword",
            Self::Int => "Int",
            Self::Double => "Double",
            Self::Bool => "Bool",
            Self::Datetime => "Datetime",
            Self::KeywordList => "KeywordList",
        }
    }

    /// Reads `Keyword` as well as `INDEXED_VALUE_TYPE_KEYWORD`, which old clients write.
    pub fn from_name(name: &str) -> Option<Self> {
        const ALL: [AttributeKind; 7] = [
            AttributeKind::Text,
            AttributeKind::Keyword,
            AttributeKind::Int,
            AttributeKind::Double,
            AttributeKind::Bool,
            AttributeKind::Datetime,
            AttributeKind::KeywordList,
        ];
        ALL.into_iter().find(|kind| kind.name() == name || kind.to_indexed().as_str_name() == name)
    }

    /// The type that the payload itself claims.
    pub fn of_payload(payload: &Payload) -> Option<Self> {
        std::str::from_utf8(payload.metadata.get(TYPE_KEY)?).ok().and_then(Self::from_name)
    }
}

/// A payload that is not a value of the attribute's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a value of the search attribute's type")]
pub struct InvalidValue;

/// The value of a payload; `Value::Null` where there is none (an empty payload, `null`, an empty list), which removes the
/// attribute. Date-times become Unix nanoseconds. A list of one counts as its element, as old SDKs wrap all values.
pub fn decode_value(payload: &Payload, kind: AttributeKind) -> Result<Value, InvalidValue> {
    if payload.data.is_empty() {
        return Ok(Value::Null);
    }
    let value: Value = serde_json::from_slice(&payload.data).map_err(|_| InvalidValue)?;
    match value {
        Value::Null => Ok(Value::Null),
        Value::Array(items) if items.is_empty() => Ok(Value::Null),
        Value::Array(items) if kind == AttributeKind::KeywordList => {
            items.iter().all(Value::is_string).then_some(Value::Array(items)).ok_or(InvalidValue)
        }
        Value::Array(items) => match <[Value; 1]>::try_from(items) {
            Ok([item]) => decode_scalar(item, kind),
            Err(_) => Err(InvalidValue),
        },
        scalar => decode_scalar(scalar, kind),
    }
}

fn decode_scalar(value: Value, kind: AttributeKind) -> Result<Value, InvalidValue> {
    match (kind, &value) {
        (AttributeKind::Text | AttributeKind::Keyword, Value::String(_))
        | (AttributeKind::Bool, Value::Bool(_))
        | (AttributeKind::Double, Value::Number(_)) => Ok(value),
        (AttributeKind::Int, Value::Number(number)) if number.is_i64() => Ok(value),
        (AttributeKind::Datetime, Value::String(text)) => {
            let time = DateTime::parse_from_rfc3339(text).map_err(|_| InvalidValue)?;
            Ok(Value::from(unix_nanos(&time)))
        }
        _ => Err(InvalidValue),
    }
}

/// Saturates: 64 bits of nanoseconds end in the year 2262.
pub fn unix_nanos(time: &DateTime<FixedOffset>) -> Nanos {
    let far = if time.timestamp() < 0 { Nanos::MIN } else { Nanos::MAX };
    time.timestamp_nanos_opt().unwrap_or(far)
}

/// `VisibilityRow::search_values`: each attribute by the type in its payload's metadata, which the frontend has set.
/// A value without a type keeps the one that its JSON has; what cannot be read is left out.
pub fn search_values(attributes: &SearchAttributes) -> Value {
    let mut values = Map::new();
    for (name, payload) in &attributes.indexed_fields {
        let value = match AttributeKind::of_payload(payload) {
            Some(kind) => decode_value(payload, kind).ok(),
            None => serde_json::from_slice(&payload.data).ok(),
        };
        if let Some(value) = value.filter(|value| !value.is_null()) {
            values.insert(name.clone(), value);
        }
    }
    Value::Object(values)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn payload(kind: &str, data: &str) -> Payload {
        let mut payload = Payload { data: data.to_owned().into(), ..Default::default() };
        if !kind.is_empty() {
            payload.metadata.insert(TYPE_KEY.to_owned(), kind.to_owned().into());
        }
        payload
    }

    #[test]
    fn decode_value_by_type() {
        use AttributeKind::*;
        let cases = [
            (Keyword, r#""a""#, Ok(json!("a"))),
            (Keyword, r#"["a"]"#, Ok(json!("a"))),
            (Keyword, r#"["a","b"]"#, Err(InvalidValue)),
            (Keyword, "5", Err(InvalidValue)),
            (Keyword, "null", Ok(Value::Null)),
            (Keyword, "", Ok(Value::Null)),
            (Keyword, "not json", Err(InvalidValue)),
            (Text, r#""a b""#, Ok(json!("a b"))),
            (Int, "9007199254740993", Ok(json!(9_007_199_254_740_993_i64))),
            (Int, "1.5", Err(InvalidValue)),
            (Int, "18446744073709551615", Err(InvalidValue)),
            (Double, "1", Ok(json!(1))),
            (Double, "1.5", Ok(json!(1.5))),
            (Bool, "true", Ok(json!(true))),
            (Bool, r#""true""#, Err(InvalidValue)),
            (Datetime, r#""1970-01-01T00:00:01.000000002Z""#, Ok(json!(1_000_000_002_i64))),
            (Datetime, r#""1970-01-01T01:00:00+01:00""#, Ok(json!(0))),
            (Datetime, r#""yesterday""#, Err(InvalidValue)),
            (Datetime, r#""9999-01-01T00:00:00Z""#, Ok(json!(i64::MAX))),
            (KeywordList, r#"["a","b"]"#, Ok(json!(["a", "b"]))),
            (KeywordList, "[]", Ok(Value::Null)),
            (KeywordList, r#"["a",null]"#, Err(InvalidValue)),
            (KeywordList, r#""a""#, Err(InvalidValue)),
        ];
        for (kind, data, expected) in cases {
            assert_eq!(decode_value(&payload("", data), kind), expected, "{kind:?} {data}");
        }
    }

    #[test]
    fn search_values_of_typed_and_untyped_payloads() {
        let attributes = SearchAttributes {
            indexed_fields: [
                ("When", payload("Datetime", r#""1970-01-01T00:00:00.5Z""#)),
                ("Old", payload("INDEXED_VALUE_TYPE_KEYWORD", r#"["x"]"#)),
                ("Untyped", payload("", "7")),
                ("Gone", payload("Int", "null")),
                ("Broken", payload("Int", r#""x""#)),
            ]
            .into_iter()
            .map(|(name, payload)| (name.to_owned(), payload))
            .collect(),
        };
        assert_eq!(search_values(&attributes), json!({"When": 500_000_000, "Old": "x", "Untyped": 7}));
    }
}
