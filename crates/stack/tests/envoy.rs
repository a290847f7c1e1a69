//! Envoy as the bootstrap makes it, without an enforcer behind. It needs what `rescind-stack provision` installs.

use rescind_stack::{Part, Stack};

#[tokio::test]
async fn without_an_enforcer_every_request_is_refused_with_503() {
    let state = tempfile::tempdir().unwrap();
    let stack = Stack::builder()
        .state(state.path())
        .free_ports()
        .only(&[Part::Upstream, Part::Envoy])
        .http2_listener()
        .start()
        .await
        .unwrap();
    let ports = *stack.ports();
    for url in [
        format!(
            "https://localhost:{}/petstore/v1/pets?apikey=kX7revealed",
            ports.envoy_tls
        ),
        format!("https://localhost:{}/", ports.envoy_h2),
        format!("http://localhost:{}/", ports.envoy_plain),
    ] {
        let answer = stack.client().get(&url).send().await.unwrap();
        assert_eq!(answer.status(), 503, "{url}");
    }

    let log = stack.part(Part::Envoy).log();
    stack.stop().await;
    assert!(!log.contains("kX7revealed"), "{log}");
}
