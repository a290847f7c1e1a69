//! What a request that passes goes on with, and what a decision shows.

use proptest::prelude::*;

use super::*;
use crate::testing::EXAMPLE_TOKEN;

fn removed(permit: &Permit) -> Vec<&str> {
    permit.remove_headers.iter().map(|name| &**name).collect()
}

#[test]
fn credentials_do_not_go_on_to_the_upstream() {
    let permit = row("defaults").bearer(with_jti(JTI)).allowed(Bearer);
    assert_eq!(
        removed(&permit),
        ["internal-key", "apikey", "authorization"]
    );
    let permit = row("outbound")
        .outbound()
        .bearer(with_jti(JTI))
        .allowed(Bearer);
    assert_eq!(removed(&permit), ["internal-key", "apikey"]);
    let names = CredentialNames::new("X-Token", "X-Key", "key", "X-Internal");
    let permit = row("other names")
        .names(names)
        .header("x-token", format!("Bearer {}", with_jti(JTI)))
        .allowed(Bearer);
    assert_eq!(removed(&permit), ["x-internal", "x-key", "x-token"]);
}

#[test]
fn the_key_is_taken_out_of_the_path_and_nothing_else() {
    let key = api_key(r#""jti":"k""#);
    for (path, expected) in [
        (format!("/p%20q?apikey={key}"), Some("/p%20q")),
        (format!("/p?a=%2f&apikey={key}&b=+"), Some("/p?a=%2f&b=+")),
        (format!("/p?apikey={key}&b"), Some("/p?b")),
        (format!("/p?a=1;apikey={key}"), Some("/p?a=1")),
        (format!("/p?apikey={key};b"), Some("/p?b")),
    ] {
        let permit = row("query").path(path).allowed(ApiKey);
        assert_eq!(permit.path.as_deref(), expected);
    }
    let permit = row("header")
        .key(&*key)
        .path("/p?a=1&b=%20")
        .allowed(ApiKey);
    assert_eq!(permit.path, None);
    let permit = row("beside a token")
        .bearer(with_jti(JTI))
        .path("/p?apikey=x.y.z&a=1")
        .allowed(Bearer);
    assert_eq!(permit.path.as_deref(), Some("/p?a=1"));
}

#[test]
fn a_permit_names_the_credential_by_its_jti() {
    let permit = row("jti").bearer(with_jti(JTI)).allowed(Bearer);
    assert_eq!(permit.identifier, Identifier::new(JTI).ok());
    let permit = row("none").bearer(token(r#""sub":"a""#)).allowed(Bearer);
    assert_eq!(permit.identifier, None);
}

#[test]
fn nothing_of_a_token_is_shown_by_a_decision() {
    let token = with_jti(JTI);
    for decision in [
        row("").bearer(&token).decide(),
        row("").bearer(&token).revoked(JTI).decide(),
        row("").bearer(EXAMPLE_TOKEN).decide(),
    ] {
        let shown = format!("{decision:?}");
        for part in token.split('.').chain(EXAMPLE_TOKEN.split('.')) {
            assert!(!shown.contains(part), "{shown}");
        }
        assert!(!shown.contains(JTI), "{shown}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_revoked_jti_never_passes_wherever_it_stands(
        place in 0..4usize,
        before in "[ -~]{0,12}",
        after in "[ -~]{0,12}",
    ) {
        let bad = with_jti(JTI);
        let good = with_jti("good");
        let row = match place {
            0 => row("").header("authorization", format!("Bearer {before},{bad}")).bearer(good),
            1 => row("").header("authorization", format!("Bearer {bad} {after}")).key(api_key(r#""jti":"k""#)),
            2 => row("").path(format!("/?x={}&apikey={bad}&{}", before.replace('&', ""), after)).bearer(good),
            _ => row("").key(bad).header("apikey", after).bearer(good),
        };
        let decision = row.revoked(JTI).decide();
        prop_assert!(matches!(decision, Decision::Deny(_)), "{decision:?}");
    }

    #[test]
    fn garbage_never_passes(value in "\\PC{0,60}", path in "/[ -~]{0,60}") {
        let decision = row("")
            .header("authorization", value.as_str())
            .key(value.as_str())
            .internal(value)
            .path(path)
            .decide();
        prop_assert!(matches!(decision, Decision::Deny(_)), "{decision:?}");
    }
}
