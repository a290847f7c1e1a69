//! The attributes of a check, as a decision wants to see them: borrowed, nothing copied.

use rescind_authz::Headers;
use rescind_proto::envoy::service::auth::v3::{CheckRequest, attribute_context::HttpRequest};

/// The headers of a checked request, in whichever of the two forms the proxy sent them.
///
/// In the map names are unique and several values of one are joined by commas. The list (`encode_raw_headers`) has each value
/// by itself, as bytes. Envoy writes names in lower case; a client that does not is understood too, so that no credential
/// hides behind a capital letter.
#[derive(Debug)]
pub(super) struct RequestHeaders<'r>(pub(super) &'r HttpRequest);

impl Headers for RequestHeaders<'_> {
    fn values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        let joined = self.0.headers.iter();
        let joined = joined.map(|(key, value)| (key, value.as_bytes()));
        let list = self.0.header_map.iter().flat_map(|map| &map.headers);
        let list = list.map(|header| match header.raw_value.is_empty() {
            true => (&header.key, header.value.as_bytes()),
            false => (&header.key, &*header.raw_value),
        });
        joined
            .chain(list)
            .filter(move |(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }
}

/// The HTTP request that is checked, if the check has one.
pub(super) fn http(check: &CheckRequest) -> Option<&HttpRequest> {
    check.attributes.as_ref()?.request.as_ref()?.http.as_ref()
}

/// The request target up to its query.
pub(super) fn path_without_query(http: &HttpRequest) -> &str {
    http.path.split('?').next().unwrap_or_default()
}

/// What ties the answer to the request in the proxy's log: its `x-request-id`, else the proxy's own id for it.
pub(super) fn correlation_id(http: &HttpRequest) -> String {
    match RequestHeaders(http).values("x-request-id").next() {
        Some(id) => String::from_utf8_lossy(id).into_owned(),
        None => http.id.clone(),
    }
}
