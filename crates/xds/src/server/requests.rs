//! The body that a client's requests come in, watched: a large request takes room before it is gathered, and has so much
//! time to come.

use std::{
    future::Future as _,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes};
use http_body::{Body, Frame as Piece};
use tokio::time::{Sleep, sleep};
use tonic::Status;

use super::admission::{Admitted, Room};

/// A request body of an admitted stream.
#[derive(Debug)]
pub(super) struct Requests<B> {
    body: B,
    admitted: Admitted,
    message: Message,
    /// What the message that is coming holds, and how long it may.
    held: Option<(Room, Pin<Box<Sleep>>)>,
}

/// How far a gRPC message has come: a flag and the length in five bytes, then so many bytes.
#[derive(Debug, Default)]
struct Message {
    prefix: [u8; PREFIX],
    /// How much of the prefix is there.
    begun: usize,
    /// What is still to come behind the prefix.
    rest: usize,
}

const PREFIX: usize = 5;

impl<B> Requests<B> {
    pub(super) fn new(body: B, admitted: Admitted) -> Self {
        Self {
            body,
            admitted,
            message: Message::default(),
            held: None,
        }
    }

    /// Follows the messages through what has come.
    fn follow(&mut self, mut piece: Bytes) -> Result<(), Status> {
        while !piece.is_empty() {
            if let Some(length) = self.message.take(&mut piece) {
                self.begins(length)?;
            }
            if self.message.is_over() {
                self.held = None;
            }
        }
        Ok(())
    }

    fn begins(&mut self, length: usize) -> Result<(), Status> {
        let patience = self.admitted.settings().first_request_timeout;
        let room = self.admitted.room(length)?;
        self.held = room.map(|room| (room, Box::pin(sleep(patience))));
        Ok(())
    }
}

impl Message {
    /// Takes what belongs to it; its length when that is known by it.
    fn take(&mut self, piece: &mut Bytes) -> Option<usize> {
        if self.begun < PREFIX {
            let some = piece.len().min(PREFIX - self.begun);
            piece.copy_to_slice(&mut self.prefix[self.begun..self.begun + some]);
            self.begun += some;
            if self.begun < PREFIX {
                return None;
            }
            let [_, length @ ..] = self.prefix;
            self.rest = u32::from_be_bytes(length) as usize;
            return Some(self.rest);
        }
        let some = piece.len().min(self.rest);
        piece.advance(some);
        self.rest -= some;
        None
    }

    /// Whether it has come to its end; then the next one begins.
    fn is_over(&mut self) -> bool {
        let over = self.begun == PREFIX && self.rest == 0;
        if over {
            self.begun = 0;
        }
        over
    }
}

impl<B> Body for Requests<B>
where
    B: Body<Data = Bytes, Error = Status> + Unpin,
{
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Piece<Bytes>, Status>>> {
        if let Some((_, until)) = &mut self.held
            && until.as_mut().poll(context).is_ready()
        {
            self.held = None;
            let status = Status::deadline_exceeded("a request has begun and did not come");
            return Poll::Ready(Some(Err(status)));
        }
        let piece = ready!(Pin::new(&mut self.body).poll_frame(context));
        if let Some(Ok(piece)) = &piece
            && let Some(data) = piece.data_ref()
            && let Err(status) = self.follow(data.clone())
        {
            return Poll::Ready(Some(Err(status)));
        }
        Poll::Ready(piece)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lengths that a message says, and how often one was over, in pieces of so many bytes.
    fn followed(bytes: &[u8], size: usize) -> (Vec<usize>, usize) {
        let mut message = Message::default();
        let (mut lengths, mut over) = (Vec::new(), 0);
        for piece in bytes.chunks(size) {
            let mut piece = Bytes::copy_from_slice(piece);
            while !piece.is_empty() {
                lengths.extend(message.take(&mut piece));
                over += usize::from(message.is_over());
            }
        }
        (lengths, over)
    }

    #[test]
    fn messages_are_found_however_they_are_cut() {
        let mut bytes = Vec::new();
        for length in [3_u32, 0, 300] {
            bytes.push(0);
            bytes.extend(length.to_be_bytes());
            bytes.extend(vec![7; length as usize]);
        }
        bytes.extend([0, 0, 1]);
        for size in 1..bytes.len() {
            assert_eq!(followed(&bytes, size), (vec![3, 0, 300], 3), "{size}");
        }
    }
}
