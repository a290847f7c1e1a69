//! Requests over HTTP/1.1 on connections that stay, from a client that takes as little of the processor as can be.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
    time::Instant,
};

/// A connection.
pub(crate) struct Caller {
    socket: TcpStream,
    buffer: Vec<u8>,
}

/// The requests of a browser with each of these tokens.
pub(crate) fn requests(tokens: &[String]) -> Arc<[String]> {
    let request = |token: &String| {
        format!(
            "GET /v2/1.0.5/pet/findByStatus?status=available HTTP/1.1\r\nhost: localhost\r\naccept: application/json\r\n\
             accept-encoding: gzip, deflate, br\r\naccept-language: en-GB,en;q=0.9\r\n\
             user-agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)\r\n\
             authorization: Bearer {token}\r\n\r\n"
        )
    };
    tokens.iter().map(request).collect()
}

impl Caller {
    pub(crate) async fn connect(port: u16) -> Self {
        let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port))
            .await
            .unwrap();
        socket.set_nodelay(true).unwrap();
        Self {
            socket,
            buffer: Vec::with_capacity(4096),
        }
    }

    /// Sends one and waits for the whole answer, which must be 200.
    pub(crate) async fn call(&mut self, request: &str) {
        self.socket.write_all(request.as_bytes()).await.unwrap();
        self.buffer.clear();
        loop {
            assert!(
                self.socket.read_buf(&mut self.buffer).await.unwrap() > 0,
                "closed by Envoy"
            );
            if is_whole(&self.buffer) {
                break;
            }
        }
        assert!(
            self.buffer.starts_with(b"HTTP/1.1 200 "),
            "{}",
            String::from_utf8_lossy(&self.buffer)
        );
    }
}

fn is_whole(answer: &[u8]) -> bool {
    let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") else {
        return false;
    };
    let head = String::from_utf8_lossy(&answer[..end]);
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    answer.len() >= end + 4 + length.unwrap().parse::<usize>().unwrap()
}

/// Requests a second over so many connections, each with one request at a time.
pub(crate) async fn rate(
    port: u16,
    connections: usize,
    time: Duration,
    requests: &Arc<[String]>,
) -> f64 {
    let mut callers = JoinSet::new();
    let mut connected = Vec::new();
    for _ in 0..connections {
        connected.push(Caller::connect(port).await);
    }
    let began = Instant::now();
    for (number, mut caller) in connected.into_iter().enumerate() {
        let requests = Arc::clone(requests);
        callers.spawn(async move {
            let mut calls = 0;
            while began.elapsed() < time {
                caller
                    .call(&requests[(calls * connections + number) % requests.len()])
                    .await;
                calls += 1;
            }
            calls
        });
    }
    let calls: usize = callers.join_all().await.into_iter().sum();
    calls as f64 / began.elapsed().as_secs_f64()
}
