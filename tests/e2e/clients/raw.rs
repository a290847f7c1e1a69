//! gRPC without messages: bytes in, bytes out.

use std::time::Duration;

use prost::bytes::{Buf as _, BufMut as _, Bytes};
use tokio_stream::Stream;
use tonic::{
    Request, Response, Status, Streaming,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    codegen::http::uri::PathAndQuery,
    transport::Channel,
};

/// Larger than any message of the tests.
pub(crate) const MOST: usize = 64 * 1024 * 1024;

/// Carries bytes as they are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(message);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        let length = buffer.remaining();
        Ok(Some(buffer.copy_to_bytes(length)))
    }
}

/// A client of any method.
#[derive(Debug, Clone)]
pub(crate) struct RawClient(Grpc<Channel>);

impl RawClient {
    pub(crate) fn new(channel: Channel) -> Self {
        let client = Grpc::new(channel)
            .max_decoding_message_size(MOST)
            .max_encoding_message_size(MOST);
        Self(client)
    }

    pub(crate) async fn unary(
        &self,
        method: &'static str,
        request: Request<Bytes>,
    ) -> Result<Response<Bytes>, Status> {
        let mut client = self.0.clone();
        client.ready().await.unwrap();
        client
            .unary(request, PathAndQuery::from_static(method), Raw)
            .await
    }

    pub(crate) async fn streaming(
        &self,
        method: &'static str,
        requests: impl Stream<Item = Bytes> + Send + 'static,
    ) -> Result<Streaming<Bytes>, Status> {
        let mut client = self.0.clone();
        client.ready().await.unwrap();
        let mut request = Request::new(requests);
        request.set_timeout(Duration::from_secs(120));
        let method = PathAndQuery::from_static(method);
        let response = client.streaming(request, method, Raw).await?;
        Ok(response.into_inner())
    }
}
