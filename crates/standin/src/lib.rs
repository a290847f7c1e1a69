//! A stand-in for WSO2 API Manager's control plane: issues access tokens and API keys, revokes them, keeps the list of what
//! is revoked, and tells the hub.
//!
//! It exists to make the demo and the tests real, and knows one tenant, one user and the applications of its configuration.
//! Nobody runs it in production.

pub mod access_token;
pub mod api_key;
pub mod app;
mod cli;
pub mod config;
pub mod event;
pub mod http;
pub mod hub;
pub mod jwt;
pub mod keys;
pub mod list;
pub mod plane;

pub use cli::Standin;

#[cfg(test)]
mod tests;
