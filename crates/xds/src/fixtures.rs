//! A source to test with: named resources at positions 1, 2, 3 ...

pub(crate) mod wire;

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard},
};

use tokio::sync::watch;

use crate::{Any, Audience, Chunk, Head, Position, Source, TYPE_URL, wire_len};

/// Versions are `<position>-t`.
#[derive(Debug)]
pub(crate) struct FakeSource {
    entries: Mutex<BTreeMap<u64, Entry>>,
    head: watch::Sender<Head>,
}

#[derive(Debug, Clone)]
struct Entry {
    resource: Any,
    only_rescind: bool,
}

impl FakeSource {
    pub(crate) fn new() -> Self {
        Self {
            entries: Mutex::default(),
            head: watch::Sender::new(Head::default()),
        }
    }

    pub(crate) fn with(count: usize) -> Self {
        let source = Self::new();
        source.push_many(count);
        source
    }

    /// Appends what every client gets.
    pub(crate) fn push(&self, name: &str) -> Position {
        self.append([(resource(name), false)])
    }

    /// Appends what only `rescind.v1` clients get.
    pub(crate) fn push_app(&self, name: &str) -> Position {
        self.append([(resource(name), true)])
    }

    /// Appends `count` resources `token-<position>` in one step.
    pub(crate) fn push_many(&self, count: usize) -> Position {
        let first = self.head_now().position.0 + 1;
        let all = (first..first + count as u64).map(|n| (resource(&format!("token-{n}")), false));
        self.append(all.collect::<Vec<_>>())
    }

    pub(crate) fn complete(&self) {
        self.head.send_modify(|head| head.complete = true);
    }

    pub(crate) fn head_now(&self) -> Head {
        *self.head.borrow()
    }

    /// What `audience` would hold if it held everything.
    pub(crate) fn names(&self, audience: Audience) -> Vec<String> {
        let entries = self.entries();
        entries
            .values()
            .filter(|entry| entry.is_for(audience))
            .map(|entry| name(&entry.resource))
            .collect()
    }

    fn append(&self, entries: impl IntoIterator<Item = (Any, bool)>) -> Position {
        let mut position = self.head_now().position;
        let mut all = self.entries();
        for (resource, only_rescind) in entries {
            position.0 += 1;
            all.insert(
                position.0,
                Entry {
                    resource,
                    only_rescind,
                },
            );
        }
        drop(all);
        self.head.send_modify(|head| head.position = position);
        position
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<u64, Entry>> {
        self.entries.lock().expect("not poisoned")
    }
}

impl Entry {
    fn is_for(&self, audience: Audience) -> bool {
        !self.only_rescind || audience == Audience::Rescind
    }
}

impl Source for FakeSource {
    fn head(&self) -> watch::Receiver<Head> {
        self.head.subscribe()
    }

    fn resolve(&self, version_info: &str) -> Position {
        let known = version_info
            .strip_suffix("-t")
            .and_then(|n| n.parse().ok())
            .filter(|n| *n <= self.head_now().position.0);
        Position(known.unwrap_or(0))
    }

    fn version(&self, at: Position) -> String {
        format!("{}-t", at.0)
    }

    fn read(&self, after: Position, to: Position, audience: Audience, max_bytes: usize) -> Chunk {
        let mut resources = Vec::new();
        let mut bytes = 0;
        let mut reached = after;
        for (position, entry) in self.entries().range(after.0 + 1..=to.0) {
            if entry.is_for(audience) {
                bytes += wire_len(&entry.resource);
                if bytes > max_bytes && !resources.is_empty() {
                    return Chunk {
                        resources,
                        to: reached,
                    };
                }
                resources.push(entry.resource.clone());
            }
            reached = Position(*position);
        }
        Chunk { resources, to }
    }
}

pub(crate) fn resource(name: &str) -> Any {
    Any {
        type_url: TYPE_URL.to_owned(),
        value: name.as_bytes().to_vec(),
    }
}

pub(crate) fn name(resource: &Any) -> String {
    String::from_utf8(resource.value.clone()).expect("a name")
}

pub(crate) fn names(resources: &[Any]) -> Vec<String> {
    resources.iter().map(name).collect()
}
