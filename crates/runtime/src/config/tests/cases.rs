//! Keys of Choreo Connect's in another case than ours, and its variables.

use super::*;

#[test]
fn keys_of_choreo_connect_are_taken_in_any_case_and_ours_are_exact() {
    let text = format!(
        "{SOUND}VHOSTMAPPING = 1\n[controlplane]\nEnabled = true\nPASSWORD = \"x\"\n\
         [[Services]]\nname = \"a\"\nIssuer = \"i\"\n[[Services]]\nname = \"b\"\nissuer = \"j\"\n[TRACING]\na = 1\n"
    );
    let loaded = loaded(&text, &[]);
    assert!(loaded.config.control_plane.enabled);
    let issuers: Vec<_> = loaded
        .config
        .services
        .iter()
        .map(|one| &*one.issuer)
        .collect();
    assert_eq!(issuers, ["i", "j"]);
    assert_eq!(loaded.unused, ["adapter.vhostMapping", "tracing"]);
    assert!(
        loaded
            .written()
            .contains(&"controlPlane.enabled (line 7)".to_owned())
    );
    check(
        &format!("{SOUND}[controlPlane]\nUsername = \"x\"\n"),
        &[],
        &["adapter.toml:6: controlPlane.Username: unknown key, did you mean username?"],
    );
}

#[test]
fn a_key_in_two_cases_is_not_one_of_them_in_silence() {
    check(
        &format!("{SOUND}[controlPlane]\nenabled = true\nEnabled = false\n"),
        &[],
        &["adapter.toml:7: controlPlane.Enabled: unknown key, did you mean enabled?"],
    );
}

#[test]
fn variables_of_choreo_connect_are_named_and_not_read() {
    let loaded = loaded(
        SOUND,
        &[
            ("CC_ControlPlane_Enabled", "true"),
            ("cc_adapter_server_port", "1"),
            ("CC_TEST_REPORTER_ID", "x"),
            ("CC", "gcc"),
        ],
    );
    assert!(!loaded.config.control_plane.enabled);
    let names = ["CC_ControlPlane_Enabled", "cc_adapter_server_port"];
    assert_eq!(loaded.unused_variables, names);
    assert!(loaded.overridden.is_empty());
}
