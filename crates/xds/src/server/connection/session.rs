//! One stream: where its client is, and what is outstanding.

use tokio::time::Instant;

use crate::{Audience, Position, server::opening::Opening, server::refusals::Range};

use super::StreamId;

#[derive(Debug)]
pub(super) struct Session {
    pub(super) instance: String,
    pub(super) audience: Audience,
    /// Nothing that is newer than this has been taken; the backlog is what lies between here and the head.
    pub(super) at: Position,
    /// The newest ACK, or where the client began.
    pub(super) acked: Position,
    /// For a client that began with nothing: where it holds the whole set, as it was at the first answer.
    pub(super) whole_at: Option<Position>,
    /// The nonce of the outstanding response.
    pub(super) waiting: Option<String>,
    /// The first request has been answered.
    pub(super) answered: bool,
    /// When the stream was opened, or the newest response went out.
    pub(super) spoke_at: Instant,
    /// The client has been told that the source is complete.
    pub(super) told_complete: bool,
    /// The ACK is late, and this has been said.
    pub(super) late: bool,
    /// A newer stream of the same client has taken over.
    pub(super) superseded: bool,
    /// The nonce still due on the stream that this one supersedes, and how long it is waited for.
    pub(super) awaited: Option<(String, Instant)>,
}

/// A response that was sent and not answered.
#[derive(Debug)]
pub(super) struct Outstanding {
    pub(super) stream: StreamId,
    pub(super) instance: String,
    pub(super) range: Range,
    pub(super) sent_at: Instant,
}

impl Session {
    pub(super) fn new(opening: &Opening, start: Position, now: Instant) -> Self {
        Self {
            instance: opening.instance.clone(),
            audience: opening.audience,
            at: start,
            acked: start,
            whole_at: None,
            waiting: None,
            answered: false,
            spoke_at: now,
            told_complete: false,
            late: false,
            superseded: false,
            awaited: None,
        }
    }

    /// The response with this nonce has been answered.
    pub(super) fn settle(&mut self, nonce: &str) {
        if self.waiting.as_deref() == Some(nonce) {
            self.waiting = None;
            self.late = false;
        }
    }
}
