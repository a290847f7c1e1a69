use proptest::prelude::*;

use super::*;
use CredentialKind::{ApiKey, Bearer, InternalKey};

type Seen = (CredentialKind, String, bool);

fn seen(headers: &[(&str, &str)], path: &str) -> Result<Vec<Seen>, TooMany> {
    let request = Request::new("GET", path, headers);
    let found = find(&request, &CredentialNames::default())?;
    Ok(found
        .into_iter()
        .map(|credential| {
            (
                credential.kind,
                credential.text.into_owned(),
                credential.usable,
            )
        })
        .collect())
}

#[track_caller]
fn check(headers: &[(&str, &str)], path: &str, expected: &[(CredentialKind, &str, bool)]) {
    let expected: Vec<Seen> = expected
        .iter()
        .map(|(kind, text, usable)| (*kind, (*text).to_owned(), *usable))
        .collect();
    assert_eq!(seen(headers, path), Ok(expected));
}

fn check_bearer(value: &str, expected: &[(&str, bool)]) {
    let expected: Vec<_> = expected
        .iter()
        .map(|(text, usable)| (Bearer, *text, *usable))
        .collect();
    check(&[("authorization", value)], "/", &expected);
}

#[test]
fn a_bearer_token_is_usable_in_its_exact_shape() {
    check_bearer("Bearer a.b.c", &[("a.b.c", true)]);
    check_bearer("bEARER a.b.c", &[("a.b.c", true)]);
    check_bearer("  Bearer \t a.b.c ", &[("a.b.c", true)]);
    check_bearer("Bearer a.b.c..", &[("a.b.c..", true)]);
    check_bearer("Bearer ..c", &[("..c", true)]);
    check_bearer("Bearer a.b.", &[("a.b.", false)]);
    check_bearer("Bearer a.b", &[("a.b", false)]);
    check_bearer("Bearer a.b.c.d", &[("a.b.c.d", false)]);
    check_bearer("Bearer opaque", &[("opaque", false)]);
    check_bearer("Bearer", &[]);
    check_bearer("", &[]);
    check_bearer("a.b.c", &[("a.b.c", false)]);
    check_bearer("Bearera.b.c", &[("Bearera.b.c", false)]);
    check_bearer("Basic dXNlcjpwYXNzd29yZA==", &[]);
    check_bearer("DPoP a.b.c", &[("a.b.c", false)]);
    check_bearer("Digest username=\"a\", realm=\"b\", nonce=\"c\"", &[]);
}

#[test]
fn several_tokens_in_one_header_are_found_and_none_is_usable() {
    check_bearer("Bearer a.b.c d.e.f", &[("a.b.c", false), ("d.e.f", false)]);
    check_bearer(
        "Bearer a.b.c, Bearer d.e.f",
        &[("a.b.c", false), ("d.e.f", false)],
    );
    check_bearer("Basic x,Bearer d.e.f", &[("d.e.f", false)]);
    check(
        &[
            ("Authorization", "Bearer a.b.c"),
            ("AUTHORIZATION", "Bearer d.e.f"),
        ],
        "/",
        &[(Bearer, "a.b.c", false), (Bearer, "d.e.f", false)],
    );
    // As one text this has three parts, so the original tries it.
    check_bearer(
        "Bearer a.b.c,junk",
        &[("a.b.c,junk", true), ("a.b.c", false)],
    );
}

#[test]
fn keys_are_usable_with_three_parts_and_without_a_scheme() {
    check(&[("ApiKey", "a.b.c==")], "/", &[(ApiKey, "a.b.c==", true)]);
    check(&[("apikey", "a.b")], "/", &[(ApiKey, "a.b", false)]);
    check(
        &[("apikey", "Bearer a.b.c")],
        "/",
        &[(ApiKey, "Bearer a.b.c", true)],
    );
    check(
        &[("internal-key", " a.b.c ")],
        "/",
        &[(InternalKey, "a.b.c", true)],
    );
    check(
        &[("apikey", "a.b.c"), ("apikey", "d.e.f")],
        "/",
        &[(ApiKey, "a.b.c", false), (ApiKey, "d.e.f", false)],
    );
    check(
        &[("apikey", "a.b.c,d")],
        "/",
        &[
            (ApiKey, "a.b.c,d", true),
            (ApiKey, "a.b.c", false),
            (ApiKey, "d", false),
        ],
    );
}

#[test]
fn the_first_parameter_is_usable_where_there_is_no_header() {
    check(
        &[],
        "/pets?apikey=a.b.c&apikey=d.e.f",
        &[(ApiKey, "a.b.c", true), (ApiKey, "d.e.f", false)],
    );
    check(&[], "/pets?apikey=a%2Eb.c%3D", &[(ApiKey, "a.b.c=", true)]);
    check(&[], "/pets?x=1;apikey=a.b.c", &[(ApiKey, "a.b.c", true)]);
    check(
        &[],
        "/pets?apikey=a.b.c;x=1&apikey=d.e.f",
        &[
            (ApiKey, "a.b.c", true),
            (ApiKey, "d.e.f", false),
            (ApiKey, "a.b.c;x=1", false),
        ],
    );
    check(
        &[("apikey", "x")],
        "/pets?apikey=a.b.c",
        &[(ApiKey, "x", false), (ApiKey, "a.b.c", false)],
    );
}

#[test]
fn each_name_of_an_api_key_has_a_place_of_its_own() {
    let names = CredentialNames::default()
        .with_api_key_headers(["x-key", "apikey"])
        .with_api_key_queries(["key", "apikey"]);
    let check = |headers: &[(&str, &str)], path: &str, usable: &[&str]| {
        let request = Request::new("GET", path, headers);
        let found = find(&request, &names).unwrap();
        let found = found.into_iter().filter(|credential| credential.usable);
        let found: Vec<_> = found.map(|credential| credential.text).collect();
        assert_eq!(found, usable, "{headers:?} {path}");
    };
    check(&[], "/?key=foo&apikey=a.b.c", &["a.b.c"]);
    check(&[], "/?apikey=foo&key=a.b.c", &["a.b.c"]);
    check(&[], "/?key=a.b.c&apikey=d.e.f", &["a.b.c", "d.e.f"]);
    check(&[], "/?key=foo&key=a.b.c", &[]);
    check(&[("x-key", "foo")], "/?key=a.b.c", &["a.b.c"]);
    check(&[("x-key", "foo"), ("apikey", "a.b.c")], "/", &["a.b.c"]);
    check(&[("apikey", "foo")], "/?apikey=a.b.c", &[]);
    check(&[("apikey", "foo")], "/?key=a.b.c&apikey=d.e.f", &["a.b.c"]);
}

#[test]
fn the_only_header_comes_before_the_only_parameter_whatever_their_names() {
    let names = CredentialNames::new("authorization", "x-key", "key", "");
    let headers = [("x-key", "foo")];
    let request = Request::new("GET", "/?key=a.b.c", &headers[..]);
    let found = find(&request, &names).unwrap();
    assert!(found.iter().all(|credential| !credential.usable));
}

#[test]
fn kinds_come_in_the_order_in_which_they_are_tried() {
    check(
        &[
            ("apikey", "g.h.i"),
            ("authorization", "Bearer d.e.f"),
            ("Internal-Key", "a.b.c"),
        ],
        "/?apikey=j.k.l",
        &[
            (InternalKey, "a.b.c", true),
            (Bearer, "d.e.f", true),
            (ApiKey, "g.h.i", true),
            (ApiKey, "j.k.l", false),
        ],
    );
}

#[test]
fn the_number_of_credentials_is_bounded() {
    let of = |count| vec!["apikey=a.b.c"; count].join("&");
    assert_eq!(
        seen(&[], &format!("/?{}", of(MAX_CREDENTIALS))).map(|found| found.len()),
        Ok(MAX_CREDENTIALS)
    );
    assert_eq!(
        seen(&[], &format!("/?{}", of(MAX_CREDENTIALS + 1))),
        Err(TooMany)
    );
    // Both readings count.
    let query = format!("{};x", of(MAX_CREDENTIALS));
    assert_eq!(seen(&[], &format!("/?{query}")), Err(TooMany));
    let header = vec!["Bearer a.b.c"; MAX_CREDENTIALS + 1].join(",");
    assert_eq!(seen(&[("authorization", &header)], "/"), Err(TooMany));
}

#[test]
fn a_name_that_is_empty_is_looked_for_nowhere() {
    let names = CredentialNames::new("authorization", "", "", "");
    let headers = [("", "a.b.c")];
    let request = Request::new("GET", "/?=a.b.c", &headers[..]);
    assert_eq!(find(&request, &names).map(|found| found.len()), Ok(0));
}

proptest! {
    #[test]
    fn at_most_one_of_each_kind_is_usable(
        header in "(Bearer| |,|a\\.b\\.c|x|\\.|\t){0,16}",
        key in "(a\\.b\\.c| |,|x|=){0,8}",
        query in "(apikey|=|&|;|a\\.b\\.c|%2E|x|\\?){0,16}",
    ) {
        let path = format!("/pets?{query}");
        let Ok(found) = seen(&[("authorization", &header), ("apikey", &key)], &path) else {
            return Ok(());
        };
        for kind in [InternalKey, Bearer, ApiKey] {
            prop_assert!(found.iter().filter(|(k, _, usable)| *k == kind && *usable).count() <= 1);
        }
        prop_assert!(found.is_sorted_by_key(|(kind, ..)| *kind));
        prop_assert!(found.iter().all(|(_, text, usable)| !usable || has_three_parts(text)));
    }
}

#[test]
fn parts_are_counted_to_the_end_of_the_longest_text() {
    let long = "x".repeat(1_000);
    for (text, three) in [
        ("", false),
        ("a.b", false),
        ("a.b.c", true),
        ("a.b.c..", true),
        ("a.b..", false),
        ("..c", true),
        ("a.b.c.d", false),
        (&*format!("{long}.{long}.{long}"), true),
        (&*format!("{long}.{long}.{long}.{long}"), false),
        // A byte would have seen two.
        (&*format!("{}a", ".".repeat(258)), false),
    ] {
        assert_eq!(has_three_parts(text), three, "{text}");
    }
}
