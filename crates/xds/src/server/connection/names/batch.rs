//! What a stream of named resources has to say beside what is new: answers, changes, removals, and what was refused.

use tonic::Status;

use super::NamesForm;
use crate::{Named, Names, Position, Removed, wire::wire_len};

/// What goes out in one response.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) resources: Vec<Named>,
    pub(super) removed: Vec<String>,
    pub(super) bytes: usize,
}

impl Batch {
    pub(super) fn is_empty(&self) -> bool {
        self.resources.is_empty() && self.removed.is_empty()
    }

    fn push(&mut self, resource: Named) {
        self.bytes += named_len(&resource);
        self.resources.push(resource);
    }

    fn remove(&mut self, name: String) {
        self.bytes += name.len() + 4;
        self.removed.push(name);
    }

    /// All that it says something of.
    pub(super) fn names(&self) -> Vec<String> {
        let named = self.resources.iter().map(|named| named.name.clone());
        named.chain(self.removed.iter().cloned()).collect()
    }
}

impl NamesForm {
    /// Notes what has expired since; the horizon for all that is read now.
    pub(super) fn expire(&mut self, names: &dyn Names) -> Result<u64, Status> {
        let horizon = names.horizon();
        let told = *self.horizon.get_or_insert(horizon);
        self.asks_again = false;
        if told >= horizon {
            return Ok(told);
        }
        if self.wildcard {
            match names.removed(told, horizon) {
                Removed::Names(removed) => self.gone.extend(removed.iter().cloned()),
                // Until they are known, all goes on as before: what has expired still counts as being there.
                Removed::Later => {
                    self.asks_again = true;
                    return Ok(told);
                }
                Removed::Unknown => {
                    return Err(Status::unavailable(
                        "what has expired is no longer known, open the stream again with what you hold",
                    ));
                }
            }
        }
        self.horizon = Some(horizon);
        self.looked_at = Position(0);
        Ok(horizon)
    }

    /// What the client has asked for by name.
    pub(super) fn answers(&mut self, names: &dyn Names, horizon: u64, chunk: usize) -> Batch {
        let mut batch = Batch::default();
        while batch.bytes < chunk
            && let Some(name) = self.due.pop_first()
        {
            self.say(name, names, horizon, &mut batch);
        }
        batch
    }

    /// The next part of what was refused together, as it is now.
    pub(super) fn retry(&mut self, names: &dyn Names, horizon: u64) -> Batch {
        let mut batch = Batch::default();
        while batch.is_empty()
            && let Some(part) = self.again.pop_front()
        {
            for name in part {
                // It may have been left since.
                if self.wildcard || self.names.contains_key(&name) {
                    self.say(name, names, horizon, &mut batch);
                }
            }
        }
        self.said_again = !batch.is_empty();
        batch
    }

    /// Puts in how it stands with a name.
    fn say(&mut self, name: String, names: &dyn Names, horizon: u64, batch: &mut Batch) {
        match names.find(&name, horizon) {
            Some(found) => {
                self.note(&name, Some(found.version.clone()));
                batch.push(found);
            }
            None => {
                self.note(&name, None);
                batch.remove(name);
            }
        }
    }

    fn note(&mut self, name: &str, version: Option<String>) {
        self.held.remove(name);
        if let Some(told) = self.names.get_mut(name) {
            *told = version;
        }
    }

    /// What has changed of what it subscribed to by name. Under a wildcard it hears of it that way.
    pub(super) fn changes(
        &mut self,
        names: &dyn Names,
        horizon: u64,
        head: Position,
        chunk: usize,
    ) -> Batch {
        let mut batch = Batch::default();
        if self.wildcard || self.looked_at >= head && head != Position(0) {
            return batch;
        }
        for (name, told) in &mut self.names {
            if batch.bytes >= chunk {
                return batch;
            }
            let found = names.find(name, horizon);
            match (found, told.is_some()) {
                (Some(found), _) if told.as_ref() != Some(&found.version) => {
                    *told = Some(found.version.clone());
                    batch.push(found);
                }
                (None, true) => {
                    *told = None;
                    batch.remove(name.clone());
                }
                _ => {}
            }
        }
        self.looked_at = head;
        self.held.clear();
        batch
    }

    /// What the client holds, or was sent, and is no more.
    pub(super) fn removals(&mut self, names: &dyn Names, horizon: u64, chunk: usize) -> Batch {
        self.gone.extend(self.held.drain().map(|(name, _)| name));
        let mut batch = Batch::default();
        while batch.bytes < chunk
            && let Some(name) = self.gone.pop_first()
        {
            // It may have been revoked again since it was noted, here or by the source.
            if names.find(&name, horizon).is_none() {
                batch.remove(name);
            }
        }
        batch
    }
}

/// What a named resource adds to a response, in bytes.
pub(super) fn named_len(named: &Named) -> usize {
    wire_len(&named.resource) + named.name.len() + named.version.len() + 12
}
