//! Starts the real processes: a broker, Envoy, a stand-in for the control plane, an API, the adapter and the enforcer.
//!
//! `make run`, `make demo` and the end-to-end tests use this one crate. It links none of the parts: it writes their
//! configuration, starts their programs, waits until each is truly ready, keeps them alive, and leaves nothing behind.
//!
//! A test starts with [`Stack::builder`].

mod api_manager;
mod broker;
mod certs;
mod config;
mod credentials;
mod curl;
mod demo;
mod envfile;
mod envoy;
mod files;
mod http;
mod journal;
mod keeper;
mod lock;
mod logs;
mod parts;
mod ports;
mod probe;
mod procedure;
mod process;
mod provision;
mod reset;
mod run;
mod signals;
mod stack;
mod upstream;
mod variables;
mod walkthrough;
mod warden;
mod world;

pub use certs::{Certs, Identity};
pub use config::ListForm;
pub use demo::demo;
pub use envfile::Variables;
pub use keeper::Status;
pub use logs::Terminal;
pub use parts::Part;
pub use ports::Ports;
pub use process::ProcessId;
pub use provision::faketime;
pub use reset::reset;
pub use run::{install, run};
pub use stack::{PartHandle, Stack, StackBuilder};
pub use upstream::serve as serve_upstream;
pub use warden::watch as watch_as_warden;
pub use world::World;
