//! A value of which only text and numbers matter, read without ever failing on the others.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};

/// One value of a message or of a row: the same field comes as a number from one publisher and as a string from another.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) enum Scalar {
    /// Not there, or null.
    #[default]
    Absent,
    /// A whole number; what does not fit is the nearest that does.
    Integer(i64),
    /// A text.
    Text(Box<str>),
    /// Anything else: true, false, a list, an object, bytes.
    Other,
}

impl Scalar {
    /// The text, if it is one.
    pub(crate) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number, written as a number or as a text.
    pub(crate) fn as_integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            Self::Text(text) => text.trim().parse().ok(),
            Self::Absent | Self::Other => None,
        }
    }
}

impl From<f64> for Scalar {
    fn from(number: f64) -> Self {
        if number.is_nan() {
            Self::Other
        } else {
            // `as` takes the nearest number that fits.
            Self::Integer(number as i64)
        }
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Scalar, E> {
        Ok(Scalar::Absent)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Scalar, E> {
        Ok(Scalar::Other)
    }

    fn visit_i64<E>(self, number: i64) -> Result<Scalar, E> {
        Ok(Scalar::Integer(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Scalar, E> {
        Ok(Scalar::Integer(i64::try_from(number).unwrap_or(i64::MAX)))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Scalar, E> {
        Ok(number.into())
    }

    fn visit_str<E>(self, text: &str) -> Result<Scalar, E> {
        Ok(Scalar::Text(text.into()))
    }

    fn visit_string<E>(self, text: String) -> Result<Scalar, E> {
        Ok(Scalar::Text(text.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Scalar, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Scalar, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, expected: Scalar) {
        assert_eq!(
            serde_json::from_str::<Scalar>(json).unwrap(),
            expected,
            "{json}"
        );
    }

    #[test]
    fn no_value_makes_a_message_unreadable() {
        check("null", Scalar::Absent);
        check("-7", Scalar::Integer(-7));
        check("9223372036854775807", Scalar::Integer(i64::MAX));
        check("9223372036854775808", Scalar::Integer(i64::MAX));
        check("1e300", Scalar::Integer(i64::MAX));
        check("-1e300", Scalar::Integer(i64::MIN));
        check("1.628175421481E12", Scalar::Integer(1_628_175_421_481));
        check("\"a\\u00e9\"", Scalar::Text("aé".into()));
        check("true", Scalar::Other);
        check("[1,[2]]", Scalar::Other);
        check("{\"a\":{}}", Scalar::Other);
    }

    #[test]
    fn a_number_may_be_written_as_a_text() {
        assert_eq!(Scalar::Text(" 12 ".into()).as_integer(), Some(12));
        assert_eq!(Scalar::Text("-1".into()).as_integer(), Some(-1));
        for text in ["", "12x", "1.5", "99999999999999999999"] {
            assert_eq!(Scalar::Text(text.into()).as_integer(), None, "{text}");
        }
        assert_eq!(Scalar::Other.as_integer(), None);
    }
}
