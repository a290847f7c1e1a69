//! What `env` says of a stack, but for the pids.

use anyhow::Result;

use crate::{
    certs::Certs,
    credentials::{ADMIN_PASSWORD, ADMIN_USER, Credentials},
    envfile::Variables,
    parts::Part,
    ports::Ports,
    stack::Layout,
    world::{ControlPlane, World},
};

/// The API of the walk-through: context, version and resource. The upstream answers everything.
const API: &str = "petstore/v1/pets";

pub(crate) fn fixed(
    world: &World,
    ports: &Ports,
    certs: &Certs,
    credentials: &Credentials,
    hub: &str,
    layout: &Layout,
) -> Result<Variables> {
    let mut all = Variables::default();
    control_plane(&mut all, world, ports, credentials)?;
    all.set(
        "API_URL",
        format!("https://localhost:{}/{API}", ports.envoy_tls),
    );
    all.set("AMQP_URL", hub);

    let [enforcer, router] = ["enforcer", "router"].map(|name| certs.identity(name));
    let path = |path: std::path::PathBuf| path.to_string_lossy().into_owned();
    all.set("XDS_ADDR", format!("127.0.0.1:{}", ports.xds));
    all.set("XDS_SERVER_NAME", "adapter");
    all.set("XDS_CLIENT_CERT", path(enforcer.cert));
    all.set("XDS_CLIENT_KEY", path(enforcer.key));
    all.set("CA_CERT", path(certs.ca()));
    all.set("ENFORCER_ADDR", format!("127.0.0.1:{}", ports.ext_authz));
    all.set("ENFORCER_CLIENT_CERT", path(router.cert));
    all.set("ENFORCER_CLIENT_KEY", path(router.key));

    all.set("ADAPTER_LOG", path(layout.log(Part::Adapter)));
    all.set("ENFORCER_LOG", path(layout.log(Part::Enforcer)));
    all.set("ENVOY_LOG", path(layout.log(Part::Envoy)));
    all.set(
        "ADAPTER_ADMIN_URL",
        format!("https://localhost:{}", ports.adapter_admin),
    );
    all.set(
        "ENFORCER_ADMIN_URL",
        format!("https://localhost:{}", ports.enforcer_admin),
    );
    all.set(
        "ENVOY_ADMIN_URL",
        format!("http://localhost:{}", ports.envoy_admin),
    );
    Ok(all)
}

fn control_plane(
    all: &mut Variables,
    world: &World,
    ports: &Ports,
    credentials: &Credentials,
) -> Result<()> {
    let (base, user, password, client_id, client_secret, application) = match &world.control_plane {
        ControlPlane::Standin => (
            format!("https://localhost:{}", ports.standin),
            ADMIN_USER.to_owned(),
            ADMIN_PASSWORD.to_owned(),
            credentials.client_id.clone(),
            credentials.client_secret.clone(),
            credentials.application_id.clone(),
        ),
        ControlPlane::ApiManager(api_manager) => (
            api_manager.url.clone(),
            api_manager.user.clone(),
            api_manager.password()?,
            api_manager.client_id.clone(),
            api_manager.client_secret.clone(),
            api_manager.application_id.clone(),
        ),
    };
    all.set("TOKEN_URL", format!("{base}/oauth2/token"));
    all.set("CLIENT_ID", client_id);
    all.set("CLIENT_SECRET", client_secret);
    all.set("ADMIN_USER", user);
    all.set("ADMIN_PASSWORD", password);
    all.set("REVOKE_URL", format!("{base}/oauth2/revoke"));
    all.set("JWKS_URL", format!("{base}/oauth2/jwks"));
    all.set("DEVPORTAL_URL", format!("{base}/api/am/devportal/v3"));
    all.set("APPLICATION_ID", application);
    Ok(())
}
