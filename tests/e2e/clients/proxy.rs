//! A piece of network between two parts: it can be cut, and it counts what passes.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::AbortHandle,
};

/// Passes connections on to one address, until it is dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    whole: watch::Sender<bool>,
    answered: Arc<AtomicU64>,
    listening: AbortHandle,
}

impl Proxy {
    /// In front of `target`, `host:port`.
    pub(crate) async fn to(target: impl Into<String>) -> Self {
        let target = target.into();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (whole, watched) = watch::channel(true);
        let answered = Arc::new(AtomicU64::new(0));
        let counted = answered.clone();
        let listening = tokio::spawn(async move {
            loop {
                let (caller, _) = listener.accept().await.unwrap();
                // Cut: whoever calls is hung up on at once.
                if *watched.borrow() {
                    let watched = watched.clone();
                    tokio::spawn(pass(caller, target.clone(), watched, counted.clone()));
                }
            }
        });
        Self {
            address,
            whole,
            answered,
            listening: listening.abort_handle(),
        }
    }

    /// Where to call it.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends every connection and lets no new one through.
    pub(crate) fn cut(&self) {
        self.whole.send_replace(false);
    }

    /// Lets new connections through again.
    pub(crate) fn mend(&self) {
        self.whole.send_replace(true);
    }

    /// Bytes that went from the target to its callers so far.
    pub(crate) fn answered(&self) -> u64 {
        self.answered.load(Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// Until one side ends, or the way is cut.
async fn pass(
    caller: TcpStream,
    target: String,
    mut whole: watch::Receiver<bool>,
    answered: Arc<AtomicU64>,
) {
    let Ok(callee) = TcpStream::connect(target).await else {
        return;
    };
    for end in [&caller, &callee] {
        end.set_nodelay(true).unwrap();
    }
    let (caller_in, caller_out) = caller.into_split();
    let (callee_in, callee_out) = callee.into_split();
    let uncounted = AtomicU64::new(0);
    tokio::select! {
        () = copy(caller_in, callee_out, &uncounted) => {}
        () = copy(callee_in, caller_out, &answered) => {}
        _ = whole.wait_for(|whole| !whole) => {}
    }
}

async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    count: &AtomicU64,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
        count.fetch_add(length as u64, Relaxed);
    }
}
