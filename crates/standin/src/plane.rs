//! The control plane itself: its applications, its keys, its list, and what happens when something is revoked.
//!
//! It knows nothing of HTTP and nothing of AMQP.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use rescind_runtime::Secret;
use rescind_runtime::time::unix_now_millis;
use thiserror::Error;
use tokio::task::{JoinError, spawn_blocking};
use uuid::Builder;

use crate::access_token::AccessTokenClaims;
use crate::config::{AdminConfig, ApplicationConfig, ListForm, StandinConfig};
use crate::event::Event;
use crate::hub::Outbox;
use crate::keys::Keys;
use crate::list::{ListError, RevokedList, Row};

/// The only tenant.
pub const TENANT_DOMAIN: &str = "carbon.super";

/// Milliseconds since the Unix epoch.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> u64 + Send + Sync>);

/// Everything that the endpoints share.
#[derive(Debug)]
pub struct ControlPlane {
    /// The claim `iss`.
    pub issuer: String,
    /// The form of the list.
    pub list_form: ListForm,
    /// What it signs with.
    pub keys: Keys,
    /// Tells the time.
    pub clock: Clock,
    entity_id: bool,
    admin: AdminConfig,
    applications: Vec<ApplicationConfig>,
    list: Mutex<RevokedList>,
    outbox: Outbox,
}

/// Why nothing has been revoked, or the list cannot be given.
#[derive(Debug, Error)]
pub enum PlaneError {
    /// It could not be written.
    #[error(transparent)]
    List(#[from] ListError),
    /// It could not be turned into JSON.
    #[error("the list cannot be serialised")]
    Json(#[from] serde_json::Error),
    /// The process is ending.
    #[error("the list is not available")]
    Gone(#[from] JoinError),
}

/// A row of the list and the event that tells of it.
pub type Revocation = (Row, Event);

impl ControlPlane {
    /// Reads the list.
    pub fn open(
        config: StandinConfig,
        keys: Keys,
        clock: Clock,
        outbox: Outbox,
    ) -> Result<Self, ListError> {
        Ok(Self {
            keys,
            list: Mutex::new(RevokedList::open(&config.state_directory)?),
            issuer: config.issuer,
            list_form: config.list_form,
            entity_id: config.entity_id,
            admin: config.admin,
            applications: config.applications,
            clock,
            outbox,
        })
    }

    /// Writes all of it to the list, then hands all of it to the hub, in this order; what the list refuses is not
    /// published. Goes on to its end also when the caller has lost interest.
    pub async fn revoke(self: &Arc<Self>, revocations: Vec<Revocation>) -> Result<(), PlaneError> {
        let plane = Arc::clone(self);
        let revoked = spawn_blocking(move || {
            let now = plane.clock.millis();
            let (rows, events): (Vec<_>, Vec<_>) = revocations.into_iter().unzip();
            plane.list().add(rows)?;
            plane
                .outbox
                .send(events.iter().map(|event| event.message(now)).collect());
            Ok(())
        });
        revoked.await?
    }

    /// Writes rows to the list and tells nobody: what a lost event looks like.
    pub async fn list_only(self: &Arc<Self>, rows: Vec<Row>) -> Result<(), PlaneError> {
        let plane = Arc::clone(self);
        spawn_blocking(move || Ok(plane.list().add(rows)?)).await?
    }

    /// The list in its configured form.
    pub async fn list_json(self: &Arc<Self>) -> Result<Vec<u8>, PlaneError> {
        let plane = Arc::clone(self);
        spawn_blocking(move || Ok(plane.list().json(plane.list_form)?)).await?
    }

    /// How many rows the list has.
    pub fn list_len(&self) -> usize {
        self.list().len()
    }

    /// The claims of an access token that is ours, has not expired and is not revoked.
    pub fn active_token(&self, token: &str) -> Option<AccessTokenClaims> {
        AccessTokenClaims::read(&self.keys.token, token, self.clock.seconds())
            .filter(|claims| !self.list().refuses(claims))
    }

    /// The application with this consumer key and secret.
    pub fn authenticate_client(&self, id: &str, secret: &str) -> Option<&ApplicationConfig> {
        self.applications
            .iter()
            .find(|application| application.client_id == id)
            .filter(|application| matches(&application.client_secret, secret))
    }

    /// Whether this is the admin, with or without tenant domain.
    pub fn is_admin(&self, username: &str, password: &str) -> bool {
        let name = username
            .strip_suffix(TENANT_DOMAIN)
            .and_then(|name| name.strip_suffix('@'))
            .unwrap_or(username);
        name == self.admin.username && matches(&self.admin.password, password)
    }

    /// The admin's name, without tenant domain.
    pub fn admin_name(&self) -> &str {
        &self.admin.username
    }

    /// The application that the DevPortal API calls `id`, and its number.
    pub fn application(&self, id: &str) -> Option<(usize, &ApplicationConfig)> {
        self.applications
            .iter()
            .enumerate()
            .find(|(_, application)| application.id == id)
            .map(|(at, application)| (at + 1, application))
    }

    /// Whether a consumer key is one of ours.
    pub fn is_consumer_key(&self, text: &str) -> bool {
        self.applications
            .iter()
            .any(|application| application.client_id == text)
    }

    /// The claim `entity_id` of a token that speaks for the admin. The same after every start.
    pub fn user_entity_id(&self) -> Option<String> {
        self.entity_id.then(|| uuid_of(&self.admin.username))
    }

    /// The claim `entity_id` of a token that speaks for an application.
    pub fn client_entity_id(&self, application: &ApplicationConfig) -> Option<String> {
        self.entity_id.then(|| application.client_id.clone())
    }

    /// Makes every write to the list fail from now on.
    #[cfg(test)]
    pub(crate) fn refuse_writes(&self) {
        self.list().refuse_writes();
    }

    fn list(&self) -> MutexGuard<'_, RevokedList> {
        // The list changes only after the file has: a panic leaves nothing half done.
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock {
    /// The system's.
    pub fn system() -> Self {
        Self::new(unix_now_millis)
    }

    /// Another one. Milliseconds since the Unix epoch.
    pub fn new(millis: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(millis))
    }

    /// Now, in milliseconds.
    pub fn millis(&self) -> u64 {
        (self.0)()
    }

    /// Now, in whole seconds, as claims have it.
    pub fn seconds(&self) -> i64 {
        i64::try_from(self.millis() / 1000).unwrap_or(i64::MAX)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({})", self.millis())
    }
}

fn matches(secret: &Secret, offered: &str) -> bool {
    verify_slices_are_equal(secret.expose().as_bytes(), offered.as_bytes()).is_ok()
}

/// A UUID that stands for a name.
fn uuid_of(name: &str) -> String {
    let hash = digest(&SHA256, name.as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.as_ref()[..16]);
    Builder::from_random_bytes(bytes).into_uuid().to_string()
}
