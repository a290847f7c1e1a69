//! What the log says, and what it never says.

use serde_json::json;

use super::fixture::{jti, log, text};
use super::*;

#[tokio::test]
async fn no_token_and_no_secret_is_logged() {
    let standin = Standin::start().await;
    let token = standin.devportal_token().await;
    let key = text(&standin.api_key(&token, json!({})).await, "apikey");
    standin.revoke_api_key(&token, &key).await;
    standin.revoke(CLIENT, &token).await;
    standin.revoke((CLIENT.0, "wrong-secret"), &token).await;
    standin.revoke(CLIENT, "some-opaque-token").await;

    // That of all tests: nothing may be in any of it.
    let log = log();
    for said in [
        "Access token is issued",
        "API key is issued",
        "API key is revoked",
        "Access token is revoked",
    ] {
        assert!(log.contains(said), "{log}");
    }
    for secret in [
        token.as_str(),
        token.rsplit('.').next().unwrap(),
        &key,
        &jti(&token),
        &jti(&key),
        "wrong-secret",
        "some-opaque-token",
        CLIENT.1,
        ADMIN.1,
    ] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}
