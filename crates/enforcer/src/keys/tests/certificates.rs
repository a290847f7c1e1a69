//! A certificate for each `kid`.

use super::*;
use crate::config::KidCertificate;

/// An issuer with these certificates, by `kid` and file.
fn certified(certificates: &[(&str, &Path)]) -> TokenService {
    let certificates = certificates.iter().map(|(kid, path)| KidCertificate {
        kid: (*kid).to_owned(),
        file_path: path.display().to_string(),
    });
    TokenService {
        certificates: certificates.collect(),
        ..issuer("")
    }
}

/// Whether the key that is in force under `kid` has signed as `signer` does.
fn verifies(keys: &Keys, kid: &str, signer: &Signer) -> bool {
    let policy = rescind_authz::Policy::new(Default::default(), Default::default(), false);
    let token = signer.token_of(kid, 9_999_999_999, r#""jti":"a""#);
    let headers = [("authorization", &*format!("Bearer {token}"))];
    let request = rescind_authz::Request::new("GET", "/", &headers[..]);
    let set = rescind_revocation::RevokedSet::new();
    let now = rescind_revocation::UnixSeconds(1_700_000_000);
    let decision = policy.decide(&request, &keys.load(), &set, now);
    matches!(decision, rescind_authz::Decision::Allow(_))
}

#[tokio::test]
async fn each_verifies_the_tokens_of_its_own_kid_and_no_others() {
    let fixture = fixture();
    let (a, b, c) = (Signer::new("a"), Signer::new("b"), Signer::new("c"));
    let path_a = fixture.file("a.pem", &a.certificate());
    let path_b = fixture.file("b.pem", &b.certificate());
    let two = certified(&[("a", &path_a), ("b", &path_b)]);
    let (keys, _) = fixture.load(vec![two.clone()]).unwrap();
    assert!(fixture.health.is_ready());
    assert!(verifies(&keys, "a", &a) && verifies(&keys, "b", &b));
    assert!(!verifies(&keys, "a", &b) && !verifies(&keys, "b", &a));
    assert!(!knows(&keys, "c") && !verifies(&keys, "c", &c));

    // The one without a kid is for all others.
    let path_c = fixture.file("c.pem", &c.certificate());
    let (keys, _) = fixture
        .load(vec![TokenService {
            certificate_file_path: path_c.display().to_string(),
            ..two
        }])
        .unwrap();
    assert!(verifies(&keys, "c", &c) && verifies(&keys, "x", &c));
    assert!(verifies(&keys, "a", &a) && !verifies(&keys, "a", &c));
}

#[tokio::test(start_paused = true)]
async fn their_files_are_read_again_and_the_last_good_ones_stay() {
    let fixture = fixture();
    let (old, new) = (Signer::new("a"), Signer::new("a"));
    let path = fixture.file("a.pem", &old.certificate());
    let (keys, loader) = fixture.load(vec![certified(&[("a", &path)])]).unwrap();
    let _task = AbortOnDrop(tokio::spawn(loader.run(CancellationToken::new())));
    settle().await;
    assert!(verifies(&keys, "a", &old));

    fixture.file("a.pem", "no certificate");
    advance(REFRESH + Duration::from_secs(1)).await;
    settle().await;
    assert!(verifies(&keys, "a", &old));
    assert!(fixture.degraded()[0].contains("no PEM block"));

    fixture.file("a.pem", &new.certificate());
    advance(REFRESH).await;
    settle().await;
    assert!(verifies(&keys, "a", &new) && !verifies(&keys, "a", &old));
    assert_eq!(fixture.degraded(), [""; 0]);
}

#[tokio::test]
async fn one_that_cannot_be_read_at_the_start_is_named_by_its_key() {
    let fixture = fixture();
    let good = fixture.file("a.pem", &Signer::new("a").certificate());
    let service = certified(&[("a", &good), ("b", Path::new("/nowhere.pem"))]);
    let error = fixture.load(vec![service]).unwrap_err();
    assert_eq!(rescind_runtime::exit::code_for(&error), 2);
    let text = format!("{error:#}");
    let key = "enforcer.security.tokenService[0].certificates[1].filePath";
    assert!(
        text.contains(key) && text.contains("/nowhere.pem"),
        "{text}"
    );
}
