//! What one would write first: a map of strings, behind a lock or cloned for each update.

use std::{
    collections::HashMap,
    sync::{Arc, RwLock},
};

use arc_swap::ArcSwap;

type Map = HashMap<Box<str>, i64>;

/// A set of texts beside ours.
pub(crate) trait Peer: Sync {
    fn filled(texts: &[Box<str>]) -> Self;
    fn has(&self, text: &str) -> bool;
    fn insert(&self, text: &str);
}

pub(crate) struct Locked(RwLock<Map>);

pub(crate) struct Cloned(ArcSwap<Map>);

fn map(texts: &[Box<str>]) -> Map {
    texts
        .iter()
        .map(|text| (text.clone(), 1_800_000_000_000))
        .collect()
}

impl Peer for Locked {
    fn filled(texts: &[Box<str>]) -> Self {
        Self(RwLock::new(map(texts)))
    }

    fn has(&self, text: &str) -> bool {
        self.0.read().expect("no writer panics").contains_key(text)
    }

    fn insert(&self, text: &str) {
        self.0
            .write()
            .expect("no writer panics")
            .insert(text.into(), 1_800_000_000_000);
    }
}

impl Peer for Cloned {
    fn filled(texts: &[Box<str>]) -> Self {
        Self(ArcSwap::from_pointee(map(texts)))
    }

    fn has(&self, text: &str) -> bool {
        self.0.load().contains_key(text)
    }

    fn insert(&self, text: &str) {
        let mut map = Map::clone(&self.0.load());
        map.insert(text.into(), 1_800_000_000_000);
        self.0.store(Arc::new(map));
    }
}
