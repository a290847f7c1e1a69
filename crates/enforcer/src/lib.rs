//! The enforcer: revoked tokens in over xDS, `Check` answered over ext_authz.
//!
//! ```text
//! adapter --xDS--> subscription --applies--> RevokedSet <--asks-- check <--ext_authz-- Envoy
//! issuers, files ----> keys ------------------------------------^
//! ```
//!
//! The subscription is the only writer of the set; a check reads one version of it and one of the keys, decides, and holds
//! nothing. Until the set is complete every check is answered with 503.

pub mod admin;
pub mod age;
pub mod app;
pub mod certificates;
pub mod check;
mod cli;
pub mod clock;
pub mod config;
pub mod embed;
pub mod engine;
pub mod journal;
pub mod keys;
pub mod metrics;
mod next;
mod parts;
pub mod readiness;
pub mod serve;
pub mod staleness;
pub mod subscription;

#[cfg(test)]
mod testing;

pub use app::App;
pub use cli::Enforcer;
pub use config::Config;
