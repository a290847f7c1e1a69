use std::{
    future::poll_fn,
    sync::atomic::AtomicUsize,
    task::{Wake, Waker},
};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

/// A socket that notes each write.
#[derive(Default)]
struct Noting {
    writes: Vec<Vec<u8>>,
    broken: bool,
}

impl AsyncRead for Noting {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Noting {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.broken {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        self.writes.push(bytes.to_vec());
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn with_calls(calls: usize) -> Gathering<Noting> {
    let gathering = Gathering::new(Noting::default());
    gathering.busy().0.store(calls, Ordering::Relaxed);
    gathering
}

async fn write_and_flush(gathering: &mut Gathering<Noting>, frame: &[u8]) {
    gathering.write_all(frame).await.unwrap();
    gathering.flush().await.unwrap();
}

#[tokio::test]
async fn what_many_calls_write_in_a_turn_goes_out_in_one_when_the_next_begins() {
    let mut gathering = with_calls(2);
    for frame in [b"one", b"two"] {
        write_and_flush(&mut gathering, frame).await;
    }
    assert!(gathering.io.writes.is_empty());
    let _ = gathering.read(&mut [0]).await.unwrap();
    assert_eq!(gathering.io.writes, [b"onetwo"]);
    // And no more than once.
    let _ = gathering.read(&mut [0]).await.unwrap();
    assert_eq!(gathering.io.writes.len(), 1);
}

#[tokio::test]
async fn a_single_call_writes_at_once() {
    let mut gathering = with_calls(1);
    write_and_flush(&mut gathering, b"one").await;
    assert_eq!(gathering.io.writes, [b"one"]);
    assert_eq!(gathering.gathered.capacity(), 0);
}

#[tokio::test]
async fn the_order_stays_when_calls_end_and_when_much_is_written() {
    let mut gathering = with_calls(2);
    write_and_flush(&mut gathering, &[1; 10_000]).await;
    write_and_flush(&mut gathering, &[2; 10_000]).await;
    assert_eq!(gathering.io.writes, [[1; 10_000]]);
    gathering.busy.0.store(0, Ordering::Relaxed);
    write_and_flush(&mut gathering, &[3; 1000]).await;
    assert_eq!(gathering.io.writes.len(), 1);
    write_and_flush(&mut gathering, &[4; GATHERED]).await;
    assert_eq!(gathering.io.writes.len(), 3);
    let all: Vec<u8> = gathering.io.writes.concat();
    assert!(all.is_sorted());
    assert_eq!(all.len(), 21_000 + GATHERED);
    assert_eq!(gathering.gathered.capacity(), 0);
}

#[tokio::test]
async fn what_is_gathered_goes_out_before_the_end() {
    let mut gathering = with_calls(2);
    gathering.write_all(b"last").await.unwrap();
    gathering.shutdown().await.unwrap();
    assert_eq!(gathering.io.writes, [b"last"]);
}

#[tokio::test]
async fn a_broken_socket_shows_where_the_next_turn_reads() {
    let mut gathering = with_calls(2);
    write_and_flush(&mut gathering, b"lost").await;
    gathering.io.broken = true;
    let error = gathering.read(&mut [0]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
}

struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn a_flush_asks_for_another_turn_and_only_once() {
    let wakes = Arc::new(Wakes(AtomicUsize::new(0)));
    let waker = Waker::from(Arc::clone(&wakes));
    let mut gathering = with_calls(2);
    for _ in 0..3 {
        gathering.write_all(b"frame").await.unwrap();
        let flushed =
            poll_fn(|_| Pin::new(&mut gathering).poll_flush(&mut Context::from_waker(&waker)));
        flushed.await.unwrap();
    }
    assert_eq!(wakes.0.load(Ordering::Relaxed), 1);
}
