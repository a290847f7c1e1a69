use std::{collections::BTreeMap, fs};

use rescind_runtime::config::{ConfigError, Loaded, load};
use tempfile::TempDir;

use super::*;

type Map = BTreeMap<&'static str, &'static str>;

fn read(text: &str, environment: &Map) -> Result<Loaded<Config>, ConfigError> {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("adapter.toml");
    fs::write(&path, text).unwrap();
    load(&path, &SCHEMA, environment).and_then(|loaded: Loaded<Config>| loaded.check(check))
}

fn password() -> Map {
    Map::from([("cp_admin_pwd", "s3cret/+")])
}

/// What the file needs beside `text`.
fn with_control_plane(text: &str) -> String {
    format!(
        "{text}\n[controlPlane]\npassword = \"p\"\n\
         [controlPlane.brokerConnectionParameters]\neventListeningEndpoints = []\n"
    )
}

fn sample() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/adapter.toml");
    fs::read_to_string(path).unwrap()
}

#[test]
fn the_sample_holds_every_key_with_its_default() {
    let sample = read(&sample(), &password()).unwrap();
    assert_eq!(sample.unused, [""; 0]);
    let defaults = read(&with_control_plane(""), &Map::new()).unwrap();
    let endpoint = |line: &String| !line.contains("eventListeningEndpoints");
    let mut written = sample.describe();
    let mut default = defaults.describe();
    written.retain(endpoint);
    default.retain(endpoint);
    assert_eq!(written, default);
    let section = &sample.config.control_plane;
    assert_eq!(section.password.as_ref().unwrap().expose(), "s3cret/+");
    assert_eq!(section.endpoints().len(), 1);
    assert_eq!(section.endpoints()[0].retries(), 10);
}

#[test]
fn every_key_in_force_is_written_in_the_sample() {
    let text = sample();
    let described = read(&text, &password()).unwrap().describe();
    assert!(described.len() >= 22, "{described:#?}");
    for line in described {
        let (key, _) = line.split_once(" = ").unwrap();
        let last = key.rsplit('.').next().unwrap();
        let last = last.split('[').next().unwrap();
        let is_key = |line: &str| line.starts_with(&format!("{last} = "));
        assert!(text.lines().any(is_key), "{key}");
    }
}

#[test]
fn nothing_in_force_shows_a_secret() {
    let shown = read(&sample(), &password()).unwrap().describe().join("\n");
    assert!(!shown.contains("s3cret"), "{shown}");
    assert!(shown.contains("@apim:5672"), "{shown}");
}

#[test]
fn choreo_connects_own_sections_are_taken_as_they_are() {
    let text = r#"
[adapter]
artifactsDirectory = "/home/wso2/artifacts"
[adapter.server]
enabled = true
port = "9843"
[[adapter.vhostMapping]]
environment = "Default"
vhost = "localhost"
[router]
listenerPort = 9090
[enforcer.authService]
port = 8081
[controlPlane]
enabled = true
serviceUrl = "https://apim:9443/"
username = "admin"
password = "$env{cp_admin_pwd}"
environmentLabels = ["Default"]
retryInterval = 0
skipSSLVerification = true
[controlPlane.brokerConnectionParameters]
eventListeningEndpoints = ["amqp://admin:$env{cp_admin_pwd}@apim:5672?retries='10'&connectdelay='30'"]
reconnectInterval = 5000
[controlPlane.httpClient]
requestTimeOut = 30
[analytics]
enabled = false
"#;
    let loaded = read(text, &Map::from([("cp_admin_pwd", "admin")])).unwrap();
    assert!(loaded.unused.iter().any(|key| key.starts_with("router")));
    let section = &loaded.config.control_plane;
    assert_eq!(section.retry_interval(), Seconds(5));
    assert!(section.skip_ssl_verification);
}

#[test]
fn variables_lie_over_the_file() {
    let environment = Map::from([
        ("ADAPTER_XDS_PORT", "28000"),
        ("RESCIND_LEDGER__DIRECTORY", "/data"),
        ("RESCIND_CONTROLPLANE__ENABLED", "false"),
    ]);
    let loaded = read("", &environment).unwrap();
    assert_eq!(loaded.config.adapter.xds.port.get(), 28000);
    assert_eq!(loaded.config.ledger.directory, PathBuf::from("/data"));
    assert!(!loaded.config.control_plane.enabled);
    assert_eq!(loaded.overridden.len(), 3);
}

#[test]
fn a_password_may_stand_in_a_file() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("password");
    fs::write(&path, "from a file\n").unwrap();
    let text = format!(
        "[controlPlane]\npassword = {{ file = {path:?} }}\n\
         brokerConnectionParameters.eventListeningEndpoints = []"
    );
    let loaded = read(&text, &Map::new()).unwrap();
    let password = loaded.config.control_plane.password.unwrap();
    assert_eq!(password.expose(), "from a file");
}

#[test]
fn without_a_control_plane_nothing_of_it_is_needed() {
    read("controlPlane.enabled = false", &Map::new()).unwrap();
}

/// The problems that `text` has beside a good control plane, each from its line on.
#[track_caller]
fn check_problems(text: &str, expected: &[&str]) {
    let error = read(text, &password()).unwrap_err();
    let problems: Vec<_> = error.problems().iter().map(ToString::to_string).collect();
    assert_eq!(problems.len(), expected.len(), "{problems:#?}");
    for (problem, expected) in problems.iter().zip(expected) {
        let (_, found) = problem.split_once("adapter.toml:").unwrap();
        assert!(found.starts_with(expected), "{problem}\n{expected}");
    }
}

#[test]
fn a_wrong_value_is_named_with_its_line_and_what_would_be_right() {
    let section = |line: &str| with_control_plane(line);
    check_problems(
        &section("[adapter.xds]\nport = \"x\""),
        &["2: adapter.xds.port: expected a port number (1-65535), found"],
    );
    check_problems(
        &section("[adapter.xds]\nport = 70000"),
        &["2: adapter.xds.port: expected a port number (1-65535)"],
    );
    check_problems(
        &section("[adapter.xds]\n\nport = 9843\nhost = \"127.0.0.1\""),
        &["1: adapter.admin.port: expected another port than adapter.xds.port"],
    );
    check_problems(
        &section("[adapter.xds]\nprot = 1"),
        &["2: adapter.xds.prot: "],
    );
    check_problems(
        &section("[ledger]\ndirectory = \"\""),
        &["2: ledger.directory: expected a directory"],
    );
    check_problems(
        &section("[ledger]\nretainExpired = 599"),
        &[
            "2: ledger.retainExpired: expected 600 s (ten minutes) to 2592000 s (30 days), found 599 s",
        ],
    );
    for value in [1, 86_399, 316_224_001] {
        check_problems(
            &section(&format!("[ledger]\nretainUnknown = {value}")),
            &[&format!(
                "2: ledger.retainUnknown: expected 0 (always) or 86400 s (a day) to 316224000 s (ten years), found {value} s"
            )],
        );
    }
    check_problems(
        &section("[log]\nlevel = \"loud\""),
        &["2: log.level: expected error, warn, info"],
    );
    check_problems(&section("[log]\nformat = \"xml\""), &["2: log.format: "]);
}

#[test]
fn a_wrong_pass_through_is_named_in_one_go() {
    check_problems(
        &with_control_plane(
            "[adapter.xds.passthrough]\n\
             address = \"adapter\"\n\
             serverName = \"a b\"\n\
             certPath = \"cert.pem\"\n\
             maxCalls = 5000\n\
             maxCallsPerClient = 0",
        ),
        &[
            "1: adapter.xds.passthrough.keyPath: expected the private key",
            "2: adapter.xds.passthrough.address: expected host:port",
            "3: adapter.xds.passthrough.serverName: expected a DNS name",
            "5: adapter.xds.passthrough.maxCalls: expected 1 to 4096, found 5000",
            "6: adapter.xds.passthrough.maxCallsPerClient: expected 1 to 4096, found 0",
        ],
    );
}

#[test]
fn an_address_that_nobody_can_connect_to_is_named() {
    let original = |address: &str| {
        with_control_plane(&format!(
            "[adapter.xds.passthrough]\naddress = \"{address}\""
        ))
    };
    for wrong in ["::1:18000", "::1:8081", "a b:18000", "[::1]", "u@a:1", ":1"] {
        check_problems(
            &original(wrong),
            &["2: adapter.xds.passthrough.address: expected host:port"],
        );
    }
}

#[test]
fn a_wrong_control_plane_is_named_in_one_go() {
    check_problems(
        "[controlPlane]\n\
         serviceURL = \"ftp://apim\"\n\
         username = \"\"\n\
         retryInterval = 100000\n\
         emptyListWait = 86401\n\
         [controlPlane.brokerConnectionParameters]\n\
         durableQueue = \"amq.mine\"\n\
         durableQueueExpires = 0\n\
         eventListeningEndpoints = [\n\
         \"amqp://a:b@apim\",\n\
         \"http://apim\"]\n\
         tls.certFile = \"cert.pem\"\n",
        &[
            "1: controlPlane.password: expected the password of controlPlane.username",
            "2: controlPlane.serviceURL: expected a URL such as https://apim:9443/",
            "3: controlPlane.username: expected the user",
            "4: controlPlane.retryInterval: expected at most 86400 s",
            "5: controlPlane.emptyListWait: expected at most 86400 s",
            "7: controlPlane.brokerConnectionParameters.durableQueue: expected a name",
            "8: controlPlane.brokerConnectionParameters.durableQueueExpires: expected 1 s to",
            "11: controlPlane.brokerConnectionParameters.eventListeningEndpoints[1]: expected amqp://",
            "12: controlPlane.brokerConnectionParameters.tls.keyFile: expected the private key",
        ],
    );
}

#[test]
fn credentials_and_names_have_their_own_places() {
    let rest = "\nbrokerConnectionParameters.eventListeningEndpoints = []\npassword = \"p\"";
    check_problems(
        &format!("[controlPlane]\nserviceURL = \"https://a:b@apim\"{rest}"),
        &["2: controlPlane.serviceURL: expected no credentials in the URL"],
    );
    check_problems(
        &format!("[controlPlane]\nserverName = \"a b\"{rest}"),
        &["2: controlPlane.serverName: expected a DNS name"],
    );
}

#[test]
fn the_list_of_brokers_is_not_forgotten_by_accident() {
    check_problems(
        "[controlPlane]\npassword = \"p\"\n",
        &[
            "1: controlPlane.brokerConnectionParameters.eventListeningEndpoints: expected a list such as",
        ],
    );
}

#[test]
fn a_variable_that_is_not_set_is_named() {
    let error = read(&sample(), &Map::new()).unwrap_err().to_string();
    assert!(error.contains("controlPlane.password"), "{error}");
    assert!(error.contains("cp_admin_pwd"), "{error}");
}
