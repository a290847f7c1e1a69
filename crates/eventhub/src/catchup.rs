//! The control plane's whole list, over REST: `GET <serviceURL>/internal/data/v1/revokedjwt`.

use std::{error::Error as _, fmt, sync::Arc, time::Duration, time::SystemTime};

use reqwest::{Client, Response, StatusCode, Url, header, redirect};
use rescind_revocation::UnixMillis;
use thiserror::Error;

use crate::text::one_line;

mod list;
mod listing;
mod route;

pub use list::Rows;
use listing::Limits;
pub use listing::{Listing, Part};

/// Path below the service URL.
const PATH: &str = "internal/data/v1/revokedjwt";

/// The largest list that is read: about ten million rows.
const MAX_LIST_BYTES: usize = 1 << 30;

/// Where the list is, and who asks for it. Printing it shows no password.
#[derive(Clone)]
pub struct CatchupConfig {
    /// Base URL of the control plane, with or without a `/` at its end: `https://apim:9443/`.
    pub service_url: String,
    /// User name for Basic authentication.
    pub user: String,
    /// Password for Basic authentication.
    pub password: String,
    /// Trust, and the client's own certificate if it has one. Without ALPN: HTTP/1.1 is spoken.
    pub tls: Arc<rustls::ClientConfig>,
    /// The name to ask for and to verify, where the URL's host is not in the control plane's certificate: the one that
    /// APIM is shipped with names only `localhost`.
    pub server_name: Option<String>,
    /// How long a connection may take, with its TLS handshake. Default: 10 s.
    pub connect_timeout: Duration,
    /// How long the control plane may send nothing. Default: 60 s, since it reads its whole table first. After twice that
    /// a list is given up that comes more slowly than 16 KiB a second.
    pub read_timeout: Duration,
}

impl CatchupConfig {
    /// Settings with the default time limits.
    pub fn new(
        service_url: impl Into<String>,
        user: impl Into<String>,
        password: impl Into<String>,
        tls: Arc<rustls::ClientConfig>,
    ) -> Self {
        Self {
            service_url: service_url.into(),
            user: user.into(),
            password: password.into(),
            tls,
            server_name: None,
            connect_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(60),
        }
    }
}

impl fmt::Debug for CatchupConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CatchupConfig")
            .field("user", &self.user)
            .field("server_name", &self.server_name)
            .finish_non_exhaustive()
    }
}

/// What is wrong with a [`CatchupConfig`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CatchupConfigError {
    /// Not an `http` or `https` URL with a host.
    #[error("serviceURL is not a URL such as https://apim:9443/")]
    ServiceUrl,
    /// User and password have settings of their own.
    #[error("serviceURL holds credentials; set username and password instead")]
    Credentials,
    /// Not a DNS name.
    #[error("serverName is not a DNS name")]
    ServerName,
    /// The HTTP client cannot be made.
    #[error("HTTP client: {0}")]
    Client(String),
}

/// Why the list was not read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CatchupError {
    /// 401 or 403: user name or password are wrong, or the user may not read the list.
    #[error("status {0}: user name or password are wrong, or the user lacks the right")]
    Unauthorized(u16),
    /// Any other status than 200. Redirects are not followed: credentials stay where they were meant to go.
    #[error("status {0}")]
    Status(u16),
    /// No answer, or half of one. One line, without URL and credentials.
    #[error("{0}")]
    Transport(String),
    /// An answer that is not a list: empty, not JSON, another shape, or too large. It shows no part of the answer.
    #[error("answer is not a list of revocations: {0}")]
    Body(String),
    /// A list has rows, and none of them can be read: they have another form than the one we know, so that what they
    /// revoke is not known. What could be read of the other lists was handed on.
    #[error(
        "no row of {list} can be read, {} of {} in all: what they name is not refused",
        rows.skipped, rows.total
    )]
    Unreadable {
        /// The first such list: its name in the answer, or `the list` where there is but one.
        list: &'static str,
        /// All rows of the answer.
        rows: Rows,
    },
}

/// A client for the list. Each fetch is one attempt on a connection of its own; whether and when to try again is the
/// caller's affair.
#[derive(Debug, Clone)]
pub struct Catchup {
    client: Client,
    url: Url,
    host: Option<String>,
    config: CatchupConfig,
}

impl Catchup {
    /// The base URL of the control plane, which holds no credentials.
    pub fn service_url(&self) -> &str {
        &self.config.service_url
    }

    /// Checks the settings. Nothing is connected yet.
    pub fn new(config: CatchupConfig) -> Result<Self, CatchupConfigError> {
        let route = route::route(&config.service_url, config.server_name.as_deref())?;
        let mut builder = Client::builder()
            .tls_backend_preconfigured(rustls::ClientConfig::clone(&config.tls))
            .redirect(redirect::Policy::none())
            // A proxy named in the environment is not meant for the control plane, and Choreo Connect uses none.
            .no_proxy()
            // Fetches are far apart: a connection kept that long is a broken one.
            .pool_max_idle_per_host(0)
            .http1_only()
            .connect_timeout(config.connect_timeout)
            .read_timeout(config.read_timeout);
        if let Some(real) = route.resolve {
            builder = builder.dns_resolver(real);
        }
        let client = builder
            .build()
            .map_err(|error| CatchupConfigError::Client(chain(&error)))?;
        Ok(Self {
            client,
            url: route.url,
            host: route.host,
            config,
        })
    }

    /// Asks for the list once, at the moment `now`. What is answered is read by [`Listing::next`].
    ///
    /// The later of `now` and the control plane's clock stands in for a moment of revocation that is absent or lies in the
    /// future.
    pub async fn fetch(&self, now: UnixMillis) -> Result<Listing, CatchupError> {
        let mut request = self
            .client
            .get(self.url.clone())
            .basic_auth(&self.config.user, Some(&self.config.password));
        if let Some(host) = &self.host {
            request = request.header(header::HOST, host);
        }
        let response = request.send().await.map_err(transport)?;
        match response.status() {
            StatusCode::OK => {}
            status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
                return Err(CatchupError::Unauthorized(status.as_u16()));
            }
            status => return Err(CatchupError::Status(status.as_u16())),
        }
        let limits = Limits {
            bytes: MAX_LIST_BYTES,
            behind: self.config.read_timeout * 2,
        };
        Ok(Listing::begin(response, now, limits))
    }
}

fn date(response: &Response) -> Option<UnixMillis> {
    let text = response.headers().get(header::DATE)?.to_str().ok()?;
    let date = httpdate::parse_http_date(text).ok()?;
    let since = date.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    u64::try_from(since.as_millis()).ok().map(UnixMillis)
}

fn transport(error: reqwest::Error) -> CatchupError {
    CatchupError::Transport(chain(&error.without_url()))
}

/// An error and its causes, which say more than it does, in one line.
fn chain(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    one_line(&text, 500).into()
}

#[cfg(test)]
mod tests;
