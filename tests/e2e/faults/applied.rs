//! What a client of the adapter has in the end: read page by page with `FetchTokens`, from a cursor that it keeps, over every
//! death and every cut.

use std::{collections::BTreeMap, time::Duration};

use rescind_proto::{
    envoy::service::discovery::v3::{DiscoveryRequest, DiscoveryResponse},
    google::protobuf::value::Kind,
    wso2::discovery::{
        keymgt::RevokedToken,
        service::keymgt::revoked_token_discovery_service_client::RevokedTokenDiscoveryServiceClient,
    },
};
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{sleep, timeout},
};
use tonic::{Status, transport::Channel};

use super::published::Published;
use crate::{
    clients::xds::{TYPE_URL, first_request},
    eventually::eventually,
    world::World,
};

/// The adapter's metrics that the fault tests look at.
pub(crate) const ENTRIES: &str = "rescind_ledger_entries";
pub(crate) const HEAD: &str = "rescind_ledger_head";
const LISTS_READ: &str = "rescind_catchup_attempts_total{outcome=\"merged\"}";

/// A poller that keeps its cursor and what came.
#[derive(Debug)]
pub(crate) struct Applied {
    channel: Channel,
    cursor: String,
    sequence: u64,
    held: BTreeMap<String, RevokedToken>,
}

impl Applied {
    /// One that has nothing yet.
    pub(crate) async fn nothing(world: &World) -> Self {
        // An adapter whose clock jumps gives up a handshake that is under way.
        let ask = || world.try_xds_channel();
        let channel = eventually(Duration::from_secs(60), ask, Result::is_ok).await;
        Self {
            channel: channel.unwrap(),
            cursor: String::new(),
            sequence: 0,
            held: BTreeMap::new(),
        }
    }

    /// Everything that the adapter holds now.
    pub(crate) async fn everything(world: &World) -> Self {
        let mut applied = Self::nothing(world).await;
        while applied.page().await.unwrap() > 0 {}
        applied
    }

    /// The head up to which it has read.
    pub(crate) fn sequence(&self) -> u64 {
        self.sequence
    }

    /// How many entries it has.
    pub(crate) fn count(&self) -> usize {
        self.held.len()
    }

    /// What it has of one identifier.
    pub(crate) fn of(&self, identifier: &str) -> Option<&RevokedToken> {
        self.held.get(identifier)
    }

    /// Reads one page and gives the number of its entries. The sequence must not go back: a cursor that was given is known
    /// for as long as the ledger is.
    async fn page(&mut self) -> Result<usize, Status> {
        let response = self.ask().await?;
        let sequence = sequence(&response.version_info);
        assert!(
            sequence >= self.sequence,
            "from {} back to {}",
            self.cursor,
            response.version_info
        );
        self.sequence = sequence;
        self.cursor = response.version_info;
        for any in &response.resources {
            let token = <RevokedToken as prost::Message>::decode(any.value.as_slice()).unwrap();
            self.held.insert(token.jti.clone(), token);
        }
        Ok(response.resources.len())
    }

    async fn ask(&self) -> Result<DiscoveryResponse, Status> {
        let mut request = DiscoveryRequest {
            version_info: self.cursor.clone(),
            type_url: TYPE_URL.into(),
            ..first_request(Kind::StringValue("faults".into()))
        };
        let node = request.node.as_mut().unwrap();
        node.client_features = vec!["rescind.v1".into()];
        let mut client = RevokedTokenDiscoveryServiceClient::new(self.channel.clone());
        Ok(client.fetch_tokens(request).await?.into_inner())
    }

    /// Whether nothing of that is missing.
    pub(crate) fn has(&self, published: &Published) -> bool {
        published.iter().all(|id| self.held.contains_key(id))
    }

    /// Holds it against what was published: the same count, the same members.
    #[track_caller]
    pub(crate) fn is_exactly(&self, published: &Published) {
        let invented = self.invented(published);
        let lost: Vec<_> = published
            .iter()
            .filter(|id| !self.held.contains_key(*id))
            .collect();
        assert!(
            lost.is_empty() && invented.is_empty(),
            "of {} published {} are lost and {} invented, such as {:?} and {:?}",
            published.len(),
            lost.len(),
            invented.len(),
            lost.first(),
            invented.first()
        );
    }

    /// It may lack some of what was published, and has nothing else.
    #[track_caller]
    pub(crate) fn is_part_of(&self, published: &Published) {
        assert_eq!(self.invented(published), Vec::<&String>::new());
    }

    fn invented(&self, published: &Published) -> Vec<&String> {
        let held = self.held.keys();
        held.filter(|id| !published.contains(*id)).collect()
    }
}

/// Polls until told to stop: one client through everything that happens.
#[derive(Debug)]
pub(crate) struct Follower {
    over: watch::Sender<bool>,
    polling: JoinHandle<Applied>,
}

impl Follower {
    pub(crate) async fn start(world: &World) -> Self {
        let mut applied = Applied::nothing(world).await;
        let (over, watched) = watch::channel(false);
        let polling = tokio::spawn(async move {
            loop {
                let last = *watched.borrow();
                match (applied.page().await, last) {
                    (Ok(0), true) => return applied,
                    (Ok(1..), _) => {}
                    // An adapter that is dead, or a channel that is about to notice it, is asked again: the last answer
                    // too must be an answer.
                    (Ok(0) | Err(_), _) => sleep(Duration::from_millis(20)).await,
                }
            }
        });
        Self { over, polling }
    }

    /// What it has once there is nothing more to come from an adapter that is alive.
    pub(crate) async fn stop(self) -> Applied {
        self.over.send_replace(true);
        let over = timeout(Duration::from_secs(120), self.polling).await;
        over.expect("the adapter answers who follows it").unwrap()
    }
}

impl World {
    /// One of the adapter's metrics.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let value = self.known_metric(name).await;
        value.unwrap_or_else(|| panic!("no metric {name}"))
    }

    /// One of the adapter's metrics, where it has that line: one with labels comes with its first event.
    async fn known_metric(&self, name: &str) -> Option<f64> {
        let (_, page) = self.admin("ADAPTER_ADMIN_URL", "/metrics").await;
        let value = page
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
        Some(value.parse().unwrap())
    }

    /// How often the adapter has read the control plane's list to its end.
    pub(crate) async fn lists_read(&self) -> f64 {
        self.known_metric(LISTS_READ).await.unwrap_or(0.0)
    }

    /// Waits until the adapter holds as many entries as were published, and holds each of them against that.
    pub(crate) async fn holds_exactly(&self, published: &Published, patience: Duration) -> Applied {
        let expected = published.len() as f64;
        let ask = || self.metric(ENTRIES);
        eventually(patience, ask, |entries| *entries >= expected).await;
        let applied = Applied::everything(self).await;
        applied.is_exactly(published);
        assert_eq!(self.metric(ENTRIES).await, expected);
        applied
    }
}

/// The number in `1042-5f0c1a2b`.
fn sequence(version: &str) -> u64 {
    version.split('-').next().unwrap().parse().unwrap()
}
