//! A client of the protocol in this process: it decodes what comes, ACKs it, and says when.

use std::sync::Arc;

use rescind_revocation::{UnixSeconds, packed::Packed};
use rescind_runtime::tls::{self, Identity, Trust};
use rescind_stack::Stack;
use rescind_xds::client::{
    self, Answer, ClientConfig, Content, LinkState, Outcome, Rejection, Security, Sink, Update,
};
use rustls_pki_types::ServerName;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Hears the sequence up to which everything was decoded, at the moment before the ACK.
type Applied = Box<dyn FnMut(u64) + Send>;

struct Light {
    held: Option<(String, String)>,
    applied: Applied,
}

impl Sink for Light {
    fn version(&self) -> String {
        self.held
            .as_ref()
            .map(|(_, version)| version.clone())
            .unwrap_or_default()
    }

    fn versions(&self) -> Vec<(String, String)> {
        self.held.iter().cloned().collect()
    }

    fn apply(&mut self, update: Update) -> Result<Outcome, Rejection> {
        if let Content::Packed(packed) = &update.content {
            let parsed = Packed::parse(&packed.entries, UnixSeconds(packed.base));
            let parsed = parsed.map_err(|error| Rejection(error.to_string()))?;
            let mut sum = 0;
            parsed.for_each(|entry| sum ^= entry.id().as_u128());
            std::hint::black_box(sum);
        }
        if let Some(sequence) = update
            .version
            .split('-')
            .next()
            .and_then(|text| text.parse().ok())
        {
            (self.applied)(sequence);
        }
        self.held = update.ledger.map(|ledger| (ledger, update.version));
        Ok(Outcome::Applied(Answer::default()))
    }

    fn link(&mut self, _: LinkState) {}
}

/// Subscribes until it is dropped or cancelled.
pub(crate) fn subscribe(
    stack: &Stack,
    number: usize,
    cancel: CancellationToken,
    applied: Applied,
) -> JoinHandle<()> {
    let path = |name: &str| stack.var(name);
    let trust = Trust::load(path("CA_CERT")).unwrap();
    let identity = Identity::new(path("XDS_CLIENT_CERT"), path("XDS_CLIENT_KEY"));
    let security = Security::Tls {
        config: Arc::clone(&tls::client_config(&trust, Some(&identity), &[]).unwrap()),
        server_name: ServerName::try_from("adapter").unwrap(),
    };
    let config = ClientConfig::new(vec![path("XDS_ADDR")], security, format!("bench-{number}"));
    let sink = Light {
        held: None,
        applied,
    };
    tokio::spawn(client::run(config, sink, cancel))
}
