//! Requests, checked: what the first one says of the client, and what every one must keep to.

use std::collections::HashMap;

use rescind_proto::{
    envoy::{
        config::core::v3::Node,
        service::discovery::v3::{DeltaDiscoveryRequest, DiscoveryRequest},
    },
    google::{
        protobuf::{Value, value::Kind},
        rpc,
    },
};
use tonic::Status;

use super::{Declared, Method, Proof};
use crate::{
    Audience, RANGE_TYPE_URL, RESCIND_FEATURE, TYPE_URL,
    text::clean,
    wire::{CHECKPOINT, LOG, PROOF},
};

/// What the first request of a stream says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Opening {
    /// `node.metadata.instanceIdentifier`, escaped and capped; empty where absent.
    pub(super) instance: String,
    /// The identifier was there, but is not a string.
    pub(super) odd_instance: bool,
    pub(super) audience: Audience,
    pub(super) declared: Declared,
    pub(super) wants: Wants,
}

/// What a stream is to carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wants {
    /// State of the world, used additively.
    Tokens {
        /// What the client holds already.
        version: String,
    },
    /// Packed ranges.
    Range {
        log: bool,
        checkpoint: bool,
        /// What the client holds already, by source.
        versions: HashMap<String, String>,
    },
    /// Named resources.
    Names {
        subscribe: Vec<String>,
        unsubscribe: Vec<String>,
        /// What the client holds already, by name.
        versions: HashMap<String, String>,
    },
}

/// A later request, whichever method it came by.
#[derive(Debug, Clone, Default)]
pub(super) struct Said {
    /// Of an incremental stream; a state of the world has but one type.
    pub(super) type_url: Option<String>,
    pub(super) nonce: String,
    pub(super) error: Option<rpc::Status>,
    pub(super) subscribe: Vec<String>,
    pub(super) unsubscribe: Vec<String>,
    pub(super) proof: Option<Proof>,
}

impl Wants {
    pub(super) fn method(&self) -> Method {
        match self {
            Self::Tokens { .. } => Method::Stream,
            Self::Range { .. } => Method::DeltaRange,
            Self::Names { .. } => Method::DeltaNames,
        }
    }
}

impl Opening {
    /// Reads the first request of a state-of-the-world stream, or the one of a fetch. The node is required there alone.
    pub(super) fn read(request: &DiscoveryRequest) -> Result<Self, Status> {
        check(request)?;
        let wants = Wants::Tokens {
            version: request.version_info.clone(),
        };
        Self::of(request.node.as_ref(), wants)
    }

    /// Reads the first request of an incremental stream: its type is the stream's.
    pub(super) fn read_delta(request: DeltaDiscoveryRequest) -> Result<Self, Status> {
        check_locators(&request)?;
        let DeltaDiscoveryRequest {
            node,
            type_url,
            resource_names_subscribe: subscribe,
            resource_names_unsubscribe: unsubscribe,
            initial_resource_versions: versions,
            ..
        } = request;
        let wants = match &*type_url {
            RANGE_TYPE_URL => {
                check_range_names(&subscribe)?;
                let names = |names: &[String], name| names.iter().any(|n| n == name || n == "*");
                let wants = |name| {
                    let asked = subscribe.is_empty() || names(&subscribe, name);
                    asked && !names(&unsubscribe, name)
                };
                Wants::Range {
                    log: wants(LOG),
                    checkpoint: wants(CHECKPOINT),
                    versions: versions.into_iter().collect(),
                }
            }
            "" | TYPE_URL => Wants::Names {
                subscribe,
                unsubscribe,
                versions: versions.into_iter().collect(),
            },
            other => return Err(foreign(other)),
        };
        Self::of(node.as_ref(), wants)
    }

    fn of(node: Option<&Node>, wants: Wants) -> Result<Self, Status> {
        let node = match node {
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
            declared: declared(node),
            wants,
        })
    }
}

impl Said {
    pub(super) fn read(request: DiscoveryRequest) -> Result<Self, Status> {
        check(&request)?;
        let proof = request.node.as_ref().and_then(proof);
        Ok(Self {
            nonce: request.response_nonce,
            error: request.error_detail,
            proof,
            ..Self::default()
        })
    }

    pub(super) fn read_delta(request: DeltaDiscoveryRequest) -> Result<Self, Status> {
        check_locators(&request)?;
        let proof = request.node.as_ref().and_then(proof);
        Ok(Self {
            type_url: Some(request.type_url),
            nonce: request.response_nonce,
            error: request.error_detail,
            subscribe: request.resource_names_subscribe,
            unsubscribe: request.resource_names_unsubscribe,
            proof,
        })
    }

    /// Whether it answers a response.
    pub(super) fn answers(&self) -> bool {
        !self.nonce.is_empty() || self.error.is_some()
    }
}

/// What holds for every state-of-the-world request: the one type, and no names.
fn check(request: &DiscoveryRequest) -> Result<(), Status> {
    // On a service for one type, empty means this type.
    if !request.type_url.is_empty() && request.type_url != TYPE_URL {
        return Err(foreign(&request.type_url));
    }
    if !request.resource_names.is_empty() || !request.resource_locators.is_empty() {
        return Err(Status::invalid_argument(
            "resource names are not supported here: the whole set is served",
        ));
    }
    Ok(())
}

fn check_locators(request: &DeltaDiscoveryRequest) -> Result<(), Status> {
    let none = request.resource_locators_subscribe.is_empty()
        && request.resource_locators_unsubscribe.is_empty();
    match none {
        true => Ok(()),
        false => Err(Status::invalid_argument(
            "resource locators are not supported here: subscribe by name",
        )),
    }
}

/// A packed stream has two resources.
pub(super) fn check_range_names(names: &[String]) -> Result<(), Status> {
    let odd = names
        .iter()
        .find(|name| ![LOG, CHECKPOINT, "*"].contains(&name.as_str()));
    match odd {
        None => Ok(()),
        Some(name) => Err(Status::invalid_argument(format!(
            "\"{}\" is no resource of this stream, it has \"{LOG}\" and \"{CHECKPOINT}\"",
            clean(name, TYPE_SHOWN)
        ))),
    }
}

pub(super) fn foreign(type_url: &str) -> Status {
    let asked = clean(type_url, TYPE_SHOWN);
    Status::invalid_argument(format!(
        "type_url is \"{asked}\", this stream serves \"{TYPE_URL}\""
    ))
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
    match metadata(node, INSTANCE_IDENTIFIER) {
        Some(Kind::StringValue(text)) => (clean(text, INSTANCE_BYTES), false),
        None | Some(Kind::NullValue(_)) => (String::new(), false),
        Some(_) => (String::new(), true),
    }
}

/// What an enforcer says of itself; what it does not say, or says oddly, is not known.
fn declared(node: &Node) -> Declared {
    let number = |name| match metadata(node, name) {
        Some(Kind::NumberValue(number)) if *number >= 0.0 && *number <= MOST => {
            Some(*number as u64)
        }
        _ => None,
    };
    Declared {
        adapters: number("adapters"),
        stale_after_s: number("stale_after_s"),
        stale_policy: match metadata(node, "stale_policy") {
            Some(Kind::StringValue(text)) => Some(clean(text, POLICY_BYTES)),
            _ => None,
        },
    }
}

fn proof(node: &Node) -> Option<Proof> {
    match metadata(node, PROOF)? {
        Kind::StringValue(text) => Proof::read(text),
        _ => None,
    }
}

fn metadata<'a>(node: &'a Node, name: &str) -> Option<&'a Kind> {
    let value: &Value = node.metadata.as_ref()?.fields.get(name)?;
    value.kind.as_ref()
}

const INSTANCE_IDENTIFIER: &str = "instanceIdentifier";
const INSTANCE_BYTES: usize = 256;
const POLICY_BYTES: usize = 32;
const TYPE_SHOWN: usize = 200;

/// The largest whole number that a JSON number surely is.
const MOST: f64 = 9_007_199_254_740_991.0;

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
                declared: Declared::default(),
                wants: Wants::Tokens {
                    version: "7-0a".to_owned(),
                },
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
    fn what_an_enforcer_says_of_itself_is_read_and_oddities_are_not() {
        let number = |number| Value {
            kind: Some(Kind::NumberValue(number)),
        };
        let mut request = request(None);
        let fields = &mut request.node.as_mut().expect("set").metadata;
        let fields = &mut fields.as_mut().expect("set").fields;
        fields.insert("adapters".to_owned(), number(1.0));
        fields.insert("stale_after_s".to_owned(), number(-3.0));
        fields.insert("stale_policy".to_owned(), number(f64::NAN));
        assert_eq!(
            Opening::read(&request).expect("valid").declared,
            Declared {
                adapters: Some(1),
                stale_after_s: None,
                stale_policy: None,
            }
        );
    }

    #[test]
    fn an_incremental_stream_carries_what_its_type_says() {
        let delta = |type_url: &str, subscribe: &[&str]| DeltaDiscoveryRequest {
            node: request(None).node,
            type_url: type_url.to_owned(),
            resource_names_subscribe: subscribe.iter().map(|n| (*n).to_owned()).collect(),
            ..Default::default()
        };
        let wants = |request| Opening::read_delta(request).map(|opening| opening.wants);
        assert!(matches!(
            wants(delta(RANGE_TYPE_URL, &["log", "checkpoint"])),
            Ok(Wants::Range {
                log: true,
                checkpoint: true,
                ..
            })
        ));
        assert!(matches!(
            wants(delta(RANGE_TYPE_URL, &["checkpoint"])),
            Ok(Wants::Range {
                log: false,
                checkpoint: true,
                ..
            })
        ));
        assert!(matches!(
            wants(delta(RANGE_TYPE_URL, &["*"])),
            Ok(Wants::Range {
                log: true,
                checkpoint: true,
                ..
            })
        ));
        assert!(matches!(wants(delta("", &["a"])), Ok(Wants::Names { .. })));
        for refused in [delta("other", &[]), delta(RANGE_TYPE_URL, &["a"])] {
            assert_eq!(
                wants(refused).expect_err("refused").code(),
                Code::InvalidArgument
            );
        }
    }

    #[test]
    fn names_are_refused() {
        let mut named = request(None);
        named.resource_names = vec!["*".to_owned()];
        assert_eq!(refused(&named), Code::InvalidArgument);
    }
}
