//! Why a stream ends, in a status and in words.

use tonic::Status;

/// Why a stream ended.
#[derive(Debug)]
pub(super) enum End {
    Superseded,
    AckTimeout,
    Aged,
    Draining,
    SourceGone,
    ClientGone,
    HalfClosed,
    Refused(Status),
}

impl End {
    pub(super) fn reason(&self) -> &str {
        match self {
            Self::Superseded => "superseded by a newer stream of the same instance",
            Self::AckTimeout => "an ACK did not come",
            Self::Aged => "the connection is old enough, open another one",
            Self::Draining => "shutting down",
            Self::SourceGone => "the source is gone",
            Self::ClientGone => "the client is gone",
            Self::HalfClosed => "the client will send no more requests",
            Self::Refused(status) => status.message(),
        }
    }

    pub(super) fn status(self) -> Status {
        match self {
            Self::Draining => shutting_down(),
            Self::Refused(status) => status,
            other => Status::unavailable(other.reason()),
        }
    }
}

/// What streams end with, and new ones are refused with, once the process stops.
pub(in crate::server) fn shutting_down() -> Status {
    Status::unavailable("adapter is shutting down")
}
