//! From a name to its addresses, within bounded time.

use std::{
    error::Error,
    io,
    net::SocketAddr,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{TryFutureExt as _, future::BoxFuture};
use hyper_util::client::legacy::connect::dns::Name;
use tokio::time::timeout;
use tower::Service;

/// The longest that it may take: the system asks its second name server when the first has been silent for 5 s.
const WITHIN: Duration = Duration::from_secs(6);

/// A resolver that gives up. The system's own may take minutes, and everyone who waits for a connection waits for it.
#[derive(Debug, Clone)]
pub(crate) struct Bounded<R>(pub(crate) R);

impl<R> Service<Name> for Bounded<R>
where
    R: Service<Name>,
    R::Response: Iterator<Item = SocketAddr>,
    R::Error: Into<Box<dyn Error + Send + Sync>> + 'static,
    R::Future: Send + 'static,
{
    type Response = R::Response;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<R::Response>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_ready(context).map_err(io::Error::other)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let late = format!("the address of {name} was not found within {WITHIN:?}");
        let found = timeout(WITHIN, self.0.call(name).map_err(io::Error::other));
        Box::pin(async move {
            let late = |_| io::Error::new(io::ErrorKind::TimedOut, late);
            found.await.map_err(late)?
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{array, future::pending};

    use tower::{ServiceExt as _, service_fn};

    use super::*;

    type Addresses = array::IntoIter<SocketAddr, 1>;

    #[tokio::test(start_paused = true)]
    async fn name_servers_that_are_silent_are_given_up() {
        let silent = service_fn(|_: Name| pending::<io::Result<Addresses>>());
        let name = "adapter.example".parse::<Name>().unwrap();
        let found = timeout(2 * WITHIN, Bounded(silent).oneshot(name)).await;
        let error = found.expect("it gives up by itself").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(error.to_string().contains("adapter.example"), "{error}");
    }
}
