use std::collections::HashMap;
use std::io::Write;

use rescind_runtime::config::{ConfigError, Loaded};
use rescind_runtime::load;

use super::*;

const WHOLE: &str = r#"
[log]
format = "text"
level = "info"

[standin]
host = "127.0.0.1"
port = 9443
certPath = "certs/standin.pem"
keyPath = "certs/standin.key"
stateDirectory = "state/standin"
issuer = "https://localhost:9443/oauth2/token"
listForm = "array"
entityId = true

[standin.tokenKey]
keyPath = "certs/token.key"
certPath = "certs/token.pem"

[standin.apiKeyKey]
keyPath = "certs/apikey.key"
certPath = "certs/apikey.pem"

[standin.admin]
username = "admin"
password = "$env{ADMIN_PASSWORD}"

[[standin.application]]
id = "93921368-ebdd-41c1-9b67-e38efcdfc320"
name = "DefaultApplication"
clientId = "one"
clientSecret = "hunter2"

[hub]
enabled = true
url = "amqp://guest:hunter2@127.0.0.1:5673"
caFile = ""
"#;

fn read(text: &str, variables: &[(&str, &str)]) -> Result<Loaded<Config>, ConfigError> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let mut environment: HashMap<_, _> = variables.iter().copied().collect();
    environment.insert("ADMIN_PASSWORD", "hunter2");
    load::<Config>(file.path(), &SCHEMA, &environment)?.check(Config::check)
}

#[track_caller]
fn problem(text: &str) -> String {
    let error = read(text, &[]).unwrap_err();
    assert_eq!(error.problems().len(), 1, "{error}");
    assert!(!error.to_string().contains("hunter2"), "{error}");
    let problem = error.problems()[0].to_string();
    let (_, problem) = problem.split_once(':').unwrap();
    problem.to_owned()
}

#[test]
fn the_whole_file_is_read() {
    let config = read(WHOLE, &[]).unwrap().config;
    assert_eq!(config.standin.port, 9443);
    assert_eq!(config.standin.list_form, ListForm::Array);
    assert!(config.standin.entity_id);
    assert_eq!(config.standin.admin.password.expose(), "hunter2");
    assert_eq!(config.standin.applications[0].client_id, "one");
    assert_eq!(
        config.standin.api_key_key.key_path,
        PathBuf::from("certs/apikey.key")
    );
    assert!(config.hub.enabled);
}

#[test]
fn what_has_a_default_may_be_left_out() {
    let short: String = WHOLE
        .lines()
        .filter(|line| {
            ![
                "host", "port", "listForm", "entityId", "caFile", "enabled", "format", "level",
            ]
            .iter()
            .any(|key| line.starts_with(key))
        })
        .flat_map(|line| [line, "\n"])
        .collect();
    let config = read(&short, &[]).unwrap().config;
    assert_eq!(config.standin.host, "127.0.0.1");
    assert_eq!(config.standin.port, 9443);
    assert_eq!(config.standin.list_form, ListForm::Object);
    assert!(!config.standin.entity_id);
    assert!(config.hub.enabled);
}

#[test]
fn variables_lie_over_the_file() {
    let variables = [
        ("RESCIND_STANDIN__PORT", "19443"),
        ("RESCIND_HUB__ENABLED", "false"),
    ];
    let loaded = read(WHOLE, &variables).unwrap();
    assert_eq!(loaded.config.standin.port, 19443);
    assert!(!loaded.config.hub.enabled);
}

#[test]
fn the_configuration_in_force_shows_no_secret() {
    let lines = read(WHOLE, &[]).unwrap().describe();
    assert!(lines.iter().any(|line| line.starts_with("standin.port")));
    assert!(!lines.join("\n").contains("hunter2"));
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    for (right, wrong, expected) in [
        ("port = 9443", "prot = 9443", "8: standin.prot"),
        ("port = 9443", "port = 99999", "8: standin.port"),
        ("\"array\"", "\"list\"", "13: standin.listForm"),
        (
            "\"hunter2\"",
            "\"\"",
            "32: standin.application[0].clientSecret: expected a secret",
        ),
        (
            "amqp://guest:hunter2@",
            "http://guest:hunter2@",
            "36: hub.url: expected amqp://",
        ),
        (
            "\"amqp://guest:hunter2@127.0.0.1:5673\"",
            "\"\"",
            "36: hub.url: expected amqp://",
        ),
    ] {
        let found = problem(&WHOLE.replacen(right, wrong, 1));
        assert!(found.starts_with(expected), "{found}");
    }
}

#[test]
fn two_applications_are_told_apart() {
    let table = WHOLE.split_once("[[standin.application]]").unwrap().1;
    let table = table.split_once("[hub]").unwrap().0;
    let twice = format!("{WHOLE}\n[[standin.application]]{table}");
    let other_id = twice.replacen("93921368", "00000000", 1);
    assert!(problem(&other_id).contains("standin.application[1].clientId"));
    let other_client = twice.replacen("\"one\"", "\"two\"", 1);
    assert!(problem(&other_client).contains("standin.application[1].id"));
}

#[test]
fn a_hub_that_is_switched_off_needs_no_url() {
    let off = WHOLE.split_once("[hub]").unwrap().0.to_owned() + "[hub]\nenabled = false\n";
    assert!(!read(&off, &[]).unwrap().config.hub.enabled);
}
