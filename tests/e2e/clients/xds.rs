//! An xDS client of one's own: what a Choreo Connect enforcer sends, and what it must not.

use rescind_proto::{
    envoy::{
        config::core::v3::Node,
        service::discovery::v3::{DiscoveryRequest, DiscoveryResponse},
    },
    google::protobuf::{Struct, Value, value::Kind},
    wso2::discovery::service::keymgt::revoked_token_discovery_service_client::RevokedTokenDiscoveryServiceClient,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Status, Streaming,
    transport::{
        Certificate, Channel, ClientTlsConfig, Endpoint, Error, Identity as TonicIdentity,
    },
};

use super::tls::Identity;

/// The type URL of a revoked token.
pub(crate) const TYPE_URL: &str = "type.googleapis.com/wso2.discovery.keymgt.RevokedToken";

/// One open `StreamTokens`.
#[derive(Debug)]
pub(crate) struct XdsStream {
    requests: mpsc::Sender<DiscoveryRequest>,
    responses: Streaming<DiscoveryResponse>,
}

/// A gRPC channel over TLS to a part of the stack.
pub(crate) async fn channel(
    address: &str,
    server_name: &str,
    ca: &str,
    identity: Option<&Identity>,
) -> Result<Channel, Error> {
    let mut tls = ClientTlsConfig::new()
        .domain_name(server_name)
        .ca_certificate(Certificate::from_pem(std::fs::read(ca).unwrap()));
    if let Some(Identity { cert, key }) = identity {
        tls = tls.identity(TonicIdentity::from_pem(
            std::fs::read(cert).unwrap(),
            std::fs::read(key).unwrap(),
        ));
    }
    Endpoint::from_shared(format!("https://{address}"))
        .unwrap()
        .tls_config(tls)?
        .connect()
        .await
}

/// The first request of an enforcer of Choreo Connect.
pub(crate) fn first_request(instance: Kind) -> DiscoveryRequest {
    let metadata = Struct {
        fields: [(
            "instanceIdentifier".to_owned(),
            Value {
                kind: Some(instance),
            },
        )]
        .into(),
    };
    DiscoveryRequest {
        node: Some(Node {
            id: "commonEnforcerLabel".into(),
            metadata: Some(metadata),
            ..Node::default()
        }),
        type_url: TYPE_URL.into(),
        ..DiscoveryRequest::default()
    }
}

impl XdsStream {
    /// Opens a stream with this first request.
    pub(crate) async fn open(channel: Channel, first: DiscoveryRequest) -> Result<Self, Status> {
        let (requests, outgoing) = mpsc::channel(8);
        requests.send(first).await.unwrap();
        let mut client = RevokedTokenDiscoveryServiceClient::new(channel);
        let responses = client
            .stream_tokens(ReceiverStream::new(outgoing))
            .await?
            .into_inner();
        Ok(Self {
            requests,
            responses,
        })
    }

    /// The next response.
    pub(crate) async fn next(&mut self) -> Result<Option<DiscoveryResponse>, Status> {
        self.responses.message().await
    }

    /// ACKs a response.
    pub(crate) async fn ack(&self, response: &DiscoveryResponse) {
        let ack = DiscoveryRequest {
            version_info: response.version_info.clone(),
            response_nonce: response.nonce.clone(),
            ..first_request(Kind::StringValue("e2e".into()))
        };
        self.requests.send(ack).await.unwrap();
    }
}
