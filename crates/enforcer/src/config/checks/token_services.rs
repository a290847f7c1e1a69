//! `[[enforcer.security.tokenService]]`: each issuer once, and each with a key.

use std::collections::HashMap;

use rescind_runtime::config::Problems;

use crate::config::{KidCertificate, Role, Security, TokenService};

pub(super) fn check(security: &Security, problems: &mut Problems) {
    let mut taken: HashMap<(u8, &str), usize> = HashMap::new();
    for (at, service) in security.token_service.iter().enumerate() {
        let key = format!("enforcer.security.tokenService[{at}]");
        token_service(&key, service, problems);
        let identity = match service.role() {
            Role::Issuer => (0, service.issuer.as_str()),
            Role::ApiKey => (1, ""),
            Role::InternalKey => (2, ""),
        };
        if let Some(first) = taken.insert(identity, at) {
            let what = match service.role() {
                Role::Issuer => format!("{key}.issuer"),
                Role::ApiKey | Role::InternalKey => format!("{key}.name"),
            };
            problems.add(
                what,
                format!("the same as in enforcer.security.tokenService[{first}], expected one table for each"),
            );
        }
    }
}

fn token_service(key: &str, service: &TokenService, problems: &mut Problems) {
    let issuer = service.role() == Role::Issuer;
    if issuer && service.issuer.is_empty() {
        problems.add(
            format!("{key}.issuer"),
            "missing, expected the `iss` that the tokens of this service carry",
        );
    }
    let has_certificate =
        !service.certificate_file_path.is_empty() || !service.certificate_alias.is_empty();
    certificates(key, service, problems);
    if !has_certificate && service.jwks_url.is_empty() && service.certificates.is_empty() {
        problems.add(
            key,
            "has no key, expected jwksURL, certificateFilePath, certificateAlias or certificates",
        );
    }
    if !issuer && !has_certificate && !service.jwks_url.is_empty() {
        problems.add(
            format!("{key}.certificateFilePath"),
            "missing, expected a certificate: a JWK Set is not used for keys of API Manager",
        );
    }
    if !service.jwks_url.is_empty() && !is_jwks_url(&service.jwks_url) {
        problems.add(
            format!("{key}.jwksURL"),
            format!(
                "expected https://.., http://.. or file:///.., found {:?}",
                service.jwks_url
            ),
        );
    }
}

fn certificates(key: &str, service: &TokenService, problems: &mut Problems) {
    if service.role() != Role::Issuer && !service.certificates.is_empty() {
        problems.add(
            format!("{key}.certificates"),
            "expected none: the `kid` of keys of API Manager is not looked at",
        );
    }
    let mut taken: HashMap<&str, usize> = HashMap::new();
    for (at, certificate) in service.certificates.iter().enumerate() {
        let KidCertificate { kid, file_path } = certificate;
        let key = format!("{key}.certificates[{at}]");
        if kid.is_empty() {
            problems.add(
                format!("{key}.kid"),
                "missing, expected the `kid` of the tokens that it verifies",
            );
        } else if let Some(first) = taken.insert(kid, at) {
            problems.add(
                format!("{key}.kid"),
                format!("{kid:?} is that of certificates[{first}] too, expected another"),
            );
        }
        if file_path.is_empty() {
            problems.add(
                format!("{key}.filePath"),
                "missing, expected the PEM file of a certificate or public key",
            );
        }
    }
}

fn is_jwks_url(url: &str) -> bool {
    reqwest::Url::parse(url).is_ok_and(|url| match url.scheme() {
        "https" | "http" => url.has_host() && url.username().is_empty() && url.password().is_none(),
        "file" => url.to_file_path().is_ok(),
        _ => false,
    })
}
