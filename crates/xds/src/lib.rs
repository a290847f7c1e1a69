//! The protocol between adapter and enforcer: the revoked-token discovery service, in two halves.
//!
//! The [`server`] sends everything that a [`Source`] holds after a client's version, then only what is new: over
//! `StreamTokens` as Choreo Connect has it, over `DeltaTokens` as packed ranges or as named resources, and in pages over
//! `FetchTokens`. The [`client`] gives each response to a [`client::Sink`] and ACKs what was applied. Both are generic over
//! what they carry: they know bytes, versions and opaque [`Position`]s, never what a revocation is.

pub mod client;
pub mod server;

#[cfg(test)]
mod black_box;
#[cfg(test)]
mod fixtures;
mod resources;
mod source;
mod text;
mod wire;

pub use resources::Resources;
pub use source::{
    Audience, Chunk, Head, Named, NamedPart, Names, PackedPart, Position, Ranges, Removed, Source,
    Statement,
};
pub use wire::{RANGE_TYPE_URL, RESCIND_FEATURE, TYPE_URL, wire_len};

/// The message that carries one resource.
pub use rescind_proto::google::protobuf::Any;
