//! What Choreo Connect's router says of an API's route, by the context extensions that its adapter has written.
//!
//! There a route picks its cluster by a request header that the enforcer has to set. `prodClusterName` and
//! `sandClusterName` are the two that it may pick, empty where the API has no such endpoint, and `method` lists the
//! methods of the resource. Where neither name is there, this is not that router, and nothing of this applies.

use rescind_authz::{Endpoints, KeyType};

use super::attributes::Extensions;

/// The header that picks the cluster. Whatever a client sends in it is overwritten, or the request refused.
pub(super) const CLUSTER_HEADER: &str = "x-wso2-cluster-header";

const OPTIONS: &str = "OPTIONS";

/// The route's clusters and methods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Router<'a> {
    production: &'a str,
    sandbox: &'a str,
    methods: &'a str,
}

impl<'a> Router<'a> {
    pub(super) fn read(extensions: &Extensions<'a>) -> Option<Self> {
        let production = extensions.get("prodClusterName");
        let sandbox = extensions.get("sandClusterName");
        if production.is_none() && sandbox.is_none() {
            return None;
        }
        Some(Self {
            production: production.unwrap_or_default(),
            sandbox: sandbox.unwrap_or_default(),
            methods: extensions.get("method").unwrap_or_default(),
        })
    }

    /// Which endpoints the API has.
    pub(super) fn endpoints(&self) -> Endpoints {
        Endpoints {
            production: !self.production.is_empty(),
            sandbox: !self.sandbox.is_empty(),
        }
    }

    /// The cluster for keys of this type; `None` where there is none, and such a key is refused.
    pub(super) fn cluster(&self, key_type: KeyType) -> Option<&'a str> {
        let cluster = match key_type {
            KeyType::Production => self.production,
            KeyType::Sandbox => self.sandbox,
            KeyType::Other => "",
        };
        (!cluster.is_empty()).then_some(cluster)
    }

    /// Whether the API is not asked: `OPTIONS` of a resource that does not list it. The router sends it all the same, for
    /// preflights that its own CORS filter has not taken.
    pub(super) fn answers(&self, method: &str) -> bool {
        method == OPTIONS && !self.methods().any(|listed| listed == OPTIONS)
    }

    /// What `OPTIONS` is answered: the `allow` header.
    pub(super) fn allow(&self) -> String {
        let methods = std::iter::once(OPTIONS).chain(self.methods());
        methods.collect::<Vec<_>>().join(", ")
    }

    fn methods(&self) -> impl Iterator<Item = &'a str> {
        self.methods.split_ascii_whitespace()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn router<'a>(extensions: &[(&'a str, &'a str)]) -> Option<Router<'a>> {
        Router::read(&Extensions::of(extensions))
    }

    #[test]
    fn it_is_that_router_where_it_names_a_cluster() {
        assert_eq!(router(&[]), None);
        assert_eq!(router(&[("method", "GET"), ("path", "/a")]), None);
        let one = router(&[("sandClusterName", "s")]).unwrap();
        assert_eq!(one.cluster(KeyType::Sandbox), Some("s"));
        assert_eq!(one.cluster(KeyType::Production), None);
        assert_eq!(one.cluster(KeyType::Other), None);
        let none = router(&[("prodClusterName", ""), ("sandClusterName", "")]).unwrap();
        let (production, sandbox) = (false, false);
        let endpoints = Endpoints {
            production,
            sandbox,
        };
        assert_eq!(none.endpoints(), endpoints);
    }

    #[test]
    fn options_are_answered_where_the_resource_does_not_list_them() {
        for (methods, method, answered) in [
            ("GET POST", "OPTIONS", true),
            ("GET POST", "GET", false),
            ("GET OPTIONS", "OPTIONS", false),
            ("", "OPTIONS", true),
            ("GET", "OPTIONSX", false),
        ] {
            let router = router(&[("prodClusterName", "p"), ("method", methods)]).unwrap();
            assert_eq!(router.answers(method), answered, "{methods} {method}");
        }
        let allow = |methods| {
            let extensions = [("prodClusterName", "p"), ("method", methods)];
            router(&extensions).unwrap().allow()
        };
        assert_eq!(allow("GET POST"), "OPTIONS, GET, POST");
        assert_eq!(allow(""), "OPTIONS");
    }
}
