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
//! Several names have commas between them. An empty name is no place, except for the bearer token's. A value that cannot be one refuses the route's requests: a
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
    let mut lists = optional.filter(|names| !names.is_empty()).chain(bearer);
    let mut parameters = query.into_iter().filter(|names| !names.is_empty());
    if !lists.all(|names| list(names).all(is_header_name))
        || parameters.any(|names| list(names).any(str::is_empty))
    {
        return Err(BadCheck);
    }
    let mut names = configured.clone();
    if let Some(bearer) = bearer {
        names = names.with_bearers(list(bearer));
    }
    if let Some(header) = header {
        names = names.with_api_key_headers(list(header));
    }
    if let Some(query) = query {
        names = names.with_api_key_queries(list(query));
    }
    if let Some(internal) = internal {
        names = names.with_internal_keys(list(internal));
    }
    Ok(Some(names))
}

/// One name, or several with commas between.
fn list(names: &str) -> impl Iterator<Item = &str> {
    names.split(',').map(str::trim_ascii)
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
            names.bearers().collect::<Vec<_>>(),
            names.internal_keys().collect(),
            names.api_key_headers().collect(),
            names.api_key_queries().collect(),
        ]
        .map(|names| names.join("|"))
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
        assert_eq!(
            names(&[
                ("rescind_authorization_header", "authorization, X-Token"),
                ("rescind_api_key_query", "Key,other"),
            ]),
            [
                "authorization|x-token",
                "internal-key",
                "apikey",
                "Key|other"
            ]
        );
    }

    #[test]
    fn a_value_that_cannot_be_one_refuses_the_routes_requests() {
        for (name, value) in [
            ("rescind_stale_policy", "Deny"),
            ("rescind_stale_policy", ""),
            ("rescind_authorization_header", ""),
            ("rescind_authorization_header", "a b"),
            ("rescind_authorization_header", "a,"),
            ("rescind_authorization_header", "a,b c"),
            ("rescind_internal_key_header", "a:b"),
            ("rescind_api_key_header", " "),
            ("rescind_api_key_query", " "),
            ("rescind_api_key_query", "key,"),
            ("rescind_api_key_query", "key,,other"),
        ] {
            assert_eq!(read(&[(name, value)]).unwrap_err(), BadCheck, "{name}");
        }
        let route = read(&[("rescind_stale_policy", "deny-writes")]).unwrap();
        assert_eq!(route.stale_policy, Some(StalePolicy::DenyWrites));
    }
}
