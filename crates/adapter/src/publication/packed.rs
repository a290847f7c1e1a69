//! The ledger as packed ranges, with statements about the whole.

use std::sync::Arc;

use bytes::Bytes;
use nix::time::{ClockId, clock_gettime};
use rescind_ledger::{Checkpoint, PackedRange};
use rescind_revocation::packed;
use rescind_runtime::time::unix_now_millis;
use rescind_xds::{PackedPart, Position, Ranges, Statement};

use super::Publication;

impl Ranges for Publication {
    fn id(&self) -> String {
        self.reader.ledger_id().to_string()
    }

    fn read_packed(&self, after: Position, to: Position, max_bytes: usize) -> PackedPart {
        let range = self.reader.read_packed(after.0, to.0, max_bytes);
        PackedPart {
            base: packed::BASE.0,
            count: range.entries,
            to: Position(range.to),
            entries: Bytes::from_owner(Held(range)),
        }
    }

    fn statement(&self) -> Statement {
        let Checkpoint {
            head,
            complete,
            horizon,
            digest,
            entries,
            source_good_at,
        } = self.reader.checkpoint();
        let source_age_ms = match self.source.is_good() {
            true => Some(0),
            false => source_good_at
                .map(|good| self.source_age.of(good, unix_now_millis(), boot_millis())),
        };
        Statement {
            position: Position(head.sequence),
            complete: complete || self.complete_by_itself,
            horizon: horizon.0,
            digest: digest.to_bytes(),
            count: entries,
            as_of_ms: boot_millis(),
            // Without a control plane there is no source that could be old.
            source_age_ms: match self.complete_by_itself {
                true => None,
                false => source_age_ms,
            },
        }
    }
}

/// The bytes of a range, as long as somebody sends them.
struct Held(Arc<PackedRange>);

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.0.bytes
    }
}

/// CLOCK_BOOTTIME in milliseconds: it goes on while the machine sleeps, and nobody sets it.
fn boot_millis() -> u64 {
    // The clock is there on every Linux; without it all statements would be of one moment.
    let now = clock_gettime(ClockId::CLOCK_BOOTTIME);
    now.map_or(0, |now| {
        now.tv_sec().unsigned_abs() * 1000 + now.tv_nsec().unsigned_abs() / 1_000_000
    })
}
