//! Reading the tree as whatever type a part has for it.

mod access;
mod context;

use serde::de::value::{MapAccessDeserializer, SeqDeserializer};
use serde::de::{Deserializer, Error, IntoDeserializer, Unexpected, Visitor};

use self::access::{ArrayAccess, TableAccess};
pub(super) use self::context::{Context, Notes};
use super::host::begins_with_v6;
use super::mismatch::{Mismatch, Site};
use super::overrides::settle;
use super::secret;
use super::tree::{Node, Value};

/// A value of the tree at its place.
#[derive(Clone)]
pub(super) struct ValueReader<'c> {
    node: Node,
    path: String,
    context: &'c Context<'c>,
}

impl<'c> ValueReader<'c> {
    pub(super) fn new(node: Node, path: String, context: &'c Context<'c>) -> Self {
        Self {
            node,
            path,
            context,
        }
    }

    fn site(&self) -> Site {
        let site = Site::of(&self.path, &self.node);
        match self.context.substituted(&self.path) {
            Some(text) => site.with_text(&text),
            None => site,
        }
    }

    /// The text of a variable, after a note that it was used.
    fn variable(&self) -> Option<&str> {
        match &self.node.value {
            Value::Variable(text) => {
                self.context.note_variable(&self.path, &self.node.origin);
                Some(text)
            }
            _ => None,
        }
    }

    /// Turns the text of a variable that is to be an array or a table into one, if it can be.
    fn unfold(mut self, opening: char) -> Result<Self, Mismatch> {
        let Some(text) = self.variable() else {
            return Ok(self);
        };
        if text.trim_start().starts_with(opening) && !begins_with_v6(text.trim()) {
            let parsed = Node::parse_variable(text.trim(), &self.node.origin);
            self.node =
                parsed.map_err(|reason| Mismatch::custom(format!("not a TOML value: {reason}")))?;
        } else if opening == '[' {
            let origin = &self.node.origin;
            let parts = text
                .split(',')
                .map(str::trim)
                .filter(|part| !part.is_empty());
            let elements =
                parts.map(|part| Node::new(Value::Variable(part.to_owned()), origin.clone()));
            self.node = Node::new(Value::Array(elements.collect()), origin.clone());
        }
        Ok(self)
    }

    fn visit_table<'de, V: Visitor<'de>>(
        self,
        known: Option<&'static [&'static str]>,
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        let access = match self.node.value {
            Value::Table(entries) => {
                TableAccess::new(entries, known, self.path, self.node.origin, self.context)
            }
            Value::StandIn => {
                TableAccess::stand_in(known, self.path, self.node.origin, self.context)
            }
            _ => return self.deserialize_any(visitor),
        };
        visitor.visit_map(access)
    }
}

fn visit_integer<'de, V: Visitor<'de>>(number: i128, visitor: V) -> Result<V::Value, Mismatch> {
    match (i64::try_from(number), u64::try_from(number)) {
        (Ok(number), _) => visitor.visit_i64(number),
        (_, Ok(number)) => visitor.visit_u64(number),
        _ => Err(Mismatch::invalid_value(
            Unexpected::Other("a number of more than 64 bits"),
            &visitor,
        )),
    }
}

macro_rules! read_numbers {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
            if matches!(self.node.value, Value::StandIn) {
                return visitor.visit_u64(1);
            }
            match self.variable().map(|text| text.trim().replace('_', "")) {
                Some(text) => match (text.parse(), text.parse()) {
                    (Ok(number), _) => visit_integer(number, visitor),
                    (_, Ok(number)) => visitor.visit_f64(number),
                    _ => self.deserialize_any(visitor),
                },
                None => self.deserialize_any(visitor),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for ValueReader<'_> {
    type Error = Mismatch;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.node.value {
            Value::Text(text) => {
                visitor.visit_string(self.context.substitute(&self.path, &self.node.origin, text))
            }
            Value::Variable(_) => visitor.visit_str(self.variable().unwrap_or_default()),
            Value::Integer(number) => visit_integer(number, visitor),
            Value::Float(number) => visitor.visit_f64(number),
            Value::Bool(value) => visitor.visit_bool(value),
            Value::Datetime(text) => visitor.visit_string(text),
            Value::Array(elements) => {
                visitor.visit_seq(ArrayAccess::new(elements, self.path, self.context))
            }
            Value::Table(_) => self.visit_table(None, visitor),
            Value::StandIn => visitor.visit_str(""),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        if matches!(self.node.value, Value::StandIn) {
            return visitor.visit_bool(false);
        }
        match self
            .variable()
            .map(|text| text.trim().to_ascii_lowercase())
            .as_deref()
        {
            Some("true") => visitor.visit_bool(true),
            Some("false") => visitor.visit_bool(false),
            _ => self.deserialize_any(visitor),
        }
    }

    read_numbers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
        deserialize_f32 deserialize_f64
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.node.value {
            Value::StandIn => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        let read = visitor.visit_newtype_struct(self);
        if name == secret::NEWTYPE_NAME {
            read.map_err(Mismatch::hide)
        } else {
            read
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        if matches!(self.node.value, Value::StandIn) {
            return visitor.visit_seq(SeqDeserializer::new(std::iter::empty::<u8>()));
        }
        self.unfold('[')?.deserialize_any(visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        if matches!(self.node.value, Value::StandIn) {
            let elements = vec![self.node; length];
            return visitor.visit_seq(ArrayAccess::new(elements, self.path, self.context));
        }
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        self.deserialize_tuple(length, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        self.unfold('{')?.visit_table(None, visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        self.unfold('{')?.visit_table(Some(known), visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        match self.node.value {
            Value::Text(text) => {
                let text = self.context.substitute(&self.path, &self.node.origin, text);
                visitor.visit_enum(text.into_deserializer())
            }
            Value::Variable(_) => {
                visitor.visit_enum(self.variable().unwrap_or_default().into_deserializer())
            }
            Value::StandIn => visitor.visit_enum(
                variants
                    .first()
                    .copied()
                    .unwrap_or_default()
                    .into_deserializer(),
            ),
            Value::Table(entries) => {
                let access = TableAccess::new(
                    settle(entries, variants),
                    None,
                    self.path,
                    self.node.origin,
                    self.context,
                );
                visitor.visit_enum(MapAccessDeserializer::new(access))
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        char str string bytes byte_buf unit unit_struct identifier
    }
}
