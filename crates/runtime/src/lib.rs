//! Process plumbing, the same for every part: configuration, TLS, telemetry, the admin server, health, supervision.
//!
//! Nothing here knows what a revocation is, nor any protocol above TLS and plain HTTP. A part's `main` reads its
//! configuration ([`config::load`]), starts its log ([`telemetry::init`]), binds its listeners ([`tls::TlsListener`],
//! [`admin::Admin`]), hands its tasks to a [`supervise::Supervisor`] and returns the code that comes back.

pub mod admin;
pub mod cli;
pub mod config;
pub mod exit;
pub mod health;
pub mod metrics;
pub mod net;
pub mod supervise;
pub mod telemetry;
pub mod time;
pub mod tls;

pub use config::{Secret, load};
pub use health::Health;
pub use supervise::Supervisor;
