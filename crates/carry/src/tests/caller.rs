//! A gRPC client down to its frames.

use std::net::SocketAddr;

use bytes::Bytes;
use h2::{
    RecvStream, SendStream,
    client::{ResponseFuture, SendRequest},
};
use http::{HeaderMap, Request, Response};
use tokio::net::TcpStream;

use super::soon;

#[derive(Clone)]
pub(super) struct Caller {
    sender: SendRequest<Bytes>,
}

/// A call as its caller sees it.
pub(super) struct Calling {
    pub(super) response: ResponseFuture,
    pub(super) requests: SendStream<Bytes>,
}

/// An answer read to its end.
pub(super) struct Answered {
    pub(super) head: Response<()>,
    pub(super) data: Vec<u8>,
    pub(super) trailers: Option<HeaderMap>,
}

impl Caller {
    pub(super) async fn connect(address: SocketAddr) -> Self {
        let tcp = TcpStream::connect(address).await.unwrap();
        tcp.set_nodelay(true).unwrap();
        let mut builder = h2::client::Builder::new();
        builder
            .initial_connection_window_size(1024 * 1024)
            .initial_max_send_streams(10_000);
        let (sender, connection) = builder.handshake(tcp).await.unwrap();
        tokio::spawn(async move {
            // Its end shows in the calls.
            let _ = connection.await;
        });
        Self { sender }
    }

    pub(super) async fn call(&self, headers: &[(&str, &str)]) -> Calling {
        let mut request = Request::builder()
            .method("POST")
            .uri("https://adapter:18000/test.Service/Method")
            .header("te", "trailers")
            .header("content-type", "application/grpc");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut sender = self.sender.clone().ready().await.unwrap();
        let (response, requests) = sender
            .send_request(request.body(()).unwrap(), false)
            .unwrap();
        Calling { response, requests }
    }

    /// One message and the end.
    pub(super) async fn unary(&self, data: &'static [u8]) -> Answered {
        let mut call = self.call(&[]).await;
        call.requests.send_data(data.into(), true).unwrap();
        call.answered().await
    }
}

impl Calling {
    pub(super) async fn answered(self) -> Answered {
        let (parts, body) = soon(self.response).await.unwrap().into_parts();
        let head = Response::from_parts(parts, ());
        let (data, trailers) = read(body).await;
        Answered {
            head,
            data,
            trailers,
        }
    }
}

pub(super) async fn read(mut body: RecvStream) -> (Vec<u8>, Option<HeaderMap>) {
    let mut all = Vec::new();
    while let Some(data) = soon(body.data()).await {
        let data = data.unwrap();
        let _ = body.flow_control().release_capacity(data.len());
        all.extend_from_slice(&data);
    }
    (all, soon(body.trailers()).await.unwrap())
}

impl Answered {
    /// The status, wherever it stands.
    pub(super) fn status(&self) -> &str {
        let headers = self.trailers.as_ref().unwrap_or(self.head.headers());
        headers["grpc-status"].to_str().unwrap()
    }

    pub(super) fn message(&self) -> &str {
        let headers = self.trailers.as_ref().unwrap_or(self.head.headers());
        headers["grpc-message"].to_str().unwrap()
    }
}
