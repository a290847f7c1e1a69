//! `/oauth2/token` and `/oauth2/jwks`.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;

use super::fixture::{
    NOW, decode, json_of, members, password_grant, segment, text, token_certificate,
};
use super::*;

#[tokio::test]
async fn an_access_token_has_the_shape_of_the_documented_one() {
    let standin = Standin::start().await;
    let token = standin.app_token().await;

    let (header, payload) = (segment(&token, 0), segment(&token, 1));
    assert_eq!(members(&header), ["x5t", "kid", "alg"]);
    let certificate = CertificateDer::from_pem_slice(token_certificate().as_bytes()).unwrap();
    let thumbprint: String = digest(&SHA256, &certificate)
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let header: Value = serde_json::from_str(&header).unwrap();
    assert_eq!(decode(&text(&header, "x5t")), thumbprint.as_bytes());
    assert_eq!(
        text(&header, "kid"),
        format!("{}_RS256", text(&header, "x5t"))
    );
    assert_eq!(text(&header, "alg"), "RS256");

    assert_eq!(
        members(&payload),
        [
            "sub", "aut", "aud", "nbf", "azp", "scope", "iss", "exp", "iat", "jti", "keytype"
        ]
    );
    assert!(payload.contains(r#""iss":"https:\/\/localhost:9443\/oauth2\/token""#));
    let now = NOW / 1000;
    let mut claims: Value = serde_json::from_str(&payload).unwrap();
    let jti = claims["jti"].take();
    assert_eq!(jti.as_str().unwrap().len(), 36);
    assert_eq!(
        claims,
        json!({
            "sub": "admin", "aut": "APPLICATION", "aud": CLIENT.0, "nbf": now, "azp": CLIENT.0,
            "scope": "default", "iss": "https://localhost:9443/oauth2/token", "exp": now + 3600,
            "iat": now, "jti": null, "keytype": "PRODUCTION",
        })
    );
    assert!(!token.contains('='));
}

#[tokio::test]
async fn the_published_key_verifies_an_access_token() {
    let standin = Standin::start().await;
    let token = standin.app_token().await;
    let answer = standin.get("/oauth2/jwks").send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "application/json");
    let set = json_of(answer).await;

    let keys = set["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 1);
    let key = &keys[0];
    assert_eq!(
        (text(key, "kty"), text(key, "use"), text(key, "alg")),
        ("RSA".into(), "sig".into(), "RS256".into())
    );
    let header: Value = serde_json::from_str(&segment(&token, 0)).unwrap();
    assert_eq!(key["kid"], header["kid"]);
    let (signed, signature) = token.rsplit_once('.').unwrap();
    RsaPublicKeyComponents {
        n: decode(&text(key, "n")),
        e: decode(&text(key, "e")),
    }
    .verify(
        &RSA_PKCS1_2048_8192_SHA256,
        signed.as_bytes(),
        &decode(signature),
    )
    .unwrap();
}

#[tokio::test]
async fn the_answer_says_what_was_granted_and_for_how_long() {
    let standin = Standin::start().await;
    let ask = async |fields: &[(&str, &str)]| {
        let answer = standin
            .post("/oauth2/token")
            .basic_auth(CLIENT.0, Some(CLIENT.1))
            .form(fields)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.headers()["cache-control"], "no-store");
        let mut answer = json_of(answer).await;
        let token = answer["access_token"].take();
        let claims: Value = serde_json::from_str(&segment(token.as_str().unwrap(), 1)).unwrap();
        (answer, claims)
    };
    let expected = |scope: &str, seconds: i64| json!({ "access_token": null, "scope": scope, "token_type": "Bearer", "expires_in": seconds });

    // The control plane's own scopes are for its user alone.
    let (answer, claims) = ask(&[
        ("grant_type", "client_credentials"),
        ("scope", "read:pets apim:api_key write:pets"),
        ("validity_period", "60"),
    ])
    .await;
    assert_eq!(answer, expected("read:pets write:pets", 60));
    assert_eq!(claims["exp"], claims["iat"].as_i64().unwrap() + 60);

    let (answer, claims) = ask(&password_grant("apim:api_key")).await;
    assert_eq!(answer, expected("apim:api_key", 3600));
    assert_eq!(claims["aut"], "APPLICATION_USER");

    let (answer, claims) = ask(&[
        ("grant_type", "client_credentials"),
        ("validity_period", "-1"),
    ])
    .await;
    assert_eq!(answer, expected("default", i64::MAX / 1000));
    assert_eq!(claims["exp"], i64::MAX / 1000);
}

#[tokio::test]
async fn credentials_may_stand_in_the_form() {
    let standin = Standin::start().await;
    let answer = standin
        .post("/oauth2/token")
        .form(&[
            ("grant_type", "client_credentials"),
            ("client_id", CLIENT.0),
            ("client_secret", CLIENT.1),
        ])
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
}

#[tokio::test]
async fn entity_id_is_a_claim_where_the_switch_is_on() {
    let standin = Standin::start_with(|config| config.entity_id = true).await;
    let entity = |token: &str| {
        let claims: Value = serde_json::from_str(&segment(token, 1)).unwrap();
        text(&claims, "entity_id")
    };
    assert_eq!(entity(&standin.app_token().await), CLIENT.0);
    let user = entity(&standin.devportal_token().await);
    assert_eq!(user.len(), 36);

    let standin = standin.restart(|config| config.entity_id = true).await;
    assert_eq!(entity(&standin.devportal_token().await), user);
}

#[tokio::test]
async fn whoever_may_not_have_a_token_is_told_why() {
    let standin = Standin::start().await;
    let refused = async |client: (&str, &str), fields: &[(&str, &str)]| {
        let answer = standin
            .post("/oauth2/token")
            .basic_auth(client.0, Some(client.1))
            .form(fields)
            .send()
            .await
            .unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let grant = ("grant_type", "client_credentials");
    let error = |description, error| {
        format!(r#"{{"error_description":"{description}","error":"{error}"}}"#)
    };

    let nobody = error("Client Authentication failed.", "invalid_client");
    assert_eq!(
        refused((CLIENT.0, "wrong"), &[grant]).await,
        (401, nobody.clone())
    );
    assert_eq!(
        refused(("unknown", CLIENT.1), &[grant]).await,
        (401, nobody.clone())
    );
    assert_eq!(
        refused(
            CLIENT,
            &[
                ("grant_type", "password"),
                ("username", "admin"),
                ("password", "wrong")
            ]
        )
        .await,
        (400, error("Authentication failed", "invalid_grant"))
    );
    assert_eq!(
        refused(CLIENT, &[("grant_type", "implicit")]).await,
        (
            400,
            error("Unsupported grant_type value", "unsupported_grant_type")
        )
    );
    assert_eq!(
        refused(CLIENT, &[]).await,
        (
            400,
            error("Missing grant_type parameter value", "invalid_request")
        )
    );
    for period in ["0", "soon", "99999999999"] {
        let fields = [grant, ("validity_period", period)];
        assert_eq!(
            refused(CLIENT, &fields).await,
            (
                400,
                error(
                    "validity_period is not a number of seconds",
                    "invalid_request"
                )
            )
        );
    }

    let without = standin
        .post("/oauth2/token")
        .form(&[grant])
        .send()
        .await
        .unwrap();
    assert_eq!(without.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(without.headers()["www-authenticate"], "Basic realm=is.com");
    assert_eq!(without.headers()["server"], "WSO2 Carbon Server");
    assert_eq!(without.text().await.unwrap(), nobody);
}
