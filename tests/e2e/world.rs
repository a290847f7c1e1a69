//! A running stack, seen by a test.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use rescind_stack::{Certs, Part, PartHandle, Ports, Stack, StackBuilder};
use tempfile::TempDir;
use tonic::transport::{Channel, Error};

use crate::{
    clients::{
        control_plane::ControlPlane,
        gate::Gate,
        gateway::{Answer, Gateway},
        tls::Identity,
        xds::channel,
    },
    eventually::eventually,
};

/// How long an answer to a test may take, on a machine that has much else to do.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Tests that hear each other's events would revoke each other's tokens.
const VHOSTS: usize = 80;

/// One broker for many stacks, each in a vhost of its own.
#[derive(Debug)]
pub(crate) struct Broker {
    stack: Stack,
    next_vhost: AtomicUsize,
    _state: TempDir,
}

/// A whole stack with its own state, on free ports.
#[derive(Debug)]
pub(crate) struct World {
    stack: Stack,
    gateway: Gateway,
    control_plane: ControlPlane,
    state: TempDir,
}

impl Broker {
    pub(crate) async fn start() -> Self {
        Self::start_with(|builder| builder).await
    }

    /// The same, changed by `change`.
    pub(crate) async fn start_with(change: impl FnOnce(StackBuilder) -> StackBuilder) -> Self {
        let state = tempfile::tempdir().unwrap();
        let only = [Part::Epmd, Part::Broker];
        let builder = Stack::builder()
            .state(state.path())
            .free_ports()
            .only(&only)
            .vhosts(VHOSTS);
        let stack = change(builder)
            .start()
            .await
            .unwrap_or_else(|error| panic!("no broker: {error:#}"));
        Self {
            stack,
            next_vhost: AtomicUsize::new(0),
            _state: state,
        }
    }

    /// The URL of a vhost that no other test has.
    pub(crate) fn fresh_url(&self) -> String {
        let number = self.next_vhost.fetch_add(1, Ordering::Relaxed);
        assert!(number < VHOSTS, "more stacks than vhosts: raise VHOSTS");
        self.stack.hub_of_vhost(number)
    }

    /// The broker's own stack.
    pub(crate) fn stack(&self) -> &Stack {
        &self.stack
    }

    pub(crate) async fn stop(self) {
        self.stack.stop().await;
    }
}

impl World {
    /// A stack as `make run` starts it, on a vhost of its own.
    pub(crate) async fn start(broker: &Broker) -> Self {
        Self::start_with(broker, |builder| builder).await
    }

    /// The same, changed by `change`.
    pub(crate) async fn start_with(
        broker: &Broker,
        change: impl FnOnce(StackBuilder) -> StackBuilder,
    ) -> Self {
        let hub = broker.fresh_url();
        Self::start_from(|builder| change(builder.hub(hub))).await
    }

    /// Another site of the same world: its own adapter, enforcer and Envoy, changed by `change`.
    pub(crate) async fn beside(&self, change: impl FnOnce(StackBuilder) -> StackBuilder) -> Self {
        Self::start_from(|builder| change(builder.beside(&self.stack))).await
    }

    /// A stack with its own broker.
    pub(crate) async fn start_with_own_broker() -> Self {
        Self::start_from(|builder| builder).await
    }

    /// A stack on whatever broker `change` names, else its own.
    pub(crate) async fn start_from(change: impl FnOnce(StackBuilder) -> StackBuilder) -> Self {
        let state = tempfile::tempdir().unwrap();
        let builder = Stack::builder()
            .state(state.path())
            .free_ports()
            .http2_listener();
        let stack = change(builder)
            .start()
            .await
            .unwrap_or_else(|error| panic!("no stack: {error:#}"));
        let gateway = Gateway::new(&stack.var("API_URL"), &stack.var("CA_CERT"));
        let control_plane = ControlPlane::new(|name| stack.var(name));
        Self {
            stack,
            gateway,
            control_plane,
            state,
        }
    }

    pub(crate) async fn stop(self) {
        self.stack.stop().await;
    }

    /// One of the variables that `env` has.
    pub(crate) fn var(&self, name: &str) -> String {
        self.stack.var(name)
    }

    /// The folder that `rescind-stack` would be given as its state.
    pub(crate) fn state(&self) -> &Path {
        self.state.path()
    }

    /// All that a part has said.
    pub(crate) fn log(&self, part: Part) -> String {
        self.stack.part(part).log()
    }

    pub(crate) fn pid(&self, part: Part) -> Option<i32> {
        self.stack.part(part).pid()
    }

    /// One of the parts, to be frozen, killed and started.
    pub(crate) fn part(&self, part: Part) -> PartHandle<'_> {
        self.stack.part(part)
    }

    /// A client that trusts the stack's CA.
    pub(crate) fn http(&self) -> &reqwest::Client {
        self.stack.client()
    }

    /// The certificates of the parts.
    pub(crate) fn certs(&self) -> &Certs {
        self.stack.certs()
    }

    pub(crate) fn ports(&self) -> &Ports {
        self.stack.ports()
    }

    pub(crate) fn control_plane(&self) -> &ControlPlane {
        &self.control_plane
    }

    pub(crate) fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// The answer to a token that was revoked, once it is refused.
    pub(crate) async fn refused_token(&self, token: &str) -> Answer {
        let ask = || self.gateway.with_token(token);
        let answer = eventually(Duration::from_secs(30), ask, |answer| answer.status != 200).await;
        assert_eq!(answer.status, 401, "{answer:?}");
        answer
    }

    /// A GET with this token through the listener without TLS.
    pub(crate) async fn plain_request(&self, token: &str) -> Answer {
        let gateway = Gateway::new(&self.plain_url(), &self.var("CA_CERT"));
        gateway.with_token(token).await
    }

    /// A GET with this token over HTTP/2.
    pub(crate) async fn http2_request(&self, token: &str) -> Answer {
        self.caller(true).with_token(token).await
    }

    /// The API at the listener without TLS.
    pub(crate) fn plain_url(&self) -> String {
        let url = self.url_at(self.stack.ports().envoy_plain);
        url.replace("https:", "http:")
    }

    /// Another caller over TLS, with connections of its own.
    pub(crate) fn caller(&self, http2: bool) -> Gateway {
        let ca = self.var("CA_CERT");
        match http2 {
            true => Gateway::http2(&self.url_at(self.stack.ports().envoy_h2), &ca),
            false => Gateway::new(&self.var("API_URL"), &ca),
        }
    }

    /// The API at another port of Envoy's.
    fn url_at(&self, port: u16) -> String {
        let url = self.var("API_URL");
        url.replace(&self.port("API_URL"), &port.to_string())
    }

    /// Asks a page of an admin server.
    pub(crate) async fn admin(&self, url: &str, page: &str) -> (u16, String) {
        let answer = self
            .stack
            .client()
            .get(format!("{}{page}", self.var(url)))
            .timeout(PATIENCE)
            .send()
            .await
            .unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// A metric without labels of our part with this admin server, such as `ENFORCER_ADMIN_URL`.
    pub(crate) async fn metric_of(&self, url: &str, name: &str) -> f64 {
        let (_, page) = self.admin(url, "/metrics").await;
        value(&page, name)
    }

    /// A metric of the enforcer, below `rescind_enforcer_`.
    pub(crate) async fn gauge(&self, name: &str) -> f64 {
        let name = format!("rescind_enforcer_{name}");
        self.metric_of("ENFORCER_ADMIN_URL", &name).await
    }

    /// Several of them, as one page has them.
    pub(crate) async fn gauges<const N: usize>(&self, names: [&str; N]) -> [f64; N] {
        let (_, page) = self.admin("ENFORCER_ADMIN_URL", "/metrics").await;
        names.map(|name| value(&page, &format!("rescind_enforcer_{name}")))
    }

    /// Checks straight at the enforcer, over a connection of their own.
    pub(crate) async fn gate(&self) -> Gate {
        let channel = self.ext_authz_channel(Some(&self.router_identity())).await;
        Gate::new(channel.unwrap())
    }

    /// The files of one of the stack's identities.
    pub(crate) fn identity(&self, name: &str) -> rescind_stack::Identity {
        self.stack.certs().identity(name)
    }

    /// Revokes `count` fresh identifiers at once, and gives them.
    pub(crate) async fn revoke_many(&self, count: usize) -> Vec<String> {
        let url = self
            .var("TOKEN_URL")
            .replace("/oauth2/token", "/standin/v1/revocations");
        let request = self.stack.client().post(url).timeout(PATIENCE);
        let request = request.basic_auth(self.var("ADMIN_USER"), Some(self.var("ADMIN_PASSWORD")));
        let answer = request
            .json(&serde_json::json!({ "count": count }))
            .send()
            .await
            .unwrap();
        let answer: serde_json::Value = answer.json().await.unwrap();
        let identifiers = answer["identifiers"].as_array().unwrap();
        identifiers
            .iter()
            .map(|id| id.as_str().unwrap().to_owned())
            .collect()
    }

    /// A page of the stand-in.
    pub(crate) async fn standin_page(&self, page: &str) -> String {
        let url = self.var("TOKEN_URL").replace("/oauth2/token", page);
        let request = self.stack.client().get(url).timeout(PATIENCE);
        let answer = request.send().await.unwrap();
        answer.text().await.unwrap()
    }

    /// What the adapter answers who may read its receipts.
    pub(crate) async fn receipt(&self, page: &str) -> serde_json::Value {
        let url = format!("{}/v1/{page}", self.var("ADAPTER_ADMIN_URL"));
        let request = self.stack.client().get(url).timeout(PATIENCE);
        let request = request.basic_auth(self.var("ADMIN_USER"), Some(self.var("ADMIN_PASSWORD")));
        request.send().await.unwrap().json().await.unwrap()
    }

    /// Ends a part; it stays down.
    pub(crate) async fn end(&self, part: Part) {
        self.stack.part(part).stop().await;
    }

    /// Takes an enforcer that has ended its own log away: to the adapter it is a new one.
    pub(crate) fn forget_enforcer(&self) {
        fs::remove_dir_all(self.state().join("enforcer")).unwrap();
    }

    /// Lays TOML over what a part reads at its next start.
    pub(crate) fn configure(&self, part: Part, toml: &str) {
        self.stack.part(part).configure(toml).unwrap();
    }

    /// Changes what Envoy reads at its next start.
    pub(crate) fn edit_envoy(&self, edit: impl FnOnce(String) -> String) {
        let envoy = self.stack.part(Part::Envoy);
        let text = fs::read_to_string(envoy.config_path()).unwrap();
        fs::write(envoy.config_path(), edit(text)).unwrap();
    }

    /// Ends a part and starts it again.
    pub(crate) async fn restart(&self, part: Part) {
        self.end(part).await;
        self.begin(part).await;
    }

    /// Stops a part's clock; its connections stand.
    pub(crate) fn freeze(&self, part: Part) {
        self.stack.part(part).freeze();
    }

    /// Lets a frozen part go on.
    pub(crate) fn thaw(&self, part: Part) {
        self.stack.part(part).thaw();
    }

    /// Takes everything away that a part that has ended had kept.
    pub(crate) fn lose_disk(&self, part: Part) {
        fs::remove_dir_all(self.state().join(part.name())).unwrap();
    }

    /// Starts a part and waits until it is ready.
    pub(crate) async fn begin(&self, part: Part) {
        self.stack.part(part).start().await.unwrap();
    }

    /// Starts a part that will not be ready.
    pub(crate) async fn begin_unready(&self, part: Part) {
        self.stack.part(part).launch().await;
    }

    /// Kills a part behind the back of its keeper, and waits until the keeper has it ready again.
    pub(crate) async fn kill_9(&self, part: Part) {
        let handle = self.stack.part(part);
        handle.crash().await;
        handle.ready_within(Duration::from_secs(60)).await.unwrap();
    }

    /// Kills a part; it stays down.
    pub(crate) async fn kill_9_for_good(&self, part: Part) {
        self.stack.part(part).kill9().await;
    }

    /// One of the programs.
    pub(crate) fn binary(&self, name: &str) -> PathBuf {
        let mut folder = std::env::current_exe().unwrap();
        folder.pop();
        if folder.ends_with("deps") {
            folder.pop();
        }
        folder.join(name)
    }

    /// A copy of a part's configuration, changed by `edit`.
    pub(crate) fn edited_config(&self, part: Part, edit: impl Fn(String) -> String) -> PathBuf {
        let name = format!("{part}.toml");
        let original = self.find(&name);
        let copy = self.state().join(format!("edited-{name}"));
        fs::write(&copy, edit(fs::read_to_string(original).unwrap())).unwrap();
        copy
    }

    /// A part's configuration as the stack wrote it.
    pub(crate) fn config_text(&self, name: &str) -> String {
        fs::read_to_string(self.find(name)).unwrap()
    }

    /// Puts tables behind a part's configuration; it takes them at its next start.
    pub(crate) fn add_to_config(&self, part: Part, tables: &str) {
        let path = self.find(&format!("{part}.toml"));
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text + tables).unwrap();
    }

    fn find(&self, name: &str) -> PathBuf {
        let folders = [
            self.state().to_owned(),
            self.state().join("config"),
            self.state().join("conf"),
        ];
        let found = folders
            .iter()
            .map(|folder| folder.join(name))
            .find(|path| path.is_file());
        found.unwrap_or_else(|| panic!("no {name} in {}", self.state().display()))
    }

    /// What an enforcer shows the adapter.
    pub(crate) fn xds_identity(&self) -> Identity {
        Identity {
            cert: self.var("XDS_CLIENT_CERT"),
            key: self.var("XDS_CLIENT_KEY"),
        }
    }

    /// What Envoy shows the enforcer.
    pub(crate) fn router_identity(&self) -> Identity {
        Identity {
            cert: self.var("ENFORCER_CLIENT_CERT"),
            key: self.var("ENFORCER_CLIENT_KEY"),
        }
    }

    /// A channel to the adapter, as an enforcer.
    pub(crate) async fn xds_channel(&self) -> Channel {
        self.try_xds_channel().await.unwrap()
    }

    /// The same to one that may not let us in yet.
    pub(crate) async fn try_xds_channel(&self) -> Result<Channel, Error> {
        let identity = self.xds_identity();
        let (address, name, ca) = (
            self.var("XDS_ADDR"),
            self.var("XDS_SERVER_NAME"),
            self.var("CA_CERT"),
        );
        channel(&address, &name, &ca, Some(&identity)).await
    }

    /// A channel to the enforcer.
    pub(crate) async fn ext_authz_channel(
        &self,
        identity: Option<&Identity>,
    ) -> Result<Channel, Error> {
        channel(
            &self.var("ENFORCER_ADDR"),
            "enforcer",
            &self.var("CA_CERT"),
            identity,
        )
        .await
    }

    /// The port in a variable that holds an address or a URL.
    pub(crate) fn port(&self, name: &str) -> String {
        let value = self.var(name);
        let authority = value
            .split("://")
            .last()
            .unwrap()
            .split('/')
            .next()
            .unwrap()
            .to_owned();
        authority.rsplit_once(':').unwrap().1.to_owned()
    }
}

/// A metric without labels on a page of them.
fn value(page: &str, name: &str) -> f64 {
    let value = page
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value
        .unwrap_or_else(|| panic!("no {name} in {page}"))
        .parse()
        .unwrap()
}
