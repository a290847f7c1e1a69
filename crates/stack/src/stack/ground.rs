//! What all parts of a stack are made of: its world, ports, certificates, and the programs that are not ours.

use anyhow::Result;
use reqwest::Client;

use super::{
    Layout,
    build::{PortPlan, StackBuilder},
};
use crate::{
    broker,
    certs::Certs,
    config::{self, Believed},
    credentials::Credentials,
    http,
    parts::Part,
    ports::{self, Ports, Reservation},
    provision::{self, Tools},
    world::{ControlPlane, Hub, World},
};

/// What everything else is made of.
pub(super) struct Ground {
    pub(super) layout: Layout,
    pub(super) world: World,
    pub(super) ports: Ports,
    pub(super) certs: Certs,
    pub(super) credentials: Credentials,
    pub(super) hub: String,
    pub(super) believed: Believed,
    pub(super) client: Client,
    pub(super) tools: Tools,
}

impl Ground {
    /// Prepares it. A port that is taken or a program that is missing is found here, before anything starts.
    pub(super) async fn prepare(
        plan: &StackBuilder,
        layout: Layout,
    ) -> Result<(Self, Option<Reservation>)> {
        let world = plan.full_world()?;
        let (mut ports, reservation) = match plan.ports {
            PortPlan::Standard(offset) => (Ports::standard(offset)?, None),
            PortPlan::Free => {
                let reservation = Reservation::find()?;
                (reservation.ports, Some(reservation))
            }
        };
        // What the neighbour runs is where the neighbour has it; what it made is what it uses.
        let shared = plan.neighbour.as_ref().map(|neighbour| {
            ports.standin = neighbour.ports.standin;
            ports.upstream = neighbour.ports.upstream;
            &neighbour.layout
        });
        let shared = shared.unwrap_or(&layout).clone();
        ports::refuse_taken(&used(plan, &world, &ports))?;
        let tools = provision::find(&plan.tools(), plan.needs()?)?;
        let certs = Certs::ensure(&shared.certs())?;
        let ground = Self {
            hub: match &world.hub {
                Hub::Private => broker::url(ports.broker, None),
                Hub::At(url) => url.clone(),
            },
            believed: believed(&world, &ports, &certs, &layout).await?,
            credentials: Credentials::ensure(&shared.credentials())?,
            client: http::client(&certs.ca())?,
            layout,
            world,
            ports,
            certs,
            tools,
        };
        Ok((ground, reservation))
    }
}

/// Whom the enforcer is to believe: the control plane's keys, and the CA of its peers.
async fn believed(
    world: &World,
    ports: &Ports,
    certs: &Certs,
    layout: &Layout,
) -> Result<Believed> {
    Ok(match &world.control_plane {
        ControlPlane::Standin => Believed {
            trust: certs.ca(),
            issuer: config::standin::issuer(ports),
            jwks_url: format!("https://localhost:{}/oauth2/jwks", ports.standin),
            api_key_cert: Some(certs.identity("api-key-signing").cert),
        },
        ControlPlane::ApiManager(api_manager) => {
            api_manager.trust(&layout.trust(), certs)?;
            Believed {
                trust: layout.trust(),
                issuer: api_manager.issuer.clone(),
                jwks_url: api_manager.jwks_url(&layout.jwks()).await?,
                api_key_cert: api_manager.api_key_cert.clone(),
            }
        }
    })
}

/// The ports that this stack will listen on.
fn used(plan: &StackBuilder, world: &World, ports: &Ports) -> Vec<(&'static str, u16)> {
    let unused = |port: u16| {
        let has_no = |part| !plan.has(world, part);
        (port == ports.envoy_h2 && !plan.h2)
            || (port == ports.broker_tls && !plan.broker.tls)
            || ([
                ports.broker,
                ports.broker_tls,
                ports.broker_distribution,
                ports.epmd,
            ]
            .contains(&port)
                && has_no(Part::Broker))
            || (port == ports.standin && has_no(Part::Standin))
            || (port == ports.upstream && has_no(Part::Upstream))
    };
    ports
        .all()
        .into_iter()
        .filter(|(_, port)| !unused(*port))
        .collect()
}
