//! When a part is truly ready: it does its work, not only its port is open.

use std::{net::Ipv4Addr, time::Duration};

use reqwest::Client;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

/// How to ask a part.
#[derive(Debug, Clone)]
pub(crate) enum Probe {
    /// Something accepts connections on this port.
    Connect(u16),
    /// A broker begins the AMQP handshake on this port.
    Amqp(u16),
    /// This page answers 200.
    Page(Client, String),
}

const PAUSE: Duration = Duration::from_millis(50);
const ONE_TRY: Duration = Duration::from_secs(3);

impl Probe {
    /// Returns when the part is ready; never, if it never is.
    pub(crate) async fn succeeds(&self) {
        while !timeout(ONE_TRY, self.holds()).await.unwrap_or(false) {
            sleep(PAUSE).await;
        }
    }

    async fn holds(&self) -> bool {
        match self {
            Self::Connect(port) => TcpStream::connect((Ipv4Addr::LOCALHOST, *port))
                .await
                .is_ok(),
            Self::Amqp(port) => begins_amqp(*port).await.unwrap_or(false),
            Self::Page(client, url) => match client.get(url).send().await {
                Ok(answer) => answer.status().is_success(),
                Err(_) => false,
            },
        }
    }
}

/// What a part says is wrong although it works, from the second half of its `/readyz`.
pub(crate) async fn degraded(client: &Client, url: &str) -> Vec<String> {
    let Ok(answer) = client.get(url).send().await else {
        return Vec::new();
    };
    let text = answer.text().await.unwrap_or_default();
    text.lines()
        .filter_map(|line| line.strip_prefix("degraded: "))
        .map(str::to_owned)
        .collect()
}

/// Sends the protocol header and waits for the method `connection.start` (class 10, method 10) on channel 0.
async fn begins_amqp(port: u16) -> std::io::Result<bool> {
    let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    socket.write_all(b"AMQP\x00\x00\x09\x01").await?;
    let mut start = [0; 11];
    socket.read_exact(&mut start).await?;
    let (head, method) = start.split_at(7);
    Ok(head.starts_with(&[1, 0, 0]) && method == [0, 10, 0, 10])
}

/// Asks a page again and again until `good` takes the status of its answer.
pub(crate) async fn until(client: &Client, url: &str, good: impl Fn(u16) -> bool) {
    loop {
        if let Ok(answer) = client.get(url).send().await
            && good(answer.status().as_u16())
        {
            return;
        }
        sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    async fn answering(bytes: &'static [u8]) -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let _ = socket.write_all(bytes).await;
            }
        });
        port
    }

    #[tokio::test]
    async fn a_broker_that_begins_the_handshake_is_ready() {
        let port = answering(b"\x01\x00\x00\x00\x00\x01\xf4\x00\x0a\x00\x0a\x00\x09").await;
        assert!(begins_amqp(port).await.unwrap());
    }

    #[tokio::test]
    async fn another_server_on_the_port_is_not_a_broker() {
        let port = answering(b"HTTP/1.1 400 Bad Request\r\n").await;
        assert!(!begins_amqp(port).await.unwrap());
        let port = answering(b"AMQP").await;
        assert!(begins_amqp(port).await.is_err());
    }
}
