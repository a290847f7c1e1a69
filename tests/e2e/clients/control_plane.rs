//! The control plane's user: gets and revokes tokens and API keys.

use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};

use super::tls;

/// A user of the control plane that the stack runs.
#[derive(Debug, Clone)]
pub(crate) struct ControlPlane {
    client: Client,
    token_url: String,
    revoke_url: String,
    keys_url: String,
    application: (String, String),
    admin: (String, String),
}

impl ControlPlane {
    /// `var` gives the stack's variables by name.
    pub(crate) fn new(var: impl Fn(&str) -> String) -> Self {
        let client = Client::builder()
            .tls_backend_preconfigured(
                (*tls::client_config(&var("CA_CERT"), None, b"http/1.1")).clone(),
            )
            .http1_only()
            .build()
            .unwrap();
        Self {
            client,
            token_url: var("TOKEN_URL"),
            revoke_url: var("REVOKE_URL"),
            keys_url: format!(
                "{}/applications/{}/api-keys",
                var("DEVPORTAL_URL"),
                var("APPLICATION_ID")
            ),
            application: (var("CLIENT_ID"), var("CLIENT_SECRET")),
            admin: (var("ADMIN_USER"), var("ADMIN_PASSWORD")),
        }
    }

    /// A fresh access token of the application.
    pub(crate) async fn token(&self) -> String {
        self.token_from(&[("grant_type", "client_credentials")])
            .await
    }

    /// Revokes an access token.
    pub(crate) async fn revoke(&self, token: &str) -> Response {
        let (id, secret) = &self.application;
        self.revoke_as(id, secret, token).await
    }

    /// Revokes an access token with these client credentials.
    pub(crate) async fn revoke_as(
        &self,
        client_id: &str,
        client_secret: &str,
        token: &str,
    ) -> Response {
        let request = self
            .client
            .post(&self.revoke_url)
            .basic_auth(client_id, Some(client_secret));
        request.form(&[("token", token)]).send().await.unwrap()
    }

    /// A fresh API key of the application.
    pub(crate) async fn api_key(&self) -> String {
        self.api_key_of("PRODUCTION").await
    }

    /// One for this key type: `PRODUCTION` or `SANDBOX`.
    pub(crate) async fn api_key_of(&self, key_type: &str) -> String {
        let url = format!("{}/{key_type}/generate", self.keys_url);
        let request = self.client.post(url);
        let answer = self
            .as_key_admin(request)
            .await
            .json(&json!({"validityPeriod": 3600}))
            .send()
            .await
            .unwrap();
        field(answer, "apikey").await
    }

    /// Revokes an API key.
    pub(crate) async fn revoke_api_key(&self, key: &str) -> Response {
        let request = self
            .client
            .post(format!("{}/PRODUCTION/revoke", self.keys_url));
        self.as_key_admin(request)
            .await
            .json(&json!({"apikey": key}))
            .send()
            .await
            .unwrap()
    }

    async fn as_key_admin(&self, request: RequestBuilder) -> RequestBuilder {
        let (user, password) = &self.admin;
        let form = [
            ("grant_type", "password"),
            ("username", user),
            ("password", password),
            ("scope", "apim:api_key"),
        ];
        request.bearer_auth(self.token_from(&form).await)
    }

    async fn token_from(&self, form: &[(&str, &str)]) -> String {
        let (id, secret) = &self.application;
        let request = self
            .client
            .post(&self.token_url)
            .basic_auth(id, Some(secret));
        field(request.form(form).send().await.unwrap(), "access_token").await
    }
}

async fn field(answer: Response, name: &str) -> String {
    let status = answer.status();
    let body: Value = answer.json().await.unwrap();
    body[name]
        .as_str()
        .unwrap_or_else(|| panic!("no {name} in an answer with status {status}"))
        .to_owned()
}

/// The `jti` of a token or key.
pub(crate) fn jti(token: &str) -> String {
    claim(token, "jti")
}

/// What a token or key says of itself, in text.
pub(crate) fn claim(token: &str, name: &str) -> String {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    // API keys are written with padding.
    let payload = token.split('.').nth(1).unwrap().trim_end_matches('=');
    let payload = URL_SAFE_NO_PAD.decode(payload).unwrap();
    serde_json::from_slice::<Value>(&payload).unwrap()[name]
        .as_str()
        .unwrap()
        .to_owned()
}
