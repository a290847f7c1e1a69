//! Behind Choreo Connect's router, in the place of its enforcer.

use super::*;
use crate::check::router::CLUSTER_HEADER;

const ROUTE: &[(&str, &str)] = &[
    ("prodClusterName", "clusterProd_pets"),
    ("sandClusterName", "clusterSand_pets"),
    ("method", "GET POST"),
];

fn typed(fixture: &Fixture, key_type: &str) -> CheckRequest {
    let claims = format!(r#""jti":"good","iat":1,"keytype":"{key_type}""#);
    bearer(&fixture.signer.token(&claims))
}

/// Names and values of what is set, and the names of what is taken away.
fn passed(response: &CheckResponse) -> (Vec<(&str, &str)>, Vec<&str>) {
    let Some(HttpResponse::OkResponse(ok)) = &response.http_response else {
        panic!("{response:?}");
    };
    let overwrites = i32::from(HeaderAppendAction::OverwriteIfExistsOrAdd);
    let set = ok.headers.iter().map(|option| {
        assert_eq!(option.append_action, overwrites);
        let header = option.header.as_ref().unwrap();
        (&*header.key, &*header.value)
    });
    let removed = ok.headers_to_remove.iter().map(String::as_str);
    (set.collect(), removed.collect())
}

#[test]
fn the_cluster_is_that_of_the_key_type_whatever_the_client_has_sent() {
    let fixture = fixture();
    for (key_type, cluster) in [
        ("PRODUCTION", "clusterProd_pets"),
        ("", "clusterProd_pets"),
        ("SANDBOX", "clusterSand_pets"),
    ] {
        let mut request = with(typed(&fixture, key_type), "GET", ROUTE);
        let http = request.attributes.as_mut().unwrap().request.as_mut();
        let headers = &mut http.unwrap().http.as_mut().unwrap().headers;
        headers.insert(CLUSTER_HEADER.to_owned(), "internal".to_owned());
        let response = fixture.answer(&request);
        let expected = [(CLUSTER_HEADER, cluster)];
        assert_eq!(passed(&response).0, expected, "{key_type}");
    }
}

#[test]
fn elsewhere_nothing_of_it_is_done() {
    let fixture = fixture();
    for extensions in [&[][..], &[("method", "GET"), ("path", "/pets")]] {
        let request = with(typed(&fixture, "neither"), "OPTIONS", extensions);
        let response = fixture.answer(&request);
        let (set, removed) = passed(&response);
        assert_eq!(set, []);
        assert_eq!(removed, ["internal-key", "apikey", "authorization"]);
    }
}

#[test]
fn a_key_without_a_cluster_is_refused_and_counted_so() {
    let fixture = fixture();
    let production = &[("prodClusterName", "p"), ("sandClusterName", "")];
    let sandbox = &[("prodClusterName", ""), ("sandClusterName", "s")];
    for (key_type, extensions, answer) in [
        ("SANDBOX", production, Answer::NoSandboxEndpoint),
        ("PRODUCTION", sandbox, Answer::NoProductionEndpoint),
        ("neither", production, Answer::InvalidKeyType),
    ] {
        let request = with(typed(&fixture, key_type), "GET", extensions);
        let response = fixture.answer(&request);
        assert_eq!(seen(&response), (401, answer.body()), "{key_type}");
        assert_eq!(metadata(&response, "rescind_reason"), Some("key_type"));
    }
    assert_eq!(fixture.metrics.checks(Outcome::Invalid), 3);
    assert_eq!(fixture.metrics.checks(Outcome::Allowed), 0);
}

#[test]
fn a_clients_certificate_goes_no_further_unless_it_may() {
    let fixture = fixture();
    let engine = || fixture.checks.engine.clone();
    let request = with(typed(&fixture, ""), "GET", ROUTE);
    let checks = Checks::new(engine(), &[]).without_certificate_header("X-Client");
    let response = answer(&checks, &request);
    assert_eq!(
        passed(&response).1,
        ["internal-key", "apikey", "authorization", "x-client"]
    );
    let elsewhere = answer(&checks, &typed(&fixture, ""));
    assert_eq!(passed(&elsewhere).1.len(), 3);
    let response = fixture.answer(&request);
    assert_eq!(passed(&response).1.len(), 3);
}

#[test]
fn options_are_answered_in_the_place_of_the_api() {
    let unready = unready();
    let revoked = fixture();
    let revoked_token = revoked.signer.token(r#""jti":"revoked""#);
    let soap = [("content-type", "application/soap+xml")];
    for (fixture, request) in [
        (&revoked, check("/pets", &[])),
        (&revoked, bearer(&revoked_token)),
        (&revoked, check("/pets", &soap)),
        (&unready, check("/pets", &[])),
    ] {
        let checks = Checks::new(fixture.checks.engine.clone(), &[]).with_soap_faults(true);
        let response = answer(&checks, &with(request, "OPTIONS", ROUTE));
        assert_eq!(seen(&response), (204, ""));
        let Some(HttpResponse::DeniedResponse(denied)) = &response.http_response else {
            panic!("{response:?}");
        };
        let [allow] = &denied.headers[..] else {
            panic!("{:?}", denied.headers);
        };
        let allow = allow.header.as_ref().unwrap();
        assert_eq!(
            (&*allow.key, &*allow.value),
            ("allow", "OPTIONS, GET, POST")
        );
        assert_eq!(response.status.as_ref().unwrap().code, 13);
        for (key, value) in [
            ("choreo-connect-enforcer-reply", "Ok"),
            ("correlationID", "request-7"),
            ("rescind_reason", "options"),
        ] {
            assert_eq!(metadata(&response, key), Some(value));
        }
    }
    assert_eq!(revoked.metrics.checks(Outcome::Options), 3);
    // What the resource lists is for the API, with a token as any other.
    let listed = &[("prodClusterName", "p"), ("method", "GET OPTIONS")];
    let response = revoked.answer(&with(check("/pets", &[]), "OPTIONS", listed));
    assert_eq!(seen(&response), (401, Answer::NoCredential.body()));
    let response = revoked.answer(&with(typed(&revoked, ""), "OPTIONS", listed));
    assert_eq!(passed(&response).0, [(CLUSTER_HEADER, "p")]);
}
