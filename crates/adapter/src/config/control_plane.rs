//! `[controlPlane]`: where revocations come from, over AMQP and over REST.

use std::{
    ops::RangeInclusive,
    path::{Path, PathBuf},
};

use rescind_eventhub::{
    Catchup, CatchupConfig, CatchupConfigError, DurableQueue, Endpoint, parse_endpoint,
};
use rescind_runtime::{Secret, config::Problems, tls};
use serde::{Deserialize, Serialize};

use super::Seconds;

const ENDPOINTS: &str = "controlPlane.brokerConnectionParameters.eventListeningEndpoints";

/// How long a queue may be kept unused.
const DURABLE: RangeInclusive<Seconds> = Seconds(1)..=Seconds(30 * 24 * 3600);

/// A time that nobody means.
const LONGEST: Seconds = Seconds(24 * 3600);

/// `[controlPlane]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ControlPlane {
    /// Without a control plane neither the hub nor the list is read, and the ledger is complete by itself.
    pub enabled: bool,
    /// Base URL of the list.
    #[serde(rename = "serviceURL", alias = "serviceUrl")]
    pub service_url: String,
    /// User who may read the list.
    pub username: String,
    /// Their password.
    #[serde(skip_serializing)]
    pub password: Option<Secret>,
    /// Between two attempts to read the list; 0 is Choreo Connect's 5.
    pub retry_interval: Seconds,
    /// Believes any certificate of the control plane's.
    #[serde(rename = "skipSSLVerification")]
    pub skip_ssl_verification: bool,
    /// Trust for the list, in place of `adapter.truststore`.
    pub ca_file: PathBuf,
    /// The name to verify, in place of the URL's host.
    pub server_name: String,
    /// How long after an empty first list it is read again before it counts.
    pub empty_list_wait: Seconds,
    /// `[controlPlane.brokerConnectionParameters]`
    pub broker_connection_parameters: Broker,
}

/// `[controlPlane.brokerConnectionParameters]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Broker {
    /// Brokers in the order in which they are tried. An empty list runs without a hub.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_listening_endpoints: Option<Vec<String>>,
    /// Whether one of several brokers is enough.
    pub mode: BrokerMode,
    /// The name of a queue that outlives its connection, on RabbitMQ; empty for none.
    pub durable_queue: String,
    /// How long that is kept unused.
    pub durable_queue_expires: Seconds,
    /// `[controlPlane.brokerConnectionParameters.tls]`
    pub tls: BrokerTls,
}

/// What several brokers are to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum BrokerMode {
    /// Any of them has every event: the first one that answers is subscribed to.
    #[default]
    Failover,
    /// An event may reach only one of them: all are subscribed to.
    All,
}

impl Default for Broker {
    fn default() -> Self {
        Self {
            event_listening_endpoints: None,
            mode: BrokerMode::Failover,
            durable_queue: String::new(),
            durable_queue_expires: Seconds(24 * 3600),
            tls: BrokerTls::default(),
        }
    }
}

impl Broker {
    /// The durable queue, if one is asked for.
    pub fn durable(&self) -> Option<DurableQueue> {
        set(&self.durable_queue).map(|name| DurableQueue {
            name,
            expires: self.durable_queue_expires.duration(),
        })
    }
}

/// `[controlPlane.brokerConnectionParameters.tls]`, for `amqps` endpoints.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct BrokerTls {
    /// Trust, in place of `adapter.truststore`.
    pub ca_file: PathBuf,
    /// Our certificate, where the broker asks for one.
    pub cert_file: PathBuf,
    /// Its private key.
    pub key_file: PathBuf,
    /// The name to verify, in place of the endpoint's host.
    pub server_name: String,
}

impl Default for ControlPlane {
    fn default() -> Self {
        Self {
            enabled: true,
            service_url: "https://apim:9443/".into(),
            username: "admin".into(),
            password: None,
            retry_interval: Seconds(5),
            skip_ssl_verification: false,
            ca_file: PathBuf::new(),
            server_name: String::new(),
            empty_list_wait: Seconds(30),
            broker_connection_parameters: Broker::default(),
        }
    }
}

impl ControlPlane {
    /// Between two attempts to read the list.
    pub fn retry_interval(&self) -> Seconds {
        match self.retry_interval {
            Seconds(0) => Seconds(5),
            interval => interval,
        }
    }

    /// The brokers. Only what [`check`](super::check) has passed is whole.
    pub fn endpoints(&self) -> Vec<Endpoint> {
        let texts = self
            .broker_connection_parameters
            .event_listening_endpoints
            .iter()
            .flatten();
        texts.filter_map(|text| parse_endpoint(text).ok()).collect()
    }

    pub(super) fn check(&self, problems: &mut Problems) {
        if !self.enabled {
            return;
        }
        self.check_list(problems);
        self.check_broker(problems);
        for (key, seconds) in [
            ("controlPlane.retryInterval", self.retry_interval),
            ("controlPlane.emptyListWait", self.empty_list_wait),
        ] {
            if seconds > LONGEST {
                problems.add(
                    key,
                    format!("expected at most {LONGEST} (a day), found {seconds}"),
                );
            }
        }
    }

    fn check_list(&self, problems: &mut Problems) {
        if self.password.as_ref().is_none_or(Secret::is_empty) {
            problems.add(
                "controlPlane.password",
                "expected the password of controlPlane.username, as a string or { file = \"/path\" }, since \
                 controlPlane.enabled is true",
            );
        }
        if self.username.is_empty() {
            problems.add(
                "controlPlane.username",
                "expected the user who may read the list",
            );
        }
        let Ok(any) = tls::insecure_client_config(None, &[]) else {
            return;
        };
        let mut config = CatchupConfig::new(&*self.service_url, &*self.username, "", any);
        config.server_name = set(&self.server_name);
        let Err(error) = Catchup::new(config) else {
            return;
        };
        let (key, text) = match error {
            CatchupConfigError::ServiceUrl => (
                "controlPlane.serviceURL",
                "expected a URL such as https://apim:9443/".to_owned(),
            ),
            CatchupConfigError::Credentials => (
                "controlPlane.serviceURL",
                "expected no credentials in the URL: username and password are settings of their own"
                    .to_owned(),
            ),
            CatchupConfigError::ServerName => (
                "controlPlane.serverName",
                "expected a DNS name".to_owned(),
            ),
            CatchupConfigError::Client(_) => ("controlPlane", error.to_string()),
        };
        problems.add(key, text);
    }

    fn check_broker(&self, problems: &mut Problems) {
        let Broker {
            event_listening_endpoints,
            mode: _,
            durable_queue,
            durable_queue_expires,
            tls,
        } = &self.broker_connection_parameters;
        if durable_queue.len() > 255 || durable_queue.starts_with("amq.") {
            problems.add(
                "controlPlane.brokerConnectionParameters.durableQueue",
                "expected a name of at most 255 bytes that does not begin with `amq.`, or nothing",
            );
        }
        if !DURABLE.contains(durable_queue_expires) {
            problems.add(
                "controlPlane.brokerConnectionParameters.durableQueueExpires",
                format!(
                    "expected {} to {} (30 days), found {durable_queue_expires}",
                    DURABLE.start(),
                    DURABLE.end()
                ),
            );
        }
        match event_listening_endpoints {
            Some(endpoints) => {
                for (at, text) in endpoints.iter().enumerate() {
                    if let Err(error) = parse_endpoint(text) {
                        problems.add(format!("{ENDPOINTS}[{at}]"), error.to_string());
                    }
                }
            }
            None => problems.add(
                ENDPOINTS,
                "expected a list such as [\"amqp://user:password@apim:5672\"], or [] to run without an event hub",
            ),
        }
        match (path(&tls.cert_file), path(&tls.key_file)) {
            (Some(_), None) => problems.add(
                "controlPlane.brokerConnectionParameters.tls.keyFile",
                "expected the private key of certFile",
            ),
            (None, Some(_)) => problems.add(
                "controlPlane.brokerConnectionParameters.tls.certFile",
                "expected the certificate of keyFile",
            ),
            _ => {}
        }
    }
}

/// A text that is set.
pub(crate) fn set(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// A path that is set.
pub(crate) fn path(path: &Path) -> Option<&Path> {
    (!path.as_os_str().is_empty()).then_some(path)
}
