//! A source to test with: named resources at positions 1, 2, 3 ...

pub(crate) mod wire;

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use tokio::sync::watch;

use crate::{
    Any, Audience, Chunk, Head, Named, NamedPart, Names, PackedPart, Position, Ranges, Removed,
    Source, Statement, TYPE_URL, wire_len,
};

/// Versions are `<position>-<epoch>`; the first epoch is the id. Packed, each entry is its name and a line feed; its digest is its position.
#[derive(Debug)]
pub(crate) struct FakeSource {
    id: &'static str,
    /// Versions that it gave out in earlier epochs, and up to where.
    earlier: Vec<(&'static str, u64)>,
    epoch: &'static str,
    entries: Mutex<BTreeMap<u64, Entry>>,
    head: watch::Sender<Head>,
    /// For who takes named resources: this has been dropped.
    horizon: AtomicU64,
    /// What has expired is still being looked for.
    busy: AtomicBool,
    /// Whether it has other forms than the oldest.
    old: AtomicBool,
}

#[derive(Debug, Clone)]
struct Entry {
    resource: Any,
    only_rescind: bool,
    expires: u64,
}

impl FakeSource {
    pub(crate) fn new() -> Self {
        Self::called("t")
    }

    /// One whose versions the others do not know.
    pub(crate) fn called(id: &'static str) -> Self {
        Self {
            id,
            earlier: Vec::new(),
            epoch: id,
            entries: Mutex::default(),
            head: watch::Sender::new(Head::default()),
            horizon: AtomicU64::new(0),
            busy: AtomicBool::new(false),
            old: AtomicBool::new(false),
        }
    }

    /// One that has the oldest form alone.
    pub(crate) fn old() -> Self {
        Self::new().aged()
    }

    /// The same with the oldest form alone.
    pub(crate) fn aged(self) -> Self {
        let old = AtomicBool::new(true);
        Self { old, ..self }
    }

    /// From now on it has every form.
    pub(crate) fn renew(&self) {
        self.old.store(false, Ordering::Relaxed);
    }

    /// The same from disk, in another epoch.
    pub(crate) fn reopened(&self, epoch: &'static str) -> Self {
        let mut earlier = self.earlier.clone();
        earlier.push((self.epoch, self.head_now().position.0));
        Self {
            earlier,
            epoch,
            entries: Mutex::new(self.entries().clone()),
            head: watch::Sender::new(self.head_now()),
            ..Self::called(self.id)
        }
    }

    /// What is revoked once more and changes nothing: whoever listens is woken, and finds nothing new.
    pub(crate) fn push_nothing(&self) {
        self.head.send_modify(|_| {});
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

    /// Appends what expires then; an entry of that name before is superseded.
    pub(crate) fn push_until(&self, name: &str, expires: u64) -> Position {
        self.entries()
            .retain(|_, entry| self::name(&entry.resource) != name);
        let position = self.push(name);
        if let Some(entry) = self.entries().get_mut(&position.0) {
            entry.expires = expires;
        }
        position
    }

    /// What expires before has been dropped, for who takes named resources.
    pub(crate) fn expire(&self, before: u64) {
        self.horizon.store(before, Ordering::Relaxed);
        self.head.send_modify(|_| {});
    }

    /// From now on, or no longer, it does not know yet what has expired.
    pub(crate) fn look_for_expired(&self, busy: bool) {
        self.busy.store(busy, Ordering::Relaxed);
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
                    expires: u64::MAX,
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
        let known = || {
            let (at, epoch) = version_info.split_once('-')?;
            let at = at.parse().ok()?;
            let end = match epoch == self.epoch {
                true => self.head_now().position.0,
                false => self.earlier.iter().find(|known| known.0 == epoch)?.1,
            };
            (at <= end).then_some(at)
        };
        Position(known().unwrap_or(0))
    }

    fn version(&self, at: Position) -> String {
        format!("{}-{}", at.0, self.epoch)
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
                        resources: resources.into(),
                        to: reached,
                    };
                }
                resources.push(entry.resource.clone());
            }
            reached = Position(*position);
        }
        Chunk {
            resources: resources.into(),
            to,
        }
    }

    fn ranges(&self) -> Option<&dyn Ranges> {
        (!self.old.load(Ordering::Relaxed)).then_some(self)
    }

    fn names(&self) -> Option<&dyn Names> {
        (!self.old.load(Ordering::Relaxed)).then_some(self)
    }
}

impl Ranges for FakeSource {
    fn id(&self) -> String {
        self.id.to_owned()
    }

    fn read_packed(&self, after: Position, to: Position, max_bytes: usize) -> PackedPart {
        let mut part = PackedPart {
            base: 7,
            to,
            ..PackedPart::default()
        };
        let mut packed = Vec::new();
        let mut reached = after;
        for (position, entry) in self.entries().range(after.0 + 1..=to.0) {
            let name = &entry.resource.value;
            if packed.len() + name.len() >= max_bytes && part.count > 0 {
                part.to = reached;
                break;
            }
            packed.extend(name);
            packed.push(b'\n');
            part.count += 1;
            reached = Position(*position);
        }
        part.entries = packed.into();
        part
    }

    fn statement(&self) -> Statement {
        let entries = self.entries();
        let sum: u64 = entries.keys().sum();
        let mut digest = [0; 16];
        digest[8..].copy_from_slice(&sum.to_be_bytes());
        let head = self.head_now();
        Statement {
            position: head.position,
            complete: head.complete,
            horizon: 600,
            digest,
            count: entries.len() as u64,
            as_of_ms: 42,
            source_age_ms: None,
        }
    }
}

impl Names for FakeSource {
    fn read_named(
        &self,
        after: Position,
        to: Position,
        horizon: u64,
        max_bytes: usize,
    ) -> NamedPart {
        let mut part = NamedPart {
            to,
            ..NamedPart::default()
        };
        let mut bytes = 0;
        let mut reached = after;
        for (position, entry) in self.entries().range(after.0 + 1..=to.0) {
            if let Some(named) = entry.named(horizon) {
                bytes += wire_len(&named.resource);
                if bytes > max_bytes && !part.resources.is_empty() {
                    part.to = reached;
                    return part;
                }
                part.resources.push(named);
            }
            reached = Position(*position);
        }
        part
    }

    fn find(&self, name: &str, horizon: u64) -> Option<Named> {
        let entries = self.entries();
        let mut named = entries.values().filter_map(|entry| entry.named(horizon));
        named.find(|named| named.name == name)
    }

    fn horizon(&self) -> u64 {
        self.horizon.load(Ordering::Relaxed)
    }

    fn removed(&self, from: u64, to: u64) -> Removed {
        if self.busy.load(Ordering::Relaxed) {
            return Removed::Later;
        }
        let entries = self.entries();
        let expired = entries
            .values()
            .filter(|entry| (from..to).contains(&entry.expires));
        Removed::Names(expired.map(|entry| name(&entry.resource)).collect())
    }
}

impl Entry {
    fn named(&self, horizon: u64) -> Option<Named> {
        let named = Named {
            name: name(&self.resource),
            version: self.expires.to_string(),
            resource: self.resource.clone(),
        };
        (!self.only_rescind && self.expires >= horizon).then_some(named)
    }
}

/// The names in packed bytes.
pub(crate) fn unpacked(entries: &[u8]) -> Vec<String> {
    let text = String::from_utf8(entries.to_vec()).expect("names");
    text.lines().map(str::to_owned).collect()
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
