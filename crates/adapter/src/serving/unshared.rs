//! Clients that are refused because nothing says that they share their certificate: gateways without revocations.

use std::{convert::Infallible, time::Duration};

use rescind_runtime::Health;
use tokio::{sync::watch, time::timeout};

/// The degraded state while there are some.
const UNSHARED: &str = "shared certificates";

/// So long after the last refusal nobody counts as refused: clients come again well within it.
const QUIET: Duration = Duration::from_secs(300);

/// Keeps health in step with `refused`, which changes with each refusal.
pub(crate) async fn watch(mut refused: watch::Receiver<String>, health: Health) -> Infallible {
    loop {
        if refused.changed().await.is_err() {
            // The service is gone with the process.
            std::future::pending::<()>().await;
        }
        loop {
            let name = refused.borrow_and_update().clone();
            health.degrade(UNSHARED, reason(&name));
            if !matches!(timeout(QUIET, refused.changed()).await, Ok(Ok(()))) {
                break;
            }
        }
        health.recover(UNSHARED);
    }
}

fn reason(name: &str) -> String {
    format!(
        "clients are refused and get no revocations: another instanceIdentifier is connected with a certificate named {name}, \
         which adapter.xds.sharedCertificates does not hold"
    )
}

#[cfg(test)]
mod tests {
    use tokio::time::{advance, sleep};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_is_degraded_until_five_minutes_after_the_last_refusal() {
        let (refused, receiver) = watch::channel(String::new());
        let health = Health::new();
        let task = tokio::spawn(watch(receiver, health.clone()));
        let degraded = async || {
            // The task has its turn.
            sleep(Duration::from_millis(1)).await;
            let report = health.report();
            report.degraded.iter().any(|(name, _)| *name == UNSHARED)
        };
        assert!(!degraded().await);
        for _ in 0..3 {
            refused.send_replace("mg".to_owned());
            assert!(degraded().await);
            advance(QUIET - Duration::from_secs(1)).await;
            assert!(degraded().await);
        }
        advance(Duration::from_secs(1)).await;
        assert!(!degraded().await);
        refused.send_replace("mg".to_owned());
        assert!(degraded().await);
        task.abort();
    }
}
