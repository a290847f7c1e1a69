//! The client half: keeps one stream to one of several adapters, and applies what comes before it ACKs.
//!
//! Each attempt is a connection of its own. What was received is the [`Sink`]'s; a new stream asks for what is newer
//! than the sink's version, so a loss costs what was missed and no more. `DeltaTokens` is tried first, each time;
//! `StreamTokens` where that is not served.

mod backoff;
mod config;
mod delta;
mod dial;
mod endpoints;
mod freshness;
mod heard;
mod journal;
mod sink;
mod state;
mod stream;

pub use config::{ClientConfig, Security};
pub use dial::{DialError, dial};
pub use rescind_proto::rescind::v1::Checkpoint;
pub use sink::{
    Answer, Content, LinkState, Outcome, Packed, Rejection, ServerHead, Sink, Update, Walk,
};

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::error;

use self::{
    backoff::Backoff, endpoints::Endpoints, freshness::Freshness, journal::Journal, stream::Attempt,
};

/// Subscribes and goes on until `cancel`: reconnects after every loss, with the version that `sink` holds.
///
/// Without a single endpoint it says so and only waits.
pub async fn run<S: Sink>(config: ClientConfig, mut sink: S, cancel: CancellationToken) {
    let mut journal = Journal::default();
    let Some(mut endpoints) = Endpoints::shuffled(&config.endpoints) else {
        error!("no adapter to subscribe to is configured");
        return cancel.cancelled().await;
    };
    let mut backoff = Backoff::new(config.backoff_base, config.backoff_cap);
    let mut freshness = Freshness::new(&config);
    let subscribe = async {
        loop {
            let address = endpoints.current();
            let mut attempt =
                Attempt::new(&config, address, &mut sink, &mut journal, &mut freshness);
            let reason = attempt.run().await;
            if attempt.has_responded() {
                backoff.reset();
            }
            journal.lost(address, &reason);
            sink.link(LinkState::Disconnected { reason });
            match freshness.chosen() {
                Some(address) => endpoints.go_to(&address),
                None => endpoints.rotate(),
            }
            sleep(backoff.next_wait()).await;
        }
    };
    // `apply` is synchronous: what is dropped here is never half of an update.
    cancel.run_until_cancelled(subscribe).await;
}

#[cfg(test)]
mod tests;
