//! The process as a whole.

use rescind_runtime::telemetry::LogConfig;

use super::fixture::{client, config};
use crate::app::App;
use crate::config::{Config, HubConfig};

#[tokio::test]
async fn health_is_told_beside_the_endpoints() {
    rescind_runtime::tls::install_crypto_provider();
    let directory = tempfile::tempdir().unwrap();
    let mut standin = config(directory.path());
    standin.port = 0;
    let app = App::build(Config {
        log: LogConfig::default(),
        standin,
        hub: HubConfig {
            enabled: false,
            url: None,
            ca_file: String::new(),
        },
    })
    .await
    .unwrap();
    let url = format!("https://localhost:{}", app.local_addr().port());
    let running = tokio::spawn(app.run());

    let client = client(|builder| builder);
    for (path, expected) in [
        ("/readyz", "ready\n"),
        ("/livez", "ok\n"),
        ("/oauth2/jwks", "{\"keys\":[{\"kty\":\"RSA\","),
        ("/metrics", "# HELP rescind_build"),
    ] {
        let answer = client.get(format!("{url}{path}")).send().await.unwrap();
        let text = answer.text().await.unwrap();
        assert!(text.starts_with(expected), "{path}: {text}");
    }
    running.abort();
}
