//! `[enforcer.security]`: where credentials stand, and who may have signed them.

use rescind_authz::{CredentialNames, Lacking, Policy, Verification};
use serde::{Deserialize, Serialize};

use super::{Names, Next};

/// Credentials and keys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Security {
    /// What is verified of a credential that is not revoked.
    pub verification: VerificationMode,
    /// How far clocks may differ, in seconds: a token is good while `exp` and this lie after now.
    pub skew: u64,
    /// Claims without which a bearer token is refused. What lacks them cannot be revoked by application or by user.
    pub required_claims: Vec<Claim>,
    /// What is taken from Envoy's own verification.
    pub jwt_authn: JwtAuthn,
    /// Header names.
    pub auth_header: AuthHeader,
    /// Where API keys stand.
    pub api_key: ApiKey,
    /// Certificates of clients, as Choreo Connect's router passes them on.
    #[serde(rename = "mutualSSL")]
    pub mutual_ssl: MutualSsl,
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
    /// Time alone: issuer and signature have been verified before, and whatever is in the request is believed.
    TimeOnly,
    /// What Envoy's `jwt_authn` has verified is believed; everything else is verified as with [`Self::Full`].
    JwtAuthn,
}

/// A claim that a rule of revocation asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Claim {
    /// What names the token.
    #[serde(rename = "jti")]
    Jti,
    /// When it was issued.
    #[serde(rename = "iat")]
    Iat,
    /// Its application.
    #[serde(rename = "azp")]
    Azp,
    /// Its user or client.
    #[serde(rename = "entity_id")]
    EntityId,
}

/// What is taken from Envoy's `jwt_authn`, where the verification says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct JwtAuthn {
    /// The `payload_in_metadata` of its providers.
    pub payload_keys: Vec<String>,
    /// Whether a request without any credential may pass.
    pub allow_missing: bool,
}

/// Tokens whose signature was verified before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Cache {
    /// Whether there is a cache.
    pub enabled: bool,
    /// How many tokens it holds.
    pub maximum_size: usize,
}

/// Header names, and whether the bearer token goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct AuthHeader {
    /// Whether the upstream gets the bearer token.
    pub enable_outbound_auth_header: bool,
    /// The bearer token's header, or several: each API may have its own.
    pub authorization_header: Names,
    /// The internal key's header; empty: none.
    pub test_console_header_name: String,
}

/// Where API keys stand; empty: nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ApiKey {
    /// The header, or several.
    pub header: Names,
    /// The query parameter, or several; case-sensitive.
    pub query: Names,
}

/// Certificates of clients, as Choreo Connect's router passes them on. They are not looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct MutualSsl {
    /// The header that holds one.
    pub certificate_header: String,
    /// Whether the API behind gets it.
    pub enable_outbound_certificate_header: bool,
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
    /// Certificates or public keys that each verify the tokens of one `kid`, and those alone.
    pub certificates: Vec<KidCertificate>,
    /// The issuer's JWK Set: `https://`, `http://` or `file://`.
    #[serde(rename = "jwksURL")]
    pub jwks_url: String,
    /// Whom that is believed from over https, in place of the trust store: a PEM file or a folder, or `system` for the
    /// certificates that the operating system trusts.
    pub ca_file: String,
    /// One of these must be in a token's `aud`; empty: `aud` is not looked at.
    pub audience: Vec<String>,
}

/// The certificate of one `kid`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct KidCertificate {
    /// The `kid` of the tokens that it verifies.
    pub kid: String,
    /// The certificate or public key, PEM.
    pub file_path: String,
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
    /// How requests are decided; where there is a `next`, what is not decided here is left to it.
    pub fn policy(&self, next: &Next) -> Policy {
        let internal = self.auth_header.test_console_header_name.as_str();
        let names = CredentialNames::default()
            .with_bearers(self.auth_header.authorization_header.iter())
            .with_api_key_headers(self.api_key.header.iter())
            .with_api_key_queries(self.api_key.query.iter())
            .with_internal_keys([internal]);
        let verification = match self.verification {
            _ if next.is_configured() && !next.verify => Verification::RevocationOnly,
            VerificationMode::Full | VerificationMode::JwtAuthn => Verification::Full,
            VerificationMode::TimeOnly => Verification::TimeOnly,
        };
        let outbound = self.auth_header.enable_outbound_auth_header;
        Policy::new(names, verification, outbound)
            .with_skew(self.skew)
            .with_required(self.required())
            .with_missing_allowed(next.is_configured() || self.leaves_missing_to_gateway())
    }

    /// Whether a request without a credential passes because Envoy's `jwt_authn` has decided that it needs none.
    pub fn leaves_missing_to_gateway(&self) -> bool {
        self.verification == VerificationMode::JwtAuthn && self.jwt_authn.allow_missing
    }

    /// The keys of the metadata in which verified payloads are; none where they are not believed.
    pub fn payload_keys(&self) -> &[String] {
        match self.verification {
            VerificationMode::JwtAuthn => &self.jwt_authn.payload_keys,
            VerificationMode::Full | VerificationMode::TimeOnly => &[],
        }
    }

    /// The header with a client's certificate that must not reach the API behind Choreo Connect's router; empty: none.
    pub fn certificate_header(&self) -> &str {
        match self.mutual_ssl.enable_outbound_certificate_header {
            true => "",
            false => &self.mutual_ssl.certificate_header,
        }
    }

    fn required(&self) -> Lacking {
        let claims = self.required_claims.iter().map(|claim| match claim {
            Claim::Jti => Lacking::JTI,
            Claim::Iat => Lacking::IAT,
            Claim::Azp => Lacking::AZP,
            Claim::EntityId => Lacking::ENTITY_ID,
        });
        claims.fold(Lacking::NOTHING, Lacking::and)
    }
}

impl Default for Security {
    fn default() -> Self {
        Self {
            verification: VerificationMode::default(),
            skew: 5,
            required_claims: Vec::new(),
            jwt_authn: JwtAuthn::default(),
            auth_header: AuthHeader::default(),
            api_key: ApiKey::default(),
            mutual_ssl: MutualSsl::default(),
            token_service: Vec::new(),
        }
    }
}

impl Default for JwtAuthn {
    fn default() -> Self {
        Self {
            payload_keys: vec!["jwt_payload".to_owned()],
            allow_missing: false,
        }
    }
}

/// Choreo Connect's size.
impl Default for Cache {
    fn default() -> Self {
        Self {
            enabled: true,
            maximum_size: 10_000,
        }
    }
}

impl Default for AuthHeader {
    fn default() -> Self {
        Self {
            enable_outbound_auth_header: false,
            authorization_header: "authorization".into(),
            test_console_header_name: "Internal-Key".to_owned(),
        }
    }
}

impl Default for MutualSsl {
    fn default() -> Self {
        Self {
            certificate_header: "X-WSO2-CLIENT-CERTIFICATE".to_owned(),
            enable_outbound_certificate_header: false,
        }
    }
}

impl Default for ApiKey {
    fn default() -> Self {
        Self {
            header: "apikey".into(),
            query: "apikey".into(),
        }
    }
}
