//! An API's caller: requests through Envoy.

use http::Method;
use reqwest::Client;

use super::tls;

/// Requests through Envoy, each on a connection of its own unless the same caller is asked again.
#[derive(Debug, Clone)]
pub(crate) struct Gateway {
    client: Client,
    url: String,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
    pub(crate) challenge: Option<String>,
    pub(crate) content_type: Option<String>,
}

impl Gateway {
    /// Over HTTP/1.1.
    pub(crate) fn new(api_url: &str, ca: &str) -> Self {
        let config = (*tls::client_config(ca, None, b"http/1.1")).clone();
        let client = Client::builder()
            .tls_backend_preconfigured(config)
            .http1_only()
            .build()
            .unwrap();
        Self {
            client,
            url: api_url.to_owned(),
        }
    }

    /// Over HTTP/2.
    pub(crate) fn http2(api_url: &str, ca: &str) -> Self {
        let config = (*tls::client_config(ca, None, b"h2")).clone();
        let client = Client::builder()
            .tls_backend_preconfigured(config)
            .http2_prior_knowledge()
            .build()
            .unwrap();
        Self {
            client,
            url: api_url.to_owned(),
        }
    }

    /// A GET with this access token.
    pub(crate) async fn with_token(&self, token: &str) -> Answer {
        self.request(
            Method::GET,
            "",
            &[("authorization", &format!("Bearer {token}"))],
            None,
        )
        .await
    }

    /// The status, all header lines in alphabetic order, the date without its value, and the body of a GET with this token.
    pub(crate) async fn whole_answer(&self, token: &str) -> (u16, Vec<String>, String) {
        let request = self.client.get(&self.url).bearer_auth(token);
        let response = request.send().await.unwrap();
        let line = |(name, value): (&http::HeaderName, &http::HeaderValue)| match name.as_str() {
            "date" => "date".to_owned(),
            name => format!("{name}: {}", value.to_str().unwrap()),
        };
        let mut headers: Vec<String> = response.headers().iter().map(line).collect();
        headers.sort();
        let status = response.status().as_u16();
        (status, headers, response.text().await.unwrap())
    }

    /// A GET with this API key in its header.
    pub(crate) async fn with_api_key(&self, key: &str) -> Answer {
        self.request(Method::GET, "", &[("apikey", key)], None)
            .await
    }

    /// Any request; `suffix` is put behind the API's URL.
    pub(crate) async fn request(
        &self,
        method: Method,
        suffix: &str,
        headers: &[(&str, &str)],
        body: Option<&str>,
    ) -> Answer {
        let mut request = self.client.request(method, format!("{}{suffix}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.body(body.to_owned());
        }
        let response = request.send().await.unwrap();
        let header = |name| {
            response
                .headers()
                .get(name)
                .map(|value| value.to_str().unwrap().to_owned())
        };
        Answer {
            status: response.status().as_u16(),
            challenge: header("www-authenticate"),
            content_type: header("content-type"),
            body: response.text().await.unwrap(),
        }
    }
}
