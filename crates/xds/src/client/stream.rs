//! One attempt: a connection, a stream on it, and every response until it ends.

use std::{collections::HashMap, future::Future};

use rescind_proto::{
    envoy::{
        config::core::v3::Node,
        service::discovery::v3::{DiscoveryRequest, DiscoveryResponse},
    },
    google::{
        protobuf::{Struct, Value, value::Kind},
        rpc,
    },
    wso2::discovery::service::keymgt::revoked_token_discovery_service_client::RevokedTokenDiscoveryServiceClient,
};
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};

use super::{ClientConfig, LinkState, ServerHead, Sink, Update, dial::dial, journal::Journal};
use crate::{RESCIND_FEATURE, TYPE_URL, text::clean, wire::parse_identifier};

pub(super) struct Attempt<'a, S> {
    config: &'a ClientConfig,
    address: &'a str,
    sink: &'a mut S,
    journal: &'a mut Journal,
    responded: bool,
    /// The server is `rescind.v1`: it never is silent for long.
    speaks: bool,
}

impl<'a, S: Sink> Attempt<'a, S> {
    pub(super) fn new(
        config: &'a ClientConfig,
        address: &'a str,
        sink: &'a mut S,
        journal: &'a mut Journal,
    ) -> Self {
        Self {
            config,
            address,
            sink,
            journal,
            responded: false,
            speaks: false,
        }
    }

    /// Whether the server has sent anything.
    pub(super) fn has_responded(&self) -> bool {
        self.responded
    }

    /// Goes on until there is nothing more to come; returns why, in one line.
    pub(super) async fn run(&mut self) -> String {
        let Err(reason) = self.subscribe().await;
        clean(&reason, REASON_BYTES)
    }

    async fn subscribe(&mut self) -> Result<std::convert::Infallible, String> {
        let channel = dial(self.config, self.address)
            .await
            .map_err(|error| error.to_string())?;
        let mut client = RevokedTokenDiscoveryServiceClient::new(channel)
            .max_decoding_message_size(self.config.max_message_bytes);

        // One response is read at a time, and answered before the next: there is never more than one request to send.
        let (requests, queue) = mpsc::channel(1);
        send(self.config, &requests, self.first_request()).await?;
        let stream = client.stream_tokens(ReceiverStream::new(queue));
        let mut stream = self.opened(stream).await?.into_inner();
        loop {
            let response = self.receive(&mut stream).await?;
            if let Some(answer) = self.take(response) {
                send(self.config, &requests, answer).await?;
            }
        }
    }

    /// Waits for the stream to stand. An old server may show nothing before its first response: if it does not refuse,
    /// the link counts as made.
    async fn opened<T>(
        &mut self,
        stream: impl Future<Output = Result<T, Status>>,
    ) -> Result<T, String> {
        tokio::pin!(stream);
        let refused_or_open = tokio::select! {
            biased;
            result = &mut stream => Some(result),
            () = sleep(self.config.settle) => None,
        };
        if matches!(refused_or_open, None | Some(Ok(_))) {
            self.journal.connected(self.address, &self.sink.version());
            let address = self.address.to_owned();
            self.sink.link(LinkState::Connected { address });
        }
        let result = match refused_or_open {
            Some(result) => result,
            None => stream.await,
        };
        result.map_err(|status| reason(&status))
    }

    async fn receive(
        &mut self,
        stream: &mut Streaming<DiscoveryResponse>,
    ) -> Result<DiscoveryResponse, String> {
        let message = if self.speaks {
            timeout(self.config.silence, stream.message())
                .await
                .map_err(|_| format!("silent for {:?}", self.config.silence))?
        } else {
            stream.message().await
        };
        match message {
            Ok(Some(response)) => Ok(response),
            Ok(None) => Err("the server ended the stream".to_owned()),
            Err(status) => Err(reason(&status)),
        }
    }

    /// Applies a response; returns the ACK or NACK.
    fn take(&mut self, response: DiscoveryResponse) -> Option<DiscoveryRequest> {
        self.responded = true;
        let DiscoveryResponse {
            version_info,
            resources,
            type_url,
            nonce,
            control_plane,
            ..
        } = response;
        if type_url != TYPE_URL {
            let type_url = clean(&type_url, REASON_BYTES);
            self.journal.foreign(self.address, &type_url);
            return None;
        }
        let head = control_plane
            .as_ref()
            .and_then(|control_plane| parse_identifier(&control_plane.identifier))
            .map(|(version, complete)| ServerHead {
                version: version.to_owned(),
                complete,
            });
        self.speaks |= head.is_some();
        let update = Update {
            version: version_info.clone(),
            resources,
            head,
        };
        Some(match self.sink.apply(update) {
            Ok(()) => answer(version_info, nonce, None),
            Err(rejection) => {
                let text = clean(&rejection.0, REASON_BYTES);
                self.journal.rejected(self.address, &version_info, &text);
                answer(self.sink.version(), nonce, Some(text))
            }
        })
    }

    fn first_request(&self) -> DiscoveryRequest {
        let instance = Value {
            kind: Some(Kind::StringValue(self.config.instance_identifier.clone())),
        };
        DiscoveryRequest {
            version_info: self.sink.version(),
            node: Some(Node {
                id: self.config.node_id.clone(),
                metadata: Some(Struct {
                    fields: HashMap::from([("instanceIdentifier".to_owned(), instance)]),
                }),
                client_features: vec![RESCIND_FEATURE.to_owned()],
                ..Default::default()
            }),
            type_url: TYPE_URL.to_owned(),
            ..Default::default()
        }
    }
}

async fn send(
    config: &ClientConfig,
    requests: &mpsc::Sender<DiscoveryRequest>,
    request: DiscoveryRequest,
) -> Result<(), String> {
    match timeout(config.silence, requests.send(request)).await {
        // Closed: the stream has ended, and reading on says why.
        Ok(Ok(()) | Err(_)) => Ok(()),
        Err(_) => Err("the server takes no requests".to_owned()),
    }
}

fn answer(version_info: String, response_nonce: String, error: Option<String>) -> DiscoveryRequest {
    DiscoveryRequest {
        version_info,
        type_url: TYPE_URL.to_owned(),
        response_nonce,
        error_detail: error.map(|message| rpc::Status {
            code: Code::InvalidArgument as i32,
            message,
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn reason(status: &Status) -> String {
    format!("{:?}: {}", status.code(), status.message())
}

/// What is kept of a text from the other side, or sent to it.
const REASON_BYTES: usize = 4 * 1024;
