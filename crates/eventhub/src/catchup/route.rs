//! Which URL is asked, and where its connection leads.
//!
//! The HTTP client verifies the certificate against the host of the URL. To have another name verified, the URL carries
//! that name, its look-up is answered with the addresses of the real host, and the `Host` header says what it would have
//! said.

use std::net::SocketAddr;

use reqwest::{
    Url,
    dns::{Addrs, Name, Resolve, Resolving},
};

use super::{CatchupConfigError, PATH};

pub(super) struct Route {
    pub(super) url: Url,
    /// The `Host` header, where the URL does not have it.
    pub(super) host: Option<String>,
    /// Answers the look-up of the URL's host, where that is not the real one.
    pub(super) resolve: Option<RealHost>,
}

pub(super) fn route(
    service_url: &str,
    server_name: Option<&str>,
) -> Result<Route, CatchupConfigError> {
    let url = list_url(service_url)?;
    let Some(server_name) = server_name.filter(|name| url.host_str() != Some(name)) else {
        return Ok(Route {
            url,
            host: None,
            resolve: None,
        });
    };
    let real = url.host_str().ok_or(CatchupConfigError::ServiceUrl)?;
    let host = match url.port() {
        Some(port) => format!("{real}:{port}"),
        None => real.to_owned(),
    };
    let resolve = RealHost(real.trim_matches(['[', ']']).into());
    let mut named = url.clone();
    named
        .set_host(Some(server_name))
        .map_err(|_| CatchupConfigError::ServerName)?;
    // An address would be connected to, not looked up.
    if named.domain() != Some(server_name) {
        return Err(CatchupConfigError::ServerName);
    }
    Ok(Route {
        url: named,
        host: Some(host),
        resolve: Some(resolve),
    })
}

fn list_url(service_url: &str) -> Result<Url, CatchupConfigError> {
    let mut url = Url::parse(service_url.trim()).map_err(|_| CatchupConfigError::ServiceUrl)?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(CatchupConfigError::ServiceUrl);
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(CatchupConfigError::ServiceUrl);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(CatchupConfigError::Credentials);
    }
    let base = url.path().trim_end_matches('/');
    url.set_path(&format!("{base}/{PATH}"));
    Ok(url)
}

/// Answers every look-up with the addresses of one host.
pub(super) struct RealHost(Box<str>);

impl Resolve for RealHost {
    fn resolve(&self, _: Name) -> Resolving {
        let host = self.0.clone();
        Box::pin(async move {
            // The URL's port is put in place of this one.
            let found: Vec<SocketAddr> = tokio::net::lookup_host((&*host, 0)).await?.collect();
            let addresses: Addrs = Box::new(found.into_iter());
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slash_is_added_where_it_is_missing() {
        for url in [
            "https://apim:9443",
            "https://apim:9443/",
            " https://apim:9443/ ",
        ] {
            assert_eq!(
                list_url(url).unwrap().as_str(),
                "https://apim:9443/internal/data/v1/revokedjwt"
            );
        }
        assert_eq!(
            list_url("https://site/apim").unwrap().as_str(),
            "https://site/apim/internal/data/v1/revokedjwt"
        );
    }

    #[test]
    fn what_is_no_base_url_is_refused() {
        for url in [
            "",
            "apim:9443",
            "ftp://apim/",
            "https://",
            "https://apim/?a=b",
            "https://apim/#a",
        ] {
            assert_eq!(list_url(url), Err(CatchupConfigError::ServiceUrl), "{url}");
        }
        assert_eq!(
            list_url("https://admin:secret@apim/"),
            Err(CatchupConfigError::Credentials)
        );
    }

    #[test]
    fn another_name_is_verified_while_the_host_stays_the_real_one() {
        let route = route("https://apim:9443/", Some("localhost")).unwrap();
        assert_eq!(route.url.host_str(), Some("localhost"));
        assert_eq!(route.url.port(), Some(9443));
        assert_eq!(route.host.as_deref(), Some("apim:9443"));
        assert_eq!(&*route.resolve.unwrap().0, "apim");
    }

    #[test]
    fn the_hosts_own_name_needs_no_detour() {
        for name in [None, Some("apim")] {
            let route = route("https://apim:9443/", name).unwrap();
            assert!(route.host.is_none() && route.resolve.is_none());
        }
    }

    #[test]
    fn a_name_to_verify_is_a_dns_name() {
        for name in ["10.0.0.1", "[::1]", "", "a b"] {
            let error = route("https://apim/", Some(name)).err();
            assert_eq!(error, Some(CatchupConfigError::ServerName), "{name}");
        }
    }

    #[test]
    fn a_real_host_may_be_an_ipv6_address() {
        let route = route("https://[::1]:9443/", Some("localhost")).unwrap();
        assert_eq!(route.host.as_deref(), Some("[::1]:9443"));
        assert_eq!(&*route.resolve.unwrap().0, "::1");
    }
}
