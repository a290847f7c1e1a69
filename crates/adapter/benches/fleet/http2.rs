//! Just enough of HTTP/2 (RFC 9113) and of gRPC for one stream on a connection: the client's side.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;

const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// What the server may send before it hears that it was read.
const WINDOW: u32 = 8 << 20;

/// The one stream.
const STREAM: u32 = 1;

/// A connection with its one stream.
#[derive(Debug)]
pub(crate) struct Connection<I> {
    io: I,
    /// Received and not yet taken in.
    input: Vec<u8>,
    /// The messages of the stream, with their prefixes.
    messages: Vec<u8>,
    /// Bytes of data that the server does not know to be read.
    unsaid: u32,
    /// Bytes of data in all.
    pub(crate) received: u64,
}

impl<I: AsyncRead + AsyncWrite + Unpin> Connection<I> {
    /// Opens the stream of `method`, with its first message.
    pub(crate) async fn open(mut io: I, method: &str, first: &[u8]) -> io::Result<Self> {
        let mut out = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        let mut settings = Vec::new();
        // SETTINGS_ENABLE_PUSH and SETTINGS_INITIAL_WINDOW_SIZE.
        for (name, value) in [(2u16, 0u32), (4, WINDOW)] {
            settings.extend(name.to_be_bytes());
            settings.extend(value.to_be_bytes());
        }
        frame(&mut out, SETTINGS, 0, 0, &settings);
        frame(
            &mut out,
            WINDOW_UPDATE,
            0,
            0,
            &(WINDOW - 65_535).to_be_bytes(),
        );
        frame(&mut out, HEADERS, END_HEADERS, STREAM, &headers(method));
        frame(&mut out, DATA, 0, STREAM, &message(first));
        io.write_all(&out).await?;
        io.flush().await?;
        Ok(Self {
            io,
            input: Vec::new(),
            messages: Vec::new(),
            unsaid: 0,
            received: 0,
        })
    }

    pub(crate) async fn send(&mut self, body: &[u8]) -> io::Result<()> {
        let mut out = Vec::with_capacity(body.len() + 32);
        frame(&mut out, DATA, 0, STREAM, &message(body));
        self.io.write_all(&out).await?;
        self.io.flush().await
    }

    /// The next message. An error where the stream ends.
    pub(crate) async fn next(&mut self) -> io::Result<Vec<u8>> {
        loop {
            if let Some(message) = self.take_message() {
                return Ok(message);
            }
            let read = self.io.read_buf(&mut self.input).await?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.take_frames().await?;
        }
    }

    fn take_message(&mut self) -> Option<Vec<u8>> {
        let length: [u8; 4] = self.messages.get(1..5)?.try_into().unwrap();
        let end = 5 + u32::from_be_bytes(length) as usize;
        if self.messages.len() < end {
            return None;
        }
        let message = self.messages[5..end].to_vec();
        self.messages.drain(..end);
        // A large one shall not be paid for for ever.
        if self.messages.is_empty() && self.messages.capacity() > 1 << 16 {
            self.messages = Vec::new();
        }
        Some(message)
    }

    async fn take_frames(&mut self) -> io::Result<()> {
        let mut at = 0;
        let mut out = Vec::new();
        while let Some(head) = self.input.get(at..at + 9) {
            let length =
                usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
            let (kind, flags) = (head[3], head[4]);
            let Some(payload) = self.input.get(at + 9..at + 9 + length) else {
                break;
            };
            match kind {
                DATA => {
                    self.messages.extend_from_slice(payload);
                    self.unsaid += length as u32;
                    self.received += length as u64;
                }
                SETTINGS if flags & ACK == 0 => frame(&mut out, SETTINGS, ACK, 0, &[]),
                PING if flags & ACK == 0 => frame(&mut out, PING, ACK, 0, payload),
                RST_STREAM | GOAWAY => {
                    let ended = format!("the server ended it: {kind} {payload:?}");
                    return Err(io::Error::other(ended));
                }
                _ => {}
            }
            if (kind == HEADERS || kind == DATA) && flags & END_STREAM != 0 {
                let ended = String::from_utf8_lossy(payload).into_owned();
                return Err(io::Error::other(format!("the stream has ended: {ended}")));
            }
            at += 9 + length;
        }
        self.input.drain(..at);
        if self.input.is_empty() && self.input.capacity() > 1 << 16 {
            self.input = Vec::new();
        }
        if self.unsaid > WINDOW / 2 {
            for stream in [0, STREAM] {
                let more = self.unsaid.to_be_bytes();
                frame(&mut out, WINDOW_UPDATE, 0, stream, &more);
            }
            self.unsaid = 0;
        }
        if !out.is_empty() {
            self.io.write_all(&out).await?;
            self.io.flush().await?;
        }
        Ok(())
    }
}

fn frame(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    out.extend_from_slice(&(payload.len() as u32).to_be_bytes()[1..]);
    out.extend([kind, flags]);
    out.extend(stream.to_be_bytes());
    out.extend_from_slice(payload);
}

/// A message of gRPC: not compressed, and its length.
fn message(body: &[u8]) -> Vec<u8> {
    let mut out = vec![0];
    out.extend((body.len() as u32).to_be_bytes());
    out.extend_from_slice(body);
    out
}

/// HPACK (RFC 7541) without compression: `:method POST` and `:scheme https` by their index, the rest as they are.
fn headers(method: &str) -> Vec<u8> {
    let mut out = vec![0x83, 0x87];
    let mut text = |name: &[u8], value: &str| {
        out.extend_from_slice(name);
        out.push(u8::try_from(value.len()).unwrap());
        out.extend_from_slice(value.as_bytes());
    };
    // `:path`, `:authority` and `content-type` by the index of their name.
    text(
        &[0x04],
        &format!("/wso2.discovery.service.keymgt.RevokedTokenDiscoveryService/{method}"),
    );
    text(&[0x01], "localhost");
    text(&[0x0f, 0x10], "application/grpc");
    text(&[0x00, 2, b't', b'e'], "trailers");
    out
}
