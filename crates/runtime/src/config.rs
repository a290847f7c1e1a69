//! Configuration: one TOML file, environment variables over it, and errors that say where and what would be right.
//!
//! ```text
//! file --parse--> tree --prune known but unused--> --lay variables over it--> --deserialise--> T --the part's checks--> Loaded<T>
//! ```
//!
//! The tree knows for each value the line or the variable that it came from. All problems that can be found are found in one
//! go. A value that is secret (by its type, by its key's name, or because it came through `$env{NAME}`) is never repeated in
//! an error.
//!
//! Types to load are plain `serde` types with `#[serde(rename_all = "camelCase")]`, defaults where there are any, and without
//! `flatten`: the keys that a struct names are the keys that exist, whether it says `deny_unknown_fields` or not.

mod de;
mod describe;
mod error;
mod host;
mod loaded;
mod mismatch;
mod overrides;
mod path;
mod repair;
mod schema;
mod secret;
mod tree;
mod values;
mod words;

pub use error::{ConfigError, Problem, Problems};
pub use host::HostPort;
pub use loaded::{Loaded, load};
pub use schema::{Environment, ProcessEnvironment, Schema};
pub use secret::Secret;
pub use values::Port;

#[cfg(test)]
mod tests;
