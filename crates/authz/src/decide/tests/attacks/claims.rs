//! Headers and payloads that say odd things, properly signed.

use super::*;

#[test]
fn a_field_that_stands_twice() {
    let header = |header: &str| ISSUER_A.sign(header, &payload());
    let body = |more: &str| ISSUER_A.sign(HEADER, &claims(more));
    let exp = NOW + 60;
    table([
        (
            "alg",
            header(r#"{"alg":"none","alg":"RS256","kid":"a"}"#),
            UNDECODABLE,
        ),
        (
            "alg, escaped",
            header(r#"{"alg":"RS256","\u0061lg":"none","kid":"a"}"#),
            UNDECODABLE,
        ),
        (
            "kid",
            header(r#"{"alg":"RS256","kid":"z","kid":"a"}"#),
            UNDECODABLE,
        ),
        (
            "crit",
            header(r#"{"alg":"RS256","kid":"a","crit":[],"crit":null}"#),
            UNDECODABLE,
        ),
        (
            "iss",
            body(&format!(r#""exp":{exp},"iss":"{ISSUER}""#)),
            UNDECODABLE,
        ),
        ("exp", body(&format!(r#""exp":1,"exp":{exp}"#)), UNDECODABLE),
        (
            "exp, escaped",
            body(&format!(r#""exp":{exp},"e\u0078p":1"#)),
            UNDECODABLE,
        ),
        (
            "jti",
            body(&format!(r#""exp":{exp},"jti":"a","jti":"b""#)),
            UNDECODABLE,
        ),
        (
            "what nobody reads",
            body(&format!(r#""exp":{exp},"x":1,"x":2"#)),
            Ok(()),
        ),
    ]);
}

#[test]
fn times_that_are_none_or_odd() {
    let exp = |exp: &str| ISSUER_A.sign(HEADER, &claims(&format!(r#""exp":{exp}"#)));
    let nbf = |nbf: &str| {
        let times = format!(r#""exp":{},"nbf":{nbf}"#, NOW + 3600);
        ISSUER_A.sign(HEADER, &claims(&times))
    };
    let (soon, over) = (NOW + 60, NOW - 60);
    table([
        ("exp, a text", exp(&format!(r#""{soon}""#)), UNDECODABLE),
        ("exp, an empty text", exp(r#""""#), UNDECODABLE),
        ("exp, true", exp("true"), UNDECODABLE),
        ("exp, a list", exp(&format!("[{soon}]")), UNDECODABLE),
        (
            "exp, a table",
            exp(&format!(r#"{{"$numberLong":{soon}}}"#)),
            UNDECODABLE,
        ),
        ("exp, NaN", exp("NaN"), UNDECODABLE),
        ("exp, Infinity", exp("Infinity"), UNDECODABLE),
        ("exp, beyond all numbers", exp("1e400"), UNDECODABLE),
        ("exp, null", exp("null"), EXPIRED),
        ("exp, zero", exp("0"), EXPIRED),
        ("exp, minus zero", exp("-0.0"), EXPIRED),
        ("exp, negative", exp(&format!("-{soon}")), EXPIRED),
        ("exp, very negative", exp("-1e300"), EXPIRED),
        ("exp, the least", exp("-9223372036854775808"), EXPIRED),
        (
            "exp, over by a fraction",
            exp(&format!("{}.999", NOW - 5)),
            EXPIRED,
        ),
        ("exp, over as a power", exp(&format!("{over}e0")), EXPIRED),
        ("exp, in a fraction", exp(&format!("{soon}.5")), Ok(())),
        ("exp, in milliseconds", exp(&format!("{soon}000")), Ok(())),
        ("exp, the greatest", exp("18446744073709551615"), Ok(())),
        (
            "exp, greater than that",
            exp("18446744073709551616"),
            Ok(()),
        ),
        ("exp, huge", exp("1e308"), Ok(())),
        ("nbf, a text", nbf(&format!(r#""{over}""#)), UNDECODABLE),
        ("nbf, false", nbf("false"), UNDECODABLE),
        ("nbf, NaN", nbf("NaN"), UNDECODABLE),
        ("nbf, null", nbf("null"), Ok(())),
        ("nbf, negative", nbf("-1"), Ok(())),
        (
            "nbf, a fraction within the skew",
            nbf(&format!("{}.9", NOW + 5)),
            Ok(()),
        ),
        (
            "nbf, beyond the skew",
            nbf(&format!("{}", NOW + 6)),
            TOO_EARLY,
        ),
        (
            "nbf, in milliseconds",
            nbf(&format!("{over}000")),
            TOO_EARLY,
        ),
        ("nbf, the greatest", nbf("18446744073709551615"), TOO_EARLY),
        ("nbf, huge", nbf("1e308"), TOO_EARLY),
    ]);
}

#[test]
fn an_issuer_that_is_another_or_several() {
    let of = |signer: &Signer, iss: &str| {
        let payload = format!(r#"{{"iss":{iss},"exp":{}}}"#, NOW + 60);
        signer.sign(HEADER, &payload)
    };
    let a = |iss: &str| of(&ISSUER_A, iss);
    table([
        ("unknown", a(r#""https://evil.example""#), NO_ISSUER),
        ("a slash more", a(&format!(r#""{ISSUER}/""#)), NO_ISSUER),
        ("a blank more", a(&format!(r#""{ISSUER} ""#)), NO_ISSUER),
        ("a NUL more", a(&format!(r#""{ISSUER}\u0000""#)), NO_ISSUER),
        (
            "capitals",
            a(&format!(r#""{}""#, ISSUER.to_uppercase())),
            NO_ISSUER,
        ),
        (
            "its host alone",
            a(r#""https://localhost:9443""#),
            NO_ISSUER,
        ),
        ("empty", a(r#""""#), NO_ISSUER),
        ("null", a("null"), NO_ISSUER),
        ("a list", a(&format!(r#"["{ISSUER}"]"#)), UNDECODABLE),
        ("a table", a(&format!(r#"{{"{ISSUER}":1}}"#)), UNDECODABLE),
        (
            "another known one, its kid unknown",
            a(&format!(r#""{OTHER_ISSUER}""#)),
            NO_KEY,
        ),
        (
            "A's name, B's key under A's kid",
            of(&ISSUER_B, &format!(r#""{ISSUER}""#)),
            FORGED,
        ),
        (
            "A's name, API Manager's key",
            of(&OWN, &format!(r#""{ISSUER}""#)),
            FORGED,
        ),
        (
            "one with a certificate, B's key",
            of(&ISSUER_B, r#""certificate""#),
            FORGED,
        ),
    ]);
}
