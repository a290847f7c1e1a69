//! Going through tables and arrays: unknown keys are reported on the way, wrong values get their place.

use std::vec::IntoIter;

use serde::de::value::StrDeserializer;
use serde::de::{DeserializeSeed, IntoDeserializer, MapAccess, SeqAccess};

use super::{Context, ValueReader};
use crate::config::mismatch::Mismatch;
use crate::config::overrides::settle;
use crate::config::path;
use crate::config::tree::{Entry, Node, Origin, Value};

/// The entries of a table.
pub(super) struct TableAccess<'c> {
    entries: IntoIter<Entry>,
    value: Option<(String, Node)>,
    path: String,
    context: &'c Context<'c>,
}

/// The elements of an array.
pub(super) struct ArrayAccess<'c> {
    elements: std::iter::Enumerate<IntoIter<Node>>,
    path: String,
    context: &'c Context<'c>,
}

impl<'c> TableAccess<'c> {
    /// `known`: the keys that exist; `None` where any may stand.
    pub(super) fn new(
        entries: Vec<Entry>,
        known: Option<&'static [&'static str]>,
        path: String,
        origin: Origin,
        context: &'c Context<'c>,
    ) -> Self {
        let mut entries = settle(entries, known.unwrap_or_default());
        if let Some(known) = known {
            entries.retain(|entry| {
                let is_known = known.contains(&entry.key.as_str());
                if !is_known {
                    context.report_unknown(&path, entry, known);
                }
                is_known
            });
        }
        entries.retain(|entry| !context.repairs.is_removed(&path::child(&path, &entry.key)));
        add_stand_ins(&mut entries, known.unwrap_or_default(), &origin, |key| {
            context.repairs.has_stand_in(&path::child(&path, key))
        });
        Self {
            entries: entries.into_iter(),
            value: None,
            path,
            context,
        }
    }

    /// A table that stands in for one: every key is there.
    pub(super) fn stand_in(
        known: Option<&'static [&'static str]>,
        path: String,
        origin: Origin,
        context: &'c Context<'c>,
    ) -> Self {
        let mut entries = Vec::new();
        add_stand_ins(&mut entries, known.unwrap_or_default(), &origin, |_| true);
        Self {
            entries: entries.into_iter(),
            value: None,
            path,
            context,
        }
    }
}

fn add_stand_ins(
    entries: &mut Vec<Entry>,
    known: &[&str],
    origin: &Origin,
    wanted: impl Fn(&str) -> bool,
) {
    for entry in entries.iter_mut().filter(|entry| wanted(&entry.key)) {
        entry.node.value = Value::StandIn;
    }
    for key in known.iter().filter(|key| wanted(key)) {
        if !entries.iter().any(|entry| entry.key == **key) {
            let node = Node::new(Value::StandIn, origin.clone());
            entries.push(Entry {
                key: (*key).to_owned(),
                loose: false,
                node,
            });
        }
    }
}

impl<'c> ArrayAccess<'c> {
    pub(super) fn new(elements: Vec<Node>, path: String, context: &'c Context<'c>) -> Self {
        Self {
            elements: elements.into_iter().enumerate(),
            path,
            context,
        }
    }
}

impl<'de> MapAccess<'de> for TableAccess<'_> {
    type Error = Mismatch;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Mismatch> {
        let Some(entry) = self.entries.next() else {
            return Ok(None);
        };
        let reader: StrDeserializer<'_, Mismatch> = entry.key.as_str().into_deserializer();
        let key = seed.deserialize(reader)?;
        self.value = Some((path::child(&self.path, &entry.key), entry.node));
        Ok(Some(key))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Mismatch> {
        let (path, node) = self
            .value
            .take()
            .expect("serde asks for a value after its key");
        read(seed, path, node, self.context)
    }
}

impl<'de> SeqAccess<'de> for ArrayAccess<'_> {
    type Error = Mismatch;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Mismatch> {
        for (at, mut node) in self.elements.by_ref() {
            let path = path::element(&self.path, at);
            if self.context.repairs.is_removed(&path) {
                continue;
            }
            if self.context.repairs.has_stand_in(&path) {
                node.value = Value::StandIn;
            }
            return read(seed, path, node, self.context).map(Some);
        }
        Ok(None)
    }
}

/// Reads one value. An error that has no place yet concerns it.
fn read<'de, S: DeserializeSeed<'de>>(
    seed: S,
    path: String,
    node: Node,
    context: &Context<'_>,
) -> Result<S::Value, Mismatch> {
    context.note_origin(&path, &node.origin);
    let reader = ValueReader::new(node, path, context);
    seed.deserialize(reader.clone())
        .map_err(|mismatch| mismatch.at(|| reader.site()))
}
