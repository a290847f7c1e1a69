//! The control plane's REST side on demand: the stand-in's list over HTTPS, whole or in one of the ways in which it fails.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use rescind_stack::Identity;
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
    time::sleep,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::{
    port::Port,
    world::{PATIENCE, World},
};

/// How the list is answered for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Answer {
    /// As the stand-in has it.
    Whole,
    /// Nobody listens.
    Down,
    /// The whole list, spread over so long, or until the answer is another one.
    Slow(Duration),
    /// The connection stays open and nothing comes.
    Never,
    /// This status, and no list.
    Status(u16),
    /// 200 with a body of no bytes.
    NoBody,
    /// 200 with a list of nothing, as when the database fails.
    EmptyList,
    /// This share of the whole list, then the connection is reset.
    CutAfter(f64),
}

#[derive(Debug, Clone, Copy)]
struct Script {
    answer: Answer,
    /// How far the `Date` is off, in seconds.
    off: i64,
}

/// The server. It answers from [`ListServer::serve`] on.
#[derive(Debug)]
pub(crate) struct ListServer {
    port: Arc<Port>,
    script: watch::Sender<Script>,
    serving: Option<JoinHandle<()>>,
}

/// Where the whole list is.
#[derive(Debug, Clone)]
struct Source {
    client: reqwest::Client,
    url: String,
    user: String,
    password: String,
}

impl ListServer {
    /// One with a port and an answer, before there is a stand-in to have the list from.
    pub(crate) fn new(answer: Answer) -> Self {
        Self {
            port: Arc::new(Port::free()),
            script: watch::Sender::new(Script { answer, off: 0 }),
            serving: None,
        }
    }

    /// The adapter's setting for where the list is.
    pub(crate) fn config(&self) -> String {
        let port = self.port.number();
        format!("[controlPlane]\nserviceURL = \"https://localhost:{port}/\"\n")
    }

    pub(crate) fn set(&self, answer: Answer) {
        self.script.send_modify(|script| script.answer = answer);
    }

    /// Puts its clock forward, or back.
    pub(crate) fn set_clock(&self, off_seconds: i64) {
        self.script.send_modify(|script| script.off = off_seconds);
    }

    /// Answers with the list of this world's stand-in and under its name.
    pub(crate) fn serve(&mut self, world: &World) {
        let source = Source {
            client: world.http().clone(),
            url: world
                .var("TOKEN_URL")
                .replace("/oauth2/token", "/internal/data/v1/revokedjwt"),
            user: world.var("ADMIN_USER"),
            password: world.var("ADMIN_PASSWORD"),
        };
        let tls = acceptor(&world.certs().identity("standin"));
        let serving = accept(Arc::clone(&self.port), self.script.subscribe(), tls, source);
        self.serving = Some(tokio::spawn(serving));
    }
}

impl Drop for ListServer {
    fn drop(&mut self) {
        if let Some(serving) = &self.serving {
            serving.abort();
        }
    }
}

fn acceptor(identity: &Identity) -> TlsAcceptor {
    let certs = CertificateDer::pem_file_iter(&identity.cert)
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let key = PrivateKeyDer::from_pem_file(&identity.key).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(certs, key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

async fn accept(
    port: Arc<Port>,
    mut script: watch::Receiver<Script>,
    tls: TlsAcceptor,
    source: Source,
) {
    let is_up = |script: &Script| script.answer != Answer::Down;
    while script.wait_for(is_up).await.is_ok() {
        let listener = port.listen();
        let of_each = script.clone();
        tokio::select! {
            _ = script.wait_for(|script| !is_up(script)) => {}
            () = serve(&listener, &of_each, &tls, &source) => {}
        }
    }
}

async fn serve(
    listener: &TcpListener,
    script: &watch::Receiver<Script>,
    tls: &TlsAcceptor,
    source: &Source,
) {
    while let Ok((socket, _)) = listener.accept().await {
        let (script, tls, source) = (script.clone(), tls.clone(), source.clone());
        tokio::spawn(async move {
            // Who goes away in the middle is the adapter's own affair.
            if let Ok(stream) = tls.accept(socket).await {
                let _ = answer(stream, script, source).await;
            }
        });
    }
}

async fn answer(
    mut stream: TlsStream<TcpStream>,
    mut script: watch::Receiver<Script>,
    source: Source,
) -> std::io::Result<()> {
    read_head(&mut stream).await?;
    let Script { answer, off } = *script.borrow_and_update();
    match answer {
        Answer::Whole => {
            let list = source.list().await;
            stream.write_all(&head(200, list.len(), off)).await?;
            stream.write_all(&list).await?;
        }
        Answer::Slow(time) => {
            const PIECES: usize = 20;
            let list = source.list().await;
            stream.write_all(&head(200, list.len(), off)).await?;
            for piece in list.chunks(list.len().div_ceil(PIECES)) {
                let is_over = |script: &Script| script.answer != answer;
                tokio::select! {
                    () = sleep(time / PIECES as u32) => {}
                    _ = script.wait_for(is_over) => {}
                }
                stream.write_all(piece).await?;
                stream.flush().await?;
            }
        }
        Answer::Status(status) => stream.write_all(&head(status, 0, off)).await?,
        Answer::NoBody => stream.write_all(&head(200, 0, off)).await?,
        Answer::EmptyList => {
            stream.write_all(&head(200, 2, off)).await?;
            stream.write_all(b"[]").await?;
        }
        Answer::CutAfter(share) => {
            let list = source.list().await;
            stream.write_all(&head(200, list.len(), off)).await?;
            let end = (list.len() as f64 * share) as usize;
            stream.write_all(&list[..end]).await?;
            stream.flush().await?;
            return reset(&stream);
        }
        Answer::Never | Answer::Down => {
            let _ = script
                .wait_for(|script| !matches!(script.answer, Answer::Never))
                .await;
            return reset(&stream);
        }
    }
    stream.shutdown().await
}

fn reset(stream: &TlsStream<TcpStream>) -> std::io::Result<()> {
    stream.get_ref().0.set_zero_linger()
}

async fn read_head(stream: &mut TlsStream<TcpStream>) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    Ok(())
}

fn head(status: u16, length: usize, off: i64) -> Vec<u8> {
    let now = SystemTime::now();
    let shift = Duration::from_secs(off.unsigned_abs());
    let date = if off < 0 { now - shift } else { now + shift };
    let date = httpdate::fmt_http_date(date);
    format!(
        "HTTP/1.1 {status} Scripted\r\nDate: {date}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n"
    )
    .into_bytes()
}

impl Source {
    async fn list(&self) -> Vec<u8> {
        let request = self.client.get(&self.url).timeout(PATIENCE);
        let request = request.basic_auth(&self.user, Some(&self.password));
        let answer = request.send().await.unwrap().error_for_status().unwrap();
        answer.bytes().await.unwrap().to_vec()
    }
}
