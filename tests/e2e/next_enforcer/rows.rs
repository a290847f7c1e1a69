//! Requests, and what the enforcer behind says about them.

use envoy_types::pb::{
    envoy::{
        config::core::v3::{
            HeaderValue, HeaderValueOption, QueryParameter, header_value_option::HeaderAppendAction,
        },
        service::auth::v3::{
            CheckResponse, DeniedHttpResponse, OkHttpResponse, check_response::HttpResponse,
        },
        r#type::v3::HttpStatus,
    },
    google::{
        protobuf::{Struct, Value, value::Kind},
        rpc::Status,
    },
};
use prost::Message as _;

use super::sides::Wire;

/// One request, its answer, and what must come of it both ways.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) request: Wire<'static>,
    pub(crate) answer: Vec<u8>,
    pub(crate) status: &'static str,
    pub(crate) reaches: bool,
}

/// Passes, and says nothing else.
pub(crate) fn allowed() -> Vec<u8> {
    ok(OkHttpResponse::default(), &[])
}

const KEEP: HeaderAppendAction = HeaderAppendAction::AppendIfExistsOrAdd;
const REPLACE: HeaderAppendAction = HeaderAppendAction::OverwriteIfExistsOrAdd;
const ABSENT: HeaderAppendAction = HeaderAppendAction::AddIfAbsent;

fn header(name: &str, value: &str, action: HeaderAppendAction) -> HeaderValueOption {
    HeaderValueOption {
        header: Some(HeaderValue {
            key: name.to_owned(),
            value: value.to_owned(),
            ..HeaderValue::default()
        }),
        append_action: action.into(),
        ..HeaderValueOption::default()
    }
}

fn text(value: &str) -> Kind {
    Kind::StringValue(value.to_owned())
}

fn structure(fields: &[(&str, Kind)]) -> Struct {
    let fields = fields.iter().map(|(key, kind)| {
        let kind = Some(kind.clone());
        ((*key).to_owned(), Value { kind })
    });
    Struct {
        fields: fields.collect(),
    }
}

fn ok(response: OkHttpResponse, metadata: &[(&str, Kind)]) -> Vec<u8> {
    CheckResponse {
        status: Some(Status::default()),
        http_response: Some(HttpResponse::OkResponse(response)),
        dynamic_metadata: (!metadata.is_empty()).then(|| structure(metadata)),
    }
    .encode_to_vec()
}

fn denied(code: i32, status: i32, headers: Vec<HeaderValueOption>, body: &str) -> Vec<u8> {
    CheckResponse {
        status: Some(Status {
            code,
            ..Status::default()
        }),
        http_response: Some(HttpResponse::DeniedResponse(DeniedHttpResponse {
            status: (status != 0).then_some(HttpStatus { code: status }),
            headers,
            body: body.to_owned(),
        })),
        dynamic_metadata: Some(structure(&[
            ("choreo-connect-enforcer-reply", text("Ok")),
            ("correlationID", text("7")),
        ])),
    }
    .encode_to_vec()
}

fn get(headers: &[(&'static str, &'static str)]) -> Wire<'static> {
    Wire {
        method: "GET",
        target: "/demo/v1/echo",
        headers: headers.to_vec(),
        body: String::new(),
    }
}

const GOOD: (&str, &str) = ("authorization", "GOOD");

fn row(name: &'static str, request: Wire<'static>, answer: Vec<u8>, status: &'static str) -> Row {
    Row {
        name,
        request,
        answer,
        status,
        reaches: status == "200",
    }
}

pub(crate) fn rows() -> Vec<Row> {
    [passing(), credentials(), metadata(), refusing(), odd()]
        .into_iter()
        .flatten()
        .collect()
}

/// What an answer that lets a request pass can change.
fn passing() -> Vec<Row> {
    let headers = |headers: Vec<HeaderValueOption>| OkHttpResponse {
        headers,
        ..OkHttpResponse::default()
    };
    let with = |name, request, response| row(name, request, ok(response, &[]), "200");
    let twice = get(&[GOOD, ("x-same", "caller"), ("x-same", "again")]);
    let mut posted = get(&[GOOD, ("content-type", "application/json")]);
    posted.method = "POST";
    posted.body = "{\"a\":1}".repeat(7000);
    vec![
        with("plain", get(&[GOOD]), OkHttpResponse::default()),
        with(
            "header-added",
            get(&[GOOD]),
            headers(vec![header("x-new", "their", KEEP)]),
        ),
        with(
            "header-appended",
            twice.clone(),
            headers(vec![header("x-same", "their", KEEP)]),
        ),
        with(
            "header-replaced",
            twice.clone(),
            headers(vec![header("x-same", "their", REPLACE)]),
        ),
        with(
            "header-if-absent",
            twice,
            headers(vec![
                header("x-same", "their", ABSENT),
                header("x-absent", "their", ABSENT),
            ]),
        ),
        with(
            "credentials-removed",
            get(&[GOOD, ("internal-key", "a.b.c"), ("apikey", "a.b.c")]),
            OkHttpResponse {
                headers_to_remove: ["authorization", "apikey", "internal-key"]
                    .map(String::from)
                    .into(),
                ..OkHttpResponse::default()
            },
        ),
        with(
            "path-rewritten",
            get(&[GOOD]),
            headers(vec![header(":path", "/other?query=1", REPLACE)]),
        ),
        with(
            "method-rewritten",
            get(&[GOOD]),
            headers(vec![header(":method", "DELETE", REPLACE)]),
        ),
        with(
            "endpoint-authorization",
            get(&[GOOD]),
            headers(vec![header("authorization", "Basic YTpi", REPLACE)]),
        ),
        with(
            "routed",
            Wire {
                target: "/routed/echo",
                ..get(&[GOOD])
            },
            headers(vec![header("x-wso2-cluster-header", "upstream", REPLACE)]),
        ),
        with(
            "retries-and-time",
            get(&[GOOD]),
            headers(vec![
                header("x-envoy-retry-on", "5xx", REPLACE),
                header("x-envoy-max-retries", "2", REPLACE),
                header("x-envoy-upstream-rq-timeout-ms", "9000", REPLACE),
            ]),
        ),
        with(
            "response-headers",
            get(&[GOOD]),
            OkHttpResponse {
                response_headers_to_add: vec![
                    header("x-same", "their", KEEP),
                    header("x-ratelimit-remaining", "7", KEEP),
                ],
                ..OkHttpResponse::default()
            },
        ),
        with(
            "query-changed",
            Wire {
                target: "/demo/v1/echo?a=1&apikey=x.y.z&b=%20",
                ..get(&[])
            },
            OkHttpResponse {
                query_parameters_to_set: vec![QueryParameter {
                    key: "c".to_owned(),
                    value: "3".to_owned(),
                }],
                query_parameters_to_remove: vec!["apikey".to_owned()],
                ..OkHttpResponse::default()
            },
        ),
        with("body-passed", posted, OkHttpResponse::default()),
        with(
            "two-hundred-headers",
            get(&[GOOD]),
            headers(
                (0..60)
                    .map(|n| header(&format!("x-many-{n}"), &"v".repeat(200), REPLACE))
                    .collect(),
            ),
        ),
    ]
}

/// What is left to the enforcer behind: nothing is missing, nothing is verified, nothing is taken away.
fn credentials() -> Vec<Row> {
    let passes = |name, request| row(name, request, allowed(), "200");
    vec![
        passes("no-credential", get(&[])),
        passes("basic", get(&[("authorization", "Basic YTpi")])),
        passes("garbage", get(&[("authorization", "Bearer {};")])),
        passes(
            "forged",
            get(&[(
                "authorization",
                "Bearer eyJhbGciOiJub25lIn0.eyJqdGkiOiJ4In0.",
            )]),
        ),
        passes("opaque", get(&[("authorization", "Bearer opaque-token")])),
        passes(
            "key-in-the-query",
            Wire {
                target: "/demo/v1/echo?apikey=a.b.c&x=%2f",
                ..get(&[])
            },
        ),
        passes("key-in-its-header", get(&[("apikey", "a.b.c")])),
        passes("internal-key", get(&[("internal-key", "a.b.c")])),
    ]
}

fn metadata() -> Vec<Row> {
    let deep = Kind::StructValue(structure(&[("er", text("deeper"))]));
    vec![
        row(
            "metadata",
            get(&[GOOD]),
            ok(
                OkHttpResponse::default(),
                &[
                    ("originalPath", text("/theirs")),
                    ("number", Kind::NumberValue(7.5)),
                    ("deep", deep),
                    ("choreo-connect-enforcer-reply", text("Ok")),
                ],
            ),
            "200",
        ),
        row(
            "metadata-of-our-name",
            get(&[GOOD]),
            ok(
                OkHttpResponse::default(),
                &[
                    ("rescind_version", text("theirs")),
                    ("originalPath", text("/theirs")),
                ],
            ),
            "200",
        ),
    ]
}

/// Refusals, and answers that are none although they look like it.
fn refusing() -> Vec<Row> {
    let forbidden = r#"{"error_message":"Resource forbidden ","code":"900908","error_description":"Resource forbidden "}"#;
    let json = || header("content-type", "application/json", REPLACE);
    let mut options = get(&[("origin", "https://a.test")]);
    options.method = "OPTIONS";
    let mut posted = get(&[GOOD]);
    posted.method = "POST";
    posted.body = "x".repeat(110_000);
    let mut too_large = row("too-large-for-envoy", posted, allowed(), "413");
    too_large.reaches = false;
    let mut head = get(&[GOOD]);
    head.method = "HEAD";
    vec![
        row(
            "subscription",
            get(&[GOOD]),
            denied(
                7,
                403,
                vec![json(), header("WWW-Authenticate", "Bearer", REPLACE)],
                forbidden,
            ),
            "403",
        ),
        row(
            "missing",
            get(&[]),
            denied(16, 401, vec![json()], "{\"code\":\"900902\"}"),
            "401",
        ),
        row(
            "options",
            options,
            denied(13, 204, vec![header("allow", "GET, POST", REPLACE)], ""),
            "204",
        ),
        Row {
            reaches: false,
            ..row(
                "mocked",
                get(&[GOOD]),
                denied(
                    13,
                    200,
                    vec![
                        json(),
                        header("x-mock", "a", KEEP),
                        header("x-mock", "b", KEEP),
                    ],
                    "{\"mocked\":\"é\"}",
                ),
                "200",
            )
        },
        row(
            "throttled",
            get(&[GOOD]),
            denied(8, 429, vec![header("retry-after", "7", REPLACE)], "slow"),
            "429",
        ),
        row(
            "head-refused",
            head,
            denied(16, 401, vec![json()], "{}"),
            "401",
        ),
        row(
            "no-status-of-its-own",
            get(&[GOOD]),
            denied(7, 0, Vec::new(), "no"),
            "403",
        ),
        row(
            "internal-error",
            get(&[GOOD]),
            denied(13, 500, vec![json()], "{\"code\":\"900911\"}"),
            "500",
        ),
        too_large,
        row(
            "refused-without-a-response",
            get(&[GOOD]),
            CheckResponse {
                status: Some(Status {
                    code: 7,
                    message: "no".to_owned(),
                    ..Status::default()
                }),
                ..CheckResponse::default()
            }
            .encode_to_vec(),
            "403",
        ),
    ]
}

/// Bytes that no library would write.
fn odd() -> Vec<Row> {
    let unknown = [0xa2, 0x06, 3, b'n', b'e', b'w', 0xa8, 0x06, 7];
    let answer = ok(
        OkHttpResponse {
            headers: vec![header("x-new", "their", REPLACE)],
            ..OkHttpResponse::default()
        },
        &[("originalPath", text("/theirs"))],
    );
    let status_alone = CheckResponse {
        status: Some(Status::default()),
        ..CheckResponse::default()
    };
    // The metadata comes in two pieces, and an unknown field stands in the response too.
    let more = CheckResponse {
        dynamic_metadata: Some(structure(&[("number", text("seven"))])),
        ..CheckResponse::default()
    };
    let nested = [&[0x1a, unknown.len() as u8][..], &unknown].concat();
    vec![
        row(
            "unknown-field-behind",
            get(&[GOOD]),
            [&answer[..], &unknown].concat(),
            "200",
        ),
        row(
            "unknown-field-before",
            get(&[GOOD]),
            [&unknown[..], &answer].concat(),
            "200",
        ),
        row(
            "unknown-field-within",
            get(&[GOOD]),
            [&answer[..], &nested].concat(),
            "200",
        ),
        row(
            "metadata-in-pieces",
            get(&[GOOD]),
            [&answer[..], &more.encode_to_vec()].concat(),
            "200",
        ),
        row(
            "status-alone",
            get(&[GOOD]),
            status_alone.encode_to_vec(),
            "200",
        ),
        row("nothing-at-all", get(&[GOOD]), Vec::new(), "200"),
    ]
}
