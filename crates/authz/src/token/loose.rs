//! Values that may be anything, read without a tree of them.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use super::Audience;

/// A text or a number is its text, anything else is nothing.
pub(super) struct Loose(pub(super) Option<Box<str>>);

/// One text, or those of a list.
pub(super) struct AudienceVisitor;

impl<'de> Deserialize<'de> for Loose {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LooseVisitor)
    }
}

struct LooseVisitor;

impl<'de> Visitor<'de> for LooseVisitor {
    type Value = Loose;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_str<E>(self, text: &str) -> Result<Loose, E> {
        Ok(Loose(Some(text.into())))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Loose, E> {
        Ok(Loose(Some(number.to_string().into())))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Loose, E> {
        Ok(Loose(Some(number.to_string().into())))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Loose, E> {
        // As JSON writes it: 1.0 is another text than 1.
        Ok(Loose(Some(format!("{number:?}").into())))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Loose, E> {
        Ok(Loose(None))
    }

    fn visit_unit<E>(self) -> Result<Loose, E> {
        Ok(Loose(None))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Loose, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Loose(None))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Loose, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Loose(None))
    }
}

impl<'de> Visitor<'de> for AudienceVisitor {
    type Value = Audience;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_str<E>(self, text: &str) -> Result<Audience, E> {
        Ok(Audience(vec![text.into()]))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Audience, E> {
        Ok(Audience::default())
    }

    fn visit_i64<E>(self, _: i64) -> Result<Audience, E> {
        Ok(Audience::default())
    }

    fn visit_f64<E>(self, _: f64) -> Result<Audience, E> {
        Ok(Audience::default())
    }

    fn visit_bool<E>(self, _: bool) -> Result<Audience, E> {
        Ok(Audience::default())
    }

    fn visit_unit<E>(self) -> Result<Audience, E> {
        Ok(Audience::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Audience, A::Error> {
        let mut audience = Audience::default();
        while let Some(element) = list.next_element::<Text>()? {
            audience.0.extend(element.0);
        }
        Ok(audience)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Audience, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Audience::default())
    }
}

/// A text, or nothing.
struct Text(Option<Box<str>>);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        Ok(Self(value.as_str().map(Into::into)))
    }
}
