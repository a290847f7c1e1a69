//! What was published, and how: by the stand-in, which lists first and then tells the hub, or on the hub alone.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::world::{PATIENCE, World};

/// Everything that must be revoked in the end, and nothing else.
pub(crate) type Published = BTreeSet<String>;

impl World {
    /// Revokes these identifiers at the stand-in, in the list and then on the hub.
    pub(crate) async fn publish(&self, identifiers: &[String]) {
        self.standin_post(
            "revocations",
            &json!({ "identifiers": identifiers, "publish": true }),
        )
        .await;
    }

    /// Writes these identifiers to the stand-in's list, as if their events were lost.
    pub(crate) async fn list_only(&self, identifiers: &[String]) {
        self.standin_post(
            "revocations",
            &json!({ "identifiers": identifiers, "publish": false }),
        )
        .await;
    }

    /// One of the stand-in's own calls.
    pub(crate) async fn standin_post(&self, call: &str, body: &Value) -> Value {
        let url = self
            .var("TOKEN_URL")
            .replace("/oauth2/token", &format!("/standin/v1/{call}"));
        let request = self
            .http()
            .post(url)
            .timeout(PATIENCE)
            .basic_auth(self.var("ADMIN_USER"), Some(self.var("ADMIN_PASSWORD")));
        let answer = request.json(body).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{call}");
        answer.json().await.unwrap()
    }
}
