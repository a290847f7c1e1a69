//! What a decision sees of a request, borrowed from whoever received it.

use crate::{CredentialNames, Endpoints, VerifiedClaims};

/// The headers of a request.
pub trait Headers {
    /// Each value of the header called `name` (given in lower case), in the order of the request.
    ///
    /// Where the proxy has joined several values with commas, that is one value here.
    fn values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]>;
}

/// The attributes that a decision looks at.
#[derive(Debug)]
pub struct Request<'a, H: ?Sized> {
    /// The HTTP method.
    pub method: &'a str,
    /// The request target as the proxy received it: path and query, still encoded.
    pub path: &'a str,
    /// The headers.
    pub headers: &'a H,
    /// Where this route's credentials stand, if not where the policy says.
    pub names: Option<&'a CredentialNames>,
    /// The claims of tokens that the gateway has verified, wherever those stood.
    pub verified: &'a [VerifiedClaims],
    /// The endpoints of the API, where it matters that the credential is for one of them.
    pub endpoints: Option<Endpoints>,
}

impl<'a, H: ?Sized> Request<'a, H> {
    /// A request of a route without settings of its own, of which the gateway has verified nothing.
    pub fn new(method: &'a str, path: &'a str, headers: &'a H) -> Self {
        Self {
            method,
            path,
            headers,
            names: None,
            verified: &[],
            endpoints: None,
        }
    }
}

impl Headers for [(&str, &str)] {
    fn values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.iter()
            .filter(move |(header, _)| header.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_bytes())
    }
}
