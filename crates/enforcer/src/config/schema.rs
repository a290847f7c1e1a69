//! Variables with names of their own, and keys of Choreo Connect and of our adapter that mean nothing here: one file may
//! serve both parts.

use rescind_runtime::config::Schema;

/// What the loader is told beside the types.
pub const SCHEMA: Schema = Schema {
    variables: &[
        ("ADAPTER_HOST", "xds.adapters"),
        ("ADAPTER_XDS_PORT", "xds.port"),
        ("ADAPTER_HOST_NAME", "xds.serverName"),
        ("XDS_MAX_MSG_SIZE", "xds.maxMessageSize"),
        ("XDS_RETRY_PERIOD", "xds.retryPeriod"),
        ("ENFORCER_PUBLIC_CERT_PATH", "enforcer.keystore.certPath"),
        ("ENFORCER_PRIVATE_KEY_PATH", "enforcer.keystore.keyPath"),
        ("TRUSTED_CA_CERTS_PATH", "enforcer.truststore.location"),
    ],
    unused: &[
        "adapter.admin",
        "adapter.artifactsDirectory",
        "adapter.consul",
        "adapter.isIntelligentRoutingEnabled",
        "adapter.keystore",
        "adapter.metrics",
        "adapter.peers",
        "adapter.roster",
        "adapter.sandboxEnvName",
        "adapter.sandboxVhost",
        "adapter.server",
        "adapter.sourceControl",
        "adapter.truststore",
        "adapter.vhostMapping",
        "adapter.xds",
        "adapter.xdsPayloadFormatter",
        "analytics",
        "controlPlane",
        "globalAdapter",
        "ledger",
        "router",
        "tracing",
        "enforcer.authService.keepAliveTime",
        "enforcer.authService.threadPool",
        "enforcer.cache.expiryTime",
        "enforcer.filters",
        "enforcer.jwtGenerator",
        "enforcer.jwtIssuer",
        "enforcer.metrics",
        "enforcer.security.mutualSSL.clientCertificateEncode",
        "enforcer.security.mutualSSL.enableClientValidation",
        "enforcer.security.tokenService.claimMapping",
        "enforcer.security.tokenService.consumerKeyClaim",
        "enforcer.security.tokenService.validateSubscription",
        "enforcer.throttling",
    ],
    ..Schema::EMPTY
};
