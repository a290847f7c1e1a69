//! Gathers what one turn of a connection writes, so that it leaves as one TLS record and one system call.
//!
//! h2 writes and flushes each frame of data by itself, and where many calls share a connection each of them wakes it: a
//! system call a frame. Here a flush only asks for another turn, at the end of the queue. Who stands before it there may
//! have something to send as well, and all of it goes out when the next turn begins, which is when h2 reads.
//!
//! A connection with a single call writes as it always did.

use std::{
    fmt, io,
    io::IoSlice,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// So much goes out in any case: a full TLS record. An end that does not read makes us hold no more.
const GATHERED: usize = 16 * 1024;

/// How many calls are under way on a connection. A clone counts the same.
#[derive(Debug, Clone, Default)]
pub struct Busy(pub(crate) Arc<AtomicUsize>);

/// A connection that gathers what it writes while several calls are [`Busy`] on it.
pub struct Gathering<T> {
    io: T,
    busy: Busy,
    gathered: BytesMut,
    /// Whether the next turn sends what is gathered.
    due: bool,
}

impl<T> Gathering<T> {
    /// `io`, as long as no calls are counted.
    pub fn new(io: T) -> Self {
        Self {
            io,
            busy: Busy::default(),
            gathered: BytesMut::new(),
            due: false,
        }
    }

    /// What counts the calls on it.
    pub fn busy(&self) -> Busy {
        self.busy.clone()
    }

    /// What is below.
    pub fn get_ref(&self) -> &T {
        &self.io
    }
}

impl Busy {
    fn many(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 1
    }
}

impl<T: AsyncWrite + Unpin> Gathering<T> {
    /// Whether `bytes` more are gathered; else nothing is, and they go out by themselves.
    fn poll_gathers(&mut self, context: &mut Context<'_>, bytes: usize) -> Poll<io::Result<bool>> {
        let gathers = bytes < GATHERED && (self.busy.many() || !self.gathered.is_empty());
        if !gathers || self.gathered.len() + bytes > GATHERED {
            ready!(self.poll_send(context))?;
        }
        Poll::Ready(Ok(gathers))
    }

    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.gathered.is_empty() {
            let sent = ready!(Pin::new(&mut self.io).poll_write(context, &self.gathered))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.gathered.advance(sent);
        }
        if !self.busy.many() {
            // A connection that has nothing to do keeps no memory for it.
            self.gathered = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }

    /// Sends what the last turn has asked to be flushed. Pending: the socket wakes the connection for the rest.
    fn poll_due(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        if !self.due {
            return Ok(());
        }
        if let Poll::Ready(sent) = self.poll_send(context) {
            sent?;
            if let Poll::Ready(flushed) = Pin::new(&mut self.io).poll_flush(context) {
                self.due = false;
                flushed?;
            }
        }
        Ok(())
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for Gathering<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll_due(context)?;
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Gathering<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let bytes = slices.iter().map(|slice| slice.len()).sum();
        if !ready!(self.poll_gathers(context, bytes))? {
            return Pin::new(&mut self.io).poll_write_vectored(context, slices);
        }
        for slice in slices {
            self.gathered.extend_from_slice(slice);
        }
        Poll::Ready(Ok(bytes))
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.gathered.is_empty() {
            return Pin::new(&mut self.io).poll_flush(context);
        }
        if !self.due {
            self.due = true;
            context.waker().wake_by_ref();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(context))?;
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

impl<T> fmt::Debug for Gathering<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gathering")
            .field("busy", &self.busy)
            .field("gathered", &self.gathered.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
