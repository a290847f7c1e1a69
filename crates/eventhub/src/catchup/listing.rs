//! An answer of the control plane while it is read.
//!
//! ```text
//! task: chunks of the body ──8──> blocking thread: JSON ──1──> Listing::next: groups
//! ```
//!
//! The numbers are what waits in between: whoever takes groups slowly slows the control plane down, and nothing grows.

use std::{io, time::Duration};

use reqwest::Response;
use rescind_revocation::{Revocation, UnixMillis};
use tokio::{
    sync::mpsc,
    task::{JoinSet, spawn_blocking},
    time::{Instant, timeout},
};

use super::{
    CatchupError, date,
    list::{self, Rows},
    transport,
};
use crate::Received;

/// Chunks of the body that wait for the parser: some 16 kB each.
const CHUNKS: usize = 8;

/// The slowest pace that counts as an answer: no link between a control plane and a gateway is slower, and a million rows
/// take two hours.
const SLOWEST_BYTES_A_SECOND: u64 = 16 * 1024;

/// Groups that wait for who takes them.
const GROUPS: usize = 1;

type Chunk = Result<Vec<u8>, CatchupError>;
type Read = Result<Rows, CatchupError>;

/// How much of an answer is read, and how slow it may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) bytes: usize,
    /// How long the answer may have kept us waiting beyond what [`SLOWEST_BYTES_A_SECOND`] allows. Silence alone has a
    /// limit of its own; this one ends an answer that comes byte by byte.
    pub(super) behind: Duration,
}

/// What comes of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// At most 10 000 revocations, in the order of the answer.
    Group(Vec<Revocation>),
    /// The list is read to its end.
    End(Rows),
}

/// A list while it is read. Dropping it ends the reading.
#[derive(Debug)]
pub struct Listing {
    date: Option<UnixMillis>,
    groups: mpsc::Receiver<Vec<Revocation>>,
    /// The parser, until its end was asked for.
    parser: Option<tokio::task::JoinHandle<Read>>,
    _body: JoinSet<()>,
}

impl Listing {
    pub(super) fn begin(response: Response, now: UnixMillis, limits: Limits) -> Self {
        let date = date(&response);
        let received = Received {
            at: now,
            control_plane: date,
        };
        let (chunks, body) = mpsc::channel(CHUNKS);
        let (out, groups) = mpsc::channel(GROUPS);
        let mut task = JoinSet::new();
        task.spawn(hand_on(response, limits, chunks));
        let parser = spawn_blocking(move || {
            let mut body = Body {
                chunks: body,
                chunk: Vec::new(),
                taken: 0,
                error: None,
            };
            let mut take = |group| out.blocking_send(group).is_ok();
            let read = list::read(&mut body, received, &mut take);
            // What broke the body says more than what it did to the JSON.
            body.error.map_or(read, Err)
        });
        Self {
            date,
            groups,
            parser: Some(parser),
            _body: task,
        }
    }

    /// The control plane's clock when it answered (`Date`), to the second.
    pub fn date(&self) -> Option<UnixMillis> {
        self.date
    }

    /// The next part. After the end, or an error, there is none.
    ///
    /// # Errors
    ///
    /// The list broke off or is none. The groups before are good all the same.
    pub async fn next(&mut self) -> Result<Part, CatchupError> {
        if let Some(group) = self.groups.recv().await {
            return Ok(Part::Group(group));
        }
        let Some(parser) = self.parser.take() else {
            return Err(CatchupError::Body("it was read to its end".into()));
        };
        match parser.await {
            Ok(read) => read.map(Part::End),
            Err(error) => Err(CatchupError::Body(format!("reading it failed: {error}"))),
        }
    }
}

/// Hands the body on, chunk by chunk, and what ended it early.
async fn hand_on(mut response: Response, limits: Limits, chunks: mpsc::Sender<Chunk>) {
    let mut length = 0;
    let mut pace = Pace::new(limits.behind);
    loop {
        let chunk = match pace.next(&mut response).await {
            Ok(Some(chunk)) => {
                length += chunk.len();
                if length > limits.bytes {
                    let limit = limits.bytes;
                    Err(CatchupError::Body(format!("more than {limit} bytes")))
                } else {
                    Ok(chunk)
                }
            }
            Ok(None) => return,
            Err(error) => Err(error),
        };
        let last = chunk.is_err();
        if chunks.send(chunk).await.is_err() || last {
            return;
        }
    }
}

/// Keeps a body to the slowest pace. Only the time counts that we wait for it, not the time that we take.
#[derive(Debug)]
struct Pace {
    limit: Duration,
    behind: Duration,
}

impl Pace {
    fn new(limit: Duration) -> Self {
        Self {
            limit,
            behind: Duration::ZERO,
        }
    }

    /// The next chunk of the body.
    async fn next(&mut self, response: &mut Response) -> Result<Option<Vec<u8>>, CatchupError> {
        let began = Instant::now();
        let left = self.limit.saturating_sub(self.behind);
        let Ok(chunk) = timeout(left, response.chunk()).await else {
            let (limit, pace) = (self.limit, SLOWEST_BYTES_A_SECOND / 1024);
            return Err(CatchupError::Transport(format!(
                "the list comes too slowly: {limit:?} behind {pace} KiB a second"
            )));
        };
        let chunk: Option<Vec<u8>> = chunk.map_err(transport)?.map(Into::into);
        let length = chunk.as_ref().map_or(0, Vec::len);
        self.came(began.elapsed(), length);
        Ok(chunk)
    }

    /// So many bytes came in so much time. What was fast pays for no slowness that comes later.
    fn came(&mut self, waited: Duration, bytes: usize) {
        let micros = bytes as u64 * 1_000_000 / SLOWEST_BYTES_A_SECOND;
        self.behind = (self.behind + waited).saturating_sub(Duration::from_micros(micros));
    }
}

/// The body as the parser reads it, on its own thread.
struct Body {
    chunks: mpsc::Receiver<Chunk>,
    chunk: Vec<u8>,
    taken: usize,
    error: Option<CatchupError>,
}

impl io::Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.taken == self.chunk.len() {
            match self.chunks.blocking_recv() {
                Some(Ok(chunk)) => (self.chunk, self.taken) = (chunk, 0),
                Some(Err(error)) => {
                    self.error = Some(error);
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                None => return Ok(0),
            }
        }
        let length = buffer.len().min(self.chunk.len() - self.taken);
        buffer[..length].copy_from_slice(&self.chunk[self.taken..self.taken + length]);
        self.taken += length;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_behind_by_what_it_did_not_bring_in_time() {
        let mut pace = Pace::new(Duration::from_secs(120));
        pace.came(Duration::from_secs(50), 1);
        assert!(pace.behind > Duration::from_secs(49));
        // A steady slow link catches up, and is owed nothing for having been fast.
        pace.came(Duration::ZERO, 100 * 16 * 1024);
        assert_eq!(pace.behind, Duration::ZERO);
        pace.came(Duration::from_secs(2), 16 * 1024);
        assert_eq!(pace.behind, Duration::from_secs(1));
    }
}
