//! `[enforcer.security]`: where credentials stand, and who may have signed them.

use rescind_authz::{CredentialNames, Policy, Verification};
use serde::{Deserialize, Serialize};

/// Credentials and keys.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Security {
    /// What is verified of a credential that is not revoked.
    pub verification: VerificationMode,
    /// Header names.
    pub auth_header: AuthHeader,
    /// Where API keys stand.
    pub api_key: ApiKey,
    /// Who signs.
    pub token_service: Vec<TokenService>,
}

/// What is verified of a credential that is not revoked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum VerificationMode {
    /// Issuer, signature and time.
    #[default]
    Full,
    /// Time alone: issuer and signature have been verified before, such as by Envoy's `jwt_authn`.
    TimeOnly,
}

/// Header names, and whether the bearer token goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct AuthHeader {
    /// Whether the upstream gets the bearer token.
    pub enable_outbound_auth_header: bool,
    /// The bearer token's header.
    pub authorization_header: String,
    /// The internal key's header; empty: none.
    pub test_console_header_name: String,
}

/// Where API keys stand; empty: nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ApiKey {
    /// The header.
    pub header: String,
    /// The query parameter, case-sensitive.
    pub query: String,
}

/// Someone who signs credentials.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct TokenService {
    /// A name for the log. Two have a meaning: see [`Role`].
    pub name: String,
    /// The `iss` of its tokens.
    pub issuer: String,
    /// The certificate's name in the trust store's folder, where no file is named.
    pub certificate_alias: String,
    /// The certificate or public key, PEM.
    pub certificate_file_path: String,
    /// The issuer's JWK Set: `https://`, `http://` or `file://`.
    #[serde(rename = "jwksURL")]
    pub jwks_url: String,
}

/// What a token service's keys are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Bearer tokens that name it as their issuer.
    Issuer,
    /// API keys: `APIM APIkey`.
    ApiKey,
    /// Internal keys, and API keys where nobody is named for them: `APIM Publisher`.
    InternalKey,
}

impl TokenService {
    /// By its name, as in Choreo Connect.
    pub fn role(&self) -> Role {
        match self.name.as_str() {
            "APIM APIkey" => Role::ApiKey,
            "APIM Publisher" => Role::InternalKey,
            _ => Role::Issuer,
        }
    }
}

impl Security {
    /// How requests are decided.
    pub fn policy(&self) -> Policy {
        let names = CredentialNames::new(
            &self.auth_header.authorization_header,
            &self.api_key.header,
            &self.api_key.query,
            &self.auth_header.test_console_header_name,
        );
        let verification = match self.verification {
            VerificationMode::Full => Verification::Full,
            VerificationMode::TimeOnly => Verification::TimeOnly,
        };
        Policy::new(
            names,
            verification,
            self.auth_header.enable_outbound_auth_header,
        )
    }
}

impl Default for AuthHeader {
    fn default() -> Self {
        Self {
            enable_outbound_auth_header: false,
            authorization_header: "authorization".to_owned(),
            test_console_header_name: "Internal-Key".to_owned(),
        }
    }
}

impl Default for ApiKey {
    fn default() -> Self {
        Self {
            header: "apikey".to_owned(),
            query: "apikey".to_owned(),
        }
    }
}
