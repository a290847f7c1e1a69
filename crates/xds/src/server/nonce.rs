//! Nonces, unique across all streams of the process.

use std::sync::atomic::{AtomicU64, Ordering};

/// Draws nonces: a random prefix, so that those of an earlier process never fit, and a counter.
#[derive(Debug)]
pub(super) struct Nonces {
    prefix: u64,
    next: AtomicU64,
}

impl Nonces {
    pub(super) fn new() -> Self {
        Self {
            prefix: rand::random(),
            next: AtomicU64::new(1),
        }
    }

    /// A nonce that no other response has.
    pub(super) fn draw(&self) -> String {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        format!("{:016x}-{number}", self.prefix)
    }
}
