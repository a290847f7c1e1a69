//! Carries calls to another server as they are: what is not ours passes through us.
//!
//! [`GrpcCarry`] takes any gRPC call, unary or of any kind of stream, and gives it to one upstream over HTTP/2 and TLS:
//! frames, metadata, trailers, deadline, cancellation and flow control in both directions, without decoding a message and
//! without a limit on its size. [`HttpCarry`] does the same for plain requests over HTTP/1.1. Both are tower services that
//! never fail: an upstream that is away is an answer (`UNAVAILABLE`, 502).
//!
//! [`Asker`] asks the same upstream in our own name.
//!
//! It does not decide who may call and logs nothing of what it carries. Each carrier has connections of its own, so that
//! nothing it carries shares a window or a queue with anything else.

mod ask;
mod body;
mod callers;
mod connection;
mod dial;
mod front;
mod gather;
mod grpc;
mod headers;
mod hops;
mod http;
mod metrics;
mod pool;
mod resolve;
mod status;
mod upload;

#[cfg(test)]
mod tests;

pub use ask::{Answered, AskError, Asker};
pub use body::GrpcBody;
pub use callers::Caller;
pub use dial::{Away, Upstream};
pub use front::{CONNECTION_WINDOW, MAX_METADATA, MOST_CALLS, STREAM_WINDOW};
pub use gather::{Busy, Gathering};
pub use grpc::{GrpcCarry, Settings};
pub use hops::Hops;
pub use http::HttpCarry;
pub use metrics::Metrics;
