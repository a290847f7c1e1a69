//! Questions in our own name: one message goes, one answer comes back and is read whole.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use h2::RecvStream;
use http::{HeaderMap, Request, response};

use crate::{Away, Hops, Settings, Upstream, dial::chain, pool::Pool};

/// Asks one upstream, over connections as a [`GrpcCarry`](crate::GrpcCarry) has them.
#[derive(Debug)]
pub struct Asker {
    pool: Pool,
    probe_timeout: Duration,
    hops: Hops,
}

/// An answer.
#[derive(Debug)]
pub struct Answered {
    /// Its status and headers.
    pub head: response::Parts,
    /// All of its data.
    pub body: Bytes,
    /// What came behind that; empty where nothing did.
    pub trailers: HeaderMap,
}

/// Why there is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// The upstream cannot be reached, or the call was lost before an answer began.
    #[error(transparent)]
    Away(#[from] Away),
    /// The answer has no end, or is too long.
    #[error("its answer cannot be read: {0}")]
    Broken(String),
}

impl Asker {
    /// Asks `upstream`, of whose settings the probe's time-out and the pings count; connects to nothing yet.
    ///
    /// # Errors
    ///
    /// The address is not `host:port`.
    pub fn new(upstream: &Upstream, settings: Settings) -> Result<Self, Away> {
        Ok(Self {
            probe_timeout: settings.probe_timeout,
            pool: Pool::new(upstream, settings, Default::default())?,
            hops: Hops::new(),
        })
    }

    /// Who probes, for who else goes the same way.
    pub fn hops(&self) -> Hops {
        self.hops.clone()
    }

    /// Sends one call, whose body is `body`, and reads its answer, which may have `most` bytes. Dropping the future cancels the call.
    ///
    /// # Errors
    ///
    /// There is no whole answer.
    pub async fn ask(
        &self,
        head: Request<()>,
        body: Bytes,
        most: usize,
    ) -> Result<Answered, AskError> {
        if self.hops.is_looped() {
            return Err(Away::looped().into());
        }
        // The place on the connection is held until all is read.
        let (_slot, mut sender) = self.pool.ready().await?;
        let (response, mut stream) = sender.send_request(head, false).map_err(lost)?;
        stream.send_data(body, true).map_err(lost)?;
        let (head, answer) = response.await.map_err(lost)?.into_parts();
        let (body, trailers) = read(answer, most).await?;
        Ok(Answered {
            head,
            body,
            trailers,
        })
    }

    /// Whether the upstream answers, as [`GrpcCarry::probe`](crate::GrpcCarry::probe) finds out.
    ///
    /// # Errors
    ///
    /// Why it cannot be used.
    pub async fn probe(&self) -> Result<(), Away> {
        self.pool.probe_as(&self.hops, self.probe_timeout).await
    }
}

fn lost(error: h2::Error) -> Away {
    Away::new(format_args!("connection lost: {}", chain(&error)))
}

async fn read(mut answer: RecvStream, most: usize) -> Result<(Bytes, HeaderMap), AskError> {
    let broken = |error: h2::Error| AskError::Broken(chain(&error));
    // Nearly all come in one piece, which is not copied.
    let (mut first, mut rest) = (Bytes::new(), BytesMut::new());
    while let Some(piece) = answer.data().await {
        let piece = piece.map_err(broken)?;
        // An error: the connection is gone, which the next piece says.
        let _ = answer.flow_control().release_capacity(piece.len());
        if first.len() + rest.len() + piece.len() > most {
            return Err(AskError::Broken(format!("more than {most} bytes")));
        }
        match first.is_empty() {
            true => first = piece,
            false => rest.extend_from_slice(&piece),
        }
    }
    let trailers = answer.trailers().await.map_err(broken)?;
    let body = match rest.is_empty() {
        true => first,
        false => [&first[..], &rest[..]].concat().into(),
    };
    Ok((body, trailers.unwrap_or_default()))
}
