//! The attributes of a check, as a decision wants to see them: borrowed from its bytes, nothing copied.
//!
//! Only what a decision looks at is looked at; the rest, such as the body, is passed over. A message that comes in pieces is
//! put together as protocol buffers say, but for a header that stands twice: both are seen, so that none hides the other.

use rescind_authz::Headers;

use super::wire::{Fields, Malformed, Value};

/// What a check says.
#[derive(Debug, Default)]
pub(super) struct Attributes<'a> {
    /// The request that is checked, if there is one.
    pub(super) http: Option<HttpRequest<'a>>,
    /// What the route says for itself.
    pub(super) extensions: Extensions<'a>,
    /// `envoy.config.core.v3.Metadata`, in pieces.
    pub(super) metadata: Vec<&'a [u8]>,
}

/// The request that is checked.
#[derive(Debug, Default)]
pub(super) struct HttpRequest<'a> {
    /// The proxy's own id for it.
    pub(super) id: &'a str,
    pub(super) method: &'a str,
    /// The request target: path and query.
    pub(super) path: &'a str,
    /// By names as they were sent, in whichever of the two forms the proxy sent them.
    ///
    /// In the map names are unique and several values of one are joined by commas. The list (`encode_raw_headers`) has each
    /// value by itself, as bytes.
    headers: Vec<(&'a str, &'a [u8])>,
}

/// Context extensions.
#[derive(Debug, Default)]
pub(super) struct Extensions<'a>(Vec<(&'a str, &'a str)>);

/// As many as a browser sends through a proxy.
const HEADERS: usize = 24;

impl<'a> Attributes<'a> {
    /// Reads a `CheckRequest`.
    pub(super) fn read(check: &'a [u8]) -> Result<Self, Malformed> {
        let mut attributes = Self::default();
        for field in Fields::of(check) {
            if let (1, value) = field? {
                attributes.merge(value.bytes()?)?;
            }
        }
        Ok(attributes)
    }

    /// `AttributeContext`.
    fn merge(&mut self, context: &'a [u8]) -> Result<(), Malformed> {
        for field in Fields::of(context) {
            match field? {
                (4, request) => self.merge_request(request.bytes()?)?,
                (10, entry) => {
                    let (key, value) = entry_of(entry)?;
                    self.extensions.0.push((key, text(value)?));
                }
                (11, metadata) => self.metadata.push(metadata.bytes()?),
                _ => {}
            }
        }
        Ok(())
    }

    fn merge_request(&mut self, request: &'a [u8]) -> Result<(), Malformed> {
        for field in Fields::of(request) {
            if let (2, value) = field? {
                let http = self.http.get_or_insert_with(|| HttpRequest {
                    headers: Vec::with_capacity(HEADERS),
                    ..HttpRequest::default()
                });
                http.merge(value.bytes()?)?;
            }
        }
        Ok(())
    }
}

impl<'a> HttpRequest<'a> {
    fn merge(&mut self, http: &'a [u8]) -> Result<(), Malformed> {
        for field in Fields::of(http) {
            match field? {
                (1, id) => self.id = id.text()?,
                (2, method) => self.method = method.text()?,
                (3, entry) => self.headers.push(entry_of(entry)?),
                (4, path) => self.path = path.text()?,
                (13, list) => self.merge_list(list.bytes()?)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// `envoy.config.core.v3.HeaderMap`.
    fn merge_list(&mut self, list: &'a [u8]) -> Result<(), Malformed> {
        for field in Fields::of(list) {
            if let (1, header) = field? {
                self.headers.push(listed(header.bytes()?)?);
            }
        }
        Ok(())
    }

    /// The request target up to its query.
    pub(super) fn path_without_query(&self) -> &'a str {
        self.path.split('?').next().unwrap_or_default()
    }

    /// What ties the answer to the request in the proxy's log: its `x-request-id`, else the proxy's own id for it.
    pub(super) fn correlation_id(&self) -> std::borrow::Cow<'a, str> {
        let header = self.headers.iter();
        let mut header = header.filter(|(name, _)| name.eq_ignore_ascii_case("x-request-id"));
        match header.next() {
            Some((_, id)) => String::from_utf8_lossy(id),
            None => self.id.into(),
        }
    }
}

/// Envoy writes names in lower case; a client that does not is understood too, so that no credential hides behind a capital
/// letter.
impl Headers for HttpRequest<'_> {
    fn values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.headers
            .iter()
            .filter(move |(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| *value)
    }
}

impl<'a> Extensions<'a> {
    #[cfg(test)]
    pub(super) fn of(extensions: &[(&'a str, &'a str)]) -> Self {
        Self(extensions.to_vec())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of one; of several, the last.
    pub(super) fn get(&self, name: &str) -> Option<&'a str> {
        let last = self.0.iter().rfind(|(key, _)| *key == name);
        last.map(|(_, value)| *value)
    }
}

/// An entry of a `map<string, string>`.
fn entry_of(entry: Value<'_>) -> Result<(&str, &[u8]), Malformed> {
    let (mut key, mut value) = ("", "");
    for field in Fields::of(entry.bytes()?) {
        match field? {
            (1, text) => key = text.text()?,
            (2, text) => value = text.text()?,
            _ => {}
        }
    }
    Ok((key, value.as_bytes()))
}

/// `envoy.config.core.v3.HeaderValue`.
fn listed(header: &[u8]) -> Result<(&str, &[u8]), Malformed> {
    let (mut key, mut value, mut raw) = ("", "", &[][..]);
    for field in Fields::of(header) {
        match field? {
            (1, text) => key = text.text()?,
            (2, text) => value = text.text()?,
            (3, bytes) => raw = bytes.bytes()?,
            _ => {}
        }
    }
    let value = if raw.is_empty() {
        value.as_bytes()
    } else {
        raw
    };
    Ok((key, value))
}

fn text(bytes: &[u8]) -> Result<&str, Malformed> {
    std::str::from_utf8(bytes).map_err(|_| Malformed)
}

#[cfg(test)]
mod tests;
