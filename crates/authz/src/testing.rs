//! Keys, tokens and the document's own examples, for the tests of this crate.

use std::sync::LazyLock;

use aws_lc_rs::{
    encoding::AsDer,
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
        EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384,
        RSA_PKCS1_SHA512, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair,
    },
};

use crate::encoding::{encode, padding};

/// The access token of the documentation's first procedure.
pub(crate) const EXAMPLE_TOKEN: &str = "eyJ4NXQiOiJNell4TW1Ga09HWXdNV0kwWldObU5EY3hOR1l3WW1NNFpUQTNNV0kyTkRBelpHUXpOR00wWkdSbE5qSmtPREZrWkRSaU9URmtNV0ZoTXpVMlpHVmxOZyIsImtpZCI6Ik16WXhNbUZrT0dZd01XSTBaV05tTkRjeE5HWXdZbU00WlRBM01XSTJOREF6WkdRek5HTTBaR1JsTmpKa09ERmtaRFJpT1RGa01XRmhNelUyWkdWbE5nX1JTMjU2IiwiYWxnIjoiUlMyNTYifQ.eyJzdWIiOiJ2YWppcmEtZGV2IiwiYXV0IjoiQVBQTElDQVRJT05fVVNFUiIsImF1ZCI6IkhEZVBINFluRHdjOWtsUHRROTY3MnpGVWZYa2EiLCJuYmYiOjE2MTk4NTIyOTYsImF6cCI6IkhEZVBINFluRHdjOWtsUHRROTY3MnpGVWZYa2EiLCJzY29wZSI6InJlYWQ6cGV0cyIsImlzcyI6Imh0dHBzOlwvXC9sb2NhbGhvc3Q6OTQ0M1wvb2F1dGgyXC90b2tlbiIsImV4cCI6MTYxOTg1NTg5NiwiaWF0IjoxNjE5ODUyMjk2LCJqdGkiOiI0ZTMzMGRiZC03NWM2LTRhYjUtYTc0OS1iOTQ5N2FhMzUyMWEifQ.jUzkrljwJu77FRGswRQ1uKBRDsHswwp1oRyjh-ULOf4pZ0faxCTKO2djpBBkxVtgaiv1YKtzhaqRUV_UgCLDAgVO76G-sntSXmN5ATEohwcJfSNRHzOsfiCem-kkgO6P2TE15x7G4hlTfufIiirVlXVjcv-4s3fTVCCd-rsm7JEgb9HM-W2GV6l8-CDJ1cfzEQxSnQ7hgueO9CzhTbSnfRNZrwxZtNxXQC8LZcKfNQAzBbOlScT0qB4iJj_FgOHdIlpLANC-IFeCO6UnChztGRqccyTWUSjNuQBtN3_jCb1MQig3m7b2ZSirDygnZ09oecxxxUC2Sj1mHM5i6LCsEA";

/// The API key of the documentation's second procedure: its payload and signature are padded.
pub(crate) const EXAMPLE_API_KEY: &str = "eyJ4NXQiOiJOMkpqTWpOaU0yRXhZalJrTnpaalptWTFZVEF4Tm1GbE5qZzRPV1UxWVdRMll6YzFObVk1TlE9PSIsImtpZCI6ImdhdGV3YXlfY2VydGlmaWNhdGVfYWxpYXMiLCJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhZG1pbkBjYXJib24uc3VwZXIiLCJhcHBsaWNhdGlvbiI6eyJvd25lciI6ImFkbWluIiwidGllclF1b3RhVHlwZSI6bnVsbCwidGllciI6IjEwUGVyTWluIiwibmFtZSI6Im15IiwiaWQiOjIsInV1aWQiOiI5MzkyMTM2OC1lYmRkLTQxYzEtOWI2Ny1lMzhlZmNkZmMzMjAifSwiaXNzIjoiaHR0cHM6XC9cL2FwaW06OTQ0NFwvb2F1dGgyXC90b2tlbiIsInRpZXJJbmZvIjp7IlVubGltaXRlZCI6eyJ0aWVyUXVvdGFUeXBlIjoicmVxdWVzdENvdW50IiwiZ3JhcGhRTE1heENvbXBsZXhpdHkiOjAsImdyYXBoUUxNYXhEZXB0aCI6MCwic3RvcE9uUXVvdGFSZWFjaCI6dHJ1ZSwic3Bpa2VBcnJlc3RMaW1pdCI6MCwic3Bpa2VBcnJlc3RVbml0IjpudWxsfX0sImtleXR5cGUiOiJQUk9EVUNUSU9OIiwic3Vic2NyaWJlZEFQSXMiOlt7InN1YnNjcmliZXJUZW5hbnREb21haW4iOiJjYXJib24uc3VwZXIiLCJuYW1lIjoicXFxcSIsImNvbnRleHQiOiJcL3FxcVwvMSIsInB1Ymxpc2hlciI6ImFkbWluIiwidmVyc2lvbiI6IjEiLCJzdWJzY3JpcHRpb25UaWVyIjoiVW5saW1pdGVkIn1dLCJ0b2tlbl90eXBlIjoiYXBpS2V5IiwiaWF0IjoxNjUwMzY0MjYyLCJqdGkiOiJlYzYxZDI0Zi04Nzg2LTRlYjktYmZiNy1lN2EyMGQwMjk1ZjYifQ==.M6ZiC1asUawlx73JYU83knl6vm1AG1q95DKnk-mU_59UG1yTRMJDtQn0CpHNDlTb-w9P4JGY8H5Z6l-aLUsmlyDAgIDG58_Q264jYqXleinRlOQyeAkQrPUM4DlVqM9yKOM-xLB8ZrE8feMj6-jHk6boJNtGBV1XUioJ-IQwq2MnBOII3dRbePYA7hNICmlOWaVXDOZitpihTiIl1JUHT7a_nGDiXg3b-MC14PqrdrAnqNWxih_K6oiVrlulsAaVWhRr3dmTQcsA4Eqr2N9FMHDRPeUT8MKlCpy7_SZeWX207LkwdnvWSVrV6dNPJuAWU1g8my_MYQlDDltZqKaisw==";

/// One RSA key that can sign, and show itself in every form that a key set is read from.
pub(crate) struct Signer(RsaKeyPair);

/// Three unrelated keys: of two issuers, and of API Manager itself.
pub(crate) static ISSUER_A: LazyLock<Signer> = LazyLock::new(Signer::generate);
pub(crate) static ISSUER_B: LazyLock<Signer> = LazyLock::new(Signer::generate);
pub(crate) static OWN: LazyLock<Signer> = LazyLock::new(Signer::generate);

impl Signer {
    fn generate() -> Self {
        Self(RsaKeyPair::generate(KeySize::Rsa2048).unwrap())
    }

    /// A token with the algorithm that `header` names, RS256 where it names another.
    pub(crate) fn sign(&self, header: &str, payload: &str) -> String {
        self.sign_parts(&encode(header.as_bytes()), &encode(payload.as_bytes()))
    }

    /// A key as API Manager makes them: every segment padded.
    pub(crate) fn sign_padded(&self, header: &str, payload: &str) -> String {
        let padded = |text: &str| pad(encode(text.as_bytes()));
        pad_signature(&self.sign_parts(&padded(header), &padded(payload)))
    }

    pub(crate) fn sign_parts(&self, header: &str, payload: &str) -> String {
        let encoding: &'static dyn RsaEncoding =
            match String::from_utf8(crate::encoding::decode_lenient(header)).unwrap() {
                text if text.contains("RS384") => &RSA_PKCS1_SHA384,
                text if text.contains("RS512") => &RSA_PKCS1_SHA512,
                text if text.contains("PS256") => &RSA_PSS_SHA256,
                _ => &RSA_PKCS1_SHA256,
            };
        let input = format!("{header}.{payload}");
        let mut signature = vec![0; self.0.public_modulus_len()];
        self.0
            .sign(
                encoding,
                &SystemRandom::new(),
                input.as_bytes(),
                &mut signature,
            )
            .unwrap();
        format!("{input}.{}", encode(&signature))
    }

    /// Its modulus.
    pub(crate) fn modulus(&self) -> &[u8] {
        self.0
            .public_key()
            .modulus()
            .big_endian_without_leading_zero()
    }

    pub(crate) fn jwk(&self, kid: &str, more: &str) -> String {
        let key = self.0.public_key();
        let n = encode(self.modulus());
        let e = encode(key.exponent().big_endian_without_leading_zero());
        format!(r#"{{"kty":"RSA","kid":"{kid}","n":"{n}","e":"{e}"{more}}}"#)
    }

    pub(crate) fn public_pem(&self) -> String {
        self.pair().public_key_pem()
    }

    /// A self-signed certificate whose time is long over.
    pub(crate) fn expired_certificate(&self) -> String {
        let mut parameters = rcgen::CertificateParams::new(vec!["localhost".into()]).unwrap();
        parameters.not_before = rcgen::date_time_ymd(2019, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(2020, 1, 1);
        parameters.self_signed(&self.pair()).unwrap().pem()
    }

    fn pair(&self) -> rcgen::KeyPair {
        let der = self.0.as_der().unwrap();
        rcgen::KeyPair::try_from(der.as_ref()).unwrap()
    }
}

/// Appends the padding that some encoders write.
pub(crate) fn pad(mut text: String) -> String {
    text.push_str(padding(&text));
    text
}

pub(crate) fn jwks(keys: &[String]) -> String {
    format!(r#"{{"keys":[{}]}}"#, keys.join(","))
}

/// The same token with a padded signature.
pub(crate) fn pad_signature(token: &str) -> String {
    let (input, signature) = token.rsplit_once('.').unwrap();
    format!("{input}.{}", pad(signature.to_owned()))
}

/// A token signed on P-256, and the JWK that verifies it.
pub(crate) fn es256(kid: &str, header: &str, payload: &str) -> (String, String) {
    ecdsa(
        (&ECDSA_P256_SHA256_FIXED_SIGNING, "P-256"),
        kid,
        header,
        payload,
    )
}

/// A token signed on P-384, and the JWK that verifies it.
pub(crate) fn es384(kid: &str, header: &str, payload: &str) -> (String, String) {
    ecdsa(
        (&ECDSA_P384_SHA384_FIXED_SIGNING, "P-384"),
        kid,
        header,
        payload,
    )
}

fn ecdsa(
    (algorithm, curve): (&'static EcdsaSigningAlgorithm, &str),
    kid: &str,
    header: &str,
    payload: &str,
) -> (String, String) {
    let key = EcdsaKeyPair::generate(algorithm).unwrap();
    let input = input(header, payload);
    let signature = key.sign(&SystemRandom::new(), input.as_bytes()).unwrap();
    let point = key.public_key().as_ref();
    let (x, y) = point[1..].split_at(point.len() / 2);
    let (x, y) = (encode(x), encode(y));
    (
        format!("{input}.{}", encode(signature.as_ref())),
        format!(r#"{{"kty":"EC","crv":"{curve}","kid":"{kid}","x":"{x}","y":"{y}"}}"#),
    )
}

/// A token signed with Ed25519, and the JWK that verifies it.
pub(crate) fn eddsa(kid: &str, header: &str, payload: &str) -> (String, String) {
    let key = Ed25519KeyPair::generate().unwrap();
    let input = input(header, payload);
    let signature = encode(key.sign(input.as_bytes()).as_ref());
    let x = encode(key.public_key().as_ref());
    (
        format!("{input}.{signature}"),
        format!(r#"{{"kty":"OKP","crv":"Ed25519","kid":"{kid}","x":"{x}"}}"#),
    )
}

pub(crate) fn input(header: &str, payload: &str) -> String {
    format!(
        "{}.{}",
        encode(header.as_bytes()),
        encode(payload.as_bytes())
    )
}
