//! What is secret is seen nowhere.

use super::*;

const PASSWORD: &str = "hunter2-hunter2";

#[test]
fn a_secret_does_not_print() {
    let text = format!(
        "{SOUND}[controlPlane]\npassword = \"{PASSWORD}\"\nendpoints = [\"amqp://admin:{PASSWORD}@h:5672/v?a='1'\"]\n"
    );
    let loaded = loaded(&text, &[]);
    let secret = loaded.config.control_plane.password.clone().unwrap();
    let shown = [
        format!("{secret:?}"),
        format!("{secret:#?}"),
        format!("{:?}", loaded.config.control_plane.password),
        loaded.describe().join("\n"),
    ];
    for shown in shown {
        assert!(!shown.contains("hunter"), "{shown}");
    }
    assert_eq!(secret.expose(), PASSWORD);
}

#[test]
fn the_configuration_is_described_with_its_defaults_and_without_its_secrets() {
    let text = format!(
        "{SOUND}[controlPlane]\npassword = \"x\"\nusername = \"$env{{U}}\"\nendpoints = [\"amqp://admin:$env{{P}}@h:5672\"]\n"
    );
    let described = loaded(&text, &[("U", "someone"), ("P", PASSWORD)]).describe();
    assert_eq!(
        described,
        [
            "adapter.directory = \"/var/lib/rescind\"",
            "adapter.factor = 0.0",
            "adapter.host = \"0.0.0.0\"",
            "adapter.port = 18000",
            "adapter.retryPeriod = 0",
            "controlPlane.enabled = false",
            "controlPlane.endpoints[0] = \"amqp://***@h:5672\"",
            "controlPlane.username = \"$env{U}\"",
            "log.format = \"text\"",
            "services = []",
        ]
    );
}

#[test]
fn an_error_does_not_repeat_a_secret() {
    let wrong = [
        // A secret of another type, by type and by name.
        format!("{SOUND}[controlPlane]\npassword = 87654321\n"),
        format!("{SOUND}[controlPlane]\npassword = [\"{PASSWORD}\"]\n"),
        format!("{SOUND}[controlPlane]\npassword = {{ fil = \"{PASSWORD}\" }}\n"),
        format!("{SOUND}passwordPort = \"{PASSWORD}\"\n"),
        format!("{SOUND}[controlPlane]\nkey = 87654321\n"),
        // Another reader's message about a URL with a password.
        format!("{SOUND}[controlPlane]\nserviceURL = \"https://admin:{PASSWORD}@ho st\"\n"),
        format!("{SOUND}[controlPlane]\nendpoints = [\"amqp://:{PASSWORD}@ho st\"]\n"),
        // A URL where a number is wanted.
        format!("{SOUND}retryPeriod = \"amqp://admin:{PASSWORD}@host\"\n"),
        // Not TOML at all.
        format!("{SOUND}password = \"{PASSWORD}\n"),
        format!("{SOUND}password = {PASSWORD}\n"),
    ];
    for text in wrong {
        let error = try_load(&text, &[]).unwrap_err();
        for shown in [
            error.to_string(),
            format!("{error:?}"),
            format!("{:#}", anyhow::Error::from(error)),
        ] {
            assert!(
                !shown.contains("hunter") && !shown.contains("87654321"),
                "{shown}"
            );
        }
    }
}

#[test]
fn an_error_does_not_repeat_what_came_through_a_variable() {
    let text =
        format!("{SOUND}[controlPlane]\nserviceURL = \"$env{{P}}\"\nenabled = \"$env{{P}}\"\n");
    let error = try_load(&text, &[("P", "no hunter2")]).unwrap_err();
    assert!(!error.to_string().contains("hunter2"), "{error}");
    assert_eq!(error.problems().len(), 2, "{error}");
    let error = try_load(
        SOUND,
        &[
            ("RESCIND_CONTROLPLANE__PASSWORD", "{ file = \"hunter2\""),
            ("RESCIND_CONTROLPLANE__SERVICEURL", "https://a:hunter2@b c"),
        ],
    )
    .unwrap_err();
    assert!(!error.to_string().contains("hunter2"), "{error}");
}

#[test]
fn a_secret_is_read_from_a_file_without_its_last_newline() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("password");
    std::fs::write(&path, " two words \r\n").unwrap();
    let text = format!(
        "{SOUND}[controlPlane]\npassword = {{ file = \"{}\" }}\n",
        path.display()
    );
    assert_eq!(
        loaded(&text, &[])
            .config
            .control_plane
            .password
            .unwrap()
            .expose(),
        " two words "
    );

    let text = format!("{SOUND}[controlPlane.password]\nfile = \"$env{{DIR}}/password\"\n");
    let folder_name: &'static str = folder.path().to_str().unwrap().to_owned().leak();
    let config = loaded(&text, &[("DIR", folder_name)]).config;
    assert_eq!(
        config.control_plane.password.unwrap().expose(),
        " two words "
    );
}

#[test]
fn a_secret_whose_file_cannot_be_read_names_it() {
    check(
        &format!("{SOUND}[controlPlane]\npassword = {{ file = \"/nowhere/password\" }}\n"),
        &[],
        &[
            "adapter.toml:6: controlPlane.password: cannot read the secret's file /nowhere/password: No such file or directory (os error 2)",
        ],
    );
    check(
        &format!("{SOUND}[controlPlane]\npassword = {{}}\n"),
        &[],
        &["adapter.toml:6: controlPlane.password.file: missing, and it has no default"],
    );
    check(
        &format!("{SOUND}[controlPlane]\npassword = 5\n"),
        &[],
        &[
            "adapter.toml:6: controlPlane.password: expected a string or { file = \"/path\" }, found a number",
        ],
    );
}
