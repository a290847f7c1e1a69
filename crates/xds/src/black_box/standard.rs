//! An incremental client written from the specification alone: it knows names, versions, nonces, and nothing of us.
//!
//! `rescind-adapter` compiles this file too, and lets it subscribe to a real ledger.

use std::collections::{BTreeMap, BTreeSet};

use rescind_proto::envoy::{
    config::core::v3::Node,
    service::discovery::v3::{DeltaDiscoveryRequest, DeltaDiscoveryResponse},
};

/// What any incremental client keeps.
#[derive(Debug, Default)]
pub(super) struct Standard {
    subscribe: Vec<String>,
    /// Version by name.
    pub(super) holds: BTreeMap<String, String>,
}

impl Standard {
    pub(super) fn new(subscribe: &[&str]) -> Self {
        Self {
            subscribe: subscribe.iter().map(|name| (*name).to_owned()).collect(),
            holds: BTreeMap::new(),
        }
    }

    /// Of a stream: who it is, all it wants, and what it has.
    pub(super) fn first(&self) -> DeltaDiscoveryRequest {
        DeltaDiscoveryRequest {
            node: Some(Node {
                id: "third-party".to_owned(),
                ..Node::default()
            }),
            resource_names_subscribe: self.subscribe.clone(),
            initial_resource_versions: self.holds.clone().into_iter().collect(),
            ..DeltaDiscoveryRequest::default()
        }
    }

    /// Applies a response and returns the ACK, or says why it must be refused.
    pub(super) fn take(
        &mut self,
        response: &DeltaDiscoveryResponse,
    ) -> Result<DeltaDiscoveryRequest, String> {
        let mut seen = BTreeSet::new();
        for resource in &response.resources {
            let body = resource.resource.as_ref().ok_or("no body")?;
            if body.type_url != response.type_url {
                return Err("of another type".to_owned());
            }
            if !seen.insert(&resource.name) {
                return Err(format!("{} twice", resource.name));
            }
        }
        if response.removed_resources.iter().any(|n| seen.contains(n)) {
            return Err("there and removed".to_owned());
        }
        if response.nonce.is_empty() {
            return Err("no nonce".to_owned());
        }
        for resource in &response.resources {
            let version = resource.version.clone();
            self.holds.insert(resource.name.clone(), version);
        }
        for name in &response.removed_resources {
            self.holds.remove(name);
        }
        Ok(DeltaDiscoveryRequest {
            response_nonce: response.nonce.clone(),
            ..DeltaDiscoveryRequest::default()
        })
    }
}
