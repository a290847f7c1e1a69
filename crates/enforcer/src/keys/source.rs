//! One place that keys come from: a certificate's file, a JWK Set's file, or a JWK Set's URL.

use std::{
    error::Error as _,
    fmt, io,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, anyhow};
use aws_lc_rs::digest::SHA256;
use reqwest::{Client, StatusCode, Url, header::ACCEPT, redirect::Policy};
use rescind_authz::{Jwks, KeyError, VerificationKey};
use rescind_runtime::{
    exit::UsageError,
    tls::{Trust, client_config},
};
use thiserror::Error;
use tracing::warn;

use crate::config::{KidCertificate, Role, Security, TokenService};

/// The longest document that is read.
const MAX_BYTES: usize = 1024 * 1024;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const TIMEOUT: Duration = Duration::from_secs(10);

/// Where one kind of keys of one token service is kept. Prints as the service's name and the place.
#[derive(Debug)]
pub(super) struct Source {
    /// The token service's place in the configuration.
    pub(super) service: usize,
    name: String,
    /// Where in the table of its token service.
    key: String,
    place: Place,
}

#[derive(Debug)]
enum Place {
    /// With the `kid` that it is for, if it is for one alone.
    Certificate(PathBuf, Option<Box<str>>),
    File(PathBuf),
    Url(Url, Client),
}

/// What was loaded.
#[derive(Debug)]
pub(super) enum Loaded {
    Jwks(Jwks),
    Certificate(VerificationKey),
}

/// What was loaded, and what it was read from.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) loaded: Loaded,
    /// Tells one content from another.
    pub(super) digest: [u8; 32],
    /// A JWK Set as it came.
    pub(super) json: Vec<u8>,
}

/// Why nothing was.
#[derive(Debug, Error)]
pub(super) enum LoadError {
    #[error("cannot read the file")]
    File(#[source] io::Error),
    #[error("no answer: {0}")]
    Http(String),
    #[error("answered {0}, expected 200 OK")]
    Status(StatusCode),
    #[error("longer than {MAX_BYTES} bytes")]
    TooLong,
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("no key in the JWK Set can be used ({0} skipped)")]
    NoKey(usize),
}

/// The sources of all token services; `trust` has one for each.
pub(super) fn of(
    security: &Security,
    trust_store: &Path,
    trust: &[Trust],
) -> anyhow::Result<Vec<Source>> {
    let mut sources = Vec::new();
    for (at, (service, trust)) in security.token_service.iter().zip(trust).enumerate() {
        let source = |key: &str, place| Source {
            service: at,
            name: service.name.clone(),
            key: format!("{}.{key}", key_of(at)),
            place,
        };
        if let Some(path) = certificate(at, service, trust_store)? {
            let place = Place::Certificate(path, None);
            sources.push(source("certificateFilePath", place));
        }
        for (n, KidCertificate { kid, file_path }) in service.certificates.iter().enumerate() {
            let place = Place::Certificate(file_path.into(), Some(kid.as_str().into()));
            sources.push(source(&format!("certificates[{n}].filePath"), place));
        }
        if service.role() == Role::Issuer && !service.jwks_url.is_empty() {
            let place = jwks(&service.jwks_url, trust);
            let place =
                place.map_err(|error| UsageError::of(format!("{}.jwksURL", key_of(at)), error))?;
            sources.push(source("jwksURL", place));
        }
    }
    Ok(sources)
}

/// The dotted key of the token service at this place of the list.
fn key_of(at: usize) -> String {
    format!("enforcer.security.tokenService[{at}]")
}

/// The certificate's file: the one named, else the one that the alias names in the trust store's folder. Where there is a
/// JWK Set the alias alone names nothing: configurations carry it by habit.
fn certificate(
    at: usize,
    service: &TokenService,
    trust_store: &Path,
) -> anyhow::Result<Option<PathBuf>> {
    if !service.certificate_file_path.is_empty() {
        return Ok(Some(PathBuf::from(&service.certificate_file_path)));
    }
    let alias = &service.certificate_alias;
    let has_jwks = service.role() == Role::Issuer && !service.jwks_url.is_empty();
    if alias.is_empty() || has_jwks {
        return Ok(None);
    }
    let found = ["pem", "crt"]
        .map(|extension| trust_store.join(format!("{alias}.{extension}")))
        .into_iter()
        .find(|path| path.is_file());
    match found {
        Some(path) => Ok(Some(path)),
        None => Err(UsageError::of(
            format!("{}.certificateAlias", key_of(at)),
            anyhow!(
                "\"{alias}\" names neither {alias}.pem nor {alias}.crt in {}; certificateFilePath names a file",
                trust_store.display()
            ),
        )
        .into()),
    }
}

fn jwks(text: &str, trust: &Trust) -> anyhow::Result<Place> {
    let url = Url::parse(text).with_context(|| format!("{text} is no URL"))?;
    if let ("file", Ok(path)) = (url.scheme(), url.to_file_path()) {
        return Ok(Place::File(path));
    }
    if url.scheme() == "http" {
        warn!(%url, "Keys come over plain HTTP: who sits between can sign any token");
    }
    let tls = client_config(trust, None, &["http/1.1"])?;
    let client = Client::builder()
        .tls_backend_preconfigured(rustls::ClientConfig::clone(&tls))
        .https_only(url.scheme() == "https")
        .redirect(Policy::limited(3))
        .no_proxy()
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(TIMEOUT)
        .build()
        .context("cannot prepare the HTTP client for JWK Sets")?;
    Ok(Place::Url(url, client))
}

impl Source {
    /// The dotted key that names this place.
    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// The `kid` of the tokens that its certificate is for, if it is for those alone.
    pub(super) fn kid(&self) -> Option<&str> {
        match &self.place {
            Place::Certificate(_, kid) => kid.as_deref(),
            Place::File(_) | Place::Url(..) => None,
        }
    }

    /// Reads what must be there when the process starts.
    pub(super) fn read_at_start(&self) -> Option<Result<Document, LoadError>> {
        match &self.place {
            Place::Certificate(path, _) => Some(read(path).and_then(of_certificate)),
            Place::File(_) | Place::Url(..) => None,
        }
    }

    /// Where it is fetched from, if it is.
    pub(super) fn url(&self) -> Option<&Url> {
        match &self.place {
            Place::Url(url, _) => Some(url),
            Place::Certificate(..) | Place::File(_) => None,
        }
    }

    /// Reads or fetches.
    pub(super) async fn load(&self) -> Result<Document, LoadError> {
        match &self.place {
            Place::Certificate(path, _) => read(path).and_then(of_certificate),
            Place::File(path) => read(path).and_then(of_jwks),
            Place::Url(url, client) => fetch(client, url).await.and_then(of_jwks),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        match &self.place {
            Place::Certificate(path, _) | Place::File(path) => {
                write!(f, "{name} ({})", path.display())
            }
            Place::Url(url, _) => write!(f, "{name} ({url})"),
        }
    }
}

/// A few kilobytes from a local file: not worth a thread.
fn read(path: &Path) -> Result<Vec<u8>, LoadError> {
    let length = std::fs::metadata(path).map_err(LoadError::File)?.len();
    if length > MAX_BYTES as u64 {
        return Err(LoadError::TooLong);
    }
    std::fs::read(path).map_err(LoadError::File)
}

fn of_certificate(pem: Vec<u8>) -> Result<Document, LoadError> {
    let key = VerificationKey::from_pem(&pem)?;
    Ok(Document {
        loaded: Loaded::Certificate(key),
        digest: digest_of(&pem),
        json: Vec::new(),
    })
}

pub(super) fn of_jwks(json: Vec<u8>) -> Result<Document, LoadError> {
    let jwks = Jwks::parse(&json)?;
    if jwks.is_empty() {
        return Err(LoadError::NoKey(jwks.skipped()));
    }
    let loaded = Loaded::Jwks(jwks);
    Ok(Document {
        digest: digest_of(&json),
        loaded,
        json,
    })
}

fn digest_of(content: &[u8]) -> [u8; 32] {
    let mut digest = [0; 32];
    digest.copy_from_slice(aws_lc_rs::digest::digest(&SHA256, content).as_ref());
    digest
}

async fn fetch(client: &Client, url: &Url) -> Result<Vec<u8>, LoadError> {
    let request = client.get(url.clone()).header(ACCEPT, "application/json");
    let mut response = request.send().await.map_err(http)?;
    if response.status() != StatusCode::OK {
        return Err(LoadError::Status(response.status()));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(http)? {
        if body.len() + chunk.len() > MAX_BYTES {
            return Err(LoadError::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The innermost cause says what is wrong; the others say that something is.
fn http(error: reqwest::Error) -> LoadError {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let inner = error.to_string();
        if !text.contains(&inner) {
            text = format!("{text}: {inner}");
        }
        cause = error.source();
    }
    LoadError::Http(text)
}
