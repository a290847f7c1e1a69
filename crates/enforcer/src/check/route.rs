//! What a route says for itself, by the context extensions of its ext_authz filter.
//!
//! | extension | instead of |
//! | --- | --- |
//! | `rescind_authorization_header` | `enforcer.security.authHeader.authorizationHeader` |
//! | `rescind_internal_key_header` | `enforcer.security.authHeader.testConsoleHeaderName` |
//! | `rescind_api_key_header` | `enforcer.security.apiKey.header` |
//! | `rescind_api_key_query` | `enforcer.security.apiKey.query` |
//! | `rescind_stale_policy` | `enforcer.staleness.policy`, no weaker than `enforcer.staleness.weakestRoute` |
//!
//! An empty name is no place, except for the bearer token's. A value that cannot be one refuses the route's requests: a
//! credential that is looked for in the wrong place would be missed.
//!
//! Choreo Connect's router says things of its own (see `router`).

use rescind_authz::CredentialNames;

use super::{attributes::Extensions, router::Router};
use crate::{config::is_header_name, engine::BadCheck, staleness::StalePolicy};

/// The settings of a route; `None` where the configuration holds.
#[derive(Debug, Default)]
pub(super) struct Route<'a> {
    pub(super) names: Option<CredentialNames>,
    pub(super) stale_policy: Option<StalePolicy>,
    pub(super) router: Option<Router<'a>>,
}

impl<'a> Route<'a> {
    /// Reads the extensions, over the names that are configured.
    pub(super) fn read(
        extensions: &Extensions<'a>,
        configured: &CredentialNames,
    ) -> Result<Self, BadCheck> {
        if extensions.is_empty() {
            return Ok(Self::default());
        }
        let get = |name| extensions.get(name);
        let stale_policy = get("rescind_stale_policy").map(str::parse).transpose();
        Ok(Self {
            names: names(get, configured)?,
            stale_policy: stale_policy.map_err(|_| BadCheck)?,
            router: Router::read(extensions),
        })
    }
}

fn names<'a>(
    get: impl Fn(&'static str) -> Option<&'a str>,
    configured: &CredentialNames,
) -> Result<Option<CredentialNames>, BadCheck> {
    let bearer = get("rescind_authorization_header");
    let internal = get("rescind_internal_key_header");
    let header = get("rescind_api_key_header");
    let query = get("rescind_api_key_query");
    if [bearer, internal, header, query]
        .iter()
        .all(Option::is_none)
    {
        return Ok(None);
    }
    let optional = [internal, header].into_iter().flatten();
    let named = optional.filter(|name| !name.is_empty()).chain(bearer);
    if !named.into_iter().all(is_header_name) {
        return Err(BadCheck);
    }
    Ok(Some(CredentialNames::new(
        bearer.unwrap_or(configured.bearer()),
        header.unwrap_or(configured.api_key_header()),
        query.unwrap_or(configured.api_key_query()),
        internal.unwrap_or(configured.internal_key()),
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<'a>(extensions: &[(&'a str, &'a str)]) -> Result<Route<'a>, BadCheck> {
        Route::read(&Extensions::of(extensions), &CredentialNames::default())
    }

    fn names(extensions: &[(&str, &str)]) -> [String; 4] {
        let names = read(extensions).unwrap().names.unwrap();
        [
            names.bearer(),
            names.internal_key(),
            names.api_key_header(),
            names.api_key_query(),
        ]
        .map(str::to_owned)
    }

    #[test]
    fn what_a_route_does_not_say_is_as_configured() {
        for extensions in [&[][..], &[("path", "/pets"), ("vHost", "localhost")]] {
            let route = read(extensions).unwrap();
            assert!(route.names.is_none() && route.stale_policy.is_none());
        }
        assert_eq!(
            names(&[("rescind_authorization_header", "X-Token")]),
            ["x-token", "internal-key", "apikey", "apikey"]
        );
        assert_eq!(
            names(&[
                ("rescind_internal_key_header", ""),
                ("rescind_api_key_header", "X-Key"),
                ("rescind_api_key_query", "Key"),
            ]),
            ["authorization", "", "x-key", "Key"]
        );
    }

    #[test]
    fn a_value_that_cannot_be_one_refuses_the_routes_requests() {
        for (name, value) in [
            ("rescind_stale_policy", "Deny"),
            ("rescind_stale_policy", ""),
            ("rescind_authorization_header", ""),
            ("rescind_authorization_header", "a b"),
            ("rescind_internal_key_header", "a:b"),
            ("rescind_api_key_header", " "),
        ] {
            assert_eq!(read(&[(name, value)]).unwrap_err(), BadCheck, "{name}");
        }
        let route = read(&[("rescind_stale_policy", "deny-writes")]).unwrap();
        assert_eq!(route.stale_policy, Some(StalePolicy::DenyWrites));
    }
}
