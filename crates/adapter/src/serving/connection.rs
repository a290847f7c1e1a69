//! A connection of the xDS port: where calls are carried on it, their answers leave together.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
};

use rescind_carry::Gathering;
use rescind_runtime::tls::TlsStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tonic::transport::server::Connected;

use crate::peer::Peer;

/// A connection, which knows its peer. Where no more than one call is carried on it, all that is written goes out at once.
#[derive(Debug)]
pub(super) struct Connection {
    io: Gathering<TlsStream>,
}

impl Connection {
    pub(super) fn new(stream: TlsStream) -> Self {
        Self {
            io: Gathering::new(stream),
        }
    }

    fn io(self: Pin<&mut Self>) -> Pin<&mut Gathering<TlsStream>> {
        Pin::new(&mut self.get_mut().io)
    }
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        let (tcp, session) = self.io.get_ref().get_ref();
        let leaf = session.peer_certificates().and_then(<[_]>::first);
        Peer::new(leaf, tcp.peer_addr().ok(), self.io.busy())
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.io().poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.io().poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.io().poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io().poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io().poll_shutdown(context)
    }
}
