//! One line for each problem: where, which key, and what would be right.

use super::*;

/// [`check`] for lines below [`SOUND`]; the first of them is line 5.
#[track_caller]
fn check_below(text: &str, expected: &[&str]) {
    check(&format!("{SOUND}{text}"), &[], expected);
}

#[test]
fn a_sound_file_has_none() {
    check_below("", &[]);
    let config = loaded(SOUND, &[]).config;
    assert_eq!(config.adapter.port, Port::new(18000).unwrap());
    assert_eq!(config.log.format, Format::Text);
}

#[test]
fn an_unknown_key_is_met_with_the_nearest_known_one() {
    check_below(
        "hots = \"x\"\n",
        &["adapter.toml:5: adapter.hots: unknown key, did you mean host?"],
    );
    check_below(
        "retry_period = 1\n",
        &["adapter.toml:5: adapter.retry_period: unknown key, did you mean retryPeriod?"],
    );
    check_below(
        "[contolPlane]\nenabled = true\n",
        &["adapter.toml:5: contolPlane: unknown key, did you mean controlPlane?"],
    );
}

#[test]
fn an_unknown_key_like_no_other_is_met_with_all_of_them() {
    check_below(
        "[log]\nzzz = 1\n",
        &["adapter.toml:6: log.zzz: unknown key, known here: format, fields"],
    );
}

#[test]
fn a_value_of_another_type_is_met_with_what_would_be_right() {
    check_below(
        "[controlPlane]\nenabled = \"yes\"\nusername = 5\nendpoints = \"amqp://x\"\n",
        &[
            "adapter.toml:6: controlPlane.enabled: expected true or false, found \"yes\"",
            "adapter.toml:7: controlPlane.username: expected a string, found 5",
            "adapter.toml:8: controlPlane.endpoints: expected an array, found \"amqp://x\"",
        ],
    );
    check_below(
        "retryPeriod = [1]\nfactor = \"much\"\nservices = 1\n[log.fields.a]\n",
        &[
            "adapter.toml:5: adapter.retryPeriod: expected a whole number from 0 to 65535, found an array",
            "adapter.toml:6: adapter.factor: expected a number, found \"much\"",
            "adapter.toml:7: adapter.services: unknown key, known here: host, port, directory, retryPeriod, factor",
            "adapter.toml:8: log.fields.a: expected a string, found a table",
        ],
    );
    check(
        "adapter = 1\n",
        &[],
        &["adapter.toml:1: adapter: expected a table, found 1"],
    );
}

#[test]
fn a_value_out_of_range_is_met_with_the_range() {
    for (port, found) in [
        ("0", "0"),
        ("65536", "65536"),
        ("-1", "-1"),
        ("\"x\"", "\"x\""),
        ("1.5", "1.5"),
        ("0xFFFFF", "1048575"),
    ] {
        check(
            &SOUND.replace("18000", port),
            &[],
            &[&format!(
                "adapter.toml:3: adapter.port: expected a port number (1-65535), found {found}"
            )],
        );
    }
    check_below(
        "retryPeriod = 99999\n",
        &[
            "adapter.toml:5: adapter.retryPeriod: expected a whole number from 0 to 65535, found 99999",
        ],
    );
}

#[test]
fn a_word_that_is_none_of_the_choices_is_met_with_them() {
    check_below(
        "[log]\nformat = \"xml\"\n",
        &["adapter.toml:6: log.format: expected \"text\" or \"json\", found \"xml\""],
    );
}

#[test]
fn every_missing_key_is_named_at_its_table() {
    check(
        "[log]\n[adapter]\n",
        &[],
        &[
            "adapter.toml:2: adapter.host: missing, and it has no default",
            "adapter.toml:2: adapter.port: missing, and it has no default",
            "adapter.toml:2: adapter.directory: missing, and it has no default",
        ],
    );
    check(
        "",
        &[],
        &["adapter.toml:1: adapter: missing, and it has no default"],
    );
    check_below(
        "[[services]]\nname = \"a\"\nissuer = \"b\"\n[[services]]\nname = \"a\"\n",
        &["adapter.toml:8: services[1].issuer: missing, and it has no default"],
    );
}

#[test]
fn all_that_can_be_found_is_found_in_one_go() {
    check(
        "[log]\nformat = 1\n[adapter]\nhost = 1\nport = \"x\"\nhots = 1\n[controlPlane]\nserviceURL = \"nowhere\"\nendpoints = [\"amqp://a\", \"b\", \"c d\"]\n[[services]]\nissuer = 3\n",
        &[],
        &[
            "adapter.toml:2: log.format: expected a string, found 1",
            "adapter.toml:3: adapter.directory: missing, and it has no default",
            "adapter.toml:4: adapter.host: expected a string, found 1",
            "adapter.toml:5: adapter.port: expected a port number (1-65535), found \"x\"",
            "adapter.toml:6: adapter.hots: unknown key, did you mean host?",
            "adapter.toml:8: controlPlane.serviceURL: not a URL: nowhere",
            "adapter.toml:9: controlPlane.endpoints[1]: not a URL: b",
            "adapter.toml:9: controlPlane.endpoints[2]: not a URL: c d",
            "adapter.toml:10: services[0].name: missing, and it has no default",
            "adapter.toml:11: services[0].issuer: expected a string, found 3",
        ],
    );
}

#[test]
fn what_is_not_toml_is_told_by_line_without_the_line() {
    let error = try_load("[adapter]\npassword = hunter2\n[adapter\n", &[]).unwrap_err();
    let lines: Vec<_> = error.problems().iter().map(ToString::to_string).collect();
    assert!(
        lines[0].starts_with("adapter.toml:2: not TOML: "),
        "{lines:?}"
    );
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("adapter.toml:3: not TOML: ")),
        "{lines:?}"
    );
    assert!(!error.to_string().contains("hunter2"), "{error}");
    let error = try_load("a = 1\na = 2\n", &[]).unwrap_err();
    assert!(
        error.to_string().starts_with("adapter.toml:2: not TOML: "),
        "{error}"
    );
}

#[test]
fn a_problem_is_one_line_whatever_the_value() {
    let error = try_load(&SOUND.replace("18000", "\"a\\nb\\u001b\""), &[]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "adapter.toml:3: adapter.port: expected a port number (1-65535), found \"a\\nb\\u{1b}\""
    );
    let error = try_load(
        &SOUND.replace("18000", &format!("\"{}\"", "é".repeat(500))),
        &[],
    )
    .unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with(&format!("found \"{}...\"", "é".repeat(60))),
        "{error}"
    );
}

#[test]
fn a_file_that_cannot_be_read_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("missing.toml");
    let error = load::<Config>(&path, &SCHEMA, &Variables::new()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "{}: cannot read the configuration: No such file or directory (os error 2) (--config names another file)",
            path.display()
        )
    );
    let error = load::<Config>(folder.path(), &SCHEMA, &Variables::new()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("cannot read the configuration: Is a directory"),
        "{error}"
    );
    std::fs::write(&path, b"a = 1\nb = \"\xff\"\n").unwrap();
    let error = load::<Config>(&path, &SCHEMA, &Variables::new()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("{}:2: not UTF-8", path.display())
    );
}

#[test]
fn keys_that_others_know_are_named_and_passed_over() {
    let text = format!(
        "{SOUND}vhostMapping = [1]\n[tracing.x]\ny = \"$env{{NONE}}\"\n[[services]]\nname = \"a\"\nissuer = \"b\"\nvalidateSubscription = 1\n"
    );
    let loaded = loaded(&text, &[]);
    assert_eq!(
        loaded.unused,
        [
            "adapter.vhostMapping",
            "services[0].validateSubscription",
            "tracing"
        ]
    );
}
