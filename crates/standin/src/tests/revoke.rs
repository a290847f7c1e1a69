//! `/oauth2/revoke`.

use reqwest::{Method, StatusCode};
use rescind_runtime::tls::install_crypto_provider;
use serde_json::{Value, json};

use super::fixture::{NOW, assert_nothing_revoked, client, headers, jti, text};
use super::*;

#[tokio::test]
async fn revoking_answers_with_exactly_the_documented_headers() {
    // HTTP/2 by ALPN first, then HTTP/1.1.
    for http1 in [false, true] {
        let mut standin = Standin::start().await;
        install_crypto_provider();
        standin.client = client(|builder| if http1 { builder.http1_only() } else { builder });
        let token = standin.app_token().await;

        let answer = standin.revoke(CLIENT, &token).await;
        assert_eq!(answer.version() == reqwest::Version::HTTP_11, http1);
        assert_eq!(answer.status(), StatusCode::OK);
        let refresh = answer.headers()["RevokedRefreshToken"]
            .to_str()
            .unwrap()
            .to_owned();
        assert_eq!(refresh.len(), 36);
        assert_eq!(
            headers(&answer),
            owned(&[
                ("authorizeduser", "admin@carbon.super"),
                ("cache-control", "no-store"),
                ("content-length", "0"),
                ("content-type", "text/html"),
                ("date", "<date>"),
                ("pragma", "no-cache"),
                ("revokedaccesstoken", &token),
                ("revokedrefreshtoken", &refresh),
                ("server", "WSO2 Carbon Server"),
                ("x-content-type-options", "nosniff"),
                ("x-frame-options", "DENY"),
                ("x-xss-protection", "1; mode=block"),
            ])
        );
        assert_eq!(answer.bytes().await.unwrap().len(), 0);
        assert_eq!(standin.published().len(), 1);

        // The second time it is as invalid as a token of nobody's.
        for invalid in [token.as_str(), "nonsense", "a.b.c"] {
            let answer = standin.revoke(CLIENT, invalid).await;
            assert_eq!(answer.status(), StatusCode::OK);
            assert_eq!(
                headers(&answer),
                owned(&[
                    ("cache-control", "no-store"),
                    ("content-length", "0"),
                    ("content-type", "text/html"),
                    ("date", "<date>"),
                    ("pragma", "no-cache"),
                    ("server", "WSO2 Carbon Server"),
                    ("x-content-type-options", "nosniff"),
                    ("x-frame-options", "DENY"),
                    ("x-xss-protection", "1; mode=block"),
                ])
            );
            assert_eq!(answer.bytes().await.unwrap().len(), 0);
        }
        assert_eq!(standin.published(), []);
    }
}

#[tokio::test]
async fn a_revoked_token_is_listed_and_told_to_the_hub_in_milliseconds() {
    let mut standin = Standin::start().await;
    let token = standin.app_token().await;
    let jti = jti(&token);
    standin.advance(7);
    assert_eq!(
        standin.revoke(CLIENT, &token).await.status(),
        StatusCode::OK
    );

    let expiry = (NOW / 1000 + 3600) * 1000;
    let message = standin.published_one();
    let body: Value = serde_json::from_str(&message.body).unwrap();
    let event_id = text(&body["event"]["payloadData"], "eventId");
    assert_eq!(event_id.len(), 36);
    assert_eq!(
        message.body,
        format!(
            r#"{{"event":{{"payloadData":{{"eventId":"{event_id}","revokedToken":"{jti}","ttl":"3600","expiryTime":{expiry},"type":"JWT","tenantId":-1234}}}}}}"#
        )
    );
    assert_eq!(message.timestamp, NOW + 7000);
    assert!(message.message_id.starts_with("ID:"));
    assert_eq!(
        standin.list().await["revokedJWTList"],
        json!([{ "jwt_signature": jti, "expiry_time": expiry }])
    );
}

#[tokio::test]
async fn a_token_that_never_expires_is_revoked_for_ever() {
    let mut standin = Standin::start().await;
    let fields = [
        ("grant_type", "client_credentials"),
        ("validity_period", "-1"),
    ];
    let token = standin.token(CLIENT, &fields).await;
    standin.revoke(CLIENT, &token).await;
    let message = standin.published_one();
    assert!(
        message
            .body
            .contains(r#""expiryTime":9223372036854775807,"#)
    );
}

#[tokio::test]
async fn wrong_credentials_revoke_and_publish_nothing() {
    let mut standin = Standin::start().await;
    let token = standin.app_token().await;
    for client in [(CLIENT.0, "wrong"), ("unknown", CLIENT.1), (CLIENT.0, "")] {
        let answer = standin.revoke(client, &token).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(
            answer.text().await.unwrap(),
            r#"{"error_description":"Client Authentication failed.","error":"invalid_client"}"#
        );
    }
    let without = standin.post("/oauth2/revoke").form(&[("token", &token)]);
    assert_eq!(
        without.send().await.unwrap().status(),
        StatusCode::UNAUTHORIZED
    );
    let bearer = standin
        .post("/oauth2/revoke")
        .bearer_auth(&token)
        .form(&[("token", &token)]);
    assert_eq!(
        bearer.send().await.unwrap().status(),
        StatusCode::UNAUTHORIZED
    );
    assert_nothing_revoked(&mut standin).await;
}

#[tokio::test]
async fn an_application_cannot_revoke_the_token_of_another() {
    let mut standin = Standin::start().await;
    let token = standin.app_token().await;
    let answer = standin.revoke(OTHER_CLIENT, &token).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(!answer.headers().contains_key("revokedaccesstoken"));
    assert_nothing_revoked(&mut standin).await;
}

#[tokio::test]
async fn tokens_that_are_forged_or_expired_are_not_revoked() {
    let mut standin = Standin::start().await;
    let token = standin.app_token().await;
    let other = standin.app_token().await;
    let (signed, _) = token.rsplit_once('.').unwrap();
    let (_, signature) = other.rsplit_once('.').unwrap();
    let forged = format!("{signed}.{signature}");
    // {"alg":"none"}
    let unsigned = format!("eyJhbGciOiJub25lIn0.{}.", token.split('.').nth(1).unwrap());
    for invalid in [&forged, &unsigned] {
        let answer = standin.revoke(CLIENT, invalid).await;
        assert_eq!(answer.status(), StatusCode::OK);
    }
    standin.advance(3600);
    standin.revoke(CLIENT, &token).await;
    assert_nothing_revoked(&mut standin).await;
}

#[tokio::test]
async fn what_is_no_form_revokes_nothing() {
    let mut standin = Standin::start().await;
    let request = || {
        standin
            .client
            .request(
                Method::POST,
                standin
                    .post("/oauth2/revoke")
                    .build()
                    .unwrap()
                    .url()
                    .clone(),
            )
            .basic_auth(CLIENT.0, Some(CLIENT.1))
    };
    let answer = request()
        .json(&json!({ "token": "x" }))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    let answer = request().form(&[("other", "x")]).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    assert_eq!(
        answer.text().await.unwrap(),
        r#"{"error_description":"Missing token parameter value","error":"invalid_request"}"#
    );
    assert_nothing_revoked(&mut standin).await;
}

fn owned(headers: &[(&str, &str)]) -> Vec<(String, String)> {
    headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}
