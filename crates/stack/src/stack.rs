//! A running stack: its parts, what is known of them, and its end.

mod announce;
mod bring_up;
mod build;
mod clerk;
mod ground;
mod handle;
mod layout;
mod programs;
mod start;

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use anyhow::{Context, Result, bail};
use reqwest::Client;
use tokio::{
    runtime::Runtime,
    sync::{mpsc, watch},
    task::JoinSet,
};

use crate::{
    broker,
    certs::Certs,
    envfile::Variables,
    journal::Journal,
    keeper::{Order, Status},
    lock::StateLock,
    logs::{self, Terminal},
    parts::Part,
    ports::{Ports, Reservation},
};
use announce::Announcer;
pub use build::StackBuilder;
pub use handle::PartHandle;
pub(crate) use layout::Layout;

/// All the processes, from the broker to Envoy, under supervision. Dropping it kills them; [`Stack::stop`] is gentler.
///
/// Its supervision has threads of its own, so it may be shared by tests that each have a runtime of their own.
#[derive(Debug)]
pub struct Stack {
    layout: Layout,
    ports: Ports,
    certs: Certs,
    hub: String,
    client: Client,
    parts: BTreeMap<Part, Kept>,
    announcer: Arc<Announcer>,
    journal: Arc<Journal>,
    runtime: Option<Runtime>,
    // Last, so that they are free again only when all else is gone.
    _reservation: Option<Reservation>,
    _lock: StateLock,
}

/// The stack's end of a keeper.
#[derive(Debug)]
struct Kept {
    orders: mpsc::Sender<Order>,
    status: watch::Receiver<Status>,
}

impl Stack {
    /// Describes a stack that is to be started.
    pub fn builder() -> StackBuilder {
        StackBuilder::new()
    }

    /// One of the parts.
    ///
    /// # Panics
    ///
    /// Where this stack has no such part, such as a broker in a world that has one.
    pub fn part(&self, part: Part) -> PartHandle<'_> {
        let kept = self
            .parts
            .get(&part)
            .unwrap_or_else(|| panic!("this stack has no {part}"));
        PartHandle::new(part, kept, &self.layout)
    }

    /// The parts that this stack has.
    pub fn parts(&self) -> impl Iterator<Item = PartHandle<'_>> {
        self.parts
            .iter()
            .map(|(part, kept)| PartHandle::new(*part, kept, &self.layout))
    }

    /// The ports of its parts.
    pub fn ports(&self) -> &Ports {
        &self.ports
    }

    /// The certificates of its parts.
    pub fn certs(&self) -> &Certs {
        &self.certs
    }

    /// A client that trusts the stack's CA. For other purposes than HTTP, see [`Stack::certs`].
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The state folder.
    pub fn state(&self) -> &Path {
        &self.layout.state
    }

    /// What `env` in the state folder says, with the pids of now.
    pub fn variables(&self) -> Variables {
        self.announcer.variables()
    }

    /// One of [`Stack::variables`]; empty for one that there is not.
    pub fn var(&self, name: &str) -> String {
        self.variables().get(name).to_owned()
    }

    /// The broker's URL, as its parts have it.
    pub(crate) fn hub(&self) -> &str {
        &self.hub
    }

    /// The private broker's URL for one of its extra vhosts (see [`StackBuilder::vhosts`]).
    pub fn hub_of_vhost(&self, number: usize) -> String {
        broker::url(self.ports.broker, Some(&broker::vhost(number)))
    }

    /// Keeps the walk-through in the state folder, where it outlasts the logs on the screen.
    pub(crate) fn keep_walkthrough(&self, text: &str) {
        // It has been printed; a disk that is full shows elsewhere.
        let _ = crate::files::replace(&self.layout.state.join("walkthrough.txt"), text);
    }

    /// Shows the logs of all parts on `terminal`, from now on.
    pub fn show_logs(&self, terminal: Terminal) {
        for part in self.parts.keys() {
            self.runtime()
                .spawn(logs::follow(*part, self.layout.log(*part), terminal));
        }
    }

    /// Ends all of it, who asks before who is asked. Takes less than 15 s, mostly one; what does not end by itself is killed.
    pub async fn stop(self) {
        self.announcer.withdraw();
        for (group, grace) in ENDS {
            let ends = group
                .iter()
                .filter_map(|part| self.parts.get(part))
                .map(|kept| {
                    let orders = kept.orders.clone();
                    async move { handle::give(&orders, |done| Order::End(grace, done)).await }
                });
            ends.collect::<JoinSet<()>>().join_all().await;
        }
    }

    fn runtime(&self) -> &Runtime {
        self.runtime
            .as_ref()
            .expect("the runtime is taken away only when the stack is dropped")
    }

    /// Waits for a part at the start of the stack. Here a death is an error: something is wrong from the ground up.
    async fn first_ready(&self, part: Part) -> Result<()> {
        let mut status = self.parts[&part].status.clone();
        let settled =
            status.wait_for(|status| matches!(status, Status::Ready(_) | Status::Resting));
        match tokio::time::timeout(START_LIMIT, settled).await {
            Ok(Ok(status)) if matches!(*status, Status::Ready(_)) => Ok(()),
            Ok(_) => bail!(
                "{part} ended at its start\n{}",
                self.part(part).last_lines()
            ),
            Err(_) => bail!(
                "{part} is not ready after {} s\n{}",
                START_LIMIT.as_secs(),
                self.part(part).last_lines()
            ),
        }
    }

    async fn launch(&self, part: Part) -> Result<()> {
        let kept = self
            .parts
            .get(&part)
            .with_context(|| format!("this stack has no {part}"))?;
        handle::give(&kept.orders, Order::Start).await;
        Ok(())
    }
}

/// The order in which parts end, and how long each may take: together less than 15 s.
const ENDS: [(&[Part], Duration); 6] = [
    (&[Part::Envoy], Duration::from_secs(1)),
    (&[Part::Enforcer], Duration::from_secs(3)),
    (&[Part::Adapter], Duration::from_secs(3)),
    (&[Part::Standin, Part::Upstream], Duration::from_secs(2)),
    (&[Part::Broker], Duration::from_secs(3)),
    (&[Part::Epmd], Duration::from_millis(500)),
];

/// Far more than any part takes, even on a machine that compiles beside it.
pub(crate) const START_LIMIT: Duration = Duration::from_secs(90);

impl Drop for Stack {
    fn drop(&mut self) {
        self.announcer.withdraw();
        // First the keepers, so that none takes what follows for a death. Waiting for them is not allowed where a stack may
        // be dropped: in an asynchronous test.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
        self.journal.close();
    }
}
