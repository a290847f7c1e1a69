//! `/internal/data/v1/revokedjwt`, and what the list survives.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::fixture::{NOW, config, headers, jti};
use super::*;
use crate::config::ListForm;
use crate::list::{ListError, RevokedList};

#[tokio::test]
async fn the_object_form_has_three_lists() {
    let standin = Standin::start().await;
    let token = standin.app_token().await;
    standin.revoke(CLIENT, &token).await;
    own(
        &standin,
        &format!("applications/{APPLICATION}/revoke"),
        json!({}),
    )
    .await;
    own(&standin, "subjects/some-user/revoke", json!({})).await;
    assert_eq!(
        standin.list().await,
        json!({
            "revokedJWTList": [
                { "jwt_signature": jti(&token), "expiry_time": (NOW / 1000 + 3600) * 1000 },
            ],
            "revokedJWTSubjectEntityList": [{
                "entity_id": "some-user", "entity_type": "USER_ID", "revocation_time": NOW,
                "organization": "carbon.super",
            }],
            "revokedJWTConsumerKeyList": [{
                "consumer_key": CLIENT.0, "revocation_time": NOW, "organization": "carbon.super",
            }],
        })
    );
}

#[tokio::test]
async fn the_array_form_has_tokens_alone() {
    let standin = Standin::start_with(|config| config.list_form = ListForm::Array).await;
    assert_eq!(standin.list().await, json!([]));
    let token = standin.app_token().await;
    standin.revoke(CLIENT, &token).await;
    own(&standin, "subjects/some-user/revoke", json!({})).await;
    assert_eq!(
        standin.list().await,
        json!([{ "jwt_signature": jti(&token), "expiry_time": (NOW / 1000 + 3600) * 1000 }])
    );
}

#[tokio::test]
async fn the_list_comes_with_a_date() {
    let standin = Standin::start().await;
    let answer = standin
        .get("/internal/data/v1/revokedjwt?organizationId=ALL")
        .basic_auth(ADMIN.0, Some(ADMIN.1))
        .send()
        .await
        .unwrap();
    let names: Vec<_> = headers(&answer).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["content-length", "content-type", "date", "server"]);
    assert_eq!(answer.headers()["content-type"], "application/json");
}

#[tokio::test]
async fn the_list_is_for_the_admin_alone() {
    let standin = Standin::start().await;
    let token = standin.devportal_token().await;
    let path = "/internal/data/v1/revokedjwt";
    for request in [
        standin.get(path),
        standin.get(path).basic_auth(ADMIN.0, Some("wrong")),
        standin.get(path).basic_auth("nobody", Some(ADMIN.1)),
        standin.get(path).basic_auth(CLIENT.0, Some(CLIENT.1)),
        standin.get(path).bearer_auth(token),
    ] {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        assert!(answer.headers().contains_key("www-authenticate"));
    }
    let full_name = standin
        .get(path)
        .basic_auth("admin@carbon.super", Some(ADMIN.1));
    assert_eq!(full_name.send().await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn the_list_survives_a_restart_and_goes_on() {
    let standin = Standin::start().await;
    let revoked = standin.devportal_token().await;
    standin.revoke(CLIENT, &revoked).await;
    own(
        &standin,
        &format!("applications/{APPLICATION}/revoke"),
        json!({}),
    )
    .await;
    own(&standin, "subjects/some-user/revoke", json!({})).await;
    let before = standin.list().await;

    let standin = standin.restart(|_| ()).await;
    assert_eq!(standin.list().await, before);
    let answer = standin.revoke_api_key(&revoked, "any").await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);

    own(
        &standin,
        "revocations",
        json!({ "identifiers": ["one more"] }),
    )
    .await;
    let standin = standin.restart(|_| ()).await;
    let list = standin.list().await;
    assert_eq!(list["revokedJWTList"][1]["jwt_signature"], "one more");
}

#[tokio::test]
async fn a_torn_last_line_is_cut_and_written_over() {
    let standin = Standin::start().await;
    own(
        &standin,
        "revocations",
        json!({ "identifiers": ["a", "b"] }),
    )
    .await;
    let whole = standin.list().await;
    let directory = standin.stop().await;
    let path = file_of(&directory);
    let text = fs::read(&path).unwrap();
    let line = text.split_inclusive(|byte| *byte == b'\n').next().unwrap();

    for torn in 1..line.len() {
        fs::write(&path, [text.as_slice(), &line[..torn]].concat()).unwrap();
        let list = RevokedList::open(path.parent().unwrap()).unwrap();
        assert_eq!(list.len(), 2, "{torn} bytes");
        drop(list);
        assert_eq!(fs::read(&path).unwrap(), text);
    }

    fs::write(&path, [text.as_slice(), &line[..20]].concat()).unwrap();
    let standin = Standin::start_in(directory, |_| ()).await;
    assert_eq!(standin.list().await, whole);
    own(&standin, "revocations", json!({ "identifiers": ["c"] })).await;
    let standin = standin.restart(|_| ()).await;
    assert_eq!(
        standin.list().await["revokedJWTList"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
}

#[tokio::test]
async fn damage_before_the_end_is_named_and_not_skipped() {
    let standin = Standin::start().await;
    own(&standin, "revocations", json!({ "count": 3 })).await;
    let directory = standin.stop().await;
    let path = file_of(&directory);
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<_> = text.lines().collect();
    fs::write(
        &path,
        format!("{}\n{}\n{}\n", lines[0], &lines[1][1..], lines[2]),
    )
    .unwrap();

    let error = RevokedList::open(path.parent().unwrap()).unwrap_err();
    assert!(
        matches!(error, ListError::Damaged { line: 2, .. }),
        "{error}"
    );
}

#[tokio::test]
async fn a_list_belongs_to_one_process() {
    let standin = Standin::start().await;
    let state = config(standin.directory.path()).state_directory;
    assert!(matches!(
        RevokedList::open(&state),
        Err(ListError::Locked(_))
    ));
}

#[tokio::test]
async fn the_file_is_its_owners_alone() {
    let standin = Standin::start().await;
    let path = file_of(&standin.directory);
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(path.parent().unwrap()), 0o700);
}

#[tokio::test]
async fn what_cannot_be_written_is_neither_revoked_nor_published() {
    let mut standin = Standin::start().await;
    let token = standin.app_token().await;
    standin.plane().refuse_writes();
    let answer = standin.revoke(CLIENT, &token).await;
    assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(standin.published(), []);
    assert_eq!(standin.list().await["revokedJWTList"], json!([]));
}

async fn own(standin: &Standin, path: &str, request: Value) {
    let answer = standin
        .post(&format!("/standin/v1/{path}"))
        .basic_auth(ADMIN.0, Some(ADMIN.1))
        .json(&request)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
}

fn file_of(directory: &tempfile::TempDir) -> PathBuf {
    config(directory.path())
        .state_directory
        .join("revoked.jsonl")
}
