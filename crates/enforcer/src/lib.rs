//! The enforcer: revoked tokens in over xDS, `Check` answered over ext_authz.
//!
//! ```text
//! adapter --xDS--> subscription --applies--> RevokedSet <--asks-- check <--ext_authz-- Envoy
//! issuers, files ----> keys ------------------------------------^
//! ```
//!
//! The subscription is the only writer of the set; a check reads one version of it and one of the keys, decides, and holds
//! nothing. Until the set is complete every check is answered with 503.

pub mod app;
pub mod check;
mod cli;
pub mod config;
pub mod keys;
pub mod metrics;
pub mod readiness;
pub mod subscription;

#[cfg(test)]
mod testing;

pub use app::App;
pub use cli::Enforcer;
pub use config::Config;
