//! The control plane, seen from here: its event hub (AMQP) and its whole list of revocations (REST).
//!
//! [`subscribe`] keeps its subscriptions alive for as long as it runs and hands on what arrives, decoded by [`decode()`].
//! [`Catchup`] reads the whole list once, while it comes; when to read it, and when to read it again, is the caller's affair. Nothing is
//! stored here, and nothing here decides what a revocation means.

mod backoff;
mod catchup;
mod decode;
mod delivery;
mod endpoint;
mod failover;
mod metrics;
mod subscribe;
#[cfg(test)]
mod test_port;
#[cfg(test)]
mod test_tls;
mod text;

pub use catchup::{Catchup, CatchupConfig, CatchupConfigError, CatchupError, Listing, Part, Rows};
pub use decode::{DecodeError, Event, MAX_BODY_BYTES, Received, decode};
pub use delivery::{Delivery, settle_all};
pub use endpoint::{Endpoint, EndpointError, parse_endpoint};
pub use metrics::Metrics;
pub use subscribe::{
    Clock, DurableQueue, HubConfig, HubConfigError, HubMessage, HubTls, Mode, Place, subscribe,
};
