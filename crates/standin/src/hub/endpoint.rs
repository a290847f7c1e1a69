//! Where the hub is.

use std::fmt;
use std::path::{Path, PathBuf};
use std::{fs, io};

use lapin::tcp::OwnedTLSConfig;
use lapin::uri::AMQPUri;
use rescind_runtime::Secret;
use thiserror::Error;

use crate::config::HubConfig;

/// Seconds. Qpid and Andes offer none of their own, and without one a frozen broker goes unnoticed.
const HEARTBEAT: u16 = 10;

/// A broker and how to reach it. Prints neither user nor password.
#[derive(Clone)]
pub struct Endpoint {
    pub(super) uri: AMQPUri,
    pub(super) tls: OwnedTLSConfig,
}

/// Why there is no endpoint.
#[derive(Debug, Error)]
pub enum EndpointError {
    /// The section says "enabled" and no more.
    #[error("expected amqp://user:password@host:port/vhost, found none")]
    Missing,
    /// Not echoed: it may hold a password.
    #[error("expected amqp://user:password@host:port/vhost, found something else")]
    Malformed,
    /// The roots cannot be read.
    #[error("hub.caFile: cannot read {path}")]
    CaFile {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

impl Endpoint {
    /// Reads the section. `None` where the hub is switched off.
    pub fn from_config(config: &HubConfig) -> Result<Option<Self>, EndpointError> {
        if !config.enabled {
            return Ok(None);
        }
        let url = config.url.as_ref().map_or("", Secret::expose);
        if url.is_empty() {
            return Err(EndpointError::Missing);
        }
        Ok(Some(Self {
            uri: parse(url)?,
            tls: OwnedTLSConfig {
                identity: None,
                cert_chain: read_ca(&config.ca_file)?,
            },
        }))
    }
}

/// Cuts Choreo Connect's options from `?` on, as it does itself.
fn parse(url: &str) -> Result<AMQPUri, EndpointError> {
    let (url, _options) = url.split_once('?').unwrap_or((url, ""));
    let mut uri: AMQPUri = url.parse().map_err(|_| EndpointError::Malformed)?;
    if uri.vhost.is_empty() {
        uri.vhost = "/".into();
    }
    uri.query.heartbeat = Some(HEARTBEAT);
    Ok(uri)
}

fn read_ca(file: &str) -> Result<Option<String>, EndpointError> {
    if file.is_empty() {
        return Ok(None);
    }
    let read = fs::read_to_string(file).map_err(|source| EndpointError::CaFile {
        path: Path::new(file).to_owned(),
        source,
    })?;
    Ok(Some(read))
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AMQPUri {
            scheme,
            authority,
            vhost,
            ..
        } = &self.uri;
        let vhost = vhost.trim_start_matches('/');
        let (host, port) = (&authority.host, authority.port);
        write!(f, "{scheme}://******@{host}:{port}/{vhost}")
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_and_a_slash_are_the_default_vhost() {
        for url in ["amqp://a:b@h:1", "amqp://a:b@h:1/", "amqp://a:b@h:1/%2f"] {
            assert_eq!(parse(url).unwrap().vhost, "/", "{url}");
        }
        assert_eq!(parse("amqp://a:b@h:1/carbon").unwrap().vhost, "carbon");
    }

    #[test]
    fn the_options_of_choreo_connect_are_cut() {
        let uri = parse("amqp://a:b%40@h:5673?retries='10'&connectdelay='30'").unwrap();
        assert_eq!(uri.authority.port, 5673);
        assert_eq!(uri.authority.userinfo.password, "b@");
        assert_eq!(uri.query.heartbeat, Some(HEARTBEAT));
    }

    #[test]
    fn credentials_are_not_printed() {
        let endpoint = Endpoint {
            uri: parse("amqp://admin:hunter2@h:5673/carbon").unwrap(),
            tls: OwnedTLSConfig::default(),
        };
        assert_eq!(endpoint.to_string(), "amqp://******@h:5673/carbon");
        assert_eq!(
            format!("{endpoint:?}"),
            "Endpoint(amqp://******@h:5673/carbon)"
        );
        let error = parse("hunter2 is no url").unwrap_err();
        assert!(!error.to_string().contains("hunter2"));
    }
}
