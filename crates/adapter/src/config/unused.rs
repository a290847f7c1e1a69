//! Keys of Choreo Connect's `config.toml` and of our enforcer that this adapter knows and does not use: each is named once
//! in the log instead of being refused, so that one file may serve both parts.

/// Dotted keys, each with all that is below it.
pub(super) const KEYS: &[&str] = &[
    "adapter.artifactsDirectory",
    "adapter.consul",
    "adapter.isIntelligentRoutingEnabled",
    "adapter.metrics",
    "adapter.sandboxEnvName",
    "adapter.sandboxVhost",
    "adapter.server",
    "adapter.soapErrorInXMLEnabled",
    "adapter.sourceControl",
    "adapter.vhostMapping",
    "adapter.xdsPayloadFormatter",
    "analytics",
    "controlPlane.brokerConnectionParameters.reconnectInterval",
    "controlPlane.brokerConnectionParameters.reconnectRetryCount",
    "controlPlane.dynamicEnvironments",
    "controlPlane.environmentLabels",
    "controlPlane.httpClient",
    "controlPlane.initialFetch",
    "controlPlane.organizationID",
    "controlPlane.requestWorkerPool",
    "controlPlane.sendRevisionUpdate",
    "controlPlane.syncApisOnStartUp",
    "enforcer",
    "globalAdapter",
    "next",
    "router",
    "tracing",
    "xds",
];

/// Keys of Choreo Connect that this adapter uses: in whatever case, as its own parser takes them.
pub(super) const USED: &[&str] = &[
    "adapter.keystore.certPath",
    "adapter.keystore.keyPath",
    "adapter.truststore.location",
    "controlPlane.brokerConnectionParameters.eventListeningEndpoints",
    "controlPlane.enabled",
    "controlPlane.password",
    "controlPlane.retryInterval",
    "controlPlane.serviceURL",
    "controlPlane.skipSSLVerification",
    "controlPlane.username",
];
