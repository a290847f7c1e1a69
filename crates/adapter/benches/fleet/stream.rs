//! One client's stream: it ACKs what comes, and says how far it is.

use std::{io, net::Ipv4Addr, sync::Arc};

use prost::Message as _;
use rescind_proto::{
    envoy::{
        config::core::v3::Node,
        service::discovery::v3::{DeltaDiscoveryRequest, DiscoveryRequest},
    },
    google::protobuf::{Struct, Value, value::Kind},
};
use rescind_xds::{RANGE_TYPE_URL, RESCIND_FEATURE, TYPE_URL};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::http2::Connection;

/// How a client subscribes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// `DeltaTokens` with `rescind.v1.Range`.
    Range,
    /// `StreamTokens`, as Choreo Connect's enforcer.
    Tokens,
    /// `DeltaTokens` with `RevokedToken`, everything.
    Names,
}

/// A stream.
#[derive(Debug)]
pub(crate) struct Stream {
    connection: Connection<TlsStream<TcpStream>>,
    form: Form,
}

/// What a response says.
#[derive(Debug, Clone, Default)]
pub(crate) struct Response {
    /// The place that the client has by it.
    pub(crate) version: String,
    pub(crate) nonce: String,
    /// Its size, in bytes.
    pub(crate) bytes: usize,
    /// What its resources take of that.
    pub(crate) carried: usize,
}

impl Response {
    /// The sequence in its version.
    pub(crate) fn sequence(&self) -> u64 {
        let sequence = self.version.split('-').next();
        sequence.and_then(|text| text.parse().ok()).unwrap_or(0)
    }
}

impl Stream {
    /// A client called `instance` that holds nothing.
    pub(crate) async fn open(
        port: u16,
        tls: &Arc<rustls::ClientConfig>,
        form: Form,
        instance: &str,
    ) -> io::Result<Self> {
        let tcp = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        tcp.set_nodelay(true)?;
        let name = ServerName::try_from("localhost").unwrap();
        let tls = TlsConnector::from(Arc::clone(tls));
        let io = tls.connect(name, tcp).await?;
        let (method, first) = first(form, instance);
        let connection = Connection::open(io, method, &first).await?;
        Ok(Self { connection, form })
    }

    /// The next response; not yet ACKed.
    pub(crate) async fn next(&mut self) -> io::Result<Response> {
        Ok(read(&self.connection.next().await?))
    }

    pub(crate) async fn ack(&mut self, response: &Response) -> io::Result<()> {
        let body = match self.form {
            Form::Tokens => DiscoveryRequest {
                version_info: response.version.clone(),
                type_url: TYPE_URL.to_owned(),
                response_nonce: response.nonce.clone(),
                ..DiscoveryRequest::default()
            }
            .encode_to_vec(),
            Form::Range | Form::Names => DeltaDiscoveryRequest {
                response_nonce: response.nonce.clone(),
                ..DeltaDiscoveryRequest::default()
            }
            .encode_to_vec(),
        };
        self.connection.send(&body).await
    }

    /// Bytes of data that came, all in all.
    pub(crate) fn received(&self) -> u64 {
        self.connection.received
    }
}

fn first(form: Form, instance: &str) -> (&'static str, Vec<u8>) {
    let instance = Value {
        kind: Some(Kind::StringValue(instance.to_owned())),
    };
    let node = Node {
        id: "commonEnforcerLabel".to_owned(),
        metadata: Some(Struct {
            fields: [("instanceIdentifier".to_owned(), instance)].into(),
        }),
        ..Node::default()
    };
    match form {
        Form::Tokens => {
            let request = DiscoveryRequest {
                node: Some(node),
                type_url: TYPE_URL.to_owned(),
                ..DiscoveryRequest::default()
            };
            ("StreamTokens", request.encode_to_vec())
        }
        Form::Range => {
            let request = DeltaDiscoveryRequest {
                node: Some(Node {
                    client_features: vec![RESCIND_FEATURE.to_owned()],
                    ..node
                }),
                type_url: RANGE_TYPE_URL.to_owned(),
                resource_names_subscribe: vec!["log".to_owned(), "checkpoint".to_owned()],
                ..DeltaDiscoveryRequest::default()
            };
            ("DeltaTokens", request.encode_to_vec())
        }
        Form::Names => {
            let request = DeltaDiscoveryRequest {
                node: Some(node),
                type_url: TYPE_URL.to_owned(),
                ..DeltaDiscoveryRequest::default()
            };
            ("DeltaTokens", request.encode_to_vec())
        }
    }
}

/// Reads what both kinds of response have at the same numbers: version 1, resources 2, nonce 5. In place: a client that
/// decodes everything would cost the machine more than the adapter does.
fn read(message: &[u8]) -> Response {
    let mut response = Response {
        bytes: message.len(),
        ..Response::default()
    };
    let mut rest = message;
    while !rest.is_empty() {
        let field = varint(&mut rest);
        assert_eq!(field & 7, 2, "every field of a response has a length");
        let length = varint(&mut rest) as usize;
        let (body, after) = rest.split_at(length);
        rest = after;
        let text = || String::from_utf8(body.to_vec()).unwrap();
        match field >> 3 {
            1 => response.version = text(),
            2 => response.carried += body.len(),
            5 => response.nonce = text(),
            _ => {}
        }
    }
    response
}

fn varint(rest: &mut &[u8]) -> u64 {
    let (mut value, mut shift) = (0, 0);
    while let Some((byte, after)) = rest.split_first() {
        *rest = after;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
        shift += 7;
    }
    value
}
