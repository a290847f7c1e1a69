//! The xDS port while the ledger is read: whoever calls is told to come again, instead of waiting without a word.

use std::{future::Future, pin::pin, time::Duration};

use anyhow::bail;
use axum::{Router, body::Body};
use futures_util::TryStreamExt as _;
use rescind_runtime::tls::TlsListener;
use tokio::time::timeout;
use tonic::{Status, service::Routes, transport::Server};

use super::Connection;

/// How long the connections have to go when the ledger is read. One that stays is answered in the same way until it goes:
/// nobody who holds one open keeps the adapter from its work.
const LEAVING: Duration = Duration::from_millis(500);

/// Answers every call on `listener` with `UNAVAILABLE` until `loading` is over. Its connections are told to go then.
pub(crate) async fn refuse_while<T>(
    listener: &mut TlsListener,
    loading: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    let (over, until) = tokio::sync::oneshot::channel::<()>();
    let refused = Router::new().fallback(async || {
        Status::unavailable("the adapter is reading its ledger").into_http::<Body>()
    });
    let connections = listener.map_ok(Connection::new);
    let ended = async {
        // An error: it is over.
        let _ = until.await;
    };
    let mut refusing = pin!(Server::builder().serve_with_incoming_shutdown(
        Routes::from(refused),
        connections,
        ended,
    ));
    let loaded = tokio::select! {
        loaded = loading => loaded?,
        ended = &mut refusing => bail!("the xDS server has ended: {ended:?}"),
    };
    drop(over);
    // An error: somebody stays.
    let _ = timeout(LEAVING, refusing).await;
    Ok(loaded)
}
