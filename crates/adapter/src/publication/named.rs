//! The ledger's tokens as named resources: the name is the `jti`, the version its expiry.
//!
//! A token counts as removed some minutes after it has expired, while the ledger still holds it: so its name can be told.

use std::sync::atomic::Ordering;

use rescind_ledger::Live;
use rescind_revocation::{Digests, Expiry, Identifier, Kind, Revocation, UnixSeconds};
use rescind_runtime::time::unix_now_millis;
use rescind_xds::{Named, NamedPart, Names, Position, Removed, wire_len};

use super::{PAGE, Publication, resource};

/// So long before the ledger drops an expired token it counts as removed, where it is kept that long.
const BEFORE_DROP: u64 = 3000;

/// A token counts as removed no sooner than so long after its expiry.
const AFTER_EXPIRY: u64 = 600;

impl Names for Publication {
    fn read_named(
        &self,
        after: Position,
        to: Position,
        horizon: u64,
        max_bytes: usize,
    ) -> NamedPart {
        let mut part = NamedPart {
            resources: Vec::new(),
            to,
        };
        let mut bytes = 0;
        let mut from = after.0;
        loop {
            let page = self.reader.read(from, to.0, PAGE);
            for live in &page {
                let Some(named) = named(live, horizon) else {
                    continue;
                };
                bytes += wire_len(&named.resource) + named.name.len() + named.version.len();
                if bytes > max_bytes && !part.resources.is_empty() {
                    part.to = Position(live.sequence - 1);
                    return part;
                }
                part.resources.push(named);
            }
            match page.last() {
                Some(last) if page.len() == PAGE => from = last.sequence,
                _ => return part,
            }
        }
    }

    fn find(&self, name: &str, horizon: u64) -> Option<Named> {
        let identifier = Identifier::new(name).ok()?;
        let live = self.reader.find(Kind::Token, &identifier)?;
        // What names it is a hash for most names: the text must be the same.
        let found = named(&live, horizon)?;
        (found.name == name).then_some(found)
    }

    fn horizon(&self) -> u64 {
        let dropped = self.reader.horizon().0;
        let now = (unix_now_millis() / 1000).saturating_sub(AFTER_EXPIRY);
        let removed = now.min(dropped + BEFORE_DROP);
        let removed = Digests::boundary(UnixSeconds(removed)).0;
        // A clock that goes back makes nothing come back.
        let before = self.removed_before.fetch_max(removed, Ordering::Relaxed);
        dropped.max(before).max(removed)
    }

    fn removed(&self, from: u64, to: u64) -> Removed {
        self.expired.between(from, to)
    }
}

/// The token as a resource, unless it expires before `horizon`.
fn named(live: &Live, horizon: u64) -> Option<Named> {
    let Revocation::Token { identifier, expiry } = &live.revocation else {
        return None;
    };
    if *expiry < Expiry::Known(UnixSeconds(horizon)) {
        return None;
    }
    Some(Named {
        name: identifier.as_str().to_owned(),
        version: version(*expiry),
        resource: resource(live),
    })
}

/// The same on every replica: the milliseconds of the wire in base 36.
fn version(expiry: Expiry) -> String {
    let mut rest = expiry.to_wire_millis().unsigned_abs();
    let mut digits = Vec::new();
    loop {
        digits.push(b"0123456789abcdefghijklmnopqrstuvwxyz"[(rest % 36) as usize]);
        rest /= 36;
        if rest == 0 {
            break;
        }
    }
    digits.reverse();
    digits.into_iter().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_the_expiry_in_base_36() {
        for (expiry, text) in [
            (Expiry::Unknown, "0"),
            (Expiry::Known(UnixSeconds(1)), "rs"),
            (Expiry::Never, "1y2p0ij32e8e7"),
        ] {
            assert_eq!(version(expiry), text);
        }
    }
}
