//! What a stack is to be.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use super::{Layout, Stack, start};
use crate::{
    broker,
    config::ListForm,
    logs::Terminal,
    parts::Part,
    ports::Ports,
    provision::{self, Needs},
    world::{ControlPlane, Hub, World},
};

/// Describes a stack: each setting has the value that `make run` uses, but for the state folder, which must be said.
#[derive(Debug)]
pub struct StackBuilder {
    pub(super) state: PathBuf,
    pub(super) binaries: PathBuf,
    pub(super) ports: PortPlan,
    pub(super) world: World,
    pub(super) hub: Option<String>,
    pub(super) neighbour: Option<Neighbour>,
    pub(super) left_out: Vec<Part>,
    pub(super) list_form: ListForm,
    pub(super) extra: BTreeMap<Part, String>,
    pub(super) variables: BTreeMap<Part, Vec<(String, String)>>,
    pub(super) h2: bool,
    pub(super) envoy: Option<String>,
    pub(super) broker: broker::Extras,
    pub(super) terminal: Option<Terminal>,
}

/// What a stack shares with the one that it is put beside.
#[derive(Debug, Clone)]
pub(super) struct Neighbour {
    pub(super) layout: Layout,
    pub(super) ports: Ports,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum PortPlan {
    Standard(u16),
    Free,
}

impl StackBuilder {
    pub(super) fn new() -> Self {
        Self {
            state: PathBuf::from("target/run"),
            binaries: beside_this_program(),
            ports: PortPlan::Standard(0),
            world: World::default(),
            hub: None,
            neighbour: None,
            left_out: Vec::new(),
            list_form: ListForm::default(),
            extra: BTreeMap::new(),
            variables: BTreeMap::new(),
            h2: false,
            envoy: None,
            broker: broker::Extras::default(),
            terminal: None,
        }
    }

    /// The folder for all that it writes. What an earlier stack left there is used.
    #[must_use]
    pub fn state(mut self, folder: impl Into<PathBuf>) -> Self {
        self.state = folder.into();
        self
    }

    /// The folder with `rescind-adapter` and the other programs; by default the one of this program, or of the profile that
    /// this test was built in.
    #[must_use]
    pub fn binaries(mut self, folder: impl Into<PathBuf>) -> Self {
        self.binaries = folder.into();
        self
    }

    /// The documented ports, each moved by `offset`.
    #[must_use]
    pub fn port_offset(mut self, offset: u16) -> Self {
        self.ports = PortPlan::Standard(offset);
        self
    }

    /// Ports that nobody uses, other stacks of this machine included: for tests.
    #[must_use]
    pub fn free_ports(mut self) -> Self {
        self.ports = PortPlan::Free;
        self
    }

    /// Somebody's broker or API Manager in place of our own.
    #[must_use]
    pub fn world(mut self, world: World) -> Self {
        self.world = world;
        self
    }

    /// A broker that runs already, such as another stack's [`Stack::hub_of_vhost`], in place of a private one.
    #[must_use]
    pub fn hub(mut self, url: impl Into<String>) -> Self {
        self.hub = Some(url.into());
        self
    }

    /// Another site of the same world: it shares `stack`'s certificates, broker, control plane and API, which `stack` goes on
    /// running, and has an adapter, an enforcer and an Envoy of its own.
    #[must_use]
    pub fn beside(mut self, stack: &Stack) -> Self {
        self.hub = Some(stack.hub().to_owned());
        self.neighbour = Some(Neighbour {
            layout: stack.layout.clone(),
            ports: stack.ports,
        });
        self
    }

    /// Does not start this part; [`super::PartHandle::start`] does it later.
    #[must_use]
    pub fn without(mut self, part: Part) -> Self {
        self.left_out.push(part);
        self
    }

    /// Starts these parts alone; the others can be started later.
    #[must_use]
    pub fn only(mut self, parts: &[Part]) -> Self {
        self.left_out = Part::ALL
            .into_iter()
            .filter(|part| !parts.contains(part))
            .collect();
        self
    }

    /// The form of the stand-in's list.
    #[must_use]
    pub fn list_form(mut self, form: ListForm) -> Self {
        self.list_form = form;
        self
    }

    /// TOML to lay over a part's configuration: its tables are merged, its other values replace.
    #[must_use]
    pub fn config(mut self, part: Part, toml: impl Into<String>) -> Self {
        self.extra.insert(part, toml.into());
        self
    }

    /// A variable more in a part's environment.
    #[must_use]
    pub fn variable(mut self, part: Part, name: &str, value: &str) -> Self {
        self.variables
            .entry(part)
            .or_default()
            .push((name.to_owned(), value.to_owned()));
        self
    }

    /// Gives Envoy a listener that speaks HTTP/2 too.
    #[must_use]
    pub fn http2_listener(mut self) -> Self {
        self.h2 = true;
        self
    }

    /// A bootstrap for Envoy in place of `deploy/envoy/envoy.yaml`, with the same `${NAME}`s to fill in. It must have an HTTPS
    /// listener on `${TLS_PORT}` that asks the enforcer, and between `#begin h2` and `#end h2` what only
    /// [`StackBuilder::http2_listener`] is to add.
    #[must_use]
    pub fn envoy_bootstrap(mut self, template: impl Into<String>) -> Self {
        self.envoy = Some(template.into());
        self
    }

    /// Gives the private broker so many vhosts more, so that several stacks can share it unheard by each other.
    #[must_use]
    pub fn vhosts(mut self, count: usize) -> Self {
        self.broker.vhosts = count;
        self
    }

    /// Gives the private broker a TLS listener beside the plain one, for clients with a certificate of the stack's CA.
    #[must_use]
    pub fn broker_tls(mut self) -> Self {
        self.broker.tls = true;
        self
    }

    /// Tells on `terminal` what happens to the parts.
    #[must_use]
    pub fn tell(mut self, terminal: Terminal) -> Self {
        self.terminal = Some(terminal);
        self
    }

    /// Installs the foreign programs that this stack needs and the machine lacks; `say` hears of each before.
    ///
    /// Let it come to its end: a package manager should not be left in the middle of its work.
    pub async fn provision(&self, say: &(dyn Fn(&str) + Sync)) -> Result<()> {
        let needs = self.needs()?;
        provision::ensure(&self.tools(), needs, say).await.map(drop)
    }

    /// The folder for all that it writes.
    pub(crate) fn state_folder(&self) -> &Path {
        &self.state
    }

    /// Starts it, and returns when all of it is ready.
    pub async fn start(self) -> Result<Stack> {
        start::start(self).await
    }

    /// Which foreign programs it cannot do without.
    pub(super) fn needs(&self) -> Result<Needs> {
        Ok(Needs {
            envoy: !self.left_out.contains(&Part::Envoy),
            rabbitmq: matches!(self.full_world()?.hub, Hub::Private)
                && !self.left_out.contains(&Part::Broker),
        })
    }

    pub(super) fn full_world(&self) -> Result<World> {
        match &self.hub {
            None => Ok(self.world.clone()),
            Some(url) => self.world.clone().with_hub(url),
        }
    }

    /// Whether this stack, in this world, has such a part at all.
    pub(super) fn has(&self, world: &World, part: Part) -> bool {
        match part {
            Part::Epmd | Part::Broker => matches!(world.hub, Hub::Private),
            Part::Standin => {
                self.neighbour.is_none() && matches!(world.control_plane, ControlPlane::Standin)
            }
            Part::Upstream => self.neighbour.is_none(),
            Part::Adapter | Part::Enforcer | Part::Envoy => true,
        }
    }

    /// `target/tools`, shared by the profiles.
    pub(super) fn tools(&self) -> PathBuf {
        self.binaries
            .parent()
            .unwrap_or(Path::new("target"))
            .join("tools")
    }

    pub(super) fn binary(&self, name: &str) -> Result<PathBuf> {
        let path = self.binaries.join(name);
        path.is_file()
            .then(|| path.clone())
            .with_context(|| format!("{} is missing; `make build` makes it", path.display()))
    }
}

/// Test programs lie one folder deeper, in `deps`.
fn beside_this_program() -> PathBuf {
    let program = std::env::current_exe().unwrap_or_default();
    let folder = program.parent().unwrap_or(Path::new("."));
    match folder.file_name() {
        Some(name) if name == "deps" => folder.parent().unwrap_or(folder).to_owned(),
        _ => folder.to_owned(),
    }
}
