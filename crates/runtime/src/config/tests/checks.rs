//! A part's own checks.

use super::*;

#[test]
fn a_combination_is_told_like_a_value() {
    let text = format!("{SOUND}\n[controlPlane]\nenabled = true\n");
    let error = loaded(&text, &[("RESCIND_CONTROLPLANE__USERNAME", "u")])
        .check(|config, problems| {
            assert!(config.control_plane.enabled);
            problems.add("controlPlane.username", "one must be given");
            problems.add(
                "controlPlane.serviceURL",
                "needed where controlPlane.enabled is true",
            );
            problems.add("adapter.port", "taken by adapter.admin");
            problems.add("services[0].name", "none is named \"a\"");
        })
        .unwrap_err();
    let lines: Vec<_> = error.problems().iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "adapter.toml:1: services[0].name: none is named \"a\"",
            "adapter.toml:3: adapter.port: taken by adapter.admin",
            "adapter.toml:6: controlPlane.serviceURL: needed where controlPlane.enabled is true",
            "environment variable RESCIND_CONTROLPLANE__USERNAME: controlPlane.username: one must be given",
        ]
    );
    assert_eq!(error.to_string(), lines.join("; "));
}

#[test]
fn what_is_sound_stays() {
    let loaded = loaded(SOUND, &[]).check(|_, _| {}).unwrap();
    assert_eq!(loaded.config.adapter.port.get(), 18000);
}
