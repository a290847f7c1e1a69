//! What both halves must spell alike.

use prost::Message;

use crate::Any;

/// The type of every resource on the stream.
pub const TYPE_URL: &str = "type.googleapis.com/wso2.discovery.keymgt.RevokedToken";

/// In `node.client_features`: a client that takes every kind of entry and expects empty responses when idle.
pub const RESCIND_FEATURE: &str = "rescind.v1";

/// What one resource adds to the size of a response, in bytes: tag, length and body.
pub fn wire_len(resource: &Any) -> usize {
    let body = resource.encoded_len();
    1 + prost::length_delimiter_len(body) + body
}

/// `control_plane.identifier` towards [`RESCIND_FEATURE`] clients: the head's version at the sending, and whether the
/// source was complete.
pub(crate) fn identifier(head_version: &str, complete: bool) -> String {
    let word = if complete { COMPLETE } else { INCOMPLETE };
    format!("{head_version} {word}")
}

/// Reads what [`identifier`] wrote; `None` for the identifiers of other servers.
pub(crate) fn parse_identifier(identifier: &str) -> Option<(&str, bool)> {
    let (version, word) = identifier.rsplit_once(' ')?;
    match word {
        COMPLETE => Some((version, true)),
        INCOMPLETE => Some((version, false)),
        _ => None,
    }
}

const COMPLETE: &str = "complete";
const INCOMPLETE: &str = "incomplete";

#[cfg(test)]
mod tests {
    use rescind_proto::envoy::service::discovery::v3::DiscoveryResponse;

    use super::*;

    #[test]
    fn an_identifier_is_read_as_it_was_written() {
        assert_eq!(
            parse_identifier(&identifier("7-0a", true)),
            Some(("7-0a", true))
        );
        assert_eq!(parse_identifier(&identifier("", false)), Some(("", false)));
    }

    #[test]
    fn identifiers_of_other_servers_say_nothing() {
        for other in ["", "complete", "istiod-7", "7-0a completely"] {
            assert_eq!(parse_identifier(other), None, "{other:?}");
        }
    }

    #[test]
    fn the_wire_length_is_what_a_response_grows_by() {
        for len in [0, 1, 45, 127, 128, 20_000] {
            let any = Any {
                type_url: TYPE_URL.into(),
                value: vec![7; len],
            };
            let response = DiscoveryResponse {
                resources: vec![any.clone()],
                ..Default::default()
            };
            assert_eq!(response.encoded_len(), wire_len(&any));
        }
    }
}
