//! Opening the ledger at the start, and what the log says about it.

use std::{path::Path, time::Instant};

use anyhow::Context as _;
use rescind_ledger::{Ledger, Opening};
use rescind_revocation::UnixMillis;
use tracing::{error, info, warn};

/// An opening longer than this after the source was last good does not count as complete: more may have been revoked
/// meanwhile than a client should rely on.
const SOURCE_GOOD_FOR_MILLIS: u64 = 60 * 60 * 1000;

/// Opens the ledger on a thread that may block. With `control_plane` it is complete only if the source was good lately.
pub(crate) async fn open(
    directory: &Path,
    control_plane: bool,
    now: UnixMillis,
) -> anyhow::Result<Ledger> {
    let began = Instant::now();
    let owned = directory.to_owned();
    let opened = tokio::task::spawn_blocking(move || {
        let (mut ledger, opening) = Ledger::open(owned)?;
        let mut stale = false;
        if control_plane && is_stale(&opening, now) {
            stale = true;
            // Its readers know it also where it cannot be stored.
            let _ = ledger.mark_incomplete();
        }
        Ok::<_, rescind_ledger::LedgerError>((ledger, opening, stale))
    })
    .await
    .context("opening the ledger panicked")?;
    let (ledger, opening, stale) = opened.context("cannot open the ledger")?;
    report_damage(&opening);
    if stale {
        warn!(
            "The control plane was last heard more than an hour ago, or the clock is wrong: the ledger is not complete until its list is read"
        );
    }
    let complete = ledger.reader().is_complete();
    info!(
        directory = %directory.display(),
        entries = opening.entries,
        head = %opening.head,
        complete,
        seconds = began.elapsed().as_secs_f64(),
        "Ledger is opened"
    );
    Ok(ledger)
}

/// A clock that stands before that moment, as after a start without its battery, says nothing of how long ago it was.
fn is_stale(opening: &Opening, now: UnixMillis) -> bool {
    let age = opening
        .source_good_at
        .and_then(|good| now.0.checked_sub(good.0));
    opening.complete && age.is_none_or(|age| age > SOURCE_GOOD_FOR_MILLIS)
}

fn report_damage(opening: &Opening) {
    for damage in &opening.damage {
        error!("The ledger is damaged: {damage}");
    }
    if let Some(aside) = &opening.aside {
        error!(
            aside = %aside.display(),
            "What is whole was salvaged into a fresh ledger, the damaged file is kept"
        );
    }
    if let Some(reason) = &opening.unwritable {
        error!(
            reason,
            "The ledger cannot be written to: it serves what it holds"
        );
    }
}

#[cfg(test)]
mod tests {
    use rescind_revocation::{Expiry, Identifier, Revocation};
    use tempfile::TempDir;

    use super::*;

    #[tokio::test]
    async fn a_ledger_is_complete_for_an_hour_after_its_source_was_good() {
        const GOOD: u64 = 1_700_000_000_000;
        let directory = TempDir::new().unwrap();
        let (mut ledger, _) = Ledger::open(directory.path()).unwrap();
        let identifier = Identifier::new("a").unwrap();
        let expiry = Expiry::Never;
        ledger
            .append(&[Revocation::Token { identifier, expiry }])
            .unwrap();
        ledger.mark_complete(UnixMillis(GOOD)).unwrap();
        drop(ledger);
        for (control_plane, later, complete) in [
            (true, 3_600_000, true),
            (false, 3_600_001, true),
            (true, 3_600_001, false),
            (true, 0, false),
        ] {
            let now = UnixMillis(GOOD + later);
            let ledger = open(directory.path(), control_plane, now).await.unwrap();
            assert_eq!(ledger.reader().is_complete(), complete, "{later}");
        }
    }

    #[tokio::test]
    async fn a_clock_before_the_source_was_good_makes_no_complete_ledger() {
        for now in [0, 1_699_999_999_999] {
            let directory = TempDir::new().unwrap();
            let (mut ledger, _) = Ledger::open(directory.path()).unwrap();
            ledger.mark_complete(UnixMillis(1_700_000_000_000)).unwrap();
            drop(ledger);
            let ledger = open(directory.path(), true, UnixMillis(now)).await.unwrap();
            assert!(!ledger.reader().is_complete(), "{now}");
        }
    }
}
