//! What else Envoy's callers meet.

use http::{Method, Request};
use hyper_util::rt::TokioIo;
use rescind_stack::Part;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::{clients::tls, suite::Suite, world::World};

const MISSING: &str = r#"{"error_message":"Invalid Credentials","code":"900901","error_description":"Make sure you have provided the correct security credentials"}"#;
const INVALID: &str = r#"{"error_message":"Invalid Credentials","code":"900901","error_description":"Invalid Credentials. Make sure you have provided the correct security credentials"}"#;
const NOT_A_JWT: &str = r#"{"error_message":"Invalid Credentials","code":"900901","error_description":"Not a JWT token. Failed to decode the token header. Make sure you have provided the correct security credentials"}"#;

pub(crate) fn add(suite: &mut Suite) {
    suite.shared(
        "missing_forged_and_garbled_credentials_get_their_bodies",
        bodies,
    );
    suite.shared(
        "garbage_and_doubled_authorization_headers_are_refused",
        garbage,
    );
    suite.shared(
        "the_same_envoy_connection_is_refused_after_the_revocation",
        same_connection,
    );
    suite.shared(
        "neither_the_refusal_nor_a_log_names_the_token",
        no_token_named,
    );
    suite.shared("http_2_and_plain_listeners_refuse_too", other_listeners);
}

async fn bodies(world: &World) {
    let gateway = world.gateway();
    let missing = gateway.request(Method::GET, "", &[], None).await;
    assert_eq!((missing.status, missing.body.as_str()), (401, MISSING));

    let token = world.control_plane().token().await;
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let forged = format!("{signed}.{}", signature.chars().rev().collect::<String>());
    let refused = gateway.with_token(&forged).await;
    assert_eq!((refused.status, refused.body.as_str()), (401, INVALID));

    let garbled = gateway.with_token("a.b.c").await;
    assert_eq!((garbled.status, garbled.body.as_str()), (401, NOT_A_JWT));
}

async fn garbage(world: &World) {
    let gateway = world.gateway();
    for header in [
        "",
        "Bearer",
        "Bearer  ",
        "Basic YTpi",
        "Bearer a b c",
        "bearer ..",
        "Bearer {}\";<>",
    ] {
        let answer = gateway
            .request(Method::GET, "", &[("authorization", header)], None)
            .await;
        assert_eq!(answer.status, 401, "{header:?}");
    }

    let (good, revoked) = (
        world.control_plane().token().await,
        world.control_plane().token().await,
    );
    world.control_plane().revoke(&revoked).await;
    world.refused_token(&revoked).await;
    let (good, revoked) = (format!("Bearer {good}"), format!("Bearer {revoked}"));
    for pair in [[good.as_str(), &revoked], [&revoked, good.as_str()]] {
        let headers = pair.map(|value| ("authorization", value));
        assert_eq!(
            gateway
                .request(Method::GET, "", &headers, None)
                .await
                .status,
            401
        );
    }
}

async fn same_connection(world: &World) {
    let token = world.control_plane().token().await;
    let url: http::Uri = world.var("API_URL").parse().unwrap();
    let socket = TcpStream::connect((url.host().unwrap(), url.port_u16().unwrap()))
        .await
        .unwrap();
    let connector =
        TlsConnector::from(tls::client_config(&world.var("CA_CERT"), None, b"http/1.1"));
    let name = ServerName::try_from(url.host().unwrap().to_owned()).unwrap();
    let stream = connector.connect(name, socket).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .unwrap();
    let connection = tokio::spawn(connection);

    let mut status = async || {
        let request = Request::get(url.path())
            .header("host", url.authority().unwrap().as_str())
            .header("authorization", format!("Bearer {token}"))
            .body(String::new())
            .unwrap();
        let response = sender.send_request(request).await.unwrap();
        let status = response.status().as_u16();
        // The body is read to its end so that the connection can be used again.
        let mut body = response.into_body();
        while let Some(frame) = std::future::poll_fn(|cx| {
            hyper::body::Body::poll_frame(std::pin::Pin::new(&mut body), cx)
        })
        .await
        {
            frame.unwrap();
        }
        sender.ready().await.unwrap();
        status
    };
    assert_eq!(status().await, 200);
    world.control_plane().revoke(&token).await;
    world.refused_token(&token).await;
    assert_eq!(status().await, 401);
    assert!(!connection.is_finished());
}

async fn no_token_named(world: &World) {
    let token = world.control_plane().token().await;
    let key = world.control_plane().api_key().await;
    world.control_plane().revoke(&token).await;
    world.control_plane().revoke_api_key(&key).await;
    let refused = world.refused_token(&token).await;
    for part in [Part::Adapter, Part::Enforcer, Part::Envoy, Part::Standin] {
        let text = world.log(part);
        for secret in [&token, &key] {
            for piece in secret.split('.').filter(|piece| piece.len() > 16) {
                assert!(
                    !text.contains(piece),
                    "the log of {part} has a piece of a credential"
                );
                assert!(!refused.body.contains(piece));
            }
        }
    }
}

async fn other_listeners(world: &World) {
    let token = world.control_plane().token().await;
    world.control_plane().revoke(&token).await;
    world.refused_token(&token).await;
    for answer in [
        world.plain_request(&token).await,
        world.http2_request(&token).await,
    ] {
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (401, crate::procedures::REVOKED_TOKEN)
        );
    }
}
