//! The text form: JSON, as APIM's publisher makes it with a text template.
//!
//! The template puts texts between quotes *without escaping them*. Where that makes invalid JSON, what has only one
//! reading is read all the same: the payload where what is broken stands beside it, or a payload whose members can be told
//! apart by their names. Anything else is refused: a guessed identifier would revoke something else.

use serde_json::{Deserializer, Map, Value};

use super::{DecodeError, Fields, Scalar};

/// The template's members of `payloadData`.
const MEMBERS: [&str; 6] = [
    "eventId",
    "revokedToken",
    "ttl",
    "expiryTime",
    "type",
    "tenantId",
];

pub(super) fn fields(text: &str) -> Result<Fields, DecodeError> {
    match serde_json::from_str::<Value>(text) {
        Ok(Value::Object(object)) => Ok(members(payload(&object))),
        Ok(_) => Err(DecodeError::NotAnObject),
        // The error's own text would quote the message.
        Err(error) => salvage(text).ok_or(DecodeError::NotJson {
            line: error.line(),
            column: error.column(),
        }),
    }
}

/// `event.payloadData`, or as much of the envelope as there is.
fn payload(object: &Map<String, Value>) -> &Map<String, Value> {
    let inner = |object, name| Map::get(object, name).and_then(Value::as_object);
    let event = inner(object, "event").unwrap_or(object);
    inner(event, "payloadData").unwrap_or(event)
}

fn members(object: &Map<String, Value>) -> Fields {
    let mut fields = Fields::default();
    for (name, value) in object {
        fields.set(name, Scalar::from(value));
    }
    fields
}

impl From<&Value> for Scalar {
    fn from(value: &Value) -> Self {
        match value {
            Value::Null => Self::Absent,
            Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(number), _) => Self::Integer(number),
                (None, Some(number)) => number.into(),
                (None, None) => Self::Other,
            },
            Value::String(text) => Self::Text(text.as_str().into()),
            Value::Bool(_) | Value::Array(_) | Value::Object(_) => Self::Other,
        }
    }
}

/// Reads a text that is not JSON, if `payloadData` stands in it once.
fn salvage(text: &str) -> Option<Fields> {
    let (_, rest) = split_at_only(text, "\"payloadData\":")?;
    let payload = rest.trim_start();
    whole_object(payload).or_else(|| template(payload))
}

/// Reads the object that `text` begins with, unless it may have ended inside one of its texts: where it ends with one,
/// where members of the template follow, or where what follows is not the rest of an object.
fn whole_object(text: &str) -> Option<Fields> {
    let mut values = Deserializer::from_str(text).into_iter();
    let Some(Ok(Value::Object(object))) = values.next() else {
        return None;
    };
    let (payload, rest) = text.split_at(values.byte_offset());
    let ends_with_text = payload
        .strip_suffix('}')
        .is_some_and(|members| members.trim_end().ends_with('"'));
    let goes_on = MEMBERS.iter().any(|name| rest.contains(&key(name)));
    let closed = matches!(
        rest.trim_start().as_bytes().first(),
        None | Some(b',' | b'}')
    );
    (closed && !goes_on && !ends_with_text).then(|| members(&object))
}

fn key(name: &str) -> String {
    format!("\"{name}\":")
}

/// Reads the members of a payload by the names of the template alone, taking texts as they stand.
fn template(payload: &str) -> Option<Fields> {
    let mut marks = Vec::new();
    for name in MEMBERS {
        let key = key(name);
        if payload.contains(&key) {
            let (before, after) = split_at_only(payload, &key)?;
            marks.push((before.len(), payload.len() - after.len(), name));
        }
    }
    marks.sort_unstable();
    let ends = marks.iter().skip(1).map(|(start, ..)| Some(*start));
    let ends = ends.chain([None]);
    let mut fields = Fields::default();
    for ((_, start, name), end) in marks.iter().zip(ends) {
        let value = match end {
            Some(end) => payload[*start..end].strip_suffix(',')?,
            None => last(&payload[*start..])?,
        };
        fields.set(name, raw(value)?);
    }
    Some(fields)
}

/// The last value of an object.
fn last(rest: &str) -> Option<&str> {
    if rest.starts_with('"') {
        let (text, _) = split_at_only(rest, "\"}")?;
        rest.get(..=text.len())
    } else {
        rest.split_once('}').map(|(value, _)| value)
    }
}

/// A value as the template prints it. A text that looks like more than one member is not taken: it could be split in
/// more than one way.
fn raw(value: &str) -> Option<Scalar> {
    if value == "null" {
        return Some(Scalar::Absent);
    }
    match value.strip_prefix('"') {
        Some(text) => {
            let text = text.strip_suffix('"')?;
            let ambiguous = text.contains(",\"") || text.contains("\":");
            (!ambiguous).then(|| Scalar::Text(text.into()))
        }
        None => value.parse().ok().map(Scalar::Integer),
    }
}

/// What stands before and after `mark`, if it stands there exactly once.
fn split_at_only<'a>(text: &'a str, mark: &str) -> Option<(&'a str, &'a str)> {
    let (before, after) = text.split_once(mark)?;
    (!after.contains(mark)).then_some((before, after))
}
