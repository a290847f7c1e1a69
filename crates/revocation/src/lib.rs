//! The domain: what is revoked, what names it, until when it matters, and the set that a gateway asks.
//!
//! Nothing here reads a socket, a file or a clock: time is an argument. Nothing here knows how a revocation arrives or
//! leaves; conversions to and from protocols live at the edges that speak them.

mod digest;
mod entry;
mod expiry;
mod identifier;
pub mod packed;
mod set;
mod time;

pub use digest::{Digest, DigestError, Digests};
pub use entry::{Entry, Kind, Revocation};
pub use expiry::Expiry;
pub use identifier::{Identifier, IdentifierError, TokenId};
pub use set::{Applied, Change, Loader, Memory, Merged, Placement, RevokedSet, Swept, View};
pub use time::{UnixMillis, UnixSeconds};
