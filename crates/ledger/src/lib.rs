//! The adapter's ledger: every accepted revocation, in order, durable before anyone sees it.
//!
//! One [`Ledger`] writes; any number of [`LedgerReader`]s read the live entries of a range of sequences, so a full sync, a
//! resume, a chunk and a page are one thing. Order, index and bytes are ours; SQLite keeps the bytes. Everything is
//! synchronous: the caller decides on which thread a commit waits for the disk.
//!
//! The ledger knows nothing of AMQP, REST or xDS, and reads no clock.

mod checksum;
mod codec;
mod cursor;
mod damage;
mod directory;
mod epochs;
mod error;
mod found;
mod groups;
mod ledger;
mod log;
mod memory;
mod packed;
mod reader;
mod salvage;
mod store;

#[cfg(test)]
mod tests;

pub use cursor::{Cursor, CursorError, Epoch};
pub use damage::Damage;
pub use epochs::Resolved;
pub use error::LedgerError;
pub use ledger::{Appended, Ledger, Opening, Swept};
pub use packed::PackedRange;
pub use reader::{Checkpoint, LedgerReader, Live};
pub use store::Origin;
