//! The commands of the documented procedures, "Rejecting Revoked Tokens", for one running stack.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;

use crate::curl::{Answer, Curl};

/// What the commands are made of: the lines of `env`.
#[derive(Debug, Clone)]
pub(crate) struct Procedure {
    variables: BTreeMap<String, String>,
}

impl Procedure {
    pub(crate) fn new(variables: BTreeMap<String, String>) -> Result<Self> {
        let procedure = Self { variables };
        if procedure.var("CLIENT_ID").is_empty() {
            bail!(
                "no application is known at this API Manager: set APIM_CLIENT_ID, APIM_CLIENT_SECRET and APIM_APPLICATION_ID"
            );
        }
        Ok(procedure)
    }

    pub(crate) fn var(&self, name: &str) -> &str {
        self.variables.get(name).map_or("", String::as_str)
    }

    /// An access token for the API.
    pub(crate) fn token(&self) -> Curl {
        let grant = "grant_type=client_credentials";
        Curl::new(["-u", &self.client(), "-d", grant, self.var("TOKEN_URL")])
    }

    /// An access token for the DevPortal's own API, with the scope that revoking an API key needs.
    pub(crate) fn devportal_token(&self) -> Curl {
        let form = format!(
            "grant_type=password&username={}&password={}&scope=apim:api_key",
            self.var("ADMIN_USER"),
            self.var("ADMIN_PASSWORD")
        );
        Curl::new(["-u", &self.client(), "-d", &form, self.var("TOKEN_URL")])
    }

    pub(crate) fn revoke(&self, token: &str) -> Curl {
        let basic = format!("Authorization: Basic {}", STANDARD.encode(self.client()));
        let form = "Content-Type: application/x-www-form-urlencoded";
        let body = format!("token={token}");
        Curl::new([
            "-d",
            &body,
            "-H",
            &basic,
            "-H",
            form,
            self.var("REVOKE_URL"),
        ])
    }

    /// Step 4 of the document.
    pub(crate) fn invoke(&self, token: &str) -> Curl {
        let bearer = format!("Authorization: Bearer {token}");
        self.call(self.var("API_URL"), &bearer)
    }

    pub(crate) fn invoke_with_key(&self, key: &str) -> Curl {
        self.call(self.var("API_URL"), &format!("apikey: {key}"))
    }

    pub(crate) fn invoke_with_key_in_query(&self, key: &str) -> Curl {
        let url = format!("{}?limit=5&apikey={key}", self.var("API_URL"));
        Curl::new([&url, "-H", ACCEPT])
    }

    pub(crate) fn generate_key(&self, token: &str) -> Curl {
        self.devportal("generate", token, r#"{"validityPeriod":3600}"#)
    }

    pub(crate) fn revoke_key(&self, token: &str, key: &str) -> Curl {
        self.devportal("revoke", token, &format!(r#"{{ "apikey" : "{key}" }}"#))
    }

    fn call(&self, url: &str, credential: &str) -> Curl {
        let json = "Content-Type: application/json";
        let body = r#"{"name":"Rex"}"#;
        Curl::new([
            "-X", "POST", url, "-H", ACCEPT, "-H", json, "-H", credential, "-d", body,
        ])
    }

    fn devportal(&self, verb: &str, token: &str, body: &str) -> Curl {
        let bearer = format!("Authorization: Bearer {token}");
        let json = "Content-Type: application/json";
        let url = format!(
            "{}/applications/{}/api-keys/PRODUCTION/{verb}",
            self.var("DEVPORTAL_URL"),
            self.var("APPLICATION_ID")
        );
        Curl::new(["-X", "POST", "-H", &bearer, "-d", body, "-H", json, &url])
    }

    fn client(&self) -> String {
        format!("{}:{}", self.var("CLIENT_ID"), self.var("CLIENT_SECRET"))
    }
}

const ACCEPT: &str = "accept: application/json";

/// A text field of a JSON answer.
pub(crate) fn field(answer: &Answer, name: &str) -> Result<String> {
    let body: Value = serde_json::from_str(&answer.body).context("the answer is not JSON")?;
    let value = body.get(name).and_then(Value::as_str);
    value
        .map(str::to_owned)
        .with_context(|| format!("the answer has no {name}"))
}
