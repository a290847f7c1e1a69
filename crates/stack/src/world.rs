//! What the stack is put into: by default a world of its own, or somebody's broker, or somebody's API Manager.

use anyhow::{Result, bail};

use crate::api_manager::ApiManager;

/// Where events and the control plane come from.
#[derive(Debug, Clone, Default)]
pub struct World {
    pub(crate) hub: Hub,
    pub(crate) control_plane: ControlPlane,
}

/// The broker.
#[derive(Clone, Default)]
pub(crate) enum Hub {
    /// One that the stack starts.
    #[default]
    Private,
    /// One that runs already, at this URL.
    At(String),
}

/// The control plane.
#[derive(Debug, Clone, Default)]
pub(crate) enum ControlPlane {
    /// The stand-in that the stack starts.
    #[default]
    Standin,
    /// A real API Manager.
    ApiManager(Box<ApiManager>),
}

impl World {
    /// Reads `HUB_URL` and the `APIM…` variables.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        Ok(Self {
            hub: hub(variable("HUB_URL"))?,
            control_plane: match variable("APIM") {
                None => ControlPlane::Standin,
                Some(url) => {
                    ControlPlane::ApiManager(Box::new(ApiManager::from_variables(url, variable)?))
                }
            },
        })
    }

    /// A world with this broker.
    pub(crate) fn with_hub(mut self, url: &str) -> Result<Self> {
        self.hub = hub(Some(url.to_owned()))?;
        Ok(self)
    }
}

/// The URL holds a password.
impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Private => "Private",
            Self::At(_) => "At(..)",
        })
    }
}

fn hub(url: Option<String>) -> Result<Hub> {
    match url {
        None => Ok(Hub::Private),
        Some(url) if url.starts_with("amqp://") || url.starts_with("amqps://") => Ok(Hub::At(url)),
        Some(_) => bail!("HUB_URL: expected amqp://user:password@host:port[/vhost], or amqps"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn world(variables: &[(&str, &str)]) -> Result<World> {
        World::from_variables(|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn without_variables_all_is_our_own() {
        let world = world(&[("HUB_URL", "")]).unwrap();
        assert!(matches!(world.hub, Hub::Private));
        assert!(matches!(world.control_plane, ControlPlane::Standin));
    }

    #[test]
    fn a_hub_changes_only_the_broker() {
        let world = world(&[("HUB_URL", "amqp://u:secret@h:5672/v")]).unwrap();
        assert!(matches!(&world.hub, Hub::At(url) if url.ends_with("/v")));
        assert!(matches!(world.control_plane, ControlPlane::Standin));
        assert!(!format!("{world:?}").contains("secret"));
    }
}
