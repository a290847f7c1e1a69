//! The enforcer's own log of what it was sent, and an image of all of it: what was ACKed is refused after `kill -9` too.
//!
//! ```text
//! directory/
//!   lock            held while a process uses the directory
//!   image.<id>      header, batches, end: the set as it was when the log below was begun
//!   log             header (names its image or none, and the boot), then one record for each update
//! ```
//!
//! A record is written before its update is applied and ACKed, without `fsync`: the kernel keeps it when the process dies.
//! When the machine dies, its last records may be missing; what is read then is told apart by the boot id, so that nobody
//! takes it for whole. Once the log has outgrown its image, a new image is written aside and read back, a new log that
//! names it takes the place of the old one in one rename, and the old image goes.
//!
//! At start a torn last record is cut, since nobody ACKed it. Any other damage means: no log. One that cannot be written is
//! deleted, since what it lacks would be taken for not revoked; the set then lives in memory alone, and the log is begun
//! anew when that is possible again.
//!
//! [`Durable`] is what the subscription holds.

mod directory;
mod durable;
mod image;
mod load;
mod log;
mod record;
mod state;

pub use durable::{Durable, Undurable};
pub use load::Restored;
pub use log::{Journal, JournalError};
pub use state::{Checkpoint, State};

#[cfg(test)]
mod tests;
