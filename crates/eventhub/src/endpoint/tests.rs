use proptest::prelude::*;

use super::*;

fn endpoint() -> Endpoint {
    Endpoint {
        tls: false,
        user: "admin".into(),
        password: "secret".into(),
        host: "apim".into(),
        port: 5672,
        vhost: "/".into(),
        retries: 5,
        connect_delay: Duration::from_secs(10),
    }
}

#[track_caller]
fn check(url: &str, expected: Endpoint) {
    let parsed = parse_endpoint(url).unwrap();
    // Debug hides what most of these tests are about.
    let fields = |e: &Endpoint| {
        format!(
            "{} {} {} {} {} {} {} {:?}",
            e.tls, e.user, e.password, e.host, e.port, e.vhost, e.retries, e.connect_delay
        )
    };
    assert_eq!(fields(&parsed), fields(&expected), "{url}");
}

#[track_caller]
fn refuse(url: &str, error: EndpointError) {
    assert_eq!(parse_endpoint(url), Err(error), "{url}");
}

#[test]
fn the_endpoint_of_choreo_connect_is_read() {
    check(
        "amqp://admin:secret@apim:5672?retries='10'&connectdelay='30'",
        Endpoint {
            retries: 10,
            connect_delay: Duration::from_secs(30),
            ..endpoint()
        },
    );
}

#[test]
fn quotes_are_optional() {
    for query in [
        "retries=7&connectdelay=3",
        "retries='7'&connectdelay='3'",
        "connectdelay=\"3\"&retries=\"7\"",
        "Retries=7&ConnectDelay=3&heartbeat=5",
    ] {
        check(
            &format!("amqp://admin:secret@apim?{query}"),
            Endpoint {
                retries: 7,
                connect_delay: Duration::from_secs(3),
                ..endpoint()
            },
        );
    }
}

#[test]
fn a_parameter_that_is_missing_or_zero_has_the_default_of_choreo_connect() {
    for query in [
        "",
        "?",
        "?retries='0'&connectdelay=0",
        "?retries=''&connectdelay",
    ] {
        check(&format!("amqp://admin:secret@apim{query}"), endpoint());
    }
}

#[test]
fn a_parameter_that_is_no_number_is_named() {
    refuse(
        "amqp://a?retries='many'",
        EndpointError::Parameter("retries"),
    );
    refuse(
        "amqp://a?connectdelay=-1",
        EndpointError::Parameter("connectdelay"),
    );
    refuse("amqp://a?retries='", EndpointError::Parameter("retries"));
}

#[test]
fn ports_have_defaults() {
    check("amqp://admin:secret@apim", endpoint());
    check(
        "amqps://admin:secret@apim",
        Endpoint {
            tls: true,
            port: 5671,
            ..endpoint()
        },
    );
    check(
        "AMQPS://admin:secret@apim:8672",
        Endpoint {
            tls: true,
            port: 8672,
            ..endpoint()
        },
    );
}

#[test]
fn a_virtual_host_may_be_absent_plain_or_encoded() {
    for path in ["", "/", "/%2f", "/%2F", "//"] {
        check(
            &format!("amqp://admin:secret@apim{path}?retries=5"),
            endpoint(),
        );
    }
    for path in ["/carbon", "/%2fcarbon", "/carbon/"] {
        check(
            &format!("amqp://admin:secret@apim:5672{path}"),
            Endpoint {
                vhost: "carbon".into(),
                ..endpoint()
            },
        );
    }
    check(
        "amqp://admin:secret@apim/a%20b",
        Endpoint {
            vhost: "a b".into(),
            ..endpoint()
        },
    );
}

#[test]
fn hosts_are_names_and_addresses() {
    for (authority, host, port) in [
        ("127.0.0.1:5673", "127.0.0.1", 5673),
        ("[::1]:5673", "::1", 5673),
        ("[fe80::1]", "fe80::1", 5672),
        ("apim_1.example-site.org", "apim_1.example-site.org", 5672),
    ] {
        check(
            &format!("amqp://admin:secret@{authority}/"),
            Endpoint {
                host: host.into(),
                port,
                ..endpoint()
            },
        );
    }
}

#[test]
fn credentials_are_percent_decoded() {
    for (credentials, user, password) in [
        ("admin:p%40ss%2fw%25", "admin", "p@ss/w%"),
        ("a%3Ab:c:d", "a:b", "c:d"),
        ("admin", "admin", ""),
        ("admin:", "admin", ""),
        // Put there by `$env{..}` as they are.
        ("admin:50%", "admin", "50%"),
        ("admin:p@ss/w?rd#1", "admin", "p@ss/w?rd#1"),
        ("admin:%zz", "admin", "%zz"),
    ] {
        check(
            &format!("amqp://{credentials}@apim"),
            Endpoint {
                user: user.into(),
                password: password.into(),
                ..endpoint()
            },
        );
    }
    check(
        "amqp://apim",
        Endpoint {
            user: "guest".into(),
            password: "guest".into(),
            ..endpoint()
        },
    );
}

#[test]
fn what_cannot_be_an_endpoint_is_refused_with_its_reason() {
    for url in ["", "apim:5672", "http://apim", "sb://apim", "amqp:apim"] {
        refuse(url, EndpointError::Scheme);
    }
    for url in [
        "amqp://",
        "amqp://u:p@",
        "amqp://u:p@:5672",
        "amqp:///carbon",
    ] {
        refuse(url, EndpointError::NoHost);
    }
    for url in [
        "amqp://::1",
        "amqp://fe80::1:5672",
        "amqp://[::1",
        "amqp://[apim]",
        "amqp://a b",
    ] {
        let error = parse_endpoint(url).unwrap_err();
        assert!(
            matches!(error, EndpointError::Host | EndpointError::NoHost),
            "{url} {error}"
        );
    }
    for port in ["0", "65536", "x", "+5672", ""] {
        refuse(&format!("amqp://apim:{port}"), EndpointError::Port);
    }
    refuse("amqp://[::1]x", EndpointError::Port);
    refuse("amqp://u:%ff@apim", EndpointError::Encoding("password"));
    refuse(
        &format!("amqp://apim/{}", "v".repeat(256)),
        EndpointError::TooLong("virtual host"),
    );
    refuse(
        "amqp://admin:admin@clientid/carbon?brokerlist='tcp://localhost:5672'",
        EndpointError::Jms("brokerlist"),
    );
}

#[test]
fn credentials_are_never_printed() {
    for (url, shown) in [
        (
            "amqp://admin:secret@apim:5672?retries='1'",
            "amqp://******@apim:5672/",
        ),
        (
            "amqps://admin:secret@[::1]/carbon",
            "amqps://******@[::1]:5671/carbon",
        ),
    ] {
        let endpoint = parse_endpoint(url).unwrap();
        assert_eq!(endpoint.to_string(), shown);
        assert_eq!(format!("{endpoint:?}"), format!("Endpoint({shown})"));
    }
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(url in "(amqps?://)?\\PC{0,60}") {
        let _ = parse_endpoint(&url);
    }

    #[test]
    fn any_encoded_password_arrives(password in "\\PC{0,30}") {
        let encoded: String = password.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let endpoint = parse_endpoint(&format!("amqp://admin:{encoded}@apim")).unwrap();
        prop_assert_eq!(&endpoint.password, &password);
        prop_assert_eq!(endpoint.to_string(), "amqp://******@apim:5672/");
    }
}
