//! Requests, checked: what the first one says of the client, and what every one must keep to.

use rescind_proto::{
    envoy::{config::core::v3::Node, service::discovery::v3::DiscoveryRequest},
    google::protobuf::value::Kind,
};
use tonic::Status;

use crate::{Audience, RESCIND_FEATURE, TYPE_URL, text::clean};

/// What the first request of a stream says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Opening {
    /// `node.metadata.instanceIdentifier`, escaped and capped; empty where absent.
    pub(super) instance: String,
    /// The identifier was there, but is not a string.
    pub(super) odd_instance: bool,
    pub(super) audience: Audience,
    /// What the client holds already.
    pub(super) version: String,
}

impl Opening {
    /// Reads the first request. The node is required there alone.
    pub(super) fn read(request: &DiscoveryRequest) -> Result<Self, Status> {
        check(request)?;
        let node = match &request.node {
            Some(node) if !node.id.is_empty() => node,
            _ => {
                return Err(Status::invalid_argument(
                    "the first request of a stream must name node.id",
                ));
            }
        };
        let (instance, odd_instance) = instance(node);
        Ok(Self {
            instance,
            odd_instance,
            audience: audience(node),
            version: request.version_info.clone(),
        })
    }
}

/// What holds for every request: the one type, and no names.
pub(super) fn check(request: &DiscoveryRequest) -> Result<(), Status> {
    // On a service for one type, empty means this type.
    if !request.type_url.is_empty() && request.type_url != TYPE_URL {
        let asked = clean(&request.type_url, TYPE_SHOWN);
        return Err(Status::invalid_argument(format!(
            "type_url is \"{asked}\", this service serves \"{TYPE_URL}\""
        )));
    }
    if !request.resource_names.is_empty() || !request.resource_locators.is_empty() {
        return Err(Status::invalid_argument(
            "resource names are not supported here: the whole set is served",
        ));
    }
    Ok(())
}

fn audience(node: &Node) -> Audience {
    if node.client_features.iter().any(|f| f == RESCIND_FEATURE) {
        Audience::Rescind
    } else {
        Audience::Classic
    }
}

/// Whatever the metadata hold, this must not fail: a number here once stopped a whole control plane.
fn instance(node: &Node) -> (String, bool) {
    let value = node
        .metadata
        .as_ref()
        .and_then(|metadata| metadata.fields.get(INSTANCE_IDENTIFIER))
        .and_then(|value| value.kind.as_ref());
    match value {
        Some(Kind::StringValue(text)) => (clean(text, INSTANCE_BYTES), false),
        None | Some(Kind::NullValue(_)) => (String::new(), false),
        Some(_) => (String::new(), true),
    }
}

const INSTANCE_IDENTIFIER: &str = "instanceIdentifier";
const INSTANCE_BYTES: usize = 256;
const TYPE_SHOWN: usize = 200;

#[cfg(test)]
mod tests {
    use rescind_proto::google::protobuf::{ListValue, Struct, Value};
    use tonic::Code;

    use super::*;

    fn request(instance: Option<Kind>) -> DiscoveryRequest {
        let fields = instance
            .map(|kind| (INSTANCE_IDENTIFIER.to_owned(), Value { kind: Some(kind) }))
            .into_iter()
            .collect();
        DiscoveryRequest {
            node: Some(Node {
                id: "commonEnforcerLabel".to_owned(),
                metadata: Some(Struct { fields }),
                ..Default::default()
            }),
            version_info: "7-0a".to_owned(),
            ..Default::default()
        }
    }

    fn refused(request: &DiscoveryRequest) -> Code {
        Opening::read(request).expect_err("refused").code()
    }

    #[test]
    fn a_classic_first_request_is_read() {
        let mut request = request(Some(Kind::StringValue("gw-1".to_owned())));
        request.type_url = TYPE_URL.to_owned();
        assert_eq!(
            Opening::read(&request).expect("valid"),
            Opening {
                instance: "gw-1".to_owned(),
                odd_instance: false,
                audience: Audience::Classic,
                version: "7-0a".to_owned(),
            }
        );
    }

    #[test]
    fn the_feature_makes_the_audience() {
        let mut request = request(None);
        let node = request.node.as_mut().expect("set");
        node.client_features = vec!["other".to_owned(), RESCIND_FEATURE.to_owned()];
        assert_eq!(
            Opening::read(&request).expect("valid").audience,
            Audience::Rescind
        );
    }

    #[test]
    fn an_instance_that_is_not_a_string_counts_as_absent() {
        for kind in [
            Kind::NumberValue(7.0),
            Kind::BoolValue(true),
            Kind::ListValue(ListValue::default()),
            Kind::StructValue(Struct::default()),
        ] {
            let opening = Opening::read(&request(Some(kind))).expect("valid");
            assert!(opening.odd_instance && opening.instance.is_empty());
        }
    }

    #[test]
    fn a_first_request_needs_a_node_with_an_id() {
        let mut nameless = request(None);
        nameless.node.as_mut().expect("set").id.clear();
        let mut without = request(None);
        without.node = None;
        assert_eq!(refused(&nameless), Code::InvalidArgument);
        assert_eq!(refused(&without), Code::InvalidArgument);
    }

    #[test]
    fn an_empty_type_is_ours_and_a_foreign_type_is_refused() {
        assert!(check(&request(None)).is_ok());
        let mut foreign = request(None);
        foreign.type_url = "type.googleapis.com/envoy.config.cluster.v3.Cluster".to_owned();
        assert_eq!(refused(&foreign), Code::InvalidArgument);
    }

    #[test]
    fn names_are_refused() {
        let mut named = request(None);
        named.resource_names = vec!["*".to_owned()];
        assert_eq!(refused(&named), Code::InvalidArgument);
    }
}
