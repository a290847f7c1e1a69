//! `/standin/v1`: what the control plane itself has no single call for.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::fixture::{NOW, assert_nothing_revoked, json_of, text};
use super::*;
use crate::event::Message;

#[tokio::test]
async fn an_application_is_revoked_by_its_consumer_key() {
    let mut standin = Standin::start().await;
    let answer = ask(
        &standin,
        &format!("applications/{APPLICATION}/revoke"),
        json!({}),
    )
    .await;
    assert_eq!(
        answer,
        json!({ "consumerKey": CLIENT.0, "revocationTime": NOW })
    );
    check_indirect(
        &standin.published_one(),
        "consumer_app_revocation_event",
        &format!(
            r#"{{"consumerKey":"{}","revocationTime":"{NOW}"}}"#,
            CLIENT.0
        ),
    );
}

#[tokio::test]
async fn a_subject_is_a_user_unless_it_is_an_application() {
    let mut standin = Standin::start().await;
    let answer = ask(
        &standin,
        "subjects/some-user/revoke",
        json!({ "revocationTime": 5 }),
    )
    .await;
    assert_eq!(
        answer,
        json!({ "entityId": "some-user", "entityType": "USER_ID", "revocationTime": 5 })
    );
    check_indirect(
        &standin.published_one(),
        "subject_entity_revocation_event",
        r#"{"entityId":"some-user","entityType":"USER_ID","revocationTime":"5"}"#,
    );
    let answer = ask(
        &standin,
        &format!("subjects/{}/revoke", CLIENT.0),
        json!({}),
    )
    .await;
    assert_eq!(answer["entityType"], "CLIENT_ID");
}

#[tokio::test]
async fn of_an_application_the_latest_revocation_is_listed() {
    let standin = Standin::start().await;
    for time in [7, 9, 8] {
        let request = json!({ "revocationTime": time });
        ask(
            &standin,
            &format!("applications/{APPLICATION}/revoke"),
            request,
        )
        .await;
    }
    let list = &standin.list().await["revokedJWTConsumerKeyList"];
    assert_eq!(list.as_array().unwrap().len(), 1);
    assert_eq!(list[0]["revocation_time"], 9);
}

#[tokio::test]
async fn the_devportal_refuses_tokens_of_a_revoked_application_and_of_a_revoked_subject() {
    for subject in [false, true] {
        let standin = Standin::start_with(|config| config.entity_id = true).await;
        let token = standin.devportal_token().await;
        let path = if subject {
            let claims: Value = serde_json::from_str(&super::fixture::segment(&token, 1)).unwrap();
            format!("subjects/{}/revoke", text(&claims, "entity_id"))
        } else {
            format!("applications/{APPLICATION}/revoke")
        };
        ask(&standin, &path, json!({})).await;
        let answer = standin.revoke_api_key(&token, "any").await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);

        standin.advance(1);
        let later = standin.devportal_token().await;
        let answer = standin.revoke_api_key(&later, "any").await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn a_burst_is_listed_and_published_whole() {
    let mut standin = Standin::start().await;
    let answer = ask(&standin, "revocations", json!({ "count": 1000 })).await;
    let identifiers = answer["identifiers"].as_array().unwrap();
    assert_eq!(identifiers.len(), 1000);
    let published: Vec<_> = standin.published().iter().map(revoked_token).collect();
    assert_eq!(json!(published), json!(identifiers));
    let list = standin.list().await;
    let listed: Vec<_> = list["revokedJWTList"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| &row["jwt_signature"])
        .collect();
    assert_eq!(json!(listed), json!(identifiers));
}

#[tokio::test]
async fn a_raw_revocation_is_sent_as_it_is_given() {
    let mut standin = Standin::start().await;
    let request =
        json!({ "identifiers": ["an \"opaque\" token"], "type": "Default", "expiryTime": 0 });
    ask(&standin, "revocations", request).await;
    let message = standin.published_one();
    // Not escaped: the original fills a text template.
    assert!(message.body.contains(
        r#""revokedToken":"an "opaque" token","ttl":"3600","expiryTime":0,"type":"Default","#
    ));
    assert_eq!(
        standin.list().await["revokedJWTList"],
        json!([{ "jwt_signature": "an \"opaque\" token", "expiry_time": 0 }])
    );
}

#[tokio::test]
async fn events_can_be_lost_on_purpose() {
    let mut standin = Standin::start().await;
    ask(
        &standin,
        "revocations",
        json!({ "count": 2, "publish": false }),
    )
    .await;
    assert_eq!(standin.published(), []);
    assert_eq!(
        standin.list().await["revokedJWTList"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[tokio::test]
async fn only_the_admin_may() {
    let mut standin = Standin::start().await;
    for path in [
        format!("/standin/v1/applications/{APPLICATION}/revoke"),
        "/standin/v1/subjects/some-user/revoke".to_owned(),
        "/standin/v1/revocations".to_owned(),
    ] {
        let request = standin.post(&path).json(&json!({ "count": 1 }));
        let wrong = standin
            .post(&path)
            .basic_auth(ADMIN.0, Some("wrong"))
            .json(&json!({ "count": 1 }));
        for request in [request, wrong] {
            assert_eq!(
                request.send().await.unwrap().status(),
                StatusCode::UNAUTHORIZED
            );
        }
    }
    assert_nothing_revoked(&mut standin).await;
}

#[tokio::test]
async fn wrong_requests_revoke_nothing() {
    let mut standin = Standin::start().await;
    for (path, body, expected) in [
        ("applications/unknown/revoke", "{}", 404),
        ("applications/unknown/revoke", "{", 400),
        ("subjects/x/revoke", "{\"revocationTime\":\"now\"}", 400),
        ("revocations", "", 400),
        ("revocations", "{\"count\":1000001}", 400),
        ("revocations", "{\"identifiers\":[\"\"]}", 400),
        ("revocations", "{\"conut\":1}", 400),
    ] {
        let answer = standin
            .post(&format!("/standin/v1/{path}"))
            .basic_auth(ADMIN.0, Some(ADMIN.1))
            .body(body)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status().as_u16(), expected, "{path} {body}");
    }
    assert_nothing_revoked(&mut standin).await;
}

async fn ask(standin: &Standin, path: &str, request: Value) -> Value {
    let answer = standin
        .post(&format!("/standin/v1/{path}"))
        .basic_auth(ADMIN.0, Some(ADMIN.1))
        .json(&request)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    json_of(answer).await
}

#[track_caller]
fn check_indirect(message: &Message, kind: &str, what: &str) {
    let body: Value = serde_json::from_str(&message.body).unwrap();
    let event_id = text(&body["event"]["payloadData"], "eventId");
    let revoked_token = STANDARD.encode(what);
    assert_eq!(
        message.body,
        format!(
            r#"{{"event":{{"payloadData":{{"eventId":"{event_id}","revokedToken":"{revoked_token}","ttl":"3600","expiryTime":0,"type":"{kind}","tenantId":-1234}}}}}}"#
        )
    );
}

fn revoked_token(message: &Message) -> String {
    let body: Value = serde_json::from_str(&message.body).unwrap();
    text(&body["event"]["payloadData"], "revokedToken")
}
