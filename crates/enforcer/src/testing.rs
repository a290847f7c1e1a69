//! Signers, certificates and requests, for the tests of this crate.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rescind_proto::envoy::service::auth::v3::{
    AttributeContext, CheckRequest, CheckResponse,
    attribute_context::{HttpRequest, Request},
    check_response::HttpResponse,
};
use rescind_proto::google::protobuf::value::Kind;

pub(crate) const ISSUER: &str = "https://localhost:9443/oauth2/token";

/// A port of this process alone, for a server that comes later, goes, or comes back. The socket that holds it never
/// listens, so a server can be bound beside it; and while it is open, which is until the process ends, nobody is given it.
pub(crate) fn reserved_port() -> u16 {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let port = socket.local_addr().unwrap().port();
    std::mem::forget(socket);
    port
}

/// Does `step` until it says that it is done: a minute is more than any machine needs.
pub(crate) fn patiently(mut step: impl FnMut() -> bool) {
    let pause = std::time::Duration::from_millis(1);
    for _ in 0..60_000 {
        if step() {
            return;
        }
        std::thread::park_timeout(pause);
    }
    panic!("it never came to its end");
}

/// One that signs tokens, on P-256.
pub(crate) struct Signer {
    kid: &'static str,
    pair: KeyPair,
    key: EcdsaKeyPair,
}

impl Signer {
    pub(crate) fn new(kid: &'static str) -> Self {
        let pair = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pair.serialized_der());
        Self {
            kid,
            pair,
            key: key.unwrap(),
        }
    }

    /// A token with those claims, of [`ISSUER`] and good until 2286.
    pub(crate) fn token(&self, claims: &str) -> String {
        self.token_until(9_999_999_999, claims)
    }

    /// The same, with another end.
    pub(crate) fn token_until(&self, exp: u64, claims: &str) -> String {
        self.token_of(self.kid, exp, claims)
    }

    /// The same, under another `kid` too.
    pub(crate) fn token_of(&self, kid: &str, exp: u64, claims: &str) -> String {
        let encode = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
        let header = format!(r#"{{"alg":"ES256","kid":"{kid}"}}"#);
        let payload = format!(r#"{{"iss":"{ISSUER}","exp":{exp},{claims}}}"#);
        let input = format!("{}.{}", encode(&header), encode(&payload));
        let signature = self
            .key
            .sign(&SystemRandom::new(), input.as_bytes())
            .unwrap();
        format!("{input}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
    }

    pub(crate) fn jwk(&self) -> serde_json::Value {
        let (x, y) = self.key.public_key().as_ref()[1..].split_at(32);
        let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        serde_json::json!({
            "kty": "EC", "crv": "P-256", "use": "sig", "kid": self.kid, "x": encode(x), "y": encode(y),
        })
    }

    pub(crate) fn certificate(&self) -> String {
        let parameters = CertificateParams::new(vec!["localhost".into()]).unwrap();
        parameters.self_signed(&self.pair).unwrap().pem()
    }
}

pub(crate) fn jwks(signers: &[&Signer]) -> String {
    let keys: Vec<_> = signers.iter().map(|signer| signer.jwk()).collect();
    serde_json::json!({ "keys": keys }).to_string()
}

/// A CA and the identities that it has signed, as PEM files.
pub(crate) struct Certificates {
    folder: tempfile::TempDir,
    ca: CertifiedIssuer<'static, KeyPair>,
}

impl Certificates {
    pub(crate) fn new() -> Self {
        rescind_runtime::tls::install_crypto_provider();
        let mut parameters = CertificateParams::default();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), ca.pem()).unwrap();
        Self { folder, ca }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Certificate and key for `name`, which also stands for `localhost` and 127.0.0.1.
    pub(crate) fn identity(&self, name: &str) -> (PathBuf, PathBuf) {
        let names = [name, "localhost", "127.0.0.1"].map(String::from);
        let parameters = CertificateParams::new(names).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.signed_by(&key, &self.ca).unwrap();
        let path = |extension| self.folder.path().join(format!("{name}.{extension}"));
        std::fs::write(path("pem"), certificate.pem()).unwrap();
        std::fs::write(path("key"), key.serialize_pem()).unwrap();
        (path("pem"), path("key"))
    }
}

/// A check as Envoy sends it.
pub(crate) fn check(path: &str, headers: &[(&str, &str)]) -> CheckRequest {
    let own = [
        (":method", "GET"),
        (":path", path),
        ("x-request-id", "request-7"),
    ];
    let headers = own.iter().chain(headers);
    let headers: HashMap<_, _> = headers
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    of_http(HttpRequest {
        id: "13".to_owned(),
        method: "GET".to_owned(),
        path: path.to_owned(),
        headers,
        ..HttpRequest::default()
    })
}

pub(crate) fn of_http(http: HttpRequest) -> CheckRequest {
    CheckRequest {
        attributes: Some(AttributeContext {
            request: Some(Request {
                http: Some(http),
                ..Request::default()
            }),
            ..AttributeContext::default()
        }),
    }
}

pub(crate) fn bearer(token: &str) -> CheckRequest {
    check("/pets/1", &[("authorization", &format!("Bearer {token}"))])
}

/// The HTTP status and the body of a refusal; 200 and nothing for a request that passes.
pub(crate) fn seen(response: &CheckResponse) -> (i32, &str) {
    let code = response.status.as_ref().unwrap().code;
    match response.http_response.as_ref().unwrap() {
        HttpResponse::OkResponse(_) => {
            assert_eq!(code, 0);
            (200, "")
        }
        HttpResponse::DeniedResponse(denied) => {
            assert_ne!(code, 0);
            (denied.status.as_ref().unwrap().code, &denied.body)
        }
        HttpResponse::ErrorResponse(_) => panic!("an error for an answer"),
    }
}

/// One value of an answer's metadata.
pub(crate) fn metadata<'a>(response: &'a CheckResponse, key: &str) -> Option<&'a str> {
    let fields = &response.dynamic_metadata.as_ref().unwrap().fields;
    match fields.get(key)?.kind.as_ref().unwrap() {
        Kind::StringValue(text) => Some(text),
        other => panic!("{other:?}"),
    }
}
