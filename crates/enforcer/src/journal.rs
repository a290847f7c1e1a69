//! The enforcer's own log of what it was sent, and an image of all of it: what was ACKed is refused after `kill -9` too.
//!
//! ```text
//! directory/
//!   lock            held while a process uses the directory
//!   image.<id>      header, batches, end: the set as it was when the log below was begun
//!   log             header (names its image or none, and the boot), then one record for each update
//!   log.new         the next log, while its image is being written
//! ```
//!
//! A record is written before its update is applied and ACKed, without `fsync`: the kernel keeps it when the process dies.
//! When the machine dies, its last records may be missing; what is read then is told apart by the boot id, so that nobody
//! takes it for whole.
//!
//! Once the log has outgrown its image, a new one is written and read back on a thread of its own, part of the set by part,
//! while updates are applied and ACKed. What comes meanwhile goes into two logs, so that at each moment one of them is whole
//! with its image:
//!
//! ```text
//! log      image.1 + everything since    ───┬──────────────────────────────────────────> gone with image.1
//! log.new                                   └ everything since image.2 was begun ──┐
//! image.2                                     written, part by part, read back ────┴> log.new is renamed to log
//! ```
//!
//! An image that was begun before an update may hold it or not: the log that continues it has it in any case, and the set is
//! a union.
//!
//! At start a torn last record is cut, since nobody ACKed it. Any other damage means: no log. When the log cannot be written,
//! an image on its way is given up first, since it may be what fills the disk. A log that still cannot be written is deleted,
//! since what it lacks would be taken for not revoked; the set then lives in memory alone, and the log is begun anew when
//! that is possible again.
//!
//! [`Durable`] is what the subscription holds.

mod beside;
mod directory;
mod durable;
mod image;
mod load;
mod log;
mod record;
mod scan;
mod state;
mod steps;

pub use durable::{Durable, Undurable};
pub use load::Restored;
pub use log::{Journal, JournalError};
pub use state::{Checkpoint, State};
#[cfg(test)]
pub(crate) use steps::Observer;

#[cfg(test)]
mod tests;
