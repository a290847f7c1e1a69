//! What both halves must spell alike.

use prost::Message;
use rescind_proto::{
    envoy::config::core::v3::{ControlPlane, Node},
    google::protobuf::{Struct, Value, value::Kind},
};

use crate::Any;

/// The type of a resource that is one revocation.
pub const TYPE_URL: &str = "type.googleapis.com/wso2.discovery.keymgt.RevokedToken";

/// The type of the resources of a packed stream.
pub const RANGE_TYPE_URL: &str = "type.googleapis.com/rescind.v1.Range";

/// The resource of a packed stream that carries entries.
pub(crate) const LOG: &str = "log";

/// The resource of a packed stream that carries statements about the whole.
pub(crate) const CHECKPOINT: &str = "checkpoint";

/// Under this name a client says what it holds of the source `id`.
pub(crate) fn log_of(id: &str) -> String {
    format!("{LOG}/{id}")
}

/// In the node's metadata of an answer: what came of comparing digests.
pub(crate) const PROOF: &str = "proof";

/// In `node.client_features`: a client that takes every kind of entry and expects empty responses when idle.
pub const RESCIND_FEATURE: &str = "rescind.v1";

/// A node that says nothing but what came of comparing digests.
pub(crate) fn proof_node(proof: &str) -> Node {
    let value = Value {
        kind: Some(Kind::StringValue(proof.to_owned())),
    };
    Node {
        metadata: Some(Struct {
            fields: [(PROOF.to_owned(), value)].into(),
        }),
        ..Node::default()
    }
}

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

/// The same as the field of a response.
pub(crate) fn control_plane(head_version: &str, complete: bool) -> ControlPlane {
    ControlPlane {
        identifier: identifier(head_version, complete),
    }
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
