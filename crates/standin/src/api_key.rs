//! API keys: JWTs of their own shape, signed by their own key.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::jwt::{self, Padding};
use crate::keys::SigningKey;

/// The claims, in the order in which they are written.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ApiKeyClaims {
    /// The user who asked for it, with tenant domain.
    pub sub: String,
    /// The application it belongs to.
    pub application: ApplicationClaim,
    /// Who issued it.
    pub iss: String,
    /// The tiers of the subscriptions.
    pub tier_info: Value,
    /// `PRODUCTION` or `SANDBOX`.
    pub keytype: String,
    /// What the application is subscribed to.
    #[serde(rename = "subscribedAPIs")]
    pub subscribed_apis: Value,
    /// `apiKey`.
    #[serde(rename = "token_type")]
    pub token_type: &'static str,
    /// Seconds; absent where it never expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exp: Option<i64>,
    /// Seconds.
    pub iat: i64,
    /// A random UUID, which is what gets revoked.
    pub jti: String,
}

/// The application in an API key.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ApplicationClaim {
    /// Without tenant domain.
    pub owner: String,
    /// Never known here.
    pub tier_quota_type: Option<String>,
    /// The throttling tier.
    pub tier: &'static str,
    /// The application's name.
    pub name: String,
    /// Its number in the control plane's database.
    pub id: usize,
    /// What the DevPortal API knows it by.
    pub uuid: String,
}

#[derive(Serialize)]
struct Header {
    x5t: String,
    kid: &'static str,
    typ: &'static str,
    alg: &'static str,
}

impl ApiKeyClaims {
    /// Writes and signs the key.
    pub fn sign(&self, key: &SigningKey) -> String {
        let header = Header {
            x5t: key.api_key_thumbprint(),
            kid: "gateway_certificate_alias",
            typ: "JWT",
            alg: "RS256",
        };
        jwt::sign(key, Padding::Padded, &header, self)
    }
}

/// What is read of an API key that is to be revoked.
#[derive(Debug, Deserialize)]
pub struct IssuedApiKey {
    /// What gets revoked.
    pub jti: String,
    exp: Option<i64>,
    application: IssuedApplication,
}

#[derive(Debug, Deserialize)]
struct IssuedApplication {
    uuid: String,
}

impl IssuedApiKey {
    /// Reads a key of ours that belongs to `application`.
    pub fn read(key: &SigningKey, text: &str, application: &str) -> Option<Self> {
        jwt::verify::<Self>(key, text).filter(|key| key.application.uuid == application)
    }

    /// `expiryTime` of its revocation: the claim as it is, in seconds, unlike that of an access token; the largest number
    /// where there is none.
    pub fn expiry_time(&self) -> i64 {
        self.exp.unwrap_or(i64::MAX)
    }
}

/// The one subscription that every application has.
pub fn subscriptions(publisher: &str) -> Value {
    json!([{
        "subscriberTenantDomain": "carbon.super",
        "name": "PetStore",
        "context": "/petstore/v1",
        "publisher": publisher,
        "version": "v1",
        "subscriptionTier": "Unlimited",
    }])
}

/// The tier of that subscription.
pub fn tiers() -> Value {
    json!({
        "Unlimited": {
            "tierQuotaType": "requestCount",
            "graphQLMaxComplexity": 0,
            "graphQLMaxDepth": 0,
            "stopOnQuotaReach": true,
            "spikeArrestLimit": 0,
            "spikeArrestUnit": null,
        }
    })
}
