//! Checks straight at the enforcer, as Envoy would ask them, and what the answers say beside the status.

use envoy_types::pb::{
    envoy::service::auth::v3::{CheckResponse, check_response::HttpResponse},
    google::protobuf::value::Kind,
};
use tonic::{Status, transport::Channel};

use super::ext_authz::{check, check_request};

/// A connection to an enforcer.
#[derive(Debug, Clone)]
pub(crate) struct Gate {
    channel: Channel,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// 200 where the request may pass.
    pub(crate) status: i32,
    pub(crate) body: String,
    pub(crate) reason: String,
    pub(crate) stale: bool,
    /// Whole seconds.
    pub(crate) age: Option<u64>,
    pub(crate) source_age: Option<u64>,
}

impl Gate {
    pub(crate) fn new(channel: Channel) -> Self {
        Self { channel }
    }

    /// Asks about a GET with this access token.
    pub(crate) async fn token(&self, token: &str) -> Verdict {
        self.try_token(token).await.unwrap()
    }

    /// The same at an enforcer that may be away.
    pub(crate) async fn try_token(&self, token: &str) -> Result<Verdict, Status> {
        let request = check_request(&[("authorization", &format!("Bearer {token}"))]);
        check(self.channel.clone(), request).await.map(read)
    }
}

fn read(answer: CheckResponse) -> Verdict {
    let (status, body) = match &answer.http_response {
        Some(HttpResponse::DeniedResponse(denied)) => {
            (denied.status.as_ref().unwrap().code, denied.body.clone())
        }
        _ => (200, String::new()),
    };
    let metadata = answer.dynamic_metadata.unwrap_or_default().fields;
    let said = |name: &str| match metadata.get(name)?.kind.as_ref()? {
        Kind::StringValue(text) => Some(text.clone()),
        _ => None,
    };
    Verdict {
        status,
        body,
        reason: said("rescind_reason").unwrap_or_default(),
        stale: said("rescind_stale").is_some(),
        age: said("rescind_age").map(|age| age.parse().unwrap()),
        source_age: said("rescind_source_age").map(|age| age.parse().unwrap()),
    }
}
