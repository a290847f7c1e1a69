//! What no single type can rule out. Each finding names the key, what is wrong with it, and what would be right.

use std::collections::HashMap;

use rescind_runtime::config::{HostPort, Problems};
use rustls_pki_types::ServerName;

use super::{Config, Enforcer, Next, Security, VerificationMode, Xds};

mod token_services;

/// Adapters send up to 3.5 MiB; the original's own limit is the least that is sure to be enough.
const LEAST_XDS_MESSAGE: usize = 4 * 1024 * 1024;

/// A request with all that Envoy lets through (60 KiB of headers) must fit.
const LEAST_CHECK: usize = 128 * 1024;

/// Adapters speak each 5 s.
const LEAST_BOUND: u64 = 20;

/// A clock that is further off is wrong.
const MOST_SKEW: u64 = 300;

/// 48 bytes each from the start, half a gigabyte, and three where each is taken.
const MOST_KNOWN: usize = 10_000_000;

/// Choreo Connect's router waits for 20 s.
const MOST_TIMEOUT: u64 = 60;

/// Each may hold some hundred KiB while one of its ends does not read.
const MOST_CALLS: usize = 65_536;

pub(super) fn check(config: &Config, problems: &mut Problems) {
    listeners(config, problems);
    names(&config.enforcer.security, problems);
    token_services::check(&config.enforcer.security, problems);
    adapters(&config.xds, problems);
    staleness(config, problems);
    next(&config.next, problems);
}

fn staleness(config: &Config, problems: &mut Problems) {
    let Enforcer {
        staleness,
        security,
        cache,
        ..
    } = &config.enforcer;
    // Below it the warning would come between two words of a healthy adapter, each 5 s.
    if staleness.bound < LEAST_BOUND {
        problems.add(
            "enforcer.staleness.bound",
            format!(
                "expected at least {LEAST_BOUND} seconds, found {}",
                staleness.bound
            ),
        );
    }
    if (1..LEAST_BOUND).contains(&staleness.source_bound) {
        problems.add(
            "enforcer.staleness.sourceBound",
            format!(
                "expected 0 or at least {LEAST_BOUND} seconds, found {}",
                staleness.source_bound
            ),
        );
    }
    if security.skew > MOST_SKEW {
        problems.add(
            "enforcer.security.skew",
            format!(
                "expected at most {MOST_SKEW} seconds, found {}",
                security.skew
            ),
        );
    }
    if cache.enabled && !(1..=MOST_KNOWN).contains(&cache.maximum_size) {
        problems.add(
            "enforcer.cache.maximumSize",
            format!(
                "expected 1-{MOST_KNOWN} tokens, found {}",
                cache.maximum_size
            ),
        );
    }
    if security.verification == VerificationMode::JwtAuthn
        && security.jwt_authn.payload_keys.is_empty()
    {
        problems.add(
            "enforcer.security.jwtAuthn.payloadKeys",
            "expected the payload_in_metadata of each provider of Envoy's jwt_authn",
        );
    }
}

fn listeners(config: &Config, problems: &mut Problems) {
    let (checks, admin) = (&config.enforcer.auth_service, &config.enforcer.rest_server);
    if admin.is_enabled() && checks.port == admin.port {
        problems.add(
            "enforcer.restServer.port",
            format!(
                "{} is the port of enforcer.authService too, expected another",
                admin.port
            ),
        );
    }
    if checks.max_message_size < LEAST_CHECK {
        problems.add(
            "enforcer.authService.maxMessageSize",
            format!(
                "expected at least {LEAST_CHECK} bytes, found {}",
                checks.max_message_size
            ),
        );
    }
    if checks.max_header_limit < 1024 {
        problems.add(
            "enforcer.authService.maxHeaderLimit",
            format!(
                "expected at least 1024 bytes, found {}",
                checks.max_header_limit
            ),
        );
    }
    for (key, host) in [
        ("enforcer.authService.host", &checks.host),
        ("enforcer.restServer.host", &admin.host),
    ] {
        if host.trim().is_empty() {
            problems.add(
                key,
                "expected an address such as \"0.0.0.0\" or \"127.0.0.1\"",
            );
        }
    }
}

fn names(security: &Security, problems: &mut Problems) {
    const BEARER: &str = "enforcer.security.authHeader.authorizationHeader";
    let one = |key: &'static str, name| (key, vec![name]);
    let (auth, keys) = (&security.auth_header, &security.api_key);
    let certificate = &security.mutual_ssl.certificate_header;
    let headers = [
        (BEARER, auth.authorization_header.iter().collect()),
        one(
            "enforcer.security.authHeader.testConsoleHeaderName",
            auth.test_console_header_name.as_str(),
        ),
        (
            "enforcer.security.apiKey.header",
            keys.header.iter().collect(),
        ),
        one(
            "enforcer.security.mutualSSL.certificateHeader",
            certificate.as_str(),
        ),
    ];
    let mut taken = HashMap::new();
    for (key, names) in headers {
        if names.is_empty() && key == BEARER {
            problems.add(key, "expected the name of an HTTP header, found \"\"");
        }
        for name in names.into_iter().filter(|name| !name.is_empty()) {
            header_name(key, name, &mut taken, problems);
        }
    }
}

fn header_name(
    key: &'static str,
    name: &str,
    taken: &mut HashMap<String, &'static str>,
    problems: &mut Problems,
) {
    if !is_header_name(name) {
        problems.add(
            key,
            format!("expected the name of an HTTP header, found {name:?}"),
        );
    } else if let Some(other) = taken.insert(name.to_ascii_lowercase(), key) {
        problems.add(
            key,
            format!("{name:?} is {other} too, expected another name"),
        );
    }
}

/// RFC 9110 section 5.6.2: a token.
pub(crate) fn is_header_name(name: &str) -> bool {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(token)
}

fn adapters(config: &Xds, problems: &mut Problems) {
    if config.adapters.is_empty() {
        problems.add(
            "xds.adapters",
            "expected at least one adapter, such as \"adapter:18000\"",
        );
    }
    for (at, adapter) in config.adapters.iter().enumerate() {
        if HostPort::parse(adapter).is_none() {
            problems.add(
                format!("xds.adapters[{at}]"),
                format!("expected host or host:port, found {adapter:?}"),
            );
        }
    }
    if ServerName::try_from(config.server_name.as_str()).is_err() {
        problems.add(
            "xds.serverName",
            format!(
                "expected the name in the adapters' certificates, found {:?}",
                config.server_name
            ),
        );
    }
    if config.max_message_size < LEAST_XDS_MESSAGE {
        problems.add(
            "xds.maxMessageSize",
            format!(
                "expected at least {LEAST_XDS_MESSAGE} bytes, found {}",
                config.max_message_size
            ),
        );
    }
    if config.retry_period == 0 {
        problems.add("xds.retryPeriod", "expected at least 1 second, found 0");
    }
}

fn next(config: &Next, problems: &mut Problems) {
    if !config.is_configured() {
        if !config.rest.address.is_empty() {
            problems.add(
                "next.address",
                "missing, expected where next.rest belongs to",
            );
        }
        return;
    }
    if !config.rest.address.is_empty() && HostPort::parse(&config.rest.address).is_none() {
        problems.add(
            "next.rest.address",
            format!(
                "expected host or host:port, found {:?}",
                config.rest.address
            ),
        );
    }
    if HostPort::parse(&config.address).is_none() {
        problems.add(
            "next.address",
            format!("expected host or host:port, found {:?}", config.address),
        );
    }
    if ServerName::try_from(config.server_name.as_str()).is_err() {
        problems.add(
            "next.serverName",
            format!(
                "expected the name in the next enforcer's certificate, found {:?}",
                config.server_name
            ),
        );
    }
    if !(1..=MOST_CALLS).contains(&config.max_calls) {
        problems.add(
            "next.maxCalls",
            format!("expected 1 to {MOST_CALLS}, found {}", config.max_calls),
        );
    }
    if !(1..=MOST_TIMEOUT).contains(&config.timeout) {
        problems.add(
            "next.timeout",
            format!(
                "expected 1-{MOST_TIMEOUT} seconds, found {}",
                config.timeout
            ),
        );
    }
    let (cert, key) = (&config.cert_path, &config.key_path);
    if cert.as_os_str().is_empty() != key.as_os_str().is_empty() {
        let missing = match key.as_os_str().is_empty() {
            true => "next.keyPath",
            false => "next.certPath",
        };
        problems.add(missing, "missing, expected a certificate and its key");
    }
}
