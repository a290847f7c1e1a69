//! What a part says about its configuration beside the types: variables, and keys that others know.

use std::collections::{BTreeMap, HashMap};

/// The process environment, or a map in its place.
pub trait Environment {
    /// The value of one variable; `None` if it is unset or not UTF-8.
    fn var(&self, name: &str) -> Option<String>;

    /// The names of all variables that begin with `prefix`.
    fn names(&self, prefix: &str) -> Vec<String>;
}

/// The environment of this process.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProcessEnvironment;

impl Environment for ProcessEnvironment {
    fn var(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn names(&self, prefix: &str) -> Vec<String> {
        std::env::vars_os()
            .filter_map(|(name, _)| name.into_string().ok())
            .filter(|name| name.starts_with(prefix))
            .collect()
    }
}

macro_rules! environment_of_a_map {
    ($map:ident) => {
        impl<K, V> Environment for $map<K, V>
        where
            K: AsRef<str>,
            V: AsRef<str>,
        {
            fn var(&self, name: &str) -> Option<String> {
                self.iter()
                    .find(|(key, _)| key.as_ref() == name)
                    .map(|(_, value)| value.as_ref().to_owned())
            }

            fn names(&self, prefix: &str) -> Vec<String> {
                let names = self.keys().map(AsRef::as_ref);
                names
                    .filter(|name| name.starts_with(prefix))
                    .map(str::to_owned)
                    .collect()
            }
        }
    };
}

environment_of_a_map!(BTreeMap);
environment_of_a_map!(HashMap);

/// A part's description of its configuration. Made as a constant: `Schema { variables: &[..], ..Schema::EMPTY }`.
#[derive(Debug, Clone, Copy)]
pub struct Schema {
    /// Variables with names of their own, as Choreo Connect has them, each with the dotted key that it sets:
    /// `("ADAPTER_XDS_PORT", "adapter.xds.port")`. One that is set but empty counts as unset.
    pub variables: &'static [(&'static str, &'static str)],
    /// Dotted keys of Choreo Connect that this part uses. Its parser takes them, and those below, in whatever case, so they
    /// are taken so here; all other keys are exact.
    pub theirs: &'static [&'static str],
    /// Dotted keys that Choreo Connect knows and this part does not use, in whatever case, each with all that is below it. Arrays of tables
    /// have no index here: `enforcer.security.tokenService.validateSubscription` is meant in each of them.
    pub unused: &'static [&'static str],
    /// What all other variables begin with: `<prefix><SECTION>__<KEY>`, `__` between levels, in whatever case. Beats
    /// [`Schema::variables`] and may be empty. One that names no key is an error.
    pub prefix: &'static str,
    /// Variables under the prefix that are not for the configuration. `RESCIND_CONFIG` and what Kubernetes sets for a
    /// service called `rescind-*` need not be named.
    pub foreign: &'static [&'static str],
}

impl Schema {
    /// No variables of its own, nothing unused, the prefix `RESCIND_`.
    pub const EMPTY: Self = Self {
        variables: &[],
        theirs: &[],
        unused: &[],
        prefix: "RESCIND_",
        foreign: &[],
    };
}
