//! How much room a server gives callers whose calls it has carried: who is not read must leave some to everything else on
//! the same connection.

/// More calls than this are never carried at once.
pub const MOST_CALLS: usize = 4096;

/// What a caller may send on one call ahead of its reader.
pub const STREAM_WINDOW: u32 = 64 * 1024;

/// Streams that are not carried, and always read: they find room also where each carried call has filled its own.
const OWN_STREAMS: u32 = 256;

/// What a caller may send ahead of all readers together, on one connection.
pub const CONNECTION_WINDOW: u32 = room(MOST_CALLS as u32);

/// The room of a connection on which so many calls may be carried at once.
pub(crate) const fn room(calls: u32) -> u32 {
    (calls + OWN_STREAMS) * STREAM_WINDOW
}

/// The headers of a call. More than xDS clients send by far, and than Envoy lets pass; still a bound that holds when each of
/// a connection's streams, of whatever service, brings as much.
pub const MAX_METADATA: u32 = 64 * 1024;
