use std::{collections::HashMap, path::PathBuf};

use super::*;

type Variables = HashMap<&'static str, &'static str>;

const SERVICE: &str = "[[enforcer.security.tokenService]]\nname = 'a'\nissuer = 'https://a'\njwksURL = 'https://a/jwks'\n";

fn load_text(text: &str, variables: &Variables) -> Result<Loaded<Config>, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("enforcer.toml");
    std::fs::write(&path, text).unwrap();
    Config::load(&path, variables)
}

fn config(text: &str, variables: &[(&'static str, &'static str)]) -> Config {
    load_text(text, &variables.iter().copied().collect())
        .unwrap()
        .config
}

/// The problems of `text`, without the folder of its file.
fn problems(text: &str) -> Vec<String> {
    let error = load_text(text, &Variables::new()).expect_err(text);
    let short = |problem: &rescind_runtime::config::Problem| {
        let line = problem.to_string();
        let at = line.find("enforcer.toml").unwrap_or(0);
        line[at..].to_owned()
    };
    error.problems().iter().map(short).collect()
}

fn sample() -> (PathBuf, toml::Table) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../deploy/enforcer.toml");
    let table = std::fs::read_to_string(&path).unwrap().parse().unwrap();
    (path, table)
}

/// Every dotted key of a table; the elements of an array share theirs.
fn keys(at: &str, value: &toml::Value, found: &mut std::collections::BTreeSet<String>) {
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table {
                keys(&format!("{at}.{key}"), value, found);
            }
        }
        toml::Value::Array(elements) if elements.iter().any(toml::Value::is_table) => {
            for element in elements {
                keys(at, element, found);
            }
        }
        _ => {
            found.insert(at.to_owned());
        }
    }
}

#[test]
fn the_sample_shows_every_key_and_no_other() {
    let (path, table) = sample();
    let loaded = Config::load(&path, &Variables::new()).unwrap();
    assert!(loaded.unused.is_empty(), "{:?}", loaded.unused);
    let (mut shown, mut known) = Default::default();
    keys("", &table.into(), &mut shown);
    keys(
        "",
        &toml::Value::try_from(&loaded.config).unwrap(),
        &mut known,
    );
    // What is secret is not shown.
    known.insert(".enforcer.management.password".to_owned());
    assert_eq!(shown, known);
}

#[test]
fn the_sample_shows_the_defaults() {
    let (path, _) = sample();
    let mut sample = Config::load(&path, &Variables::new()).unwrap().config;
    assert_eq!(sample.enforcer.security.token_service.len(), 3);
    sample.enforcer.security.token_service.clear();
    assert_eq!(sample, config("", &[]));
    // The loader fills it in; the sample must leave it open.
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("\ninstanceIdentifier = \"\"\n"));
}

#[test]
fn an_empty_file_is_a_configuration() {
    let config = config("", &[]);
    assert_eq!(config.xds.endpoints(), ["adapter:18000"]);
    assert!(!config.xds.instance_identifier.is_empty());
    assert_eq!(config.enforcer.auth_service.port.get(), 8081);
}

#[test]
fn choreo_connects_variables_are_taken() {
    let config = config(
        "[xds]\nadapters = ['other']\n",
        &[
            ("ADAPTER_HOST", "cp-1,cp-2:19000"),
            ("ADAPTER_XDS_PORT", "18001"),
            ("ADAPTER_HOST_NAME", "adapter.example"),
            ("XDS_MAX_MSG_SIZE", "8388608"),
            ("XDS_RETRY_PERIOD", "7"),
            ("ENFORCER_PUBLIC_CERT_PATH", "/c.pem"),
            ("ENFORCER_PRIVATE_KEY_PATH", "/k.pem"),
            ("TRUSTED_CA_CERTS_PATH", "/trust"),
            ("HOSTNAME", "enforcer-7"),
            ("RESCIND_ENFORCER__AUTHSERVICE__PORT", "8181"),
        ],
    );
    assert_eq!(config.xds.endpoints(), ["cp-1:18001", "cp-2:19000"]);
    assert_eq!(config.xds.server_name, "adapter.example");
    assert_eq!(config.xds.max_message_size, 8_388_608);
    assert_eq!(config.xds.retry_period, 7);
    assert_eq!(config.xds.instance_identifier, "enforcer-7");
    assert_eq!(config.enforcer.keystore.cert_path, PathBuf::from("/c.pem"));
    assert_eq!(config.enforcer.keystore.key_path, PathBuf::from("/k.pem"));
    assert_eq!(config.enforcer.truststore.location, PathBuf::from("/trust"));
    assert_eq!(config.enforcer.auth_service.port.get(), 8181);
}

#[test]
fn the_variable_takes_ipv6_addresses_with_and_without_brackets() {
    for (variable, endpoints) in [
        ("2001:db8::1", &["[2001:db8::1]:18000"][..]),
        ("[2001:db8::1]", &["[2001:db8::1]:18000"]),
        ("[::1]:1, [::2]:2", &["[::1]:1", "[::2]:2"]),
        ("['::1', 'a:1']", &["[::1]:18000", "a:1"]),
    ] {
        let config = config("", &[("ADAPTER_HOST", variable)]);
        assert_eq!(config.xds.endpoints(), endpoints, "{variable}");
    }
}

#[test]
fn a_configured_instance_identifier_beats_the_hosts_name() {
    let config = config(
        "[xds]\ninstanceIdentifier = 'mine'\n",
        &[("HOSTNAME", "host")],
    );
    assert_eq!(config.xds.instance_identifier, "mine");
}

#[test]
fn sections_of_choreo_connect_are_passed_over_by_name() {
    let text = "
        [adapter]
        soapErrorInXMLEnabled = true
        [adapter.server]
        port = 9843
        [adapter.keystore]
        certPath = '/home/wso2/security/keystore/mg.pem'
        [[adapter.vhostMapping]]
        environment = 'Default'
        [enforcer.authService]
        port = 8081
        keepAliveTime = 600
        [enforcer.authService.threadPool]
        coreSize = 400
        [enforcer.management]
        username = 'admin'
        password = '$env{enforcer_admin_pwd}'
        [[enforcer.security.tokenService]]
        name = 'Resident Key Manager'
        issuer = 'https://localhost:9443/oauth2/token'
        certificateAlias = 'wso2carbon'
        jwksURL = ''
        validateSubscription = false
        consumerKeyClaim = 'azp'
        certificateFilePath = '/home/wso2/security/truststore/wso2carbon.pem'
        [[enforcer.security.tokenService.claimMapping]]
        remoteClaim = ''
        localClaim = ''
        [enforcer.throttling]
        enableGlobalEventPublishing = false
    ";
    let variables = Variables::from([("enforcer_admin_pwd", "secret")]);
    let loaded = load_text(text, &variables).unwrap();
    assert_eq!(
        loaded.config.enforcer.management.password.expose(),
        "secret"
    );
    assert!(
        loaded.unused.iter().any(|key| key == "enforcer.throttling"),
        "{:?}",
        loaded.unused
    );
    assert_eq!(loaded.config.enforcer.security.token_service.len(), 1);
    assert!(loaded.config.adapter.soap_error_in_xml_enabled);
}

#[test]
fn the_names_of_api_manager_have_their_roles() {
    for (name, role) in [
        ("APIM APIkey", Role::ApiKey),
        ("APIM Publisher", Role::InternalKey),
        ("apim publisher", Role::Issuer),
        ("Resident Key Manager", Role::Issuer),
    ] {
        let service = TokenService {
            name: name.to_owned(),
            ..TokenService::default()
        };
        assert_eq!(service.role(), role, "{name}");
    }
}

#[test]
fn each_wrong_value_is_named_with_its_line_and_what_would_be_right() {
    let service = |lines: &str| format!("[[enforcer.security.tokenService]]\n{lines}");
    for (text, expected) in [
        (
            "[xds]\nport = 0\n".to_owned(),
            "enforcer.toml:2: xds.port: expected a port number (1-65535), found 0",
        ),
        (
            "[xds]\nadapters = []\n".to_owned(),
            "enforcer.toml:2: xds.adapters: expected at least one adapter, such as \"adapter:18000\"",
        ),
        (
            "[xds]\nadapters = ['ok', 'https://adapter:18000']\n".to_owned(),
            "enforcer.toml:2: xds.adapters[1]: expected host or host:port, found \"https://adapter:18000\"",
        ),
        (
            "[xds]\nserverName = 'a b'\n".to_owned(),
            "enforcer.toml:2: xds.serverName: expected the name in the adapters' certificates, found \"a b\"",
        ),
        (
            "[xds]\nmaxMessageSize = 1000\n".to_owned(),
            "enforcer.toml:2: xds.maxMessageSize: expected at least 4194304 bytes, found 1000",
        ),
        (
            "[xds]\nretryPeriod = 0\n".to_owned(),
            "enforcer.toml:2: xds.retryPeriod: expected at least 1 second, found 0",
        ),
        (
            "[enforcer.authService]\nport = 9001\n".to_owned(),
            "enforcer.restServer.port: 9001 is the port of enforcer.authService too, expected another",
        ),
        (
            "[enforcer.authService]\nmaxMessageSize = 100\n".to_owned(),
            "enforcer.toml:2: enforcer.authService.maxMessageSize: expected at least 131072 bytes, found 100",
        ),
        (
            "[enforcer.authService]\nmaxHeaderLimit = 1\n".to_owned(),
            "enforcer.toml:2: enforcer.authService.maxHeaderLimit: expected at least 1024 bytes, found 1",
        ),
        (
            "[enforcer.authService]\nhost = ''\n".to_owned(),
            "enforcer.toml:2: enforcer.authService.host: expected an address such as \"0.0.0.0\" or \"127.0.0.1\"",
        ),
        (
            "[enforcer.security.authHeader]\nauthorizationHeader = ''\n".to_owned(),
            "enforcer.toml:2: enforcer.security.authHeader.authorizationHeader: expected the name of an HTTP header, found \"\"",
        ),
        (
            "[enforcer.security.apiKey]\nheader = 'api key'\n".to_owned(),
            "enforcer.toml:2: enforcer.security.apiKey.header: expected the name of an HTTP header, found \"api key\"",
        ),
        (
            "[enforcer.security.apiKey]\nheader = 'Authorization'\n".to_owned(),
            "enforcer.toml:2: enforcer.security.apiKey.header: \"Authorization\" is enforcer.security.authHeader.authorizationHeader too, expected another name",
        ),
        (
            service("name = 'a'\njwksURL = 'https://a'\n"),
            "enforcer.security.tokenService[0].issuer: missing, expected the `iss` that the tokens of this service carry",
        ),
        (
            service("issuer = 'a'\n"),
            "enforcer.security.tokenService[0]: has no key, expected jwksURL, certificateFilePath, certificateAlias or certificates",
        ),
        (
            service("issuer = 'a'\njwksURL = 'ftp://a'\n"),
            "enforcer.toml:3: enforcer.security.tokenService[0].jwksURL: expected https://.., http://.. or file:///.., found \"ftp://a\"",
        ),
        (
            service("name = 'APIM APIkey'\njwksURL = 'https://a'\n"),
            "enforcer.security.tokenService[0].certificateFilePath: missing, expected a certificate: a JWK Set is not used for keys of API Manager",
        ),
        (
            service("issuer = 'a'\ncertificates = [{ kid = 'k' }]\n"),
            "enforcer.security.tokenService[0].certificates[0].filePath: missing, expected the PEM file of a certificate or public key",
        ),
        (
            service("issuer = 'a'\ncertificates = [{ filePath = '/a' }]\n"),
            "enforcer.security.tokenService[0].certificates[0].kid: missing, expected the `kid` of the tokens that it verifies",
        ),
        (
            service(
                "issuer = 'a'\ncertificates = [{ kid = 'k', filePath = '/a' }, { kid = 'k', filePath = '/b' }]\n",
            ),
            "enforcer.toml:3: enforcer.security.tokenService[0].certificates[1].kid: \"k\" is that of certificates[0] too, expected another",
        ),
        (
            service(
                "name = 'APIM APIkey'\ncertificateFilePath = '/a'\ncertificates = [{ kid = 'k', filePath = '/a' }]\n",
            ),
            "enforcer.toml:4: enforcer.security.tokenService[0].certificates: expected none: the `kid` of keys of API Manager is not looked at",
        ),
        (
            format!("{SERVICE}{SERVICE}"),
            "enforcer.security.tokenService[1].issuer: the same as in enforcer.security.tokenService[0], expected one table for each",
        ),
        (
            "[enforcer.staleness]\nbound = 5\n".to_owned(),
            "enforcer.toml:2: enforcer.staleness.bound: expected at least 20 seconds, found 5",
        ),
        (
            "[enforcer.staleness]\nsourceBound = 5\n".to_owned(),
            "enforcer.toml:2: enforcer.staleness.sourceBound: expected 0 or at least 20 seconds, found 5",
        ),
        (
            "[enforcer.staleness]\nstatus = 500\n".to_owned(),
            "enforcer.toml:2: enforcer.staleness.status: expected 503 or 401, found 500",
        ),
        (
            "[enforcer.staleness]\npolicy = 'refuse'\n".to_owned(),
            "enforcer.toml:2: enforcer.staleness.policy: ",
        ),
        (
            "[enforcer.security]\nskew = 301\n".to_owned(),
            "enforcer.toml:2: enforcer.security.skew: expected at most 300 seconds, found 301",
        ),
        (
            "[enforcer.security]\nrequiredClaims = ['sub']\n".to_owned(),
            "enforcer.toml:2: enforcer.security.requiredClaims",
        ),
        (
            "[enforcer.cache]\nmaximumSize = 0\n".to_owned(),
            "enforcer.toml:2: enforcer.cache.maximumSize: expected 1-10000000 tokens, found 0",
        ),
        (
            "[enforcer.security]\nverification = 'jwtAuthn'\njwtAuthn.payloadKeys = []\n"
                .to_owned(),
            "enforcer.security.jwtAuthn.payloadKeys: expected the payload_in_metadata of each provider",
        ),
        (
            "[enforcer.security]\nverification = 'none'\n".to_owned(),
            "enforcer.security.verification: expected ",
        ),
        (
            "[enforcer.authService]\nprot = 1\n".to_owned(),
            "enforcer.toml:2: enforcer.authService.prot: ",
        ),
        (
            "[next]\naddress = 'https://enforcer'\n".to_owned(),
            "enforcer.toml:2: next.address: expected host or host:port, found \"https://enforcer\"",
        ),
        (
            "[next]\naddress = 'a'\nserverName = 'a b'\n".to_owned(),
            "enforcer.toml:3: next.serverName: expected the name in the next enforcer's certificate, found \"a b\"",
        ),
        (
            "[next]\naddress = 'a'\nrest.address = 'a b'\n".to_owned(),
            "enforcer.toml:3: next.rest.address: expected host or host:port, found \"a b\"",
        ),
        (
            "[next.rest]\naddress = 'a'\n".to_owned(),
            "next.address: missing, expected where next.rest belongs to",
        ),
        (
            "[next]\naddress = 'a'\ntimeout = 0\n".to_owned(),
            "enforcer.toml:3: next.timeout: expected 1-60 seconds, found 0",
        ),
        (
            "[next]\naddress = 'a'\nmaxCalls = 0\n".to_owned(),
            "next.maxCalls: expected 1 to 65536, found 0",
        ),
        (
            "[next]\naddress = 'a'\ncertPath = 'c.pem'\n".to_owned(),
            "next.keyPath: missing, expected a certificate and its key",
        ),
        (
            "[log]\nlevel = 'loud'\n".to_owned(),
            "enforcer.toml:2: log.level: ",
        ),
    ] {
        let found = problems(&text);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains(expected), "{expected}\n{}", found[0]);
    }
}

#[test]
fn all_wrong_values_are_found_in_one_go() {
    let found = problems(
        "[xds]\nretryPeriod = 0\nserverName = ''\n[enforcer.security.apiKey]\nheader = ':'\n",
    );
    assert_eq!(found.len(), 3, "{found:?}");
}

#[test]
fn addresses_may_be_names_or_numbers_with_or_without_a_port() {
    let xds = Xds {
        adapters: ["a", "a:1", "::1", "[::1]", "[::1]:2"]
            .map(String::from)
            .into(),
        ..Xds::default()
    };
    assert_eq!(
        xds.endpoints(),
        ["a:18000", "a:1", "[::1]:18000", "[::1]:18000", "[::1]:2"]
    );
}

#[test]
fn choreo_connects_older_name_and_its_other_cases_are_taken() {
    let enabled = |text: &str| config(text, &[]).enforcer.rest_server.is_enabled();
    assert!(enabled(&format!(
        "{SERVICE}[enforcer.restServer]\nenable = true\n"
    )));
    assert!(!enabled(&format!(
        "{SERVICE}[enforcer.restServer]\nenable = false\nenabled = true\n"
    )));
    assert!(!enabled("[Enforcer.RestServer]\nEnabled = false\n"));
    // What is shown is what holds, by the newer name.
    let text = format!("{SERVICE}[enforcer.restServer]\nenable = false\n");
    let shown = serde_json::to_value(config(&text, &[]).enforcer.rest_server).unwrap();
    assert_eq!(shown["enabled"], false);
    let text = "[enforcer.restServer]\nHost = '0.0.0.0'\n";
    assert_eq!(
        problems(&format!("{SERVICE}{text}")),
        ["enforcer.toml:6: enforcer.restServer.Host: unknown key, did you mean host?"]
    );
}

#[test]
fn a_credential_may_have_several_names() {
    let names = |text: &str, variables: &[(&'static str, &'static str)]| {
        let security = config(&format!("{SERVICE}{text}"), variables)
            .enforcer
            .security;
        let header = &security.auth_header.authorization_header;
        let (key, query) = (&security.api_key.header, &security.api_key.query);
        [header, key, query].map(|names| names.iter().collect::<Vec<_>>().join("|"))
    };
    assert_eq!(names("", &[]), ["authorization", "apikey", "apikey"]);
    let text = "[enforcer.security.authHeader]\nauthorizationHeader = ['authorization', 'X-Token']\n\
                [enforcer.security.apiKey]\nheader = ''\nquery = 'key'\n";
    assert_eq!(names(text, &[]), ["authorization|X-Token", "", "key"]);
    let variable = "RESCIND_ENFORCER__SECURITY__AUTHHEADER__AUTHORIZATIONHEADER";
    assert_eq!(names("", &[(variable, "a, b")])[0], "a|b");
    for (value, problem) in [
        ("''", "expected the name of an HTTP header, found \"\""),
        ("[]", "expected the name of an HTTP header, found \"\""),
        ("['a', '']", "expected names, found an empty one"),
        (
            "['a', 'b c']",
            "expected the name of an HTTP header, found \"b c\"",
        ),
        ("['a', 'Apikey']", ""),
        ("7", "expected a name or a list of names, found 7"),
    ] {
        let text =
            format!("{SERVICE}[enforcer.security.authHeader]\nauthorizationHeader = {value}\n");
        let found = problems(&text).join("\n");
        assert!(found.contains(problem), "{value}: {found}");
    }
}
