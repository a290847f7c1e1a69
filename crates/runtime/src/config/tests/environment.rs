//! Variables over the file, and variables in it.

use super::*;

#[derive(Debug, Deserialize)]
struct Client {
    xds: Servers,
}

#[derive(Debug, Deserialize)]
struct Servers {
    servers: Vec<String>,
}

#[test]
fn variables_with_names_of_their_own_beat_the_file() {
    let loaded = loaded(
        SOUND,
        &[
            ("ADAPTER_XDS_PORT", "18001"),
            ("CP_ENDPOINTS", "amqp://a, amqp://b"),
        ],
    );
    assert_eq!(loaded.config.adapter.port.get(), 18001);
    let endpoints: Vec<_> = loaded
        .config
        .control_plane
        .endpoints
        .iter()
        .map(|url| url.0.as_str())
        .collect();
    assert_eq!(endpoints, ["amqp://a", "amqp://b"]);
    assert_eq!(
        loaded.overridden,
        [
            "adapter.port (ADAPTER_XDS_PORT)",
            "controlPlane.endpoints (CP_ENDPOINTS)",
        ]
    );
}

#[test]
fn a_variable_with_the_prefix_sets_any_key_in_any_case() {
    let config = loaded(
        SOUND,
        &[
            ("RESCIND_ADAPTER__HOST", "true"),
            ("RESCIND_ADAPTER__retryPeriod", " 7 "),
            ("RESCIND_ADAPTER__FACTOR", "2"),
            ("RESCIND_CONTROLPLANE__ENABLED", "True"),
            ("RESCIND_CONTROLPLANE__SERVICEURL", "https://apim:9443/"),
            (
                "RESCIND_CONTROLPLANE__ENDPOINTS",
                "[\"amqp://a\", 'amqp://b,c']",
            ),
            ("RESCIND_CONTROLPLANE__PASSWORD", "1234"),
            ("RESCIND_LOG__FORMAT", "json"),
            ("RESCIND_LOG__FIELDS", "{ a = \"b\" }"),
            ("RESCIND_LOG__FIELDS__C", "d"),
        ],
    )
    .config;
    assert_eq!(config.adapter.host, "true");
    assert_eq!(config.adapter.retry_period, 7);
    assert_eq!(config.adapter.factor, 2.0);
    assert!(config.control_plane.enabled);
    assert_eq!(
        config.control_plane.service_url.unwrap().0,
        "https://apim:9443/"
    );
    assert_eq!(config.control_plane.endpoints[1].0, "amqp://b,c");
    assert_eq!(config.control_plane.password.unwrap().expose(), "1234");
    assert_eq!(config.log.format, Format::Json);
    assert_eq!(config.log.fields["c"], "d");
}

#[test]
fn a_list_may_begin_with_an_ipv6_address_in_brackets() {
    let texts = |variable| {
        let over = [("RESCIND_XDS__SERVERS", variable)];
        super::super::loaded::load_text::<Client>(
            "a.toml",
            "",
            &super::SCHEMA,
            &Variables::from(over),
        )
    };
    for (variable, servers) in [
        ("[2001:db8::1]:18000", &["[2001:db8::1]:18000"][..]),
        (" [::1] , b", &["[::1]", "b"]),
        ("['[::1]', 'b,c']", &["[::1]", "b,c"]),
    ] {
        let loaded = texts(variable).expect(variable);
        assert_eq!(loaded.config.xds.servers, servers);
    }
    assert!(texts("[::1").is_err());
}

#[test]
fn a_variable_lies_over_the_file_by_whichever_name_the_file_has() {
    for name in ["serviceURL", "serviceUrl"] {
        let text = format!("{SOUND}[controlPlane]\n{name} = \"https://apim:9443/\"\n");
        let over = [("RESCIND_CONTROLPLANE__SERVICEURL", "https://other:9443/")];
        let url = loaded(&text, &over).config.control_plane.service_url;
        assert_eq!(url.unwrap().0, "https://other:9443/", "{name}");
    }
}

#[test]
fn a_variable_hides_no_key_of_the_file_that_nobody_knows() {
    let text = SOUND.replace("host", "HOST");
    let problems = try_load(&text, &[("RESCIND_ADAPTER__HOST", "::1")]).unwrap_err();
    assert!(
        problems.to_string().contains("adapter.toml:2: "),
        "{problems}"
    );
}

#[test]
fn the_prefix_beats_a_name_of_its_own() {
    let variables = [("ADAPTER_XDS_PORT", "1"), ("RESCIND_ADAPTER__PORT", "2")];
    assert_eq!(loaded(SOUND, &variables).config.adapter.port.get(), 2);
}

#[test]
fn an_empty_variable_with_a_name_of_its_own_is_unset() {
    assert_eq!(
        loaded(SOUND, &[("ADAPTER_XDS_PORT", "")])
            .config
            .adapter
            .port
            .get(),
        18000
    );
    check(
        SOUND,
        &[("RESCIND_ADAPTER__PORT", "")],
        &[
            "environment variable RESCIND_ADAPTER__PORT: adapter.port: expected a port number (1-65535), found \"\"",
        ],
    );
}

#[test]
fn a_variable_mends_what_the_file_has_wrong() {
    let text = SOUND.replace("18000", "\"$env{NONE}\"");
    assert_eq!(
        loaded(&text, &[("ADAPTER_XDS_PORT", "1")])
            .config
            .adapter
            .port
            .get(),
        1
    );
    let variables = [
        ("RESCIND_ADAPTER__HOST", "h"),
        ("RESCIND_ADAPTER__PORT", "1"),
        ("RESCIND_ADAPTER__DIRECTORY", "d"),
    ];
    assert_eq!(loaded("", &variables).config.adapter.host, "h");
}

#[test]
fn a_wrong_value_is_told_by_its_variable() {
    check(
        SOUND,
        &[
            ("ADAPTER_XDS_PORT", "x"),
            ("RESCIND_CONTROLPLANE__ENABLED", "maybe"),
            ("RESCIND_LOG__FORMAT", "xml"),
            ("RESCIND_CONTROLPLANE__ENDPOINTS", "[\"a"),
        ],
        &[
            "environment variable ADAPTER_XDS_PORT: adapter.port: expected a port number (1-65535), found \"x\"",
            "environment variable RESCIND_CONTROLPLANE__ENABLED: controlPlane.enabled: expected true or false, found \"maybe\"",
            "environment variable RESCIND_CONTROLPLANE__ENDPOINTS: controlPlane.endpoints: not a TOML value: unclosed array, expected `]`",
            "environment variable RESCIND_LOG__FORMAT: log.format: expected \"text\" or \"json\", found \"xml\"",
        ],
    );
}

#[test]
fn a_variable_that_names_no_key_is_a_problem() {
    check(
        SOUND,
        &[
            ("RESCIND_ADAPTER__PROT", "1"),
            ("RESCIND_ADAPTR__PORT", "1"),
            ("RESCIND_PORT_", "1"),
            ("RESCIND___X", "1"),
        ],
        &[
            "environment variable RESCIND_PORT_: names no key, expected the form RESCIND_<SECTION>__<KEY>",
            "environment variable RESCIND___X: names no key, expected the form RESCIND_<SECTION>__<KEY>",
            "environment variable RESCIND_ADAPTR__PORT: adaptr: unknown key, did you mean adapter?",
            "environment variable RESCIND_ADAPTER__PROT: adapter.prot: unknown key, did you mean port?",
        ],
    );
}

#[test]
fn variables_for_others_are_left_alone() {
    check(
        SOUND,
        &[
            ("RESCIND_CONFIG", "/etc/rescind/adapter.toml"),
            ("RESCIND_DEMO", "1"),
            ("RESCIND_ADAPTER_PORT_18000_TCP", "tcp://10.0.0.1:18000"),
            ("PATH", "/bin"),
        ],
        &[],
    );
}

#[test]
fn variables_in_texts_are_put_in() {
    let text = format!(
        "{SOUND}[controlPlane]\npassword = \"$env{{P}}\"\nusername = \"a$env{{U}}b$env{{U}}\"\nendpoints = [\"amqp://u:$env{{P}}@h\"]\n"
    );
    let config = loaded(&text, &[("P", "pw$env{U}"), ("U", "-")]).config;
    assert_eq!(config.control_plane.password.unwrap().expose(), "pw$env{U}");
    assert_eq!(config.control_plane.username, "a-b-");
    assert_eq!(config.control_plane.endpoints[0].0, "amqp://u:pw$env{U}@h");
}

#[test]
fn an_unset_variable_in_a_text_is_named_with_its_key() {
    check(
        &format!(
            "{SOUND}[controlPlane]\nusername = \"$env{{U}}$env{{V}}\"\nserviceURL = \"$env{{W}}\"\nendpoints = [\"amqp://x\", \"$env{{P\"]\n"
        ),
        &[],
        &[
            "adapter.toml:6: controlPlane.username: the environment variable U is not set",
            "adapter.toml:6: controlPlane.username: the environment variable V is not set",
            "adapter.toml:7: controlPlane.serviceURL: the environment variable W is not set",
            "adapter.toml:8: controlPlane.endpoints[1]: \"$env{\" has no \"}\" after it",
        ],
    );
}
