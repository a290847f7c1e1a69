//! The DevPortal API.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;

use super::fixture::{
    NOW, api_key_certificate, api_key_path, assert_nothing_revoked, decode, json_of, jti, members,
    password_grant, segment, text,
};
use super::*;

#[tokio::test]
async fn an_api_key_has_the_shape_of_the_documented_one() {
    let standin = Standin::start().await;
    let token = standin.devportal_token().await;
    let answer = standin
        .api_key(&token, json!({ "validityPeriod": -1 }))
        .await;
    assert_eq!(answer["validityTime"], -1);
    let key = text(&answer, "apikey");

    let (header, payload) = (segment(&key, 0), segment(&key, 1));
    assert_eq!(members(&header), ["x5t", "kid", "typ", "alg"]);
    let header: Value = serde_json::from_str(&header).unwrap();
    let certificate = CertificateDer::from_pem_slice(api_key_certificate().as_bytes()).unwrap();
    let thumbprint: String = digest(&SHA1_FOR_LEGACY_USE_ONLY, &certificate)
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(decode(&text(&header, "x5t")), thumbprint.as_bytes());
    assert!(text(&header, "x5t").ends_with('='));
    assert_eq!(header["kid"], "gateway_certificate_alias");
    assert_eq!(header["typ"], "JWT");

    assert_eq!(
        members(&payload),
        [
            "sub",
            "application",
            "iss",
            "tierInfo",
            "keytype",
            "subscribedAPIs",
            "token_type",
            "iat",
            "jti"
        ]
    );
    let claims: Value = serde_json::from_str(&payload).unwrap();
    assert_eq!(claims["sub"], "admin@carbon.super");
    assert_eq!(
        claims["application"],
        json!({
            "owner": "admin", "tierQuotaType": null, "tier": "Unlimited",
            "name": "DefaultApplication", "id": 1, "uuid": APPLICATION,
        })
    );
    assert_eq!(claims["token_type"], "apiKey");
    assert_eq!(claims["keytype"], "PRODUCTION");
    assert!(payload.contains(r#""iss":"https:\/\/localhost:9443\/oauth2\/token""#));
    // Each segment is padded to a multiple of four; that of a 2048 bit signature always ends so.
    assert!(key.split('.').all(|segment| segment.len() % 4 == 0));
    assert!(key.ends_with("=="));
}

#[tokio::test]
async fn a_validity_puts_an_expiry_into_the_key() {
    let standin = Standin::start().await;
    let token = standin.devportal_token().await;
    let answer = standin
        .api_key(&token, json!({ "validityPeriod": 3600 }))
        .await;
    assert_eq!(answer["validityTime"], 3600);
    let claims: Value = serde_json::from_str(&segment(&text(&answer, "apikey"), 1)).unwrap();
    assert_eq!(claims["exp"], NOW / 1000 + 3600);
}

#[tokio::test]
async fn a_key_may_be_asked_for_without_a_body() {
    let standin = Standin::start().await;
    let token = standin.devportal_token().await;
    let request = standin.post(&api_key_path("generate")).bearer_auth(&token);
    let answer = json_of(request.send().await.unwrap()).await;
    assert_eq!(answer["validityTime"], -1);
}

#[tokio::test]
async fn an_api_key_is_revoked_with_the_expiry_that_it_carries() {
    for (validity, expiry) in [(3600, (NOW / 1000 + 3600) as i64), (-1, i64::MAX)] {
        let mut standin = Standin::start().await;
        let token = standin.devportal_token().await;
        let request = json!({ "validityPeriod": validity });
        let key = text(&standin.api_key(&token, request).await, "apikey");

        let answer = standin.revoke_api_key(&token, &key).await;
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()["content-length"], "0");
        assert_eq!(answer.headers()["server"], "WSO2 Carbon Server");
        assert_eq!(answer.bytes().await.unwrap().len(), 0);

        let message = standin.published_one();
        let body: Value = serde_json::from_str(&message.body).unwrap();
        let event_id = text(&body["event"]["payloadData"], "eventId");
        let jti = jti(&key);
        assert_eq!(
            message.body,
            format!(
                r#"{{"event":{{"payloadData":{{"eventId":"{event_id}","revokedToken":"{jti}","ttl":"3600","expiryTime":{expiry},"type":"API_KEY","tenantId":-1234}}}}}}"#
            )
        );
        assert_eq!(
            standin.list().await["revokedJWTList"],
            json!([{ "jwt_signature": jti, "expiry_time": expiry }])
        );
    }
}

#[tokio::test]
async fn revoking_a_key_again_tells_the_hub_again() {
    let mut standin = Standin::start().await;
    let token = standin.devportal_token().await;
    let key = text(&standin.api_key(&token, json!({})).await, "apikey");
    for _ in 0..2 {
        let answer = standin.revoke_api_key(&token, &key).await;
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(standin.published().len(), 1);
    }
    let list = standin.list().await;
    assert_eq!(list["revokedJWTList"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn without_the_scope_nothing_is_made_and_nothing_revoked() {
    let mut standin = Standin::start().await;
    let good = standin.devportal_token().await;
    let key = text(&standin.api_key(&good, json!({})).await, "apikey");
    let revoked = standin.devportal_token().await;
    standin.revoke(CLIENT, &revoked).await;
    standin.published();
    let listed = standin.list().await;

    let no_scope = standin.token(CLIENT, &password_grant("default")).await;
    let application = [
        ("grant_type", "client_credentials"),
        ("scope", "apim:api_key"),
    ];
    let application = standin.token(CLIENT, &application).await;
    for (token, expected) in [
        (no_scope.as_str(), 403),
        (application.as_str(), 403),
        (revoked.as_str(), 401),
        (key.as_str(), 401),
        ("nonsense", 401),
    ] {
        let answer = standin.revoke_api_key(token, &key).await;
        assert_eq!(answer.status().as_u16(), expected, "{token}");
        assert_eq!(json_of(answer).await["code"], expected);
        let generate = standin.post(&api_key_path("generate")).bearer_auth(token);
        assert_eq!(generate.send().await.unwrap().status().as_u16(), expected);
    }
    let request = standin
        .post(&api_key_path("revoke"))
        .json(&json!({ "apikey": key }));
    let basic = request
        .try_clone()
        .unwrap()
        .basic_auth(ADMIN.0, Some(ADMIN.1));
    for request in [request, basic] {
        assert_eq!(
            request.send().await.unwrap().status(),
            StatusCode::UNAUTHORIZED
        );
    }

    standin.advance(3600);
    let answer = standin.revoke_api_key(&good, &key).await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(standin.published(), []);
    assert_eq!(standin.list().await, listed);
}

#[tokio::test]
async fn the_path_names_an_application_and_a_kind_of_key() {
    let mut standin = Standin::start().await;
    let token = standin.devportal_token().await;
    let key = text(&standin.api_key(&token, json!({})).await, "apikey");
    for (path, expected) in [
        (
            "/api/am/devportal/v3/applications/unknown/api-keys/PRODUCTION/revoke".to_owned(),
            404,
        ),
        (api_key_path("revoke").replace("PRODUCTION", "TEST"), 400),
        // A key of the first application, offered as one of the second.
        (api_key_path("revoke").replace("93921368", "00000000"), 400),
    ] {
        let request = standin
            .post(&path)
            .bearer_auth(&token)
            .json(&json!({ "apikey": key }));
        assert_eq!(
            request.send().await.unwrap().status().as_u16(),
            expected,
            "{path}"
        );
    }
    let generate = api_key_path("generate").replace(APPLICATION, "unknown");
    let request = standin.post(&generate).bearer_auth(&token).json(&json!({}));
    assert_eq!(
        request.send().await.unwrap().status(),
        StatusCode::NOT_FOUND
    );
    assert_nothing_revoked(&mut standin).await;
}

#[tokio::test]
async fn what_is_no_api_key_of_ours_is_refused() {
    let mut standin = Standin::start().await;
    let token = standin.devportal_token().await;
    let key = text(&standin.api_key(&token, json!({})).await, "apikey");
    let cut = &key[..key.len() - 8];
    for wrong in ["", "nonsense", "a.b.c", cut, &token] {
        let answer = standin.revoke_api_key(&token, wrong).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{wrong}");
        assert!(wrong.is_empty() || !answer.text().await.unwrap().contains(wrong));
    }
    for body in ["", "{}", "[]", "{\"apikey\":1}", "\u{0}"] {
        let request = standin
            .post(&api_key_path("revoke"))
            .bearer_auth(&token)
            .body(body);
        assert_eq!(
            request.send().await.unwrap().status(),
            StatusCode::BAD_REQUEST
        );
    }
    for body in ["{", "{\"validityPeriod\":0}", "{\"validityPeriod\":\"x\"}"] {
        let request = standin
            .post(&api_key_path("generate"))
            .bearer_auth(&token)
            .body(body);
        assert_eq!(
            request.send().await.unwrap().status(),
            StatusCode::BAD_REQUEST
        );
    }
    assert_nothing_revoked(&mut standin).await;
}
