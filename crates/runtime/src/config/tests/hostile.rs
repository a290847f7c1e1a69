//! Whatever stands in the file or in a variable: no panic, and each problem is one line.

use proptest::prelude::*;

use super::*;

/// Lines that are nearly right, in any order and number.
fn line() -> impl Strategy<Value = String> {
    let key = prop::sample::select(vec![
        "host",
        "port",
        "password",
        "enabled",
        "services",
        "endpoints",
        "a.b",
        "\"x y\"",
    ]);
    let value = prop::sample::select(vec![
        "1",
        "-1",
        "0x1F",
        "1e999",
        "99999999999999999999",
        "true",
        "\"x\"",
        "\"$env{A}\"",
        "\"$env{\"",
        "[]",
        "[[1], {a = 2}]",
        "{}",
        "{ file = \"/nowhere\" }",
        "1979-05-27",
        "\"amqp://u:p@h\"",
        "\"\"\"",
        "",
    ]);
    let header = prop::sample::select(vec![
        "[adapter]",
        "[log]",
        "[controlPlane]",
        "[[services]]",
        "[services]",
        "[adapter.port]",
        "[",
    ]);
    prop_oneof![
        (key, value).prop_map(|(key, value)| format!("{key} = {value}")),
        header.prop_map(str::to_owned),
        "\\PC{0,20}",
    ]
}

fn check_lines(error: &ConfigError) {
    assert!(!error.problems().is_empty());
    for problem in error.problems() {
        assert!(
            !problem.to_string().chars().any(char::is_control),
            "{problem:?}"
        );
    }
}

proptest! {
    #[test]
    fn any_file(lines in prop::collection::vec(line(), 0..12), sound: bool) {
        let text = format!("{}{}", if sound { SOUND } else { "" }, lines.join("\n"));
        if let Err(error) = try_load(&text, &[("A", "b\nc")]) {
            check_lines(&error);
        }
    }

    #[test]
    fn any_variable(value in "\\PC{0,20}|[\\[{][\\x00-\\x7f]{0,20}") {
        let value: &'static str = value.leak();
        let names = [
            "RESCIND_ADAPTER__PORT",
            "RESCIND_CONTROLPLANE__ENDPOINTS",
            "RESCIND_CONTROLPLANE",
            "RESCIND_LOG__FIELDS",
            "RESCIND_SERVICES__0",
            "RESCIND_ADAPTER__HOST__X",
        ];
        for name in names {
            if let Err(error) = try_load(SOUND, &[(name, value)]) {
                check_lines(&error);
            }
        }
    }
}
